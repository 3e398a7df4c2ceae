/** Which engine tests run machines by, where they don't say: WARDIAN_ENGINE, or the interpreter. */

import { type EngineName, engineFault } from "../../src/core/engine.ts";

/** @throws Error when the variable names no engine */
export function testEngine(): EngineName {
  const name = process.env.WARDIAN_ENGINE ?? "interpreter";
  const fault = engineFault(name);
  if (fault) throw new Error(`WARDIAN_ENGINE: ${fault}`);
  return name as EngineName;
}
