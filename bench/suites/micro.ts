/** Suite micro: parts of the TypeScript side by themselves. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Bench } from "tinybench";
import { decode, sizeOf } from "../../src/isa/decode.ts";
import { disassemble } from "../../src/isa/disassemble.ts";
import { readDtb, writeDtb } from "../../src/machine/dtb.ts";
import { readElf } from "../../src/machine/elf.ts";
import { buildFdt } from "../../src/machine/fdt.ts";
import { packageRoot } from "../paths.ts";
import { makeRow, type Row } from "../report.ts";

const EXECUTABLE = 1; // PF_X
const CORPUS = 2000;

/** The first instructions of the self-test: real code, with compressed ones and CSRs. */
async function instructions(): Promise<number[]> {
  const elf = readElf(await readFile(join(packageRoot(), "roms/selftest/selftest.elf")));
  const { bytes } = elf.segments.find(({ flags }) => flags & EXECUTABLE)!;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const words: number[] = [];
  for (let at = 0; at + 4 <= bytes.length && words.length < CORPUS; ) {
    const raw = view.getUint32(at, true);
    words.push(raw);
    at += sizeOf(raw);
  }
  return words;
}

/** Times each part for a while. @param time milliseconds for each */
export async function runMicro(time: number, say: (what: string) => void): Promise<Row[]> {
  const words = await instructions();
  const machine = { memoryBytes: 512 << 20, harts: 4, bootargs: "console=ttyS0" };
  const dtb = writeDtb(buildFdt(machine));
  const parts = [
    { name: "decode", count: words.length, run: () => words.map(decode) },
    { name: "disassemble", count: words.length, run: () => words.map((raw, i) => disassemble(raw, BigInt(i * 4))) },
    { name: "build device tree", count: 1, run: () => writeDtb(buildFdt(machine)) },
    { name: "read device tree", count: 1, run: () => readDtb(dtb) },
  ];
  const bench = new Bench({ time, warmupTime: time / 4 });
  for (const { name, run } of parts) {
    bench.add(name, () => {
      run();
    });
  }
  say("decoding, disassembling, device trees");
  await bench.run();
  return parts.map(({ name, count }) => {
    const { result } = bench.getTask(name)!;
    if (result.state !== "completed") throw new Error(`${name} ended as ${result.state}`);
    const nanoseconds = (result.latency.p50 * 1e6) / count;
    return makeRow({ suite: "micro", name, unit: "ns", better: "lower" }, new Map([["wardian", [nanoseconds]]]));
  });
}
