/** A machine can't do what was asked; `message` says what and what to do. */
export class MachineError extends Error {
  override name = "MachineError";
}
