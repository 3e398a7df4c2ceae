/** The core's layout and numbers, read back from its exports: nothing is repeated here but names. */

const NAMES = [
  "RAM",
  "DEV_MACHINE",
  "DEV_ID_SYSCON",
  "DEV_ID_RTC",
  "DEV_ID_ACLINT",
  "DEV_ID_PLIC",
  "DEV_ID_UART",
  "DEV_ID_PFLASH",
  "DEV_ID_HOST",
  "UART_TX_RING",
  "UART_TX_SIZE",
  "MAX_HARTS",
  "MROM_BASE",
  "MROM_SIZE",
  "HARTS",
  "HART_STRIDE",
  "H_X",
  "H_F",
  "H_PC",
  "H_PRV",
  "H_FCSR",
  "H_MSTATUS",
  "H_INSTRET",
  "H_TRAP_CAUSE",
  "H_TRAP_TVAL",
  "H_SATP",
  "H_STATE",
  "H_WAIT_ADDR",
  "H_COUNTERS",
  "CT_TLB_MISS",
  "CT_WALK",
  "CT_TRAP",
  "CT_INTERRUPT",
  "CT_MMIO",
  "CT_CODE_WRITE",
  "CT_COMPILED",
  "CT_TLB_FLUSH",
  "M_CURRENT",
  "M_EXIT",
  "M_EXIT_CODE",
  "MF_SBI",
  "MF_JIT",
  "MF_FMA",
  "M_JIT_HOT",
  "M_JIT_REGIONS",
  "M_JIT_TOTAL",
  "M_JIT_CODE",
  "M_JIT_EVICTIONS",
  "M_JIT_REGIONS",
  "M_JIT_MODULES",
  "M_JIT_BYTES",
  "M_JIT_FLIGHT",
  "M_JIT_STALE",
  "JIT_LATER",
  "JIT_MOST_REGIONS",
  "JIT_MOST_MODULES",
  "JIT_MOST_BYTES",
  "JIT_MOST_FLIGHT",
  "MF_COUNTED",
  "EXIT_NONE",
  "EXIT_POWEROFF",
  "EXIT_REBOOT",
  "EXIT_CODE",
  "EXIT_CRASH",
  "RUN_BUDGET",
  "RUN_IDLE",
  "RUN_EXIT",
  "RUN_WAIT",
  "RUN_STOPPED",
  "RUN_TRAPS",
  "RUN_BAD",
  "RUN_DEBUG",
  "DEBUG",
  "D_HIT",
  "D_HIT_ADDRESS",
  "D_VALUE",
  "MAX_BREAKPOINTS",
  "MAX_WATCHPOINTS",
  "WATCH_READ",
  "WATCH_WRITE",
  "HART_RUNNING",
  "HART_STOPPED",
  "HART_WFI",
  "HART_SUSPENDED",
] as const;

export type AbiName = (typeof NAMES)[number];
/** Named constants, and every other numeric export by name. */
export type Abi = Readonly<Record<AbiName, number>> & Readonly<Record<string, number>>;

/** @throws Error when this build of the core lacks a constant that the host knows */
export function readAbi(exports: Readonly<Record<string, unknown>>): Abi {
  const abi: Record<string, number> = {};
  for (const [name, value] of Object.entries(exports)) {
    if (value instanceof WebAssembly.Global) abi[name] = Number(value.value);
  }
  for (const name of NAMES) {
    if (abi[name] === undefined) throw new Error(`this core.wasm has no ${name}; build it again`);
  }
  return abi as Abi;
}
