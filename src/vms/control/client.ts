/** Talks to a running VM by its control socket. */

import { connect, type Socket } from "node:net";
import { describeHolder } from "../../host/node/process-lock.ts";
import { quote, VmError } from "../errors.ts";
import { type Vm, vmHolder } from "../store.ts";
import { socketPath } from "./path.ts";
import {
  CONSOLE,
  type ConsoleSize,
  decodeReport,
  encodeFrame,
  encodeMessage,
  FrameReader,
  MESSAGES,
  PROTOCOL,
  type Report,
  type Request,
  STDERR,
  STDOUT,
  type VmStatus,
} from "./protocol.ts";

/** How long a VM may take to answer what it can answer at once, ms. */
const PATIENCE = 5000;
/** Beyond the time that the guest was given to power off, for closing disks, ms. */
const CLOSING = 30_000;

/** An image's tables may have to move, and to be put on the host's disk, ms. */
const RESIZING = 120_000;

type WithoutProtocol<T> = T extends unknown ? Omit<T, "protocol"> : never;

interface Handlers {
  /** Called for each report; true ends the conversation. */
  report(report: Report): boolean;
  /** Bytes of another channel. A promise makes the VM wait with more. */
  bytes?(channel: number, bytes: Uint8Array): void | Promise<void>;
}

/** @throws VmError stopped when nobody runs it; control when it doesn't answer */
export async function askStatus(vm: Vm, patience = PATIENCE): Promise<VmStatus> {
  let status: VmStatus | undefined;
  await converse(
    vm,
    { type: "status" },
    { after: patience, error: silent(vm) },
    {
      report: (report) => {
        if (report.type === "status") status = report.status;
        return true;
      },
    },
  );
  if (!status) throw silent(vm);
  return status;
}

/** Makes a disk of a running VM larger. @param size bytes */
export async function askResize(vm: Vm, disk: number, size: number): Promise<void> {
  let done = false;
  await converse(
    vm,
    { type: "resize-disk", disk, size },
    { after: RESIZING, error: silent(vm) },
    {
      report: (report) => {
        done ||= report.type === "resized";
        return done;
      },
    },
  );
  if (!done) throw silent(vm);
}

/** Writes what the overlay of a running VM's disk holds to its backing file, however long that takes. */
export async function askCommit(vm: Vm, disk: number): Promise<void> {
  let done = false;
  await converse(vm, { type: "commit-disk", disk }, undefined, {
    report: (report) => {
      done ||= report.type === "committed";
      return done;
    },
  });
  if (!done)
    throw new VmError(
      "control",
      `The VM ${quote(vm.name)} ended before disk ${disk} was committed; nothing is lost by that.`,
    );
}

/**
 * Gives the memory balloon of a VM another size.
 * @returns whether it has one
 * @throws VmError
 */
export async function askBalloon(vm: Vm, bytes: number): Promise<boolean> {
  let there: boolean | undefined;
  await converse(
    vm,
    { type: "balloon", bytes },
    { after: PATIENCE, error: silent(vm) },
    {
      report: (report) => {
        if (report.type === "balloon") there = report.there;
        return true;
      },
    },
  );
  if (there === undefined) throw silent(vm);
  return there;
}

/** Ends a VM. @param asked called when the guest is waited for @returns how it ended */
export async function askStop(
  vm: Vm,
  options: { readonly timeout: number; readonly force: boolean },
  asked?: () => void,
): Promise<Extract<Report, { type: "ended" }>> {
  let ended: Extract<Report, { type: "ended" }> | undefined;
  await converse(
    vm,
    { type: "stop", ...options },
    { after: options.timeout + CLOSING, error: silent(vm) },
    {
      report: (report) => {
        if (report.type === "asked") asked?.();
        if (report.type === "ended") ended = report;
        return report.type === "ended";
      },
    },
  );
  if (!ended) throw silent(vm);
  return ended;
}

/** Runs a command in the guest. @param signal gives up @returns its exit status */
export async function askExec(
  vm: Vm,
  command: string,
  sinks: { stdout(bytes: Uint8Array): void | Promise<void>; stderr(bytes: Uint8Array): void | Promise<void> },
  patience: number | undefined,
  signal: AbortSignal,
): Promise<number> {
  let status: number | undefined;
  const late =
    patience === undefined
      ? undefined
      : {
          after: patience,
          error: new VmError(
            "control",
            `The command hasn't ended within ${patience / 1000} s; the guest's agent may not be up yet, or it runs on.`,
          ),
        };
  await converse(
    vm,
    { type: "exec", command },
    late,
    {
      report: (report) => {
        if (report.type === "exit") status = report.status;
        return report.type === "exit";
      },
      bytes: (channel, bytes) => {
        if (channel === STDOUT) return sinks.stdout(bytes);
        if (channel === STDERR) return sinks.stderr(bytes);
      },
    },
    signal,
  );
  if (status === undefined) throw new VmError("control", `The VM ${quote(vm.name)} ended before the command did.`);
  return status;
}

/** A connection to a console. */
export interface ConsoleConnection {
  write(bytes: Uint8Array): void;
  resize(size: ConsoleSize): void;
  /** Leaves the VM alone from now on. */
  detach(): void;
  /** Resolves when it is over: with how the VM ended, or nothing after `detach`. */
  readonly over: Promise<string | undefined>;
}

/** @throws VmError */
export async function openConsole(
  vm: Vm,
  size: ConsoleSize | undefined,
  show: (bytes: Uint8Array) => void | Promise<void>,
): Promise<ConsoleConnection> {
  const socket = await open(vm);
  let ended: string | undefined;
  let detached = false;
  const over = listen(vm, socket, {
    report: (report) => {
      if (report.type === "ended") ended = report.how;
      return report.type === "ended";
    },
    bytes: (channel, bytes) => (channel === CONSOLE ? show(bytes) : undefined),
  }).then(() => (detached ? undefined : (ended ?? "its process is gone")));
  socket.write(encodeMessage({ protocol: PROTOCOL, type: "console", ...(size && { size }) }));
  return {
    write: (bytes) => void socket.write(encodeFrame(CONSOLE, bytes)),
    resize: (changed) => void socket.write(encodeMessage({ type: "resize", size: changed })),
    detach: () => {
      detached = true;
      socket.destroy();
    },
    over,
  };
}

async function converse(
  vm: Vm,
  request: WithoutProtocol<Request>,
  late: { readonly after: number; readonly error: VmError } | undefined,
  handlers: Handlers,
  signal?: AbortSignal,
): Promise<void> {
  const socket = await open(vm);
  const timer = late && setTimeout(() => socket.destroy(late.error), late.after);
  const aborted = () => socket.destroy(signal?.reason);
  signal?.addEventListener("abort", aborted);
  try {
    const over = listen(vm, socket, handlers);
    socket.write(encodeMessage({ protocol: PROTOCOL, ...request } as Request));
    await over;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", aborted);
    socket.destroy();
  }
}

function listen(vm: Vm, socket: Socket, { report, bytes: take }: Handlers): Promise<void> {
  const reader = new FrameReader();
  return new Promise((resolve, reject) => {
    socket.on("error", (error) => reject("code" in error && !(error instanceof VmError) ? lost(vm, error) : error));
    socket.on("close", () => resolve());
    socket.on("data", (chunk) => {
      try {
        const waits: Promise<void>[] = [];
        for (const frame of reader.take(chunk)) {
          if (frame.channel !== MESSAGES) {
            const wait = take?.(frame.channel, frame.payload);
            if (wait) waits.push(wait);
            continue;
          }
          const said = decodeReport(frame);
          if (said.type === "error") throw new VmError("control", said.message);
          if (report(said)) resolve();
        }
        if (waits.length === 0) return;
        socket.pause();
        Promise.all(waits).finally(() => socket.resume());
      } catch (error) {
        reject(error);
        socket.destroy();
      }
    });
  });
}

/** Connects. @throws VmError stopped or control */
async function open(vm: Vm): Promise<Socket> {
  const at = socketPath(vm.folder);
  const socket = connect(at.path);
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(silent(vm)), PATIENCE);
      socket.once("error", reject).once("connect", resolve);
      socket.once("close", () => clearTimeout(timer)).once("connect", () => clearTimeout(timer));
    });
    socket.removeAllListeners("error");
    return socket;
  } catch (error) {
    socket.on("error", () => {});
    socket.destroy();
    const holder = vmHolder(vm);
    const name = quote(vm.name);
    if (error instanceof VmError) throw error;
    if (!holder) throw new VmError("stopped", `The VM ${name} isn't running; "wardian start ${vm.name}" starts it.`);
    const who = describeHolder(holder);
    throw new VmError(
      "control",
      `The VM ${name} can't be talked to while ${who} starts, ends or changes it; try again.`,
    );
  } finally {
    at.close();
  }
}

function silent({ name }: Vm): VmError {
  return new VmError("control", `The VM ${quote(name)} doesn't answer; try again, or stop it by its process.`);
}

function lost({ name }: Vm, error: Error): VmError {
  return new VmError("control", `The connection to the VM ${quote(name)} was lost (${error.message}).`);
}
