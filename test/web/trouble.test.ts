/** What goes wrong in pages, or seems to: each has its message, and nothing hangs. */

import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { browser, MINUTES, site, soon, visit } from "./support.ts";
import { tabs } from "./tabs.ts";

const chromium = await browser();
const home = await site();

/** Why a machine can't be made. */
function refusal(page: Page, options: object): Promise<string> {
  const made = page.evaluate(
    (given) =>
      wardian.Machine.create(given).then(
        () => "it was made",
        (error: Error) => `${error.name}: ${error.message}`,
      ),
    options,
  );
  return soon(made, "Machine.create");
}

test("what can't be loaded or used is said in a sentence", async () => {
  const page = await visit(chromium, home.url);
  home.intercept = (path, response) => {
    const answer = (status: number, body: string) => {
      response.writeHead(status).end(body);
      return true;
    };
    if (path === "/busy") return answer(503, "later");
    if (path.endsWith("/html/image.json")) return answer(200, "<!doctype html>");
    if (path.endsWith("/empty/image.json")) return answer(200, '{ "memory": "64M" }');
    return false;
  };
  const cases: readonly (readonly [object, RegExp])[] = [
    [
      { kernel: "/nowhere" },
      /^FileError: The kernel can't be loaded from \/nowhere: the server has no such file \(404\)\.$/,
    ],
    [{ kernel: "/busy" }, /^FileError: The kernel can't be loaded from \/busy: the server says 503 /],
    [
      { kernel: "http://localhost:9/k" },
      /^FileError: The kernel can't be loaded from \S+: the server can't be reached, /,
    ],
    [{ kernel: "nonsense://" }, /^FileError: The kernel can't be loaded from nonsense:/],
    [
      { image: "windows" },
      /^FileError: The image windows can't be loaded from \S+: the server has no such file \(404\)\.$/,
    ],
    [{ image: "html" }, /^MachineError: The image html can't be used: its image\.json is not JSON\.$/],
    [{ image: "empty" }, /^MachineError: The image empty can't be used: its image\.json names no kernel\.$/],
    [{ image: "hello", memory: "5 elephants" }, /^MachineError: "5 elephants" is not a size of memory/],
    [
      { image: "debian", memory: "32M" },
      /^BootError: The \w+ \(\d+ MiB\) does not fit in the guest's memory of 32 MiB/,
    ],
    [{ image: "hello", memory: "64G" }, /^MachineError: The guest's memory is too large; give it at most \d+M\.$/],
    [{ image: "hello", harts: 99 }, /^MachineError: A machine can't have 99 harts/],
    [{ image: "hello", engine: "steam" }, /^MachineError: There is no engine called steam/],
    [{}, /^BootError: There is no kernel/],
  ];
  for (const [options, message] of cases) expect(await refusal(page, options)).toMatch(message);
  home.intercept = undefined;
});

test("compressed kernels are inflated, damaged ones refused", async () => {
  const page = await visit(chromium, home.url);
  const outcomes = await page.evaluate(async () => {
    const plain = new Uint8Array(await (await fetch("/images/hello/hello.elf")).arrayBuffer());
    const stream = new Blob([plain]).stream().pipeThrough(new CompressionStream("gzip"));
    const packed = new Uint8Array(await new Response(stream).arrayBuffer());
    const tell = async (kernel: Uint8Array) => {
      try {
        const vm = await wardian.Machine.create({ kernel, bios: "none", memory: "16M" });
        await vm.start();
        return (await vm.exited).kind;
      } catch (error) {
        return (error as Error).message;
      }
    };
    return [await tell(packed), await tell(packed.slice(0, -20)), await tell(packed.with(60, packed[60]! ^ 255))];
  });
  const damaged = expect.stringMatching(
    /^The compressed kernel is damaged or larger than the guest's memory \(.+\)\.$/,
  );
  expect(outcomes).toEqual(["poweroff", damaged, damaged]);
});

test("a server that goes in the middle of a download, and a user who gives up", async () => {
  const mortal = await site();
  const page = await visit(chromium, mortal.url);
  mortal.intercept = (path, response) => {
    if (path !== "/half") return false;
    response.writeHead(200, { "Content-Length": 1_000_000 }).write(new Uint8Array(300_000));
    return true;
  };
  const lost = page.evaluate(
    () =>
      new Promise<string>((resolve) => {
        const progress = ({ done }: { done: number }) => {
          if (done > 0) document.title = "half";
        };
        wardian.Machine.create({ kernel: "/half", progress }).catch((error: Error) => resolve(error.message));
      }),
  );
  const given = await page.evaluate(async () => {
    const abort = new AbortController();
    setTimeout(() => abort.abort(new Error("enough")), 100);
    return wardian.Machine.create({ kernel: "/half", signal: abort.signal }).catch((error: Error) => error.message);
  });
  expect(given).toBe("enough");
  await page.waitForFunction(() => document.title === "half");
  await mortal.close();
  expect(await soon(lost, "the download")).toMatch(
    /^The kernel can't be loaded from \/half: the connection broke after [1-9]\d+ bytes\.$/,
  );
});

test.each([
  ["that ends itself", "close()", "its worker has ended"],
  ["that throws", "setTimeout(() => { throw new Error('boo'); })", "Uncaught Error: boo"],
])("a worker %s: its machines have crashed, and the next one has a new worker", async (_, deed, reason) => {
  const page = await visit(chromium, home.url);
  const end = page.evaluate(async () => {
    const vm = await wardian.Machine.create({ image: "debian" });
    const crashes: string[] = [];
    vm.on("crash", ({ kind }) => crashes.push(kind));
    await vm.start();
    const waits = vm.exec("true").catch((error: Error) => error.message);
    document.title = "waits";
    const { kind, report } = await vm.exited;
    const later = await vm.exec("true").catch((error: Error) => error.message);
    const next = await wardian.Machine.create({ image: "hello" });
    await next.start();
    return { kind, report, crashes, waits: await waits, later, next: (await next.exited).kind };
  });
  const worker = await page.waitForEvent("worker");
  await page.waitForFunction(() => document.title === "waits");
  // Of a worker that is gone there is no answer.
  void worker.evaluate(deed).catch(() => {});
  expect(await soon(end, "the machine of a dead worker")).toEqual({
    kind: "crash",
    report: `The host failed: Its executor has died: ${reason}`,
    crashes: ["crash"],
    waits: "The machine has ended.",
    later: "The machine has ended.",
    next: "poweroff",
  });
});

test("a browser that has no memory for a guest says so, and has for a smaller one", async () => {
  const small = await browser({ args: ["--js-flags=--wasm-max-mem-pages=6000"] });
  const page = await visit(small, home.url);
  expect(await refusal(page, { image: "hello", memory: "512M" })).toBe(
    "CoreError: This host has no room for a guest of 512 MiB; give it less memory.",
  );
  const kind = await page.evaluate(async () => {
    const vm = await wardian.Machine.create({ image: "hello", memory: "32M" });
    await vm.start();
    return (await vm.exited).kind;
  });
  expect(kind).toBe("poweroff");
});

test("twenty machines, one after another, need no more memory than two", { timeout: 4 * MINUTES }, async () => {
  const page = await visit(chromium, home.url);
  await page.evaluate(async () => {
    const load = async (name: string) => new Uint8Array(await (await fetch(`/images/debian/${name}`)).arrayBuffer());
    Object.assign(globalThis, { kernel: await load("kernel"), initrd: await load("initrd") });
  });
  const pid = await rendererOf(page);
  const cdp = await page.context().newCDPSession(page);
  const held: number[] = [];
  for (let i = 1; i <= 20; i++) {
    await page.evaluate(
      async (engine) => {
        const { kernel, initrd } = globalThis as unknown as Record<"kernel" | "initrd", Uint8Array>;
        const vm = await wardian.Machine.create({ kernel, initrd, append: "console=ttyS0", memory: "256M", engine });
        await vm.start();
        while ((await vm.stats()).instructions < 50e6) await new Promise((resolve) => setTimeout(resolve, 20));
        await vm.stop();
      },
      i % 2 ? ("jit" as const) : ("interpreter" as const),
    );
    if (i !== 2 && i !== 20) continue;
    await page.waitForFunction(() => true);
    await cdp.send("HeapProfiler.collectGarbage");
    await page.waitForTimeout(500);
    held.push(privateKilobytes(pid));
  }
  expect(page.workers()).toEqual([]);
  expect(held[1]).toBeLessThan(1.1 * held[0]!);
});

/** The process of a page: the largest of its browser's. */
async function rendererOf(page: Page): Promise<number> {
  const session = await page.context().browser()!.newBrowserCDPSession();
  const { processInfo } = (await session.send("SystemInfo.getProcessInfo")) as unknown as {
    processInfo: { type: string; id: number }[];
  };
  const renderers = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
  return renderers.reduce((a, b) => (privateKilobytes(a) > privateKilobytes(b) ? a : b));
}

function privateKilobytes(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return [...rollup.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB$/gm)].reduce(
    (sum, match) => sum + Number(match[1]),
    0,
  );
}

test("a hidden tab's guest goes on, and is there when the tab is shown again", { timeout: 4 * MINUTES }, async () => {
  const open = await tabs();
  const tab = await open(home.url);
  await tab.evaluate(`(async () => {
    while (!("wardian" in globalThis)) await new Promise((resolve) => setTimeout(resolve, 50));
    globalThis.vm = await wardian.Machine.create({ image: "debian", engine: "jit" });
    await vm.start();
    await vm.exec("true");
  })()`);
  const other = await open("about:blank");
  await other.show();
  const hidden = (await tab.evaluate(`(async () => {
    while (!document.hidden) await new Promise((resolve) => document.addEventListener("visibilitychange", resolve));
    const began = performance.now();
    let timers = 0;
    const timer = setInterval(() => timers++, 20);
    // Forty sleeps of 50 ms and some work between them.
    const { stdout } = await vm.exec("i=0; while [ $i -lt 40 ]; do usleep 50000; i=$((i + 1)); done; echo $i");
    clearInterval(timer);
    return { stdout, hidden: document.hidden, timers, seconds: (performance.now() - began) / 1000 };
  })()`)) as { stdout: string; hidden: boolean; timers: number; seconds: number };
  expect(hidden).toMatchObject({ stdout: "40\n", hidden: true });
  expect(hidden.seconds).toBeGreaterThan(2);
  // The page's own timers come once a second: the guest's would have taken 40 s.
  expect(hidden.timers).toBeLessThan(hidden.seconds * 10);
  expect(hidden.seconds).toBeLessThan(20);
  await tab.show();
  const shown = await tab.evaluate(`(async () => {
    while (document.hidden) await new Promise((resolve) => document.addEventListener("visibilitychange", resolve));
    vm.console.write("echo sh''own\\n");
    await vm.console.expect(/\\nshown/, { timeout: 20000 });
    await vm.stop();
    return (await vm.exited).kind;
  })()`);
  expect(shown).toBe("stopped");
});
