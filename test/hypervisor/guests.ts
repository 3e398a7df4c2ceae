/** Small bare-metal guests, good and bad, as raw programs that start in M-mode. */

import { RAM_BASE } from "../../src/machine/memory-map.ts";
import { Assembler } from "../support/assembler.ts";

const [T0, T1, T2, S0, S1, A0] = [5, 6, 7, 8, 9, 10];
const UART = 0x1000_0000;
const SYSCON = 0x10_0000;
const CLINT_MTIMECMP = 0x200_4000;
const CLINT_MTIME = 0x200_bff8;
const VIRTIO = 0x1000_1000;
const [MTVEC, MSTATUS, MIE] = [0x305, 0x300, 0x304];

const program = () => new Assembler(RAM_BASE);

/** Waits for ever. */
export const idle = (): Uint8Array => program().label("wait").op("wfi").to("wait", "jal", { rd: 0 }).bytes();

/** Runs for ever. */
export const busy = (): Uint8Array => program().label("loop").to("loop", "jal", { rd: 0 }).bytes();

/** Sends back what it is sent. */
export const echo = (): Uint8Array =>
  program()
    .li(T0, UART)
    .label("wait")
    .op("lbu", { rd: T1, rs1: T0, imm: 5 })
    .op("andi", { rd: T1, rs1: T1, imm: 1 })
    .to("wait", "beq", { rs1: T1, rs2: 0 })
    .op("lbu", { rd: T1, rs1: T0, imm: 0 })
    .op("sb", { rs1: T0, rs2: T1, imm: 0 })
    .to("wait", "jal", { rd: 0 })
    .bytes();

/** Adds up the bytes that it is sent, and exits with the sum's low 16 bits at byte 255. */
export const adder = (): Uint8Array =>
  program()
    .li(T0, UART)
    .li(T1, 1)
    .op("sb", { rs1: T0, rs2: T1, imm: 2 }) // FIFO on
    .li(S0, 0)
    .li(S1, 255)
    .label("wait")
    .op("lbu", { rd: T1, rs1: T0, imm: 5 })
    .op("andi", { rd: T1, rs1: T1, imm: 1 })
    .to("wait", "beq", { rs1: T1, rs2: 0 })
    .op("lbu", { rd: T1, rs1: T0, imm: 0 })
    .to("end", "beq", { rs1: T1, rs2: S1 })
    .op("add", { rd: S0, rs1: S0, rs2: T1 })
    .to("wait", "jal", { rd: 0 })
    .label("end")
    .op("slli", { rd: S0, rs1: S0, shamt: 16 })
    .li(T1, 0x3333)
    .op("or", { rd: S0, rs1: S0, rs2: T1 })
    .li(T0, SYSCON)
    .op("sw", { rs1: T0, rs2: S0, imm: 0 })
    .label("stay")
    .to("stay", "jal", { rd: 0 })
    .bytes();

/** Writes to the test device at once: 0x5555 powers off, 0x7777 reboots, code << 16 | 0x3333 fails. */
export const finish = (word: number): Uint8Array =>
  program()
    .li(T0, SYSCON)
    .li(T1, word)
    .op("sw", { rs1: T0, rs2: T1, imm: 0 })
    .label("stay")
    .to("stay", "jal", { rd: 0 })
    .bytes();

/** Fills the console, ready or not. */
const spam = (): Uint8Array =>
  program()
    .li(T0, UART)
    .li(T1, 0x78)
    .label("loop")
    .op("sb", { rs1: T0, rs2: T1, imm: 0 })
    .to("loop", "jal", { rd: 0 })
    .bytes();

/** Fills the console a byte at a time, and waits for its timer in between. */
const drip = (): Uint8Array =>
  program()
    .li(T0, UART)
    .li(T1, 0x78)
    .li(S0, CLINT_MTIME)
    .li(S1, CLINT_MTIMECMP)
    .csrSet(MIE, 0x80)
    .label("loop")
    .op("sb", { rs1: T0, rs2: T1, imm: 0 })
    .op("ld", { rd: T2, rs1: S0, imm: 0 })
    .op("addi", { rd: T2, rs1: T2, imm: 50 })
    .op("sd", { rs1: S1, rs2: T2, imm: 0 })
    .op("wfi")
    .to("loop", "jal", { rd: 0 })
    .bytes();

/** Writes to every page of its memory, over and over. */
const hog = (size: number): Uint8Array =>
  program()
    .li(S0, RAM_BASE + 0x1000)
    .li(S1, RAM_BASE + size)
    .li(T1, 4096)
    .label("again")
    .op("addi", { rd: T0, rs1: S0, imm: 0 })
    .label("loop")
    .op("sd", { rs1: T0, rs2: T0, imm: 0 })
    .op("add", { rd: T0, rs1: T0, rs2: T1 })
    .to("loop", "bltu", { rs1: T0, rs2: S1 })
    .to("again", "jal", { rd: 0 })
    .bytes();

/** A trap handler that traps. */
const traps = (): Uint8Array =>
  program()
    .la(T0, "handler")
    .op("csrrw", { rd: 0, rs1: T0, csr: MTVEC })
    .align(4)
    .label("handler")
    .op("ebreak")
    .bytes();

/** An interrupt that is always due. */
const storm = (): Uint8Array =>
  program()
    .la(T0, "handler")
    .op("csrrw", { rd: 0, rs1: T0, csr: MTVEC })
    .li(T0, CLINT_MTIMECMP)
    .op("sd", { rs1: T0, rs2: 0, imm: 0 })
    .csrSet(MIE, 0x80)
    .op("csrrsi", { rd: 0, csr: MSTATUS, zimm: 8 })
    .label("loop")
    .to("loop", "jal", { rd: 0 })
    .align(4)
    .label("handler")
    .op("mret")
    .bytes();

/** Random words, now and then addresses of its own memory, to all registers of all virtio windows. */
const virtio = (seed: number): Uint8Array =>
  program()
    .li(A0, seed)
    .li(S0, VIRTIO)
    .li(S1, RAM_BASE)
    .li(T2, 0x5851_f42d)
    .label("loop")
    .op("mul", { rd: A0, rs1: A0, rs2: T2 })
    .op("addi", { rd: A0, rs1: A0, imm: 1234 })
    .op("srli", { rd: T0, rs1: A0, shamt: 20 })
    .li(T1, 0x70fc) // one of eight windows, a register of the first 256 bytes
    .op("and", { rd: T0, rs1: T0, rs2: T1 })
    .op("add", { rd: T0, rs1: T0, rs2: S0 })
    .op("srli", { rd: T1, rs1: A0, shamt: 40 })
    .op("andi", { rd: 28, rs1: A0, imm: 0x40 })
    .to("small", "beq", { rs1: 28, rs2: 0 })
    .op("add", { rd: T1, rs1: T1, rs2: S1 })
    .to("store", "jal", { rd: 0 })
    .label("small")
    .op("andi", { rd: T1, rs1: T1, imm: 15 })
    .label("store")
    .op("sw", { rs1: T0, rs2: T1, imm: 0 })
    .op("lw", { rd: T1, rs1: T0, imm: 0 })
    .to("loop", "jal", { rd: 0 })
    .bytes();

/** What a guest may do to make life hard for others; none of them ends by itself. */
export const HOSTILE: Readonly<Record<string, (size: number) => Uint8Array>> = {
  "runs for ever": busy,
  "fills the console": spam,
  "drips on the console": drip,
  "writes to all its memory": hog,
  "traps in its trap handler": traps,
  "is interrupted without end": storm,
  "writes nonsense to virtio": () => virtio(0x1234_5679),
  "reboots at once": () => finish(0x7777),
};
