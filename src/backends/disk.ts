/** A block device's storage. Offsets and lengths are in bytes, whole sectors, and inside the disk. */
export type DiskRequest =
  | { readonly kind: "read"; readonly offset: number; readonly length: number }
  | { readonly kind: "write"; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: "discard"; readonly offset: number; readonly length: number }
  /** Completes when every write completed before it is on stable storage. */
  | { readonly kind: "flush" };

/** What was read, for "read", else no bytes; or one sentence saying what went wrong. */
export type DiskResult =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly message: string };

export interface Disk {
  /** Capacity in bytes; it never changes. */
  readonly size: number;
  readonly sectorSize: 512 | 4096;
  readonly readOnly: boolean;
  /** Starts a request; `complete` is called exactly once. Requests may complete in any order. */
  submit(request: DiskRequest, complete: (result: DiskResult) => void): void;
}
