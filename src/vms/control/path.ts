/** The path of a control socket: the system takes no long ones. */

import { closeSync, constants, existsSync, openSync } from "node:fs";
import { join } from "node:path";
import { fileFailure, quote, VmError } from "../errors.ts";
import { SOCKET } from "./protocol.ts";

/** What fits into sun_path on Linux (108) and macOS (104), with the zero at its end. */
const MAX_PATH = 103;

/**
 * A path of the folder's socket that can be listened at and connected to, until
 * `close` is called: if it is too long, by way of the open folder (proc(5), /proc/self/fd).
 * @throws VmError
 */
export function socketPath(folder: string): { readonly path: string; close(): void } {
  const path = join(folder, SOCKET);
  if (Buffer.byteLength(path) <= MAX_PATH) return { path, close: () => {} };
  if (!existsSync("/proc/self/fd"))
    throw new VmError("control", `The path ${quote(path)} is too long for a socket; move the VM to a shorter one.`);
  try {
    const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
    return { path: `/proc/self/fd/${fd}/${SOCKET}`, close: () => closeSync(fd) };
  } catch (error) {
    throw fileFailure(error, `open the folder ${quote(folder)}`);
  }
}
