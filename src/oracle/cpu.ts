/** QEMU's `-cpu` line from our own list of extensions, and what an older QEMU lacks. */

import { EXTENSIONS } from "../machine/fdt.ts";

/** Extensions that QEMU 7.2 doesn't know by any name. */
const NEWER = new Set(["zicbom", "zicboz", "zicond"]);
/** The version from which on `rv64i` is a CPU that has nothing but what is named. */
const BARE = 9;

/** @param version  QEMU's major version */
export function cpuLine(version: number, extensions: readonly string[] = EXTENSIONS): string {
  if (version < BARE) {
    const known = extensions.filter((name) => /^zb/.test(name) || /^sv(inval|napot|pbmt)$/.test(name));
    return ["rv64", ...known.map((name) => `${name}=true`), "sstc=true", "h=false"].join(",");
  }
  // Modes, PMP and the largest address space; no triggers, A and D bits by
  // software, and misaligned atomics trap, which QEMU leaves out unless told.
  const privileged = ["s", "u", "mmu", "pmp", "sv57"];
  const named = [...extensions.filter((name) => name !== "i"), ...privileged].map((name) => `${name}=true`);
  return ["rv64i", ...named, "debug=false", "svadu=false", "zama16b=false"].join(",");
}

/**
 * What programs must not use on this QEMU: extensions as the table names them,
 * and instructions that it gets wrong.
 */
export function lacking(version: number): ReadonlySet<string> {
  if (version >= BARE) return new Set();
  const names = [...NEWER].map((name) => name[0]!.toUpperCase() + name.slice(1));
  // QEMU 7.2's ctzw counts on into the upper half when the lower one is zero.
  return new Set([...names, "ctzw"]);
}

/** Does this QEMU fault where A or D is clear (Svade)? An older one always sets them itself. */
export const faultsOnClearBits = (version: number): boolean => version >= BARE;
