import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { KERNELS } from "../../bench/kernels.ts";
import { readOutcome, runKernels } from "../../bench/suites/kernels.ts";
import { hostQemu } from "../../src/oracle/qemu.ts";

const TINY = 0.01;

describe("kernels", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "bench-test-"));
  });
  afterAll(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  it("compute the same on the host and in QEMU, and give rows of both", { timeout: 60_000 }, async () => {
    const qemu = await hostQemu();
    const machines = { wardian: undefined, qemus: [qemu], native: true };
    const options = { kernels: KERNELS, runs: 1, scale: TINY, directory };
    const rows = await runKernels(machines, options, () => {});
    expect(rows.map(({ name }) => name)).toEqual(KERNELS.flatMap(({ name }) => [name, `${name}, process`]));
    for (const row of rows) {
      expect(row).toMatchObject({ suite: "kernels", better: "lower" });
      expect(Object.keys(row.results).sort()).toEqual(["native", "qemu", qemu.label].sort());
      for (const value of Object.values(row.results)) expect(Number.isFinite(value)).toBe(true);
    }
  });

  it("reports a machine that computes something else", { timeout: 30_000 }, async () => {
    const qemu = await hostQemu();
    const wrong = {
      label: "qemu-0.0",
      version: 1,
      run: async (args: readonly string[]) => {
        const usage = await qemu.run(args);
        return { ...usage, stdout: usage.stdout.replace(/^./m, (digit) => (digit === "0" ? "1" : "0")) };
      },
    };
    const machines = { wardian: undefined, qemus: [qemu, wrong], native: false };
    const options = { kernels: KERNELS.slice(0, 1), runs: 1, scale: TINY, directory };
    await expect(runKernels(machines, options, () => {})).rejects.toThrow(/sha256 computes different things/);
  });
});

describe("outcome", () => {
  const usage = { wall: 2, cpu: 1.5, stderr: "", code: 0 };

  it("is read from among other lines", () => {
    const stdout = "booting\r\n0123456789abcdef 1.250000\r\nbye\r\n";
    expect(readOutcome("m", "k", { ...usage, stdout })).toEqual({
      checksum: "0123456789abcdef",
      seconds: 1.25,
      cpu: 1.5,
    });
  });

  it("is refused when the guest trapped, with its words", () => {
    const stdout = "trap: cause 0x2, pc 0x80000000, value 0x0\n";
    expect(() => readOutcome("m", "k", { ...usage, stdout })).toThrow("k gave no result on m, but: trap: cause 0x2");
  });

  it("is refused when the guest's clock runs faster than the host's", () => {
    const stdout = "0123456789abcdef 5.000000\n";
    expect(() => readOutcome("m", "k", { ...usage, stdout })).toThrow(/m's clock is wrong/);
  });
});
