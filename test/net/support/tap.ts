/** A Linux of its own as a guest: a tap device in a network namespace, joined to a link. Needs root. */

import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Link } from "../../../src/backends/link.ts";
import { frameReader, frameWriter } from "./framing.ts";

const source = join(dirname(fileURLToPath(import.meta.url)), "tap.c");
let program: string | undefined;

/** Compiles the helper, once a process. */
function helper(): string {
  if (program) return program;
  const directory = mkdtempSync(join(tmpdir(), "wardian-tap-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  program = join(directory, "tap");
  execFileSync("gcc", ["-O2", "-Wall", "-o", program, source]);
  return program;
}

export interface TapGuest {
  /** Of a process in the namespace. */
  readonly pid: number;
  /** Runs a program as the guest. */
  run(command: string, ...args: string[]): Promise<{ status: number; out: string; err: string }>;
  /** Starts one, which ends with the guest, as do those that it starts. */
  start(command: string, ...args: string[]): void;
  close(): Promise<void>;
}

export const GUEST_HARDWARE = "52:54:00:12:34:56";

/** @param configure whether it gets its address at once, not by DHCP */
export async function tapGuest(link: Link, configure = true): Promise<TapGuest> {
  const child = spawn(helper(), ["tap0"], { stdio: ["pipe", "pipe", "pipe"] });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.stderr.once("data", (bytes) => (`${bytes}`.startsWith("ready") ? resolve() : reject(new Error(`${bytes}`))));
    child.once("error", reject);
  });
  child.stdout.on(
    "data",
    frameReader((frame) => link.submit(frame)),
  );
  child.stdin.on("error", () => {});
  link.onFrame = frameWriter((bytes) => child.stdin.write(bytes));
  const enter = [`--net=/proc/${child.pid}/ns/net`, "--"];
  const started: ChildProcess[] = [];
  const guest: TapGuest = {
    pid: child.pid!,
    run: (command, ...args) =>
      new Promise((resolve) => {
        execFile("nsenter", [...enter, command, ...args], { maxBuffer: 1 << 28 }, (error, out, err) => {
          const status = error ? (typeof error.code === "number" ? error.code : -1) : 0;
          resolve({ status, out, err });
        });
      }),
    start: (command, ...args) => {
      started.push(spawn("nsenter", [...enter, command, ...args], { detached: true, stdio: "ignore" }));
    },
    close: async () => {
      for (const { pid } of started.splice(0)) endGroup(pid);
      child.kill();
      await exited;
    },
  };
  const ip = async (...args: string[]) => {
    const { status, err } = await guest.run("ip", ...args);
    if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${err}`);
  };
  await ip("link", "set", "tap0", "address", GUEST_HARDWARE);
  await ip("link", "set", "lo", "up");
  await ip("link", "set", "tap0", "up");
  if (configure) {
    await ip("address", "add", "10.0.2.15/24", "dev", "tap0");
    await ip("route", "add", "default", "via", "10.0.2.2");
  }
  return guest;
}

/** Ends a process and those that it started. */
function endGroup(leader: number | undefined): void {
  try {
    if (leader !== undefined) process.kill(-leader);
  } catch {
    // It has ended by itself.
  }
}
