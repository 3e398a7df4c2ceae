/** GNU binutils as an oracle for encodings and text. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ARCH = "rv64gc_zba_zbb_zbs_zicbom_zicboz_svinval_zicsr_zifencei_zihintpause";

export interface Listed {
  readonly raw: number;
  readonly pc: bigint;
  /** Mnemonic and operands apart by a tab; an illegal one is ".2byte" or ".4byte" and its bits. */
  readonly text: string;
}

/** Assembles source text and lists it as `objdump -M no-aliases` does, without its comments and symbols. */
export function listing(source: string): Listed[] {
  const dir = mkdtempSync(join(tmpdir(), "isa-"));
  const [input, object] = [join(dir, "in.s"), join(dir, "out.o")];
  try {
    writeFileSync(input, source);
    execFileSync("riscv64-linux-gnu-as", [`-march=${ARCH}`, "-o", object, input]);
    // Without symbols objdump takes .2byte and .4byte for code.
    execFileSync("riscv64-linux-gnu-objcopy", ["--strip-all", object]);
    const out = execFileSync("riscv64-linux-gnu-objdump", ["-d", "-z", "-M", "no-aliases", object], {
      encoding: "utf8",
      maxBuffer: 2 ** 28,
    });
    const lines = out.matchAll(/^ *([0-9a-f]+):\t([0-9a-f]+) *\t([^#\n]*)/gm);
    return Array.from(lines, ([, pc, raw, text]) => ({
      raw: Number.parseInt(raw!, 16),
      pc: BigInt(`0x${pc}`),
      text: text!.trimEnd(),
    }));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Lists instructions given by their bits; a compressed one has its low two bits not both set. */
export function listWords(words: Iterable<number>): Listed[] {
  const lines: string[] = [];
  for (const raw of words) lines.push(`.${(raw & 3) === 3 ? 4 : 2}byte ${raw}`);
  return listing(`.option norelax\n${lines.join("\n")}\n`);
}
