/** The one instruction table: decoder, micro-op ids, disassembler and encoder derive from it. */

import type { Row } from "../row.ts";
import { a } from "./a.ts";
import { c } from "./c.ts";
import { d } from "./d.ts";
import { f } from "./f.ts";
import { i } from "./i.ts";
import { m } from "./m.ts";
import { priv } from "./priv.ts";
import { svinval } from "./svinval.ts";
import { zba } from "./zba.ts";
import { zbb } from "./zbb.ts";
import { zbs } from "./zbs.ts";
import { zicbom } from "./zicbom.ts";
import { zicboz } from "./zicboz.ts";
import { zicond } from "./zicond.ts";
import { zicsr } from "./zicsr.ts";
import { zifencei } from "./zifencei.ts";

/** In the order of the micro-op ids. */
export const rows: readonly Row[] = [
  ...i,
  ...m,
  ...a,
  ...f,
  ...d,
  ...c,
  ...zicsr,
  ...zifencei,
  ...zba,
  ...zbb,
  ...zbs,
  ...zicond,
  ...zicbom,
  ...zicboz,
  ...priv,
  ...svinval,
];
