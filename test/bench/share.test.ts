import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { shareFunction } from "../../bench/debian.ts";
import { buildReads, checkFolder, type Given, giveFolder, ratesOf, shareScript } from "../../bench/suites/share.ts";
import { run } from "../../src/oracle/command.ts";

describe("share", () => {
  let base: string;
  let folder: string;
  let given: Given;
  let output: string;

  beforeAll(async () => {
    base = mkdtempSync(join(tmpdir(), "share-test-"));
    folder = join(base, "folder");
    const work = join(base, "work");
    mkdirSync(folder);
    mkdirSync(work);
    given = await giveFolder(folder, await buildReads("gcc", work));
    // The host's shell has the folder without mounting it.
    const script = `fresh() { :; }\numount() { :; }\n${shareScript(given, folder)}`;
    const done = await run(["sh", "-c", 'cd "$0" && eval "$1"', work, script]);
    expect(done).toMatchObject({ code: 0, stderr: "" });
    output = done.stdout;
  }, 60_000);

  afterAll(() => rmSync(base, { recursive: true, force: true }));

  it("is a script that a shell takes, whose sums are what the host expects", () => {
    const rates = ratesOf(output, given, "m");
    expect([...rates.keys()]).toHaveLength(7);
    for (const rate of rates.values()) expect(rate).toBeGreaterThan(0);
  });

  it("counts what is done in a second", () => {
    const said = output.replace(/^(bench \D+) \d+$/gm, "$1 2000000000");
    expect(Object.fromEntries(ratesOf(said, given, "m"))).toEqual({
      "small files made": 500,
      "small files listed": 500,
      "small files read": 500,
      "small files removed": 500,
      "sequential read": 16,
      "sequential write": 16,
      "random read": 1000,
    });
  });

  it("is refused when a guest has read something else, or hasn't come so far", () => {
    for (const name of given.sums.keys()) {
      const wrong = output.replace(new RegExp(`^sum ${name} .`, "m"), `sum ${name} x`);
      expect(() => ratesOf(wrong, given, "m")).toThrow(`${name} gives something else on m: sum ${name} x`);
    }
    expect(() => ratesOf(output.replace(/^bench random.*$/m, ""), given, "m")).toThrow("no value for random read");
  });

  it("is refused when the folder hasn't what the guest was to write", async () => {
    await checkFolder(given, "m");
    const file = join(folder, "made", "999");
    const text = readFileSync(file);
    writeFileSync(file, "998");
    await expect(checkFolder(given, "m")).rejects.toThrow("m has written something else to file 999");
    unlinkSync(file);
    await expect(checkFolder(given, "m")).rejects.toThrow("m has made 999 files of 1000");
    writeFileSync(file, text);
    const large = readFileSync(join(folder, "written"));
    large[12345]! ^= 1;
    writeFileSync(join(folder, "written"), large);
    await expect(checkFolder(given, "m")).rejects.toThrow("m has written something else to the large file");
    expect(existsSync(join(folder, "given"))).toBe(false);
    mkdirSync(join(folder, "given"));
    writeFileSync(join(folder, "written"), readFileSync(join(folder, "large")));
    await expect(checkFolder(given, "m")).rejects.toThrow("m hasn't removed the small files");
  }, 60_000);

  it("mounts by what the machine has", async () => {
    const called = async (way: "virtiofs" | "9p") => {
      const tools = 'modprobe() { echo "modprobe $*"; }; umount() { echo "umount $*"; }; mount() { echo "mount $*"; }';
      return (await run(["sh", "-c", `${tools}\n${shareFunction(way)}\nfresh`])).stdout.trimEnd().split("\n");
    };
    expect(await called("virtiofs")).toEqual(["modprobe -a virtiofs", "umount /mnt", "mount -t virtiofs share /mnt"]);
    expect(await called("9p")).toEqual([
      "modprobe -a 9p 9pnet_virtio",
      "umount /mnt",
      "mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 share /mnt",
    ]);
  });
});
