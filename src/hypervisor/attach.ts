/** Opens what a machine is joined to, all of it or nothing. */

import type { Disk, DiskOptions } from "../backends/disk.ts";
import type { Files, ShareOptions } from "../backends/files.ts";
import type { Link, NetworkOptions, PortOptions } from "../backends/link.ts";
import type { Nvram } from "../backends/nvram.ts";
import type { Vsock, VsockOptions } from "../backends/vsock.ts";
import { MAX_TAG } from "../devices/virtio/fs/fs.ts";
import { DEFAULT_CID, LEAST_CID, MOST_CID } from "../devices/virtio/vsock/vsock.ts";
import {
  AttachmentError,
  type Attachments,
  type DiskAttachment,
  type ShareAttachment,
  TRANSPORTS,
  type VsockAttachment,
} from "../machine/virtio.ts";
import type { CellSpec, MachineDisk, MachineNetwork, MachineVsock } from "./protocol.ts";

export interface Opener {
  openDisk(options: DiskOptions): Promise<Disk>;
  openNetwork(options: NetworkOptions | PortOptions): Promise<Link>;
  openShare(options: ShareOptions): Promise<Files>;
  openNvram(path: string): Promise<Nvram>;
  openVsock(options: VsockOptions): Promise<Vsock>;
}

export interface Attached extends Attachments {
  /** Closes everything, for a machine that could not be made. */
  close(): Promise<void>;
}

export const NOTHING_ATTACHED: Attached = { close: async () => {} };

const DEFAULT_MAC = "52:54:00:12:34:56";

/** @throws what can't be opened, as one sentence; then nothing is left open */
export async function attach(
  { disks = [], network, shares = [], nvram: path, vsock, balloon }: CellSpec,
  opener: Opener,
): Promise<Attached> {
  const opened: DiskAttachment[] = [];
  const shared: ShareAttachment[] = [];
  let link: Link | undefined;
  let nvram: Nvram | undefined;
  let sockets: VsockAttachment | undefined;
  const close = async () => {
    link?.close();
    await Promise.allSettled([
      ...opened.map(({ disk }) => disk.close()),
      ...shared.map(({ files }) => files.close()),
      nvram?.close(),
      sockets?.vsock.close(),
    ]);
  };
  try {
    // One after another: the same image given twice is told by its lock.
    for (const [i, { serial = `disk${i}`, transport = "pci", ...options }] of disks.entries())
      opened.push({ disk: await opener.openDisk(options), serial, transport });
    for (const share of shares) shared.push({ files: await opener.openShare(share), tag: share.tag });
    if (path !== undefined) nvram = await opener.openNvram(path);
    if (vsock) {
      const { transport = "pci", ...options } = vsock;
      sockets = { vsock: await opener.openVsock(options), cid: vsock.cid ?? DEFAULT_CID, transport };
    }
    const rest = { ...(nvram && { nvram }), ...(sockets && { vsock: sockets }), ...(balloon && { balloon }) };
    const all = { disks: opened, shares: shared, ...rest, close };
    if (!network) return all;
    const { mac = DEFAULT_MAC, transport = "pci", ...options } = network;
    link = await opener.openNetwork(options);
    return { ...all, links: [{ link, mac: macBytes(mac), transport }] };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What a JavaScript caller may have got wrong. @throws AttachmentError */
export function checkDisk({ path, serial = "", transport = "pci" }: MachineDisk): void {
  checkTransport(transport);
  if (typeof path !== "string" || path === "") throw new AttachmentError("A disk needs the path of its image.");
  if (new TextEncoder().encode(serial).length > 20 || /[^ -~]/.test(serial))
    throw new AttachmentError(`The serial number ${JSON.stringify(serial)} isn't up to 20 characters of ASCII.`);
}

/** @throws AttachmentError */
export function checkNetwork(network: MachineNetwork): void {
  if (network.kind !== "user")
    throw new AttachmentError(`There is no network of the kind ${network.kind}; choose user.`);
  checkCard(network);
}

/** The guest's end of any network. @throws AttachmentError */
export function checkCard({ mac = DEFAULT_MAC, transport = "pci" }: Pick<MachineNetwork, "mac" | "transport">): void {
  checkTransport(transport);
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac) || Number.parseInt(mac.slice(0, 2), 16) & 1)
    throw new AttachmentError(`The hardware address ${mac} is none of a card; give one such as ${DEFAULT_MAC}.`);
}

/** @throws AttachmentError */
export function checkShares(shares: readonly ShareOptions[]): void {
  const tags = new Set<string>();
  for (const { path, tag } of shares) {
    if (typeof path !== "string" || path === "") throw new AttachmentError("A folder needs the path of a directory.");
    const name = JSON.stringify(tag);
    const length = typeof tag === "string" ? new TextEncoder().encode(tag).length : 0;
    if (length === 0 || tag.includes("\0"))
      throw new AttachmentError(`The folder ${JSON.stringify(path)} needs a tag, by which the guest mounts it.`);
    if (length > MAX_TAG)
      throw new AttachmentError(
        `The tag ${name} has ${length} bytes, and at most ${MAX_TAG} are possible; shorten it.`,
      );
    if (tags.has(tag)) throw new AttachmentError(`Two folders have the tag ${name}; give each its own.`);
    tags.add(tag);
  }
}

/** @throws AttachmentError */
export function checkVsock({ path, cid = DEFAULT_CID, transport = "pci" }: MachineVsock): void {
  checkTransport(transport);
  if (typeof path !== "string" || path === "") throw new AttachmentError("A vsock needs the path of a Unix socket.");
  if (!Number.isInteger(cid) || cid < LEAST_CID || cid > MOST_CID)
    throw new AttachmentError(`A guest can't have the context ID ${cid}; choose one from ${LEAST_CID} to ${MOST_CID}.`);
}

export function checkTransport(name: string): void {
  if (!TRANSPORTS.some((transport) => transport === name))
    throw new AttachmentError(`There is no transport ${name}; choose ${TRANSPORTS.join(" or ")}.`);
}

function macBytes(mac: string): Uint8Array {
  return Uint8Array.from(mac.split(":"), (part) => Number.parseInt(part, 16));
}
