/** The built program with Debian's Linux, which is fetched when it isn't in the cache. */

import { expect, test } from "vitest";
import { wardian } from "./run.ts";

const MINUTES = 60_000;

test(
  "--exec runs a command in Debian's Linux and ends with its output and status, nothing else",
  async () => {
    const command = "echo $((6 * 7)); uname -m >&2; exit 7";
    const { status, stdout, stderr } = await wardian(["boot", "--exec", command, "--timeout", "240"]);
    expect(stdout).toBe("42\n");
    // Provisioning, if there is any, says its steps first.
    expect(stderr).toMatch(/(^|\n)riscv64\n$/);
    expect(status).toBe(7);
  },
  10 * MINUTES,
);
