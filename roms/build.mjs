/**
 * Builds our guests and the boot ROM. The same compiler gives the same bytes:
 * no build id, no paths, no symbols but those the host looks for.
 *
 *     node roms/build.mjs [directory]     default: beside the sources
 */

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";

const roms = dirname(fileURLToPath(import.meta.url));

/** The compiler that made the committed images; another may give other bytes. */
export const COMPILER = "12.2.0";

const CC = "riscv64-linux-gnu-gcc";
const OBJCOPY = "riscv64-linux-gnu-objcopy";
const CFLAGS = [
  "-march=rv64gc",
  "-mabi=lp64d",
  "-mcmodel=medany",
  "-Os",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-ffreestanding",
  "-fno-pic",
  "-fno-asynchronous-unwind-tables",
  "-fno-tree-loop-distribute-patterns",
  "-ffunction-sections",
  "-fdata-sections",
];
const LDFLAGS = [
  "-nostdlib",
  "-static",
  "-no-pie",
  "-Wl,--build-id=none",
  "-Wl,--gc-sections",
  "-Wl,--nmagic",
  "-Wl,--no-warn-rwx-segments",
];

const RUNTIME = ["start.S", "console.c", "exit.c", "string.c"];

/** @type {readonly { image: string, from: string, runtime: readonly string[], flags?: string[], keep?: string[], raw?: boolean }[]} */
const IMAGES = [
  { image: "hello/hello.elf", from: "hello", runtime: RUNTIME },
  { image: "selftest/selftest.elf", from: "selftest", runtime: RUNTIME },
  {
    image: "htif/htif-pass.elf",
    from: "htif",
    runtime: ["start.S", "string.c"],
    flags: ["-DCODE=0"],
    keep: ["tohost", "fromhost"],
  },
  {
    image: "htif/htif-fail.elf",
    from: "htif",
    runtime: ["start.S", "string.c"],
    flags: ["-DCODE=3"],
    keep: ["tohost", "fromhost"],
  },
  { image: "bootrom/bootrom.bin", from: "bootrom", runtime: [], raw: true },
];

/** The images' paths, relative to the directory that they are built into. */
export const images = IMAGES.map(({ image }) => image);

/** The installed compiler's version, or undefined. */
export function compiler() {
  try {
    return execFileSync(CC, ["-dumpfullversion"], { encoding: "utf8" }).trim();
  } catch {
    return undefined;
  }
}

/** Builds everything into a directory, with the layout of this one. */
export function build(directory = roms) {
  const objects = mkdtempSync(join(tmpdir(), "wardian-roms-"));
  try {
    for (const { image, from, runtime, flags = [], keep = [], raw = false } of IMAGES) {
      const sources = readdirSync(join(roms, from))
        .filter((name) => /\.[cS]$/.test(name))
        .sort()
        .map((name) => join(from, name));
      const linked = join(objects, "linked.elf");
      const all = [...runtime.map((name) => join("runtime", name)), ...sources];
      const link = raw ? ["-Wl,-Ttext=0x1000"] : ["-Truntime/link.ld"];
      execFileSync(CC, [...CFLAGS, ...flags, "-Iruntime", ...LDFLAGS, ...link, ...all, "-o", linked], { cwd: roms });
      const out = resolve(directory, image);
      mkdirSync(dirname(out), { recursive: true });
      const copy = raw
        ? ["-O", "binary", "-j", ".text.start", "-j", ".text"]
        : ["--strip-all", ...keep.map((name) => `--keep-symbol=${name}`)];
      execFileSync(OBJCOPY, [...copy, linked, out]);
    }
  } finally {
    rmSync(objects, { recursive: true, force: true });
  }
}

if (argv[1] && resolve(argv[1]) === fileURLToPath(import.meta.url)) build(argv[2] ?? roms);
