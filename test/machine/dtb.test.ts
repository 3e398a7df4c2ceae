import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import {
  cells,
  cells64,
  type DeviceTree,
  DtbError,
  findNode,
  MAX_DTB_SIZE,
  node,
  readCells,
  readDtb,
  readStrings,
  strings,
  writeDtb,
} from "../../src/machine/dtb.ts";
import { buildFdt } from "../../src/machine/fdt.ts";
import { random } from "../devices/support.ts";

const sample = (): DeviceTree => ({
  root: node("", { "#address-cells": cells(2), empty: new Uint8Array() }, [
    node("soc", { compatible: strings("a", "b,c"), reg: cells64(0x1_2345_6789, 16) }, [
      node("uart@10", { blob: Uint8Array.of(1, 2, 3, 4, 5) }),
    ]),
    node("chosen", { bootargs: strings("") }),
  ]),
  reservations: [{ address: 0x8000_0000n, size: 0x1_0000_0000n }],
  bootCpu: 1,
});

const dtc = (from: "dtb" | "dts", to: "dtb" | "dts", input: Uint8Array | string): Buffer =>
  execFileSync("dtc", ["-q", "-I", from, "-O", to], { input, maxBuffer: 1 << 24 });

test("what is written is read back", () => {
  expect(readDtb(writeDtb(sample()))).toEqual(sample());
});

test("dtc reads what is written", () => {
  const source = dtc("dtb", "dts", writeDtb(sample())).toString();
  expect(source).toContain("/memreserve/\t0x0000000080000000 0x0000000100000000;");
  expect(source).toContain('compatible = "a\\0b,c";');
  expect(source).toContain("reg = <0x01 0x23456789 0x00 0x10>;");
  expect(source).toContain("blob = [01 02 03 04 05];");
});

test("what dtc writes is read", () => {
  const tree = readDtb(
    dtc("dts", "dtb", '/dts-v1/; /memreserve/ 4096 1; / { x = "one", "two"; n@1 { reg = <1 0xffffffff>; flag; }; };'),
  );
  expect(readStrings(tree.root.properties.get("x")!)).toEqual(["one", "two"]);
  const n = findNode(tree.root, "/n@1")!;
  expect(readCells(n.properties.get("reg")!)).toEqual([1, 0xffff_ffff]);
  expect(n.properties.get("flag")).toHaveLength(0);
  expect(tree.reservations).toEqual([{ address: 4096n, size: 1n }]);
});

test("a tree at an odd place of a larger buffer is read", () => {
  const bytes = writeDtb(sample());
  const padded = new Uint8Array(bytes.length + 103);
  padded.set(bytes, 3);
  expect(readDtb(padded.subarray(3))).toEqual(sample());
});

test("values that aren't lists of strings or cells", () => {
  expect(readStrings(Uint8Array.of(65))).toBeUndefined();
  expect(readStrings(new Uint8Array())).toBeUndefined();
  expect(readCells(new Uint8Array(5))).toBeUndefined();
});

describe("bad trees", () => {
  const good = writeDtb(sample());
  const word = (at: number, value: number): Uint8Array => {
    const bytes = good.slice();
    new DataView(bytes.buffer).setUint32(at, value);
    return bytes;
  };
  const struct = new DataView(good.buffer).getUint32(8);
  test.each([
    ["empty", new Uint8Array(), /too short/],
    ["magic", word(0, 0xd00dfeee), /not a flattened device tree/],
    ["truncated", good.subarray(0, good.length - 1), /truncated/],
    ["size larger than the file", word(4, 0xffff_ffff), /truncated/],
    ["version", word(20, 16), /version 17/],
    ["too new", word(24, 18), /version 17/],
    ["structure outside", word(8, 0xffff_fff0), /structure block lies outside/],
    ["structure unaligned", word(8, struct + 1), /not aligned|outside/],
    ["strings outside", word(12, 0xffff_fff0), /strings block lies outside/],
    ["reservations outside", word(16, 0xffff_fff8), /reservations/],
    ["no root", word(struct, 9), /no root node/],
    ["unknown token", word(struct + 8, 77), /unknown token/],
    ["property too long", word(struct + 12, 0xffff_ff00), /longer than the tree/],
    ["property name outside", word(struct + 16, 0xffff_ff00), /without a name/],
  ])("%s", (_, bytes, message) => {
    expect(() => readDtb(bytes)).toThrow(DtbError);
    expect(() => readDtb(bytes)).toThrow(message);
  });

  test("deeper than any board's", () => {
    let inner = node("n", {});
    for (let i = 0; i < 63; i++) inner = node("n", {}, [inner]);
    const bytes = writeDtb({ root: node("", {}, [inner]), reservations: [], bootCpu: 0 });
    expect(() => readDtb(bytes)).toThrow(/64 levels/);
  });

  test("two nodes of one name", () => {
    const bytes = writeDtb({ root: node("", {}, [node("n", {}), node("n", {})]), reservations: [], bootCpu: 0 });
    expect(() => readDtb(bytes)).toThrow(/two nodes named "n"/);
  });

  test("too large to write, too large to read", () => {
    const big = { root: node("", { x: new Uint8Array(MAX_DTB_SIZE) }), reservations: [], bootCpu: 0 };
    expect(() => writeDtb(big)).toThrow(/limit/);
    const bytes = new Uint8Array(MAX_DTB_SIZE + 8);
    bytes.set(good);
    new DataView(bytes.buffer).setUint32(4, bytes.length);
    expect(() => readDtb(bytes)).toThrow(/limit/);
  });

  test("random damage gives a tree or one DtbError", () => {
    const next = random(42);
    const clean = writeDtb(buildFdt({ memoryBytes: 1 << 28, harts: 2 }));
    const outcomes = { read: 0, refused: 0 };
    for (let i = 0; i < 3000; i++) {
      const bytes = clean.slice(0, next() % 4 ? clean.length : next() % clean.length);
      for (let k = next() % 4; k >= 0; k--) bytes[(next() % 2 ? next() % 64 : next()) % (bytes.length || 1)] = next();
      try {
        readDtb(bytes);
        outcomes.read++;
      } catch (error) {
        if (!(error instanceof DtbError)) throw error;
        outcomes.refused++;
      }
    }
    expect(outcomes.read).toBeGreaterThan(100);
    expect(outcomes.refused).toBeGreaterThan(100);
  });
});
