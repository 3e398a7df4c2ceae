/**
 * virtio over PCI, modern only (VIRTIO 1.2 §4.1). One memory BAR holds the four
 * structures, a page each; interrupts go by INTx, since the board's interrupt
 * controller takes no messages.
 */
import type { Device, DeviceState } from "../device.ts";
import { PciConfig } from "../pci/config.ts";
import type { PciFunction } from "../pci/host.ts";
import { put32 } from "./bytes.ts";
import type { Notifier, VirtioDevice } from "./device.ts";
import { AREA_DESCRIPTOR, AREA_DEVICE, AREA_DRIVER, type Virtqueue } from "./queue.ts";
import { StateReader } from "./state.ts";
import { INTERRUPT_CONFIG, INTERRUPT_USED, loadDevice, saveDevice } from "./transport.ts";

const VENDOR = 0x1af4;
/** Plus the virtio device's id (§4.1.2.1). */
const FIRST_MODERN = 0x1040;
/** By virtio device id: what kind of thing it is to firmware (PCI Code and ID Assignment Specification). */
const CLASSES: Readonly<Record<number, number>> = { 1: 0x020000, 2: 0x010000, 3: 0x078000 };
const OTHER_CLASS = 0x00ff00;

const BAR = 0;
const PAGE = 0x1000;
const COMMON = 0 * PAGE;
const ISR = 1 * PAGE;
const DEVICE = 2 * PAGE;
const NOTIFY = 3 * PAGE;
const BAR_SIZE = 4 * PAGE;
const NOTIFY_MULTIPLIER = 4;

// Capabilities (§4.1.4).
const CAP_VENDOR = 0x09;
const CFG_COMMON = 1;
const CFG_NOTIFY = 2;
const CFG_ISR = 3;
const CFG_DEVICE = 4;
const CFG_PCI = 5;

// struct virtio_pci_common_cfg (§4.1.4.3).
const DEVICE_FEATURE_SELECT = 0;
const DEVICE_FEATURE = 4;
const DRIVER_FEATURE_SELECT = 8;
const DRIVER_FEATURE = 12;
const CONFIG_VECTOR = 16;
const NUM_QUEUES = 18;
const DEVICE_STATUS = 20;
const CONFIG_GENERATION = 21;
const QUEUE_SELECT = 22;
const QUEUE_SIZE = 24;
const QUEUE_VECTOR = 26;
const QUEUE_ENABLE = 28;
const QUEUE_NOTIFY_OFF = 30;
const QUEUE_DESC = 32;
const QUEUE_DRIVER = 40;
const QUEUE_DEVICE = 48;
const QUEUE_RESET = 58;
const COMMON_SIZE = 60;
const NO_VECTOR = 0xffff;
/** Widths in bytes of the fields, by offset; accesses of other widths read their bytes and write nothing (§4.1.3.1). */
const WIDTHS: Readonly<Record<number, 1 | 2 | 4>> = {
  [DEVICE_FEATURE_SELECT]: 4,
  [DEVICE_FEATURE]: 4,
  [DRIVER_FEATURE_SELECT]: 4,
  [DRIVER_FEATURE]: 4,
  [CONFIG_VECTOR]: 2,
  [NUM_QUEUES]: 2,
  [DEVICE_STATUS]: 1,
  [CONFIG_GENERATION]: 1,
  [QUEUE_SELECT]: 2,
  [QUEUE_SIZE]: 2,
  [QUEUE_VECTOR]: 2,
  [QUEUE_ENABLE]: 2,
  [QUEUE_NOTIFY_OFF]: 2,
  [QUEUE_DESC]: 4,
  [QUEUE_DESC + 4]: 4,
  [QUEUE_DRIVER]: 4,
  [QUEUE_DRIVER + 4]: 4,
  [QUEUE_DEVICE]: 4,
  [QUEUE_DEVICE + 4]: 4,
  [QUEUE_RESET]: 2,
};
/** For each byte of the structure the field that it belongs to. */
const FIELD_OF = fieldsByByte();

function fieldsByByte(): Int8Array {
  const fields = new Int8Array(COMMON_SIZE).fill(-1);
  for (const [at, width] of Object.entries(WIDTHS)) fields.fill(Number(at), Number(at), Number(at) + width);
  return fields;
}

export class PciTransport implements Device, Notifier, PciFunction {
  readonly name: string;
  readonly device: VirtioDevice;
  readonly config: PciConfig;
  onInterrupt: ((level: boolean) => void) | undefined;
  /** Where the window to the BAR lies in the configuration space (§4.1.4.9): the capability's body, and its data. */
  readonly #access: number;
  #deviceFeatureSelect = 0;
  #driverFeatureSelect = 0;
  #queueSelect = 0;
  #isr = 0;
  #line = false;

  constructor(name: string, device: VirtioDevice) {
    this.name = name;
    this.device = device;
    this.config = new PciConfig({
      vendor: VENDOR,
      device: FIRST_MODERN + device.id,
      revision: 1,
      classCode: CLASSES[device.id] ?? OTHER_CLASS,
      subsystemVendor: VENDOR,
      subsystem: 0x1100,
      interrupts: true,
    });
    this.config.addBar(BAR, BAR_SIZE);
    this.config.addCapability(CAP_VENDOR, structure(CFG_COMMON, COMMON, COMMON_SIZE));
    const notify = new Uint8Array(18);
    notify.set(structure(CFG_NOTIFY, NOTIFY, NOTIFY_MULTIPLIER * device.queues.length));
    put32(notify, 14, NOTIFY_MULTIPLIER);
    notify[0] = 20;
    this.config.addCapability(CAP_VENDOR, notify);
    this.config.addCapability(CAP_VENDOR, structure(CFG_ISR, ISR, 1));
    this.config.addCapability(CAP_VENDOR, structure(CFG_DEVICE, DEVICE, PAGE));
    const access = new Uint8Array(18);
    access.set(structure(CFG_PCI, 0, 0));
    access[0] = 20;
    // BAR, offset and length are the driver's to choose; data is what lies there.
    const mask = new Uint8Array(18).fill(0xff, 6);
    mask[2] = 0xff;
    this.#access = this.config.addCapability(CAP_VENDOR, access, mask);
    this.config.onCommand = () => this.#drive();
    device.attach(this);
    this.#defaults();
  }

  queueUsed(_queue: number): void {
    this.#setIsr(this.#isr | INTERRUPT_USED);
  }

  configChanged(): void {
    this.#setIsr(this.#isr | INTERRUPT_CONFIG);
  }

  readConfig(offset: number, size: number): bigint {
    const access = this.#accessOf(offset, size);
    if (access) {
      const value = this.readBar(BAR, access.offset, access.length);
      return value >> BigInt(8 * (offset - this.#access - 14));
    }
    return this.config.read(offset, size);
  }

  writeConfig(offset: number, size: number, value: bigint): void {
    this.config.write(offset, size, value);
    const access = this.#accessOf(offset, size);
    if (access) this.writeBar(BAR, access.offset, access.length, BigInt(this.config.word(this.#access + 14)));
  }

  readBar(_bar: number, offset: number, size: number): bigint {
    if (offset >= NOTIFY) return 0n;
    if (offset >= DEVICE) return bytesOf(this.device.config(), offset - DEVICE, size);
    if (offset >= ISR) return offset === ISR ? BigInt(this.#takeIsr()) : 0n;
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) {
      const field = FIELD_OF[offset + i] ?? -1;
      const byte = field < 0 ? 0 : (this.#readField(field) >>> (8 * (offset + i - field))) & 0xff;
      value = (value << 8n) | BigInt(byte);
    }
    return value;
  }

  writeBar(_bar: number, offset: number, size: number, value: bigint): void {
    if (offset >= NOTIFY) {
      // §4.1.5.2: the queue is told by the place.
      const at = offset - NOTIFY;
      if (at % NOTIFY_MULTIPLIER === 0) this.device.notify(at / NOTIFY_MULTIPLIER);
    } else if (offset >= DEVICE) {
      const bytes = new Uint8Array(size);
      for (let i = 0; i < size; i++) bytes[i] = Number((value >> BigInt(8 * i)) & 0xffn);
      this.device.configWrite(offset - DEVICE, bytes);
    } else if (offset < COMMON_SIZE) {
      if (WIDTHS[offset] === size) {
        this.#writeField(offset, Number(value & 0xffff_ffffn));
      } else if (size === 8 && WIDTHS[offset] === 4 && WIDTHS[offset + 4] === 4) {
        this.#writeField(offset, Number(value & 0xffff_ffffn));
        this.#writeField(offset + 4, Number((value >> 32n) & 0xffff_ffffn));
      }
    }
  }

  /** As after power-on. */
  reset(): void {
    this.#deviceFeatureSelect = this.#driverFeatureSelect = this.#queueSelect = 0;
    this.#resetDevice();
    this.config.reset();
  }

  save(): DeviceState {
    return {
      version: 1,
      deviceFeatureSelect: this.#deviceFeatureSelect,
      driverFeatureSelect: this.#driverFeatureSelect,
      queueSelect: this.#queueSelect,
      isr: this.#isr,
      ...this.config.save(),
      ...saveDevice(this.device),
    };
  }

  /** Also drives the interrupt line to its saved level. @throws DeviceStateError */
  load(saved: unknown): void {
    const state = StateReader.of(this.name, saved, 1);
    const deviceFeatureSelect = state.number("deviceFeatureSelect", 0xffff_ffff);
    const driverFeatureSelect = state.number("driverFeatureSelect", 0xffff_ffff);
    const queueSelect = state.number("queueSelect", 0xffff);
    const isr = state.number("isr", INTERRUPT_USED | INTERRUPT_CONFIG);
    const config = this.config.load(state);
    const device = loadDevice(this.name, state, this.device);
    this.#deviceFeatureSelect = deviceFeatureSelect;
    this.#driverFeatureSelect = driverFeatureSelect;
    this.#queueSelect = queueSelect;
    device();
    this.#isr = isr;
    config(); // drives the line
  }

  get #queue(): Virtqueue | undefined {
    return this.device.queues[this.#queueSelect];
  }

  #readField(field: number): number {
    const { device } = this;
    const queue = this.#queue;
    switch (field) {
      case DEVICE_FEATURE_SELECT:
        return this.#deviceFeatureSelect;
      case DEVICE_FEATURE:
        return featureWord(device.features, this.#deviceFeatureSelect);
      case DRIVER_FEATURE_SELECT:
        return this.#driverFeatureSelect;
      case DRIVER_FEATURE:
        return featureWord(device.driverFeatures, this.#driverFeatureSelect);
      case CONFIG_VECTOR:
      case QUEUE_VECTOR:
        return NO_VECTOR;
      case NUM_QUEUES:
        return device.queues.length;
      case DEVICE_STATUS:
        return device.status;
      case CONFIG_GENERATION:
        return device.generation & 0xff;
      case QUEUE_SELECT:
        return this.#queueSelect;
      case QUEUE_SIZE:
        return queue?.size ?? 0;
      case QUEUE_ENABLE:
        return queue?.ready ? 1 : 0;
      case QUEUE_NOTIFY_OFF:
        return queue ? this.#queueSelect : 0;
      case QUEUE_RESET:
        return 0; // over at once
      default:
        return queue?.half((field - QUEUE_DESC) / 4) ?? 0;
    }
  }

  #writeField(field: number, value: number): void {
    const { device } = this;
    switch (field) {
      case DEVICE_FEATURE_SELECT:
        this.#deviceFeatureSelect = value;
        return;
      case DRIVER_FEATURE_SELECT:
        this.#driverFeatureSelect = value;
        return;
      case DRIVER_FEATURE:
        device.setDriverFeatures(this.#driverFeatureSelect, value);
        return;
      case DEVICE_STATUS:
        if (value === 0) this.#resetDevice();
        else device.setStatus(value);
        return;
      case QUEUE_SELECT:
        this.#queueSelect = value & 0xffff;
        return;
      default:
        this.#writeQueue(field, value);
    }
  }

  #writeQueue(field: number, value: number): void {
    const queue = this.#queue;
    if (!queue) return;
    if (field === QUEUE_RESET) {
      if (value !== 1) return;
      this.device.resetQueue(this.#queueSelect);
      if (queue.size === 0) queue.setSize(queue.maxSize);
    } else if (field === QUEUE_ENABLE) {
      if (value === 1) queue.start();
    } else if (!queue.ready) {
      const half = (at: number) => (field === at ? "low" : "high");
      if (field === QUEUE_SIZE) queue.setSize(value);
      else if (field === QUEUE_DESC || field === QUEUE_DESC + 4)
        queue.setArea(AREA_DESCRIPTOR, half(QUEUE_DESC), value);
      else if (field === QUEUE_DRIVER || field === QUEUE_DRIVER + 4)
        queue.setArea(AREA_DRIVER, half(QUEUE_DRIVER), value);
      else if (field === QUEUE_DEVICE || field === QUEUE_DEVICE + 4)
        queue.setArea(AREA_DEVICE, half(QUEUE_DEVICE), value);
    }
  }

  #resetDevice(): void {
    this.device.reset();
    this.#defaults();
    this.#setIsr(0);
  }

  /** §4.1.5.1.3: a queue's size is its largest until the driver writes another. */
  #defaults(): void {
    for (const queue of this.device.queues) queue.setSize(queue.maxSize);
  }

  /** What an access to the window's data is for (§4.1.4.9.1); nothing if it isn't one, or not one that can be. */
  #accessOf(offset: number, size: number): { readonly offset: number; readonly length: number } | undefined {
    const data = this.#access + 14;
    if (offset < data || offset + size > data + 4) return undefined;
    const at = this.config.word(this.#access + 6);
    const length = this.config.word(this.#access + 10);
    const sound = (length === 1 || length === 2 || length === 4) && at % length === 0 && at + length <= BAR_SIZE;
    return this.config.byte(this.#access + 2) === BAR && sound ? { offset: at, length } : undefined;
  }

  /** §4.1.4.5.1: reading takes it away. */
  #takeIsr(): number {
    const isr = this.#isr;
    this.#setIsr(0);
    return isr;
  }

  #setIsr(isr: number): void {
    this.#isr = isr;
    this.#drive();
  }

  #drive(): void {
    const line = this.config.showInterrupt(this.#isr !== 0);
    if (line === this.#line) return;
    this.#line = line;
    this.onInterrupt?.(line);
  }
}

/** struct virtio_pci_cap without its first two bytes: length, type, BAR, id, padding, offset, length. */
function structure(type: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(14);
  bytes[0] = 16;
  bytes[1] = type;
  bytes[2] = BAR;
  put32(bytes, 6, offset);
  put32(bytes, 10, length);
  return bytes;
}

function featureWord(features: bigint, word: number): number {
  return word > 1 ? 0 : Number((features >> BigInt(32 * word)) & 0xffff_ffffn);
}

function bytesOf(bytes: Uint8Array, offset: number, size: number): bigint {
  let value = 0n;
  for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[offset + i] ?? 0);
  return value;
}
