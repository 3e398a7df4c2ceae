import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildKernel } from "../../bench/build.ts";
import { BenchError } from "../../bench/errors.ts";
import { KERNELS } from "../../bench/kernels.ts";
import { type Line, runLines } from "../../bench/lines.ts";
import { readOutcome } from "../../bench/suites/kernels.ts";
import { outcomesOf } from "../../bench/suites/peers.ts";
import { runTool } from "../../src/oracle/command.ts";

describe("kernels as programs of Linux", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "bench-test-"));
  });
  afterAll(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  it("compute on riscv64 and on i386 what they do on the host", { timeout: 120_000 }, async () => {
    const options = { scale: 0.01, repetitions: 2, unfused: true, directory };
    for (const kernel of KERNELS) {
      const run = async (...command: string[]) =>
        readOutcome(command[0]!, kernel.name, 2, await runTool(command, "install the package qemu-user")).checksum;
      const native = await run(await buildKernel(kernel, "native", { ...options }));
      expect(await run("qemu-riscv64", await buildKernel(kernel, "linux", options)), kernel.name).toBe(native);
      const i386 = await buildKernel(kernel, "linux-i386", options);
      expect(await run("qemu-i386", i386), kernel.name).toBe(native);
    }
  });
});

describe("peers' output", () => {
  const kernels = KERNELS.filter(({ name }) => name === "sha256" || name === "hash");
  const at = (all: number) => ({ all, busiest: all / 2 });
  const result = (digit: string, all: number): Line => ({ text: `${digit.repeat(16)} 0000.250000`, cpu: at(all) });
  const program = (name: string, all: number): Line => ({ text: `program ${name}`, cpu: at(all) });
  const sha256 = [program("sha256", 3), result("1", 5), result("1", 5.5), result("1", 6.5)];
  const hash = [program("hash", 7), result("2", 8), result("2", 8.25), result("2", 8.5)];
  const bootAndEnd = (...lines: Line[]) => [{ text: "booting", cpu: at(1) }, ...lines, { text: "halted", cpu: at(9) }];

  it("is read by program: the first result by all threads, and the mean of the later ones by the busiest", () => {
    const outcomes = outcomesOf("m", kernels, 3, bootAndEnd(...sha256, ...hash));
    expect(outcomes.get("sha256")).toEqual({ checksum: "1".repeat(16), first: 2, steady: 0.375 });
    expect(outcomes.get("hash")).toEqual({ checksum: "2".repeat(16), first: 1, steady: 0.125 });
  });

  it("is refused when a program has said too little, nothing, or something else", () => {
    expect(() => outcomesOf("m", kernels, 3, bootAndEnd(...sha256))).toThrow("hash gave 0 of 3 results on m");
    const less = bootAndEnd(...sha256.slice(0, -1), ...hash);
    expect(() => outcomesOf("m", kernels, 3, less)).toThrow("sha256 gave 2 of 3 results on m");
    const other = bootAndEnd(...sha256, ...hash.slice(0, -1), result("3", 9));
    expect(() => outcomesOf("m", kernels, 3, other)).toThrow("hash computes different things when repeated on m");
  });
});

describe("a program's lines", () => {
  const node = (code: string) => [process.execPath, "-e", code];

  it("come with the processor time that it had taken by then", { timeout: 60_000 }, async () => {
    const work = "let x = 1; for (let i = 0; i < 3e8; i++) x = (x * i) | 1;";
    const lines = await runLines(node(`console.log("a"); ${work} console.log("b\\nc")`), 60);
    expect(lines.map(({ text }) => text)).toEqual(["a", "b", "c"]);
    // Node's own start is in it as well, and the loop takes any processor longer than that.
    expect(lines[0]!.cpu.all).toBeGreaterThan(0);
    expect(lines[1]!.cpu.busiest - lines[0]!.cpu.busiest).toBeGreaterThan(0.05);
    expect(lines[2]!.cpu.all).toBeGreaterThanOrEqual(lines[1]!.cpu.all);
  });

  it("of one that fails or doesn't end are an error", { timeout: 60_000 }, async () => {
    await expect(runLines(node('console.error("no room"); process.exit(3)'), 60)).rejects.toThrow(
      "failed with code 3: no room",
    );
    await expect(runLines(node("setInterval(() => {}, 1000)"), 0.5)).rejects.toThrow("didn't end within 0.5 seconds");
    await expect(runLines(["/nonexistent"], 1)).rejects.toThrow(BenchError);
  });
});
