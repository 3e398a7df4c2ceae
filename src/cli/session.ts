/** One run of a machine at a terminal: from its start to the status that the program ends with. */

import { room } from "../host/node/files.ts";
import { NodeTerminal } from "../host/node/terminal.ts";
import type { Exit, Machine, MachineStats } from "../node.ts";
import { ESCAPE_HELP, EscapeKey } from "./escape.ts";
import { CliError, FAILED, guestStatus, OK, TIMED_OUT } from "./exit.ts";
import type { RunLog } from "./log.ts";

/** How the hypervisor's reports begin where not the guest is at fault; one sentence follows. */
const HOST_FAILED = "The host failed: ";

export interface SessionOptions {
  /** A shell command to run in the guest; the console is then not shown. */
  readonly exec?: string;
  /** What of the console ends the run. */
  readonly expect?: RegExp;
  /** Milliseconds. */
  readonly timeout?: number;
  /** Milliseconds after which the run ends well. */
  readonly seconds?: number;
  readonly log?: RunLog;
  /** Takes the statistics at the end, one line of JSON. */
  readonly stats?: (text: string) => void;
  /** What else is to be done while the machine is still there, if the run ends well. */
  readonly finish?: () => Promise<void>;
  /** Ends the run; its reason becomes the error. */
  readonly signal: AbortSignal;
}

export class Session {
  readonly #machine: Machine;
  readonly #options: SessionOptions;
  readonly #terminal = new NodeTerminal();
  #end!: (status: number) => void;
  #fail!: (error: unknown) => void;
  /** Ends that come from outside of the guest. */
  readonly #ended: Promise<number>;

  constructor(machine: Machine, options: SessionOptions) {
    this.#machine = machine;
    this.#options = options;
    this.#ended = new Promise((resolve, reject) => {
      this.#end = resolve;
      this.#fail = reject;
    });
  }

  /**
   * Runs the machine. In every case it has stopped, the terminal is as it was
   * and the statistics are written when this is over.
   * @throws CliError
   */
  async run(): Promise<number> {
    const { log, signal, timeout, seconds } = this.#options;
    const aborted = () => this.#fail(signal.reason);
    signal.addEventListener("abort", aborted);
    const timers: NodeJS.Timeout[] = [];
    try {
      signal.throwIfAborted();
      this.#connect();
      log?.start();
      log?.event("started");
      // Its end is told by `exited` as well, also when that comes first.
      const started = this.#machine.start().then(() => this.#guest());
      if (timeout !== undefined) timers.push(setTimeout(() => this.#timedOut(timeout), timeout));
      if (seconds !== undefined) timers.push(setTimeout(() => this.#end(OK), seconds));
      const status = await Promise.race([this.#ended, started]);
      if (status === OK) await this.#options.finish?.();
      log?.event(`ends with status ${status}`);
      return status;
    } catch (error) {
      log?.event(`ends: ${error instanceof Error ? error.message : error}`);
      throw error;
    } finally {
      for (const timer of timers) clearTimeout(timer);
      signal.removeEventListener("abort", aborted);
      await this.#close();
    }
  }

  /** Joins console, terminal and log. */
  #connect(): void {
    const { exec, log } = this.#options;
    const machine = this.#machine;
    machine.on("paused", (message) => {
      log?.event(`stands still: ${message}`);
      process.stderr.write(`The guest stands still until there is room: ${message}\r\n`);
    });
    machine.on("resumed", () => log?.event("goes on: there is room"));
    if (log) {
      machine.console.onData((bytes) => log.console(bytes));
      machine.on("reset", () => log.event("the guest has rebooted"));
    }
    if (exec !== undefined) return;
    const terminal = this.#terminal;
    const keys = new EscapeKey();
    machine.console.onData((bytes) => terminal.submit(bytes));
    terminal.onInput = (typed) => {
      const { bytes, quit, help } = keys.take(typed);
      if (bytes.length > 0) machine.console.write(bytes);
      if (help) process.stderr.write(ESCAPE_HELP);
      if (quit) this.#end(OK);
    };
    terminal.onResize = ({ columns, rows }) => machine.console.resize(columns, rows);
    terminal.open();
    if (terminal.size) machine.console.resize(terminal.size.columns, terminal.size.rows);
  }

  /** The status by what the guest does. */
  async #guest(): Promise<number> {
    const { exec, expect, log } = this.#options;
    const machine = this.#machine;
    if (exec !== undefined) {
      const write = (stream: NodeJS.WriteStream) => (bytes: Uint8Array) => {
        stream.write(bytes);
        return room(stream);
      };
      const sinks = { stdout: write(process.stdout), stderr: write(process.stderr) };
      const command = machine.exec(exec, sinks).then(({ status }) => status);
      return this.#before(command, "the command had run");
    }
    if (expect) {
      const match = machine.console.expect(expect).then(([text]) => {
        log?.event(`the console matches: ${JSON.stringify(text)}`);
        return OK;
      });
      return this.#before(match, `its console matched ${expect}`);
    }
    return this.#status(await machine.exited);
  }

  /** What must come before the guest's end. */
  async #before(wanted: Promise<number>, what: string): Promise<number> {
    try {
      return await wanted;
    } catch (error) {
      // The end rejects whatever waits; any other failure is what it is.
      const exit = await Promise.race([this.#machine.exited, Promise.resolve(undefined)]);
      if (!exit) throw error;
      this.#status(exit);
      throw new CliError(`The guest ended before ${what}.`);
    }
  }

  #status(exit: Exit): number {
    const report = exit.report ?? "";
    if (report.startsWith(HOST_FAILED)) throw new CliError(report.slice(HOST_FAILED.length));
    if (exit.kind === "crash") throw new CliError("The guest crashed.", FAILED, exit.report);
    return exit.kind === "code" ? guestStatus(exit.code) : OK;
  }

  #timedOut(milliseconds: number): void {
    this.#fail(new CliError(`The time of ${milliseconds / 1000} s is over, and the machine was stopped.`, TIMED_OUT));
  }

  async #close(): Promise<void> {
    const { log, stats } = this.#options;
    await this.#machine.stop();
    this.#terminal.close();
    const { lost } = await this.#machine.exited;
    if (lost !== undefined) {
      log?.event(lost);
      process.stderr.write(`warning: ${lost}\n`);
    }
    await log?.close();
    if (!stats) return;
    // An executor that has died can't tell them.
    const counted = await this.#machine.stats().catch(() => undefined);
    if (counted) stats(formatStats(counted));
  }
}

/** One line of JSON; what isn't known is null. */
export function formatStats(stats: MachineStats): string {
  return `${JSON.stringify({ ...stats, firstConsoleByteSeconds: stats.firstConsoleByteSeconds ?? null })}\n`;
}
