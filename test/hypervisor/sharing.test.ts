/** Many machines in one process, some of them hostile, on this host's real executors. */

import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { describe, expect, onTestFinished, test } from "vitest";
import { built, Machine, rom } from "../boot/guests.ts";
import { echo, HOSTILE, idle } from "./guests.ts";

const MEMORY = 4 << 20;
const MINUTE = 60_000;
const rest = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function start(kernel: Uint8Array): Promise<Machine> {
  const vm = await Machine.create({ bios: "none", kernel, memory: MEMORY });
  onTestFinished(() => vm.stop());
  await vm.start();
  return vm;
}

/** Types a line and waits for it to come back. */
async function talk(vm: Machine, line: string): Promise<void> {
  vm.console.write(`${line}\n`);
  await vm.console.expect(new RegExp(`^${line}\n`), { timeout: MINUTE });
}

describe("a guest beside one on every executor that", () => {
  test.each(Object.entries(HOSTILE))(
    "%s is served",
    async (_, hostile) => {
      const others = [];
      for (let i = 0; i < availableParallelism(); i++) others.push(await start(hostile(MEMORY)));
      const vm = await start(echo());
      for (let i = 0; i < 5; i++) await talk(vm, `line ${i}`);
      // The others are what they were, and obey their owner.
      for (const other of others) {
        expect((await other.stats()).instructions).toBeGreaterThan(0);
        await other.stop();
        expect(await other.exited).toEqual({ kind: "stopped", code: 0 });
      }
      await talk(vm, "alone");
    },
    MINUTE,
  );
});

test(
  "an owner who doesn't take the output stops his guest, and no other",
  async () => {
    const spam = HOSTILE["fills the console"]!(MEMORY);
    const vm = await start(echo());
    const greedy = await Machine.create({ bios: "none", kernel: spam, memory: MEMORY });
    onTestFinished(() => greedy.stop());
    let bytes = 0;
    const waiting: (() => void)[] = [];
    greedy.console.onData((chunk) => {
      bytes += chunk.length;
      return new Promise<void>((done) => waiting.push(done));
    });
    await greedy.start();
    let last = -1;
    while ((await greedy.stats()).instructions !== last) {
      last = (await greedy.stats()).instructions;
      await rest(200);
    }
    expect(bytes).toBeGreaterThan(1 << 20);
    expect(bytes).toBeLessThan(8 << 20);
    await talk(vm, "undisturbed");
    // It goes on where it stood once its output is taken.
    const before = bytes;
    for (const done of waiting.splice(0)) done();
    while (bytes === before) await rest(20);
    expect((await greedy.stats()).instructions).toBeGreaterThan(last);
  },
  MINUTE,
);

test(
  "fifty machines, made, run and stopped, and fifty more",
  async () => {
    for (let round = 0; round < 2; round++) {
      const machines = await Promise.all(
        Array.from({ length: 50 }, (_, i) =>
          i % 2 === 0
            ? Machine.create({ image: "hello" })
            : Machine.create({ bios: "none", kernel: idle(), memory: "512M" }),
        ),
      );
      await Promise.all(machines.map((vm) => vm.start()));
      const ends = await Promise.all(
        machines.map(async (vm, i) => {
          if (i % 2) await vm.stop();
          return (await vm.exited).kind;
        }),
      );
      expect(ends).toEqual(machines.map((_, i) => (i % 2 ? "stopped" : "poweroff")));
    }
  },
  MINUTE,
);

/** A program of its own: its exit status and output. */
function node(script: string): Promise<{ status: number | null; output: string }> {
  const head = `import { Machine } from ${JSON.stringify(`file://${built("node.js")}`)};`;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", `${head}\n${script}`]);
    const timer = setTimeout(() => child.kill("SIGKILL"), MINUTE / 2);
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    child.on("error", reject);
    child.on("close", (status) => {
      clearTimeout(timer);
      resolve({ status, output });
    });
  });
}

describe("a program", () => {
  const IDLE = `{ bios: "none", memory: "16M", kernel: new Uint8Array(${JSON.stringify([...idle()])}) }`;

  test(
    "ends by itself when its machines have ended or were stopped",
    async () => {
      const { status, output } = await node(`
      const hello = await Machine.create({ image: "hello" });
      const idle = await Machine.create(${IDLE});
      const unused = await Machine.create(${IDLE});
      await hello.start();
      await idle.start();
      console.log((await hello.exited).kind);
      await idle.stop();
      await unused.stop();
      console.log((await idle.exited).kind);`);
      expect({ status, output }).toEqual({ status: 0, output: "poweroff\nstopped\n" });
    },
    MINUTE,
  );

  test(
    "goes on while one runs, though nothing else is to do",
    async () => {
      const { status, output } = await node(`
      const vm = await Machine.create({ image: "hello" });
      vm.on("exit", ({ kind }) => console.log(kind));
      await vm.start();`);
      expect({ status, output }).toEqual({ status: 0, output: "poweroff\n" });
    },
    MINUTE,
  );

  test(
    "gets what its listeners throw as an uncaught error",
    async () => {
      for (const listener of [`() => { throw new Error("mine"); }`, `async () => { throw new Error("mine"); }`]) {
        const { status, output } = await node(`
        const vm = await Machine.create({ image: "hello" });
        vm.console.onData(${listener});
        await vm.start();`);
        expect(status).toBe(1);
        expect(output).toContain("Error: mine");
      }
    },
    MINUTE,
  );
});

describe("one sentence says why a machine can't be made", () => {
  const hello = rom("hello/hello.elf");
  test.each([
    [{}, /no kernel/],
    [{ image: "nonesuch" }, /^There is no image and no file called nonesuch/],
    [{ kernel: "/nonesuch" }, /nonesuch/],
    [{ kernel: hello, initrd: "/nonesuch" }, /nonesuch/],
    [{ kernel: hello, bios: "/nonesuch" }, /nonesuch/],
    [{ kernel: hello, dtb: "/nonesuch" }, /nonesuch/],
    [{ kernel: hello, dtb: new Uint8Array(64) }, /device tree/i],
    [{ kernel: new Uint8Array(0) }, /empty|no kernel/i],
    [{ kernel: hello, harts: 0 }, /^A machine can't have 0 harts; choose 1 to 8\.$/],
    [{ kernel: hello, harts: 9 }, /^A machine can't have 9 harts/],
    [{ kernel: hello, harts: 1.5 }, /^A machine can't have 1\.5 harts/],
    [{ kernel: hello, harts: Number.NaN }, /^A machine can't have NaN harts/],
    [{ kernel: hello, memory: "some" }, /^"some" is not a size of memory/],
    [{ kernel: hello, memory: "64G" }, /too large/],
    [{ kernel: hello, memory: "1M" }, /too small/],
    [{ bios: "none", kernel: new Uint8Array(5 << 20), memory: "4M" }, /memory/],
  ] as const)("%#", async (options, message) => {
    const error: Error = await Machine.create(options).then(
      async (vm) => {
        await vm.stop();
        throw new Error("it was made");
      },
      (reason) => reason,
    );
    expect(error.message).toMatch(message);
    expect(error.name).toMatch(/^(Machine|Boot|Image|File|Core)\w*Error$/);
    expect(error.message).toMatch(/^[A-Z"][^\n]*\.$/);
  });
});
