/**
 * v86 in the same Chromium: Debian's kernel for i386 and BusyBox, with the
 * start scripts of our own image; to the prompt, and the same programs run there.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { pick, planDebian } from "../../src/images/debian.ts";
import { buildInitramfs, readInitFiles } from "../../src/images/initramfs.ts";
import type { DebianRecipe } from "../../src/images/manifest.ts";
import type { Served } from "../../src/web/server/static.ts";
import { packageRoot } from "../paths.ts";

/** The last release of Debian with kernels for it. */
const RECIPE: DebianRecipe = {
  kind: "debian",
  description: "Debian's kernel for i386 with BusyBox",
  suite: "bookworm",
  architecture: "i386",
  packages: { kernel: "linux-image-686", busybox: "busybox-static", firmware: "seabios" },
  append: "console=ttyS0",
  memory: 512,
  modules: [],
};

/** Makes the guest from Debian's packages. @returns what pages load, by path @throws ImageError */
export async function v86Files(say: (what: string) => void): Promise<Map<string, Served>> {
  const directory = await mkdtemp(join(tmpdir(), "wardian-v86-"));
  const files = new Map<string, Served>();
  try {
    say("fetching Debian's packages for v86");
    const plan = await planDebian(RECIPE, join(directory, "apt"), { step: () => () => {} });
    const archives = await plan.apt.download([plan.kernel, plan.busybox, plan.firmware], () => {});
    const archive = ({ name }: { readonly name: string }) => archives.get(name)!;
    const { kernel } = await pick(archive(plan.kernel), undefined, { kernel: /^boot\/vmlinuz-/ });
    const { busybox } = await pick(archive(plan.busybox), undefined, { busybox: /(^|\/)bin\/busybox$/ });
    const bios = await pick(archive(plan.firmware), undefined, {
      bios: /seabios\/bios\.bin$/,
      vga: /seabios\/vgabios-stdvga\.bin$/,
    });
    const init = await readInitFiles(join(packageRoot(), "roms/init"));
    const release = plan.kernel.name.replace(/^linux-image-/, "");
    const initrd = buildInitramfs({ busybox: busybox!, release, modules: [], files: init });
    const parts = { kernel: kernel!, initrd, bios: bios.bios!, vga: bios.vga! };
    for (const [name, content] of Object.entries(parts)) files.set(`/v86/${name}`, { content });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  const built = join(packageRoot(), "node_modules/v86/build");
  for (const name of ["libv86.mjs", "v86.wasm"]) files.set(`/v86/${name}`, { file: join(built, name) });
  files.set("/v86/", {
    content: '<!doctype html><script type="module">globalThis.wardian = await import("/v86/libv86.mjs");</script>',
  });
  return files;
}

/** Boots it to its prompt, from nothing. */
export function startV86(page: Page, append: string): Promise<void> {
  return page.evaluate(async (cmdline) => {
    const { V86 } = (globalThis as unknown as { wardian: { V86: new (options: object) => Emulator } }).wardian;
    interface Emulator {
      add_listener(name: string, listener: (byte: number) => void): void;
      serial0_send(text: string): void;
    }
    const emulator = new V86({
      wasm_path: "/v86/v86.wasm",
      memory_size: 512 * 2 ** 20,
      bios: { url: "/v86/bios" },
      vga_bios: { url: "/v86/vga" },
      bzimage: { url: "/v86/kernel" },
      initrd: { url: "/v86/initrd" },
      cmdline,
      autostart: true,
    });
    let text = "";
    let heard = () => {};
    emulator.add_listener("serial0-output-byte", (byte) => {
      text += String.fromCharCode(byte);
      heard();
    });
    const expect = (pattern: RegExp) =>
      new Promise<void>((resolve) => {
        heard = () => {
          if (!pattern.test(text)) return;
          heard = () => {};
          text = "";
          resolve();
        };
        heard();
      });
    Object.assign(globalThis, {
      guest: { expect, write: (data: string) => emulator.serial0_send(data) },
    });
    await expect(/# $/);
  }, append);
}
