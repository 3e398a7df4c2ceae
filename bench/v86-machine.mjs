/**
 * v86 in Node: boots Linux, shows its serial port, and ends when a text comes.
 * `node v86-machine.mjs '{ "kernel", "initrd", "bios", "vga", "append", "memory", "until" }'`: paths, MiB, a pattern.
 * Plain JavaScript, since Node runs it as it is, in a process whose time is measured.
 */

import { readFileSync } from "node:fs";
import { argv, exit, stdout } from "node:process";
import { fileURLToPath } from "node:url";
import { V86 } from "v86";

const { kernel, initrd, bios, vga, append, memory, until } = JSON.parse(argv[2] ?? "{}");
const pattern = new RegExp(until);
const bytes = (path) => ({ buffer: new Uint8Array(readFileSync(path)).buffer });

const emulator = new V86({
  wasm_path: fileURLToPath(new URL("./v86.wasm", import.meta.resolve("v86"))),
  memory_size: memory * 2 ** 20,
  bios: bytes(bios),
  vga_bios: bytes(vga),
  bzimage: bytes(kernel),
  initrd: bytes(initrd),
  cmdline: append,
  autostart: true,
});

let line = "";
emulator.add_listener("serial0-output-byte", (byte) => {
  const character = String.fromCharCode(byte);
  stdout.write(character);
  line = character === "\n" ? "" : line + character;
  if (pattern.test(line)) stdout.write("\n", () => exit(0));
});
