/**
 * Board `virt`'s two banks of parallel flash, 32 MiB each, at present blank and
 * without command sets: every read finds an erased byte (0xff), so that a CFI
 * probe ends without a chip, and writes are ignored.
 */

export function pflashReset(): void {}

export function pflashRead(offset: u32, size: i32): u64 {
  return size >= 8 ? u64.MAX_VALUE : (<u64>1 << (<u64>size << 3)) - 1;
}

export function pflashWrite(offset: u32, size: i32, value: u64): void {}
