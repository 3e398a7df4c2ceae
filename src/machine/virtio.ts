/** The virtio devices of a machine: which there are, where they sit, and how they are joined to the outside. */

import type { Disk } from "../backends/disk.ts";
import type { Entropy } from "../backends/entropy.ts";
import type { Files } from "../backends/files.ts";
import type { Link } from "../backends/link.ts";
import type { Nvram } from "../backends/nvram.ts";
import type { Vsock } from "../backends/vsock.ts";
import type { Device, DeviceState } from "../devices/device.ts";
import { ALL_ONES, PCI_DEVICES, PciHost } from "../devices/pci/host.ts";
import { BalloonDevice, type BalloonTags } from "../devices/virtio/balloon/balloon.ts";
import { BlockDevice } from "../devices/virtio/blk/blk.ts";
import { ConsoleDevice } from "../devices/virtio/console/console.ts";
import type { PortInput } from "../devices/virtio/console/port.ts";
import type { VirtioDevice } from "../devices/virtio/device.ts";
import { FileSystemDevice } from "../devices/virtio/fs/fs.ts";
import type { GuestMemory } from "../devices/virtio/guest-memory.ts";
import { NetDevice } from "../devices/virtio/net/net.ts";
import { EntropyDevice } from "../devices/virtio/rng/rng.ts";
import { MmioTransport } from "../devices/virtio/transport-mmio.ts";
import { PciTransport } from "../devices/virtio/transport-pci.ts";
import { SocketDevice } from "../devices/virtio/vsock/vsock.ts";
import { AGENT_PORTS } from "./agent.ts";
import { DiskPort } from "./disk-port.ts";
import { FilesPort } from "./files-port.ts";
import type { InputDoor, InputEvent } from "./input.ts";
import { HOST_ECAM, HOST_PCI_MEMORY, PCIE_IRQ, PCIE_MMIO, VIRTIO_SLOTS, virtioSlot } from "./memory-map.ts";
import { VsockPort } from "./vsock-port.ts";

/** How a device is reached. PCI is what firmware and kernels know without a module; mmio has few slots. */
export type TransportName = "pci" | "mmio";
export const TRANSPORTS: readonly TransportName[] = ["pci", "mmio"];

/** A disk as the guest has it. */
export interface DiskAttachment {
  readonly transport: TransportName;
  readonly disk: Disk;
  /** What the guest reads as its serial number: up to 20 bytes. */
  readonly serial: string;
}

/** A network as the guest has it. */
export interface LinkAttachment {
  readonly transport: TransportName;
  readonly link: Link;
  /** Six bytes. */
  readonly mac: Uint8Array;
}

/** A tree of files as the guest has it; on PCI. */
export interface ShareAttachment {
  readonly files: Files;
  /** The name by which it is mounted: 1 to 36 bytes of UTF-8. */
  readonly tag: string;
}

/** A socket device. */
export interface VsockAttachment {
  readonly transport: TransportName;
  readonly vsock: Vsock;
  /** The guest's context ID. */
  readonly cid: number;
}

/** A memory balloon. */
export interface BalloonAttachment {
  readonly transport: TransportName;
  /** Pages of 4 KiB that it is to have at first. */
  readonly pages: number;
}

/** What a machine is joined to. */
export interface Attachments {
  readonly disks?: readonly DiskAttachment[];
  readonly links?: readonly LinkAttachment[];
  readonly shares?: readonly ShareAttachment[];
  readonly vsock?: VsockAttachment;
  readonly balloon?: BalloonAttachment;
  /** Where the variables in flash are kept. */
  readonly nvram?: Nvram;
}

export interface VirtioHost {
  readonly entropy: Entropy;
  /** The machine stands still while disks and files are busy, and must not see which was faster. */
  readonly inOrder: boolean;
  /** The console is virtio's terminal, port 0. */
  readonly terminal: boolean;
  /** What the guest writes there. */
  console(bytes: Uint8Array): void;
  /** See DiskPortHost. */
  stalled(message: string): void;
  flowing(): void;
  /** The guest has said how its memory is used. */
  statistics(tags: BalloonTags): void;
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
  readonly #slots: readonly MmioTransport[];
  readonly #pci: PciHost;
  readonly #functions: PciTransport[] = [];
  readonly #rng: EntropyDevice;
  readonly #disks = new Map<number, { readonly device: BlockDevice; readonly port: DiskPort }>();
  #held = false;
  readonly #nets = new Map<number, NetDevice>();
  readonly #shares = new Map<number, { readonly device: FileSystemDevice; readonly port: FilesPort }>();
  readonly #links: readonly Link[];
  #vsock: { readonly device: SocketDevice; readonly port: VsockPort } | undefined;
  #balloon: { readonly device: BalloonDevice; readonly place: number } | undefined;
  /** Frames in the door, by device. */
  readonly #frames = new Map<number, number>();

  /** @throws AttachmentError */
  constructor(
    memory: GuestMemory,
    door: InputDoor,
    { disks = [], links = [], shares = [], vsock, balloon }: Attachments,
    host: VirtioHost,
  ) {
    this.#door = door;
    this.#rng = new EntropyDevice(memory, (length) =>
      host.entropy.submit(length, (bytes) => door.push({ kind: "entropy", device: RNG_SLOT, bytes })),
    );
    const send = (event: PortInput) => door.push({ ...event, device: CONSOLE_SLOT });
    this.console = new ConsoleDevice(memory, AGENT_PORTS, send, host.terminal);
    this.console.terminal.onData = (bytes) => host.console(bytes);
    const bySlot = new Map<number, VirtioDevice>([
      [RNG_SLOT, this.#rng],
      [CONSOLE_SLOT, this.console],
    ]);
    this.#pci = new PciHost(PCIE_MMIO.base, (line, level) => host.setInterrupt(PCIE_IRQ + line, level));
    // A device's number in events: its slot, and on PCI its device number above those.
    const places: Record<TransportName, number[]> = {
      mmio: range(0, VIRTIO_SLOTS).filter((slot) => !bySlot.has(slot)),
      pci: range(VIRTIO_SLOTS + 1, PCI_DEVICES - 1),
    };
    const limits = { mmio: places.mmio.length, pci: places.pci.length };
    const take = (transport: TransportName): number => {
      const place = places[transport].shift();
      if (place !== undefined) return place;
      throw new AttachmentError(
        `A machine has room for ${limits[transport]} disks, networks and folders on ${transport}; give it fewer of them.`,
      );
    };
    const put = (place: number, device: VirtioDevice): void => {
      if (place < VIRTIO_SLOTS) {
        bySlot.set(place, device);
        return;
      }
      const fn = new PciTransport(`pci${place - VIRTIO_SLOTS}`, device);
      this.#pci.add(place - VIRTIO_SLOTS, fn);
      this.#functions.push(fn);
    };
    for (const { disk, serial, transport } of disks) {
      const place = take(transport);
      const port = new DiskPort(disk, place, host.inOrder, {
        push: (event) => door.push(event),
        quiet: () => this.#quiet(),
        stalled: (message) => host.stalled(message),
        flowing: () => {
          if (!this.stalled) host.flowing();
        },
      });
      const device = new BlockDevice(memory, disk, serial, (id, request) => port.submit(id, request));
      put(place, device);
      this.#disks.set(place, { device, port });
    }
    for (const { link, mac, transport } of links) {
      const place = take(transport);
      const device = new NetDevice(memory, mac, link);
      put(place, device);
      this.#nets.set(place, device);
      link.onFrame = (frame) => this.#arrived(place, frame);
    }
    for (const { files, tag } of shares) {
      const place = take("pci");
      const quiet = () => this.#quiet();
      const port = new FilesPort(files, place, host.inOrder, { push: (event) => door.push(event), quiet });
      const device = new FileSystemDevice(memory, tag, (id, request) => port.submit(id, request));
      put(place, device);
      this.#shares.set(place, { device, port });
    }
    if (vsock) {
      const place = take(vsock.transport);
      const port = new VsockPort(vsock.vsock, place, (event) => door.push(event));
      const device = new SocketDevice(memory, vsock.cid, port);
      put(place, device);
      this.#vsock = { device, port };
    }
    if (balloon) {
      const place = take(balloon.transport);
      const device = new BalloonDevice(memory, balloon.pages, {
        more: () => door.push({ kind: "balloon-more", device: place }),
        statistics: (tags) => host.statistics(tags),
      });
      put(place, device);
      this.#balloon = { device, place };
    }
    this.#links = links.map(({ link }) => link);
    this.#slots = range(0, VIRTIO_SLOTS).map((slot) => {
      const { irq } = virtioSlot(slot);
      return new MmioTransport(`virtio${slot}`, bySlot.get(slot), (level) => host.setInterrupt(irq, level));
    });
  }

  /** For snapshots. */
  get devices(): readonly Device[] {
    return [...this.#slots.map(asDevice), this.#pci, ...this.#functions];
  }

  /** Whether a disk or a tree of files is busy, so that its completion should be looked for soon. */
  get busy(): boolean {
    for (const { port } of this.#disks.values()) if (port.busy) return true;
    for (const { port } of this.#shares.values()) if (port.busy) return true;
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

  /** A load from one of the host's regions (memory-map's HOST_*). */
  read(region: number, offset: number, size: number): bigint {
    if (region < VIRTIO_SLOTS) return this.#slots[region]?.read(offset, size) ?? 0n;
    if (region === HOST_PCI_MEMORY) return this.#pci.readMemory(offset, size);
    return region === HOST_ECAM ? this.#pci.readEcam(offset, size) : ALL_ONES;
  }

  write(region: number, offset: number, size: number, value: bigint): void {
    if (region < VIRTIO_SLOTS) this.#slots[region]?.write(offset, size, value);
    else if (region === HOST_PCI_MEMORY) this.#pci.writeMemory(offset, size, value);
    else if (region === HOST_ECAM) this.#pci.writeEcam(offset, size, value);
  }

  /** An input that may be for one of these devices. */
  accept(event: Exclude<InputEvent, { kind: "terminal" | "clock" }>): boolean | number {
    switch (event.kind) {
      case "entropy":
        return this.#rng.accept(event.bytes);
      case "disk":
        return this.#disks.get(event.device)?.device.accept(event) ?? true;
      case "disk-size":
        this.#disks.get(event.device)?.device.resized(event.size);
        return true;
      case "files":
        return this.#shares.get(event.device)?.device.accept(event) ?? true;
      case "packet": {
        const taken = this.#nets.get(event.device)?.accept(event.bytes) ?? true;
        if (taken) this.#frames.set(event.device, Math.max(0, this.#waiting(event.device) - 1));
        return taken;
      }
      case "vsock":
      case "vsock-connect":
      case "vsock-open":
      case "vsock-end":
      case "vsock-credit":
      case "vsock-reset":
        return this.#vsock?.device.accept(event) ?? true;
      case "balloon-target":
      case "balloon-poll":
      case "balloon-more":
        this.#balloon?.device.accept(event);
        return true;
      default:
        return this.console.accept(event);
    }
  }

  /** What was typed, if the guest has its console here. @returns how much of it was taken; nothing if it hasn't */
  type(bytes: Uint8Array): number | undefined {
    if (!this.console.terminalOpen) return undefined;
    return Number(this.console.accept({ kind: "port", port: 0, bytes }));
  }

  /**
   * Makes a disk larger, and tells the guest.
   * @param index of the machine's disks, from 0
   * @throws AttachmentError when there is none; what the disk does
   */
  async resizeDisk(index: number, size: number): Promise<void> {
    await this.#port(index).resize(size);
  }

  /** Writes what a disk's overlay holds to its backing file. @throws as resizeDisk */
  async commitDisk(index: number): Promise<void> {
    await this.#port(index).commit();
  }

  #port(index: number): DiskPort {
    const disk = [...this.#disks.values()][index];
    if (!disk) throw new AttachmentError(`The machine has no disk ${index}; it has ${this.#disks.size}, from 0 on.`);
    return disk.port;
  }

  /** The terminal's size has changed. */
  resize(columns: number, rows: number): void {
    this.#door.push({ kind: "port-size", device: CONSOLE_SLOT, port: 0, columns, rows });
  }

  /** The memory balloon, if there is one. */
  get balloon(): BalloonDevice | undefined {
    return this.#balloon?.device;
  }

  /** The balloon is to have so many pages of 4 KiB. */
  setBalloon(pages: number): void {
    if (this.#balloon) this.#door.push({ kind: "balloon-target", device: this.#balloon.place, pages });
  }

  /** Asks the guest how its memory is used; it answers when it gets round to it. */
  pollBalloon(): void {
    if (this.#balloon) this.#door.push({ kind: "balloon-poll", device: this.#balloon.place });
  }

  /** As after power-on. */
  reset(): void {
    for (const slot of this.#slots) slot.reset();
    for (const fn of this.#functions) fn.reset();
    this.#pci.reset();
  }

  /** After a load: what was asked of the host is asked again. */
  restart(): void {
    this.#rng.restart();
    for (const { device } of this.#disks.values()) device.restart();
    this.#vsock?.device.restart();
    this.#balloon?.device.restart();
  }

  /** Puts disks on stable storage, gives files up and ends links. @throws what the first that fails says, when all have been closed */
  async close(): Promise<void> {
    for (const link of this.#links) {
      link.onFrame = undefined;
      link.close();
    }
    const ports = [...this.#disks.values(), ...this.#shares.values()].map(({ port }) => port);
    const closed = await Promise.allSettled([...ports.map((port) => port.close()), this.#vsock?.port.shut()]);
    const failed = closed.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
  }

  /** What completes from now on is kept, so that it comes in one order, at once or later. */
  hold(): void {
    this.#held = true;
  }

  /** Ends `hold`. */
  release(): void {
    this.#held = false;
    this.#quiet();
  }

  /** Something has nothing to do; once nothing has, what was kept is brought, device by device. */
  #quiet(): void {
    if (this.#held || this.busy || this.stalled) return;
    for (const { port } of this.#disks.values()) port.flush();
    for (const { port } of this.#shares.values()) port.flush();
  }

  /** Frames in the door. */
  #waiting(device: number): number {
    return this.#frames.get(device) ?? 0;
  }

  #arrived(device: number, frame: Uint8Array): void {
    const waiting = this.#waiting(device);
    if (waiting >= MOST_FRAMES || frame.length === 0) return;
    if (this.#door.push({ kind: "packet", device, bytes: frame })) this.#frames.set(device, waiting + 1);
  }
}

function range(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

/** A virtio window as a device of the machine. */
function asDevice(transport: MmioTransport): Device {
  return {
    name: transport.name,
    save: () => transport.save() as unknown as DeviceState,
    load: (state) => transport.load(state),
  };
}
