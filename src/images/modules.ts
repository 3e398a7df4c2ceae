import { ImageError } from "./errors.ts";

/** What a kernel module says of itself in its `.modinfo` section. */
export interface ModuleInfo {
  /** Modules that must be loaded before it. */
  depends: string[];
  /** Modules, or aliases, that it uses when they are there (`softdep=pre:`). */
  before: string[];
  /** Patterns of the devices and the names that it answers to. */
  aliases: string[];
}

/** What depmod's tables are made of. */
export interface ModuleFacts {
  /** Relative to /lib/modules/<release>, as it is there. */
  path: string;
  /** Of its `.modinfo`: keys and values in their order. */
  info: readonly (readonly [string, string])[];
  /** What it exports. */
  symbols: readonly string[];
}

/** A kernel module, uncompressed. `path` is relative to /lib/modules/<release>. */
export interface KernelModule {
  name: string;
  path: string;
  data: Uint8Array;
  info: ModuleInfo;
}

/** A module's name from its file's: the kernel makes no difference between - and _. */
export function moduleName(path: string): string {
  const file = path.slice(path.lastIndexOf("/") + 1);
  return file.replace(/\.ko(\.[a-z0-9]+)?$/, "").replaceAll("-", "_");
}

/**
 * Reads a module's `.modinfo`: NUL-separated `key=value` strings.
 * @throws ImageError bad-package, if it's no little-endian 64-bit ELF file with that section
 */
export function readModuleInfo(name: string, data: Uint8Array): ModuleInfo {
  const info: ModuleInfo = { depends: [], before: [], aliases: [] };
  for (const line of Buffer.from(modinfo(name, data)).toString("latin1").split("\0")) {
    const split = line.indexOf("=");
    const key = line.slice(0, split);
    const value = line.slice(split + 1);
    if (key === "depends") info.depends.push(...value.split(",").filter(Boolean).map(moduleName));
    else if (key === "alias") info.aliases.push(value);
    else if (key === "softdep" && value.startsWith("pre:")) {
      const post = value.indexOf("post:");
      const names = value.slice("pre:".length, post < 0 ? undefined : post);
      info.before.push(...names.trim().split(/\s+/).filter(Boolean));
    }
  }
  return info;
}

// ELF64 (System V ABI, "ELF header" and "Section header"): offsets in bytes.
const ELF_MAGIC = 0x464c457f;
const E_SHOFF = 40;
const E_SHNUM = 60;
const E_SHSTRNDX = 62;
const SECTION_SIZE = 64;
const SH_OFFSET = 24;
const SH_SIZE = 32;

/** The first section of each name, in the names' order; nothing where there is none. @throws RangeError */
function sections(data: Uint8Array, wanted: readonly string[]): (Uint8Array | undefined)[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (view.getUint32(0, true) !== ELF_MAGIC || view.getUint16(4, true) !== 0x0102) throw new RangeError("not ELF64");
  const table = Number(view.getBigUint64(E_SHOFF, true));
  const section = (index: number): Uint8Array => {
    const at = table + index * SECTION_SIZE;
    const offset = Number(view.getBigUint64(at + SH_OFFSET, true));
    const end = offset + Number(view.getBigUint64(at + SH_SIZE, true));
    if (end > data.length) throw new RangeError("a section is cut short");
    return data.subarray(offset, end);
  };
  const names = Buffer.from(section(view.getUint16(E_SHSTRNDX, true))).toString("latin1");
  const found = new Map<string, number>();
  for (let index = 0; index < view.getUint16(E_SHNUM, true); index++) {
    const at = view.getUint32(table + index * SECTION_SIZE, true);
    const name = names.slice(at, names.indexOf("\0", at));
    if (!found.has(name)) found.set(name, index);
  }
  return wanted.map((name) => (found.has(name) ? section(found.get(name)!) : undefined));
}

function unreadable(name: string, error: unknown): ImageError {
  const why = (error as Error).message;
  return new ImageError(
    "bad-package",
    `The kernel module ${name} can't be read (${why}); report this kernel version.`,
    {
      cause: error,
    },
  );
}

function modinfo(name: string, data: Uint8Array): Uint8Array {
  try {
    const [found] = sections(data, [".modinfo"]);
    if (found === undefined) throw new RangeError("no .modinfo");
    return found;
  } catch (error) {
    throw unreadable(name, error);
  }
}

/** Before the name of each exported symbol (Linux, include/linux/export.h). */
const EXPORTED = "\0__ksymtab_";

/**
 * What a module says of itself, and what it exports.
 * @throws ImageError bad-package, as `readModuleInfo`
 */
export function readModuleFacts(path: string, data: Uint8Array): ModuleFacts {
  try {
    const [info, strings = new Uint8Array(0)] = sections(data, [".modinfo", ".strtab"]);
    if (info === undefined) throw new RangeError("no .modinfo");
    const pairs = Buffer.from(info.buffer, info.byteOffset, info.length)
      .toString("latin1")
      .split("\0")
      .map((line) => [line.slice(0, Math.max(line.indexOf("="), 0)), line.slice(line.indexOf("=") + 1)] as const);
    const names = Buffer.from(strings.buffer, strings.byteOffset, strings.length);
    const symbols: string[] = [];
    for (let at = names.indexOf(EXPORTED); at >= 0; at = names.indexOf(EXPORTED, at + 1)) {
      symbols.push(names.toString("latin1", at + EXPORTED.length, names.indexOf(0, at + 1)));
    }
    return { path, info: pairs, symbols };
  } catch (error) {
    throw unreadable(path, error);
  }
}

/**
 * The named modules and all that they need, each after what it needs.
 * @param load gives a module, or nothing when the kernel has it built in
 * @throws ImageError bad-package, if a dependency is missing or modules need each other
 */
export async function closure(
  names: readonly string[],
  load: (name: string) => Promise<KernelModule | undefined>,
): Promise<KernelModule[]> {
  const order: KernelModule[] = [];
  const state = new Map<string, "visiting" | "done">();
  const visit = async (name: string, neededBy?: string): Promise<void> => {
    if (state.get(name) === "done") return;
    if (state.get(name) === "visiting") {
      throw new ImageError("bad-package", `The kernel modules ${name} and ${neededBy} need each other; report this.`);
    }
    state.set(name, "visiting");
    const module = await load(name);
    if (module !== undefined) {
      for (const dependency of module.info.depends) await visit(dependency, name);
      order.push(module);
    } else if (neededBy !== undefined) {
      throw new ImageError("bad-package", `The kernel module ${name}, which ${neededBy} needs, is not in the package.`);
    }
    state.set(name, "done");
  };
  for (const name of names) await visit(moduleName(name));
  return order;
}

/**
 * The text of `modules.dep`: each module's file, then the files that it needs,
 * directly or not, the last to be loaded first (modules.dep(5)). Soft
 * dependencies inside the set count as dependencies, because BusyBox's modprobe
 * knows no others.
 */
export function dependencyTable(modules: readonly KernelModule[]): string {
  const byName = new Map(modules.map((module) => [module.name, module]));
  const byAlias = new Map(modules.flatMap((module) => module.info.aliases.map((alias) => [alias, module])));
  const needs = (module: KernelModule): KernelModule[] => {
    const soft = module.info.before.map((name) => byName.get(moduleName(name)) ?? byAlias.get(name));
    return [...module.info.depends.map((name) => byName.get(name)), ...soft].filter((need) => need !== undefined);
  };
  const collect = (module: KernelModule, into: Set<KernelModule>): Set<KernelModule> => {
    for (const need of needs(module)) {
      if (into.has(need)) continue;
      into.add(need);
      collect(need, into);
    }
    return into;
  };
  return modules
    .map((module) => {
      // `modules` has every module after its dependencies, so its order, reversed, is the right one.
      const found = collect(module, new Set());
      const files = modules.filter((other) => other !== module && found.has(other)).reverse();
      return `${[`${module.path}:`, ...files.map((file) => file.path)].join(" ")}\n`;
    })
    .join("");
}

/** The text of `modules.alias`: one line for each pattern (modprobe.d(5)). */
export function aliasTable(modules: readonly KernelModule[]): string {
  return modules.flatMap((module) => module.info.aliases.map((alias) => `alias ${alias} ${module.name}\n`)).join("");
}
