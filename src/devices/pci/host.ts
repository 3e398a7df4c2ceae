/**
 * A generic PCI host bridge with one bus: configuration space by ECAM (PCI
 * Express Base Specification 3.0, 7.2.2), a window of memory space, and the four
 * interrupt lines, turned by one with each device as everywhere.
 */
import type { Device, DeviceState } from "../device.ts";
import { StateReader } from "../virtio/state.ts";
import { PciConfig } from "./config.ts";

/** What sits on the bus, as its one function. */
export interface PciFunction {
  readonly config: PciConfig;
  /** Called with the level that its INTA is to have; set by the host bridge. */
  onInterrupt: ((level: boolean) => void) | undefined;
  /** An access that config's `decode` found in a BAR. */
  readBar(bar: number, offset: number, size: number): bigint;
  writeBar(bar: number, offset: number, size: number, value: bigint): void;
  readConfig(offset: number, size: number): bigint;
  writeConfig(offset: number, size: number, value: bigint): void;
}

export const PCI_DEVICES = 32;
const INTERRUPTS = 4;
/** Bits of a configuration address that name a register. */
const REGISTER = 0xfff;
export const ALL_ONES = 0xffff_ffff_ffff_ffffn;

export class PciHost implements Device {
  readonly name = "pci";
  readonly #functions = new Array<PciFunction | undefined>(PCI_DEVICES).fill(undefined);
  readonly #memoryBase: number;
  readonly #setInterrupt: (line: number, level: boolean) => void;
  /** For each line, the devices that drive it, as bits. */
  readonly #driven = new Uint32Array(INTERRUPTS);
  readonly #bridge = new PciConfig({
    // The host bridge of QEMU's generic PCI Express host.
    vendor: 0x1b36,
    device: 0x0008,
    revision: 0,
    classCode: 0x060000,
    subsystemVendor: 0x1af4,
    subsystem: 0x1100,
    interrupts: false,
  });

  /**
   * @param memoryBase bus address at which the memory window begins
   * @param setInterrupt drives one of the lines 0 to 3
   */
  constructor(memoryBase: number, setInterrupt: (line: number, level: boolean) => void) {
    this.#memoryBase = memoryBase;
    this.#setInterrupt = setInterrupt;
  }

  /** Puts a function at a device number, 1 to 31. */
  add(device: number, fn: PciFunction): void {
    this.#functions[device] = fn;
    const line = device % INTERRUPTS;
    fn.onInterrupt = (level) => {
      const before = this.#driven[line]!;
      const bit = (1 << device) >>> 0;
      const after = (level ? before | bit : before & ~bit) >>> 0;
      this.#driven[line] = after;
      if ((before !== 0) !== (after !== 0)) this.#setInterrupt(line, after !== 0);
    };
  }

  /** A load of configuration space. Where nothing is, all bits are set. */
  readEcam(offset: number, size: number): bigint {
    if (offset <= REGISTER) return this.#bridge.read(offset, size);
    return this.#at(offset)?.readConfig(offset & REGISTER, size) ?? ALL_ONES;
  }

  writeEcam(offset: number, size: number, value: bigint): void {
    if (offset <= REGISTER) this.#bridge.write(offset, size, value);
    else this.#at(offset)?.writeConfig(offset & REGISTER, size, value);
  }

  readMemory(offset: number, size: number): bigint {
    const address = this.#memoryBase + offset;
    for (const fn of this.#functions) {
      const found = fn?.config.decode(address, size);
      if (found) return fn!.readBar(found.bar, found.offset, size);
    }
    return ALL_ONES;
  }

  writeMemory(offset: number, size: number, value: bigint): void {
    const address = this.#memoryBase + offset;
    for (const fn of this.#functions) {
      const found = fn?.config.decode(address, size);
      if (found) {
        fn!.writeBar(found.bar, found.offset, size, value);
        return;
      }
    }
  }

  reset(): void {
    this.#bridge.reset();
  }

  save(): DeviceState {
    return { version: 1, ...this.#bridge.save() };
  }

  /** @throws DeviceStateError */
  load(saved: unknown): void {
    this.#bridge.load(StateReader.of(this.name, saved, 1))();
  }

  /** The function that a configuration access is for: bus, device, function and register (table 7-1). */
  #at(offset: number): PciFunction | undefined {
    const bus = offset >>> 20;
    const fn = (offset >>> 12) & 7;
    return bus === 0 && fn === 0 ? this.#functions[(offset >>> 15) & 31] : undefined;
  }
}
