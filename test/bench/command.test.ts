import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { KERNELS } from "../../bench/kernels.ts";
import { run } from "../../src/oracle/command.ts";

const BENCH = fileURLToPath(new URL("../../dist/bench.js", import.meta.url));
const bench = (...args: string[]) => run([process.execPath, BENCH, ...args]);

/** Refused with these words and no more than a sentence or two on one line. */
async function refused(args: string[], words: string): Promise<void> {
  const { code, stdout, stderr } = await bench(...args);
  expect(code).not.toBe(0);
  expect(stdout).toBe("");
  expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  expect(stderr).toContain(words);
}

describe("npm run bench", () => {
  it("refuses an unknown kernel and says which there are", async () => {
    await refused(["kernels", "--kernel", "fast"], `It is one of ${KERNELS.map(({ name }) => name).join(", ")}.`);
  });

  it("refuses an unknown engine, peer or suite and says which there are", async () => {
    await refused(["--engine", "fast"], "It is one of interpreter, jit, both.");
    await refused(["--against", "nobody"], "It is one of qemu, native, v86.");
    await refused(
      ["nothing"],
      "nothing: It is one of kernels, boot, disk, net, share, debian, work, micro, browser, peers.",
    );
  });

  it("refuses counts that can't be", async () => {
    await refused(["--repetitions", "1"], "It is a whole number, at least 2.");
    await refused(["--runs", "1.5"], "It is a whole number, at least 1.");
    await refused(["--scale", "-1"], "It is a number above 0.");
  });
});
