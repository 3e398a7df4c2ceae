/**
 * One end of a TCP connection (RFC 9293, with RFC 5681 and RFC 6298).
 *
 * Bytes are counted by positions, which are plain numbers: the first byte of
 * either direction is at 0, its SYN at -1, its FIN behind the last byte.
 */

import type { Timing } from "../../backends/timing.ts";
import { Congestion } from "./congestion.ts";
import { Ranges } from "./ranges.ts";
import { Receiver, SCALE } from "./receiver.ts";
import { ByteRing } from "./ring.ts";
import { RoundTrip } from "./rtt.ts";
import {
  ACK,
  DEFAULT_MSS,
  FIN,
  lengthOf,
  PSH,
  RST,
  readSack,
  readSynOptions,
  type Segment,
  SYN,
  synOptions,
} from "./segment.ts";
import { advance, distance } from "./sequence.ts";

export enum State {
  /** A SYN has come, and waits for `accept`. */
  Deferred,
  SynSent,
  SynReceived,
  Established,
  FinWait1,
  FinWait2,
  CloseWait,
  Closing,
  LastAck,
  TimeWait,
  Closed,
}

/** How it ended: both sides finished, the peer reset or refused it, or was not heard of. */
export type Ending = "finished" | "reset" | "refused" | "timed-out";

/** Whoever uses the connection. Nothing comes after `closed`. */
export interface TcpUser {
  established(): void;
  /** There are bytes in `received`, which stay there until they are `consumed`; or the peer has `ended`. */
  readable(): void;
  /** There is room again in what is to be sent. */
  writable(): void;
  closed(how: Ending): void;
}

/** The way to the peer. */
export interface TcpWire {
  /** @param payload what is sent: so many of its bytes from a position on */
  send(
    sequence: number,
    acknowledgement: number,
    flags: number,
    window: number,
    options: Uint8Array,
    payload: ByteRing,
    position: number,
    length: number,
  ): void;
}

export interface TcpOptions {
  readonly timing: Timing;
  readonly wire: TcpWire;
  readonly user: TcpUser;
  /** Where sequence numbers begin; hard to guess (RFC 9293 §3.4.1). */
  readonly initialSequence: number;
  /** Payload of the largest segment that this side takes. */
  readonly mss: number;
  /** Bytes of payload that may go as one segment, to be cut further on; what is less than `mss` counts as that. */
  readonly burst?: () => number;
  /** Bytes that may wait in either direction. */
  readonly limit: () => number;
  /** Asks for `flush` to be called soon. */
  readonly schedule: (connection: TcpConnection) => void;
}

const NO_OPTIONS = new Uint8Array(0);
const NEVER = Number.POSITIVE_INFINITY;

const MAX_SACKED = 64;
/** Duplicates that mean a loss (RFC 5681 §3.2). */
const DUPLICATES = 3;

/** Attempts until the peer counts as gone: about a quarter of an hour, as in Linux. */
const MAX_RETRIES = 15;
const MAX_SYN_RETRIES = 6;
/** Twice a segment's longest life (RFC 9293 §3.4.2), as Linux has it. */
const TIME_WAIT_MS = 60_000;
/** RFC 9293 §3.8.4: no less than two hours by default. */
const KEEPALIVE_MS = 7_200_000;
const KEEPALIVE_INTERVAL_MS = 75_000;
const KEEPALIVE_PROBES = 9;
const LONGEST_PERSIST_MS = 60_000;
/** As in Linux. */
const CHALLENGE_MS = 500;

export class TcpConnection {
  readonly #timing: Timing;
  readonly #wire: TcpWire;
  readonly #user: TcpUser;
  readonly #limit: () => number;
  readonly #burst: () => number;
  readonly #schedule: (connection: TcpConnection) => void;
  #state = State.Deferred;

  // ---- What is sent: positions, as all that isn't called a sequence --------------------------
  readonly #out = new ByteRing();
  readonly #iss: number;
  /** The first that isn't acknowledged, the next to be sent, and the end of what ever was. */
  #una = -1;
  #nxt = -1;
  #max = -1;
  #ending = false;
  #mss = DEFAULT_MSS;
  readonly #ownMss: number;
  #peerScale = 0;
  #scales = false;
  #sack = false;
  /** The peer's window, and the largest it ever had; the segment that it is from, by sequence and acknowledgement. */
  #window = 0;
  #largestWindow = 0;
  #windowSequence = 0;
  #windowAcknowledgement = 0;
  #congestion = new Congestion(DEFAULT_MSS);
  readonly #roundTrip = new RoundTrip();
  /** The end of the segment whose round trip is being measured, and when it was sent. */
  #timed = -1;
  #timedAt = 0;
  #duplicates = 0;
  /** While losses are repaired: the end of what was sent when the first was noticed. */
  #recover: number | undefined;
  /** The end of what was sent again since. */
  #repaired = 0;
  readonly #sacked = new Ranges(MAX_SACKED);
  #retries = 0;

  // ---- What is received ------------------------------------------------------------------
  readonly #in: Receiver;
  #owesAck = false;
  #isReadable = false;
  #scheduled = false;
  #challengedAt = Number.NEGATIVE_INFINITY;

  // ---- Timers: when each is due ------------------------------------------------------------
  #retransmitAt = NEVER;
  #persistAt = NEVER;
  #persists = 0;
  #lingerAt = NEVER;
  #heardAt: number;
  #probes = 0;
  #cancelTimer: (() => void) | undefined;
  #timerAt = NEVER;

  constructor(options: TcpOptions) {
    this.#timing = options.timing;
    this.#wire = options.wire;
    this.#user = options.user;
    this.#limit = options.limit;
    this.#in = new Receiver(options.limit);
    this.#burst = options.burst ?? (() => 0);
    this.#schedule = options.schedule;
    this.#iss = options.initialSequence >>> 0;
    this.#ownMss = options.mss;
    this.#heardAt = options.timing.now();
  }

  get state(): State {
    return this.#state;
  }

  /** When a segment last came. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** The peer's bytes, in order. */
  get received(): ByteRing {
    return this.#in.bytes;
  }

  /** Whether all that the peer had to say is in `received`. */
  get ended(): boolean {
    return this.#in.finished;
  }

  /** How many bytes may be written. */
  get room(): number {
    return Math.max(0, this.#limit() - this.#out.length);
  }

  /** The sequence number behind all that was received. */
  get nextSequence(): number {
    return this.#in.sequenceOf(this.#in.next);
  }

  // ---- Calls -------------------------------------------------------------------------------

  /** Begins a connection. */
  open(): void {
    this.#state = State.SynSent;
    this.#sendSyn();
  }

  /** Keeps the peer's SYN until it is accepted, or aborted. */
  defer(segment: Segment): void {
    this.#takeSyn(segment);
  }

  accept(): void {
    this.#state = State.SynReceived;
    this.#sendSyn();
  }

  /** Sends bytes, which are copied; `room` says how many it should be. */
  write(bytes: Uint8Array): void {
    if (this.#ending || this.#state === State.Closed) return;
    this.#out.append(bytes);
    this.#output();
  }

  /** Sends no more. */
  end(): void {
    if (this.#ending || this.#state === State.Closed) return;
    this.#ending = true;
    if (this.#state === State.Established) this.#state = State.FinWait1;
    else if (this.#state === State.CloseWait) this.#state = State.LastAck;
    this.#output();
  }

  /** So many bytes of `received` are done with. */
  consumed(length: number): void {
    this.#in.consumed(length);
    if (this.#state === State.Closed) return;
    // Worth telling if it is a good part of the window, or there was next to none (RFC 9293 §3.8.6.2.2).
    const { gain, edge, next } = this.#in;
    if (gain >= Math.min(this.#limit() / 2, 16 * this.#ownMss) || (gain > 0 && edge - next < this.#ownMss)) this.#owe();
  }

  /** Ends it at once; the user hears no more. */
  abort(): void {
    if (this.#state === State.Closed) return;
    if (this.#state === State.Deferred) this.#transmit(-1, RST | ACK, 0);
    else if (this.#state !== State.SynSent && this.#state !== State.TimeWait) this.#transmit(this.#max, RST | ACK, 0);
    this.#finish();
  }

  /** What was put off until all segments that had come were seen. */
  flush(): void {
    this.#scheduled = false;
    if (this.#isReadable) {
      this.#isReadable = false;
      this.#user.readable();
    }
    if (this.#owesAck && this.#state !== State.Closed) this.#acknowledge();
  }

  // ---- Segments that come ------------------------------------------------------------------

  receive(segment: Segment): void {
    this.#heardAt = this.#timing.now();
    this.#probes = 0;
    switch (this.#state) {
      case State.Closed:
        return;
      case State.Deferred:
        if (segment.flags & RST && segment.sequence === this.nextSequence) this.#close("reset");
        return;
      case State.SynSent:
        this.#receiveInSynSent(segment);
        break;
      default:
        this.#receiveInSequence(segment);
    }
    this.#arm();
  }

  #receiveInSynSent(segment: Segment): void {
    const { flags } = segment;
    const acknowledged = (flags & ACK) !== 0;
    if (acknowledged && segment.acknowledgement !== this.#outSequence(0)) {
      if (!(flags & RST)) this.#sendReset(segment.acknowledgement);
      return;
    }
    if (flags & RST) {
      if (acknowledged) this.#close("refused");
      return;
    }
    if (!(flags & SYN)) return;
    this.#takeSyn(segment);
    if (!acknowledged) {
      // Both began at the same time (§3.5, figure 7).
      this.#state = State.SynReceived;
      this.#sendSyn();
      return;
    }
    this.#retries = 0;
    this.#establish(segment, segment.window);
    this.#acknowledge();
    this.#receiveText(segment);
  }

  /** RFC 9293 §3.10.7.4, with RFC 5961's precautions. */
  #receiveInSequence(segment: Segment): void {
    const { flags } = segment;
    if (this.#state === State.SynReceived && flags & SYN && segment.sequence === this.#in.firstSequence) {
      if (flags & ACK && segment.acknowledgement === this.#outSequence(0)) this.#establish(segment, segment.window);
      else this.#sendSyn();
      return;
    }
    const { next, edge } = this.#in;
    const start = this.#in.positionOf(segment.sequence);
    const length = lengthOf(segment);
    const inside =
      length === 0 ? start >= next && start <= edge : start < Math.max(edge, next) && start + length > next;
    if (!inside) {
      if (flags & RST) return;
      if (length > 0) this.#owe();
      else this.#challenge();
      // A probe of a window that is closed may still bring news; anything else is from the past.
      if ((start === next || start === next - 1) && flags & ACK && !(flags & SYN))
        this.#receiveAcknowledgement(segment);
      if (this.#state === State.TimeWait) this.#linger();
      return;
    }
    if (flags & RST) {
      if (start === next) this.#close(this.#state === State.SynReceived ? "refused" : "reset");
      else this.#challenge();
      return;
    }
    if (flags & SYN) {
      this.#challenge();
      return;
    }
    if (!(flags & ACK)) return;
    if (this.#receiveAcknowledgement(segment)) this.#receiveText(segment);
  }

  /** @returns whether the rest of the segment is to be looked at */
  #receiveAcknowledgement(segment: Segment): boolean {
    const acknowledged = this.#una + distance(segment.acknowledgement, this.#outSequence(this.#una));
    if (this.#state === State.SynReceived) {
      if (acknowledged !== 0) {
        this.#sendReset(segment.acknowledgement);
        return false;
      }
      this.#establish(segment, segment.window << this.#peerScale);
      return true;
    }
    if (acknowledged > this.#max || acknowledged < this.#una - Math.max(this.#largestWindow, 0xffff)) {
      this.#challenge();
      return false;
    }
    if (this.#sack) this.#takeSack(segment);
    const window = segment.window << this.#peerScale;
    const isDuplicate =
      acknowledged === this.#una &&
      this.#nxt > this.#una &&
      segment.payloadAt === segment.end &&
      !(segment.flags & FIN) &&
      window === this.#window;
    if (acknowledged >= this.#una) this.#takeWindow(segment, window);
    if (acknowledged > this.#una) this.#progress(acknowledged);
    else if (isDuplicate) this.#duplicate();
    if (this.#recover !== undefined && this.#sack) this.#repair();
    this.#output();
    return this.#state !== State.Closed;
  }

  #takeWindow(segment: Segment, window: number): void {
    const newer = distance(segment.sequence, this.#windowSequence);
    if (newer < 0 || (newer === 0 && distance(segment.acknowledgement, this.#windowAcknowledgement) < 0)) return;
    this.#window = window;
    this.#largestWindow = Math.max(this.#largestWindow, window);
    this.#windowSequence = segment.sequence;
    this.#windowAcknowledgement = segment.acknowledgement;
    if (window > 0) {
      this.#persistAt = NEVER;
      this.#persists = 0;
    }
  }

  /** Something new is acknowledged. */
  #progress(acknowledged: number): void {
    const flight = this.#nxt - this.#una;
    const bytes = acknowledged - this.#una;
    this.#una = acknowledged;
    if (this.#nxt < acknowledged) this.#nxt = acknowledged;
    this.#sacked.release(acknowledged);
    this.#retries = 0;
    if (this.#timed >= 0 && acknowledged >= this.#timed) {
      this.#roundTrip.measured(this.#timing.now() - this.#timedAt);
      this.#timed = -1;
    }
    if (this.#recover === undefined) {
      this.#duplicates = 0;
      this.#congestion.acknowledged(bytes, flight);
    } else if (acknowledged >= this.#recover) {
      this.#recover = undefined;
      this.#duplicates = 0;
    } else if (!this.#sack) {
      // What comes next is lost too (RFC 6582 §3.2, step 3).
      this.#duplicates = Math.max(0, this.#duplicates - Math.ceil(bytes / this.#mss));
      this.#sendAgain(acknowledged, this.#mss);
    }
    const finSent = acknowledged > this.#out.end;
    this.#out.release(Math.min(acknowledged, this.#out.end));
    if (this.#out.length === 0) this.#out.rewind(this.#limit());
    this.#retransmitAt = this.#una < this.#max ? this.#timing.now() + this.#roundTrip.timeout : NEVER;
    if (finSent) this.#finAcknowledged();
    else if (!this.#ending && this.room > 0) this.#user.writable();
  }

  #finAcknowledged(): void {
    if (this.#state === State.FinWait1) this.#state = State.FinWait2;
    else if (this.#state === State.Closing) this.#waitTime();
    else if (this.#state === State.LastAck) this.#close("finished");
  }

  #duplicate(): void {
    this.#duplicates++;
    if (this.#recover !== undefined) return;
    const isLost = this.#sack ? this.#isLost(this.#una) : false;
    if (this.#duplicates < DUPLICATES && !isLost) return;
    this.#congestion.lost(this.#max - this.#una);
    this.#recover = this.#max;
    this.#repaired = this.#una;
    this.#timed = -1;
    this.#sendAgain(this.#una, this.#mss);
    this.#retransmitAt = this.#timing.now() + this.#roundTrip.timeout;
  }

  #takeSack(segment: Segment): void {
    const edges = readSack(segment);
    for (let i = 0; i + 1 < edges.length; i += 2) {
      const start = this.#una + distance(edges[i]!, this.#outSequence(this.#una));
      const end = this.#una + distance(edges[i + 1]!, this.#outSequence(this.#una));
      if (start > this.#una && end > start && end <= this.#max) this.#sacked.add(start, end);
    }
  }

  /** Whether enough came through beyond a position that it must be lost (RFC 6675 §4, IsLost). */
  #isLost(position: number): boolean {
    return this.#sacked.within(position, this.#max) > (DUPLICATES - 1) * this.#mss;
  }

  /** Sends what is lost, as far as the congestion window has room (RFC 6675 §5, step C). */
  #repair(): void {
    const holes = this.#holes();
    const end = this.#sacked.list.at(-1)?.end ?? this.#una;
    // On their way: what is beyond the last range, and what was sent again.
    let pipe = this.#max - end;
    for (const hole of holes) pipe += Math.max(0, Math.min(hole.end, this.#repaired) - hole.start);
    for (const hole of holes) {
      let at = Math.max(hole.start, this.#repaired);
      while (at < hole.end && pipe < this.#congestion.window && this.#isLost(at)) {
        const length = this.#sendAgain(at, Math.min(this.#mss, hole.end - at));
        if (length === 0) return;
        at += length;
        pipe += length;
      }
    }
  }

  /** What is missing below the last range that came through. */
  #holes(): { start: number; end: number }[] {
    let start = this.#una;
    return this.#sacked.list.map((range) => {
      const hole = { start, end: range.start };
      start = range.end;
      return hole;
    });
  }

  /** Sends what was sent before, and nothing new. @returns how much of the sequence that was */
  #sendAgain(position: number, most: number): number {
    const { end } = this.#out;
    const length = Math.min(most, this.#largest, Math.min(end, this.#max) - position);
    if (length > 0) this.#transmit(position, ACK, length);
    else if (position === end && this.#max > end) this.#transmit(position, ACK | FIN, 0);
    else return 0;
    const sent = Math.max(length, 1);
    this.#repaired = Math.max(this.#repaired, position + sent);
    return sent;
  }

  #receiveText(segment: Segment): void {
    if (this.#state > State.FinWait2) return;
    const text = this.#in.take(segment);
    if (text === "ordered" || text === "filling") {
      this.#isReadable = true;
      this.#owe();
    }
    // At once, and for each: they tell the peer what is missing.
    if (text === "early" || text === "filling") this.#acknowledge();
    if (this.#in.takeFin()) this.#receiveFin();
  }

  #receiveFin(): void {
    this.#isReadable = true;
    this.#owe();
    if (this.#state === State.Established) this.#state = State.CloseWait;
    else if (this.#state === State.FinWait1) this.#state = State.Closing;
    else if (this.#state === State.FinWait2) this.#waitTime();
  }

  // ---- Segments that go --------------------------------------------------------------------

  /** Sends what the windows allow. */
  #output(): void {
    if (this.#state < State.Established || this.#state >= State.TimeWait) return;
    const end = this.#out.end;
    for (;;) {
      if (this.#nxt < this.#max) this.#skipSacked();
      const flight = this.#nxt - this.#una;
      const window = this.#window - flight;
      const congestion = this.#congestionRoom();
      const waiting = end - this.#nxt;
      const largest = this.#largest;
      const most = this.#nxt < this.#max ? largest : Math.max(largest, largest * Math.floor(this.#burst() / largest));
      const length = waiting > 0 ? Math.min(most, waiting, window, congestion) : 0;
      if (waiting > 0) {
        const small = length < largest && length < waiting && length < this.#largestWindow / 2;
        if (length <= 0 || (small && this.#nxt === this.#max)) {
          // Nothing on its way that would bring news of the window: ask for it (§3.8.6.1).
          if (flight === 0 && this.#persistAt === NEVER) this.#persist();
          break;
        }
      } else if (!this.#ending || this.#nxt > end) {
        break;
      }
      const last = length === waiting;
      const fin = last && this.#ending ? FIN : 0;
      const position = this.#nxt;
      this.#transmit(position, ACK | fin | (last && length > 0 ? PSH : 0), length);
      this.#nxt += length + fin;
      if (this.#nxt > this.#max) {
        if (this.#timed < 0) {
          this.#timed = this.#nxt;
          this.#timedAt = this.#timing.now();
        }
        this.#max = this.#nxt;
      }
      if (this.#retransmitAt === NEVER) this.#retransmitAt = this.#timing.now() + this.#roundTrip.timeout;
    }
    this.#arm();
  }

  /** How much the congestion window leaves for what is new, or sent again after a timeout. */
  #congestionRoom(): number {
    let flight = this.#nxt - this.#una;
    if (this.#sack) flight -= this.#sacked.within(this.#una, this.#nxt);
    // Each duplicate says that a segment has left the way (RFC 5681 §3.2, steps 1, 3 and 4).
    else flight -= this.#duplicates * this.#mss;
    return Math.floor(this.#congestion.window) - flight;
  }

  #skipSacked(): void {
    for (const { start, end } of this.#sacked.list) if (this.#nxt >= start && this.#nxt < end) this.#nxt = end;
  }

  #sendSyn(): void {
    const answers = this.#state === State.SynReceived;
    const options = synOptions({
      mss: this.#ownMss,
      scale: answers && !this.#scales ? undefined : SCALE,
      sack: !answers || this.#sack,
    });
    this.#nxt = this.#max = 0;
    const acknowledgement = answers ? this.#in.sequenceOf(0) : 0;
    const flags = answers ? SYN | ACK : SYN;
    this.#wire.send(this.#iss, acknowledgement, flags, this.#in.firstWindow(), options, this.#out, 0, 0);
    this.#owesAck = false;
    if (this.#retransmitAt === NEVER) this.#retransmitAt = this.#timing.now() + this.#roundTrip.timeout;
    if (this.#retries === 0) {
      this.#timed = 0;
      this.#timedAt = this.#timing.now();
    }
    this.#arm();
  }

  /** A reset for a segment that belongs to no connection of ours. */
  #sendReset(sequence: number): void {
    this.#wire.send(sequence, 0, RST, 0, NO_OPTIONS, this.#out, 0, 0);
  }

  #acknowledge(): void {
    // The number that the peer expects: behind all that was sent, but for a probe that it didn't take. Not the
    // window's end, which may be a little before what was sent: what is told of it is rounded.
    const isProbed = this.#persists > 0 && this.#max === this.#nxt + 1;
    this.#transmit(isProbed ? this.#nxt : this.#max, ACK, 0);
  }

  #transmit(position: number, flags: number, length: number): void {
    this.#owesAck = false;
    const told = this.#sack && this.#in.ranges > 0;
    this.#wire.send(
      this.#outSequence(position),
      this.nextSequence,
      flags,
      this.#in.window(this.#scales),
      told ? this.#in.sackOption() : NO_OPTIONS,
      this.#out,
      position,
      length,
    );
  }

  /** Payload of the largest segment, with the options that it would have now. */
  get #largest(): number {
    const ranges = this.#sack ? this.#in.ranges : 0;
    return ranges === 0 ? this.#mss : this.#mss - 4 - 8 * ranges;
  }

  // ---- Time --------------------------------------------------------------------------------

  #persist(): void {
    this.#persistAt = this.#timing.now() + Math.min(LONGEST_PERSIST_MS, this.#roundTrip.timeout * 2 ** this.#persists);
    this.#persists = Math.min(this.#persists + 1, 16);
  }

  #linger(): void {
    this.#lingerAt = this.#timing.now() + TIME_WAIT_MS;
  }

  #waitTime(): void {
    this.#state = State.TimeWait;
    this.#retransmitAt = this.#persistAt = NEVER;
    this.#linger();
    // The user has all but what is in `received`, which it may take its time for.
    this.#out.clear();
  }

  /** Sets the timer if it would come too late; one that comes early looks again. */
  #arm(): void {
    if (this.#state === State.Closed) return;
    const keepalive = this.#state >= State.Established && this.#state < State.TimeWait ? this.#keepaliveAt : NEVER;
    const at = Math.min(this.#retransmitAt, this.#persistAt, this.#lingerAt, keepalive);
    if (at >= this.#timerAt) return;
    this.#cancelTimer?.();
    this.#timerAt = at;
    this.#cancelTimer = this.#timing.later(Math.max(0, at - this.#timing.now()), () => this.#expire());
  }

  get #keepaliveAt(): number {
    return this.#heardAt + KEEPALIVE_MS + this.#probes * KEEPALIVE_INTERVAL_MS;
  }

  #expire(): void {
    this.#timerAt = NEVER;
    this.#cancelTimer = undefined;
    const now = this.#timing.now();
    if (now >= this.#lingerAt) this.#close("finished");
    else if (now >= this.#retransmitAt) this.#retransmit();
    else if (now >= this.#persistAt) this.#probe();
    else if (this.#state >= State.Established && this.#state < State.TimeWait && now >= this.#keepaliveAt) {
      if (this.#probes++ >= KEEPALIVE_PROBES) this.#close("timed-out");
      else this.#transmit(this.#una - 1, ACK, 0);
    }
    this.#arm();
  }

  #retransmit(): void {
    const isSyn = this.#state < State.Established;
    if (this.#retries++ >= (isSyn ? MAX_SYN_RETRIES : MAX_RETRIES)) {
      this.#close("timed-out");
      return;
    }
    this.#timed = -1; // Karn's algorithm (RFC 6298 §3)
    this.#roundTrip.expired();
    this.#retransmitAt = this.#timing.now() + this.#roundTrip.timeout;
    if (isSyn) {
      this.#sendSyn();
      return;
    }
    if (this.#retries === 1) this.#congestion.timedOut(this.#max - this.#una);
    // The peer may have given up what it had early (RFC 2018 §8).
    else this.#sacked.clear();
    this.#recover = undefined;
    this.#duplicates = 0;
    this.#nxt = this.#una + this.#sendAgain(this.#una, this.#window === 0 ? 1 : this.#mss);
    this.#output();
  }

  /** Sends a byte beyond the window, to hear what it is now. */
  #probe(): void {
    this.#persistAt = NEVER;
    if (this.#out.end > this.#nxt) {
      this.#transmit(this.#nxt, ACK, 1);
      this.#max = Math.max(this.#max, this.#nxt + 1);
      if (this.#timing.now() - this.#heardAt > MAX_RETRIES * LONGEST_PERSIST_MS) this.#close("timed-out");
      else this.#persist();
    }
  }

  // ---- The rest ----------------------------------------------------------------------------

  #takeSyn(segment: Segment): void {
    const { mss, scale, sack } = readSynOptions(segment);
    this.#in.begin(segment.sequence);
    // As small as IPv4's smallest datagram allows (RFC 6691), so that a segment carries something.
    this.#mss = Math.max(64, Math.min(mss, this.#ownMss));
    this.#scales = scale !== undefined;
    this.#peerScale = scale ?? 0;
    this.#sack = sack;
    this.#congestion = new Congestion(this.#mss);
  }

  #establish(segment: Segment, window: number): void {
    this.#state = State.Established;
    this.#una = 0;
    this.#window = this.#largestWindow = window;
    this.#windowSequence = segment.sequence;
    this.#windowAcknowledgement = segment.acknowledgement;
    this.#retransmitAt = NEVER;
    if (this.#timed === 0 && this.#retries === 0) this.#roundTrip.measured(this.#timing.now() - this.#timedAt);
    this.#timed = -1;
    this.#retries = 0;
    this.#user.established();
    if (this.#ending && this.#state === State.Established) this.#state = State.FinWait1;
    this.#output();
  }

  #outSequence(position: number): number {
    return advance(this.#iss, position + 1);
  }

  /** An acknowledgement is due, with whatever else goes. */
  #owe(): void {
    this.#owesAck = true;
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#schedule(this);
  }

  /**
   * An acknowledgement of what can't be, which tells the peer where we are; not too often
   * (RFC 5961 §7), since a peer that sees it differently would answer each.
   */
  #challenge(): void {
    const now = this.#timing.now();
    if (now - this.#challengedAt < CHALLENGE_MS) return;
    this.#challengedAt = now;
    this.#owe();
  }

  #close(how: Ending): void {
    if (this.#state === State.Closed) return;
    // What came before the end is the user's still.
    if (this.#isReadable && how === "finished") this.#user.readable();
    this.#finish();
    this.#user.closed(how);
  }

  #finish(): void {
    this.#state = State.Closed;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#out.clear();
    this.#in.clear();
    this.#isReadable = this.#owesAck = false;
  }
}
