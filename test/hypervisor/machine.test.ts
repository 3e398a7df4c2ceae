/** The owner's side: machines, links and pools over executors that do what the test says. */

import { describe, expect, test } from "vitest";
import { ExecutorLink, ExecutorPool } from "../../src/hypervisor/link.ts";
import { Machine } from "../../src/hypervisor/machine.ts";
import type { CellSpec, Report, Request, Stream } from "../../src/hypervisor/protocol.ts";
import { METER, obliging, ScriptedExecutor } from "./scripted.ts";

const SPEC: CellSpec = { memoryBytes: 4 << 20, harts: 1, sbi: false, deterministic: false, traced: false };
const MODULE = {} as WebAssembly.Module;
const text = (words: string) => new TextEncoder().encode(words);
const turn = () => new Promise((resolve) => setImmediate(resolve));

async function make(answer = obliging) {
  const executor = new ScriptedExecutor(answer);
  const link = new ExecutorLink(executor);
  const vm = await Machine.onExecutor(link, MODULE, SPEC, METER);
  const id = executor.requests[0]!.vm;
  const report = (rest: object) => executor.onMessage!({ vm: id, ...rest } as Report);
  const sent = <T extends Request["type"]>(type: T) =>
    executor.requests.filter((r): r is Extract<Request, { type: T }> => r.type === type);
  return { vm, executor, link, report, sent };
}

describe("a machine that is being made", () => {
  test("is told why it can't be", async () => {
    const executor = new ScriptedExecutor(({ vm }) => ({ type: "failed", vm, name: "CoreError", message: "No room." }));
    const made = Machine.onExecutor(new ExecutorLink(executor), MODULE, SPEC, METER);
    await expect(made).rejects.toMatchObject({ name: "CoreError", message: "No room." });
    expect(executor.held).toBe(false);
  });

  test("fails with its executor", async () => {
    const executor = new ScriptedExecutor();
    const made = Machine.onExecutor(new ExecutorLink(executor), MODULE, SPEC, METER);
    expect(executor.held).toBe(true);
    executor.onDeath!("out of memory");
    await expect(made).rejects.toThrow("Its executor has died: out of memory");
    expect(executor.held).toBe(false);
  });
});

describe("when the executor dies", () => {
  test("its machines end, and whatever waited for them fails", async () => {
    const { vm, executor } = await make();
    await vm.start();
    const waiting = [vm.exec("true"), vm.console.expect(/never/), vm.console.expect(/late/, { timeout: 60_000 })];
    const settled = Promise.allSettled(waiting);
    const crashes: unknown[] = [];
    vm.on("crash", (exit) => crashes.push(exit));
    executor.onDeath!("a wild write");
    executor.onDeath!("its thread has ended with code 1");
    const exit = await vm.exited;
    expect(exit).toEqual({ kind: "crash", code: 0, report: "The host failed: Its executor has died: a wild write" });
    expect(crashes).toEqual([exit]);
    for (const { status, reason } of (await settled) as PromiseRejectedResult[])
      expect([status, reason.message]).toEqual(["rejected", "The machine has ended."]);
    expect(executor.held).toBe(false);
    // Nothing that comes later hangs.
    await vm.stop();
    for (const call of [() => vm.exec("true"), () => vm.pause(), () => vm.memory.read(0, 1), () => vm.start()])
      await expect(call()).rejects.toThrow("The machine has ended.");
    vm.console.write("to nobody");
  });

  test("the pool takes another", async () => {
    const executors: ScriptedExecutor[] = [];
    const pool = new ExecutorPool(1, () => {
      executors.push(new ScriptedExecutor(obliging));
      return executors.at(-1)!;
    });
    const first = await Machine.onExecutor(pool.take(), MODULE, SPEC, METER);
    executors[0]!.onDeath!("gone");
    await first.exited;
    await Machine.onExecutor(pool.take(), MODULE, SPEC, METER);
    expect(executors).toHaveLength(2);
    expect(executors[1]!.held).toBe(true);
  });
});

test("a pool spreads machines, makes no more executors than it may, and fills the emptiest", () => {
  let made = 0;
  const pool = new ExecutorPool(3, () => {
    made++;
    return new ScriptedExecutor();
  });
  const links = Array.from({ length: 7 }, () => {
    const link = pool.take();
    link.attach();
    return link;
  });
  expect(made).toBe(3);
  expect([...new Set(links)].map((link) => link.machines).sort()).toEqual([2, 2, 3]);
});

test("an executor keeps the process alive while it has machines, and no longer", async () => {
  const executor = new ScriptedExecutor(obliging);
  const link = new ExecutorLink(executor);
  expect(executor.held).toBe(false);
  const machines = [];
  for (let i = 0; i < 3; i++) machines.push(await Machine.onExecutor(link, MODULE, SPEC, METER));
  for (const vm of machines) {
    expect(executor.held).toBe(true);
    await vm.stop();
  }
  expect(executor.held).toBe(false);
});

describe("stopping", () => {
  test("ends what is in flight, and may be done again", async () => {
    const { vm } = await make();
    await vm.start();
    const command = vm.exec("sleep 1000").catch((error: Error) => error.message);
    await Promise.all([vm.stop(), vm.stop()]);
    expect(await command).toBe("The machine has ended.");
    expect(await vm.exited).toEqual({ kind: "stopped", code: 0 });
    await vm.stop();
    expect((await vm.stats()).instructions).toBe(1000);
    await expect(vm.exec("true")).rejects.toThrow("The machine has ended.");
    await expect(vm.console.expect(/x/)).rejects.toThrow("The machine has ended.");
  });

  test("of a machine that ends by itself meanwhile says how it ended", async () => {
    const { vm, report } = await make();
    await vm.start();
    const stopped = vm.stop();
    report({ type: "exit", exit: { kind: "poweroff", code: 0 }, counters: { instructions: 5 } });
    await stopped;
    expect(await vm.exited).toEqual({ kind: "poweroff", code: 0 });
  });
});

test("starting twice, and resuming what wasn't started, are told", async () => {
  const { vm } = await make();
  await expect(vm.resume()).rejects.toThrow("The machine hasn't been started; call start().");
  await vm.start();
  await expect(vm.start()).rejects.toThrow("The machine has been started already.");
});

describe("output", () => {
  test("is acknowledged when its listener is done with it, in pieces", async () => {
    const { vm, report, sent } = await make();
    const waiting: (() => void)[] = [];
    vm.console.onData(() => new Promise<void>((done) => waiting.push(done)));
    report({ type: "output", stream: "console", bytes: text("one") });
    report({ type: "output", stream: "console", bytes: text("three") });
    await turn();
    expect(sent("taken")).toEqual([]);
    waiting[1]!();
    await turn();
    expect(sent("taken")).toMatchObject([{ stream: "console", bytes: 5 }]);
    waiting[0]!();
    await turn();
    expect(sent("taken")).toMatchObject([{ bytes: 5 }, { bytes: 3 }]);
  });

  test("that nobody listens to is acknowledged at once, and so are reboots", async () => {
    const { vm, report, sent } = await make();
    let resets = 0;
    vm.on("reset", () => resets++);
    report({ type: "output", stream: "console", bytes: text("words") });
    report({ type: "reset" });
    report({ type: "output", stream: "exec 77 stdout", bytes: text("late") });
    expect(sent("taken")).toMatchObject([
      { stream: "console", bytes: 5 },
      { stream: "console", bytes: 0 },
      { stream: "exec 77 stdout", bytes: 4 },
    ]);
    expect(resets).toBe(1);
  });

  test("of a command whose sink fails makes the command fail, and is dropped from then on", async () => {
    for (const fail of [
      () => {
        throw new Error("disk full");
      },
      () => Promise.reject(new Error("disk full")),
    ]) {
      const { vm, report, sent } = await make();
      let calls = 0;
      const command = vm.exec("cat", {
        stdout: () => {
          calls++;
          return fail();
        },
      });
      const stream: Stream = `exec ${sent("exec")[0]!.call} stdout`;
      report({ type: "output", stream, bytes: text("a") });
      await expect(command).rejects.toThrow("disk full");
      report({ type: "output", stream, bytes: text("bc") });
      await turn();
      expect(calls).toBe(1);
      expect(sent("taken")).toMatchObject([{ bytes: 1 }, { bytes: 2 }]);
    }
  });

  test("of a command is text that is whole where its pieces aren't, with what it begins with", async () => {
    const { vm, report, sent } = await make();
    const command = vm.exec("cat");
    const { call } = sent("exec")[0]!;
    const bytes = text("\ufeffπ und 🙂");
    for (let i = 0; i < bytes.length; i++)
      report({ type: "output", stream: `exec ${call} stdout`, bytes: bytes.slice(i, i + 1) });
    report({ type: "output", stream: `exec ${call} stderr`, bytes: text("no") });
    report({ type: "answer", call, value: 4 });
    expect(await command).toEqual({ status: 4, stdout: "\ufeffπ und 🙂", stderr: "no" });
  });
});

test("a command that takes too long fails, and its end is no surprise", async () => {
  const { vm, report, sent } = await make();
  await expect(vm.exec("sleep 9", { timeout: 20 })).rejects.toThrow("The command hasn't ended within 0.02 s.");
  report({ type: "output", stream: `exec ${sent("exec")[0]!.call} stdout`, bytes: text("late") });
  report({ type: "answer", call: sent("exec")[0]!.call, value: 0 });
  await turn();
  expect(sent("taken")).toHaveLength(1);
});

test("answers to calls that were never made, and unknown reports, are passed over", async () => {
  const { vm, report } = await make();
  report({ type: "answer", call: 999, value: 1 });
  report({ type: "refused", call: 999, name: "Error", message: "what?" });
  report({ type: "novelty" });
  await vm.stop();
  report({ type: "output", stream: "console", bytes: text("after the end") });
});

test("addresses and lengths that are none are refused before they are sent", async () => {
  const { vm, executor } = await make();
  const before = executor.requests.length;
  for (const [address, length] of [
    [0.5, 4],
    [-1, 4],
    [2 ** 60, 4],
    [0n, -4],
    [0n, Number.NaN],
    [0n, 1.5],
  ] as const)
    await expect(vm.memory.read(address, length)).rejects.toThrow(/is not a whole number of bytes\.$/);
  expect(executor.requests).toHaveLength(before);
});
