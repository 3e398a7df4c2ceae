import { gunzipSync, gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { type Gunzip, ImageError, readImage } from "../../src/machine/image.ts";
import { addSection, linkProgram, makeElf, makeImage } from "./files.ts";

const LIMIT = 1 << 20;
const gunzip: Gunzip = (bytes, limit) => gunzipSync(bytes, { maxOutputLength: limit });

/** An EFI zboot file around a payload. */
function zboot(payload: Uint8Array, kind: string, size = payload.length): Uint8Array {
  const out = new Uint8Array(128 + payload.length);
  out.set(new TextEncoder().encode("MZ\0\0zimg"));
  const view = new DataView(out.buffer);
  view.setUint32(8, 128, true);
  view.setUint32(12, size, true);
  out.set(new TextEncoder().encode(kind), 24);
  out.set(payload, 128);
  return out;
}

const image = makeImage(4096, { size: 9000n });

test.each([
  ["plain", image],
  ["gzip", new Uint8Array(gzipSync(image))],
  ["EFI zboot", zboot(new Uint8Array(gzipSync(image)), "gzip")],
])("a Linux Image, %s", (_, file) => {
  const found = readImage(file, LIMIT, gunzip);
  expect(found).toMatchObject({ kind: "linux", offset: 0x20_0000, size: 9000 });
  expect(found.kind === "linux" && Buffer.compare(found.bytes, image)).toBe(0);
});

test("a header that asks for less than the file still gets the whole file", () => {
  expect(readImage(makeImage(4096, { size: 0n }), LIMIT)).toMatchObject({ size: 4096 });
});

test("ELF and raw programs", () => {
  expect(readImage(linkProgram(".globl _start\n_start: j .", 0x8000_0000), LIMIT).kind).toBe("elf");
  expect(readImage(Uint8Array.of(0x6f, 0, 0, 0), LIMIT)).toEqual({ kind: "raw", bytes: Uint8Array.of(0x6f, 0, 0, 0) });
  expect(readImage(new Uint8Array(5000), LIMIT).kind).toBe("raw");
});

test("an EFI stub's section table tells whether the file is whole", () => {
  expect(readImage(addSection(makeImage(4096), 4096), LIMIT).kind).toBe("linux");
  expect(() => readImage(addSection(makeImage(4096), 4097), LIMIT)).toThrow(
    "The kernel file is truncated: it has 4096 bytes of 4097.",
  );
});

const x86 = new Uint8Array(1024);
x86.set(new TextEncoder().encode("HdrS"), 0x202);
const arm = new Uint8Array(1024);
arm.set(new TextEncoder().encode("ARMd"), 56);
const gz = new Uint8Array(gzipSync(image));

test.each([
  ["empty", new Uint8Array(), "The kernel file is empty."],
  ["x86", x86, "The kernel is for x86"],
  ["Arm", arm, "The kernel is for 64-bit Arm"],
  ["ELF for x86", makeElf([{ physical: 0n, bytes: Uint8Array.of(1) }], { machine: 62 }), "ELF for x86-64, not RISC-V"],
  ["xz", Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 0), "compressed with xz"],
  ["zstd", Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0), "compressed with zstd"],
  ["zboot of zstd", zboot(Uint8Array.of(1), "zstd"), "compressed with zstd"],
  ["zboot cut off", zboot(gz, "gzip", gz.length + 1), "payload is incomplete"],
  ["gzip cut off", gz.subarray(0, gz.length - 20), "damaged or larger"],
  ["gzip bomb", new Uint8Array(gzipSync(new Uint8Array(LIMIT + 1))), "damaged or larger"],
  ["gzip in gzip", new Uint8Array(gzipSync(gz)), "compressed twice"],
  ["big-endian", makeImage(4096, { flags: 1n }), "big-endian"],
  ["absurd size", makeImage(4096, { size: 1n << 40n }), "more than 4 GiB"],
  ["absurd offset", makeImage(4096, { offset: 1n << 63n }), "more than 4 GiB"],
])("%s", (_, file, message) => {
  expect(() => readImage(file, LIMIT, gunzip)).toThrow(ImageError);
  expect(() => readImage(file, LIMIT, gunzip)).toThrow(message);
});

test("without a way to inflate, compressed kernels are refused", () => {
  expect(() => readImage(gz, LIMIT)).toThrow("compressed with gzip; decompress it first");
});
