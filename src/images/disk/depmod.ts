/**
 * The tables that depmod makes of a kernel's modules (depmod(8), modules.dep(5)).
 * In an emulated machine it would take minutes, most of them to uncompress
 * modules; here it is what xz takes.
 */

import { type ModuleFacts, moduleName } from "../modules.ts";
import { ModuleIndex } from "./module-index.ts";

/** The kernel's own lists, as its package has them. */
export interface KernelLists {
  /** modules.order: paths in the order of the build. */
  order: string;
  /** modules.builtin: paths of what is no module of its own. */
  builtin: string;
  /** modules.builtin.modinfo: NUL-separated `module.key=value`. */
  builtinInfo: string;
}

interface Module extends ModuleFacts {
  name: string;
  /** Those that it needs, directly. */
  needs: Module[];
  /** Greater than that of all that it needs. */
  rank: number;
}

/** The tables, by their files' names. */
export function moduleTables(found: readonly ModuleFacts[], lists: KernelLists): Map<string, Uint8Array> {
  const modules = inOrder(found, lists.order);
  resolve(modules);
  const text = (head: string, lines: readonly string[]): Uint8Array =>
    Buffer.from(
      [head, ...lines]
        .filter((line) => line !== "")
        .join("\n")
        .concat("\n"),
      "latin1",
    );
  const linesOf = (key: string): string[] =>
    modules.flatMap(({ name, info }) =>
      info
        .filter(([found]) => found === key)
        .map(([, value]) => `${key} ${key === "alias" ? `${value} ${name}` : `${name} ${value}`}`),
    );

  const dependencies = new ModuleIndex();
  const aliases = new ModuleIndex();
  const symbols = new ModuleIndex();
  const dependencyLines: string[] = [];
  const symbolLines: string[] = [];
  const devices: string[] = [];
  for (const [index, module] of modules.entries()) {
    const line = [`${module.path}:`, ...allNeeds(module).map(({ path }) => path)].join(" ");
    dependencyLines.push(line);
    dependencies.add(module.name, line, index);
    for (const value of valuesOf(module.info, "alias")) {
      const plain = normalize(value);
      if (plain !== undefined) aliases.add(plain, module.name, index);
    }
    for (const symbol of module.symbols) {
      symbols.add(`symbol:${symbol}`, module.name, index);
      symbolLines.push(`alias symbol:${symbol} ${module.name}`);
    }
    devices.push(...deviceLine(module));
  }

  const builtin = new ModuleIndex();
  for (const path of lines(lists.builtin)) builtin.add(moduleName(path), "", 0);
  const builtinAliases = new ModuleIndex();
  for (const entry of lists.builtinInfo.split("\0")) {
    const [, name, value] = /^([^.]+)\.alias=(.*)$/s.exec(entry) ?? [];
    const plain = value === undefined ? undefined : normalize(value);
    if (plain !== undefined) builtinAliases.add(plain, name!.replaceAll("-", "_"), 0);
  }
  return new Map([
    ["modules.dep", text("", dependencyLines)],
    ["modules.dep.bin", dependencies.bytes()],
    ["modules.alias", text("# Aliases extracted from modules themselves.", linesOf("alias"))],
    ["modules.alias.bin", aliases.bytes()],
    ["modules.softdep", text("# Soft dependencies extracted from modules themselves.", linesOf("softdep"))],
    ["modules.weakdep", text("# Weak dependencies extracted from modules themselves.", linesOf("weakdep"))],
    ["modules.symbols", text("# Aliases for symbols, used by symbol_request().", symbolLines)],
    ["modules.symbols.bin", symbols.bytes()],
    ["modules.devname", text("# Device nodes to trigger on-demand module loading.", devices)],
    ["modules.builtin.bin", builtin.bytes()],
    ["modules.builtin.alias.bin", builtinAliases.bytes()],
  ]);
}

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

function valuesOf(info: ModuleFacts["info"], key: string): string[] {
  return info.filter(([found]) => found === key).map(([, value]) => value);
}

/** Modules in the build's order; those that it doesn't know come last. */
function inOrder(found: readonly ModuleFacts[], order: string): Module[] {
  const plain = (path: string): string => path.replace(/\.ko(\.[a-z0-9]+)?$/, "");
  const places = new Map(lines(order).map((path, place) => [plain(path), place]));
  const placeOf = ({ path }: ModuleFacts): number => places.get(plain(path)) ?? Number.MAX_SAFE_INTEGER;
  return found
    .map((facts) => ({ ...facts, name: moduleName(facts.path), needs: [], rank: -1 }))
    .sort((a, b) => placeOf(a) - placeOf(b) || (a.path < b.path ? -1 : 1));
}

/** Fills in what each needs; what is built in needs no file. A circle, which the kernel couldn't load either, is cut. */
function resolve(modules: readonly Module[]): void {
  const byName = new Map(modules.map((module) => [module.name, module]));
  for (const module of modules) {
    const names = valuesOf(module.info, "depends").flatMap((value) => value.split(",").filter(Boolean).map(moduleName));
    module.needs = names.map((name) => byName.get(name)).filter((need) => need !== undefined);
  }
  let rank = 0;
  const visiting = new Set<Module>();
  const visit = (module: Module): void => {
    if (module.rank >= 0 || visiting.has(module)) return;
    visiting.add(module);
    for (const need of module.needs) visit(need);
    module.rank = rank++;
  };
  for (const module of modules) visit(module);
}

/** All that a module needs, whatever is to be loaded last first. */
function allNeeds(module: Module): Module[] {
  const all = new Set<Module>();
  const collect = ({ needs }: Module): void => {
    for (const need of needs) {
      if (need === module || all.has(need)) continue;
      all.add(need);
      collect(need);
    }
  };
  collect(module);
  return [...all].sort((a, b) => b.rank - a.rank);
}

/** - and _ are the same but inside brackets; without a partner a bracket makes the alias one that nobody asks for. */
function normalize(alias: string): string | undefined {
  let depth = 0;
  let plain = "";
  for (const char of alias) {
    if (char === "[") depth++;
    if (char === "]" && --depth < 0) return undefined;
    plain += char === "-" && depth === 0 ? "_" : char;
  }
  return depth === 0 ? plain : undefined;
}

/** The device whose opening loads a module: its name, and its number by another alias. */
function deviceLine({ name, info }: Module): string[] {
  const aliases = valuesOf(info, "alias");
  const device = aliases.find((alias) => alias.startsWith("devname:"))?.slice("devname:".length);
  const number = aliases.map((alias) => /^(char|block)-major-(\d+)-(\d+)$/.exec(alias)).find((match) => match !== null);
  return device === undefined || !number ? [] : [`${name} ${device} ${number[1]![0]}${number[2]}:${number[3]}`];
}
