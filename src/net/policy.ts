/**
 * Which destinations guests may reach. Rules are about addresses as they are
 * connected to, never about names, so that no answer of a name server gets
 * around them.
 */

import type { Sockets } from "../backends/sockets.ts";
import { type Ipv4, inPrefix, maskOf, parseIpv4, parseIpv6, toIpv4 } from "./addresses.ts";
import { GATEWAY } from "./plan.ts";

/** A rule that can't be understood; `message` is one sentence. */
export class PolicyError extends Error {
  override readonly name = "PolicyError";
}

interface Rule {
  readonly prefix: Ipv4;
  readonly bits: number;
  /** Undefined: any. */
  readonly port: number | undefined;
  readonly allows: boolean;
}

export const LOOPBACK: Ipv4 = parseIpv4("127.0.0.1")!;

/** What is denied unless a rule allows it; the host's own addresses are too. */
const DENIED = [
  "0.0.0.0/8", // "this host" (RFC 1122 §3.2.1.3): systems take 0.0.0.0 for themselves
  "127.0.0.0/8", // loopback
  "169.254.0.0/16", // link-local (RFC 3927), where clouds have their metadata
  "224.0.0.0/4", // multicast, and what is beyond: nothing that a connection could be made to
  "240.0.0.0/4",
];

/** How long the host's own addresses are believed to be the same. */
const OWN_ADDRESSES_MS = 2000;

export interface PolicyOptions {
  readonly allow?: readonly string[] | undefined;
  readonly deny?: readonly string[] | undefined;
}

export class Policy {
  /** Most specific first; of equals those that deny, and the user's before ours. */
  readonly #rules: readonly Rule[];
  readonly #sockets: Pick<Sockets, "ownAddresses">;
  readonly #now: () => number;
  #own = new Set<Ipv4>();
  #ownSince = Number.NEGATIVE_INFINITY;

  /** @throws PolicyError */
  constructor(options: PolicyOptions, sockets: Pick<Sockets, "ownAddresses">, now: () => number) {
    const rules = [
      ...(options.deny ?? []).map((text) => parseRule(text, false)),
      ...(options.allow ?? []).map((text) => parseRule(text, true)),
      ...DENIED.map((text) => parseRule(text, false)),
    ];
    // The sort is stable.
    this.#rules = rules.sort((a, b) => b.bits - a.bits || Number(b.port !== undefined) - Number(a.port !== undefined));
    this.#sockets = sockets;
    this.#now = now;
  }

  /** Whether a guest may reach a port of an address; 0 for ICMP, which has no ports. */
  allows(address: Ipv4, port: number): boolean {
    const rule = this.#rules.find(
      (each) => inPrefix(address, each.prefix, each.bits) && (each.port === undefined || each.port === port),
    );
    // The host's own addresses are as specific as a rule can be without a port.
    if (rule?.bits !== 32 && this.#isOwn(address)) return false;
    return rule?.allows ?? true;
  }

  #isOwn(address: Ipv4): boolean {
    const now = this.#now();
    if (now - this.#ownSince > OWN_ADDRESSES_MS) {
      this.#ownSince = now;
      this.#own = new Set(
        this.#sockets
          .ownAddresses()
          .map(toIpv4)
          .filter((own) => own !== undefined),
      );
    }
    return this.#own.has(address);
  }
}

/** The address of the host that stands behind one that guests see: the gateway is the host's loopback. */
export function hostAddress(address: Ipv4): Ipv4 {
  return address === GATEWAY ? LOOPBACK : address;
}

/** "10.0.0.0/8", "192.0.2.1", "127.0.0.1:8080", "0.0.0.0/0:25" */
function parseRule(text: string, allows: boolean): Rule {
  const [, address, bitsText, portText] = /^([^/:]+)(?:\/(\d{1,2}))?(?::(\d{1,5}))?$/.exec(text) ?? [];
  const prefix = parseIpv4(address ?? "");
  const bits = bitsText === undefined ? 32 : Number(bitsText);
  const port = portText === undefined ? undefined : Number(portText);
  const name = JSON.stringify(text);
  if (prefix === undefined || bits > 32) {
    const is6 = /^\[?([0-9a-f:.]+)(\/\d+)?\]?(:\d+)?(\/\d+)?$/i.exec(text)?.[1];
    if (is6 && parseIpv6(is6))
      throw new PolicyError(`${name} can't be allowed or denied: guests reach IPv4 addresses only.`);
    throw new PolicyError(
      `${name} is no destination: write an IPv4 address or a range of them, as in 10.0.0.0/8, or with a port, 192.0.2.1:443.`,
    );
  }
  if (port !== undefined && (port < 1 || port > 65535))
    throw new PolicyError(`${name} has no port from 1 to 65535 after its colon.`);
  if ((prefix & maskOf(bits)) >>> 0 !== prefix)
    throw new PolicyError(`${name} has address bits beyond its first ${bits}; write the range's first address.`);
  return { prefix: bits === 32 ? hostAddress(prefix) : prefix, bits, port, allows };
}
