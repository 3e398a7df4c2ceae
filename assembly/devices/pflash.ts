/**
 * Board `virt`'s parallel flash: two banks of 32 MiB, each of two 16-bit chips
 * side by side with Intel's command set (Intel StrataFlash 28F128J3 data sheet;
 * queries by JEDEC JESD68 "Common Flash Interface"). Without MF_FLASH there are no
 * chips: every read finds 0xff, so that a probe ends, and writes are ignored.
 *
 * A bank that reads its array is memory to loads and fetches (bus/ram); all
 * stores, and loads in other modes, come here. What a command has changed for
 * TLBs and decoded code is settled by mmu/flash before anything else executes.
 */

import { DEV_MACHINE, DEV_PFLASH, FLASH_BANK, M_ATTENTION, M_FLASH } from "../abi";

// ---- The window: for each bank, PF_BANK apart --------------------------------------

export const PF_BANK: u32 = 0x2000;
/** u32: the command under way or the last one: what the bank reads as; 0 is the array. */
export const PF_COMMAND: u32 = 0;
/** u32: writes that the command has had. */
export const PF_CYCLE: u32 = 4;
/** u32: each chip's status register. */
export const PF_STATUS: u32 = 8;
/** u32: writes to the buffer that are to come, less one. */
export const PF_COUNT: u32 = 12;
/** u32: offset in the bank of the buffer's place. */
export const PF_AT: u32 = 16;
/** u32: 1 when programming and erasing are refused. */
export const PF_LOCKED: u32 = 20;
/** u32: how often the array has changed: for the host, which keeps it. */
export const PF_CHANGES: u32 = 24;
/** u32: offsets in the bank between which it has changed since mmu/flash settled it. */
export const PF_LOW: u32 = 28;
export const PF_HIGH: u32 = 32;
/** u32: 1 when it has become memory or stopped being it since then. */
export const PF_TURNED: u32 = 36;
/** What is to be programmed at PF_AT; 0xff leaves a byte as it is. */
export const PF_BUFFER: u32 = 0x1000;
export const PF_BUFFER_SIZE: u32 = 0x1000;

const BLOCK: u32 = 0x4_0000; // bytes that are erased together, of both chips

// ---- Commands and status (data sheet, "Command Definitions", "Status Register") ------

const READ_ARRAY: u32 = 0xff;
const READ_ID: u32 = 0x90;
const READ_QUERY: u32 = 0x98;
const READ_STATUS: u32 = 0x70;
const CLEAR_STATUS: u32 = 0x50;
const BUFFER: u32 = 0xe8;
const PROGRAM: u32 = 0x40;
const PROGRAM_TOO: u32 = 0x10;
const ERASE: u32 = 0x20;
const LOCKING: u32 = 0x60;
const CONFIRM: u32 = 0xd0;
const LOCK_BLOCK: u32 = 0x01;

const SR_READY: u32 = 0x80;
const SR_ERASE: u32 = 0x20;
const SR_PROGRAM: u32 = 0x10;
const SR_LOCKED: u32 = 0x02;
const SR_SEQUENCE: u32 = SR_ERASE | SR_PROGRAM;

const MANUFACTURER: u32 = 0x89;
const DEVICE: u32 = 0x18;

/** Numbers from 0x10 of the query on (JESD68, then the extended table that 0x15 points at). */
// prettier-ignore
const QUERY = memory.data<u8>([
  0x51, 0x52, 0x59, // QRY
  0x01, 0x00, 0x31, 0x00, // command set, its table
  0x00, 0x00, 0x00, 0x00, // no other
  0x45, 0x55, 0x00, 0x00, // 4.5 to 5.5 V
  0x07, 0x07, 0x0a, 0x00, // a word, a buffer 2^7 µs; a block 2^10 ms
  0x04, 0x04, 0x04, 0x00, // at most 2^4 times as long
  0x18, // 2^24 bytes a chip
  0x02, 0x00, // by 8 or 16 bits
  0x0b, 0x00, // 2^11 bytes of buffer
  0x01, 0x7f, 0x00, 0x00, 0x02, // one region: 0x7f + 1 blocks of 0x200 × 256 bytes
  0x50, 0x52, 0x49, 0x31, 0x30, // PRI 1.0
  0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
]);
const QUERY_FROM: u32 = 0x10;
const QUERY_SIZE: u32 = 54;

// @ts-ignore: decorator
@inline function contents(): u32 { return load<u32>(DEV_MACHINE, M_FLASH); }
// @ts-ignore: decorator
@inline function bankOf(offset: u32): usize { return DEV_PFLASH + (offset >= FLASH_BANK ? PF_BANK : 0); }

/** Does this part of the flash read as memory? */
export function flashReads(offset: u32): bool {
  return contents() != 0 && load<u32>(bankOf(offset), PF_COMMAND) == 0;
}

/** Power-on: the arrays are kept. */
export function pflashReset(): void {
  for (let i: u32 = 0; i < 2; i++) {
    const bank = DEV_PFLASH + i * PF_BANK;
    readArray(bank);
    store<u32>(bank, SR_READY, PF_STATUS);
  }
}

function turned(bank: usize): void {
  store<u32>(bank, 1, PF_TURNED);
  store<u32>(DEV_MACHINE, 1, M_ATTENTION);
}

function readArray(bank: usize): void {
  if (load<u32>(bank, PF_COMMAND)) turned(bank);
  store<u32>(bank, 0, PF_COMMAND);
  store<u32>(bank, 0, PF_CYCLE);
}

function fails(bank: usize, bits: u32): void {
  store<u32>(bank, load<u32>(bank, PF_STATUS) | bits, PF_STATUS);
}

// ---- Reads ---------------------------------------------------------------------------

export function pflashRead(offset: u32, size: i32): u64 {
  if (!contents()) return u64.MAX_VALUE >> (64 - (<u64>size << 3));
  if (size == 8) return readWord(offset) | readWord(offset + 4) << 32;
  return readWord(offset & ~3) >> (<u64>(offset & 3) << 3) & (u64.MAX_VALUE >> (64 - (<u64>size << 3)));
}

/** Both chips answer, side by side. */
function readWord(offset: u32): u64 {
  const bank = bankOf(offset);
  const command = load<u32>(bank, PF_COMMAND);
  if (command == 0) return load<u32>(contents() + offset);
  const word = offset >> 2;
  let v: u32 = load<u32>(bank, PF_STATUS);
  if (command == READ_QUERY) {
    const at = (word & 0xff) - QUERY_FROM;
    v = at < QUERY_SIZE ? load<u8>(QUERY + at) : 0;
  } else if (command == READ_ID) {
    const at = word & 0xff;
    v = at == 0 ? MANUFACTURER : at == 1 ? DEVICE : at == 2 ? load<u32>(bank, PF_LOCKED) : 0;
  }
  return <u64>(v | v << 16);
}

// ---- Writes --------------------------------------------------------------------------

export function pflashWrite(offset: u32, size: i32, value: u64): void {
  if (!contents()) return;
  const bank = bankOf(offset);
  const at = offset & (FLASH_BANK - 1);
  const cycle = load<u32>(bank, PF_CYCLE);
  const command = load<u32>(bank, PF_COMMAND);
  if (cycle == 0) first(bank, at, <u32>value & 0xff);
  else if (command == BUFFER) buffered(bank, cycle, at, size, value);
  else second(bank, command, at, size, value);
}

function first(bank: usize, at: u32, command: u32): void {
  switch (command) {
    case READ_ID:
    case READ_QUERY:
    case READ_STATUS:
      break;
    case CLEAR_STATUS:
      store<u32>(bank, SR_READY, PF_STATUS);
      break;
    case PROGRAM:
    case PROGRAM_TOO:
    case ERASE:
    case LOCKING:
      store<u32>(bank, 1, PF_CYCLE);
      break;
    case BUFFER:
      store<u32>(bank, 1, PF_CYCLE);
      store<u32>(bank, at & ~(PF_BUFFER_SIZE - 1), PF_AT);
      memory.fill(bank + PF_BUFFER, 0xff, PF_BUFFER_SIZE);
      break;
    default: // READ_ARRAY, and whatever it doesn't know
      readArray(bank);
      return;
  }
  if (!load<u32>(bank, PF_COMMAND)) turned(bank);
  store<u32>(bank, command, PF_COMMAND);
}

function second(bank: usize, command: u32, at: u32, size: i32, value: u64): void {
  const answer = <u32>value & 0xff;
  store<u32>(bank, 0, PF_CYCLE);
  if (command == PROGRAM || command == PROGRAM_TOO) {
    programBytes(bank, at, size, value);
  } else if (command == ERASE) {
    if (answer == CONFIRM) erase(bank, at & ~(BLOCK - 1));
    else if (answer == READ_ARRAY) readArray(bank);
    else fails(bank, SR_SEQUENCE);
  } else if (answer == READ_ARRAY) {
    readArray(bank); // of LOCKING, whose bits these chips don't keep
  } else if (answer != CONFIRM && answer != LOCK_BLOCK) {
    fails(bank, SR_SEQUENCE);
  }
}

/** The count, so many writes and one more, and the confirmation. */
function buffered(bank: usize, cycle: u32, at: u32, size: i32, value: u64): void {
  if (cycle == 1) {
    store<u32>(bank, <u32>value & 0xffff, PF_COUNT);
    store<u32>(bank, 2, PF_CYCLE);
    return;
  }
  if (cycle == 2) {
    const left = load<u32>(bank, PF_COUNT);
    const place = at - load<u32>(bank, PF_AT);
    if (place > PF_BUFFER_SIZE - <u32>size) {
      fails(bank, SR_SEQUENCE); // beyond the buffer: nothing is programmed
      store<u32>(bank, 0, PF_CYCLE);
      return;
    }
    for (let i: u32 = 0; i < <u32>size; i++) store<u8>(bank + PF_BUFFER + place + i, <u8>(value >> (i << 3)));
    // An access of eight bytes is two of the bus.
    const writes: u32 = size == 8 ? 2 : 1;
    if (left < writes) store<u32>(bank, 3, PF_CYCLE);
    else store<u32>(bank, left - writes, PF_COUNT);
    return;
  }
  store<u32>(bank, 0, PF_CYCLE);
  const answer = <u32>value & 0xff;
  if (answer == CONFIRM) programBuffer(bank);
  else if (answer == READ_ARRAY) readArray(bank);
  else fails(bank, SR_SEQUENCE);
}

// ---- The array -------------------------------------------------------------------------

function arrayOf(bank: usize): u32 {
  return contents() + (bank == DEV_PFLASH ? 0 : FLASH_BANK);
}

function changed(bank: usize, from: u32, size: u32): void {
  store<u32>(bank, load<u32>(bank, PF_CHANGES) + 1, PF_CHANGES);
  if (from < load<u32>(bank, PF_LOW) || !load<u32>(bank, PF_HIGH)) store<u32>(bank, from, PF_LOW);
  if (from + size > load<u32>(bank, PF_HIGH)) store<u32>(bank, from + size, PF_HIGH);
  store<u32>(DEV_MACHINE, 1, M_ATTENTION);
}

/** Programming only ever clears bits. */
function programBytes(bank: usize, at: u32, size: i32, value: u64): void {
  if (load<u32>(bank, PF_LOCKED)) {
    fails(bank, SR_PROGRAM | SR_LOCKED);
    return;
  }
  const p = arrayOf(bank) + at;
  for (let i: u32 = 0; i < <u32>size; i++) store<u8>(p + i, load<u8>(p + i) & <u8>(value >> (i << 3)));
  changed(bank, at, <u32>size);
}

function programBuffer(bank: usize): void {
  if (load<u32>(bank, PF_LOCKED)) {
    fails(bank, SR_PROGRAM | SR_LOCKED);
    return;
  }
  const at = load<u32>(bank, PF_AT);
  const p = arrayOf(bank) + at;
  for (let i: u32 = 0; i < PF_BUFFER_SIZE; i += 8) {
    store<u64>(p + i, load<u64>(p + i) & load<u64>(bank + PF_BUFFER + i));
  }
  changed(bank, at, PF_BUFFER_SIZE);
}

function erase(bank: usize, at: u32): void {
  if (load<u32>(bank, PF_LOCKED)) {
    fails(bank, SR_ERASE | SR_LOCKED);
    return;
  }
  memory.fill(arrayOf(bank) + at, 0xff, BLOCK);
  changed(bank, at, BLOCK);
}
