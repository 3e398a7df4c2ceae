/** What callers of any platform may ask of a machine, checked: from JavaScript, anything may come. */

import { DEFAULT_ENGINE, type EngineName, engineFault } from "../core/engine.ts";
import { isElf } from "../machine/elf.ts";
import type { BalloonAttachment } from "../machine/virtio.ts";
import { checkTransport } from "./attach.ts";
import { type BalloonOptions, balloonPages } from "./balloon.ts";
import { MachineError } from "./errors.ts";
import { parseSize } from "./size.ts";

/** Guest RAM when neither caller nor image say. */
export const DEFAULT_MEMORY = "512M";
export const MAX_HARTS = 8;

/** @throws MachineError */
export function engineOf({ engine = DEFAULT_ENGINE }: { readonly engine?: EngineName }): EngineName {
  const fault = engineFault(engine);
  if (fault !== undefined) throw new MachineError(fault);
  return engine;
}

/** @throws MachineError */
export function hartsOf({ harts = 1 }: { readonly harts?: number }): number {
  if (!Number.isInteger(harts) || harts < 1 || harts > MAX_HARTS)
    throw new MachineError(`A machine can't have ${harts} harts; choose 1 to ${MAX_HARTS}.`);
  return harts;
}

/**
 * A memory balloon, if there is to be one.
 * @param memory the guest's, bytes
 * @throws MachineError
 */
export function balloonOf(
  { balloon = false }: { readonly balloon?: boolean | number | string | BalloonOptions },
  memory: number,
): { balloon?: BalloonAttachment } {
  if (balloon === false) return {};
  const options = balloon === true ? {} : typeof balloon === "object" ? balloon : { target: balloon };
  const { target = 0, transport = "pci" } = options;
  checkTransport(transport);
  return {
    balloon: { pages: balloonPages(typeof target === "number" ? target : parseSize(target), memory), transport },
  };
}

/** What runs in M-mode when nobody says: an ELF that isn't one of our images' is a bare-metal program. */
export function guessBios(kernel: Uint8Array | undefined): "builtin" | "none" {
  return kernel && isElf(kernel) ? "none" : "builtin";
}

/** The kernel's command line: an image's own, and what is added to it. */
export function joinAppend(...texts: readonly (string | undefined)[]): { append?: string } {
  const append = texts.filter((text) => text !== undefined).join(" ");
  return append === "" ? {} : { append };
}
