/** v86 in the same Chromium: its guest to the prompt. */

import { join } from "node:path";
import type { Page } from "playwright-core";
import type { Served } from "../../src/web/server/static.ts";
import { packageRoot } from "../paths.ts";
import { V86_APPEND, V86_MEMORY, type V86Parts } from "../v86.ts";

/** What its page loads, by path. */
export function v86Files({ kernel, bios, vga }: V86Parts, initrd: string): Map<string, Served> {
  const built = join(packageRoot(), "node_modules/v86/build");
  return new Map<string, Served>([
    ["/v86/kernel", { file: kernel }],
    ["/v86/bios", { file: bios }],
    ["/v86/vga", { file: vga }],
    ["/v86/initrd", { file: initrd }],
    ["/v86/libv86.mjs", { file: join(built, "libv86.mjs") }],
    ["/v86/v86.wasm", { file: join(built, "v86.wasm") }],
    [
      "/v86/",
      {
        content: '<!doctype html><script type="module">globalThis.wardian = await import("/v86/libv86.mjs");</script>',
      },
    ],
  ]);
}

const MACHINE = { append: V86_APPEND, memory: V86_MEMORY };

/** Boots it to its prompt, from nothing. */
export function startV86(page: Page): Promise<void> {
  return page.evaluate(async ({ append, memory }) => {
    const { V86 } = (globalThis as unknown as { wardian: { V86: new (options: object) => Emulator } }).wardian;
    interface Emulator {
      add_listener(name: string, listener: (byte: number) => void): void;
      serial0_send(text: string): void;
    }
    const emulator = new V86({
      wasm_path: "/v86/v86.wasm",
      memory_size: memory * 2 ** 20,
      bios: { url: "/v86/bios" },
      vga_bios: { url: "/v86/vga" },
      bzimage: { url: "/v86/kernel" },
      initrd: { url: "/v86/initrd" },
      cmdline: append,
      autostart: true,
    });
    let text = "";
    let heard = () => {};
    emulator.add_listener("serial0-output-byte", (byte) => {
      text += String.fromCharCode(byte);
      heard();
    });
    const sequences = new RegExp(`${String.fromCharCode(27)}\\[[\\d;?]*[A-Za-z]`, "g");
    const expect = (pattern: RegExp) =>
      new Promise<string>((resolve) => {
        heard = () => {
          // Sequences of the terminal aren't text: the shell asks for the cursor's place behind its prompt.
          text = text.replace(sequences, "");
          const match = pattern.exec(text);
          if (!match) return;
          heard = () => {};
          const end = match.index + match[0].length;
          resolve(text.slice(0, end));
          text = text.slice(end);
        };
        heard();
      });
    Object.assign(globalThis, {
      guest: { expect, write: (data: string) => emulator.serial0_send(data) },
    });
    await expect(/# $/);
  }, MACHINE);
}
