/** The same program by the interpreter and by compiled code. */

import { expect } from "vitest";
import type { Assembler } from "./assembler.ts";
import { makeMachine, type TestMachine } from "./machine.ts";

/** A counter of the hart's, CT_*. */
export const counter = ({ core }: TestMachine, name: string): number =>
  Number(core.hartU64(0, core.abi.H_COUNTERS! + core.abi[name]! * 8));

/**
 * Runs to the label "end" on both engines, the JIT compiling what is met at once.
 * @param registers  those that must be equal then, as retired instructions must
 * @param prepare    makes more of the machine that has loaded it
 * @returns the JIT's machine
 */
export function runBoth(
  program: Assembler,
  registers: readonly number[],
  prepare: (machine: TestMachine) => void = () => {},
): TestMachine {
  const [machine, interpreted] = (["jit", "interpreter"] as const).map((engine) => {
    const made = makeMachine({ engine, ramSize: 0x400_0000 });
    made.load(program);
    prepare(made);
    const end = BigInt(program.addressOf("end"));
    for (let i = 0; made.pc() !== end; i++) {
      if (i > 5000) throw new Error(`it never ends; the pc is 0x${made.pc().toString(16)}`);
      made.core.calls.run(0, 997);
    }
    return made;
  });
  for (const r of registers) expect(machine!.x(r), `x${r}`).toBe(interpreted!.x(r));
  expect(machine!.field("H_INSTRET")).toBe(interpreted!.field("H_INSTRET"));
  return machine!;
}
