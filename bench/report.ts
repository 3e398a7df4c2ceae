/** What a run found: rows, as JSON for tools and as a table for people. */

/** Medians of one thing measured on every machine asked for. */
export interface Row {
  readonly suite: string;
  readonly name: string;
  readonly unit: string;
  readonly better: "lower" | "higher";
  /**
   * By machine: wardian, native, qemu-7.2 and the like. `qemu` is the best of
   * the QEMUs in this row, what wardian is held against.
   */
  readonly results: Readonly<Record<string, number>>;
}

/** The middle value, or the mean of the two. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** A row from each machine's runs. */
export function makeRow(about: Omit<Row, "results">, runs: ReadonlyMap<string, readonly number[]>): Row {
  const results: Record<string, number> = {};
  for (const [machine, values] of runs) results[machine] = median(values);
  const qemus = Object.entries(results).flatMap(([machine, value]) => (machine.startsWith("qemu-") ? [value] : []));
  if (qemus.length) results.qemu = about.better === "lower" ? Math.min(...qemus) : Math.max(...qemus);
  return { ...about, results };
}

/** How many times better wardian is than another machine; above 1 it wins. */
export function advantage(row: Row, machine: string): number | undefined {
  const { wardian, [machine]: other } = row.results;
  if (wardian === undefined || other === undefined || !(wardian > 0) || !(other > 0)) return undefined;
  return row.better === "lower" ? other / wardian : wardian / other;
}

const number = (value: number | undefined): string =>
  value === undefined ? "–" : value.toPrecision(value >= 1000 ? Math.ceil(Math.log10(value + 1)) : 3);

/** The rows as aligned text, a suite after the other. */
export function formatTable(rows: readonly Row[]): string {
  const known = new Set(rows.flatMap(({ results }) => Object.keys(results)));
  const versions = [...known]
    .filter((name) => name.startsWith("qemu-"))
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const machines = ["wardian", ...versions, "native"].filter((name) => known.has(name));
  const ratios = known.has("wardian") ? ["qemu", "native"].filter((name) => known.has(name)) : [];
  const head = ["", "unit", ...machines, ...ratios.map((name) => `× ${name}`)];
  const lines = rows.map((row) => [
    `${row.suite} ${row.name}`,
    row.unit,
    ...machines.map((name) => number(row.results[name])),
    ...ratios.map((name) => number(advantage(row, name))),
  ]);
  const all = [head, ...lines];
  const widths = head.map((_, column) => Math.max(...all.map((line) => line[column]!.length)));
  return all
    .map((line) =>
      line
        .map((text, column) => (column < 2 ? text.padEnd(widths[column]!) : text.padStart(widths[column]!)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
