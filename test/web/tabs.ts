/**
 * A Chromium whose tabs can be hidden: playwright keeps all of its pages in
 * front, so that they never notice. Driven by the DevTools protocol over pipes.
 */

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { ARGUMENTS, atEnd, EXECUTABLE } from "./support.ts";

interface Reply {
  readonly id?: number;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

export interface Tab {
  /** The value of an expression, awaited. */
  evaluate(expression: string): Promise<unknown>;
  /** Puts it in front of all others. */
  show(): Promise<void>;
}

/** Starts one; it ends with the test file. @returns opens a tab, in front */
export async function tabs(): Promise<(url: string) => Promise<Tab>> {
  const profile = await mkdtemp(join(tmpdir(), "wardian-chromium-"));
  const args = ["--headless", ...ARGUMENTS, `--user-data-dir=${profile}`, "--remote-debugging-pipe", "about:blank"];
  const child = spawn(EXECUTABLE, args, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  const over = new Promise((resolve) => child.once("close", resolve));
  atEnd(async () => {
    child.kill();
    await over;
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  });
  const [requests, replies] = [child.stdio[3] as Writable, child.stdio[4] as Readable];
  const waiting = new Map<number, (reply: Reply) => void>();
  let text = "";
  replies.setEncoding("utf8").on("data", (chunk: string) => {
    const parts = (text + chunk).split("\0");
    text = parts.pop()!;
    for (const reply of parts.map((part) => JSON.parse(part) as Reply)) waiting.get(reply.id ?? 0)?.(reply);
  });
  let last = 0;
  const send = async (method: string, params: object, sessionId?: string): Promise<Record<string, unknown>> => {
    const id = ++last;
    const reply = new Promise<Reply>((resolve) => waiting.set(id, resolve));
    requests.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    const { result, error } = await reply;
    if (!result) throw new Error(`${method}: ${error?.message}`);
    return result;
  };
  return async (url) => {
    const { targetId } = await send("Target.createTarget", { url });
    const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
    const show = async () => {
      await send("Target.activateTarget", { targetId });
    };
    const evaluate = async (expression: string) => {
      const params = { expression, awaitPromise: true, returnByValue: true };
      const { result, exceptionDetails } = await send("Runtime.evaluate", params, sessionId as string);
      if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
      return (result as { value?: unknown }).value;
    };
    await show();
    // A page that is being opened has no context to evaluate in, and before that it is an empty one.
    const isThere = `document.readyState === "complete" && location.href === ${JSON.stringify(url)}`;
    while ((await evaluate(isThere).catch(() => false)) !== true)
      await new Promise((resolve) => setTimeout(resolve, 50));
    return { show, evaluate };
  };
}
