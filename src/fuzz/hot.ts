/**
 * Programs whose code runs often enough to be translated, and is shaped as
 * translators find it hard: nested loops that are entered in the middle, blocks
 * that jump to each other anyhow, calls, recursion, tables of jumps, code that
 * is rewritten, remapped, or mixed with data.
 */

import type { Generator } from "./generator.ts";
import { type Callee, CODE_PAGES, type Node, type Op, PAGE, type Program } from "./program.ts";
import { chance, choose } from "./random.ts";
import { rowsOf } from "./rows.ts";

/** What of a program is made here. */
export type Hot = Pick<Program, "body" | "functions" | "remap">;

/** Registers for it: two counters, a depth, two links. */
export const RESERVED = 5;
/** Instructions that a run may take, about, and what a trap counts for. */
const BUDGET = 30_000;
const TRAP = 45;
/** Rewriting code costs its translation: so often in a run. */
const REWRITES = 6;
/** A mask of counters for what is to come so rarely in any loop. */
const RARE = 31;
const BRANCHES = ["beq", "bne", "blt", "bge", "bltu", "bgeu"];

/** Instructions that a run of these nodes retires, roughly: all that is skipped counted. */
function cost(nodes: readonly Node[], functions: readonly Callee[]): number {
  const of = (nodes: readonly Node[]) => cost(nodes, functions);
  return nodes.reduce((sum, node) => {
    switch (node.kind) {
      case "op":
        return sum + (/^(ecall|ebreak|c\.ebreak)$/.test(node.name) ? TRAP : 1);
      case "raw":
        return sum + TRAP;
      case "group":
        return sum + node.ops.length;
      case "loop":
      case "recursion":
        return sum + node.count * (3 + of(node.body));
      case "tangle":
        return sum + (node.count * of(node.blocks.flatMap(({ body }) => body))) / node.blocks.length;
      case "call":
        return sum + 3 + of(functions[node.callee]!.body);
      case "patch":
      case "datum":
        return sum + 8;
      default:
        return sum + 8 + of(node.body);
    }
  }, 0);
}

export function hotCode(generator: Generator): Hot {
  const hot = new HotGenerator(generator);
  const body = hot.main();
  const { paging, random } = generator;
  // An address space of superpages is shared by all programs.
  const remap = paging?.span === "page" && chance(random, 3) ? { remap: random() % CODE_PAGES } : {};
  return { body, functions: hot.functions, ...remap };
}

class HotGenerator {
  readonly functions: Callee[];
  readonly #generator: Generator;
  readonly #leaves: number;

  constructor(generator: Generator) {
    this.#generator = generator;
    const { random } = generator;
    const [, , , first, second] = generator.registers.reserved as [number, number, number, number, number];
    const callers = random() % 3;
    this.#leaves = 1 + (random() % 3);
    const leaves = Array.from({ length: this.#leaves }, () => this.#callee(second, this.#straight(2)));
    this.functions = Array.from({ length: callers }, (): Callee => {
      const body = [...this.#straight(1), this.#call(callers), ...this.#straight(1)];
      return this.#callee(first, body);
    });
    this.functions.push(...leaves);
  }

  main(): Node[] {
    const { random, length } = this.#generator;
    const nests = 1 + (random() % 3);
    const body: Node[] = [];
    for (let i = 0; i < nests; i++) {
      const size = Math.max(3, Math.floor(length / nests / 8));
      const inner: Node[] = [];
      for (let n = 1 + (random() % size); n > 0; n--) inner.push(...this.#piece());
      body.push(...this.#straight(1), this.#outer(inner, Math.floor(BUDGET / nests)));
    }
    return body;
  }

  /** Any of the pieces of a body of an outer loop. */
  #piece(): Node[] {
    const { random, patches } = this.#generator;
    switch (random() % 12) {
      case 0:
        return [this.#tangle()];
      case 1:
        return [this.#recursion()];
      case 2:
      case 3:
        return [this.#call(0)];
      case 4:
        return [this.#table()];
      case 5:
        return [patches && chance(random, 2) ? this.#datum() : this.#table()];
      case 6:
        return patches ? [this.#patch()] : this.#straight(1);
      case 7:
        return [this.#inner()];
      case 8:
        return [this.#walk()];
      default:
        return this.#straight(1);
    }
  }

  /** What programs are made of elsewhere. */
  #straight(pieces: number): Node[] {
    const { random } = this.#generator;
    const nodes: Node[] = [];
    for (let n = 1 + (random() % pieces); n > 0; n--) nodes.push(...this.#generator.piece(true));
    return nodes.map((node) => this.#tame(node));
  }

  /** What traps or rewrites code comes now and then only, wherever in the node it is. */
  #tame(node: Node): Node {
    if (node.kind === "tangle") return node;
    if ("body" in node) return { ...node, body: node.body.map((inner) => this.#tame(inner)) } as Node;
    const dear = node.kind === "patch" || node.kind === "raw" || cost([node], []) >= TRAP;
    if (!dear) return node;
    const [register] = this.#generator.registers.reserved as [number];
    const body = [node.kind === "patch" ? this.#alternating(node) : node];
    return { kind: "rare", register, mask: RARE, temporary: this.#generator.scratch(), body };
  }

  /** A patch that changes the code every time. */
  #alternating(node: Extract<Node, { kind: "patch" }>): Node {
    const [at, value] = node.registers;
    for (;;) {
      const old = this.#generator.scratch(at);
      if (old !== value) return { ...node, registers: [at, value, old] };
    }
  }

  #callee(link: number, body: readonly Node[]): Callee {
    const { random } = this.#generator;
    return { link, gap: chance(random, 3) ? 2 * (random() % (PAGE / 8)) : 2 * (random() % 8), body };
  }

  /** A call of a function whose number is at least `from`. */
  #call(from: number): Node {
    const { random } = this.#generator;
    const total = this.functions?.length ?? 0;
    const callee = total ? from + (random() % (total - from)) : from + (random() % this.#leaves);
    return { kind: "call", callee, ...(chance(random, 2) ? { register: this.#generator.scratch() } : {}) };
  }

  #outer(body: Node[], budget: number): Node {
    const { random, registers } = this.#generator;
    const [register] = registers.reserved as [number];
    const most = Math.max(2, Math.min(2000, Math.floor(budget / (8 + cost(body, this.functions)))));
    const count = 2 + (random() % most);
    const mask = 2 ** Math.min(10, Math.ceil(Math.log2(Math.max(1, count / REWRITES)))) - 1;
    const tamed = body.map((node) => remask(node, mask));
    const into = chance(random, 3) ? { into: random() % body.length } : {};
    return { kind: "loop", register, count, body: tamed, ...into, ...this.#stride(count) };
  }

  /** Without pages of its own a program may not leave its data: see the generator's offsets. */
  #stride(count: number): object {
    const { random, registers, paging } = this.#generator;
    const reach = paging?.span === "page" ? 2040 : 240;
    const most = Math.floor(reach / count);
    if (most === 0 || chance(random, 3)) return {};
    const by = 1 + (random() % most);
    return { stride: { register: choose(random, registers.pointers), by: by >= 8 ? by & ~7 : by } };
  }

  #inner(): Node {
    const { random, registers } = this.#generator;
    const body = [...this.#generator.some(6), this.#generator.one(), ...(chance(random, 3) ? [this.#call(0)] : [])];
    const into = chance(random, 4) ? { into: random() % body.length } : {};
    return {
      kind: "loop",
      register: registers.reserved[1]!,
      count: 1 + (random() % 12),
      body: withoutDear(body),
      ...into,
    };
  }

  /** A loop of one block, along memory. With pages of its own it begins far enough from a border to be in full swing there. */
  #walk(): Node {
    const { random, registers, paging } = this.#generator;
    const count = 12 + (random() % 60);
    const body = Array.from({ length: 1 + (random() % 5) }, () => this.#generator.plain());
    const loop = { kind: "loop", register: registers.reserved[1]!, count, body } as const;
    if (paging?.span !== "page") return { ...loop, ...this.#stride(count) };
    const by = choose(random, [1, 2, 4, 8, 8, 16, 24, 32]) * (chance(random, 3) ? -1 : 1);
    if (Math.abs(by * count) >= 2048) return { ...loop, ...this.#stride(count) };
    return { ...loop, stride: { register: choose(random, registers.pointers), by, from: -by * (random() % count) } };
  }

  #tangle(): Node {
    const { random, registers } = this.#generator;
    const size = 2 + (random() % 5);
    const blocks = Array.from({ length: size }, (_, i) => ({
      body: withoutDear(this.#generator.some(5)),
      op: {
        kind: "op",
        name: choose(random, BRANCHES),
        operands: { rs1: random() % 32, rs2: random() % 32 },
      } as Op,
      to: random() % size,
      next: i + 1 < size && !chance(random, 3) ? i + 1 : random() % size,
    }));
    return { kind: "tangle", register: registers.reserved[1]!, count: 2 + (random() % 30), blocks };
  }

  #recursion(): Node {
    const { random, registers } = this.#generator;
    const [, , depth, , link] = registers.reserved as [number, number, number, number, number];
    const body = withoutDear(this.#generator.some(5));
    return { kind: "recursion", depth, link, temporary: this.#generator.scratch(), count: 2 + (random() % 8), body };
  }

  #table(): Node {
    const { random, paging } = this.#generator;
    const at = this.#generator.scratch();
    const loaded = paging?.code !== "" && chance(random, 2);
    const body = withoutDear(this.#generator.some(8));
    const registers = [at, this.#generator.scratch(at)] as const;
    return { kind: "table", registers, from: random() % 32, loaded, body };
  }

  #patch(): Node {
    const [op, by] = [this.#generator.word(), this.#generator.word()];
    const at = this.#generator.scratch();
    return this.#tame({ kind: "patch", op, by, registers: [at, this.#generator.scratch(at)] });
  }

  #datum(): Node {
    const { random, registers } = this.#generator;
    const register = this.#generator.scratch();
    const atomics = rowsOf("atomic").filter(({ name }) => /^amo/.test(name));
    const name = choose(random, ["ld", "lw", "sd", "sw", choose(random, atomics).name]);
    const op = this.#datumOp(name, register);
    const node: Node = { kind: "datum", op, register };
    if (/^l/.test(name)) return node;
    const temporary = this.#generator.scratch();
    return { kind: "rare", register: registers.reserved[0]!, mask: RARE, temporary, body: [node] };
  }

  #datumOp(name: string, rs1: number): Op {
    const { random } = this.#generator;
    const rd = this.#generator.scratch();
    const rs2 = random() % 32;
    if (name.startsWith("amo")) return { kind: "op", name, operands: { rd, rs1, rs2, aq: 0, rl: 0 } };
    return { kind: "op", name, operands: name[0] === "l" ? { rd, rs1, imm: 0 } : { rs1, rs2, imm: 0 } };
  }
}

/** Gives what is rare in a loop, wherever it is, the loop's mask. */
function remask(node: Node, mask: number): Node {
  if (!("body" in node)) return node;
  const body = node.body.map((inner) => remask(inner, mask));
  return (node.kind === "rare" ? { ...node, body, mask } : { ...node, body }) as Node;
}

/** What traps or rewrites for certain is left out, since it would come at every round. */
function withoutDear(nodes: readonly Node[]): Node[] {
  return nodes.filter((node) => node.kind !== "patch" && node.kind !== "raw");
}
