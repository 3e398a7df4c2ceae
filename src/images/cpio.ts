/**
 * Writes cpio archives in the "new ASCII" format (magic 070701), which Linux
 * unpacks as its initial RAM file system; see the kernel's
 * Documentation/driver-api/early-userspace/buffer-format.rst.
 */

/** One thing in the archive. `path` is relative, without a leading slash. */
export type CpioEntry =
  | { kind: "directory"; path: string; mode?: number }
  | { kind: "file"; path: string; data: Uint8Array; mode?: number }
  | { kind: "link"; path: string; target: string }
  | { kind: "character"; path: string; major: number; minor: number; mode?: number };

// File types in st_mode (POSIX <sys/stat.h>, as Linux numbers them).
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;
const S_IFCHR = 0o020000;

const TRAILER = "TRAILER!!!";
const BLOCK = 512;

/**
 * An archive of the entries in their order (a directory must come before what
 * is in it). Owned by root, dated 1970: the same entries give the same bytes.
 */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const parts: Uint8Array[] = [];
  let length = 0;
  const push = (part: Uint8Array): void => {
    parts.push(part);
    length += part.length;
    const gap = -length & 3; // headers and data start on 4-byte boundaries
    if (gap > 0) {
      parts.push(new Uint8Array(gap));
      length += gap;
    }
  };
  entries.forEach((entry, index) => {
    const data = content(entry);
    push(header(entry, index + 1, data.length));
    push(data);
  });
  push(member(TRAILER, { inode: 0, mode: 0, links: 1, size: 0, major: 0, minor: 0 }));
  push(new Uint8Array(-length & (BLOCK - 1)));
  return Buffer.concat(parts, length);
}

function content(entry: CpioEntry): Uint8Array {
  if (entry.kind === "file") return entry.data;
  if (entry.kind === "link") return Buffer.from(entry.target);
  return new Uint8Array(0);
}

function header(entry: CpioEntry, inode: number, size: number): Uint8Array {
  const numbers = { inode, size, links: 1, major: 0, minor: 0 };
  switch (entry.kind) {
    case "directory":
      return member(entry.path, { ...numbers, links: 2, mode: S_IFDIR | (entry.mode ?? 0o755) });
    case "file":
      return member(entry.path, { ...numbers, mode: S_IFREG | (entry.mode ?? 0o644) });
    case "link":
      return member(entry.path, { ...numbers, mode: S_IFLNK | 0o777 });
    case "character":
      return member(entry.path, {
        ...numbers,
        mode: S_IFCHR | (entry.mode ?? 0o600),
        major: entry.major,
        minor: entry.minor,
      });
  }
}

interface Numbers {
  inode: number;
  mode: number;
  links: number;
  size: number;
  major: number;
  minor: number;
}

/** The header's 13 fields of 8 hexadecimal digits, then the name and its NUL. */
function member(name: string, n: Numbers): Uint8Array {
  const bytes = Buffer.from(`${name}\0`);
  const mtime = 0;
  const uid = 0;
  const gid = 0;
  const device = 0; // the archive's own device, two fields
  const check = 0; // only format 070702 has one
  const fields = [n.inode, n.mode, uid, gid, n.links, mtime, n.size, device, device, n.major, n.minor];
  const hex = [...fields, bytes.length, check].map((value) => value.toString(16).padStart(8, "0"));
  return Buffer.concat([Buffer.from(`070701${hex.join("")}`), bytes]);
}
