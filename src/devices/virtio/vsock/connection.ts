/** One connection of the socket device, as far as the guest can see it. */
import { OP_CREDIT_REQUEST, OP_CREDIT_UPDATE, OP_REQUEST, OP_RESPONSE, OP_SHUTDOWN, SHUTDOWN_SEND } from "./packet.ts";

/** Bytes that may be on their way to the host, of the first connections and of those that come when these are many. */
export const WINDOW = 256 * 1024;
export const SMALL_WINDOW = 32 * 1024;

/** A control packet that the guest is owed. */
export interface Control {
  readonly operation: number;
  readonly flags: number;
}

export class Connection {
  readonly id: number;
  readonly hostPort: number;
  readonly guestPort: number;
  /** "asked": the guest waits for the host; "requested": the host waits for the guest. */
  state: "asked" | "requested" | "open";
  /** Bytes that may be on their way to the host. */
  readonly window: number;

  // What the guest has sent, modulo 2^32: in all, of that the host has taken, and of that the guest knows of.
  #received = 0;
  #forwarded = 0;
  #told = 0;
  // What was sent to the guest, and what it has said of it.
  #sent = 0;
  #guestRoom = 0;
  #guestForwarded = 0;
  /** It was asked for room, and hasn't answered. */
  #begged = false;

  /** SHUTDOWN_*, of what the guest has ended. */
  guestEnded = 0;
  /** The host sends no more. */
  hostEnded = false;

  #owesAnswer: boolean;
  #owesEnd = false;
  #owesCredit = false;
  #owesBegging = false;

  constructor(id: number, hostPort: number, guestPort: number, state: "asked" | "requested", window: number) {
    this.id = id;
    this.hostPort = hostPort;
    this.guestPort = guestPort;
    this.state = state;
    this.window = window;
    this.#owesAnswer = state === "requested";
  }

  /** Bytes that the host has passed on, as packets have it. */
  get forwarded(): number {
    return this.#forwarded;
  }

  /** Bytes on their way to the host. */
  get pending(): number {
    return (this.#received - this.#forwarded) >>> 0;
  }

  /** Bytes that the guest has room for (§5.10.6.3). */
  get credit(): number {
    return Math.max(0, this.#guestRoom - ((this.#sent - this.#guestForwarded) >>> 0));
  }

  /** What every packet of the guest says. */
  heard(room: number, forwarded: number): void {
    this.#guestRoom = room;
    this.#guestForwarded = forwarded;
    this.#begged = false;
  }

  /** The host has accepted: the guest is to be told. */
  accepted(): void {
    this.state = "open";
    this.#owesAnswer = true;
  }

  /** The host sends no more. */
  end(): void {
    if (this.hostEnded) return;
    this.hostEnded = this.#owesEnd = true;
  }

  /** @returns false: the guest has no credit for so much */
  receive(length: number): boolean {
    if (length > this.window - this.pending) return false;
    this.#received = (this.#received + length) >>> 0;
    return true;
  }

  /** The host has taken bytes. */
  forward(count: number): void {
    this.#forwarded = (this.#forwarded + Math.min(count, this.pending)) >>> 0;
    // Told seldom, and before the guest has to stop.
    if ((this.#forwarded - this.#told) >>> 0 >= this.window / 4) this.#owesCredit = true;
  }

  /** The guest wants to know its credit. */
  askedForCredit(): void {
    this.#owesCredit = true;
  }

  /** There are bytes for the guest, and no room. */
  beg(): void {
    if (this.#begged) return;
    this.#begged = this.#owesBegging = true;
  }

  sent(length: number): void {
    this.#sent = (this.#sent + length) >>> 0;
  }

  /** The next packet that the guest is owed before any data. */
  owed(): Control | undefined {
    if (this.#owesAnswer) return { operation: this.state === "requested" ? OP_REQUEST : OP_RESPONSE, flags: 0 };
    if (this.state !== "open") return undefined;
    if (this.#owesCredit) return { operation: OP_CREDIT_UPDATE, flags: 0 };
    if (this.#owesBegging) return { operation: OP_CREDIT_REQUEST, flags: 0 };
    if (this.#owesEnd) return { operation: OP_SHUTDOWN, flags: SHUTDOWN_SEND };
    return undefined;
  }

  /** Any packet has been sent, which tells the guest its credit. */
  told(operation: number): void {
    this.#told = this.#forwarded;
    this.#owesCredit = false;
    if (operation === OP_REQUEST || operation === OP_RESPONSE) this.#owesAnswer = false;
    else if (operation === OP_CREDIT_REQUEST) this.#owesBegging = false;
    else if (operation === OP_SHUTDOWN) this.#owesEnd = false;
  }
}
