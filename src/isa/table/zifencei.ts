import { NONE } from "../format.ts";
import { type Row, SYSTEM, section } from "../row.ts";

const row = section("Zifencei", "Unprivileged, Zifencei: Instruction-Fetch Fence");

/** Instruction-fetch fence; immediate, rs1 and rd are reserved, and ignored. */
export const zifencei: readonly Row[] = [row("fence.i", NONE, "xxxxxxxxxxxx xxxxx 001 xxxxx 0001111", SYSTEM)];
