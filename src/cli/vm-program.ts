/** The command line of VMs that are folders. */

import { type Command, InvalidArgumentError, Option } from "commander";
import type { ShareOptions } from "../backends/files.ts";
import type { Forward } from "../backends/link.ts";
import type { EngineName } from "../core/engine.ts";
import type { MachineDisk, MachineVsock } from "../hypervisor/protocol.ts";
import type { ConsoleName } from "../machine/cell.ts";
import { describeFields } from "../vms/config.ts";
import { type NewSize, parseCount, parseDiskSize, parseNewSize, parseText, parseTimeout } from "./options.ts";

export interface PlaceFlags {
  /** The directory of VMs. */
  readonly dir?: string;
}

export interface CreateFlags extends PlaceFlags {
  readonly image?: string;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  /** "builtin", "none" or a firmware's path. */
  readonly bios?: string;
  readonly dtb?: string;
  readonly flash?: string;
  readonly nvramTemplate?: string;
  /** Bytes. */
  readonly memory?: number;
  readonly harts?: number;
  readonly engine?: EngineName;
  readonly mirror?: string;
  /** Bytes. */
  readonly diskSize?: number;
  readonly console?: ConsoleName;
  readonly disk?: readonly MachineDisk[];
  readonly share?: readonly ShareOptions[];
  readonly vsock?: MachineVsock;
  /** Bytes, or true for 0. */
  readonly balloon?: number | true;
  readonly net?: "none" | "user";
  readonly mac?: string;
  readonly forward?: Forward[];
  readonly netAllow?: string[];
  readonly netDeny?: string[];
  readonly capture?: string;
  readonly user?: string;
  readonly sshKey?: string;
  readonly hostname?: string;
  readonly packages?: readonly string[];
  readonly userData?: string;
  readonly metaData?: string;
  readonly networkConfig?: string;
}

export interface StartFlags extends PlaceFlags {
  readonly foreground?: boolean;
}

export interface StopFlags extends PlaceFlags {
  /** Milliseconds. */
  readonly timeout: number;
  readonly force?: boolean;
}

export interface ExecFlags extends PlaceFlags {
  /** Milliseconds. */
  readonly timeout?: number;
}

export interface LogFlags extends PlaceFlags {
  readonly follow?: boolean;
  readonly events?: boolean;
  /** How many of the last lines; all by default. */
  readonly lines?: number;
}

export interface ResizeFlags extends PlaceFlags {
  /** Its place in vm.json, from 0. */
  readonly disk: number;
  readonly shrink?: boolean;
}

export interface CommitFlags extends PlaceFlags {
  /** Its place in vm.json, from 0. */
  readonly disk: number;
}

export interface VmActions {
  createVm(name: string, flags: CreateFlags): Promise<number>;
  startVm(name: string, flags: StartFlags): Promise<number>;
  serveVm(folder: string, name: string): Promise<number>;
  stopVms(names: string[], flags: StopFlags): Promise<number>;
  attachVm(name: string, flags: PlaceFlags): Promise<number>;
  execVm(name: string, command: string[], flags: ExecFlags): Promise<number>;
  vmLogs(name: string, flags: LogFlags): Promise<number>;
  listVms(flags: PlaceFlags & { json?: boolean }): Promise<number>;
  showVm(name: string, flags: PlaceFlags & { json?: boolean }): Promise<number>;
  setVm(name: string, pairs: string[], flags: PlaceFlags & { unset?: string[] }): Promise<number>;
  resizeVm(name: string, size: NewSize, flags: ResizeFlags): Promise<number>;
  commitVm(name: string, flags: CommitFlags): Promise<number>;
  cloneVm(from: string, to: string, flags: PlaceFlags & { full?: boolean }): Promise<number>;
  removeVms(names: string[], flags: PlaceFlags & { force?: boolean }): Promise<number>;
}

/** Of boot's options those that a VM doesn't have, or not yet, and one that means more there. */
const NOT_OF_VMS = ["deterministic", "nvram", "persist", "sshKey"];
/** How long a guest may take to power off, ms. */
const POWER_OFF = 30_000;

/**
 * Adds the commands.
 * @param command sets what all commands have
 * @param machine boot's options for what machine it is
 * @param ended   takes the status to end with
 */
export function vmCommands(
  wardian: Command,
  command: (made: Command) => Command,
  machine: readonly Option[],
  actions: VmActions,
  ended: (status: number) => void,
): void {
  const add = (name: string, description: string) =>
    command(wardian.command(name))
      .description(description)
      .addOption(text("--dir <DIR>", "the directory of VMs, in place of WARDIAN_VM_DIR or the user's data directory"));
  const NAME = "a VM's name, or the path of its folder";

  const create = add("create", "Make a VM: a folder with its configuration, its disk and its logs.").argument(
    "<NAME>",
    "how it is to be called, or a path for its folder",
  );
  for (const option of [...createOptions(), ...machine.filter(isOfVms), ...seedOptions()]) create.addOption(option);
  create.addHelpText("after", CREATE_HELP).action(async (name: string, flags: CreateFlags) => {
    ended(await actions.createVm(name, flags));
  });

  add("start", "Start a VM in the background.")
    .argument("<NAME>", NAME)
    .option("--foreground", "stay, with its console in this terminal; Ctrl-A x asks the guest to power off")
    .action(async (name: string, flags: StartFlags) => {
      ended(await actions.startVm(name, flags));
    });

  // What `start` runs.
  command(wardian.command("serve-vm", { hidden: true }))
    .argument("<FOLDER>")
    .argument("<NAME>")
    .action(async (folder: string, name: string) => {
      ended(await actions.serveVm(folder, name));
    });

  add("stop", "Stop VMs: the guest is asked to power off, by its agent.")
    .argument("<NAME...>", NAME)
    .addOption(
      new Option("--timeout <S>", "stop it all the same after so many seconds (30)")
        .argParser(parseTimeout)
        .default(POWER_OFF, "30"),
    )
    .option("--force", "stop it at once, as by pulling its plug; disks are flushed")
    .action(async (names: string[], flags: StopFlags) => {
      ended(await actions.stopVms(names, flags));
    });

  add("console", "Show a VM's console and type at it; Ctrl-A x leaves it. Several may.")
    .argument("<NAME>", NAME)
    .action(async (name: string, flags: PlaceFlags) => {
      ended(await actions.attachVm(name, flags));
    });

  add("exec", "Run a shell command in a VM whose guest has Wardian's agent.")
    .argument("<NAME>", NAME)
    .argument("<COMMAND...>", "the command; after -- its own options")
    .addOption(new Option("--timeout <S>", "give up after so many seconds").argParser(parseTimeout))
    .action(async (name: string, words: string[], flags: ExecFlags) => {
      ended(await actions.execVm(name, words, flags));
    });

  add("logs", "Show what a VM's console has shown.")
    .argument("<NAME>", NAME)
    .option("-f, --follow", "go on until the VM ends")
    .option("--events", "what happened to the VM, in place of its console")
    .addOption(new Option("-n, --lines <N>", "only the last lines").argParser(parseCount))
    .action(async (name: string, flags: LogFlags) => {
      ended(await actions.vmLogs(name, flags));
    });

  add("ls", "List the VMs.")
    .option("--json", "as JSON, with all that is known")
    .action(async (flags: PlaceFlags & { json?: boolean }) => {
      ended(await actions.listVms(flags));
    });

  add("show", "Show a VM's configuration and how it does.")
    .argument("<NAME>", NAME)
    .option("--json", "as JSON")
    .action(async (name: string, flags: PlaceFlags & { json?: boolean }) => {
      ended(await actions.showVm(name, flags));
    });

  add("set", "Change a VM's configuration; all but the balloon's size holds from the next start.")
    .argument("<NAME>", NAME)
    .argument("[KEY VALUE...]", "fields of vm.json, such as: memory 2G network.forwards 2222:22,8080:80")
    .addOption(
      new Option("--unset <KEY>", "take a field away").argParser((key, before: string[] | undefined) => [
        ...(before ?? []),
        parseText(key),
      ]),
    )
    .addHelpText("after", setHelp)
    .action(async (name: string, pairs: string[], flags: PlaceFlags & { unset?: string[] }) => {
      ended(await actions.setVm(name, pairs, flags));
    });

  add("resize", "Change the size of a VM's disk; a guest that runs is told of it.")
    .argument("<NAME>", NAME)
    .argument("<SIZE>", "such as 20G, or +10G for as much more", parseNewSize)
    .addOption(whichDisk())
    .option("--shrink", "of a VM that doesn't run: let it become smaller; what is beyond its new end is lost")
    .addHelpText("after", RESIZE_HELP)
    .action(async (name: string, size: NewSize, flags: ResizeFlags) => {
      ended(await actions.resizeVm(name, size, flags));
    });

  add("commit", "Write what a VM's disk holds to its backing file; a guest that runs goes on.")
    .argument("<NAME>", NAME)
    .addOption(whichDisk())
    .addHelpText("after", COMMIT_HELP)
    .action(async (name: string, flags: CommitFlags) => {
      ended(await actions.commitVm(name, flags));
    });

  add("clone", "Copy a VM that is stopped; the clone has a hardware address and an identity of its own.")
    .argument("<SRC>", NAME)
    .argument("<DST>", "how the clone is to be called, or a path for its folder")
    .option("--full", "copy the disks; without, both keep their changes over a base in SRC's folder that they share")
    .action(async (from: string, to: string, flags: PlaceFlags & { full?: boolean }) => {
      ended(await actions.cloneVm(from, to, flags));
    });

  add("rm", "Remove VMs, with their disks.")
    .argument("<NAME...>", NAME)
    .option("--force", "don't ask")
    .action(async (names: string[], flags: PlaceFlags & { force?: boolean }) => {
      ended(await actions.removeVms(names, flags));
    });
}

const text = (flags: string, description: string): Option => new Option(flags, description).argParser(parseText);

const whichDisk = (): Option =>
  new Option("--disk <N>", "which of its disks, from 0; the first by default").argParser(parseCount).default(0, "0");

const isOfVms = (option: Option): boolean => !NOT_OF_VMS.includes(option.attributeName());

function createOptions(): Option[] {
  return [
    text("--image <NAME>", 'what it is a copy of ("wardian image ls" shows images); debian by default'),
    new Option(
      "--disk-size <SIZE>",
      "of its disk: such as 20G; 10G by default, or what the image's disk has",
    ).argParser(parseDiskSize),
    text("--mac <ADDRESS>", "the network's hardware address; a random one by default"),
    new Option("--engine <NAME>", "what executes instructions").choices(["interpreter", "jit", "both"]),
  ];
}

function seedOptions(): Option[] {
  return [
    text("--user <NAME>", "for cloud-init: a user with sudo, who logs in by --ssh-key"),
    text(
      "--ssh-key <FILE>",
      "public keys of SSH, a line each: for cloud-init; without --user, for root of debian-disk too",
    ),
    text("--hostname <NAME>", "for cloud-init: the guest's host name; the VM's by default"),
    new Option("--packages <LIST>", "for cloud-init: packages to install at the first boot, with commas").argParser(
      parseList,
    ),
    text("--user-data <FILE>", "cloud-init's user data, in place of those that the above make"),
    text("--meta-data <FILE>", "cloud-init's meta-data"),
    text("--network-config <FILE>", "cloud-init's network configuration"),
  ];
}

function parseList(value: string): string[] {
  const names = value.split(",").map((name) => name.trim());
  if (names.some((name) => name === "")) throw new InvalidArgumentError("it must be names with commas between them");
  return names;
}

const CREATE_HELP = `
What the VM boots from is copied into its folder, which can be moved, and copied
to other hosts. With any option for cloud-init, the guest gets a NoCloud seed as
its last disk; its files are in the folder seed, and can be changed there.`;

const RESIZE_HELP = `
Partitions and file systems are the guest's to change; of debian-disk by
  echo ', +' | sfdisk --force --no-reread -N 2 /dev/vda
  partx -u /dev/vda
  resize2fs /dev/vda2`;

const COMMIT_HELP = `
Nobody else may have the backing file meanwhile. Other overlays of it change with
it, and are of no use any more. The guest's requests to the disk wait until it is done.`;

const setHelp = (): string =>
  `\nFields:\n${describeFields()
    .map(({ path, description }) => `  ${path}\n      ${description}`)
    .join("\n")}\n`;
