/** Folders to share in tests, with something beside them that must never be touched. */

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { owners } from "../../src/host/node/share-owner.ts";
import { ShareServer } from "../../src/host/node/share-server.ts";
import { FuseClient } from "./fuse-client.ts";

export interface SharedFolder {
  /** Shared. */
  readonly dir: string;
  /** Beside it. */
  readonly outside: string;
  readonly server: ShareServer;
  readonly guest: FuseClient;
  /** Ends it. */
  close(): void;
}

export interface Setup {
  readonly readOnly?: boolean;
  readonly limits?: { nodes: number; descriptors: number; handles: number };
  readonly uid?: number;
}

export function shared({ readOnly = false, limits, uid = process.geteuid!() }: Setup = {}): SharedFolder {
  const base = mkdtempSync(join(tmpdir(), "wardian-share-"));
  const dir = join(base, "shared");
  const outside = join(base, "outside");
  mkdirSync(dir);
  mkdirSync(join(outside, "sub"), { recursive: true });
  writeFileSync(join(outside, "secret"), "what no guest may read");
  writeFileSync(join(outside, "sub/secret"), "nor this");
  symlinkSync("secret", join(outside, "link"));
  const server = new ShareServer({
    path: dir,
    readOnly,
    owners: owners(uid, process.getegid!()),
    limits: limits ?? { nodes: 10_000, descriptors: 64, handles: 64 },
  });
  const guest = new FuseClient((request) => server.handle(request));
  guest.init();
  return {
    dir,
    outside,
    server,
    guest,
    close: () => {
      server.close();
      // Node's own can't remove deep trees.
      execFileSync("rm", ["-rf", base]);
    },
  };
}

/** A hash of all that can be told of a tree: names, modes, owners, times of change, contents. */
export function treeHash(path: string): string {
  const hash = createHash("sha256");
  const visit = (at: string) => {
    const { mode, uid, gid, size, mtimeMs, ctimeMs, nlink } = lstatSync(at);
    hash.update(`${at} ${mode} ${uid} ${gid} ${size} ${mtimeMs} ${ctimeMs} ${nlink}\n`);
    if ((mode & 0o170000) === 0o040000) for (const name of readdirSync(at).sort()) visit(join(at, name));
    else if ((mode & 0o170000) === 0o120000) hash.update(readlinkSync(at));
    else hash.update(readFileSync(at));
  };
  visit(path);
  return hash.digest("hex");
}
