/**
 * A cell: one machine of board `virt`. One linear memory, one core instance and
 * its devices, run in slices by whoever owns it. It knows no threads, files or
 * terminals; the outside world comes in by its input door only.
 */

import type { Entropy } from "../backends/entropy.ts";
import type { HostCalls } from "../core/calls.ts";
import type { CodeCache } from "../core/code-cache.ts";
import { Core } from "../core/core.ts";
import { DEFAULT_ENGINE, type EngineName } from "../core/engine.ts";
import { type Compile, compileLater, compileNow } from "../core/jit.ts";
import { coreDevices } from "../devices/core-devices.ts";
import type { Device } from "../devices/device.ts";
import { FwCfg } from "../devices/fw-cfg.ts";
import type { BalloonDevice, BalloonTags } from "../devices/virtio/balloon/balloon.ts";
import { LinearGuestMemory } from "../devices/virtio/guest-memory.ts";
import { CONTROL_PORT, ERR_PORT, GuestAgent, OUT_PORT } from "./agent.ts";
import { BootError, type BootPlan } from "./boot.ts";
import { crashReport } from "./crash.ts";
import { Flash } from "./flash.ts";
import { InputDoor, type InputEvent } from "./input.ts";
import { busRegions, HOST_FW_CFG, RAM_BASE } from "./memory-map.ts";
import { Tracer } from "./trace.ts";
import { type Attachments, VirtioDevices } from "./virtio.ts";

export interface CellOptions {
  /** Bytes of RAM; a multiple of 4096. */
  readonly memoryBytes: number;
  readonly harts: number;
  /** Nothing is loaded without one, and the machine can't be reset: a snapshot is to be put into it. */
  readonly boot?: BootPlan;
  /** The core answers SBI calls (`bios: "builtin"`). */
  readonly sbi: boolean;
  /** Time is counted from instructions retired, and the same inputs give the same run. */
  readonly deterministic: boolean;
  /** There are flash chips; a boot plan says what they hold. */
  readonly flash?: boolean;
  /** Default: the interpreter. */
  readonly engine?: EngineName;
  /** Where the console is typed at: at the UART, or once the guest has taken it at virtio's terminal. Default: "serial". */
  readonly console?: ConsoleName;
}

export const CONSOLES = ["serial", "virtio"] as const;
export type ConsoleName = (typeof CONSOLES)[number];

/** What a cell needs from its host. */
export interface CellHost extends Attachments {
  /** Milliseconds from any fixed point, never going back. */
  now(): number;
  /** Nanoseconds since 1970. */
  wallclock(): number;
  readonly entropy: Entropy;
  /** What the guest has written to its console. */
  console(bytes: Uint8Array): void;
  /** Input has come in: an idle cell has something to do. */
  wake?(): void;
  /** A disk's host has no room: the guest is to stand still until `flowing`. `message` is one sentence. */
  stalled?(message: string): void;
  flowing?(): void;
  /** The guest has said how its memory is used (BalloonTags). */
  statistics?(tags: BalloonTags): void;
  /** Lines of the execution trace, if it is traced. */
  trace?(text: string): void;
  /** How the JIT's modules are compiled; a deterministic machine's at once unless told, others' while they run on. */
  compile?: Compile;
  /** Where regions are kept that the JIT has compiled; without one, nowhere. */
  readonly codeCache?: CodeCache;
  /** As the core's host is told of compiled regions. */
  observe?: HostCalls["observe"];
}

/** How a machine ended. */
export interface Exit {
  readonly kind: "poweroff" | "reboot" | "code" | "crash";
  /** Of "code": what the guest gave to the test device or to HTIF, never 0 with the former. Else 0. */
  readonly code: number;
  /** Of "crash": pc, cause, registers and disassembly, some lines of text. */
  readonly report?: string;
}

/** What came of a slice. */
export type SliceResult =
  | { readonly state: "busy" }
  /** Nothing to do for that many nanoseconds, or until input comes. */
  | { readonly state: "idle"; readonly nanoseconds: number | undefined }
  | { readonly state: "exit"; readonly exit: Exit }
  /** A debugger has stopped it. */
  | { readonly state: "stopped" };

/** A debugger's way of running harts, in place of the cell's own. */
export interface DebugRounds {
  /**
   * A slice of each hart that is to run.
   * @param quantum instructions in it
   * @returns whether none had anything to do, or that one has stopped for the debugger
   */
  round(quantum: number): boolean | "stopped";
}

/** Engine counters, summed over harts. */
export interface CellCounters {
  readonly instructions: number;
  /** Of them, those that compiled code has retired; the interpreter did the rest. */
  readonly compiledInstructions: number;
  readonly tlbMisses: number;
  readonly pageWalks: number;
  readonly traps: number;
  readonly interrupts: number;
  readonly mmio: number;
  readonly codeWrites: number;
  readonly tlbFlushes: number;
  /** Regions compiled by the JIT so far, those of them since all were last dropped, and the bytes of all their modules. */
  readonly regions: number;
  readonly regionsAlive: number;
  /** Of those alive, the ones that came of what was kept of earlier runs. */
  readonly regionsRecalled: number;
  readonly regionBytes: number;
  /** How often all regions were dropped because they had become too many. */
  readonly evictions: number;
}

/** Instructions that a hart runs at a stretch: about a quarter of a millisecond. */
const QUANTUM = 50_000;
/** With several harts less, so that one waiting for another's lock doesn't wait long. */
const QUANTUM_SMP = 20_000;
/** Counted mode: a hart retires this many instructions per tick of 100 ns. */
const INSTRUCTIONS_PER_TICK = 10;
const TICKS_PER_MS = 10_000;

export class Cell {
  readonly core: Core;
  readonly door = new InputDoor();
  /** Runs commands in a guest that has our agent. */
  readonly agent: GuestAgent;
  readonly options: CellOptions;
  /** Runs the harts while there is one. */
  debugger: DebugRounds | undefined;
  readonly #host: CellHost;
  readonly #devices: Device[];
  readonly #virtio: VirtioDevices;
  readonly #fwCfg: FwCfg;
  readonly #flash: Flash | undefined;
  readonly #tracer: Tracer | undefined;
  /** Host's milliseconds at the guest's time 0, moved on by every pause. */
  #epoch: number;
  #pausedAt: number | undefined;
  /** Something came to the door since it was last opened. */
  #pushed = false;
  /** Counted mode: the guest was idle, and its time may skip to the next event. */
  #skip = false;
  /** What was counted before the last reset. */
  #earlier: CellCounters | undefined;

  /** @throws CoreError, BootError, AttachmentError */
  constructor(module: WebAssembly.Module, options: CellOptions, host: CellHost) {
    this.options = options;
    this.#host = host;
    this.#epoch = host.now();
    this.door.onPush = () => {
      this.#pushed = true;
      host.wake?.();
    };
    this.core = Core.create(
      module,
      {
        harts: options.harts,
        ramBase: RAM_BASE,
        ramSize: options.memoryBytes,
        sbi: options.sbi,
        counted: options.deterministic,
        tick: INSTRUCTIONS_PER_TICK,
        flash: options.flash ?? false,
        engine: options.engine ?? DEFAULT_ENGINE,
        compile: host.compile ?? (options.deterministic ? compileNow : compileLater),
        ...(host.codeCache && { cache: host.codeCache }),
      },
      {
        ticks: () => Math.max(0, (host.now() - this.#epoch) * TICKS_PER_MS),
        wallclock: () => host.wallclock(),
        mmioRead: (device, offset, size) => {
          const index = device - this.core.abi.DEV_ID_HOST;
          return index === HOST_FW_CFG ? this.#fwCfg.read(offset, size) : this.#virtio.read(index, offset, size);
        },
        mmioWrite: (device, offset, size, value) => {
          const index = device - this.core.abi.DEV_ID_HOST;
          if (index === HOST_FW_CFG) this.#fwCfg.write(offset, size, value);
          else this.#virtio.write(index, offset, size, value);
        },
        ...(host.observe && { observe: host.observe }),
      },
    );
    const { calls, abi, memory } = this.core;
    const dma = new LinearGuestMemory(() => memory.buffer, calls.guestRange);
    this.#virtio = new VirtioDevices(dma, this.door, host, {
      entropy: host.entropy,
      inOrder: options.deterministic,
      terminal: options.console === "virtio",
      console: (bytes) => host.console(bytes),
      stalled: (message) => host.stalled?.(message),
      flowing: () => host.flowing?.(),
      statistics: (tags) => host.statistics?.(tags),
      setInterrupt: (source, level) => calls.plicSetLine(source, level ? 1 : 0),
    });
    this.#fwCfg = new FwCfg(dma, { harts: options.harts, ...options.boot?.firmwareItems });
    this.#devices = [...coreDevices({ memory, abi }), ...this.#virtio.devices, this.#fwCfg];
    const port = (name: string) => this.#virtio.console.port(name)!;
    this.agent = new GuestAgent({ control: port(CONTROL_PORT), out: port(OUT_PORT), err: port(ERR_PORT) });
    for (const region of busRegions(abi as never)) {
      if (!calls.busAdd(BigInt(region.base), BigInt(region.size), region.device))
        throw new Error(`the bus refuses a region at 0x${region.base.toString(16)}`);
    }
    this.#tracer = host.trace ? new Tracer(this.core, options.harts, (text) => host.trace!(text)) : undefined;
    this.#flash = options.flash ? new Flash(this.core, host.nvram) : undefined;
    // Once: it keeps what it holds when the machine is reset.
    if (options.boot?.flash) this.#flash?.fill(options.boot.flash);
    this.#load();
  }

  /** Every device, for snapshots. */
  get devices(): readonly Device[] {
    return this.#devices;
  }

  /** Instructions retired by all harts; never goes back. */
  get retired(): bigint {
    let sum = BigInt(this.#earlier?.instructions ?? 0);
    for (let i = 0; i < this.options.harts; i++) sum += this.core.hartU64(i, this.core.abi.H_INSTRET);
    return sum;
  }

  /** Runs the machine for about `milliseconds`, less if it falls idle or ends. */
  slice(milliseconds: number): SliceResult {
    const until = this.#host.now() + milliseconds;
    // Counted time goes on to the event that was slept for, unless input came in before it.
    if (this.#skip && !this.#pushed) this.core.calls.skipIdle();
    this.#skip = false;
    for (;;) {
      const idle = this.#step();
      if (typeof idle === "object") return idle;
      if (idle) {
        const nanoseconds = this.core.calls.idleTime();
        if (nanoseconds !== 0) {
          this.#skip = this.options.deterministic;
          return { state: "idle", nanoseconds: nanoseconds < 0 ? undefined : nanoseconds };
        }
      }
      if (this.#host.now() >= until) return { state: "busy" };
    }
  }

  /**
   * Counted mode: runs that many rounds (a quantum of each hart) whatever time
   * they take, and skips the time in which the guest is idle. For whoever needs
   * the same run again: tests, and later replay.
   * @returns how it ended, if it did; "idle" if nothing will ever happen by itself
   */
  rounds(count: number): Exit | "idle" | undefined {
    for (let i = 0; i < count; i++) {
      const idle = this.#step();
      if (typeof idle === "object") return idle.state === "exit" ? idle.exit : "idle";
      if (idle && !this.door.pending && !this.core.calls.skipIdle()) return "idle";
    }
    return undefined;
  }

  /** Delivers input and runs a round. @returns whether no hart has anything to do, or how it ended */
  #step(): boolean | SliceResult {
    if (this.#waitsForDisks) return { state: "idle", nanoseconds: undefined };
    this.#pushed = false;
    this.#deliver();
    const rounds = this.debugger ?? this.#tracer;
    const { deterministic } = this.options;
    if (deterministic) this.#virtio.hold();
    const idle = rounds ? rounds.round(this.#quantum) : this.#round();
    if (deterministic) this.#virtio.release();
    this.#drainConsole();
    this.#flash?.look();
    const exit = this.#exit();
    if (exit) return { state: "exit", exit };
    if (idle === "stopped") return { state: "stopped" };
    // No timer of the guest's goes off meanwhile, however long they take.
    if (this.#waitsForDisks) return { state: "idle", nanoseconds: undefined };
    // What waited for the guest to make room is delivered before it sleeps.
    return idle && !this.#pushed && !this.#deliver();
  }

  /** Counted time stands still until disks have done what they were asked. */
  get #waitsForDisks(): boolean {
    return this.options.deterministic && (this.busy || this.stalled);
  }

  #deliver(): boolean {
    return this.door.pending && this.door.deliver(this.retired, (event) => this.#accept(event));
  }

  /** Stops the guest's clock; it doesn't see the time until `resume`. */
  pause(): void {
    this.#pausedAt ??= this.#host.now();
  }

  resume(): void {
    if (this.#pausedAt === undefined) return;
    this.#epoch += this.#host.now() - this.#pausedAt;
    this.#pausedAt = undefined;
  }

  /** Real time: milliseconds that the guest's clock has run. */
  get clock(): number {
    return (this.#pausedAt ?? this.#host.now()) - this.#epoch;
  }

  /** A snapshot has been put in: its clock goes on from there, and what was asked of the host is asked again. */
  restored(clock: number, agentReady: boolean): void {
    this.#epoch = (this.#pausedAt ?? this.#host.now()) - clock;
    if (agentReady) this.agent.assumeReady();
    this.#virtio.restart();
  }

  /** The terminal at which the console is shown has this size, in characters. */
  resizeConsole(columns: number, rows: number): void {
    this.#virtio.resize(columns, rows);
  }

  /** Its memory balloon, to be looked at. */
  get balloon(): BalloonDevice | undefined {
    return this.#virtio.balloon;
  }

  /** The balloon is to have so many pages of 4 KiB. */
  setBalloon(pages: number): void {
    this.#virtio.setBalloon(pages);
  }

  /** Asks the guest how its memory is used. */
  pollBalloon(): void {
    this.#virtio.pollBalloon();
  }

  /** Makes a disk larger. @throws what can't be, as one sentence */
  resizeDisk(index: number, size: number): Promise<void> {
    return this.#virtio.resizeDisk(index, size);
  }

  /** Writes what a disk's overlay holds to its backing file. @throws what can't be, as one sentence */
  commitDisk(index: number): Promise<void> {
    return this.#virtio.commitDisk(index);
  }

  /** Whether a disk's completion is to be expected. */
  get busy(): boolean {
    return this.#virtio.busy;
  }

  /** Whether a disk waits for room on the host, or for a server. */
  get stalled(): boolean {
    return this.#virtio.stalled;
  }

  /** Whether what a disk waits for is lost if the machine ends now. */
  get losing(): boolean {
    return this.#virtio.losing;
  }

  /** Tries again what waits for room on the host. */
  retryDisks(): void {
    this.#virtio.retry();
  }

  /** Ends what it is joined to: disks are put on stable storage. It is not to be run again. @throws what a disk says */
  async close(): Promise<void> {
    const closed = await Promise.allSettled([this.#virtio.close(), this.#host.nvram?.close()]);
    const failed = closed.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
  }

  /** Whether it can be powered off and on. */
  get resettable(): boolean {
    return this.options.boot !== undefined;
  }

  /** Power off and on: everything as at the start, but RAM that nothing is loaded to keeps its contents. */
  reset(): void {
    this.#earlier = this.counters();
    this.core.calls.resetAll();
    this.#virtio.reset();
    this.#fwCfg.reset();
    this.#load();
  }

  /**
   * Bytes of guest-physical memory, a copy.
   * @throws RangeError when they are not wholly RAM
   */
  readMemory(address: bigint, length: number): Uint8Array {
    const at = this.#range(address, length, false);
    return this.core.bytes.slice(at, at + length);
  }

  /** Writes guest-physical memory. @throws RangeError when it is not wholly RAM */
  writeMemory(address: bigint, bytes: Uint8Array): void {
    if (bytes.length > 0) this.core.bytes.set(bytes, this.#range(address, bytes.length, true));
  }

  counters(): CellCounters {
    const { abi } = this.core;
    const earlier = this.#earlier;
    const sum = (counter: number, before: number | undefined) => {
      let n = before ?? 0;
      for (let i = 0; i < this.options.harts; i++) n += Number(this.core.hartU64(i, abi.H_COUNTERS + counter * 8));
      return n;
    };
    return {
      instructions: Number(this.retired),
      compiledInstructions: sum(abi.CT_COMPILED, earlier?.compiledInstructions),
      tlbMisses: sum(abi.CT_TLB_MISS, earlier?.tlbMisses),
      pageWalks: sum(abi.CT_WALK, earlier?.pageWalks),
      traps: sum(abi.CT_TRAP, earlier?.traps),
      interrupts: sum(abi.CT_INTERRUPT, earlier?.interrupts),
      mmio: sum(abi.CT_MMIO, earlier?.mmio),
      codeWrites: sum(abi.CT_CODE_WRITE, earlier?.codeWrites),
      tlbFlushes: sum(abi.CT_TLB_FLUSH, earlier?.tlbFlushes),
      regions: this.core.machineU32(abi.M_JIT_TOTAL),
      regionsAlive: this.core.machineU32(abi.M_JIT_REGIONS),
      regionsRecalled: this.core.machineU32(abi.M_JIT_RECALLED),
      regionBytes: this.core.machineU32(abi.M_JIT_CODE),
      evictions: this.core.machineU32(abi.M_JIT_EVICTIONS),
    };
  }

  get #quantum(): number {
    return this.options.harts === 1 ? QUANTUM : QUANTUM_SMP;
  }

  /** A slice of each hart. @returns whether none had anything to do */
  #round(): boolean {
    const { calls, abi } = this.core;
    const harts = this.options.harts;
    const quantum = this.#quantum;
    let idle = true;
    for (let hart = 0; hart < harts; hart++) {
      const result = calls.run(hart, quantum);
      if (result !== abi.RUN_IDLE && result !== abi.RUN_STOPPED && result !== abi.RUN_WAIT) idle = false;
      if (result === abi.RUN_EXIT) break;
    }
    if (this.options.deterministic) calls.catchUp();
    return idle;
  }

  #accept(event: InputEvent): boolean | number {
    switch (event.kind) {
      case "terminal": {
        const typed = this.#virtio.type(event.bytes);
        if (typed !== undefined) return typed;
        let taken = 0;
        while (taken < event.bytes.length && this.core.calls.uartReceive(event.bytes[taken]!)) taken++;
        return taken;
      }
      case "clock":
        return true; // this machine has its own
      default:
        return this.#virtio.accept(event);
    }
  }

  #drainConsole(): void {
    const { calls, abi, bytes } = this.core;
    const pending = Math.min(calls.uartTxPending(), abi.UART_TX_SIZE);
    if (pending <= 0) return;
    const from = (calls.uartTxTail() >>> 0) % abi.UART_TX_SIZE;
    const first = Math.min(pending, abi.UART_TX_SIZE - from);
    const out = new Uint8Array(pending);
    out.set(bytes.subarray(abi.UART_TX_RING + from, abi.UART_TX_RING + from + first));
    out.set(bytes.subarray(abi.UART_TX_RING, abi.UART_TX_RING + pending - first), first);
    calls.uartTxDrained(pending);
    this.#host.console(out);
  }

  #exit(): Exit | undefined {
    const { abi } = this.core;
    switch (this.core.machineU32(abi.M_EXIT)) {
      case abi.EXIT_NONE:
        return undefined;
      case abi.EXIT_POWEROFF:
        return { kind: "poweroff", code: 0 };
      case abi.EXIT_REBOOT:
        return { kind: "reboot", code: 0 };
      case abi.EXIT_CODE:
        return { kind: "code", code: this.core.machineU32(abi.M_EXIT_CODE) };
      default:
        return { kind: "crash", code: 0, report: crashReport(this.core) };
    }
  }

  /** Puts everything of the boot plan in its place. */
  #load(): void {
    const { core } = this;
    const { boot } = this.options;
    if (!boot) return;
    for (const load of boot.loads) {
      if (load.size === 0) continue;
      const at = this.#range(BigInt(load.address), load.size, true);
      core.bytes.set(load.bytes, at);
      core.bytes.fill(0, at + load.bytes.length, at + load.size);
    }
    if (boot.rom.length > 0) {
      const at = core.calls.romRange(0, boot.rom.length) >>> 0;
      if (at === 0) throw new BootError("The boot ROM's image is larger than the ROM.");
      core.bytes.set(boot.rom, at);
    }
    boot.harts.forEach((entry, i) => {
      core.setHartU64(i, core.abi.H_PC, entry.pc);
      core.setX(i, 10, entry.a0);
      core.setX(i, 11, entry.a1);
      core.setX(i, 12, entry.a2);
    });
    if (boot.tohost !== undefined && !core.calls.htifWatch(boot.tohost, boot.fromhost ?? 0n))
      throw new BootError("The program's tohost and fromhost are not aligned words in RAM; link it for this board.");
  }

  #range(address: bigint, length: number, write: boolean): number {
    if (length === 0) return 0;
    const at =
      address >= 0n && address < 1n << 56n && length > 0 && length <= 0xffff_ffff
        ? this.core.calls.guestRange(address, length, write ? 1 : 0) >>> 0
        : 0;
    if (at < 2)
      throw new RangeError(
        `Guest memory at 0x${address.toString(16)}, ${length} bytes, is not wholly RAM; RAM starts at ` +
          `0x${RAM_BASE.toString(16)} and has ${this.options.memoryBytes} bytes.`,
      );
    return at;
  }
}
