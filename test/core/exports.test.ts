/**
 * Every exported function of the core, called in any order with any arguments,
 * before and after init, with guests that execute noise: no call throws or
 * hangs, and none writes where nothing of this machine is.
 */

import { expect, test } from "vitest";
import { readAbi } from "../../src/core/abi.ts";
import { compileNow, RegionHost } from "../../src/core/jit.ts";
import { rows } from "../../src/isa/table/index.ts";
import { seeded } from "../isa/random.ts";
import { coreModule } from "../support/core.ts";
import { choose, type Random } from "../support/programs.ts";

type Value = number | bigint;
type Call = (...args: Value[]) => Value | undefined;

interface Exported {
  readonly name: string;
  readonly call: Call;
  readonly wide: readonly boolean[];
}

const module = await coreModule();
const RAM_BASE = 0x8000_0000n;
const RAM_SIZE = 0x4_0000;
/** Bytes of memory behind the machine: they must stay zero. */
const BEHIND = 0x2_0000;

const NUMBERS = [
  0, 1, 2, 3, 4, 7, 8, 16, 31, 32, 33, 64, 95, 96, 97, 255, 4095, 4096, 65535, 65536, 0x1000, 0x8000_0000,
];
const EDGES = [-1, -2, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xf000, 0x10_0000];

function narrow(random: Random): number {
  const kind = random() % 4;
  return kind === 0 ? random() | 0 : kind === 1 ? choose(random, EDGES) : choose(random, NUMBERS);
}

function wide(random: Random): bigint {
  const near = BigInt((random() % 65) - 32);
  switch (random() % 5) {
    case 0:
      return BigInt.asUintN(64, (BigInt(random()) << 32n) | BigInt(random()));
    case 1:
      return BigInt.asUintN(64, near);
    case 2:
      return RAM_BASE + BigInt(random() % RAM_SIZE);
    case 3:
      return BigInt.asUintN(
        64,
        choose(random, [RAM_BASE, RAM_BASE + BigInt(RAM_SIZE), 0x1000n, 1n << 32n, 1n << 63n]) + near,
      );
    default:
      return BigInt(choose(random, NUMBERS)) * 4096n;
  }
}

class Machine {
  readonly memory: WebAssembly.Memory;
  readonly functions: Exported[];
  readonly constants: Record<string, number> = {};
  /** End of what the machine may use. */
  readonly end: number;

  constructor(random: Random) {
    const probe = instantiate(new WebAssembly.Memory({ initial: 2 }), random);
    for (const [name, value] of Object.entries(probe))
      if (value instanceof WebAssembly.Global) this.constants[name] = Number(value.value);
    this.end = this.constants.RAM! + RAM_SIZE + this.constants.MROM_SIZE!;
    const pages = Math.ceil((this.end + BEHIND) / 0x1_0000);
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const exports = instantiate(this.memory, random);
    this.functions = Object.entries(exports).flatMap(([name, value]) =>
      typeof value === "function" ? [{ name, call: value as Call, wide: signature(value as Call) }] : [],
    );
  }

  call(name: string, ...args: Value[]): Value | undefined {
    return this.functions.find((f) => f.name === name)!.call(...args);
  }
}

function instantiate(memory: WebAssembly.Memory, random: Random): Readonly<Record<string, unknown>> {
  // Machines made with the JIT's flag run compiled code too, and some of their modules never come.
  const regions = new RegionHost(
    () => ({
      bytes: new Uint8Array(memory.buffer),
      memory,
      table: instance.exports.table as WebAssembly.Table,
      abi,
      calls: instance.exports as never,
    }),
    (bytes, done) => (random() % 4 ? compileNow(bytes, done) : undefined),
  );
  const host = {
    ticks: () => choose(random, [0, 1, 1e9, random(), Number.NaN, -1, Number.POSITIVE_INFINITY]),
    wallclock: () => choose(random, [0, 1.8e18, -5, Number.NaN, random()]),
    mmioRead: () => wide(random),
    mmioWrite: () => {},
    compile: regions.compile,
    place: regions.place,
    recall: regions.recall,
    revive: regions.revive,
    forget: regions.forget,
  };
  const instance: WebAssembly.Instance = new WebAssembly.Instance(module, { env: { memory }, host });
  const abi = readAbi(instance.exports);
  return instance.exports;
}

/** Which arguments are 64-bit: the one combination that isn't a TypeError. Called on empty memory. */
function signature(call: Call): boolean[] {
  for (let bits = 0; bits < 1 << call.length; bits++) {
    const kinds = Array.from({ length: call.length }, (_, i) => ((bits >> i) & 1) === 1);
    try {
      call(...kinds.map((is) => (is ? 0n : 0)));
      return kinds;
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof SyntaxError)) throw error;
    }
  }
  throw new Error(`no signature fits ${call.name}`);
}

/** Memory that is noise to execute: instructions of the table with random operands, CSRs and addresses too. */
function noise(machine: Machine, random: Random): void {
  const bytes = new DataView(machine.memory.buffer);
  const ram = machine.constants.RAM!;
  for (let at = 0; at + 4 <= RAM_SIZE; at += 2) {
    const row = choose(random, rows);
    const raw = random() % 40 === 0 ? random() : (row.match | (random() & ~row.mask)) >>> 0;
    if (row.size === 2) bytes.setUint16(ram + at, raw, true);
    else {
      bytes.setUint32(ram + at, raw, true);
      at += 2;
    }
  }
}

function poke(machine: Machine, random: Random, harts: number): void {
  const view = new DataView(machine.memory.buffer);
  const { HARTS, HART_STRIDE, H_X, H_PC } = machine.constants as Record<string, number>;
  for (let hart = 0; hart < harts; hart++) {
    const base = HARTS! + hart * HART_STRIDE!;
    for (let i = 1; i < 32; i++) view.setBigUint64(base + H_X! + i * 8, wide(random), true);
    view.setBigUint64(base + H_PC!, RAM_BASE + BigInt((random() % RAM_SIZE) & ~1), true);
  }
}

function argument(name: string, index: number, is64: boolean, random: Random): Value {
  // The only argument that means "for how long".
  if (name === "run" && index === 1) return choose(random, [-1, 0, 1, 2, 3, 10, 300, -0x8000_0000]);
  // Documented: hart < MAX_HARTS.
  if (/^aclint(SetMsip|Mtimecmp)$/.test(name) && index === 0) return random() % 8;
  if (is64) return wide(random);
  return (name === "run" || name === "hartChanged") && random() % 4 ? random() % 3 : narrow(random);
}

const zero = (machine: Machine, from: number, to: number): boolean =>
  Buffer.from(machine.memory.buffer, from, to - from).every((byte) => byte === 0);

test("no call throws, whatever its arguments", { timeout: 60_000 }, () => {
  const random = seeded(20_260);
  let calls = 0;
  const seen = new Map<string, number>();
  for (let round = 0; round < 10; round++) {
    const machine = new Machine(random);
    const harts = 1 + (round % 3);
    const fuzz = (count: number, skip: ReadonlySet<string>) => {
      for (let i = 0; i < count; i++) {
        const { name, call, wide: kinds } = choose(random, machine.functions);
        if (skip.has(name)) continue;
        const args = kinds.map((is, n) => argument(name, n, is, random));
        try {
          call(...args);
        } catch (error) {
          throw new Error(`round ${round}: ${name}(${args.join(", ")}) threw ${error}`);
        }
        calls++;
        seen.set(name, (seen.get(name) ?? 0) + 1);
      }
    };
    // Before init; a machine that noise has made would be too large for the checks below.
    fuzz(2000, new Set(["init"]));
    expect(machine.call("init", harts, RAM_BASE, BigInt(RAM_SIZE), round & 7, 1 + (round % 10))).toBe(1);
    expect(machine.call("init", 1, RAM_BASE, BigInt(RAM_SIZE), 0, 1)).toBe(0);
    for (let n = 0; n < 12; n++) {
      noise(machine, random);
      machine.call("guestRange", RAM_BASE, RAM_SIZE, 1);
      poke(machine, random, harts);
      fuzz(1800, n % 4 ? new Set(["resetAll"]) : new Set());
      // Bursts of nothing but guests.
      for (let i = 0; i < 20; i++) {
        machine.call("run", i % harts, 2000);
        if (i % 5 === 4) machine.call("resetAll");
        poke(machine, random, harts);
      }
    }
    const { HARTS, HART_STRIDE, MAX_HARTS } = machine.constants as Record<string, number>;
    expect(zero(machine, machine.end, machine.end + BEHIND), "memory behind the machine").toBe(true);
    expect(zero(machine, HARTS! + harts * HART_STRIDE!, HARTS! + MAX_HARTS! * HART_STRIDE!), "harts it lacks").toBe(
      true,
    );
  }
  expect(calls).toBeGreaterThan(200_000);
  expect([...seen.keys()]).toContain("run");
});
