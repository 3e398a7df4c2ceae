/** Suite debian: a whole Debian with systemd, from power-on to the login on its console. */

import type { Debian } from "../debian.ts";
import { makeRow, type Row } from "../report.ts";

const LOGIN = /wardian login: /;

/** Boots on each machine in turn. @throws OracleError when one doesn't get to the login */
export async function runDebian(debian: Debian, runs: number, say: (what: string) => void): Promise<Row[]> {
  const cpu = new Map<string, number[]>();
  const wall = new Map<string, number[]>();
  for (let round = 1; round <= runs; round++) {
    for (const [machine, runner] of debian.runners) {
      say(`debian to its login on ${machine}, ${round} of ${runs}`);
      const usage = await runner.until(LOGIN);
      cpu.set(machine, [...(cpu.get(machine) ?? []), usage.cpu]);
      wall.set(machine, [...(wall.get(machine) ?? []), usage.wall]);
    }
  }
  return [
    makeRow({ suite: "debian", name: "login", unit: "CPU s", better: "lower" }, cpu),
    makeRow({ suite: "debian", name: "login, wall", unit: "s", better: "lower" }, wall),
  ];
}
