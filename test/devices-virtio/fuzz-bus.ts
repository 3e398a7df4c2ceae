/** What a hostile guest has: memory that is watched, and a device behind a transport. */
import { PciHost } from "../../src/devices/pci/host.ts";
import type { VirtioDevice } from "../../src/devices/virtio/device.ts";
import { ArrayGuestMemory, type GuestMemory, type Outcome } from "../../src/devices/virtio/guest-memory.ts";
import { MmioTransport } from "../../src/devices/virtio/transport-mmio.ts";
import { PciTransport } from "../../src/devices/virtio/transport-pci.ts";

export const SIZE = 1 << 16;
export const BASE = 0x8000_0000;

export type Next = (below: number) => number;

/** Guest memory that counts accesses and catches a device that writes what it asked to read. */
export class WatchedMemory implements GuestMemory {
  readonly inner = new ArrayGuestMemory(SIZE, BASE);
  accesses = 0;
  bytesSeen = 0;
  #reads: [Uint8Array, number][] = [];

  view(address: number, length: number, write: boolean): Uint8Array | Outcome {
    this.accesses++;
    const view = this.inner.view(address, length, write);
    if (typeof view === "string") return view;
    this.bytesSeen += view.length;
    if (write || this.#reads.length >= 8) return view;
    const copy = view.slice();
    this.#reads.push([copy, sum(copy)]);
    return copy;
  }

  check(): void {
    for (const [copy, before] of this.#reads) {
      if (sum(copy) !== before) throw new Error("a device wrote to memory that it asked to read");
    }
    this.#reads = [];
  }
}

function sum(bytes: Uint8Array): number {
  let total = bytes.length;
  for (let i = 0; i < bytes.length; i += 7) total = (Math.imul(total, 31) + bytes[i]!) | 0;
  return total;
}

/** A transport as a driver uses it, and as someone uses it who writes anywhere. */
export interface Bus {
  status(value: number): void;
  features(word: number, value: number): void;
  queue(index: number, size: number, table: number, available: number, used: number): void;
  notify(queue: number): void;
  anywhere(next: Next, value: () => number): void;
  save(): unknown;
  load(state: unknown): void;
}

export function mmio(device: VirtioDevice, line: (level: boolean) => void): Bus {
  const transport = new MmioTransport("virtio0", device, line);
  const set = (register: number, value: number) => transport.write(register, 4, BigInt(value >>> 0));
  return {
    status: (value) => set(0x70, value),
    features: (word, value) => {
      set(0x24, word);
      set(0x20, value);
    },
    queue: (index, size, table, available, used) => {
      set(0x30, index);
      set(0x38, size);
      set(0x80, table);
      set(0x90, available);
      set(0xa0, used);
      set(0x44, 1);
    },
    notify: (queue) => set(0x50, queue),
    anywhere: (next, value) => {
      if (next(2)) transport.write(next(0x140) * (next(2) ? 4 : 1), 1 << next(4), BigInt(value()));
      else transport.read(next(0x1000), 1 << next(4));
    },
    save: () => transport.save(),
    load: (state) => transport.load(state),
  };
}

export function pci(device: VirtioDevice, line: (level: boolean) => void): Bus {
  const WINDOW = 0x4000_0000;
  const PLACE = 3;
  const host = new PciHost(WINDOW, (_, level) => line(level));
  const transport = new PciTransport("pci3", device);
  host.add(PLACE, transport);
  const config = PLACE << 15;
  const common = (at: number, size: number, value: number) => host.writeMemory(at, size, BigInt(value >>> 0));
  const enable = () => {
    host.writeEcam(config + 0x10, 4, BigInt(WINDOW));
    host.writeEcam(config + 4, 2, 6n);
  };
  enable();
  return {
    status: (value) => {
      enable();
      common(20, 1, value);
    },
    features: (word, value) => {
      common(8, 4, word);
      common(12, 4, value);
    },
    queue: (index, size, table, available, used) => {
      common(22, 2, index);
      common(24, 2, size);
      common(32, 4, table);
      common(40, 4, available);
      common(48, 4, used);
      common(28, 2, 1);
    },
    notify: (queue) => common(0x3000 + 4 * queue, 2, queue),
    anywhere: (next, value) => {
      const size = 1 << next(4);
      // Often in the capability by which BARs are reached from configuration space.
      const register = next(2) ? next(0x100) : 0x40 + next(0x60);
      const ecam = next(8) ? config + register : next(2 ** 28);
      const memory = next(8) ? [0, 0x1000, 0x2000, 0x3000][next(4)]! + next(128) : next(2 ** 30);
      const act = next(8);
      if (act < 4) host.writeMemory(memory, size, BigInt(value()));
      else if (act < 6) host.readMemory(memory, size);
      else if (act < 7) host.writeEcam(ecam, size, BigInt(value()));
      else host.readEcam(ecam, size);
    },
    save: () => transport.save(),
    load: (state) => transport.load(state),
  };
}
