/**
 * An executor: runs cells in slices, one after another, and sleeps when all of
 * them are idle. One per worker; the worker's start-up gives it its wire, its
 * clocks and its event loop.
 */

import type { Disk, DiskOptions } from "../backends/disk.ts";
import type { Entropy } from "../backends/entropy.ts";
import type { Files, ShareOptions } from "../backends/files.ts";
import type { Link, NetworkOptions, PortOptions } from "../backends/link.ts";
import type { Nvram } from "../backends/nvram.ts";
import type { Vsock, VsockOptions } from "../backends/vsock.ts";
import type { CodeCache } from "../core/code-cache.ts";
import { DebugSession } from "../debug/session.ts";
import type { BalloonTags } from "../devices/virtio/balloon/balloon.ts";
import { Cell, type Exit } from "../machine/cell.ts";
import type { Profiler } from "../profile/profile.ts";
import { Recorder } from "../profile/recorder.ts";
import { restoreCell, saveCell } from "../snapshot/snapshot.ts";
import { type Attached, attach, NOTHING_ATTACHED } from "./attach.ts";
import {
  type Answer,
  type CellSpec,
  MESSAGE_COST,
  type Report,
  type Request,
  type RunCounters,
  type Stream,
  type Wire,
} from "./protocol.ts";

export interface ExecutorHost {
  /** Milliseconds from any fixed point, never going back. */
  now(): number;
  /** Nanoseconds since 1970. */
  wallclock(): number;
  /** Random bytes for a cell; from a fixed sequence if it is to be deterministic. */
  entropy(deterministic: boolean): Entropy;
  /** Opens what a machine is joined to. @throws what can't be opened, as one sentence */
  openDisk(options: DiskOptions): Promise<Disk>;
  openNetwork(options: NetworkOptions | PortOptions): Promise<Link>;
  openShare(options: ShareOptions): Promise<Files>;
  openNvram(path: string): Promise<Nvram>;
  openVsock(options: VsockOptions): Promise<Vsock>;
  /** What earlier machines have compiled, kept in a directory. */
  codeCache?(directory: string): CodeCache;
  /** Calls back as soon as what waits in the event loop has been seen to. */
  soon(callback: () => void): void;
  /** Calls back after some milliseconds. @returns cancels it */
  later(milliseconds: number, callback: () => void): () => void;
  /** Starts to sample this thread; where there is no profiler, nothing is sampled. */
  profiler?(): Profiler;
}

/** Milliseconds that a cell runs before others, and messages, have their turn. */
const SLICE_MS = 5;
/** While a disk is busy: its completion, which comes between two slices, is not to wait long. */
const BUSY_SLICE_MS = 0.5;
/** A disk that found no room on the host tries again so often. */
const ROOM_MS = 3000;
/** Output that may be on its way to the owner before the guest must wait, with MESSAGE_COST for each message. */
const OUTPUT_LIMIT = 4 * 1024 * 1024;
/** Typed bytes go to the guest's door in pieces, since what is larger than the door never fits. */
const INPUT_PIECE = 64 * 1024;
/** The longest sleep that timers can be asked for. */
const LONGEST_SLEEP_MS = 2 ** 30;

interface Running {
  readonly id: number;
  readonly spec: CellSpec;
  readonly cell: Cell;
  state: "ready" | "running" | "paused";
  /** When an idle cell wants to run again; undefined: when input comes. */
  wakeAt: number | undefined;
  idle: boolean;
  /** Milliseconds that its slices took so far. */
  busy: number;
  /** Cost of the output that the owner hasn't taken. */
  outstanding: number;
  /** What was typed and hasn't found room in the door yet. */
  typed: Uint8Array[];
  /** Sinks of commands that wait for the owner, by stream. */
  readonly waiting: Map<Stream, (() => void)[]>;
  debug: DebugSession | undefined;
  /** Calls that wait for what the guest says of its memory. */
  readonly polls: number[];
  /** Stands still until the host has room for what it writes; cancels the next try. */
  stalled: (() => void) | undefined;
  readonly codeCache: CodeCache | undefined;
  /** If it is profiled. */
  readonly recorder: Recorder | undefined;
  profiler: Profiler | undefined;
}

export class Executor {
  readonly #wire: Wire<Report, Request>;
  readonly #host: ExecutorHost;
  readonly #cells = new Map<number, Running>();
  /** Machines for which something is being opened, and what they were asked meanwhile. */
  readonly #opening = new Map<number, Request[]>();
  #scheduled = false;
  #cancelSleep: (() => void) | undefined;

  constructor(wire: Wire<Report, Request>, host: ExecutorHost) {
    this.#wire = wire;
    this.#host = host;
    wire.onMessage = (message) => this.#handle(message);
  }

  #handle(message: Request): void {
    if (message.type === "create") {
      this.#create(message.vm, message.module, message.spec);
      return;
    }
    const early = this.#opening.get(message.vm);
    if (early) {
      early.push(message);
      return;
    }
    const vm = this.#cells.get(message.vm);
    if (message.type === "input") {
      if (vm) this.#type(vm, message.bytes);
      return;
    }
    if (message.type === "resize") {
      vm?.cell.resizeConsole(message.columns, message.rows);
      return;
    }
    if (message.type === "balloon") {
      vm?.cell.setBalloon(message.pages);
      return;
    }
    if (message.type === "taken") {
      if (vm) this.#taken(vm, message.stream, message.bytes);
      return;
    }
    if (message.type === "debug-input") {
      vm?.debug?.receive(message.bytes);
      return;
    }
    const { call } = message;
    if (!vm) {
      this.#refuse(message.vm, call, new Error("The machine is gone."));
      return;
    }
    try {
      switch (message.type) {
        case "start":
        case "resume":
          if (vm.cell.stalled) vm.cell.retryDisks();
          if (vm.state === "ready" || vm.state === "paused") {
            vm.state = "running";
            if (vm.recorder) vm.profiler ??= this.#host.profiler?.();
            this.#resume(vm);
          }
          this.#answer(vm, call, undefined);
          break;
        case "pause":
          if (vm.state === "running") {
            vm.cell.pause();
            vm.state = "paused";
          }
          this.#answer(vm, call, undefined);
          break;
        case "reset":
          if (!vm.cell.resettable) throw new Error("A machine from a snapshot can't be reset; stop it and boot anew.");
          vm.cell.reset();
          vm.idle = false;
          this.#schedule();
          this.#answer(vm, call, undefined);
          break;
        case "stop":
          this.#drop(vm);
          this.#profiled(vm);
          vm.debug?.ended();
          vm.cell.agent.close("The machine was stopped.");
          this.#close(vm).then(
            () => this.#answer(vm, call, undefined),
            (error) => this.#refuse(vm.id, call, error),
          );
          break;
        case "read": {
          const bytes = vm.cell.readMemory(message.address, message.length);
          this.#answer(vm, call, bytes, [bytes.buffer as ArrayBuffer]);
          break;
        }
        case "write":
          vm.cell.writeMemory(message.address, message.bytes);
          this.#answer(vm, call, undefined);
          break;
        case "resize-disk":
          this.#change(vm, call, vm.cell.resizeDisk(message.disk, message.size));
          break;
        case "commit-disk":
          this.#change(vm, call, vm.cell.commitDisk(message.disk));
          break;
        case "counters":
          this.#answer(vm, call, counted(vm));
          break;
        case "balloon-size":
          this.#answer(vm, call, vm.cell.balloon?.actual ?? 0);
          break;
        case "balloon-stats":
          if (!vm.cell.balloon?.live)
            throw new Error(
              "The guest has no driver for its memory balloon; load virtio_balloon there, or wait for it.",
            );
          vm.polls.push(call);
          vm.cell.pollBalloon();
          break;
        case "save": {
          const bytes = saveCell(vm.cell);
          this.#answer(vm, call, bytes, [bytes.buffer]);
          break;
        }
        case "exec":
          this.#exec(vm, call, message.command);
          break;
        case "debug":
          this.#debug(vm, message.action);
          this.#answer(vm, call, undefined);
          break;
        default:
          throw new Error("The executor doesn't know this request; use one build for both.");
      }
    } catch (error) {
      this.#refuse(vm.id, call, error);
    }
  }

  /** Answers when a disk has been changed. */
  #change(vm: Running, call: number, change: Promise<void>): void {
    change
      .then(
        () => this.#answer(vm, call, undefined),
        (error) => this.#refuse(vm.id, call, error),
      )
      // A machine in counted time has stood still for it, and no event need tell it of the end.
      .finally(() => this.#wake(vm));
  }

  #create(id: number, module: WebAssembly.Module, spec: CellSpec): void {
    const { disks = [], shares = [], network, nvram, vsock, balloon } = spec;
    if (disks.length + shares.length === 0 && !network && nvram === undefined && !vsock && !balloon) {
      this.#make(id, module, spec, NOTHING_ATTACHED);
      return;
    }
    const early: Request[] = [];
    this.#opening.set(id, early);
    attach(spec, this.#host)
      .then(
        (attached) => this.#make(id, module, spec, attached),
        (error) => this.#wire.post({ type: "failed", vm: id, ...described(error) }),
      )
      .finally(() => {
        this.#opening.delete(id);
        for (const message of early) this.#handle(message);
      });
  }

  #make(id: number, module: WebAssembly.Module, spec: CellSpec, attached: Attached): void {
    let vm: Running | undefined;
    const recorder = spec.profiled ? new Recorder(() => vm!.cell.core) : undefined;
    const codeCache = spec.codeCache === undefined ? undefined : this.#host.codeCache?.(spec.codeCache);
    try {
      const cell = new Cell(module, spec, {
        ...attached,
        now: this.#host.now,
        wallclock: this.#host.wallclock,
        entropy: this.#host.entropy(spec.deterministic),
        console: (bytes) => vm && this.#output(vm, "console", bytes),
        wake: () => vm && this.#wake(vm),
        stalled: (message) => vm && this.#stalled(vm, message),
        flowing: () => vm && this.#flowing(vm),
        statistics: (tags) => vm && this.#polled(vm, tags),
        ...(codeCache && { codeCache }),
        ...(recorder && { observe: recorder.observe }),
        ...(spec.traced ? { trace: (text: string) => vm && this.#trace(vm, text) } : {}),
      });
      cell.pause(); // its time begins with start
      vm = {
        id,
        spec,
        cell,
        state: "ready",
        wakeAt: undefined,
        idle: false,
        busy: 0,
        outstanding: 0,
        typed: [],
        waiting: new Map(),
        debug: undefined,
        polls: [],
        stalled: undefined,
        codeCache,
        recorder,
        profiler: undefined,
      };
      if (spec.snapshot) restoreCell(cell, spec.snapshot);
      this.#cells.set(id, vm);
      this.#wire.post({ type: "created", vm: id });
    } catch (error) {
      const failed = () => this.#wire.post({ type: "failed", vm: id, ...described(error) });
      (vm ? vm.cell : attached).close().then(failed, failed);
    }
  }

  /** The host has no room for what the guest writes, or no way to what it reads: it stands still, and is told of it once. */
  #stalled(vm: Running, message: string): void {
    if (!this.#cells.has(vm.id)) return;
    if (!vm.stalled) {
      vm.cell.pause();
      this.#wire.post({ type: "paused", vm: vm.id, message });
    }
    vm.stalled?.();
    vm.stalled = this.#host.later(ROOM_MS, () => vm.cell.retryDisks());
  }

  /** There is room again. */
  #flowing(vm: Running): void {
    vm.stalled?.();
    vm.stalled = undefined;
    if (!this.#cells.has(vm.id)) return;
    this.#wire.post({ type: "resumed", vm: vm.id });
    this.#resume(vm);
  }

  /** The guest has said how its memory is used. */
  #polled(vm: Running, tags: BalloonTags): void {
    const { target, actual, emptied } = vm.cell.balloon!;
    for (const call of vm.polls.splice(0)) this.#answer(vm, call, { target, actual, emptied, tags: [...tags] });
  }

  /** It runs no more. */
  #drop(vm: Running): void {
    this.#cells.delete(vm.id);
    vm.stalled?.();
    vm.stalled = undefined;
  }

  /** Puts its disks on stable storage and ends its links. @throws what a disk can't keep */
  async #close(vm: Running): Promise<void> {
    vm.codeCache?.flush();
    if (vm.cell.losing) {
      await vm.cell.close().catch(() => undefined);
      throw new Error("What the guest wrote last found no room on the host and is lost.");
    }
    await vm.cell.close();
  }

  /** Runs a command; its output waits for the owner as the agent's sinks do. */
  #exec(vm: Running, call: number, command: string): void {
    const sink = (name: "stdout" | "stderr") => (bytes: Uint8Array) =>
      new Promise<void>((done) => {
        const stream: Stream = `exec ${call} ${name}`;
        const queue = vm.waiting.get(stream);
        if (queue) queue.push(done);
        else vm.waiting.set(stream, [done]);
        this.#wire.post({ type: "output", vm: vm.id, stream, bytes });
      });
    vm.cell.agent.exec(command, { stdout: sink("stdout"), stderr: sink("stderr") }).then(
      (status) => this.#answer(vm, call, status),
      (error) => this.#refuse(vm.id, call, error),
    );
  }

  /** Lets its clock and its harts go on, unless its owner or a debugger holds them. */
  #resume(vm: Running): void {
    if (vm.state !== "running" || vm.debug?.halted || vm.stalled) return;
    vm.cell.resume();
    vm.idle = false;
    this.#schedule();
  }

  #debug(vm: Running, action: "halt" | "attach" | "detach"): void {
    vm.debug ??= new DebugSession(vm.cell, {
      run: () => this.#resume(vm),
      halt: () => vm.cell.pause(),
      kill: () => this.#ended(vm, { kind: "poweroff", code: 0 }),
    });
    if (action === "halt") vm.debug.halt();
    else if (action === "detach") vm.debug.detach();
    else vm.debug.attach((bytes) => this.#wire.post({ type: "debug-output", vm: vm.id, bytes }));
  }

  #taken(vm: Running, stream: Stream, bytes: number): void {
    const queue = vm.waiting.get(stream);
    if (queue) {
      queue.shift()?.();
      if (queue.length === 0) vm.waiting.delete(stream);
    } else {
      vm.outstanding = Math.max(0, vm.outstanding - bytes - MESSAGE_COST);
    }
    this.#schedule();
  }

  #output(vm: Running, stream: Stream, bytes: Uint8Array): void {
    vm.outstanding += bytes.length + MESSAGE_COST;
    this.#wire.post({ type: "output", vm: vm.id, stream, bytes });
  }

  #type(vm: Running, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += INPUT_PIECE) vm.typed.push(bytes.subarray(at, at + INPUT_PIECE));
    this.#passTyped(vm);
  }

  #passTyped(vm: Running): void {
    let done = 0;
    while (done < vm.typed.length && vm.cell.door.push({ kind: "terminal", bytes: vm.typed[done]! })) done++;
    if (done > 0) vm.typed = vm.typed.slice(done);
  }

  #wake(vm: Running): void {
    vm.idle = false;
    this.#schedule();
  }

  #trace(vm: Running, text: string): void {
    vm.outstanding += text.length + MESSAGE_COST;
    this.#wire.post({ type: "trace", vm: vm.id, text });
  }

  #answer(vm: Running, call: number, value: Answer, transfer: ArrayBuffer[] = []): void {
    this.#wire.post({ type: "answer", vm: vm.id, call, value }, transfer);
  }

  #refuse(vm: number, call: number, error: unknown): void {
    this.#wire.post({ type: "refused", vm, call, ...described(error) });
  }

  /** Something may be to do: looks as soon as the event loop comes round. */
  #schedule(): void {
    this.#cancelSleep?.();
    this.#cancelSleep = undefined;
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#host.soon(() => {
      this.#scheduled = false;
      this.#turn();
    });
  }

  /** A slice for the next cell that has something to do, or sleep. Between two slices messages have their turn. */
  #turn(): void {
    let wake: number | undefined;
    for (const vm of this.#cells.values()) {
      if (vm.state !== "running" || vm.debug?.halted || vm.stalled || vm.outstanding > OUTPUT_LIMIT) continue;
      if (vm.idle && (vm.wakeAt === undefined || this.#host.now() < vm.wakeAt)) {
        wake = earlier(wake, vm.wakeAt);
        continue;
      }
      // To the end of the queue.
      this.#cells.delete(vm.id);
      this.#cells.set(vm.id, vm);
      this.#slice(vm);
      this.#schedule();
      return;
    }
    if (wake !== undefined && !this.#scheduled) {
      const delay = Math.min(Math.max(0, wake - this.#host.now()), LONGEST_SLEEP_MS);
      this.#cancelSleep = this.#host.later(delay, () => this.#schedule());
    }
  }

  #slice(vm: Running): void {
    vm.idle = false;
    if (vm.typed.length > 0) this.#passTyped(vm);
    let result: ReturnType<Cell["slice"]>;
    const from = this.#host.now();
    try {
      result = vm.cell.slice(vm.cell.busy ? BUSY_SLICE_MS : SLICE_MS);
    } catch (error) {
      // The host's fault, not the guest's: this cell alone is lost.
      this.#drop(vm);
      const failed = () => this.#wire.post({ type: "failed", vm: vm.id, ...described(error) });
      this.#close(vm).then(failed, failed);
      return;
    }
    vm.busy += this.#host.now() - from;
    if (result.state === "idle") {
      // Input that came in meanwhile is delivered by the next slice.
      vm.idle = true;
      vm.wakeAt = result.nanoseconds === undefined ? undefined : this.#host.now() + result.nanoseconds / 1e6;
    } else if (result.state === "exit") {
      if (result.exit.kind !== "crash" || !vm.debug?.crashed()) this.#ended(vm, result.exit);
    }
  }

  #ended(vm: Running, exit: Exit): void {
    if (exit.kind === "reboot" && vm.cell.resettable) {
      vm.cell.reset();
      vm.outstanding += MESSAGE_COST;
      this.#wire.post({ type: "reset", vm: vm.id });
      return;
    }
    // Its memory goes with it.
    this.#drop(vm);
    this.#profiled(vm);
    vm.debug?.ended(exit);
    const counters = counted(vm);
    const gone = (lost?: string) => {
      // Commands fail because of the end: it is told first.
      this.#wire.post({ type: "exit", vm: vm.id, exit, counters, ...(lost !== undefined && { lost }) });
      vm.cell.agent.close();
    };
    this.#close(vm).then(
      () => gone(),
      (error) => gone(described(error).message),
    );
  }

  /** What was sampled of a cell that is at its end. */
  #profiled({ id, recorder, profiler }: Running): void {
    if (recorder && profiler)
      this.#wire.post({ type: "profile", vm: id, profile: { cpu: profiler.stop(), regions: recorder.regions } });
  }
}

function counted({ cell, busy }: Running): RunCounters {
  return { ...cell.counters(), busySeconds: busy / 1000 };
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : Math.min(a, b);
}

function described(error: unknown): { name: string; message: string } {
  return error instanceof Error
    ? { name: error.name, message: error.message }
    : { name: "Error", message: String(error) };
}
