/** `wardian create|ls|show|set|clone|rm`: VMs that are folders. */

import { createInterface } from "node:readline/promises";
import type { MachineNetwork } from "../../hypervisor/protocol.ts";
import { listImages, provision } from "../../images/index.ts";
import { diskBuilder } from "../../node/builder.ts";
import { rootKeys } from "../../node/ssh-key.ts";
import { Machine } from "../../node.ts";
import { cloneVm } from "../../vms/clone.ts";
import { commitVmDisk } from "../../vms/commit.ts";
import { readConfig, type VmConfig } from "../../vms/config.ts";
import { askBalloon, askStatus } from "../../vms/control/client.ts";
import type { VmStatus } from "../../vms/control/protocol.ts";
import { createVm, type SourceImage } from "../../vms/create.ts";
import { type Change, editVm } from "../../vms/edit.ts";
import { VmError } from "../../vms/errors.ts";
import { DEFAULTS } from "../../vms/machine-options.ts";
import { removeVm } from "../../vms/remove.ts";
import { resizeVmDisk } from "../../vms/resize.ts";
import { readKeys } from "../../vms/seed.ts";
import { findVm, folderOf, listVms, type Vm, vmDirectory, vmHolder } from "../../vms/store.ts";
import { CliError, OK } from "../exit.ts";
import { type NewSize, parseBalloon } from "../options.ts";
import { StepProgress } from "../progress.ts";
import type { CommitFlags, CreateFlags, PlaceFlags, ResizeFlags } from "../vm-program.ts";
import { networkOf } from "./boot.ts";
import { formatBytes } from "./disk.ts";

/** The image that a VM is made from when nothing says what it boots. */
const DEFAULT_IMAGE = "debian";
/** How long each VM may take to answer when all are listed, ms. */
const PATIENCE = 2000;
/** The field that can be changed while a VM runs. */
const BALLOON = "balloon";

export async function createNew(name: string, flags: CreateFlags, signal: AbortSignal): Promise<number> {
  const folder = folderOf(name, vmDirectory(flags.dir));
  const progress = new StepProgress();
  const report = (step: { step: string; done: number; total: number }) => progress.update(step);
  const { memory, disk, kernel, initrd, append, bios, dtb, nvramTemplate, harts, engine, diskSize, share } = flags;
  const { user, sshKey, hostname, packages, userData, metaData, networkConfig } = flags;
  const image = flags.image ?? (kernel === undefined && flags.flash === undefined ? DEFAULT_IMAGE : undefined);
  const { vsock, balloon } = flags;
  const network = networkOf(flags);
  const given = { kernel, initrd, append, bios, dtb, nvramTemplate, harts, engine, diskSize, console: flags.console };
  const seed = { user, sshKey, hostname, packages, userData, metaData, networkConfig };
  try {
    const found = image === undefined ? undefined : await sourceImage(image, flags.mirror, report, signal);
    if (found?.disk !== undefined && flags.flash !== undefined && sshKey !== undefined && user === undefined)
      throw new CliError(
        `With firmware in flash root's ssh keys can't be handed to ${image}; leave --ssh-key out, and put them there from the guest.`,
      );
    const source = found && withRootKeys(found, user === undefined ? sshKey : undefined);
    const firmware = flags.flash === undefined ? {} : await flashOf(flags.flash, flags.mirror, report, signal);
    await createVm(folder, source, {
      ...firmware,
      ...present(given),
      ...(share && { shares: share }),
      ...(memory !== undefined && { memory: formatMemory(memory) }),
      ...(disk && { disks: disk }),
      ...(vsock && { vsock }),
      ...(balloon !== undefined && { balloon: balloon === true ? "0" : formatMemory(balloon) }),
      ...(network && { network: withMac(network, flags.mac) }),
      seed: present(seed),
      progress: report,
      signal,
    });
  } finally {
    progress.end();
  }
  process.stdout.write(`${name} is ready in ${folder}\n`);
  return OK;
}

/** A Debian on a disk takes root's keys by itself; with a user to make, cloud-init is meant. */
function withRootKeys(image: SourceImage, sshKey: string | undefined): SourceImage {
  if (image.disk === undefined || sshKey === undefined) return image;
  return { ...image, append: [image.append, ...rootKeys(readKeys(sshKey).join("\n"))].join(" ") };
}

/** Firmware by an image's name, with what its NVRAM holds at first, or by its path. */
async function flashOf(
  name: string,
  ...how: [string | undefined, Parameters<typeof sourceImage>[2], AbortSignal]
): Promise<Pick<SourceImage, "flash" | "nvramTemplate">> {
  const known = (await listImages()).some((image) => image.name === name && image.kind === "firmware");
  if (!known) return { flash: name };
  const { flash, nvramTemplate } = await sourceImage(name, ...how);
  return present({ flash, nvramTemplate });
}

function withMac(network: MachineNetwork | "none", mac: string | undefined): MachineNetwork | "none" {
  return network === "none" || mac === undefined ? network : { ...network, mac };
}

async function sourceImage(
  name: string,
  mirror: string | undefined,
  progress: (step: { step: string; done: number; total: number }) => void,
  signal: AbortSignal,
): Promise<SourceImage> {
  const builder = diskBuilder((options) => Machine.create(options));
  const image = await provision(name, { progress, signal, builder, ...(mirror !== undefined && { mirror }) });
  const { memory } = image;
  if (image.kind === "elf") return { name, memory, kernel: image.path, bios: "none" };
  if (image.kind === "firmware") return { name, memory, flash: image.code, nvramTemplate: image.variables };
  const { kernel, initrd, append } = image;
  const linux = { name, memory, kernel, initrd, append };
  if (image.kind === "installer") return { ...linux, networked: true };
  return { ...linux, ...(image.kind === "disk" && { disk: image.disk }) };
}

/** Without what isn't there. */
function present<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}

/** A size of memory as vm.json has it. @param bytes a multiple of 4096 */
function formatMemory(bytes: number): string {
  const [size, unit] = (
    [
      [2 ** 30, "G"],
      [2 ** 20, "M"],
      [2 ** 10, "K"],
    ] as const
  ).find(([size]) => bytes % size === 0)!;
  return `${bytes / size}${unit}`;
}

export async function editFields(
  name: string,
  pairs: readonly string[],
  { dir, unset = [] }: PlaceFlags & { unset?: string[] },
): Promise<number> {
  const vm = findVm(name, vmDirectory(dir));
  if (pairs.length % 2 !== 0) throw new CliError(`The field "${pairs.at(-1)}" has no value; give KEY VALUE pairs.`);
  if (pairs.length + unset.length === 0) throw new CliError("There is nothing to set; give KEY VALUE, or --unset KEY.");
  const changes = [
    ...pairs.flatMap((key, i) => (i % 2 === 0 ? [{ key, value: pairs[i + 1]! }] : [])),
    ...unset.map((key) => ({ key, value: undefined })),
  ];
  const now = vmHolder(vm) && (await inflate(vm, changes));
  await editVm(vm, changes);
  const later = changes.filter(({ key }) => key !== now);
  if (vmHolder(vm) && later.length > 0)
    process.stderr.write(
      `note: ${name} is running; ${later.map(({ key }) => key).join(", ")} will hold from its next start\n`,
    );
  return OK;
}

export async function resizeOne(name: string, size: NewSize, flags: ResizeFlags): Promise<number> {
  const { dir, disk, shrink = false } = flags;
  const bytes = await resizeVmDisk(findVm(name, vmDirectory(dir)), { disk, size, shrink });
  process.stdout.write(`disk ${disk} of ${name} has ${formatBytes(bytes)}\n`);
  return OK;
}

export async function commitOne(name: string, { dir, disk }: CommitFlags, signal: AbortSignal): Promise<number> {
  const progress = new StepProgress();
  const step = (done: number, total: number) => progress.update({ step: "Committing", done, total });
  const vm = findVm(name, vmDirectory(dir));
  const base = await commitVmDisk(vm, disk, { signal, progress: step }).finally(() => progress.end());
  process.stdout.write(`${base} has what disk ${disk} of ${name} had\n`);
  return OK;
}

/** Changes the balloon of a VM that runs. @returns what holds at once, and needn't wait for the next start */
async function inflate(vm: Vm, changes: readonly Change[]): Promise<string | undefined> {
  const value = changes.findLast(({ key }) => key === BALLOON)?.value;
  // What is no size is told when the configuration is changed.
  if (value === undefined || !/^\d{1,12}[KMGT]?$/i.test(value)) return undefined;
  return (await askBalloon(vm, parseBalloon(value))) ? BALLOON : undefined;
}

export async function cloneFolder(
  from: string,
  to: string,
  { dir, full = false }: PlaceFlags & { full?: boolean },
  signal: AbortSignal,
): Promise<number> {
  const directory = vmDirectory(dir);
  const folder = folderOf(to, directory);
  const progress = new StepProgress();
  try {
    await cloneVm(findVm(from, directory), folder, { full, signal, progress: (step) => progress.update(step) });
  } finally {
    progress.end();
  }
  process.stdout.write(`${to} is ready in ${folder}\n`);
  return OK;
}

export async function removeFolders(
  names: readonly string[],
  { dir, force = false }: PlaceFlags & { force?: boolean },
  signal: AbortSignal,
): Promise<number> {
  const vms = names.map((name) => findVm(name, vmDirectory(dir)));
  for (const vm of vms) {
    if (!force && !(await confirm(vm, signal))) throw new CliError(`${vm.name} was left as it is.`);
    await removeVm(vm);
    process.stdout.write(`${vm.name} is removed\n`);
  }
  return OK;
}

async function confirm({ name, folder }: Vm, signal: AbortSignal): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new CliError(`Nobody can be asked whether ${name} is to be removed; use --force.`);
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await lines.question(`Remove ${name}, with its disks and all else in ${folder}? [y/N] `, { signal });
    return /^y(es)?$/i.test(answer.trim());
  } catch {
    return false;
  } finally {
    lines.close();
  }
}

/** What is known of a VM. */
interface VmInfo {
  readonly name: string;
  readonly folder: string;
  readonly state: "running" | "paused" | "busy" | "stopped" | "broken";
  readonly config?: VmConfig;
  readonly status?: VmStatus;
  /** Of "broken": what is wrong. */
  readonly problem?: string;
}

async function look(vm: Vm): Promise<VmInfo> {
  const { name, folder } = vm;
  let status: VmStatus | undefined;
  try {
    status = await askStatus(vm, PATIENCE);
  } catch (error) {
    if (!(error instanceof VmError)) throw error;
  }
  const running = status && (status.paused ? "paused" : "running");
  // Starting, ending, being cloned, or not answering.
  const state = running ?? (vmHolder(vm) ? "busy" : "stopped");
  try {
    return { name, folder, state, config: await readConfig(folder), ...(status && { status }) };
  } catch (error) {
    if (!(error instanceof VmError)) throw error;
    return { name, folder, state: running ?? "broken", problem: error.message, ...(status && { status }) };
  }
}

export async function listAll({ dir, json = false }: PlaceFlags & { json?: boolean }): Promise<number> {
  const vms = await Promise.all(listVms(vmDirectory(dir)).map(look));
  process.stdout.write(json ? `${JSON.stringify(vms.map(publicInfo), null, 2)}\n` : formatList(vms, Date.now()));
  return OK;
}

export async function showOne(name: string, { dir, json = false }: PlaceFlags & { json?: boolean }): Promise<number> {
  const info = await look(findVm(name, vmDirectory(dir)));
  if (info.problem !== undefined && info.state === "broken" && !json) throw new CliError(info.problem);
  process.stdout.write(json ? `${JSON.stringify(publicInfo(info), null, 2)}\n` : formatInfo(info, Date.now()));
  return OK;
}

function publicInfo(info: VmInfo): unknown {
  const { status } = info;
  return { ...info, ...(status && { uptimeSeconds: uptime(status, Date.now()) }) };
}

function uptime({ started }: VmStatus, now: number): number {
  return Math.max(0, Math.round((now - started) / 1000));
}

export function formatList(vms: readonly VmInfo[], now: number): string {
  const rows = vms.map(({ name, state, config, status }) => [
    name,
    state,
    config?.memory ?? (config ? DEFAULTS.memory : ""),
    String(config?.harts ?? (config ? DEFAULTS.harts : "")),
    status ? formatDuration(uptime(status, now)) : "",
    config?.image ?? "",
  ]);
  const table = [["NAME", "STATE", "MEMORY", "HARTS", "UPTIME", "IMAGE"], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  return table
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i]!))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

function formatInfo({ name, folder, state, config, status }: VmInfo, now: number): string {
  const lines: [string, string][] = [
    ["name", name],
    ["folder", folder],
    ["state", state],
  ];
  if (status) {
    lines.push(["process", String(status.pid)]);
    lines.push(["uptime", formatDuration(uptime(status, now))]);
    lines.push(["resident", `${Math.round(status.resident / 2 ** 20)} MiB`]);
    lines.push(["cpu", `${status.cpuSeconds.toFixed(1)} s`]);
    if (status.balloon) {
      const [target, actual] = [status.balloon.target, status.balloon.actual].map((bytes) =>
        Math.round(bytes / 2 ** 20),
      );
      lines.push(["balloon", `${actual} MiB of ${target} MiB`]);
    }
    lines.push(["agent", status.agent ? "answers" : "hasn't answered"]);
    lines.push(["watchers", String(status.watchers)]);
  }
  const { $schema: _, version: __, ...fields } = { memory: DEFAULTS.memory, harts: DEFAULTS.harts, ...config };
  for (const [key, value] of Object.entries(fields).filter(([key]) => key !== BALLOON || !status?.balloon))
    lines.push([key, typeof value === "string" ? value : JSON.stringify(value)]);
  const width = Math.max(...lines.map(([key]) => key.length)) + 1;
  return lines.map(([key, value]) => `${`${key}:`.padEnd(width)} ${value}\n`).join("");
}

/** Such as "3d 4h", "2h 5m", "12s". */
export function formatDuration(seconds: number): string {
  const units = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ] as const;
  const first = units.findIndex(([n]) => n > 0);
  if (first < 0) return "0s";
  return units
    .slice(first, first + 2)
    .filter(([n]) => n > 0)
    .map(([n, unit]) => `${n}${unit}`)
    .join(" ");
}
