/** A function's configuration space: a type 0 header and capabilities (PCI Local Bus Specification 3.0, chapter 6). */
import { get16, get32, put16, put32 } from "../virtio/bytes.ts";
import type { Apply, Fields, StateReader } from "../virtio/state.ts";

// Offsets in the header (6.1).
const VENDOR = 0x00;
const DEVICE = 0x02;
const COMMAND = 0x04;
const STATUS = 0x06;
const REVISION = 0x08;
const CLASS = 0x09;
const CACHE_LINE = 0x0c;
const LATENCY = 0x0d;
const BARS = 0x10;
const SUBSYSTEM_VENDOR = 0x2c;
const SUBSYSTEM = 0x2e;
const CAPABILITIES = 0x34;
const INTERRUPT_LINE = 0x3c;
const INTERRUPT_PIN = 0x3d;

const COMMAND_MEMORY = 1 << 1;
const COMMAND_INTX_DISABLE = 1 << 10;
/** I/O, memory, master, parity, SERR, interrupt disable: what can be set (6.2.2). */
const COMMAND_MASK = 0x0547;
const STATUS_INTERRUPT = 1 << 3;
const STATUS_CAPABILITIES = 1 << 4;
const BAR_COUNT = 6;

const SIZE = 256;
const FIRST_CAPABILITY = 0x40;

export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
  readonly revision: number;
  /** Base class, subclass and interface, as 24 bits. */
  readonly classCode: number;
  readonly subsystemVendor: number;
  readonly subsystem: number;
  /** Whether it interrupts, by INTA. */
  readonly interrupts: boolean;
}

export class PciConfig {
  /** Called when the interrupt's way out opens or closes. */
  onCommand: (() => void) | undefined;
  readonly #bytes = new Uint8Array(SIZE);
  /** For each byte, the bits that the guest can write. */
  readonly #mask = new Uint8Array(SIZE);
  /** Sizes of the memory BARs in bytes; 0: there is none. */
  readonly #bars = new Array<number>(BAR_COUNT).fill(0);
  #capabilityEnd = FIRST_CAPABILITY;
  #lastCapability = CAPABILITIES;

  constructor(identity: PciIdentity) {
    const bytes = this.#bytes;
    put16(bytes, VENDOR, identity.vendor);
    put16(bytes, DEVICE, identity.device);
    bytes[REVISION] = identity.revision;
    put16(bytes, CLASS, identity.classCode);
    bytes[CLASS + 2] = identity.classCode >>> 16;
    put16(bytes, SUBSYSTEM_VENDOR, identity.subsystemVendor);
    put16(bytes, SUBSYSTEM, identity.subsystem);
    bytes[INTERRUPT_PIN] = identity.interrupts ? 1 : 0;
    put16(this.#mask, COMMAND, COMMAND_MASK);
    for (const at of [CACHE_LINE, LATENCY, INTERRUPT_LINE]) this.#mask[at] = 0xff;
  }

  /** Adds a memory BAR of 32 bits, not prefetchable. @param size a power of two, 16 or more */
  addBar(index: number, size: number): void {
    this.#bars[index] = size;
    put32(this.#mask, BARS + 4 * index, -size);
  }

  /**
   * Adds a capability (6.7): its id, and what follows the pointer to the next one.
   * @param mask for each byte of `body` the bits that the guest can write; default none
   * @returns where `body` begins
   */
  addCapability(id: number, body: Uint8Array, mask = new Uint8Array(body.length)): number {
    const at = this.#capabilityEnd;
    this.#capabilityEnd = (at + 2 + body.length + 3) & ~3;
    if (this.#capabilityEnd > SIZE) throw new RangeError("The capabilities don't fit in the configuration space.");
    this.#bytes[this.#lastCapability] = at;
    this.#lastCapability = at + 1;
    this.#bytes[at] = id;
    this.#bytes.set(body, at + 2);
    this.#mask.set(mask, at + 2);
    put16(this.#bytes, STATUS, get16(this.#bytes, STATUS) | STATUS_CAPABILITIES);
    return at + 2;
  }

  /** A byte, for whoever has added what is there. */
  byte(at: number): number {
    return this.#bytes[at] ?? 0;
  }

  /** 32 bits, for whoever has added what is there. */
  word(at: number): number {
    return get32(this.#bytes, at);
  }

  read(offset: number, size: number): bigint {
    let value = 0n;
    // What a function of conventional PCI hasn't got reads as zero.
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[offset + i] ?? 0);
    return value;
  }

  write(offset: number, size: number, value: bigint): void {
    for (let i = 0; i < size && offset + i < SIZE; i++) {
      const at = offset + i;
      const mask = this.#mask[at]!;
      const byte = Number((value >> BigInt(8 * i)) & 0xffn);
      this.#bytes[at] = (this.#bytes[at]! & ~mask) | (byte & mask);
    }
    if (offset < COMMAND + 2 && offset + size > COMMAND) this.onCommand?.();
  }

  /** The BAR that decodes [address, address + size), and the offset in it; nothing if none does. */
  decode(address: number, size: number): { readonly bar: number; readonly offset: number } | undefined {
    if (!(this.#bytes[COMMAND]! & COMMAND_MEMORY)) return undefined;
    for (let bar = 0; bar < BAR_COUNT; bar++) {
      const length = this.#bars[bar]!;
      if (length === 0) continue;
      const offset = address - get32(this.#bytes, BARS + 4 * bar);
      if (offset >= 0 && offset + size <= length) return { bar, offset };
    }
    return undefined;
  }

  /** Shows that the function asks for an interrupt. @returns whether it gets out */
  showInterrupt(pending: boolean): boolean {
    this.#bytes[STATUS] = (this.#bytes[STATUS]! & ~STATUS_INTERRUPT) | (pending ? STATUS_INTERRUPT : 0);
    return pending && (get16(this.#bytes, COMMAND) & COMMAND_INTX_DISABLE) === 0;
  }

  reset(): void {
    for (let at = 0; at < SIZE; at++) this.#bytes[at] = this.#bytes[at]! & ~this.#mask[at]!;
    this.onCommand?.();
  }

  /** What the guest can write. */
  save(): Fields {
    return { config: Array.from(this.#bytes, (byte, at) => byte & this.#mask[at]!) };
  }

  /** @throws DeviceStateError */
  load(state: StateReader): Apply {
    const saved = state.numbers("config", SIZE, SIZE, 0xff);
    return () => {
      for (let at = 0; at < SIZE; at++) {
        const mask = this.#mask[at]!;
        this.#bytes[at] = (this.#bytes[at]! & ~mask) | (saved[at]! & mask);
      }
      this.onCommand?.();
    };
  }
}
