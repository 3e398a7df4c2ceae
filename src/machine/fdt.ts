/** The device tree of board `virt`, from the memory map and the machine's options. */

import { cells, cells64, type DeviceTree, type DtNode, findNode, node, strings } from "./dtb.ts";
import {
  CLINT,
  FLASH,
  FW_CFG,
  PCI_PIO,
  PCIE_ECAM,
  PCIE_IRQ,
  PCIE_LINES,
  PCIE_MMIO,
  PLIC,
  PLIC_SOURCES,
  RAM_BASE,
  RTC,
  RTC_IRQ,
  TEST,
  TIMEBASE_HZ,
  UART,
  UART_CLOCK_HZ,
  UART_IRQ,
  VIRTIO_SLOTS,
  virtioSlot,
} from "./memory-map.ts";

/**
 * The extensions of the core as Linux names them
 * (Documentation/devicetree/bindings/riscv/extensions.yaml), in the canonical
 * order of the ISA string (Unprivileged manual, "ISA extension naming").
 */
export const EXTENSIONS: readonly string[] = [
  "i",
  "m",
  "a",
  "f",
  "d",
  "c",
  "zicbom",
  "zicboz",
  "zicntr",
  "zicond",
  "zicsr",
  "zifencei",
  "zihintpause",
  "zihpm",
  "zba",
  "zbb",
  "zbs",
  "sstc",
  "svade",
  "svinval",
  "svnapot",
  "svpbmt",
];

/** Bytes of a cache block, for Zicbom and Zicboz. */
export const CACHE_BLOCK = 64;

export interface FdtOptions {
  /** Bytes of RAM. */
  memoryBytes: number;
  /** Number of harts, from 1. */
  harts: number;
  /** Defaults to EXTENSIONS. */
  extensions?: readonly string[];
  /** The largest virtual address space; defaults to sv57. */
  mmu?: "sv39" | "sv48" | "sv57";
  /** The kernel's command line. */
  bootargs?: string;
  /** Guest physical addresses, `end` exclusive. */
  initrd?: { start: number; end: number };
  /** Seed of the guest's random number generator; 32 bytes or more to be credited. */
  rngSeed?: Uint8Array;
  /** Virtio slots to describe; defaults to all. */
  virtioSlots?: readonly number[];
}

const PLIC_CONTEXT_INTERRUPTS = [11, 9]; // machine, supervisor external
const CLINT_INTERRUPTS = [3, 7]; // machine software, timer

/** `riscv,isa` of a list of extensions: single letters, then the others behind underscores. */
export function isaString(extensions: readonly string[] = EXTENSIONS): string {
  const single = extensions.filter((e) => e.length === 1).join("");
  const multiple = extensions.filter((e) => e.length > 1).map((e) => `_${e}`);
  return `rv64${single}${multiple.join("")}`;
}

/** Builds the tree of a machine. */
export function buildFdt(options: FdtOptions): DeviceTree {
  // Phandles: 1 the PLIC, 2 the test device, then for each hart its core and its interrupt controller.
  const plic = 1;
  const test = 2;
  const cpu = (hart: number): number => 3 + hart * 2;
  const intc = (hart: number): number => cpu(hart) + 1;
  const harts = Array.from({ length: options.harts }, (_, i) => i);
  const each = (interrupts: number[]): Uint8Array =>
    cells(...harts.flatMap((h) => interrupts.flatMap((irq) => [intc(h), irq])));
  const device = (irq: number): Record<string, Uint8Array> => ({
    interrupts: cells(irq),
    "interrupt-parent": cells(plic),
  });
  const slots = options.virtioSlots ?? Array.from({ length: VIRTIO_SLOTS }, (_, i) => i);

  const soc = node("soc", { "#address-cells": cells(2), "#size-cells": cells(2) }, [
    node(`test@${hex(TEST.base)}`, {
      compatible: strings("sifive,test1", "sifive,test0", "syscon"),
      reg: cells64(TEST.base, TEST.size),
      phandle: cells(test),
    }),
    node(`rtc@${hex(RTC.base)}`, {
      compatible: strings("google,goldfish-rtc"),
      reg: cells64(RTC.base, RTC.size),
      ...device(RTC_IRQ),
    }),
    node(`clint@${hex(CLINT.base)}`, {
      compatible: strings("sifive,clint0", "riscv,clint0"),
      reg: cells64(CLINT.base, CLINT.size),
      "interrupts-extended": each(CLINT_INTERRUPTS),
    }),
    node(`plic@${hex(PLIC.base)}`, {
      compatible: strings("sifive,plic-1.0.0", "riscv,plic0"),
      reg: cells64(PLIC.base, PLIC.size),
      "interrupts-extended": each(PLIC_CONTEXT_INTERRUPTS),
      "interrupt-controller": new Uint8Array(),
      "#interrupt-cells": cells(1),
      "#address-cells": cells(0),
      "riscv,ndev": cells(PLIC_SOURCES),
      phandle: cells(plic),
    }),
    node(`serial@${hex(UART.base)}`, {
      compatible: strings("ns16550a"),
      reg: cells64(UART.base, UART.size),
      "clock-frequency": cells(UART_CLOCK_HZ),
      ...device(UART_IRQ),
    }),
    pciNode(plic),
    ...slots.map((slot) => {
      const { base, size, irq } = virtioSlot(slot);
      return node(`virtio_mmio@${hex(base)}`, {
        compatible: strings("virtio,mmio"),
        reg: cells64(base, size),
        ...device(irq),
      });
    }),
  ]);
  soc.properties.set("compatible", strings("simple-bus"));
  soc.properties.set("ranges", new Uint8Array());

  const bank = FLASH.size / 2;
  const syscon = (name: string, value: number): DtNode =>
    node(name, {
      compatible: strings(`syscon-${name}`),
      regmap: cells(test),
      offset: cells(0),
      value: cells(value),
    });
  const root = node(
    "",
    {
      "#address-cells": cells(2),
      "#size-cells": cells(2),
      compatible: strings("riscv-virtio"),
      model: strings("riscv-virtio,wardian"),
    },
    [
      node("chosen", { "stdout-path": strings(`/soc/serial@${hex(UART.base)}`) }),
      node(`memory@${hex(RAM_BASE)}`, {
        device_type: strings("memory"),
        reg: cells64(RAM_BASE, options.memoryBytes),
      }),
      node("cpus", { "#address-cells": cells(1), "#size-cells": cells(0), "timebase-frequency": cells(TIMEBASE_HZ) }, [
        ...harts.map((h) => cpuNode(h, cpu(h), intc(h), options)),
        node("cpu-map", {}, [
          node(
            "cluster0",
            {},
            harts.map((h) => node(`core${h}`, { cpu: cells(cpu(h)) })),
          ),
        ]),
      ]),
      node(`flash@${hex(FLASH.base)}`, {
        compatible: strings("cfi-flash"),
        reg: cells64(FLASH.base, bank, FLASH.base + bank, bank),
        "bank-width": cells(4),
      }),
      node(`fw-cfg@${hex(FW_CFG.base)}`, {
        compatible: strings("qemu,fw-cfg-mmio"),
        reg: cells64(FW_CFG.base, FW_CFG.size),
        "dma-coherent": new Uint8Array(),
      }),
      syscon("poweroff", 0x5555),
      syscon("reboot", 0x7777),
      soc,
    ],
  );
  const tree: DeviceTree = { root, reservations: [], bootCpu: 0 };
  setChosen(tree, options);
  return tree;
}

/** Puts what the boot decides into `/chosen`, made if need be. */
export function setChosen(tree: DeviceTree, options: Pick<FdtOptions, "bootargs" | "initrd" | "rngSeed">): void {
  let chosen = findNode(tree.root, "/chosen");
  if (!chosen) {
    chosen = node("chosen", {});
    tree.root.children.push(chosen);
  }
  if (options.bootargs !== undefined) chosen.properties.set("bootargs", strings(options.bootargs));
  if (options.initrd) {
    chosen.properties.set("linux,initrd-start", cells64(options.initrd.start));
    chosen.properties.set("linux,initrd-end", cells64(options.initrd.end));
  }
  if (options.rngSeed) chosen.properties.set("rng-seed", options.rngSeed.slice());
}

/**
 * The generic PCI host bridge (Linux, Documentation/devicetree/bindings/pci/host-generic-pci.yaml;
 * IEEE 1275's PCI bus binding). Device d's pin p is line (d + p) mod 4.
 */
function pciNode(plic: number): DtNode {
  const PORTS = 0x0100_0000;
  const MEMORY_32 = 0x0200_0000;
  const lines = Array.from({ length: PCIE_LINES }, (_, i) => i);
  const map = lines.flatMap((device) =>
    lines.flatMap((pin) => [device << 11, 0, 0, pin + 1, plic, PCIE_IRQ + ((device + pin) % PCIE_LINES)]),
  );
  return node(`pci@${hex(PCIE_ECAM.base)}`, {
    "#address-cells": cells(3),
    "#size-cells": cells(2),
    "#interrupt-cells": cells(1),
    compatible: strings("pci-host-ecam-generic"),
    device_type: strings("pci"),
    "linux,pci-domain": cells(0),
    "bus-range": cells(0, PCIE_ECAM.size / 2 ** 20 - 1),
    "dma-coherent": new Uint8Array(),
    reg: cells64(PCIE_ECAM.base, PCIE_ECAM.size),
    ranges: cells(
      ...[PORTS, 0, 0, 0, PCI_PIO.base, 0, PCI_PIO.size],
      ...[MEMORY_32, 0, PCIE_MMIO.base, 0, PCIE_MMIO.base, 0, PCIE_MMIO.size],
    ),
    "interrupt-map-mask": cells((PCIE_LINES - 1) << 11, 0, 0, 7),
    "interrupt-map": cells(...map),
  });
}

function cpuNode(hart: number, phandle: number, intc: number, options: FdtOptions): DtNode {
  const extensions = options.extensions ?? EXTENSIONS;
  return node(
    `cpu@${hex(hart)}`,
    {
      device_type: strings("cpu"),
      reg: cells(hart),
      status: strings("okay"),
      compatible: strings("riscv"),
      // Linux reads the base and the list first; older kernels and firmware know the string only.
      "riscv,isa": strings(isaString(extensions)),
      "riscv,isa-base": strings("rv64i"),
      "riscv,isa-extensions": strings(...extensions),
      ...(extensions.includes("zicbom") ? { "riscv,cbom-block-size": cells(CACHE_BLOCK) } : {}),
      ...(extensions.includes("zicboz") ? { "riscv,cboz-block-size": cells(CACHE_BLOCK) } : {}),
      "mmu-type": strings(`riscv,${options.mmu ?? "sv57"}`),
      phandle: cells(phandle),
    },
    [
      node("interrupt-controller", {
        compatible: strings("riscv,cpu-intc"),
        "interrupt-controller": new Uint8Array(),
        "#interrupt-cells": cells(1),
        phandle: cells(intc),
      }),
    ],
  );
}

function hex(v: number): string {
  return v.toString(16);
}
