/** ssh keys for root on a Debian's disk, by the kernel's command line or by fw_cfg. */

import { MachineError } from "../hypervisor/machine.ts";

/** The longest command line that the kernel takes (COMMAND_LINE_SIZE of riscv), and what is left to others of it. */
const COMMAND_LINE = 1024;
const OTHERS = 256;

/** systemd's name for root's public keys (systemd.system-credentials(7)). */
const CREDENTIAL = "ssh.authorized_keys.root";

/** The same where the machine has no command line of its own: systemd looks for files of these names by fw_cfg. */
export function rootKeyFiles(keys: string): ReadonlyMap<string, Uint8Array> {
  return new Map([[`opt/io.systemd.credentials/${CREDENTIAL}`, new TextEncoder().encode(keys)]]);
}

/**
 * What hands public keys to systemd, which lets sshd take them for root's.
 * @throws MachineError when they are too long
 */
export function rootKeys(keys: string | undefined): string[] {
  if (keys === undefined) return [];
  const text = `systemd.set_credential_binary=${CREDENTIAL}:${Buffer.from(keys).toString("base64")}`;
  if (text.length > COMMAND_LINE - OTHERS)
    throw new MachineError("The ssh keys are too long for the kernel's command line; give one, of the type ed25519.");
  return [text];
}
