import { describe, expect, it } from "vitest";
import { run, runTool } from "../../src/oracle/command.ts";

/** Spins for some processor time. */
const burn = (milliseconds: number): string[] => [
  process.execPath,
  "-e",
  `for (const { user } = process.cpuUsage(); process.cpuUsage().user - user < ${milliseconds * 1000}; );`,
];

describe("run", () => {
  it("accounts processor time of the child, not what it slept", async () => {
    const busy = await run(burn(300));
    expect(busy.cpu).toBeGreaterThan(0.3);
    expect(busy.cpu).toBeLessThan(3);
    const idle = await run(["sleep", "0.5"]);
    expect(idle.wall).toBeGreaterThanOrEqual(0.5);
    expect(idle.cpu).toBeLessThan(0.2);
  });

  it("keeps the streams and the code apart", async () => {
    const { stdout, stderr, code } = await run(["sh", "-c", "echo out; echo err >&2; exit 3"]);
    expect({ stdout, stderr, code }).toEqual({ stdout: "out\n", stderr: "err\n", code: 3 });
  });

  it("passes arguments as they are", async () => {
    expect((await run(["printf", "%s|", "a b", "$HOME", "'", ""])).stdout).toBe("a b|$HOME|'||");
  });

  it("ends what takes too long, and its children", async () => {
    const started = Date.now();
    await expect(run(["sh", "-c", "sleep 60"], { timeout: 0.3 })).rejects.toThrow("didn't end within 0.3 seconds");
    expect(Date.now() - started).toBeLessThan(10_000);
  });
});

describe("runTool", () => {
  it("says what to install when the program isn't there", async () => {
    await expect(runTool(["no-such-program-here"], "install the package x")).rejects.toThrow(
      "no-such-program-here isn't here: install the package x",
    );
  });

  it("says how it failed", async () => {
    await expect(runTool(["sh", "-c", "echo oops >&2; exit 2"], "")).rejects.toThrow(/failed with code 2: oops$/);
  });
});
