/** Numbers as packets write them: hexadecimal, and registers in the target's byte order. */

import { fromHex, toHex } from "./packet.ts";

/** Up to 64 bits. @returns undefined when it isn't that */
export function fromHexNumber(text: string | undefined): bigint | undefined {
  return text !== undefined && /^[0-9a-fA-F]{1,16}$/.test(text) ? BigInt(`0x${text}`) : undefined;
}

/** A register's value, little-endian. */
export function registerHex(value: bigint, bits: 32 | 64): string {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(bits, value), true);
  return toHex(bytes.subarray(0, bits / 8));
}

/** @returns undefined when it isn't that many bits */
export function fromRegisterHex(text: string, bits: 32 | 64): bigint | undefined {
  const bytes = fromHex(text);
  if (bytes?.length !== bits / 8) return undefined;
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
