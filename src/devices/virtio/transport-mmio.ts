/** virtio over MMIO, version 2 (VIRTIO 1.2 §4.2): one window of registers per device. */
import type { Device, DeviceState } from "../device.ts";
import type { Notifier, VirtioDevice } from "./device.ts";
import { AREA_DESCRIPTOR, AREA_DEVICE, AREA_DRIVER } from "./queue.ts";
import { StateReader } from "./state.ts";
import { INTERRUPT_CONFIG, INTERRUPT_USED, loadDevice, saveDevice } from "./transport.ts";

// Registers (§4.2.2, table 4.1).
const MAGIC_VALUE = 0x000;
const VERSION = 0x004;
const DEVICE_ID = 0x008;
const VENDOR_ID = 0x00c;
const DEVICE_FEATURES = 0x010;
const DEVICE_FEATURES_SEL = 0x014;
const DRIVER_FEATURES = 0x020;
const DRIVER_FEATURES_SEL = 0x024;
const QUEUE_SEL = 0x030;
const QUEUE_NUM_MAX = 0x034;
const QUEUE_NUM = 0x038;
const QUEUE_READY = 0x044;
const QUEUE_NOTIFY = 0x050;
const INTERRUPT_STATUS = 0x060;
const INTERRUPT_ACK = 0x064;
const STATUS = 0x070;
const QUEUE_DESC_LOW = 0x080;
const QUEUE_DESC_HIGH = 0x084;
const QUEUE_DRIVER_LOW = 0x090;
const QUEUE_DRIVER_HIGH = 0x094;
const QUEUE_DEVICE_LOW = 0x0a0;
const QUEUE_DEVICE_HIGH = 0x0a4;
const SHM_LEN_LOW = 0x0b0;
const SHM_BASE_HIGH = 0x0bc;
const QUEUE_RESET = 0x0c0;
const CONFIG_GENERATION = 0x0fc;
const CONFIG = 0x100;

const MAGIC = 0x74726976; // "virt"
const VENDOR = 0x44524157; // "WARD"

/**
 * One window. Without a device it is a placeholder, which drivers pass over
 * (§4.2.2.2: DeviceID zero). Values are those of the core's host calls: unsigned,
 * 64 bits. No access throws, whatever its offset and size.
 */
export class MmioTransport implements Device, Notifier {
  readonly name: string;
  readonly device: VirtioDevice | undefined;
  readonly #setInterrupt: (level: boolean) => void;
  #deviceFeaturesSel = 0;
  #driverFeaturesSel = 0;
  #queueSel = 0;
  #interruptStatus = 0;

  /** @param setInterrupt drives the device's interrupt line; called when its level changes */
  constructor(name: string, device: VirtioDevice | undefined, setInterrupt: (level: boolean) => void) {
    this.name = name;
    this.device = device;
    this.#setInterrupt = setInterrupt;
    device?.attach(this);
  }

  /** A load of `size` (1, 2, 4 or 8) bytes at `offset` of the window. */
  read(offset: number, size: number): bigint {
    let value = 0n;
    if (offset >= CONFIG) {
      const config = this.device?.config();
      for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(config?.[offset - CONFIG + i] ?? 0);
      return value;
    }
    // Drivers use aligned words (§4.2.2.2); other sizes see the same bytes.
    for (let i = size - 1; i >= 0; i--) {
      const at = offset + i;
      const byte = at < CONFIG ? (this.#readRegister(at & ~3) >>> (8 * (at & 3))) & 0xff : 0;
      value = (value << 8n) | BigInt(byte);
    }
    return value;
  }

  /** A store of `size` (1, 2, 4 or 8) bytes. Registers take aligned words, or two of them; other stores are ignored. */
  write(offset: number, size: number, value: bigint): void {
    if (offset >= CONFIG) {
      this.#writeConfig(offset - CONFIG, size, value);
      return;
    }
    if (size < 4 || offset & 3) return;
    this.#writeRegister(offset, Number(value & 0xffff_ffffn));
    if (size === 8 && offset + 4 < CONFIG) this.#writeRegister(offset + 4, Number((value >> 32n) & 0xffff_ffffn));
  }

  queueUsed(_queue: number): void {
    this.#raise(INTERRUPT_USED);
  }

  configChanged(): void {
    this.#raise(INTERRUPT_CONFIG);
  }

  /** As after power-on. */
  reset(): void {
    this.#deviceFeaturesSel = this.#driverFeaturesSel = this.#queueSel = 0;
    this.device?.reset();
    this.#setStatus(0);
  }

  save(): DeviceState {
    return {
      version: 1,
      deviceFeaturesSel: this.#deviceFeaturesSel,
      driverFeaturesSel: this.#driverFeaturesSel,
      queueSel: this.#queueSel,
      interruptStatus: this.#interruptStatus,
      ...saveDevice(this.device),
    };
  }

  /** Also drives the interrupt line to its saved level. @throws DeviceStateError */
  load(saved: unknown): void {
    const state = StateReader.of(this.name, saved, 1);
    const deviceFeaturesSel = state.number("deviceFeaturesSel", 0xffff_ffff);
    const driverFeaturesSel = state.number("driverFeaturesSel", 0xffff_ffff);
    const queueSel = state.number("queueSel", 0xffff_ffff);
    const interruptStatus = state.number("interruptStatus", INTERRUPT_USED | INTERRUPT_CONFIG);
    const device = loadDevice(this.name, state, this.device);
    this.#deviceFeaturesSel = deviceFeaturesSel;
    this.#driverFeaturesSel = driverFeaturesSel;
    this.#queueSel = queueSel;
    this.#interruptStatus = interruptStatus;
    device();
    if (this.device) this.#setInterrupt(interruptStatus !== 0);
  }

  #readRegister(register: number): number {
    if (register === MAGIC_VALUE) return MAGIC;
    if (register === VERSION) return 2;
    const device = this.device;
    if (!device) return 0;
    const queue = device.queues[this.#queueSel];
    switch (register) {
      case DEVICE_ID:
        return device.id;
      case VENDOR_ID:
        return VENDOR;
      case DEVICE_FEATURES: {
        const sel = this.#deviceFeaturesSel;
        return sel > 1 ? 0 : Number((device.features >> BigInt(32 * sel)) & 0xffff_ffffn);
      }
      case QUEUE_NUM_MAX:
        return queue?.maxSize ?? 0;
      case QUEUE_READY:
        return queue?.ready ? 1 : 0;
      case INTERRUPT_STATUS:
        return this.#interruptStatus;
      case STATUS:
        return device.status;
      case CONFIG_GENERATION:
        return device.generation;
      default:
        // No device here has shared memory: length and base of each region are −1.
        // QueueReset is over at once and so always reads 0.
        return register >= SHM_LEN_LOW && register <= SHM_BASE_HIGH ? 0xffff_ffff : 0;
    }
  }

  #writeRegister(register: number, value: number): void {
    const device = this.device;
    if (!device) return;
    switch (register) {
      case DEVICE_FEATURES_SEL:
        this.#deviceFeaturesSel = value;
        return;
      case DRIVER_FEATURES:
        device.setDriverFeatures(this.#driverFeaturesSel, value);
        return;
      case DRIVER_FEATURES_SEL:
        this.#driverFeaturesSel = value;
        return;
      case QUEUE_SEL:
        this.#queueSel = value;
        return;
      case QUEUE_NOTIFY:
        device.notify(value);
        return;
      case INTERRUPT_ACK:
        this.#setStatus(this.#interruptStatus & ~value);
        return;
      case STATUS:
        device.setStatus(value);
        if (value === 0) this.#setStatus(0);
        return;
      default:
        this.#writeQueue(register, value);
    }
  }

  #writeQueue(register: number, value: number): void {
    const queue = this.device?.queues[this.#queueSel];
    if (!queue) return;
    if (register === QUEUE_READY) {
      if (value & 1) queue.start();
      else queue.stop();
      return;
    }
    if (register === QUEUE_RESET) {
      if (value & 1) this.device?.resetQueue(this.#queueSel);
      return;
    }
    // §4.2.2.2: the rest isn't to be touched while the queue is in use.
    if (queue.ready) return;
    switch (register) {
      case QUEUE_NUM:
        queue.setSize(value);
        return;
      case QUEUE_DESC_LOW:
        queue.setArea(AREA_DESCRIPTOR, "low", value);
        return;
      case QUEUE_DESC_HIGH:
        queue.setArea(AREA_DESCRIPTOR, "high", value);
        return;
      case QUEUE_DRIVER_LOW:
        queue.setArea(AREA_DRIVER, "low", value);
        return;
      case QUEUE_DRIVER_HIGH:
        queue.setArea(AREA_DRIVER, "high", value);
        return;
      case QUEUE_DEVICE_LOW:
        queue.setArea(AREA_DEVICE, "low", value);
        return;
      case QUEUE_DEVICE_HIGH:
        queue.setArea(AREA_DEVICE, "high", value);
    }
  }

  #writeConfig(offset: number, size: number, value: bigint): void {
    const bytes = new Uint8Array(size);
    for (let i = 0; i < size; i++) bytes[i] = Number((value >> BigInt(8 * i)) & 0xffn);
    this.device?.configWrite(offset, bytes);
  }

  #raise(event: number): void {
    this.#setStatus(this.#interruptStatus | event);
  }

  #setStatus(status: number): void {
    const was = this.#interruptStatus;
    this.#interruptStatus = status;
    if ((was !== 0) !== (status !== 0)) this.#setInterrupt(status !== 0);
  }
}
