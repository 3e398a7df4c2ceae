import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Operation, operations } from "./operations.ts";

/** Results and flags of one rounding mode after the other, `count` each. */
export interface Answers {
  results: BigUint64Array;
  flags: Uint8Array;
}

/** The instructions themselves, as QEMU executes them. */
export interface Oracle {
  run(operation: Operation, vectors: BigUint64Array, modes: number): Answers;
  close(): void;
}

const COMPILER = "riscv64-linux-gnu-gcc";
const EMULATOR = "qemu-riscv64";

function functionFor({ name, assembly, from }: Operation): string {
  const instruction = assembly.replace("{r}", "%0").replace("{x}", "%2");
  // fmv.d.x fills the register, so binary32 operands have to be boxed for it.
  const box = from === "f32" ? "0xffffffff00000000 | " : "";
  const lines = ["fmv.d.x ft0, %2", "fmv.d.x ft1, %3", "fmv.d.x ft2, %4", "fsflags zero", instruction, "frflags %1"];
  if (!assembly.includes("{r}")) lines.push("fmv.x.d %0, ft3");
  return `
static void ${name}(const uint64_t *in, uint64_t *out, uint8_t *flags, long n) {
  for (long i = 0; i < n; i++) {
    uint64_t r, f;
    asm volatile("${lines.join("\\n")}"
      : "=&r"(r), "=&r"(f) : "r"(${box}in[3 * i]), "r"(${box}in[3 * i + 1]), "r"(${box}in[3 * i + 2])
      : "ft0", "ft1", "ft2", "ft3");
    out[i] = r;
    flags[i] = f;
  }
}`;
}

const source = `
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
${operations.map(functionFor).join("\n")}
static const struct { const char *name; void (*run)(const uint64_t *, uint64_t *, uint8_t *, long); } table[] = {
${operations.map(({ name }) => `  {"${name}", ${name}},`).join("\n")}
};
int main(int argc, char **argv) {
  if (argc != 4) return 2;
  long n = atol(argv[2]), modes = atol(argv[3]);
  uint64_t *in = malloc(n * 24), *out = malloc(n * modes * 8);
  uint8_t *flags = malloc(n * modes);
  if (fread(in, 24, n, stdin) != (size_t)n) return 3;
  for (unsigned i = 0; i < sizeof table / sizeof *table; i++) {
    if (strcmp(table[i].name, argv[1])) continue;
    for (long rm = 0; rm < modes; rm++) {
      asm volatile("fsrm %0" :: "r"(rm));
      table[i].run(in, out + rm * n, flags + rm * n, n);
    }
    fwrite(out, 8, n * modes, stdout);
    fwrite(flags, 1, n * modes, stdout);
    return 0;
  }
  return 4;
}
`;

function execute(program: string, hint: string, args: string[], input?: Uint8Array): Buffer {
  const run = spawnSync(program, args, { input: input ?? "", maxBuffer: 1 << 28 });
  if (run.error && (run.error as NodeJS.ErrnoException).code === "ENOENT") {
    throw new Error(`The floating-point oracle needs ${program}: install the Debian package ${hint}.`);
  }
  if (run.error) throw run.error;
  if (run.status !== 0) throw new Error(`${program} failed (${run.status ?? run.signal}): ${run.stderr}`);
  return run.stdout;
}

/** Builds the oracle's program; throws, naming the Debian package, when a tool is missing. */
export function openOracle(): Oracle {
  const folder = mkdtempSync(join(tmpdir(), "fp-oracle-"));
  const [text, program] = [join(folder, "oracle.c"), join(folder, "oracle")];
  const close = () => rmSync(folder, { recursive: true, force: true });
  try {
    writeFileSync(text, source);
    execute(COMPILER, "gcc-riscv64-linux-gnu (with libc6-dev-riscv64-cross)", ["-static", "-O2", text, "-o", program]);
    execute(EMULATOR, "qemu-user", ["--version"]);
  } catch (error) {
    close();
    throw error;
  }
  return {
    close,
    run(operation, vectors, modes) {
      const count = vectors.length / 3;
      const input = new Uint8Array(vectors.buffer, vectors.byteOffset, vectors.byteLength);
      const output = execute(EMULATOR, "qemu-user", [program, operation.name, `${count}`, `${modes}`], input);
      const total = count * modes;
      if (output.length !== total * 9) throw new Error(`The floating-point oracle answered ${output.length} bytes.`);
      const bytes = new Uint8Array(output); // aligned
      const results = new BigUint64Array(bytes.buffer, 0, total);
      // Unbox: the room's binary32 results are bare.
      if (operation.to === "f32") {
        const words = new Uint32Array(bytes.buffer, 0, total * 2);
        for (let i = 1; i < words.length; i += 2) {
          if (words[i] !== 0xffff_ffff) throw new Error(`${operation.name} gave a binary32 number that is not boxed.`);
          words[i] = 0;
        }
      }
      return { results, flags: bytes.subarray(total * 8) };
    },
  };
}
