/** Writes the generated files: `npm run generate` runs it. */

import { writeFileSync } from "node:fs";
import { generate } from "./generate.ts";
import { rows } from "./table/index.ts";

for (const [path, text] of Object.entries(generate(rows))) writeFileSync(path, text);
