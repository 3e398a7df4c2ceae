/**
 * Every message between a machine's owner and the executor that runs its cell.
 * Arrays that are sent belong to the receiver from then on.
 */

import type { DiskOptions } from "../backends/disk.ts";
import type { ShareOptions } from "../backends/files.ts";
import type { NetworkOptions, PortOptions } from "../backends/link.ts";
import type { VsockOptions } from "../backends/vsock.ts";
import type { EngineName } from "../core/engine.ts";
import type { BootPlan } from "../machine/boot.ts";
import type { CellCounters, ConsoleName, Exit } from "../machine/cell.ts";
import type { BalloonAttachment, TransportName } from "../machine/virtio.ts";
import type { GuestProfile } from "../profile/profile.ts";
import type { Snapshot } from "../snapshot/format.ts";
import type { BalloonReport } from "./balloon.ts";

/** A disk of a machine. */
export interface MachineDisk extends DiskOptions {
  /** What the guest reads as its serial number, up to 20 bytes; default "disk0", "disk1"… */
  readonly serial?: string;
  /** Default: "pci". */
  readonly transport?: TransportName;
}

/** The network of a machine. */
export interface MachineNetwork extends NetworkOptions {
  /** The guest's hardware address, as in "52:54:00:12:34:56", which is the default. */
  readonly mac?: string;
  /** Default: "pci". */
  readonly transport?: TransportName;
}

/** The socket device of a machine. */
export interface MachineVsock extends VsockOptions {
  /** Default: "pci". */
  readonly transport?: TransportName;
}

/** A machine's end of a link that its owner has the other end of. */
export interface MachinePort extends PortOptions {
  readonly mac?: string;
  readonly transport?: TransportName;
}

/** What a cell is made from: a boot plan, or a snapshot (which fits the rest). */
export interface CellSpec {
  readonly memoryBytes: number;
  readonly harts: number;
  readonly boot?: BootPlan;
  readonly snapshot?: Snapshot;
  readonly sbi: boolean;
  readonly deterministic: boolean;
  readonly traced: boolean;
  readonly engine?: EngineName;
  /** The directory where the JIT's modules are kept for later runs; without one, nowhere. */
  readonly codeCache?: string;
  readonly console?: ConsoleName;
  readonly disks?: readonly MachineDisk[];
  readonly network?: MachineNetwork | MachinePort;
  readonly shares?: readonly ShareOptions[];
  readonly vsock?: MachineVsock;
  readonly balloon?: BalloonAttachment;
  /** There are flash chips. */
  readonly flash?: boolean;
  /** The file that keeps what the second of their banks holds. */
  readonly nvram?: string;
  /** Its executor's thread is sampled from the start to the end. */
  readonly profiled?: boolean;
}

/** Which output an acknowledgement is for; each stream has credit of its own. */
export type Stream = "console" | "trace" | `exec ${number} ${"stdout" | "stderr"}`;

/**
 * What a message costs besides its bytes, so that a guest can't fill its owner's
 * memory with tiny ones. Output and trace cost this and their length; a reset,
 * which the owner acknowledges as console output of no bytes, this alone.
 */
export const MESSAGE_COST = 256;

/** To the executor. `vm` names one of its cells. */
export type Request =
  | { readonly type: "create"; readonly vm: number; readonly module: WebAssembly.Module; readonly spec: CellSpec }
  | { readonly type: "start" | "pause" | "resume" | "reset"; readonly vm: number; readonly call: number }
  /** The cell is dropped, whatever it does. */
  | { readonly type: "stop"; readonly vm: number; readonly call: number }
  | { readonly type: "input"; readonly vm: number; readonly bytes: Uint8Array }
  /** The console is shown in so many characters. */
  | { readonly type: "resize"; readonly vm: number; readonly columns: number; readonly rows: number }
  /** The memory balloon is to have so many pages of 4 KiB. */
  | { readonly type: "balloon"; readonly vm: number; readonly pages: number }
  /** Pages that it has. */
  | { readonly type: "balloon-size"; readonly vm: number; readonly call: number }
  /** Asks the guest how its memory is used. */
  | { readonly type: "balloon-stats"; readonly vm: number; readonly call: number }
  | { readonly type: "exec"; readonly vm: number; readonly call: number; readonly command: string }
  | {
      readonly type: "read";
      readonly vm: number;
      readonly call: number;
      readonly address: bigint;
      readonly length: number;
    }
  | {
      readonly type: "write";
      readonly vm: number;
      readonly call: number;
      readonly address: bigint;
      readonly bytes: Uint8Array;
    }
  /** A disk, by its number from 0, is to have so many bytes, and is to say so to the guest. */
  | {
      readonly type: "resize-disk";
      readonly vm: number;
      readonly call: number;
      readonly disk: number;
      readonly size: number;
    }
  /** What the overlay of a disk, by its number from 0, holds goes to its backing file. */
  | { readonly type: "commit-disk"; readonly vm: number; readonly call: number; readonly disk: number }
  | { readonly type: "counters"; readonly vm: number; readonly call: number }
  /** A snapshot of the cell as it is, which then goes on. */
  | { readonly type: "save"; readonly vm: number; readonly call: number }
  /** "halt" holds it for a debugger that is to come, "attach" is one that has, "detach": it has gone. */
  | {
      readonly type: "debug";
      readonly vm: number;
      readonly call: number;
      readonly action: "halt" | "attach" | "detach";
    }
  /** What the debugger says, in GDB's remote protocol. */
  | { readonly type: "debug-input"; readonly vm: number; readonly bytes: Uint8Array }
  /** The owner is done with a message of a stream, of so many bytes. */
  | { readonly type: "taken"; readonly vm: number; readonly stream: Stream; readonly bytes: number };

/** A cell's counters, and how long its executor has run it so far. */
export interface RunCounters extends CellCounters {
  readonly busySeconds: number;
}

/** What a call returns, by the type of its request. */
export type Answer = undefined | number | Uint8Array | RunCounters | BalloonReport;

/** From the executor. */
export type Report =
  | { readonly type: "created"; readonly vm: number }
  /** The cell can't be made, or its host failed; it is gone. `message` is one sentence. */
  | { readonly type: "failed"; readonly vm: number; readonly name: string; readonly message: string }
  | { readonly type: "answer"; readonly vm: number; readonly call: number; readonly value: Answer }
  | {
      readonly type: "refused";
      readonly vm: number;
      readonly call: number;
      readonly name: string;
      readonly message: string;
    }
  | { readonly type: "output"; readonly vm: number; readonly stream: Stream; readonly bytes: Uint8Array }
  | { readonly type: "trace"; readonly vm: number; readonly text: string }
  /** What the debugger is told. */
  | { readonly type: "debug-output"; readonly vm: number; readonly bytes: Uint8Array }
  | { readonly type: "reset"; readonly vm: number }
  /** The host has no room for what the guest writes: the guest stands still until there is. */
  | { readonly type: "paused"; readonly vm: number; readonly message: string }
  | { readonly type: "resumed"; readonly vm: number }
  /** Of a cell that is profiled, before it is said to be gone. */
  | { readonly type: "profile"; readonly vm: number; readonly profile: GuestProfile }
  /** `lost`: what a disk could not keep, one sentence. */
  | {
      readonly type: "exit";
      readonly vm: number;
      readonly exit: Exit;
      readonly counters: RunCounters;
      readonly lost?: string;
    };

/** The two ends of a wire between threads. */
export interface Wire<Out, In> {
  post(message: Out, transfer?: ArrayBuffer[]): void;
  onMessage: ((message: In) => void) | undefined;
}
