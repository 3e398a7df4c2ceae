/**
 * The one table of addresses of board `virt`: those of QEMU's riscv `virt`
 * board (its `hw/riscv/virt.c`, seen through `-M virt,dumpdtb=`). The bus and
 * the device tree are both made from it; devices only ever see offsets.
 */

/** A range of guest physical addresses, in bytes. */
export interface Range {
  readonly base: number;
  readonly size: number;
}

export const MROM: Range = { base: 0x1000, size: 0xf000 };
export const TEST: Range = { base: 0x10_0000, size: 0x1000 };
export const RTC: Range = { base: 0x10_1000, size: 0x1000 };
export const CLINT: Range = { base: 0x200_0000, size: 0x1_0000 };
/** PCI port I/O: no device here has any. */
export const PCI_PIO: Range = { base: 0x300_0000, size: 0x1_0000 };
export const PLIC: Range = { base: 0xc00_0000, size: 0x60_0000 };
export const UART: Range = { base: 0x1000_0000, size: 0x100 };
/** The first of VIRTIO_SLOTS windows, VIRTIO.size apart. */
export const VIRTIO: Range = { base: 0x1000_1000, size: 0x1000 };
export const FW_CFG: Range = { base: 0x1010_0000, size: 0x18 };
/** Two banks of half this size: firmware, and its variables. */
export const FLASH: Range = { base: 0x2000_0000, size: 0x400_0000 };
/** PCI Express configuration space. */
export const PCIE_ECAM: Range = { base: 0x3000_0000, size: 0x1000_0000 };
/** PCI memory space, at the same addresses on the bus. */
export const PCIE_MMIO: Range = { base: 0x4000_0000, size: 0x4000_0000 };
export const RAM_BASE = 0x8000_0000;

export const VIRTIO_SLOTS = 8;

/** PLIC sources. */
export const RTC_IRQ = 11;
export const UART_IRQ = 10;
/** Of virtio slot 0; slot n has VIRTIO_IRQ + n. */
export const VIRTIO_IRQ = 1;
/** Of PCI's line 0; line n has PCIE_IRQ + n. */
export const PCIE_IRQ = 32;
export const PCIE_LINES = 4;
/** The last PLIC source (`riscv,ndev`). */
export const PLIC_SOURCES = 96;

/** Ticks of mtime a second. */
export const TIMEBASE_HZ = 10_000_000;
/** Input clock of the UART, Hz. */
export const UART_CLOCK_HZ = 3_686_400;

/** The window of virtio slot `slot`, 0 ≤ slot < VIRTIO_SLOTS. */
export function virtioSlot(slot: number): Range & { readonly irq: number } {
  if (!Number.isInteger(slot) || slot < 0 || slot >= VIRTIO_SLOTS)
    throw new RangeError(`Virtio slot ${slot} does not exist; choose 0 to ${VIRTIO_SLOTS - 1}.`);
  return { base: VIRTIO.base + slot * VIRTIO.size, size: VIRTIO.size, irq: VIRTIO_IRQ + slot };
}

/** A region of the bus and the id of the device that answers there (`DEV_ID_*` of the core). */
export interface BusRegion extends Range {
  readonly device: number;
}

/** The core's device ids, as its exports give them. */
export interface DeviceIds {
  readonly DEV_ID_SYSCON: number;
  readonly DEV_ID_RTC: number;
  readonly DEV_ID_ACLINT: number;
  readonly DEV_ID_PLIC: number;
  readonly DEV_ID_UART: number;
  readonly DEV_ID_PFLASH: number;
  readonly DEV_ID_HOST: number;
}

/** The host's regions: what is added to DEV_ID_HOST. Virtio slot n has n. */
export const HOST_ECAM = VIRTIO_SLOTS;
export const HOST_PCI_MEMORY = VIRTIO_SLOTS + 1;
export const HOST_PCI_PORTS = VIRTIO_SLOTS + 2;
export const HOST_FW_CFG = VIRTIO_SLOTS + 3;

/** Every region that the core's bus must know. */
export function busRegions(ids: DeviceIds): BusRegion[] {
  const regions: BusRegion[] = [
    { ...TEST, device: ids.DEV_ID_SYSCON },
    { ...RTC, device: ids.DEV_ID_RTC },
    { ...CLINT, device: ids.DEV_ID_ACLINT },
    { ...PLIC, device: ids.DEV_ID_PLIC },
    { ...UART, device: ids.DEV_ID_UART },
    { ...FLASH, device: ids.DEV_ID_PFLASH },
    { ...FW_CFG, device: ids.DEV_ID_HOST + HOST_FW_CFG },
    { ...PCIE_ECAM, device: ids.DEV_ID_HOST + HOST_ECAM },
    { ...PCIE_MMIO, device: ids.DEV_ID_HOST + HOST_PCI_MEMORY },
    { ...PCI_PIO, device: ids.DEV_ID_HOST + HOST_PCI_PORTS },
  ];
  for (let slot = 0; slot < VIRTIO_SLOTS; slot++) {
    const { base, size } = virtioSlot(slot);
    regions.push({ base, size, device: ids.DEV_ID_HOST + slot });
  }
  return regions;
}
