/**
 * The interpreter's loop, generated from the table: one `case` for each micro-op.
 * A row without a handler in assembly/exec doesn't compile.
 */

import { executedAs } from "./expansion.ts";
import { type Fusion, FusionError } from "./fusion.ts";
import { farOpName, handlerName, opName } from "./names.ts";
import type { Row } from "./row.ts";

/** The file in assembly/exec that holds a handler. */
function roomOf(row: Row): string {
  switch (row.extension) {
    case "Zifencei":
    case "Zihintpause":
      return "i";
    case "Svinval":
      return "priv";
    case "Zicbom":
    case "Zicboz":
    case "Zicbop":
      return "zicbo";
    default:
      return row.extension.toLowerCase();
  }
}

/**
 * Executed within the loop. The rest is called through a table, which keeps the
 * loop small enough for its engine to compile well: V8 gives a function of more
 * than 8192 virtual registers to a lesser register allocator, and integer code
 * then takes half as long again. `test/core/loop.test.ts` counts them.
 */
const INLINE: ReadonlySet<string> = new Set(
  [
    "lui auipc jal jalr beq bne blt bge bltu bgeu lb lh lw ld lbu lhu lwu sb sh sw sd",
    "addi slti sltiu xori ori andi slli srli srai addiw slliw srliw sraiw",
    "add sub sll slt sltu xor srl sra or and addw subw sllw srlw sraw mul mulhu mulw",
    "sh1add sh2add sh3add add.uw slli.uw andn zext.h sext.b sext.h rori roriw czero.eqz czero.nez fence",
  ].flatMap((names) => names.split(" ")),
);

/** Floating point that is in the loop as long as it is the common case, by `assembly/exec/float`. */
interface Common {
  /** The instructions that one case executes, the first giving it its name. */
  readonly names: string;
  /** Tests, with `h`, `u` and the value `v`: 0 when this is the common case. */
  readonly tests: readonly string[];
  /** What takes the value. */
  readonly to: "setDouble" | "setSingle" | "setBits" | "rd";
}

const COMMON: readonly Common[] = [
  ...["fadd.d", "fsub.d", "fmul.d", "fdiv.d", "fsqrt.d", "fmadd.d fmsub.d fnmsub.d fnmadd.d"].map(
    (names): Common => ({ names, tests: ["rounds(h, u)", "odd64(v)"], to: "setDouble" }),
  ),
  ...["fadd.s", "fsub.s", "fmul.s", "fdiv.s"].map(
    (names): Common => ({ names, tests: ["rounds(h, u)", "unboxed2(h, u)", "odd32(v)"], to: "setSingle" }),
  ),
  { names: "fsqrt.s", tests: ["rounds(h, u)", "unboxed1(h, u)", "odd32(v)"], to: "setSingle" },
  {
    names: "fmadd.s fmsub.s fnmsub.s fnmadd.s",
    tests: ["rounds(h, u)", "unboxed3(h, u)", "odd32(v)"],
    to: "setSingle",
  },
  { names: "fsgnj.d", tests: ["off(h)"], to: "setBits" },
  { names: "fsgnjn.d", tests: ["off(h)"], to: "setBits" },
  { names: "fsgnjx.d", tests: ["off(h)"], to: "setBits" },
  { names: "fsgnj.s", tests: ["off(h)", "unboxed2(h, u)"], to: "setBits" },
  { names: "fsgnjn.s", tests: ["off(h)", "unboxed2(h, u)"], to: "setBits" },
  { names: "fsgnjx.s", tests: ["off(h)", "unboxed2(h, u)"], to: "setBits" },
  { names: "fmin.d fmax.d", tests: ["off(h)", "nan64(h, u)"], to: "setDouble" },
  { names: "fmin.s fmax.s", tests: ["off(h)", "nan32(h, u)"], to: "setSingle" },
  { names: "feq.d flt.d fle.d", tests: ["off(h)", "nan64(h, u)"], to: "rd" },
  { names: "feq.s flt.s fle.s", tests: ["off(h)", "nan32(h, u)"], to: "rd" },
  { names: "fmv.x.d", tests: ["off(h)"], to: "rd" },
  { names: "fmv.x.w", tests: ["off(h)"], to: "rd" },
  { names: "fmv.d.x", tests: ["off(h)"], to: "setBits" },
  { names: "fmv.w.x", tests: ["off(h)"], to: "setBits" },
  { names: "fcvt.w.d", tests: ["truncates(h, u)", "beyond_w_d(h, u)"], to: "rd" },
  { names: "fcvt.l.d", tests: ["truncates(h, u)", "beyond_l_d(h, u)"], to: "rd" },
  { names: "fcvt.w.s", tests: ["truncates(h, u)", "beyond_w_s(h, u)"], to: "rd" },
  { names: "fcvt.l.s", tests: ["truncates(h, u)", "beyond_l_s(h, u)"], to: "rd" },
  { names: "fcvt.d.w", tests: ["exact(h, u)"], to: "setDouble" },
  { names: "fcvt.d.wu", tests: ["exact(h, u)"], to: "setDouble" },
  { names: "fcvt.d.l", tests: ["rounds(h, u)"], to: "setDouble" },
  { names: "fcvt.s.w", tests: ["rounds(h, u)"], to: "setSingle" },
  { names: "fcvt.s.d", tests: ["rounds(h, u)", "odd32(v)"], to: "setSingle" },
  { names: "fcvt.d.s", tests: ["exact(h, u)", "unboxed1(h, u)", "nan(v)"], to: "setDouble" },
];
const COMMON_BY_NAME: ReadonlyMap<string, Common> = new Map(
  COMMON.flatMap((common) => common.names.split(" ").map((name) => [name, common] as const)),
);
/** Where its value comes from. */
const valueName = (common: Common): string => `${handlerName(common.names.split(" ")[0]!)}_value`;

/** A case that gives up leaves the instruction to its handler. */
const SLOW = "return leaveSlow(u, n, page, vbase);";

function commonCode(common: Common): string {
  const value = `const v = ${valueName(common)}(h, u);`;
  return `{ ${value} if ((${common.tests.join(" | ")}) != 0) ${SLOW} ${common.to}(h, u, v); }`;
}

/** Loads and stores: size in bytes, and how a loaded value is read. */
const MEMORY: Readonly<Record<string, { size: number; type: string; store?: true; float?: true }>> = {
  lb: { size: 1, type: "i8" },
  lh: { size: 2, type: "i16" },
  lw: { size: 4, type: "i32" },
  ld: { size: 8, type: "i64" },
  lbu: { size: 1, type: "u8" },
  lhu: { size: 2, type: "u16" },
  lwu: { size: 4, type: "u32" },
  sb: { size: 1, type: "u8", store: true },
  sh: { size: 2, type: "u16", store: true },
  sw: { size: 4, type: "u32", store: true },
  sd: { size: 8, type: "u64", store: true },
  flw: { size: 4, type: "u32", float: true },
  fld: { size: 8, type: "u64", float: true },
  fsw: { size: 4, type: "u32", store: true, float: true },
  fsd: { size: 8, type: "u64", store: true, float: true },
};

/** A look into the TLB in line; when that fails, the handler does it. */
function memoryCode(name: string): string {
  const { size, type, store, float } = MEMORY[name]!;
  const tag = store ? "load<u64>(e, TLB_STORE)" : "load<u64>(e)";
  const addend = store ? "load<u32>(e, TLB_STORE + 8)" : "load<u32>(e, 8)";
  const at = `<u32>va + ${addend}`;
  const loaded = `load<${type}>(${at})`;
  const boxed = size === 4 ? `box(${loaded})` : loaded;
  const hit = store
    ? `store<${type}>(${at}, <${type}>${float ? "f(h, A(u))" : "xa(h, u)"});`
    : float
      ? `setF(h, A(u), ${boxed});`
      : `rd(h, u, <i64>${loaded});`;
  const missed = float ? `((${tag} ^ tagged(va, ${size})) | <u64>off(h)) != 0` : `${tag} != tagged(va, ${size})`;
  return `{ const va = <u64>(xb(h, u) + IMM(u)); const e = entry(h, va); if (${missed}) ${SLOW} ${hit} }`;
}

/** The handler of a load or store that missed the TLB. */
function missHandler(name: string): string {
  const { size, type, store } = MEMORY[name]!;
  const signed = type.startsWith("i") && size < 8;
  const call = store ? `storeMiss(h, u, n, ${size})` : `loadMiss(h, u, n, ${signed ? `SIGN | ${size}` : size})`;
  return `(h: usize, u: usize, n: i32): i32 => ${call}`;
}

type Kind = "memory" | "common" | "plain" | "pc" | "branch" | "jal" | "jalr" | "called";

function kindOf(base: Row): Kind {
  if (COMMON_BY_NAME.has(base.name)) return "common";
  if (base.name in MEMORY) return "memory";
  if (!INLINE.has(base.name)) return "called";
  if (base.name === "auipc") return "pc";
  if (base.name === "jal") return "jal";
  if (base.name === "jalr") return "jalr";
  if (base.flags.far) return "branch";
  return "plain";
}

/** How an instruction is executed; leads to the next one or, by `break`, to `target`; none if it is called. */
function codeOf(row: Row, base: Row, far: boolean): string | undefined {
  const call = handlerName(base.name);
  const step = row.size * 4; // bytes of micro-ops
  const link = `setX(h, A(u), <i64>(vbase + ((u - page) >> 2) + ${row.size}));`;
  switch (kindOf(base)) {
    case "memory":
      return `${memoryCode(base.name)} u += ${step};`;
    case "common":
      return `${commonCode(COMMON_BY_NAME.get(base.name)!)} u += ${step};`;
    case "plain":
      return `${call}(h, u); u += ${step};`;
    case "pc":
      return `${call}(h, u, vbase); u += ${step};`;
    case "branch":
      return far
        ? `if (${call}(h, u)) { target = vbase + <i64>IMM(u); break; } u += ${step};`
        : `u += select<usize>(IMM(u), ${step}, ${call}(h, u));`;
    case "jal":
      return far ? `${link} target = vbase + <i64>IMM(u); break;` : `${link} u += IMM(u);`;
    case "jalr":
      return `target = <u64>(xb(h, u) + IMM(u)) & ~1; ${link} break;`;
    case "called":
      return undefined;
  }
}

const NEXT = "if (n == 0) continue; n--;";

const caseOf = (labels: readonly string[], code: string): string =>
  `      ${labels.map((label) => `case ${label}:`).join(" ")} ${code}${code.endsWith("break;") ? "" : " continue;"}`;

/** A handler as one that returns an outcome. */
function wrapped(base: Row): string {
  const name = handlerName(base.name);
  if (base.flags.mayTrap || base.flags.endsBlock) return name;
  return `(h: usize, u: usize, n: i32): i32 => { ${name}(h, u); return ST_OK; }`;
}

/** What to do for an instruction whose case in the loop gave up, or that has none. */
function slowHandler(base: Row): string {
  return base.name in MEMORY && !MEMORY[base.name]!.float ? missHandler(base.name) : wrapped(base);
}

const leaves = (kind: Kind): boolean => kind === "called" || kind === "memory" || kind === "common";

/** @returns the text of assembly/exec/dispatch.generated.ts, without its header */
export function generateDispatch(rows: readonly Row[], fusions: readonly Fusion[]): string {
  const byName = new Map(rows.map((row) => [row.name, row]));
  const baseOf = (row: Row) => byName.get(executedAs(row.name))!;
  const rooms = new Map<string, Set<string>>();
  /** Labels by code: what is executed in the same way has one case. */
  const cases = new Map<string, string[]>();
  const addCase = (label: string, code: string) => cases.set(code, [...(cases.get(code) ?? []), label]);
  const handlers: string[] = [];
  const ops: string[] = [];
  const called: string[] = [];
  for (const row of rows) {
    const base = baseOf(row);
    const code = codeOf(row, base, false);
    ops.push(opName(row.name));
    if (code) addCase(opName(row.name), code);
    else called.push(opName(row.name));
    if (base.flags.far) {
      ops.push(farOpName(row.name));
      addCase(farOpName(row.name), codeOf(row, base, true)!);
    }
    const kind = kindOf(base);
    // Compiled code calls what it doesn't have in line itself, whether the loop has or not.
    if (leaves(kind) || kind === "plain")
      handlers.push(`  handle(${opName(row.name)}, ${row.size}, ${slowHandler(base)});`);
    if (kind === "jal" || kind === "jalr" || (kind === "memory" && !MEMORY[base.name]!.float)) continue;
    const room = roomOf(base);
    if (!rooms.has(room)) rooms.set(room, new Set());
    rooms.get(room)!.add(handlerName(base.name));
  }
  const used = new Set<string>(["off"]);
  for (const common of COMMON) {
    for (const name of [valueName(common), ...common.tests.map((test) => test.split("(")[0]!)]) used.add(name);
    if (common.to !== "rd") used.add(common.to);
  }
  for (const { name, first, second } of fusions) {
    const code = [first, second].map((row) => codeOf(row, baseOf(row), false));
    if (code.includes(undefined))
      throw new FusionError(`${name}: one of the two is called, not executed within the loop`);
    addCase(name, code.join(` ${NEXT} `));
    // Having left at the second one, its own slot is where to go on.
    const base = baseOf(first);
    if (leaves(kindOf(base))) handlers.push(`  handle(${name}, ${first.size}, ${slowHandler(base)});`);
  }
  const imports = [...rooms].sort().map(([room, names]) => `import { ${[...names].join(", ")} } from "./${room}";`);
  return `
import { H_TLB_FETCH, HANDLERS, HANDLERS_SIZE, ST_OK, TLB_FETCH, TLB_STORE } from "../abi";
import { A, f, illegal, IMM, rd, setF, setX, xa, xb } from "../hart/state";
import {
  OP_PAGE_END, ${ops.join(", ")},
} from "../isa/ops.generated";
import { ${fusions.map((fusion) => fusion.name).join(", ")} } from "../isa/fusion.generated";
import { fetchIndex } from "../mmu/tlb";
import { ${[...used].join(", ")} } from "./float";
import { box } from "./fp";
import { LEFT_SLOW, leaveBudget, leaveJump, leaveSlow } from "./leave";
import { entry, loadMiss, SIGN, storeMiss, tagged } from "./memory";
${imports.join("\n")}

// @ts-ignore: decorator
@inline function handle(op: u16, size: u32, handler: (h: usize, u: usize, n: i32) => i32): void {
  store<u32>(HANDLERS + (<u32>op << 2), handler.index << 1 | (size >> 1 & 1));
}

/** One byte per op: 1 when the loop has no case for it, so that there is no use in going back there. */
const CALLED = memory.data(<i32>HANDLERS_SIZE >> 2);

/** Has the op a handler only? */
// @ts-ignore: decorator
@inline export function isCalled(op: u16): bool { return load<u8>(CALLED + op) != 0; }

/** Fills the table of handlers: index of the function × 2, + 1 when the instruction is compressed. */
export function fillHandlers(): void {
  for (let op: u32 = 0; op < HANDLERS_SIZE >> 2; op++) handle(<u16>op, 4, (h: usize, u: usize, n: i32): i32 => illegal(h));
${handlers.join("\n")}
${called.map((name) => `  store<u8>(CALLED + ${name}, 1);`).join("\n")}
}

/**
 * The hot part of \`execute\`, which says what the parameters are. It returns at
 * whatever needs a call: without calls V8 keeps the loop's variables in registers.
 * @returns LEFT_*
 */
export function interpret(h: usize, n: i32, page: usize, u: usize, vbase: u64): i32 {
  let target: u64;
  for (;;) {
    if (n == 0) return leaveBudget(u, page, vbase);
    n--;
    switch (<i32>load<u16>(u)) {
      case OP_PAGE_END: n++; target = vbase + 4096; break;
${[...cases].map(([code, labels]) => caseOf(labels, code)).join("\n")}
      default: ${SLOW}
    }
    // A jump to \`target\`.
    const at = target & ~4095;
    if (at != vbase) {
      const e = load<u32>(h, H_TLB_FETCH) + TLB_FETCH + fetchIndex(target);
      if (load<u64>(e) != at) return leaveJump(target, n);
      page = load<u32>(e, 8);
      vbase = at;
    }
    u = page + ((<usize>target & 4095) << 2);
  }
  return LEFT_SLOW; // not reached
}
`;
}
