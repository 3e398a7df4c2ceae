/** What must hold before a push: format and lint, types, generated code, import rules. */

import { step } from "./run.mjs";

const TSC = "node_modules/typescript/bin/tsc";

const STEPS = [
  ["Formatting and linting", 3, "run npx biome check --write", ["node_modules/@biomejs/biome/bin/biome", "check"]],
  ["Types of TypeScript", 10, "correct them", [TSC, "-p", "tsconfig.json", "--noEmit"]],
  ["Types of browsers' TypeScript", 6, "correct them", [TSC, "-p", "tsconfig.browser.json", "--noEmit"]],
  ["Types of the tests in browsers", 6, "correct them", [TSC, "-p", "test/web/tsconfig.json", "--noEmit"]],
  ["Types of AssemblyScript", 6, "correct them", [TSC, "-p", "assembly/tsconfig.json", "--noEmit"]],
  [
    "Generated code and import rules",
    10,
    "see above",
    ["node_modules/vitest/vitest.mjs", "run", "--dir", "test", "test/isa/generated", "test/architecture"],
  ],
];

export async function check() {
  for (const [title, expected, remedy, args] of STEPS) await step(title, expected, remedy, "node", args);
}
