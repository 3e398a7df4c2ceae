/** Instructions whose edges random values seldom meet, or that QEMU 7.2 lacks or has wrong. */

import { expect, test } from "vitest";
import { open, perform } from "../support/attempt.ts";
import { makeMachine } from "../support/machine.ts";

const MIN = -(1n << 63n);
const MIN_W = -(1n << 31n);

test.each([
  ["divw", MIN_W, -1n, MIN_W],
  ["divw", MIN_W, 0n, -1n],
  ["remw", MIN_W, -1n, 0n],
  ["remw", MIN_W, 0n, MIN_W],
  ["divuw", MIN_W, 1n, MIN_W],
  ["divuw", 5n, 0n, -1n],
  ["remuw", MIN_W, 0n, MIN_W],
  ["remuw", -1n, MIN_W, (1n << 31n) - 1n],
  ["div", MIN, -1n, MIN],
  ["div", MIN, 0n, -1n],
  ["rem", MIN, -1n, 0n],
  ["rem", MIN, 0n, MIN],
  ["divu", MIN, 0n, -1n],
  ["remu", MIN, 0n, MIN],
  ["mulw", MIN_W, -1n, MIN_W],
  ["mulw", 0x1_0000n, 0x8000n, MIN_W],
  ["mulh", MIN, MIN, 1n << 62n],
  ["mulhu", -1n, -1n, -2n],
  ["mulhsu", -1n, -1n, -1n],
  ["mulhsu", MIN, -1n, MIN],
  ["addw", (1n << 31n) - 1n, 1n, MIN_W],
  ["subw", 0n, MIN_W, MIN_W],
  ["subw", MIN_W, 1n, (1n << 31n) - 1n],
  ["sllw", 1n, 31n, MIN_W],
  ["srlw", MIN_W, 32n, MIN_W],
  ["rolw", 1n, 31n, MIN_W],
  ["rorw", 1n, 1n, MIN_W],
  ["czero.eqz", 7n, 0n, 0n],
  ["czero.eqz", 7n, 1n << 63n, 7n],
  ["czero.nez", 7n, 0n, 7n],
  ["czero.nez", 7n, 1n << 32n, 0n],
] as const)("%s %i, %i is %i", (name, a, b, result) => {
  const machine = open(makeMachine());
  machine.core.setX(0, 6, BigInt.asUintN(64, a));
  machine.core.setX(0, 7, BigInt.asUintN(64, b));
  expect(perform(machine, name, { rd: 5, rs1: 6, rs2: 7 })).toBeUndefined();
  expect(BigInt.asIntN(64, machine.x(5))).toBe(result);
});

test.each([
  ["ctzw", 0n, 32n],
  ["ctzw", 1n << 40n, 32n],
  ["ctzw", 1n << 31n, 31n],
  ["clzw", 1n << 40n, 32n],
  ["clzw", -1n, 0n],
  ["cpopw", -1n, 32n],
  ["clz", 0n, 64n],
  ["ctz", 0n, 64n],
] as const)("%s %i is %i", (name, a, result) => {
  const machine = open(makeMachine());
  machine.core.setX(0, 6, BigInt.asUintN(64, a));
  expect(perform(machine, name, { rd: 5, rs1: 6 })).toBeUndefined();
  expect(machine.x(5)).toBe(result);
});
