/** What the transports share: the device behind them in a saved state. */
import { DeviceStateError } from "../device.ts";
import type { VirtioDevice } from "./device.ts";
import { type Apply, type Fields, nest, type StateReader } from "./state.ts";

/** Bits of the interrupt status (VIRTIO 1.2 §4.1.4.5, §4.2.2). */
export const INTERRUPT_USED = 1;
export const INTERRUPT_CONFIG = 2;

export function saveDevice(device: VirtioDevice | undefined): Fields {
  return { id: device?.id ?? 0, ...(device ? nest("device", device.save()) : {}) };
}

/** @param name the transport's, for messages @throws DeviceStateError */
export function loadDevice(name: string, state: StateReader, device: VirtioDevice | undefined): Apply {
  const id = state.number("id", 0xffff_ffff);
  const ours = device?.id ?? 0;
  if (id !== ours) {
    throw new DeviceStateError(
      `The saved state of ${name} is that of virtio device ${id}, not ${ours}; use a snapshot of the same machine.`,
    );
  }
  return device?.load(state.part("device")) ?? (() => {});
}
