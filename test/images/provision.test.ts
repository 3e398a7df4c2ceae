import { spawn } from "node:child_process";
import { appendFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type ImageProgress, listImages, provision, pull, removeImage } from "../../src/images/index.ts";
import { exec, type FakeMirror, fakeMirror, scratch } from "./fixture.ts";

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

const options = () => ({ cacheDir, roms: mirror.roms });
/** What is left in the cache, hidden things included. */
const leftovers = () => readdir(join(cacheDir, "images")).catch(() => []);

describe("a guest from a signed mirror", () => {
  it("is made of the packages, then found without apt or a network", async () => {
    const steps: ImageProgress[] = [];
    const guest = await provision("debian", { ...options(), progress: (progress) => steps.push(progress) });
    if (guest.kind !== "linux") throw new Error("not a Linux guest");
    expect(guest).toMatchObject({ append: "console=ttyS0", version: "6.12.1-1", memory: 256 });
    expect((await readFile(guest.kernel)).length).toBe(4096);
    expect(await readFile(guest.firmware.dynamic, "utf8")).toBe("dynamic");
    expect(await readFile(guest.firmware.jump, "utf8")).toBe("jump");

    const { stdout } = await exec("sh", ["-c", `cpio --quiet -t <'${guest.initrd}'`]);
    const base = "lib/modules/6.12.1-riscv64/";
    expect(stdout.split("\n")).toEqual(
      expect.arrayContaining(["init", "etc/rc", "bin/sh", `${base}kernel/drivers/net/virtio_net.ko`]),
    );
    const table = await exec("sh", ["-c", `cpio --quiet -i --to-stdout ${base}modules.dep <'${guest.initrd}'`]);
    expect(table.stdout).toContain(
      "kernel/drivers/net/virtio_net.ko: kernel/drivers/net/net_failover.ko kernel/net/core/failover.ko\n",
    );

    const download = steps.filter(({ step }) => step.startsWith("Downloading")).at(-1);
    expect(download?.total).toBeGreaterThan(4096);
    expect(download?.done).toBe(download?.total);
    expect(await leftovers()).toHaveLength(1);

    vi.stubEnv("PATH", "/nonexistent");
    await expect(provision("debian", options())).resolves.toEqual(guest);
    const [info] = await listImages(options());
    expect(info).toMatchObject({ name: "debian", ready: true, version: "6.12.1-1" });
    await expect(removeImage("debian", options())).resolves.toBe(1);
    expect(await leftovers()).toEqual([]);
    await expect(provision("debian", options())).rejects.toMatchObject({ code: "no-tool" });
  });

  it("is made once by processes that ask at the same time", async () => {
    const steps = new Set<string>();
    let made = 0;
    const progress = ({ step, done, total }: ImageProgress) => {
      steps.add(step);
      if (step.startsWith("Making") && done === total) made++;
    };
    const ask = () => provision("debian", { ...options(), progress });
    const two = await Promise.all([ask(), ask()]);
    expect(two[0]).toEqual(two[1]);
    expect(made).toBe(1);
    expect(steps).toContain("Waiting for another process that makes images");
    expect(await leftovers()).toHaveLength(1);
  });

  it("is made again when one of its files has been cut short", async () => {
    const guest = await provision("debian", options());
    if (guest.kind !== "linux") throw new Error("not a Linux guest");
    await writeFile(guest.initrd, "");
    await expect(provision("debian", options())).resolves.toEqual(guest);
    expect((await readFile(guest.initrd)).length).toBeGreaterThan(512);
  });

  it("is renewed by pull only when the mirror has another version", async () => {
    const old = await provision("debian", options());
    expect(await pull("debian", options())).toEqual(old);
    await mirror.kernel("6.12.2-1");
    await mirror.index();
    try {
      expect(await provision("debian", options())).toEqual(old);
      expect(await pull("debian", options())).toMatchObject({ version: "6.12.2-1" });
      expect(await provision("debian", options())).toMatchObject({ version: "6.12.2-1" });
    } finally {
      await mirror.kernel("6.12.1-1");
      await mirror.index();
    }
  });
});

describe("what can go wrong is one sentence, and leaves nothing", () => {
  const fails = async (code: string, message: RegExp, more: object = {}): Promise<void> => {
    const error = await provision("debian", { ...options(), ...more }).then(
      () => undefined,
      (reason: unknown) => reason as Error,
    );
    expect(error).toMatchObject({ name: "ImageError", code, message: expect.stringMatching(message) });
    expect(error?.message).toMatch(/^[^\n]+\.$/);
    expect(await leftovers()).toEqual([]);
  };

  it("no apt", async () => {
    vi.stubEnv("PATH", "/nonexistent");
    await fails("no-tool", /--kernel and --initrd/);
  });

  it("a mirror that nothing answers for", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    await fails("unreachable", /can't be reached.*--mirror/, { mirror: `http://127.0.0.1:${port}/debian` });
  });

  it("a mirror without the suite", async () => {
    await fails("unreachable", /--mirror/, { mirror: `file:${mirror.directory}/nowhere` });
  });

  it("something that is no mirror's URI", async () => {
    await fails("no-source", /is no mirror/, { mirror: "x\nTrusted: yes" });
  });

  it("an index without a signature, and one that another key signed", async () => {
    await mirror.index({ signed: false });
    try {
      await fails("signature", /signature/);
    } finally {
      await mirror.index();
    }
    const sources = join(mirror.directory, "other.sources");
    const text = `Types: deb\nURIs: ${mirror.uri}\nSuites: bookworm\nComponents: main\n`;
    await writeFile(sources, `${text}Signed-By: ${mirror.directory}/other.gpg\n`);
    await writeFile(join(mirror.directory, "other.gpg"), "");
    await writeFile(`${mirror.aptConfig}2`, `Dir::Etc::sourcelist "${sources}";\nDir::Etc::sourceparts "/dev/null";\n`);
    vi.stubEnv("APT_CONFIG", `${mirror.aptConfig}2`);
    await fails("signature", /signature/);
  });

  it("an index that isn't the one signed", async () => {
    const packages = join(mirror.directory, "debian/dists/trixie/main/binary-riscv64/Packages");
    await appendFile(packages, "\n");
    await fails("inconsistent", /don't match its signed index/).finally(() => mirror.index());
  });

  it("a package that isn't the one in the index", async () => {
    const file = join(mirror.directory, "debian/pool/opensbi_1.6-1_riscv64.deb");
    const before = await readFile(file);
    await writeFile(file, Buffer.concat([before.subarray(0, -1), Buffer.from("!")]));
    await fails("inconsistent", /don't match/).finally(() => writeFile(file, before));
  });

  it("a suite of another release", async () => {
    await mirror.index({ codename: "forky" });
    await fails("inconsistent", /is forky and not trixie/).finally(() => mirror.index());
  });

  it("a cache that can't be written", async () => {
    const file = join(cacheDir, "file");
    await writeFile(file, "");
    await fails("cache", /XDG_CACHE_HOME/, { cacheDir: join(file, "cache") });
  });

  it("an interruption while the mirror keeps apt waiting", async () => {
    const server = createServer(() => controller.abort()).listen(0, "127.0.0.1"); // accepts and never answers
    await new Promise((resolve) => server.once("listening", resolve));
    const controller = new AbortController();
    const { port } = server.address() as { port: number };
    const mirrorOf = { mirror: `http://127.0.0.1:${port}/debian`, signal: controller.signal };
    await fails("interrupted", /nothing half-made/, mirrorOf).finally(() => server.close());
  });

  it("an interruption while the image is made", async () => {
    const controller = new AbortController();
    const progress = ({ step }: ImageProgress) => step.startsWith("Making") && controller.abort();
    await fails("interrupted", /nothing half-made/, { progress, signal: controller.signal });
  });

  it("a name that there is no recipe for, and a guest that isn't built", async () => {
    await expect(provision("nothing", options())).rejects.toMatchObject({
      code: "unknown-image",
      message: 'There is no image named "nothing"; choose one of: debian, disk, there, gone.',
    });
    await expect(provision("gone", options())).rejects.toMatchObject({ code: "not-built" });
    const path = join(mirror.roms, "there.elf");
    await expect(provision("there", options())).resolves.toEqual({ kind: "elf", name: "there", path, memory: 16 });
  });
});

it("takes over from a provisioner that was killed, and sweeps what it left", async () => {
  const child = spawn("sleep", ["60"]);
  const fields = await readFile(`/proc/${child.pid}/stat`, "utf8");
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
  await mkdir(join(cacheDir, "images", ".tmp-1-abc"), { recursive: true });
  const started = fields.slice(fields.lastIndexOf(")") + 2).split(" ")[19];
  await writeFile(join(cacheDir, "images", ".lock"), `${child.pid} ${started}`);
  await provision("debian", options());
  expect(await leftovers()).toHaveLength(1);
});
