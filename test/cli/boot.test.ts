/** The built program with bare-metal guests. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readDtb } from "../../src/machine/dtb.ts";
import { echo, exits, idle, program, put, ROMS, scratch, wardian } from "./run.ts";

const dir = scratch();
const bare = (path: string): string[] => ["boot", "--bios", "none", "--kernel", path, "--memory", "16M"];
const IDLE = put(dir, "idle.bin", idle());
const GREETING = "Hello from hart 0 of a RISC-V machine.";

describe("statuses", () => {
  test.each([
    ["pass", 0x5555, 0],
    ["fail with 1", 0x1_3333, 1],
    ["fail with 77", (77 << 16) | 0x3333, 77],
    ["fail with 256, which would be 0", (256 << 16) | 0x3333, 1],
  ])("the test device: %s", async (name, word, status) => {
    const guest = put(dir, `${name.replace(/\W/g, "")}.bin`, exits(word));
    expect(await wardian(bare(guest))).toEqual({ status, stdout: "", stderr: "" });
  });

  test("HTIF, in an ELF by its path", async () => {
    expect((await wardian(["boot", join(ROMS, "htif/htif-pass.elf")])).status).toBe(0);
    expect((await wardian(["boot", join(ROMS, "htif/htif-fail.elf")])).status).toBe(3);
  });

  test("an image by its name", async () => {
    expect(await wardian(["boot", "hello"])).toEqual({ status: 0, stdout: `${GREETING}\n`, stderr: "" });
  });

  test("a guest that jumps into nowhere is told with its state", async () => {
    const guest = put(dir, "nowhere.bin", program(0x0000_0067)); // jr zero
    const { status, stdout, stderr } = await wardian(bare(guest));
    expect(status).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^error: The guest crashed\.\nhart 0: instruction access fault/);
    for (const part of [/pc 0{16}/, /cause 1\b/, /\bsp [0-9a-f]{16}/, /nothing to execute here/])
      expect(stderr).toMatch(part);
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});

describe("ends from outside", () => {
  test("--timeout gives 124", async () => {
    const { status, stderr } = await wardian([...bare(IDLE), "--timeout", "0.3"]);
    expect(status).toBe(124);
    expect(stderr).toBe("error: The time of 0.3 s is over, and the machine was stopped.\n");
  });

  test("--expect gives 0 with the guest still running, and 1 if it ends", async () => {
    const guest = put(dir, "echo.bin", echo());
    const { status, stdout } = await wardian([...bare(guest), "--expect", "wa[r]dian", "--timeout", "20"], {
      input: "this is wardian\n",
    });
    expect(status).toBe(0);
    expect(stdout).toMatch(/^this is wardian/);

    const missed = await wardian(["boot", "hello", "--expect", "Bye"]);
    expect(missed.status).toBe(1);
    expect(missed.stdout).toBe(`${GREETING}\n`);
    expect(missed.stderr).toBe("error: The guest ended before its console matched /Bye/.\n");
  });

  test("--exec prints nothing of the console, and fails in a guest that ends", async () => {
    const { status, stdout, stderr } = await wardian(["boot", "hello", "--exec", "true"]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toBe("error: The guest ended before the command had run.\n");
  });

  test("Ctrl-A x through a pipe, and the end of input doesn't end the guest", async () => {
    expect(await wardian(bare(IDLE), { input: "abc\x01x" })).toEqual({ status: 0, stdout: "", stderr: "" });
    expect((await wardian([...bare(IDLE), "--timeout", "0.5"], { input: "" })).status).toBe(124);
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("%s gives %d", async (signal, status) => {
    const guest = put(dir, `echo-${signal}.bin`, echo());
    const outcome = await wardian([...bare(guest), "--timeout", "20"], {
      input: "x",
      // It is running when it has echoed.
      during: (child) => child.stdout.once("data", () => child.kill(signal)),
    });
    expect(outcome.status).toBe(status);
    expect(outcome.stderr).toBe(`error: Ended by ${signal}.\n`);
  });
});

describe("files", () => {
  test("--stats, at the end of every run", async () => {
    const stats = join(dir, "stats.json");
    await wardian(["boot", "hello", "--stats", stats]);
    const ended = JSON.parse(readFileSync(stats, "utf8"));
    expect(ended.instructions).toBeGreaterThan(100);
    expect(ended.instructions).toBe(ended.counters.instructions);
    expect(ended.seconds.wall).toBeGreaterThan(0);
    expect(ended.seconds.cpu).toBeGreaterThan(0);
    expect(ended.firstConsoleByteSeconds).toBeGreaterThan(0);
    expect(ended.firstConsoleByteSeconds).toBeLessThanOrEqual(ended.seconds.wall);
    expect(ended.peakMemoryBytes).toBeGreaterThan(2 ** 24);

    const { status, stdout } = await wardian([...bare(IDLE), "--timeout", "0.3", "--stats", "-"]);
    expect(status).toBe(124);
    const stopped = JSON.parse(stdout);
    expect(stopped.firstConsoleByteSeconds).toBeNull();
    expect(stopped.seconds.wall).toBeGreaterThanOrEqual(0.29);
  });

  test("--log has events and console lines by time", async () => {
    const log = join(dir, "log.txt");
    await wardian(["boot", "hello", "--log", log]);
    const lines = readFileSync(log, "utf8").trimEnd().split("\n");
    expect(lines.map((line) => line.replace(/^ *\d+\.\d{6} /, ""))).toEqual([
      "machine: started",
      `console: ${GREETING}`,
      "machine: ends with status 0",
    ]);
    const times = lines.map((line) => Number.parseFloat(line));
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  test("--trace has every instruction", async () => {
    const trace = join(dir, "trace.txt");
    const stats = join(dir, "trace.json");
    await wardian(["boot", "hello", "--trace", trace, "--stats", stats]);
    const lines = readFileSync(trace, "utf8").trimEnd().split("\n");
    expect(lines[0]).toMatch(/^0 M 0{12}1000 00000297 auipc t0,/);
    expect(lines.length).toBe(JSON.parse(readFileSync(stats, "utf8")).instructions);
  });

  test("--dump-dtb writes the tree and boots nothing; --dtb takes it again", async () => {
    const tree = join(dir, "tree.dtb");
    const args = ["boot", "hello", "--memory", "32M", "--harts", "2"];
    expect(await wardian([...args, "--dump-dtb", tree])).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(() => readDtb(readFileSync(tree))).not.toThrow();
    expect(readFileSync(tree).includes("riscv-virtio")).toBe(true);
    expect((await wardian([...args, "--dtb", tree])).status).toBe(0);
  });

  test("--deterministic retires the same number of instructions", async () => {
    const run = async () => {
      const { stdout } = await wardian(["boot", "selftest", "--deterministic", "--stats", "-"]);
      return [JSON.parse(stdout.trimEnd().split("\n").at(-1)!).instructions, stdout.includes("PASS")];
    };
    const first = await run();
    expect(first[1]).toBe(true);
    expect(await run()).toEqual(first);
  });
});

test("image ls shows what there is", async () => {
  const { status, stdout } = await wardian(["image", "ls"], { env: { XDG_CACHE_HOME: join(dir, "cache") } });
  expect(status).toBe(0);
  expect(stdout).toMatch(/^NAME +STATE +VERSION +SIZE +DESCRIPTION\n/);
  expect(stdout).toMatch(/^debian +not fetched /m);
  expect(stdout).toMatch(/^hello +ready /m);
  const json = await wardian(["image", "ls", "--json"], { env: { XDG_CACHE_HOME: join(dir, "cache") } });
  expect(JSON.parse(json.stdout).map(({ name }: { name: string }) => name)).toContain("selftest");
});
