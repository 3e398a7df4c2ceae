import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { KERNELS } from "../../bench/kernels.ts";
import { bootArguments } from "../../bench/machines.ts";
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
    const machines = { wardian: undefined, qemus: [qemu], native: true, v86: false };
    const options = { kernels: KERNELS, runs: 1, repetitions: 3, scale: TINY, directory };
    const rows = await runKernels(machines, options, () => {});
    const measures = ["first", "steady", "process"];
    expect(rows.map(({ name }) => name)).toEqual(
      KERNELS.flatMap(({ name }) => measures.map((measure) => `${name}, ${measure}`)),
    );
    for (const row of rows) {
      expect(row).toMatchObject({ suite: "kernels", better: "lower" });
      expect(Object.keys(row.results).sort()).toEqual(["native", "qemu", qemu.label].sort());
      for (const value of Object.values(row.results)) expect(Number.isFinite(value)).toBe(true);
    }
  });

  it("hold wardian against its peers, in all and with integers", async () => {
    // Clocks that differ by a factor known, on sha256 (of integers) and on matmul (of doubles).
    const machine = (factor: number) => async (args: readonly string[]) => {
      const slow = args.join().includes("matmul") ? factor ** 2 : factor;
      const lines = [0.4, 0.3, 0.1].map((seconds) => `0123456789abcdef ${(seconds * slow).toFixed(6)}\n`);
      return { wall: 60, cpu: 1, stderr: "", code: 0, stdout: lines.join("") };
    };
    const machines = {
      wardian: { command: () => [], boot: machine(1) },
      qemus: [
        { label: "qemu-7.2", version: 7, command: [], env: {}, run: machine(3) },
        { label: "qemu-10.0", version: 10, command: [], env: {}, run: machine(2) },
      ],
      native: false,
      v86: false,
    };
    const kernels = KERNELS.filter(({ name }) => name === "sha256" || name === "matmul");
    const options = { kernels, runs: 2, repetitions: 3, scale: TINY, directory };
    const rows = await runKernels(machines, options, () => {});
    const row = (wanted: string) => rows.find(({ name }) => name === wanted)!;
    expect(row("sha256, first").results).toEqual({ wardian: 0.4, "qemu-7.2": 1.2, "qemu-10.0": 0.8, qemu: 0.8 });
    expect(row("sha256, steady").results.wardian).toBeCloseTo(0.2);
    expect(rows.slice(-6).map(({ name }) => name)).toEqual([
      "geometric mean of 2, steady",
      "geometric mean of 1 with integers, steady",
      "least of 2, steady",
      "geometric mean of 2, first",
      "geometric mean of 1 with integers, first",
      "least of 2, first",
    ]);
    for (const measure of ["steady", "first"]) {
      expect(row(`geometric mean of 2, ${measure}`).ratios.qemu).toBeCloseTo(Math.sqrt(8));
      expect(row(`geometric mean of 1 with integers, ${measure}`).ratios.qemu).toBeCloseTo(2);
      expect(row(`least of 2, ${measure}`).ratios).toEqual({ qemu: expect.closeTo(2) });
    }
  });

  it("reports a machine that computes something else", { timeout: 30_000 }, async () => {
    const qemu = await hostQemu();
    const wrong = {
      ...qemu,
      label: "qemu-0.0",
      version: 1,
      run: async (args: readonly string[]) => {
        const usage = await qemu.run(args);
        return { ...usage, stdout: usage.stdout.replace(/^./gm, (digit) => (digit === "0" ? "1" : "0")) };
      },
    };
    const machines = { wardian: undefined, qemus: [qemu, wrong], native: false, v86: false };
    const options = { kernels: KERNELS.slice(0, 1), runs: 1, repetitions: 2, scale: TINY, directory };
    await expect(runKernels(machines, options, () => {})).rejects.toThrow(/sha256 computes different things/);
  });
});

describe("outcome", () => {
  const usage = { wall: 2, cpu: 1.5, stderr: "", code: 0 };

  /** Output of a run whose repetitions took these seconds. */
  const output = (...seconds: string[]) => seconds.map((text) => `0123456789abcdef ${text}\r\n`).join("");

  it("is read from among other lines: the first repetition, and the median of the others", () => {
    const stdout = `booting\r\n${output("1.250000", "0.250000", "0.125000", "0.200000")}bye\r\n`;
    expect(readOutcome("m", "k", 4, { ...usage, stdout })).toEqual({
      checksum: "0123456789abcdef",
      first: 1.25,
      steady: 0.2,
      cpu: 1.5,
    });
  });

  it("is refused when a repetition is missing", () => {
    const stdout = `${output("0.500000")}trap: cause 0x2\n`;
    expect(() => readOutcome("m", "k", 2, { ...usage, stdout })).toThrow(
      "k gave 1 of 2 results on m, but: trap: cause 0x2",
    );
  });

  it("is refused when a repetition computes something else", () => {
    const stdout = `${output("0.500000")}0123456789abcdee 0.500000\n`;
    expect(() => readOutcome("m", "k", 2, { ...usage, stdout })).toThrow(
      "k computes different things when repeated on m: 0123456789abcdef, 0123456789abcdee",
    );
  });

  it("is refused when the guest trapped, with its words", () => {
    const stdout = "trap: cause 0x2, pc 0x80000000, value 0x0\n";
    expect(() => readOutcome("m", "k", 2, { ...usage, stdout })).toThrow("k gave no result on m, but: trap: cause 0x2");
  });

  it("is refused when the guest's clock runs faster than the host's", () => {
    const stdout = output("1.500000", "1.500000");
    expect(() => readOutcome("m", "k", 2, { ...usage, stdout })).toThrow("m's clock is wrong: k took 3 s by it");
  });
});

describe("wardian", () => {
  it("runs the engine that was asked for, or what its users get", () => {
    expect(bootArguments(["debian"], "jit")).toEqual(["boot", "debian", "--engine", "jit"]);
    expect(bootArguments(["debian"])).toEqual(["boot", "debian"]);
  });
});
