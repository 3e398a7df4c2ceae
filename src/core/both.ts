/**
 * The engine "both": a machine that the JIT runs, and a shadow of it with a
 * memory of its own that the interpreter runs in lock-step.
 *
 * Every call of the core is made on the machine first and on the shadow then.
 * What the machine asked its host meanwhile is written down, and told to the
 * shadow again: accesses of devices with what the device did in return (calls
 * of the core, DMA). Clocks stand still during a call. After each run the harts
 * and the core's devices must be equal, and from time to time RAM.
 *
 * The host may write to the machine's memory between calls. DMA is seen at
 * `guestRange`, `romRange` and `flashRange`, and its bytes are copied before the next call;
 * anything else that differs then in harts or devices, which were equal when
 * the last call ended, was the host's too, and is copied as well.
 */

import { disassemble } from "../isa/disassemble.ts";
import type { CoreExports, CoreParts, HostCalls } from "./calls.ts";
import { copyHart, firstDifference, hartDifferences } from "./compare.ts";

/** The engines differ; `message` is one sentence with all that is known. The machine is at its end. */
export class EngineError extends Error {
  override readonly name = "EngineError";
}

interface Step {
  readonly pc: bigint;
  readonly retired: bigint;
}

type Call = (...args: unknown[]) => unknown;
type Calls = Readonly<Record<string, Call>>;
/** Something that a device did while the guest waited for its access. @returns false: the shadow answers otherwise */
type Effect = (shadow: Calls) => boolean;

/** An access of a device as the machine made it. */
interface Access {
  readonly kind: "load" | "store";
  readonly device: number;
  readonly offset: number;
  readonly size: number;
  /** Loaded or stored. */
  value: bigint;
  readonly effects: Effect[];
}

/** Where a hart was before a run. */
interface Place {
  readonly pc: bigint;
  readonly instret: bigint;
  /** Physical address of the pc; negative: none. */
  readonly at: bigint;
}

/** Calls that say where something is in linear memory, for the host to read or write it. */
const RANGES = new Set(["guestRange", "romRange", "flashRange"]);
/** RAM is compared after so many calls of `run`, and at the machine's end. */
const RUNS_PER_COMPARISON = 512;
/** Devices and the bytes of their windows that are compared: more than any has registers; flash has two banks, with buffers. */
const DEVICES = [
  ["DEV_ACLINT", 4096],
  ["DEV_PLIC", 4096],
  ["DEV_UART", 4096],
  ["DEV_RTC", 4096],
  ["DEV_PFLASH", 4 * 4096],
] as const;
const PAGE = 4096;
/** Differences that the message names. */
const MOST_NAMED = 8;

/** Stands between two cores and their one host. */
export class Both {
  readonly primaryHost: HostCalls;
  readonly shadowHost: HostCalls;
  /** Of the call under way. */
  #accesses: Access[] = [];
  #replayed = 0;
  #ticks: number | undefined;
  #wallclock: number | undefined;
  /** A device is being accessed by the machine: what it does is an effect of that. */
  #current: Access | undefined;
  /** What the shadow asked that the machine hadn't. */
  #strange: string | undefined;
  /** Linear ranges that the host has got for writing: [from, to). */
  #written: [from: number, to: number][] = [];
  #runs = 0;
  #failed: EngineError | undefined;
  #primary!: CoreParts;
  #shadow!: CoreParts;

  constructor(host: HostCalls) {
    const clocks = {
      ticks: () => (this.#ticks ??= host.ticks()),
      wallclock: () => (this.#wallclock ??= host.wallclock()),
    };
    this.primaryHost = {
      ...clocks,
      ...(host.observe && { observe: host.observe }),
      mmioRead: (device, offset, size) =>
        this.#record({ kind: "load", device, offset, size, value: 0n, effects: [] }, (access) => {
          // As the guest gets it: a device may answer with more.
          access.value = BigInt.asUintN(64, host.mmioRead(device, offset, size));
        }),
      mmioWrite: (device, offset, size, value) => {
        this.#record({ kind: "store", device, offset, size, value, effects: [] }, () =>
          host.mmioWrite(device, offset, size, value),
        );
      },
    };
    this.shadowHost = {
      ...clocks,
      mmioRead: (device, offset, size) => this.#replay({ kind: "load", device, offset, size })?.value ?? 0n,
      mmioWrite: (device, offset, size, value) => {
        this.#replay({ kind: "store", device, offset, size, value });
      },
    };
  }

  /** The calls of the machine, each with its shadow's behind it. */
  join(primary: CoreParts, shadow: CoreParts): CoreExports {
    this.#primary = primary;
    this.#shadow = shadow;
    const calls = { ...primary.calls } as unknown as Record<string, unknown>;
    for (const [name, value] of Object.entries(calls)) {
      if (typeof value !== "function") continue;
      calls[name] = (...args: unknown[]) =>
        this.#current ? this.#effect(name, value as Call, args) : this.#both(name, value as Call, args);
    }
    return calls as unknown as CoreExports;
  }

  get #calls(): Calls {
    return this.#shadow.calls as unknown as Calls;
  }

  get #harts(): number {
    return this.#primary.view.getUint32(this.#primary.abi.DEV_MACHINE + this.#primary.abi.M_HARTS!, true);
  }

  #both(name: string, call: Call, args: unknown[]): unknown {
    if (this.#failed) throw this.#failed;
    // A device may ask for all parts of what it writes before it writes the first one.
    if (!RANGES.has(name)) this.#syncWritten();
    this.#sync();
    this.#accesses = [];
    this.#replayed = 0;
    this.#ticks = this.#wallclock = this.#strange = undefined;
    const hart = name === "run" ? Number(args[0]) : undefined;
    const before = hart === undefined || hart >= this.#harts ? undefined : this.#place(hart);
    const result = call(...args);
    const other = this.#calls[name]!(...args);
    this.#note(name, args, result);
    const faults = result === other ? [] : [`${name} answers ${result} and ${other}`];
    faults.push(...this.#differences());
    if (before) {
      const ended = result === this.#primary.abi.RUN_EXIT;
      if (++this.#runs % RUNS_PER_COMPARISON === 0 || ended) faults.push(...this.#ramDifferences());
    }
    if (faults.length) this.#fail(name, faults, hart, before);
    return result;
  }

  /** A device's call while the guest waits for it: the shadow makes it at the same place. */
  #effect(name: string, call: Call, args: unknown[]): unknown {
    const result = call(...args);
    this.#current!.effects.push((shadow) => shadow[name]!(...args) === result);
    this.#note(name, args, result);
    return result;
  }

  /** Takes note of a range that the host is about to write. */
  #note(name: string, args: readonly unknown[], result: unknown): void {
    const writes = RANGES.has(name) && (name !== "guestRange" || args[2]);
    const from = Number(result) >>> 0;
    if (writes && from > 1) this.#written.push([from, from + Number(args[1])]);
  }

  #record(access: Access, perform: (access: Access) => void): bigint {
    this.#accesses.push(access);
    this.#current = access;
    perform(access);
    this.#current = undefined;
    // What the device has written is there by now, and may be gone when the shadow comes to it.
    for (const [from, to] of this.#written.splice(0)) {
      const bytes = this.#primary.bytes.slice(from, to);
      access.effects.push(() => {
        this.#shadow.bytes.set(bytes, from);
        return true;
      });
    }
    return access.value;
  }

  /** What the host has written where it got ranges for it. */
  #syncWritten(): void {
    for (const [from, to] of this.#written.splice(0))
      this.#shadow.bytes.set(this.#primary.bytes.subarray(from, to), from);
  }

  /** What else the host has written since the last call. */
  #sync(): void {
    const [primary, shadow] = [this.#primary, this.#shadow];
    for (let hart = 0; hart < this.#harts; hart++) {
      if (!hartDifferences(primary, shadow, hart).length) continue;
      copyHart(primary, shadow, hart);
      shadow.calls.hartChanged(hart);
    }
    for (const [from, to] of this.#devices()) {
      if (firstDifference(primary, shadow, from, to) !== undefined)
        shadow.bytes.set(primary.bytes.subarray(from, to), from);
    }
  }

  /** Linear ranges of the core's devices and of what of the machine itself is the guest's. */
  #devices(): readonly (readonly [from: number, to: number])[] {
    const { abi } = this.#primary;
    const machine = (name: string, bytes: number) => {
      const from = abi.DEV_MACHINE + abi[name]!;
      return [from, from + bytes] as const;
    };
    return [
      machine("M_EXIT", 8),
      machine("M_TOHOST", 24), // M_FROMHOST and M_TIME_BIAS behind it
      ...DEVICES.map(([name, size]) => [abi[name]!, abi[name]! + size] as const),
    ];
  }

  #place(hart: number): Place {
    const { calls } = this.#shadow;
    const pc = hartU64(this.#shadow, hart, "H_PC");
    return { pc, instret: hartU64(this.#shadow, hart, "H_INSTRET"), at: calls.debugTranslate(hart, pc) };
  }

  /** What differs in harts and devices, in words: the JIT's value, then the interpreter's. */
  #differences(): string[] {
    const [primary, shadow] = [this.#primary, this.#shadow];
    const out: string[] = [];
    if (this.#strange === undefined && this.#replayed < this.#accesses.length)
      this.#strange = `the interpreter lacks ${told(this.#accesses[this.#replayed]!)}`;
    if (this.#strange !== undefined) out.push(this.#strange);
    for (let hart = 0; hart < this.#harts; hart++) {
      for (const { name, first, second } of hartDifferences(primary, shadow, hart))
        out.push(`${name} of hart ${hart} is ${hex(first)} and ${hex(second)}`);
    }
    for (const [from, to] of this.#devices()) {
      const at = firstDifference(primary, shadow, from, to);
      if (at !== undefined) out.push(this.#word(`a device's register (${hex(at - primary.abi.DEV_MACHINE)})`, at));
    }
    return out;
  }

  /** The first of the pages that were ever written, on either, that differs. */
  #ramDifferences(): string[] {
    const [primary, shadow] = [this.#primary, this.#shadow];
    const { abi } = primary;
    const pages = Number(primary.view.getBigUint64(abi.DEV_MACHINE + abi.M_RAM_SIZE!, true)) / PAGE;
    for (let n = 0; n < pages; n++) {
      const frame = abi.FRAMES! + n;
      if (!((primary.bytes[frame]! | shadow.bytes[frame]!) & abi.FRAME_DIRTY!)) continue;
      const from = abi.RAM + n * PAGE;
      const at = firstDifference(primary, shadow, from, from + PAGE);
      if (at !== undefined) return [this.#word(`memory at offset ${hex(at - abi.RAM)} of RAM`, at)];
    }
    return [];
  }

  #word(what: string, at: number): string {
    return `${what} is ${[this.#primary, this.#shadow].map(({ view }) => hex(view.getUint32(at, true))).join(" and ")}`;
  }

  #fail(name: string, faults: readonly string[], hart: number | undefined, before: Place | undefined): never {
    const some = faults.slice(0, MOST_NAMED).join(", ");
    const more = faults.length > MOST_NAMED ? `, and ${faults.length - MOST_NAMED} more` : "";
    const where = before ? this.#way(hart!, before) : `in the call ${name}`;
    this.#failed = new EngineError(`JIT and interpreter differ, ${where}: ${some}${more}.`);
    throw this.#failed;
  }

  #way(hart: number, { pc, instret, at }: Place): string {
    const [ours, theirs] = [this.#primary, this.#shadow].map((core) => ({
      pc: hartU64(core, hart, "H_PC"),
      retired: hartU64(core, hart, "H_INSTRET") - instret,
    })) as [Step, Step];
    return (
      `hart ${hart} from pc ${hex(pc)} (${this.#instruction(pc, at)}) ` +
      `to ${hex(ours.pc)} and ${hex(theirs.pc)} after ${ours.retired} and ${theirs.retired} instructions`
    );
  }

  #instruction(pc: bigint, at: bigint): string {
    if (at < 0n) return "not mapped";
    const halves = [0n, 2n].map((more) => {
      const from = this.#shadow.calls.guestRange(at + more, 2, 0) >>> 0;
      return from > 1 ? this.#shadow.view.getUint16(from, true) : 0;
    }) as [number, number];
    return disassemble((halves[0] | (halves[1] << 16)) >>> 0, pc).replace("\t", " ");
  }

  #replay(asked: Omit<Access, "value" | "effects"> & { value?: bigint }): Access | undefined {
    const access = this.#accesses[this.#replayed++];
    const fields = ["kind", "device", "offset", "size", "value"] as const;
    const same = access && fields.every((name) => asked[name] === undefined || asked[name] === access[name]);
    if (!same) {
      this.#strange ??= `the interpreter makes ${told(asked)} where the JIT makes ${access ? told(access) : "none"}`;
      return undefined;
    }
    for (const effect of access.effects) {
      if (!effect(this.#calls)) this.#strange ??= `what a device calls is answered otherwise, at ${told(access)}`;
    }
    return access;
  }
}

function told({ kind, device, offset, size, value }: Omit<Access, "value" | "effects"> & { value?: bigint }): string {
  const what = value === undefined ? "" : ` of ${hex(value)}`;
  return `a ${kind}${what} (${size} bytes at ${hex(offset)} of device ${device})`;
}

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

function hartU64({ abi, view }: CoreParts, hart: number, field: "H_PC" | "H_INSTRET"): bigint {
  return view.getBigUint64(abi.HARTS + hart * abi.HART_STRIDE + abi[field], true);
}
