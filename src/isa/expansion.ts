/**
 * What a compressed instruction does: the handler of the instruction that it
 * expands to. Its decoded fields follow that instruction's convention.
 */

const EXPANSIONS: Readonly<Record<string, string>> = {
  "c.addi4spn": "addi",
  "c.nop": "addi",
  "c.addi": "addi",
  "c.li": "addi",
  "c.mv": "addi",
  "c.addi16sp": "addi",
  "c.addiw": "addiw",
  "c.lui": "lui",
  "c.add": "add",
  "c.sub": "sub",
  "c.xor": "xor",
  "c.or": "or",
  "c.and": "and",
  "c.addw": "addw",
  "c.subw": "subw",
  "c.andi": "andi",
  "c.slli": "slli",
  "c.srli": "srli",
  "c.srai": "srai",
  "c.lw": "lw",
  "c.ld": "ld",
  "c.lwsp": "lw",
  "c.ldsp": "ld",
  "c.sw": "sw",
  "c.sd": "sd",
  "c.swsp": "sw",
  "c.sdsp": "sd",
  "c.fld": "fld",
  "c.fldsp": "fld",
  "c.fsd": "fsd",
  "c.fsdsp": "fsd",
  "c.beqz": "beq",
  "c.bnez": "bne",
  "c.j": "jal",
  "c.jr": "jalr",
  "c.jalr": "jalr",
  "c.ebreak": "ebreak",
};

/** The instruction whose handler executes this one. */
export function executedAs(name: string): string {
  if (!name.startsWith("c.")) return name;
  const base = EXPANSIONS[name];
  if (base === undefined) throw new Error(`no expansion is known for ${name}`);
  return base;
}
