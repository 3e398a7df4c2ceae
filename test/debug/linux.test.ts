/** gdb-multiarch in Debian's kernel, with the kernel's symbols. */

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { gdb, scratch } from "./gdb.ts";

type Node = typeof import("../../src/node.ts");
const { Machine } = (await import(fileURLToPath(new URL("../../dist/node.js", import.meta.url)))) as Node;

const MINUTES = 60_000;
const dir = scratch();

/** A file that has nothing but the symbols that /proc/kallsyms lists, in one section that spans them. */
function symbolFile(kallsyms: string): string {
  const symbols = [...kallsyms.matchAll(/^([0-9a-f]{16}) \w (\w+)$/gm)].map(([, address, name]) => ({
    name: name!,
    at: BigInt(`0x${address}`),
  }));
  const base = symbols.reduce((least, { at }) => (at < least ? at : least), 2n ** 64n);
  const end = symbols.reduce((most, { at }) => (at > most ? at : most), 0n) + 4096n;
  const lines = symbols.map(
    ({ name, at }) => `.globl ${name}\n.type ${name}, @function\n.set ${name}, . + ${at - base}\n`,
  );
  const [object, path] = [join(dir, "kernel.o"), join(dir, "kernel.elf")];
  const text = `.section .kernel, "ax", @nobits\n${lines.join("")}.space ${end - base}\n`;
  execFileSync("riscv64-linux-gnu-as", ["-o", object, "-"], { input: text });
  execFileSync("riscv64-linux-gnu-ld", [
    "-o",
    path,
    `--section-start=.kernel=0x${base.toString(16)}`,
    "-e",
    "0",
    object,
  ]);
  return path;
}

test(
  "a breakpoint at a kernel function, reached by a system call, with the caller's memory",
  async () => {
    const machine = await Machine.create({ image: "debian" });
    await machine.start();
    try {
      const symbols = await machine.exec("grep -E ' [tT] (do_sys_openat2|schedule)$' /proc/kallsyms", {
        timeout: 4 * MINUTES,
      });
      const file = symbolFile(symbols.stdout);
      const { port } = await machine.listenGdb();
      const run = gdb(
        port,
        [
          'break *do_sys_openat2 if $_streq((char *)$a1, "/proc/version")',
          "echo @ready\\n",
          "continue",
          "echo @hit\\n",
          "info symbol $pc",
          "x/s $a1",
          "info registers priv satp",
          "stepi",
          "stepi",
          "info registers pc",
          "delete",
          "detach",
        ],
        file,
      );
      await run.shows("@ready");
      const { stdout } = await machine.exec("cat /proc/version", { timeout: MINUTES });
      expect(stdout).toMatch(/^Linux version 6/);
      const text = await run.ended;
      expect(text).toMatch(/@hit\ndo_sys_openat2 in /);
      expect(text).toMatch(/0x[0-9a-f]+:\s+"\/proc\/version"\n/);
      expect(text).toMatch(/priv +0x1\b/);
      // The machine goes on.
      expect((await machine.exec("echo $((6 * 7))", { timeout: MINUTES })).stdout).toBe("42\n");
    } finally {
      await machine.stop();
    }
  },
  6 * MINUTES,
);
