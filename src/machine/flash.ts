/** The flash banks' contents: put there at first power-on, and variables kept by the host from then on. */

import type { Nvram } from "../backends/nvram.ts";
import type { Core } from "../core/core.ts";
import { BootError, type FlashContents } from "./boot.ts";

export class Flash {
  readonly #core: Core;
  readonly #nvram: Nvram | undefined;
  /** PF_CHANGES of the variables when the host was last told. */
  #told = 0;

  /** @throws BootError when the core has no flash */
  constructor(core: Core, nvram: Nvram | undefined) {
    this.#core = core;
    this.#nvram = nvram;
    this.#at(0);
  }

  /** Fills both banks; erased where contents end. The first can't be changed by the guest, the second is as it was kept. */
  fill({ firmware, variables }: FlashContents): void {
    const { bytes, abi, view } = this.#core;
    [firmware, this.#nvram?.contents ?? variables].forEach((contents, bank) => {
      const at = this.#at(bank);
      if (contents) bytes.set(contents, at);
      bytes.fill(0xff, at + (contents?.length ?? 0), at + abi.FLASH_BANK);
    });
    view.setUint32(abi.DEV_PFLASH + abi.PF_LOCKED!, 1, true);
  }

  /** Tells the host when variables have changed. */
  look(): void {
    if (!this.#nvram) return;
    const { abi, view, bytes } = this.#core;
    const changes = view.getUint32(abi.DEV_PFLASH + abi.PF_BANK + abi.PF_CHANGES, true);
    if (changes === this.#told) return;
    this.#told = changes;
    const at = this.#at(1);
    this.#nvram.changed(() => bytes.subarray(at, at + abi.FLASH_BANK));
  }

  /** Linear address of a bank. */
  #at(bank: number): number {
    const { calls, abi } = this.#core;
    const at = calls.flashRange(bank * abi.FLASH_BANK, abi.FLASH_BANK) >>> 0;
    if (at === 0) throw new BootError("This machine has no flash; make it with some.");
    return at;
  }
}
