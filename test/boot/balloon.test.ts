/** A Linux guest that gives memory back. */

import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { complaints, Machine, MINUTES, PATIENCE, rom } from "./guests.ts";

const MIB = 2 ** 20;

async function until(condition: () => Promise<boolean>): Promise<void> {
  const over = Date.now() + PATIENCE;
  while (!(await condition())) {
    if (Date.now() > over) throw new Error(`It was waited for in vain: ${condition}`);
    await sleep(50);
  }
}

test(
  "a balloon takes memory and gives it back, and what the guest doesn't use isn't in its snapshot",
  async () => {
    const vm = await Machine.create({ image: "debian", memory: "384M", balloon: "16M", append: "quiet" });
    onTestFinished(() => vm.stop());
    const balloon = vm.balloon!;
    const exec = async (command: string) => {
      const { stdout, stderr, status } = await vm.exec(command, { timeout: PATIENCE });
      expect({ command, stderr: status === 0 ? "" : stderr }).toEqual({ command, stderr: "" });
      return stdout;
    };
    const stats = () => balloon.stats({ timeout: PATIENCE });
    const free = async () => Number(/MemFree: *(\d+)/.exec(await exec("cat /proc/meminfo"))![1]) * 1024;
    await vm.start();
    await exec("true");
    await until(async () => (await balloon.size()) === 16 * MIB);
    expect(balloon.target).toBe(16 * MIB);

    const before = await stats();
    expect(before).toMatchObject({ target: 16 * MIB, actual: 16 * MIB });
    const total = Number(/MemTotal: *(\d+)/.exec(await exec("cat /proc/meminfo"))![1]) * 1024;
    expect(before.memory.total).toBe(total);
    expect(before.memory.minorFaults).toBeGreaterThan(0);

    // While pages are reported, they aren't free.
    await until(async () => (await free()) > 200 * MIB);
    const much = await free();
    balloon.target = 80 * MIB;
    await until(async () => (await balloon.size()) === 80 * MIB);
    await until(async () => much - (await free()) > 40 * MIB);
    expect(await free()).toBeLessThan(much - 40 * MIB);
    // Each answer is a new one.
    const known = (await stats()).memory.minorFaults!;
    await exec("ls / >/dev/null");
    expect((await stats()).memory.minorFaults).toBeGreaterThan(known);

    // Pages that were written to and are free: Linux reports them after two seconds, in blocks that are wholly free and
    // that no hart keeps for itself.
    await exec("echo 1000000 >/proc/sys/vm/percpu_pagelist_high_fraction");
    await exec("for i in $(seq 40); do cat /bin/busybox; done >/tmp/noise");
    const full = await vm.snapshot();
    const { emptied } = await stats();
    await exec("rm /tmp/noise; echo 1 >/proc/sys/vm/compact_memory");
    await until(async () => (await stats()).emptied - emptied > 8 * MIB);
    const less = await vm.snapshot();
    expect(full.length - less.length).toBeGreaterThan(8 * MIB);

    const copy = await Machine.restore(less);
    onTestFinished(() => copy.stop());
    await copy.start();
    expect(copy.balloon!.target).toBe(80 * MIB);
    expect(await copy.balloon!.stats({ timeout: PATIENCE })).toMatchObject({ target: 80 * MIB, actual: 80 * MIB });
    copy.balloon!.target = 0;
    await until(async () => (await copy.balloon!.size()) === 0);
    expect((await copy.exec("head -c 4194304 /dev/zero | sha256sum", { timeout: PATIENCE })).status).toBe(0);

    // Rather than end a program, the guest takes some of it back.
    const most = 80 * MIB + Math.floor(((await free()) - 16 * MIB) / 4096) * 4096;
    balloon.target = most;
    await until(async () => (await balloon.size()) > most - 32 * MIB);
    const filled = await balloon.size();
    await exec("mount -o remount,size=80M /tmp; dd if=/dev/zero of=/tmp/zeros bs=1M count=72 2>/dev/null");
    expect(await balloon.size()).toBeLessThan(filled);
    balloon.target = 0;
    await until(async () => (await balloon.size()) === 0);
    expect(complaints(await exec("dmesg"))).toEqual([]);
    for (const wrong of [-4096, 1000, 400 * MIB, Number.NaN])
      expect(() => {
        balloon.target = wrong;
      }).toThrow(/^A balloon [^\n]+\.$/);
  },
  10 * MINUTES,
);

test("a machine without one has none, and a guest without a driver says nothing", async () => {
  const plain = await Machine.create({ image: rom("hello/hello.elf") });
  onTestFinished(() => plain.stop());
  expect(plain.balloon).toBeUndefined();
  const vm = await Machine.create({ image: rom("hello/hello.elf"), balloon: { target: "4M", transport: "mmio" } });
  onTestFinished(() => vm.stop());
  await expect(vm.balloon!.stats()).rejects.toThrow("The guest has no driver for its memory balloon");
  expect([vm.balloon!.target, await vm.balloon!.size()]).toEqual([4 * MIB, 0]);
  await expect(Machine.create({ image: rom("hello/hello.elf"), balloon: "1T" })).rejects.toThrow(
    "larger than the guest",
  );
  await expect(Machine.create({ image: rom("hello/hello.elf"), balloon: "big" })).rejects.toThrow("not a size");
});
