/** How the program ends: statuses and the one sentence for each error. */

/** Statuses that the shell sees; the guest's own codes come besides. */
export const OK = 0;
export const FAILED = 1;
/** As timeout(1) has it. */
export const TIMED_OUT = 124;

/** Signals that end the program in good order, by their number (signal(7)). */
export const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
export type EndingSignal = keyof typeof SIGNALS;

/** Status of a program that a signal has ended, as shells give it. */
export function signalStatus(signal: EndingSignal): number {
  return 128 + SIGNALS[signal];
}

/**
 * A command that can't be done: `message` is one sentence for the user.
 * `detail`, some lines, is shown after it.
 */
export class CliError extends Error {
  override readonly name = "CliError";

  constructor(
    message: string,
    readonly status: number = FAILED,
    readonly detail?: string,
  ) {
    super(message);
  }
}

/** Errors whose message is a sentence for the user; the executor's come by name only. */
const SENTENCES = new Set([
  "AgentError",
  "AttachmentError",
  "BenchError",
  "BootError",
  "CoreError",
  "DiskError",
  "DtbError",
  "ElfError",
  "EngineError",
  "FileError",
  "ImageError",
  "ListenError",
  "MachineError",
  "PolicyError",
  "ProtocolError",
  "SnapshotError",
  "VmError",
  "VsockError",
]);

/** What to write on stderr for an error, with its last newline, and the status to end with. */
export function describeError(error: unknown, debug = false): { text: string; status: number } {
  if (!(error instanceof Error)) return describeError(new Error(String(error)), debug);
  if (error instanceof CliError) {
    const detail = error.detail === undefined ? "" : `${error.detail.trimEnd()}\n`;
    return { text: `error: ${error.message}\n${detail}`, status: error.status };
  }
  const stack = debug ? `${error.stack}\n` : "";
  if (SENTENCES.has(error.name)) return { text: `error: ${oneLine(error.message)}\n${stack}`, status: FAILED };
  const about = `internal error: ${oneLine(`${error.name}: ${error.message}`)}; please report it`;
  return { text: `${about}${debug ? `\n${stack}` : " (WARDIAN_DEBUG=1 shows where).\n"}`, status: FAILED };
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, " ").trim();
}

/** Status for a code that the guest gave: the shell sees 8 bits, and a failure stays one. */
export function guestStatus(code: number): number {
  return (code & 0xff) === 0 && code !== 0 ? FAILED : code & 0xff;
}
