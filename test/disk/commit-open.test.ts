/** `commit` of a disk that is in use: requests wait for it, nobody else may have the backing file, and nothing is lost. */

import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { beforeAll, describe, expect, test } from "vitest";
import type { BlockFile } from "../../src/backends/block-file.ts";
import type { Disk } from "../../src/backends/disk.ts";
import { ImageDisk } from "../../src/disk/disk.ts";
import { DiskError } from "../../src/disk/errors.ts";
import { OpenOverlay } from "../../src/disk/open-overlay.ts";
import { checkQcow2 } from "../../src/disk/qcow2/check.ts";
import { Qcow2Image } from "../../src/disk/qcow2/image.ts";
import { type Random, seeded } from "../../src/fuzz/random.ts";
import { openDisk } from "../../src/host/node/disk.ts";
import { chain, K, KINDS, SIZE } from "./chain.ts";
import { FaultyFile, FixedFile } from "./faulty-file.ts";
import {
  apply,
  asRequest,
  content,
  done,
  type Operation,
  qemuCheck,
  qemuContent,
  qemuImg,
  randomOperation,
  scratch,
} from "./qemu.ts";

const dir = scratch();
const HOLDER = join(dir, "holder.mjs");
const KILLS = Number(process.env.WARDIAN_DISK_COMMIT_KILLS ?? 8);

beforeAll(async () => {
  const entry = fileURLToPath(new URL("./holder.ts", import.meta.url));
  await build({ entryPoints: [entry], outfile: HOLDER, bundle: true, platform: "node", format: "esm" });
});

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** Carries out random requests, one after the other. */
async function change(disk: Disk, model: Uint8Array, random: Random, cluster: number, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const operation = randomOperation(random, model.length, cluster);
    if (operation.kind === "discard") continue;
    apply(model, operation);
    await done(disk, asRequest(operation));
  }
}

/** Requests of which none touches what another does, so that they may be done in any order. */
function apart(random: Random, size: number, count: number): (Operation | { kind: "read"; offset: number })[] {
  const slot = Math.floor(size / 512 / count) * 512;
  return Array.from({ length: count }, (_, i) => {
    const length = 512 * (1 + (random() % (slot / 512 - 1)));
    const offset = i * slot + 512 * (random() % ((slot - length) / 512));
    const kind = (["write", "write", "zero", "unmap", "read"] as const)[random() % 5]!;
    return kind === "write" ? { kind, offset, length, fill: 1 + (random() % 255) } : { kind, offset, length };
  });
}

describe.each(Object.entries(KINDS))("%s", (title, kind) => {
  test("requests of before are in it, those that come meanwhile wait, and all are done", async () => {
    const { overlay, base, baseFormat, model } = await chain(dir, title, kind);
    const disk = await openDisk({ path: overlay });
    const random = seeded(title.length + 1);
    const raw = `${overlay}.raw`;
    for (let round = 0; round < 4; round++) {
      await change(disk, model, random, kind.cluster, 12);
      const order: string[] = [];
      // Long enough that it isn't done at once.
      const large = { kind: "write", offset: 512 * round, length: 700 * K, fill: 100 + round } as const;
      apply(model, large);
      const before = done(disk, asRequest(large)).then(() => order.push("before"));
      const committed = model.slice();
      let isOver = false;
      const commit = disk.commit().then(() => {
        isOver = true;
      });
      // What comes in the same turn of the event loop may still be before it.
      await Promise.resolve();
      const held: Promise<unknown>[] = [];
      const ask = (operation: ReturnType<typeof apart>[number]) => {
        if (operation.kind === "read") {
          const request = { kind: "read", offset: operation.offset, length: 512 } as const;
          const wanted = model.slice(request.offset, request.offset + 512);
          return done(disk, request).then((bytes) =>
            expect(same(bytes, wanted), `read at ${request.offset}`).toBe(true),
          );
        }
        apply(model, operation);
        return done(disk, asRequest(operation));
      };
      for (const operation of apart(random, model.length, 16)) {
        held.push(
          ask(operation).then(() => {
            // By then the backing file has it all.
            if (order.at(-1) !== "held")
              expect(same(qemuContent(base, baseFormat, raw).subarray(0, model.length), committed)).toBe(true);
            order.push("held");
          }),
        );
        if (!isOver && random() % 2) await new Promise((resolve) => setImmediate(resolve));
      }
      await Promise.all([before, commit, ...held]);
      expect(order).toEqual(["before", ...held.map(() => "held")]);
      expect(same(await content(disk), model), `round ${round}`).toBe(true);
      // It is the backing file's reader again.
      await (await openDisk({ path: base, format: baseFormat, readOnly: true })).close();
      await expect(openDisk({ path: base, format: baseFormat })).rejects.toThrow(
        /in use by this program itself, which reads/,
      );
    }
    await disk.close();
    expect(readdirSync(dirname(overlay)).filter((name) => name.startsWith(".wardian-lock"))).toEqual([]);
    for (const path of baseFormat === "raw" ? [overlay] : [overlay, base]) {
      const check = qemuCheck(path);
      expect(check.status, check.text).toBe(0);
    }
    writeFileSync(raw, model);
    expect(qemuImg("compare", "-f", "raw", "-F", "qcow2", raw, overlay)).toMatch(/identical/);
  });
});

test("a disk that has grown is committed, and grows while others wait", async () => {
  const { overlay, base, model } = await chain(dir, "grown", KINDS["qcow2 over qcow2"]);
  const disk = await openDisk({ path: overlay });
  const grown = new Uint8Array(SIZE + 512 * K);
  grown.set(model);
  const write = (offset: number, fill: number) => {
    grown.fill(fill, offset, offset + 1024);
    return done(disk, { kind: "write", offset, bytes: new Uint8Array(1024).fill(fill) });
  };
  await Promise.all([disk.commit(), disk.resize(SIZE + 512 * K), disk.commit(), write(4096, 5)]);
  await write(SIZE + 256 * K, 6);
  await disk.commit();
  expect(same(await content(disk), grown)).toBe(true);
  await disk.close();
  expect(same(qemuContent(base, "qcow2", `${base}.raw`), grown)).toBe(true);
  for (const path of [base, overlay]) expect(qemuCheck(path).status).toBe(0);
});

type Holder = ChildProcess;

/** A process that has a disk open until it is killed. */
async function holder(path: string, ...args: string[]): Promise<Holder> {
  const child = spawn(process.execPath, [HOLDER, path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise<void>((resolve, reject) => {
    child.stdout!.once("data", () => resolve());
    child.once("exit", (code) => reject(new Error(`the holder ended with ${code}`)));
  });
  return child;
}

function kill(child: Holder): Promise<void> {
  return new Promise((resolve) => {
    child.once("close", () => resolve());
    child.kill("SIGKILL");
  });
}

describe("refuses in one sentence, and goes on as before,", () => {
  const make = (name: string): { base: string; overlay: string } => {
    const folder = join(dir, `refused-${name}`);
    mkdirSync(folder);
    const [base, overlay] = [join(folder, "base.qcow2"), join(folder, "overlay.qcow2")] as const;
    qemuImg("create", "-q", "-f", "qcow2", base, "1M");
    qemuImg("create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", overlay);
    return { base, overlay };
  };
  const bytes = new Uint8Array(4096).fill(3);

  /** Commits, which must fail, while there is a write to wait for it. */
  async function refused(disk: Disk, about: RegExp): Promise<void> {
    const commit = disk.commit();
    commit.catch(() => {});
    await Promise.resolve();
    const held = disk.readOnly ? undefined : done(disk, { kind: "write", offset: 8192, bytes });
    const error = await commit.then(
      () => undefined,
      (reason: unknown) => reason as Error,
    );
    expect(error).toBeInstanceOf(DiskError);
    expect(error!.message).toMatch(about);
    expect(error!.message).toMatch(/^[^\n]+\.$/);
    await held;
    if (held) expect(same((await content(disk)).subarray(8192, 12_288), bytes)).toBe(true);
  }

  test("what is no overlay", async () => {
    const { base } = make("alone");
    writeFileSync(`${base}.raw`, new Uint8Array(65_536));
    for (const path of [base, `${base}.raw`]) {
      const disk = await openDisk({ path });
      await refused(disk, /has no backing file that it could be committed to\.$/);
      await disk.close();
    }
  });

  test("what is read-only or temporary", async () => {
    const { overlay } = make("kept");
    const before = readFileSync(overlay);
    const readOnly = await openDisk({ path: overlay, readOnly: true });
    await refused(readOnly, /^The disk is read-only/);
    await readOnly.close();
    const temporary = await openDisk({ path: overlay, temporary: true });
    await refused(temporary, /^The disk is temporary/);
    await temporary.close();
    expect(readFileSync(overlay)).toEqual(before);
  });

  test("an overlay with snapshots", async () => {
    const { overlay } = make("snapshots");
    qemuImg("snapshot", "-c", "now", overlay);
    const disk = await openDisk({ path: overlay });
    await refused(disk, /has snapshots, which would change .*\.$/);
    await disk.close();
  });

  test("a base that may not be written, since others may stand on it", async () => {
    const { base, overlay } = make("shared");
    chmodSync(base, 0o444);
    const before = readFileSync(base);
    const disk = await openDisk({ path: overlay });
    await refused(disk, /may not be written, since others may stand on it; .*chmod u\+w\)\.$/);
    expect(readFileSync(base)).toEqual(before);
    chmodSync(base, 0o644);
    await disk.commit();
    await disk.close();
  });

  test("a base that somebody else reads", async () => {
    const { base, overlay } = make("read");
    const before = readFileSync(base);
    const disk = await openDisk({ path: overlay });
    // Another overlay of it, of this program and of another.
    const other = `${overlay}.other`;
    qemuImg("create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", other);
    const clone = await openDisk({ path: other });
    await refused(disk, /base\.qcow2" is in use by this program itself, which reads it; end that first\.$/);
    await clone.close();
    const child = await holder(other, "write");
    await refused(disk, new RegExp(`base\\.qcow2" is in use by process ${child.pid} .*; end that first\\.$`));
    await kill(child);
    const qemu = spawn("qemu-io", ["-r", "-f", "qcow2", base], { stdio: ["pipe", "pipe", "inherit"] });
    await new Promise((resolve) => {
      qemu.stdout.once("data", resolve);
      qemu.stdin.write("length\n");
    });
    await refused(disk, /base\.qcow2" is in use by QEMU, which reads it; end that first\.$/);
    qemu.stdin.end("quit\n");
    await new Promise((resolve) => qemu.once("close", resolve));
    expect(readFileSync(base)).toEqual(before);
    // Nobody has become its writer in between.
    await expect(openDisk({ path: base })).rejects.toThrow(/in use/);
    await disk.commit();
    await disk.close();
  });

  test("a base that is another now", async () => {
    const { base, overlay } = make("replaced");
    const disk = await openDisk({ path: overlay });
    renameSync(base, `${base}.old`);
    copyFileSync(`${base}.old`, base);
    await refused(disk, /is another than when the machine began; put that one back, .*\.$/);
    renameSync(`${base}.old`, base);
    await disk.commit();
    await disk.close();
  });
});

test("two that want the same base don't both get it", async () => {
  const folder = join(dir, "race");
  mkdirSync(folder);
  qemuImg("create", "-q", "-f", "qcow2", join(folder, "base.qcow2"), "1M");
  const disks: Disk[] = [];
  for (let n = 0; n < 4; n++) {
    const path = join(folder, `overlay${n}.qcow2`);
    qemuImg("create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", path);
    disks.push(await openDisk({ path }));
  }
  const results = await Promise.allSettled(disks.map((disk) => disk.commit()));
  expect(results.map(({ status }) => status)).toEqual(disks.map(() => "rejected"));
  for (const disk of disks.slice(1)) await disk.close();
  await disks[0]!.commit();
  await disks[0]!.close();
});

/** A file as it is read by another who has it open. */
class ReadView implements BlockFile {
  readonly readOnly = true;
  readonly name = "read";
  readonly #file: FaultyFile;

  constructor(file: FaultyFile) {
    this.#file = file;
  }

  get size(): number {
    return this.#file.size;
  }

  read(offset: number, into: Uint8Array): void | Promise<void> {
    return this.#file.read(offset, into);
  }

  write(): void {
    throw new DiskError("read-only", "It is read-only.");
  }

  truncate(): void {
    this.write();
  }

  flush(): void {}

  punchHole(): boolean {
    return false;
  }

  close(): void {}
}

interface Files {
  readonly base: FaultyFile;
  readonly overlay: FaultyFile;
}

/** An overlay in use whose files fail as they are told. */
async function faultyDisk(
  { base, overlay }: Files,
  openToRead: () => BlockFile = () => new ReadView(base),
  pause: () => void = () => {},
) {
  const locks = { taken: 0 };
  const under = await Qcow2Image.open(new ReadView(base));
  const image = await Qcow2Image.open(overlay, { backing: under });
  const open = new OpenOverlay("overlay", image, {
    openToWrite: async () => {
      locks.taken++;
      return { file: base, release: () => void locks.taken-- };
    },
    openToRead,
  });
  const commit = (signal?: AbortSignal) => open.commit({ pause, ...(signal && { signal }) });
  return { disk: new ImageDisk(image, { commit }), locks };
}

/** Images as files that can fail: an overlay over a qcow2 image that hasn't room for what it holds. */
async function faultyImages(title: string): Promise<{ files: (seed: number) => Files; model: Uint8Array }> {
  const { overlay, base, model } = await chain(dir, title, { ...KINDS["qcow2 over qcow2"], base: "raw" });
  const under = `${base}.qcow2`;
  qemuImg("convert", "-O", "qcow2", "-o", "cluster_size=4k", base, under);
  const images = { base: readFileSync(under), overlay: readFileSync(overlay) };
  const files = (seed: number): Files => ({
    base: new FaultyFile(images.base, seeded(seed), seed % 2 === 0),
    overlay: new FaultyFile(images.overlay, seeded(seed + 1), seed % 2 === 0),
  });
  return { files, model };
}

test("when the power fails, the overlay has all that it had, or the base has", async () => {
  const { files: made, model } = await faultyImages("cuts");
  // Written before without a flush, and while it is committed: of these, either may be there.
  const loose = [
    { offset: 100 * K, length: 20 * K },
    { offset: 900 * K, length: 20 * K },
  ] as const;
  const fill = (at: { offset: number; length: number }, value: number) =>
    ({ kind: "write", offset: at.offset, bytes: new Uint8Array(at.length).fill(value) }) as const;
  const run = async (files: Files) => {
    const { disk } = await faultyDisk(files);
    await done(disk, fill(loose[0], 0xe1));
    const commit = disk.commit();
    commit.catch(() => {});
    await Promise.resolve();
    const held = done(disk, fill(loose[1], 0xe2));
    for (const result of await Promise.allSettled([commit, held]))
      if (result.status === "rejected") throw result.reason;
    await done(disk, { kind: "flush" });
    await disk.close();
  };
  const whole = made(1);
  await run(whole);
  const emptied = new Set<boolean>();
  for (const which of ["base", "overlay"] as const) {
    const { calls } = whole[which];
    for (let cut = 1; cut <= calls + 1; cut += Math.ceil(calls / 24)) {
      const files = made(cut + 1);
      files[which].cutAt = cut;
      await run(files).catch(() => {});
      const left = { base: files.base.afterCut(), overlay: files.overlay.afterCut() };
      for (const [name, bytes] of Object.entries(left)) {
        const { corruptions, errors } = await checkQcow2(new FixedFile(bytes));
        expect({ corruptions, errors }, `${name}, cut ${cut} of ${which}`).toEqual({ corruptions: 0, errors: 0 });
      }
      const under = await Qcow2Image.open(new FixedFile(left.base));
      const over = await Qcow2Image.open(new FixedFile(left.overlay), { backing: under });
      const found = await content(new ImageDisk(over));
      for (const [i, { offset, length }] of loose.entries())
        for (let at = offset; at < offset + length; at += 512) {
          const sector = found.subarray(at, at + 512);
          const isNew = sector.every((byte) => byte === 0xe1 + i);
          expect(isNew || same(sector, model.subarray(at, at + 512)), `sector at ${at}, cut ${cut} of ${which}`).toBe(
            true,
          );
          sector.set(model.subarray(at, at + 512));
        }
      expect(same(found, model), `cut ${cut} of ${which}`).toBe(true);
      const extent = await over.ownExtent(0, 800 * K);
      emptied.add(extent.kind === "absent" && extent.length === 800 * K);
    }
  }
  expect(emptied.size).toBe(2);
});

test("without room for it, the disk goes on, and can be committed when there is", async () => {
  const { files: made, model: first } = await faultyImages("full");
  const whole = made(1);
  const { disk: good } = await faultyDisk(whole);
  await good.commit();
  const { calls } = whole.base;
  let refusals = 0;
  for (let from = 0; from < calls; from += Math.ceil(calls / 16)) {
    const files = made(from + 2);
    const model = first.slice();
    const random = seeded(from);
    const { disk, locks } = await faultyDisk(files);
    files.base.fullFrom = from;
    files.base.fullFor = Number.POSITIVE_INFINITY;
    const result = await disk.commit().catch((error: DiskError) => error);
    if (result) expect(result.reason).toBe("no-space");
    refusals += result ? 1 : 0;
    expect(locks.taken).toBe(0);
    expect(same(await content(disk), model), `full from ${from}`).toBe(true);
    await change(disk, model, random, 4 * K, 20);
    expect(same(await content(disk), model), `changed, full from ${from}`).toBe(true);
    files.base.fullFor = 0;
    await disk.commit();
    await change(disk, model, random, 4 * K, 20);
    expect(same(await content(disk), model), `committed, full from ${from}`).toBe(true);
    await disk.commit();
    await disk.close();
    expect(locks.taken).toBe(0);
    const base = new FixedFile(files.base.afterCut());
    expect(same(await content(new ImageDisk(await Qcow2Image.open(base))), model), `base, full from ${from}`).toBe(
      true,
    );
    for (const file of [base, new FixedFile(files.overlay.afterCut())])
      expect(await checkQcow2(file)).toMatchObject({ corruptions: 0, errors: 0 });
  }
  expect(refusals).toBeGreaterThan(4);
});

test("given up in the middle, the disk goes on, and can be committed later", async () => {
  const { files: made, model } = await faultyImages("given-up");
  for (const pieces of [0, 1, 5, 20]) {
    const files = made(pieces);
    const stop = new AbortController();
    let left = pieces;
    const { disk, locks } = await faultyDisk(files, undefined, () => {
      if (left-- === 0) stop.abort(new Error("enough"));
    });
    const commit = disk.commit(stop.signal);
    const read = content(disk);
    await expect(commit).rejects.toThrow("enough");
    expect(same(await read, model), `held, after ${pieces}`).toBe(true);
    expect(locks.taken).toBe(0);
    await disk.commit();
    expect(same(await content(disk), model), `after ${pieces}`).toBe(true);
    await disk.close();
    for (const file of [files.base, files.overlay])
      expect(await checkQcow2(new FixedFile(file.afterCut()))).toMatchObject({ corruptions: 0, leaks: 0, errors: 0 });
  }
});

test("whoever can't become a reader again stays the writer until it can", async () => {
  const { files: made, model } = await faultyImages("stays");
  const files = made(3);
  let fails = true;
  const { disk, locks } = await faultyDisk(files, () => {
    if (fails) throw new DiskError("unusable", "Too many files are open.");
    return new ReadView(files.base);
  });
  const random = seeded(5);
  await disk.commit();
  expect(locks.taken).toBe(1);
  await change(disk, model, random, 4 * K, 20);
  expect(same(await content(disk), model)).toBe(true);
  await expect(disk.commit()).rejects.toThrow("Too many files are open.");
  await change(disk, model, random, 4 * K, 20);
  fails = false;
  await disk.commit();
  expect(locks.taken).toBe(0);
  expect(same(await content(disk), model)).toBe(true);
  await disk.close();
  expect(same(await content(new ImageDisk(await Qcow2Image.open(new FixedFile(files.base.afterCut())))), model)).toBe(
    true,
  );
});

test(`${KILLS} processes killed while they commit lose nothing, and leave no corruption`, async () => {
  let inCommit = 0;
  for (let n = 0; n < KILLS; n++) {
    const kind = n % 2 === 0 ? KINDS["qcow2 over qcow2"] : KINDS["qcow2 over raw"];
    const { overlay, base, baseFormat, model } = await chain(dir, `kill${n}`, kind);
    const child = await holder(overlay, "write", "commit");
    let said = "";
    child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    while (!said.includes("commit 2\n")) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, (n * 13) % 50));
    await kill(child);
    const locks = readdirSync(dirname(overlay)).filter((name) => name.startsWith(".wardian-lock"));
    // The overlay's, the base's, and a second one of the base's while it is written.
    inCommit += locks.filter((name) => name.includes("-write-")).length > 1 ? 1 : 0;
    for (const path of baseFormat === "raw" ? [overlay] : [overlay, base]) {
      const check = qemuCheck(path);
      expect([0, 3], `kill ${n}: ${check.text}`).toContain(check.status);
    }
    expect(same(qemuContent(overlay, "qcow2", `${overlay}.raw`), model), `kill ${n}`).toBe(true);
    // What the dead one held is nobody's.
    const disk = await openDisk({ path: overlay });
    await disk.commit();
    expect(same(await content(disk), model), `kill ${n}, committed`).toBe(true);
    await disk.close();
  }
  expect(inCommit).toBeGreaterThan(0);
});
