/** A target that only remembers, for tests of the protocol. */

import { listRegisters, REG_PC } from "../../src/debug/registers.ts";
import type { DebugTarget, Point, Resume } from "../../src/debug/target.ts";

/** RAM from 0x1000 on. */
export const BASE = 0x1000n;
export const SIZE = 0x8000;

export class FakeTarget implements DebugTarget {
  readonly harts = 2;
  readonly registers = listRegisters((csr) => csr === 3 || csr === 0x300 || csr === 0xf14);
  readonly values = [new Map<number, bigint>(), new Map<number, bigint>()];
  readonly memory = new Uint8Array(SIZE);
  readonly points: string[] = [];
  readonly log: string[] = [];
  resumed: readonly Resume[] | undefined;

  readRegister(hart: number, register: number): bigint | undefined {
    if (!this.registers.some(({ number }) => number === register)) return undefined;
    return this.values[hart]!.get(register) ?? 0n;
  }

  writeRegister(hart: number, register: number, value: bigint): boolean {
    if (register === 65 + 0xf14) return false;
    this.values[hart]!.set(register, value);
    return true;
  }

  readMemory(_hart: number, address: bigint, length: number): Uint8Array {
    const from = Number(address - BASE);
    return from < 0 || from >= SIZE ? new Uint8Array() : this.memory.slice(from, from + length);
  }

  writeMemory(_hart: number, address: bigint, bytes: Uint8Array): boolean {
    const from = Number(address - BASE);
    if (from < 0 || from + bytes.length > SIZE) return false;
    this.memory.set(bytes, from);
    return true;
  }

  insert(point: Point, address: bigint, size: bigint): boolean {
    if (address === 0n) return false;
    this.points.push(`${point} ${address.toString(16)} ${size}`);
    return true;
  }

  remove(point: Point, address: bigint, size: bigint): boolean {
    const i = this.points.indexOf(`${point} ${address.toString(16)} ${size}`);
    if (i >= 0) this.points.splice(i, 1);
    return i >= 0;
  }

  describe(hart: number): string {
    return `hart ${hart} at ${(this.values[hart]!.get(REG_PC) ?? 0n).toString(16)}`;
  }

  resume(actions: readonly Resume[]): void {
    this.resumed = actions;
  }

  release(): void {
    this.log.push("release");
  }

  reset(): boolean {
    this.log.push("reset");
    return true;
  }

  kill(): void {
    this.log.push("kill");
  }
}
