/**
 * Writes small ISO 9660 images: a root directory with files, and their names as
 * they are by Rock Ridge. ECMA-119 (sections are its), SUSP 1.12 and RRIP 1.12.
 *
 *     sector 0    16               17           18      19      20              21…
 *     ├─ unused ─┼─ volume descr. ─┼─ its end ──┼─ path tables ─┼─ root folder ─┼─ files ─┤
 *                                               little  big endian
 */

export interface IsoFile {
  /** As the guest sees it, up to 100 bytes of UTF-8. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface IsoOptions {
  /** Up to 32 of A-Z, 0-9 and _. */
  readonly label: string;
  /** Of the volume and of all files, ms since 1970. */
  readonly time: number;
}

const SECTOR = 2048;
const DESCRIPTOR = 16;
const LITTLE_TABLE = 18;
const BIG_TABLE = 19;
const ROOT = 20;
/** st_mode (stat(2)): a directory, and a file, that everybody may read. */
const DIRECTORY_MODE = 0o040555;
const FILE_MODE = 0o100444;

/** @throws RangeError for names and files that don't fit */
export function makeIso(files: readonly IsoFile[], { label, time }: IsoOptions): Uint8Array {
  if (!/^[A-Z0-9_]{1,32}$/.test(label)) throw new RangeError(`${label} is no label of a volume`);
  const date = new Date(time);
  const names = files.map(({ name }, i) => ({ name, plain: plainName(name, i) }));
  // Records in the order of their plain names (9.3), none across sectors.
  const order = [...files.keys()].sort((a, b) => (names[a]!.plain < names[b]!.plain ? -1 : 1));
  const sizes = files.map(
    (_, i) => record({ identifier: ascii(names[i]!.plain), use: fileUse(names[i]!.name) }, date).length,
  );
  const rootSectors = sectorsOfRecords([
    ...dotRecords(1, date).map((dot) => dot.length),
    ...order.map((i) => sizes[i]!),
  ]);
  let next = ROOT + rootSectors;
  const extents = files.map(({ bytes }) => {
    const at = next;
    next += Math.ceil(bytes.length / SECTOR);
    return at;
  });
  const image = new Uint8Array(next * SECTOR);
  const put = (sector: number, bytes: Uint8Array) => image.set(bytes, sector * SECTOR);

  put(DESCRIPTOR, primaryDescriptor(label, next, rootSectors, date));
  put(DESCRIPTOR + 1, Uint8Array.from([255, ...ascii("CD001"), 1])); // 8.3
  put(LITTLE_TABLE, pathTable(true));
  put(BIG_TABLE, pathTable(false));
  let at = ROOT * SECTOR;
  const add = (bytes: Uint8Array) => {
    const left = SECTOR - (at % SECTOR);
    if (bytes.length > left) at += left;
    image.set(bytes, at);
    at += bytes.length;
  };
  for (const dot of dotRecords(rootSectors, date)) add(dot);
  for (const i of order) {
    const { bytes } = files[i]!;
    add(
      record(
        { identifier: ascii(names[i]!.plain), extent: extents[i]!, size: bytes.length, use: fileUse(names[i]!.name) },
        date,
      ),
    );
    put(extents[i]!, bytes);
  }
  return image;
}

/** A name of level 1 (10.1), unique by the file's number; nobody who knows Rock Ridge sees it. */
function plainName(name: string, index: number): string {
  if (new TextEncoder().encode(name).length > 100 || /[/\0]/.test(name) || name === "")
    throw new RangeError(`${JSON.stringify(name)} can't be a file's name`);
  const base = name
    .toUpperCase()
    .replace(/[^A-Z0-9]/g, "_")
    .slice(0, 5);
  return `${base}${String(index).padStart(3, "0")}.;1`;
}

function sectorsOfRecords(lengths: readonly number[]): number {
  let at = 0;
  for (const length of lengths) {
    const left = SECTOR - (at % SECTOR);
    at += length > left ? left + length : length;
  }
  return Math.max(1, Math.ceil(at / SECTOR));
}

/** The records "." and ".." (6.8.2.2), the first with what says that Rock Ridge is used. */
function dotRecords(sectors: number, date: Date): Uint8Array[] {
  const size = sectors * SECTOR;
  const sharing = entry("SP", [0xbe, 0xef, 0]); // SUSP 5.3
  const id = ascii("RRIP_1991A");
  const extension = entry("ER", [id.length, 0, 0, 1, ...id]); // SUSP 5.5
  const attributes = posix(DIRECTORY_MODE, 2);
  const dot = { extent: ROOT, size, directory: true };
  return [
    record({ ...dot, identifier: [0], use: [...sharing, ...attributes, ...extension] }, date),
    record({ ...dot, identifier: [1], use: attributes }, date),
  ];
}

function fileUse(name: string): number[] {
  return [...posix(FILE_MODE, 1), ...entry("NM", [0, ...new TextEncoder().encode(name)])]; // RRIP 4.1.4
}

/** Mode, links, user, group and serial number (RRIP 4.1.1). */
function posix(mode: number, links: number): number[] {
  return entry("PX", [...both32(mode), ...both32(links), ...both32(0), ...both32(0)]);
}

/** A field of the system use area (SUSP 4). */
function entry(signature: string, data: readonly number[]): number[] {
  return [...ascii(signature), 4 + data.length, 1, ...data];
}

interface DirectoryRecord {
  readonly identifier: readonly number[];
  readonly extent?: number;
  readonly size?: number;
  readonly directory?: boolean;
  readonly use?: readonly number[];
}

/** A directory record (9.1). */
function record(
  { identifier, extent = 0, size = 0, directory = false, use = [] }: DirectoryRecord,
  date: Date,
): Uint8Array {
  const padding = identifier.length % 2 === 0 ? [0] : [];
  const bytes = [
    0,
    0,
    ...both32(extent),
    ...both32(size),
    ...[date.getUTCFullYear() - 1900, date.getUTCMonth() + 1, date.getUTCDate()],
    ...[date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds(), 0],
    directory ? 2 : 0,
    0,
    0,
    ...both16(1),
    identifier.length,
    ...identifier,
    ...padding,
    ...use,
  ];
  if (bytes.length % 2 !== 0) bytes.push(0);
  if (bytes.length > 255) throw new RangeError("a directory record is too long");
  bytes[0] = bytes.length;
  return Uint8Array.from(bytes);
}

/** 8.4 */
function primaryDescriptor(label: string, sectors: number, rootSectors: number, date: Date): Uint8Array {
  const bytes = new Uint8Array(SECTOR);
  const text = (at: number, length: number, value = "") => bytes.set(ascii(value.padEnd(length)), at);
  bytes[0] = 1;
  bytes.set(ascii("CD001"), 1);
  bytes[6] = 1;
  text(8, 32);
  text(40, 32, label);
  bytes.set(both32(sectors), 80);
  bytes.set(both16(1), 120);
  bytes.set(both16(1), 124);
  bytes.set(both16(SECTOR), 128);
  bytes.set(both32(pathTable(true).length), 132);
  bytes.set(both32(LITTLE_TABLE).slice(0, 4), 140);
  bytes.set(both32(BIG_TABLE).slice(4), 148);
  bytes.set(record({ identifier: [0], extent: ROOT, size: rootSectors * SECTOR, directory: true }, date), 156);
  text(190, 128); // volume set
  text(318, 128); // publisher
  text(446, 128); // preparer
  text(574, 128, "WARDIAN"); // application
  text(702, 111); // copyright, abstract and bibliographic files
  const now = longDate(date);
  bytes.set(now, 813); // created
  bytes.set(now, 830); // modified
  bytes.set(NO_DATE, 847); // expires
  bytes.set(now, 864); // effective
  bytes[881] = 1;
  return bytes;
}

/** The root, alone (9.4). */
function pathTable(little: boolean): Uint8Array {
  const extent = little ? both32(ROOT).slice(0, 4) : both32(ROOT).slice(4);
  return Uint8Array.from([1, 0, ...extent, ...(little ? [1, 0] : [0, 1]), 0, 0]);
}

/** 8.4.26.1 */
function longDate(date: Date): number[] {
  const digits = date.toISOString().replace(/\D/g, "").slice(0, 16);
  return [...ascii(digits), 0];
}

const NO_DATE = [...ascii("0".repeat(16)), 0];

/** 7.2.3 */
function both16(value: number): number[] {
  return [value & 0xff, value >> 8, value >> 8, value & 0xff];
}

/** 7.3.3: little-endian, then big-endian. */
function both32(value: number): number[] {
  const little = [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
  return [...little, ...little.toReversed()];
}

function ascii(text: string): number[] {
  return [...text].map((character) => character.charCodeAt(0));
}
