/** The protocol's server, packet by packet, with a target that only remembers. */

import { beforeEach, describe, expect, test } from "vitest";
import { formatPacket, fromLatin1, latin1, PACKET_SIZE, PacketReader, type Received } from "../../src/debug/packet.ts";
import { GdbServer } from "../../src/debug/server.ts";
import { seeded } from "../isa/random.ts";
import { BASE, FakeTarget } from "./fake-target.ts";

let target: FakeTarget;
let server: GdbServer;
let sent: string;
let interrupts: number;

beforeEach(() => {
  target = new FakeTarget();
  sent = "";
  interrupts = 0;
  server = new GdbServer(target, (bytes) => {
    sent += fromLatin1(bytes);
  });
});

/** Sends raw bytes. @returns what came back */
function raw(bytes: string | Uint8Array): string {
  sent = "";
  server.receive(typeof bytes === "string" ? latin1(bytes) : bytes, () => interrupts++);
  return sent;
}

/** The data of what came back on a packet; undefined: no packet has. */
function ask(data: string | Uint8Array): string | undefined {
  const answer = raw(formatPacket(data));
  expect(answer[0]).toBe("+");
  return dataOf(answer.slice(1));
}

function dataOf(answer: string): string | undefined {
  if (answer === "") return undefined;
  const got: Received[] = [];
  new PacketReader().push(latin1(answer), (received) => got.push(received));
  expect(got).toHaveLength(1);
  expect(got[0]!.kind).toBe("packet");
  return got[0]!.kind === "packet" ? fromLatin1(got[0]!.data) : undefined;
}

const u64 = (value: bigint): string => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, value), true);
  return Buffer.from(bytes).toString("hex");
};

describe("packets", () => {
  test("are acknowledged, asked for again, and repeated", () => {
    expect(raw("$?#3f")).toBe("+$T02thread:1;#d4");
    expect(raw("-")).toBe("$T02thread:1;#d4");
    expect(raw("$?#3e")).toBe("-");
    expect(raw("$?#zz")).toBe("-");
    expect(raw("+")).toBe("");
  });

  test("are not any more after QStartNoAckMode", () => {
    expect(ask("QStartNoAckMode")).toBe("OK");
    expect(raw("$?#3f")).toBe("$T02thread:1;#d4");
    expect(raw("$?#00")).toBe("");
    expect(raw("-")).toBe("");
  });

  test("can come in any pieces, after noise, and with escapes", () => {
    let got = "";
    for (const byte of latin1("noise#$qC#b4")) got += raw(Uint8Array.of(byte));
    expect(got).toBe("+$QC1#c5");
    expect(raw("$lost$qC#b4")).toBe("+$QC1#c5");
    const bytes = Uint8Array.from([0x23, 0x24, 0x7d, 0x2a, 0x03, 0xff]);
    expect(ask(new Uint8Array([...latin1("X1000,6:"), ...bytes]))).toBe("OK");
    expect([...target.memory.subarray(0, 6)]).toEqual([...bytes]);
  });

  test("that are too long are refused, and unknown ones are answered so", () => {
    expect(raw(formatPacket("m".repeat(PACKET_SIZE + 1)))).toBe("-");
    for (const text of ["", "!", "R00", "vRun;x", "vMustReplyEmpty", "QNonStop:1", "qTStatus", "Z9,0,0", "b"]) {
      expect(ask(text), text).toBe("");
    }
  });
});

describe("registers and memory", () => {
  test("are read and written all at once", () => {
    target.values[0]!.set(1, 0x8000_0000n).set(32, 0xffff_ffff_8000_1234n).set(33, 1n);
    const all = ask("g")!;
    expect(all).toHaveLength(65 * 16);
    expect(all.slice(16, 32)).toBe("0000008000000000");
    expect(all.slice(32 * 16, 34 * 16)).toBe("34120080ffffffff" + "0100000000000000");
    expect(ask(`G${all.replace("34120080", "78560080")}`)).toBe("OK");
    expect(target.values[0]!.get(32)).toBe(0xffff_ffff_8000_5678n);
    expect(ask("G00")).toBe("E01");
    expect(ask(`G${"x".repeat(65 * 16)}`)).toBe("E01");
  });

  test("are read and written one by one, with their width", () => {
    expect(ask(`P20=${u64(0x8000_0000n)}`)).toBe("OK");
    expect(ask("p20")).toBe(u64(0x8000_0000n));
    expect(ask("P44=e5000000")).toBe("OK"); // fcsr
    expect(ask("p44")).toBe("e5000000");
    expect(ask(`P44=${u64(1n)}`)).toBe("E01");
    expect(ask("p341")).toBe(u64(0n)); // mstatus
    expect(ask("p342")).toBe("E01"); // misa, which it hasn't
    expect(ask(`Pf55=${u64(1n)}`)).toBe("E01"); // mhartid
    for (const text of ["p", "p-1", "pffffffffffffffff", "P20", "P20=", "P20=12"]) expect(ask(text), text).toBe("E01");
  });

  test("belong to the hart that was chosen", () => {
    target.values[1]!.set(10, 7n);
    expect(ask("Hg2")).toBe("OK");
    expect(ask("pa")).toBe(u64(7n));
    expect(ask("qC")).toBe("QC2");
    expect(ask("Hg1")).toBe("OK");
    expect(ask("pa")).toBe(u64(0n));
    for (const text of ["Hg3", "Hgx", "Hx1", "H"]) expect(ask(text), text).toBe("E01");
  });

  test("memory ends where it ends", () => {
    expect(ask("M1000,3:c0ffee")).toBe("OK");
    expect(ask("m1000,4")).toBe("c0ffee00");
    expect(ask("m8ffe,10")).toBe("0000");
    expect(ask("m9000,1")).toBe("E14");
    expect(ask("M8ffe,4:00000000")).toBe("E14");
    expect(ask("X1000,0:")).toBe("OK");
    expect(ask("m1000,ffffffffffffffff")).toHaveLength(PACKET_SIZE);
    for (const text of ["m", "m1000", "m1000,", "mx,1", "m1,1,1", "M1000,2:00", "M1000,1:0", "M1000,1", "X1000,2:a"])
      expect(ask(text), text).toBe("E01");
  });
});

describe("running", () => {
  const [stay, go, step] = [{ kind: "stay" }, { kind: "continue" }, { kind: "step", from: 0n, to: 0n }];

  test.each([
    ["vCont;c", [go, go]],
    ["vCont;c:2", [stay, go]],
    ["vCont;s:1;c", [step, go]],
    ["vCont;s:2;c:-1", [go, step]],
    ["vCont;C05:1", [go, stay]],
    ["vCont;S0b:1", [step, stay]],
    ["vCont;r1000,1008:1;c", [{ kind: "step", from: 0x1000n, to: 0x1008n }, go]],
    ["c", [go, go]],
    ["s", [step, go]],
    ["C05", [go, go]],
    ["S05;1000", [step, go]],
  ])("%s", (text, actions) => {
    expect(ask(text)).toBeUndefined();
    expect(target.resumed).toEqual(actions);
    sent = "";
    server.stopped({ reason: "step", hart: 1 });
    expect(dataOf(sent)).toBe("T05thread:2;");
  });

  test("the older packets go by Hc, and can jump", () => {
    expect(ask("Hc2")).toBe("OK");
    expect(ask("s1234")).toBeUndefined();
    expect(target.resumed).toEqual([stay, step]);
    expect(target.values[1]!.get(32)).toBe(0x1234n);
  });

  test.each([
    "vCont",
    "vCont;",
    "vCont;x",
    "vCont;c:3",
    "vCont;c:1:2",
    "vCont;r1:1",
    "vCont;t:1",
    "cx",
    "S",
    "vCont;Cx",
  ])("%s is refused", (text) => {
    expect(ask(text)).toBe("E01");
    expect(target.resumed).toBeUndefined();
  });

  test("stops say why and where, and the hart is the chosen one then", () => {
    const stops = [
      [{ reason: "interrupt", hart: 0 }, "T02thread:1;"],
      [{ reason: "software", hart: 1 }, "T05swbreak:;thread:2;"],
      [{ reason: "hardware", hart: 1 }, "T05hwbreak:;thread:2;"],
      [{ reason: "write", hart: 0, address: 0x8000_1000n }, "T05watch:80001000;thread:1;"],
      [{ reason: "read", hart: 0, address: 1n }, "T05rwatch:1;thread:1;"],
      [{ reason: "access", hart: 1, address: 2n ** 64n - 1n }, "T05awatch:ffffffffffffffff;thread:2;"],
      [{ reason: "crash", hart: 1 }, "T0bthread:2;"],
    ] as const;
    for (const [stop, reply] of stops) {
      ask("vCont;c");
      sent = "";
      server.stopped(stop);
      expect(dataOf(sent)).toBe(reply);
      expect(ask("?")).toBe(reply);
      expect(ask("qC")).toBe(`QC${stop.hart + 1}`);
    }
  });

  test("only a running machine is interrupted, and it answers nothing else", () => {
    raw("\x03");
    expect(interrupts).toBe(0);
    ask("c");
    expect(ask("g")).toBe("E16");
    expect(raw("\x03")).toBe("");
    expect(interrupts).toBe(1);
  });

  test("the end is told", () => {
    ask("c");
    sent = "";
    server.ended({ code: 3 });
    expect(dataOf(sent)).toBe("W03");
    sent = "";
    server.ended({ signal: 6 });
    expect(dataOf(sent)).toBe("X06");
  });

  test("detaching and killing", () => {
    expect(ask("D")).toBe("OK");
    expect(ask("vKill;1")).toBe("OK");
    expect(ask("k")).toBeUndefined();
    expect(target.log).toEqual(["release", "kill", "kill"]);
  });
});

test("breakpoints and watchpoints", () => {
  for (const text of ["Z0,1000,4", "Z1,1002,2", "Z2,2000,8", "Z3,2008,1", "Z4,2010,4;X1,0"])
    expect(ask(text), text).toBe("OK");
  expect(target.points).toEqual(["software 1000 4", "hardware 1002 2", "write 2000 8", "read 2008 1", "access 2010 4"]);
  expect(ask("z2,2000,8")).toBe("OK");
  expect(ask("z2,2000,8")).toBe("OK"); // is gone already
  expect(target.points).toHaveLength(4);
  for (const text of ["Z0,0,4", "Z0", "Z0,1000", "Z0,x,4", "Z2,1000,"]) expect(ask(text), text).toBe("E01");
});

describe("queries", () => {
  test("what is supported, threads, and the older questions", () => {
    expect(ask("qSupported:multiprocess+;swbreak+;xmlRegisters=i386")).toMatch(
      /^PacketSize=4000;qXfer:features:read\+;/,
    );
    expect(ask("vCont?")).toBe("vCont;c;C;s;S;r");
    expect(ask("qfThreadInfo")).toBe("m1,2");
    expect(ask("qsThreadInfo")).toBe("l");
    expect(Buffer.from(ask("qThreadExtraInfo,2")!, "hex").toString()).toBe("hart 1 at 0");
    expect(ask("qAttached")).toBe("1");
    expect(["T1", "T2", "T3", "T0", "Tx"].map(ask)).toEqual(["OK", "OK", "E01", "E01", "E01"]);
  });

  test("the target description, piece by piece", () => {
    let xml = "";
    for (let last = false; !last; ) {
      const part = ask(`qXfer:features:read:target.xml:${xml.length.toString(16)},1f0`)!;
      last = part[0] === "l";
      xml += part.slice(1);
      expect(part.length).toBeLessThanOrEqual(0x1f1);
    }
    expect(xml).toMatch(/^<\?xml[\s\S]*<\/target>\n$/);
    const names = [...xml.matchAll(/<feature name="org\.gnu\.gdb\.riscv\.(\w+)"/g)].map(([, name]) => name);
    expect(names).toEqual(["cpu", "fpu", "csr", "virtual"]);
    expect(xml.match(/<reg /g)).toHaveLength(32 + 1 + 32 + 3 + 1);
    expect(xml).toContain('<reg name="mstatus" bitsize="64" type="int" regnum="833" group="csr"/>');
    expect(ask("qXfer:features:read:other.xml:0,10")).toBe("E00");
    expect(ask("qXfer:features:read:target.xml:ffffff,10")).toBe("l");
    expect(ask("qXfer:memory-map:read::0,10")).toBe("");
  });

  test("monitor reset", () => {
    const monitor = (text: string) => Buffer.from(ask(`qRcmd,${Buffer.from(text).toString("hex")}`)!, "hex").toString();
    expect(monitor("reset")).toMatch(/has been reset/);
    expect(target.log).toEqual(["reset"]);
    expect(monitor("help")).toMatch(/^monitor reset: /);
    expect(ask("qRcmd,zz")).toMatch(/^[0-9a-f]+$/);
  });
});

test("no bytes make it throw or hang, or answer more than a packet holds", () => {
  const random = seeded(7);
  const seeds =
    "g m1000,4 M1000,2:0011 X1000,2:ab P20=00 p341 Hg1 vCont;s:1;c vCont;r1,2 Z0,1000,4 z0,1000,4 qSupported:a+ ?"
      .split(" ")
      .concat(
        "qXfer:features:read:target.xml:0,100",
        "qThreadExtraInfo,1",
        "qRcmd,7265",
        "QStartNoAckMode",
        "T1",
        "k",
        "D",
      );
  const characters = "0123456789abcdefgmMXPpHvZzqQTkDcs:;,.#$}*+-\x03\xff?";
  let answers = 0;
  for (let i = 0; i < 20_000; i++) {
    const text = [...seeds[random() % seeds.length]!];
    for (let n = random() % 4; n > 0; n--) {
      const at = random() % (text.length + 1);
      text.splice(at, random() % 3, characters[random() % characters.length]!);
    }
    const plain = text.join("");
    const answer = raw(random() % 3 ? formatPacket(plain) : plain);
    expect(answer.length).toBeLessThanOrEqual(2 * PACKET_SIZE + 5);
    if (answer.includes("$")) answers++;
    if (target.resumed) server.stopped({ reason: "step", hart: random() % 2 });
    target.resumed = undefined;
  }
  expect(answers).toBeGreaterThan(5000);
  expect(target.readMemory(0, BASE, 1)).toHaveLength(1);
});
