/** The virtio devices of a machine: which there are, where they sit, and how they are joined to the outside. */

import type { Disk } from "../backends/disk.ts";
import type { Entropy } from "../backends/entropy.ts";
import type { Link } from "../backends/link.ts";
import type { Nvram } from "../backends/nvram.ts";
import type { Device, DeviceState } from "../devices/device.ts";
import { BlockDevice } from "../devices/virtio/blk/blk.ts";
import { ConsoleDevice } from "../devices/virtio/console/console.ts";
import type { VirtioDevice } from "../devices/virtio/device.ts";
import type { GuestMemory } from "../devices/virtio/guest-memory.ts";
import { MAX_FRAME, NetDevice } from "../devices/virtio/net/net.ts";
import { EntropyDevice } from "../devices/virtio/rng/rng.ts";
import { MmioTransport } from "../devices/virtio/transport-mmio.ts";
import { AGENT_PORTS } from "./agent.ts";
import { DiskPort } from "./disk-port.ts";
import type { InputDoor, InputEvent } from "./input.ts";
import { VIRTIO_SLOTS, virtioSlot } from "./memory-map.ts";

/** A disk as the guest has it. */
export interface DiskAttachment {
  readonly disk: Disk;
  /** What the guest reads as its serial number: up to 20 bytes. */
  readonly serial: string;
}

/** A network as the guest has it. */
export interface LinkAttachment {
  readonly link: Link;
  /** Six bytes. */
  readonly mac: Uint8Array;
}

/** What a machine is joined to. */
export interface Attachments {
  readonly disks?: readonly DiskAttachment[];
  readonly links?: readonly LinkAttachment[];
  /** Where the variables in flash are kept. */
  readonly nvram?: Nvram;
}

export interface VirtioHost {
  readonly entropy: Entropy;
  /** The machine stands still while disks are busy, and must not see which was faster. */
  readonly inOrder: boolean;
  /** See DiskPortHost. */
  stalled(message: string): void;
  flowing(): void;
  setInterrupt(source: number, level: boolean): void;
}

/** More disks and networks than there are slots; the message is one sentence. */
export class AttachmentError extends Error {
  override readonly name = "AttachmentError";
}

const RNG_SLOT = 0;
const CONSOLE_SLOT = 1;
/** Frames that may wait for the guest; more are dropped, as by any card. */
const MOST_FRAMES = 1024;

export class VirtioDevices {
  readonly console: ConsoleDevice;
  readonly #door: InputDoor;
  readonly #transports: readonly MmioTransport[];
  readonly #rng: EntropyDevice;
  readonly #disks = new Map<number, { readonly device: BlockDevice; readonly port: DiskPort }>();
  readonly #nets = new Map<number, NetDevice>();
  readonly #links: readonly Link[];
  /** Frames in the door, by device. */
  readonly #frames = new Map<number, number>();

  /** @throws AttachmentError */
  constructor(memory: GuestMemory, door: InputDoor, { disks = [], links = [] }: Attachments, host: VirtioHost) {
    this.#door = door;
    this.#rng = new EntropyDevice(memory, (length) =>
      host.entropy.submit(length, (bytes) => door.push({ kind: "entropy", device: RNG_SLOT, bytes })),
    );
    this.console = new ConsoleDevice(memory, AGENT_PORTS, (event) => door.push({ ...event, device: CONSOLE_SLOT }));
    const bySlot = new Map<number, VirtioDevice>([
      [RNG_SLOT, this.#rng],
      [CONSOLE_SLOT, this.console],
    ]);
    const free = Array.from({ length: VIRTIO_SLOTS }, (_, slot) => slot).filter((slot) => !bySlot.has(slot));
    if (disks.length + links.length > free.length)
      throw new AttachmentError(`A machine has room for ${free.length} disks and networks; give it fewer.`);
    for (const { disk, serial } of disks) {
      const slot = free.shift()!;
      const port = new DiskPort(disk, slot, host.inOrder, {
        push: (event) => door.push(event),
        quiet: () => this.#quiet(),
        stalled: (message) => host.stalled(message),
        flowing: () => {
          if (!this.stalled) host.flowing();
        },
      });
      const device = new BlockDevice(memory, disk, serial, (id, request) => port.submit(id, request));
      bySlot.set(slot, device);
      this.#disks.set(slot, { device, port });
    }
    for (const { link, mac } of links) {
      const slot = free.shift()!;
      const device = new NetDevice(memory, mac, (frame) => link.submit(frame));
      bySlot.set(slot, device);
      this.#nets.set(slot, device);
      link.onFrame = (frame) => this.#arrived(slot, frame);
    }
    this.#links = links.map(({ link }) => link);
    this.#transports = Array.from({ length: VIRTIO_SLOTS }, (_, slot) => {
      const { irq } = virtioSlot(slot);
      return new MmioTransport(`virtio${slot}`, bySlot.get(slot), (level) => host.setInterrupt(irq, level));
    });
  }

  /** For snapshots. */
  get devices(): readonly Device[] {
    return this.#transports.map(asDevice);
  }

  /** Whether a disk is busy, so that its completion should be looked for soon. */
  get busy(): boolean {
    for (const { port } of this.#disks.values()) if (port.busy) return true;
    return false;
  }

  /** Whether a disk waits for room on the host, or for a server. */
  get stalled(): boolean {
    for (const { port } of this.#disks.values()) if (port.stalled) return true;
    return false;
  }

  /** Whether something is lost if it ends now. */
  get losing(): boolean {
    for (const { port } of this.#disks.values()) if (port.losing) return true;
    return false;
  }

  /** Tries again what waits for room. */
  retry(): void {
    for (const { port } of this.#disks.values()) port.retry();
  }

  /** Load of the host's region `index`. */
  read(index: number, offset: number, size: number): bigint {
    return this.#transports[index]?.read(offset, size) ?? 0n;
  }

  write(index: number, offset: number, size: number, value: bigint): void {
    this.#transports[index]?.write(offset, size, value);
  }

  /** An input that may be for one of these devices. */
  accept(event: Exclude<InputEvent, { kind: "terminal" | "clock" }>): boolean | number {
    switch (event.kind) {
      case "entropy":
        return this.#rng.accept(event.bytes);
      case "disk":
        return this.#disks.get(event.device)?.device.accept(event) ?? true;
      case "packet": {
        const taken = this.#nets.get(event.device)?.accept(event.bytes) ?? true;
        if (taken) this.#frames.set(event.device, Math.max(0, this.#waiting(event.device) - 1));
        return taken;
      }
      default:
        return this.console.accept(event);
    }
  }

  /** As after power-on. */
  reset(): void {
    for (const transport of this.#transports) transport.reset();
  }

  /** After a load: what was asked of the host is asked again. */
  restart(): void {
    this.#rng.restart();
    for (const { device } of this.#disks.values()) device.restart();
  }

  /** Puts disks on stable storage and ends links. @throws what the first disk that fails says, when all have been closed */
  async close(): Promise<void> {
    for (const link of this.#links) {
      link.onFrame = undefined;
      link.close();
    }
    const closed = await Promise.allSettled([...this.#disks.values()].map(({ port }) => port.close()));
    const failed = closed.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
  }

  /** A disk has nothing to do; once none has, what was kept is brought, disk by disk. */
  #quiet(): void {
    if (this.busy || this.stalled) return;
    for (const { port } of this.#disks.values()) port.flush();
  }

  /** Frames in the door. */
  #waiting(device: number): number {
    return this.#frames.get(device) ?? 0;
  }

  #arrived(device: number, frame: Uint8Array): void {
    const waiting = this.#waiting(device);
    if (waiting >= MOST_FRAMES || frame.length === 0 || frame.length > MAX_FRAME) return;
    if (this.#door.push({ kind: "packet", device, bytes: frame })) this.#frames.set(device, waiting + 1);
  }
}

/** A virtio window as a device of the machine. */
function asDevice(transport: MmioTransport): Device {
  return {
    name: transport.name,
    save: () => transport.save() as unknown as DeviceState,
    load: (state) => transport.load(state),
  };
}
