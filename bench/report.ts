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
  /** How many times better wardian is than each peer, where both were measured; above 1 it wins. */
  readonly ratios: Ratios;
}

const PEERS = ["qemu", "native", "node", "v86"] as const;
export type Ratios = Readonly<Partial<Record<(typeof PEERS)[number], number>>>;

/** The middle value, or the mean of the two. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The geometric mean, the one for ratios. NaN of nothing. */
export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** A row from each machine's runs. */
export function makeRow(about: Omit<Row, "results" | "ratios">, runs: ReadonlyMap<string, readonly number[]>): Row {
  const results: Record<string, number> = {};
  for (const [machine, values] of runs) results[machine] = median(values);
  const qemus = Object.entries(results).flatMap(([machine, value]) => (machine.startsWith("qemu-") ? [value] : []));
  if (qemus.length) results.qemu = about.better === "lower" ? Math.min(...qemus) : Math.max(...qemus);
  return { ...about, results, ratios: ratiosOf(about.better, results) };
}

function ratiosOf(better: Row["better"], results: Row["results"]): Ratios {
  const ratios: { -readonly [peer in keyof Ratios]: number } = {};
  for (const peer of PEERS) {
    const { wardian = 0, [peer]: other = 0 } = results;
    if (wardian > 0 && other > 0) ratios[peer] = better === "lower" ? other / wardian : wardian / other;
  }
  return ratios;
}

/** A row of ratios alone, each from that of all these rows; nothing for a peer that one of them lacks. */
export function summarize(
  about: Pick<Row, "suite" | "name">,
  rows: readonly Row[],
  combine: (values: readonly number[]) => number,
): Row {
  const ratios: { -readonly [peer in keyof Ratios]: number } = {};
  for (const peer of PEERS) {
    const values = rows.flatMap((row) => row.ratios[peer] ?? []);
    if (values.length && values.length === rows.length) ratios[peer] = combine(values);
  }
  return { ...about, unit: "×", better: "higher", results: {}, ratios };
}

const number = (value: number | undefined): string =>
  value === undefined ? "–" : value.toPrecision(value >= 1000 ? Math.ceil(Math.log10(value + 1)) : 3);

/** The rows as aligned text, a suite after the other. */
export function formatTable(rows: readonly Row[]): string {
  const known = new Set(rows.flatMap(({ results }) => Object.keys(results)));
  const versions = [...known]
    .filter((name) => name.startsWith("qemu-"))
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const machines = ["wardian", ...versions, "native", "node", "v86"].filter((name) => known.has(name));
  const ratios = PEERS.filter((name) => known.has("wardian") && known.has(name));
  const head = ["", "unit", ...machines, ...ratios.map((name) => `× ${name}`)];
  const lines = rows.map((row) => [
    `${row.suite} ${row.name}`,
    row.unit,
    ...machines.map((name) => number(row.results[name])),
    ...ratios.map((name) => number(row.ratios[name])),
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
