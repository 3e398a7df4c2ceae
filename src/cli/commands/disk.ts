/** `wardian disk`: makes, describes, converts and checks disk images. */

import {
  type CheckDiskOptions,
  type CommitDiskOptions,
  checkDisk,
  commitDisk,
  convertDisk,
  createDisk,
  type DiskFormat,
  type DiskInfo,
  diskInfo,
  type NewDiskOptions,
  type ResizeDiskOptions,
  resizeDisk,
} from "../../node.ts";
import { OK } from "../exit.ts";
import { StepProgress } from "../progress.ts";

/** Statuses of `check`, those of `qemu-img check`. */
const CORRUPT = 2;
const LEAKS = 3;

export type DiskCreateFlags = Omit<NewDiskOptions, "size">;

export interface DiskConvertFlags {
  readonly from?: DiskFormat;
  readonly format?: DiskFormat;
  readonly compress?: boolean;
  readonly clusterSize?: number;
  readonly allowBacking?: string[];
  readonly force?: boolean;
}

export interface DiskCheckFlags {
  readonly repair?: "leaks" | "all";
  readonly json?: boolean;
}

export interface DiskInfoFlags {
  readonly format?: DiskFormat;
  readonly allowBacking?: string[];
  readonly json?: boolean;
}

export type DiskResizeFlags = ResizeDiskOptions;
export type DiskCommitFlags = Pick<CommitDiskOptions, "allowBacking">;

export async function createDiskImage(file: string, size: number | undefined, flags: DiskCreateFlags): Promise<number> {
  const foreign = await createDisk(file, { ...flags, ...(size !== undefined && { size }) });
  const { size: made, format } = await diskInfo(file);
  process.stdout.write(`${file} is ready: ${format}, ${formatBytes(made)}\n`);
  if (foreign !== undefined)
    process.stderr.write(`note: its backing file is in another folder; use it with --allow-backing ${foreign}\n`);
  return OK;
}

export async function convertDiskImage(
  from: string,
  to: string,
  { from: format, format: target, ...flags }: DiskConvertFlags,
  signal: AbortSignal,
): Promise<number> {
  const progress = new StepProgress();
  try {
    await convertDisk(from, to, {
      ...flags,
      ...(format && { format }),
      ...(target && { to: target }),
      signal,
      progress: (done, total) => progress.update({ step: "Converting", done, total }),
    });
  } finally {
    progress.end();
  }
  return OK;
}

export async function resizeDiskImage(
  file: string,
  size: (present: number) => number,
  flags: DiskResizeFlags,
): Promise<number> {
  process.stdout.write(`${file} has ${formatBytes(await resizeDisk(file, size, flags))}\n`);
  return OK;
}

export async function commitDiskImage(file: string, flags: DiskCommitFlags, signal: AbortSignal): Promise<number> {
  const progress = new StepProgress();
  const step = (done: number, total: number) => progress.update({ step: "Committing", done, total });
  const base = await commitDisk(file, { ...flags, signal, progress: step }).finally(() => progress.end());
  process.stdout.write(`${base} has what ${file} had\n`);
  return OK;
}

export async function checkDiskImage(file: string, { repair, json = false }: DiskCheckFlags): Promise<number> {
  const progress = new StepProgress();
  const options: CheckDiskOptions = {
    ...(repair && { repair }),
    ...(process.stderr.isTTY && {
      progress: (done: number, total: number) => progress.update({ step: "Checking", done, total }),
    }),
  };
  const result = await checkDisk(file, options).finally(() => progress.end());
  const { corruptions, leaks, errors, repairedCorruptions, repairedLeaks, messages } = result;
  const status = corruptions + errors > 0 ? CORRUPT : leaks > 0 ? LEAKS : OK;
  if (json) {
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
    return status;
  }
  for (const message of messages) process.stdout.write(`${message}\n`);
  const repaired = repairedCorruptions + repairedLeaks;
  if (repaired > 0)
    process.stdout.write(`Repaired: ${count(repairedCorruptions, "corruption")}, ${count(repairedLeaks, "leak")}\n`);
  const left = [count(corruptions, "corruption"), count(leaks, "leaked cluster"), count(errors, "error")];
  process.stdout.write(status === OK ? "No errors were found.\n" : `${left.join(", ")}\n`);
  if (status === LEAKS) process.stdout.write("Leaks waste space and do no other harm; --repair gives it back.\n");
  return status;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}

export async function showDiskImage(file: string, { json = false, ...options }: DiskInfoFlags): Promise<number> {
  const info = await diskInfo(file, options);
  process.stdout.write(json ? `${JSON.stringify(info, null, 2)}\n` : formatInfo(info));
  return OK;
}

/** An image as lines of text, each with a newline. */
export function formatInfo({ path, format, size, allocated, length, qcow2 }: DiskInfo): string {
  const lines = [
    ["image", path],
    ["format", qcow2 ? `qcow2, version ${qcow2.version}` : format],
    ["capacity", formatBytes(size)],
    ["on the host's disk", `${formatBytes(allocated)}, in a file of ${formatBytes(length)}`],
  ];
  if (qcow2) {
    lines.push(["clusters", formatBytes(qcow2.clusterSize)]);
    lines.push(["refcounts", `${qcow2.refcountBits} bits${qcow2.lazyRefcounts ? ", lazy" : ""}`]);
    lines.push(["compression", qcow2.compression]);
    if (qcow2.dirty) lines.push(["state", "not closed in order; it is repaired when it is opened to be written"]);
    if (qcow2.corrupt) lines.push(["state", "marked as corrupt"]);
    if (qcow2.backing) {
      const { name, format = "not said", path, refused } = qcow2.backing;
      lines.push(["backing file", JSON.stringify(name)]);
      lines.push(["backing format", format]);
      lines.push(path === undefined ? ["refused", refused ?? ""] : ["which is", path]);
    }
    for (const { id, name, date, stateSize } of qcow2.snapshots)
      lines.push([
        "snapshot",
        `${id} ${JSON.stringify(name)}, ${date}${stateSize > 0 ? `, state ${formatBytes(stateSize)}` : ""}`,
      ]);
  }
  const width = Math.max(...lines.map(([name]) => name!.length)) + 1;
  return lines.map(([name, value]) => `${`${name}:`.padEnd(width)} ${value}\n`).join("");
}

/** Bytes as people read them, and exactly: "10 GiB (10737418240 bytes)". */
export function formatBytes(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  if (unit === 0) return `${bytes} bytes`;
  return `${Number(value.toFixed(1))} ${units[unit]} (${bytes} bytes)`;
}
