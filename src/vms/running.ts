/** A VM while it runs: its machine, its logs, and whoever shows its console. */

import type { Exit, Machine } from "../hypervisor/machine.ts";
import type { ConsoleSize, VmStatus } from "./control/protocol.ts";
import type { RotatingLog } from "./rotating-log.ts";

/** How a VM ended. */
export interface Ending {
  /** In words. */
  readonly how: string;
  /** It was well: the guest powered off or was stopped. */
  readonly ok: boolean;
  /** Some lines about a crash. */
  readonly report?: string;
}

export interface StopOptions {
  /** How long the guest may take to power off, ms. */
  readonly timeout: number;
  /** Don't ask it. */
  readonly force: boolean;
}

/** Somebody who shows the console. */
export interface Watcher {
  write(bytes: Uint8Array): void;
  resize(size: ConsoleSize): void;
  close(): void;
}

export interface RunningOptions {
  readonly console: RotatingLog;
  readonly events: EventLog;
  /** Bytes. */
  readonly memory: number;
  readonly harts: number;
}

/** What happened to a VM, a line for each thing. */
export class EventLog {
  readonly #log: RotatingLog;

  constructor(log: RotatingLog) {
    this.#log = log;
  }

  add(text: string): void {
    this.#log.write(`${new Date().toISOString()} [${process.pid}] ${text.trimEnd().replace(/\r?\n/g, "\n  ")}\n`);
  }

  close(): void {
    this.#log.close();
  }
}

/** So much of the console is shown to whoever comes later, bytes. */
const RECENT = 4096;

export class RunningVm {
  /** Resolves when the machine has ended; never rejects. */
  readonly ended: Promise<Ending>;
  readonly #machine: Machine;
  readonly #options: RunningOptions;
  readonly #watchers = new Set<(bytes: Uint8Array) => void>();
  #recent: Uint8Array = new Uint8Array(0);
  #started = 0;
  #paused = false;
  #agent = false;
  #forced = false;
  #size: ConsoleSize | undefined;
  #resizing = false;

  constructor(machine: Machine, options: RunningOptions) {
    this.#machine = machine;
    this.#options = options;
    const { events } = options;
    machine.console.onData((bytes) => this.#show(bytes));
    machine.on("reset", () => events.add("the guest has rebooted"));
    machine.on("paused", (message) => {
      this.#paused = true;
      events.add(`paused: ${message}`);
    });
    machine.on("resumed", () => {
      this.#paused = false;
      events.add("resumed");
    });
    this.ended = machine.exited.then((exit) => {
      const ending = describeExit(exit, this.#forced);
      events.add(`ended: ${ending.how}${ending.report === undefined ? "" : `\n${ending.report}`}`);
      return ending;
    });
  }

  async start(): Promise<void> {
    this.#started = Date.now();
    await this.#machine.start();
    this.#options.events.add("started");
    // It is there once it has done anything; a guest without one never answers.
    this.#machine.exec("true").then(
      () => {
        this.#agent = true;
        this.#options.events.add("the guest's agent answers");
        this.#resize();
      },
      () => {},
    );
  }

  async status(): Promise<VmStatus> {
    const stats = await this.#machine.stats();
    const { balloon } = this.#machine;
    const { memory, harts } = this.#options;
    return {
      pid: process.pid,
      started: this.#started,
      paused: this.#paused,
      agent: this.#agent,
      watchers: this.#watchers.size,
      memory,
      resident: process.memoryUsage.rss(),
      harts,
      instructions: stats.instructions,
      cpuSeconds: stats.seconds.cpu,
      ...(balloon && { balloon: { target: balloon.target, actual: await balloon.size() } }),
    };
  }

  /** @returns whether it has a memory balloon, which is to have so many bytes @throws MachineError */
  setBalloon(bytes: number): boolean {
    const { balloon } = this.#machine;
    if (!balloon) return false;
    balloon.target = bytes;
    this.#options.events.add(`the balloon is to have ${bytes / 2 ** 20} MiB`);
    return true;
  }

  /** Shows the console's last lines and what comes. */
  watch(show: (bytes: Uint8Array) => void, size?: ConsoleSize): Watcher {
    if (this.#recent.length > 0) show(this.#recent);
    this.#watchers.add(show);
    if (size) this.#resize(size);
    return {
      write: (bytes) => this.#machine.console.write(bytes),
      resize: (changed) => this.#resize(changed),
      close: () => this.#watchers.delete(show),
    };
  }

  exec(
    command: string,
    sinks: { stdout: (bytes: Uint8Array) => void | Promise<void>; stderr: (bytes: Uint8Array) => void | Promise<void> },
  ): Promise<number> {
    return this.#machine.exec(command, sinks).then(({ status }) => status);
  }

  /** Makes a disk larger, by its number from 0. @param size bytes */
  async resizeDisk(disk: number, size: number): Promise<void> {
    await this.#machine.resizeDisk(disk, size);
    this.#options.events.add(`disk ${disk} has ${size} bytes`);
  }

  /** Writes what a disk's overlay holds to its backing file, by its number from 0. */
  async commitDisk(disk: number): Promise<void> {
    const { events } = this.#options;
    events.add(`committing disk ${disk}`);
    try {
      await this.#machine.commitDisk(disk);
    } catch (error) {
      events.add(`disk ${disk} is not committed: ${(error as Error).message}`);
      throw error;
    }
    events.add(`disk ${disk} is committed`);
  }

  /**
   * Ends the machine. The guest is asked by its agent, if it has one; without one
   * it may still end by itself in the time that it is given.
   */
  async stop({ timeout, force }: StopOptions, asked?: () => void): Promise<Ending> {
    const { events } = this.#options;
    if (!force) {
      events.add(`asked to stop within ${timeout / 1000} s`);
      this.#machine.exec("poweroff").catch(() => {});
      asked?.();
      const ending = await Promise.race([this.ended, later(timeout)]);
      if (ending) return ending;
    }
    this.#forced = true;
    events.add(force ? "stopped by force" : "the guest has not powered off in time");
    await this.#machine.stop();
    return this.ended;
  }

  #show(bytes: Uint8Array): void {
    this.#options.console.write(bytes);
    const all = new Uint8Array(this.#recent.length + bytes.length);
    all.set(this.#recent);
    all.set(bytes, this.#recent.length);
    // From the start of a line, if there is one.
    const from = Math.max(0, all.length - RECENT);
    const line = from === 0 ? 0 : all.indexOf(0x0a, from) + 1;
    this.#recent = all.slice(Math.max(from, line));
    for (const show of this.#watchers) show(bytes);
  }

  /** Tells the guest its terminal's size: a virtio console does by itself; for a serial line the agent sets it. */
  #resize(size = this.#size): void {
    this.#size = size;
    if (size) this.#machine.console.resize(size.columns, size.rows);
    if (!size || !this.#agent || this.#resizing) return;
    this.#resizing = true;
    const set = `stty rows ${size.rows} cols ${size.columns} </dev/console || stty rows ${size.rows} cols ${size.columns} </dev/ttyS0`;
    const done = () => {
      this.#resizing = false;
      if (this.#size !== size) this.#resize();
    };
    this.#machine.exec(set, { stdout: () => {}, stderr: () => {} }).then(done, done);
  }
}

function later(milliseconds: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds, undefined).unref());
}

/** How the hypervisor's reports begin where not the guest is at fault; one sentence follows. */
const HOST_FAILED = "The host failed: ";

function describeExit({ kind, code, report, lost }: Exit, forced: boolean): Ending {
  if (report?.startsWith(HOST_FAILED))
    return { how: `the host failed: ${report.slice(HOST_FAILED.length)}`, ok: false };
  const damage = lost === undefined ? "" : `; its disks lost data: ${lost}`;
  const words = {
    poweroff: "the guest has powered off",
    reboot: "the guest has rebooted",
    code: code === 0 ? "the guest has ended well" : `the guest has ended with code ${code}`,
    crash: "the guest crashed",
    stopped: forced ? "the machine was stopped by force" : "the machine was stopped",
  } satisfies Record<Exit["kind"], string>;
  return {
    how: `${words[kind]}${damage}`,
    ok: kind !== "crash" && (kind !== "code" || code === 0) && lost === undefined,
    ...(report !== undefined && { report }),
  };
}
