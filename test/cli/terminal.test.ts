/** A real terminal, by script(1): raw while the guest has it, and put back in every case. */

import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CLI, echo, put, run, scratch } from "./run.ts";

const dir = scratch();
const ECHO = put(dir, "echo.bin", echo());
const BOOT = `'${process.execPath}' '${CLI}' boot --bios none --kernel '${ECHO}' --memory 16M --timeout 20`;

interface Session {
  /** All that the terminal showed. */
  readonly shown: string;
  readonly status: number;
  /** Were its settings at the end those of the beginning? */
  readonly restored: boolean;
}

/**
 * Runs `wardian` at a pseudo-terminal. Keys are typed once the terminal is raw,
 * so that none is taken for a signal or echoed by the terminal itself.
 * @param keys are echoed by the guest; Ctrl-A x follows when it has echoed the last
 * @param meanwhile a shell command that runs then, too; $pid is the program's
 */
async function atTerminal(keys: string, meanwhile = ":"): Promise<Session> {
  const pid = join(dir, "pid");
  const raw = join(dir, "raw");
  for (const file of [pid, raw]) rmSync(file, { force: true });
  const session = put(
    dir,
    "session.sh",
    `before=$(stty -g)
    (
      until [ "$(stty -g < /dev/tty)" != "$before" ]; do sleep 0.05; done
      pid=$(cat '${pid}')
      touch '${raw}'
      ${meanwhile}
    ) &
    sh -c 'echo $$ > "$1"; shift; exec "$@"' sh '${pid}' ${BOOT}
    echo "status=$?"
    if [ "$(stty -g)" = "$before" ]; then echo restored; fi`,
  );
  const { stdout } = await run("script", ["-qec", `sh '${session}'`, "/dev/null"], {
    input: null,
    during: ({ stdin, stdout }) => {
      const timer = setInterval(() => {
        if (!existsSync(raw)) return;
        clearInterval(timer);
        stdin.write(keys);
      }, 20);
      let shown = "";
      stdout.on("data", (chunk: string) => {
        if (keys === "" || shown.includes(keys.at(-1)!)) return;
        shown += chunk;
        if (shown.includes(keys.at(-1)!)) stdin.write("\x01x");
      });
      stdout.on("end", () => clearInterval(timer));
    },
  });
  return {
    shown: stdout,
    status: Number(/status=(\d+)/.exec(stdout)?.[1]),
    restored: /^restored\r?$/m.test(stdout),
  };
}

test("Ctrl-A x ends it; every other key is the guest's, Ctrl-C too", async () => {
  const { shown, status, restored } = await atTerminal("a\x03b\x01ac");
  expect(shown).toContain("a\x03b\x01c");
  expect(status).toBe(0);
  expect(restored).toBe(true);
});

test("what a guest has switched on is switched off, on a new line", async () => {
  const { shown, restored } = await atTerminal("\x1b[?25lhi-");
  expect(shown).toContain("\x1b[?25lhi-\x1b[?25h\r\nstatus=0");
  expect(restored).toBe(true);
});

test.each([
  ["TERM", 143],
  ["HUP", 129],
  ["INT", 130],
])("SIG%s restores the terminal", async (signal, expected) => {
  const { status, restored } = await atTerminal("", `kill -${signal} $pid`);
  expect(status).toBe(expected);
  expect(restored).toBe(true);
});

test("two signals at once restore the terminal", async () => {
  const { status, restored } = await atTerminal("", "kill -TERM $pid; kill -INT $pid");
  expect([130, 143]).toContain(status);
  expect(restored).toBe(true);
});
