/** The command line of `wardian disk`. */

import { type Command, Option } from "commander";
import type {
  DiskCheckFlags,
  DiskCommitFlags,
  DiskConvertFlags,
  DiskCreateFlags,
  DiskInfoFlags,
  DiskResizeFlags,
} from "./commands/disk.ts";
import { type NewSize, parseCount, parseDiskSize, parseNewSize, parseText } from "./options.ts";

export interface DiskActions {
  createDisk(file: string, size: number | undefined, flags: DiskCreateFlags): Promise<number>;
  convertDisk(from: string, to: string, flags: DiskConvertFlags): Promise<number>;
  checkDisk(file: string, flags: DiskCheckFlags): Promise<number>;
  diskInfo(file: string, flags: DiskInfoFlags): Promise<number>;
  resizeDisk(file: string, size: NewSize, flags: DiskResizeFlags): Promise<number>;
  commitDisk(file: string, flags: DiskCommitFlags): Promise<number>;
}

const FORMATS = ["qcow2", "raw"];

/**
 * Adds the commands.
 * @param command sets what all commands have
 * @param ended   takes the status to end with
 */
export function diskCommands(
  wardian: Command,
  command: (made: Command) => Command,
  actions: DiskActions,
  ended: (status: number) => void,
): void {
  const disk = command(wardian.command("disk")).description("Make, change, convert and check disk images.");
  const format = (flags: string, description: string) => new Option(flags, description).choices(FORMATS);
  const clusters = () =>
    new Option("--cluster-size <SIZE>", "of qcow2: 512 to 2M; 64K by default").argParser(parseDiskSize);
  const force = () => new Option("--force", "replace a file that is there");

  command(disk.command("create"))
    .description("Make a disk image without data.")
    .argument("<FILE>", "where to")
    .argument("[SIZE]", "such as 10G; the backing file's by default", parseDiskSize)
    .addOption(format("--format <NAME>", "qcow2, or raw; by default as the file's name ends, else qcow2"))
    .addOption(
      new Option("--backing <FILE>", "image to read from wherever nothing has been written").argParser(parseText),
    )
    .addOption(format("--backing-format <NAME>", "what that is, if it shall not be guessed"))
    .addOption(clusters())
    .addOption(new Option("--refcount-bits <N>", "of qcow2: 1 to 64; 16 by default").argParser(parseCount))
    .addOption(new Option("--lazy-refcounts", "of qcow2: let QEMU write refcounts late"))
    .addOption(allowBacking())
    .addOption(force())
    .action(async (file: string, size: number | undefined, flags: DiskCreateFlags) => {
      ended(await actions.createDisk(file, size, flags));
    });

  command(disk.command("info"))
    .description("Describe a disk image.")
    .argument("<FILE>", "image")
    .addOption(format("--format <NAME>", "what it is, if it shall not be guessed"))
    .addOption(allowBacking())
    .option("--json", "as JSON")
    .action(async (file: string, flags: DiskInfoFlags) => {
      ended(await actions.diskInfo(file, flags));
    });

  command(disk.command("convert"))
    .description("Copy a disk image, with its backing files, into one that needs none.")
    .argument("<FROM>", "image")
    .argument("<TO>", "where to")
    .addOption(format("--from <NAME>", "what FROM is, if it shall not be guessed"))
    .addOption(format("--format <NAME>", "what TO becomes; by default as its name ends, else qcow2"))
    .addOption(new Option("--compress", "compress it (qcow2)"))
    .addOption(clusters())
    .addOption(allowBacking())
    .addOption(force())
    .action(async (from: string, to: string, flags: DiskConvertFlags) => {
      ended(await actions.convertDisk(from, to, flags));
    });

  command(disk.command("resize"))
    .description('Change a disk image\'s size, while no machine has it; of a VM that runs, see "wardian resize".')
    .argument("<FILE>", "image")
    .argument("<SIZE>", "such as 20G, or +10G for as much more", parseNewSize)
    .addOption(format("--format <NAME>", "what it is, if it shall not be guessed"))
    .option("--shrink", "let it become smaller: what is beyond its new end is lost")
    .addOption(allowBacking())
    .addHelpText("after", "\nPartitions and file systems are the guest's to change: after, or before with --shrink.")
    .action(async (file: string, size: NewSize, flags: DiskResizeFlags) => {
      ended(await actions.resizeDisk(file, size, flags));
    });

  command(disk.command("commit"))
    .description(
      'Write what an overlay holds to its backing file, and empty it; of a VM that runs, see "wardian commit".',
    )
    .argument("<OVERLAY>", "qcow2 image with a backing file; no machine may have either")
    .addOption(allowBacking())
    .addHelpText("after", "\nOther overlays of the same backing file change with it, and are of no use any more.")
    .action(async (file: string, flags: DiskCommitFlags) => {
      ended(await actions.commitDisk(file, flags));
    });

  command(disk.command("check"))
    .description("Check a qcow2 image.")
    .argument("<FILE>", "image, which nobody may be writing")
    .addOption(
      new Option("--repair [WHAT]", "leaks: give unused space back; all: refcounts and flags too")
        .choices(["leaks", "all"])
        .preset("leaks"),
    )
    .option("--json", "as JSON")
    .addHelpText(
      "after",
      "\nStatus: 0 when nothing is wrong, 3 for leaks alone, 2 for corruption, 1 when it can't be checked.",
    )
    .action(async (file: string, flags: DiskCheckFlags) => {
      ended(await actions.checkDisk(file, flags));
    });
}

/** Files and folders that images may name as their backing files; can be given several times. */
function allowBacking(): Option {
  return new Option(
    "--allow-backing <PATH>",
    "let backing files be this file, or in this folder; their own is allowed",
  ).argParser((path: string, before: string[] | undefined) => [...(before ?? []), parseText(path)]);
}
