/**
 * The interpreter's loop, generated from the table: one `case` for each micro-op.
 * A row without a handler in assembly/exec doesn't compile.
 */

import { executedAs } from "./expansion.ts";
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
 * loop small enough for its engine to compile well: with everything inlined it
 * ran at little more than half the speed.
 */
const INLINE: ReadonlySet<string> = new Set(
  [
    "lui auipc jal jalr beq bne blt bge bltu bgeu lb lh lw ld lbu lhu lwu sb sh sw sd",
    "addi slti sltiu xori ori andi slli srli srai addiw slliw srliw sraiw",
    "add sub sll slt sltu xor srl sra or and addw subw sllw srlw sraw mul mulw",
    "sh1add sh2add sh3add add.uw slli.uw andn zext.h sext.b sext.h rori roriw czero.eqz czero.nez fence",
  ].flatMap((names) => names.split(" ")),
);

/** Loads and stores: size in bytes, and how a loaded value is read. */
const MEMORY: Readonly<Record<string, { size: number; type: string; store?: true }>> = {
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
};

/** A look into the TLB in line, and a call when that fails. */
function memoryCode(name: string, step: number): string {
  const { size, type, store } = MEMORY[name]!;
  const signed = type.startsWith("i") && size < 8;
  const miss = store ? `storeMiss(h, u, n, ${size})` : `loadMiss(h, u, n, ${signed ? `SIGN | ${size}` : size})`;
  const tag = store ? "load<u64>(e, TLB_STORE)" : "load<u64>(e)";
  const addend = store ? "load<u32>(e, TLB_STORE + 8)" : "load<u32>(e, 8)";
  const at = `<u32>va + ${addend}`;
  const hit = store ? `store<${type}>(${at}, <${type}>xa(h, u));` : `rd(h, u, <i64>load<${type}>(${at}));`;
  const leave = step === 16 ? "break;" : `{ step = ${step}; break; }`;
  return [
    "va = <u64>(xb(h, u) + IMM(u)); e = entry(h, va);",
    `if (${tag} == tagged(va, ${size})) { ${hit} u += ${step}; continue; }`,
    `st = ${miss}; if (st) ${leave} u += ${step}; continue;`,
  ].join(" ");
}

type Kind = "memory" | "plain" | "pc" | "branch" | "jal" | "jalr" | "outcome" | "called";

function kindOf(base: Row): Kind {
  if (!INLINE.has(base.name)) return "called";
  if (base.name in MEMORY) return "memory";
  if (base.name === "auipc") return "pc";
  if (base.name === "jal") return "jal";
  if (base.name === "jalr") return "jalr";
  if (base.flags.far) return "branch";
  return base.flags.mayTrap || base.flags.endsBlock ? "outcome" : "plain";
}

function caseOf(row: Row, base: Row): string | undefined {
  const call = handlerName(base.name);
  const step = row.size * 4; // bytes of micro-ops
  const label = `      case ${opName(row.name)}:`;
  const far = `      case ${farOpName(row.name)}:`;
  const link = `setX(h, A(u), <i64>(vbase + ((u - page) >> 2) + ${row.size}));`;
  switch (kindOf(base)) {
    case "memory":
      return `${label} ${memoryCode(base.name, step)}`;
    case "plain":
      return `${label} ${call}(h, u); u += ${step}; continue;`;
    case "pc":
      return `${label} ${call}(h, u, vbase); u += ${step}; continue;`;
    case "branch":
      return [
        `${label} u += select<usize>(IMM(u), ${step}, ${call}(h, u)); continue;`,
        `${far} if (${call}(h, u)) { target = vbase + <i64>IMM(u); break; } u += ${step}; continue;`,
      ].join("\n");
    case "jal":
      return [`${label} ${link} u += IMM(u); continue;`, `${far} ${link} target = vbase + <i64>IMM(u); break;`].join(
        "\n",
      );
    case "jalr":
      return `${label} target = <u64>(xb(h, u) + IMM(u)) & ~1; ${link} break;`;
    case "called":
      return undefined;
    case "outcome":
      return row.size === 4
        ? `${label} st = ${call}(h, u, n); if (st) break; u += ${step}; continue;`
        : `${label} st = ${call}(h, u, n); if (st) { step = ${step}; break; } u += ${step}; continue;`;
  }
}

/** A handler as one that returns an outcome. */
function wrapped(base: Row): string {
  const name = handlerName(base.name);
  if (base.flags.mayTrap || base.flags.endsBlock) return name;
  return `(h: usize, u: usize, n: i32): i32 => { ${name}(h, u); return ST_OK; }`;
}

/** @returns the text of assembly/exec/dispatch.generated.ts, without its header */
export function generateDispatch(rows: readonly Row[]): string {
  const byName = new Map(rows.map((row) => [row.name, row]));
  const rooms = new Map<string, Set<string>>();
  const cases: string[] = [];
  const calls: string[] = [];
  const called = { 2: [] as string[], 4: [] as string[] };
  const ops: string[] = [];
  for (const row of rows) {
    const base = byName.get(executedAs(row.name))!;
    const text = caseOf(row, base);
    ops.push(opName(row.name));
    if (base.flags.far) ops.push(farOpName(row.name));
    const kind = kindOf(base);
    if (text) {
      cases.push(text);
    } else {
      called[row.size].push(`      case ${opName(row.name)}:`);
      calls.push(`  handle(${opName(row.name)}, ${wrapped(base)});`);
    }
    if (kind === "jal" || kind === "jalr" || kind === "memory") continue;
    const room = roomOf(base);
    if (!rooms.has(room)) rooms.set(room, new Set());
    rooms.get(room)!.add(handlerName(base.name));
  }
  const imports = [...rooms].sort().map(([room, names]) => `import { ${[...names].join(", ")} } from "./${room}";`);
  const call = "st = call_indirect<i32>(load<u32>(HANDLERS + (<u32>load<u16>(u) << 2)), h, u, n);";
  return `
import {
  H_INSTRET, H_INSTRET_END, H_TLB_FETCH, HANDLERS, ST_BUDGET, ST_EVENT, ST_JUMP, ST_OK, ST_STEP, TLB_FETCH, TLB_STORE,
} from "../abi";
import { A, illegal, IMM, rd, setPc, setX, xa, xb } from "../hart/state";
import {
  OP_BREAK, OP_CROSS, OP_DECODE, OP_ILLEGAL, OP_ILLEGAL_C, OP_PAGE_END, ${ops.join(", ")},
} from "../isa/ops.generated";
import { fetchedSlots, fetchSlow } from "../mmu/access";
import { tlbIndex } from "../mmu/tlb";
import { decodeSlot } from "./decode";
import { entry, loadMiss, SIGN, storeMiss, tagged } from "./memory";
${imports.join("\n")}

// @ts-ignore: decorator
@inline function handle(op: u16, handler: (h: usize, u: usize, n: i32) => i32): void {
  store<u32>(HANDLERS + (<u32>op << 2), handler.index);
}

/** Fills the table of handlers that are called. */
export function fillHandlers(): void {
${calls.join("\n")}
}

/**
 * Executes up to \`n\` instructions; H_INSTRET_END must hold what H_INSTRET will
 * be after all of them. On return H_PC and H_INSTRET are true.
 * @param page   the slots of the page that holds the pc (UOP_SLOTS × 8 bytes)
 * @param u      the slot of the pc
 * @param vbase  virtual address of the page
 * @returns      ST_*, never ST_OK
 */
export function execute(h: usize, n: i32, page: usize, u: usize, vbase: u64): i32 {
  let st: i32 = ST_OK;
  let target: u64 = 0;
  let step: u32 = 16;
  let va: u64 = 0;
  let e: usize = 0;
  for (;;) {
    if (n == 0) {
      setPc(h, vbase + ((u - page) >> 2));
      store<u64>(h, load<u64>(h, H_INSTRET_END), H_INSTRET);
      return ST_BUDGET;
    }
    n--;
    switch (<i32>load<u16>(u)) {
      case OP_DECODE: n++; decodeSlot(page, u); continue;
      case OP_PAGE_END: n++; target = vbase + 4096; break;
      case OP_CROSS: case OP_BREAK: st = ST_STEP; break;
      case OP_ILLEGAL: case OP_ILLEGAL_C: st = illegal(h); break;
${cases.join("\n")}
${called[4].join("\n")}
        ${call} if (st) break; u += 16; continue;
${called[2].join("\n")}
        ${call} if (st) { step = 8; break; } u += 8; continue;
      default: st = illegal(h);
    }
    if (st == ST_OK) {
      // A jump to \`target\`.
      const at = target & ~4095;
      if (at != vbase) {
        e = load<u32>(h, H_TLB_FETCH) + TLB_FETCH + tlbIndex(target);
        if (load<u64>(e) == at) {
          page = load<u32>(e, 8);
        } else {
          if (n == 0) st = ST_BUDGET;
          else st = fetchSlow(h, target);
          if (st) {
            setPc(h, target);
            store<u64>(h, load<u64>(h, H_INSTRET_END) - n, H_INSTRET);
            return st;
          }
          page = fetchedSlots;
        }
        vbase = at;
      }
      u = page + ((<usize>target & 4095) << 2);
      continue;
    }
    if (st == ST_EVENT) u += step; // it has retired, and the next one is due
    else if (st != ST_JUMP) n++; // it has not
    if (st != ST_JUMP) setPc(h, vbase + ((u - page) >> 2));
    store<u64>(h, load<u64>(h, H_INSTRET_END) - n, H_INSTRET);
    return st;
  }
}
`;
}
