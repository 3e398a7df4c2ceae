/**
 * virtio console device with several named ports (VIRTIO 1.2 §5.3).
 *
 * Port 0 is a terminal with a size (Linux: hvc0), if the machine has its console
 * there; else it exists only as its two queues. Named ports are numbered from 1.
 */
import { get16, put16, put32 } from "../bytes.ts";
import { type Chain, readFrom, writeTo } from "../chain.ts";
import { type Step, VirtioDevice } from "../device.ts";
import type { GuestMemory } from "../guest-memory.ts";
import { type Apply, type Fields, nest, type StateReader } from "../state.ts";
import { CHUNK_COST, Port, type PortInput } from "./port.ts";
import {
  CONSOLE_PORT,
  CONTROL_SIZE,
  DEVICE_ADD,
  DEVICE_READY,
  PORT_NAME,
  PORT_OPEN,
  PORT_READY,
  RESIZE,
  readControl,
  writeControl,
} from "./protocol.ts";

/** Feature bits (§5.3.3). */
export const F_SIZE = 1n << 0n;
export const F_MULTIPORT = 1n << 1n;
const CONTROL_RECEIVE = 2;
const CONTROL_TRANSMIT = 3;
const QUEUE_SIZE = 64;
/** Bytes taken from the guest at a time. */
const CHUNK = 64 * 1024;
const MAX_PORTS = 30;

/** What waits for the host, in the guest's order; bounded by the ports' credit. */
type Outbound =
  | { readonly port: Port; readonly bytes: Uint8Array }
  | { readonly port: Port; readonly bytes: undefined };

export class ConsoleDevice extends VirtioDevice {
  override readonly name = "console";
  override readonly id = 3;
  /** In the order of their names; the guest sees them as ports 1, 2, … */
  readonly ports: readonly Port[];
  /** Port 0. */
  readonly terminal: Port;
  /** Whether the guest is told of it. */
  #hasTerminal: boolean;
  readonly #config = new Uint8Array(12);
  #outbound: Outbound[] = [];
  /** Ports whose opening or closing is in #outbound. */
  readonly #announced = new Set<Port>();
  #scheduled = false;

  /**
   * @param portNames up to 30 names, each 1 to 255 bytes of UTF-8
   * @param send puts an event of a port into the input door, whence it comes
   *   back by `accept`; returns false if the door is full
   * @param hasTerminal whether port 0 is a terminal; a saved state has its own answer
   */
  constructor(
    memory: GuestMemory,
    portNames: readonly string[],
    send: (event: PortInput) => boolean,
    hasTerminal = false,
  ) {
    if (portNames.length > MAX_PORTS) throw new RangeError(`A virtio console has at most ${MAX_PORTS} named ports.`);
    for (const name of portNames) {
      const length = new TextEncoder().encode(name).length;
      if (length < 1 || length > 255) throw new RangeError(`A port's name must have 1 to 255 bytes, not ${length}.`);
    }
    super(memory, F_MULTIPORT | F_SIZE, new Array<number>(2 * (portNames.length + 2)).fill(QUEUE_SIZE));
    this.terminal = new Port(0, "terminal", { send });
    this.#hasTerminal = hasTerminal;
    this.ports = portNames.map((name, i) => new Port(i + 1, name, { send }));
    put32(this.#config, 4, portNames.length + 1); // max_nr_ports
  }

  /** The port of this name. */
  port(name: string): Port | undefined {
    return this.ports.find((port) => port.name === name);
  }

  override config(): Uint8Array {
    return this.#config;
  }

  /**
   * Takes an event that has come through the input door.
   * @returns how many bytes of a "port" event were taken, perhaps fewer than it
   * has; for other events, that it was taken
   */
  accept(event: PortInput): number | boolean {
    const port = this.#port(event.port);
    if (!port) return event.kind === "port" ? event.bytes.length : true;
    switch (event.kind) {
      case "port":
        return this.#receive(port, event.bytes);
      case "port-credit":
        port.grant(event.count);
        if (port.stalled) this.notify(transmitQueue(port));
        return true;
      case "port-open":
        if (port.hostOpen !== event.open) {
          port.hostOpen = event.open;
          port.owesOpen = port.ready;
          if (this.live) this.#sendControl();
        }
        return true;
      case "port-size":
        this.#resize(port, event.columns, event.rows);
        return true;
    }
  }

  /** Whether a driver has taken the terminal: then it is there that one types. */
  get terminalOpen(): boolean {
    return this.#hasTerminal && this.live && (this.terminal.guestOpen || !this.negotiated(F_MULTIPORT));
  }

  /** Hands what the guest has sent to the ports' `onData` and `onOpen`; happens by itself after the guest's slice. */
  flush(): void {
    this.#scheduled = false;
    const outbound = this.#outbound;
    this.#outbound = [];
    let done = 0;
    try {
      for (const { port, bytes } of outbound) {
        done++;
        if (bytes) port.deliver(bytes);
        else {
          this.#announced.delete(port);
          port.onOpen?.(port.guestOpen);
        }
      }
    } finally {
      // A handler has thrown: the rest is still delivered, and its error goes where it must.
      if (done < outbound.length) {
        this.#outbound = [...outbound.slice(done), ...this.#outbound];
        this.#schedule();
      }
    }
  }

  protected override service(queue: number): void {
    if (!this.negotiated(F_MULTIPORT)) {
      // §5.3.5: without ports, the first pair of queues is all there is.
      if (queue === 1 && this.#hasTerminal) this.#transmit(this.terminal);
      else this.#discard(queue);
    } else if (queue === CONTROL_TRANSMIT) {
      this.drain(queue, (chain) => this.#control(chain));
      this.#sendControl();
    } else if (queue === CONTROL_RECEIVE) {
      this.#sendControl();
    } else {
      const port = this.#portOfQueue(queue);
      if (!port) this.#discard(queue);
      else if (queue & 1) this.#transmit(port);
      // Receive buffers are filled when input comes.
    }
  }

  protected override deviceReset(): void {
    for (const port of this.#all) {
      const wasOpen = port.guestOpen;
      port.reset();
      if (wasOpen) this.#announce(port);
    }
  }

  protected override queueReset(queue: number): void {
    const port = this.#portOfQueue(queue);
    if (port && queue & 1) {
      port.progress = 0;
      port.stalled = false;
    }
  }

  protected override saveDevice(): Fields {
    const [columns, rows] = [get16(this.#config, 0), get16(this.#config, 2)];
    const ports = [this.terminal, ...this.ports].map((port) => nest(`port.${port.id}`, port.save()));
    return Object.assign({ hasTerminal: this.#hasTerminal, columns, rows }, ...ports);
  }

  protected override loadDevice(state: StateReader): Apply {
    const hasTerminal = state.boolean("hasTerminal");
    const columns = state.number("columns", 0xffff);
    const rows = state.number("rows", 0xffff);
    const ports = [this.terminal, ...this.ports].map((port) => port.load(state.part(`port.${port.id}`)));
    return () => {
      this.#hasTerminal = hasTerminal;
      put16(this.#config, 0, columns);
      put16(this.#config, 2, rows);
      this.#outbound = [];
      this.#announced.clear();
      for (const apply of ports) apply();
    };
  }

  /** The ports that the guest is told of. */
  get #all(): readonly Port[] {
    return this.#hasTerminal ? [this.terminal, ...this.ports] : this.ports;
  }

  #port(id: number): Port | undefined {
    return this.#all.find((port) => port.id === id);
  }

  #portOfQueue(queue: number): Port | undefined {
    if (queue < 2) return this.#port(0);
    return this.ports[(queue >> 1) - 2];
  }

  #resize(port: Port, columns: number, rows: number): void {
    put16(this.#config, 0, columns);
    put16(this.#config, 2, rows);
    port.owesSize = port.ready;
    this.configChanged();
    if (this.live) this.#sendControl();
  }

  /** Output on queues that lead nowhere (port 0) is dropped. */
  #discard(queue: number): void {
    if (queue & 1) this.drain(queue, () => 0);
  }

  /** A message from the driver on the control queue. */
  #control(chain: Chain): Step {
    const bytes = new Uint8Array(CONTROL_SIZE);
    const got = readFrom(this.memory, chain, 0, bytes);
    if (typeof got === "string") return got;
    if (got < CONTROL_SIZE) return 0;
    const { id, event, value } = readControl(bytes);
    if (event === DEVICE_READY) {
      // §5.3.6.2.1: a port that exists isn't announced again.
      if (value === 1) for (const port of this.#all) port.owesAdd = !port.added;
      return 0;
    }
    const port = this.#port(id);
    if (!port?.added) return 0;
    if (event === PORT_READY) {
      port.ready = value === 1;
      port.owesOpen = port.ready;
      if (port === this.terminal) {
        // A terminal needs no opening by the guest.
        port.owesConsole = port.owesSize = port.guestOpen = port.ready;
      } else {
        port.owesName = port.ready;
      }
    } else if (event === PORT_OPEN && port.guestOpen !== (value === 1)) {
      port.guestOpen = value === 1;
      this.#announce(port);
    }
    return 0;
  }

  /** Sends what the driver hasn't been told yet, as far as it has given buffers. */
  #sendControl(): void {
    if (!this.#nextControl()) return;
    this.drain(CONTROL_RECEIVE, (chain) => {
      const next = this.#nextControl();
      if (!next) return "hold";
      const written = writeTo(this.memory, chain, 0, next.bytes);
      if (typeof written === "number") next.sent();
      return written;
    });
  }

  #nextControl(): { readonly bytes: Uint8Array; sent(): void } | undefined {
    for (const port of this.#all) {
      const { id } = port;
      if (port.owesAdd) {
        return {
          bytes: writeControl({ id, event: DEVICE_ADD, value: 0 }),
          sent: () => {
            port.owesAdd = false;
            port.added = true;
          },
        };
      }
      if (port.owesConsole) {
        return {
          bytes: writeControl({ id, event: CONSOLE_PORT, value: 1 }),
          sent: () => {
            port.owesConsole = false;
          },
        };
      }
      if (port.owesSize) {
        return {
          bytes: writeControl({ id, event: RESIZE, value: 0 }, this.#config.slice(0, 4)),
          sent: () => {
            port.owesSize = false;
          },
        };
      }
      if (port.owesName) {
        return {
          bytes: writeControl({ id, event: PORT_NAME, value: 1 }, new TextEncoder().encode(port.name)),
          sent: () => {
            port.owesName = false;
          },
        };
      }
      if (port.owesOpen) {
        return {
          bytes: writeControl({ id, event: PORT_OPEN, value: port.hostOpen ? 1 : 0 }),
          sent: () => {
            port.owesOpen = false;
          },
        };
      }
    }
    return undefined;
  }

  /** Takes output of the guest while the port has credit. */
  #transmit(port: Port): void {
    const stopped = this.drain(transmitQueue(port), (chain) => {
      while (port.progress < chain.readableLength) {
        const room = Math.min(CHUNK, port.credit - CHUNK_COST, chain.readableLength - port.progress);
        if (room <= 0) return "hold";
        const bytes = new Uint8Array(room);
        const got = readFrom(this.memory, chain, port.progress, bytes);
        if (typeof got === "string") return got;
        port.progress += got;
        port.taken(got);
        this.#outbound.push({ port, bytes });
        this.#schedule();
      }
      port.progress = 0;
      return 0;
    });
    port.stalled = stopped !== "empty";
  }

  /** @returns how many bytes the guest had room for */
  #receive(port: Port, bytes: Uint8Array): number {
    if (!this.live || !(port.guestOpen || (port === this.terminal && this.terminalOpen))) return 0;
    let done = 0;
    this.drain(receiveQueue(port), (chain) => {
      if (done === bytes.length) return "hold";
      const written = writeTo(this.memory, chain, 0, bytes.subarray(done));
      if (typeof written === "number") done += written;
      return written;
    });
    port.inputTaken(done);
    return done;
  }

  #announce(port: Port): void {
    if (this.#announced.has(port)) return;
    this.#announced.add(port);
    this.#outbound.push({ port, bytes: undefined });
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      if (this.#scheduled) this.flush();
    });
  }
}

/** Port 0 has the queues before those of control, every other those after (§5.3.2). */
function receiveQueue({ id }: Port): number {
  return id === 0 ? 0 : 2 * id + 2;
}

function transmitQueue(port: Port): number {
  return receiveQueue(port) + 1;
}
