/** The virtio-fs server that QEMU has beside it: Debian 12's is QEMU's, later ones are a package of their own. */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { BenchError } from "./errors.ts";

const PATHS = ["/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd"];
/** Milliseconds that it may take to listen. */
const PATIENCE = 10_000;
const STEP = 20;

/** @returns its path, if it is here and may run: it takes root */
export function findVirtiofsd(): string | undefined {
  return process.geteuid?.() === 0 ? PATHS.find((path) => existsSync(path)) : undefined;
}

/**
 * Serves a folder, as it does unless told otherwise, to who connects first.
 * @returns what ends it
 * @throws BenchError when it doesn't listen
 */
export async function startVirtiofsd(program: string, folder: string, socket: string): Promise<() => void> {
  await rm(socket, { force: true });
  const child = spawn(program, [`--socket-path=${socket}`, "-o", `source=${folder}`], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let complaint = "";
  child.stderr.setEncoding("latin1").on("data", (chunk: string) => {
    complaint = (complaint + chunk).slice(-1000);
  });
  let over = false;
  child.on("error", () => {
    over = true;
  });
  child.on("close", () => {
    over = true;
  });
  const stop = () => {
    process.off("exit", stop);
    child.kill("SIGTERM");
  };
  process.once("exit", stop);
  for (let waited = 0; !existsSync(socket); waited += STEP) {
    if (over || waited >= PATIENCE) {
      stop();
      throw new BenchError(`${program} doesn't serve: ${complaint.trim().split("\n").at(-1) || "it says nothing"}`);
    }
    await new Promise((resolve) => setTimeout(resolve, STEP));
  }
  return stop;
}
