import { Machine } from "../../browser.ts";

(globalThis as any).Machine = Machine;
