/** What a profile's samples say, in seconds. */

import type { CpuProfile, GuestProfile } from "./profile.ts";
import type { RegionRecord } from "./recorder.ts";

export interface RegionTime {
  /** As the profile has it. */
  readonly name: string;
  readonly seconds: number;
  readonly record: RegionRecord | undefined;
}

export interface Summary {
  /** Time that the executor was at work in, of the whole. */
  readonly busy: number;
  readonly whole: number;
  /** Where it was, all kinds in their order. */
  readonly kinds: readonly { readonly kind: string; readonly seconds: number }[];
  /** The hottest first. */
  readonly regions: readonly RegionTime[];
  /** Functions of the core, the hottest first. */
  readonly functions: readonly { readonly name: string; readonly seconds: number }[];
}

const INTERPRETER = "interpreter, with decoding";
const COMPILED = "compiled code";
const TLB = "TLB misses and page walks";
const TRAPS = "traps, interrupts and CSRs";
const DEVICES = "MMIO and devices";
const FLOAT = "floating point by handlers";
const CLOCK = "the host's clocks";
const TRANSLATION = "translation to WebAssembly";
const ENGINE = "the JavaScript engine: compiling regions, garbage";
const REST = "rest of Wardian";
const KINDS = [INTERPRETER, COMPILED, TLB, TRAPS, DEVICES, FLOAT, CLOCK, TRANSLATION, ENGINE, REST];

const CORE_PREFIX = "assembly/";
/** Functions of the core by the beginning of their names; the first that fits counts. */
const CORE: readonly (readonly [start: string, kind: string])[] = [
  ["exec/f/", FLOAT],
  ["exec/d/", FLOAT],
  ["exec/float/", FLOAT],
  ["exec/fp/", FLOAT],
  ["fp/", FLOAT],
  ["exec/zicsr/", TRAPS],
  ["exec/priv/", TRAPS],
  ["exec/run/", TRAPS],
  ["exec/", INTERPRETER],
  ["isa/", INTERPRETER],
  ["mmu/code/", INTERPRETER],
  ["mmu/", TLB],
  ["jit/helper/jitCall", INTERPRETER],
  ["jit/helper/", TLB],
  ["jit/", TRANSLATION],
  ["hart/", TRAPS],
  ["sbi/", TRAPS],
  ["debug/", TRAPS],
  ["bus/", DEVICES],
  ["devices/", DEVICES],
];
const REGION = /^r_[0-9a-f]+$/;
/** What the core calls in its host, by the names in Cell; the one without a name compiles. */
const HOST: Readonly<Record<string, string>> = {
  ticks: CLOCK,
  wallclock: CLOCK,
  mmioRead: DEVICES,
  mmioWrite: DEVICES,
  "": ENGINE,
};
/** How JavaScript gets devices to work without the core. */
const DEVICE_WORK = /^(deliver|#drainConsole)$/;
/** The engine's own functions that make code of a module. */
const COMPILERS = /^(Module|Instance|compile|instantiate|grow)$/;
const MICROSECONDS = 1e6;

/** Adds up a profile. */
export function summarize({ cpu, regions }: GuestProfile): Summary {
  const kindOf = kindsOf(cpu);
  const kinds = new Map<string, number>(KINDS.map((kind) => [kind, 0]));
  const functions = new Map<string, number>();
  let idle = 0;
  for (const [{ id, callFrame }, seconds] of selfTimes(cpu)) {
    const kind = kindOf.get(id);
    if (kind === undefined) idle += seconds;
    else add(kinds, kind, seconds);
    add(functions, callFrame.functionName, seconds);
  }
  const busy = [...kinds.values()].reduce((sum, seconds) => sum + seconds, 0);
  const hottest = [...functions].map(([name, seconds]) => ({ name, seconds })).sort((a, b) => b.seconds - a.seconds);
  return {
    busy,
    whole: busy + idle,
    kinds: [...kinds].map(([kind, seconds]) => ({ kind, seconds })),
    regions: hottest
      .filter(({ name }) => REGION.test(name))
      .map(({ name, seconds }) => ({ name, seconds, record: regions.get(name) })),
    functions: hottest
      .filter(({ name }) => name.startsWith(CORE_PREFIX))
      .map(({ name, seconds }) => ({ name: name.slice(CORE_PREFIX.length), seconds })),
  };
}

function add(times: Map<string, number>, key: string, seconds: number): void {
  times.set(key, (times.get(key) ?? 0) + seconds);
}

type Node = CpuProfile["nodes"][number];

/** Seconds in each node itself. */
function selfTimes({ nodes, samples = [], timeDeltas = [] }: CpuProfile): Map<Node, number> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const times = new Map<Node, number>();
  samples.forEach((id, i) => {
    const node = byId.get(id);
    // A sample stands for the time until the next one.
    const seconds = Math.max(0, timeDeltas[i + 1] ?? 0) / MICROSECONDS;
    if (node) times.set(node, (times.get(node) ?? 0) + seconds);
  });
  return times;
}

interface Place {
  /** None where the executor slept. */
  readonly kind: string | undefined;
  /** JavaScript, or called by it for its own purpose. */
  readonly host: boolean;
}

/** The kind of each node. */
function kindsOf({ nodes }: CpuProfile): Map<number, string | undefined> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const kinds = new Map<number, string | undefined>();
  const called = new Set(nodes.flatMap(({ children = [] }) => children));
  const visit = (node: Node, caller: Place) => {
    const place = placeOf(node.callFrame, caller);
    kinds.set(node.id, place.kind);
    for (const child of node.children ?? []) visit(byId.get(child)!, place);
  };
  for (const node of nodes) if (!called.has(node.id)) visit(node, { kind: REST, host: true });
  return kinds;
}

function placeOf({ functionName, url }: Node["callFrame"], caller: Place): Place {
  if (functionName === "(idle)") return { kind: undefined, host: true };
  if (functionName === "(program)" || functionName === "(garbage collector)") return { kind: ENGINE, host: true };
  if (url === "" && COMPILERS.test(functionName)) return { kind: ENGINE, host: true };
  // What a device or a clock calls is its own, also in the core.
  if (caller.host && caller.kind !== REST) return caller;

  if (REGION.test(functionName)) return { kind: COMPILED, host: false };
  if (functionName.startsWith(CORE_PREFIX)) return { kind: coreKind(functionName), host: false };
  if (functionName.startsWith("js-to-wasm") || functionName.startsWith("wasm-to-js")) return caller;
  if (!caller.host) return { kind: HOST[functionName] ?? REST, host: true };
  return { kind: DEVICE_WORK.test(functionName) ? DEVICES : REST, host: true };
}

function coreKind(functionName: string): string {
  const name = functionName.slice(CORE_PREFIX.length);
  return CORE.find(([start]) => name.startsWith(start))?.[1] ?? REST;
}
