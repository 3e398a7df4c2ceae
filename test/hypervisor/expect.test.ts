/** Waiting for text on a console. */

import { expect, test } from "vitest";
import { ConsoleText } from "../../src/hypervisor/expect.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

test("what came before counts, and what has matched is read", async () => {
  const console = new ConsoleText();
  console.add(bytes("login: guest\n# "));
  expect((await console.expect(/login: (\w+)/).match)[1]).toBe("guest");
  expect(console.unread).toBe("\n# ");
  expect((await console.expect(/# $/).match).index).toBe(1);
  expect(console.unread).toBe("");
});

test("text may come in pieces, characters too", async () => {
  const console = new ConsoleText();
  const { match } = console.expect(/größe 🙂$/);
  for (const byte of bytes("die größe 🙂")) console.add(Uint8Array.of(byte));
  expect((await match)[0]).toBe("größe 🙂");
});

test("waiters are served in order, each from where the last one ended", async () => {
  const console = new ConsoleText();
  const order: string[] = [];
  const waits = ["b", "a", "b"].map((letter, i) =>
    console.expect(new RegExp(letter)).match.then(() => order.push(`${i}${letter}`)),
  );
  console.add(bytes("a"));
  console.add(bytes("ba"));
  console.add(bytes("b"));
  await Promise.all(waits);
  expect(order).toEqual(["0b", "1a", "2b"]);
});

test("patterns with state look from the beginning all the same", async () => {
  const console = new ConsoleText();
  const pattern = /x/gy;
  for (let i = 0; i < 3; i++) {
    console.add(bytes("  x"));
    expect((await console.expect(pattern).match)[0]).toBe("x");
  }
  expect(pattern.lastIndex).toBe(0);
});

test("who gives up lets those behind him have their turn", async () => {
  const console = new ConsoleText();
  const first = console.expect(/never/);
  const second = console.expect(/now/);
  console.add(bytes("now"));
  first.cancel(new Error("too late"));
  await expect(first.match).rejects.toThrow("too late");
  expect((await second.match)[0]).toBe("now");
});

test("control sequences are not seen, whole or in pieces", async () => {
  const console = new ConsoleText();
  for (const piece of ["# \x1b", "[6", "nls \x1b[1;3", "4mdir\x1b[m\x1b]0;ti", "tle\x07 end\x1b7"])
    console.add(bytes(piece));
  expect((await console.expect(/^# ls dir end$/).match)[0]).toBe("# ls dir end");
});

test("at the end all that wait fail, and whoever comes later, unless it is there already", async () => {
  const console = new ConsoleText();
  const { match } = console.expect(/more/);
  console.add(bytes("less"));
  console.end(new Error("over"));
  await expect(match).rejects.toThrow("over");
  expect((await console.expect(/less/).match)[0]).toBe("less");
  await expect(console.expect(/more/).match).rejects.toThrow("over");
});

test("a guest that never stops talking is forgotten but for the last of it", async () => {
  const console = new ConsoleText();
  const chunk = new Uint8Array(1 << 20).fill(0x78);
  for (let i = 0; i < 8; i++) console.add(chunk);
  expect(console.unread.length).toBeLessThanOrEqual(2 << 20);
  console.add(bytes("end"));
  expect((await console.expect(/xend/).match)[0]).toBe("xend");
});

test("a control sequence without an end doesn't hold the text back for ever", async () => {
  const console = new ConsoleText();
  console.add(bytes("\x1b]"));
  for (let i = 0; i < 64; i++) console.add(bytes("x".repeat(1024)));
  console.add(bytes("after"));
  expect((await console.expect(/after/).match)[0]).toBe("after");
});
