/** The command line: its commands, their options and their help. */

import { Command, type CommanderError, Option } from "commander";
import type { ShareOptions } from "../backends/files.ts";
import type { Forward } from "../backends/link.ts";
import { DEFAULT_ENGINE, ENGINES, type EngineName } from "../core/engine.ts";
import type { MachineDisk, MachineVsock } from "../hypervisor/protocol.ts";
import type { ConsoleName } from "../machine/cell.ts";
import { type DiskActions, diskCommands } from "./disk-program.ts";
import { CliError } from "./exit.ts";
import {
  MAX_HARTS,
  parseBalloon,
  parseCount,
  parseDisk,
  parseEngine,
  parseForward,
  parseHarts,
  parseMemory,
  parsePattern,
  parsePort,
  parseShare,
  parseText,
  parseTimeout,
  parseVsock,
} from "./options.ts";
import { type VmActions, vmCommands } from "./vm-program.ts";

/** Options of `wardian boot`, checked as far as that goes without looking at files. */
export interface BootFlags {
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  /** "builtin", "none" or a firmware's path. */
  readonly bios?: string;
  /** Bytes. */
  readonly memory?: number;
  readonly harts?: number;
  readonly exec?: string;
  readonly expect?: RegExp;
  /** Milliseconds. */
  readonly timeout?: number;
  readonly stats?: string;
  readonly log?: string;
  readonly trace?: string;
  /** A TCP port, or 0 for any. */
  readonly gdb?: number;
  readonly gdbWait?: boolean;
  readonly dtb?: string;
  readonly dumpDtb?: string;
  readonly deterministic?: boolean;
  readonly engine?: EngineName;
  /** False: compiled code isn't kept. */
  readonly codeCache?: boolean;
  readonly mirror?: string;
  readonly console?: ConsoleName;
  readonly disk?: readonly MachineDisk[];
  /** Of the machine's flash. */
  readonly flash?: string;
  readonly nvram?: string;
  readonly nvramTemplate?: string;
  readonly persist?: string;
  readonly sshKey?: string;
  readonly share?: readonly ShareOptions[];
  /** Bytes, or true for 0. */
  readonly balloon?: number | true;
  readonly vsock?: MachineVsock;
  readonly net?: "none" | "user";
  readonly forward?: readonly Forward[];
  /** CIDR, with a port if need be. */
  readonly netAllow?: readonly string[];
  readonly netDeny?: readonly string[];
  readonly capture?: string;
}

export interface ProfileFlags extends BootFlags {
  /** Milliseconds. */
  readonly seconds?: number;
  /** How many regions are shown. */
  readonly regions: number;
  /** Their code as well. */
  readonly code?: boolean;
  /** Where the raw profile goes. */
  readonly raw?: string;
}

/** Those that don't say what machine it is. */
export type RunFlags = Pick<
  BootFlags,
  | "exec"
  | "expect"
  | "timeout"
  | "stats"
  | "log"
  | "trace"
  | "engine"
  | "codeCache"
  | "gdb"
  | "gdbWait"
  | "disk"
  | "nvram"
  | "share"
  | "vsock"
  | "net"
  | "forward"
  | "netAllow"
  | "netDeny"
  | "capture"
>;

/** What the commands do; each gives the status to end with. */
export interface Actions extends DiskActions, VmActions {
  boot(image: string | undefined, flags: BootFlags): Promise<number>;
  save(file: string, image: string | undefined, flags: BootFlags): Promise<number>;
  load(file: string, flags: RunFlags): Promise<number>;
  profile(image: string | undefined, flags: ProfileFlags): Promise<number>;
  pull(names: string[], flags: { mirror?: string; suite?: string }): Promise<number>;
  list(flags: { json?: boolean }): Promise<number>;
  remove(names: string[]): Promise<number>;
}

/**
 * Parses the arguments, without the program's own name, and acts on them.
 * @param write takes help and the version
 * @returns the status to end with
 * @throws CliError for a wrong use, and whatever the actions throw
 */
export async function runProgram(
  args: readonly string[],
  actions: Actions,
  version: string,
  write: (text: string) => void,
): Promise<number> {
  let status = 0;
  const wardian = command(new Command("wardian"))
    .description("A whole 64-bit RISC-V computer that boots Linux, in one process.")
    .version(version, "-V, --version", "show the version")
    .configureOutput({ writeOut: write, writeErr: () => {} });

  const boot = command(wardian.command("boot"))
    .description("Boot a guest with its console in this terminal; Ctrl-A x ends it, Ctrl-A h helps.")
    .argument("[IMAGE]", 'an image\'s name ("wardian image ls" shows them) or the path of a kernel; debian by default')
    .action(async (image: string | undefined, flags: BootFlags) => {
      status = await actions.boot(image, flags);
    });
  for (const option of bootOptions()) boot.addOption(option);
  boot.addHelpText("after", BOOT_HELP);

  const snapshot = command(wardian.command("snapshot")).description("Save running machines, and go on with them.");
  const save = command(snapshot.command("save"))
    .description("Boot a guest and save the whole machine once it is up, --exec has ended with 0 or --expect matches.")
    .argument("<FILE>", "where to")
    .argument("[IMAGE]", "as of boot")
    .action(async (file: string, image: string | undefined, flags: BootFlags) => {
      status = await actions.save(file, image, flags);
    });
  for (const option of [...machineOptions(), ...runOptions()]) save.addOption(option);
  const load = command(snapshot.command("load"))
    .description("Go on with a saved machine; a guest that reboots then ends.")
    .argument("<FILE>", "what save has made")
    .action(async (file: string, flags: RunFlags) => {
      status = await actions.load(file, flags);
    });
  for (const option of [...joinOptions(), ...runOptions()]) load.addOption(option);

  const profile = command(wardian.command("profile"))
    .description("Boot a guest and show at its end where its time went.")
    .argument("[IMAGE]", "as of boot")
    .action(async (image: string | undefined, flags: ProfileFlags) => {
      status = await actions.profile(image, flags);
    });
  for (const option of [...machineOptions(), ...runOptions(), ...profileOptions()]) profile.addOption(option);

  const image = command(wardian.command("image")).description("Manage the images that can be booted by name.");
  command(image.command("pull"))
    .description("Fetch images, or newer versions of them.")
    .argument("[NAME...]", "images; debian by default")
    .addOption(new Option("--mirror <URI>", "Debian mirror, in place of the one that apt uses").argParser(parseText))
    .addOption(new Option("--suite <NAME>", "the mirror's name for the release").argParser(parseText))
    .action(async (names: string[], flags) => {
      status = await actions.pull(names, flags);
    });
  command(image.command("ls"))
    .description("List the images.")
    .option("--json", "as JSON")
    .action(async (flags) => {
      status = await actions.list(flags);
    });
  command(image.command("rm"))
    .description("Remove images from the cache.")
    .argument("<NAME...>", "images")
    .action(async (names: string[]) => {
      status = await actions.remove(names);
    });

  const ended = (result: number) => {
    status = result;
  };
  vmCommands(wardian, command, machineOptions(), actions, ended);
  diskCommands(wardian, command, actions, ended);

  try {
    await wardian.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof Shown)) throw error;
  }
  return status;
}

const text = (flags: string, description: string): Option => new Option(flags, description).argParser(parseText);

/** An option that may be given several times. */
function list<T>(flags: string, description: string, parse: (text: string) => T): Option {
  return new Option(flags, description).argParser((value, before: T[] | undefined) => [
    ...(before ?? []),
    parse(value),
  ]);
}

function bootOptions(): Option[] {
  return [...machineOptions(), ...runOptions(), text("--dump-dtb <FILE>", "write the device tree and don't boot")];
}

/** What machine it is. */
function machineOptions(): Option[] {
  return [
    text("--kernel <FILE>", "Linux Image or ELF to boot, in place of the image's"),
    text("--initrd <FILE>", "initial RAM disk, in place of the image's"),
    new Option("--append <TEXT>", "kernel command line; with a named image, added to the image's own"),
    text("--bios <WHAT>", "builtin (answers SBI calls itself), none (start in M-mode) or a firmware's file"),
    new Option("--memory <SIZE>", "guest RAM such as 512M or 2G; a plain number is MiB").argParser(parseMemory),
    new Option("--harts <N>", `number of harts, 1 to ${MAX_HARTS}`).argParser(parseHarts),
    text("--dtb <FILE>", "device tree to use in place of the machine's own"),
    new Option("--console <KIND>", "serial, or virtio: a terminal that knows its size (hvc0)").choices([
      "serial",
      "virtio",
    ]),
    new Option("--deterministic", "count time in instructions: the same inputs give the same run"),
    text("--mirror <URI>", "Debian mirror to make the image from, in place of the one that apt uses"),
    text(
      "--flash <WHAT>",
      "firmware in the machine's flash, edk2 or a file; it starts first, or next after --bios FILE, and boots the disks",
    ),
    text("--nvram-template <FILE>", "what --nvram holds when it is made, such as EDK2's variables; blank by default"),
    text("--ssh-key <FILE>", "a public key with which root may come in by ssh, on a new disk of an image"),
    text(
      "--persist <FILE>",
      "keep what is written to the image's disk in this file; otherwise it ends with the machine",
    ),
    new Option("--balloon [SIZE]", "a memory balloon, which takes so much of the guest's memory; 0 at first").argParser(
      parseBalloon,
    ),
    ...joinOptions(),
  ];
}

/** What it is joined to. */
function joinOptions(): Option[] {
  return [
    text("--nvram <FILE>", "keep the firmware's variables in this file, which is made if it isn't there"),
    list(
      "--disk <IMAGE>",
      "a disk, the first of them /dev/vda: PATH[,format=raw|qcow2][,readonly][,temporary][,serial=ID]" +
        "[,transport=pci|mmio][,allow-backing=PATH]",
      parseDisk,
    ),
    list(
      "--share <DIR>",
      "a folder of this host, which the guest mounts with -t virtiofs TAG: DIR:TAG[:ro]",
      parseShare,
    ),
    new Option(
      "--vsock <SOCKET>",
      "PATH[,cid=N]: a Unix socket at which programs of this host reach the guest's ports by CONNECT PORT, and PATH_PORT " +
        "for what the guest connects to",
    ).argParser(parseVsock),
    new Option("--net <KIND>", "none, or user: a private network behind this host's sockets").choices(["none", "user"]),
    list(
      "--forward <PORTS>",
      "[tcp:|udp:][HOST:]PORT:GUESTPORT: a port of this host that leads to one of the guest",
      parseForward,
    ),
    list("--net-allow <CIDR>", "let the guest reach these addresses, with :PORT only there", parseText),
    list("--net-deny <CIDR>", "keep the guest from these addresses", parseText),
    text("--capture <FILE>", "write every frame of the network as pcapng"),
  ];
}

/** What is done with it. */
function runOptions(): Option[] {
  return [
    text("--exec <CMD>", "run a shell command in the guest and end with its output and status").conflicts("expect"),
    new Option("--expect <REGEX>", "end with 0 once the console shows a match").argParser(parsePattern),
    new Option("--timeout <S>", "end with 124 after so many seconds from the start").argParser(parseTimeout),
    text("--stats <FILE>", "write statistics as JSON at the end; - is stdout"),
    text("--log <FILE>", "write events and console lines with the seconds since the start"),
    text("--trace <FILE>", "write a line for each instruction"),
    new Option(
      "--engine <NAME>",
      `what executes instructions: ${ENGINES.join(", ")}; ${DEFAULT_ENGINE} unless told`,
    ).argParser(parseEngine),
    new Option("--no-code-cache", "neither use nor keep compiled code of other runs"),
    new Option("--gdb <PORT>", "listen for GDB at this port of 127.0.0.1; 0 takes any")
      .argParser(parsePort)
      .conflicts("trace"),
    new Option("--gdb-wait", "with --gdb: stand still until GDB lets the guest go").implies({ gdb: 0 }),
  ];
}

function profileOptions(): Option[] {
  return [
    new Option("--seconds <S>", "end with 0 after so many seconds from the start").argParser(parseTimeout),
    new Option("--regions <N>", "show so many of the hottest compiled regions").argParser(parseCount).default(10),
    new Option("--code", "with their code, as it was and as WebAssembly"),
    text("--raw <FILE>", "write all samples, to be opened by Chrome's developer tools (.cpuprofile)"),
  ];
}

const BOOT_HELP = `
An ELF program given by its path starts in M-mode (--bios none); a Linux Image
starts in S-mode with the built-in SBI.

Status: 0 when the guest has powered off or was ended by Ctrl-A x, the guest's
own code from the test device or from HTIF, the command's with --exec, 124 when
the time is over, 128 + n after signal n, and 1 for every error.`;

/** Help or the version has been written, and that is all. */
class Shown extends Error {}

/** Sets what all commands have: an error becomes one sentence that leads to the command's help. */
function command(made: Command): Command {
  return made
    .helpOption("-h, --help", "show this help")
    .helpCommand(false)
    .exitOverride((error) => {
      throw error.exitCode === 0 ? new Shown() : new CliError(sentence(error, fullName(made)));
    });
}

function sentence(error: CommanderError, name: string): string {
  // A group of commands without one: the library would show its help.
  const text = error.code === "commander.help" ? `'${name}' needs a command` : error.message;
  const plain = text
    .replace(/^error: /, "")
    .replace(/ is invalid\. /, " is invalid: ")
    .replace(/\s*\n\s*/g, " ")
    .replace(/\.$/, "");
  return `${plain}; see '${name} --help'`;
}

function fullName(made: Command): string {
  return made.parent ? `${fullName(made.parent)} ${made.name()}` : made.name();
}
