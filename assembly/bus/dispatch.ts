/** Physical address → device and offset. Only the host's memory map knows addresses. */

import {
  BUS_MAP, BUS_MAP_PAGES, BUS_REGION, BUS_REGIONS, DEV_ID_ACLINT, DEV_ID_HOST, DEV_ID_PFLASH, DEV_ID_PLIC, DEV_ID_RTC,
  DEV_ID_SYSCON, DEV_ID_UART, MAX_BUS_REGIONS, PAGE_BITS,
} from "../abi";
import { aclintRead, aclintWrite } from "../devices/aclint";
import { pflashRead, pflashWrite } from "../devices/pflash";
import { plicRead, plicWrite } from "../devices/plic";
import { rtcRead, rtcWrite } from "../devices/rtc";
import { sysconRead, sysconWrite } from "../devices/syscon";
import { uartRead, uartWrite } from "../devices/uart";
import { hostMmioRead, hostMmioWrite } from "../host";

/** Where `find` leaves its answer. */
let device: i32 = 0;
let offset: u32 = 0;
/** Where `busRead` leaves its answer. */
export let busValue: u64 = 0;

/**
 * Adds a region; `base` and its pages must lie below 2 GiB, and regions must
 * not share a page. @returns false when it can't be added
 */
export function busAdd(base: u64, size: u64, id: i32): bool {
  const limit = <u64>BUS_MAP_PAGES << PAGE_BITS;
  if (size == 0 || base >= limit || size > limit - base || base & 0xfff) return false;
  let index: u32 = 1;
  while (index < MAX_BUS_REGIONS && load<u64>(BUS_REGIONS + index * BUS_REGION, 8)) index++;
  if (index == MAX_BUS_REGIONS) return false;
  const first = <u32>(base >> PAGE_BITS);
  const last = <u32>((base + size - 1) >> PAGE_BITS);
  for (let page = first; page <= last; page++) if (load<u8>(BUS_MAP + page)) return false;
  memory.fill(BUS_MAP + first, <u8>index, last - first + 1);
  const region = BUS_REGIONS + index * BUS_REGION;
  store<u64>(region, base);
  store<u64>(region, size, 8);
  store<u32>(region, id, 16);
  return true;
}

/** An access must be aligned and lie inside one region. */
function find(pa: u64, size: u32): bool {
  const page = pa >> PAGE_BITS;
  if (page >= BUS_MAP_PAGES || pa & (size - 1)) return false;
  const index = <u32>load<u8>(BUS_MAP + <u32>page);
  if (!index) return false;
  const region = BUS_REGIONS + index * BUS_REGION;
  const at = pa - load<u64>(region);
  if (at + size > load<u64>(region, 8)) return false;
  device = load<u32>(region, 16);
  offset = <u32>at;
  return true;
}

/** Loads from a device into `busValue`, zero-extended. @returns false: no device answers */
export function busRead(pa: u64, size: u32): bool {
  if (!find(pa, size)) return false;
  let v: u64 = 0;
  switch (device) {
    case DEV_ID_UART: v = uartRead(offset, size); break;
    case DEV_ID_PLIC: v = plicRead(offset, size); break;
    case DEV_ID_ACLINT: v = aclintRead(offset, size); break;
    case DEV_ID_RTC: v = rtcRead(offset, size); break;
    case DEV_ID_SYSCON: v = sysconRead(offset, size); break;
    case DEV_ID_PFLASH: v = pflashRead(offset, size); break;
    default: if (device >= DEV_ID_HOST) v = hostMmioRead(device, offset, size) & (u64.MAX_VALUE >> (64 - (size << 3)));
  }
  busValue = v;
  return true;
}

/** Stores to a device. @returns false: no device answers */
export function busWrite(pa: u64, size: u32, value: u64): bool {
  if (!find(pa, size)) return false;
  switch (device) {
    case DEV_ID_UART: uartWrite(offset, size, value); break;
    case DEV_ID_PLIC: plicWrite(offset, size, value); break;
    case DEV_ID_ACLINT: aclintWrite(offset, size, value); break;
    case DEV_ID_RTC: rtcWrite(offset, size, value); break;
    case DEV_ID_SYSCON: sysconWrite(offset, size, value); break;
    case DEV_ID_PFLASH: pflashWrite(offset, size, value); break;
    default: if (device >= DEV_ID_HOST) hostMmioWrite(device, offset, size, value);
  }
  return true;
}
