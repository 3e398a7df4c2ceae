/** A DHCP server (RFC 2131, options of RFC 2132), whose leases are by hardware address. */

import { type Ipv4, maskOf } from "./addresses.ts";
import { fromLatin1, get16, get32, latin1, put32 } from "./bytes.ts";
import { keyOf } from "./ethernet.ts";
import { FIRST_GUEST, GATEWAY, isGuest, LAST_GUEST, NAMESERVER, PREFIX_BITS, SUBNET_BROADCAST } from "./plan.ts";

export const SERVER_PORT = 67;
export const CLIENT_PORT = 68;

/** Where fields are (RFC 2131 §2, figure 1). */
const CIADDR = 12;
const YIADDR = 16;
const SIADDR = 20;
const GIADDR = 24;
const CHADDR = 28;
const SNAME = 44;
const FILE = 108;
const COOKIE = 236;
const OPTIONS = 240;
const MAGIC = 0x63825363;
/** Relays of BOOTP drop what is shorter (RFC 951). */
const SHORTEST = 300;

const LEASE_SECONDS = 86_400;
/** Leases are for ever, so that a guest keeps its address, as far as there is room. */
const MAX_LEASES = 128;

enum Message {
  Discover = 1,
  Offer,
  Request,
  Decline,
  Ack,
  Nak,
  Release,
  Inform,
}

enum Option {
  Pad = 0,
  Mask = 1,
  Router = 3,
  Servers = 6,
  HostName = 12,
  DomainName = 15,
  Mtu = 26,
  Broadcast = 28,
  RequestedAddress = 50,
  LeaseTime = 51,
  Overload = 52,
  MessageType = 53,
  ServerIdentifier = 54,
  ParameterList = 55,
  RenewalTime = 58,
  RebindingTime = 59,
  DomainSearch = 119,
  End = 255,
}

export interface DhcpOptions {
  /** What a guest without a name of its own is to be called. */
  readonly hostName: string;
  /** Domains in which the host looks names up; the first is the guest's own. */
  readonly search: () => readonly string[];
}

export interface DhcpReply {
  readonly data: Uint8Array;
  /** Where it goes; the broadcast address too if the guest has no address yet. */
  readonly destination: Ipv4;
}

export class DhcpServer {
  readonly #options: DhcpOptions;
  /** By hardware address, the one that was not heard of for longest first. */
  readonly #leases = new Map<number, Ipv4>();
  /** Addresses that a guest found taken. */
  readonly #declined = new Set<Ipv4>();

  constructor(options: DhcpOptions) {
    this.#options = options;
  }

  /** @param request what came to port 67 @returns the answer, if there is one */
  answer(request: Uint8Array): DhcpReply | undefined {
    // A request by Ethernet, which came through no relay.
    if (request.length < OPTIONS || request[0] !== 1 || request[1] !== 1 || request[2] !== 6) return undefined;
    if (get32(request, COOKIE) !== MAGIC || get32(request, GIADDR) !== 0) return undefined;
    const options = readOptions(request);
    const client = keyOf(request, CHADDR);
    const asked = addressOption(options, Option.RequestedAddress);
    const server = addressOption(options, Option.ServerIdentifier);
    const current = get32(request, CIADDR);
    switch (options.get(Option.MessageType)?.[0]) {
      case Message.Discover: {
        const address = this.#lease(client, asked);
        return address === undefined ? undefined : this.#reply(request, options, Message.Offer, address);
      }
      case Message.Request: {
        if (server !== undefined && server !== GATEWAY) return undefined; // took another's offer
        const wanted = asked ?? current;
        // Whoever comes back with an address may have it, unless it is another's (§4.3.2).
        if (this.#lease(client, wanted) !== wanted) return this.#reply(request, options, Message.Nak, 0);
        return this.#reply(request, options, Message.Ack, wanted);
      }
      case Message.Decline:
        if (asked !== undefined && this.#leases.get(client) === asked) {
          this.#leases.delete(client);
          if (this.#declined.size >= MAX_LEASES) this.#declined.clear();
          this.#declined.add(asked);
        }
        return undefined;
      case Message.Release:
        if (this.#leases.get(client) === current) this.#leases.delete(client);
        return undefined;
      case Message.Inform:
        return isGuest(current) ? this.#reply(request, options, Message.Ack, 0) : undefined;
      default:
        return undefined;
    }
  }

  /** A client's address: the one it has, the one it asks for, or one that is free. */
  #lease(client: number, asked: Ipv4 | undefined): Ipv4 | undefined {
    const has = this.#leases.get(client);
    this.#leases.delete(client); // and is put back as the most recent
    const taken = new Set(this.#leases.values());
    const isFree = (address: Ipv4) => isGuest(address) && !taken.has(address) && !this.#declined.has(address);
    let address = asked !== undefined && isFree(asked) ? asked : has;
    if (address === undefined) {
      if (this.#leases.size >= MAX_LEASES) {
        const [oldest, its] = this.#leases.entries().next().value!;
        this.#leases.delete(oldest);
        taken.delete(its);
      }
      for (address = FIRST_GUEST; address <= LAST_GUEST && !isFree(address); ) address++;
      if (address > LAST_GUEST) return undefined;
    }
    this.#leases.set(client, address);
    return address;
  }

  #reply(request: Uint8Array, asked: ReadonlyMap<number, Uint8Array>, type: Message, address: Ipv4): DhcpReply {
    const reply = new Uint8Array(1024);
    reply.set(request.subarray(0, 8)); // operation, hardware, transaction
    reply[0] = 2;
    reply[3] = 0;
    reply.set(request.subarray(10, 12), 10); // flags
    const current = get32(request, CIADDR);
    if (type !== Message.Nak) {
      put32(reply, CIADDR, current);
      put32(reply, YIADDR, address);
      put32(reply, SIADDR, GATEWAY);
    }
    reply.set(request.subarray(CHADDR, CHADDR + 16), CHADDR);
    put32(reply, COOKIE, MAGIC);
    let at = OPTIONS;
    const add = (code: number, value: Uint8Array) => {
      reply[at] = code;
      reply[at + 1] = value.length;
      reply.set(value, at + 2);
      at += 2 + value.length;
    };
    add(Option.MessageType, Uint8Array.of(type));
    add(Option.ServerIdentifier, words(GATEWAY));
    if (type !== Message.Nak) {
      if (address !== 0) {
        add(Option.LeaseTime, words(LEASE_SECONDS));
        add(Option.RenewalTime, words(LEASE_SECONDS / 2));
        add(Option.RebindingTime, words((LEASE_SECONDS / 8) * 7));
      }
      const wanted = asked.get(Option.ParameterList);
      for (const [code, value] of this.#parameters(asked.get(Option.HostName)))
        if (!wanted || wanted.includes(code)) add(code, value);
    }
    reply[at++] = Option.End;
    // To where the client is (§4.1): whoever has an address hears there, others everywhere.
    const everyone = type === Message.Nak || current === 0 || (get16(request, 10) & 0x8000) !== 0;
    return { data: reply.subarray(0, Math.max(at, SHORTEST)), destination: everyone ? 0xffffffff : current };
  }

  #parameters(hostName: Uint8Array | undefined): [number, Uint8Array][] {
    const search = this.#options.search().filter(isDomain).slice(0, 6);
    const parameters: [number, Uint8Array][] = [
      [Option.Mask, words(maskOf(PREFIX_BITS))],
      [Option.Router, words(GATEWAY)],
      [Option.Servers, words(NAMESERVER)],
      [Option.Mtu, Uint8Array.of(1500 >>> 8, 1500 & 255)],
      [Option.Broadcast, words(SUBNET_BROADCAST)],
    ];
    const name = hostName && isDomain(fromLatin1(hostName)) ? hostName : latin1(this.#options.hostName);
    if (name.length > 0) parameters.push([Option.HostName, name]);
    if (search.length > 0) {
      parameters.push([Option.DomainName, latin1(search[0]!)]);
      const list = encodeSearch(search);
      if (list.length < 256) parameters.push([Option.DomainSearch, list]);
    }
    return parameters;
  }
}

function words(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  put32(bytes, 0, value);
  return bytes;
}

/** A name of letters, digits, hyphens and dots, of a length that fits an option. */
function isDomain(text: string): boolean {
  return text.length <= 126 && text.split(".").every((label) => /^[a-z0-9_][a-z0-9_-]{0,62}$/i.test(label));
}

/** Domains as DNS writes them (RFC 3397), without compression. */
function encodeSearch(domains: readonly string[]): Uint8Array {
  const bytes: number[] = [];
  for (const domain of domains) {
    for (const label of domain.split(".").filter((part) => part.length > 0)) bytes.push(label.length, ...latin1(label));
    bytes.push(0);
  }
  return Uint8Array.from(bytes);
}

function addressOption(options: ReadonlyMap<number, Uint8Array>, code: number): Ipv4 | undefined {
  const value = options.get(code);
  return value?.length === 4 ? get32(value, 0) : undefined;
}

/** All options; those that are split are joined (RFC 3396), also where they go on in other fields (option 52). */
function readOptions(request: Uint8Array): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  readField(options, request.subarray(OPTIONS));
  const overload = options.get(Option.Overload)?.[0] ?? 0;
  if (overload & 1) readField(options, request.subarray(FILE, COOKIE));
  if (overload & 2) readField(options, request.subarray(SNAME, FILE));
  return options;
}

function readField(options: Map<number, Uint8Array>, field: Uint8Array): void {
  for (let at = 0; at + 1 < field.length && field[at] !== Option.End; ) {
    const code = field[at]!;
    if (code === Option.Pad) {
      at++;
      continue;
    }
    const value = field.subarray(at + 2, at + 2 + field[at + 1]!);
    if (value.length < field[at + 1]!) return;
    const before = options.get(code);
    options.set(code, before ? Uint8Array.from([...before, ...value].slice(0, 1024)) : value);
    at += 2 + value.length;
  }
}
