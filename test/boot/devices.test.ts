/** Linux on disks and networks: what the guest writes is what is there, on both transports and engines. */

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Machine as BaseMachine } from "../../src/hypervisor/machine.ts";
import type { CellSpec } from "../../src/hypervisor/protocol.ts";
import { writeCpio } from "../../src/images/cpio.ts";
import { type ProvisionedLinux, provision } from "../../src/images/index.ts";
import { planBoot } from "../../src/machine/boot.ts";
import { decodeSnapshot } from "../../src/snapshot/format.ts";
import { MemoryDisk } from "../support/disk.ts";
import { localExecutor, localMachine, type Surroundings } from "../support/executor.ts";
import { wire } from "../support/network.ts";
import { complaints, Machine, MachineError, MINUTES, PATIENCE } from "./guests.ts";

const MIB = 2 ** 20;
const MEMORY = 192 * MIB;

let image: ProvisionedLinux;
let directory: string;

beforeAll(async () => {
  const provisioned = await provision("debian");
  if (provisioned.kind !== "linux") throw new Error("the image debian is no Linux");
  image = provisioned;
  directory = mkdtempSync(join(tmpdir(), "wardian-disks-"));
}, 10 * MINUTES);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 32) bytes.set(createHash("sha256").update(`${seed} ${at}`).digest(), at);
  return bytes;
}

function file(name: string, bytes: Uint8Array | number): string {
  const path = join(directory, name);
  writeFileSync(path, typeof bytes === "number" ? "" : bytes);
  if (typeof bytes === "number") truncateSync(path, bytes);
  return path;
}

/** The same guest for a machine on this thread. @param rc what its init runs, in place of its own */
function spec(more: Partial<CellSpec>, rc?: string): CellSpec {
  // A later archive's files replace those of an earlier one.
  const archive =
    rc === undefined ? [] : writeCpio([{ kind: "file", path: "etc/rc", data: Buffer.from(rc), mode: 0o755 }]);
  const boot = planBoot({
    bios: "builtin",
    kernel: readFileSync(image.kernel),
    initrd: Buffer.concat([readFileSync(image.initrd), Buffer.from(archive)]),
    append: `${image.append} quiet`,
    memoryBytes: MEMORY,
    harts: 1,
    fdt: { rngSeed: new Uint8Array(32) },
  });
  return {
    memoryBytes: MEMORY,
    harts: 1,
    boot,
    sbi: true,
    deterministic: false,
    traced: false,
    engine: "jit",
    ...more,
  };
}

/** Runs a command that is to succeed and gives its output. */
async function output(vm: BaseMachine | Machine, command: string): Promise<string> {
  const { status, stdout, stderr } = await vm.exec(`set -e; ${command}`, { timeout: PATIENCE });
  expect({ command, status, stderr: status === 0 ? "" : stderr }).toEqual({ command, status: 0, stderr: "" });
  return stdout;
}

test.each(["jit", "interpreter"] as const)(
  "file systems, raw access, discard and read-only disks (%s)",
  async (engine) => {
    const data = noise(4 * MIB, 1);
    const paths = [file("fs.img", 24 * MIB), file("raw.img", 8 * MIB), file("ro.img", data), file("more.img", 2 * MIB)];
    const vm = await Machine.create({
      image: "debian",
      engine,
      memory: MEMORY,
      append: "quiet",
      disks: [
        { path: paths[0]!, serial: "fs-0" },
        { path: paths[1]!, transport: "mmio" },
        { path: paths[2]!, readOnly: true },
        { path: paths[3]! },
      ],
    });
    await vm.start();
    try {
      const names = await output(vm, "grep . /sys/block/vd*/serial");
      const [fs, raw, ro] = ["fs-0", "disk1", "disk2"].map(
        (serial) => `/dev/${new RegExp(`/(vd.)/serial:${serial}`).exec(names)?.[1]}`,
      ) as [string, string, string];
      const in_ = (path: string) => path.replace("/dev/", "/sys/block/");

      await output(
        vm,
        `mke2fs ${fs} >/dev/null; mkdir /a; mount -t ext4 ${fs} /a; cp -r /bin/busybox /etc /a; ` +
          "for i in 1 2 3 4; do dd if=/dev/urandom of=/a/f$i bs=64k count=20 2>/dev/null & done; wait; " +
          "sha256sum /a/f? >/a/sums; sync; umount /a",
      );
      expect(execFileSync("/sbin/e2fsck", ["-fn", paths[0]!], { encoding: "utf8", stdio: "pipe" })).toMatch(/files/);
      expect(
        await output(vm, `mount -t ext4 ${fs} /a; cmp /a/busybox /bin/busybox; sha256sum -c /a/sums; umount /a`),
      ).toMatch(/^(\/a\/f.: OK\n){4}$/);

      // Four at a time, each its own part, past the page cache.
      await output(
        vm,
        `for i in 0 1 2 3; do dd if=${ro} of=${raw} bs=32k count=32 skip=$((i*32)) seek=$((i*32)) iflag=direct oflag=direct 2>/dev/null & done; wait`,
      );
      expect(sha256(readFileSync(paths[1]!).subarray(0, data.length))).toBe(sha256(data));
      expect(await output(vm, `head -c ${data.length} ${raw} | sha256sum`)).toBe(`${sha256(data)}  -\n`);

      expect(await output(vm, `cat ${in_(ro)}/ro; dd if=/dev/zero of=${ro} bs=512 count=1 2>&1 || true`)).toMatch(
        /^1\n(.|\n)*not permitted/,
      );
      expect(sha256(readFileSync(paths[2]!))).toBe(sha256(data));
      expect(Number(await output(vm, `cat ${in_(raw)}/queue/discard_max_bytes`))).toBe(2 ** 31);
      await output(
        vm,
        `blkdiscard ${raw}; blkdiscard -z ${raw} 2>/dev/null || true; echo "write through" >${in_(raw)}/cache_type`,
      );
      await output(
        vm,
        `dd if=/dev/urandom of=${raw} bs=4k count=16 2>/dev/null; head -c 64k ${raw} | sha256sum >/s; sync`,
      );
      expect(await output(vm, "cat /s")).toBe(`${sha256(readFileSync(paths[1]!).subarray(0, 65536))}  -\n`);
      expect(complaints(await output(vm, "dmesg"))).toEqual([]);
    } finally {
      await vm.stop();
    }
    expect(await vm.exited).toEqual({ kind: "stopped", code: 0 });
  },
  10 * MINUTES,
);

test("what can't be opened is told in one sentence", async () => {
  const create = (disks: Parameters<typeof Machine.create>[0] extends infer _ ? object[] : never) =>
    Machine.create({ image: "debian", disks: disks as never });
  await expect(create([{ path: join(directory, "missing.img") }])).rejects.toThrow(/missing\.img/);
  await expect(create([{ path: "" }])).rejects.toThrow("A disk needs the path of its image.");
  await expect(create([{ path: "x", serial: "x".repeat(21) }])).rejects.toThrow("serial number");
  await expect(create([{ path: "x", transport: "scsi" }])).rejects.toThrow("There is no transport scsi");
  const many = Array.from({ length: 7 }, (_, i) => ({ path: file(`many${i}.img`, 512), transport: "mmio" }));
  await expect(create(many)).rejects.toThrow("room for 6 disks, networks and folders on mmio");
  await expect(
    Machine.create({ image: "debian", network: { kind: "user", mac: "01:00:00:00:00:00" } }),
  ).rejects.toThrow("hardware address");
  expect(MachineError).toBeDefined();
});

test(
  "a full host lets the guest stand still and loses nothing",
  async () => {
    const disk = new MemoryDisk({ size: 4 * MIB, later: (complete) => setImmediate(complete) });
    const vm = await localMachine({ openDisk: async () => disk }, spec({ disks: [{ path: "x" }] }));
    const heard: string[] = [];
    vm.on("paused", (message) => heard.push(message));
    vm.on("resumed", () => heard.push("resumed"));
    await vm.start();
    await output(vm, "true");
    let writes = 0;
    disk.fault = ({ kind }) =>
      kind === "write" && ++writes > 10 ? { ok: false, reason: "no-space", message: "The disk x is full." } : undefined;
    const command = output(
      vm,
      "cat /bin/busybox >/f; dd if=/f of=/dev/vda bs=16k oflag=direct 2>/dev/null; sha256sum </f; stat -c %s /f",
    );
    while (heard.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    const { instructions } = await vm.stats();
    await vm.resume(); // there is still no room
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await vm.stats()).instructions).toBe(instructions);
    expect(heard).toEqual(["The disk x is full."]);
    disk.fault = undefined;
    const [sum, size] = (await command).split(/\s+-?\s*/);
    expect(heard).toEqual(["The disk x is full.", "resumed"]);
    expect(sha256(disk.bytes.subarray(0, Number(size)))).toBe(sum);
    await vm.stop();
    expect(disk.closed).toBe(true);
  },
  10 * MINUTES,
);

const SHELL_ON_TERMINAL = `#!/bin/sh
PATH=/bin
mount -a
modprobe -a virtio_mmio
until (: </dev/hvc0) 2>/dev/null; do usleep 10000; done
exec cttyhack sh </dev/hvc0 >/dev/hvc0 2>&1
`;

test(
  "a terminal that knows its size",
  async () => {
    const vm = await localMachine({}, spec({ console: "virtio" }, SHELL_ON_TERMINAL));
    vm.console.resize(132, 43);
    await vm.start();
    await vm.console.expect(/~ # /, { timeout: PATIENCE });
    vm.console.write("stty size; echo typed $((6*7))\n");
    const [, rows, columns] = await vm.console.expect(/\n(\d+) (\d+)\r?\ntyped 42/, { timeout: PATIENCE });
    expect([rows, columns]).toEqual(["43", "132"]);
    vm.console.resize(80, 24);
    vm.console.write("sleep 1; stty size; echo again $((6*8))\n");
    expect((await vm.console.expect(/\n(\d+ \d+)\r?\nagain 48/, { timeout: PATIENCE }))[1]).toBe("24 80");
    await vm.stop();
  },
  10 * MINUTES,
);

test(
  "two machines reach each other over a wire, on both transports",
  async () => {
    const ends = wire();
    const executor = localExecutor({ openNetwork: async () => ends.find((end) => end.onFrame === undefined)! });
    const { Machine: Local } = await import("../../src/hypervisor/machine.ts");
    const { coreModule } = await import("../support/core.ts");
    const make = async (mac: string, transport: "mmio" | "pci") =>
      Local.onExecutor(executor, await coreModule(), spec({ network: { kind: "user", mac, transport } }), {
        now: () => performance.now(),
        cpuSeconds: () => 0,
        peakMemoryBytes: () => 0,
      });
    const a = await make("52:54:00:00:00:01", "pci");
    const b = await make("52:54:00:00:00:02", "mmio");
    await Promise.all([a.start(), b.start()]);
    await Promise.all(
      [a, b].map((vm, i) => output(vm, `cat /sys/class/net/eth0/address; ifconfig eth0 10.9.0.${i + 1} mtu 1500 up`)),
    );
    expect(await output(a, "ping -c 3 -s 1400 -A 10.9.0.2")).toMatch(/3 packets transmitted, 3 packets received/);
    await output(b, "httpd -h /bin");
    const sum = await output(b, "sha256sum </bin/busybox");
    expect(await output(a, "wget -q -O /f http://10.9.0.2/busybox; sha256sum </f")).toBe(sum);
    for (const vm of [a, b]) {
      expect(complaints(await output(vm, "dmesg"))).toEqual([]);
      await vm.stop();
    }
    expect(ends.every(({ closed }) => closed)).toBe(true);
  },
  10 * MINUTES,
);

const BUSY_DISKS = `#!/bin/sh
PATH=/bin
mount -a
modprobe -a virtio_mmio virtio_blk
for i in 0 1 2 3; do
  dd if=/dev/vda of=/dev/vdb bs=16k count=16 skip=$((i * 16)) seek=$((i * 16)) iflag=direct oflag=direct 2>/dev/null &
done
wait
sha256sum /dev/vdb
dd if=/proc/uptime of=/dev/vda conv=fsync 2>/dev/null
exec poweroff -f
`;

test(
  "counted time doesn't see how fast disks are",
  async () => {
    const run = async (later?: (complete: () => void) => void) => {
      const disks = [16, 8].map((size) => new MemoryDisk({ size: size * MIB, ...(later && { later }) }));
      disks[0]!.bytes.set(noise(MIB, 2));
      const surroundings: Surroundings = { openDisk: async ({ path }) => disks[Number(path)]! };
      const vm = await localMachine(
        surroundings,
        spec({ disks: [{ path: "0" }, { path: "1", transport: "mmio" }], deterministic: true }, BUSY_DISKS),
      );
      const hash = createHash("sha256");
      vm.console.onData((bytes) => void hash.update(bytes));
      await vm.start();
      const exit = await vm.exited;
      const asked = disks.map(({ requests }) => requests.length);
      return { exit, asked, instructions: (await vm.stats()).instructions, console: hash.digest("hex") };
    };
    const steady = await run();
    expect(steady.exit.kind).toBe("poweroff");
    expect(Math.min(...steady.asked)).toBeGreaterThan(64);
    let n = 0;
    expect(await run((complete) => void setTimeout(complete, (n++ * 7) % 23))).toEqual(steady);
  },
  10 * MINUTES,
);

test(
  "a machine that is saved while its disk is busy goes on where it was",
  async () => {
    const later = (complete: () => void) => void setTimeout(complete, 1);
    const disk = new MemoryDisk({ size: 4 * MIB, later });
    const made = spec({ disks: [{ path: "x" }] });
    const vm = await localMachine({ openDisk: async () => disk }, made);
    await vm.start();
    await output(
      vm,
      "(dd if=/dev/urandom of=/f bs=64k count=32; dd if=/f of=/dev/vda bs=8k oflag=direct; dd if=/dev/vda bs=8k count=256 iflag=direct | " +
        'cmp - /f; echo "ended $?" >/dev/console) </dev/null >/dev/null 2>&1 &',
    );
    const first = disk.requests.length;
    while (disk.requests.length < first + 40) await new Promise((resolve) => setTimeout(resolve, 5));
    await vm.pause();
    const snapshot = await vm.snapshot();
    const copy = new MemoryDisk({ size: 4 * MIB, later });
    copy.bytes.set(disk.bytes);
    await vm.resume();
    const restored = await localMachine({ openDisk: async () => copy }, {
      ...made,
      boot: undefined,
      snapshot: decodeSnapshot(snapshot),
    } as unknown as CellSpec);
    const ends = [vm, restored].map((machine) => machine.console.expect(/ended (\d)/, { timeout: PATIENCE }));
    await restored.start();
    expect((await Promise.all(ends)).map((match) => match[1])).toEqual(["0", "0"]);
    expect(sha256(copy.bytes)).toBe(sha256(disk.bytes));
    const other = { openDisk: async () => new MemoryDisk({ size: 2 * MIB }) };
    await expect(
      localMachine(other, { ...made, boot: undefined, snapshot: decodeSnapshot(snapshot) } as unknown as CellSpec),
    ).rejects.toThrow(/disk of 4194304 bytes/);
    const { disks: _, ...without } = made;
    await expect(
      localMachine({}, { ...without, boot: undefined, snapshot: decodeSnapshot(snapshot) } as unknown as CellSpec),
    ).rejects.toThrow('differ by the device "pci1"; give it the disks');
    await vm.stop();
    await restored.stop();
  },
  10 * MINUTES,
);
