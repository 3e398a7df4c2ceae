/**
 * The server's side of GDB's remote serial protocol, all-stop, with harts as
 * threads. It takes and gives bytes, wherever they come from, and never throws.
 */

import { fromHexNumber, fromRegisterHex, registerHex } from "./numbers.ts";
import {
  formatPacket,
  fromHex,
  fromLatin1,
  latin1,
  PACKET_SIZE,
  PacketReader,
  type Received,
  toHex,
} from "./packet.ts";
import { describeTarget, REG_PACKET, REG_PC } from "./registers.ts";
import { CONTINUE, parseResume, parseThread, STEP } from "./resume.ts";
import { type DebugTarget, POINTS, type Register, type Resume, type Stop } from "./target.ts";

const OK = "OK";
/** The debugger doesn't look at the number. */
const ERROR = "E01";
const NO_MEMORY = "E14";
const BUSY = "E16";
/** "I don't know this packet." */
const UNKNOWN = "";

const SIGINT = "02";
const SIGTRAP = "05";
const SIGSEGV = "0b";

/** How a machine ended, as the debugger is told. */
export type Ending = { readonly code: number } | { readonly signal: number };

export class GdbServer {
  readonly #target: DebugTarget;
  readonly #send: (bytes: Uint8Array) => void;
  readonly #reader = new PacketReader();
  readonly #registers: ReadonlyMap<number, Register>;
  readonly #description: Uint8Array;
  #acknowledges = true;
  #last: Uint8Array | undefined;
  /** The harts that registers and memory, and resuming, are about. */
  #general = 0;
  #resumed: number | "all" = "all";
  #stop: Stop;
  #running = false;
  #released = false;

  /** @param target a machine that has just stopped */
  constructor(target: DebugTarget, send: (bytes: Uint8Array) => void) {
    this.#target = target;
    this.#send = send;
    this.#registers = new Map(target.registers.map((register) => [register.number, register]));
    this.#description = latin1(describeTarget(target.registers));
    this.#stop = { reason: "interrupt", hart: 0 };
  }

  /** What has come from the debugger. @param interrupt is asked to stop a machine that runs */
  receive(bytes: Uint8Array, interrupt: () => void): void {
    this.#reader.push(bytes, (received) => this.#take(received, interrupt));
  }

  /** The machine has stopped. */
  stopped(stop: Stop): void {
    this.#stop = stop;
    this.#general = stop.hart;
    if (!this.#running) return;
    this.#running = false;
    this.#reply(this.#stopReply());
  }

  /** The machine has ended, and with it the session. */
  ended(ending: Ending): void {
    if (this.#released) return;
    this.#running = false;
    const [letter, code] = "code" in ending ? ["W", ending.code] : ["X", ending.signal];
    this.#reply(letter + (code & 0xff).toString(16).padStart(2, "0"));
  }

  #take(received: Received, interrupt: () => void): void {
    switch (received.kind) {
      case "ack":
        return;
      case "nack":
        if (this.#acknowledges && this.#last) this.#send(this.#last);
        return;
      case "damaged":
        if (this.#acknowledges) this.#send(latin1("-"));
        return;
      case "interrupt":
        if (this.#running) interrupt();
        return;
      case "packet": {
        if (this.#acknowledges) this.#send(latin1("+"));
        const reply = this.#running ? BUSY : this.#command(fromLatin1(received.data), received.data);
        if (reply !== undefined) this.#reply(reply);
      }
    }
  }

  #reply(data: string | Uint8Array): void {
    this.#last = formatPacket(data);
    this.#send(this.#last);
  }

  /** @returns the reply; undefined: there is none, or not yet */
  #command(text: string, data: Uint8Array): string | Uint8Array | undefined {
    const rest = text.slice(1);
    switch (text[0]) {
      case "?":
        return this.#stopReply();
      case "g":
        return this.#readRegisters();
      case "G":
        return this.#writeRegisters(rest);
      case "p":
        return this.#readRegister(rest);
      case "P":
        return this.#writeRegister(rest);
      case "m":
        return this.#readMemory(rest);
      case "M":
        return this.#writeHex(rest);
      case "X":
        return this.#writeBinary(text, data);
      case "H":
        return this.#select(rest);
      case "T":
        return typeof parseThread(rest, this.#target.harts) === "number" ? OK : ERROR;
      case "c":
      case "C":
      case "s":
      case "S":
        return this.#resumeOne(text);
      case "v":
        return this.#named(text);
      case "Z":
      case "z":
        return this.#point(text);
      case "D":
        this.#release();
        return OK;
      case "k":
        this.#released = true;
        this.#target.kill();
        return undefined;
      case "q":
        return this.#query(rest);
      case "Q":
        if (text !== "QStartNoAckMode") return UNKNOWN;
        this.#reply(OK); // is still acknowledged
        this.#acknowledges = false;
        return undefined;
      default:
        return UNKNOWN;
    }
  }

  // ---- Registers and memory ------------------------------------------------------------

  #readRegisters(): string {
    let out = "";
    for (let number = 0; number < REG_PACKET; number++)
      out += registerHex(this.#target.readRegister(this.#general, number) ?? 0n, 64);
    return out;
  }

  #writeRegisters(text: string): string {
    if (text.length !== REG_PACKET * 16) return ERROR;
    const values = Array.from({ length: REG_PACKET }, (_, i) => fromRegisterHex(text.slice(i * 16, i * 16 + 16), 64));
    if (values.includes(undefined)) return ERROR;
    // x0 is written too, and stays 0.
    values.forEach((value, number) => {
      this.#target.writeRegister(this.#general, number, value!);
    });
    return OK;
  }

  #readRegister(text: string): string {
    const register = this.#registers.get(Number(fromHexNumber(text) ?? -1n));
    const value = register && this.#target.readRegister(this.#general, register.number);
    return value === undefined ? ERROR : registerHex(value, register!.bits);
  }

  #writeRegister(text: string): string {
    const [number, digits = ""] = text.split("=");
    const register = this.#registers.get(Number(fromHexNumber(number) ?? -1n));
    const value = register && fromRegisterHex(digits, register.bits);
    if (value === undefined) return ERROR;
    return this.#target.writeRegister(this.#general, register!.number, value) ? OK : ERROR;
  }

  #readMemory(text: string): string {
    const range = parseRange(text);
    if (!range) return ERROR;
    const length = Number(range.length < PACKET_SIZE / 2 ? range.length : PACKET_SIZE / 2);
    const bytes = this.#target.readMemory(this.#general, range.address, length);
    return bytes.length === 0 && length > 0 ? NO_MEMORY : toHex(bytes);
  }

  #writeHex(text: string): string {
    const colon = text.indexOf(":");
    const bytes = fromHex(text.slice(colon + 1));
    return colon < 0 || !bytes ? ERROR : this.#write(text.slice(0, colon), bytes);
  }

  #writeBinary(text: string, data: Uint8Array): string {
    const colon = text.indexOf(":");
    return colon < 0 ? ERROR : this.#write(text.slice(1, colon), data.subarray(colon + 1));
  }

  #write(place: string, bytes: Uint8Array): string {
    const range = parseRange(place);
    if (!range || range.length !== BigInt(bytes.length)) return ERROR;
    if (bytes.length === 0) return OK; // asks whether this packet is known
    return this.#target.writeMemory(this.#general, range.address, bytes) ? OK : NO_MEMORY;
  }

  // ---- Running ---------------------------------------------------------------------------

  #select(text: string): string {
    const thread = parseThread(text.slice(1), this.#target.harts);
    if (thread === undefined) return ERROR;
    if (text[0] === "g") {
      if (typeof thread === "number") this.#general = thread;
      return OK;
    }
    if (text[0] !== "c") return ERROR;
    this.#resumed = thread === "any" ? this.#general : thread;
    return OK;
  }

  /** The older way: c, s, and with signals C and S; at an address or where it stands. */
  #resumeOne(text: string): string | undefined {
    const parts = /^[cs]([0-9a-fA-F]{1,16})?$|^[CS][0-9a-fA-F]{2}(?:;([0-9a-fA-F]{1,16}))?$/.exec(text);
    if (!parts) return ERROR;
    const pc = fromHexNumber(parts[1] ?? parts[2]);
    const hart = this.#resumed === "all" ? this.#general : this.#resumed;
    if (pc !== undefined && !this.#target.writeRegister(hart, REG_PC, pc)) return ERROR;
    const steps = /^s/i.test(text);
    this.#run(
      Array.from({ length: this.#target.harts }, (_, i) =>
        i === hart && steps ? STEP : i === hart || this.#resumed === "all" ? CONTINUE : { kind: "stay" },
      ),
    );
    return undefined;
  }

  #run(actions: readonly Resume[]): void {
    this.#running = true;
    this.#target.resume(actions);
  }

  #release(): void {
    this.#released = true;
    this.#target.release();
  }

  #stopReply(): string {
    const stop = this.#stop;
    const thread = `thread:${threadId(stop.hart)};`;
    switch (stop.reason) {
      case "interrupt":
        return `T${SIGINT}${thread}`;
      case "step":
        return `T${SIGTRAP}${thread}`;
      case "crash":
        return `T${SIGSEGV}${thread}`;
      case "software":
        return `T${SIGTRAP}swbreak:;${thread}`;
      case "hardware":
        return `T${SIGTRAP}hwbreak:;${thread}`;
      default: {
        const name = { write: "watch", read: "rwatch", access: "awatch" }[stop.reason];
        return `T${SIGTRAP}${name}:${stop.address.toString(16)};${thread}`;
      }
    }
  }

  #point(text: string): string {
    const [type, address, size] = text.slice(1).split(";")[0]!.split(",");
    const point = /^[0-4]$/.test(type!) ? POINTS[Number(type)] : undefined;
    if (!point) return UNKNOWN;
    const at = fromHexNumber(address);
    const length = fromHexNumber(size);
    if (at === undefined || length === undefined) return ERROR;
    if (text[0] === "Z") return this.#target.insert(point, at, length) ? OK : ERROR;
    // Whoever removes what isn't there has what they want.
    this.#target.remove(point, at, length);
    return OK;
  }

  // ---- Queries ---------------------------------------------------------------------------

  #named(text: string): string | undefined {
    if (text === "vCont?") return "vCont;c;C;s;S;r";
    if (text.startsWith("vCont")) {
      const actions = parseResume(text.slice(5), this.#target.harts);
      if (!actions || actions.every(({ kind }) => kind === "stay")) return ERROR;
      this.#run(actions);
      return undefined;
    }
    if (text.startsWith("vKill;")) {
      this.#released = true;
      this.#reply(OK);
      this.#target.kill();
      return undefined;
    }
    return UNKNOWN;
  }

  #query(text: string): string | Uint8Array {
    const [name] = text.split(/[:,]/);
    switch (name) {
      case "Supported":
        return [
          `PacketSize=${PACKET_SIZE.toString(16)}`,
          ..."qXfer:features:read+ vContSupported+ QStartNoAckMode+ swbreak+ hwbreak+".split(" "),
        ].join(";");
      case "Xfer":
        return this.#transfer(text);
      case "Attached":
        return "1";
      case "C":
        return `QC${threadId(this.#general)}`;
      case "fThreadInfo":
        return `m${Array.from({ length: this.#target.harts }, (_, hart) => threadId(hart)).join(",")}`;
      case "sThreadInfo":
        return "l";
      case "ThreadExtraInfo": {
        const thread = parseThread(text.slice(name.length + 1), this.#target.harts);
        return typeof thread === "number" ? toHex(latin1(this.#target.describe(thread))) : ERROR;
      }
      case "Symbol":
        return OK;
      case "Rcmd":
        return this.#monitor(fromHex(text.slice(name.length + 1)));
      default:
        return UNKNOWN;
    }
  }

  #transfer(text: string): string | Uint8Array {
    const place = /^Xfer:features:read:([^:]*):([0-9a-f]{1,8}),([0-9a-f]{1,8})$/i.exec(text);
    if (!place) return UNKNOWN;
    if (place[1] !== "target.xml") return "E00";
    const from = Number.parseInt(place[2]!, 16);
    // Escapes may make it longer, but there are hardly any.
    const length = Math.min(Number.parseInt(place[3]!, 16), PACKET_SIZE / 2);
    const part = this.#description.subarray(from, from + length);
    return (from + length < this.#description.length ? "m" : "l") + fromLatin1(part);
  }

  /** `monitor …` at the debugger's prompt. */
  #monitor(command: Uint8Array | undefined): string {
    const text = command && fromLatin1(command).trim();
    if (text === "reset") {
      if (!this.#target.reset()) return this.#say("This machine can't be reset.\n");
      return this.#say("The machine has been reset; its harts stand still.\n");
    }
    return this.#say("monitor reset: power the machine off and on, and stand still\n");
  }

  #say(text: string): string {
    return toHex(latin1(text));
  }
}

const threadId = (hart: number): string => (hart + 1).toString(16);

/** "address,length" */
function parseRange(text: string): { address: bigint; length: bigint } | undefined {
  const [address, length, ...more] = text.split(",");
  const range = { address: fromHexNumber(address), length: fromHexNumber(length) };
  if (range.address === undefined || range.length === undefined || more.length > 0) return undefined;
  return { address: range.address, length: range.length };
}
