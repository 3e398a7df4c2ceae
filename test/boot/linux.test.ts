/** Debian's kernel to a shell and back, on each way of booting it, with one hart and with two. */

import { createHash } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import { type ProvisionedLinux, provision } from "../../src/images/index.ts";
import { complaints, Machine, MINUTES, PATIENCE, prompt, transcript } from "./guests.ts";

let image: ProvisionedLinux;

beforeAll(async () => {
  const provisioned = await provision("debian");
  if (provisioned.kind !== "linux") throw new Error("the image debian is no Linux");
  image = provisioned;
}, 10 * MINUTES);

interface Firmware {
  readonly name: string;
  readonly bios: () => string;
  /** How the kernel calls who answers its SBI calls. */
  readonly sbi: RegExp;
  /** What stands at the top of the console. */
  readonly banner: RegExp;
}

const FIRMWARE: readonly Firmware[] = [
  { name: "the built-in SBI", bios: () => "builtin", sbi: /SBI implementation ID=0x(?!1 )/, banner: /^\[ / },
  {
    name: "OpenSBI's fw_dynamic",
    bios: () => image.firmware.dynamic,
    sbi: /SBI implementation ID=0x1 /,
    banner: /^\s*OpenSBI v/,
  },
  {
    name: "OpenSBI's fw_jump",
    bios: () => image.firmware.jump,
    sbi: /SBI implementation ID=0x1 /,
    banner: /^\s*OpenSBI v/,
  },
];

/** 1 + 1/2 + … + 1/n in the order of the guest's loop: IEEE 754 leaves one answer. */
function harmonic(n: number): number {
  let sum = 0;
  for (let i = 1; i <= n; i++) sum += 1 / i;
  return sum;
}

const sha256 = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex");
const ZEROS = sha256(new Uint8Array(1 << 18));

async function exercise(vm: Machine, harts: number, firmware: Firmware): Promise<void> {
  const shown = transcript(vm);
  await vm.start();
  try {
    await talk(vm, harts, firmware, shown);
  } catch (error) {
    // What the guest said last is worth more than where the test stood.
    console.log(`${firmware.name}, ${harts} hart(s), failed; the console's end:\n${shown().slice(-1500)}`);
    throw error;
  }
  const { seconds, mips, firstConsoleByteSeconds } = await vm.stats();
  console.log(
    `${firmware.name}, ${harts} hart(s): first byte after ${firstConsoleByteSeconds?.toFixed(2)} s, ` +
      `${seconds.wall.toFixed(1)} s in all, ${mips.toFixed(0)} MIPS of the process`,
  );
}

async function talk(vm: Machine, harts: number, firmware: Firmware, shown: () => string): Promise<void> {
  const run = (command: string) => vm.exec(command, { timeout: PATIENCE });
  const output = async (command: string) => {
    const { status, stdout, stderr } = await run(command);
    expect({ command, status, stderr }).toEqual({ command, status: 0, stderr: "" });
    return stdout;
  };

  // Who we are talking to.
  expect(await output("uname -sm")).toBe("Linux riscv64\n");
  expect(await output("nproc")).toBe(`${harts}\n`);
  const cpuinfo = await output("cat /proc/cpuinfo");
  expect(cpuinfo.match(/^processor/gm)).toHaveLength(harts);
  expect(cpuinfo.match(/^isa\s*: rv64imafdc_\S*zicbom\S*_zicsr\S*_zba_zbb_zbs_sstc/gm)).toHaveLength(harts);
  expect(cpuinfo).toMatch(/^mmu\s*: sv57$/m);
  expect(await output("dmesg")).toMatch(firmware.sbi);
  expect(shown()).toMatch(firmware.banner);

  // Integers, hashes and floating point.
  expect(await output("echo $((6 * 7)) $((1 << 62)) $((-7 / 2)) $((-7 % 3))")).toBe("42 4611686018427387904 -3 -1\n");
  expect(await output("printf abc | sha256sum; dd if=/dev/zero bs=256K count=1 2>/dev/null | sha256sum")).toBe(
    `${sha256("abc")}  -\n${ZEROS}  -\n`,
  );
  const sum = await output(`awk 'BEGIN { for (i = 1; i <= 2000; i++) s += 1 / i; printf "%.17g\\n", s }'`);
  expect(Number(sum)).toBe(harmonic(2000));
  // All harts at once, with floating point, whose state must survive the switches between them.
  const loop = `awk 'BEGIN { for (i = 1; i <= 1500; i++) s += 1 / i; printf "%.17g\\n", s }'`;
  const sums = await output(`for job in 1 2 3 4; do ${loop} & done; wait`);
  expect(sums.trim().split("\n").map(Number)).toEqual([1500, 1500, 1500, 1500].map(harmonic));

  // Both streams and the status, whatever they are.
  expect(await run("echo out; echo err >&2; exit 3")).toEqual({ status: 3, stdout: "out\n", stderr: "err\n" });
  expect(await run("kill -9 $$")).toEqual({ status: 137, stdout: "", stderr: "Killed\n" });
  const queued = [run("sleep 0.2; echo first"), run("echo second"), run("echo zwölf: 'ß'")];
  expect((await Promise.all(queued)).map(({ stdout }) => stdout)).toEqual(["first\n", "second\n", "zwölf: ß\n"]);

  // 5 MiB of any bytes come out as they went in.
  const chunks: Uint8Array[] = [];
  const noise = await vm.exec(
    "dd if=/dev/urandom of=/tmp/n bs=1M count=1 2>/dev/null; sha256sum /tmp/n >&2; cat /tmp/n /tmp/n /tmp/n /tmp/n /tmp/n",
    { timeout: PATIENCE, stdout: (bytes) => void chunks.push(bytes) },
  );
  const bytes = Buffer.concat(chunks);
  expect({ ...noise, length: bytes.length }).toEqual({
    status: 0,
    stdout: "",
    stderr: `${sha256(bytes.subarray(0, 1 << 20))}  /tmp/n\n`,
    length: 5 << 20,
  });
  for (let i = 1; i < 5; i++) expect(sha256(bytes.subarray(i << 20, (i + 1) << 20))).toBe(noise.stderr.slice(0, 64));

  // A person at the console.
  await prompt(vm);
  vm.console.write("echo $((0x1000 * 3))-typed\n");
  const [line] = await vm.console.expect(/\n(\d+)-typed\r?\n/, { timeout: PATIENCE });
  expect(line.trim()).toBe("12288-typed");
  await prompt(vm);

  expect(complaints(shown())).toEqual([]);
  vm.console.write("poweroff\n");
  expect(await vm.exited).toEqual({ kind: "poweroff", code: 0 });
}

test.each(FIRMWARE)(
  "$name",
  async (firmware) => {
    const machines = await Promise.all(
      [1, 2].map((harts) => Machine.create({ image: "debian", harts, bios: firmware.bios() })),
    );
    try {
      await Promise.all(machines.map((vm, i) => exercise(vm, i + 1, firmware)));
    } finally {
      await Promise.all(machines.map((vm) => vm.stop()));
    }
  },
  10 * MINUTES,
);
