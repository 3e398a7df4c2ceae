/**
 * QEMU's firmware configuration device, by which firmware that runs from flash
 * gets what the machine's owner has for it: a kernel, its initrd and command
 * line, files by name (QEMU, docs/specs/fw_cfg.rst). All of it is only read.
 */

import { type DeviceState, DeviceStateError } from "./device.ts";
import type { GuestMemory } from "./virtio/guest-memory.ts";

/** Registers (fw_cfg.rst, "Register Locations", MMIO). */
const DATA = 0;
const SELECTOR = 8;
const DMA = 16;

/** Keys of items without a name. */
const KEY_SIGNATURE = 0x00;
const KEY_ID = 0x01;
const KEY_HARTS = 0x05;
const KEY_KERNEL_SIZE = 0x08;
const KEY_INITRD_SIZE = 0x0b;
const KEY_MAX_HARTS = 0x0f;
const KEY_KERNEL_DATA = 0x11;
const KEY_INITRD_DATA = 0x12;
const KEY_CMDLINE_SIZE = 0x14;
const KEY_CMDLINE_DATA = 0x15;
const KEY_DIRECTORY = 0x19;
const KEY_FIRST_FILE = 0x20;

const ID_TRADITIONAL = 1;
const ID_DMA = 2;
/** "QEMU CFG", read from the DMA register. */
const DMA_SIGNATURE = 0x51454d5520434647n;

const CONTROL_ERROR = 1;
const CONTROL_READ = 2;
const CONTROL_SKIP = 4;
const CONTROL_SELECT = 8;
const CONTROL_WRITE = 16;
const REQUEST_SIZE = 16;
/** Reads past an item's end give zeros; a longer run of them is an error, so that no request takes long. */
const MOST_ZEROS = 0x10_0000;

const NAME_SIZE = 56;
const ENTRY_SIZE = 8 + NAME_SIZE;

export interface FwCfgOptions {
  readonly harts: number;
  readonly kernel?: Uint8Array;
  readonly initrd?: Uint8Array;
  /** The kernel's command line. */
  readonly append?: string;
  /** Files by their names, such as "opt/org.example/config": ASCII, up to 55 characters. */
  readonly files?: ReadonlyMap<string, Uint8Array>;
}

export class FwCfg {
  readonly name = "fw-cfg";
  readonly #memory: GuestMemory;
  readonly #items: ReadonlyMap<number, Uint8Array>;
  #key = 0;
  #offset = 0;
  #dmaHigh = 0;

  constructor(memory: GuestMemory, options: FwCfgOptions) {
    this.#memory = memory;
    this.#items = itemsOf(options);
  }

  reset(): void {
    this.#key = this.#offset = this.#dmaHigh = 0;
  }

  /** Loads `size` bytes. The data register gives an item's bytes in their order. */
  read(offset: number, size: number): bigint {
    if (offset === DATA) {
      let value = 0n;
      for (let i = 0; i < size; i++) value |= BigInt(this.#next()) << BigInt(8 * i);
      return value;
    }
    if (offset >= DMA && offset + size <= DMA + 8) {
      const bytes = bigEndian(DMA_SIGNATURE);
      let value = 0n;
      for (let i = 0; i < size; i++) value |= BigInt(bytes[offset - DMA + i]!) << BigInt(8 * i);
      return value;
    }
    return 0n;
  }

  write(offset: number, size: number, value: bigint): void {
    if (offset === SELECTOR && size === 2) {
      this.#select(swap16(Number(value)));
    } else if (offset === DMA && size === 8) {
      this.#transfer(Number(swap64(value)));
    } else if (offset === DMA && size === 4) {
      this.#dmaHigh = swap32(Number(value));
    } else if (offset === DMA + 4 && size === 4) {
      const address = this.#dmaHigh * 2 ** 32 + swap32(Number(value));
      this.#dmaHigh = 0;
      this.#transfer(address);
    }
  }

  save(): DeviceState {
    return { version: 1, key: this.#key, offset: this.#offset, dmaHigh: this.#dmaHigh };
  }

  /** @throws DeviceStateError */
  load(state: unknown): void {
    const { version, key, offset, dmaHigh } = (typeof state === "object" && state !== null ? state : {}) as DeviceState;
    if (version !== 1 || !word(key, 0xffff) || !word(offset, 0xffff_ffff) || !word(dmaHigh, 0xffff_ffff))
      throw new DeviceStateError(
        'The saved state of device "fw-cfg" has a value that can\'t be; it is damaged or of another version.',
      );
    this.#key = key;
    this.#offset = offset;
    this.#dmaHigh = dmaHigh;
  }

  #select(key: number): void {
    this.#key = key;
    this.#offset = 0;
  }

  #next(): number {
    const item = this.#items.get(this.#key);
    return item && this.#offset < item.length ? item[this.#offset++]! : 0;
  }

  /** Does what the request at that guest address asks for (fw_cfg.rst, "Guest-side DMA Interface"). */
  #transfer(address: number): void {
    const request = this.#memory.view(address, REQUEST_SIZE, true);
    // Nowhere to say it: as on the board.
    if (typeof request === "string") return;
    const view = new DataView(request.buffer, request.byteOffset, REQUEST_SIZE);
    const control = view.getUint32(0);
    const length = view.getUint32(4);
    const to = view.getUint32(8) * 2 ** 32 + view.getUint32(12);
    if (control & CONTROL_SELECT) this.#select(control >>> 16);
    view.setUint32(0, this.#perform(control, length, to) ? 0 : CONTROL_ERROR);
  }

  #perform(control: number, length: number, to: number): boolean {
    if (control & CONTROL_READ) return this.#copy(length, to);
    if (control & CONTROL_WRITE) return false;
    if (control & CONTROL_SKIP) this.#advance(length);
    return true;
  }

  #copy(length: number, to: number): boolean {
    const item = this.#items.get(this.#key) ?? new Uint8Array();
    const bytes = item.subarray(this.#offset, this.#offset + length);
    if (length - bytes.length > MOST_ZEROS) return false;
    if (length === 0) return true;
    const target = this.#memory.view(to, length, true);
    if (typeof target === "string") return false;
    target.set(bytes);
    target.fill(0, bytes.length);
    this.#advance(length);
    return true;
  }

  #advance(length: number): void {
    const end = this.#items.get(this.#key)?.length ?? 0;
    this.#offset = Math.min(this.#offset + length, end);
  }
}

function itemsOf({ harts, kernel, initrd, append, files = new Map() }: FwCfgOptions): Map<number, Uint8Array> {
  const items = new Map<number, Uint8Array>([
    [KEY_SIGNATURE, text("QEMU")],
    [KEY_ID, little32(ID_TRADITIONAL | ID_DMA)],
    [KEY_HARTS, little32(harts).subarray(0, 2)],
    [KEY_MAX_HARTS, little32(harts).subarray(0, 2)],
  ]);
  const blob = (size: number, data: number, bytes: Uint8Array | undefined): void => {
    if (!bytes) return;
    items.set(size, little32(bytes.length));
    items.set(data, bytes);
  };
  blob(KEY_KERNEL_SIZE, KEY_KERNEL_DATA, kernel);
  blob(KEY_INITRD_SIZE, KEY_INITRD_DATA, initrd);
  blob(KEY_CMDLINE_SIZE, KEY_CMDLINE_DATA, append === undefined ? undefined : text(`${append}\0`));
  // The directory is in the order of names, as QEMU's is.
  const names = [...files.keys()].sort();
  const directory = new Uint8Array(4 + names.length * ENTRY_SIZE);
  const view = new DataView(directory.buffer);
  view.setUint32(0, names.length);
  names.forEach((name, i) => {
    const at = 4 + i * ENTRY_SIZE;
    const bytes = files.get(name)!;
    view.setUint32(at, bytes.length);
    view.setUint16(at + 4, KEY_FIRST_FILE + i);
    directory.set(text(name).subarray(0, NAME_SIZE - 1), at + 8);
    items.set(KEY_FIRST_FILE + i, bytes);
  });
  items.set(KEY_DIRECTORY, directory);
  return items;
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const word = (value: unknown, max: number): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max;

function little32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function bigEndian(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}

const swap16 = (v: number): number => ((v & 0xff) << 8) | ((v >> 8) & 0xff);
const swap32 = (v: number): number => ((swap16(v & 0xffff) << 16) | swap16(v >>> 16)) >>> 0;
const swap64 = (v: bigint): bigint => new DataView(bigEndian(v).buffer).getBigUint64(0, true);
