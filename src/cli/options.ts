/** Parsers of the command line's values. */

import { InvalidArgumentError } from "commander";
import type { ShareOptions } from "../backends/files.ts";
import type { Forward } from "../backends/link.ts";
import { ENGINES, type EngineName } from "../core/engine.ts";
import { LEAST_CID, MOST_CID } from "../devices/virtio/vsock/vsock.ts";
import type { MachineDisk, MachineVsock } from "../hypervisor/protocol.ts";
import { parseForward as readForward } from "../net/forward.ts";

const UNITS: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };
const PAGE = 4096;
/** As many harts as the core has room for (assembly/abi.ts, MAX_HARTS). */
export const MAX_HARTS = 8;
/** What fits into a timer of the host: 2³¹ − 1 ms. */
const MAX_SECONDS = 2_147_483;

/**
 * A size of memory as QEMU's `-m` takes it: a number with K, M, G or T, and in MiB without.
 * @returns bytes, a multiple of 4096
 */
export function parseMemory(text: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,9})?)([KMGT])?$/i.exec(text);
  if (!match) throw new InvalidArgumentError("it must be a size such as 512M or 2G");
  const bytes = Number(match[1]) * UNITS[(match[2] ?? "M").toUpperCase()]!;
  if (bytes === 0) throw new InvalidArgumentError("a machine needs some memory, such as 64M");
  if (bytes % PAGE !== 0) throw new InvalidArgumentError("it must be a multiple of 4K");
  if (bytes > Number.MAX_SAFE_INTEGER) throw new InvalidArgumentError("no host has that much");
  return bytes;
}

/** A memory balloon's size, as that of memory; 0 as well. @returns bytes, a multiple of 4096 */
export function parseBalloon(text: string): number {
  return /^0+[KMGT]?$/i.test(text) ? 0 : parseMemory(text);
}

/**
 * A disk's size as qemu-img takes it: a number with K, M, G or T, and in bytes without.
 * @returns bytes, a multiple of 512
 */
export function parseDiskSize(text: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,9})?)([KMGT])?$/i.exec(text);
  if (!match) throw new InvalidArgumentError("it must be a size such as 512M or 10G");
  const bytes = Number(match[1]) * (match[2] === undefined ? 1 : UNITS[match[2].toUpperCase()]!);
  if (bytes % 512 !== 0) throw new InvalidArgumentError("it must be a multiple of 512 bytes");
  if (bytes === 0) throw new InvalidArgumentError("a disk needs some room, such as 10G");
  if (bytes > Number.MAX_SAFE_INTEGER) throw new InvalidArgumentError("no host has that much");
  return bytes;
}

/** What a disk's size becomes from what it is, both in bytes. */
export type NewSize = (present: number) => number;

/** A size as `parseDiskSize` takes it, or how much more than now, with a plus. */
export function parseNewSize(text: string): NewSize {
  const bytes = parseDiskSize(text.replace(/^\+/, ""));
  return text.startsWith("+") ? (present) => present + bytes : () => bytes;
}

/** @returns a number of harts from 1 to MAX_HARTS */
export function parseHarts(text: string): number {
  const harts = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (harts < 1 || harts > MAX_HARTS) throw new InvalidArgumentError(`it must be a number from 1 to ${MAX_HARTS}`);
  return harts;
}

/** @returns a whole number, 0 or more */
export function parseCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("it must be a whole number");
  return Number(text);
}

/** @returns the name of an engine that there is */
export function parseEngine(text: string): EngineName {
  const engine = ENGINES.find((name) => name === text);
  if (!engine) throw new InvalidArgumentError(`it must be one of: ${ENGINES.join(", ")}`);
  return engine;
}

/** @returns a TCP port, or 0 */
export function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (port < 0 || port > 65535) throw new InvalidArgumentError("it must be a port's number, or 0 for any");
  return port;
}

/** @returns milliseconds, above 0 */
export function parseTimeout(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0;
  if (seconds <= 0 || seconds > MAX_SECONDS)
    throw new InvalidArgumentError(`it must be a number of seconds above 0 and up to ${MAX_SECONDS}`);
  return seconds * 1000;
}

/** @returns a JavaScript regular expression without flags */
export function parsePattern(text: string): RegExp {
  if (text === "") throw new InvalidArgumentError("it must not be empty");
  try {
    return new RegExp(text);
  } catch (error) {
    const reason = (error as Error).message.split(": ").at(-1);
    throw new InvalidArgumentError(`it is no regular expression (${reason})`);
  }
}

/** A path or another text that must not be empty. */
export function parseText(text: string): string {
  if (text === "") throw new InvalidArgumentError("it must not be empty");
  return text;
}

/** The parts of `PATH[,option…]`; a comma of the path is doubled, as QEMU has it. */
function parts(text: string): string[] {
  return text.split(/(?<!,),(?!,)/).map((part) => part.replaceAll(",,", ","));
}

/** A disk as `PATH[,option…]`. */
export function parseDisk(text: string): MachineDisk {
  const [path = "", ...options] = parts(text);
  if (path === "") throw new InvalidArgumentError("it must begin with the path of an image");
  const disk: { -readonly [K in keyof MachineDisk]: MachineDisk[K] } = { path };
  for (const option of options) {
    const [name, value] = option.split(/=(.*)/s, 2) as [string, string | undefined];
    if (name === "readonly" && value === undefined) disk.readOnly = true;
    else if (name === "temporary" && value === undefined) disk.temporary = true;
    else if (name === "format" && (value === "raw" || value === "qcow2")) disk.format = value;
    else if (name === "serial" && value) disk.serial = value;
    else if (name === "transport" && (value === "pci" || value === "mmio")) disk.transport = value;
    else if (name === "allow-backing" && value) disk.allowBacking = [...(disk.allowBacking ?? []), value];
    else throw new InvalidArgumentError(`"${option}" is no option of a disk`);
  }
  return disk;
}

/** A forwarded port as `[tcp:|udp:][HOST:]PORT:GUESTPORT`; an IPv6 address stands in brackets. */
export function parseForward(text: string): Forward {
  const forward = readForward(text);
  if (!forward) throw new InvalidArgumentError("it must be such as 8080:80, udp:5353:53 or 0.0.0.0:2222:22");
  return forward;
}

/** A folder as `DIR:TAG[:ro]`; a colon of the directory is no trouble, since the tag has none. */
export function parseShare(text: string): ShareOptions {
  const match = /^(.+?):([^:]+)(:ro)?$/s.exec(text);
  if (!match || match[2] === "ro") throw new InvalidArgumentError("it must be DIR:TAG or DIR:TAG:ro");
  return { path: match[1]!, tag: match[2]!, ...(match[3] && { readOnly: true }) };
}

/** Sockets as `PATH[,cid=N]`. */
export function parseVsock(text: string): MachineVsock {
  const [path = "", ...options] = parts(text);
  if (path === "") throw new InvalidArgumentError("it must begin with the path of a Unix socket");
  let cid: number | undefined;
  for (const option of options) {
    const [, number] = /^cid=(\d{1,10})$/.exec(option) ?? [];
    if (number === undefined) throw new InvalidArgumentError(`"${option}" is no option of a vsock`);
    cid = Number(number);
    if (cid < LEAST_CID || cid > MOST_CID)
      throw new InvalidArgumentError(`a context ID is a number from ${LEAST_CID} to ${MOST_CID}`);
  }
  return { path, ...(cid !== undefined && { cid }) };
}
