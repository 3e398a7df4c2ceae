import { Machine } from "../../browser.ts";

Object.assign(globalThis, { wardian: { Machine } });
