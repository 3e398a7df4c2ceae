/**
 * Suite boot: Debian's kernel from reset to power-off, and a whole Debian with
 * systemd from power-on to its login; in processor seconds and on the wall. Wardian
 * boots cold, without anything of earlier runs, and warm, with what it keeps of them.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { provision } from "../../src/images/index.ts";
import type { Arrival } from "../../src/oracle/command.ts";
import { debianRunners } from "../debian.ts";
import { BenchError } from "../errors.ts";
import type { Machines } from "../machines.ts";
import { makeRow, type Row } from "../report.ts";

/** Says to the image's start script to power off instead of giving a shell. */
export const POWER_OFF = "wardian.poweroff";
/** The kernel's last words. */
export const DOWN = "reboot: Power down";
const LOGIN = /wardian login: /;
/** Boots before those that are warm: the first leaves profiles, the second modules made by them. */
const EARLIER = 2;

/** Boots once, with what is kept of compiled code in a directory. */
type Boot = (kept: string) => Promise<Arrival>;

interface Guest {
  readonly name: string;
  readonly wardian: Boot | undefined;
  /** Boots, and ends by itself so that all is kept. */
  readonly prime: Boot | undefined;
  readonly peers: ReadonlyMap<string, () => Promise<Arrival>>;
}

/** Boots on each machine in turn. @throws BenchError, OracleError when one doesn't get to its end */
export async function runBoot(
  machines: Machines,
  parts: readonly ("kernel" | "system")[],
  runs: number,
  say: (what: string) => void,
): Promise<Row[]> {
  const debian = await debianRunners(machines, false, say);
  const directory = await mkdtemp(join(tmpdir(), "wardian-code-"));
  try {
    const rows: Row[] = [];
    for (const part of parts) {
      const guest = part === "kernel" ? await kernel(machines, say) : system(debian, machines);
      rows.push(...(await measure(guest, directory, runs, say)));
    }
    return rows;
  } finally {
    await debian.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** What a wardian is told of where compiled code is kept. */
const keeping = (kept: string) => ({ env: { WARDIAN_CODE_CACHE: kept } });

async function kernel({ wardian, qemus }: Machines, say: (what: string) => void): Promise<Guest> {
  say("making Debian's image");
  const image = await provision("debian");
  if (image.kind !== "linux") throw new BenchError("the image debian isn't a Linux: mend roms/manifest.json");
  const whole = async (machine: string, boot: Promise<Arrival & { stdout: string }>) => {
    const usage = await boot;
    if (!usage.stdout.includes(DOWN)) throw new BenchError(`debian didn't boot to power-off on ${machine}`);
    return usage;
  };
  const boot: Boot | undefined =
    wardian && ((kept) => whole("wardian", wardian.boot(["debian", "--append", POWER_OFF], keeping(kept))));
  const peers = new Map<string, () => Promise<Arrival>>();
  for (const qemu of qemus) {
    const board = ["-M", "virt", "-m", `${image.memory}M`, "-bios", image.firmware.dynamic];
    const streams = ["-display", "none", "-monitor", "none", "-serial", "stdio"];
    const linux = ["-kernel", image.kernel, "-initrd", image.initrd, "-append", `${image.append} ${POWER_OFF}`];
    peers.set(qemu.label, () => whole(qemu.label, qemu.run([...board, ...streams, ...linux])));
  }
  return { name: "debian", wardian: boot, prime: boot, peers };
}

function system({ runners }: Awaited<ReturnType<typeof debianRunners>>, { wardian }: Machines): Guest {
  const own = runners.get("wardian");
  const peers = [...runners].filter(([machine]) => machine !== "wardian");
  return {
    name: "debian-disk to login",
    wardian: own && ((kept) => own.until(LOGIN, keeping(kept).env)),
    prime:
      wardian && ((kept) => wardian.boot(["debian-disk", "--memory", "1G", "--expect", LOGIN.source], keeping(kept))),
    peers: new Map(peers.map(([machine, runner]) => [machine, () => runner.until(LOGIN)])),
  };
}

async function measure(guest: Guest, directory: string, runs: number, say: (what: string) => void): Promise<Row[]> {
  const { name, wardian, prime, peers } = guest;
  const warm = await mkdtemp(join(directory, "warm-"));
  for (let boot = 1; prime && boot <= EARLIER; boot++) {
    say(`${name} on wardian, before it is measured, ${boot} of ${EARLIER}`);
    await prime(warm);
  }
  const ways = new Map<string, () => Promise<Arrival>>();
  if (wardian) {
    ways.set("wardian, cold", async () => wardian(await mkdtemp(join(directory, "cold-"))));
    ways.set("wardian, warm", () => wardian(warm));
  }
  for (const [machine, boot] of peers) ways.set(machine, boot);
  const taken = new Map<string, Arrival[]>();
  for (let round = 1; round <= runs; round++) {
    for (const [machine, boot] of ways) {
      say(`${name} on ${machine}, ${round} of ${runs}`);
      taken.set(machine, [...(taken.get(machine) ?? []), await boot()]);
    }
  }
  const row = (how: "cold" | "warm", what: "cpu" | "wall"): Row => {
    const results = new Map<string, number[]>();
    for (const [machine, arrivals] of taken) {
      const [label, state] = machine.split(", ");
      if (state === undefined || state === how)
        results.set(
          label!,
          arrivals.map((arrival) => arrival[what]),
        );
    }
    const [suffix, unit] = what === "cpu" ? ["", "CPU s"] : [", wall", "s"];
    return makeRow({ suite: "boot", name: `${name}, ${how}${suffix}`, unit: unit!, better: "lower" }, results);
  };
  return (["cpu", "wall"] as const).flatMap((what) => [row("cold", what), row("warm", what)]);
}
