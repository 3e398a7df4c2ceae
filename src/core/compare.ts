/** Whether two cores of one layout hold the same machine: what is architectural, not what an engine keeps for itself. */

import type { Abi } from "./abi.ts";
import type { CoreParts } from "./calls.ts";

/** A register that two cores disagree on. */
export interface Difference {
  /** By its name in the layout or the ABI: "x5", "f0", "mstatus". */
  readonly name: string;
  readonly first: bigint;
  readonly second: bigint;
}

/** Fields of a hart's state: doublewords unless they are in the second list. */
const LONG = [
  ..."PC MSTATUS INSTRET RES_ADDR RES_VALUE MIE MIP LINES MIDELEG MEDELEG MTVEC MEPC MCAUSE MTVAL MSCRATCH".split(" "),
  ..."MCOUNTEREN MCOUNTINHIBIT MENVCFG STVEC SEPC SCAUSE STVAL SSCRATCH SCOUNTEREN SENVCFG SATP STIMECMP".split(" "),
  ..."CYCLE_BIAS INSTRET_BIAS TIME_BIAS".split(" "),
];
const SHORT = ["PRV", "FCSR", "STATE"];
const PMP_WORDS = 18;

/** Offset of a 32-bit word in a hart's state, and of what it is the low or the high half. */
interface Word {
  readonly offset: number;
  readonly name: string;
  readonly high: boolean;
}

const layouts = new WeakMap<object, readonly Word[]>();

function wordsOf(abi: Abi): readonly Word[] {
  let words = layouts.get(abi);
  if (words) return words;
  const at = (name: string) => {
    const offset = abi[`H_${name}`];
    if (offset === undefined) throw new Error(`this core.wasm has no H_${name}; build it again`);
    return offset;
  };
  const long = (name: string, offset: number): Word[] => [
    { name, offset, high: false },
    { name, offset: offset + 4, high: true },
  ];
  words = [
    ...Array.from({ length: 32 }, (_, i) => long(`x${i}`, at("X") + i * 8)).flat(),
    ...Array.from({ length: 32 }, (_, i) => long(`f${i}`, at("F") + i * 8)).flat(),
    ...LONG.flatMap((name) => long(name.toLowerCase(), at(name))),
    ...SHORT.map((name): Word => ({ name: name.toLowerCase(), offset: at(name), high: false })),
    ...Array.from({ length: PMP_WORDS }, (_, i) =>
      long(i < 2 ? `pmpcfg${i * 2}` : `pmpaddr${i - 2}`, at("PMPCFG") + i * 8),
    ).flat(),
  ];
  layouts.set(abi, words);
  return words;
}

const hartAt = ({ abi }: CoreParts, hart: number): number => abi.HARTS + hart * abi.HART_STRIDE;

/** Registers of a hart that differ; usually none, and then this is quick. */
export function hartDifferences(first: CoreParts, second: CoreParts, hart: number): Difference[] {
  const base = hartAt(first, hart);
  const names = new Set<string>();
  for (const { offset, name } of wordsOf(first.abi)) {
    if (first.view.getInt32(base + offset, true) !== second.view.getInt32(base + offset, true)) names.add(name);
  }
  return [...names].map((name) => ({
    name,
    first: registerOf(first, base, name),
    second: registerOf(second, base, name),
  }));
}

function registerOf(core: CoreParts, base: number, name: string): bigint {
  let value = 0n;
  for (const word of wordsOf(core.abi)) {
    if (word.name !== name) continue;
    value |= BigInt(core.view.getUint32(base + word.offset, true)) << (word.high ? 32n : 0n);
  }
  return value;
}

/** Gives the second core's hart the registers of the first's. What is derived from them must be made anew. */
export function copyHart(first: CoreParts, second: CoreParts, hart: number): void {
  const base = hartAt(first, hart);
  for (const { offset } of wordsOf(first.abi))
    second.view.setInt32(base + offset, first.view.getInt32(base + offset, true), true);
}

/** Where in linear memory the first word of [from, to) differs, or undefined; both are multiples of 4. */
export function firstDifference(first: CoreParts, second: CoreParts, from: number, to: number): number | undefined {
  const words = ({ memory }: CoreParts) => new Int32Array(memory.buffer, from, (to - from) >>> 2);
  const [ours, theirs] = [words(first), words(second)];
  for (let i = 0; i < ours.length; i++) if (ours[i] !== theirs[i]) return from + i * 4;
  return undefined;
}
