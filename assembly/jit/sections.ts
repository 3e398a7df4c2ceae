/** Sections of a module before its code. */

import { JIT_HINTS } from "../abi";
import { byte, hintCount, I32, I64, size, sized, unsigned } from "./emit";
import { F_OWN, T_ENTER, T_HANDLER, T_REGION } from "./parts";

function name(length: u32, a: u64): void {
  unsigned(length);
  for (let i: u32 = 0; i < length; i++) byte(<u32>(a >> (i << 3)) & 0xff);
}

export function writeTypes(): void {
  byte(1);
  const s = size();
  unsigned(3);
  byte(0x60); unsigned(4); byte(I32); byte(I32); byte(I64); byte(I32); unsigned(1); byte(I64);
  byte(0x60); unsigned(4); byte(I32); byte(I64); byte(I32); byte(I32); unsigned(1); byte(I32);
  byte(0x60); unsigned(5); byte(I32); byte(I32); byte(I64); byte(I32); byte(I32); unsigned(1); byte(I64);
  sized(s);
}

/** "env" "memory", "env" "region" and "env" "handler". */
export function writeImports(): void {
  byte(2);
  const s = size();
  unsigned(3);
  name(3, 0x76_6e_65);
  name(6, 0x79_72_6f_6d_65_6d);
  byte(2); byte(0); unsigned(0);
  name(3, 0x76_6e_65);
  name(6, 0x6e_6f_69_67_65_72);
  byte(0); unsigned(T_ENTER);
  name(3, 0x76_6e_65);
  name(7, 0x72_65_6c_64_6e_61_68);
  byte(0); unsigned(T_HANDLER);
  sized(s);
}

/** Region i is exported by the name of one character, "a" + i. */
export function writeFunctions(count: u32): void {
  byte(3);
  let s = size();
  unsigned(count);
  for (let i: u32 = 0; i < count; i++) unsigned(T_REGION);
  sized(s);
  byte(7);
  s = size();
  unsigned(count);
  for (let i: u32 = 0; i < count; i++) {
    name(1, 0x61 + i);
    byte(0);
    unsigned(F_OWN + i);
  }
  sized(s);
}

/** The custom section metadata.code.branch_hint (branch hinting proposal): by function, where a branch is and how likely. */
export function writeHints(): void {
  if (!hintCount) return;
  byte(0);
  const s = size();
  unsigned(25);
  for (let i: u32 = 0; i < 25; i++) byte(load<u8>(HINT_SECTION + i));
  let many: u32 = 0;
  for (let i: u32 = 0; i < hintCount; i++) if (!i || hintFunction(i) != hintFunction(i - 1)) many++;
  unsigned(many);
  let i: u32 = 0;
  while (i < hintCount) {
    const f = hintFunction(i);
    let last = i;
    while (last < hintCount && hintFunction(last) == f) last++;
    unsigned(f);
    unsigned(last - i);
    for (; i < last; i++) {
      const h = load<u32>(JIT_HINTS + (i << 3), 4);
      unsigned(h & 0x7fff_ffff);
      unsigned(1);
      byte(h >> 31);
    }
  }
  sized(s);
}

// "metadata.code.branch_hint"
const HINT_SECTION: usize = memory.data<u8>([
  0x6d, 0x65, 0x74, 0x61, 0x64, 0x61, 0x74, 0x61, 0x2e, 0x63, 0x6f, 0x64, 0x65, 0x2e, 0x62, 0x72, 0x61, 0x6e, 0x63, 0x68, 0x5f, 0x68,
  0x69, 0x6e, 0x74,
]);

// @ts-ignore: decorator
@inline function hintFunction(i: u32): u32 { return load<u32>(JIT_HINTS + (i << 3)); }
