import { beforeEach, describe, expect, test } from "vitest";
import { type Devices, makeDevices, SEIP } from "./support.ts";

const THR = 0;
const IER = 1;
const IIR = 2;
const FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;
const FIFOS = 0xc0; // IIR's top bits with FIFOs on
const [RDI, THRI, RLSI, MSI] = [1, 2, 4, 8];

let d: Devices;
const read = (r: number): number => Number(d.core.uartRead(r, 1));
const write = (r: number, v: number): void => d.core.uartWrite(r, 1, BigInt(v));
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
/** The UART's line, through the PLIC's pending bit (read as level with no claim made). */
const line = (): boolean => (d.view().getUint32(d.at("DEV_PLIC") + d.at("PLIC_LEVEL"), true) & (1 << 10)) !== 0;

beforeEach(async () => {
  d = await makeDevices();
});

test("reset values", () => {
  expect([IER, IIR, LCR, MCR, LSR, MSR, SCR].map(read)).toEqual([0, 1, 0, 8, 0x60, 0xb0, 0]);
});

test("divisor latch is apart from data and interrupt enable", () => {
  write(IER, RDI);
  write(LCR, 0x83);
  write(0, 0x34);
  write(1, 0x12);
  expect([read(0), read(1), read(LCR)]).toEqual([0x34, 0x12, 0x83]);
  write(LCR, 3);
  expect(read(IER)).toBe(RDI);
  expect(d.output()).toHaveLength(0);
});

test("interrupt enable keeps four bits, scratch all", () => {
  write(IER, 0xff);
  write(SCR, 0xa5);
  expect([read(IER), read(SCR)]).toEqual([0x0f, 0xa5]);
});

test("LSR and MSR are read-only; offsets past the registers read zero", () => {
  write(LSR, 0xff);
  write(MSR, 0xff);
  expect([read(LSR), read(MSR), read(8), read(0xff)]).toEqual([0x60, 0xb0, 0, 0]);
});

describe("transmit", () => {
  test("bytes reach the ring in order", () => {
    for (const c of "hello\n") write(THR, c.charCodeAt(0));
    expect(d.core.uartTxPending()).toBe(6);
    expect(text(d.output())).toBe("hello\n");
    expect(d.core.uartTxPending()).toBe(0);
  });

  test("enabling THRI while idle interrupts; reading IIR clears it; the next byte raises it again", () => {
    write(IER, THRI);
    expect(line()).toBe(true);
    expect(read(IIR)).toBe(2);
    expect(line()).toBe(false);
    expect(read(IIR)).toBe(1);
    write(THR, 65);
    expect(line()).toBe(true);
    expect(read(IIR)).toBe(2);
    write(IER, 0);
    write(IER, THRI);
    expect(read(IIR)).toBe(2);
  });

  test("IIR read for another cause keeps THRE due", () => {
    write(IER, THRI | RDI);
    d.core.uartReceive(66);
    expect(read(IIR) & 0xf).toBe(4);
    expect(read(THR)).toBe(66);
    expect(read(IIR)).toBe(2);
  });

  test("a full ring clears THRE with room for one more FIFO, and draining sets it and interrupts", () => {
    const size = d.at("UART_TX_SIZE");
    write(IER, THRI);
    let sent = 0;
    while (read(LSR) & 0x20) {
      write(THR, sent++ & 0xff);
      if (sent > size) break;
    }
    expect(sent).toBe(size - 15);
    expect(read(LSR) & 0x60).toBe(0);
    expect(line()).toBe(false);
    for (let i = 0; i < 15; i++) write(THR, sent++ & 0xff); // the rest of a driver's burst
    expect(d.core.uartTxPending()).toBe(size);
    write(THR, 0xee); // lost, as on a wire
    d.core.uartTxDrained(15);
    expect(read(LSR) & 0x60).toBe(0);
    d.core.uartTxDrained(1);
    expect(read(LSR) & 0x60).toBe(0x60);
    expect(line()).toBe(true);
    expect(d.output().every((b, i) => b === ((i + 16) & 0xff))).toBe(true);
  });

  test("half a ring ends the slice", () => {
    const half = d.at("UART_TX_SIZE") / 2;
    for (let i = 1; i < half; i++) write(THR, 1);
    expect(d.attention()).toBe(false);
    write(THR, 1);
    expect(d.attention()).toBe(true);
  });

  test("indices wrap at 2^32", () => {
    const window = d.at("DEV_UART");
    d.view().setUint32(window + d.at("UART_TX_HEAD"), 0xffff_fffe, true);
    d.view().setUint32(window + d.at("UART_TX_TAIL"), 0xffff_fffe, true);
    for (const c of "wrap") write(THR, c.charCodeAt(0));
    expect(text(d.output())).toBe("wrap");
  });

  test("draining more than is pending takes what is there", () => {
    write(THR, 1);
    d.core.uartTxDrained(1000);
    expect(d.core.uartTxPending()).toBe(0);
    write(THR, 2);
    expect([...d.output()]).toEqual([2]);
  });

  test("SBI's bytes leave room for the driver's burst", () => {
    let sent = 0;
    while (d.core.uartSend(0x2e)) sent++;
    expect(sent).toBe(d.at("UART_TX_SIZE") - 16);
    expect(read(LSR) & 0x60).toBe(0x60);
    expect(d.attention()).toBe(true);
    for (let i = 0; i < 16; i++) write(THR, 1);
    expect(d.core.uartTxPending()).toBe(d.at("UART_TX_SIZE"));
  });
});

describe("receive", () => {
  test("without FIFO one byte at a time", () => {
    expect(d.core.uartReceiveSpace()).toBe(1);
    expect(d.core.uartReceive(0x41)).toBe(1);
    expect(d.core.uartReceive(0x42)).toBe(0);
    expect(read(LSR)).toBe(0x61);
    expect(read(THR)).toBe(0x41);
    expect(read(LSR)).toBe(0x60);
  });

  test("interrupts with RDI only, until the byte is read", () => {
    d.core.uartReceive(1);
    expect(line()).toBe(false);
    write(IER, RDI);
    expect(line()).toBe(true);
    expect(read(IIR)).toBe(4);
    expect(line()).toBe(true);
    read(THR);
    expect(line()).toBe(false);
  });

  test.each([
    [0x01, 1],
    [0x41, 4],
    [0x81, 8],
    [0xc1, 14],
  ])("FCR %i: time-out below %i bytes, then data available", (fcr, level) => {
    write(FCR, fcr);
    write(IER, RDI);
    for (let n = 1; n <= 16; n++) {
      expect(d.core.uartReceive(n)).toBe(1);
      expect(read(IIR)).toBe(FIFOS | (n >= level ? 4 : 0xc));
    }
    expect(d.core.uartReceive(17)).toBe(0);
    expect(d.core.uartReceiveSpace()).toBe(0);
    for (let n = 1; n <= 16; n++) expect(read(THR)).toBe(n);
    expect(read(IIR)).toBe(FIFOS | 1);
  });

  test("FCR empties the receiver on request and when FIFOs go on or off", () => {
    write(FCR, 1);
    d.core.uartReceive(1);
    write(FCR, 1);
    expect(read(LSR) & 1).toBe(1);
    write(FCR, 3);
    expect(read(LSR) & 1).toBe(0);
    d.core.uartReceive(1);
    write(FCR, 0);
    expect(read(LSR) & 1).toBe(0);
    expect(read(IIR)).toBe(1);
  });

  test("SBI takes bytes and the interrupt with them", () => {
    write(IER, RDI);
    d.core.uartReceive(0x7a);
    expect(d.core.uartTake()).toBe(0x7a);
    expect(line()).toBe(false);
    expect(d.core.uartTake()).toBe(-1);
  });
});

describe("loopback", () => {
  test("sent bytes come back and none reaches the terminal, which waits", () => {
    write(MCR, 0x10);
    expect(d.core.uartReceiveSpace()).toBe(0);
    expect(d.core.uartReceive(1)).toBe(0);
    write(THR, 0x5a);
    expect(read(THR)).toBe(0x5a);
    expect(d.output()).toHaveLength(0);
  });

  test("modem outputs show as inputs (Linux's probe)", () => {
    write(MCR, 0x1a); // LOOP, OUT2, RTS
    expect(read(MSR) & 0xf0).toBe(0x90); // DCD, CTS
    write(MCR, 0x15); // LOOP, OUT1, DTR
    expect(read(MSR) & 0xf0).toBe(0x60); // RI, DSR
  });

  test("overrun is of the highest priority until LSR is read", () => {
    write(IER, RDI | RLSI | THRI | MSI);
    write(MCR, 0x10);
    write(THR, 1);
    write(THR, 2);
    expect(read(IIR)).toBe(6);
    expect(read(LSR)).toBe(0x63);
    expect(read(IIR)).toBe(4);
    expect(read(THR)).toBe(1);
    expect(read(IIR)).toBe(2);
    expect(read(IIR)).toBe(1);
  });
});

test("the line reaches the supervisor's external interrupt", () => {
  d.core.plicWrite(4 * 10, 4, 1n);
  d.core.plicWrite(0x2080, 4, 1n << 10n);
  write(IER, THRI);
  expect(d.lines(0)).toBe(SEIP);
  expect(d.attention()).toBe(true);
  expect(d.core.plicRead(0x201004, 4)).toBe(10n);
  expect(read(IIR)).toBe(2);
  d.core.plicWrite(0x201004, 4, 10n);
  expect(d.lines(0)).toBe(0n);
});
