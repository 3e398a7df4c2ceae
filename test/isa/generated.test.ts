import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { generate } from "../../src/isa/generate.ts";
import { OP_NAMES } from "../../src/isa/ops.generated.ts";
import { numberOps } from "../../src/isa/ops.ts";
import { rows } from "../../src/isa/table/index.ts";

const root = new URL("../../", import.meta.url);
const files = generate(rows);

test.each(Object.keys(files))("%s is what the table generates", (path) => {
  expect(readFileSync(fileURLToPath(new URL(path, root)), "utf8")).toBe(files[path]);
});

test("the names list has every op at its id, a far twin right after its row", () => {
  for (const op of numberOps(rows)) {
    expect(OP_NAMES[op.id]).toBe(op.name);
    if (op.far) expect(op.name).toBe(`${OP_NAMES[op.id - 1]}_FAR`);
  }
  expect(OP_NAMES.filter((name) => name.endsWith("_FAR"))).toHaveLength(10);
});
