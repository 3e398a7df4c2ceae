/** A guest's profile: what the executor's engine has sampled, and the regions that it names. */

import type { RegionRecord } from "./recorder.ts";

/** A sampling profile as V8 gives it (Chrome DevTools Protocol, Profiler.Profile): times in microseconds. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
    readonly children?: readonly number[] | undefined;
  }[];
  readonly startTime: number;
  readonly endTime: number;
  /** The node that each sample hit, and the time since the one before. */
  readonly samples?: readonly number[] | undefined;
  readonly timeDeltas?: readonly number[] | undefined;
}

export interface GuestProfile {
  readonly cpu: CpuProfile;
  readonly regions: ReadonlyMap<string, RegionRecord>;
}

/** An engine's own profiler, under way. */
export interface Profiler {
  stop(): CpuProfile;
}
