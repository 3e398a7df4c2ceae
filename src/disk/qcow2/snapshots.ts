/** The table of an image's internal snapshots (qcow2.txt, "Snapshots"). */

import type { BlockFile } from "../../backends/block-file.ts";
import { get64, roundUp, view } from "../bytes.ts";
import { damaged } from "../errors.ts";
import type { Header } from "./header.ts";

export interface Snapshot {
  readonly id: string;
  readonly name: string;
  /** Seconds since 1970. */
  readonly date: number;
  /** Bytes of a machine's state that is saved with it. */
  readonly stateSize: number;
  readonly l1Offset: number;
  readonly l1Size: number;
}

/** What an entry has before its texts, and the most that we read of a table. */
const FIXED = 40;
const MAX_TABLE = 16 * 2 ** 20;
/** As of the active L1 table. */
const MAX_L1_ENTRIES = 4 * 2 ** 20;

/** @returns the snapshots, and the bytes that their table has in the file @throws DiskError damaged */
export async function readSnapshots(
  file: BlockFile,
  header: Header,
): Promise<{ snapshots: Snapshot[]; bytes: number }> {
  const { count, offset } = header.snapshots;
  const snapshots: Snapshot[] = [];
  if (count === 0) return { snapshots, bytes: 0 };
  const bytes = new Uint8Array(Math.min(MAX_TABLE, Math.max(0, file.size - offset)));
  await file.read(offset, bytes);
  const fields = view(bytes);
  const decoder = new TextDecoder();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + FIXED > bytes.length) throw damaged(file.name, "its snapshot table is cut off");
    const [idLength, nameLength, extra] = [
      fields.getUint16(at + 12),
      fields.getUint16(at + 14),
      fields.getUint32(at + 36),
    ];
    const texts = at + FIXED + extra;
    const end = texts + idLength + nameLength;
    const l1Size = fields.getUint32(at + 8);
    if (end > bytes.length || l1Size > MAX_L1_ENTRIES) throw damaged(file.name, "its snapshot table is wrong");
    snapshots.push({
      id: decoder.decode(bytes.subarray(texts, texts + idLength)),
      name: decoder.decode(bytes.subarray(texts + idLength, end)),
      date: fields.getUint32(at + 16),
      stateSize: extra >= 8 ? get64(fields, at + FIXED) : fields.getUint32(at + 32),
      l1Offset: get64(fields, at),
      l1Size,
    });
    at = roundUp(end, 8);
  }
  return { snapshots, bytes: at };
}
