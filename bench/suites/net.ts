/** Suite net: iperf3 in the guest against a server on the host's loopback, through user-mode networks. */

import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { type Debian, haveTool, record, valuesOf } from "../debian.ts";
import { makeRow, type Row } from "../report.ts";

const SECONDS = 5;
const ROWS = [
  { name: "to the host", unit: "Mbit/s", better: "higher" },
  { name: "from the host", unit: "Mbit/s", better: "higher" },
  { name: "ping", unit: "ms", better: "lower" },
] as const;

const script = (port: number): string => {
  // With -f m the summary of the receiver is in Mbit/s.
  const rate = (flags: string): string =>
    `iperf3 -f m -c 10.0.2.2 -p ${port} -t ${SECONDS} ${flags} | awk '/receiver/ { print $(NF - 2) }'`;
  return [
    "export TMPDIR=/dev/shm; modprobe virtio_net",
    "for i in $(seq 100); do link=$(ls /sys/class/net | grep -v lo) && break; sleep 0.1; done",
    "ip link set lo up; ip address add 10.0.2.15/24 dev $link; ip link set $link up; sleep 1",
    `echo "bench to the host $(${rate("")})"`,
    `echo "bench from the host $(${rate("-R")})"`,
    `echo "bench ping $(ping -q -c 200 -i 0.005 10.0.2.2 | awk -F/ '/^rtt/ { print $5 }')"`,
  ].join("\n");
};

/** Runs on each machine in turn. @throws BenchError */
export async function runNet(debian: Debian, runs: number, say: (what: string) => void): Promise<Row[]> {
  await haveTool("iperf3", "install the package iperf3");
  const names = ROWS.map(({ name }) => name);
  const results = new Map<string, Map<string, number[]>>();
  for (let round = 1; round <= runs; round++) {
    for (const [machine, runner] of debian.runners) {
      say(`net on ${machine}, ${round} of ${runs}`);
      const port = await freePort();
      const server = spawn("iperf3", ["-s", "-B", "127.0.0.1", "-p", `${port}`], { stdio: "ignore" });
      try {
        const values = valuesOf(await runner.script(script(port), { port }), names, machine);
        for (const name of names) record(results, name, machine, values.get(name)!);
      } finally {
        server.kill();
      }
    }
  }
  return ROWS.map((row) => makeRow({ suite: "net", ...row }, results.get(row.name) ?? new Map()));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
