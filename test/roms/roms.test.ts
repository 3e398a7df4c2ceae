import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { build, COMPILER, compiler, images } from "../../roms/build.mjs";
import { resetVector } from "../../src/machine/reset-vector.ts";

const roms = join(import.meta.dirname, "../../roms");
const at = (image: string): string => join(roms, image);

/** Runs a machine to its power-off. */
function qemu(...args: string[]): { code: number | null; output: string } {
  const common = ["-bios", "none", "-m", "128M", "-display", "none", "-serial", "stdio", "-monitor", "none"];
  const { status, stdout } = spawnSync("qemu-system-riscv64", [...common, ...args], {
    encoding: "latin1",
    timeout: 15_000,
    stdio: ["ignore", "pipe", "pipe"],
  });
  return { code: status, output: stdout };
}

describe("images", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "roms-test-"));
  });
  afterAll(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  it.skipIf(compiler() !== COMPILER)("are what their sources give, byte for byte", () => {
    build(directory);
    for (const image of images)
      expect(readFileSync(join(directory, image)).equals(readFileSync(at(image))), image).toBe(true);
  });

  it("hold no path of the machine that built them", () => {
    for (const image of images)
      expect(readFileSync(at(image)).toString("latin1"), image).not.toMatch(/\/[a-z]+\/[a-z]/);
  });
});

describe("boot ROM", () => {
  it("is the machine's reset vector as an assembler sees it", () => {
    const rom = readFileSync(at("bootrom/bootrom.bin"));
    expect([...resetVector({ entry: 0x8000_0000n, dtb: 0n, next: 0n })]).toEqual([...rom]);
  });

  it("starts a guest with the hart's id, from wherever it lies", () => {
    const directory = mkdtempSync(join(tmpdir(), "bootrom-test-"));
    try {
      // QEMU starts what is in the first flash bank; hello needs no device tree.
      const flash = join(directory, "flash.bin");
      const bytes = Buffer.alloc(32 << 20);
      readFileSync(at("bootrom/bootrom.bin")).copy(bytes);
      writeFileSync(flash, bytes);
      const { code, output } = qemu(
        ...["-M", "virt", "-drive", `if=pflash,unit=0,format=raw,readonly=on,file=${flash}`],
        ...["-device", `loader,file=${at("hello/hello.elf")}`],
      );
      expect(output).toBe("Hello from hart 0 of a RISC-V machine.\n");
      expect(code).toBe(0);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe("guests in QEMU", () => {
  it("hello greets and powers off", () => {
    const { code, output } = qemu("-M", "virt", "-kernel", at("hello/hello.elf"));
    expect(output).toBe("Hello from hart 0 of a RISC-V machine.\n");
    expect(code).toBe(0);
  });

  it.each([1, 3])("selftest passes with %d harts", (harts) => {
    const { code, output } = qemu("-M", "virt", "-smp", String(harts), "-kernel", at("selftest/selftest.elf"));
    expect(output).not.toMatch(/^FAIL/m);
    expect(output).toMatch(/^PASS$/m);
    expect(output).toContain(`ok   harts: ${harts}, this is 0`);
    expect(output).toContain("ok   memory: 128 MiB at 0x80000000");
    expect(code).toBe(0);
  });

  it("selftest fails with a code where something is missing", () => {
    const { code, output } = qemu("-M", "virt", "-cpu", "rv64,pmp=off", "-kernel", at("selftest/selftest.elf"));
    expect(output).toMatch(/^FAIL PMP entries: 0$/m);
    expect(code).not.toBe(0);
  });

  it.each([
    ["pass", 0],
    ["fail", 3],
  ])("htif-%s ends with code %d", (name, expected) => {
    const { code, output } = qemu("-M", "spike", "-kernel", at(`htif/htif-${name}.elf`));
    expect(output).toBe("HTIF\n");
    expect(code).toBe(expected);
  });
});
