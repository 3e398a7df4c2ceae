/** A virtual machine as its owner sees it: calls and events, while an executor runs it elsewhere. */

import type { CellCounters, Exit as CellExit } from "../machine/cell.ts";
import type { GuestProfile } from "../profile/profile.ts";
import { BALLOON_PAGE, type BalloonReport, balloonPages, balloonStats, type MachineBalloon } from "./balloon.ts";
import { MachineError } from "./errors.ts";
import { ConsoleText } from "./expect.ts";
import type { ExecutorLink } from "./link.ts";
import type { Answer, CellSpec, Report, Request, RunCounters, Stream } from "./protocol.ts";

export { MachineError } from "./errors.ts";

/** How a machine ended: "stopped" by its owner, else by itself. */
export interface Exit {
  readonly kind: CellExit["kind"] | "stopped";
  /** Of "code": what the guest gave to the test device or to HTIF. Else 0. */
  readonly code: number;
  /** Of "crash": pc, cause, registers and disassembly, some lines of text. */
  readonly report?: string;
  /** What a disk could not keep at the end, one sentence. */
  readonly lost?: string;
}

export interface MachineStats {
  /** Instructions retired by all harts. */
  readonly instructions: number;
  /**
   * Since the machine was started; CPU time is that of the whole process since
   * then, or where that can't be told, in browsers, how long the executor ran it.
   */
  readonly seconds: { readonly wall: number; readonly cpu: number };
  /** Million instructions per second of CPU time. */
  readonly mips: number;
  /** From start to the first byte on the console. */
  readonly firstConsoleByteSeconds: number | undefined;
  /** The process's largest resident size, in bytes; browsers don't say. */
  readonly peakMemoryBytes: number | undefined;
  readonly counters: CellCounters;
}

export interface ExecOptions {
  /** Takes output as it comes; a promise makes the guest wait with more. */
  readonly stdout?: (bytes: Uint8Array) => void | Promise<void>;
  readonly stderr?: (bytes: Uint8Array) => void | Promise<void>;
  /** Milliseconds after which the call fails. The command may go on in the guest. */
  readonly timeout?: number;
}

export interface ExecResult {
  /** The command's exit status, as a shell gives it. */
  readonly status: number;
  /** Output as text, unless a sink took it. */
  readonly stdout: string;
  readonly stderr: string;
}

export interface MachineConsole {
  /** Types at the console; text is sent as UTF-8. */
  write(data: string | Uint8Array): void;
  /**
   * Waits until the console shows a match, in what came since the last one.
   * @param options timeout in milliseconds
   * @throws MachineError when the time is over or the machine ends first
   */
  expect(pattern: RegExp, options?: { timeout?: number }): Promise<RegExpMatchArray>;
  /** Tells a guest with a virtio console the size of what it is shown on: 1 to 65,535 characters each way. */
  resize(columns: number, rows: number): void;
  /** Calls back with what the guest writes. A promise makes the guest wait with more. @returns ends it */
  onData(listener: (bytes: Uint8Array) => void | Promise<void>): () => void;
}

export interface MachineMemory {
  /** A copy of guest-physical memory. @throws MachineError when it isn't wholly RAM */
  read(address: bigint | number, length: number): Promise<Uint8Array>;
  write(address: bigint | number, bytes: Uint8Array): Promise<void>;
}

/** A debugger's end of its wire to a machine. */
export interface DebugConnection {
  /** What the debugger sends. */
  write(bytes: Uint8Array): void;
  /** It has gone: its breakpoints are removed, and the machine runs on. */
  close(): Promise<void>;
}

export interface MachineEvents {
  /** The machine has ended, in whatever way. */
  exit: (exit: Exit) => void;
  /** It ended because a hart couldn't go on. */
  crash: (exit: Exit) => void;
  /** The guest has rebooted itself. */
  reset: () => void;
  /**
   * The host has no room for what the guest writes; `message` says where. The
   * guest stands still and loses nothing: it goes on when there is room, for
   * which it looks every few seconds and at `resume`.
   */
  paused: (message: string) => void;
  resumed: () => void;
}

/** What of the process the statistics need. */
export interface Meter {
  /** Milliseconds from any fixed point. */
  now(): number;
  /** Seconds of CPU time of this process; undefined where that can't be told. */
  cpuSeconds(): number | undefined;
  peakMemoryBytes(): number | undefined;
}

interface Instant {
  readonly wall: number;
  readonly cpu: number | undefined;
}

/** More than this of a command's output isn't kept as text. */
const EXEC_TEXT_LIMIT = 256 * 1024 * 1024;

interface Sink {
  take(bytes: Uint8Array): void | Promise<void>;
  /** It has thrown. */
  fail(error: Error): void;
}

export class Machine {
  readonly console: MachineConsole;
  readonly memory: MachineMemory;
  /** Of a machine that has one. */
  readonly balloon: MachineBalloon | undefined;
  /** The device tree that the machine boots with; of one from a snapshot, nothing. */
  readonly dtb: Uint8Array;
  /** Resolves when the machine has ended; never rejects. */
  readonly exited: Promise<Exit>;

  readonly #link: ExecutorLink;
  readonly #vm: number;
  readonly #meter: Meter;
  readonly #text = new ConsoleText();
  readonly #listeners = new Set<(bytes: Uint8Array) => void | Promise<void>>();
  readonly #events: { [E in keyof MachineEvents]: Set<MachineEvents[E]> } = {
    exit: new Set(),
    crash: new Set(),
    reset: new Set(),
    paused: new Set(),
    resumed: new Set(),
  };
  readonly #calls = new Map<number, { resolve: (value: Answer) => void; reject: (error: Error) => void }>();
  readonly #sinks = new Map<Stream, Sink>();
  #debugOutput: ((bytes: Uint8Array) => void) | undefined;
  readonly #trace: ((text: string) => void | Promise<void>) | undefined;
  #nextCall = 0;
  #state: "created" | "started" | "ended" = "created";
  #exit: Exit | undefined;
  #resolveExit!: (exit: Exit) => void;
  #counters: RunCounters | undefined;
  #startedAt: Instant | undefined;
  #endedAt: Instant | undefined;
  #firstByteAt: number | undefined;
  #profile: GuestProfile | undefined;

  protected constructor(
    link: ExecutorLink,
    vm: number,
    spec: CellSpec,
    meter: Meter,
    trace: ((text: string) => void | Promise<void>) | undefined,
  ) {
    this.#link = link;
    this.#vm = vm;
    this.#meter = meter;
    this.#trace = trace;
    this.dtb = spec.boot?.dtb.bytes ?? new Uint8Array();
    this.exited = new Promise((resolve) => {
      this.#resolveExit = resolve;
    });
    this.console = {
      write: (data) => {
        const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data.slice();
        if (this.#state !== "ended") this.#post({ type: "input", vm, bytes });
      },
      resize: (columns, rows) => {
        for (const count of [columns, rows])
          if (!Number.isInteger(count) || count < 1 || count > 0xffff)
            throw new MachineError(`A terminal can't have ${count} columns or rows.`);
        if (this.#state !== "ended") this.#post({ type: "resize", vm, columns, rows });
      },
      expect: (pattern, options) => this.#expect(pattern, options?.timeout),
      onData: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
    };
    this.balloon = spec.balloon && this.#makeBalloon(spec.balloon.pages, spec.memoryBytes);
    this.memory = {
      read: async (address, length) =>
        (await this.#call({ type: "read", address: physical(address), length: whole(length) })) as Uint8Array,
      write: async (address, bytes) => {
        await this.#call({ type: "write", address: physical(address), bytes: bytes.slice() });
      },
    };
  }

  #makeBalloon(pages: number, memory: number): MachineBalloon {
    const machine = this;
    let target = pages;
    return {
      get target() {
        return target * BALLOON_PAGE;
      },
      set target(bytes) {
        target = balloonPages(bytes, memory);
        if (machine.#state !== "ended") machine.#post({ type: "balloon", vm: machine.#vm, pages: target });
      },
      size: async () => ((await machine.#call({ type: "balloon-size" })) as number) * BALLOON_PAGE,
      stats: async ({ timeout } = {}) => {
        const answer = machine.#call({ type: "balloon-stats" });
        return balloonStats((await machine.#timed(answer, timeout, "The guest's answer")) as BalloonReport);
      },
    };
  }

  /** Makes the cell on an executor. Public entries wrap this. @throws MachineError, and what the cell refuses */
  static async onExecutor(
    link: ExecutorLink,
    module: WebAssembly.Module,
    spec: CellSpec,
    meter: Meter,
    trace?: (text: string) => void | Promise<void>,
  ): Promise<Machine> {
    const vm = link.attach();
    const machine = new this(link, vm, spec, meter, trace);
    await new Promise<void>((resolve, reject) => {
      link.listen(vm, (report) => {
        if (report.type === "created") {
          link.listen(vm, (later) => machine.#handle(later));
          resolve();
        } else if (report.type === "failed") {
          link.detach(vm);
          reject(named(report));
        }
      });
      link.post({ type: "create", vm, module, spec });
    });
    return machine;
  }

  /** Powers the machine on. */
  async start(): Promise<void> {
    if (this.#state === "ended") throw new MachineError("The machine has ended.");
    if (this.#state !== "created") throw new MachineError("The machine has been started already.");
    this.#state = "started";
    this.#startedAt = this.#clock();
    await this.#call({ type: "start" });
  }

  /** Stops its harts and its clock. */
  async pause(): Promise<void> {
    await this.#call({ type: "pause" });
  }

  async resume(): Promise<void> {
    if (this.#state === "created") throw new MachineError("The machine hasn't been started; call start().");
    await this.#call({ type: "resume" });
  }

  /** Power off and on again; RAM that nothing is loaded to keeps its contents. */
  async reset(): Promise<void> {
    await this.#call({ type: "reset" });
  }

  /** Holds it for a debugger that is to come; also before it starts, at its first instruction. */
  async holdForDebugger(): Promise<void> {
    await this.#call({ type: "debug", action: "halt" });
  }

  /**
   * Stops the machine for a debugger that speaks GDB's remote protocol. One at a
   * time; with an earlier one it is over.
   * @param output takes what goes to the debugger
   */
  async attachDebugger(output: (bytes: Uint8Array) => void): Promise<DebugConnection> {
    this.#debugOutput = output;
    await this.#call({ type: "debug", action: "attach" });
    return {
      write: (bytes) => {
        if (this.#debugOutput === output) this.#post({ type: "debug-input", vm: this.#vm, bytes: bytes.slice() });
      },
      close: async () => {
        if (this.#debugOutput !== output) return;
        this.#debugOutput = undefined;
        if (this.#state !== "ended") await this.#call({ type: "debug", action: "detach" });
      },
    };
  }

  /**
   * The whole machine as it is now, between two instructions; it goes on. Hand
   * it to `Machine.restore`, here or elsewhere, as often as you like.
   */
  async snapshot(): Promise<Uint8Array> {
    return (await this.#call({ type: "save" })) as Uint8Array;
  }

  /**
   * Makes a disk larger, in its image, and tells the guest.
   * @param disk its place among the machine's disks, from 0
   * @param size bytes, whole sectors
   * @throws MachineError and DiskError
   */
  async resizeDisk(disk: number, size: number): Promise<void> {
    await this.#call({ type: "resize-disk", disk: whole(disk), size: whole(size) });
  }

  /**
   * Writes what a disk's overlay holds to its backing file, and empties the overlay. The guest goes on, but its disk
   * stands still. Whatever else stands on that file changes with it.
   * @param disk its place among the machine's disks, from 0
   * @throws MachineError and DiskError; the disk is as it was
   */
  async commitDisk(disk: number): Promise<void> {
    await this.#call({ type: "commit-disk", disk: whole(disk) });
  }

  /** Ends the machine at once, as by pulling its plug; its disks are closed. Fine to call when it has ended already. */
  async stop(): Promise<void> {
    if (this.#state === "ended") return;
    this.#counters = (await this.#call({ type: "counters" }).catch(() => undefined)) as RunCounters | undefined;
    if (this.#exit) return;
    // What is refused is the disks' end: the machine has stopped all the same.
    const lost = await this.#call({ type: "stop" }).then(
      () => undefined,
      (error: Error) => error.message,
    );
    this.#end({ kind: "stopped", code: 0, ...(lost !== undefined && { lost }) });
  }

  /**
   * Runs a shell command in a guest that has Wardian's agent (its own images
   * do), once the guest is up; commands run one after another.
   * @throws MachineError when the guest ends first or the time is over; or what a sink threw
   */
  async exec(command: string, options: ExecOptions = {}): Promise<ExecResult> {
    const call = this.#nextCall++;
    const texts = { stdout: new Collector(), stderr: new Collector() };
    const answer = this.#call({ type: "exec", command }, call) as Promise<number>;
    for (const name of ["stdout", "stderr"] as const)
      this.#sinks.set(`exec ${call} ${name}`, {
        take: options[name] ?? ((bytes) => texts[name].add(bytes)),
        fail: (error) => this.#calls.get(call)?.reject(error),
      });
    try {
      const status = await this.#timed(answer, options.timeout, "The command");
      return { status, stdout: texts.stdout.text(), stderr: texts.stderr.text() };
    } finally {
      this.#sinks.delete(`exec ${call} stdout`);
      this.#sinks.delete(`exec ${call} stderr`);
    }
  }

  /** Of a machine that is profiled and has ended: where its executor's time went. */
  get profile(): GuestProfile | undefined {
    return this.#profile;
  }

  /** What the machine has done so far, or did until it ended. */
  async stats(): Promise<MachineStats> {
    const { busySeconds, ...counters } = this.#counters ?? ((await this.#call({ type: "counters" })) as RunCounters);
    const from = this.#startedAt ?? this.#clock();
    const to = this.#endedAt ?? this.#clock();
    const cpu = to.cpu === undefined || from.cpu === undefined ? busySeconds : to.cpu - from.cpu;
    return {
      instructions: counters.instructions,
      seconds: { wall: (to.wall - from.wall) / 1000, cpu },
      mips: cpu > 0 ? counters.instructions / cpu / 1e6 : 0,
      firstConsoleByteSeconds: this.#firstByteAt === undefined ? undefined : (this.#firstByteAt - from.wall) / 1000,
      peakMemoryBytes: this.#meter.peakMemoryBytes(),
      counters,
    };
  }

  /** Calls back on an event. @returns ends it */
  on<E extends keyof MachineEvents>(event: E, listener: MachineEvents[E]): () => void {
    this.#events[event].add(listener);
    return () => this.#events[event].delete(listener);
  }

  async #expect(pattern: RegExp, timeout: number | undefined): Promise<RegExpMatchArray> {
    const { match, cancel } = this.#text.expect(pattern);
    if (timeout === undefined) return match;
    const timer = this.#link.later(timeout, () =>
      cancel(new MachineError(`The console hasn't shown ${pattern} within ${timeout / 1000} s.`)),
    );
    return match.finally(timer);
  }

  async #timed<T>(promise: Promise<T>, timeout: number | undefined, what: string): Promise<T> {
    if (timeout === undefined) return promise;
    let cancel = () => {};
    const late = new Promise<never>((_, reject) => {
      cancel = this.#link.later(timeout, () =>
        reject(new MachineError(`${what} hasn't ended within ${timeout / 1000} s.`)),
      );
    });
    return Promise.race([promise, late]).finally(cancel);
  }

  #clock(): Instant {
    return { wall: this.#meter.now(), cpu: this.#meter.cpuSeconds() };
  }

  #post(message: Request): void {
    this.#link.post(message);
  }

  #call(request: Call, call = this.#nextCall++): Promise<Answer> {
    if (this.#state === "ended") return Promise.reject(new MachineError("The machine has ended."));
    return new Promise((resolve, reject) => {
      this.#calls.set(call, { resolve, reject });
      this.#post({ ...request, vm: this.#vm, call } as Request);
    });
  }

  #handle(report: Report): void {
    switch (report.type) {
      case "answer":
        this.#calls.get(report.call)?.resolve(report.value);
        this.#calls.delete(report.call);
        break;
      case "refused":
        this.#calls.get(report.call)?.reject(named(report));
        this.#calls.delete(report.call);
        break;
      case "output":
        this.#output(report.stream, report.bytes);
        break;
      case "trace":
        this.#deliver("trace", report.text.length, () => this.#trace?.(report.text));
        break;
      case "debug-output":
        this.#debugOutput?.(report.bytes);
        break;
      case "reset":
        this.#deliver("console", 0, () => {
          for (const listener of this.#events.reset) listener();
        });
        break;
      case "paused":
        for (const listener of this.#events.paused) listener(report.message);
        break;
      case "resumed":
        for (const listener of this.#events.resumed) listener();
        break;
      case "profile":
        this.#profile = report.profile;
        break;
      case "exit":
        this.#counters = report.counters;
        this.#end({ ...report.exit, ...(report.lost !== undefined && { lost: report.lost }) });
        break;
      case "failed":
        this.#end({ kind: "crash", code: 0, report: `The host failed: ${report.message}` });
        break;
      case "created":
        break;
    }
  }

  #output(stream: Stream, bytes: Uint8Array): void {
    if (stream !== "console") {
      const sink = this.#sinks.get(stream);
      this.#deliver(stream, bytes.length, () => sink?.take(bytes), sink?.fail);
      return;
    }
    this.#firstByteAt ??= this.#meter.now();
    this.#deliver(stream, bytes.length, () => {
      this.#text.add(bytes);
      const waits = [...this.#listeners].map((listener) => listener(bytes)).filter((w) => w instanceof Promise);
      return waits.length > 0 ? Promise.all(waits).then(() => undefined) : undefined;
    });
  }

  /**
   * Hands output to its taker, then its credit back to the executor. What a taker
   * throws goes to `fail`, or is its program's: an uncaught error.
   */
  #deliver(stream: Stream, bytes: number, take: () => void | Promise<void>, fail?: (error: Error) => void): void {
    const taken = () => this.#post({ type: "taken", vm: this.#vm, stream, bytes });
    const failed = (error: unknown) => {
      taken();
      if (!fail) throw error;
      fail(error as Error);
    };
    let waits: void | Promise<void>;
    try {
      waits = take();
    } catch (error) {
      failed(error);
      return;
    }
    if (waits instanceof Promise) waits.then(taken, failed);
    else taken();
  }

  #end(exit: Exit): void {
    if (this.#exit) return;
    this.#exit = exit;
    this.#state = "ended";
    this.#endedAt = this.#clock();
    this.#link.detach(this.#vm);
    const over = new MachineError("The machine has ended.");
    for (const { reject } of this.#calls.values()) reject(over);
    this.#calls.clear();
    this.#text.end(over);
    if (exit.kind === "crash") for (const listener of this.#events.crash) listener(exit);
    for (const listener of this.#events.exit) listener(exit);
    this.#resolveExit(exit);
  }
}

type WithoutRoute<T> = T extends { vm: number; call: number } ? Omit<T, "vm" | "call"> : never;
/** A request that is answered. */
type Call = WithoutRoute<Request>;

function named(report: { name: string; message: string }): Error {
  const error = new MachineError(report.message);
  if (/^[A-Z][A-Za-z]+Error$/.test(report.name) && report.name !== "RangeError") error.name = report.name;
  return error;
}

function physical(address: bigint | number): bigint {
  if (typeof address === "bigint") return address;
  return BigInt(whole(address));
}

function whole(n: number): number {
  if (!Number.isSafeInteger(n) || n < 0) throw new MachineError(`${n} is not a whole number of bytes.`);
  return n;
}

/** Output kept as text. */
class Collector {
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  add(bytes: Uint8Array): void {
    this.#length += bytes.length;
    if (this.#length > EXEC_TEXT_LIMIT)
      throw new MachineError("The command's output is too long to keep; take it by a sink.");
    this.#chunks.push(bytes);
  }

  text(): string {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    return this.#chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("") + decoder.decode();
  }
}
