/** The memory balloon of a snapshot's machine, which needs nothing of the host and so is not to be named again. */

import type { BalloonAttachment } from "../machine/virtio.ts";
import type { SnapshotHeader } from "./format.ts";

/** The field of a balloon's transport that has its size. */
const FIELD = "device.balloon.target";

export function savedBalloon({ devices }: SnapshotHeader): BalloonAttachment | undefined {
  for (const [name, state] of Object.entries(devices)) {
    const pages = state?.[FIELD];
    if (typeof pages === "number") return { pages, transport: name.startsWith("pci") ? "pci" : "mmio" };
  }
  return undefined;
}
