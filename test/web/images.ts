/** Images of random programs full of loops, the same wherever they are made. */

import { generate } from "../../src/fuzz/generate.ts";
import { buildImage, type Image } from "../../src/fuzz/image.ts";
import { DATA_KINDS } from "../../src/fuzz/program.ts";

export function randomImage(seed: number): Image {
  const options = { length: 100, runs: 4, hot: true, without: new Set<string>(), modes: ["M", "S", "U"] as const };
  const programs = Array.from({ length: 8 }, (_, i) => generate(seed * 8 + i, { ...options, data: DATA_KINDS }));
  return buildImage(programs, { harts: 1 });
}
