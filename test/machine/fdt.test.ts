import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  type DeviceTree,
  type DtNode,
  findNode,
  readCells,
  readDtb,
  readStrings,
  writeDtb,
} from "../../src/machine/dtb.ts";
import { buildFdt, EXTENSIONS, isaString } from "../../src/machine/fdt.ts";
import { busRegions, RAM_BASE, VIRTIO_SLOTS, virtioSlot } from "../../src/machine/memory-map.ts";

const MEMORY = 512 << 20;

/** The tree of QEMU's board. */
function qemu(harts: number): DeviceTree {
  const dir = mkdtempSync(join(tmpdir(), "fdt-"));
  try {
    const file = join(dir, "virt.dtb");
    execFileSync(
      "qemu-system-riscv64",
      ["-M", `virt,dumpdtb=${file}`, "-cpu", "rv64", "-m", "512", "-smp", String(harts), "-display", "none"],
      { stdio: "ignore" },
    );
    return readDtb(readFileSync(file));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Properties that hold phandles, and in which of their cells. */
const REFERENCES: Record<string, (cell: number) => boolean> = {
  "interrupt-parent": () => true,
  "interrupts-extended": (i) => i % 2 === 0,
  regmap: () => true,
  cpu: () => true,
  "interrupt-map": (i) => i % 6 === 4,
};

/** A tree as path → property → value, with phandles replaced by the paths that they stand for. */
function flatten(tree: DeviceTree): Map<string, Map<string, string>> {
  const paths = new Map<number, string>();
  const visit = (n: DtNode, path: string, act: (n: DtNode, path: string) => void): void => {
    act(n, path || "/");
    for (const child of n.children) visit(child, `${path}/${child.name}`, act);
  };
  visit(tree.root, "", (n, path) => {
    const handle = n.properties.get("phandle");
    if (handle) paths.set(readCells(handle)![0]!, path);
  });
  const out = new Map<string, Map<string, string>>();
  visit(tree.root, "", (n, path) => {
    const properties = new Map<string, string>();
    for (const [name, value] of n.properties) {
      const refers = REFERENCES[name];
      if (name === "phandle") properties.set(name, "some");
      else if (refers)
        properties.set(
          name,
          readCells(value)!
            .map((v, i) => (refers(i) ? (paths.get(v) ?? "nowhere") : v))
            .join(" "),
        );
      else properties.set(name, Buffer.from(value).toString("hex"));
    }
    out.set(path, properties);
  });
  return out;
}

/** What differs from QEMU, and why. */
const NODES_ONLY_THERE = [
  /^\/pmu$/, // no event counters yet
  /^\/platform-bus@/, // QEMU's own
];
const DIFFERENT = [
  "/ model", // says whose board it is
  "/chosen rng-seed", // random
  "cpu riscv,isa", // the core's own extensions
  "cpu mmu-type", // Sv57
  "/soc/pci@30000000 ranges", // no window beyond RAM; see below
];
const ONLY_HERE = [
  "riscv,isa-base", // the newer form of riscv,isa, which QEMU 7.2 lacks
  "riscv,isa-extensions",
  "riscv,cbom-block-size", // its rv64 has no cache-block operations
  "riscv,cboz-block-size",
];

test.each([1, 4])("agrees with QEMU's board wherever both have the node (%i harts)", (harts) => {
  const theirs = flatten(qemu(harts));
  const ours = flatten(readDtb(writeDtb(buildFdt({ memoryBytes: MEMORY, harts, rngSeed: new Uint8Array(32) }))));
  const missing = [...theirs.keys()].filter((path) => !ours.has(path));
  expect(missing.filter((path) => !NODES_ONLY_THERE.some((re) => re.test(path)))).toEqual([]);
  expect([...ours.keys()].filter((path) => !theirs.has(path))).toEqual([]);
  const differences: string[] = [];
  for (const [path, properties] of ours) {
    const other = theirs.get(path)!;
    for (const name of new Set([...properties.keys(), ...other.keys()])) {
      const where = `${/^\/cpus\/cpu@\d$/.test(path) ? "cpu" : path} ${name}`;
      if (properties.get(name) === other.get(name) || DIFFERENT.includes(where)) continue;
      if (ONLY_HERE.includes(name) && !other.has(name)) continue;
      differences.push(`${where}: ${properties.get(name)} and not ${other.get(name)}`);
    }
  }
  expect(differences).toEqual([]);
});

test("PCI's windows are the first two of QEMU's", () => {
  const ranges = (tree: DeviceTree) => readCells(findNode(tree.root, "/soc/pci@30000000")!.properties.get("ranges")!)!;
  const ours = ranges(buildFdt({ memoryBytes: MEMORY, harts: 1 }));
  expect(ours).toHaveLength(14);
  expect(ranges(qemu(1)).slice(0, 14)).toEqual(ours);
});

test("the ISA string is in canonical order and names what Linux looks for", () => {
  expect(isaString()).toMatch(/^rv64imafdc_zicbom_.*_zba_.*_sstc_.*_svpbmt$/);
  const rank = (e: string): string =>
    e.startsWith("z") ? `1${"iamfdc".indexOf(e[1]!) < 0 ? `7${e[1]}` : "iamfdc".indexOf(e[1]!)}${e}` : `2${e}`;
  const long = EXTENSIONS.filter((e) => e.length > 1);
  expect([...long].sort((a, b) => (rank(a) < rank(b) ? -1 : 1))).toEqual(long);
  expect(isaString(["i", "m", "zba"])).toBe("rv64im_zba");
});

test("options reach the tree", () => {
  const tree = buildFdt({
    memoryBytes: 5 * 2 ** 30,
    harts: 3,
    extensions: ["i", "m"],
    mmu: "sv39",
    bootargs: "console=ttyS0 quiet",
    initrd: { start: 0x8800_0000, end: 0x8900_0001 },
    rngSeed: Uint8Array.of(1, 2, 3, 4),
    virtioSlots: [0, 7],
  });
  const get = (path: string, name: string): Uint8Array => findNode(tree.root, path)!.properties.get(name)!;
  expect(readStrings(get("/chosen", "bootargs"))).toEqual(["console=ttyS0 quiet"]);
  expect(readCells(get("/chosen", "linux,initrd-start"))).toEqual([0, 0x8800_0000]);
  expect(readCells(get("/chosen", "linux,initrd-end"))).toEqual([0, 0x8900_0001]);
  expect([...get("/chosen", "rng-seed")]).toEqual([1, 2, 3, 4]);
  expect(readCells(get("/memory@80000000", "reg"))).toEqual([0, RAM_BASE, 1, 0x4000_0000]);
  expect(readStrings(get("/cpus/cpu@2", "riscv,isa"))).toEqual(["rv64im"]);
  expect(readStrings(get("/cpus/cpu@0", "mmu-type"))).toEqual(["riscv,sv39"]);
  expect(findNode(tree.root, "/cpus/cpu@0")!.properties.has("riscv,cbom-block-size")).toBe(false);
  const slots = findNode(tree.root, "/soc")!.children.filter((n) => n.name.startsWith("virtio_mmio"));
  expect(slots.map((n) => n.name)).toEqual(["virtio_mmio@10001000", "virtio_mmio@10008000"]);
});

test("every register range of the tree's devices is a region of the bus", () => {
  const ids = {
    DEV_ID_SYSCON: 1,
    DEV_ID_RTC: 2,
    DEV_ID_ACLINT: 3,
    DEV_ID_PLIC: 4,
    DEV_ID_UART: 5,
    DEV_ID_PFLASH: 6,
    DEV_ID_HOST: 16,
  };
  const regions = busRegions(ids);
  const tree = buildFdt({ memoryBytes: MEMORY, harts: 1 });
  for (const device of findNode(tree.root, "/soc")!.children) {
    const [, base, , size] = readCells(device.properties.get("reg")!)!;
    expect(regions.filter((r) => r.base === base && r.size === size)).toHaveLength(1);
  }
  const sorted = [...regions].sort((a, b) => a.base - b.base);
  for (const [i, r] of sorted.entries()) {
    expect(r.base % 4096).toBe(0);
    if (sorted[i + 1]) expect(r.base + r.size).toBeLessThanOrEqual(sorted[i + 1]!.base);
    expect(r.base + r.size).toBeLessThanOrEqual(RAM_BASE);
  }
  expect(new Set(regions.map((r) => r.device)).size).toBe(regions.length);
});

test("virtio slots that aren't there", () => {
  expect(virtioSlot(7)).toEqual({ base: 0x1000_8000, size: 0x1000, irq: 8 });
  for (const slot of [-1, VIRTIO_SLOTS, 1.5]) expect(() => virtioSlot(slot)).toThrow(RangeError);
});
