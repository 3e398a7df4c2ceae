/** The console's 16550A; its registers are described in assembly/devices/uart.ts. */

import { type CoreAccess, CoreDevice, type Field } from "./core-device.ts";
import type { DeviceState } from "./device.ts";

const FIFO = 16;

const u8 = (name: string, offset: string, max?: number): Field =>
  max === undefined ? { name, offset, type: "u8" } : { name, offset, type: "u8", max };

export class Uart extends CoreDevice {
  constructor(core: CoreAccess) {
    super(core, {
      name: "uart",
      version: 1,
      window: "DEV_UART",
      fields: [
        u8("ier", "UART_IER", 0x0f),
        u8("fcr", "UART_FCR"),
        u8("lcr", "UART_LCR"),
        u8("mcr", "UART_MCR", 0x1f),
        u8("errors", "UART_LSR_ERRORS"),
        u8("msr", "UART_MSR"),
        u8("scratch", "UART_SCR"),
        u8("divisorLow", "UART_DLL"),
        u8("divisorHigh", "UART_DLM"),
        u8("transmitterDue", "UART_THRE_DUE", 1),
        u8("transmitterBlocked", "UART_TX_BLOCKED", 1),
        u8("receiveHead", "UART_RX_HEAD", FIFO - 1),
        u8("receiveCount", "UART_RX_COUNT", FIFO),
        { name: "receiveFifo", offset: "UART_RX_FIFO", type: "u8", count: FIFO },
      ],
    });
  }

  /** Output that the host hasn't drained is part of the state. */
  override save(): DeviceState {
    const view = this.view();
    const [head, tail] = this.indices();
    const size = this.constant("UART_TX_SIZE");
    const pending = (view.getUint32(head, true) - view.getUint32(tail, true)) >>> 0;
    if (pending > size) throw new Error("The UART's output ring is inconsistent; reset the machine.");
    const output = Uint8Array.from({ length: pending }, (_, i) =>
      view.getUint8(this.constant("UART_TX_RING") + ((view.getUint32(tail, true) + i) % size)),
    );
    return { ...super.save(), output };
  }

  override load(state: unknown): void {
    const output = typeof state === "object" && state !== null ? (state as Record<string, unknown>).output : undefined;
    if (!(output instanceof Uint8Array) || output.length > this.constant("UART_TX_SIZE"))
      this.refuse("needs its output as bytes that fit the ring");
    super.load(state);
    new Uint8Array(this.core.memory.buffer).set(output, this.constant("UART_TX_RING"));
    const view = this.view();
    const [head, tail] = this.indices();
    view.setUint32(head, output.length, true);
    view.setUint32(tail, 0, true);
  }

  private indices(): [number, number] {
    const window = this.constant("DEV_UART");
    return [window + this.constant("UART_TX_HEAD"), window + this.constant("UART_TX_TAIL")];
  }
}
