/**
 * Images with wrong bytes in their headers and tables: opening, reading, writing
 * and checking them ends soon, in bounded memory, with a DiskError or with data.
 *
 * WARDIAN_DISK_FUZZ sets how many of each kind.
 */

import { deflateRawSync } from "node:zlib";
import { expect, test } from "vitest";
import type { BlockFile } from "../../src/backends/block-file.ts";
import { DiskError } from "../../src/disk/errors.ts";
import { MemoryFile } from "../../src/disk/memory-file.ts";
import { openImage } from "../../src/disk/open.ts";
import { checkQcow2 } from "../../src/disk/qcow2/check.ts";
import { createQcow2 } from "../../src/disk/qcow2/create.ts";
import { Qcow2Image } from "../../src/disk/qcow2/image.ts";
import { readSnapshots } from "../../src/disk/qcow2/snapshots.ts";
import { chance, choose, type Random, seeded } from "../../src/fuzz/random.ts";
import { decompress } from "../../src/host/node/decompress.ts";

const COUNT = Number(process.env.WARDIAN_DISK_FUZZ ?? 300);
const SEED = Number(process.env.WARDIAN_DISK_SEED ?? 1);
const SIZE = 2 ** 20;
/** Bytes that one image may make us read, write and keep. */
const MOST_TRAFFIC = 2 ** 30;
const MOST_FILE = 2 ** 26;

/** A file that counts what goes in and out, and refuses to become huge. */
class Watched extends MemoryFile {
  traffic = 0;

  override read(offset: number, into: Uint8Array): void {
    this.#count(offset, into.length);
    super.read(offset, into);
  }

  override write(offset: number, bytes: Uint8Array): void {
    this.#count(offset, bytes.length);
    if (offset + bytes.length > MOST_FILE) throw new DiskError("no-space", "The file would be huge.");
    super.write(offset, bytes);
  }

  #count(offset: number, length: number): void {
    if (!(offset >= 0) || !Number.isSafeInteger(offset)) throw new Error(`there is no offset ${offset}`);
    this.traffic += length;
    if (this.traffic > MOST_TRAFFIC) throw new Error("it reads and writes without end");
  }
}

/** A sound image with data, zeroes, compressed clusters, and several tables. */
async function sound(clusterSize: number): Promise<Uint8Array> {
  const file = new MemoryFile("sound");
  await createQcow2(file, { size: SIZE, clusterSize, backing: { name: "base", format: "raw" } });
  const image = await Qcow2Image.open(file, { backing: undefined as never });
  for (let at = 0; at < SIZE; at += 3 * clusterSize) {
    await image.write(at, new Uint8Array(Math.min(clusterSize, SIZE - at)).fill(7));
    if (at + 3 * clusterSize > SIZE) break;
    await image.zero(at + clusterSize, clusterSize, true);
    await image.writeCompressed(at + 2 * clusterSize, deflateRawSync(new Uint8Array(clusterSize).fill(9)));
  }
  await image.flush();
  await image.flush();
  const bytes = new Uint8Array(file.size);
  file.read(0, bytes);
  return bytes;
}

/** Changes some bytes: of the header, or of any entry of 8 bytes that isn't zero. */
function mutate(bytes: Uint8Array, random: Random): Uint8Array {
  const made = bytes.slice(0, chance(random, 8) ? random() % bytes.length : bytes.length);
  if (made.length === 0) return made;
  const view = new DataView(made.buffer);
  for (let n = 1 + (random() % 4); n > 0; n--) {
    if (chance(random, 2)) {
      made[random() % Math.min(made.length, 128)] = choose(random, [0, 1, 0xff, random() & 0xff]);
      continue;
    }
    if (made.length < 16) continue;
    let at = random() % Math.floor(made.length / 8);
    for (let k = 0; k < 2000 && view.getBigUint64(at * 8) === 0n; k++) at = (at + 1) % Math.floor(made.length / 8);
    const bits = (BigInt(random()) << 32n) | BigInt(random());
    const values = [
      bits,
      bits & 0x8000_0000_000f_fe00n,
      view.getBigUint64(at * 8) ^ (1n << (bits & 63n)),
      0xffff_ffff_ffff_ffffn,
      0x8000_0000_0000_0000n,
    ];
    view.setBigUint64(at * 8, choose(random, values));
  }
  return made;
}

/** Does everything that can be done to an image. @returns how far it came */
async function exercise(bytes: Uint8Array, random: Random): Promise<string> {
  const known = async (act: () => Promise<unknown>): Promise<boolean> => {
    try {
      await act();
      return true;
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      // Not by expect, which keeps something of every call.
      if (!/^[^\n]+\.$/.test(error.message)) throw new Error(`not one sentence: ${error.message}`);
      return false;
    }
  };
  const file = () => {
    const made = new Watched("hostile");
    made.write(0, bytes);
    return made;
  };
  const base = () => Promise.resolve(new MemoryFile("base") as BlockFile);
  await known(() => checkQcow2(file()));
  await known(() => checkQcow2(file(), { repair: choose(random, ["leaks", "all"] as const) }));
  let reached = "refused";
  await known(async () => {
    const image = await openImage(file(), undefined, { openBacking: base, decompress });
    reached = "opened";
    if (image instanceof Qcow2Image) await known(() => readSnapshots(new MemoryFile("none"), image.header));
    const size = Math.min(image.size, 2 * SIZE);
    const into = new Uint8Array(20_000);
    for (let n = 0; n < 24 && size >= 512; n++) {
      const offset = (random() % Math.ceil(size / 512)) * 512;
      const length = Math.min(into.length, size - offset);
      const act = random() % 5;
      await known(async () => {
        if (act < 2) await image.read(offset, into.subarray(0, length));
        else if (act === 2) await image.write(offset, into.subarray(0, length));
        else if (act === 3) await image.zero(offset, length, chance(random, 2));
        else await image.discard(offset, length);
      });
      if (chance(random, 6)) await known(async () => image.flush());
    }
    await known(() => image.extent(0, Math.max(1, size)));
    await image.close();
    reached = "closed";
  });
  return reached;
}

test.each([512, 4096, 65_536])("hostile images with clusters of %i", async (clusterSize) => {
  const bytes = await sound(clusterSize);
  const reached: Record<string, number> = { refused: 0, opened: 0, closed: 0 };
  for (let n = 0; n < COUNT; n++) {
    const random = seeded(SEED * 1_000_000 + n);
    // What the engine has to give back, such as memory of decompressors, it does between events.
    if (n % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
    const started = performance.now();
    try {
      reached[await exercise(mutate(bytes, random), random)]!++;
    } catch (error) {
      throw new Error(`image ${n} of seed ${SEED}`, { cause: error });
    }
    // A hang is one; how fast the host is, is not tested.
    if (performance.now() - started > 60_000) throw new Error(`image ${n} of seed ${SEED} takes too long`);
  }
  expect(reached.refused).toBeGreaterThan(COUNT / 20);
  expect(reached.closed).toBeGreaterThan(COUNT / 20);
});

// Seed 1, image 12501 of those with clusters of 64 KiB: a write looked for room without end, and took memory for it.
test("without refcounts of its first clusters an image is refused by writes and repairs, and stays as it is", async () => {
  const bytes = await sound(65_536);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setBigUint64(Number(view.getBigUint64(48)), 0n); // refcount_table_offset, its first entry
  const file = new Watched("hostile");
  file.write(0, bytes);
  const image = await openImage(file, undefined, { openBacking: () => Promise.resolve(new MemoryFile("base")) });
  await expect(image.write(2 * 65_536, new Uint8Array(512))).rejects.toThrow(/no refcounts of its first clusters/);
  await expect(checkQcow2(file, { repair: "all" })).rejects.toThrow(/no refcounts of its first clusters/);
  const left = new Uint8Array(file.size);
  file.read(0, left);
  expect(Buffer.compare(left.subarray(0, 512), bytes.subarray(0, 512))).toBe(0);
});

test("the sound image is sound", async () => {
  const file = new MemoryFile("sound");
  file.write(0, await sound(4096));
  expect(await checkQcow2(file)).toMatchObject({ corruptions: 0, leaks: 0, errors: 0 });
});
