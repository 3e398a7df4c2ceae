/** Joins a guest's TCP connection with one of the host's: bytes, ends and failures go from each to the other. */

import type { SocketFailure, Stream, StreamHandler } from "../backends/sockets.ts";
import type { TcpConnection, TcpUser } from "./tcp/connection.ts";

export interface RelayOwner {
  /** The host's connection can't be had; the guest's waits for an answer. */
  failed(failure: SocketFailure): void;
  /** Nothing is left of either. */
  done(): void;
}

export class Relay {
  readonly #owner: RelayOwner;
  #guest!: TcpConnection;
  #host!: Stream;
  /** Whether the guest's connection has been accepted. */
  #connected = false;
  /** Whether bytes of the guest's are being written. */
  #writing = false;
  #paused = false;
  /** Whether the host was told that the guest sends no more. */
  #ended = false;
  #guestDone = false;
  #hostDone = false;

  constructor(owner: RelayOwner) {
    this.#owner = owner;
  }

  join(guest: TcpConnection, host: Stream): void {
    this.#guest = guest;
    this.#host = host;
  }

  /** Ends both at once. */
  abort(): void {
    this.#abortHost();
    this.#abortGuest();
  }

  readonly hostSide: StreamHandler = {
    connected: () => {
      this.#connected = true;
      this.#guest.accept();
    },
    data: (bytes) => {
      if (this.#guestDone) return;
      this.#guest.write(bytes);
      if (this.#paused || this.#guest.room > 0) return;
      this.#paused = true;
      this.#host.pause();
    },
    ended: () => this.#guest.end(),
    closed: (failure) => {
      this.#hostDone = true;
      if (this.#guestDone) this.#owner.done();
      else if (!failure) this.#guest.end();
      else if (!this.#connected) this.#owner.failed(failure);
      else this.#abortGuest();
    },
  };

  readonly guestSide: TcpUser = {
    established: () => {
      this.#connected = true;
    },
    readable: () => this.#pass(),
    writable: () => {
      if (!this.#paused) return;
      this.#paused = false;
      this.#host.resume();
    },
    closed: (how) => {
      this.#guestDone = true;
      // Who was refused, or is gone, gets the host's side reset; after a proper end what is left is still written.
      if (how !== "finished") this.#abortHost();
      if (this.#hostDone) this.#owner.done();
    },
  };

  /** Gives the host what the guest sent, one piece after another. */
  #pass(): void {
    if (this.#writing) return;
    const { received } = this.#guest;
    if (this.#hostDone) {
      this.#guest.consumed(received.length);
    } else if (received.length > 0) {
      const bytes = received.first();
      this.#writing = true;
      this.#host.write(bytes, () => {
        this.#writing = false;
        this.#guest.consumed(bytes.length);
        this.#pass();
      });
    } else if (this.#guest.ended && !this.#ended) {
      this.#ended = true;
      this.#host.end();
    }
  }

  #abortGuest(): void {
    if (!this.#guestDone) {
      this.#guestDone = true;
      this.#guest.abort();
    }
    if (this.#hostDone) this.#owner.done();
  }

  #abortHost(): void {
    if (this.#hostDone) return;
    this.#hostDone = true;
    this.#host.reset();
  }
}
