/** A link whose frames are written to a pcapng file. */

import { createWriteStream } from "node:fs";
import { open } from "node:fs/promises";
import type { Link } from "../../backends/link.ts";
import { type Direction, pcapngHeader, pcapngPacket, pcapngStatistics } from "../../net/pcapng.ts";
import { fileError } from "./files.ts";

/** Bytes that may wait for a slow disk; frames beyond are left out of the file, and counted there. */
const MAX_WAITING = 16 * 1024 * 1024;

/** @throws FileError if the file can't be written */
export async function captureLink(link: Link, path: string): Promise<Link> {
  const file = await open(path, "w").catch((error) => {
    throw fileError(error, "written", path, "capture");
  });
  const stream = createWriteStream("", { fd: file, highWaterMark: 1 << 20 });
  // A full disk ends the capture, not the network.
  let broken = false;
  stream.on("error", () => {
    broken = true;
  });
  let frames = 0;
  let dropped = 0;
  const now = () => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
  const keep = (frame: Uint8Array, direction: Direction) => {
    frames++;
    if (broken || stream.writableLength > MAX_WAITING) dropped++;
    else stream.write(pcapngPacket(frame, now(), direction));
  };
  stream.write(pcapngHeader("wardian", "net0"));
  let onFrame: Link["onFrame"];
  link.onFrame = (frame) => {
    keep(frame, "received");
    onFrame?.(frame);
  };
  return {
    ...(link.largestFrame !== undefined && { largestFrame: link.largestFrame }),
    submit: (frame) => {
      keep(frame, "sent");
      link.submit(frame);
    },
    get onFrame() {
      return onFrame;
    },
    set onFrame(handler) {
      onFrame = handler;
    },
    get largestArrival() {
      return link.largestArrival;
    },
    set largestArrival(bytes) {
      link.largestArrival = bytes;
    },
    close: () => {
      link.close();
      if (!broken) stream.end(pcapngStatistics(now(), frames, dropped));
    },
  };
}
