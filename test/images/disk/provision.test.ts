import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { BuilderSpec, DiskBuilder } from "../../../src/images/index.ts";
import { type ImageProgress, listImages, provision, provisionedAt, removeImage } from "../../../src/images/index.ts";
import { exec, type FakeMirror, fakeMirror, scratch } from "../fixture.ts";

let mirror: FakeMirror;
let cacheDir: string;
beforeAll(async () => {
  mirror = await fakeMirror();
}, 60_000);
afterAll(() => mirror.close());
beforeEach(async () => {
  cacheDir = await scratch();
  vi.stubEnv("APT_CONFIG", mirror.aptConfig);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(cacheDir, { recursive: true, force: true });
});

const GOOD = "wardian: step Unpacking\nwardian: step Configuring\nstatus: kmod: installed\nwardian: step Done\n";

/** A machine that says what it is told to, and shows what it was given. */
class FakeBuilder implements DiskBuilder {
  spec: BuilderSpec | undefined;
  archive = "";
  command = "";
  stopped = 0;

  constructor(
    readonly says = GOOD,
    readonly status: number | Error = 0,
  ) {}

  async createDisk(
    path: string,
    size: number,
    pieces: readonly { offset: number; bytes: Uint8Array }[],
  ): Promise<void> {
    await writeFile(path, `${size} ${pieces.length}`);
  }

  async start(spec: BuilderSpec) {
    this.spec = spec;
    this.archive = (await exec("tar", ["-tf", spec.disks[1]!.path])).stdout;
    return {
      exec: async (command: string, output: (bytes: Uint8Array) => void) => {
        this.command = command;
        for (const piece of this.says.match(/.{1,7}/gs) ?? []) output(Buffer.from(piece));
        if (this.status instanceof Error) throw this.status;
        return this.status;
      },
      stop: async () => void this.stopped++,
    };
  }
}

const options = (builder: DiskBuilder, more: object = {}) => ({ cacheDir, roms: mirror.roms, builder, ...more });
const leftovers = () => readdir(join(cacheDir, "images")).catch(() => []);

describe("a disk from a signed mirror", () => {
  it("is made of the packages in a machine, then found without either", async () => {
    const steps: ImageProgress[] = [];
    const builder = new FakeBuilder();
    const disk = await provision("disk", options(builder, { progress: (step: ImageProgress) => steps.push(step) }));
    if (disk.kind !== "disk") throw new Error("not a disk");
    expect(disk).toMatchObject({ name: "disk", version: "6.12.1-1", memory: 256, size: 300 * 2 ** 20 });
    expect(await readFile(disk.disk, "utf8")).toBe(`${300 * 2 ** 20} 2`);
    const id = /^root=UUID=([0-9a-f-]{36}) console=ttyS0$/.exec(disk.append)?.[1];
    expect(builder.command).toContain(`ROOT_ID=${id} ESP_ID=`);
    expect(builder.command).toMatch(/EPOCH=\d+\nsay done\n$/);
    expect(builder.stopped).toBe(1);
    const paths = builder.archive.split("\n");
    expect(paths).toEqual(
      expect.arrayContaining([
        "./usr/bin/kmod",
        "./var/lib/dpkg/info/linux-base.list",
        "./usr/lib/modules/6.12.1-riscv64/modules.dep.bin",
        "./boot/initrd.img-6.12.1-riscv64",
        "./etc/hostname",
        "./etc/fstab",
        "./usr/lib/wardian/agent",
      ]),
    );
    expect(new Set(paths).size).toBe(paths.length);
    // BusyBox is for the initramfs alone.
    expect(builder.archive).not.toContain("busybox");
    expect(steps.filter(({ step }) => step.startsWith("Configuring")).map(({ done }) => done)).toEqual([0, 1]);
    expect(await leftovers()).toHaveLength(1);

    vi.stubEnv("PATH", "/nonexistent");
    await expect(provision("disk", { cacheDir, roms: mirror.roms })).resolves.toEqual(disk);
    const directory = join(cacheDir, "images", (await leftovers())[0]!);
    await expect(provisionedAt(directory, "disk", { cacheDir, roms: mirror.roms })).resolves.toEqual(disk);
    await expect(provisionedAt(`${directory}x`, "disk", { cacheDir, roms: mirror.roms })).resolves.toBeUndefined();
    const images = await listImages({ cacheDir, roms: mirror.roms });
    expect(images.find(({ name }) => name === "disk")).toMatchObject({ kind: "disk", ready: true });
    await expect(removeImage("disk", { cacheDir, roms: mirror.roms })).resolves.toBe(1);
    expect(await leftovers()).toEqual([]);
  });

  const fails = async (builder: DiskBuilder, code: string, message: RegExp, more: object = {}): Promise<void> => {
    const error = await provision("disk", options(builder, more)).then(
      () => undefined,
      (reason: unknown) => reason as Error,
    );
    expect(error).toMatchObject({ name: "ImageError", code, message: expect.stringMatching(message) });
    expect(error?.message).toMatch(/^[^\n]+\.$/);
    expect(await leftovers()).toEqual([]);
  };

  it("is not there when a package's script has failed, and the sentence has its last words", async () => {
    const says = "wardian: step Configuring\nstatus: a: half-configured\ndpkg: error processing package a\nbye\n";
    const builder = new FakeBuilder(says, 1);
    await fails(builder, "configure", /dpkg: error processing package a/);
    expect(builder.stopped).toBe(1);
  });

  it("is not there when the script has ended early without an error", async () => {
    await fails(new FakeBuilder("wardian: step Configuring\n", 0), "configure", /it said nothing/);
  });

  it("is not there when the machine has failed", async () => {
    const builder = new FakeBuilder("", new Error("The machine has ended."));
    await fails(builder, "configure", /The machine that configures the packages failed: The machine has ended\.$/);
  });

  it("is not there when it was interrupted while the machine ran", async () => {
    const control = new AbortController();
    const builder = new FakeBuilder();
    const start = builder.start.bind(builder);
    builder.start = async (spec) => {
      const machine = await start(spec);
      let stop = (_: Error): void => {};
      return {
        exec: () => {
          setTimeout(() => control.abort(), 10);
          return new Promise<number>((_, reject) => {
            stop = reject;
          });
        },
        stop: async () => {
          await machine.stop();
          stop(new Error("The machine has ended."));
        },
      };
    };
    await fails(builder, "interrupted", /interrupted/, { signal: control.signal });
  });

  it("can't be made where there is no machine", async () => {
    const error = await provision("disk", { cacheDir, roms: mirror.roms }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: "ImageError", code: "no-tool" });
  });
});
