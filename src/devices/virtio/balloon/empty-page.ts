/** Makes a page of guest memory zero, without touching one that is. */
import type { GuestMemory, Outcome } from "../guest-memory.ts";

/** Bytes of a balloon's page, whatever the guest's pages have (VIRTIO 1.2 §5.5.6). */
export const PAGE = 4096;

/** @param address of guest-physical memory, at the beginning of a page */
export function emptyPage(memory: GuestMemory, address: number): "emptied" | "empty" | Outcome {
  const seen = memory.view(address, PAGE, false);
  if (typeof seen === "string") return seen;
  // A page that the guest never wrote to costs the host nothing, as long as nobody writes to it.
  if (isZero(new BigUint64Array(seen.buffer, seen.byteOffset, PAGE / 8))) return "empty";
  const page = memory.view(address, PAGE, true);
  if (typeof page === "string") return page;
  page.fill(0);
  return "emptied";
}

function isZero(words: BigUint64Array): boolean {
  for (let i = 0; i < words.length; i++) if (words[i] !== 0n) return false;
  return true;
}
