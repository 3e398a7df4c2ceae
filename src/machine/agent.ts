/**
 * The host's side of running commands in a guest.
 *
 * The guest's agent opens three ports of a virtio console. Control speaks lines:
 * the guest says "ready" when it listens, the host "run <base64 of a command>",
 * the guest "exit <status>". The command's output comes raw by two more ports.
 */

export const CONTROL_PORT = "org.wardian.control";
export const OUT_PORT = "org.wardian.out";
export const ERR_PORT = "org.wardian.err";
/** The ports that an agent needs, in their order. */
export const AGENT_PORTS: readonly string[] = [CONTROL_PORT, OUT_PORT, ERR_PORT];

/** What of a console's port the agent uses. */
export interface AgentPort {
  onData: ((bytes: Uint8Array) => void | Promise<void>) | undefined;
  onOpen: ((open: boolean) => void) | undefined;
  onDrain: (() => void) | undefined;
  /** Whether the host has been given all that the guest has written so far. */
  readonly settled: boolean;
  write(bytes: Uint8Array): number;
}

export interface AgentPorts {
  readonly control: AgentPort;
  readonly out: AgentPort;
  readonly err: AgentPort;
}

/** Takes output, in order; a promise makes the guest wait with more. */
export type Sink = (bytes: Uint8Array) => void | Promise<void>;

export interface ExecOptions {
  /** Output is dropped where there is no sink. */
  readonly stdout?: Sink;
  readonly stderr?: Sink;
}

/** A command that can't be run in the guest; the message says why. */
export class AgentError extends Error {
  override readonly name = "AgentError";
}

/** No line of the guest's agent is as long; more is not the agent talking. */
const MAX_LINE = 256;
/** What a shell takes as one argument, less the base64. */
const MAX_COMMAND = 96 * 1024;

interface Run {
  readonly options: ExecOptions;
  readonly resolve: (status: number) => void;
  readonly reject: (error: unknown) => void;
  /** Lets the next command begin. */
  readonly end: () => void;
  /** A sink has failed: the command runs on, and its output is dropped. */
  failed: boolean;
  /** Set when the guest has said how the command ended. */
  status?: number;
  /** Output that the sinks are still busy with. */
  busy: number;
}

/** Runs commands one after another by the agent in the guest. */
export class GuestAgent {
  readonly #ports: AgentPorts;
  #line = "";
  #ready: Deferred = deferred();
  #run: Run | undefined;
  /** Ends when the command before has. */
  #turn: Promise<void> = Promise.resolve();
  #unsent = new Uint8Array(0);

  /** Takes over the ports' handlers. */
  constructor(ports: AgentPorts) {
    this.#ports = ports;
    ports.control.onData = (bytes) => this.#hear(bytes);
    ports.control.onOpen = (open) => {
      if (!open) this.#lost("The guest's agent has gone; wait until it is ready again.");
    };
    ports.control.onDrain = () => this.#send();
    ports.out.onData = (bytes) => this.#output("stdout", bytes);
    ports.err.onData = (bytes) => this.#output("stderr", bytes);
  }

  /** Resolves when the guest's agent listens. */
  whenReady(): Promise<void> {
    return this.#ready.promise;
  }

  /** Whether the guest's agent listens. */
  get ready(): boolean {
    return this.#ready.settled;
  }

  /** The guest was restored from a state in which its agent had already said that it listens. */
  assumeReady(): void {
    this.#ready.resolve();
  }

  /**
   * Runs a command by the guest's shell, after those that were asked for before.
   * @param command shell text of at most 96 KiB
   * @returns its exit status, when it has ended and all its output has been taken
   * @throws AgentError; or what a sink threw
   */
  exec(command: string, options: ExecOptions = {}): Promise<number> {
    const bytes = new TextEncoder().encode(command);
    if (bytes.length > MAX_COMMAND) {
      return Promise.reject(new AgentError(`The command is longer than ${MAX_COMMAND} bytes; put it into a file.`));
    }
    const before = this.#turn;
    let end!: () => void;
    this.#turn = new Promise<void>((resolve) => {
      end = resolve;
    });
    return before.then(async () => {
      await this.whenReady().catch((error) => {
        end();
        throw error;
      });
      return new Promise<number>((resolve, reject) => {
        this.#run = { options, resolve, reject, end, failed: false, busy: 0 };
        this.#unsent = new TextEncoder().encode(`run ${base64(bytes)}\n`);
        this.#send();
      });
    });
  }

  /** The guest has ended: what runs, or waits for the agent, fails. */
  close(reason = "The guest has ended."): void {
    this.#lost(reason);
    this.#ready.reject(new AgentError(reason));
  }

  #send(): void {
    const taken = this.#ports.control.write(this.#unsent);
    this.#unsent = this.#unsent.subarray(taken);
  }

  #hear(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (byte !== 0x0a) {
        this.#line += String.fromCharCode(byte);
        if (this.#line.length <= MAX_LINE) continue;
        this.#line = "";
        this.#lost("The guest's agent talks nonsense: a line without an end.");
        return;
      }
      const line = this.#line;
      this.#line = "";
      this.#obey(line);
    }
  }

  #obey(line: string): void {
    if (line === "ready") {
      // A second "ready" while a command runs: the agent was started again.
      if (this.#run && this.#run.status === undefined) {
        this.#abort(new AgentError("The guest's agent was started again while the command ran."));
      }
      this.#ready.resolve();
      return;
    }
    const status = /^exit (\d{1,3})$/.exec(line)?.[1];
    if (status === undefined || !this.#run || this.#run.status !== undefined) return;
    this.#run.status = Number(status);
    this.#finish();
  }

  #output(stream: "stdout" | "stderr", bytes: Uint8Array): void | Promise<void> {
    const run = this.#run;
    if (!run) return;
    if (run.failed) {
      this.#finish();
      return;
    }
    let result: ReturnType<Sink> | undefined;
    try {
      result = run.options[stream]?.(bytes);
    } catch (error) {
      fail(run, error);
      result = undefined;
    }
    if (!(result instanceof Promise)) {
      this.#finish();
      return;
    }
    run.busy++;
    return result.then(
      () => {
        run.busy--;
        this.#finish();
      },
      (error) => {
        run.busy--;
        fail(run, error);
        this.#finish();
      },
    );
  }

  /** Ends the command once its output, which may come after "exit", has all been taken. */
  #finish(): void {
    const run = this.#run;
    if (run?.status === undefined || run.busy > 0 || !this.#ports.out.settled || !this.#ports.err.settled) return;
    this.#run = undefined;
    run.resolve(run.status);
    run.end();
  }

  /** The command, or its end, can't be known any more. */
  #abort(error: AgentError): void {
    const run = this.#run;
    this.#run = undefined;
    run?.reject(error);
    run?.end();
  }

  #lost(reason: string): void {
    this.#line = "";
    this.#unsent = new Uint8Array(0);
    this.#abort(new AgentError(reason));
    if (this.#ready.settled) this.#ready = deferred();
  }
}

/** The caller hears of its sink's error at once; the next command still waits for this one's end. */
function fail(run: Run, error: unknown): void {
  run.failed = true;
  run.reject(error);
}

interface Deferred {
  readonly promise: Promise<void>;
  settled: boolean;
  resolve(): void;
  reject(error: Error): void;
}

function deferred(): Deferred {
  let resolve!: () => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // Nobody may be waiting for it.
  promise.catch(() => undefined);
  const result: Deferred = {
    promise,
    settled: false,
    resolve: () => {
      result.settled = true;
      resolve();
    },
    reject: (error) => {
      result.settled = true;
      reject(error);
    },
  };
  return result;
}

/** RFC 4648 §4. */
function base64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}
