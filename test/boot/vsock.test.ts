/** Sockets between programs of a Linux guest and of this host, without a network. */

import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { writeCpio } from "../../src/images/cpio.ts";
import { provision } from "../../src/images/index.ts";
import { run } from "../../src/oracle/command.ts";
import { complaints, Machine, MINUTES, PATIENCE, transcript } from "./guests.ts";

const MIB = 2 ** 20;

let base: string;
let guest: { readonly kernel: string; readonly initrd: Uint8Array; readonly append: string };

beforeAll(async () => {
  const image = await provision("debian");
  if (image.kind !== "linux") throw new Error("the image debian is no Linux");
  base = mkdtempSync(join(tmpdir(), "wardian-vsock-"));
  const source = fileURLToPath(new URL("guest/vsock.c", import.meta.url));
  await run(["riscv64-linux-gnu-gcc", "-O1", "-static", "-o", join(base, "vs"), source]);
  const program = { kind: "file", path: "bin/vs", data: readFileSync(join(base, "vs")), mode: 0o755 } as const;
  const initrd = Buffer.concat([readFileSync(image.initrd), writeCpio([program])]);
  guest = { kernel: image.kernel, initrd, append: `${image.append} quiet` };
}, 10 * MINUTES);

afterAll(() => rmSync(base, { recursive: true, force: true }));

/** The bytes that the guest's program sends to a port, and their sum as it has it. */
function bytesOf(port: number, length: number): Uint8Array {
  let state = port;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

const sumOf = (bytes: Uint8Array): number => bytes.reduce((sum, byte) => (Math.imul(sum, 31) + byte) >>> 0, 0);

/** Listens for what the guest connects to. */
async function serve(path: string, accept: (socket: Socket) => void): Promise<Server> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    accept(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return server;
}

/** Connects to a port of the guest; undefined: nobody is there. */
async function dial(path: string, port: number | string): Promise<Socket | undefined> {
  const socket = connect({ path, allowHalfOpen: true });
  socket.on("error", () => {});
  socket.write(`CONNECT ${port}\n`);
  let line = "";
  for await (const [byte] of bytesIn(socket, 1)) {
    if (byte === 10) break;
    line += String.fromCharCode(byte!);
  }
  if (!/^OK \d+$/.test(line)) {
    socket.destroy();
    return undefined;
  }
  return socket;
}

/** The same, once somebody is there. */
async function reach(path: string, port: number): Promise<Socket> {
  for (;;) {
    const socket = await dial(path, port);
    if (socket) return socket;
    await sleep(20);
  }
}

async function* bytesIn(socket: Socket, count: number): AsyncGenerator<Buffer> {
  for (;;) {
    const bytes = socket.read(count) as Buffer | null;
    if (bytes) yield bytes;
    else if (socket.readableEnded || socket.destroyed) return;
    else
      await new Promise<void>((resolve) => {
        const done = () => resolve();
        socket.once("readable", done).once("end", done).once("close", done);
      });
  }
}

/** All that comes until the end. */
async function all(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on("data", (bytes) => chunks.push(bytes)).resume();
  await new Promise<void>((resolve) => socket.once("end", resolve).once("close", resolve));
  return Buffer.concat(chunks);
}

async function started(options: Parameters<typeof Machine.create>[0]) {
  const vm = await Machine.create({ ...guest, ...options });
  onTestFinished(() => vm.stop());
  const shown = transcript(vm);
  await vm.start();
  const exec = async (command: string) => {
    const { stdout, stderr } = await vm.exec(command, { timeout: PATIENCE });
    return (stdout + stderr).trimEnd();
  };
  return { vm, shown, exec };
}

test(
  "a guest and its host talk, either way round, and hear that nobody is there",
  async () => {
    const path = join(base, "talk");
    const { vm, shown, exec } = await started({ vsock: { path, cid: 42 } });
    expect(await exec("vs cid")).toBe("42");
    expect(statSync(path).mode & 0o777).toBe(0o600);

    const heard: Buffer[] = [];
    await serve(`${path}_1000`, (socket) => {
      socket.on("data", (bytes) => heard.push(bytes));
      socket.on("end", () => socket.end(Buffer.concat(heard)));
    });
    const length = MIB + 12_345;
    const sent = bytesOf(1000, length);
    expect(await exec(`vs talk 1000 ${length}`)).toBe(`${length} ${sumOf(sent)}`);
    expect(Buffer.compare(Buffer.concat(heard), sent)).toBe(0);
    expect(await exec("vs talk 1001 5")).toBe("connect: Connection reset by peer");

    await exec("vs echo 2000 16 >/echo 2>&1 &");
    const talks = Array.from({ length: 16 }, async (_, i) => {
      const socket = await reach(path, 2000);
      const answer = all(socket);
      const bytes = bytesOf(i, i === 0 ? MIB : 10_000 + i);
      socket.end(bytes);
      expect(Buffer.compare(await answer, bytes)).toBe(0);
    });
    await Promise.all(talks);
    expect(await exec("cat /echo")).toBe("");

    for (const port of [2001, "4294967295", "4294967296", "x", "1".repeat(100)])
      expect(await dial(path, port), String(port)).toBeUndefined();
    await serve(`${path}_1002`, (socket) => socket.end("bye", () => socket.destroy()));
    expect(await exec("vs shut 1002")).toMatch(/^write: (Broken pipe|Connection reset by peer)$/);
    expect(complaints(await exec("dmesg")).concat(complaints(shown()))).toEqual([]);
    await vm.stop();
    expect(() => statSync(path)).toThrow("ENOENT");
  },
  10 * MINUTES,
);

test(
  "who doesn't read stops who sends, and nothing is lost",
  async () => {
    const path = join(base, "credit");
    const { exec } = await started({ vsock: { path } });
    const server = await serve(`${path}_7`, (socket) => void socket.pause());
    const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
    // What the guest and the host keep for a connection, the kernels' buffers among it.
    const count = Number(await exec("vs stuck 7"));
    expect(count).toBeGreaterThan(64 * 1024);
    expect(count).toBeLessThan(2 * MIB);
    expect((await all(await accepted)).length).toBe(count);

    await exec("vs deaf 8 >/deaf 2>&1 &");
    const socket = await reach(path, 8);
    let taken = 0;
    const piece = Buffer.alloc(64 * 1024, 1);
    const total = 8 * MIB;
    const write = () => {
      if (taken === total) socket.end();
      else
        socket.write(piece, () => {
          taken += piece.length;
          write();
        });
    };
    write();
    for (let before = -1; taken !== before; ) {
      before = taken;
      await sleep(1000);
    }
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(2 * MIB);
    await exec("touch /listen");
    let said = "";
    while (!said) said = await exec("cat /deaf");
    expect(said).toBe(String(total));
  },
  10 * MINUTES,
);

test(
  "a machine that goes on from a snapshot has lost its connections, knows it, and makes new ones",
  async () => {
    const path = join(base, "first");
    const { vm, exec } = await started({ vsock: { path } });
    await serve(`${path}_9`, () => {});
    await exec("vs wait 9 >/wait 2>&1 & vs echo 10 1 >/echo 2>&1 &");
    while ((await exec("cat /wait")) === "") await sleep(20);
    const snapshot = await vm.snapshot();
    const moved = join(base, "second");
    const copy = await Machine.restore(snapshot, { vsock: { path: moved, cid: 1234 } });
    onTestFinished(() => copy.stop());
    await copy.start();
    const inCopy = async (command: string) => (await copy.exec(command, { timeout: PATIENCE })).stdout.trimEnd();
    let said = "";
    while (!said.includes("\n")) said = await inCopy("cat /wait");
    expect(said).toMatch(/^connected\n(read: Connection reset by peer|0)$/);
    expect(await inCopy("vs cid")).toBe("1234");
    const other = await reach(moved, 10);
    const answer = all(other);
    other.end("still listening");
    expect(String(await answer)).toBe("still listening");
    // The first goes on with its connection.
    expect(await exec("cat /wait; vs cid")).toBe("connected\n3");
    await expect(Machine.restore(snapshot)).rejects.toThrow(/give it the disks, networks and sockets that it had/);
  },
  10 * MINUTES,
);

test("what can't be is told in one sentence, and nothing of anybody's is removed", async () => {
  const create = (vsock: object) => Machine.create({ ...guest, vsock: vsock as never });
  await expect(create({ path: "" })).rejects.toThrow("A vsock needs the path of a Unix socket.");
  await expect(create({ path: "x", cid: 2 })).rejects.toThrow("can't have the context ID 2; choose one from 3");
  await expect(create({ path: "x", transport: "usb" })).rejects.toThrow("There is no transport usb");
  await expect(create({ path: join(base, "x".repeat(100)) })).rejects.toThrow(/has \d+ bytes, and 92 are possible/);
  await expect(create({ path: join(base, "nowhere/s") })).rejects.toThrow("its directory does not exist");
  const file = join(base, "file");
  writeFileSync(file, "mine");
  await expect(create({ path: file })).rejects.toThrow(/something else is there/);
  expect(readFileSync(file, "utf8")).toBe("mine");
  const busy = join(base, "busy");
  const server = await serve(busy, () => {});
  await expect(create({ path: busy })).rejects.toThrow(/another process listens there/);
  expect(server.listening).toBe(true);
  // A socket whose process is gone is in nobody's way.
  const dead = join(base, "dead");
  await run([
    "node",
    "-e",
    `require("net").createServer().listen(${JSON.stringify(dead)}, () => process.kill(process.pid, 9))`,
  ]).catch(() => {});
  expect(statSync(dead).isSocket()).toBe(true);
  const vm = await create({ path: dead });
  await vm.stop();
});
