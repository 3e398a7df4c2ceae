/** A code cache in memory. */

import { createHash } from "node:crypto";
import type { CodeCache, CodeRecord } from "../../src/core/code-cache.ts";

export class MemoryCodeCache implements CodeCache {
  readonly records = new Map<string, CodeRecord>();

  keyOf(page: Uint8Array): string {
    return createHash("sha256").update(page).digest("hex");
  }

  find(key: string): CodeRecord | undefined {
    return this.records.get(key);
  }

  keep(key: string, record: CodeRecord): void {
    this.records.set(key, record);
  }

  flush(): void {}
}
