import { describe, expect, it } from "vitest";
import { ArrayGuestMemory } from "../../src/devices/virtio/guest-memory.ts";
import { AGENT_PORTS, AgentError, GuestAgent } from "../../src/machine/agent.ts";
import { ConsoleGuest, ConsoleHost, NAMES } from "./console-guest.ts";
import { text, untext } from "./driver.ts";

const CONTROL = 1;
const OUT = 2;
const ERR = 3;

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

/** An agent on a real console device; `line` gives what the guest has heard. */
function setup() {
  const host = new ConsoleHost(new ArrayGuestMemory(1 << 21));
  const guest = new ConsoleGuest(host);
  guest.start();
  for (let i = 0; i < 4; i++) guest.poll();
  host.device.flush();
  const [control, out, err] = host.device.ports;
  const agent = new GuestAgent({ control: control!, out: out!, err: err! });
  let heard = "";
  const line = async (): Promise<string | undefined> => {
    for (let i = 0; i < 2000; i++) {
      await settle();
      host.deliver();
      heard += untext(guest.read(CONTROL));
      const end = heard.indexOf("\n");
      if (end < 0) continue;
      const first = heard.slice(0, end);
      heard = heard.slice(end + 1);
      return first;
    }
    return undefined;
  };
  const command = async () => Buffer.from((await line())!.slice("run ".length), "base64").toString();
  const say = (value: string) => guest.send(CONTROL, text(`${value}\n`));
  return { host, guest, agent, line, command, say };
}

async function outcome(promise: Promise<unknown>): Promise<unknown> {
  return Promise.race([promise.catch((error: unknown) => error), settle().then(() => "pending")]);
}

describe("the agent", () => {
  it("runs a command when the guest is ready, and gives its output and status", async () => {
    expect(AGENT_PORTS).toEqual(NAMES);
    const { guest, agent, line, say } = setup();
    const out: string[] = [];
    const err: string[] = [];
    const result = agent.exec("echo 'héllo'; exit 3", {
      stdout: (bytes) => void out.push(untext(bytes)),
      stderr: (bytes) => void err.push(untext(bytes)),
    });
    expect(await outcome(agent.whenReady())).toBe("pending");
    say("ready");
    await agent.whenReady();
    expect(await line()).toBe(`run ${Buffer.from("echo 'héllo'; exit 3").toString("base64")}`);
    guest.send(OUT, text("héllo\n"));
    guest.send(ERR, text("oops\n"));
    say("exit 3");
    expect(await result).toBe(3);
    expect([out, err]).toEqual([["héllo\n"], ["oops\n"]]);
  });

  it("runs one command at a time, in order", async () => {
    const { host, guest, agent, command, say } = setup();
    say("ready");
    const results = ["one", "two"].map((name) => agent.exec(name));
    expect(await command()).toBe("one");
    for (let i = 0; i < 5; i++) {
      await settle();
      host.deliver();
    }
    expect(guest.read(CONTROL).length).toBe(0);
    say("exit 1");
    expect(await results[0]).toBe(1);
    expect(await command()).toBe("two");
    say("exit 2");
    expect(await results[1]).toBe(2);
  });

  it("sends long commands whole", async () => {
    const { agent, command, say } = setup();
    say("ready");
    const long = "x".repeat(90_000);
    const result = agent.exec(long);
    expect(await command()).toBe(long);
    say("exit 0");
    expect(await result).toBe(0);
    await expect(agent.exec("x".repeat(96 * 1024 + 1))).rejects.toThrow(/put it into a file/);
  });

  it("waits for all output, also what comes to the host after the exit", async () => {
    const { host, guest, agent, command, say } = setup();
    say("ready");
    let got = 0;
    const gates: (() => void)[] = [];
    const result = agent.exec("cat big", {
      stdout: (bytes) => {
        got += bytes.length;
        return new Promise((resolve) => gates.push(resolve));
      },
    });
    await command();
    let sent = 0;
    const piece = new Uint8Array(32 * 1024);
    while (guest.send(OUT, piece)) sent += piece.length;
    say("exit 0");
    expect(host.device.port("org.wardian.out")!.stalled).toBe(true);
    for (let i = 0; i < 50 && got < sent; i++) {
      expect(await outcome(result)).toBe("pending");
      gates.shift()?.();
      await settle();
      host.deliver();
    }
    expect(got).toBe(sent);
    expect(await outcome(result)).toBe("pending");
    for (const open of gates) open();
    expect(await result).toBe(0);
  });

  it("hands on a sink's error at once, and keeps the next command from the rest of this one", async () => {
    const { guest, agent, command, say } = setup();
    say("ready");
    const first = agent.exec("first", {
      stdout: () => {
        throw new Error("disk full");
      },
    });
    const out: string[] = [];
    const second = agent.exec("second", { stdout: (bytes) => void out.push(untext(bytes)) });
    expect(await command()).toBe("first");
    guest.send(OUT, text("a"));
    await expect(first).rejects.toThrow("disk full");
    guest.send(OUT, text("b"));
    say("exit 0");
    expect(await command()).toBe("second");
    guest.send(OUT, text("c"));
    say("exit 9");
    expect(await second).toBe(9);
    expect(out).toEqual(["c"]);
  });

  it("fails what runs when the guest's agent goes, and works again when it is back", async () => {
    const { guest, agent, command, say } = setup();
    say("ready");
    const first = agent.exec("first");
    await command();
    guest.control(CONTROL, 6, 0);
    await expect(first).rejects.toThrow(AgentError);
    const second = agent.exec("second");
    guest.control(CONTROL, 6, 1);
    expect(await outcome(second)).toBe("pending");
    say("ready");
    expect(await command()).toBe("second");
    say("exit 0");
    expect(await second).toBe(0);
  });

  it("takes no nonsense for an answer", async () => {
    const { guest, agent, command, say } = setup();
    say("exit 0");
    say("ready");
    const result = agent.exec("x");
    await command();
    for (const line of ["exit", "exit x", "exit -1", "exit 1234", "", "run eA==", "exit 1 2"]) say(line);
    expect(await outcome(result)).toBe("pending");
    guest.send(CONTROL, text("y".repeat(300)));
    await expect(result).rejects.toThrow(/a line without an end/);
  });

  it("fails everything when the guest has ended", async () => {
    const { agent, command, say } = setup();
    say("ready");
    const first = agent.exec("first");
    const second = agent.exec("second");
    await command();
    agent.close();
    await expect(first).rejects.toThrow("The guest has ended.");
    await expect(second).rejects.toThrow("The guest has ended.");
    await expect(agent.exec("third")).rejects.toThrow(AgentError);
    await expect(agent.whenReady()).rejects.toThrow(AgentError);
  });
});
