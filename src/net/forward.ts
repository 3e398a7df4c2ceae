/** Forwarded ports as people write them. */

import type { Forward } from "../backends/link.ts";

const FORWARD = /^(?:(tcp|udp):)?(?:(\[[0-9a-f:.]+\]|[0-9.]+):)?(\d{1,5}):(\d{1,5})$/i;

/** What `[tcp:|udp:][HOST:]PORT:GUESTPORT` means; an IPv6 address stands in brackets. Undefined if it means nothing. */
export function parseForward(text: string): Forward | undefined {
  const match = FORWARD.exec(text);
  const [hostPort, guestPort] = [Number(match?.[3]), Number(match?.[4])];
  if (!match || hostPort > 65535 || guestPort > 65535 || guestPort === 0) return undefined;
  const address = match[2]?.replace(/^\[|\]$/g, "");
  return {
    protocol: match[1]?.toLowerCase() === "udp" ? "udp" : "tcp",
    ...(address !== undefined && { hostAddress: address }),
    hostPort,
    guestPort,
  };
}

/** The other way round. */
export function formatForward({ protocol, hostAddress, hostPort, guestPort }: Forward): string {
  const address = hostAddress?.includes(":") ? `[${hostAddress}]` : hostAddress;
  return `${protocol === "udp" ? "udp:" : ""}${address === undefined ? "" : `${address}:`}${hostPort}:${guestPort}`;
}
