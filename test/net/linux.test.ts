/**
 * Linux as the guest: its TCP, and programs that people use, through a tap
 * device in a network namespace. All servers are on this host's loopback.
 */

import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Link, Network, NetworkOptions } from "../../src/backends/link.ts";
import { nodeTiming, openNetwork } from "../../src/host/node/network.ts";
import { NodeSockets } from "../../src/host/node/sockets.ts";
import { UserNetwork } from "../../src/net/user-network.ts";
import { type Impairment, impaired } from "./support/impaired.ts";
import { nameServer } from "./support/name-server.ts";
import { digest, hashing, serveTcp, type TestServer } from "./support/servers.ts";
import { type TapGuest, tapGuest } from "./support/tap.ts";

const BODY = randomBytes(2_000_000);
const GUEST_PORT = 8000;
const here = dirname(fileURLToPath(import.meta.url));

let directory: string;
let body: string;
let sink: TestServer;
let source: TestServer;
let echo: TestServer;
let link: Link | undefined;
let guest: TapGuest | undefined;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "wardian-net-"));
  body = join(directory, "body");
  writeFileSync(body, BODY);
  execFileSync("gcc", ["-O2", "-o", join(directory, "many"), join(here, "support/many.c")]);
  sink = await serveTcp(hashing);
  source = await serveTcp((socket) => socket.end(BODY));
  echo = await serveTcp((socket) => socket.pipe(socket));
});

afterAll(async () => {
  for (const server of [sink, source, echo]) await server?.close();
  rmSync(directory, { recursive: true, force: true });
});

afterEach(async () => {
  await guest?.close();
  link?.close();
  guest = link = undefined;
});

async function setUp(
  options: Partial<NetworkOptions> = {},
  impairment?: Impairment,
  configure = true,
): Promise<TapGuest> {
  const network = await openNetwork({ kind: "user", allow: ["10.0.2.2"], ...options });
  link = impairment ? impaired(network, nodeTiming, impairment) : network;
  guest = await tapGuest(link, configure);
  return guest;
}

/** Root, for the device and the namespace. */
const ABLE = process.getuid?.() === 0;

const FAULTS: [string, Impairment | undefined][] = [
  ["a good way", undefined],
  ["loss of 3 %", { seed: 1, loss: 0.03 }],
  ["duplication of 10 %", { seed: 2, duplication: 0.1 }],
  ["reordering of 5 %", { seed: 3, reordering: 0.05 }],
  ["all of it, and a delay", { seed: 4, loss: 0.02, duplication: 0.02, reordering: 0.05, delay: 2 }],
];

/** socat as the guest, which keeps each direction until its own end. */
const socat = (guest: TapGuest, ...args: string[]) => guest.run("bash", "-c", `socat -d -t 60 ${args.join(" ")}`);

describe.skipIf(!ABLE).each(FAULTS)("over %s", (_, impairment) => {
  test("two megabytes come through unchanged, each way", async () => {
    const guest = await setUp({}, impairment);
    const down = await socat(guest, "-u", `TCP:10.0.2.2:${source.port}`, "-", "| sha256sum");
    expect(down.out.split(" ")[0]).toBe(digest(BODY));
    const up = await socat(guest, "-", `TCP:10.0.2.2:${sink.port}`, `<${body}`);
    expect(up.out).toBe(digest(BODY));
  });
});

describe.skipIf(!ABLE)("connections", () => {
  test("large frames, as network cards with offloads give them", async () => {
    const guest = await setUp();
    link!.largestArrival = link!.largestFrame;
    let large = 0;
    const deliver = link!.onFrame!;
    link!.onFrame = (frame) => {
      large = Math.max(large, frame.length);
      deliver(frame);
    };
    const down = await socat(guest, "-u", `TCP:10.0.2.2:${source.port}`, "-", "| sha256sum");
    expect(down.out.split(" ")[0]).toBe(digest(BODY));
    expect(large).toBeGreaterThan(20_000);
  });

  test("a thousand at a time", async () => {
    const guest = await setUp();
    const { out } = await guest.run(join(directory, "many"), "10.0.2.2", `${echo.port}`, "1000");
    expect(out).toBe("1000 open, 1000 right, 1000 ended\n");
  });

  test("the host ends, and the guest goes on", async () => {
    const guest = await setUp();
    let heard = (_hash: string) => {};
    const hash = new Promise<string>((resolve) => {
      heard = resolve;
    });
    const server = await serveTcp((socket) => {
      socket.end("I have said all.\n");
      const got: Buffer[] = [];
      socket.on("data", (bytes) => got.push(bytes));
      socket.on("end", () => heard(digest(Buffer.concat(got))));
    });
    const late = `(sleep 0.5; cat ${body}) | socat -t 60 - TCP:10.0.2.2:${server.port}`;
    const { out } = await guest.run("bash", "-c", late);
    expect(out).toBe("I have said all.\n");
    expect(await hash).toBe(digest(BODY));
    await server.close();
  });

  test("a guest that doesn't read for a while has all in the end", async () => {
    const guest = await setUp();
    const { out } = await socat(guest, "-u", `TCP:10.0.2.2:${source.port}`, "-", "| (sleep 2; sha256sum)");
    expect(out.split(" ")[0]).toBe(digest(BODY));
  });

  test("a host that doesn't read for a while has all in the end, and the guest is held back meanwhile", async () => {
    const guest = await setUp();
    const server = await serveTcp((socket) => {
      socket.pause();
      hashing(socket);
      setTimeout(() => socket.resume(), 1500);
    });
    const large = Buffer.alloc(30_000_000, 7);
    writeFileSync(join(directory, "large"), large);
    const { out } = await socat(guest, "-", `TCP:10.0.2.2:${server.port}`, `<${join(directory, "large")}`);
    await server.close();
    expect(out).toBe(digest(large));
  });

  test("a reset goes through, either way", async () => {
    const guest = await setUp();
    const server = await serveTcp((socket) => socket.once("data", () => socket.resetAndDestroy()));
    const { err } = await socat(guest, "-", `TCP:10.0.2.2:${server.port}`, "<<<hello");
    expect(err).toContain("Connection reset by peer");
    await server.close();
    let failed = (_code: string | undefined) => {};
    const failure = new Promise<string | undefined>((resolve) => {
      failed = resolve;
    });
    const other = await serveTcp((socket) => {
      socket.on("error", (error: NodeJS.ErrnoException) => failed(error.code));
      socket.write("more than one letter");
      socket.resume();
    });
    // Who closes what it hasn't read resets.
    await guest.run("bash", "-c", `exec 3<>/dev/tcp/10.0.2.2/${other.port}; read -N 1 <&3`);
    expect(await failure).toBe("ECONNRESET");
    await other.close();
  });

  test("refused where nobody listens, and at once where a rule denies it", async () => {
    const guest = await setUp({ deny: ["10.0.2.2:9"] });
    const nobody = await serveTcp(() => {});
    await nobody.close();
    expect((await socat(guest, "-", `TCP:10.0.2.2:${nobody.port}`)).err).toContain("Connection refused");
    expect((await socat(guest, "-", "TCP:10.0.2.2:9")).err).toMatch(/No route to host|Connection refused/);
    expect((await socat(guest, "-", "TCP:169.254.169.254:80")).err).toMatch(/No route to host|Connection refused/);
  });
});

describe.skipIf(!ABLE)("forwards", () => {
  test("TCP and UDP reach the guest, and its answers the peer", async () => {
    const guest = await setUp({
      forwards: [
        { protocol: "tcp", hostPort: 0, guestPort: GUEST_PORT },
        { protocol: "udp", hostPort: 0, guestPort: GUEST_PORT },
      ],
    });
    const ports = (link as Network).forwards.map(({ hostPort }) => hostPort);
    guest.start("socat", `TCP-LISTEN:${GUEST_PORT},fork,reuseaddr`, "EXEC:sha256sum");
    guest.start("socat", `UDP-LISTEN:${GUEST_PORT},fork,reuseaddr`, "EXEC:cat");
    await listening(guest);
    const socket = connect({ host: "127.0.0.1", port: ports[0]!, allowHalfOpen: true });
    socket.end(BODY);
    let answer = "";
    for await (const bytes of socket) answer += bytes;
    expect(answer.split(" ")[0]).toBe(digest(BODY));
    const udp = createSocket("udp4");
    const reply = new Promise<Buffer>((resolve) => udp.once("message", resolve));
    // Larger than a frame: it is split on its way, both ways.
    udp.send(BODY.subarray(0, 5000), ports[1]!, "127.0.0.1");
    expect(digest(await reply)).toBe(digest(BODY.subarray(0, 5000)));
    udp.close();
  });

  test("a port that is taken is named in one sentence", async () => {
    const forwards = [{ protocol: "tcp", hostPort: echo.port, guestPort: 80 }] as const;
    await expect(openNetwork({ kind: "user", forwards })).rejects.toThrow(
      `TCP port ${echo.port} can't be listened on at 127.0.0.1:${echo.port}: something else has it; choose another port, or 0 for any.`,
    );
  });
});

describe.skipIf(!ABLE)("services", () => {
  test("DHCP gives an address to udhcpc, and renews it", async () => {
    const guest = await setUp({ hostName: "debian" }, undefined, false);
    const script = join(directory, "dhcp");
    const log = join(directory, "dhcp.log");
    const lines = [
      "#!/bin/sh",
      "[ $1 = bound ] && ip address add $ip/$mask dev $interface",
      `echo $1 $ip/$mask $router $dns $hostname $lease $serverid >>${log}`,
    ];
    writeFileSync(script, lines.join("\n"), { mode: 0o755 });
    const awaits = (event: string) => `for i in $(seq 200); do grep -q ${event} ${log} && break; sleep 0.05; done`;
    await guest.run(
      "bash",
      "-c",
      `busybox udhcpc -i tap0 -f -n -s ${script} & ${awaits("bound")}; kill -USR1 $!; ${awaits("renew")}; kill $!; wait`,
    );
    const lease = "10.0.2.15/24 10.0.2.2 10.0.2.3 debian 86400 10.0.2.2";
    expect(readFileSync(log, "latin1").trim().split("\n").slice(1, 3)).toEqual([`bound ${lease}`, `renew ${lease}`]);
  });

  test("ping, and names", async () => {
    const guest = await setUp();
    expect((await guest.run("busybox", "ping", "-c", "2", "-s", "4000", "10.0.2.2")).out).toContain(
      "2 packets received",
    );
    const short = ["+short", "+tries=1", "@10.0.2.3", "localhost"];
    expect((await guest.run("dig", ...short, "A")).out).toBe("127.0.0.1\n");
    expect((await guest.run("dig", "+tcp", ...short, "AAAA")).out).toBe("::1\n");
  });

  test("dig asks the host's server through ours, and by TCP for what doesn't fit", async () => {
    const server = await nameServer(3000);
    const resolver = () => ({ servers: [{ address: "127.0.0.1", port: server.port }], names: new Map(), search: [] });
    link = new UserNetwork({}, Object.assign(new NodeSockets(), { resolver }), nodeTiming);
    guest = await tapGuest(link);
    const { out } = await guest.run("dig", "+tries=1", "@10.0.2.3", "example.org", "TXT");
    await server.close();
    expect(out).toContain("Truncated, retrying in TCP mode");
    expect(out).toContain("status: NOERROR");
    expect(out.match(/x{200}/g)).toHaveLength(15);
    expect(server.asked).toEqual({ udp: 1, tcp: 1 });
  });

  test("tshark reads the capture, and finds nothing wrong", async () => {
    const capture = join(directory, "capture.pcapng");
    const guest = await setUp({ capture });
    await socat(guest, "-", `TCP:10.0.2.2:${sink.port}`, `<${body}`);
    await guest.run("dig", "+tries=1", "@10.0.2.3", "localhost", "A");
    await guest.run("busybox", "ping", "-c", "1", "10.0.2.2");
    await guest.close();
    link!.close();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const read = (...args: string[]) =>
      execFileSync(
        "tshark",
        [
          "-r",
          capture,
          "-o",
          "ip.check_checksum:TRUE",
          "-o",
          "tcp.check_checksum:TRUE",
          "-o",
          "udp.check_checksum:TRUE",
          ...args,
        ],
        {
          stdio: ["ignore", "pipe", "ignore"],
          maxBuffer: 1 << 28,
        },
      ).toString();
    const protocols = new Set(read("-T", "fields", "-e", "_ws.col.Protocol").trim().split("\n"));
    expect([...protocols]).toEqual(expect.arrayContaining(["ARP", "TCP", "DNS", "ICMP"]));
    expect(
      read("-Y", "_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0"),
    ).toBe("");
    const bytes = read(
      "-Y",
      "tcp.len > 0 && ip.dst == 10.0.2.2 && !tcp.analysis.retransmission",
      "-T",
      "fields",
      "-e",
      "tcp.len",
    );
    expect(
      bytes
        .trim()
        .split("\n")
        .reduce((sum, length) => sum + Number(length), 0),
    ).toBe(BODY.length);
    // Both directions are marked: 1 to the guest, 2 from it.
    expect(new Set(read("-T", "fields", "-e", "frame.packet_flags_direction").trim().split("\n")).size).toBe(2);
  });
});

/** Waits until both servers of the guest listen. */
async function listening(guest: TapGuest): Promise<void> {
  const port = GUEST_PORT.toString(16).toUpperCase().padStart(4, "0");
  for (let tries = 0; tries < 200; tries++) {
    const { out } = await guest.run("bash", "-c", "cat /proc/net/tcp /proc/net/udp");
    if ((out.match(new RegExp(`:${port} `, "g")) ?? []).length >= 2) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the guest's servers don't listen");
}
