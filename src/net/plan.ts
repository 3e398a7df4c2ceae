/** Who is who on a user-mode network; the addresses are those that QEMU's user-mode network has. */

import { type Ipv4, inPrefix } from "./addresses.ts";

const octets = (last: number): Ipv4 => 0x0a000200 + last;

/** 10.0.2.0/24 */
const NETWORK: Ipv4 = octets(0);
export const PREFIX_BITS = 24;
/** The router, which stands for the host too. */
export const GATEWAY: Ipv4 = octets(2);
export const NAMESERVER: Ipv4 = octets(3);
/** The first guest; further ones follow. */
export const FIRST_GUEST: Ipv4 = octets(15);
export const LAST_GUEST: Ipv4 = octets(254);
export const SUBNET_BROADCAST: Ipv4 = octets(255);

/** Hardware address of everything that isn't a guest: locally administered, as QEMU's is. */
export const HARDWARE: Uint8Array = Uint8Array.of(0x52, 0x55, 10, 0, 2, 2);

export function isLocal(address: Ipv4): boolean {
  return inPrefix(address, NETWORK, PREFIX_BITS);
}

/** Whether a guest may have an address: none of ours, nor the network's own. */
export function isGuest(address: Ipv4): boolean {
  return (
    isLocal(address) &&
    address !== NETWORK &&
    address !== GATEWAY &&
    address !== NAMESERVER &&
    address !== SUBNET_BROADCAST
  );
}
