/** A profile as text. */

import { WasmError } from "./reader.ts";
import { regionCode } from "./region-code.ts";
import type { RegionTime, Summary } from "./summary.ts";
import { functionText, type Naming } from "./wasm-text.ts";

const FUNCTIONS = 10;

/** The tables. @param regions how many of the hottest regions and functions are shown */
export function summaryText({ busy, whole, kinds, regions, functions }: Summary, most: number): string {
  const row = (seconds: number, text: string) => {
    const percent = busy > 0 ? (100 * seconds) / busy : 0;
    return `${seconds.toFixed(3).padStart(10)} s ${percent.toFixed(1).padStart(6)} %  ${text}`;
  };
  const table = (title: string, rows: readonly string[]) => (rows.length ? ["", title, ...rows] : []);
  const lines = [
    `At work for ${busy.toFixed(3)} s of ${whole.toFixed(3)} s; what engines compile on other threads isn't seen.`,
    "",
    ...kinds.map(({ kind, seconds }) => row(seconds, kind)),
    ...table(
      "Functions of the core:",
      functions.slice(0, Math.min(most, FUNCTIONS)).map(({ name, seconds }) => row(seconds, name)),
    ),
    ...table(
      `Compiled regions (${regions.length} were seen):`,
      regions.slice(0, most).map((region) => row(region.seconds, placeText(region))),
    ),
  ];
  return `${lines.join("\n")}\n`;
}

/** Where a region is: physical and virtual. */
function placeText({ name, record }: RegionTime): string {
  if (!record) return name;
  const offset = record.address & 0xfffn;
  return `${name}  page 0x${(record.address - offset).toString(16)} + 0x${offset.toString(16)}, virtual 0x${record.virtual.toString(16)}`;
}

/** A region's instructions, and its WebAssembly with names for a core's numbers. */
export function codeText(region: RegionTime, naming: Naming): string {
  const { record } = region;
  if (!record) return `\n${region.name}: not kept\n`;
  return [
    `\n${placeText(region)}\n`,
    ...regionCode(record).map((line) => `  ${line}\n`),
    "\n",
    emitted(record, naming),
  ].join("");
}

function emitted({ module, index }: NonNullable<RegionTime["record"]>, naming: Naming): string {
  try {
    return functionText(module, index, naming);
  } catch (error) {
    if (error instanceof WasmError) return `  no text: ${error.message}\n`;
    throw error;
  }
}
