/** What core and host call of each other. */

import type { Abi } from "./abi.ts";

/** What the core asks of its host. None may throw. */
export interface HostCalls {
  /** mtime, ticks of the timebase. */
  ticks(): number;
  /** Nanoseconds since 1970. */
  wallclock(): number;
  /** Load of `size` (1, 2, 4, 8) bytes from the device with this id on the bus. */
  mmioRead(device: number, offset: number, size: number): bigint;
  mmioWrite(device: number, offset: number, size: number, value: bigint): void;
  /**
   * Sees each module of regions before it is compiled.
   * @param regions guest physical addresses of the regions, by the functions' order
   * @returns the bytes to compile
   */
  observe?(module: Uint8Array<ArrayBuffer>, regions: readonly bigint[]): Uint8Array<ArrayBuffer>;
}

/** The core's calls, as assembly/index.ts documents them. */
export interface CoreExports {
  init(harts: number, ramBase: bigint, ramSize: bigint, flags: number, tick: number): number;
  resetAll(): void;
  run(hart: number, n: number): number;
  busAdd(base: bigint, size: bigint, device: number): number;
  guestRange(address: bigint, size: number, write: number): number;
  romRange(offset: number, size: number): number;
  flashRange(offset: number, size: number): number;
  htifWatch(tohost: bigint, fromhost: bigint): number;
  hartChanged(hart: number): void;
  jitEntry(region: number): bigint;
  debugTranslate(hart: number, va: bigint): bigint;
  debugBreak(va: bigint): number;
  debugUnbreak(va: bigint): number;
  debugWatch(va: bigint, size: bigint, kind: number): number;
  debugUnwatch(va: bigint, size: bigint, kind: number): number;
  debugClear(): void;
  debugPass(hart: number): void;
  debugQuiet(on: number): void;
  debugTranslateData(hart: number, va: bigint): bigint;
  csrPeek(hart: number, csr: number): number;
  csrPoke(hart: number, csr: number, value: bigint): number;
  idleTime(): number;
  catchUp(): void;
  skipIdle(): number;
  jitInstall(ticket: number): number;
  /** Place in the table of what compiled regions call for instructions that aren't lowered. */
  jitHandler(): number;
  plicSetLine(source: number, level: number): void;
  uartReceive(byte: number): number;
  uartReceiveSpace(): number;
  uartTxPending(): number;
  uartTxTail(): number;
  uartTxDrained(count: number): void;
}

/** A core as those see it that look into its memory. */
export interface CoreParts {
  readonly abi: Abi;
  readonly memory: WebAssembly.Memory;
  readonly calls: CoreExports;
  readonly bytes: Uint8Array;
  readonly view: DataView;
}
