/** QEMU's tools as the oracle, and random requests that both sides carry out. */

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import type { DiskRequest } from "../../src/backends/disk.ts";
import { choose, type Random } from "../../src/fuzz/random.ts";

export { content, done, submit } from "./requests.ts";

/** A folder of this test file's own, removed at its end. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "wardian-test-disk-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function qemuImg(...args: string[]): string {
  return execFileSync("qemu-img", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

export interface QemuCheck {
  /** 0, or 2 for corruptions, or 3 for leaks. */
  readonly status: number;
  readonly corruptions: number;
  readonly leaks: number;
  readonly text: string;
}

export function qemuCheck(path: string, ...args: string[]): QemuCheck {
  const run = spawnSync("qemu-img", ["check", "-f", "qcow2", "--output=json", ...args, path], { encoding: "utf8" });
  let found: Record<string, number> = {};
  try {
    found = JSON.parse(run.stdout);
  } catch {
    // It could not be checked at all; the status says so.
  }
  return {
    status: run.status ?? -1,
    corruptions: found.corruptions ?? 0,
    leaks: found.leaks ?? 0,
    text: run.stdout + run.stderr,
  };
}

/** Carries commands out by qemu-io. */
export function qemuIo(path: string, format: string, commands: readonly string[]): void {
  const run = spawnSync("qemu-io", ["-f", format, path], { input: `${commands.join("\n")}\n`, encoding: "utf8" });
  const failed = /^(?!.*\b0 failed)(.*(failed|error|invalid).*)$/im.exec(run.stdout + run.stderr);
  if (run.status !== 0 || failed) throw new Error(`qemu-io: ${failed?.[0] ?? run.stderr}`);
}

/** All of an image's content, as QEMU reads it. */
export function qemuContent(path: string, format: string, to: string): Uint8Array {
  qemuImg("convert", "-f", format, "-O", "raw", path, to);
  const bytes = readFileSync(to);
  rmSync(to);
  return bytes;
}

export type Operation =
  | { readonly kind: "write"; readonly offset: number; readonly length: number; readonly fill: number }
  | { readonly kind: "zero" | "unmap" | "discard"; readonly offset: number; readonly length: number };

/** A request in whole sectors, short ones more often, with some ends at the ends of clusters. */
export function randomOperation(random: Random, size: number, clusterSize: number): Operation {
  const sectors = size / 512;
  const longest = Math.min(sectors, choose(random, [8, 8, 64, (4 * clusterSize) / 512, 512]));
  let first = random() % sectors;
  let length = 1 + (random() % Math.max(1, longest));
  const perCluster = clusterSize / 512;
  if (random() % 3 === 0) {
    first -= first % perCluster;
    length = Math.ceil(length / perCluster) * perCluster;
  }
  length = Math.min(length, sectors - first);
  const at = { offset: first * 512, length: length * 512 };
  const kind = choose(random, ["write", "write", "write", "write", "zero", "unmap", "discard"] as const);
  return kind === "write" ? { kind, ...at, fill: 1 + (random() % 255) } : { kind, ...at };
}

export function asQemuIo(operation: Operation): string {
  const { offset, length } = operation;
  switch (operation.kind) {
    case "write":
      return `write -P ${operation.fill} ${offset} ${length}`;
    case "zero":
      return `write -z ${offset} ${length}`;
    case "unmap":
      return `write -z -u ${offset} ${length}`;
    case "discard":
      return `discard ${offset} ${length}`;
  }
}

export function asRequest(operation: Operation): DiskRequest {
  const { kind, offset, length } = operation;
  switch (kind) {
    case "write":
      return { kind, offset, bytes: new Uint8Array(length).fill(operation.fill) };
    case "zero":
    case "unmap":
      return { kind: "write-zeroes", offset, length, unmap: kind === "unmap" };
    case "discard":
      return { kind, offset, length };
  }
}

/** What a disk should hold; a discarded range is anything, so it is taken over from the disk. */
export function apply(model: Uint8Array, operation: Operation): void {
  const { kind, offset, length } = operation;
  if (kind !== "discard") model.fill(kind === "write" ? operation.fill : 0, offset, offset + length);
}
