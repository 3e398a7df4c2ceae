/**
 * Saving a cell between two slices, and making one again from that. What is saved
 * is architectural: no TLB, no decoded code. The machine need not be stopped for
 * good; it goes on as if nothing had happened.
 */

import { type CoreAccess, CoreDevice, type Field } from "../devices/core-device.ts";
import { type Device, type DeviceState, DeviceStateError } from "../devices/device.ts";
import type { Cell } from "../machine/cell.ts";
import { RAM_BASE } from "../machine/memory-map.ts";
import { damaged, encodeSnapshot, PAGE, type Snapshot, SnapshotError } from "./format.ts";
import { HartState } from "./hart.ts";

const MACHINE: readonly Field[] = [
  { name: "timeBias", offset: "M_TIME_BIAS", type: "u64" },
  { name: "tohost", offset: "M_TOHOST", type: "u64" },
  { name: "fromhost", offset: "M_FROMHOST", type: "u64" },
];

function access(cell: Cell): CoreAccess {
  return { memory: cell.core.memory, abi: cell.core.abi };
}

function machineState(cell: Cell): CoreDevice {
  return new CoreDevice(access(cell), { name: "machine", version: 1, window: "DEV_MACHINE", fields: MACHINE });
}

function hartStates(cell: Cell): HartState[] {
  return Array.from(
    { length: cell.options.harts },
    (_, i) => new HartState(access(cell), i, () => cell.core.calls.hartChanged(i)),
  );
}

/** The machine as bytes. Call it between slices only. @throws SnapshotError if a device can't be saved as it is now */
export function saveCell(cell: Cell): Uint8Array<ArrayBuffer> {
  const { core, options } = cell;
  const { numbers, pages } = writtenPages(cell);
  const rom = core.calls.romRange(0, core.abi.MROM_SIZE) >>> 0;
  return encodeSnapshot({
    header: {
      memoryBytes: options.memoryBytes,
      harts: options.harts,
      sbi: options.sbi,
      deterministic: options.deterministic,
      flash: options.flash ?? false,
      clock: options.deterministic ? 0 : cell.clock,
      agentReady: cell.agent.ready,
      machine: machineState(cell).save(),
      hartStates: hartStates(cell).map((hart) => hart.save()),
      devices: Object.fromEntries(cell.devices.map((device) => [device.name, saved(device)])),
      rom: trimmed(core.bytes.subarray(rom, rom + core.abi.MROM_SIZE)),
    },
    numbers,
    pages,
  });
}

function saved(device: Device): DeviceState {
  try {
    return device.save();
  } catch (error) {
    throw error instanceof DeviceStateError ? new SnapshotError(error.message) : error;
  }
}

/**
 * Puts a snapshot into a fresh cell that was made from the same options and
 * without a boot plan. A cell for which this fails is not to be run.
 * @throws SnapshotError
 */
export function restoreCell(cell: Cell, snapshot: Snapshot): void {
  const { header, numbers, pages } = snapshot;
  const { core } = cell;
  if (header.rom.length > core.abi.MROM_SIZE) throw damaged("its boot ROM is too large");
  const ramPages = header.memoryBytes / PAGE;
  for (let i = 0; i < numbers.length; i++) {
    const page = pages.subarray(i * PAGE, (i + 1) * PAGE);
    const number = numbers[i]!;
    if (number < ramPages) cell.writeMemory(BigInt(RAM_BASE + number * PAGE), page);
    else core.bytes.set(page, flashAt(cell) + (number - ramPages) * PAGE);
  }
  core.bytes.set(header.rom, core.calls.romRange(0, core.abi.MROM_SIZE) >>> 0);
  const names = new Set(cell.devices.map(({ name }) => name));
  const different = [...Object.keys(header.devices).filter((name) => !names.delete(name)), ...names][0];
  if (different !== undefined)
    throw new SnapshotError(
      `The snapshot and this machine differ by the device ${JSON.stringify(different)}; give it the disks, networks and sockets that it had.`,
    );
  try {
    const machine = machineState(cell);
    machine.load(header.machine);
    watch(cell);
    hartStates(cell).forEach((hart, i) => {
      hart.load(header.hartStates[i]);
    });
    for (const device of cell.devices) device.load(header.devices[device.name]);
    // Devices drive interrupt lines while they load; the harts' saved lines are the truth.
    hartStates(cell).forEach((hart, i) => {
      hart.load(header.hartStates[i]);
    });
  } catch (error) {
    if (error instanceof DeviceStateError) throw new SnapshotError(error.message);
    throw error;
  }
  cell.restored(header.clock, header.agentReady);
}

/** Linear address of the flash banks. */
function flashAt({ core }: Cell): number {
  const at = core.calls.flashRange(0, core.abi.FLASH_SIZE) >>> 0;
  if (at === 0) throw damaged("it has pages of flash, and its machine has none");
  return at;
}

/** HTIF's words are watched again. */
function watch(cell: Cell): void {
  const { core } = cell;
  const tohost = core.view.getBigUint64(core.abi.DEV_MACHINE + core.abi.M_TOHOST!, true);
  const fromhost = core.view.getBigUint64(core.abi.DEV_MACHINE + core.abi.M_FROMHOST!, true);
  if (tohost !== 0n && !core.calls.htifWatch(tohost, fromhost)) throw damaged("its tohost is not in RAM");
}

/** Pages of RAM that anything was written to, and of flash, less those that are zero. Flash comes behind RAM. */
function writtenPages(cell: Cell): Pick<Snapshot, "numbers" | "pages"> {
  const { core, options } = cell;
  const { abi } = core;
  const count = options.memoryBytes / PAGE;
  const numbers: number[] = [];
  const sources: number[] = [];
  const look = (from: number, pages: number, first: number, wanted: (page: number) => boolean): void => {
    const words = new BigUint64Array(core.memory.buffer, from, (pages * PAGE) / 8);
    for (let n = 0; n < pages; n++) {
      if (!wanted(n) || isZero(words, n * (PAGE / 8))) continue;
      numbers.push(first + n);
      sources.push(from + n * PAGE);
    }
  };
  look(abi.RAM, count, 0, (n) => (core.bytes[abi.FRAMES! + n]! & abi.FRAME_DIRTY!) !== 0);
  if (options.flash) look(flashAt(cell), abi.FLASH_SIZE / PAGE, count, () => true);
  const pages = new Uint8Array(numbers.length * PAGE);
  sources.forEach((from, i) => {
    pages.set(core.bytes.subarray(from, from + PAGE), i * PAGE);
  });
  return { numbers: Uint32Array.from(numbers), pages };
}

function isZero(words: BigUint64Array, from: number): boolean {
  for (let i = from; i < from + PAGE / 8; i++) if (words[i] !== 0n) return false;
  return true;
}

/** Without zeros at the end. */
function trimmed(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return bytes.slice(0, end);
}
