/** Addresses as numbers, and their text. IPv4 addresses are unsigned numbers of 32 bits. */

export type Ipv4 = number;

/** Four decimal parts, nothing else: "010.1" and "0x7f.1", which some systems take, are no addresses here. */
export function parseIpv4(text: string): Ipv4 | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1);
  if (!parts || parts.some((part) => Number(part) > 255 || (part.length > 1 && part[0] === "0"))) return undefined;
  return parts.reduce((address, part) => address * 256 + Number(part), 0);
}

export function formatIpv4(address: Ipv4): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** The netmask of so many bits. */
export function maskOf(bits: number): number {
  return bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0;
}

export function inPrefix(address: Ipv4, prefix: Ipv4, bits: number): boolean {
  return (address & maskOf(bits)) >>> 0 === prefix;
}

/** An IPv6 address's eight groups. */
export function parseIpv6(text: string): number[] | undefined {
  const plain = text.replace(/%.*$/, "");
  const embedded = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(plain);
  const last = embedded && parseIpv4(embedded[2]!);
  if (embedded && last === undefined) return undefined;
  const whole = embedded ? `${embedded[1]}${(last! >>> 16).toString(16)}:${(last! & 0xffff).toString(16)}` : plain;
  const halves = whole.split("::");
  if (halves.length > 2) return undefined;
  const groups = halves.map((half) => (half === "" ? [] : half.split(":")));
  const [front, back = []] = groups as [string[], string[]?];
  const missing = 8 - front.length - back.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...front, ...Array<string>(missing).fill("0"), ...back];
  return all.every((group) => /^[0-9a-f]{1,4}$/i.test(group))
    ? all.map((group) => Number.parseInt(group, 16))
    : undefined;
}

/** The IPv4 address that text means: its own, or that of an IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2). */
export function toIpv4(text: string): Ipv4 | undefined {
  const address = parseIpv4(text);
  if (address !== undefined) return address;
  const groups = parseIpv6(text);
  if (groups?.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff)
    return groups[6]! * 0x10000 + groups[7]!;
  return undefined;
}
