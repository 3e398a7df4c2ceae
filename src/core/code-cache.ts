/** What is kept of compiled regions, for later runs and for after all were dropped. */

/** Of one page of guest code. */
export interface CodeRecord {
  /** What the core knows of its regions, in the core's own form. */
  readonly profile: Uint8Array;
  /** A module with all regions that the profile names, if there is one. */
  readonly module?: Uint8Array<ArrayBuffer>;
}

/** Keeps records by the bytes of the pages that they are of. Nothing here throws or waits. */
export interface CodeCache {
  /** A cryptographic hash of a page's bytes. */
  keyOf(page: Uint8Array): string;
  find(key: string): CodeRecord | undefined;
  keep(key: string, record: CodeRecord): void;
  /** What was kept is to outlive this process. */
  flush(): void;
}

/** Where a profile has what. */
export interface ProfileLayout {
  readonly R_COUNT: number;
  readonly R_ENTRIES: number;
  readonly R_MOST_ENTRIES: number;
  readonly R_EXECUTED: number;
  readonly R_EXECUTED_SIZE: number;
  /** What no profile is longer than. */
  readonly JIT_RECORD_SIZE: number;
}

/** Whether it has a profile's length; what is in it is the core's to check. */
export function isProfile(bytes: Uint8Array, layout: ProfileLayout): boolean {
  return bytes.length >= layout.R_EXECUTED + layout.R_EXECUTED_SIZE && bytes.length <= layout.JIT_RECORD_SIZE;
}

/** Entries of a profile, offsets in the page. */
export function entriesOf(profile: Uint8Array, layout: ProfileLayout): number[] {
  const view = new DataView(profile.buffer, profile.byteOffset, profile.byteLength);
  const count = Math.min(view.getUint32(layout.R_COUNT, true), layout.R_MOST_ENTRIES);
  return Array.from({ length: count }, (_, i) => view.getUint16(layout.R_ENTRIES + i * 2, true));
}

/**
 * A newer profile with what only the older one knows.
 * @param all the newer one has all entries that are worth it
 */
export function joinProfiles(older: Uint8Array, newer: Uint8Array, layout: ProfileLayout, all: boolean): Uint8Array {
  const joined = newer.slice();
  for (let i = layout.R_EXECUTED; i < layout.R_EXECUTED + layout.R_EXECUTED_SIZE; i++) joined[i]! |= older[i] ?? 0;
  if (all) return joined;
  const entries = new Set([...entriesOf(newer, layout), ...entriesOf(older, layout)]);
  const view = new DataView(joined.buffer);
  const kept = [...entries].slice(0, layout.R_MOST_ENTRIES);
  view.setUint32(layout.R_COUNT, kept.length, true);
  for (const [i, entry] of kept.entries()) view.setUint16(layout.R_ENTRIES + i * 2, entry, true);
  return joined;
}
