/**
 * A Linux guest with ext4 writes and syncs files; the power may fail at any time
 * of what it asked of its disk. Afterwards the image and the file system are
 * sound, and every file that was synced is there.
 *
 * WARDIAN_DISK_GUEST_CUTS sets how many cuts, by hand with larger clusters too.
 */

import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { ImageDisk } from "../../src/disk/disk.ts";
import { MemoryFile } from "../../src/disk/memory-file.ts";
import { checkQcow2 } from "../../src/disk/qcow2/check.ts";
import { Qcow2Image } from "../../src/disk/qcow2/image.ts";
import { seeded } from "../../src/fuzz/random.ts";
import { FaultyFile, FixedFile } from "./faulty-file.ts";
import { content, qemuCheck, qemuImg, scratch, submit } from "./qemu.ts";
import { machineWith, RecordingDisk, type Step } from "./recording.ts";

const dir = scratch();
const CUTS = Number(process.env.WARDIAN_DISK_GUEST_CUTS ?? 8);
const FILES = 24;
const CLUSTERS = CUTS > 8 ? ["64k", "4k"] : ["4k"];

/** What the guest writes into a file: numbers from 1. */
const LENGTH = 3000;
const script = (k: number) =>
  `seq ${k} ${k + LENGTH} > /mnt/f${k}.new && sync /mnt/f${k}.new && mv /mnt/f${k}.new /mnt/f${k} && sync -f /mnt/f${k}`;
const text = (k: number) => Array.from({ length: LENGTH + 1 }, (_, i) => `${k + i}\n`).join("");

interface Recording {
  readonly image: Uint8Array;
  readonly steps: readonly Step[];
  /** By file, after how many steps it was synced. */
  readonly synced: readonly number[];
}

const recordings = new Map<string, Recording>();

async function record(cluster: string): Promise<Recording> {
  const raw = join(dir, "fs.raw");
  execFileSync("mke2fs", ["-q", "-t", "ext4", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", raw, "24M"]);
  const path = join(dir, `fs-${cluster}.qcow2`);
  qemuImg("convert", "-O", "qcow2", "-o", `cluster_size=${cluster}`, raw, path);
  const image = readFileSync(path);
  const file = new MemoryFile("recorded");
  file.write(0, image);
  const disk = new RecordingDisk(new ImageDisk(await Qcow2Image.open(file)));
  const vm = await machineWith(disk);
  const synced: number[] = [];
  const run = async (command: string) => {
    const { status, stdout, stderr } = await vm.exec(command);
    if (status !== 0) throw new Error(`${command}: ${status}: ${stdout}${stderr}`);
  };
  await vm.start();
  await run("modprobe ext4; mount -t ext4 -o discard /dev/vda /mnt");
  for (let k = 0; k < FILES; k++) {
    // Besides, files come and go that nobody syncs.
    await run(`${script(k)}; (seq ${k} 9000 > /mnt/junk${k}; rm -f /mnt/junk${k - 2}) & wait`);
    synced.push(disk.steps.length);
  }
  await run("rm /mnt/junk*; fstrim /mnt 2>/dev/null; umount /mnt");
  await vm.stop();
  return { image, steps: disk.steps, synced };
}

/** Does again what the guest asked for, overlapping as it did, until the power fails. @returns steps done */
async function replay(steps: readonly Step[], file: FaultyFile): Promise<number> {
  const disk = new ImageDisk(await Qcow2Image.open(file));
  const results: Promise<boolean>[] = [];
  for (const [i, step] of steps.entries()) {
    if (step.kind === "begin") results.push(submit(disk, step.request).then(({ ok }) => ok));
    else if (!(await results[step.number])) return i;
  }
  return steps.length;
}

describe.each(CLUSTERS)("a guest's ext4 on clusters of %s", (cluster) => {
  beforeAll(async () => {
    recordings.set(cluster, await record(cluster));
  }, 300_000);

  test("asks for flushes and writes", () => {
    const { steps } = recordings.get(cluster)!;
    const requests = steps.flatMap((step) => (step.kind === "begin" ? [step.request.kind] : []));
    expect(requests.filter((kind) => kind === "flush").length).toBeGreaterThan(FILES);
    expect(requests.filter((kind) => kind === "write").length).toBeGreaterThan(2 * FILES);
    expect(requests).toContain("discard");
  });

  test(`survives ${CUTS} cuts`, { timeout: 300_000 + CUTS * 5_000 }, async () => {
    const { image, steps, synced } = recordings.get(cluster)!;
    const whole = new FaultyFile(image, seeded(1), false);
    expect(await replay(steps, whole)).toBe(steps.length);
    const path = join(dir, "cut.qcow2");
    const raw = join(dir, "cut.raw");
    let kept = 0;
    for (let n = 0; n < CUTS; n++) {
      const about = `cut ${n}`;
      const random = seeded(n + 1);
      const file = new FaultyFile(image, random, n % 2 === 1);
      file.cutAt = 1 + (random() % whole.calls);
      const done = await replay(steps, file);
      const left = file.afterCut();
      writeFileSync(path, left);
      const theirs = qemuCheck(path);
      expect([0, 3], `${about}: ${theirs.text}`).toContain(theirs.status);
      expect(await checkQcow2(new FixedFile(left))).toMatchObject({ corruptions: 0, errors: 0, leaks: theirs.leaks });
      writeFileSync(raw, await content(new ImageDisk(await Qcow2Image.open(new FixedFile(left)))));
      // The first run replays the journal and the list of orphans; then nothing is left to be done.
      const repair = spawnSync("e2fsck", ["-fy", raw], { encoding: "utf8" });
      expect([0, 1], `${about}: ${repair.stdout}`).toContain(repair.status);
      // The superblock has two sectors, so that any disk may tear it: that is what its copies are for.
      const found = repair.stdout.replace(/^e2fsck: Superblock invalid, trying backup blocks\.\.\.$/m, "");
      expect(found, about).not.toMatch(/corrupt|invalid|illegal|bad |damaged|multiply/i);
      const again = spawnSync("e2fsck", ["-fn", raw], { encoding: "utf8" });
      expect(again.status, `${about}: ${again.stdout}`).toBe(0);
      for (const [k, at] of synced.entries()) {
        if (at > done) continue;
        kept++;
        const read = execFileSync("debugfs", ["-R", `cat /f${k}`, raw], {
          encoding: "utf8",
          stdio: ["ignore", "pipe", "ignore"],
        });
        expect(read === text(k), `${about}: file ${k} is there`).toBe(true);
      }
    }
    expect(kept).toBeGreaterThan(CUTS);
  });
});
