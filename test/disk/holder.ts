/** A program that opens a disk and does as it is told until it is killed: `holder PATH read|write [work|commit]`. */

import { openDisk } from "../../src/host/node/disk.ts";
import { content, done } from "./requests.ts";

const [path = "", mode, work] = process.argv.slice(2);
const disk = await openDisk({ path, readOnly: mode === "read", temporary: mode === "temporary" });
process.stdout.write("open\n");
if (work === undefined) setInterval(() => {}, 1000);
else if (work === "commit") {
  // Writes again what is there, and commits that: whatever comes of it, the content is always the same.
  const there = await content(disk);
  const length = 12_288;
  for (let n = 1; ; n++) {
    for (let k = 0; k < 40; k++) {
      const offset = (((n * 40 + k) * 7919) % ((disk.size - length) / 512)) * 512;
      await done(disk, { kind: "write", offset, bytes: there.slice(offset, offset + length) });
    }
    await done(disk, { kind: "flush" });
    process.stdout.write(`commit ${n}\n`);
    await disk.commit();
  }
} else {
  // Numbers a sector at a time, and says which ones are safe.
  let id = 1;
  const sectors = disk.size / 512;
  const next = () => {
    const bytes = new Uint8Array(new Uint32Array(1024).fill(id).buffer);
    const offset = ((id * 7919) % (sectors / 8)) * 4096;
    disk.submit({ kind: "write", offset, bytes }, (written) => {
      if (!written.ok) throw new Error(written.message);
      const last = id++;
      if (last % 5 !== 0) return setImmediate(next);
      disk.submit({ kind: "flush" }, (flushed) => {
        if (!flushed.ok) throw new Error(flushed.message);
        process.stdout.write(`${last}\n`, () => setImmediate(next));
      });
    });
  };
  next();
}
