/** The rules of TCP, one by one, against a peer that is a script. */

import { describe, expect, test } from "vitest";
import { State } from "../../../src/net/tcp/connection.ts";
import { sackOption } from "../../../src/net/tcp/segment.ts";
import { OURS, Scripted } from "../support/scripted.ts";

const SECOND = 1000;
/** What a peer with SACK says it has early. */
const sack = (...edges: number[]) => sackOption(edges.map((edge) => edge + OURS));

function times(script: Scripted): number[] {
  return script.sent.map(({ at }) => Math.round(at));
}

describe("beginning", () => {
  test("a SYN is answered once it is accepted, with the options of both", () => {
    const script = new Scripted();
    script.receive("S", { seq: 0, options: Uint8Array.of(2, 4, 5, 180, 1, 3, 3, 7, 4, 2, 0, 0) });
    expect(script.takeSent()).toEqual([]);
    script.connection.accept();
    expect(script.sent.map(({ options }) => [...options])).toEqual([[2, 4, 5, 180, 1, 1, 4, 2, 1, 3, 3, 5]]);
    expect(script.takeSent()).toEqual(["S. 0 ack 1"]);
    script.receive(".");
    expect(script.events).toEqual(["established"]);
  });

  test("options that the peer doesn't offer aren't used", () => {
    const script = new Scripted();
    script.receive("S", { seq: 0 });
    script.connection.accept();
    expect([...script.sent[0]!.options]).toEqual([2, 4, 5, 180]);
    script.receive(".");
    script.connection.write(new Uint8Array(600));
    expect(script.takeSent()).toEqual(["S. 0 ack 1", ". 1+536 ack 1", "P. 537+64 ack 1"]);
    expect(script.connection.received.end).toBe(0);
  });

  test("a lost SYN-ACK is sent again after 1, 2, 4… seconds, then the peer counts as gone", () => {
    const script = new Scripted();
    script.receive("S", { seq: 0 });
    script.connection.accept();
    script.pass(300 * SECOND);
    expect(times(script)).toEqual([0, 1, 3, 7, 15, 31, 63].map((s) => s * SECOND));
    expect(script.events).toEqual(["timed-out"]);
  });

  test("a SYN that comes again is answered again", () => {
    const script = new Scripted();
    script.receive("S", { seq: 0 });
    script.connection.accept();
    script.receive("S", { seq: 0 });
    expect(script.takeSent()).toEqual(["S. 0 ack 1", "S. 0 ack 1"]);
  });

  test("an acknowledgement of what was never sent is reset, and the connection still begins", () => {
    const script = new Scripted();
    script.connection.open();
    script.receive("S.", { seq: 0, ack: 77 });
    expect(script.takeSent()).toEqual(["S 0", "R 77"]);
    script.receive("S.", { seq: 0, ack: 1 });
    expect(script.takeSent()).toEqual([". 1 ack 1"]);
    expect(script.events).toEqual(["established"]);
  });

  test("a reset refuses it, if it acknowledges the SYN", () => {
    const script = new Scripted();
    script.connection.open();
    script.receive("R.", { seq: 0, ack: 5 });
    script.receive("R", { seq: 0 });
    expect(script.events).toEqual([]);
    script.receive("R.", { seq: 0, ack: 1 });
    expect(script.events).toEqual(["refused"]);
  });

  test("both may begin at the same time", () => {
    const script = new Scripted();
    script.connection.open();
    script.receive("S", { seq: 0, ack: -1000 });
    expect(script.takeSent()).toEqual(["S 0", "S. 0 ack 1"]);
    script.receive("S.", { seq: 0, ack: 1 });
    expect(script.events).toEqual(["established"]);
    expect(script.connection.state).toBe(State.Established);
  });
});

describe("sending", () => {
  test("data is sent again after the timeout, which doubles each time", () => {
    const script = Scripted.established();
    script.connection.write(new Uint8Array(100));
    script.pass(70 * SECOND);
    const sent = times(script);
    // A round trip of 0 ms was measured at the beginning, so that the timeout is the least.
    expect(sent.map((at) => at - sent[0]!)).toEqual([0, 0.2, 0.6, 1.4, 3, 6.2, 12.6, 25.4, 51].map((s) => s * SECOND));
    script.receive(".", { ack: 101 });
    expect(script.pass(200 * SECOND)).toEqual([]);
  });

  test("after a quarter of an hour the peer counts as gone", () => {
    const script = Scripted.established();
    script.connection.write(new Uint8Array(1));
    script.pass(3600 * SECOND);
    expect(script.events).toEqual(["established", "timed-out"]);
    expect(times(script).at(-1)).toBeGreaterThan(400 * SECOND);
  });

  test("the timeout follows the round trip, and what was sent twice isn't measured", () => {
    const script = Scripted.established();
    for (let i = 0; i < 20; i++) {
      script.connection.write(new Uint8Array(10));
      script.time.pass(400);
      script.receive(".", { ack: 11 + 10 * i });
    }
    script.sent.length = 0;
    script.connection.write(new Uint8Array(10));
    script.time.pass(5 * SECOND);
    const [first, second] = times(script);
    expect(second! - first!).toBeGreaterThan(400);
    expect(second! - first!).toBeLessThan(900);
  });

  test("ten segments at first, and twice as many each round trip", () => {
    const script = Scripted.established({}, 1 << 20);
    script.connection.write(new Uint8Array(100_000));
    expect(script.takeSent()).toHaveLength(10);
    script.receive(".", { ack: 10_001 });
    expect(script.takeSent()).toHaveLength(20);
  });

  test("three duplicates mean a loss: the segment is sent again at once", () => {
    const script = Scripted.established();
    script.connection.write(new Uint8Array(10_000));
    script.takeSent();
    for (let i = 0; i < 2; i++) script.receive(".", { ack: 1001 });
    script.takeSent();
    script.receive(".", { ack: 1001 });
    expect(script.takeSent()).toEqual([]);
    script.receive(".", { ack: 1001 });
    expect(script.takeSent()).toEqual([". 1001+1000 ack 1"]);
    // More are missing: each is sent when the one before has come (NewReno).
    script.receive(".", { ack: 3001 });
    expect(script.takeSent()).toEqual([". 3001+1000 ack 1"]);
    script.receive(".", { ack: 10_001 });
    expect(script.pass(10 * SECOND)).toEqual([]);
  });

  test("what is sent again has nothing new at its end", () => {
    const script = Scripted.established();
    script.receive(".", { window: 300 });
    script.connection.write(new Uint8Array(300));
    script.connection.write(new Uint8Array(5000));
    expect(script.takeSent()).toEqual(["P. 1+300 ack 1"]);
    expect(script.pass(300)).toEqual([". 1+300 ack 1"]);
    script.takeSent();
    for (let i = 0; i < 3; i++) script.receive(".", { window: 300 });
    expect(script.takeSent()).toEqual([". 1+300 ack 1"]);
  });

  test("with SACK only what is missing is sent again, all of it in one round trip", () => {
    const script = Scripted.established({ sack: true });
    script.connection.write(new Uint8Array(10_000));
    script.takeSent();
    script.receive(".", { ack: 1, options: sack(1001, 2001) });
    script.receive(".", { ack: 1, options: sack(1001, 2001, 3001, 4001) });
    expect(script.takeSent()).toEqual([]);
    script.receive(".", { ack: 1, options: sack(5001, 10_001, 3001, 4001, 1001, 2001) });
    expect(script.takeSent()).toEqual([". 1+1000 ack 1", ". 2001+1000 ack 1", ". 4001+1000 ack 1"]);
    script.receive(".", { ack: 10_001 });
    expect(script.pass(10 * SECOND)).toEqual([]);
  });

  test("SACK of what was never sent, or the wrong way round, is ignored", () => {
    const script = Scripted.established({ sack: true });
    script.connection.write(new Uint8Array(5000));
    script.takeSent();
    for (let i = 0; i < 5; i++) script.receive(".", { ack: 1, options: sack(9001, 70_001, 4001, 2001, -500, 6001) });
    // By the number of duplicates alone nothing is lost where SACK was agreed on.
    script.receive(".", { ack: 5001 });
    expect(script.pass(10 * SECOND)).toEqual([]);
  });

  test("into a closed window goes a byte now and then, and all once it opens", () => {
    const script = Scripted.established();
    script.receive(".", { ack: 1, window: 0 });
    script.connection.write(new Uint8Array(3000));
    const probes: number[] = [];
    for (let t = 0; t < 600; t++) {
      for (const each of script.pass(SECOND)) {
        expect(each).toBe(". 1+1 ack 1");
        probes.push(t);
        script.receive(".", { ack: 1, window: 0 });
        script.takeSent();
      }
    }
    expect(probes.length).toBeGreaterThan(10);
    expect(probes.length).toBeLessThan(20);
    expect(script.events).toEqual(["established"]);
    script.receive(".", { ack: 1, window: 10_000 });
    expect(script.takeSent()).toEqual([". 1+1000 ack 1", ". 1001+1000 ack 1", "P. 2001+1000 ack 1"]);
  });

  test("an acknowledgement has the number behind all that was sent, also where the window has become smaller", () => {
    const script = Scripted.established();
    script.receive(".", { window: 2000 });
    script.connection.write(new Uint8Array(2000));
    script.receive(".", { ack: 1001, window: 980 });
    script.takeSent();
    script.receive(".", { ack: 1001, window: 980, data: 10 });
    expect(script.takeSent()).toEqual([". 2001 ack 11"]);
  });

  test("a probe that is taken counts", () => {
    const script = Scripted.established();
    script.receive(".", { ack: 1, window: 0 });
    script.connection.write(new Uint8Array(10));
    expect(script.pass(300)).toEqual([". 1+1 ack 1"]);
    script.receive(".", { ack: 2, window: 100 });
    expect(script.takeSent()).toContain("P. 2+9 ack 1");
  });

  test("no small segments into a small window", () => {
    const script = Scripted.established();
    script.receive(".", { ack: 1, window: 10_000 });
    script.connection.write(new Uint8Array(9500));
    script.takeSent();
    script.receive(".", { ack: 9001, window: 10 });
    script.connection.write(new Uint8Array(5000));
    expect(script.takeSent()).toEqual([]);
  });

  test("scaled windows are taken as such, but for that of a SYN", () => {
    const script = Scripted.established({ scale: 4, mss: 1460 }, 1 << 20);
    script.receive(".", { ack: 1, window: 1000 });
    script.connection.write(new Uint8Array(20_000));
    expect(script.takeSent().at(-1)).toBe(". 13141+1460 ack 1");
  });
});

describe("receiving", () => {
  test("what comes early waits, and its sender is told which", () => {
    const script = Scripted.established({ sack: true });
    script.receive(".", { seq: 1001, data: 1000 });
    script.receive(".", { seq: 3001, data: 1000 });
    expect(script.sent.map(({ ack, options }) => [ack, [...options].slice(0, 4)])).toEqual([
      [1, [1, 1, 5, 10]],
      [1, [1, 1, 5, 18]],
    ]);
    expect(script.got).toBe(0);
    script.receive(".", { seq: 1, data: 1000 });
    expect(script.got).toBe(2000);
    script.receive(".", { seq: 1501, data: 2000 });
    expect(script.got).toBe(4000);
    expect(script.sent.at(-1)).toMatchObject({ ack: 4001, options: new Uint8Array(0) });
  });

  test("no more ranges than there is room for", () => {
    const script = Scripted.established();
    for (let i = 0; i < 500; i++) script.receive(".", { seq: 2 + 2 * i, data: 1 });
    script.receive(".", { seq: 1, data: 1 });
    script.pass(0);
    expect(script.got).toBe(2);
  });

  test("the window is what there is room for, and never goes back", () => {
    const script = Scripted.established({ scale: 0 }, 10_000);
    script.reads = false;
    for (let i = 0; i < 10; i++) script.receive(".", { seq: 1 + 1000 * i, data: 1000 });
    expect(script.sent.at(-1)).toMatchObject({ ack: 10_001, window: 0 });
    // Beyond it nothing is taken, but answered.
    script.takeSent();
    script.receive(".", { seq: 10_001, data: 1 });
    expect(script.takeSent()).toEqual([". 1 ack 10001"]);
    expect(script.connection.received.length).toBe(10_000);
    script.take();
    script.pass(0);
    expect(script.sent.at(-1)).toMatchObject({ ack: 10_001, window: Math.floor(10_000 / 32) });
  });

  test("a keepalive, or anything from the past, is answered", () => {
    const script = Scripted.established();
    script.receive(".", { seq: 0 });
    script.receive(".", { seq: 0, data: 1 });
    expect(script.takeSent()).toEqual([". 1 ack 1", ". 1 ack 1"]);
    expect(script.got).toBe(0);
  });
});

describe("ending", () => {
  test("the peer ends: this side may go on, and then ends too", () => {
    const script = Scripted.established();
    script.receive("F.", { data: 10 });
    expect(script.events).toEqual(["established", "ended"]);
    expect(script.takeSent()).toEqual([". 1 ack 12"]);
    script.connection.write(new Uint8Array(10));
    script.connection.end();
    expect(script.takeSent()).toEqual(["P. 1+10 ack 12", "F. 11 ack 12"]);
    script.receive(".", { seq: 12, ack: 12 });
    expect(script.events.at(-1)).toBe("finished");
  });

  test("this side ends: the peer may go on; after its end this side stays for a minute", () => {
    const script = Scripted.established();
    script.connection.end();
    expect(script.takeSent()).toEqual(["F. 1 ack 1"]);
    script.receive(".", { ack: 2 });
    expect(script.connection.state).toBe(State.FinWait2);
    script.receive(".", { ack: 2, data: 500 });
    expect(script.got).toBe(500);
    script.pass(600 * SECOND);
    expect(script.connection.state).toBe(State.FinWait2);
    script.receive("F.", { seq: 501, ack: 2 });
    expect(script.connection.state).toBe(State.TimeWait);
    script.takeSent();
    script.pass(30 * SECOND);
    // The last acknowledgement was lost.
    script.receive("F.", { seq: 501, ack: 2 });
    expect(script.takeSent()).toEqual([". 2 ack 502"]);
    script.pass(59 * SECOND);
    expect(script.events).toEqual(["established", "ended"]);
    script.pass(2 * SECOND);
    expect(script.events).toEqual(["established", "ended", "finished"]);
    expect(script.time.pending).toBe(0);
  });

  test("both end at the same time", () => {
    const script = Scripted.established();
    script.connection.end();
    script.receive("F.", { ack: 1 });
    expect(script.connection.state).toBe(State.Closing);
    script.receive(".", { seq: 2, ack: 2 });
    expect(script.connection.state).toBe(State.TimeWait);
    script.pass(61 * SECOND);
    expect(script.events.at(-1)).toBe("finished");
  });

  test("a FIN that comes early waits for what is before it", () => {
    const script = Scripted.established();
    script.receive("F.", { seq: 1001, data: 1000 });
    expect(script.connection.ended).toBe(false);
    script.receive(".", { seq: 1, data: 1000 });
    expect(script.got).toBe(2000);
    expect(script.connection.ended).toBe(true);
    expect(script.sent.at(-1)!.ack).toBe(2002);
  });

  test("a FIN is sent again too", () => {
    const script = Scripted.established();
    script.connection.end();
    expect(script.pass(1 * SECOND)).toEqual(["F. 1 ack 1", "F. 1 ack 1"]);
  });

  test("a reset ends it, if it is exactly where it should be (RFC 5961)", () => {
    const script = Scripted.established();
    script.receive("R", { seq: 100_000 });
    expect(script.takeSent()).toEqual([]);
    script.receive("R", { seq: 500 });
    expect(script.takeSent()).toEqual([". 1 ack 1"]);
    expect(script.events).toEqual(["established"]);
    script.receive("R", { seq: 1 });
    expect(script.events).toEqual(["established", "reset"]);
    expect(script.time.pending).toBe(0);
  });

  test("a SYN in the middle is answered, and ignored", () => {
    const script = Scripted.established();
    script.receive("S", { seq: 300 });
    expect(script.takeSent()).toEqual([". 1 ack 1"]);
    expect(script.connection.state).toBe(State.Established);
  });

  test("an acknowledgement of what is still to come, or long gone, is answered, and ignored", () => {
    const script = Scripted.established();
    script.receive(".", { ack: 500, data: 100 });
    expect(script.takeSent()).toEqual([". 1 ack 1"]);
    script.time.pass(600);
    script.receive(".", { ack: -100_000, data: 100 });
    expect(script.takeSent()).toEqual([". 1 ack 1"]);
    expect(script.got).toBe(0);
    // Not more than twice a second: a peer that takes it ill would answer for ever.
    for (let i = 0; i < 100; i++) script.receive(".", { ack: 500 });
    expect(script.takeSent()).toEqual([]);
  });

  test("abort says so by a reset", () => {
    const script = Scripted.established();
    script.connection.write(new Uint8Array(10));
    script.takeSent();
    script.connection.abort();
    expect(script.takeSent()).toEqual(["R. 11 ack 1"]);
    expect(script.events).toEqual(["established"]);
    expect(script.pass(100 * SECOND)).toEqual([]);
  });

  test("a peer that is silent for two hours is asked, and given up after nine questions", () => {
    const script = Scripted.established();
    script.pass(7199 * SECOND);
    expect(script.sent).toEqual([]);
    script.pass(2 * SECOND);
    expect(script.takeSent()).toEqual([". 0 ack 1"]);
    script.receive(".");
    script.pass(7100 * SECOND);
    expect(script.sent).toEqual([]);
    expect(script.pass(9 * 75 * SECOND + 101 * SECOND)).toHaveLength(9);
    expect(script.events).toEqual(["established", "timed-out"]);
  });
});
