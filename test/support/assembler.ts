/** The assembler of the fuzzer, for tests. */
export { Assembler } from "../../src/fuzz/assembler.ts";
