/** Captures of frames in pcapng (draft-ietf-opsawg-pcapng), which Wireshark and tshark read. */

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const INTERFACE_STATISTICS = 5;
const ENHANCED_PACKET = 6;
const BYTE_ORDER = 0x1a2b3c4d;
const LINK_ETHERNET = 1;
/** Bytes of a frame that are kept: all of them. */
const SNAP_LENGTH = 262_144;

const OPTION_END = 0;
const IF_NAME = 2;
const IF_TIME_RESOLUTION = 9;
const EPB_FLAGS = 2;
const ISB_RECEIVED = 4;
const ISB_DROPPED = 5;
const SHB_APPLICATION = 4;

/** Which way a frame went, from the guest's interface (§4.3.1, epb_flags). */
export type Direction = "received" | "sent";

type Part = [code: number, value: Uint8Array];

/** The file's beginning: a section of one Ethernet interface, with times in nanoseconds. */
export function pcapngHeader(application: string, name: string): Uint8Array {
  const section = new Uint8Array(16);
  const view = new DataView(section.buffer);
  view.setUint32(0, BYTE_ORDER, true);
  view.setUint16(4, 1, true); // version 1.0
  view.setBigInt64(8, -1n, true); // of unknown length
  const description = new Uint8Array(8);
  new DataView(description.buffer).setUint16(0, LINK_ETHERNET, true);
  new DataView(description.buffer).setUint32(4, SNAP_LENGTH, true);
  const first = block(SECTION_HEADER, section, [[SHB_APPLICATION, utf8(application)]]);
  const second = block(INTERFACE_DESCRIPTION, description, [
    [IF_NAME, utf8(name)],
    [IF_TIME_RESOLUTION, Uint8Array.of(9)],
  ]);
  const header = new Uint8Array(first.length + second.length);
  header.set(first);
  header.set(second, first.length);
  return header;
}

/** A frame. @param time nanoseconds since 1970 */
export function pcapngPacket(frame: Uint8Array, time: bigint, direction: Direction): Uint8Array {
  const body = new Uint8Array(20 + pad(frame.length));
  const view = new DataView(body.buffer);
  setTime(view, 4, time);
  view.setUint32(12, frame.length, true);
  view.setUint32(16, frame.length, true);
  body.set(frame, 20);
  const flags = Uint8Array.of(direction === "received" ? 1 : 2, 0, 0, 0);
  return block(ENHANCED_PACKET, body, [[EPB_FLAGS, flags]]);
}

/** The file's end: how many frames there were, and how many of them could not be kept. */
export function pcapngStatistics(time: bigint, frames: number, dropped: number): Uint8Array {
  const body = new Uint8Array(12);
  setTime(new DataView(body.buffer), 4, time);
  return block(INTERFACE_STATISTICS, body, [
    [ISB_RECEIVED, number64(frames)],
    [ISB_DROPPED, number64(dropped)],
  ]);
}

/** The high half of times comes first, also where bytes are little-endian. */
function setTime(view: DataView, at: number, time: bigint): void {
  view.setUint32(at, Number((time >> 32n) & 0xffffffffn), true);
  view.setUint32(at + 4, Number(time & 0xffffffffn), true);
}

function number64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
}

const pad = (length: number): number => (length + 3) & ~3;

/** Type, length, body, options, and the length again; all of whole words. */
function block(type: number, body: Uint8Array, options: readonly Part[]): Uint8Array {
  const length = options.reduce((sum, [, value]) => sum + 4 + pad(value.length), 12 + body.length + 4);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, length, true);
  bytes.set(body, 8);
  let at = 8 + body.length;
  for (const [code, value] of [...options, [OPTION_END, new Uint8Array(0)] as Part]) {
    view.setUint16(at, code, true);
    view.setUint16(at + 2, value.length, true);
    bytes.set(value, at + 4);
    at += 4 + pad(value.length);
  }
  view.setUint32(at, length, true);
  return bytes;
}

/** Names are ours, of plain characters. */
function utf8(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0) & 0x7f);
}
