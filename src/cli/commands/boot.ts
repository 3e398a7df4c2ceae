/** `wardian boot` and `wardian snapshot`: make a machine and run it to its end. */

import { OutputFile, readSource, writeWhole } from "../../host/node/files.ts";
import {
  listImages,
  Machine,
  type MachineNetwork,
  type MachineOptions,
  type RestoreOptions,
  tuneV8,
} from "../../node.ts";
import { CliError, OK } from "../exit.ts";
import { RunLog } from "../log.ts";
import type { BootFlags, RunFlags } from "../program.ts";
import { StepProgress } from "../progress.ts";
import { Session } from "../session.ts";

/** The image that is booted when none is named. */
const DEFAULT_IMAGE = "debian";

/**
 * Boots and waits for the end.
 * @param signal gives up; its reason becomes the error
 * @returns the status to end with
 */
export function boot(image: string | undefined, flags: BootFlags, signal: AbortSignal): Promise<number> {
  return run(flags, (trace) => makeMachine(image, flags, trace, signal), { signal });
}

/** As `boot`, and what remains of the machine when the run has ended well goes into a file. */
export async function save(
  path: string,
  image: string | undefined,
  flags: BootFlags,
  signal: AbortSignal,
): Promise<number> {
  // The guest is up when it runs a command.
  const until = flags.exec === undefined && flags.expect === undefined ? { ...flags, exec: "true" } : flags;
  return run(until, (trace) => makeMachine(image, flags, trace, signal), {
    signal,
    finish: async (machine) => writeWhole(path, await machine.snapshot(), "snapshot"),
  });
}

/** Goes on with a machine from a file. */
export function load(path: string, flags: RunFlags, signal: AbortSignal): Promise<number> {
  return run(flags, (trace) => Machine.restore(path, restoreOptions(flags, trace)), { signal });
}

export interface Whole {
  readonly signal: AbortSignal;
  /** Milliseconds after which the run ends well. */
  readonly seconds?: number;
  /** What is done with the machine while it is still there, if the run ends well. */
  readonly finish?: (machine: Machine) => Promise<void>;
  /** What is done when it has ended, in whatever way. */
  readonly ended?: (machine: Machine) => Promise<void>;
}

/** Makes a machine and runs it to its end, with the files that the flags name. */
export async function run(
  flags: BootFlags,
  make: (trace: OutputFile | undefined) => Promise<Machine>,
  { signal, seconds, finish, ended }: Whole,
): Promise<number> {
  // Before anything that takes long: what can't be written is told at once.
  const files: OutputFile[] = [];
  const create = async (path: string | undefined, what: string): Promise<OutputFile | undefined> => {
    if (path === undefined) return undefined;
    const file = await OutputFile.create(path, what);
    files.push(file);
    return file;
  };
  try {
    const log = await create(flags.log, "log");
    const trace = await create(flags.trace, "trace");
    const stats = flags.stats === "-" ? process.stdout : await create(flags.stats, "statistics file");
    if (flags.engine !== "interpreter") tuneV8();
    const machine = await make(trace);
    if (flags.dumpDtb !== undefined) {
      await machine.stop();
      await writeWhole(flags.dumpDtb, machine.dtb, "device tree");
      return OK;
    }
    if (flags.gdb !== undefined) await listenForGdb(machine, flags.gdb, flags.gdbWait ?? false);
    const session = new Session(machine, {
      ...(flags.exec === undefined ? {} : { exec: flags.exec }),
      ...(flags.expect === undefined ? {} : { expect: flags.expect }),
      ...(flags.timeout === undefined ? {} : { timeout: flags.timeout }),
      ...(log === undefined ? {} : { log: new RunLog(log) }),
      ...(stats === undefined ? {} : { stats: (text) => void stats.write(text) }),
      ...(seconds === undefined ? {} : { seconds }),
      ...(finish === undefined ? {} : { finish: () => finish(machine) }),
      signal,
    });
    try {
      return await session.run();
    } finally {
      await ended?.(machine);
    }
  } finally {
    for (const file of files) await file.close();
  }
}

/** Lets GDB come, and tells where to. */
async function listenForGdb(machine: Machine, port: number, wait: boolean): Promise<void> {
  try {
    const listener = await machine.listenGdb(port, { wait });
    process.stderr.write(`GDB can connect: target remote :${listener.port}\n`);
  } catch (error) {
    await machine.stop();
    throw error;
  }
}

function restoreOptions(flags: RunFlags, trace: OutputFile | undefined): RestoreOptions {
  const { engine } = flags;
  return { ...(engine && { engine }), ...keptCode(flags), ...(trace && { trace: traceInto(trace) }), ...joined(flags) };
}

/** By default the library and the environment decide. */
function keptCode({ codeCache }: Pick<RunFlags, "codeCache">): Pick<MachineOptions, "codeCache"> {
  return codeCache === false ? { codeCache } : {};
}

/** What the machine is joined to. */
function joined(flags: RunFlags): Pick<MachineOptions, "disks" | "network" | "nvram" | "shares" | "vsock"> {
  const { disk, nvram, share, vsock } = flags;
  const network = networkOf(flags);
  const kept = { ...(disk && { disks: disk }), ...(share && { shares: share }), ...(nvram !== undefined && { nvram }) };
  return { ...kept, ...(vsock && { vsock }), ...(network && { network }) };
}

/** The network that the flags ask for, if they do. @throws CliError */
export function networkOf(
  flags: Pick<RunFlags, "net" | "forward" | "netAllow" | "netDeny" | "capture">,
): MachineNetwork | "none" | undefined {
  const { net, forward, netAllow, netDeny, capture } = flags;
  const details = { forwards: forward, allow: netAllow, deny: netDeny, capture };
  const given = Object.entries(details).filter(([, value]) => value !== undefined);
  if (net === "none" && given.length > 0)
    throw new CliError("With --net none there is nothing to forward, allow, deny or capture.");
  // Who speaks of it wants one.
  if (net === "none") return "none";
  return net === "user" || given.length > 0 ? { kind: "user", ...Object.fromEntries(given) } : undefined;
}

/** A trace that waits for its file. */
function traceInto(file: OutputFile): (text: string) => void | Promise<void> {
  return (text) => {
    file.write(text);
    return file.room();
  };
}

/** @param more options that aren't boot's */
export async function makeMachine(
  image: string | undefined,
  flags: BootFlags,
  trace: OutputFile | undefined,
  signal: AbortSignal,
  more: MachineOptions = {},
): Promise<Machine> {
  const progress = new StepProgress();
  // Firmware in flash finds what it boots by itself.
  const alone = flags.kernel !== undefined || flags.flash !== undefined;
  const name = image ?? (alone ? undefined : DEFAULT_IMAGE);
  const {
    kernel,
    initrd,
    append,
    bios,
    flash,
    nvramTemplate,
    memory,
    harts,
    dtb,
    deterministic,
    engine,
    mirror,
    persist,
    balloon,
  } = flags;
  const boot = { image: name, kernel, initrd, append, bios, flash, nvramTemplate, dtb };
  const given = { ...boot, memory, harts, deterministic, engine, mirror, persist, console: flags.console, balloon };
  const options: MachineOptions = {
    ...(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as MachineOptions),
    progress: (step) => progress.update(step),
    signal,
    ...(trace && { trace: traceInto(trace) }),
    ...keptCode(flags),
    ...(flags.sshKey !== undefined && { sshKey: Buffer.from(await readSource(flags.sshKey, "ssh key")).toString() }),
    ...joined(flags),
    ...more,
  };
  let machine: Machine;
  try {
    machine = await Machine.create(options);
  } finally {
    progress.end();
  }
  // Whoever sits in front of it should know before anything is lost.
  const isShown = flags.exec === undefined && process.stderr.isTTY;
  if (
    isShown &&
    flags.persist === undefined &&
    (await listImages()).some((found) => found.name === name && found.kind === "disk")
  )
    process.stderr.write("What is written to the disk ends with the machine; --persist FILE keeps it.\n");
  return machine;
}
