/** A console device behind its transport and input door, with a driver that answers as Linux's does. */
import { get16, get32, put16, put32 } from "../../src/devices/virtio/bytes.ts";
import { ConsoleDevice } from "../../src/devices/virtio/console/console.ts";
import type { PortInput } from "../../src/devices/virtio/console/port.ts";
import { ArrayGuestMemory } from "../../src/devices/virtio/guest-memory.ts";
import { MmioTransport } from "../../src/devices/virtio/transport-mmio.ts";
import { InputDoor } from "../../src/machine/input.ts";
import { Driver, type DriverQueue, EVENT_IDX, INDIRECT, MULTIPORT, VERSION_1 } from "./driver.ts";

export const NAMES = ["org.wardian.control", "org.wardian.out", "org.wardian.err"];
const RECEIVE_BUFFER = 256;

/** The host's side: what a machine would own. */
export class ConsoleHost {
  readonly memory: ArrayGuestMemory;
  readonly device: ConsoleDevice;
  readonly transport: MmioTransport;
  readonly door: InputDoor;
  /** Stands for the instructions that the guest has retired. */
  now = 0n;

  constructor(memory = new ArrayGuestMemory(1 << 20), door = new InputDoor(), names = NAMES) {
    this.memory = memory;
    this.door = door;
    const send = (event: PortInput) => this.door.push({ ...event, device: 0 });
    this.device = new ConsoleDevice(memory, names, send);
    this.transport = new MmioTransport("virtio0", this.device, () => {});
  }

  deliver(): void {
    this.door.deliver(this.now, (event) => {
      if (event.kind !== "port" && event.kind !== "port-credit" && event.kind !== "port-open") return false;
      return this.device.accept(event);
    });
  }
}

export interface Message {
  readonly id: number;
  readonly event: number;
  readonly value: number;
  readonly text: string;
}

/** The guest's side, for one console. */
export class ConsoleGuest {
  readonly driver: Driver;
  readonly messages: Message[] = [];
  readonly received: Uint8Array[] = [];
  #queues: DriverQueue[] = [];
  /** Where the queues' data goes, used again and again. */
  #buffers: number[] = [];
  readonly #outputs = new Map<string, { address: number; length: number }>();

  constructor(host: ConsoleHost) {
    this.driver = new Driver(host.memory, host.transport);
  }

  queue(index: number): DriverQueue {
    return this.#queues[index]!;
  }

  /** Up to DRIVER_OK, with buffers in all receive queues, and DEVICE_READY sent (§5.3.5). */
  start(features = VERSION_1 | MULTIPORT | INDIRECT | EVENT_IDX, size = 4): void {
    if (!this.driver.negotiate(features)) throw new Error("features refused");
    const ports = Number(this.driver.transport.read(0x104, 4));
    this.#queues = [];
    for (let i = 0; i < 2 * ports + 2; i++) {
      this.#queues.push(this.driver.queue(i, size, (features & EVENT_IDX) !== 0n));
      this.#buffers[i] = this.driver.alloc(size * RECEIVE_BUFFER);
    }
    this.driver.go();
    for (let i = 0; i < this.#queues.length; i += 2) this.refill(i);
    this.control(0, 0, 1);
  }

  /** Gives a receive queue all the buffers that it has room for. */
  refill(index: number, length = RECEIVE_BUFFER): void {
    const queue = this.queue(index);
    for (let slot = queue.nextFree; slot !== undefined; slot = queue.nextFree) {
      queue.add([{ address: this.#buffers[index]! + RECEIVE_BUFFER * slot, length, write: true }]);
    }
    queue.notify();
  }

  control(id: number, event: number, value: number): void {
    const bytes = new Uint8Array(8);
    put32(bytes, 0, id);
    put16(bytes, 4, event);
    put16(bytes, 6, value);
    this.transmit(3, bytes);
  }

  /** Sends bytes on a transmit queue. @returns false if the queue is full */
  transmit(index: number, bytes: Uint8Array): boolean {
    const queue = this.queue(index);
    while (queue.take());
    const slot = queue.nextFree;
    if (slot === undefined) {
      queue.notify();
      return false;
    }
    const address = this.#output(index, slot, bytes.length);
    this.driver.at(address, bytes.length).set(bytes);
    queue.add([{ address, length: bytes.length, write: false }]);
    queue.notify();
    return true;
  }

  /** One place for each descriptor, as large as was ever needed. */
  #output(index: number, slot: number, length: number): number {
    const key = `${index} ${slot}`;
    const known = this.#outputs.get(key);
    if (known && known.length >= length) return known.address;
    const address = this.driver.alloc(length);
    this.#outputs.set(key, { address, length });
    return address;
  }

  /** Sends bytes on a port's transmit queue. */
  send(port: number, bytes: Uint8Array): boolean {
    return this.transmit(2 * port + 3, bytes);
  }

  /** Reads the control queue and answers it, opening each port that appears. */
  poll(): void {
    for (;;) {
      const used = this.queue(2).take();
      if (!used) break;
      const { bytes } = used;
      const message = {
        id: get32(bytes, 0),
        event: get16(bytes, 4),
        value: get16(bytes, 6),
        text: new TextDecoder().decode(bytes.subarray(8)),
      };
      this.messages.push(message);
      this.refill(2);
      if (message.event === 1) {
        this.control(message.id, 3, 1);
        this.control(message.id, 6, 1);
      }
    }
  }

  /** What has come to a port, as it was given. */
  read(port: number): Uint8Array {
    const index = 2 * port + 2;
    const all: number[] = [];
    for (let used = this.queue(index).take(); used; used = this.queue(index).take()) all.push(...used.bytes);
    this.refill(index);
    return Uint8Array.from(all);
  }
}
