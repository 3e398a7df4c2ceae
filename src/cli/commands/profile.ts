/** `wardian profile`: boot, and at the end where the guest's time went. */

import { readFileSync } from "node:fs";
import { layoutOf } from "../../core/core.ts";
import { asset, coreModule } from "../../host/node/assets.ts";
import { OutputFile } from "../../host/node/files.ts";
import type { Machine } from "../../node.ts";
import { tableNames } from "../../profile/module.ts";
import { namingOf } from "../../profile/naming.ts";
import { summarize } from "../../profile/summary.ts";
import { codeText, summaryText } from "../../profile/text.ts";
import type { ProfileFlags } from "../program.ts";
import { makeMachine, run } from "./boot.ts";

/**
 * Boots, samples until the guest's end and shows what was found, on stdout.
 * @param signal gives up; its reason becomes the error
 * @returns the status to end with
 */
export async function profile(image: string | undefined, flags: ProfileFlags, signal: AbortSignal): Promise<number> {
  const raw = flags.raw === undefined ? undefined : await OutputFile.create(flags.raw, "profile");
  try {
    return await run(flags, (trace) => makeMachine(image, flags, trace, signal, { profiled: true }), {
      signal,
      ...(flags.seconds === undefined ? {} : { seconds: flags.seconds }),
      ended: (machine) => show(machine, flags, raw),
    });
  } finally {
    await raw?.close();
  }
}

async function show({ profile }: Machine, { regions, code }: ProfileFlags, raw: OutputFile | undefined): Promise<void> {
  // An executor that has died can't tell it.
  if (!profile) return;
  raw?.write(JSON.stringify(profile.cpu));
  const summary = summarize(profile);
  process.stdout.write(summaryText(summary, regions));
  if (!code) return;
  const table = tableNames(readFileSync(asset("core.wasm")));
  const naming = namingOf(layoutOf(await coreModule()), (place) => table.get(place));
  for (const region of summary.regions.slice(0, regions)) process.stdout.write(codeText(region, naming));
}
