/**
 * vm.json: what a VM is. Its format is vm.schema.json, which comes with the
 * package, and of which each folder has a copy for editors.
 */

import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { ErrorObject, ValidateFunction } from "ajv";
import type { ShareOptions } from "../backends/files.ts";
import type { VsockOptions } from "../backends/vsock.ts";
import type { EngineName } from "../core/engine.ts";
import type { CellSpec, MachineDisk, MachineNetwork } from "../hypervisor/protocol.ts";
import { fileFailure, quote, VmError } from "./errors.ts";
import schema from "./vm.schema.json" with { type: "json" };

export const CONFIG = "vm.json";
export const SCHEMA = "vm.schema.json";
export const VERSION = 1;

export type VmConsole = NonNullable<CellSpec["console"]>;

/** Paths are relative to the VM's folder. */
export interface VmConfig {
  readonly $schema?: string;
  readonly version: typeof VERSION;
  readonly image?: string;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly bios?: string;
  readonly dtb?: string;
  readonly flash?: string;
  readonly nvram?: string;
  readonly memory?: string;
  readonly harts?: number;
  readonly engine?: EngineName;
  readonly console?: VmConsole;
  readonly disks?: readonly MachineDisk[];
  readonly network?: VmNetwork;
  readonly shares?: readonly ShareOptions[];
  readonly vsock?: VsockOptions;
  /** A size such as "256M". */
  readonly balloon?: string;
  readonly seed?: string;
  readonly logs?: { readonly size?: string; readonly files?: number };
}

export interface VmNetwork extends Omit<MachineNetwork, "forwards"> {
  /** As on the command line: "2222:22". */
  readonly forwards?: readonly string[];
}

/** No configuration is as long, bytes. */
const MAX_CONFIG = 1 << 20;

/** Compiled when first needed: most runs of the program have no configuration to check. */
let compiled: ValidateFunction<VmConfig> | undefined;

function validator(): ValidateFunction<VmConfig> {
  if (compiled) return compiled;
  const { Ajv } = createRequire(import.meta.url)("ajv") as typeof import("ajv");
  const ajv = new Ajv({ allErrors: false, verbose: true });
  // What a value that a pattern refuses ought to be, in words.
  ajv.addKeyword({ keyword: "form", schemaType: "string" });
  compiled = ajv.compile<VmConfig>(schema);
  return compiled;
}

/**
 * Checks a configuration.
 * @param where what to call it in a message, such as its path
 * @throws VmError bad-config, naming the field
 */
export function checkConfig(value: unknown, where: string): VmConfig {
  const { version } = (value ?? {}) as { version?: unknown };
  // Before its fields: a newer version may have others.
  if (typeof version === "number" && version > VERSION)
    throw bad(where, `is of version ${version}, and this Wardian knows only ${VERSION}; use a newer one`);
  const validate = validator();
  if (!validate(value)) throw bad(where, describe(validate.errors![0]!));
  return value;
}

/** Reads a folder's vm.json. @throws VmError bad-config, missing or files */
export async function readConfig(folder: string): Promise<VmConfig> {
  const path = join(folder, CONFIG);
  let text: string;
  try {
    const { size } = statSync(path);
    if (size > MAX_CONFIG) throw bad(path, `has ${size} bytes, and can't be a configuration`);
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT")
      throw new VmError("missing", `There is no VM in ${quote(folder)}: it has no ${CONFIG}.`);
    throw fileFailure(error, `read ${quote(path)}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw bad(path, `is not JSON (${(error as Error).message})`);
  }
  return checkConfig(value, path);
}

/** Writes a folder's vm.json: the old one or the new one is there, whatever happens. @throws VmError */
export function writeConfig(folder: string, config: VmConfig): void {
  const path = join(folder, CONFIG);
  checkConfig(config, path);
  writeWhole(path, `${JSON.stringify(config, null, 2)}\n`);
}

/** Writes the copy of the schema that editors look for. */
export function writeSchema(folder: string): void {
  writeWhole(join(folder, SCHEMA), `${JSON.stringify(schema, null, 2)}\n`);
}

/** Writes a file aside, puts it on the disk and gives it its name. @throws VmError */
export function writeWhole(path: string, data: string | Uint8Array, mode = 0o644): void {
  const part = `${path}.${process.pid}-${randomBytes(4).toString("hex")}.part`;
  try {
    const fd = openSync(part, "wx", mode);
    try {
      const bytes = Buffer.from(data as string);
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(part, path);
  } catch (error) {
    rmSync(part, { force: true });
    throw fileFailure(error, `write ${quote(path)}`);
  }
}

/** The fields that there are, by their path such as "network.mac", with what the schema says of them. */
export function describeFields(): { readonly path: string; readonly description: string }[] {
  return fieldsOf(schema as Node, "").filter(({ path }) => path !== "$schema" && path !== "version");
}

interface Node {
  readonly description?: string;
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
}

function fieldsOf(node: Node, path: string): { path: string; description: string }[] {
  const name = node.$ref?.split("/").at(-1);
  const referred = name === undefined ? {} : (schema.definitions as Record<string, Node>)[name]!;
  const { properties = referred.properties, items, description } = node;
  const own = path !== "" && description !== undefined ? [{ path, description }] : [];
  const of = (key: string) => (path === "" ? key : `${path}.${key}`);
  return [
    ...own,
    ...Object.entries(properties ?? {}).flatMap(([key, child]) => fieldsOf(child, of(key))),
    ...(items ? fieldsOf(items, of("N")) : []),
  ];
}

/** What is wrong, to come after the name of the configuration. */
function describe({ keyword, instancePath, params, parentSchema, data }: ErrorObject): string {
  const path = instancePath.slice(1).split("/").map(unescapeToken).join(".");
  const at = (name: string) => quote(path === "" ? name : `${path}.${name}`);
  if (keyword === "additionalProperties") return `has an unknown field ${at(params.additionalProperty)}`;
  if (keyword === "required") return `lacks the field ${at(params.missingProperty)}`;
  const what = path === "" ? "is wrong" : `is wrong at ${quote(path)}`;
  return `${what}: ${expected(keyword, params, parentSchema as Expectation)}, not ${shorten(data)}`;
}

interface Expectation {
  readonly type?: string;
  readonly form?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
}

function expected(keyword: string, params: ErrorObject["params"], schema: Expectation): string {
  const { form, enum: choices, minimum, maximum } = schema;
  if (choices) return `it must be one of ${choices.map((choice) => JSON.stringify(choice)).join(", ")}`;
  if (schema.const !== undefined) return `it must be ${JSON.stringify(schema.const)}`;
  if (form !== undefined) return `it must be ${form}`;
  if (minimum !== undefined && maximum !== undefined) return `it must be a whole number from ${minimum} to ${maximum}`;
  if (keyword === "maxItems") return `it must have at most ${params.limit} entries`;
  if (keyword === "minLength") return "it must not be empty";
  return `it must be ${KINDS[schema.type ?? ""] ?? "another value"}`;
}

const KINDS: Readonly<Record<string, string>> = {
  string: "text",
  boolean: "true or false",
  array: "a list",
  object: "an object",
};

function shorten(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** RFC 6901, section 4. */
function unescapeToken(token: string): string {
  return token.replaceAll("~1", "/").replaceAll("~0", "~");
}

function bad(where: string, what: string): VmError {
  return new VmError("bad-config", `The configuration ${quote(where)} ${what}.`);
}
