/** The built program with gdb-multiarch, on bare metal. */

import { describe, expect, test } from "vitest";
import { wardian } from "../cli/run.ts";
import { buildGuest, type GdbRun, gdb, scratch } from "./gdb.ts";

const guest = buildGuest(scratch());

interface Session {
  readonly text: string;
  /** How the guest ended. */
  readonly status: number;
  /** What GDB printed after this mark, up to the next line that starts with ~. */
  shownAfter(name: string): string;
}

/** Debugs the guest from its first instruction. `during` sees GDB run. */
async function debug(commands: readonly string[], during?: (run: GdbRun) => void): Promise<Session> {
  let shown: Promise<string> | undefined;
  const { status } = await wardian(
    ["boot", guest, "--harts", "2", "--memory", "16M", "--gdb", "0", "--gdb-wait", "--timeout", "30"],
    {
      during: (child) => {
        let said = "";
        child.stderr.on("data", (chunk: string) => {
          if (said.includes("\n")) return;
          said += chunk;
          const port = /target remote :(\d+)\n/.exec(said)?.[1];
          if (port === undefined) return;
          const run = gdb(Number(port), commands, guest);
          during?.(run);
          shown = run.ended;
          shown.then(() => child.kill("SIGTERM")); // if it hasn't ended
        });
      },
    },
  );
  const text = (await shown) ?? "";
  const shownAfter = (name: string) => new RegExp(`~${name}\\n([^~]*)`).exec(text)?.[1] ?? `no ${name} in: ${text}`;
  return { text, status, shownAfter };
}

const mark = (name: string): string => `echo ~${name}\\n`;
const END = ["delete", "set var stop = 1", "continue"];

describe("gdb-multiarch", { timeout: 40_000 }, () => {
  test("breaks at functions, shows registers of all kinds, and steps", async () => {
    const { shownAfter, status } = await debug([
      "set osabi none", // for Linux, GDB steps by breakpoints
      mark("start"),
      "info registers pc priv",
      "break add",
      "continue",
      mark("add"),
      "info registers a0 a1",
      "backtrace",
      mark("csr"),
      "print $mhartid",
      "print/x $misa & 0x1fff",
      "set var $mscratch = 0x1234",
      "print/x $mscratch",
      mark("step"),
      "print $pc",
      "stepi",
      "print $pc",
      mark("finish"),
      "finish",
      mark("fpu"),
      "break scale",
      "continue",
      "print $fa0",
      "finish",
      "print $fa0",
      ...END,
    ]);
    expect(shownAfter("start")).toMatch(/pc +0x1000\b[\s\S]*priv +0x3\b/);
    expect(shownAfter("add")).toMatch(
      /a0 +0x28\b[\s\S]*a1 +0x2\b[\s\S]*#0 +add \(a=a@entry=40, b=b@entry=2\)[\s\S]*#1.* in main/,
    );
    expect(shownAfter("csr")).toMatch(/= 0\n.*= 0x112d\n.*= 0x1234\n/);
    const [from, to] = [...shownAfter("step").matchAll(/0x[0-9a-f]+/g)].map(([pc]) => Number(pc));
    expect(to! - from!).toBeGreaterThanOrEqual(2);
    expect(to! - from!).toBeLessThanOrEqual(4);
    expect(shownAfter("finish")).toMatch(/Value returned is \$\d+ = 42/);
    expect(shownAfter("fpu")).toMatch(/double = 3\}[\s\S]*double = 4\.5\}/);
    expect(status).toBe(0);
  });

  test("reads and writes memory and registers, and the guest goes on with them", async () => {
    const { shownAfter, status } = await debug([
      "break add",
      "continue",
      "set var $a1 = 60",
      "set var ratio = 2.5",
      mark("memory"),
      "print ratio",
      "x/2xb &watched",
      "finish",
      mark("hardware"),
      "hbreak spin",
      "continue",
      "print watched",
      ...END,
    ]);
    expect(shownAfter("memory")).toMatch(/= 2\.5\n[\s\S]*0x05\s+0x00\n[\s\S]*Value returned is \$\d+ = 100/);
    expect(shownAfter("hardware")).toMatch(/Breakpoint \d+, spin \(hart=hart@entry=0\)[\s\S]*= 7\n/);
    expect(status).toBe(0);
  });

  test("watches data", async () => {
    const { shownAfter, status } = await debug([
      "watch watched",
      mark("first"),
      "continue",
      mark("second"),
      "continue",
      "delete",
      "rwatch stop",
      mark("read"),
      "continue",
      "print $pc",
      "info symbol $pc",
      ...END,
    ]);
    expect(shownAfter("first")).toMatch(/Old value = 5\nNew value = 42\n/);
    expect(shownAfter("second")).toMatch(/Old value = 42\nNew value = 7\n/);
    expect(shownAfter("read")).toMatch(/Hardware read watchpoint \d+: stop\n\nValue = 0\n[\s\S]*spin/);
    expect(status).toBe(0);
  });

  test("has harts as threads, interrupts them, and steps one of them", async () => {
    const { shownAfter, status, text } = await debug(
      [
        mark("running"),
        "continue",
        mark("threads"),
        "info threads",
        mark("ticks"),
        "print ticks[0] > 0 && ticks[1] > 0",
        mark("second"),
        "thread 2",
        "print $mhartid",
        "stepi",
        "stepi",
        "info threads",
        "thread 1",
        ...END,
      ],
      (run) => {
        run.shows("~running").then(() => setTimeout(() => run.process.kill("SIGINT"), 500));
      },
    );
    expect(text).toMatch(/received signal SIGINT/);
    expect(shownAfter("threads")).toMatch(/Thread 1 \(M-mode\).*spin[\s\S]*Thread 2 \(M-mode\).*spin/);
    expect(shownAfter("ticks")).toMatch(/= 1\n/);
    expect(shownAfter("second")).toMatch(/= 1\n[\s\S]*\* 2 +Thread 2/);
    expect(status).toBe(0);
  });

  test("leaves the guest running when it detaches, without its breakpoints", async () => {
    const { shownAfter, status } = await debug([
      "break add",
      "break main",
      "continue",
      "set var stop = 1",
      mark("detach"),
      "detach",
      "shell sleep 2",
    ]);
    expect(shownAfter("detach")).toMatch(/detached/);
    expect(status).toBe(0);
  });
});

test("a port that is taken is told in one sentence", { timeout: 40_000 }, async () => {
  let second: ReturnType<typeof wardian> | undefined;
  const first = await wardian(["boot", guest, "--memory", "16M", "--gdb", "0", "--gdb-wait", "--timeout", "20"], {
    during: (child) => {
      child.stderr.once("data", (said: string) => {
        const port = /:(\d+)\n/.exec(said)![1]!;
        second = wardian(["boot", guest, "--memory", "16M", "--gdb", port]);
        second.then(() => child.kill("SIGTERM"));
      });
    },
  });
  expect(first.status).toBe(143);
  const { status, stderr } = await second!;
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /^error: GDB can't be listened for at port \d+: it is taken; choose another port, or 0 for any\.\n$/,
  );
});
