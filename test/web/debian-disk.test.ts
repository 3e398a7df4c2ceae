/** A whole Debian with systemd in the page, its disk read from the server by ranges: by hand, since it takes minutes. */

import { statSync } from "node:fs";
import { expect, test } from "vitest";
import { servedImages } from "../../src/web/server/images.ts";
import { browser, MINUTES, site } from "./support.ts";

const BOOT = 15 * MINUTES;

test.skipIf(process.env.WARDIAN_WEB_DEBIAN === undefined)(
  "debian-disk boots to its login, is written to, and powers off",
  { timeout: 2 * BOOT },
  async () => {
    // `wardian image pull debian-disk` makes it.
    const disk = (await servedImages({}, ["debian-disk"])).get("debian-disk/disk.qcow2") as { file: string };
    const { size, mtimeMs } = statSync(disk.file);
    const { url, sent } = await site({ more: ["debian-disk"] });
    const page = await (await (await browser()).newContext({ viewport: { width: 1100, height: 720 } })).newPage();
    page.setDefaultTimeout(BOOT);
    page.on("pageerror", (error) => {
      throw error;
    });
    const shows = (pattern: RegExp) =>
      page.waitForFunction(
        (source) => {
          const rows = [...document.querySelectorAll<HTMLElement>(".xterm-rows > div")];
          return new RegExp(source, "m").test(rows.map((row) => (row.textContent ?? "").trimEnd()).join("\n"));
        },
        pattern.source,
        { timeout: BOOT },
      );
    await page.goto(`${url}page/?image=debian-disk`);
    await page.getByRole("radio", { name: "Debian disk" }).check();
    await page.getByRole("button", { name: "Start" }).click();
    await shows(/^wardian login: ?$/);
    await page.keyboard.type("root\n");
    await shows(/^root@wardian:~# ?$/);
    await page.keyboard.type("clear; systemctl is-system-running --wait; echo $((6 * 7)) >x; sync; cat x\n");
    await shows(/^running\n42$/);
    await page.keyboard.type("clear; findmnt -no FSTYPE,OPTIONS / | grep -o '^ext4 *rw'; poweroff\n");
    await shows(/^ext4 +rw$/);
    await page.getByText("off", { exact: true }).waitFor();

    // The parts that it needed, and not the image.
    expect(sent()).toBeGreaterThan(20e6);
    expect(sent()).toBeLessThan(size);
    expect(statSync(disk.file)).toMatchObject({ size, mtimeMs });
  },
);
