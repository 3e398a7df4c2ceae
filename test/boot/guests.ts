/** The built library, as a program would import it, and what the tests of whole machines share. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type * as Api from "../../src/node.ts";
import { testEngine } from "../support/engine.ts";

const DIST = new URL("../../dist/", import.meta.url);

export const wardian: typeof Api = await import(/* @vite-ignore */ new URL("node.js", DIST).href);
export const { MachineError } = wardian;
/** Machines by the engine under test, where a test doesn't choose one. */
export const Machine = class extends wardian.Machine {
  static override create(options: Api.MachineOptions = {}): Promise<Api.Machine> {
    return wardian.Machine.create({ engine: testEngine(), ...options });
  }

  static override restore(
    source: Parameters<typeof wardian.Machine.restore>[0],
    options: Api.RestoreOptions = {},
  ): Promise<Api.Machine> {
    return wardian.Machine.restore(source, { engine: testEngine(), ...options });
  }
};
export type Machine = Api.Machine;

/** Path of a built file. */
export const built = (name: string): string => fileURLToPath(new URL(name, DIST));
/** Path of one of our guests. */
export const rom = (name: string): string => join(fileURLToPath(new URL("../../roms/", import.meta.url)), name);

export const MINUTES = 60_000;
/** How long a guest may take for anything; no measure of its speed. */
export const PATIENCE = 4 * MINUTES;

const PROMPT = /(^|\n)# $/;
/** What no healthy kernel says. */
const TROUBLE = /.*(?:BUG:|WARNING:|Oops|Call Trace|Kernel panic|rcu.*stall|soft lockup|unhandled signal).*/g;

/** The console's output from the start on, as text. */
export function transcript(vm: Machine): () => string {
  const decoder = new TextDecoder();
  let text = "";
  vm.console.onData((bytes) => {
    text += decoder.decode(bytes, { stream: true });
  });
  return () => text;
}

/** Lines of a transcript in which a kernel complains. */
export const complaints = (text: string): string[] => text.match(TROUBLE) ?? [];

/** Waits for the shell on the console. */
export async function prompt(vm: Machine): Promise<void> {
  await vm.console.expect(PROMPT, { timeout: PATIENCE });
}
