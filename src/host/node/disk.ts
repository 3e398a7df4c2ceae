/** Disks in files. */

import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import type { Disk, DiskOptions, DiskRequest, DiskResult } from "../../backends/disk.ts";
import { FileError } from "./files.ts";

const NOTHING = new Uint8Array(0);

/** Opens a raw image. @throws FileError */
export async function openDisk({ path, readOnly = false }: DiskOptions): Promise<Disk> {
  let file: number;
  let size: number;
  try {
    file = openSync(path, readOnly ? "r" : "r+");
    size = fstatSync(file).size;
  } catch (error) {
    throw new FileError(`The disk ${path} can't be opened (${(error as NodeJS.ErrnoException).code}); check its path.`);
  }
  if (size === 0 || size % 512) throw new FileError(`The disk ${path} is not whole sectors of 512 bytes.`);
  return {
    size,
    sectorSize: 512,
    readOnly,
    submit: (request, complete) => complete(perform(file, request)),
    close: async () => {
      if (!readOnly) fsyncSync(file);
      closeSync(file);
    },
  };
}

function perform(file: number, request: DiskRequest): DiskResult {
  try {
    switch (request.kind) {
      case "read": {
        const bytes = new Uint8Array(request.length);
        readSync(file, bytes, 0, request.length, request.offset);
        return { ok: true, bytes };
      }
      case "write":
        writeSync(file, request.bytes, 0, request.bytes.length, request.offset);
        break;
      case "write-zeroes":
        for (let at = 0; at < request.length; at += 2 ** 20) {
          const size = Math.min(2 ** 20, request.length - at);
          writeSync(file, new Uint8Array(size), 0, size, request.offset + at);
        }
        break;
      case "flush":
        fsyncSync(file);
        break;
      case "discard":
        break;
    }
    return { ok: true, bytes: NOTHING };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { ok: false, reason: code === "ENOSPC" ? "no-space" : "io", message };
  }
}
