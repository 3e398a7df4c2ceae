import { describe, expect, test } from "vitest";
import { EscapeKey } from "../../src/cli/escape.ts";
import { CliError, describeError, guestStatus } from "../../src/cli/exit.ts";
import {
  parseBalloon,
  parseHarts,
  parseMemory,
  parsePattern,
  parseShare,
  parseTimeout,
  parseVsock,
} from "../../src/cli/options.ts";
import { type Actions, type BootFlags, runProgram } from "../../src/cli/program.ts";
import { formatStep } from "../../src/cli/progress.ts";
import { TerminalModes } from "../../src/host/node/terminal-modes.ts";

describe("values", () => {
  test.each([
    ["512M", 512 * 2 ** 20],
    ["2G", 2 * 2 ** 30],
    ["1.5g", 1.5 * 2 ** 30],
    ["64", 64 * 2 ** 20], // as QEMU: MiB
    ["8192K", 8 * 2 ** 20],
    ["4T", 4 * 2 ** 40], // whether the core has room for it is told by the core
  ])("memory %s", (text, bytes) => expect(parseMemory(text)).toBe(bytes));

  test.each([
    "",
    "0",
    "0M",
    "-1",
    "M",
    "1Q",
    "12 M",
    "0x10",
    "1K",
    "1.3K",
    "999999999999999T",
  ])("not memory: %j", (text) => expect(() => parseMemory(text)).toThrow());

  test("folders", () => {
    expect(parseShare("some/dir:tag")).toEqual({ path: "some/dir", tag: "tag" });
    expect(parseShare("/a:b/c:tag:ro")).toEqual({ path: "/a:b/c", tag: "tag", readOnly: true });
    for (const text of ["dir", ":tag", "dir:", "dir:ro", "dir::ro", ""]) expect(() => parseShare(text), text).toThrow();
  });

  test("sockets and balloons", () => {
    expect(parseVsock("some/path")).toEqual({ path: "some/path" });
    expect(parseVsock("a,,b,cid=77")).toEqual({ path: "a,b", cid: 77 });
    for (const text of ["", ",cid=3", "a,cid=2", "a,cid=4294967295", "a,cid=x", "a,cid", "a,port=1"])
      expect(() => parseVsock(text), text).toThrow();
    expect([parseBalloon("0"), parseBalloon("0G"), parseBalloon("64")]).toEqual([0, 0, 64 * 2 ** 20]);
    for (const text of ["", "-1", "1K", "much"]) expect(() => parseBalloon(text), text).toThrow();
  });

  test("harts, times and patterns", () => {
    expect(parseHarts("8")).toBe(8);
    for (const text of ["0", "9", "1.5", "-1", "two", ""]) expect(() => parseHarts(text), text).toThrow();
    expect(parseTimeout("0.25")).toBe(250);
    for (const text of ["0", "-1", "1e9", "Infinity", "", "5s", "9999999999"])
      expect(() => parseTimeout(text), text).toThrow();
    expect(parsePattern("# $").test("~ # ")).toBe(true);
    for (const text of ["(", ""]) expect(() => parsePattern(text), text).toThrow();
  });
});

/** What the program does with its arguments. */
async function parse(...args: string[]): Promise<{ called: unknown[]; written: string; status: number }> {
  const called: unknown[] = [];
  let written = "";
  const action =
    (name: string) =>
    async (...values: unknown[]) => {
      called.push(name, ...values);
      return 3;
    };
  const names = ["boot", "save", "load", "profile", "pull", "list", "remove"];
  const actions = Object.fromEntries(names.map((name) => [name, action(name)]));
  const status = await runProgram(args, actions as unknown as Actions, "1.2.3", (text) => {
    written += text;
  });
  return { called, written, status };
}

describe("the program", () => {
  test("boots with every option", async () => {
    const { called, status } = await parse(
      ...["boot", "debian", "--kernel", "k", "--initrd", "i", "--append", "", "--bios", "none", "--memory", "1G"],
      ...["--harts", "2", "--exec", "ls -l", "--timeout", "9", "--stats", "-", "--log", "l", "--trace", "t"],
      ...[
        "--dtb",
        "d",
        "--dump-dtb",
        "dd",
        "--deterministic",
        "--engine",
        "interpreter",
        "--mirror",
        "m",
        "--no-code-cache",
      ],
    );
    const flags: BootFlags = {
      kernel: "k",
      initrd: "i",
      append: "",
      bios: "none",
      memory: 2 ** 30,
      harts: 2,
      exec: "ls -l",
      timeout: 9000,
      stats: "-",
      log: "l",
      trace: "t",
      dtb: "d",
      dumpDtb: "dd",
      deterministic: true,
      engine: "interpreter",
      codeCache: false,
      mirror: "m",
    };
    expect(called.slice(0, 3)).toEqual(["boot", "debian", flags]);
    expect(status).toBe(3);
  });

  test("saves and loads snapshots", async () => {
    expect((await parse("snapshot", "save", "f", "hello", "--expect", "x", "--harts", "2")).called.slice(0, 4)).toEqual(
      ["save", "f", "hello", { codeCache: true, expect: /x/, harts: 2 }],
    );
    expect((await parse("snapshot", "load", "f", "--exec", "ls")).called.slice(0, 3)).toEqual([
      "load",
      "f",
      { codeCache: true, exec: "ls" },
    ]);
    await expect(parse("snapshot", "load", "f", "--memory", "1G")).rejects.toThrow(/unknown option/);
  });

  test("profiles", async () => {
    expect((await parse("profile", "debian", "--engine", "jit")).called.slice(0, 3)).toEqual([
      "profile",
      "debian",
      { codeCache: true, engine: "jit", regions: 10 },
    ]);
    const all = ["--seconds", "2", "--regions", "0", "--code", "--raw", "f", "--harts", "2"];
    expect((await parse("profile", ...all)).called.slice(1, 3)).toEqual([
      undefined,
      { codeCache: true, seconds: 2000, regions: 0, code: true, raw: "f", harts: 2 },
    ]);
    await expect(parse("profile", "--dump-dtb", "f")).rejects.toThrow(/unknown option/);
  });

  test("manages images", async () => {
    expect((await parse("image", "pull", "a", "b", "--mirror", "m")).called.slice(0, 3)).toEqual([
      "pull",
      ["a", "b"],
      { mirror: "m" },
    ]);
    expect((await parse("image", "ls", "--json")).called.slice(0, 2)).toEqual(["list", { json: true }]);
    expect((await parse("image", "rm", "a")).called.slice(0, 2)).toEqual(["remove", ["a"]]);
  });

  test.each([
    [["--help"], /Usage: wardian /],
    [["boot", "--help"], /Usage: wardian boot .*--deterministic/s],
    [["image", "--help"], /Usage: wardian image .*\bpull\b.*\bls\b.*\brm\b/s],
    [["image", "pull", "--help"], /--mirror/],
    [["image", "ls", "-h"], /--json/],
    [["image", "rm", "--help"], /NAME/],
    [["--version"], /^1\.2\.3\n$/],
  ])("%j shows help and does nothing", async (args, text) => {
    const { called, written, status } = await parse(...args);
    expect(written).toMatch(text);
    expect(called).toEqual([]);
    expect(status).toBe(0);
  });

  test.each([
    [["boot", "--kernal", "x"], "unknown option '--kernal' (Did you mean --kernel?); see 'wardian boot --help'"],
    [["boot", "a", "b"], /^too many arguments for 'boot'.*; see 'wardian boot --help'$/],
    [["boot", "--exec", "a", "--expect", "b"], /'--exec <CMD>' cannot be used with option '--expect <REGEX>'/],
    [["boot", "--timeout"], /^option '--timeout <S>' argument missing; see 'wardian boot --help'$/],
    [["boot", "--kernel", ""], /argument '' is invalid: it must not be empty; see 'wardian boot --help'$/],
    [
      ["boot", "--engine", "steam"],
      /argument 'steam' is invalid: it must be one of: interpreter, jit, both; see 'wardian boot --help'$/,
    ],
    [["image", "rm"], /^missing required argument 'NAME'; see 'wardian image rm --help'$/],
    [["image", "drop"], /^unknown command 'drop'; see 'wardian image --help'$/],
    [["image"], "'wardian image' needs a command; see 'wardian image --help'"],
    [[], "'wardian' needs a command; see 'wardian --help'"],
    [["launch"], /^unknown command 'launch'.*; see 'wardian --help'$/],
  ])("%j is a wrong use", async (args, message) => {
    const error = await parse(...args).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(CliError);
    expect((error as CliError).message).toMatch(message);
    expect((error as CliError).message).not.toContain("\n");
  });
});

test("errors become one line", () => {
  class BootError extends Error {
    override name = "BootError";
  }
  expect(describeError(new BootError("No\n kernel."))).toEqual({ text: "error: No kernel.\n", status: 1 });
  expect(describeError(new CliError("Late.", 124, "more\nlines"))).toEqual({
    text: "error: Late.\nmore\nlines\n",
    status: 124,
  });
  const bug = describeError(new TypeError("x is not a function"));
  expect(bug.text).toMatch(/^internal error: TypeError: x is not a function; please report it.*\n$/);
  expect(describeError(new TypeError("x"), true).text).toContain("parse.test.ts");
  expect(describeError("thrown text").text).toMatch(/^internal error: Error: thrown text; /);
});

test("a guest's code fits into a status and stays a failure", () => {
  expect([0, 1, 255, 256, 512, 257, 0xffff_ffff].map(guestStatus)).toEqual([0, 1, 255, 1, 1, 1, 255]);
});

describe("the escape key", () => {
  const type = (...chunks: string[]) => {
    const keys = new EscapeKey();
    const taken = chunks.map((chunk) => keys.take(Buffer.from(chunk, "latin1")));
    return {
      text: taken.map(({ bytes }) => Buffer.from(bytes).toString("latin1")).join(""),
      quit: taken.some(({ quit }) => quit),
      help: taken.some(({ help }) => help),
    };
  };
  test.each([
    ["nothing special", ["ls\r\x03"], { text: "ls\r\x03", quit: false, help: false }],
    ["x ends, and what follows is nobody's", ["a\x01xb"], { text: "a", quit: true, help: false }],
    ["in two chunks", ["a\x01", "x"], { text: "a", quit: true, help: false }],
    ["doubled and a", ["\x01\x01\x01a."], { text: "\x01\x01.", quit: false, help: false }],
    ["help", ["\x01h-\x01?"], { text: "-", quit: false, help: true }],
    ["any other key is dropped", ["\x01q."], { text: ".", quit: false, help: false }],
  ])("%s", (_, chunks, result) => expect(type(...chunks)).toEqual(result));
});

describe("the terminal's modes", () => {
  const undo = (...chunks: string[]) => {
    const modes = new TerminalModes();
    for (const chunk of chunks) modes.watch(Buffer.from(chunk, "latin1"));
    return modes.undo();
  };
  test.each([
    ["plain text needs nothing", ["hello\r\n\x1b[6n\x1b[J"], ""],
    ["what is on is switched off", ["\x1b[?1049h\x1b[?2004h", "\x1b[?2004l"], "\x1b[?1049l"],
    ["a hidden cursor is shown", ["\x1b[?25l"], "\x1b[?25h"],
    ["several modes, in parts", ["\x1b[?100", "0;1006", "h"], "\x1b[?1000l\x1b[?1006l"],
    ["colours", ["\x1b[31mred"], "\x1b[0m\x1b>"],
  ])("%s", (_, chunks, sequence) => expect(undo(...chunks)).toBe(sequence));

  test("a guest can't make us remember without end", () => {
    const modes = new TerminalModes();
    for (let i = 0; i < 10_000; i++) modes.watch(Buffer.from(`\x1b[?${i}h`));
    expect(modes.undo().length).toBeLessThan(1000);
  });
});

test("progress is one line", () => {
  expect(formatStep("Unpacking", 0, 0)).toBe("Unpacking");
  expect(formatStep("Downloading", 56e6, 112e6)).toBe("Downloading ████████████░░░░░░░░░░░░  50 % of 112 MB");
  expect(formatStep("Modules", 3, 3)).toBe("Modules ████████████████████████ 100 %");
  expect(formatStep("Updating", 2_000_000, 0)).toBe("Updating 2 MB");
});
