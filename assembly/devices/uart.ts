/**
 * 16550A UART (National Semiconductor PC16550D data sheet). Bytes leave at once
 * into a ring that the host empties after each slice, and arrive when the host
 * pushes them; there is no baud rate, so the divisor is only remembered and a
 * receive time-out is immediate.
 */

import { DEV_MACHINE, DEV_UART, M_ATTENTION, UART_TX_RING, UART_TX_SIZE } from "../abi";
import { plicSetLine } from "./plic";

/** PLIC source on board `virt`. */
export const UART_SOURCE: u32 = 10;
export const UART_FIFO_SIZE: u32 = 16;

// Registers: offsets in the window.
export const UART_IER: u32 = 0; //         u8
export const UART_FCR: u32 = 1; //         u8: FIFO enable and trigger level
export const UART_LCR: u32 = 2; //         u8
export const UART_MCR: u32 = 3; //         u8
export const UART_LSR_ERRORS: u32 = 4; //  u8: OE, until LSR is read
export const UART_MSR: u32 = 5; //         u8
export const UART_SCR: u32 = 6; //         u8
export const UART_DLL: u32 = 7; //         u8
export const UART_DLM: u32 = 8; //         u8
/** u8: the THRE interrupt is due (cleared by reading IIR or writing THR). */
export const UART_THRE_DUE: u32 = 9;
/** u8: the ring was too full for another FIFO-load, so THRE is clear. */
export const UART_TX_BLOCKED: u32 = 10;
export const UART_RX_HEAD: u32 = 11; //    u8: index of the oldest byte
export const UART_RX_COUNT: u32 = 12; //   u8
export const UART_RX_FIFO: u32 = 16; //    UART_FIFO_SIZE bytes
/** u32: bytes ever written to the ring, modulo 2^32; the host reads up to here. */
export const UART_TX_HEAD: u32 = 32;
/** u32: bytes ever drained. */
export const UART_TX_TAIL: u32 = 36;

const IER_RDI: u32 = 1;
const IER_THRI: u32 = 2;
const IER_RLSI: u32 = 4;
const IER_MSI: u32 = 8;
const FCR_ENABLE: u32 = 1;
const FCR_CLEAR_RX: u32 = 2;
const FCR_TRIGGER: u32 = 0xc0;
const LCR_DLAB: u32 = 0x80;
const MCR_LOOP: u32 = 0x10;
const LSR_DR: u32 = 1;
const LSR_OE: u32 = 2;
const LSR_IDLE: u32 = 0x60; // THRE and TEMT
const MSR_DELTA: u32 = 0x0f;
/** No modem: carrier, data set ready and clear to send are wired on, as in QEMU. */
const MSR_WIRED: u32 = 0xb0;
const IIR_NONE: u32 = 1;
const IIR_MSI: u32 = 0;
const IIR_THRI: u32 = 2;
const IIR_RDI: u32 = 4;
const IIR_RLSI: u32 = 6;
const IIR_TIMEOUT: u32 = 0xc;

// @ts-ignore: decorator
@inline function get(field: u32): u32 { return load<u8>(DEV_UART + field); }
// @ts-ignore: decorator
@inline function set(field: u32, v: u32): void { store<u8>(DEV_UART + field, <u8>v); }

/** Also drops whatever the host hasn't drained: drain before a reset. */
export function uartReset(): void {
  memory.fill(DEV_UART, 0, 64);
  set(UART_MSR, MSR_WIRED);
  set(UART_DLL, 12); // 9600 baud of the usual 1.8432 MHz
  set(UART_MCR, 8); // OUT2, as QEMU
  plicSetLine(UART_SOURCE, false);
}

/** Index of the next byte that the guest sends; modulo UART_TX_SIZE, its place in the ring. */
export function uartTxHead(): u32 { return load<u32>(DEV_UART, UART_TX_HEAD); }

/** Index of the oldest byte that the host hasn't drained. */
export function uartTxTail(): u32 { return load<u32>(DEV_UART, UART_TX_TAIL); }

/** Bytes that wait in the ring. */
export function uartTxPending(): i32 { return uartTxHead() - uartTxTail(); }

/** The host has taken `count` bytes; more than are pending counts as all. */
export function uartTxDrained(count: u32): void {
  const pending = <u32>uartTxPending();
  store<u32>(DEV_UART, uartTxTail() + (count < pending ? count : pending), UART_TX_TAIL);
  if (get(UART_TX_BLOCKED) && <u32>uartTxPending() <= UART_TX_SIZE - UART_FIFO_SIZE) {
    set(UART_TX_BLOCKED, 0);
    set(UART_THRE_DUE, 1);
    update();
  }
}

/** Bytes that `uartReceive` would accept now. A looped-back port hears nothing. */
export function uartReceiveSpace(): i32 {
  if (get(UART_MCR) & MCR_LOOP) return 0;
  return fifoSize() - get(UART_RX_COUNT);
}

/** One byte from the terminal. @returns false: no room, offer it again later */
export function uartReceive(byte: i32): bool {
  if (uartReceiveSpace() <= 0) return false;
  push(<u32>byte);
  update();
  return true;
}

/** A byte for the terminal that isn't the guest driver's (SBI, HTIF). @returns false: no room, try again later */
export function uartSend(byte: u32): bool {
  if (<u32>uartTxPending() >= UART_TX_SIZE - UART_FIFO_SIZE) {
    store<u32>(DEV_MACHINE, 1, M_ATTENTION);
    return false;
  }
  emit(byte);
  return true;
}

/** A byte from the terminal, past the guest's driver (SBI). @returns -1: none */
export function uartTake(): i32 {
  if (!get(UART_RX_COUNT)) return -1;
  const byte = pop();
  update();
  return byte;
}

/** Puts a byte in the ring, which has room, and ends the slice when it is time to drain it. */
function emit(byte: u32): void {
  const head = uartTxHead();
  store<u8>(UART_TX_RING + (head & (UART_TX_SIZE - 1)), <u8>byte);
  store<u32>(DEV_UART, head + 1, UART_TX_HEAD);
  if (<u32>uartTxPending() == UART_TX_SIZE / 2) store<u32>(DEV_MACHINE, 1, M_ATTENTION);
}

function fifoSize(): u32 { return get(UART_FCR) & FCR_ENABLE ? UART_FIFO_SIZE : 1; }

function push(byte: u32): void {
  const n = get(UART_RX_COUNT);
  if (n >= fifoSize()) {
    set(UART_LSR_ERRORS, get(UART_LSR_ERRORS) | LSR_OE);
    return;
  }
  set(UART_RX_FIFO + ((get(UART_RX_HEAD) + n) & (UART_FIFO_SIZE - 1)), byte);
  set(UART_RX_COUNT, n + 1);
}

function pop(): u32 {
  const n = get(UART_RX_COUNT);
  if (n == 0) return 0;
  const head = get(UART_RX_HEAD) & (UART_FIFO_SIZE - 1);
  set(UART_RX_HEAD, (head + 1) & (UART_FIFO_SIZE - 1));
  set(UART_RX_COUNT, n - 1);
  return get(UART_RX_FIFO + head);
}

function clearReceiver(): void {
  set(UART_RX_HEAD, 0);
  set(UART_RX_COUNT, 0);
}

function transmit(byte: u32): void {
  if (get(UART_MCR) & MCR_LOOP) {
    push(byte);
  } else {
    // A guest that ignores THRE loses bytes, as it would on a wire.
    if (<u32>uartTxPending() < UART_TX_SIZE) emit(byte);
    // Drivers load a whole FIFO for each THRE without looking again.
    const blocked = <u32>uartTxPending() > UART_TX_SIZE - UART_FIFO_SIZE;
    set(UART_TX_BLOCKED, blocked ? 1 : 0);
    if (blocked) store<u32>(DEV_MACHINE, 1, M_ATTENTION);
  }
  set(UART_THRE_DUE, get(UART_TX_BLOCKED) ? 0 : 1);
}

/** Received bytes at which IIR says "data available" rather than "time-out". */
function trigger(): u32 {
  if (!(get(UART_FCR) & FCR_ENABLE)) return 1;
  switch (get(UART_FCR) >> 6) {
    case 0: return 1;
    case 1: return 4;
    case 2: return 8;
    default: return 14;
  }
}

/** The interrupt of highest priority (data sheet, table "interrupt control functions"). */
function identify(): u32 {
  const ier = get(UART_IER);
  const n = get(UART_RX_COUNT);
  if (ier & IER_RLSI && get(UART_LSR_ERRORS)) return IIR_RLSI;
  if (ier & IER_RDI && n) return n >= trigger() ? IIR_RDI : IIR_TIMEOUT;
  if (ier & IER_THRI && get(UART_THRE_DUE)) return IIR_THRI;
  if (ier & IER_MSI && get(UART_MSR) & MSR_DELTA) return IIR_MSI;
  return IIR_NONE;
}

function update(): void { plicSetLine(UART_SOURCE, identify() != IIR_NONE); }

/** Register reads are one byte wide, whatever the size of the access. */
export function uartRead(offset: u32, size: i32): u64 {
  switch (offset) {
    case 0: {
      if (get(UART_LCR) & LCR_DLAB) return get(UART_DLL);
      const byte = pop();
      update();
      return byte;
    }
    case 1: return get(UART_LCR) & LCR_DLAB ? get(UART_DLM) : get(UART_IER);
    case 2: {
      const id = identify();
      if (id == IIR_THRI) {
        set(UART_THRE_DUE, 0);
        update();
      }
      return id | (get(UART_FCR) & FCR_ENABLE ? 0xc0 : 0);
    }
    case 3: return get(UART_LCR);
    case 4: return get(UART_MCR);
    case 5: {
      let lsr = get(UART_LSR_ERRORS);
      if (get(UART_RX_COUNT)) lsr |= LSR_DR;
      if (!get(UART_TX_BLOCKED)) lsr |= LSR_IDLE;
      if (get(UART_LSR_ERRORS)) {
        set(UART_LSR_ERRORS, 0);
        update();
      }
      return lsr;
    }
    case 6: {
      const mcr = get(UART_MCR);
      if (mcr & MCR_LOOP) return ((mcr & 0x0c) << 4) | ((mcr & 2) << 3) | ((mcr & 1) << 5);
      const msr = get(UART_MSR);
      if (msr & MSR_DELTA) {
        set(UART_MSR, msr & ~MSR_DELTA);
        update();
      }
      return msr;
    }
    case 7: return get(UART_SCR);
  }
  return 0;
}

export function uartWrite(offset: u32, size: i32, value: u64): void {
  const v = <u32>value & 0xff;
  switch (offset) {
    case 0: {
      if (get(UART_LCR) & LCR_DLAB) set(UART_DLL, v);
      else transmit(v);
      break;
    }
    case 1: {
      if (get(UART_LCR) & LCR_DLAB) {
        set(UART_DLM, v);
        break;
      }
      const rising = v & ~get(UART_IER);
      set(UART_IER, v & 0x0f);
      // Enabling the interrupt raises it again if the transmitter is empty, even
      // after IIR was read: Linux starts every transmission this way.
      if (rising & IER_THRI && !get(UART_TX_BLOCKED)) set(UART_THRE_DUE, 1);
      break;
    }
    case 2: {
      // The receiver is emptied on request and when the FIFO is turned on or off.
      if (v & FCR_CLEAR_RX || (v ^ get(UART_FCR)) & FCR_ENABLE) clearReceiver();
      set(UART_FCR, v & FCR_ENABLE ? v & (FCR_TRIGGER | FCR_ENABLE) : 0);
      break;
    }
    case 3: set(UART_LCR, v); break;
    case 4: set(UART_MCR, v & 0x1f); break;
    case 7: set(UART_SCR, v); break;
    default: return; // LSR and MSR are read-only
  }
  update();
}
