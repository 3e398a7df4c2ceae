/** Packet vCont: what each hart is to do (GDB manual, "Packets"). */

import { fromHexNumber } from "./numbers.ts";
import type { Resume } from "./target.ts";

export const CONTINUE: Resume = { kind: "continue" };
export const STEP: Resume = { kind: "step", from: 0n, to: 0n };
const STAY: Resume = { kind: "stay" };

/**
 * @param text what follows "vCont", such as ";s:1;c"
 * @returns one action for each hart (the first that names it holds), or undefined: that isn't one
 */
export function parseResume(text: string, harts: number): Resume[] | undefined {
  const actions: (Resume | undefined)[] = Array.from({ length: harts }, () => undefined);
  if (!text.startsWith(";")) return undefined;
  for (const part of text.slice(1).split(";")) {
    const [what, thread, ...rest] = part.split(":");
    const action = parseAction(what!);
    const named = thread === undefined ? "all" : parseThread(thread, harts);
    if (!action || named === undefined || rest.length > 0) return undefined;
    for (let hart = 0; hart < harts; hart++)
      if (named === "all" || named === "any" || named === hart) actions[hart] ??= action;
  }
  return actions.map((action) => action ?? STAY);
}

/** A signal that is to be delivered has no meaning here, and is dropped. */
function parseAction(text: string): Resume | undefined {
  if (/^(c|C[0-9a-fA-F]{2})$/.test(text)) return CONTINUE;
  if (/^(s|S[0-9a-fA-F]{2})$/.test(text)) return STEP;
  const range = /^r([0-9a-f]{1,16}),([0-9a-f]{1,16})$/i.exec(text);
  return range ? { kind: "step", from: BigInt(`0x${range[1]}`), to: BigInt(`0x${range[2]}`) } : undefined;
}

/** A thread's number is its hart's and one more. @returns undefined: there is none like that */
export function parseThread(text: string, harts: number): number | "all" | "any" | undefined {
  if (text === "-1") return "all";
  const n = fromHexNumber(text);
  if (n === 0n) return "any";
  return n !== undefined && n <= BigInt(harts) ? Number(n) - 1 : undefined;
}
