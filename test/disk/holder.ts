/** A program that opens a disk and does as it is told until it is killed: `holder PATH read|write [work]`. */

import { openDisk } from "../../src/host/node/disk.ts";

const [path = "", mode, work] = process.argv.slice(2);
const disk = await openDisk({ path, readOnly: mode === "read", temporary: mode === "temporary" });
process.stdout.write("open\n");
if (work === undefined) setInterval(() => {}, 1000);
else {
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
