/**
 * What executes guests' instructions, by the names that users choose it by.
 * With "both" the JIT does, and the interpreter does it all again to compare.
 */

export const ENGINES = ["interpreter", "jit", "both"] as const;
export type EngineName = (typeof ENGINES)[number];

/** Of machines whose users choose none. */
export const DEFAULT_ENGINE: EngineName = "jit";

/** Says what is wrong with a name of an engine, or undefined when nothing is. */
export function engineFault(name: string): string | undefined {
  if ((ENGINES as readonly string[]).includes(name)) return undefined;
  return `There is no engine called ${name}; choose one of: ${ENGINES.join(", ")}.`;
}
