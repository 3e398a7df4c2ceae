import { describe, expect, it } from "vitest";
import {
  aliasTable,
  closure,
  dependencyTable,
  type KernelModule,
  moduleName,
  readModuleInfo,
} from "../../src/images/modules.ts";
import { fakeModule } from "./fixture.ts";

function module(name: string, depends: string[], more: { before?: string[]; aliases?: string[] } = {}): KernelModule {
  const info = { depends, before: more.before ?? [], aliases: more.aliases ?? [] };
  return { name, path: `kernel/${name}.ko`, data: new Uint8Array(0), info };
}

const loader = (modules: KernelModule[]) => async (name: string) => modules.find((entry) => entry.name === name);

describe("module information", () => {
  it("is read from .modinfo, with - and _ made equal", () => {
    const data = fakeModule({
      license: "GPL",
      depends: "net-failover,crc16",
      alias: ["fs-ext4", "virtio:d00000001v*"],
      softdep: "pre: crypto-crc32c other post: later",
    });
    expect(readModuleInfo("ext4", data)).toEqual({
      depends: ["net_failover", "crc16"],
      aliases: ["fs-ext4", "virtio:d00000001v*"],
      before: ["crypto-crc32c", "other"],
    });
    expect(moduleName("kernel/drivers/virtio-rng.ko.xz")).toBe("virtio_rng");
  });

  it("refuses damaged files without reading past their end", () => {
    const good = fakeModule({ depends: "" });
    expect(() => readModuleInfo("m", new Uint8Array(0))).toThrow(/can't be read/);
    expect(() => readModuleInfo("m", Buffer.from("\x7fELF"))).toThrow(/can't be read/);
    const used = good.length - 24; // the last header's tail holds nothing that is read
    for (let length = 0; length < used; length += 7) {
      expect(() => readModuleInfo("m", good.subarray(0, length))).toThrow(/can't be read/);
    }
    const far = Buffer.from(good);
    far.writeBigUInt64LE(1n << 60n, 40);
    expect(() => readModuleInfo("m", far)).toThrow(/can't be read/);
  });
});

describe("the closure of modules", () => {
  it("has each module once, after all that it needs", async () => {
    // Random graphs whose edges lead to lower numbers, from a fixed seed.
    let seed = 7;
    const random = (n: number): number => {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff;
      return (seed >> 8) % n;
    };
    for (let round = 0; round < 50; round++) {
      const modules = Array.from({ length: 30 }, (_, index) => {
        const depends = new Set(Array.from({ length: random(4) }, () => random(Math.max(index, 1))));
        return module(`m${index}`, index === 0 ? [] : [...depends].map((to) => `m${to}`));
      });
      const order = await closure(["m29", `m${random(30)}`, "m29"], loader(modules));
      const place = new Map(order.map((entry, index) => [entry.name, index]));
      expect(place.size).toBe(order.length);
      for (const entry of order) {
        for (const need of entry.info.depends) expect(place.get(need)).toBeLessThan(place.get(entry.name)!);
      }
      expect(place.has("m29")).toBe(true);

      const lines = dependencyTable(order).trimEnd().split("\n");
      for (const [index, entry] of order.entries()) {
        const [file, ...needs] = lines[index]!.split(" ");
        expect(file).toBe(`${entry.path}:`);
        expect(new Set(needs)).toEqual(reachable(entry, modules));
        // modprobe loads from the right: a module's own needs stand further right.
        for (const [at, path] of needs.entries()) {
          for (const need of modules.find((other) => other.path === path)!.info.depends) {
            expect(needs.indexOf(`kernel/${need}.ko`)).toBeGreaterThan(at);
          }
        }
      }
    }
  });

  it("leaves out what is built in, and refuses a missing dependency and a cycle", async () => {
    expect(await closure(["fuse"], async () => undefined)).toEqual([]);
    await expect(closure(["a"], loader([module("a", ["b"])]))).rejects.toThrow(/b, which a needs/);
    const ring = [module("a", ["b"]), module("b", ["a"])];
    await expect(closure(["a"], loader(ring))).rejects.toThrow(/need each other/);
  });

  it("takes soft dependencies by alias, and survives their cycles", () => {
    const crc = module("crc32c_generic", [], { aliases: ["crypto-crc32c"] });
    const ext4 = module("ext4", [], { before: ["crypto-crc32c", "not-here"], aliases: ["fs-ext4"] });
    expect(dependencyTable([crc, ext4])).toBe("kernel/crc32c_generic.ko:\nkernel/ext4.ko: kernel/crc32c_generic.ko\n");
    expect(aliasTable([crc, ext4])).toBe("alias crypto-crc32c crc32c_generic\nalias fs-ext4 ext4\n");
    const ring = [module("a", [], { before: ["b"] }), module("b", [], { before: ["a"] })];
    expect(dependencyTable(ring)).toBe("kernel/a.ko: kernel/b.ko\nkernel/b.ko: kernel/a.ko\n");
  });
});

/** Files of all modules that one needs, found without regard to order. */
function reachable(from: KernelModule, modules: readonly KernelModule[]): Set<string> {
  const found = new Set<string>();
  const queue = [...from.info.depends];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    const next = modules.find((entry) => entry.name === name)!;
    found.add(next.path);
    queue.push(...next.info.depends);
  }
  return found;
}
