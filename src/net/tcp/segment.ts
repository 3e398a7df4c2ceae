/** TCP segments (RFC 9293 §3.1) and their options. */

import { get16, get32 } from "../bytes.ts";
import { fold, pseudoSum, sumOf } from "../checksum.ts";
import { HEADER } from "../ethernet.ts";
import { type Packet, TCP } from "../ipv4.ts";

export const TCP_HEADER = 20;

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;

/** Kinds of options. */
const END = 0;
const NOP = 1;
const MSS = 2;
const WINDOW_SCALE = 3;
const SACK_PERMITTED = 4;
const SACK = 5;

/** Payload that a peer takes which doesn't say (§3.7.1). */
export const DEFAULT_MSS = 536;
/** RFC 7323 §2.3 */
const MAX_SCALE = 14;

export interface Segment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly flags: number;
  /** As it stands there, not scaled. */
  readonly window: number;
  readonly frame: Uint8Array;
  /** The options, and the payload behind them, in the frame. */
  readonly optionsAt: number;
  readonly payloadAt: number;
  readonly end: number;
}

/** @param verify whether the checksum is to be looked at @returns undefined for one that is damaged */
export function parseTcp({ frame, start, end }: Packet, verify = true): Segment | undefined {
  if (end - start < TCP_HEADER) return undefined;
  const header = (frame[start + 12]! >>> 4) * 4;
  if (header < TCP_HEADER || start + header > end) return undefined;
  if (verify && fold(sumOf(frame, start, end, pseudoSum(frame, HEADER, TCP, end - start))) !== 0) return undefined;
  return {
    sourcePort: get16(frame, start),
    destinationPort: get16(frame, start + 2),
    sequence: get32(frame, start + 4),
    acknowledgement: get32(frame, start + 8),
    flags: frame[start + 13]!,
    window: get16(frame, start + 14),
    frame,
    optionsAt: start + TCP_HEADER,
    payloadAt: start + header,
    end,
  };
}

/** How much of the sequence a segment takes up: its payload, SYN and FIN. */
export function lengthOf(segment: Segment): number {
  return segment.end - segment.payloadAt + ((segment.flags & SYN) >> 1) + (segment.flags & FIN);
}

export interface SynOptions {
  readonly mss: number;
  /** Undefined: windows aren't scaled. */
  readonly scale: number | undefined;
  readonly sack: boolean;
}

/** Calls back for each option; stops at one that is damaged. */
function eachOption(segment: Segment, option: (kind: number, at: number, length: number) => void): void {
  const { frame, payloadAt } = segment;
  for (let at = segment.optionsAt; at < payloadAt; ) {
    const kind = frame[at]!;
    if (kind === END) return;
    if (kind === NOP) {
      at++;
      continue;
    }
    const length = at + 1 < payloadAt ? frame[at + 1]! : 0;
    if (length < 2 || at + length > payloadAt) return;
    option(kind, at + 2, length - 2);
    at += length;
  }
}

/** What a SYN says about its sender. */
export function readSynOptions(segment: Segment): SynOptions {
  let mss = DEFAULT_MSS;
  let scale: number | undefined;
  let sack = false;
  eachOption(segment, (kind, at, length) => {
    if (kind === MSS && length === 2) mss = get16(segment.frame, at);
    else if (kind === WINDOW_SCALE && length === 1) scale = Math.min(segment.frame[at]!, MAX_SCALE);
    else if (kind === SACK_PERMITTED && length === 0) sack = true;
  });
  return { mss, scale, sack };
}

/** Ranges that the peer has beyond what it acknowledges (RFC 2018), as pairs of start and end. */
export function readSack(segment: Segment): number[] {
  const edges: number[] = [];
  if (segment.optionsAt === segment.payloadAt) return edges;
  eachOption(segment, (kind, at, length) => {
    if (kind !== SACK || length % 8 !== 0) return;
    for (let edge = at; edge < at + length; edge += 4) edges.push(get32(segment.frame, edge));
  });
  return edges;
}

/** A SYN's options, a multiple of four bytes. */
export function synOptions({ mss, scale, sack }: SynOptions): Uint8Array {
  const options = [MSS, 4, mss >>> 8, mss & 255];
  if (sack) options.push(NOP, NOP, SACK_PERMITTED, 2);
  if (scale !== undefined) options.push(NOP, WINDOW_SCALE, 3, scale);
  return Uint8Array.from(options);
}

/** At most four ranges, as pairs of start and end. */
export function sackOption(edges: readonly number[]): Uint8Array {
  const options = new Uint8Array(4 + edges.length * 4);
  options.set([NOP, NOP, SACK, 2 + edges.length * 4]);
  edges.forEach((edge, i) => {
    options.set([edge >>> 24, edge >>> 16, edge >>> 8, edge], 4 + i * 4);
  });
  return options;
}
