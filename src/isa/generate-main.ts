/** Writes the generated files: bundle with esbuild, run from the repository's root. */

import { writeFileSync } from "node:fs";
import { generate } from "./generate.ts";
import { rows } from "./table/index.ts";

for (const [path, text] of Object.entries(generate(rows))) writeFileSync(path, text);
