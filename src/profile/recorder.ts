/** Takes down what the JIT makes of a guest while it is profiled. */

import type { CoreParts, HostCalls } from "../core/calls.ts";
import { withNames } from "./module.ts";

/** A compiled region: where it comes from and what it became. */
export interface RegionRecord {
  /** Guest physical address of its entry. */
  readonly address: bigint;
  /** Virtual address that it was first entered by. */
  readonly virtual: bigint;
  /** The page that it lies in, as it was when it was compiled; nothing where that couldn't be read. */
  readonly page: Uint8Array;
  readonly module: Uint8Array;
  /** Which of the module's functions it is. */
  readonly index: number;
}

const PAGE = 4096;
/** So many are kept: a guest can make new ones without end. */
const MOST_REGIONS = 4096;

/** The name that a region's function has in a profile. */
export function regionName(address: bigint): string {
  return `r_${address.toString(16)}`;
}

export class Recorder {
  /** By the functions' names; of regions compiled again, the last. */
  readonly regions = new Map<string, RegionRecord>();
  readonly #core: () => CoreParts;

  /** @param core the one that compiles; it need not exist yet */
  constructor(core: () => CoreParts) {
    this.#core = core;
  }

  /** As the core's host is told: gives every region a name. */
  readonly observe: NonNullable<HostCalls["observe"]> = (module, addresses) => {
    const { abi, calls, bytes, view } = this.#core();
    const start = (addresses[0] ?? 0n) & ~BigInt(PAGE - 1);
    const at = calls.guestRange(start, PAGE, 0) >>> 0;
    const page = at > 1 ? bytes.slice(at, at + PAGE) : new Uint8Array();
    const hart = Math.min(view.getUint32(abi.DEV_MACHINE + abi.M_CURRENT, true), abi.MAX_HARTS - 1);
    const pc = view.getBigUint64(abi.HARTS + hart * abi.HART_STRIDE + abi.H_PC, true);
    const virtual = (address: bigint) => BigInt.asUintN(64, (pc & ~BigInt(PAGE - 1)) + (address - start));
    addresses.forEach((address, index) => {
      const name = regionName(address);
      if (this.regions.size < MOST_REGIONS || this.regions.has(name))
        this.regions.set(name, { address, virtual: virtual(address), page, module, index });
    });
    return withNames(module, abi.F_OWN!, addresses.map(regionName));
  };
}
