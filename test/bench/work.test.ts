import { describe, expect, it } from "vitest";
import type { Line } from "../../bench/lines.ts";
import { doneOf, workScript } from "../../bench/suites/work.ts";
import { run } from "../../src/oracle/command.ts";

describe("work", () => {
  it("is a script that a shell takes, and that gives our files as they are", async () => {
    const files = new Map([["a.txt", "it's $HOME\n`b` \\ and more\n"]]);
    const script = workScript(files, [
      ["first job", "cat a.txt; echo wrong >&2"],
      ["loop", "i=0; while [ $i -lt 3 ]; do i=$((i + 1)); echo $i; done"],
    ]);
    // The host's shell has no tmpfs to mount here, and needs none of what is read before.
    const own = script.slice(script.indexOf("cat >a.txt"));
    const { stdout, code } = await run(["sh", "-c", `cd "$(mktemp -d)"; ${own}\ncat a.txt; rm -r "$PWD"`]);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^begin first job\nbench first job \d+\nsum first job [0-9a-f]{16}\nbegin loop\nbench loop \d+\nsum loop [0-9a-f]{16}\n/,
    );
    expect(stdout.endsWith("it's $HOME\n`b` \\ and more\n")).toBe(true);
  });

  const at = (all: number) => ({ all, busiest: 0 });
  const lines: Line[] = [
    { text: "begin a", cpu: at(2) },
    { text: "bench a 1500000000", cpu: at(3.25) },
    { text: "sum a 0123456789abcdef", cpu: at(3.5) },
    { text: "begin a b", cpu: at(4) },
    { text: "bench a b 250000000", cpu: at(5) },
    { text: "sum a b fedcba9876543210", cpu: at(5) },
  ];

  it("is read from a console, with the processor's time of each job", () => {
    // Names may begin alike, in any order.
    const done = doneOf([...lines.slice(3), ...lines.slice(0, 3)], ["a", "a b"], "m");
    expect(done.get("a")).toEqual({ wall: 1.5, cpu: 1.25, sum: "0123456789abcdef" });
    expect(done.get("a b")).toEqual({ wall: 0.25, cpu: 1, sum: "fedcba9876543210" });
  });

  it("is refused when a job is missing, with the machine's last words", () => {
    const panic = [...lines.slice(0, 4), { text: "Kernel panic", cpu: at(9) }];
    expect(() => doneOf(panic, ["a", "a b"], "m")).toThrow('m didn\'t say "bench a b", but: Kernel panic');
  });
});
