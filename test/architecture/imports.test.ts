/** Imports run one way, as the design has it: which room may import which, and no cycles. */

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

/** For each room of assembly/ the rooms that it may import. */
const ASSEMBLY: Record<string, readonly string[]> = {
  abi: [],
  host: [],
  isa: [],
  fp: [],
  hart: ["abi", "host"],
  devices: ["abi", "hart"],
  bus: ["abi", "host", "devices"],
  debug: ["abi", "hart"],
  mmu: ["abi", "isa", "hart", "debug", "devices", "bus"],
  jit: ["abi", "host", "isa", "hart", "bus", "mmu"],
  sbi: ["abi", "hart", "devices", "bus", "mmu"],
  exec: ["abi", "isa", "fp", "hart", "debug", "devices", "bus", "mmu", "sbi", "jit"],
  index: ["abi", "hart", "devices", "bus", "mmu", "jit", "exec"],
};

/** For each room of src/ the rooms that it may import; entries stand above them. */
const SRC: Record<string, readonly string[]> = {
  isa: [],
  backends: [],
  disk: ["backends"],
  core: ["isa"],
  devices: ["backends", "core", "isa"],
  machine: ["backends", "core", "devices", "isa"],
  images: ["backends", "machine"],
  net: ["backends"],
  snapshot: ["backends", "core", "devices", "machine"],
  debug: ["core", "isa", "machine"],
  profile: ["core", "isa"],
  hypervisor: ["backends", "core", "debug", "devices", "isa", "machine", "profile", "snapshot"],
  process: ["backends", "core", "isa"],
  host: ["backends", "core", "devices", "disk", "hypervisor", "images", "machine", "net", "profile"],
  vms: ["backends", "core", "host", "hypervisor", "net"],
  build: [],
  oracle: ["images", "machine"],
};
/** Rooms that run in Node only, and stand on its host/. */
const HOSTED = new Set(["vms"]);
/** Entries may import any room; these and HOSTED are the only ones that may import host/. */
const ENTRIES = new Set(["node", "browser", "cli", "web", "index", "fuzz"]);

/** Rooms that run in a browser as well as in Node. */
const SHARED = new Set([
  "isa",
  "backends",
  "core",
  "devices",
  "disk",
  "machine",
  "hypervisor",
  "net",
  "snapshot",
  "process",
  "debug",
  "profile",
]);
/** Tools in those rooms, which only ever run in Node; their templates hold imports of assembly/ as text. */
const TOOL = /^isa\/generate-/;

/** What the module for browsers has in itself, and what its terminal needs, which is none of the module. */
const BUNDLED = [
  "@noble/hashes/sha2.js",
  "@xterm/addon-clipboard",
  "@xterm/addon-fit",
  "@xterm/addon-web-links",
  "@xterm/xterm",
  "fzstd",
  "host/browser/embedded.js",
];

interface Import {
  readonly from: string;
  readonly to: string;
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts") && !entry.name.endsWith(".d.ts"))
    .map((entry) => relative(join(root, folder), join(entry.parentPath, entry.name)));
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
}

/** Every import and re-export of a folder's files; relative ones as paths in the folder. */
function importsOf(folder: string): Import[] {
  const files = new Set(sources(folder));
  return [...files].flatMap((from) => {
    const text = withoutComments(readFileSync(join(root, folder, from), "utf8"));
    const names = [...text.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)"([^"]+)"/g)].map((match) => match[1]!);
    return names.map((name) => {
      if (!name.startsWith(".")) return { from, to: name };
      const to = normalize(join(dirname(from), name));
      const file = [to, `${to}.ts`, join(to, "index.ts")].find((path) => files.has(path));
      return { from, to: file ?? to };
    });
  });
}

const roomOf = (path: string): string => path.split("/")[0]!.replace(/\.ts$/, "");

/** A cycle of files, or undefined. */
function cycle(imports: readonly Import[]): string[] | undefined {
  const edges = new Map<string, string[]>();
  for (const { from, to } of imports) edges.set(from, [...(edges.get(from) ?? []), to]);
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return undefined;
    path.push(file);
    for (const to of edges.get(file) ?? []) {
      const found = visit(to);
      if (found) return found;
    }
    path.pop();
    done.add(file);
    return undefined;
  };
  for (const file of edges.keys()) {
    const found = visit(file);
    if (found) return found;
  }
  return undefined;
}

test.each([
  ["assembly/", ASSEMBLY],
  ["src/", SRC],
])("the rooms of %s themselves form no cycle", (_, rooms) => {
  expect(cycle(Object.entries(rooms).flatMap(([from, list]) => list.map((to) => ({ from, to }))))).toBeUndefined();
});

const show = ({ from, to }: Import): string => `${from} → ${to}`;

describe("assembly/", () => {
  const imports = importsOf("assembly");

  test("imports only what its rooms may", () => {
    expect(imports.length).toBeGreaterThan(100);
    const wrong = imports.filter(({ from, to }) => {
      const [room, target] = [roomOf(from), roomOf(to)];
      return room !== target && !(ASSEMBLY[room] ?? []).includes(target);
    });
    expect(wrong.map(show)).toEqual([]);
  });

  test("has no import cycle between files", () => expect(cycle(imports)).toBeUndefined());

  test("calls the host by host.ts alone", () => {
    const external = sources("assembly").filter((file) =>
      /^\s*@external\b/m.test(withoutComments(readFileSync(join(root, "assembly", file), "utf8"))),
    );
    expect(external).toEqual(["host.ts"]);
  });

  test("only exec/run and exec/idle know SBI and the devices' timers", () => {
    const wrong = imports.filter(
      ({ from, to }) =>
        roomOf(from) === "exec" && /^(sbi|devices)$/.test(roomOf(to)) && !/\/(run|idle)\.ts$/.test(from),
    );
    expect(wrong.map(show)).toEqual([]);
  });
});

describe("src/", () => {
  const imports = importsOf("src");
  const inside = imports.filter(({ to }) => to.endsWith(".ts"));

  test("imports only what its rooms may", () => {
    expect(inside.length).toBeGreaterThan(100);
    const wrong = inside.filter(({ from, to }) => {
      const [room, target] = [roomOf(from), roomOf(to)];
      return room !== target && !ENTRIES.has(room) && !(SRC[room] ?? []).includes(target);
    });
    expect(wrong.map(show)).toEqual([]);
  });

  test("knows every room", () => {
    const rooms = new Set(sources("src").map(roomOf));
    expect([...rooms].filter((room) => !(room in SRC) && !ENTRIES.has(room))).toEqual([]);
  });

  test("shared rooms use no built-in module and no package", () => {
    const wrong = imports.filter(({ from, to }) => SHARED.has(roomOf(from)) && !TOOL.test(from) && !to.endsWith(".ts"));
    expect(wrong.map(show)).toEqual([]);
  });

  test("shared rooms name no global of Node or of the DOM", () => {
    const wrong = sources("src")
      .filter((file) => SHARED.has(roomOf(file)) && !TOOL.test(file))
      .filter((file) =>
        /\b(process\.(env|argv|stdout|stdin|exit|nextTick)|Buffer\.|document\.|window\.|localStorage|__dirname)\b/.test(
          withoutComments(readFileSync(join(root, "src", file), "utf8")),
        ),
      );
    expect(wrong).toEqual([]);
  });

  test("host/ is imported by entries and by rooms for Node only", () => {
    const allowed = (room: string) => room === "host" || ENTRIES.has(room) || HOSTED.has(room);
    const wrong = inside.filter(({ from, to }) => roomOf(to) === "host" && !allowed(roomOf(from)));
    expect(wrong.map(show)).toEqual([]);
  });

  test("platforms know nothing of each other, and the module for browsers no package but what is in its bundle", () => {
    const [node, browser] = ["host/node/", "host/browser/"];
    const wrong = imports.filter(({ from, to }) => {
      const inPage = from.startsWith(browser) || from === "browser.ts" || from.startsWith("web/page/");
      const inNode = from.startsWith(node) || from === "node.ts" || from.startsWith("cli/");
      return (inPage && (to.startsWith(node) || to.startsWith("node:"))) || (inNode && to.startsWith(browser));
    });
    expect(wrong.map(show)).toEqual([]);
    const packages = imports.filter(
      ({ from, to }) => (from.startsWith(browser) || from === "browser.ts") && !to.endsWith(".ts"),
    );
    expect(packages.map(({ to }) => to).sort()).toEqual(BUNDLED);
  });

  test("has no import cycle between files", () => expect(cycle(inside)).toBeUndefined());
});
