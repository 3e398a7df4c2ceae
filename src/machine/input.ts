/**
 * The one door by which the outside world enters a machine.
 *
 * Whatever comes from outside is pushed here at any time, and delivered between
 * two slices of the guest's run, stamped with the instructions that it has
 * retired. With the same start, a log of those stamps gives the same run again.
 */
import { type InputEntry, InputError, type InputEvent, InputLog } from "./input-log.ts";

export { type InputEntry, InputError, type InputEvent, InputLog } from "./input-log.ts";

/**
 * Hands an event to its device. @returns whether it was taken; of a byte stream
 * ("terminal", "port", "vsock") perhaps only how many bytes were
 */
export type ApplyInput = (event: InputEvent) => boolean | number;

export interface InputDoorOptions {
  /** The most that may wait here, in bytes with 64 for each event; default 16 MiB. */
  readonly limit?: number;
}

const EVENT_COST = 64;
const DEFAULT_LIMIT = 16 * 2 ** 20;
const DEFAULT_LOG_LIMIT = 256 * 2 ** 20;

export class InputDoor {
  /** Called after a push, so that an idle machine can be woken. */
  onPush: (() => void) | undefined;

  readonly #limit: number;
  /** What waits, by channel: order is kept within a channel, and one that is full doesn't stop the others. */
  readonly #channels = new Map<string, InputEvent[]>();
  #waiting = 0;
  #recording: Recording | undefined;
  #replay: { readonly log: InputLog; next: number } | undefined;

  constructor({ limit = DEFAULT_LIMIT }: InputDoorOptions = {}) {
    this.#limit = limit;
  }

  /** A door that lets in what `log` has, when it has it, and nothing else. */
  static replay(log: InputLog): InputDoor {
    const door = new InputDoor();
    door.#replay = { log, next: 0 };
    return door;
  }

  /**
   * Brings an event. Completions are always taken, since a device asks for only
   * so many; streams and packets only while there is room. While replaying,
   * everything is taken and dropped.
   * @returns false if there is no room: try again after a delivery
   */
  push(event: InputEvent): boolean {
    if (this.#replay) return true;
    const refusable = event.kind === "terminal" || event.kind === "port" || event.kind === "packet";
    if (refusable && event.bytes.length === 0) return true;
    if (refusable && this.#waiting + cost(event) > this.#limit) return false;
    const key = channel(event);
    const queue = this.#channels.get(key);
    if (queue) queue.push(event);
    else this.#channels.set(key, [event]);
    this.#waiting += cost(event);
    this.onPush?.();
    return true;
  }

  /** Whether something waits to be delivered. What a device refused may wait for the guest. */
  get pending(): boolean {
    return this.#replay ? this.#replay.next < this.#replay.log.entries.length : this.#waiting > 0;
  }

  /**
   * While replaying, the moment up to which the guest may run before the next
   * delivery: the next event's, then the log's end.
   */
  get stop(): bigint | undefined {
    if (!this.#replay) return undefined;
    const { log, next } = this.#replay;
    return log.entries[next]?.at ?? log.end;
  }

  /**
   * Delivers what waits, in each channel until `apply` refuses.
   * @param instret instructions retired
   * @returns whether anything was taken
   * @throws InputError if a replay has left its log
   */
  deliver(instret: bigint, apply: ApplyInput): boolean {
    if (this.#replay) return this.#deliverLog(this.#replay, instret, apply);
    if (this.#waiting === 0) return false;
    let any = false;
    // What `apply` causes to be pushed is for the next delivery.
    for (const [key, queue] of [...this.#channels]) {
      const count = queue.length;
      let done = 0;
      while (done < count) {
        const event = queue[done]!;
        const taken = apply(event);
        if (taken === false || taken === 0) break;
        any = true;
        const whole = taken === true || !("bytes" in event) || taken >= event.bytes.length;
        this.#waiting -= whole ? cost(event) : taken;
        if (whole) {
          this.#recording?.add(instret, event);
          done++;
          continue;
        }
        this.#recording?.add(instret, { ...event, bytes: event.bytes.subarray(0, taken) });
        queue[done] = { ...event, bytes: event.bytes.subarray(taken) };
        break;
      }
      if (done === queue.length) this.#channels.delete(key);
      else queue.splice(0, done);
    }
    return any;
  }

  /** Begins a recording, in which every delivery from now on is kept. @param limit the log's size, as of `limit` above */
  record(limit = DEFAULT_LOG_LIMIT): void {
    if (this.#replay) throw new InputError("A replay can't be recorded; copy its log instead.");
    this.#recording = new Recording(limit);
  }

  /**
   * Ends the recording. A recording that ran full ends by itself at the last
   * moment that it knows all about.
   * @param instret instructions retired
   */
  stopRecording(instret: bigint): InputLog {
    if (!this.#recording) throw new InputError("There is no recording; begin one with record().");
    const log = this.#recording.log(instret);
    this.#recording = undefined;
    return log;
  }

  #deliverLog(replay: { readonly log: InputLog; next: number }, instret: bigint, apply: ApplyInput): boolean {
    const { entries, end } = replay.log;
    const from = replay.next;
    for (let entry = entries[replay.next]; entry && entry.at <= instret; entry = entries[replay.next]) {
      const { at, event } = entry;
      if (at < instret) {
        throw new InputError(`The replay went past the input at instruction ${at}; run only up to the door's stop.`);
      }
      replay.next++;
      const taken = apply(event);
      if (taken === true || ("bytes" in event && taken === event.bytes.length)) continue;
      throw new InputError(
        `The replay has left its log: the guest didn't take the ${event.kind} input at instruction ${at}; ` +
          "start from the state that the recording started from.",
      );
    }
    if (instret > end) throw new InputError(`The log ends at instruction ${end}; a replay can't go on after it.`);
    return replay.next > from;
  }
}

class Recording {
  readonly #limit: number;
  readonly #entries: InputEntry[] = [];
  #size = 0;
  /** When the first event came for which there was no room. */
  #full: bigint | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(at: bigint, event: InputEvent): void {
    if (this.#full !== undefined) return;
    this.#size += cost(event);
    if (this.#size <= this.#limit) {
      this.#entries.push({ at, event });
      return;
    }
    this.#full = at;
    // The log must have all events of a moment or none.
    while (this.#entries.at(-1)?.at === at) this.#entries.pop();
  }

  log(instret: bigint): InputLog {
    if (this.#full === undefined) return new InputLog(this.#entries, instret);
    if (this.#full === 0n) throw new InputError("The recording was full at once; give it a higher limit.");
    return new InputLog(this.#entries, this.#full - 1n);
  }
}

function cost(event: InputEvent): number {
  return EVENT_COST + ("bytes" in event ? event.bytes.length : 0);
}

function channel(event: InputEvent): string {
  if (event.kind === "terminal" || event.kind === "clock") return event.kind;
  if ("connection" in event) {
    // What the host's program has taken, or that it is gone, doesn't wait behind what it has sent.
    const way = event.kind === "vsock-credit" || event.kind === "vsock-reset" ? "back" : "to";
    return `vsock ${way} ${event.device} ${event.connection}`;
  }
  return "port" in event ? `${event.kind} ${event.device} ${event.port}` : `${event.kind} ${event.device}`;
}
