/** V8's sampling profiler, for the thread that asks for it. */

import { Session } from "node:inspector";
import type { CpuProfile, Profiler } from "../../profile/profile.ts";

/** Microseconds between two samples. */
const INTERVAL = 200;

/** Starts sampling this thread. A session with one's own thread answers within the call. */
export function startProfiler(): Profiler {
  const session = new Session();
  session.connect();
  session.post("Profiler.enable");
  session.post("Profiler.setSamplingInterval", { interval: INTERVAL });
  session.post("Profiler.start");
  return {
    stop: () => {
      let taken: CpuProfile = { nodes: [], startTime: 0, endTime: 0 };
      session.post("Profiler.stop", (error, { profile }) => {
        if (!error) taken = profile;
      });
      session.disconnect();
      return taken;
    },
  };
}
