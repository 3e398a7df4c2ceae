/** A small guest driver: it writes rings into guest memory and talks to the transport's registers, by the book. */
import { get16, get32, put16, put32 } from "../../src/devices/virtio/bytes.ts";
import type { VirtioDevice } from "../../src/devices/virtio/device.ts";
import type { ArrayGuestMemory } from "../../src/devices/virtio/guest-memory.ts";
import { MmioTransport } from "../../src/devices/virtio/transport-mmio.ts";
import { PciTransport } from "../../src/devices/virtio/transport-pci.ts";

export const VERSION_1 = 1n << 32n;
export const INDIRECT = 1n << 28n;
export const EVENT_IDX = 1n << 29n;
export const RING_RESET = 1n << 40n;
export const MULTIPORT = 2n;

export const NEXT = 1;
export const WRITE = 2;
export const INDIRECT_FLAG = 4;

export interface Piece {
  readonly address: number;
  readonly length: number;
  readonly write: boolean;
}

export class Driver {
  readonly memory: ArrayGuestMemory;
  readonly transport: MmioTransport;
  #free: number;

  constructor(memory: ArrayGuestMemory, transport: MmioTransport) {
    this.memory = memory;
    this.transport = transport;
    this.#free = memory.base;
  }

  get(register: number): number {
    return Number(this.transport.read(register, 4));
  }

  set(register: number, value: number): void {
    this.transport.write(register, 4, BigInt(value >>> 0));
  }

  /** §3.1.1 steps 1 to 6. @returns whether the device kept FEATURES_OK */
  negotiate(features: bigint): boolean {
    this.set(0x70, 0);
    this.set(0x70, 1);
    this.set(0x70, 3);
    for (const word of [0, 1]) {
      this.set(0x24, word);
      this.set(0x20, Number((features >> BigInt(32 * word)) & 0xffff_ffffn));
    }
    this.set(0x70, 11);
    return (this.get(0x70) & 8) !== 0;
  }

  /** §3.1.1 step 8. */
  go(): void {
    this.set(0x70, 15);
  }

  alloc(size: number, align = 16): number {
    const at = Math.ceil(this.#free / align) * align;
    this.#free = at + size;
    if (this.#free > this.memory.base + this.memory.bytes.length) throw new Error("the test's guest memory is full");
    return at;
  }

  at(address: number, length: number): Uint8Array {
    return this.memory.bytes.subarray(address - this.memory.base, address - this.memory.base + length);
  }

  put(bytes: Uint8Array): number {
    const address = this.alloc(Math.max(1, bytes.length));
    this.at(address, bytes.length).set(bytes);
    return address;
  }

  get status(): number {
    return this.get(0x70);
  }

  reset(): void {
    this.set(0x70, 0);
  }

  notify(index: number): void {
    this.set(0x50, index);
  }

  /** Whether the device interrupts, which it then does no more. */
  interrupted(): boolean {
    const status = this.get(0x60);
    this.set(0x64, status);
    return status !== 0;
  }

  config(offset: number, size: number): number {
    return Number(this.transport.read(0x100 + offset, size));
  }

  setConfig(offset: number, size: number, value: number): void {
    this.transport.write(0x100 + offset, size, BigInt(value));
  }

  /** §4.2.3.2. */
  queue(index: number, size: number, eventIndex = false): DriverQueue {
    const queue = new DriverQueue(this, index, size, eventIndex);
    this.place(queue);
    return queue;
  }

  protected place(queue: DriverQueue): void {
    const { index, size } = queue;
    this.set(0x30, index);
    this.set(0x38, size);
    this.set(0x80, queue.table);
    this.set(0x84, Math.floor(queue.table / 2 ** 32));
    this.set(0x90, queue.available);
    this.set(0x94, Math.floor(queue.available / 2 ** 32));
    this.set(0xa0, queue.used);
    this.set(0xa4, Math.floor(queue.used / 2 ** 32));
    this.set(0x44, 1);
  }
}

/** The same over PCI: the BAR at 0x4000_0000, found by its capabilities. */
export class PciDriver extends Driver {
  readonly pci: PciTransport;
  /** Offsets of the structures in the BAR, by cfg_type. */
  readonly structures = new Map<number, number>();
  readonly notifyMultiplier: number;

  constructor(memory: ArrayGuestMemory, pci: PciTransport) {
    super(memory, undefined as unknown as MmioTransport);
    this.pci = pci;
    const config = (at: number, size: number) => Number(pci.readConfig(at, size));
    let multiplier = 0;
    for (let at = config(0x34, 1); at !== 0; at = config(at + 1, 1)) {
      if (config(at, 1) !== 9) continue;
      const type = config(at + 3, 1);
      if (!this.structures.has(type)) this.structures.set(type, config(at + 8, 4));
      if (type === 2) multiplier = config(at + 16, 4);
    }
    this.notifyMultiplier = multiplier;
  }

  common(at: number, size: number): number {
    return Number(this.pci.readBar(0, this.structures.get(1)! + at, size));
  }

  setCommon(at: number, size: number, value: number): void {
    this.pci.writeBar(0, this.structures.get(1)! + at, size, BigInt(value >>> 0));
  }

  override negotiate(features: bigint): boolean {
    for (const status of [0, 1, 3]) this.setCommon(20, 1, status);
    for (const word of [0, 1]) {
      this.setCommon(8, 4, word);
      this.setCommon(12, 4, Number((features >> BigInt(32 * word)) & 0xffff_ffffn));
    }
    this.setCommon(20, 1, 11);
    return (this.status & 8) !== 0;
  }

  override go(): void {
    this.setCommon(20, 1, 15);
  }

  override get status(): number {
    return this.common(20, 1);
  }

  override reset(): void {
    this.setCommon(20, 1, 0);
  }

  override notify(index: number): void {
    this.setCommon(22, 2, index);
    const at = this.structures.get(2)! + this.common(30, 2) * this.notifyMultiplier;
    this.pci.writeBar(0, at, 2, BigInt(index));
  }

  override interrupted(): boolean {
    return Number(this.pci.readBar(0, this.structures.get(3)!, 1)) !== 0;
  }

  override config(offset: number, size: number): number {
    return Number(this.pci.readBar(0, this.structures.get(4)! + offset, size));
  }

  override setConfig(offset: number, size: number, value: number): void {
    this.pci.writeBar(0, this.structures.get(4)! + offset, size, BigInt(value));
  }

  protected override place({ index, size, table, available, used }: DriverQueue): void {
    this.setCommon(22, 2, index);
    this.setCommon(24, 2, size);
    for (const [at, address] of [
      [32, table],
      [40, available],
      [48, used],
    ] as const) {
      this.setCommon(at, 4, address);
      this.setCommon(at + 4, 4, Math.floor(address / 2 ** 32));
    }
    this.setCommon(28, 2, 1);
  }
}

export type TransportName = "mmio" | "pci";

/** A device behind a transport of that kind, and a driver for it. */
export function driverOf(kind: TransportName, memory: ArrayGuestMemory, device: VirtioDevice): Driver {
  return kind === "pci"
    ? new PciDriver(memory, new PciTransport("pci1", device))
    : new Driver(memory, new MmioTransport("virtio2", device, () => {}));
}

export class DriverQueue {
  readonly index: number;
  readonly size: number;
  readonly table: number;
  readonly available: number;
  readonly used: number;
  readonly #driver: Driver;
  readonly #eventIndex: boolean;
  #free: number[];
  #chains = new Map<number, { readonly pieces: readonly Piece[]; readonly descriptors: readonly number[] }>();
  #nextAvailable = 0;
  #nextUsed = 0;

  constructor(driver: Driver, index: number, size: number, eventIndex: boolean) {
    this.#driver = driver;
    this.index = index;
    this.size = size;
    this.#eventIndex = eventIndex;
    this.table = driver.alloc(16 * size, 16);
    this.available = driver.alloc(6 + 2 * size, 2);
    this.used = driver.alloc(6 + 8 * size, 4);
    driver.at(this.available, 6 + 2 * size).fill(0);
    driver.at(this.used, 6 + 8 * size).fill(0);
    this.#free = Array.from({ length: size }, (_, i) => i);
  }

  describe(at: number, piece: { address: number; length: number }, flags: number, next: number): void {
    const bytes = this.#driver.at(at, 16);
    put32(bytes, 0, piece.address >>> 0);
    put32(bytes, 4, Math.floor(piece.address / 2 ** 32));
    put32(bytes, 8, piece.length);
    put16(bytes, 12, flags);
    put16(bytes, 14, next);
  }

  /** Makes a buffer available (§2.7.13). @returns its head, or undefined if there is no room */
  add(pieces: readonly Piece[], indirect = false): number | undefined {
    const count = indirect ? 1 : pieces.length;
    if (this.#free.length < count) return undefined;
    const descriptors = this.#free.splice(0, count);
    const head = descriptors[0]!;
    const table = indirect ? this.#driver.alloc(16 * pieces.length) : this.table;
    if (indirect) {
      this.describe(this.table + 16 * head, { address: table, length: 16 * pieces.length }, INDIRECT_FLAG, 0);
    }
    for (const [i, piece] of pieces.entries()) {
      const last = i === pieces.length - 1;
      const slot = indirect ? i : descriptors[i]!;
      const next = last ? 0 : indirect ? i + 1 : descriptors[i + 1]!;
      this.describe(table + 16 * slot, piece, (last ? 0 : NEXT) | (piece.write ? WRITE : 0), next);
    }
    this.#chains.set(head, { pieces, descriptors });
    this.offer(head);
    return head;
  }

  /** Puts a head into the available ring, whatever it leads to. */
  offer(head: number): void {
    const ring = this.#driver.at(this.available, 6 + 2 * this.size);
    put16(ring, 4 + 2 * (this.#nextAvailable % this.size), head);
    this.#nextAvailable = (this.#nextAvailable + 1) & 0xffff;
    put16(ring, 2, this.#nextAvailable);
  }

  /** The descriptor that `add` takes next. */
  get nextFree(): number | undefined {
    return this.#free[0];
  }

  send(bytes: Uint8Array): number | undefined {
    return this.add([{ address: this.#driver.put(bytes), length: bytes.length, write: false }]);
  }

  receive(length: number): number | undefined {
    return this.add([{ address: this.#driver.alloc(length), length, write: true }]);
  }

  notify(): void {
    this.#driver.notify(this.index);
  }

  get usedIndex(): number {
    return get16(this.#driver.at(this.used, 4), 2);
  }

  /** With VIRTIO_F_EVENT_IDX: interrupt when the used index has passed this one. */
  set usedEvent(value: number) {
    put16(this.#driver.at(this.available, 6 + 2 * this.size), 4 + 2 * this.size, value);
  }

  get availEvent(): number {
    if (!this.#eventIndex) throw new Error("not negotiated");
    return get16(this.#driver.at(this.used, 6 + 8 * this.size), 4 + 8 * this.size);
  }

  set flags(value: number) {
    put16(this.#driver.at(this.available, 2), 0, value);
  }

  /** Takes one used buffer back (§2.7.14): the bytes that the device wrote. */
  take(): { readonly head: number; readonly length: number; readonly bytes: Uint8Array } | undefined {
    if (this.usedIndex === this.#nextUsed) return undefined;
    const element = this.#driver.at(this.used + 4 + 8 * (this.#nextUsed % this.size), 8);
    const head = get32(element, 0);
    const length = get32(element, 4);
    this.#nextUsed = (this.#nextUsed + 1) & 0xffff;
    const chain = this.#chains.get(head);
    if (!chain) throw new Error(`the device returned buffer ${head}, which it wasn't given`);
    this.#chains.delete(head);
    this.#free.push(...chain.descriptors);
    const bytes: number[] = [];
    for (const piece of chain.pieces) {
      if (piece.write) bytes.push(...this.#driver.at(piece.address, piece.length).subarray(0, length - bytes.length));
    }
    return { head, length, bytes: Uint8Array.from(bytes) };
  }
}

/** mulberry32: the same numbers for the same seed. */
export function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

export const text = (value: string): Uint8Array => new TextEncoder().encode(value);
export const untext = (value: Uint8Array): string => new TextDecoder().decode(value);
