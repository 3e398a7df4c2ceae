/** What a profile's samples are counted as. */

import { expect, test } from "vitest";
import type { CpuProfile } from "../../src/profile/profile.ts";
import type { RegionRecord } from "../../src/profile/recorder.ts";
import { summarize } from "../../src/profile/summary.ts";
import { codeText, summaryText } from "../../src/profile/text.ts";
import { Assembler } from "../support/assembler.ts";

/** Calls by name, indented below their callers; a number behind is how many samples of 1 ms hit. */
const TREE = `
(root)
 (idle) 50
 (program) 1
 (garbage collector) 2
 slice 3
  deliver 1
   accept 1
  #round
   js-to-wasm::
    assembly/exec/run/advance 4
     assembly/exec/execute/execute 5
      assembly/exec/dispatch.generated/interpret 20
      assembly/exec/float/fma 6
       assembly/fp/fma/round 1
      r_80000852 30
       assembly/jit/helper/jitLoad 2
        assembly/mmu/access/loadSlow 3
         assembly/bus/dispatch/load 1
          wasm-to-js:iii:l
           mmioRead 4
            read 2
             js-to-wasm:ii
              assembly/mmu/access/guestRange 1
      r_80000900 7
      assembly/jit/profile/heat
       assembly/jit/module/writeModule 2
       wasm-to-js:iiii:i
        : 1
         Module 3
      assembly/devices/timer/look
       ticks 2
        now 1
 compile 1
`;

function profileOf(tree: string): CpuProfile {
  const nodes: { id: number; callFrame: { functionName: string; url: string }; children: number[] }[] = [];
  const samples: number[] = [];
  const path: number[] = [];
  for (const line of tree.trim().split("\n")) {
    const [, indent, name, hits] = /^( *)(.*?)(?: (\d+))?$/.exec(line)!;
    const id = nodes.length + 1;
    const functionName = name === ":" ? "" : name!;
    const url = /^(mmioRead|read|slice|deliver|accept|ticks|#round|)$/.test(functionName) ? "file:executor.js" : "";
    nodes.push({ id, callFrame: { functionName, url }, children: [] });
    path.length = indent!.length;
    if (path.length) nodes[path.at(-1)! - 1]!.children.push(id);
    path.push(id);
    samples.push(...Array<number>(Number(hits ?? 0)).fill(id));
  }
  return { nodes, startTime: 0, endTime: samples.length * 1000, samples, timeDeltas: [0, ...samples.map(() => 1000)] };
}

const program = new Assembler()
  .label("loop")
  .op("c.addi", { rd: 10, imm: 1 })
  .to("loop", "bne", { rs1: 10, rs2: 0 })
  .op("jalr", { rd: 0, rs1: 1, imm: 0 })
  .op("ebreak");

const record: RegionRecord = {
  address: 0x8000_0000n,
  virtual: 0xffff_f000n,
  page: program.bytes(),
  module: new Uint8Array(),
  index: 0,
};

const summary = summarize({ cpu: profileOf(TREE), regions: new Map([["r_80000852", record]]) });

test("every sample has its kind, and sleep has none", () => {
  const milliseconds = Object.fromEntries(summary.kinds.map(({ kind, seconds }) => [kind, Math.round(seconds * 1000)]));
  expect(milliseconds).toEqual({
    "interpreter, with decoding": 25,
    "compiled code": 37,
    "TLB misses and page walks": 5,
    "traps, interrupts and CSRs": 4,
    "MMIO and devices": 10,
    "floating point by handlers": 7,
    "the host's clocks": 3,
    "translation to WebAssembly": 2,
    "the JavaScript engine: compiling regions, garbage": 8,
    "rest of Wardian": 3,
  });
  expect(summary.busy).toBeCloseTo(0.104, 9);
  expect(summary.whole).toBeCloseTo(0.154, 9);
});

test("regions and functions come by their time", () => {
  expect(summary.regions.map(({ name }) => name)).toEqual(["r_80000852", "r_80000900"]);
  expect(summary.regions[0]!.record).toBe(record);
  expect(summary.functions[0]!.name).toBe("exec/dispatch.generated/interpret");
});

test("the text says it in seconds and percent, of no more regions than asked for", () => {
  const text = summaryText(summary, 1);
  expect(text).toContain("     0.037 s   35.6 %  compiled code\n");
  expect(text).toContain("r_80000852  page 0x80000000 + 0x0, virtual 0xfffff000\n");
  expect(text).not.toContain("r_80000900");
  expect(summaryText(summarize({ cpu: profileOf("(root)"), regions: new Map() }), 5)).toContain("0.0 %");
});

test("a region's code is what it reaches, and a module that can't be read is told", () => {
  const nothing = () => undefined;
  const naming = { local: nothing, offset: nothing, inTable: nothing, argument: nothing };
  const text = codeText(summary.regions[0]!, naming);
  expect(text).toContain(
    "  fffff000  c.addi a0,1\n  fffff002  bne a0,zero,0xfffff000\n  fffff006  jalr zero,0(ra)\n\n",
  );
  expect(text).toContain("no text: there is no function 0");
  expect(text).not.toContain("ebreak");
  expect(codeText(summary.regions[1]!, naming)).toBe("\nr_80000900: not kept\n");
});
