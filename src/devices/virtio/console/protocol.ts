/** The console device's control messages (VIRTIO 1.2 §5.3.6.2). */
import { get16, get32, put16, put32 } from "../bytes.ts";

export const DEVICE_READY = 0;
export const DEVICE_ADD = 1;
export const PORT_READY = 3;
export const CONSOLE_PORT = 4;
export const RESIZE = 5;
export const PORT_OPEN = 6;
export const PORT_NAME = 7;

/** Bytes of a message without what may follow it. */
export const CONTROL_SIZE = 8;

export interface Control {
  /** The port's number. */
  readonly id: number;
  readonly event: number;
  readonly value: number;
}

/** @param bytes at least CONTROL_SIZE of them */
export function readControl(bytes: Uint8Array): Control {
  return { id: get32(bytes, 0), event: get16(bytes, 4), value: get16(bytes, 6) };
}

/** A message, followed by `tail`: of a name its UTF-8 without a terminator, of RESIZE the columns and rows. */
export function writeControl({ id, event, value }: Control, tail = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(CONTROL_SIZE + tail.length);
  put32(bytes, 0, id);
  put16(bytes, 4, event);
  put16(bytes, 6, value);
  bytes.set(tail, CONTROL_SIZE);
  return bytes;
}
