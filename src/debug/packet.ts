/**
 * Packets of GDB's remote serial protocol (GDB manual, appendix "Remote
 * Protocol", Overview): `$data#checksum`, acknowledged by + and -.
 */

/** Bytes of a packet's data that either side may send. */
export const PACKET_SIZE = 0x4000;

const [DOLLAR, HASH, ESCAPE, STAR] = [0x24, 0x23, 0x7d, 0x2a];
const [PLUS, MINUS, INTERRUPT] = [0x2b, 0x2d, 0x03];

export type Received =
  | { readonly kind: "packet"; readonly data: Uint8Array }
  /** A packet whose checksum is wrong, or that is too long. */
  | { readonly kind: "damaged" }
  | { readonly kind: "interrupt" | "ack" | "nack" };

/** Cuts a stream of bytes into packets; never keeps more than a packet. */
export class PacketReader {
  #state: "between" | "data" | "high" | "low" = "between";
  #data: number[] = [];
  #sum = 0;
  #given = 0;
  #escaped = false;
  #spoilt = false;

  /** @param take is called with each in turn */
  push(bytes: Uint8Array, take: (received: Received) => void): void {
    for (const byte of bytes) {
      const received = this.#byte(byte);
      if (received) take(received);
    }
  }

  #byte(byte: number): Received | undefined {
    if (byte === DOLLAR) {
      // Also in the middle of another one: the rest of that got lost.
      this.#start();
      return undefined;
    }
    switch (this.#state) {
      case "between":
        if (byte === PLUS) return { kind: "ack" };
        if (byte === MINUS) return { kind: "nack" };
        return byte === INTERRUPT ? { kind: "interrupt" } : undefined;
      case "data":
        if (byte === HASH) this.#state = "high";
        else this.#add(byte);
        return undefined;
      case "high":
        this.#given = hexDigit(byte);
        this.#state = "low";
        return undefined;
      case "low": {
        this.#state = "between";
        const given = this.#given * 16 + hexDigit(byte);
        if (this.#spoilt || this.#escaped || given !== this.#sum) return { kind: "damaged" };
        return { kind: "packet", data: Uint8Array.from(this.#data) };
      }
    }
  }

  #start(): void {
    this.#state = "data";
    this.#data = [];
    this.#sum = 0;
    this.#escaped = false;
    this.#spoilt = false;
  }

  #add(byte: number): void {
    this.#sum = (this.#sum + byte) & 0xff;
    if (byte === ESCAPE && !this.#escaped) {
      this.#escaped = true;
      return;
    }
    if (this.#data.length >= PACKET_SIZE) this.#spoilt = true;
    else this.#data.push(this.#escaped ? byte ^ 0x20 : byte);
    this.#escaped = false;
  }
}

function hexDigit(byte: number): number {
  const digit = Number.parseInt(String.fromCharCode(byte), 16);
  return Number.isNaN(digit) ? 0x1000 : digit;
}

/** The bytes of a packet with this data; text is taken as Latin-1. */
export function formatPacket(data: string | Uint8Array): Uint8Array {
  const plain = typeof data === "string" ? latin1(data) : data;
  const out = [DOLLAR];
  let sum = 0;
  const add = (byte: number) => {
    out.push(byte);
    sum = (sum + byte) & 0xff;
  };
  for (const byte of plain) {
    if (byte === DOLLAR || byte === HASH || byte === ESCAPE || byte === STAR) {
      add(ESCAPE);
      add(byte ^ 0x20);
    } else add(byte);
  }
  out.push(HASH, ...latin1(sum.toString(16).padStart(2, "0")));
  return Uint8Array.from(out);
}

/** One byte for each character. */
export function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0) & 0xff);
}

/** One character for each byte. */
export function fromLatin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** Two hexadecimal digits for each byte. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** @returns undefined when it isn't wholly pairs of hexadecimal digits */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined;
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16));
}
