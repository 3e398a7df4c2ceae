/** As much of DNS messages (RFC 1035 §4) as a forwarder looks at. */

import { type Ipv4, parseIpv4, parseIpv6 } from "./addresses.ts";
import { get16, put16, put32 } from "./bytes.ts";

export const DNS_HEADER = 12;
const TYPE_A = 1;
export const TYPE_PTR = 12;
const TYPE_AAAA = 28;
const TYPE_OPT = 41;
const CLASS_IN = 1;

/** Flags (§4.1.1): a response, its opcode, truncation, recursion available. */
const RESPONSE = 0x8000;
const OPCODE = 0x7800;
const AUTHORITATIVE = 0x0400;
const TRUNCATED = 0x0200;
const RECURSION_DESIRED = 0x0100;
const RECURSION_AVAILABLE = 0x0080;

const NO_ERROR = 0;
export const FORMAT_ERROR = 1;
export const SERVER_FAILURE = 2;
export const NOT_IMPLEMENTED = 4;

export interface Question {
  /** In lower case, without a last dot; bytes that aren't letters, digits, hyphens or underscores as "?". */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** Where the question ends in the message. */
  readonly end: number;
}

export function isResponse(message: Uint8Array): boolean {
  return (get16(message, 2) & RESPONSE) !== 0;
}

export function isTruncated(message: Uint8Array): boolean {
  return (get16(message, 2) & TRUNCATED) !== 0;
}

export function opcodeOf(message: Uint8Array): number {
  return (get16(message, 2) & OPCODE) >>> 11;
}

/** The one question of a message; undefined if it has another number of them, or is damaged. */
export function readQuestion(message: Uint8Array): Question | undefined {
  if (message.length < DNS_HEADER || get16(message, 4) !== 1) return undefined;
  const labels: string[] = [];
  let at = DNS_HEADER;
  // Names in questions come first, so that there is nothing that they could be compressed with.
  for (;;) {
    const length = message[at];
    if (length === undefined || length > 63) return undefined;
    at++;
    if (length === 0) break;
    if (at + length > message.length || at + length - DNS_HEADER > 254) return undefined;
    labels.push(String.fromCharCode(...message.subarray(at, at + length)).replace(/[^a-z0-9_-]/gi, "?"));
    at += length;
  }
  if (at + 4 > message.length) return undefined;
  const name = labels.join(".").toLowerCase();
  return { name, type: get16(message, at), class: get16(message, at + 2), end: at + 4 };
}

/** Whether two messages ask the same, letter case included. */
export function sameQuestion(a: Uint8Array, b: Uint8Array, question: Question): boolean {
  if (b.length < question.end || get16(b, 4) !== 1) return false;
  for (let at = DNS_HEADER; at < question.end; at++) if (a[at] !== b[at]) return false;
  return true;
}

/** How large a response by UDP the asker takes (RFC 6891 §6.2.3), from its OPT record. */
export function udpSize(message: Uint8Array, question: Question): number {
  // A query has nothing between its question and OPT, which has the root's name.
  const at = question.end;
  const plain = get16(message, 6) === 0 && get16(message, 8) === 0 && get16(message, 10) > 0;
  if (!plain || at + 11 > message.length || message[at] !== 0 || get16(message, at + 1) !== TYPE_OPT) return 512;
  return Math.max(512, get16(message, at + 3));
}

/** A response without answers. */
export function buildStatus(query: Uint8Array, question: Question | undefined, code: number): Uint8Array {
  const response = query.slice(0, question?.end ?? DNS_HEADER);
  const flags = RESPONSE | (get16(query, 2) & (OPCODE | RECURSION_DESIRED)) | RECURSION_AVAILABLE | code;
  put16(response, 2, flags);
  put16(response, 4, question ? 1 : 0);
  response.fill(0, 6, DNS_HEADER);
  return response;
}

/** A response that doesn't fit: its header and question, for the asker to come back by TCP. */
export function truncate(response: Uint8Array, question: Question): Uint8Array {
  const short = response.slice(0, question.end);
  put16(short, 2, get16(short, 2) | TRUNCATED);
  short.fill(0, 6, DNS_HEADER);
  return short;
}

/**
 * Answers from a table, all of one type.
 * @param data each record's
 */
export function buildAnswers(query: Uint8Array, question: Question, data: readonly Uint8Array[]): Uint8Array {
  const head = buildStatus(query, question, NO_ERROR);
  const length = data.reduce((sum, each) => sum + 12 + each.length, head.length);
  const response = new Uint8Array(length);
  response.set(head);
  put16(response, 2, get16(response, 2) | AUTHORITATIVE);
  put16(response, 6, data.length);
  let at = head.length;
  for (const each of data) {
    put16(response, at, 0xc000 | DNS_HEADER); // the question's name
    put16(response, at + 2, question.type);
    put16(response, at + 4, CLASS_IN);
    put32(response, at + 6, 60); // seconds that it may be kept
    put16(response, at + 10, each.length);
    response.set(each, at + 12);
    at += 12 + each.length;
  }
  return response;
}

/** An address as the data of its record, of the type asked for. */
export function addressData(text: string, type: number): Uint8Array | undefined {
  const ipv4: Ipv4 | undefined = parseIpv4(text);
  if (type === TYPE_A && ipv4 !== undefined) {
    const data = new Uint8Array(4);
    put32(data, 0, ipv4);
    return data;
  }
  const groups = type === TYPE_AAAA && ipv4 === undefined ? parseIpv6(text) : undefined;
  return groups && Uint8Array.from(groups.flatMap((group) => [group >>> 8, group & 255]));
}

/** A name as labels, without compression. */
export function nameData(name: string): Uint8Array {
  const bytes: number[] = [];
  for (const label of name.split(".")) bytes.push(label.length, ...Uint8Array.from(label, (c) => c.charCodeAt(0)));
  return Uint8Array.from([...bytes, 0]);
}

/** The name under which an address is looked up (RFC 1035 §3.5). */
export function reverseName(address: string): string | undefined {
  return parseIpv4(address) === undefined ? undefined : `${address.split(".").reverse().join(".")}.in-addr.arpa`;
}
