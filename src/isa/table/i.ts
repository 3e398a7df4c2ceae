import { BRANCH, FENCE, I, JAL, JALR, LOAD, NONE, R, SHIFT, SHIFT_W, STORE, U } from "../format.ts";
import { ACCESS, ALU, JUMP, NEAR_JUMP, type Row, SYSTEM, section } from "../row.ts";

const upper = section("I", "Unprivileged, RV32I: Integer Register-Immediate Instructions");
const jump = section("I", "Unprivileged, RV32I: Unconditional Jumps");
const branch = section("I", "Unprivileged, RV32I: Conditional Branches");
const memory = section("I", "Unprivileged, RV32I: Load and Store Instructions; RV64I: the same");
const immediate = section("I", "Unprivileged, RV32I and RV64I: Integer Register-Immediate Instructions");
const register = section("I", "Unprivileged, RV32I and RV64I: Integer Register-Register Operations");
const order = section("I", "Unprivileged, RV32I: Memory Ordering Instructions");
const hint = section("Zihintpause", "Unprivileged, Zihintpause: Pause Hint");
const call = section("I", "Unprivileged, RV32I: Environment Call and Breakpoints");

/** RV64I, and pause, which is an encoding of fence. */
export const i: readonly Row[] = [
  upper("lui", U, "-------------------- ----- 0110111", ALU),
  upper("auipc", U, "-------------------- ----- 0010111", ALU),

  jump("jal", JAL, "-------------------- ----- 1101111", NEAR_JUMP),
  branch("beq", BRANCH, "------- ----- ----- 000 ----- 1100011", NEAR_JUMP),
  branch("bne", BRANCH, "------- ----- ----- 001 ----- 1100011", NEAR_JUMP),
  branch("blt", BRANCH, "------- ----- ----- 100 ----- 1100011", NEAR_JUMP),
  branch("bge", BRANCH, "------- ----- ----- 101 ----- 1100011", NEAR_JUMP),
  branch("bltu", BRANCH, "------- ----- ----- 110 ----- 1100011", NEAR_JUMP),
  branch("bgeu", BRANCH, "------- ----- ----- 111 ----- 1100011", NEAR_JUMP),
  jump("jalr", JALR, "------------ ----- 000 ----- 1100111", JUMP),

  memory("lb", LOAD, "------------ ----- 000 ----- 0000011", ACCESS),
  memory("lh", LOAD, "------------ ----- 001 ----- 0000011", ACCESS),
  memory("lw", LOAD, "------------ ----- 010 ----- 0000011", ACCESS),
  memory("ld", LOAD, "------------ ----- 011 ----- 0000011", ACCESS),
  memory("lbu", LOAD, "------------ ----- 100 ----- 0000011", ACCESS),
  memory("lhu", LOAD, "------------ ----- 101 ----- 0000011", ACCESS),
  memory("lwu", LOAD, "------------ ----- 110 ----- 0000011", ACCESS),
  memory("sb", STORE, "------- ----- ----- 000 ----- 0100011", ACCESS),
  memory("sh", STORE, "------- ----- ----- 001 ----- 0100011", ACCESS),
  memory("sw", STORE, "------- ----- ----- 010 ----- 0100011", ACCESS),
  memory("sd", STORE, "------- ----- ----- 011 ----- 0100011", ACCESS),

  immediate("addi", I, "------------ ----- 000 ----- 0010011", ALU),
  immediate("slti", I, "------------ ----- 010 ----- 0010011", ALU),
  immediate("sltiu", I, "------------ ----- 011 ----- 0010011", ALU),
  immediate("xori", I, "------------ ----- 100 ----- 0010011", ALU),
  immediate("ori", I, "------------ ----- 110 ----- 0010011", ALU),
  immediate("andi", I, "------------ ----- 111 ----- 0010011", ALU),
  immediate("slli", SHIFT, "000000 ------ ----- 001 ----- 0010011", ALU),
  immediate("srli", SHIFT, "000000 ------ ----- 101 ----- 0010011", ALU),
  immediate("srai", SHIFT, "010000 ------ ----- 101 ----- 0010011", ALU),
  immediate("addiw", I, "------------ ----- 000 ----- 0011011", ALU),
  immediate("slliw", SHIFT_W, "0000000 ----- ----- 001 ----- 0011011", ALU),
  immediate("srliw", SHIFT_W, "0000000 ----- ----- 101 ----- 0011011", ALU),
  immediate("sraiw", SHIFT_W, "0100000 ----- ----- 101 ----- 0011011", ALU),

  register("add", R, "0000000 ----- ----- 000 ----- 0110011", ALU),
  register("sub", R, "0100000 ----- ----- 000 ----- 0110011", ALU),
  register("sll", R, "0000000 ----- ----- 001 ----- 0110011", ALU),
  register("slt", R, "0000000 ----- ----- 010 ----- 0110011", ALU),
  register("sltu", R, "0000000 ----- ----- 011 ----- 0110011", ALU),
  register("xor", R, "0000000 ----- ----- 100 ----- 0110011", ALU),
  register("srl", R, "0000000 ----- ----- 101 ----- 0110011", ALU),
  register("sra", R, "0100000 ----- ----- 101 ----- 0110011", ALU),
  register("or", R, "0000000 ----- ----- 110 ----- 0110011", ALU),
  register("and", R, "0000000 ----- ----- 111 ----- 0110011", ALU),
  register("addw", R, "0000000 ----- ----- 000 ----- 0111011", ALU),
  register("subw", R, "0100000 ----- ----- 000 ----- 0111011", ALU),
  register("sllw", R, "0000000 ----- ----- 001 ----- 0111011", ALU),
  register("srlw", R, "0000000 ----- ----- 101 ----- 0111011", ALU),
  register("sraw", R, "0100000 ----- ----- 101 ----- 0111011", ALU),

  // fm, rs1 and rd are reserved for finer fences, and ignored.
  order("fence", FENCE, "xxxx ---- ---- xxxxx 000 xxxxx 0001111", ALU),
  order("fence.tso", NONE, "1000 0011 0011 xxxxx 000 xxxxx 0001111", ALU),
  hint("pause", NONE, "0000 0001 0000 00000 000 00000 0001111", ALU),
  call("ecall", NONE, "000000000000 00000 000 00000 1110011", SYSTEM),
  call("ebreak", NONE, "000000000001 00000 000 00000 1110011", SYSTEM),
];
