/**
 * Guests and processes of the host that mean ill: whatever they do, nothing
 * beside the folder is read or changed, and the host stays as it is.
 */

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { FileRequest } from "../../src/backends/files.ts";
import { get64, put32, put64 } from "../../src/devices/virtio/bytes.ts";
import { FileSystemDevice } from "../../src/devices/virtio/fs/fs.ts";
import { ArrayGuestMemory } from "../../src/devices/virtio/guest-memory.ts";
import { MmioTransport } from "../../src/devices/virtio/transport-mmio.ts";
import { run } from "../../src/oracle/command.ts";
import { Driver, type DriverQueue, INDIRECT, type Piece, random, VERSION_1 } from "../devices-virtio/driver.ts";
import { Errno, type FuseClient, ROOT } from "./fuse-client.ts";
import { shared, treeHash } from "./share-folder.ts";

/** How many hostile requests; a million were made by hand. */
const REQUESTS = Number(process.env.WARDIAN_FUSE_REQUESTS ?? 40_000);
/** How often a host's processes are raced. */
const RACES = Number(process.env.WARDIAN_FUSE_RACES ?? 600);
const MINUTES = 60_000;

const descriptors = () => readdirSync("/proc/self/fd").length;

type Next = (below: number) => number;

/** Requests that are mostly nearly right, about nodes and handles that mostly exist. */
class Hostile {
  readonly #next: Next;
  readonly #outside: string;
  readonly nodes = [ROOT];
  readonly handles = [1];

  constructor(next: Next, outside: string) {
    this.#next = next;
    this.#outside = outside;
  }

  /** The bytes of a request, header included. */
  request(): Uint8Array {
    const next = this.#next;
    const operation = next(60) ? this.#pick(OPERATIONS) : next(2 ** 31);
    const body = next(40) ? this.#body(operation) : this.#noise(next(300));
    const bytes = new Uint8Array(40 + body.length);
    bytes.set(body, 40);
    put32(
      bytes,
      0,
      next(50) ? bytes.length : this.#pick([0, 39, 40, 41, bytes.length - 1, bytes.length + 1, 2 ** 31, 2 ** 32 - 1]),
    );
    put32(bytes, 4, operation);
    put64(bytes, 8, next(2 ** 31));
    put64(bytes, 16, this.#node());
    put32(bytes, 24, this.#pick([0, 0, 1000, 2 ** 32 - 1]));
    put32(bytes, 28, this.#pick([0, 0, 1000, 2 ** 32 - 1]));
    return next(60) ? bytes : bytes.subarray(0, next(bytes.length));
  }

  /** Remembers what a reply told of a node or a handle. */
  learn(reply: Uint8Array): void {
    const node = reply.length === 16 + 128 || reply.length === 16 + 144;
    if (node) this.#keep(this.nodes, get64(reply, 16));
    if (reply.length === 16 + 16 || reply.length === 16 + 144)
      this.#keep(this.handles, get64(reply, reply.length - 16));
  }

  /** A new session has begun. */
  forget(): void {
    this.nodes.length = this.handles.length = 1;
  }

  #keep(pool: number[], value: number): void {
    if (pool.length < 12) pool.push(value);
    else pool[1 + this.#next(11)] = value;
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#next(from.length)]!;
  }

  #node(): number {
    return this.#next(30)
      ? this.#pick(this.nodes)
      : this.#pick([0, 2 ** 31, 2 ** 53, 2 ** 64 - 2048, this.#next(1000)]);
  }

  #handle(): number {
    return this.#next(30) ? this.#pick(this.handles) : this.#pick([0, 2 ** 53, 2 ** 64 - 2048, this.#next(1000)]);
  }

  #number(): number {
    return this.#next(20)
      ? this.#next(5000)
      : this.#pick([0, 2 ** 31, 2 ** 32 - 1, 2 ** 40, 2 ** 53 - 1, 2 ** 63, 2 ** 64 - 2048]);
  }

  #name(): string {
    if (this.#next(8)) return this.#pick(["a", "b", "c", "d", "e", "up", "abs", "file"]);
    return this.#pick([
      "",
      ".",
      "..",
      "../outside",
      "up/secret",
      "a/../..",
      "x".repeat(255),
      "x".repeat(300),
      this.#outside,
      "\xff\xfe",
      "a\n",
    ]);
  }

  #target(): string {
    return this.#pick([
      `${this.#outside}/secret`,
      this.#outside,
      "..",
      "../outside",
      "../outside/secret",
      "a",
      "/",
      "/proc/self/fd/3",
    ]);
  }

  #noise(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#next(256));
  }

  #body(operation: number): Uint8Array {
    const next = this.#next;
    const bytes = Buffer.alloc(5000);
    let length = 0;
    const u32 = (value: number) => {
      put32(bytes, length, value);
      length += 4;
    };
    const u64 = (value: number) => {
      put64(bytes, length, value);
      length += 8;
    };
    const text = (value: string) => {
      length += bytes.write(`${value}\0`, length, "latin1");
    };
    const mode = () => this.#pick([0o644, 0o755, 0o100644, 0o4755, 0o10644, 0o20644, next(2 ** 16)]);
    const flags = () => this.#pick([0, 1, 2, 0o102, 0o302, 0o1102, 0o2102, 0o1002, 2 ** 32 - 1, next(2 ** 31)]);
    switch (operation) {
      case 1: // LOOKUP, UNLINK, RMDIR
      case 10:
      case 11:
        text(this.#name());
        break;
      case 2:
        u64(next(4));
        break;
      case 3:
        u32(next(2));
        u32(0);
        u64(this.#handle());
        break;
      case 4:
        u32(next(2 ** 11));
        u32(0);
        for (let i = 0; i < 6; i++) u64(i === 0 ? this.#handle() : this.#number());
        for (let i = 0; i < 8; i++) u32(i === 3 ? mode() : this.#number() % 2 ** 32);
        break;
      case 6:
        text(this.#name());
        text(this.#target());
        break;
      case 8:
        u32(mode());
        for (let i = 0; i < 3; i++) u32(next(100));
        text(this.#name());
        break;
      case 9:
        u32(mode());
        u32(0);
        text(this.#name());
        break;
      case 12:
      case 45:
        u64(this.#node());
        if (operation === 45) u64(next(10) ? next(3) : next(16));
        text(this.#name());
        text(this.#name());
        break;
      case 13:
        u64(this.#node());
        text(this.#name());
        break;
      case 14:
      case 27:
        u32(flags());
        u32(0);
        break;
      case 35:
        u32(flags());
        u32(mode());
        u64(0);
        text(this.#name());
        break;
      case 15:
      case 28:
      case 44:
        u64(this.#handle());
        u64(this.#number());
        u32(this.#number() % 2 ** 32);
        for (let i = 0; i < 5; i++) u32(0);
        break;
      case 16: {
        const size = next(2000);
        u64(this.#handle());
        u64(this.#number());
        u32(next(20) ? size : this.#number() % 2 ** 32);
        u32(next(8));
        for (let i = 0; i < 4; i++) u32(0);
        length += size;
        break;
      }
      case 43:
        u64(this.#handle());
        u64(this.#number());
        u64(this.#number() % 2 ** 50);
        u32(next(32));
        u32(0);
        break;
      case 47:
        u64(this.#handle());
        u64(this.#number());
        u64(this.#node());
        u64(this.#handle());
        u64(this.#number());
        u64(next(5000));
        u64(0);
        break;
      case 42:
        u32(next(10) ? 3 : 2 ** 32 - 1);
        u32(0);
        for (let i = 0; i < 3; i++) {
          u64(this.#node());
          u64(next(3));
        }
        break;
      default:
        u64(this.#handle());
        for (let i = 0; i < 12; i++) u32(next(10));
    }
    return Uint8Array.from(bytes.subarray(0, length));
  }
}

/** All but SYNCFS, which takes its time, and INIT and DESTROY, which come seldom. */
const OPERATIONS = [
  1, 1, 1, 1, 2, 3, 4, 5, 6, 8, 9, 9, 10, 10, 11, 12, 12, 13, 14, 14, 15, 16, 16, 17, 18, 20, 21, 22, 25, 27, 28, 29,
  30, 34, 35, 35, 35, 36, 39, 42, 43, 44, 44, 45, 45, 46, 47,
];

const INIT = Uint8Array.from({ length: 56 }, (_, i) => ({ 0: 56, 4: 26, 40: 7, 44: 31 })[i] ?? 0);
const DESTROY = Uint8Array.from({ length: 40 }, (_, i) => ({ 0: 40, 4: 38 })[i] ?? 0);

test(
  `survives ${REQUESTS} hostile requests, and touches nothing beside its folder`,
  () => {
    const limits = { nodes: 200, descriptors: 24, handles: 24 };
    const { dir, outside, server, close } = shared({ limits });
    symlinkSync("../outside", join(dir, "up"));
    symlinkSync(join(outside, "secret"), join(dir, "abs"));
    mkdirSync(join(dir, "d"));
    writeFileSync(join(dir, "file"), "contents");
    const before = treeHash(outside);
    const next = random(20_261);
    const hostile = new Hostile(next, outside);
    const codes = new Map<number, number>();
    const pending: [number, FileRequest][] = [];

    const memory = new ArrayGuestMemory(1 << 20);
    const device = new FileSystemDevice(memory, "hostile", (id, request) => pending.push([id, request]));
    const transport = new MmioTransport("virtio2", device, () => {});
    let queues: DriverQueue[] = [];
    const area = 1 << 18;
    const begin = () => {
      const driver = new Driver(memory, transport);
      driver.negotiate(VERSION_1 | INDIRECT);
      queues = [driver.queue(0, 16), driver.queue(1, 16)];
      driver.go();
    };
    const pump = () => {
      for (let item = pending.shift(); item; item = pending.shift()) {
        const [request, asked] = item;
        const { error, body } = server.handle(asked);
        codes.set(error, (codes.get(error) ?? 0) + 1);
        expect(body.length, `operation ${asked.operation}`).toBeLessThanOrEqual(Math.max(asked.room, 4096));
        device.accept({ request, error, bytes: body });
      }
    };
    const send = (bytes: Uint8Array, room: number) => {
      const queue = queues[next(20) ? 1 : 0]!;
      const at = memory.base + area;
      memory.bytes.set(bytes, area);
      const cut = next(bytes.length + 1);
      const pieces: Piece[] = [
        { address: at, length: cut, write: false },
        { address: at + cut, length: bytes.length - cut, write: false },
        { address: at + 65536, length: Math.min(16, room), write: true },
        { address: at + 65536 + 16, length: Math.max(0, room - 16), write: true },
      ].filter(({ length }) => length > 0);
      if (pieces.length === 0 || queue.add(pieces) === undefined) return;
      queue.notify();
      pump();
      for (let used = queue.take(); used; used = queue.take()) hostile.learn(used.bytes);
    };

    begin();
    const open = descriptors();
    let fresh = true;
    for (let i = 0; i < REQUESTS; i++) {
      if (fresh && next(3) === 0) {
        send(INIT, 80);
        hostile.forget();
        fresh = false;
      } else if (i % 7001 === 0) send(DESTROY, 16);
      else send(hostile.request(), next(30) ? next(3) * 4096 + 200 : next(40));
      if (i % 7001 === 0) fresh = true;
      if (next(3000) === 0 || device.status & 64) {
        // A new driver, with the old one's requests still on their way.
        begin();
        pump();
        fresh = true;
      }
      if (i % 1000 > 0) continue;
      const { nodes, handles } = server.held;
      expect(nodes).toBeLessThanOrEqual(limits.nodes);
      expect(handles).toBeLessThanOrEqual(limits.handles);
      expect(descriptors() - open).toBeLessThanOrEqual(2 * limits.descriptors + limits.handles + 2);
    }
    console.log(
      [...codes]
        .sort((a, b) => b[1] - a[1])
        .map(String)
        .join(" "),
    );
    // It got everywhere: most requests did something, and all kinds of refusals were given.
    expect(codes.get(0)!).toBeGreaterThan(REQUESTS / 10);
    for (const errno of [2, 9, 17, 20, 21, 22, 38, 40, 116])
      expect(codes.get(errno) ?? 0, `errno ${errno}`).toBeGreaterThan(0);
    expect(codes.get(5) ?? 0, "EIO").toBeLessThan(REQUESTS / 20);
    expect(treeHash(outside)).toBe(before);
    device.reset();
    pump();
    expect(server.held).toEqual({ nodes: 1, descriptors: 1, handles: 0 });
    close();
  },
  30 * MINUTES,
);

let tools: string;
let swapper: string;

beforeAll(async () => {
  tools = mkdtempSync(join(tmpdir(), "wardian-swap-"));
  swapper = join(tools, "swap");
  await run(["gcc", "-O1", "-o", swapper, fileURLToPath(new URL("swap.c", import.meta.url))]);
});
afterAll(() => rmSync(tools, { recursive: true, force: true }));

/** Does it, whatever comes of it; only what FUSE says is expected. */
function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (error instanceof Errno) return undefined;
    throw error;
  }
}

/** All that a guest can do by a directory and a file whose names lead elsewhere every other moment. */
function assail(guest: FuseClient, round: number, seen: Set<string>): void {
  const remember = (node: number, handle: number) =>
    seen.add(Buffer.from(attempt(() => guest.read(node, handle, 0, 100)) ?? []).toString());
  const sub = attempt(() => guest.lookup(ROOT, "sub"));
  if (sub) {
    const file = attempt(() => guest.lookup(sub.node, "secret"));
    if (file) {
      const open = attempt(() => guest.open(file.node));
      if (open) remember(file.node, open.handle);
      if (open) attempt(() => guest.release(file.node, open.handle));
      attempt(() => guest.setattr(file.node, { mode: 0o600 + (round % 8) }));
    }
    const made = attempt(() => guest.create(sub.node, `new${round % 4}`));
    if (made) {
      attempt(() => guest.write(made.node, made.handle, 0, "by the guest"));
      attempt(() => guest.release(made.node, made.handle));
    }
    attempt(() => guest.mkdir(sub.node, `dir${round % 4}`));
    attempt(() => guest.symlink(sub.node, `sym${round % 4}`, "x"));
    for (const { name } of attempt(() => guest.list(sub.node, round % 2 === 0)) ?? []) seen.add(name);
    attempt(() => guest.rename(sub.node, `new${round % 4}`, ROOT, "taken"));
    attempt(() => guest.rename(ROOT, "taken", sub.node, `given${round % 4}`, round % 3));
    attempt(() => guest.unlink(sub.node, `given${round % 4}`));
    attempt(() => guest.rmdir(sub.node, `dir${round % 4}`));
    attempt(() => guest.unlink(sub.node, `sym${round % 4}`));
    if (round % 50 === 0) attempt(() => guest.unlink(sub.node, "secret"));
    attempt(() => guest.forget(sub.node));
  }
  const made = attempt(() => guest.create(ROOT, "file", [0o102, 0o1102, 0o2102][round % 3]));
  if (made) {
    remember(made.node, made.handle);
    attempt(() => guest.write(made.node, made.handle, 0, "inside, by the guest"));
    attempt(() => guest.write(made.node, made.handle, 0, "inside, mapped", 1));
    attempt(() => guest.release(made.node, made.handle));
  }
  const file = attempt(() => guest.lookup(ROOT, "file"));
  if (file) {
    const open = attempt(() => guest.open(file.node, round % 2 ? 2 : 0o1002));
    if (open) remember(file.node, open.handle);
    if (open) attempt(() => guest.release(file.node, open.handle));
    attempt(() => guest.setattr(file.node, { size: round % 30 }));
    attempt(() => guest.setattr(file.node, { now: true }));
    attempt(() => guest.setattr(file.node, { mode: 0o644, uid: 0, gid: 0 }));
    attempt(() => guest.readlink(file.node));
    attempt(() => guest.link(file.node, ROOT, "linked"));
    attempt(() => guest.unlink(ROOT, "linked"));
    attempt(() => guest.forget(file.node));
  }
}

test(
  "is led nowhere by a process of the host that puts links in the place of names, all the while",
  async () => {
    const { dir, outside, guest, server, close } = shared({ limits: { nodes: 200, descriptors: 5, handles: 16 } });
    mkdirSync(join(dir, "sub"));
    writeFileSync(join(dir, "sub/secret"), "inside");
    writeFileSync(join(dir, "file"), "inside");
    symlinkSync("../outside", join(dir, "other-sub"));
    symlinkSync("../outside/secret", join(dir, "other-file"));
    const before = treeHash(outside);
    const seen = new Set<string>();
    const swap = spawn(swapper, [dir, "sub", "other-sub", "file", "other-file"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const said = new Promise<string>((done) => swap.stdout.once("data", (data) => done(String(data))));
    expect(await said).toBe("swapping\n");
    for (let round = 0; round < RACES; round++) {
      assail(guest, round, seen);
      // Nodes whose descriptors are closed are found again by their names, which is where a link could come between.
      if (round % 10 === 0)
        for (const { node } of attempt(() => guest.list(ROOT, true)) ?? [])
          if (node) attempt(() => guest.getattr(node));
    }
    const ended = new Promise<number | null>((done) => swap.once("exit", done));
    swap.stdin.end();
    expect(await ended).toBe(0);
    expect(treeHash(outside)).toBe(before);
    expect([...seen].filter((text) => /no guest may read|nor this|^link$/.test(text))).toEqual([]);
    expect([...seen].some((text) => text.startsWith("inside"))).toBe(true);
    expect(server.held.nodes).toBeLessThanOrEqual(200);
    expect(readFileSync(join(outside, "secret"), "utf8")).toBe("what no guest may read");
    close();
  },
  30 * MINUTES,
);
