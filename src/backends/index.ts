/**
 * What a machine needs of its surroundings, as interfaces; src/host has them
 * for each platform.
 *
 * All of them submit and complete: a call starts something and returns, and what
 * comes of it is handed over later. The machine puts each completion into its
 * input door, so a backend may complete at any time outside the guest's run,
 * also from within the call that submitted.
 */
export type { BlockFile } from "./block-file.ts";
export type { Clock } from "./clock.ts";
export type { Disk, DiskOptions, DiskRequest, DiskResult } from "./disk.ts";
export type { Display, DisplayInput, DisplayRectangle } from "./display.ts";
export type { Entropy } from "./entropy.ts";
export { type FileReply, type FileRequest, type Files, MAX_FILE_BODY, type ShareOptions } from "./files.ts";
export type { Forward, Link, Network, NetworkOptions, PortOptions } from "./link.ts";
export type { Nvram } from "./nvram.ts";
export type {
  DatagramHandler,
  DatagramSocket,
  Listener,
  ResolverConfiguration,
  SocketAddress,
  SocketFailure,
  Sockets,
  Stream,
  StreamHandler,
} from "./sockets.ts";
export type { Terminal, TerminalSize } from "./terminal.ts";
export type { Timing } from "./timing.ts";
export type { Vsock, VsockHandler, VsockOptions, VsockStream } from "./vsock.ts";
