/**
 * Address translation (Privileged, "Sv39", "Sv48", "Sv57", Svnapot, Svpbmt, Svade)
 * against a second walker that follows the manual's steps one by one.
 */

import { expect, test } from "vitest";
import { encode } from "../../src/isa/encode.ts";
import { seeded } from "../isa/random.ts";
import { attempt, CODE, M, open, perform, S, type Trap, U, writeCsr } from "../support/attempt.ts";
import { makeMachine, RAM_BASE, type TestMachine } from "../support/machine.ts";
import { choose, type Random } from "../support/programs.ts";

const RAM_SIZE = 0x40_0000;
const TABLES = RAM_BASE + 0x10_0000;
const TABLE_COUNT = 24;
const LOAD = encode("lb", { rd: 7, rs1: 8, imm: 0 });
const STORE = encode("sb", { rs2: 0, rs1: 8, imm: 0 });
const [SUM, MXR, MPRV] = [1n << 18n, 1n << 19n, 1n << 17n];
const PBMTE = 1n << 62n;
const [V, R, W, X, USER, A, D] = [1n, 2n, 4n, 8n, 16n, 64n, 128n];

type Kind = "load" | "store" | "fetch";

interface Context {
  readonly satp: bigint;
  readonly status: bigint;
  readonly pbmte: boolean;
  readonly privilege: number;
}

const bits = (value: bigint, high: number, low: number): bigint =>
  (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);

/** The physical address, or the kind of fault. */
function translate(
  read: (at: bigint) => bigint | undefined,
  va: bigint,
  kind: Kind,
  c: Context,
): bigint | "page" | "access" {
  const levels = Number(c.satp >> 60n) - 5;
  const width = 12 + 9 * levels;
  const top = bits(va, 63, width - 1);
  if (top !== 0n && top !== (1n << BigInt(65 - width)) - 1n) return "page";
  let a = bits(c.satp, 43, 0) * 4096n;
  for (let i = levels - 1; i >= 0; i--) {
    const index = bits(va, 12 + 9 * i + 8, 12 + 9 * i);
    const pte = read(a + index * 8n);
    if (pte === undefined) return "access";
    if (!(pte & V) || (!(pte & R) && pte & W)) return "page";
    if (bits(pte, 60, 54)) return "page";
    const pbmt = bits(pte, 62, 61);
    if (pbmt === 3n || (pbmt && !c.pbmte)) return "page";
    const ppn = bits(pte, 53, 10);
    const napot = bits(pte, 63, 63) === 1n;
    if (!(pte & (R | X))) {
      if (pbmt || napot || pte & (A | D | USER)) return "page";
      a = ppn * 4096n;
      continue;
    }
    if (c.privilege === U && !(pte & USER)) return "page";
    if (c.privilege === S && pte & USER && (kind === "fetch" || !(c.status & SUM))) return "page";
    const readable = pte & R || (c.status & MXR && pte & X);
    if (kind === "load" && !readable) return "page";
    if (kind === "store" && !(pte & W)) return "page";
    if (kind === "fetch" && !(pte & X)) return "page";
    if (bits(pte, 10 + 9 * i + 8, 10) % (1n << BigInt(9 * i)) !== 0n) return "page";
    if (napot && (i > 0 || bits(ppn, 3, 0) !== 8n)) return "page";
    if (!(pte & A) || (kind === "store" && !(pte & D))) return "page";
    const size = napot ? 16n : BigInt(12 + 9 * i);
    const offset = va & ((1n << size) - 1n);
    return (((ppn * 4096n) >> size) << size) + offset;
  }
  return "page";
}

/** A page-table entry that is right most of the time, and wrong in each way now and then. */
function randomPte(random: Random, level: number, levels: number): bigint {
  const one = (of: number) => random() % of === 0;
  if (level > 0 && !one(4)) {
    const table = one(20) ? random() % TABLE_COUNT : level - 1 + levels * (random() % Math.floor(TABLE_COUNT / levels));
    let pte = BigInt(TABLES / 4096 + table) * 1024n + V;
    if (one(40)) pte |= choose(random, [A, D, USER, 1n << 63n, 1n << 61n, 1n << 54n, 1n << 60n]);
    if (one(60)) pte &= ~V;
    if (one(60)) pte = (1n << 50n) | V; // no memory there
    return pte;
  }
  let page = BigInt(RAM_BASE / 4096 + (random() % (RAM_SIZE / 4096)));
  if (level > 0 && !one(8)) page = (page >> BigInt(9 * level)) << BigInt(9 * level);
  let pte = V | choose(random, [R, R | W, R | W | X, X, R | X, R | W | X, R | W | X, W, W | X]);
  if (!one(16)) pte |= A;
  if (!one(4)) pte |= D;
  if (one(2)) pte |= USER;
  if (one(2)) pte |= 32n; // G changes nothing here
  if (level === 0 && one(4)) {
    pte |= 1n << 63n;
    if (!one(4)) page = (page & ~15n) | 8n;
  }
  if (one(30)) pte |= 1n << 63n;
  if (one(8)) pte |= choose(random, [1n, 2n, 3n]) << 61n;
  if (one(30)) pte |= 1n << BigInt(54 + (random() % 7));
  if (one(30)) pte &= ~V;
  return pte | (BigInt(random() % 4) << 8n) | (page * 1024n);
}

/** An address that the tables' few used entries answer; now and then not canonical. */
function randomVa(random: Random, levels: number): bigint {
  let va = BigInt(random() % 4096);
  for (let i = 0; i < levels; i++) va |= BigInt(choose(random, INDICES)) << BigInt(12 + 9 * i);
  va = BigInt.asUintN(64, BigInt.asIntN(12 + 9 * levels, va));
  return random() % 20 === 0 ? va ^ (1n << BigInt(12 + 9 * levels + (random() % (52 - 9 * levels)))) : va;
}
const INDICES = [0, 1, 2, 3, 15, 16, 17, 255, 256, 510, 511];

/** The root, one past the other tables; table n is made for level n modulo the number of levels. */
const ROOT = TABLES + TABLE_COUNT * 4096;

/** Those entries of the tables that addresses use. */
function fill(machine: TestMachine, random: Random, levels: number): void {
  for (let table = 0; table <= TABLE_COUNT; table++)
    for (const index of INDICES) {
      const level = table === TABLE_COUNT ? levels - 1 : table % levels;
      machine.writeU64(TABLES + table * 4096 + index * 8, randomPte(random, level, levels));
    }
}

function observe(machine: TestMachine, va: bigint, kind: Kind, c: Context): { trap: Trap | undefined; value: bigint } {
  machine.core.setX(0, 8, va);
  if (kind === "fetch") return { trap: attempt(machine, 0x1, c.privilege, va), value: 0n };
  // MPRV, so that the code itself needs no mapping.
  machine.setField("H_MSTATUS", c.status | MPRV | (BigInt(c.privilege) << 11n));
  machine.core.setX(0, 7, 0n);
  return { trap: attempt(machine, kind === "load" ? LOAD : STORE, M), value: machine.x(7) };
}

const CAUSES = { load: { page: 13n, access: 5n }, store: { page: 15n, access: 7n }, fetch: { page: 12n, access: 1n } };

test.each([
  ["Sv39", 8n, 3],
  ["Sv48", 9n, 4],
  ["Sv57", 10n, 5],
])("%s walks as the manual says", { timeout: 20_000 }, (_, mode, levels) => {
  const random = seeded(Number(mode) * 1000);
  const outcomes = { ok: 0, page: 0, access: 0 };
  for (let round = 0; round < 30; round++) {
    const machine = open(makeMachine({ ramSize: RAM_SIZE }));
    // Every byte of RAM says which page it is in, c.nop where it is executed.
    const pages = machine.read(RAM_BASE, RAM_SIZE);
    for (let i = 0; i < RAM_SIZE; i++) pages[i] = i & 1 ? 0 : 1;
    machine.write(RAM_BASE, pages);
    fill(machine, random, levels);
    const read = (at: bigint): bigint | undefined =>
      at >= BigInt(RAM_BASE) && at < BigInt(RAM_BASE + RAM_SIZE) ? machine.readU64(at) : undefined;
    const pbmte = round % 2 === 1;
    writeCsr(machine, 0x30a, pbmte ? PBMTE : 0n);
    const satp = (mode << 60n) | (BigInt(round) << 44n) | BigInt(ROOT / 4096);
    writeCsr(machine, 0x180, satp);
    // The status is constant within a round (H_MSTATUS is written past the core), and entries fill the TLB.
    const status = (random() & 1 ? SUM : 0n) | (random() & 1 ? MXR : 0n);
    writeCsr(machine, 0x300, status);
    for (let n = 0; n < 300; n++) {
      const kind = choose<Kind>(random, ["load", "store", "fetch"]);
      const privilege = choose(random, [U, S]);
      const context = { satp, status, pbmte, privilege };
      let va = randomVa(random, levels);
      if (kind === "fetch") va &= ~1n;
      const expected = translate(read, va, kind, context);
      const where = `round ${round}, ${kind} ${n} of 0x${va.toString(16)} from ${privilege}`;
      if (typeof expected === "bigint" && expected < 0x1_0000n) continue; // the boot ROM
      // What a store or a fetch finds would change the tables or the code: look only at whether it may.
      const inRam = typeof expected === "bigint" && read(expected & ~7n) !== undefined;
      const fault = typeof expected === "string" ? expected : inRam ? undefined : "access";
      if (
        inRam &&
        kind === "store" &&
        (expected < BigInt(TABLES) + 0x2_0000n || expected >> 12n === BigInt(CODE / 4096))
      )
        continue;
      if (inRam && kind === "fetch" && expected < BigInt(TABLES) + 0x2_0000n) continue;
      const mark = inRam ? BigInt(random() & 127) : 0n;
      if (inRam && kind === "load" && expected > BigInt(TABLES) + 0x2_0000n)
        machine.write(expected, Uint8Array.of(Number(mark)));
      machine.setField("H_MSTATUS", status);
      const { trap, value } = observe(machine, va, kind, context);
      expect(trap?.cause, where).toBe(fault && CAUSES[kind][fault]);
      if (trap) expect(trap.tval, where).toBe(va);
      else if (kind === "load" && (expected as bigint) > BigInt(TABLES) + 0x2_0000n) {
        expect(value, where).toBe(mark);
        machine.write(expected as bigint, Uint8Array.of(Number(expected) & 1 ? 0 : 1));
      }
      outcomes[fault ?? "ok"]++;
      if (trap && n % 50 === 0) perform(machine, "sfence.vma", { rs1: 0, rs2: 0 });
    }
  }
  expect(outcomes.ok).toBeGreaterThan(300);
  expect(outcomes.page).toBeGreaterThan(500);
  expect(outcomes.access).toBeGreaterThan(20);
});
