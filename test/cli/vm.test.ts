/** The life of a VM's folder, by real processes: they are started, killed and asked. */

import { spawn } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import { encode } from "../../src/isa/encode.ts";
import { CLI, echo, exits, idle, type Outcome, program, put, run, scratch, wardian } from "./run.ts";

const dir = scratch();
const VMS = join(dir, "vms");
const env = { WARDIAN_VM_DIR: VMS };
const ECHO = put(dir, "echo.bin", echo());
const IDLE = put(dir, "idle.bin", idle());
/** Writes to the console for ever. */
const FLOOD = put(
  dir,
  "flood.bin",
  program(
    encode("lui", { rd: 10, upper: 0x1000_0000 }),
    encode("addiw", { rd: 11, rs1: 0, imm: 0x61 }),
    encode("sb", { rs1: 10, rs2: 11, imm: 0 }),
    encode("jal", { rd: 0, target: -4 }),
  ),
);

const vm = (args: readonly string[], options: Parameters<typeof run>[2] = {}): Promise<Outcome> =>
  wardian(args, { ...options, env: { ...env, ...options.env } });

const good = async (...args: string[]): Promise<string> => {
  const { status, stdout, stderr } = await vm(args);
  expect(stderr.replace(/^(note: .*|Copying .*)\n/, "")).toBe("");
  expect(status).toBe(0);
  return stdout;
};

const create = (name: string, kernel = ECHO, ...more: string[]): Promise<string> =>
  good("create", name, "--kernel", kernel, "--bios", "none", "--memory", "16M", "--disk-size", "1M", ...more);

const refused = async (args: readonly string[], about: RegExp, status = 1): Promise<void> => {
  const outcome = await vm(args);
  expect(outcome.stderr).toMatch(about);
  expect(outcome.stderr).toMatch(/^error: [^\n]+\n$/);
  expect(outcome.stderr).not.toContain("internal error");
  expect(outcome.stdout).toBe("");
  expect(outcome.status).toBe(status);
};

interface Listed {
  readonly name: string;
  readonly state: string;
  readonly status?: { readonly pid: number; readonly memory: number };
}
const list = async (): Promise<Listed[]> => JSON.parse(await good("ls", "--json")) as Listed[];
const look = async (name: string): Promise<Listed> => (await list()).find((each) => each.name === name)!;

/** Kills a VM's process and waits until it is gone. */
async function kill(name: string): Promise<number> {
  const { pid } = (await look(name)).status!;
  process.kill(pid, "SIGKILL");
  while (isAlive(pid)) await sleep(20);
  return pid;
}

function isAlive(pid: number): boolean {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !/\) [ZX]/.test(text);
  } catch {
    return false;
  }
}

afterAll(async () => {
  for (const { name, state } of await list()) if (state !== "stopped") await vm(["stop", "--force", name]);
});

/** What is in the directory of VMs beside VMs. */
const strays = (folder = VMS) => readdirSync(folder).filter((name) => name.startsWith("."));

test("create, start, list, show, console, logs, stop, remove", async () => {
  expect(await create("life")).toBe(`life is ready in ${join(VMS, "life")}\n`);
  expect(readdirSync(join(VMS, "life")).sort()).toEqual(["disk.qcow2", "kernel", "vm.json", "vm.schema.json"]);
  const config = readFileSync(join(VMS, "life/vm.json"), "utf8");
  expect(config).not.toContain(dir);
  expect(JSON.parse(config)).toMatchObject({ $schema: "./vm.schema.json", memory: "16M", kernel: "kernel" });
  expect(await look("life")).toMatchObject({ state: "stopped" });

  expect(await good("start", "life")).toMatch(/^life is running, process \d+\n$/);
  const { status } = await look("life");
  expect(isAlive(status!.pid)).toBe(true);
  expect(status!.memory).toBe(16 << 20);
  expect(statSync(join(VMS, "life/control.sock")).mode & 0o777).toBe(0o600);
  expect(await good("ls")).toMatch(/^NAME .*\nlife +running +16M +1 +\d+s/);
  expect(await good("show", "life")).toMatch(/^state: +running\nprocess: /m);

  // Two show the console at a time, and both see what one types.
  const watchers = [0, 1].map(() =>
    vm(["console", "life"], {
      input: null,
      during: ({ stdin, stdout }) => {
        let shown = "";
        stdout.on("data", (chunk: string) => {
          shown += chunk;
          if (shown.includes("hello")) stdin.write("\x01x");
        });
      },
    }),
  );
  while (JSON.parse(await good("show", "life", "--json")).status.watchers < 2) await sleep(50);
  const typist = vm(["console", "life"], { input: "hello\n\x01x" });
  for (const outcome of [...(await Promise.all(watchers)), await typist]) expect(outcome.status).toBe(0);
  for (const { stdout } of await Promise.all(watchers)) expect(stdout).toContain("hello");
  // Leaving left it alone.
  expect(await look("life")).toMatchObject({ state: "running" });
  expect(await good("logs", "life")).toBe("hello\n");

  expect(await good("stop", "life", "--timeout", "0.5")).toBe("life has stopped: the machine was stopped by force\n");
  expect(await look("life")).toMatchObject({ state: "stopped" });
  expect(existsSync(join(VMS, "life/control.sock"))).toBe(false);
  expect(isAlive(status!.pid)).toBe(false);
  const events = await good("logs", "--events", "life");
  expect(events).toMatch(/started\n.*asked to stop within 0\.5 s\n.*not powered off in time\n.*ended: the machine/s);
  expect(readFileSync(join(VMS, "life/console.log"), "utf8")).toBe("hello\n");
  expect(await good("rm", "--force", "life")).toBe("life is removed\n");
  expect(existsSync(join(VMS, "life"))).toBe(false);
  expect(strays()).toEqual([]);
});

test("of many starts at once exactly one runs it; after a kill another does, at once", async () => {
  await create("race");
  for (let round = 0; round < 2; round++) {
    const starts = await Promise.all(Array.from({ length: 8 }, () => vm(["start", "race"])));
    const winners = starts.filter(({ status }) => status === 0);
    expect(winners, JSON.stringify(starts)).toHaveLength(1);
    const pid = /process (\d+)/.exec(winners[0]!.stdout)![1];
    for (const { status, stderr } of starts.filter((each) => each.status !== 0)) {
      expect(status).toBe(1);
      expect(stderr).toMatch(
        new RegExp(`^error: The VM "race" is running already, by process ${pid} \\(node\\); .*\\.\n$`),
      );
    }
    expect((await look("race")).status!.pid).toBe(Number(pid));
    await kill("race");
    expect(existsSync(join(VMS, "race/control.sock"))).toBe(true);
    await refused(["stop", "race"], /"race" isn't running; "wardian start race" starts it/);
  }
  await good("start", "race");
  await good("stop", "--force", "race");
});

test("killed again and again, it starts again", async () => {
  await create("phoenix");
  for (let n = 0; n < 3; n++) {
    await good("start", "phoenix");
    await kill("phoenix");
  }
  await good("start", "phoenix");
  // Its process, told to end in good order, does.
  const { pid } = (await look("phoenix")).status!;
  process.kill(pid, "SIGTERM");
  await expect.poll(() => isAlive(pid), { timeout: 60_000 }).toBe(false);
  expect(await look("phoenix")).toMatchObject({ state: "stopped" });
  expect(readdirSync(join(VMS, "phoenix")).filter((name) => /lock|sock/.test(name))).toEqual([]);
});

test("a guest that ends by itself, and one that floods its console", async () => {
  await create("done", put(dir, "pass.bin", exits(0x5555)));
  await good("start", "done");
  await expect.poll(async () => (await look("done")).state, { timeout: 60_000 }).toBe("stopped");
  expect(await good("logs", "--events", "done")).toMatch(/ended: the guest has (ended well|powered off)/);

  await create("flood", FLOOD);
  await good("set", "flood", "logs.size", "64K", "logs.files", "2");
  await good("start", "flood");
  const folder = join(VMS, "flood");
  await expect.poll(() => existsSync(join(folder, "console.log.2")), { timeout: 120_000 }).toBe(true);
  await sleep(500);
  // Under that flood it still answers.
  expect(await look("flood")).toMatchObject({ state: "running" });
  await good("stop", "--force", "flood");
  const files = readdirSync(folder).filter((name) => name.startsWith("console.log"));
  expect(files.sort()).toEqual(["console.log", "console.log.1", "console.log.2"]);
  for (const name of files) expect(statSync(join(folder, name)).size).toBeLessThanOrEqual(65_536);
  const tail = await good("logs", "flood", "-n", "1");
  expect(tail).toMatch(/^a+$/);
  expect(tail.length).toBeGreaterThan(2 * 65_536);
});

test("logs -f shows what comes, and ends with the VM", async () => {
  await create("follow");
  await good("start", "follow");
  const followed = vm(["logs", "-f", "follow"]);
  await vm(["console", "follow"], { input: "one\n\x01x" });
  await vm(["console", "follow"], { input: "two\n\x01x" });
  // The console may let go before the guest has answered.
  await expect.poll(() => good("logs", "follow"), { timeout: 120_000 }).toBe("one\ntwo\n");
  await good("stop", "--force", "follow");
  expect(await followed).toMatchObject({ status: 0, stdout: "one\ntwo\n", stderr: "" });
});

test("in the foreground, and with a path as its name", async () => {
  const folder = join(dir, "elsewhere", "here");
  await create(folder);
  const outcome = await vm(["start", "--foreground", folder], {
    input: null,
    during: ({ stdin, stdout }) => {
      stdout.on("data", () => stdin.write("\x01x"));
      setTimeout(() => stdin.write("x"), 100);
      const timer = setInterval(() => stdin.write("x"), 1000);
      stdout.on("end", () => clearInterval(timer));
    },
  });
  expect(outcome.status).toBe(0);
  expect(outcome.stdout).toContain("x");
  await good("rm", "--force", folder);
});

test("a folder whose path is longer than a socket's, and one behind a link", async () => {
  const long = join(dir, "d".repeat(100), "e".repeat(100));
  await create(long);
  symlinkSync(long, join(dir, "link"));
  await good("start", join(dir, "link"));
  await refused(["start", long], /is running already/);
  await good("stop", "--force", long);
});

test("a copied folder starts where it is, also one of a VM that was killed", async () => {
  await create("original");
  await good("start", "original");
  await kill("original");
  const copy = join(dir, "copy");
  cpSync(join(VMS, "original"), copy, {
    recursive: true,
    filter: (path) => !path.endsWith("control.sock"), // as most programs leave it
  });
  await good("start", copy);
  await good("start", "original");
  await good("stop", "--force", copy, "original");
  renameSync(copy, join(dir, "moved"));
  await good("start", join(dir, "moved"));
  await good("stop", "--force", join(dir, "moved"));
});

describe("clones", () => {
  const qemuIo = (image: string, command: string) => run("qemu-io", ["-f", "qcow2", "-c", command, image]);
  const info = async (image: string) =>
    JSON.parse((await run("qemu-img", ["info", "--output=json", image])).stdout) as { "backing-filename"?: string };
  const disk = (name: string) => join(VMS, name, "disk.qcow2");
  const holds = async (name: string, pattern: number) => {
    const { stdout } = await qemuIo(disk(name), `read -P ${pattern} 0 64k`);
    return /^read 65536/m.test(stdout) && !stdout.includes("Pattern verification failed");
  };

  test("share a base that nobody writes, and are machines of their own", async () => {
    await create("base", IDLE, "--net", "user", "--hostname", "base");
    await qemuIo(disk("base"), "write -P 17 0 64k");
    await good("clone", "base", "one");
    await good("clone", "base", "two");
    // Nothing was written in between: one base serves both.
    const bases = readdirSync(join(VMS, "base")).filter((name) => name.startsWith("base-"));
    expect(bases).toHaveLength(1);
    expect(statSync(join(VMS, "base", bases[0]!)).mode & 0o777).toBe(0o444);
    for (const name of ["one", "two"]) expect((await info(disk(name)))["backing-filename"]).toBe(`../base/${bases[0]}`);
    await qemuIo(disk("base"), "write -P 34 0 64k");
    await qemuIo(disk("one"), "write -P 51 0 64k");
    await good("clone", "one", "three");
    expect(await holds("base", 34)).toBe(true);
    expect(await holds("one", 51)).toBe(true);
    expect(await holds("two", 17)).toBe(true);
    expect(await holds("three", 51)).toBe(true);
    const configs = ["base", "one", "two", "three"].map((name) =>
      JSON.parse(readFileSync(join(VMS, name, "vm.json"), "utf8")),
    );
    expect(new Set(configs.map(({ network }) => network.mac)).size).toBe(4);
    const metas = ["base", "one", "three"].map((name) =>
      JSON.parse(readFileSync(join(VMS, name, "seed/meta-data"), "utf8")),
    );
    expect(new Set(metas.map((meta) => meta["instance-id"])).size).toBe(3);
    expect(metas.map((meta) => meta["local-hostname"])).toEqual(["base", "one", "three"]);
    // All of them start at the same time.
    for (const name of ["base", "one", "two", "three"]) await good("start", name);
    await good("stop", "--force", "base", "one", "two", "three");
    await refused(["rm", "--force", "base"], /holds the base of its clones' disks \(one, two, three\); remove those/);
    await refused(["rm", "--force", "one"], /clones' disks \(three\)/);
    await good("rm", "--force", "three");
    await good("rm", "--force", "one", "two");
    await good("rm", "--force", "base");
  });

  test("in full share nothing", async () => {
    await create("whole", IDLE);
    await qemuIo(disk("whole"), "write -P 17 0 64k");
    await good("clone", "--full", "whole", "other");
    expect((await info(disk("other")))["backing-filename"]).toBeUndefined();
    await good("rm", "--force", "whole");
    expect(await holds("other", 17)).toBe(true);
    await good("start", "other");
    await refused(["clone", "other", "late"], /"other" is running already/);
    await good("stop", "--force", "other");
  });

  test("a clone or create that is killed leaves nothing, and the original as it was", async () => {
    await create("victim", IDLE);
    await qemuIo(disk("victim"), "write -P 17 0 64k");
    for (let n = 0; n < 8; n++) {
      const what =
        n % 2 === 0
          ? ["clone", ...(n % 4 === 0 ? [] : ["--full"]), "victim", `k${n}`]
          : ["create", `k${n}`, "--kernel", IDLE, "--bios", "none"];
      const child = spawn(process.execPath, [CLI, ...what], { env: { ...process.env, ...env }, stdio: "ignore" });
      const ended = new Promise((resolve) => child.once("exit", resolve));
      await sleep(60 + ((n * 53) % 200));
      child.kill("SIGKILL");
      await ended;
      expect(await holds("victim", 17)).toBe(true);
      // Either it had been done, and is whole, or it is not there.
      const made = join(VMS, `k${n}`);
      if (existsSync(made)) expect(JSON.parse(readFileSync(join(made, "vm.json"), "utf8")).version).toBe(1);
      for (const { state } of await list()) expect(state).not.toBe("broken");
    }
    // Who comes next sweeps.
    await create("sweeper");
    expect(strays()).toEqual([]);
    await good("start", "victim");
    await good("stop", "--force", "victim");
    expect((await run("qemu-img", ["check", disk("victim")])).status).toBe(0);
  });
});

test("set changes what it should, says what is left to do, and loses nothing at once", async () => {
  await create("settings");
  await good("set", "settings", "memory", "32M", "harts", "2", "append", "quiet");
  const config = () => JSON.parse(readFileSync(join(VMS, "settings/vm.json"), "utf8"));
  expect(config()).toMatchObject({ memory: "32M", harts: 2, append: "quiet" });
  await good("set", "settings", "--unset", "append");
  expect(config()).not.toHaveProperty("append");
  await refused(
    ["set", "settings", "harts", "9", "memory", "64M"],
    /at "harts": it must be a whole number from 1 to 8/,
  );
  expect(config()).toMatchObject({ memory: "32M", harts: 2 });
  await Promise.all(Array.from({ length: 4 }, (_, i) => good("set", "settings", "disks.0.serial", `s${i}`)));
  await Promise.all([good("set", "settings", "memory", "48M"), good("set", "settings", "logs.files", "7")]);
  expect(config()).toMatchObject({ memory: "48M", logs: { files: 7 } });
  await good("start", "settings");
  const { stderr } = await vm(["set", "settings", "harts", "1"]);
  expect(stderr).toBe("note: settings is running; harts will hold from its next start\n");
  expect(await look("settings")).toMatchObject({ status: { harts: 2 } });
  await good("stop", "--force", "settings");
});

test("commits a disk, whether its VM runs or not, unless somebody else has its base", async () => {
  const [base, overlay, other] = ["base", "over", "beside"].map((name) => join(dir, `commit-${name}.qcow2`)) as [
    string,
    string,
    string,
  ];
  await run("qemu-img", ["create", "-q", "-f", "qcow2", base, "1M"]);
  for (const path of [overlay, other])
    await run("qemu-img", ["create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", path]);
  await create("over", ECHO, "--disk", overlay);
  await create("beside", ECHO, "--disk", other);
  const write = (value: number) => run("qemu-io", ["-c", `write -P ${value} 64K 64K`, overlay]);
  const holds = async (value: number) => {
    const { status, stdout } = await run("qemu-io", ["-r", "-c", `read -P ${value} 64K 64K`, base]);
    return status === 0 && !/failed/i.test(stdout);
  };
  const said = `${base} has what disk 1 of over had\n`;
  await write(1);
  expect(await vm(["commit", "over", "--disk", "1"])).toMatchObject({ status: 0, stdout: said });
  expect(await holds(1)).toBe(true);
  await write(2);
  await good("start", "over");
  await good("start", "beside");
  await refused(
    ["commit", "over", "--disk", "1"],
    /base\.qcow2" is in use by process \d+ \(.*\), which reads it; end that first\.\n$/,
  );
  expect(await holds(1)).toBe(true);
  await good("stop", "--force", "beside");
  expect(await good("commit", "over", "--disk", "1")).toBe(said);
  expect(await holds(2)).toBe(true);
  await refused(["commit", "over"], /disk\.qcow2" has no backing file that it could be committed to\.\n$/);
  await refused(["commit", "over", "--disk", "2"], /The VM "over" has no disk 2; it has 2, from 0 on\.\n$/);
  expect(await good("logs", "--events", "over")).toMatch(
    /committing disk 1\n.* disk 1 is not committed: .*\n.* committing disk 1\n.* disk 1 is committed\n/,
  );
  await good("stop", "--force", "over");
  for (const path of [base, overlay]) expect((await run("qemu-img", ["check", path])).status).toBe(0);
  // What clones stand on stays as it is.
  await create("stood-on");
  await good("clone", "stood-on", "standing");
  await good("start", "stood-on");
  await refused(["commit", "stood-on"], /may not be written, since others may stand on it; .*\.\n$/);
  await good("stop", "--force", "stood-on");
});

test("a balloon is changed while its VM runs, and sockets lie where its folder is", async () => {
  await create("soft", IDLE, "--balloon", "4M", "--vsock", join(VMS, "soft/vsock.sock,cid=9"));
  const config = () => JSON.parse(readFileSync(join(VMS, "soft/vm.json"), "utf8"));
  expect(config()).toMatchObject({ balloon: "4M", vsock: { path: join(VMS, "soft/vsock.sock"), cid: 9 } });
  await good("set", "soft", "vsock.path", "own.sock");
  await good("start", "soft");
  expect(statSync(join(VMS, "soft/own.sock")).isSocket()).toBe(true);
  expect((await vm(["set", "soft", "balloon", "8M"])).stderr).toBe("");
  expect(config().balloon).toBe("8M");
  expect(await look("soft")).toMatchObject({ status: { balloon: { target: 8 << 20, actual: 0 } } });
  expect(await good("show", "soft")).toMatch(/^balloon: +0 MiB of 8 MiB$/m);
  expect((await vm(["set", "soft", "balloon", "2M", "harts", "2"])).stderr).toBe(
    "note: soft is running; harts will hold from its next start\n",
  );
  await refused(["set", "soft", "balloon", "32M"], /larger than the guest's memory of 16 MiB/);
  await refused(["set", "soft", "balloon", "lots"], /at "balloon": it must be a size/);
  expect(config().balloon).toBe("2M");
  await good("stop", "--force", "soft");
  expect(existsSync(join(VMS, "soft/own.sock"))).toBe(false);
  await good("set", "soft", "--unset", "balloon");
  await good("start", "soft");
  expect((await vm(["set", "soft", "balloon", "8M"])).stderr).toBe(
    "note: soft is running; balloon will hold from its next start\n",
  );
  await good("stop", "--force", "soft");
});

describe("one sentence for", () => {
  const broken = (name: string, text: string) => {
    mkdirSync(join(dir, name), { recursive: true });
    writeFileSync(join(dir, name, "vm.json"), text);
    return join(dir, name);
  };
  const image = (name: string, config: object) => {
    const folder = broken(
      name,
      JSON.stringify({ version: 1, kernel: "kernel", bios: "none", memory: "16M", ...config }),
    );
    copyFileSync(ECHO, join(folder, "kernel"));
    return folder;
  };
  const cases: [string, string[], RegExp][] = [
    ["an unknown VM", ["start", "nobody"], /no VM "nobody"/],
    ["a bad name", ["create", "-x-"], /unknown option|no name/],
    ["a name with a space", ["create", "a b"], /no name of a VM/],
    ["a folder without a VM", ["start", dir], /no VM/],
    ["a file", ["start", ECHO], /is a file, not a VM's folder|not a directory/],
    ["a configuration that isn't JSON", ["start", broken("b1", "{")], /vm\.json" is not JSON/],
    ["an unknown field", ["start", broken("b2", '{"version":1,"x":1}')], /unknown field "x"/],
    ["a broken one that is shown", ["show", broken("b3", "[]")], /must be an object/],
    ["a missing kernel", ["start", broken("b4", '{"version":1,"kernel":"none"}')], /kernel ".*none" .*does not exist/],
    ["nothing to boot", ["start", broken("b5", '{"version":1}')], /kernel/],
    ["a missing disk", ["start", image("b6", { disks: [{ path: "none" }] })], /none.*does not exist/],
    ["a seed that isn't there", ["start", image("b7", { seed: "seed" })], /user-data.*does not exist/],
    ["too much memory", ["start", image("b8", { memory: "64G" })], /too large/],
    ["a port that is none", ["start", image("b9", { network: { kind: "user", forwards: ["1:0"] } })], /no forward/],
    ["an address that is none", ["start", image("b10", { network: { kind: "user", deny: ["x"] } })], /x/],
    ["a create over a folder", ["create", join(dir, "b1"), "--kernel", ECHO], /already/],
    ["a create from nothing", ["create", "new", "--kernel", join(dir, "none")], /kernel .*does not exist/],
    ["a create of a folder's", ["create", "new", "--kernel", dir], /is a directory/],
    ["an unknown image", ["create", "new", "--image", "nothing"], /no image named "nothing"/],
    ["a user without a key", ["create", "new", "--kernel", ECHO, "--user", "me"], /give a public key/],
    ["a bad address", ["create", "new", "--kernel", ECHO, "--net", "user", "--mac", "x"], /network\.mac/],
    ["a directory that can't be", ["create", "new", "--kernel", ECHO, "--dir", join(ECHO, "x")], /make the folder/],
    ["a value without a key", ["set", join(dir, "b6"), "memory"], /has no value/],
    ["nothing to set", ["set", join(dir, "b6")], /nothing to set/],
    ["an unknown key", ["set", join(dir, "b6"), "colour", "red"], /no field "colour"/],
    ["a clone of nothing", ["clone", "nobody", "x"], /no VM "nobody"/],
    ["a clone over another", ["clone", join(dir, "b7"), join(dir, "b6")], /already/],
    ["removing without being asked", ["rm", join(dir, "b6")], /use --force/],
    ["stopping what isn't running", ["stop", join(dir, "b6")], /isn't running/],
    ["the console of it", ["console", join(dir, "b6")], /isn't running/],
    ["a command in it", ["exec", join(dir, "b6"), "true"], /isn't running/],
    ["a bad time", ["stop", join(dir, "b6"), "--timeout", "soon"], /seconds/],
  ];
  test.each(cases)("%s", (_, args, about) => refused(args, about));

  test("what can't be started leaves it startable, and nothing behind", async () => {
    const folder = image("repaired", { disks: [{ path: "none" }] });
    await refused(["start", folder], /does not exist/);
    writeFileSync(
      join(folder, "vm.json"),
      JSON.stringify({ version: 1, kernel: "kernel", bios: "none", memory: "16M" }),
    );
    await good("start", folder);
    await good("stop", "--force", folder);
    expect(readdirSync(folder).sort()).toEqual(["console.log", "kernel", "vm.json", "wardian.log"]);
    await good("rm", "--force", folder);
  });
});

test("whoever talks nonsense to the control socket hears so, and the VM goes on", async () => {
  await create("target");
  await good("start", "target");
  const talk = (bytes: Uint8Array) =>
    new Promise<string>((resolve) => {
      const socket = createConnection(join(VMS, "target/control.sock"));
      let heard = "";
      socket.setEncoding("utf8").on("data", (text: string) => {
        heard += text;
      });
      socket.on("error", () => {}).on("close", () => resolve(heard));
      socket.write(bytes);
    });
  expect(await talk(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"))).toMatch(/"type":"error"/);
  const frame = (text: string) => Buffer.concat([Buffer.from([0, 0, 0, text.length, 0]), Buffer.from(text)]);
  expect(await talk(frame("{}"))).toMatch(/another version/);
  expect(await talk(frame('{"protocol":1,"type":"erase"}'))).toMatch(/is not known/);
  // Who says nothing, or goes in the middle, harms nobody.
  for (let n = 0; n < 20; n++)
    createConnection(join(VMS, "target/control.sock"))
      .on("error", () => {})
      .destroy();
  expect(await look("target")).toMatchObject({ state: "running" });
  await good("stop", "--force", "target");
});
