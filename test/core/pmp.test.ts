/** Physical memory protection (Privileged 3.7) against a reference that looks at each byte. */

import { describe, expect, test } from "vitest";
import { encode } from "../../src/isa/encode.ts";
import { seeded } from "../isa/random.ts";
import { attempt, CODE, M, open, readCsr, S, U, writeCsr } from "../support/attempt.ts";
import { makeMachine, RAM_BASE, type TestMachine } from "../support/machine.ts";

const L = 0x80;
const TOR = 1 << 3;
const NA4 = 2 << 3;
const NAPOT = 3 << 3;
const R = 1;
const W = 2;
const X = 4;
const PAGE = RAM_BASE + 0x4000;
const LOAD = encode("ld", { rd: 7, rs1: 8, imm: 0 });
const STORE = encode("sd", { rs2: 0, rs1: 8, imm: 0 });
const LOAD_BYTE = encode("lb", { rd: 7, rs1: 8, imm: 0 });

interface Entry {
  readonly config: number;
  readonly address: bigint;
}

/** Byte range of an entry, or undefined when it is off or empty. */
function rangeOf(entries: readonly Entry[], i: number): readonly [bigint, bigint] | undefined {
  const { config, address } = entries[i]!;
  switch (config & 0x18) {
    case TOR: {
      const low = i ? entries[i - 1]!.address * 4n : 0n;
      return low < address * 4n ? [low, address * 4n] : undefined;
    }
    case NA4:
      return [address * 4n, address * 4n + 4n];
    case NAPOT: {
      let ones = 0n;
      while ((address >> ones) & 1n) ones++;
      const size = 8n << ones;
      const low = ((address >> (ones + 1n)) << (ones + 1n)) * 4n;
      return [low, low + size];
    }
  }
  return undefined;
}

/** 3.7.1.3 "Priority and Matching Logic". */
function allowed(entries: readonly Entry[], at: bigint, size: number, need: number, privilege: number): boolean {
  for (let i = 0; i < entries.length; i++) {
    const range = rangeOf(entries, i);
    if (!range) continue;
    const bytes = Array.from({ length: size }, (_, n) => at + BigInt(n) >= range[0] && at + BigInt(n) < range[1]);
    if (!bytes.includes(true)) continue;
    if (bytes.includes(false)) return false;
    return (privilege === M && !(entries[i]!.config & L)) || (entries[i]!.config & need) === need;
  }
  return privilege === M;
}

function program(machine: TestMachine, entries: readonly Entry[]): void {
  for (let i = 0; i < entries.length; i++) expect(writeCsr(machine, 0x3b0 + i, entries[i]!.address)).toBeUndefined();
  for (const group of [0, 8]) {
    let value = 0n;
    for (let i = 0; i < 8; i++) value |= BigInt(entries[group + i]?.config ?? 0) << BigInt(8 * i);
    expect(writeCsr(machine, 0x3a0 + group / 4, value)).toBeUndefined();
  }
}

const OPEN: Entry = { config: NAPOT | R | W | X, address: (1n << 54n) - 1n };

test("random entries decide as the manual's algorithm does", () => {
  const random = seeded(77);
  const pick = (n: number) => random() % n;
  let refused = 0;
  for (let round = 0; round < 60; round++) {
    const machine = open(makeMachine());
    // Code and handlers first, so that a locked entry doesn't take them away.
    const entries: Entry[] = [{ config: NAPOT | R | W | X | (round & 1 ? L : 0), address: BigInt(CODE / 4) | 0x1ffn }];
    while (entries.length < 15) {
      const rwx = [0, R, R | W, X, R | X, R | W | X][pick(6)]!;
      const mode = [0, TOR, NA4, NAPOT][pick(4)]!;
      let address = BigInt(PAGE / 4 + pick(0x1000));
      if (mode === NAPOT) address |= (1n << BigInt(pick(12))) - 1n;
      entries.push({ config: rwx | mode | (pick(4) ? 0 : L), address });
    }
    entries.push(round % 3 ? OPEN : { config: 0, address: 0n });
    program(machine, entries);
    for (let n = 0; n < 40; n++) {
      const at = PAGE - 16 + pick(0x4020);
      const privilege = [U, S, M][pick(3)]!;
      const size = pick(2) ? 8 : 1;
      const store = size === 8 && pick(2) === 1;
      machine.core.setX(0, 8, BigInt(at));
      const trap = attempt(machine, store ? STORE : size === 8 ? LOAD : LOAD_BYTE, privilege);
      // An access that crosses pages is two accesses.
      const low = Math.min(size, 4096 - (at & 4095));
      const need = store ? W : R;
      const ok =
        allowed(entries, BigInt(at), low, need, privilege) &&
        (low === size || allowed(entries, BigInt(at + low), size - low, need, privilege));
      expect(trap?.cause, `round ${round} access ${n}`).toBe(ok ? undefined : store ? 7n : 5n);
      if (!ok) refused++;
    }
  }
  expect(refused).toBeGreaterThan(300);
});

describe("registers", () => {
  test("pmpcfg0 and pmpcfg2 hold entries 0–7 and 8–15, and leave the addresses alone", () => {
    const machine = open(makeMachine());
    for (let i = 0; i < 16; i++) writeCsr(machine, 0x3b0 + i, BigInt(0x1000 + i));
    writeCsr(machine, 0x3a0, 0x0f0b_0d0c_0908_0301n);
    writeCsr(machine, 0x3a2, 0x1817_1514_1311_1019n);
    expect(readCsr(machine, 0x3a0)).toBe(0x0f0b_0d0c_0908_0301n);
    expect(readCsr(machine, 0x3a2)).toBe(0x1817_1514_1311_1019n);
    for (let i = 0; i < 16; i++) expect(readCsr(machine, 0x3b0 + i)).toBe(BigInt(0x1000 + i));
  });

  test("reserved bits and R=0 W=1 don't take", () => {
    const machine = open(makeMachine());
    writeCsr(machine, 0x3a0, 0x7fn << 8n);
    expect(readCsr(machine, 0x3a0)).toBe(0x1f00n);
    writeCsr(machine, 0x3a0, 0x02n << 8n);
    expect(readCsr(machine, 0x3a0)).toBe(0x1f00n);
    writeCsr(machine, 0x3b2, (1n << 64n) - 1n);
    expect(readCsr(machine, 0x3b2)).toBe((1n << 54n) - 1n);
  });

  test("odd pmpcfg don't exist on RV64; entries from 16 on are hardwired to zero", () => {
    const machine = open(makeMachine());
    for (const csr of [0x3a1, 0x3a3, 0x3af]) expect(readCsr(machine, csr)).toMatchObject({ cause: 2n });
    for (const csr of [0x3a4, 0x3ae, 0x3c0, 0x3ef]) {
      expect(writeCsr(machine, csr, 0xffn)).toBeUndefined();
      expect(readCsr(machine, csr)).toBe(0n);
    }
  });

  test("a locked entry keeps its configuration and address, TOR its base too", () => {
    const machine = open(makeMachine());
    writeCsr(machine, 0x3b2, 0x100n);
    writeCsr(machine, 0x3b3, 0x200n);
    writeCsr(machine, 0x3a0, BigInt(L | TOR | R) << 24n);
    writeCsr(machine, 0x3a0, 0n);
    writeCsr(machine, 0x3b2, 0x300n);
    writeCsr(machine, 0x3b3, 0x400n);
    expect(readCsr(machine, 0x3a0)).toBe(BigInt(L | TOR | R) << 24n);
    expect(readCsr(machine, 0x3b2)).toBe(0x100n);
    expect(readCsr(machine, 0x3b3)).toBe(0x200n);
    machine.core.calls.resetAll();
    expect(readCsr(machine, 0x3a0)).toBe(0n);
  });
});

test("fetches are checked, in pages that an entry cuts up too", () => {
  const machine = open(makeMachine());
  const nop = encode("addi", { rd: 0, rs1: 0, imm: 0 });
  for (let i = 0; i < 64; i += 4) machine.write(PAGE + i, Uint8Array.of(nop, nop >> 8, 0, 0));
  program(machine, [
    { config: NA4 | R, address: BigInt(PAGE / 4 + 4) },
    { config: NA4 | X, address: BigInt(PAGE / 4 + 5) },
    { config: L | NA4, address: BigInt(PAGE / 4 + 6) },
    OPEN,
  ]);
  const fetch = (offset: number, privilege: number) => attempt(machine, nop, privilege, PAGE + offset)?.cause;
  expect(fetch(0, U)).toBeUndefined();
  expect(fetch(16, U)).toBe(1n);
  expect(fetch(16, M)).toBeUndefined();
  expect(fetch(20, S)).toBeUndefined();
  expect(fetch(24, M)).toBe(1n);
  expect(fetch(28, M)).toBeUndefined();
});

test("a change acts at once, on pages that are in the TLB", () => {
  const machine = open(makeMachine());
  machine.core.setX(0, 8, BigInt(PAGE));
  expect(attempt(machine, STORE, S)).toBeUndefined();
  program(machine, [{ config: NAPOT | R, address: BigInt(PAGE / 4) | 0x1ffn }, OPEN]);
  expect(attempt(machine, STORE, S)?.cause).toBe(7n);
  expect(attempt(machine, LOAD, S)).toBeUndefined();
  expect(attempt(machine, STORE, M)).toBeUndefined();
});

test("MPRV lends loads and stores, not fetches, the privilege in MPP", () => {
  const machine = open(makeMachine());
  program(machine, [
    { config: NAPOT | X, address: BigInt(CODE / 4) | 0x1ffn },
    { config: NAPOT | R, address: BigInt(PAGE / 4) | 0x1ffn },
  ]);
  machine.core.setX(0, 8, BigInt(PAGE));
  expect(attempt(machine, STORE, M)).toBeUndefined();
  writeCsr(machine, 0x300, 1n << 17n);
  expect(attempt(machine, LOAD, M)).toBeUndefined();
  expect(attempt(machine, STORE, M)?.cause).toBe(7n);
});

test("entries of an earlier life are forgotten at reset", () => {
  const machine = open(makeMachine());
  machine.core.setX(0, 8, BigInt(PAGE));
  program(machine, [OPEN]);
  expect(attempt(machine, STORE, S)).toBeUndefined(); // S-mode's bank now holds the page
  machine.core.calls.resetAll();
  open(machine);
  machine.core.setX(0, 8, BigInt(PAGE));
  program(machine, [{ config: NAPOT | R | X, address: (1n << 54n) - 1n }]);
  // Whatever numbering flushes have: the same number of them as in the life before, or more or fewer.
  for (let n = 0; n < 40; n++) {
    expect(attempt(machine, STORE, S)?.cause).toBe(7n);
    writeCsr(machine, 0x3b5, BigInt(n));
  }
});
