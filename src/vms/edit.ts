/** Changes single fields of a configuration, by their path and by text. */

import { CONFIG, checkConfig, describeFields, readConfig, type VmConfig, writeConfig } from "./config.ts";
import { quote, VmError } from "./errors.ts";
import { lockConfig, type Vm } from "./store.ts";

export interface Change {
  /** Such as "memory" or "network.forwards". */
  readonly key: string;
  /** As text; undefined takes the field away. */
  readonly value: string | undefined;
}

/** Changes vm.json: all of it or nothing. @throws VmError bad-config */
export async function editVm(vm: Vm, changes: readonly Change[]): Promise<void> {
  const lock = await lockConfig(vm);
  try {
    writeConfig(vm.folder, changes.reduce(change, await readConfig(vm.folder)));
  } finally {
    lock.release();
  }
}

/** @throws VmError bad-config when no reading of the text fits the schema */
export function change(config: VmConfig, { key, value }: Change): VmConfig {
  const fields = describeFields().map(({ path }) => path);
  // An entry of a list is known by the list.
  const known = key.replace(/\.\d+(?=\.)/g, ".N").replace(/\.\d+$/, "");
  if (!fields.includes(known)) {
    const names = fields.filter((path) => !path.includes(".")).join(", ");
    throw new VmError(
      "bad-config",
      `A configuration has no field ${quote(key)}; there are ${names}, and what is in them.`,
    );
  }
  let failure: unknown;
  for (const candidate of value === undefined ? [undefined] : readings(value)) {
    const changed = replace(config, key.split("."), candidate);
    try {
      return checkConfig(changed, CONFIG);
    } catch (error) {
      // The reading as JSON says best what is wrong with anything but text.
      failure = error;
    }
  }
  throw failure;
}

/** What a text may mean: itself, a list of texts, or JSON; the first that the schema takes is it. */
function readings(text: string): unknown[] {
  const all: unknown[] = [text];
  if (!/^\s*[[{]/.test(text)) all.push(text === "" ? [] : text.split(","));
  try {
    all.push(JSON.parse(text));
  } catch {
    // Then the first one tells best.
    all.push(text);
  }
  return all;
}

function replace(node: unknown, [key, ...rest]: readonly string[], value: unknown): unknown {
  if (key === undefined) return value;
  if (Array.isArray(node) || (node === undefined && /^\d+$/.test(key))) {
    const index = Number(key);
    const list: unknown[] = [...(node ?? [])];
    if (!Number.isInteger(index) || index < 0 || index > list.length)
      throw new VmError(
        "bad-config",
        `A list of ${list.length} has no place ${quote(key)}; the next one is ${list.length}.`,
      );
    if (rest.length === 0 && value === undefined) list.splice(index, 1);
    else list[index] = replace(list[index], rest, value);
    return list;
  }
  const object = { ...((node ?? {}) as Record<string, unknown>) };
  const made = replace(object[key], rest, value);
  if (made === undefined) delete object[key];
  else object[key] = made;
  return object;
}
