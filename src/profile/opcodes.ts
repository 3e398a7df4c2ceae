/** WebAssembly's instructions as far as the translator writes them (Core Specification 5.4), by opcode. */

/** What follows the opcode. */
export type Immediate =
  | "none"
  | "block"
  | "label"
  | "function"
  | "local"
  | "memory"
  | "i32"
  | "i64"
  | "f32"
  | "f64"
  | "lane";

export interface Instruction {
  readonly name: string;
  /** Operands and results; those of calls are by their type. */
  readonly pops: number;
  readonly pushes: number;
  readonly immediate: Immediate;
}

const table = new Map<number, Instruction>();

function add(code: number, names: string, pops: number, pushes: number, immediate: Immediate = "none"): void {
  for (const [i, name] of names.split(" ").entries()) table.set(code + i, { name, pops, pushes, immediate });
}

add(0x00, "unreachable nop", 0, 0);
add(0x02, "block loop", 0, 0, "block");
add(0x04, "if", 1, 0, "block");
add(0x05, "else", 0, 0);
add(0x0b, "end", 0, 0);
add(0x0c, "br", 0, 0, "label");
add(0x0d, "br_if", 1, 0, "label");
add(0x0f, "return", 1, 0);
add(0x10, "call", 0, 0, "function");
add(0x12, "return_call", 0, 0, "function");
add(0x12, "return_call", 0, 0, "function");
add(0x1a, "drop", 1, 0);
add(0x1b, "select", 3, 1);
add(0x20, "local.get", 0, 1, "local");
add(0x21, "local.set", 1, 0, "local");
add(0x22, "local.tee", 1, 1, "local");
add(0x28, "i32.load i64.load f32.load f64.load i32.load8_s i32.load8_u i32.load16_s i32.load16_u", 1, 1, "memory");
add(0x30, "i64.load8_s i64.load8_u i64.load16_s i64.load16_u i64.load32_s i64.load32_u", 1, 1, "memory");
add(0x36, "i32.store i64.store f32.store f64.store i32.store8 i32.store16", 2, 0, "memory");
add(0x3c, "i64.store8 i64.store16 i64.store32", 2, 0, "memory");
add(0x41, "i32.const", 0, 1, "i32");
add(0x42, "i64.const", 0, 1, "i64");
add(0x43, "f32.const", 0, 1, "f32");
add(0x44, "f64.const", 0, 1, "f64");
const compare = (type: string) =>
  "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u".replace(/\w+/g, (name) => `${type}.${name}`);
add(0x45, "i32.eqz", 1, 1);
add(0x46, compare("i32"), 2, 1);
add(0x50, "i64.eqz", 1, 1);
add(0x51, compare("i64"), 2, 1);
add(0x5b, "f32.eq f32.ne f32.lt f32.gt f32.le f32.ge f64.eq f64.ne f64.lt f64.gt f64.le f64.ge", 2, 1);
const arithmetic = (type: string) =>
  "add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr".replace(/\w+/g, (n) => `${type}.${n}`);
add(0x67, "i32.clz i32.ctz i32.popcnt", 1, 1);
add(0x6a, arithmetic("i32"), 2, 1);
add(0x79, "i64.clz i64.ctz i64.popcnt", 1, 1);
add(0x7c, arithmetic("i64"), 2, 1);
add(0x8b, "f32.abs f32.neg f32.ceil f32.floor f32.trunc f32.nearest f32.sqrt", 1, 1);
add(0x92, "f32.add f32.sub f32.mul f32.div f32.min f32.max f32.copysign", 2, 1);
add(0x99, "f64.abs f64.neg f64.ceil f64.floor f64.trunc f64.nearest f64.sqrt", 1, 1);
add(0xa0, "f64.add f64.sub f64.mul f64.div f64.min f64.max f64.copysign", 2, 1);
add(0xa7, "i32.wrap_i64 i32.trunc_f32_s i32.trunc_f32_u i32.trunc_f64_s i32.trunc_f64_u", 1, 1);
add(0xac, "i64.extend_i32_s i64.extend_i32_u i64.trunc_f32_s i64.trunc_f32_u i64.trunc_f64_s i64.trunc_f64_u", 1, 1);
add(0xb2, "f32.convert_i32_s f32.convert_i32_u f32.convert_i64_s f32.convert_i64_u f32.demote_f64", 1, 1);
add(0xb7, "f64.convert_i32_s f64.convert_i32_u f64.convert_i64_s f64.convert_i64_u f64.promote_f32", 1, 1);
add(0xbc, "i32.reinterpret_f32 i64.reinterpret_f64 f32.reinterpret_i32 f64.reinterpret_i64", 1, 1);
add(0xc0, "i32.extend8_s i32.extend16_s i64.extend8_s i64.extend16_s i64.extend32_s", 1, 1);

/** Opcodes behind the prefixes 0xfc and 0xfd. */
const prefixed = (prefix: number, code: number): number => prefix * 0x1000 + code;

add(prefixed(0xfc, 0), "i32.trunc_sat_f32_s i32.trunc_sat_f32_u i32.trunc_sat_f64_s i32.trunc_sat_f64_u", 1, 1);
add(prefixed(0xfc, 4), "i64.trunc_sat_f32_s i64.trunc_sat_f32_u i64.trunc_sat_f64_s i64.trunc_sat_f64_u", 1, 1);
add(prefixed(0xfd, 0), "v128.load", 1, 1, "memory");
add(prefixed(0xfd, 11), "v128.store", 2, 0, "memory");
add(prefixed(0xfd, 0x11), "i32x4.splat i64x2.splat f32x4.splat f64x2.splat", 1, 1);
add(prefixed(0xfd, 0x1d), "i64x2.extract_lane", 1, 1, "lane");
add(prefixed(0xfd, 0x1f), "f32x4.extract_lane", 1, 1, "lane");
add(prefixed(0xfd, 0x21), "f64x2.extract_lane", 1, 1, "lane");
add(prefixed(0xfd, 0x105), "f32x4.relaxed_madd f32x4.relaxed_nmadd f64x2.relaxed_madd f64x2.relaxed_nmadd", 3, 1);

/** @param code the opcode, or prefix × 0x1000 + the opcode behind it */
export function instructionOf(code: number): Instruction | undefined {
  return table.get(code);
}
