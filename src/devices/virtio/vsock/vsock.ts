/**
 * virtio socket device (VIRTIO 1.2 §5.10): stream sockets between programs of the
 * guest and the host. What the guest sends goes to the host at once, as far as it
 * has credit; what comes from the host waits in the input door until the guest
 * has credit and buffers. All that a guest can see depends on its own run and on
 * what passed the door.
 */
import { put32, put64 } from "../bytes.ts";
import { type Chain, readFrom, writeTo } from "../chain.ts";
import { type Step, VirtioDevice } from "../device.ts";
import type { GuestMemory } from "../guest-memory.ts";
import type { Apply, Fields, StateReader } from "../state.ts";
import { Connection, SMALL_WINDOW, WINDOW } from "./connection.ts";
import {
  HEADER,
  HOST_CID,
  OP_CREDIT_REQUEST,
  OP_CREDIT_UPDATE,
  OP_REQUEST,
  OP_RESPONSE,
  OP_RST,
  OP_RW,
  OP_SHUTDOWN,
  type Packet,
  readPacket,
  SHUTDOWN_RECEIVE,
  SHUTDOWN_SEND,
  TYPE_STREAM,
  writePacket,
} from "./packet.ts";

/** Feature bit (§5.10.3). */
export const F_STREAM = 1n << 0n;
/** Context IDs that a guest may have (§5.10.4). */
export const LEAST_CID = 3;
export const MOST_CID = 0xffff_fffe;
export const DEFAULT_CID = 3;

const RX = 0;
const TX = 1;
const EVENT = 2;
const QUEUE_SIZES = [256, 256, 16];
const TRANSPORT_RESET = 0;
export const MAX_CONNECTIONS = 1024;
/** Connections that have a large window. */
const MOST_LARGE = 64;
/** Resets that may wait for buffers of the guest; more packets are left in its queue. */
const MOST_RESETS = 256;
/** Ports of the host for connections that it asks for: half of the numbers, from here on. */
const FIRST_PORT = 2 ** 30;
const NOTHING = new Uint8Array(0);
const BOTH = SHUTDOWN_RECEIVE | SHUTDOWN_SEND;

/** What comes to the device by the input door. The host numbers its connections oddly, the device evenly. */
export type VsockInput =
  /** Bytes of the host's program. */
  | { readonly kind: "vsock"; readonly connection: number; readonly bytes: Uint8Array }
  /** A program of the host asks for a port of the guest. */
  | { readonly kind: "vsock-connect"; readonly connection: number; readonly port: number }
  /** A program of the host has accepted the guest's connection. */
  | { readonly kind: "vsock-open"; readonly connection: number }
  /** It sends no more. */
  | { readonly kind: "vsock-end"; readonly connection: number }
  /** It has taken so many bytes of the guest's. */
  | { readonly kind: "vsock-credit"; readonly connection: number; readonly count: number }
  /** It is gone, or was never there. */
  | { readonly kind: "vsock-reset"; readonly connection: number };

/** The other side of the device. Nothing of it is told within these calls. */
export interface VsockHost {
  /** The guest asks for a port of the host. */
  connect(connection: number, port: number): void;
  /** The guest has accepted the host's connection; from this port, as the guest sees it. */
  accepted(connection: number, port: number): void;
  send(connection: number, bytes: Uint8Array): void;
  /** The guest sends no more. */
  end(connection: number): void;
  /** The guest has taken so many bytes. */
  taken(connection: number, count: number): void;
  /** It is over: what was sent and not taken is lost. */
  close(connection: number): void;
}

/** A reset that the guest is owed. */
interface Reset {
  readonly cid: number;
  readonly hostPort: number;
  readonly guestPort: number;
  readonly type: number;
}

export class SocketDevice extends VirtioDevice {
  override readonly name = "vsock";
  override readonly id = 19;
  readonly #config = new Uint8Array(8);
  readonly #cid: number;
  readonly #host: VsockHost;
  readonly #byId = new Map<number, Connection>();
  /** By both ports. */
  readonly #byPorts = new Map<string, Connection>();
  /** Those to which packets are owed. */
  readonly #owing = new Set<Connection>();
  readonly #resets: Reset[] = [];
  /** Packets were left in the guest's queue, since resets found no room. */
  #held = false;
  #large = 0;
  #nextId = 0;
  #nextPort = FIRST_PORT;
  /** The guest is to be told that its connections are gone. */
  #owesEvent = false;

  /** @param cid the guest's context ID: LEAST_CID to MOST_CID */
  constructor(memory: GuestMemory, cid: number, host: VsockHost) {
    super(memory, F_STREAM, QUEUE_SIZES);
    put64(this.#config, 0, cid);
    this.#cid = cid;
    this.#host = host;
  }

  override config(): Uint8Array {
    return this.#config;
  }

  /** Connections, wherever they came from. */
  get connections(): number {
    return this.#byId.size;
  }

  /** Takes an event that has come through the input door. @returns of bytes how many were taken, else whether it was */
  accept(event: VsockInput): number | boolean {
    if (event.kind === "vsock-connect") {
      this.#request(event.connection, event.port);
      return true;
    }
    const connection = this.#byId.get(event.connection);
    // What comes of a connection that is over is nobody's.
    if (!connection) return event.kind === "vsock" ? event.bytes.length : true;
    switch (event.kind) {
      case "vsock":
        return this.#deliver(connection, event.bytes);
      case "vsock-open":
        connection.accepted();
        break;
      case "vsock-end":
        connection.end();
        break;
      case "vsock-credit":
        if (!this.#roomForReset) return false;
        connection.forward(event.count);
        if (this.#closed(connection)) this.#reset(connection);
        break;
      case "vsock-reset":
        if (!this.#roomForReset) return false;
        this.#reset(connection);
    }
    this.#owe(connection);
    this.#pump();
    if (this.#held && this.#roomForReset) this.#exchange();
    return true;
  }

  protected override service(queue: number): void {
    if (queue === EVENT) this.#sendEvent();
    else this.#exchange();
  }

  protected override deviceReset(): void {
    for (const connection of [...this.#byId.values()]) this.#drop(connection);
    this.#resets.length = 0;
    this.#held = this.#owesEvent = false;
  }

  protected override saveDevice(): Fields {
    // Connections are the host's, and can't be had again: the guest is told that they are gone.
    return { nextPort: this.#nextPort, owesEvent: this.#owesEvent || this.live };
  }

  protected override loadDevice(state: StateReader): Apply {
    const nextPort = state.number("nextPort", 2 * FIRST_PORT - 1);
    const owesEvent = state.boolean("owesEvent");
    return () => {
      this.deviceReset();
      this.#nextPort = Math.max(nextPort, FIRST_PORT);
      this.#owesEvent = owesEvent;
    };
  }

  /** After a load. */
  restart(): void {
    this.#sendEvent();
    if (this.live) this.#exchange();
  }

  get #roomForReset(): boolean {
    return this.#resets.length < MOST_RESETS;
  }

  #sendEvent(): void {
    if (!this.#owesEvent || !this.live) return;
    this.drain(EVENT, (chain) => {
      if (!this.#owesEvent) return "hold";
      const event = new Uint8Array(4);
      put32(event, 0, TRANSPORT_RESET);
      const written = writeTo(this.memory, chain, 0, event);
      if (written === event.length) this.#owesEvent = false;
      return written;
    });
  }

  /** A program of the host asks for a port. */
  #request(id: number, guestPort: number): void {
    if (!this.live || this.#byId.size >= MAX_CONNECTIONS || this.#byId.has(id)) {
      this.#host.close(id);
      return;
    }
    while (this.#byPorts.has(key(this.#nextPort, guestPort))) this.#advance();
    const hostPort = this.#nextPort;
    this.#advance();
    this.#owe(this.#add(id, hostPort, guestPort, "requested"));
    this.#pump();
  }

  #advance(): void {
    this.#nextPort = this.#nextPort === 2 * FIRST_PORT - 1 ? FIRST_PORT : this.#nextPort + 1;
  }

  #add(id: number, hostPort: number, guestPort: number, state: "asked" | "requested"): Connection {
    const isLarge = this.#large < MOST_LARGE;
    if (isLarge) this.#large++;
    const connection = new Connection(id, hostPort, guestPort, state, isLarge ? WINDOW : SMALL_WINDOW);
    this.#byId.set(id, connection);
    this.#byPorts.set(key(hostPort, guestPort), connection);
    return connection;
  }

  /** Forgets a connection, here and at the host. */
  #drop(connection: Connection): void {
    const { id, hostPort, guestPort, window } = connection;
    this.#byId.delete(id);
    this.#byPorts.delete(key(hostPort, guestPort));
    this.#owing.delete(connection);
    if (window === WINDOW) this.#large--;
    this.#host.close(id);
  }

  /** The same, and tells the guest, for which there is room. */
  #reset(connection: Connection): void {
    this.#drop(connection);
    const { hostPort, guestPort } = connection;
    this.#resets.push({ cid: HOST_CID, hostPort, guestPort, type: TYPE_STREAM });
  }

  /** Whether the guest has ended both ways and the host has all of it: a reset confirms that (§5.10.6.5). */
  #closed({ guestEnded, pending }: Connection): boolean {
    return guestEnded === BOTH && pending === 0;
  }

  #owe(connection: Connection): void {
    if (this.#byId.has(connection.id) && connection.owed()) this.#owing.add(connection);
  }

  /** Does what can be done with the guest's packets, and with its buffers. */
  #exchange(): void {
    do {
      this.#held = this.drain(TX, (chain) => this.#take(chain)) === "hold" && !this.#roomForReset;
      this.#pump();
    } while (this.#held && this.#roomForReset && this.live);
  }

  /** A packet of the guest's. */
  #take(chain: Chain): Step {
    // What it may have to be answered by needs a place (§5.10.6.1).
    if (!this.#roomForReset) return "hold";
    if (chain.readableLength < HEADER) return 0;
    const header = new Uint8Array(HEADER);
    const got = readFrom(this.memory, chain, 0, header);
    if (typeof got === "string") return got;
    const packet = readPacket(header);
    let payload = NOTHING;
    const connection = this.#connectionOf(packet);
    if (connection && packet.operation === OP_RW && packet.length <= connection.window) {
      payload = new Uint8Array(packet.length);
      const copied = readFrom(this.memory, chain, HEADER, payload);
      if (typeof copied === "string") return copied;
      payload = payload.slice(0, copied);
    }
    this.#handle(packet, payload, connection);
    return 0;
  }

  #connectionOf({ sourceCid, destinationCid, sourcePort, destinationPort, type }: Packet): Connection | undefined {
    if (sourceCid !== this.#cid || destinationCid !== HOST_CID || type !== TYPE_STREAM) return undefined;
    return this.#byPorts.get(key(destinationPort, sourcePort));
  }

  #handle(packet: Packet, payload: Uint8Array, connection: Connection | undefined): void {
    const { sourceCid, destinationCid, sourcePort, destinationPort, type, operation } = packet;
    if (sourceCid !== this.#cid) return;
    if (operation === OP_RST) {
      if (connection) this.#drop(connection);
      return;
    }
    if (connection) {
      connection.heard(packet.room, packet.forwarded);
      if (this.#obey(connection, packet, payload)) this.#owe(connection);
      else this.#reset(connection);
      return;
    }
    const isNew = operation === OP_REQUEST && type === TYPE_STREAM && destinationCid === HOST_CID;
    if (isNew && this.#byId.size < MAX_CONNECTIONS) {
      const id = this.#nextId;
      this.#nextId += 2;
      this.#add(id, destinationPort, sourcePort, "asked").heard(packet.room, packet.forwarded);
      this.#host.connect(id, destinationPort);
      return;
    }
    this.#resets.push({ cid: destinationCid, hostPort: destinationPort, guestPort: sourcePort, type });
  }

  /** @returns false: the packet makes no sense, or ends the connection */
  #obey(connection: Connection, { operation, flags, length }: Packet, payload: Uint8Array): boolean {
    const { id, state } = connection;
    switch (operation) {
      case OP_RESPONSE:
        if (state !== "requested") return false;
        connection.state = "open";
        this.#host.accepted(id, connection.hostPort);
        return true;
      case OP_RW:
        if (state !== "open" || connection.guestEnded & SHUTDOWN_SEND) return false;
        // More than was promised is more than may be kept.
        if (payload.length !== length || !connection.receive(length)) return false;
        if (length > 0) this.#host.send(id, payload);
        return true;
      case OP_CREDIT_REQUEST:
        connection.askedForCredit();
        return true;
      case OP_CREDIT_UPDATE:
        return true;
      case OP_SHUTDOWN: {
        if (state !== "open") return false;
        const ended = flags & BOTH & ~connection.guestEnded;
        connection.guestEnded |= ended;
        if (ended & SHUTDOWN_SEND) this.#host.end(id);
        return !this.#closed(connection);
      }
      default:
        return false;
    }
  }

  /** Sends what the guest is owed, as far as it has given buffers. */
  #pump(): void {
    if (!this.live || (this.#resets.length === 0 && this.#owing.size === 0)) return;
    this.drain(RX, (chain) => {
      const next = this.#nextPacket();
      if (!next) return "hold";
      if (chain.writableLength < HEADER) return 0;
      const written = writeTo(this.memory, chain, 0, next.bytes);
      if (typeof written === "number") next.sent();
      return written;
    });
  }

  #nextPacket(): { readonly bytes: Uint8Array; sent(): void } | undefined {
    const reset = this.#resets[0];
    if (reset) {
      const { cid, hostPort, guestPort, type } = reset;
      const bytes = this.#packet(cid, hostPort, guestPort, { type, operation: OP_RST, flags: 0 });
      return { bytes, sent: () => this.#resets.shift() };
    }
    for (const connection of this.#owing) {
      const control = connection.owed();
      if (!control) {
        this.#owing.delete(connection);
        continue;
      }
      const sent = () => {
        connection.told(control.operation);
        if (!connection.owed()) this.#owing.delete(connection);
      };
      return { bytes: this.#packetOf(connection, control, NOTHING), sent };
    }
    return undefined;
  }

  /** Bytes of the host's program. @returns how many the guest had room for */
  #deliver(connection: Connection, bytes: Uint8Array): number {
    if (connection.guestEnded & SHUTDOWN_RECEIVE) {
      this.#host.taken(connection.id, bytes.length);
      return bytes.length;
    }
    if (!this.live || connection.state !== "open") return 0;
    this.#pump();
    if (this.#resets.length > 0 || this.#owing.size > 0) return 0; // no buffers
    let done = 0;
    this.drain(RX, (chain) => {
      if (done === bytes.length || connection.credit === 0) return "hold";
      const count = Math.min(chain.writableLength - HEADER, connection.credit, bytes.length - done);
      if (count <= 0) return 0;
      const packet = this.#packetOf(connection, { operation: OP_RW, flags: 0 }, bytes.subarray(done, done + count));
      const written = writeTo(this.memory, chain, 0, packet);
      if (typeof written === "number") {
        done += count;
        connection.sent(count);
        connection.told(OP_RW);
      }
      return written;
    });
    if (done > 0) this.#host.taken(connection.id, done);
    if (done < bytes.length && connection.credit === 0) {
      connection.beg();
      this.#owe(connection);
      this.#pump();
    }
    return done;
  }

  #packetOf(
    { hostPort, guestPort, window, forwarded }: Connection,
    { operation, flags }: { readonly operation: number; readonly flags: number },
    payload: Uint8Array,
  ): Uint8Array {
    const what = { type: TYPE_STREAM, operation, flags, room: window, forwarded };
    return this.#packet(HOST_CID, hostPort, guestPort, what, payload);
  }

  #packet(
    sourceCid: number,
    sourcePort: number,
    destinationPort: number,
    what: Pick<Packet, "type" | "operation" | "flags"> & Partial<Pick<Packet, "room" | "forwarded">>,
    payload: Uint8Array = NOTHING,
  ): Uint8Array {
    const addresses = { sourceCid, destinationCid: this.#cid, sourcePort, destinationPort };
    return writePacket({ ...addresses, room: 0, forwarded: 0, ...what }, payload);
  }
}

function key(hostPort: number, guestPort: number): string {
  return `${hostPort} ${guestPort}`;
}
