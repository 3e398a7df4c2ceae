/** What its owner can do with a machine that runs Debian: pause it, look into it, leave it alone, let it reboot. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testEngine } from "../support/engine.ts";
import { complaints, Machine, MINUTES, PATIENCE, prompt, transcript } from "./guests.ts";

const KERNEL = 0x8020_0000;
const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

let vm: Machine;
let shown: () => string;

beforeAll(async () => {
  vm = await Machine.create({ image: "debian" });
  shown = transcript(vm);
  await vm.start();
  await vm.exec("true", { timeout: PATIENCE });
}, 10 * MINUTES);

afterAll(() => vm?.stop());

const uptime = async () => Number((await vm.exec("cat /proc/uptime", { timeout: PATIENCE })).stdout.split(" ")[0]);

describe("a machine that runs Debian", () => {
  test("shows its memory, and takes writes to it", async () => {
    const header = await vm.memory.read(KERNEL, 64);
    // Documentation/arch/riscv/boot-image-header.rst: magic at 48, magic2 at 56.
    expect(Buffer.from(header.subarray(48, 60)).toString("latin1")).toBe("RISCV\0\0\0RSC\x05");
    const marked = header.slice();
    marked.fill(0xa5, 0, 16);
    await vm.memory.write(BigInt(KERNEL), marked);
    expect(await vm.memory.read(BigInt(KERNEL), 64)).toEqual(marked);
    await vm.memory.write(KERNEL, header);
    await expect(vm.memory.read(0, 8)).rejects.toThrow(/0x0, 8 bytes, is not wholly RAM/);
    await expect(vm.memory.read(0x8000_0000 + 0x2000_0000 - 4, 8)).rejects.toThrow(/not wholly RAM/);
  });

  test(
    "doesn't see the time in which it is paused",
    async () => {
      const from = performance.now();
      const before = await uptime();
      await vm.pause();
      const stood = await vm.stats();
      await sleep(2000);
      expect((await vm.stats()).instructions).toBe(stood.instructions);
      await vm.resume();
      const after = await uptime();
      const real = (performance.now() - from) / 1000;
      // The guest tells hundredths; without the pause at least these two seconds are missing.
      expect(after).toBeGreaterThanOrEqual(before);
      expect(after - before).toBeLessThan(real - 2 + 0.05);
    },
    MINUTES,
  );

  test(
    "leaves the host alone when it is idle",
    async () => {
      // The kernel has work to do for some seconds after it is up: look until a window is quiet.
      let retired = Number.POSITIVE_INFINITY;
      let interrupts = Number.POSITIVE_INFINITY;
      for (let attempt = 0; attempt < 20 && (retired > 3e6 || interrupts > 200); attempt++) {
        const before = await vm.stats();
        const cpu = process.cpuUsage();
        await sleep(2000);
        const { user, system } = process.cpuUsage(cpu);
        const after = await vm.stats();
        retired = after.instructions - before.instructions;
        interrupts = after.counters.interrupts - before.counters.interrupts;
        console.log(
          `idle for 2 s: ${retired} instructions, ${interrupts} interrupts, ${((user + system) / 2e4).toFixed(2)} % of a core`,
        );
      }
      // A core of the slowest host that matters retires a hundred times as many in two seconds.
      expect(retired).toBeLessThan(3e6);
      expect(interrupts).toBeLessThan(200);
    },
    2 * MINUTES,
  );

  test("counts what it does", async () => {
    const { instructions, seconds, mips, firstConsoleByteSeconds, peakMemoryBytes, counters } = await vm.stats();
    expect(instructions).toBe(counters.instructions);
    expect(instructions).toBeGreaterThan(1e9);
    expect(seconds.wall).toBeGreaterThan(firstConsoleByteSeconds!);
    expect(firstConsoleByteSeconds).toBeGreaterThan(0);
    expect(seconds.cpu).toBeGreaterThan(0);
    expect(mips).toBeCloseTo(instructions / seconds.cpu / 1e6, 6);
    expect(peakMemoryBytes).toBeGreaterThan(64 << 20);
    const { regions, regionsAlive, regionsRecalled, regionBytes, evictions, compiledInstructions, ...rest } = counters;
    // The interpreter has none.
    const ofTheJit = [regions, regionsAlive, regionBytes, compiledInstructions];
    expect(ofTheJit.map((count) => count > 0)).toEqual(Array(4).fill(testEngine() !== "interpreter"));
    expect(compiledInstructions).toBeLessThan(instructions);
    // Tests keep no compiled code.
    expect([evictions, regionsRecalled]).toEqual([0, 0]);
    for (const [name, count] of Object.entries(rest)) expect([name, count > 0]).toEqual([name, true]);
    expect(counters.pageWalks).toBeLessThan(instructions);
    const later = await vm.stats();
    expect(later.instructions).toBeGreaterThanOrEqual(instructions);
  });

  test(
    "makes a command wait whose output isn't taken, and loses none of it",
    async () => {
      let bytes = 0;
      let release: (() => void) | undefined;
      const gate = new Promise<void>((done) => {
        release = done;
      });
      const total = 8 << 20;
      const command = vm.exec("dd if=/dev/zero bs=64K count=128 2>/dev/null", {
        timeout: PATIENCE,
        stdout: (chunk) => {
          bytes += chunk.length;
          return gate;
        },
      });
      let last = -1;
      while (bytes === 0 || bytes !== last) {
        last = bytes;
        await sleep(300);
      }
      expect(bytes).toBeLessThan(1 << 20);
      release!();
      expect(await command).toEqual({ status: 0, stdout: "", stderr: "" });
      expect(bytes).toBe(total);
    },
    MINUTES,
  );

  test(
    "goes on after a command whose owner failed or gave up",
    async () => {
      const failing = vm.exec("echo lost; echo too; exit 1", {
        stdout: () => {
          throw new Error("disk full");
        },
      });
      await expect(failing).rejects.toThrow("disk full");
      await expect(vm.exec("sleep 1; echo late", { timeout: 50 })).rejects.toThrow(/hasn't ended within 0\.05 s/);
      expect((await vm.exec("echo next", { timeout: PATIENCE })).stdout).toBe("next\n");
      await expect(vm.exec(`: ${"x".repeat(100_000)}`)).rejects.toThrow(/longer than \d+ bytes; put it into a file/);
    },
    MINUTES,
  );

  test(
    "boots again when it is rebooted from inside",
    async () => {
      let resets = 0;
      vm.on("reset", () => resets++);
      await prompt(vm);
      const { instructions } = await vm.stats();
      expect((await vm.exec("echo >/tmp/mark; ls /tmp", { timeout: PATIENCE })).stdout).toContain("mark");
      const lost = vm.exec("sleep 1000").catch((error: Error) => error.message);
      vm.console.write("reboot\n");
      // What the guest's agent was at is over with the guest that it ran in.
      expect(await lost).toMatch(/agent/);
      const { stdout } = await vm.exec("ls /tmp; echo up", { timeout: PATIENCE });
      expect(stdout).toBe("up\n");
      expect(resets).toBe(1);
      expect(shown().match(/Linux version/g)).toHaveLength(2);
      expect(complaints(shown())).toEqual([]);
      // Two boots have been counted.
      expect((await vm.stats()).instructions).toBeGreaterThan(instructions + 1e9);
      await prompt(vm);
      vm.console.write("poweroff\n");
      expect(await vm.exited).toEqual({ kind: "poweroff", code: 0 });
    },
    10 * MINUTES,
  );
});
