/** The page as its users see it: by mouse and keyboard, on a wide screen and a phone's, and when things go wrong. */

import { join } from "node:path";
import type { BrowserContextOptions, Page } from "playwright-core";
import { expect, test } from "vitest";
import { browser, MINUTES, PATIENCE, root, site } from "./support.ts";

const chromium = await browser();
const home = await site();

async function open(options: BrowserContextOptions = {}, url = `${home.url}page/`): Promise<Page> {
  const context = await chromium.newContext({ permissions: ["clipboard-read", "clipboard-write"], ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  page.on("pageerror", (error) => {
    throw error;
  });
  await page.goto(url);
  await page.waitForSelector("input[name=guest]");
  return page;
}

/** Waits until the terminal's rows match; what it shows instead is in the error. */
const shows = async (page: Page, pattern: RegExp): Promise<void> => {
  try {
    await page.waitForFunction(
      ([source, flags]) => {
        const rows = [...document.querySelectorAll<HTMLElement>(".xterm-rows > div")];
        return new RegExp(source!, flags).test(rows.map((row) => (row.textContent ?? "").trimEnd()).join("\n"));
      },
      [pattern.source, pattern.flags],
    );
  } catch (error) {
    const rows = await page.locator(".xterm-rows").innerText();
    throw new Error(`The terminal doesn't show ${pattern}, but:\n${rows}`, { cause: error });
  }
};

const PROMPT = /^#\s*$/m;

async function start(page: Page, guest: string): Promise<void> {
  await page.getByRole("radio", { name: guest }).check();
  await page.getByRole("button", { name: "Start" }).click();
}

test("BusyBox: progress, a prompt, typing, the meter, pause, resize, reset, power off", {
  timeout: 5 * MINUTES,
}, async () => {
  const page = await open({ viewport: { width: 1000, height: 700 } });
  await start(page, "BusyBox");
  await page.getByRole("progressbar").waitFor();
  await page.waitForFunction(() => /^\d+\.\d of 31\.\d MB$/.test(document.getElementById("amount")!.textContent!));
  await shows(page, PROMPT);

  // The guest hears of the terminal's size a moment after its prompt.
  await page.keyboard.type("until stty size | grep ' 1..$'; do usleep 50000; done; echo $((6 * 7))\n");
  await shows(page, /^\d+ 1\d\d\n42$/m);
  await page.keyboard.type("i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done; echo co''unted\n");
  await page.waitForFunction(() => Number(document.getElementById("mips")!.textContent) > 1);
  await page.waitForFunction(() => /^[1-9]\d? %$|^100 %$/.test(document.getElementById("compiled")!.textContent!));
  await shows(page, /^counted$/m);

  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText("paused", { exact: true }).waitFor();
  await page.locator(".xterm").click();
  await page.keyboard.type("echo aw''ake\n");
  await page.waitForTimeout(300);
  expect(await page.locator(".xterm-rows").innerText()).not.toMatch(/^awake/m);
  await page.getByRole("button", { name: "Resume" }).click();
  await shows(page, /^awake$/m);

  await page.setViewportSize({ width: 600, height: 500 });
  await page.locator(".xterm").click();
  await page.waitForTimeout(1000);
  await page.keyboard.type("clear; stty size\n");
  await shows(page, /^\d\d [67]\d$/m);

  // A guest may fill the clipboard, and gets nothing from it.
  await page.keyboard.type("printf '\\033]52;c;%s\\007' $(printf copied | base64)\n");
  await page.waitForFunction(async () => (await navigator.clipboard.readText()) === "copied");
  await page.keyboard.type("clear; printf '\\033]52;c;?\\007'; sleep 1; echo no''thing\n");
  await shows(page, /nothing$/m);
  expect(await page.locator(".xterm-rows").innerText()).not.toContain(Buffer.from("copied").toString("base64"));

  await page.getByRole("button", { name: "Reset" }).click();
  await shows(page, /Linux version|Booting Linux|Run \/init/);
  await shows(page, PROMPT);
  await page.keyboard.type("poweroff\n");
  await page.getByText("off", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Choose another" }).click();
  await page.getByRole("button", { name: "Start" }).waitFor();
  expect(page.workers()).toEqual([]);
  await page.context().close();
});

async function tabTo(page: Page, id: string): Promise<void> {
  for (let i = 0; i < 20; i++) {
    if ((await page.evaluate(() => document.activeElement!.id)) === id) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab doesn't lead to ${id}.`);
}

test("a file of the user's, by keyboard alone", async () => {
  const page = await open();
  await page.locator("input[name=guest]").first().focus();
  await page.keyboard.press("ArrowUp");
  expect(await page.getByRole("radio", { name: "Your own files" }).isChecked()).toBe(true);
  await page.locator("#kernel").setInputFiles(join(root, "roms/hello/hello.elf"));
  await tabTo(page, "start");
  await page.keyboard.press("Enter");
  await shows(page, /^Hello from hart 0 of a RISC-V machine\.$/m);
  await page.getByText("off", { exact: true }).waitFor();
  await page.keyboard.press("F6");
  // What can't be pressed any more is skipped.
  await tabTo(page, "off");
  await page.keyboard.press("Enter");
  expect(await page.evaluate(() => document.activeElement!.id)).toBe("start");
  await page.context().close();
});

test("F6 leaves the terminal, and other keys are the guest's", { timeout: 4 * MINUTES }, async () => {
  const page = await open();
  await start(page, "BusyBox");
  await shows(page, PROMPT);
  await page.keyboard.type("ls /etc/pas");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await shows(page, /^\/etc\/passwd$/m);
  // An interrupt between fork and exec is lost, and so is what is typed while it flushes the line.
  await page.keyboard.type("sh -c 'echo wait\"\"ing; exec cat'\n");
  await shows(page, /^waiting$/m);
  await page.keyboard.press("Control+C");
  await shows(page, /\^C\n#$/m);
  await page.keyboard.type("echo in''terrupted\n");
  await shows(page, /^interrupted$/m);
  expect(await page.evaluate(() => document.activeElement!.className)).toContain("xterm");
  await page.keyboard.press("F6");
  expect(await page.evaluate(() => document.activeElement!.id)).toBe("pause");
  await page.context().close();
});

test.each(["light", "dark"] as const)("on a phone's width nothing is cut off, and keys that it lacks are there: %s", {
  timeout: 4 * MINUTES,
}, async (colorScheme) => {
  const page = await open({ viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true, colorScheme });
  const fits = async () =>
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
  const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const [red] = /\d+/.exec(paper)!;
  expect(Number(red) > 128).toBe(colorScheme === "light");
  await fits();
  await page.getByText("Your own files").tap();
  await page.getByText("Memory, harts, engine").tap();
  await fits();
  if (colorScheme === "dark") {
    // The same but for its colours: another boot would show nothing more.
    await start(page, "Hello");
    await shows(page, /^Hello from/m);
    await fits();
    await page.context().close();
    return;
  }
  await start(page, "BusyBox");
  await page.locator("#loading").waitFor();
  await fits();
  await shows(page, PROMPT);
  await fits();
  await page.keyboard.type("echo fo''und\n");
  await shows(page, /^found$/m);
  await page.getByRole("button", { name: "Up" }).tap();
  await page.keyboard.press("Enter");
  await shows(page, /^found\n.*\nfound$/m);
  await page.keyboard.type("cat\n");
  await page.getByRole("button", { name: "Control" }).tap();
  await page.keyboard.type("c");
  await shows(page, /\^C/);
  await page.context().close();
});

test("what goes wrong is said where everybody sees it", async () => {
  const alert = (page: Page) => page.getByRole("alert").innerText();
  const page = await open();
  await start(page, "Your own files");
  expect(await alert(page)).toBe("Choose a kernel first: a Linux Image for RISC-V, or a program.");
  await page.locator("#kernel").setInputFiles({ name: "k", mimeType: "", buffer: Buffer.from("#!/bin/sh\n") });
  await page.getByRole("button", { name: "Start" }).click();
  await page.getByText("The machine can't go on.").waitFor();
  expect(await alert(page)).toMatch(/^The machine can't go on\.\n(.*\n)*.*pc/);
  await page.getByRole("button", { name: "Choose another" }).click();
  expect(await page.getByRole("alert").isVisible()).toBe(false);

  home.intercept = (path, response) => {
    if (!path.endsWith("/debian/kernel")) return false;
    response.writeHead(503).end();
    return true;
  };
  await start(page, "BusyBox");
  await page.getByText("the server says 503").waitFor();
  home.intercept = (path, response) => {
    if (!path.endsWith("/debian/kernel")) return false;
    response.writeHead(200, { "Content-Length": "31165952" }).write(new Uint8Array(100_000));
    return true;
  };
  await start(page, "BusyBox");
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Start" }).waitFor();
  expect(await page.getByRole("alert").isVisible()).toBe(false);
  home.intercept = undefined;

  await start(page, "BusyBox");
  await page.getByText("running").waitFor();
  void page
    .workers()[0]!
    .evaluate("close()")
    .catch(() => {});
  await page.getByText("its worker has ended").waitFor();
  await page.getByText("off", { exact: true }).waitFor();
  await page.context().close();

  home.intercept = (path, response) => {
    if (!path.endsWith("/index.json")) return false;
    response.writeHead(404).end();
    return true;
  };
  const bare = await open();
  expect(await alert(bare)).toMatch(/^The list of guests can't be loaded: the server says 404\. Your own files work/);
  home.intercept = undefined;
  const plain = await open({}, `${(await site({ isolated: false })).url}page/`);
  expect(await plain.getByText("isn't isolated").isVisible()).toBe(true);
});
