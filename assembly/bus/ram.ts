/** Guest RAM, boot ROM and flash in linear memory, and their frame-state bytes. */

import {
  CODE_OF, DEV_MACHINE, FLASH_BASE, FLASH_SIZE, FRAMES, M_FLASH, M_RAM_BASE, M_RAM_SIZE, MROM_BASE, MROM_SIZE, PAGE_BITS, PAGE_SIZE, RAM,
} from "../abi";
import { flashReads } from "../devices/pflash";

/** Linear address of a guest physical address in RAM, boot ROM, or flash that reads as memory, or 0. */
export function pagePtr(pa: u64): u32 {
  const p = storePtr(pa);
  if (p) return p;
  const offset = pa - FLASH_BASE;
  return offset < FLASH_SIZE && flashReads(<u32>offset) ? load<u32>(DEV_MACHINE, M_FLASH) + <u32>offset : 0;
}

/** The same for stores: those to flash are its commands. */
export function storePtr(pa: u64): u32 {
  const size = load<u64>(DEV_MACHINE, M_RAM_SIZE);
  const offset = pa - load<u64>(DEV_MACHINE, M_RAM_BASE);
  if (offset < size) return RAM + <u32>offset;
  if (pa - MROM_BASE < MROM_SIZE) return RAM + <u32>size + <u32>(pa - MROM_BASE);
  return 0;
}

/** Guest page number of a linear address in RAM, boot ROM or flash. */
// @ts-ignore: decorator
@inline export function pageNumber(ptr: u32): u32 { return (ptr - RAM) >> PAGE_BITS; }

/** Linear address of a guest page. */
// @ts-ignore: decorator
@inline export function pageAt(number: u32): u32 { return RAM + (number << PAGE_BITS); }

/** Address of the frame-state byte of a linear address. */
// @ts-ignore: decorator
@inline export function frameOf(ptr: u32): usize { return FRAMES + pageNumber(ptr); }

/** Address of the word that points at a guest page's micro-ops. */
// @ts-ignore: decorator
@inline export function codeOf(number: u32): usize { return CODE_OF + (number << 2); }

/** Guest physical address of a guest page number. */
export function pageAddress(number: u32): u64 {
  const offset = <u64>number << PAGE_BITS;
  const size = load<u64>(DEV_MACHINE, M_RAM_SIZE);
  if (offset < size) return load<u64>(DEV_MACHINE, M_RAM_BASE) + offset;
  const beyond = offset - size;
  return beyond < MROM_SIZE ? MROM_BASE + beyond : FLASH_BASE + (beyond - MROM_SIZE);
}

/** Pages of RAM, boot ROM and flash together. */
export function pageCount(): u32 {
  const flash: u64 = load<u32>(DEV_MACHINE, M_FLASH) ? FLASH_SIZE : 0;
  return <u32>((load<u64>(DEV_MACHINE, M_RAM_SIZE) + MROM_SIZE + flash) / PAGE_SIZE);
}
