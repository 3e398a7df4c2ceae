import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildKernel } from "../../bench/build.ts";
import { BenchError } from "../../bench/errors.ts";
import { KERNELS } from "../../bench/kernels.ts";
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
  const usage = { wall: 9, cpu: 1, stderr: "", code: 0 };
  const lines = (sum: string, ...times: string[]) => times.map((time) => `${sum.repeat(16)} ${time}\r\n`).join("");
  const kernels = KERNELS.filter(({ name }) => name === "sha256" || name === "hash");

  it("is read by program, with the kernel's own lines around", () => {
    const stdout = `booting\r\nprogram sha256\r\n${lines("1", "0001.500000", "0000.250000", "0000.125000", "0000.250000")}program hash\r\n${lines("2", "0000.100000", "0000.050000", "0000.060000", "0000.070000")}[    9.1] reboot: System halted`;
    const outcomes = outcomesOf("m", kernels, 4, { ...usage, stdout });
    expect(outcomes.get("sha256")).toMatchObject({ checksum: "1".repeat(16), first: 1.5, steady: 0.25 });
    expect(outcomes.get("hash")).toMatchObject({ checksum: "2".repeat(16), first: 0.1, steady: 0.06 });
  });

  it("is refused when a program has said nothing", () => {
    const stdout = `program sha256\r\n${lines("1", "0001.500000", "0000.250000")}`;
    expect(() => outcomesOf("m", kernels, 2, { ...usage, stdout })).toThrow(BenchError);
  });
});
