/** `wardian start|stop|console|logs|exec`: VMs that run. */

import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { room } from "../../host/node/files.ts";
import { NodeTerminal } from "../../host/node/terminal.ts";
import { Machine, tuneV8 } from "../../node.ts";
import { readConfig, type VmConfig } from "../../vms/config.ts";
import { askExec, askStop, openConsole } from "../../vms/control/client.ts";
import { listenControl } from "../../vms/control/server.ts";
import { VmError } from "../../vms/errors.ts";
import { EVENTS, launch, reportStart } from "../../vms/launch.ts";
import { DEFAULTS, machineOptions, type VmMachineOptions } from "../../vms/machine-options.ts";
import { parseLogSize, RotatingLog } from "../../vms/rotating-log.ts";
import { type Ending, EventLog, RunningVm } from "../../vms/running.ts";
import { SEED_DISK, writeSeedDisk } from "../../vms/seed.ts";
import { findVm, lockVm, refuseRunning, type Vm, vmDirectory, vmHolder } from "../../vms/store.ts";
import { ESCAPE_HELP, EscapeKey } from "../escape.ts";
import { CliError, describeError, FAILED, OK } from "../exit.ts";
import { parseMemory } from "../options.ts";
import type { ExecFlags, LogFlags, PlaceFlags, StartFlags, StopFlags } from "../vm-program.ts";

const CONSOLE = "console.log";
const ONCE = "a VM runs once at a time";
/** How long a guest may take to power off when the VM's process is told to end, ms. */
const LAST_WORDS = 10_000;

export async function start(name: string, { dir, foreground }: StartFlags, signal: AbortSignal): Promise<number> {
  const vm = findVm(name, vmDirectory(dir));
  if (foreground) return runHere(vm, signal);
  // What can be told without a process is told at once; the process makes sure.
  refuseRunning(vm, ONCE);
  machineOptions(vm.folder, await readConfig(vm.folder));
  const cli = fileURLToPath(import.meta.url);
  const pid = await launch(vm, [cli, "serve-vm", vm.folder, name], signal);
  process.stdout.write(`${name} is running, process ${pid}\n`);
  return OK;
}

/** What the process of a VM does: the hidden command `serve-vm`. */
export async function serveVm(folder: string, name: string, signal: AbortSignal): Promise<number> {
  try {
    await serve({ name, folder }, signal, () => reportStart({ type: "ready", pid: process.pid }));
    return OK;
  } catch (error) {
    const message = describeError(error)
      .text.replace(/^error: /, "")
      .trimEnd();
    reportStart({ type: "failed", message });
    return FAILED;
  }
}

/** Runs a VM with its console in this terminal. */
async function runHere(vm: Vm, signal: AbortSignal): Promise<number> {
  const terminal = new NodeTerminal();
  const quit = new AbortController();
  const keys = new EscapeKey();
  try {
    const ending = await serve(vm, AbortSignal.any([signal, quit.signal]), (running) => {
      const watcher = running.watch((bytes) => void terminal.submit(bytes), terminal.size);
      terminal.onInput = (typed) => {
        const taken = keys.take(typed);
        if (taken.bytes.length > 0) watcher.write(taken.bytes);
        if (taken.help) process.stderr.write(ESCAPE_HELP);
        if (taken.quit) quit.abort();
      };
      terminal.onResize = (size) => watcher.resize(size);
      terminal.open();
    });
    if (ending.ok) return OK;
    throw new CliError(`The VM ended: ${ending.how}.`, FAILED, ending.report);
  } finally {
    terminal.close();
  }
}

/**
 * Runs a VM to its end.
 * @param signal asks the guest to power off, and ends it soon
 * @param ready  called once it runs and can be talked to
 */
async function serve(vm: Vm, signal: AbortSignal, ready: (running: RunningVm) => void): Promise<Ending> {
  const { folder } = vm;
  const lock = await lockVm(vm, ONCE);
  const open: { close(): void }[] = [];
  try {
    const config = await readConfig(folder);
    const options = machineOptions(folder, config);
    const limits = { ...DEFAULTS.logs, ...config.logs };
    const rotation = { size: parseLogSize(limits.size), files: limits.files };
    const events = new EventLog(new RotatingLog(join(folder, EVENTS), rotation));
    open.push(events);
    const consoleLog = new RotatingLog(join(folder, CONSOLE), rotation);
    open.push(consoleLog);
    events.add(`starting ${options.memory} of memory, ${options.harts} harts`);
    try {
      return await runMachine(vm, config, options, consoleLog, events, open, signal, ready);
    } catch (error) {
      events.add(`failed: ${(error as Error).message}`);
      throw error;
    }
  } finally {
    for (const each of open.reverse()) each.close();
    lock.release();
  }
}

async function runMachine(
  { folder }: Vm,
  config: VmConfig,
  options: VmMachineOptions,
  consoleLog: RotatingLog,
  events: EventLog,
  open: { close(): void }[],
  signal: AbortSignal,
  ready: (running: RunningVm) => void,
): Promise<Ending> {
  if (config.seed !== undefined) writeSeedDisk(join(folder, config.seed), join(folder, SEED_DISK));
  if (options.engine !== "interpreter") tuneV8();
  const machine = await Machine.create({ ...options, signal });
  try {
    signal.throwIfAborted();
    const memory = parseMemory(options.memory);
    const running = new RunningVm(machine, { console: consoleLog, events, memory, harts: options.harts });
    open.push(await listenControl(folder, running));
    await running.start();
    ready(running);
    const asked = new Promise<Ending>((resolve) => {
      const stop = () => running.stop({ timeout: LAST_WORDS, force: false }).then(resolve);
      signal.addEventListener("abort", () => void stop(), { once: true });
      if (signal.aborted) void stop();
    });
    return await Promise.race([running.ended, asked]);
  } finally {
    await machine.stop();
  }
}

export async function stop(names: readonly string[], { dir, timeout, force = false }: StopFlags): Promise<number> {
  for (const vm of names.map((name) => findVm(name, vmDirectory(dir)))) {
    const waiting = () => {
      if (process.stderr.isTTY) process.stderr.write(`Waiting for ${vm.name} to power off\n`);
    };
    const { how } = await askStop(vm, { timeout, force }, waiting);
    await released(vm);
    process.stdout.write(`${vm.name} has stopped: ${how}\n`);
  }
  return OK;
}

/** Waits until a VM's process has let go of its folder, so that what comes next finds it free. */
async function released(vm: Vm): Promise<void> {
  for (let n = 0; n < 100 && vmHolder(vm); n++) await sleep(50);
}

export async function attach(name: string, { dir }: PlaceFlags, signal: AbortSignal): Promise<number> {
  const vm = findVm(name, vmDirectory(dir));
  const terminal = new NodeTerminal();
  const keys = new EscapeKey();
  try {
    const connection = await openConsole(vm, terminal.size, (bytes) => terminal.submit(bytes));
    signal.addEventListener("abort", () => connection.detach(), { once: true });
    if (signal.aborted) connection.detach();
    if (NodeTerminal.interactive) process.stderr.write(`Console of ${name}; Ctrl-A x leaves it, Ctrl-A h helps.\r\n`);
    terminal.onInput = (typed) => {
      const taken = keys.take(typed);
      if (taken.bytes.length > 0) connection.write(taken.bytes);
      if (taken.help) process.stderr.write(ESCAPE_HELP.replace("end the machine", "leave the console"));
      if (taken.quit) connection.detach();
    };
    terminal.onResize = (size) => connection.resize(size);
    terminal.open();
    const how = await connection.over;
    terminal.close();
    signal.throwIfAborted();
    if (how !== undefined) process.stderr.write(`${name} has ended: ${how}\n`);
    return OK;
  } finally {
    terminal.close();
  }
}

export async function execute(
  name: string,
  command: readonly string[],
  { dir, timeout }: ExecFlags,
  signal: AbortSignal,
): Promise<number> {
  const vm = findVm(name, vmDirectory(dir));
  const write = (stream: NodeJS.WriteStream) => (bytes: Uint8Array) => {
    stream.write(bytes);
    return room(stream);
  };
  const sinks = { stdout: write(process.stdout), stderr: write(process.stderr) };
  return askExec(vm, command.join(" "), sinks, timeout, signal);
}

/** How often a log is looked at while it is followed, ms. */
const INTERVAL = 200;
const PIECE = 1 << 16;

export async function logs(
  name: string,
  { dir, follow = false, events = false, lines }: LogFlags,
  signal: AbortSignal,
): Promise<number> {
  const vm = findVm(name, vmDirectory(dir));
  const path = join(vm.folder, events ? EVENTS : CONSOLE);
  const older = olderFiles(path);
  const reader = new LogReader(path);
  try {
    const all = Buffer.concat([...older.map(readAll), reader.read()]);
    await print(lines === undefined ? all : lastLines(all, lines));
    while (follow) {
      signal.throwIfAborted();
      // Who has ended before this read has written all of it.
      const running = vmHolder(vm) !== undefined;
      const bytes = reader.read();
      if (bytes.length > 0) await print(bytes);
      else if (!running) break;
      else await sleep(INTERVAL, undefined, { signal }).catch(() => {});
    }
  } finally {
    reader.close();
  }
  return OK;
}

/** Rotated files, the oldest first. */
function olderFiles(path: string): string[] {
  const found: string[] = [];
  for (let n = 1; statSync(`${path}.${n}`, { throwIfNoEntry: false }); n++) found.unshift(`${path}.${n}`);
  return found;
}

function readAll(path: string): Uint8Array {
  const reader = new LogReader(path);
  try {
    return reader.read();
  } finally {
    reader.close();
  }
}

/** Reads a file as it grows, and the next one when it has been rotated away. */
class LogReader {
  readonly #path: string;
  #fd: number | undefined;

  constructor(path: string) {
    this.#path = path;
    this.#fd = this.#open();
  }

  /** Everything new. */
  read(): Uint8Array {
    const chunks: Uint8Array[] = [this.#rest()];
    const named = statSync(this.#path, { throwIfNoEntry: false });
    if (named && (this.#fd === undefined || named.ino !== fstatSync(this.#fd).ino)) {
      // Between the two reads the old one may have got its last bytes.
      chunks.push(this.#rest());
      this.close();
      this.#fd = this.#open();
      chunks.push(this.#rest());
    }
    return Buffer.concat(chunks);
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #rest(): Uint8Array {
    if (this.#fd === undefined) return new Uint8Array(0);
    const chunks: Uint8Array[] = [];
    for (;;) {
      const chunk = new Uint8Array(PIECE);
      const length = readSync(this.#fd, chunk);
      if (length === 0) return Buffer.concat(chunks);
      chunks.push(chunk.subarray(0, length));
    }
  }

  #open(): number | undefined {
    try {
      return openSync(this.#path, "r");
    } catch (error) {
      // It hasn't run yet.
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw new VmError("files", `The log "${this.#path}" can't be read: ${(error as Error).message}.`);
    }
  }
}

/** The last lines of a text, of which the very last may have no end. */
export function lastLines(text: Buffer, lines: number): Buffer {
  if (lines === 0) return text.subarray(text.length);
  let from = text.length - (text.at(-1) === 0x0a ? 1 : 0);
  for (let left = lines; left > 0; left--) {
    const newline = from > 0 ? text.lastIndexOf(0x0a, from - 1) : -1;
    if (newline < 0) return text;
    from = newline;
  }
  return text.subarray(from + 1);
}

async function print(bytes: Uint8Array): Promise<void> {
  process.stdout.write(bytes);
  await room(process.stdout);
}
