/** A configuration as what a machine is made from. */

import { isAbsolute, join, relative, resolve } from "node:path";
import type { ShareOptions } from "../backends/files.ts";
import type { Forward } from "../backends/link.ts";
import type { EngineName } from "../core/engine.ts";
import type { MachineDisk, MachineNetwork, MachineVsock } from "../hypervisor/protocol.ts";
import { parseForward } from "../net/forward.ts";
import type { VmConfig, VmConsole, VmNetwork } from "./config.ts";
import { quote, VmError } from "./errors.ts";
import { SEED_DISK } from "./seed.ts";

/** Those of the library's MachineOptions that a VM has. */
export interface VmMachineOptions {
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly bios?: string;
  readonly dtb?: string;
  readonly flash?: string;
  readonly nvram?: string;
  readonly memory: string;
  readonly harts: number;
  readonly engine?: EngineName;
  readonly console?: VmConsole;
  readonly disks: readonly MachineDisk[];
  readonly network?: MachineNetwork;
  readonly shares: readonly ShareOptions[];
  readonly vsock?: MachineVsock;
  readonly balloon?: string;
}

export const DEFAULTS = { memory: "512M", harts: 1, logs: { size: "1M", files: 4 } } as const;

/** What the firmware field has in place of a path. */
const BUILT_IN = ["builtin", "none"];

/** With absolute paths. @throws VmError */
export function machineOptions(folder: string, config: VmConfig): VmMachineOptions {
  const at = (path: string) => resolve(folder, path);
  const { bios, engine, console, network, seed, vsock, balloon, disks = [], shares = [] } = config;
  const { memory = DEFAULTS.memory, harts = DEFAULTS.harts } = config;
  const append = console === "virtio" ? withTerminal(config.append) : config.append;
  const files = Object.entries({
    kernel: config.kernel,
    initrd: config.initrd,
    dtb: config.dtb,
    flash: config.flash,
    // Only firmware in flash has a use for it.
    nvram: config.flash === undefined ? undefined : config.nvram,
  }).flatMap(([key, path]) => (path === undefined ? [] : [[key, at(path)]]));
  return {
    ...Object.fromEntries(files),
    ...(append !== undefined && { append }),
    ...(bios !== undefined && { bios: BUILT_IN.includes(bios) ? bios : at(bios) }),
    memory,
    harts,
    ...(engine !== undefined && { engine }),
    ...(console !== undefined && { console }),
    disks: [
      ...disks.map((disk) => ({
        ...disk,
        path: at(disk.path),
        ...(disk.allowBacking && { allowBacking: disk.allowBacking.map(at) }),
      })),
      ...(seed === undefined
        ? []
        : [{ path: join(folder, SEED_DISK), format: "raw" as const, readOnly: true, serial: "seed" }]),
    ],
    ...(network && { network: machineNetwork(folder, network) }),
    shares: shares.map((share) => ({ ...share, path: at(share.path) })),
    ...(vsock && { vsock: { ...vsock, path: at(vsock.path) } }),
    ...(balloon !== undefined && { balloon }),
  };
}

/** The last console of Linux's command line is /dev/console. A VM without one boots by other means. */
function withTerminal(append: string | undefined): string | undefined {
  if (append === undefined || /(^| )console=hvc0( |$)/.test(append)) return append;
  return `${append} console=hvc0`;
}

function machineNetwork(folder: string, { forwards, capture, ...rest }: VmNetwork): MachineNetwork {
  return {
    ...rest,
    ...(forwards && { forwards: forwards.map(forwardOf) }),
    ...(capture !== undefined && { capture: resolve(folder, capture) }),
  };
}

function forwardOf(text: string): Forward {
  const forward = parseForward(text);
  if (!forward) throw new VmError("bad-config", `${quote(text)} is no forward; write it as 8080:80 or udp:5353:53.`);
  return forward;
}

/** A path that the user gave, seen from the working directory, as vm.json has it: absolute only if it was given so. */
export function pathInFolder(folder: string, given: string): string {
  return isAbsolute(given) ? given : relative(folder, resolve(given));
}
