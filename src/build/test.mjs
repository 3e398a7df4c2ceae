/** Runs the tests; the last line says how many passed and failed. */

import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { delimiter, join } from "node:path";
import { Failure, ROOT, run } from "./run.mjs";

/** What tests run beside Node, and Debian's packages that have it. */
const PROGRAMS = {
  "apt-get": "apt",
  busybox: "busybox",
  chromium: "chromium",
  cpio: "cpio",
  debugfs: "e2fsprogs",
  depmod: "kmod",
  dig: "bind9-dnsutils",
  dtc: "device-tree-compiler",
  e2fsck: "e2fsprogs",
  gcc: "gcc",
  "gdb-multiarch": "gdb-multiarch",
  gpgv: "gpgv",
  isoinfo: "genisoimage",
  mke2fs: "e2fsprogs",
  ip: "iproute2",
  nsenter: "util-linux",
  "qemu-img": "qemu-utils",
  "qemu-io": "qemu-utils",
  "qemu-riscv64": "qemu-user",
  "qemu-system-riscv64": "qemu-system-misc",
  "riscv64-linux-gnu-as": "binutils-riscv64-linux-gnu",
  "riscv64-linux-gnu-gcc": "gcc-riscv64-linux-gnu",
  script: "bsdutils",
  sgdisk: "gdisk",
  socat: "socat",
  ssh: "openssh-client",
  tshark: "tshark",
  xz: "xz-utils",
};
const FILES = {
  "/usr/include/stdio.h": "libc6-dev",
  "/usr/riscv64-linux-gnu/include/stdio.h": "libc6-dev-riscv64-cross",
  "/usr/lib/u-boot/qemu-riscv64/u-boot.bin": "u-boot-qemu",
  "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
};

/** @param {readonly string[]} args for vitest, such as a folder of test/ @returns the exit status */
export async function test(args) {
  const packages = missingPackages();
  if (packages.length > 0)
    throw new Failure(`The tests need more programs: install Debian's packages ${packages.join(" ")}.`);
  // One file for each run, since several may run at a time.
  const counts = join(ROOT, `dist/test/counts-${process.pid}.json`);
  mkdirSync(join(ROOT, "dist/test"), { recursive: true });
  const reporters = ["--reporter=default", "--reporter=./src/build/count-reporter.mjs"];
  // For hangs alone: a slow machine fails no test.
  const patience = ["--testTimeout=300000", "--hookTimeout=600000"];
  // The runner leaves a core to itself, which does next to nothing: of two it would use one.
  const workers = `--maxWorkers=${Math.max(Math.min(availableParallelism(), 2), availableParallelism() - 1)}`;
  // Whoever gives one of these has it so: the runner takes each once.
  const isGiven = (option) => args.some((arg) => arg.split("=")[0] === option.split("=")[0]);
  const options = ["--dir", "test", ...reporters, ...[workers, ...patience].filter((option) => !isGiven(option))];
  const vitest = ["node_modules/vitest/vitest.mjs", "run", ...options, ...args];
  try {
    const status = await run("node", vitest, {
      show: true,
      env: { WARDIAN_CODE_CACHE: "none", WARDIAN_TEST_COUNTS: counts },
    });
    if (!existsSync(counts)) throw new Failure("The tests could not be run to their end; see above.");
    const { passed, failed, skipped } = JSON.parse(readFileSync(counts, "utf8"));
    if (skipped > 0) process.stdout.write(`${skipped} skipped\n`);
    // Whatever the runner finds wrong outside of tests counts too.
    const wrong = status !== 0 && failed === 0 ? 1 : failed;
    process.stdout.write(`${passed} passed, ${wrong} failed\n`);
    return wrong > 0 ? 1 : 0;
  } finally {
    rmSync(counts, { force: true });
  }
}

function missingPackages() {
  const path = (process.env.PATH ?? "").split(delimiter);
  const isProgram = (name) => path.some((directory) => existsSync(join(directory, name)));
  const packages = [
    ...Object.entries(PROGRAMS).filter(([name]) => !isProgram(name)),
    ...Object.entries(FILES).filter(([file]) => !existsSync(file)),
  ];
  return [...new Set(packages.map(([, name]) => name))].sort();
}
