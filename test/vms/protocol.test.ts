/** Frames of the control socket, in whatever pieces they come, and those that aren't any. */

import { expect, test } from "vitest";
import {
  CONSOLE,
  decodeReport,
  decodeRequest,
  decodeResize,
  encodeFrame,
  encodeMessage,
  type Frame,
  FrameReader,
  MAX_FRAME,
  MESSAGES,
  PROTOCOL,
  type Request,
} from "../../src/vms/control/protocol.ts";

const message = (value: unknown): Frame => ({
  channel: MESSAGES,
  payload: new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value)),
});

test("frames come out as they went in, however they are cut", () => {
  const request: Request = { protocol: PROTOCOL, type: "console", size: { columns: 80, rows: 24 } };
  const bytes = Uint8Array.from({ length: 5000 }, (_, i) => i);
  const frames = [encodeMessage(request), encodeFrame(CONSOLE, bytes), encodeFrame(CONSOLE, new Uint8Array(0))];
  const all = Buffer.concat(frames);
  for (const step of [1, 2, 3, 4, 5, 7, 1000, all.length]) {
    const reader = new FrameReader();
    const found: Frame[] = [];
    for (let at = 0; at < all.length; at += step) found.push(...reader.take(all.subarray(at, at + step)));
    expect(found.map(({ channel }) => channel)).toEqual([MESSAGES, CONSOLE, CONSOLE]);
    expect(decodeRequest(found[0]!)).toEqual(request);
    expect(found[1]!.payload).toEqual(bytes);
    expect(found[2]!.payload).toHaveLength(0);
  }
});

test("a frame that is too long is refused by its head", () => {
  const head = new Uint8Array(5);
  new DataView(head.buffer).setUint32(0, MAX_FRAME + 1);
  expect(() => new FrameReader().take(head)).toThrow(/more than/);
});

test.each([
  ["no JSON", "{"],
  ["no object", "7"],
  ["null", "null"],
  ["another version", { protocol: PROTOCOL + 1, type: "status" }],
  ["no type", { protocol: PROTOCOL }],
  ["an unknown type", { protocol: PROTOCOL, type: "format" }],
  ["a command that isn't text", { protocol: PROTOCOL, type: "exec", command: 1 }],
  ["a time before now", { protocol: PROTOCOL, type: "stop", timeout: -1, force: false }],
  ["a time that is none", { protocol: PROTOCOL, type: "stop", timeout: "1", force: false }],
  ["a disk that is none", { protocol: PROTOCOL, type: "resize-disk", disk: -1, size: 512 }],
  ["a disk to commit that is none", { protocol: PROTOCOL, type: "commit-disk", disk: "0" }],
  ["a size that is none", { protocol: PROTOCOL, type: "resize-disk", disk: 0, size: "1G" }],
  ["a terminal without columns", { protocol: PROTOCOL, type: "console", size: { rows: 1, columns: 0 } }],
])("a request that is none: %s", (_, value) => {
  expect(() => decodeRequest(message(value))).toThrow(/^[^\n]+\.$/);
});

test("a request must be a message, and only sizes follow", () => {
  const request = message({ protocol: PROTOCOL, type: "status" });
  expect(() => decodeRequest({ ...request, channel: CONSOLE })).toThrow(/first/);
  expect(decodeResize(message({ type: "resize", size: { columns: 1, rows: 2 } })).size).toEqual({
    columns: 1,
    rows: 2,
  });
  expect(() => decodeResize(request)).toThrow();
  expect(() => decodeReport(message({}))).toThrow();
});

test("random bytes end in a sentence, or in nothing", () => {
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 16;
  };
  for (let n = 0; n < 2000; n++) {
    const bytes = Uint8Array.from({ length: next() % 64 }, () => next());
    if (n % 2) bytes.fill(0, 0, 3);
    try {
      for (const frame of new FrameReader().take(bytes)) decodeRequest(frame);
    } catch (error) {
      expect((error as Error).name).toBe("ProtocolError");
    }
  }
});
