/** A module of regions, read: what the text and the profile need of it. */

import { Reader, WasmError } from "./reader.ts";

export interface FunctionType {
  readonly params: readonly string[];
  readonly results: readonly string[];
}

export interface Imported {
  readonly name: string;
  /** Where from and by which name, as text. */
  readonly place: string;
  readonly type: number;
}

export interface FunctionBody {
  readonly type: number;
  /** Types of the locals behind the parameters. */
  readonly locals: readonly string[];
  /** Its instructions, with the `end` of the body. */
  readonly code: Reader;
  /** Branch hints: true is likely, by the place that `code.at` has at the instruction. */
  readonly hints: ReadonlyMap<number, boolean>;
}

export interface WasmModule {
  readonly types: readonly FunctionType[];
  /** Of memory, as text. */
  readonly imports: readonly string[];
  /** Functions that are imported; their numbers come before those of its own. */
  readonly imported: readonly Imported[];
  /** By the function's number. */
  readonly exports: ReadonlyMap<number, string>;
  readonly functions: readonly FunctionBody[];
  /** Of the custom section "name", by the function's number. */
  readonly names: ReadonlyMap<number, string>;
}

/** As engines have it. */
const MOST_LOCALS = 50_000;
const HINTS = "metadata.code.branch_hint";
const VALUE_TYPES: Readonly<Record<number, string>> = {
  127: "i32",
  126: "i64",
  125: "f32",
  124: "f64",
  123: "v128",
  112: "funcref",
};

export function valueType(code: number): string {
  const name = VALUE_TYPES[code];
  if (name === undefined) throw new WasmError(`there is no type 0x${code.toString(16)}`);
  return name;
}

/** Reads a module of the translator's. @throws WasmError */
export function readModule(bytes: Uint8Array): WasmModule {
  const reader = new Reader(bytes, 8);
  const module = {
    types: [] as FunctionType[],
    imports: [] as string[],
    imported: [] as Imported[],
    exports: new Map<number, string>(),
    functions: [] as FunctionBody[],
    names: new Map<number, string>(),
  };
  let declared: number[] = [];
  const hints = new Map<number, Map<number, boolean>>();
  while (!reader.done) {
    const id = reader.byte();
    const section = reader.part(reader.unsigned());
    const types = () => section.list(() => valueType(section.byte()));
    if (id === 0) {
      const name = section.name();
      if (name === HINTS) readHints(section, hints);
      else if (name === "name") readNames(section, module.names);
    } else if (id === 1) {
      module.types = section.list(() => {
        section.byte(); // 0x60
        return { params: types(), results: types() };
      });
    } else if (id === 2) section.list(() => readImport(section, module));
    else if (id === 3) declared = section.list(() => section.unsigned());
    else if (id === 7) {
      section.list(() => {
        const name = section.name();
        section.byte(); // a function
        module.exports.set(section.unsigned(), name);
      });
    } else if (id === 10)
      module.functions = section.list((i) =>
        readBody(section, declared[i] ?? 0, hints.get(module.imported.length + i)),
      );
    else throw new WasmError(`section ${id} is none that the translator writes`);
  }
  return module;
}

/**
 * Names of the functions in a core's table, by their places there: what its
 * regions call. Nothing, if it was built without names.
 */
export function tableNames(core: Uint8Array): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  const places = new Map<number, number>();
  const reader = new Reader(core, 8);
  while (!reader.done) {
    const id = reader.byte();
    const section = reader.part(reader.unsigned());
    if (id === 0 && section.name() === "name") readNames(section, names);
    else if (id === 9) section.list(() => readElements(section, places));
  }
  return new Map([...places].map(([place, index]) => [place, names.get(index) ?? `${index}`]));
}

/** An active segment of functions for table 0, the only kind that AssemblyScript's compiler writes. */
function readElements(section: Reader, places: Map<number, number>): void {
  if (section.unsigned() !== 0 || section.byte() !== 0x41) throw new WasmError("the core's table is another kind");
  const first = Number(section.signed());
  section.byte(); // end
  section.list((i) => places.set(first + i, section.unsigned()));
}

function readImport(section: Reader, to: { imports: string[]; imported: Imported[] }): void {
  const from = section.name();
  const name = section.name();
  const place = `"${from}" "${name}"`;
  const kind = section.byte();
  if (kind === 0) to.imported.push({ name, place, type: section.unsigned() });
  else if (kind === 2) to.imports.push(`${place} (memory ${readLimits(section)})`);
  else throw new WasmError("an import is neither memory nor function");
}

function readLimits(section: Reader): string {
  return section.byte() === 0 ? `${section.unsigned()}` : `${section.unsigned()} ${section.unsigned()}`;
}

function readBody(section: Reader, type: number, hints: ReadonlyMap<number, boolean> = new Map()): FunctionBody {
  const code = section.part(section.unsigned());
  const start = code.at;
  const locals = code.list(() => Array<number>(Math.min(code.unsigned(), MOST_LOCALS)).fill(code.byte())).flat();
  return {
    type,
    locals: locals.map(valueType),
    code,
    hints: new Map([...hints].map(([offset, likely]) => [start + offset, likely])),
  };
}

function readHints(section: Reader, hints: Map<number, Map<number, boolean>>): void {
  section.list(() => {
    const index = section.unsigned();
    const places = section.list(() => {
      const offset = section.unsigned();
      section.unsigned(); // the hint's length, 1
      return [offset, section.byte() === 1] as const;
    });
    hints.set(index, new Map(places));
  });
}

/** Core Specification, appendix 7.4: subsection 1 has the functions' names. */
function readNames(section: Reader, names: Map<number, string>): void {
  while (!section.done) {
    const id = section.byte();
    const part = section.part(section.unsigned());
    if (id === 1) part.list(() => names.set(part.unsigned(), part.name()));
  }
}

/** A module that has no names, with a section of names for its functions, from number `first`, behind it. */
export function withNames(module: Uint8Array, first: number, names: readonly string[]): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder();
  const name = (string: string) => {
    const bytes = text.encode(string);
    return [...leb(bytes.length), ...bytes];
  };
  const list = [...leb(names.length), ...names.flatMap((string, i) => [...leb(first + i), ...name(string)])];
  const section = [...name("name"), 1, ...leb(list.length), ...list];
  const head = [0, ...leb(section.length)];
  const out = new Uint8Array(module.length + head.length + section.length);
  out.set(module);
  out.set(head, module.length);
  out.set(section, module.length + head.length);
  return out;
}

function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}
