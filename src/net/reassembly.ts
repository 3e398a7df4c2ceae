/**
 * Puts fragments of IPv4 packets together again (RFC 815), within bounds: so
 * many packets at a time, the oldest given up first, and none for longer than
 * 15 seconds (RFC 791 §3.2). Fragments that overlap end their packet, as
 * RFC 5722 has it for IPv6: nobody sends them honestly.
 */

import type { Timing } from "../backends/timing.ts";
import { IP_PAYLOAD, MAX_PAYLOAD, type Packet, writeHeader } from "./ipv4.ts";

const MAX_PACKETS = 32;
const MAX_FRAGMENTS = 64;
const TIMEOUT_MS = 15_000;

interface Partial {
  readonly since: number;
  /** Sorted by where they belong. */
  readonly fragments: Packet[];
  /** Bytes of the whole, once the last fragment is there. */
  length: number | undefined;
  bytes: number;
}

export class Reassembly {
  readonly #timing: Timing;
  /** In the order of their first fragments. */
  readonly #partials = new Map<string, Partial>();

  constructor(timing: Timing) {
    this.#timing = timing;
  }

  /** @returns the whole packet, once this fragment makes it complete */
  add(packet: Packet): Packet | undefined {
    this.#expire();
    const key = `${packet.source},${packet.destination},${packet.protocol},${packet.identification}`;
    let partial = this.#partials.get(key);
    if (!partial) {
      if (this.#partials.size >= MAX_PACKETS) this.#partials.delete(this.#partials.keys().next().value!);
      partial = { since: this.#timing.now(), fragments: [], length: undefined, bytes: 0 };
      this.#partials.set(key, partial);
    }
    if (!insert(partial, packet)) {
      this.#partials.delete(key);
      return undefined;
    }
    if (partial.bytes !== partial.length) return undefined;
    this.#partials.delete(key);
    return join(partial.fragments, partial.length);
  }

  #expire(): void {
    const limit = this.#timing.now() - TIMEOUT_MS;
    for (const [key, { since }] of this.#partials) {
      if (since > limit) return;
      this.#partials.delete(key);
    }
  }
}

/** @returns false for what can't be part of one packet */
function insert(partial: Partial, packet: Packet): boolean {
  const { fragments } = partial;
  const start = packet.fragmentOffset;
  const length = packet.end - packet.start;
  const end = start + length;
  if (length === 0 || end > MAX_PAYLOAD || fragments.length >= MAX_FRAGMENTS) return false;
  if (packet.moreFragments && (length & 7) !== 0) return false;
  const at = fragments.findIndex((other) => other.fragmentOffset >= start);
  const next = at < 0 ? undefined : fragments[at];
  const before = fragments.at(at < 0 ? -1 : at - 1);
  if (next && next.fragmentOffset === start && next.end - next.start === length) return true; // the same again
  if (next && next.fragmentOffset < end) return false;
  if (at !== 0 && before && before.fragmentOffset + before.end - before.start > start) return false;
  if (!packet.moreFragments) {
    if (partial.length !== undefined || next) return false;
    partial.length = end;
  } else if (partial.length !== undefined && end > partial.length) return false;
  // A copy: what came in the same frame as the fragment isn't kept.
  const kept = { ...packet, frame: packet.frame.slice(packet.start, packet.end), start: 0, end: length };
  fragments.splice(at < 0 ? fragments.length : at, 0, kept);
  partial.bytes += length;
  return true;
}

function join(fragments: readonly Packet[], length: number): Packet {
  const frame = new Uint8Array(IP_PAYLOAD + length);
  for (const part of fragments) frame.set(part.frame, IP_PAYLOAD + part.fragmentOffset);
  const first = fragments[0]!;
  writeHeader(frame, first.source, first.destination, first.protocol, first.identification, 0);
  return { ...first, frame, start: IP_PAYLOAD, end: IP_PAYLOAD + length, fragmentOffset: 0, moreFragments: false };
}
