/** The executor's side of the protocol, without a thread: every request, right and wrong. */

import { expect, onTestFinished, test } from "vitest";
import { systemEntropy } from "../../src/host/node/entropy.ts";
import { Executor } from "../../src/hypervisor/executor.ts";
import { type CellSpec, MESSAGE_COST, type Report, type Request, type Wire } from "../../src/hypervisor/protocol.ts";
import { planBoot } from "../../src/machine/boot.ts";
import { coreModule } from "../support/core.ts";
import { MemoryDisk } from "../support/disk.ts";
import { WireEnd } from "../support/network.ts";
import { adder, busy, echo, finish, HOSTILE, idle } from "./guests.ts";

const MEMORY = 4 << 20;
const module = await coreModule();

function spec(kernel: Uint8Array, more: Partial<CellSpec> = {}): CellSpec {
  const boot = planBoot({ bios: "none", kernel, memoryBytes: MEMORY, harts: 1 });
  return { memoryBytes: MEMORY, harts: 1, boot, sbi: false, deterministic: false, traced: false, ...more };
}

type WithoutCall<T> = T extends { call: number } ? Omit<T, "call"> : never;

/** An executor, and what it has reported. */
class Bench {
  readonly reports: Report[] = [];
  readonly disks: MemoryDisk[] = [];
  readonly #wire: Wire<Report, Request>;
  #waiting: (() => void)[] = [];
  #nextCall = 100;

  constructor() {
    onTestFinished(() => this.end());
    this.#wire = {
      post: (report) => {
        this.reports.push(report);
        const waiting = this.#waiting;
        this.#waiting = [];
        for (const wake of waiting) wake();
      },
      onMessage: undefined,
    };
    new Executor(this.#wire, {
      now: () => performance.now(),
      wallclock: () => Date.now() * 1e6,
      entropy: () => systemEntropy,
      openDisk: async () => {
        const disk = new MemoryDisk();
        this.disks.push(disk);
        return disk;
      },
      openNvram: () => Promise.reject(new Error("there is none")),
      openNetwork: async () => new WireEnd(),
      openShare: () => Promise.reject(new Error("there is no folder here")),
      openVsock: () => Promise.reject(new Error("there are no sockets")),
      soon: (callback) => setImmediate(callback),
      later: (milliseconds, callback) => {
        const timer = setTimeout(callback, milliseconds);
        return () => clearTimeout(timer);
      },
    });
  }

  send(request: Request): void {
    this.#wire.onMessage!(request);
  }

  /** Stops what a failed test may have left running. */
  end(): void {
    for (let vm = 0; vm < 16; vm++) this.send({ type: "stop", vm, call: 0 });
  }

  create(vm: number, kernel: Uint8Array, more: Partial<CellSpec> = {}): void {
    this.send({ type: "create", vm, module, spec: spec(kernel, more) });
  }

  /** The first report, from now on or earlier, that fits. */
  async report(fits: (report: Report) => boolean): Promise<Report> {
    for (;;) {
      const found = this.reports.find(fits);
      if (found) return found;
      await new Promise<void>((wake) => this.#waiting.push(wake));
    }
  }

  /** Makes a call: what it returned, or its error's message. */
  async call(request: WithoutCall<Request>): Promise<unknown> {
    const call = this.#nextCall++;
    this.send({ ...request, call } as Request);
    const report = await this.report((r) => (r.type === "answer" || r.type === "refused") && r.call === call);
    if (report.type === "answer") return report.value;
    if (report.type === "refused") return report.message;
    throw new Error("no such report");
  }

  /** Console output of a machine so far. */
  console(vm: number): string {
    return this.reports
      .map((r) => (r.type === "output" && r.vm === vm && r.stream === "console" ? Buffer.from(r.bytes) : ""))
      .join("");
  }
}

const rest = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const RAM = 0x8000_0000n;

const CALLS: readonly WithoutCall<Request>[] = [
  ...(["start", "pause", "resume", "reset", "stop", "counters", "save"] as const).map((type) => ({ type, vm: 9 })),
  { type: "exec", vm: 9, command: "true" },
  { type: "read", vm: 9, address: RAM, length: 4 },
  { type: "write", vm: 9, address: RAM, bytes: new Uint8Array(4) },
];

test("calls to a machine that isn't there are refused, each by its number", async () => {
  const bench = new Bench();
  for (const call of CALLS) expect([call.type, await bench.call(call)]).toEqual([call.type, "The machine is gone."]);
  bench.send({ type: "input", vm: 9, bytes: new Uint8Array(4) });
  bench.send({ type: "taken", vm: 9, stream: "console", bytes: 4 });
  expect(bench.reports).toHaveLength(CALLS.length);
});

test("a machine that has ended, or was stopped, is gone", async () => {
  const bench = new Bench();
  bench.create(9, finish((5 << 16) | 0x3333));
  expect(await bench.call({ type: "start", vm: 9 })).toBeUndefined();
  const end = await bench.report((r) => r.type === "exit");
  expect(end).toMatchObject({ vm: 9, exit: { kind: "code", code: 5 } });
  for (const call of CALLS) expect(await bench.call(call)).toBe("The machine is gone.");
  bench.create(9, idle());
  expect(await bench.call({ type: "stop", vm: 9 })).toBeUndefined();
  for (const call of CALLS) expect(await bench.call(call)).toBe("The machine is gone.");
});

test("requests that make no sense are refused and change nothing", async () => {
  const bench = new Bench();
  bench.create(9, echo());
  expect(await bench.call({ type: "destroy", vm: 9 } as never)).toMatch(/doesn't know this request/);
  for (const [address, length] of [
    [0n, 4],
    [-1n, 4],
    [RAM, -1],
    [RAM, 2 ** 40],
    [RAM, Number.NaN],
    [RAM + BigInt(MEMORY) - 2n, 4],
    [1n << 63n, 4],
    [1n << 80n, 4],
  ] as const)
    expect(await bench.call({ type: "read", vm: 9, address, length })).toMatch(/not wholly RAM/);
  expect(await bench.call({ type: "write", vm: 9, address: 0n, bytes: new Uint8Array(8) })).toMatch(/not wholly RAM/);
  expect(await bench.call({ type: "read", vm: 9, address: RAM, length: 0 })).toEqual(new Uint8Array());
  bench.send({ type: "taken", vm: 9, stream: "exec 7 stdout", bytes: 1e9 });
  bench.send({ type: "taken", vm: 9, stream: "console", bytes: 1e9 });
  // Starting twice, resuming what runs and pausing twice are no errors.
  for (const type of ["start", "start", "resume", "pause", "pause", "resume"] as const)
    expect(await bench.call({ type, vm: 9 })).toBeUndefined();
  bench.send({ type: "input", vm: 9, bytes: new TextEncoder().encode("alive") });
  while (bench.console(9) !== "alive") await rest(5);
  await bench.call({ type: "stop", vm: 9 });
});

test("a machine that can't be made fails by itself", async () => {
  const bench = new Bench();
  bench.create(8, echo());
  bench.create(9, echo(), { memoryBytes: 2 ** 33 });
  expect(await bench.report((r) => r.type === "failed")).toMatchObject({
    vm: 9,
    name: "CoreError",
    message: expect.stringMatching(/^A guest can have at most \d+ MiB of memory; give it less\.$/),
  });
  bench.create(10, echo(), { harts: 9 });
  expect(await bench.report((r) => r.type === "failed" && r.vm === 10)).toMatchObject({ name: "CoreError" });
  expect(await bench.call({ type: "start", vm: 8 })).toBeUndefined();
  await bench.call({ type: "stop", vm: 8 });
});

test("a command in flight fails when its machine is stopped, and so do those behind it", async () => {
  const bench = new Bench();
  bench.create(9, idle());
  await bench.call({ type: "start", vm: 9 });
  const commands = [1, 2].map(() => bench.call({ type: "exec", vm: 9, command: "sleep 1000" }));
  await rest(20);
  await bench.call({ type: "stop", vm: 9 });
  expect(await Promise.all(commands)).toEqual(["The machine was stopped.", "The machine was stopped."]);
});

test("busy machines take turns, and messages come between them", async () => {
  const bench = new Bench();
  const machines = [1, 2, 3, 4, 5, 6, 7, 8];
  for (const vm of machines) {
    bench.create(vm, busy());
    await bench.call({ type: "start", vm });
  }
  const counts = async () => {
    const all = await Promise.all(machines.map((vm) => bench.call({ type: "counters", vm })));
    return all.map((counters) => (counters as { instructions: number }).instructions);
  };
  // Everybody gets on while everybody wants to, sooner or later on a busy host.
  for (let i = 0; i < 3; i++) {
    const last = await counts();
    await expect
      .poll(async () => (await counts()).every((count, vm) => count > last[vm]!), { timeout: 60_000 })
      .toBe(true);
  }
  // No more than a slice passes before a call is answered, however many machines there are.
  const mark = bench.reports.length;
  await bench.call({ type: "pause", vm: 5 });
  expect(bench.reports.slice(mark)).toHaveLength(1);
  for (const vm of machines) await bench.call({ type: "stop", vm });
});

test("what is typed reaches the guest whole", async () => {
  const bench = new Bench();
  bench.create(9, adder());
  await bench.call({ type: "start", vm: 9 });
  // More than one piece, none of them as the others.
  const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 7) % 251);
  bytes[bytes.length - 1] = 255;
  const sum = bytes.reduce((total, byte) => total + byte, -255);
  bench.send({ type: "input", vm: 9, bytes });
  const end = await bench.report((r) => r.type === "exit");
  expect(end).toMatchObject({ exit: { kind: "code", code: sum & 0xffff } });
}, 60_000);

test("a timer that goes off while its hart is about to wait wakes it all the same", async () => {
  // Five microseconds are over before the executor has asked how long it may sleep.
  const bench = new Bench();
  bench.create(9, HOSTILE["drips on the console"]!(MEMORY));
  await bench.call({ type: "start", vm: 9 });
  while (bench.console(9).length < 200) await rest(20);
  await bench.call({ type: "stop", vm: 9 });
}, 60_000);

test.each([
  "fills the console",
  "reboots at once",
])("a guest that %s waits for its owner, and goes on when he is done", async (name) => {
  const bench = new Bench();
  bench.create(9, HOSTILE[name]!(MEMORY));
  await bench.call({ type: "start", vm: 9 });
  const cost = () =>
    bench.reports.reduce((sum, r) => {
      if (r.type === "reset") return sum + MESSAGE_COST;
      return r.type === "output" ? sum + MESSAGE_COST + r.bytes.length : sum;
    }, 0);
  // Nothing is acknowledged: the guest stands still, at last.
  let before = -1;
  while (cost() !== before) {
    before = cost();
    await rest(300);
  }
  expect(before).toBeGreaterThan(4 << 20);
  expect(before).toBeLessThan(8 << 20);
  for (const r of [...bench.reports])
    if (r.type === "output" || r.type === "reset")
      bench.send({ type: "taken", vm: 9, stream: "console", bytes: r.type === "output" ? r.bytes.length : 0 });
  while (cost() === before) await rest(50);
  await bench.call({ type: "stop", vm: 9 });
}, 60_000);

test("in counted time a machine stands still while its disk is changed, and goes on whatever comes of it", async () => {
  const bench = new Bench();
  bench.create(10, busy(), { deterministic: true, disks: [{ path: "x" }] });
  await bench.call({ type: "start", vm: 10 });
  const instructions = async () => {
    const { instructions } = (await bench.call({ type: "counters", vm: 10 })) as { instructions: number };
    return instructions;
  };
  const runs = async () => {
    const before = await instructions();
    while ((await instructions()) === before) await rest(5);
  };
  await runs();
  for (const error of [undefined, "It can't be."]) {
    let end = () => {};
    bench.disks[0]!.committing = () =>
      new Promise((resolve, reject) => {
        end = error === undefined ? resolve : () => reject(new Error(error));
      });
    const commit = bench.call({ type: "commit-disk", vm: 10, disk: 0 });
    await rest(50);
    const before = await instructions();
    await rest(100);
    expect(await instructions()).toBe(before);
    end();
    expect(await commit).toBe(error);
    await runs();
  }
  expect(await bench.call({ type: "commit-disk", vm: 10, disk: 1 })).toMatch(/no disk 1; it has 1, from 0 on\.$/);
  // Nothing of a change that is refused is seen by the guest, but that it has waited.
  bench.disks[0]!.resize = async () => {
    await rest(50);
    throw new Error("It is full.");
  };
  expect(await bench.call({ type: "resize-disk", vm: 10, disk: 0, size: 2 << 20 })).toBe("It is full.");
  await runs();
  await bench.call({ type: "stop", vm: 10 });
}, 60_000);
