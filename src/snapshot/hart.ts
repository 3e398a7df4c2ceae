/** A hart's architectural state, by schema: registers, CSRs, lines and reservation; never TLBs. */

import { type CoreAccess, CoreDevice, type Field } from "../devices/core-device.ts";
import type { DeviceState } from "../devices/device.ts";

const u64 = (name: string, offset: string): Field => ({ name, offset, type: "u64" });
const u32 = (name: string, offset: string, max: number): Field => ({ name, offset, type: "u32", max });

const FIELDS: readonly Field[] = [
  { name: "x", offset: "H_X", type: "u64", count: 32 },
  { name: "f", offset: "H_F", type: "u64", count: 32 },
  u64("pc", "H_PC"),
  u32("privilege", "H_PRV", 3),
  u32("fcsr", "H_FCSR", 0xff),
  u32("state", "H_STATE", 3),
  u64("mstatus", "H_MSTATUS"),
  u64("instret", "H_INSTRET"),
  u64("mie", "H_MIE"),
  u64("mip", "H_MIP"),
  u64("lines", "H_LINES"),
  u64("mideleg", "H_MIDELEG"),
  u64("medeleg", "H_MEDELEG"),
  u64("mtvec", "H_MTVEC"),
  u64("mepc", "H_MEPC"),
  u64("mcause", "H_MCAUSE"),
  u64("mtval", "H_MTVAL"),
  u64("mscratch", "H_MSCRATCH"),
  u64("mcounteren", "H_MCOUNTEREN"),
  u64("mcountinhibit", "H_MCOUNTINHIBIT"),
  u64("menvcfg", "H_MENVCFG"),
  u64("stvec", "H_STVEC"),
  u64("sepc", "H_SEPC"),
  u64("scause", "H_SCAUSE"),
  u64("stval", "H_STVAL"),
  u64("sscratch", "H_SSCRATCH"),
  u64("scounteren", "H_SCOUNTEREN"),
  u64("senvcfg", "H_SENVCFG"),
  u64("satp", "H_SATP"),
  u64("stimecmp", "H_STIMECMP"),
  u64("cycleBias", "H_CYCLE_BIAS"),
  u64("instretBias", "H_INSTRET_BIAS"),
  u64("timeBias", "H_TIME_BIAS"),
  { name: "pmpcfg", offset: "H_PMPCFG", type: "u8", count: 16 },
  { name: "pmpaddr", offset: "H_PMPADDR", type: "u64", count: 16 },
  u64("reservedValue", "H_RES_VALUE"),
];

const RES_NONE = 2n ** 64n - 1n;
const DOUBLE = 1n << 63n;
const SATP_MODES = new Set([0n, 8n, 9n, 10n]);

export class HartState extends CoreDevice {
  readonly #index: number;
  readonly #changed: () => void;

  /** @param changed is called after a load: the core must select its TLB banks anew */
  constructor(core: CoreAccess, index: number, changed: () => void) {
    super(core, { name: `hart${index}`, version: 1, window: "HARTS", fields: FIELDS });
    this.#index = index;
    this.#changed = changed;
  }

  /** LR's reservation is kept as an offset in RAM: where RAM lies in linear memory is this build's business. */
  override save(): DeviceState {
    const reserved = this.view().getBigUint64(this.#reservation(), true);
    const offset = (reserved & ~DOUBLE) - BigInt(this.constant("RAM"));
    return {
      ...super.save(),
      reserved: reserved === RES_NONE ? RES_NONE : offset | (reserved & DOUBLE),
    };
  }

  override load(state: unknown): void {
    const record = (state ?? {}) as Record<string, unknown>;
    const { reserved, privilege, satp, mstatus } = record;
    if (typeof reserved !== "bigint" || BigInt.asUintN(64, reserved) !== reserved) this.refuse("needs its reservation");
    if (privilege === 2) this.refuse("has a privilege that can't be");
    if (typeof satp !== "bigint" || !SATP_MODES.has(satp >> 60n)) this.refuse("has a mode of satp that can't be");
    if (typeof mstatus !== "bigint" || ((mstatus >> 11n) & 3n) === 2n)
      this.refuse("has a mode in mstatus that can't be");
    super.load(state);
    const address =
      reserved === RES_NONE ? RES_NONE : ((reserved & ~DOUBLE) + BigInt(this.constant("RAM"))) | (reserved & DOUBLE);
    this.view().setBigUint64(this.#reservation(), address, true);
    this.#changed();
  }

  protected override address(field: Field): number {
    return this.#base() + this.constant(field.offset);
  }

  #base(): number {
    return this.constant("HARTS") + this.#index * this.constant("HART_STRIDE");
  }

  #reservation(): number {
    return this.#base() + this.constant("H_RES_ADDR");
  }
}
