/** A guest that sends whatever it likes can neither crash the network nor make it grow. */

import { expect, test } from "vitest";
import type { SocketFailure } from "../../src/backends/sockets.ts";
import { choose, seeded } from "../../src/fuzz/random.ts";
import { Guest, sequences } from "./support/guest.ts";
import { type Aim, hostileFrame } from "./support/hostile.ts";

const FRAMES = Number(process.env.WARDIAN_HOSTILE_FRAMES ?? 60_000);
const SEED = Number(process.env.WARDIAN_HOSTILE_SEED ?? 1);
const FAILURES: (SocketFailure | undefined)[] = [
  undefined,
  "refused",
  "reset",
  "host-unreachable",
  "exhausted",
  "failed",
];

test(`${FRAMES} frames`, () => {
  const random = seeded(SEED);
  const guest = new Guest();
  const { world, time, network } = guest;
  let answered = 0;
  let most = 0;
  let aim: Aim | undefined;
  network.onFrame = (frame) => {
    answered++;
    most = Math.max(most, frame.length);
    // Connections that stand are aimed at.
    if (frame[23] === 6 && (frame[47]! & 2) !== 0) {
      const { seq, ack } = sequences(frame);
      aim = {
        port: (frame[34]! << 8) | frame[35]!,
        sourcePort: (frame[36]! << 8) | frame[37]!,
        seq: ack,
        ack: seq + 1,
      };
    }
  };
  /** What the host's side does meanwhile. */
  const host = () => {
    const stream = choose(random, world.streams.slice(-20));
    const handler = stream?.state === "reset" ? undefined : stream?.handler;
    if (handler) {
      const what = random() % 8;
      if (what < 3) {
        handler.connected();
        stream!.handler = { ...handler, connected: () => {} };
      } else if (what < 6) handler.data(new Uint8Array(random() % 3000));
      else if (what === 6) handler.ended();
      else {
        handler.closed(choose(random, FAILURES));
        stream!.state = "reset";
      }
    }
    const socket = choose(random, world.sockets.slice(-20));
    const to = socket?.sent.at(-1)?.to;
    if (socket && !socket.isClosed && to) socket.handler.data(new Uint8Array(random() % 2000), to);
    for (const echo of world.echoes.splice(0)) echo.complete(choose(random, FAILURES));
  };
  for (let i = 0; i < FRAMES; i++) {
    network.submit(hostileFrame(random, aim));
    if (random() % 4 === 0) host();
    if (random() % 16 === 0) time.pass(random() % 50);
    if (i % 1000 === 0) {
      const streams = world.streams.filter(({ state }) => state !== "reset");
      world.streams.splice(0, world.streams.length, ...streams);
      const sockets = world.sockets.filter(({ isClosed }) => !isClosed);
      world.sockets.splice(0, world.sockets.length, ...sockets);
      for (const each of [...streams]) each.written.length = 0;
      for (const each of sockets) each.sent.splice(0, each.sent.length - 1);
      expect(streams.length).toBeLessThan(2600);
      expect(sockets.length).toBeLessThanOrEqual(512 + 256);
    }
  }
  expect(answered).toBeGreaterThan(FRAMES / 20);
  expect(most).toBeLessThanOrEqual(1514);
  // And it still serves who behaves.
  time.pass(10);
  guest.network.onFrame = (frame) => guest.frames.push(frame);
  guest.frames.length = 0;
  time.pass(2000);
  guest.ping("10.0.2.2");
  expect(guest.take()).toContain("icmp 10.0.2.2 > 10.0.2.15 type 0 code 0");
  network.close();
  time.pass(1);
  expect(time.pending).toBe(0);
});
