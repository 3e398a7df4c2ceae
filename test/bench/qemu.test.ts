import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { labelOf, unpackedQemu } from "../../src/oracle/qemu.ts";

describe("labelOf", () => {
  it("is the program and its minor version", () => {
    expect(labelOf("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\nCopyright")).toBe("qemu-10.0");
    expect(() => labelOf("hello")).toThrow(/install the package/);
  });
});

describe("an unpacked QEMU", () => {
  let root: string;
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), "qemu-test-"));
    mkdirSync(join(root, "usr/bin"), { recursive: true });
    mkdirSync(join(root, "usr/lib/x86_64-linux-gnu/qemu"), { recursive: true });
    // What it is told, a line each; the version too, which the label is made of.
    const script = '#!/bin/sh\nprintf "%s\\n" "version 10.0" "$QEMU_MODULE_DIR" "$LD_LIBRARY_PATH" "$*"\n';
    writeFileSync(join(root, "usr/bin/qemu-system-riscv64"), script, { mode: 0o755 });
  });
  afterAll(() => {
    rmSync(root, { recursive: true, force: true });
  });

  it("uses its own libraries and modules, and looks for no audio driver among the host's", async () => {
    const qemu = await unpackedQemu(root);
    expect(qemu).toMatchObject({ label: "qemu-10.0", version: 10 });
    const { stdout } = await qemu.run(["-M", "virt"]);
    const lib = join(root, "usr/lib/x86_64-linux-gnu");
    expect(stdout.trimEnd().split("\n").slice(1)).toEqual([
      join(lib, "qemu"),
      lib,
      `-L ${join(root, "usr/share/qemu")} -audio none -M virt`,
    ]);
  });
});
