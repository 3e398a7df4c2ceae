/** vm.json: what its schema takes, what is said of the rest, and changes by key and text. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import {
  checkConfig,
  describeFields,
  readConfig,
  type VmConfig,
  writeConfig,
  writeSchema,
} from "../../src/vms/config.ts";
import { change } from "../../src/vms/edit.ts";
import { machineOptions } from "../../src/vms/machine-options.ts";

const dir = mkdtempSync(join(tmpdir(), "wardian-config-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Every field: the compiler sees to it that none is left out. */
const ALL: Required<VmConfig> = {
  $schema: "./vm.schema.json",
  version: 1,
  image: "debian",
  kernel: "kernel",
  initrd: "../initrd",
  append: "console=ttyS0 quiet",
  bios: "builtin",
  dtb: "/boards/board.dtb",
  flash: "flash.fd",
  nvram: "nvram.fd",
  memory: "1G",
  harts: 2,
  engine: "jit",
  console: "virtio",
  disks: [
    {
      path: "disk.qcow2",
      format: "qcow2",
      readOnly: false,
      temporary: true,
      serial: "root",
      allowBacking: ["../web"],
    },
  ],
  network: {
    kind: "user",
    mac: "52:54:00:12:34:56",
    forwards: ["2222:22", "udp:0.0.0.0:5353:53", "[::1]:8080:80"],
    allow: ["10.0.0.0/8"],
    deny: ["0.0.0.0/0"],
    capture: "net.pcapng",
  },
  shares: [{ path: "../src", tag: "src", readOnly: true }],
  vsock: { path: "vsock.sock", cid: 5 },
  balloon: "256M",
  seed: "seed",
  logs: { size: "64K", files: 2 },
};

const messageOf = (value: unknown): string => {
  try {
    checkConfig(value, "vm.json");
  } catch (error) {
    return (error as Error).message;
  }
  return "";
};

test("every field is taken, described, and found by its path", () => {
  expect(checkConfig(ALL, "vm.json")).toEqual(ALL);
  const described = describeFields();
  expect(described.every(({ description }) => description.length > 10)).toBe(true);
  const paths = (value: unknown, path: string): string[] =>
    Array.isArray(value)
      ? value.flatMap((item) => (typeof item === "object" ? paths(item, `${path}.N`) : []))
      : typeof value === "object" && value !== null
        ? Object.entries(value).flatMap(([key, item]) => [`${path}.${key}`, ...paths(item, `${path}.${key}`)])
        : [];
  const { $schema: _, version: __, ...fields } = ALL;
  expect(described.map(({ path }) => `.${path}`).sort()).toEqual(paths(fields, "").sort());
});

describe("one sentence, naming the field, for", () => {
  const base = { version: 1 };
  const cases: [string, unknown, RegExp][] = [
    ["no object", [], /must be an object, not \[\]/],
    ["nothing", null, /must be an object/],
    ["no version", {}, /lacks the field "version"/],
    ["a later version", { version: 2, future: true }, /version 2, .* use a newer one/],
    ["a wrong version", { version: "1" }, /at "version": it must be 1, not "1"/],
    ["an unknown field", { ...base, memroy: "1G" }, /unknown field "memroy"/],
    ["an unknown field of a disk", { ...base, disks: [{ path: "a" }, { path: "b", size: 1 }] }, /"disks\.1\.size"/],
    ["a prototype", JSON.parse('{"version":1,"__proto__":{}}'), /unknown field "__proto__"/],
    ["a disk without path", { ...base, disks: [{}] }, /lacks the field "disks\.0\.path"/],
    ["memory as a number", { ...base, memory: 512 }, /at "memory": it must be text|a size/],
    ["memory that is none", { ...base, memory: "lots" }, /at "memory": it must be a size such as .*, not "lots"/],
    ["no harts", { ...base, harts: 0 }, /at "harts": it must be a whole number from 1 to 8, not 0/],
    ["half a hart", { ...base, harts: 1.5 }, /at "harts": it must be a whole number from 1 to 8/],
    ["an engine", { ...base, engine: "fast" }, /at "engine": it must be one of "interpreter", "jit", "both"/],
    ["a command line of two", { ...base, append: "a\nb" }, /at "append": it must be one line/],
    ["an empty path", { ...base, kernel: "" }, /at "kernel"/],
    ["a path with a zero", { ...base, kernel: "a\0b" }, /at "kernel"/],
    ["a multicast address", { ...base, network: { kind: "user", mac: "53:54:00:12:34:56" } }, /at "network\.mac"/],
    ["a forward", { ...base, network: { kind: "user", forwards: ["22"] } }, /at "network\.forwards\.0"/],
    ["a guest that is the host", { ...base, vsock: { path: "s", cid: 2 } }, /at "vsock\.cid": .* 3 to 4294967294/],
    ["a balloon as a number", { ...base, balloon: 5 }, /at "balloon": it must be text|a size/],
    ["no kind of network", { ...base, network: {} }, /lacks the field "network\.kind"/],
    ["a console", { ...base, console: "vga" }, /at "console": it must be one of "serial", "virtio", not "vga"/],
    ["a folder without a tag", { ...base, shares: [{ path: "a" }] }, /lacks the field "shares\.0\.tag"/],
    ["a tag that is too long", { ...base, shares: [{ path: "a", tag: "t".repeat(37) }] }, /at "shares\.0\.tag": .*36/],
    ["no folders", { ...base, shares: {} }, /at "shares": it must be a list/],
    ["too many logs", { ...base, logs: { files: 1e9 } }, /at "logs\.files": .* 0 to 100/],
  ];
  test.each(cases)("%s", (_, value, about) => {
    const message = messageOf(value);
    expect(message).toMatch(about);
    expect(message).toMatch(/^The configuration "vm\.json" [^\n]+\.$/);
  });

  test("files that aren't one", async () => {
    const read = async (text: string) => {
      writeFileSync(join(dir, "vm.json"), text);
      return readConfig(dir).then(
        () => "",
        (error: Error) => error.message,
      );
    };
    expect(await read("{")).toMatch(/^The configuration ".*vm\.json" is not JSON \(.*\)\.$/);
    expect(await read("")).toMatch(/not JSON/);
    expect(await read(" ".repeat(2 << 20))).toMatch(/can't be a configuration/);
    expect(await readConfig(join(dir, "none")).catch((error: Error) => error.message)).toMatch(/no VM in/);
  });
});

test("what is written is read again, with the schema beside it", async () => {
  writeConfig(dir, ALL);
  writeSchema(dir);
  expect(await readConfig(dir)).toEqual(ALL);
  expect(JSON.parse(readFileSync(join(dir, "vm.schema.json"), "utf8")).title).toContain("Wardian");
});

test("paths are those of the folder, unless they are absolute", () => {
  const options = machineOptions("/vms/web", ALL);
  expect(options).toMatchObject({ kernel: "/vms/web/kernel", initrd: "/vms/initrd", dtb: "/boards/board.dtb" });
  expect(options).toMatchObject({ bios: "builtin", flash: "/vms/web/flash.fd", nvram: "/vms/web/nvram.fd" });
  expect(options.disks[0]).toMatchObject({ path: "/vms/web/disk.qcow2", allowBacking: ["/vms/web"] });
  expect(options.disks[1]).toMatchObject({ path: "/vms/web/seed.iso", readOnly: true });
  expect(options.network?.forwards?.[1]).toEqual({
    protocol: "udp",
    hostAddress: "0.0.0.0",
    hostPort: 5353,
    guestPort: 53,
  });
  expect(options.shares).toEqual([{ path: "/vms/src", tag: "src", readOnly: true }]);
});

test("a virtio console is what Linux is told to use, once", () => {
  const append = (config: Partial<VmConfig>) => machineOptions("/vms/web", { version: 1, ...config }).append;
  expect(append({ append: "console=ttyS0" })).toBe("console=ttyS0");
  expect(append({ append: "console=ttyS0", console: "virtio" })).toBe("console=ttyS0 console=hvc0");
  expect(append({ append: "console=hvc0 quiet", console: "virtio" })).toBe("console=hvc0 quiet");
  expect(append({ console: "virtio" })).toBeUndefined();
});

describe("changes", () => {
  const set = (key: string, value: string | undefined) => change(ALL, { key, value });

  test("read text as what the field is", () => {
    expect(set("memory", "2G").memory).toBe("2G");
    expect(set("harts", "4").harts).toBe(4);
    expect(set("append", "5").append).toBe("5");
    expect(set("network.forwards", "80:80,udp:53:53").network?.forwards).toEqual(["80:80", "udp:53:53"]);
    expect(set("network.forwards", "80:80").network?.forwards).toEqual(["80:80"]);
    expect(set("network.forwards", "").network?.forwards).toEqual([]);
    expect(set("disks.0.readOnly", "true").disks?.[0]?.readOnly).toBe(true);
    expect(set("console", "serial").console).toBe("serial");
    expect(set("shares.0.path", "/srv").shares).toEqual([{ path: "/srv", tag: "src", readOnly: true }]);
    expect(set("disks.1", '{"path":"b.raw"}').disks?.[1]).toEqual({ path: "b.raw" });
    expect(change({ version: 1 }, { key: "disks.0.path", value: "a" }).disks).toEqual([{ path: "a" }]);
    expect(ALL.memory).toBe("1G");
  });

  test("take fields away", () => {
    expect(set("harts", undefined)).not.toHaveProperty("harts");
    expect(set("disks.0", undefined).disks).toEqual([]);
    expect(set("network", undefined)).not.toHaveProperty("network");
  });

  test.each([
    ["memroy", "1G", /no field "memroy"; there are image, kernel/],
    ["version", "2", /no field "version"/],
    ["__proto__.x", "1", /no field/],
    ["harts", "many", /at "harts": it must be a whole number/],
    ["harts", "9", /at "harts"/],
    ["disks.7.path", "x", /no place "7"; the next one is 1/],
    ["network.kind", undefined, /lacks the field "network\.kind"/],
  ])("refuse %s %s", (key, value, about) => {
    expect(() => set(key, value)).toThrow(about);
  });
});
