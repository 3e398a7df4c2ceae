/**
 * One port of the console device: a byte stream each way, with the host's API.
 *
 * To the guest, bytes go through the input door (`send`) and wait there until
 * the guest has room. From the guest, bytes are taken while the port has credit;
 * what the host has consumed comes back as credit, through the door as well. So
 * all that a guest can see depends on its own run and on what passed the door.
 */
import type { Apply, Fields, StateReader } from "../state.ts";

/** What a port sends to its device by way of the input door. */
export type PortInput =
  | { readonly kind: "port"; readonly port: number; readonly bytes: Uint8Array }
  | { readonly kind: "port-credit"; readonly port: number; readonly count: number }
  | { readonly kind: "port-open"; readonly port: number; readonly open: boolean }
  /** Of the terminal, in characters. */
  | { readonly kind: "port-size"; readonly port: number; readonly columns: number; readonly rows: number };

/** What a port needs from its device. */
export interface PortLink {
  /** Puts an event into the input door. @returns false if the door is full */
  send(event: PortInput): boolean;
}

/** Credit of a port: how much output may be on its way to the host at once. */
export const PORT_CREDIT = 256 * 1024;
/** What a chunk of output costs besides its bytes, so that tiny ones can't pile up. */
export const CHUNK_COST = 64;
/** The most that may wait to be read by the guest. */
export const PORT_INPUT = 64 * 1024;
const CREDIT_STEP = PORT_CREDIT / 4;

export class Port {
  readonly id: number;
  readonly name: string;
  /**
   * Takes output of the guest, in order, outside the guest's run. A promise
   * holds back more output once the port's credit is used up. Output is
   * dropped while there is nobody to take it.
   */
  onData: ((bytes: Uint8Array) => void | Promise<void>) | undefined;
  /** The guest has opened or closed the port. */
  onOpen: ((open: boolean) => void) | undefined;
  /** After a `write` that didn't take all: there is room again. */
  onDrain: (() => void) | undefined;

  readonly #link: PortLink;
  #pendingInput = 0;
  #wantsDrain = false;
  #owed = 0;
  #granting = false;
  #epoch = 0;
  #undelivered = 0;

  // Seen by the guest; saved.
  /** The device has announced the port, and the guest has said that it is ready. */
  added = false;
  ready = false;
  guestOpen = false;
  hostOpen = true;
  /** Control messages that the guest hasn't been sent yet. */
  owesAdd = false;
  owesName = false;
  owesOpen = false;
  /** Of the terminal alone: that it is one, and its size. */
  owesConsole = false;
  owesSize = false;
  credit = PORT_CREDIT;
  /** Bytes taken of the first buffer in the transmit queue. */
  progress = 0;
  /** Whether the transmit queue was left with output in it, for want of credit or of a page of memory. */
  stalled = false;

  /** @param id the port's number in the device; @param name 1 to 255 bytes of UTF-8 */
  constructor(id: number, name: string, link: PortLink) {
    this.id = id;
    this.name = name;
    this.#link = link;
  }

  /**
   * Sends bytes to the guest, which may take them when it has opened the port.
   * @returns how many were taken: fewer than given when the buffer is full; wait
   * for `onDrain` then
   */
  write(bytes: Uint8Array): number {
    let count = Math.min(bytes.length, PORT_INPUT - this.#pendingInput);
    this.#pendingInput += count;
    // The copy is the door's own: the caller may reuse its array.
    if (count > 0 && !this.#link.send({ kind: "port", port: this.id, bytes: bytes.slice(0, count) })) {
      this.#pendingInput -= count;
      count = 0;
    }
    if (count < bytes.length) this.#wantsDrain = true;
    return count;
  }

  /** Opens or closes the host's side, as the guest sees it (open from the start). */
  setOpen(open: boolean): void {
    this.#link.send({ kind: "port-open", port: this.id, open });
  }

  /** The guest has taken input that `write` had buffered. For the device. */
  inputTaken(count: number): void {
    this.#pendingInput = Math.max(0, this.#pendingInput - count);
    if (this.#wantsDrain && this.#pendingInput <= PORT_INPUT / 2) {
      this.#wantsDrain = false;
      queueMicrotask(() => this.onDrain?.());
    }
  }

  /** Whether the host has been given all that the guest has written so far. */
  get settled(): boolean {
    return !this.stalled && this.#undelivered === 0;
  }

  /** A chunk has been taken from the guest. For the device. */
  taken(length: number): void {
    this.credit -= length + CHUNK_COST;
    this.#undelivered++;
  }

  /** Hands a chunk to the host, and its credit back when it has been consumed. For the device. */
  deliver(bytes: Uint8Array): void {
    const epoch = this.#epoch;
    const cost = bytes.length + CHUNK_COST;
    const consumed = () => {
      if (epoch === this.#epoch) this.#consumed(cost);
    };
    this.#undelivered--;
    let result: void | Promise<void>;
    try {
      result = this.onData?.(bytes);
    } catch (error) {
      consumed();
      throw error;
    }
    // A host that fails is told so by its own promise; here only the credit matters.
    if (result instanceof Promise) result.then(consumed, consumed);
    else consumed();
  }

  /** Credit has come through the door. For the device. */
  grant(count: number): void {
    this.credit = Math.min(PORT_CREDIT, this.credit + Math.max(0, count));
    this.#granting = false;
    this.#consumed(0);
  }

  /** The driver is gone: what it can see starts anew, except credit and the host's own side. */
  reset(): void {
    this.added = this.ready = this.guestOpen = false;
    this.owesAdd = this.owesName = this.owesOpen = this.owesConsole = this.owesSize = false;
    this.progress = 0;
    this.stalled = false;
  }

  save(): Fields {
    const { added, ready, guestOpen, hostOpen, owesAdd, owesName, owesOpen, credit, progress, stalled } = this;
    const { owesConsole, owesSize } = this;
    const owes = { owesAdd, owesName, owesOpen, owesConsole, owesSize };
    return { added, ready, guestOpen, hostOpen, ...owes, credit, progress, stalled };
  }

  /**
   * Output that was on its way to the host when the state was saved is not part
   * of it: its credit is given back. @throws DeviceStateError
   */
  load(state: StateReader): Apply {
    const fields = {
      added: state.boolean("added"),
      ready: state.boolean("ready"),
      guestOpen: state.boolean("guestOpen"),
      hostOpen: state.boolean("hostOpen"),
      owesAdd: state.boolean("owesAdd"),
      owesName: state.boolean("owesName"),
      owesOpen: state.boolean("owesOpen"),
      owesConsole: state.boolean("owesConsole"),
      owesSize: state.boolean("owesSize"),
      credit: state.number("credit", PORT_CREDIT),
      progress: state.number("progress", 2 ** 32),
      stalled: state.boolean("stalled"),
    };
    return () => {
      Object.assign(this, fields);
      this.#epoch++;
      this.#undelivered = 0;
      this.#pendingInput = 0;
      this.#granting = false;
      this.#owed = 0;
      this.#consumed(PORT_CREDIT - this.credit);
    };
  }

  #consumed(cost: number): void {
    this.#owed += cost;
    if (this.#granting || this.#owed < CREDIT_STEP) return;
    const count = this.#owed;
    this.#granting = true;
    this.#owed = 0;
    if (this.#link.send({ kind: "port-credit", port: this.id, count })) return;
    this.#granting = false;
    this.#owed += count;
  }
}
