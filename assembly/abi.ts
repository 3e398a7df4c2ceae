/**
 * The one linear memory, region by region, and the numbers that the core and
 * its host agree on. Each region starts where the previous one ends; the host
 * reads these constants back from the core's exports and never repeats them.
 *
 * Untouched pages of a WebAssembly memory cost the host nothing, so regions are
 * sized for the largest machine.
 *
 *   0            asc's static data (checked at init)
 *   HARTS        MAX_HARTS × HART_STRIDE   registers, then the TLB banks
 *   DEVICES      registers of the devices that live in the core
 *   DEBUG        breakpoints and watchpoints
 *   FRAMES       one state byte per guest page
 *   CODE_OF      one u32 per guest page: its page of micro-ops, or 0
 *   UOP_POOL     pages of micro-ops
 *   RAM          guest RAM, to the end of the memory
 */

// ---- Sizes -----------------------------------------------------------------

export const PAGE_BITS: u32 = 12;
export const PAGE_SIZE: u32 = 1 << PAGE_BITS;
export const MAX_HARTS: i32 = 8;

// ---- Hart: byte offsets from a hart's base -----------------------------------
// Registers are sign-extended 64-bit values. x[32] is a sink: the decoder sends
// every write to x0 there, so no handler tests for rd = 0.

export const H_X: u32 = 0; //             x0..x31, then the sink
export const X_SINK: u32 = 32;
export const H_F: u32 = H_X + 33 * 8; //  f0..f31, NaN-boxed
export const H_PC: u32 = H_F + 32 * 8;
export const H_TLB: u32 = H_PC + 8; //    u32: current TLB bank (loads, stores)
export const H_TLB_FETCH: u32 = H_TLB + 4; // u32: current fetch bank
export const H_PRV: u32 = H_TLB_FETCH + 4; // u32: privilege 0 U, 1 S, 3 M
export const H_FCSR: u32 = H_PRV + 4; //  u32: frm << 5 | fflags
export const H_MSTATUS: u32 = H_FCSR + 4;
export const H_INSTRET: u32 = H_MSTATUS + 8; // u64: instructions retired since reset
/** u64: what H_INSTRET will be when the slice under way has used its budget. */
export const H_INSTRET_END: u32 = H_INSTRET + 8;
/** u64: budget left, the instruction under way included: now = END − LEFT. */
export const H_LEFT: u32 = H_INSTRET_END + 8;
export const H_RES_ADDR: u32 = H_LEFT + 8; // u64: LR's place in linear memory, or RES_NONE
export const H_RES_VALUE: u32 = H_RES_ADDR + 8; // u64
// A trap on its way from a handler to trap/take.
export const H_TRAP_CAUSE: u32 = H_RES_VALUE + 8; // u64
export const H_TRAP_TVAL: u32 = H_TRAP_CAUSE + 8; // u64
/** u64: guest physical address that a WAIT outcome waits for. */
export const H_WAIT_ADDR: u32 = H_TRAP_TVAL + 8;
// CSRs (warm).
export const H_MIE: u32 = H_WAIT_ADDR + 8;
/** Software-writable pending bits (SSIP, STIP, SEIP); lines are in H_LINES. */
export const H_MIP: u32 = H_MIE + 8;
/** u64: interrupt lines driven by devices and timers (MSIP, MTIP, MEIP, SEIP, STIP). */
export const H_LINES: u32 = H_MIP + 8;
export const H_MIDELEG: u32 = H_LINES + 8;
export const H_MEDELEG: u32 = H_MIDELEG + 8;
export const H_MTVEC: u32 = H_MEDELEG + 8;
export const H_MEPC: u32 = H_MTVEC + 8;
export const H_MCAUSE: u32 = H_MEPC + 8;
export const H_MTVAL: u32 = H_MCAUSE + 8;
export const H_MSCRATCH: u32 = H_MTVAL + 8;
export const H_MCOUNTEREN: u32 = H_MSCRATCH + 8;
export const H_MCOUNTINHIBIT: u32 = H_MCOUNTEREN + 8;
export const H_MENVCFG: u32 = H_MCOUNTINHIBIT + 8;
export const H_STVEC: u32 = H_MENVCFG + 8;
export const H_SEPC: u32 = H_STVEC + 8;
export const H_SCAUSE: u32 = H_SEPC + 8;
export const H_STVAL: u32 = H_SCAUSE + 8;
export const H_SSCRATCH: u32 = H_STVAL + 8;
export const H_SCOUNTEREN: u32 = H_SSCRATCH + 8;
export const H_SENVCFG: u32 = H_SCOUNTEREN + 8;
export const H_SATP: u32 = H_SENVCFG + 8;
export const H_STIMECMP: u32 = H_SATP + 8;
/** mcycle and minstret as offsets to H_INSTRET, so that both can be written. */
export const H_CYCLE_BIAS: u32 = H_STIMECMP + 8;
export const H_INSTRET_BIAS: u32 = H_CYCLE_BIAS + 8;
/** Counted mode: mtime = (instret + this) / M_TICK. Idle time adds to it. */
export const H_TIME_BIAS: u32 = H_INSTRET_BIAS + 8;
export const PMP_ENTRIES: u32 = 16;
export const H_PMPCFG: u32 = H_TIME_BIAS + 8; //  16 bytes
export const H_PMPADDR: u32 = H_PMPCFG + PMP_ENTRIES; // 16 × u64
// Cold.
export const H_ID: u32 = H_PMPADDR + PMP_ENTRIES * 8; // u32: mhartid
export const H_STATE: u32 = H_ID + 4; //     u32: HART_*
export const H_PMP_ACTIVE: u32 = H_STATE + 4; // u32: 1 when any PMP entry is on
export const H_BANK_CLOCK: u32 = H_PMP_ACTIVE + 4; // u32: next TLB bank to reuse
/** u32: bumped by every full TLB flush; a bank of another generation is stale. */
export const H_TLB_GEN: u32 = H_BANK_CLOCK + 4;
/** u32: what a compiled region leaves of its budget. */
export const H_JIT_N: u32 = H_TLB_GEN + 4;
/** u32: ST_*, with which compiled code leaves when its answer says so. */
export const H_JIT_STATUS: u32 = H_JIT_N + 4;
/** u32: where the helper of compiled code leaves what L_LIMIT is now (jit/parts). */
export const H_JIT_VALUE: u32 = H_JIT_STATUS + 4;
export const H_OPAQUE: u32 = (H_JIT_VALUE + 11) & ~7; // u64: SBI hart_start's opaque
/** u64: address of the jump by which compiled code left, and 1, if its target is to be noted (jit/jumps), else 0. */
export const H_JIT_FROM: u32 = H_OPAQUE + 8;
/** One micro-op: of the handler that compiled code calls. */
export const H_JIT_UOP: u32 = H_JIT_FROM + 8;
export const H_COUNTERS: u32 = H_JIT_UOP + 8; // engine counters, CT_* × u64
export const CT_TLB_MISS: u32 = 0;
export const CT_WALK: u32 = 1;
export const CT_TRAP: u32 = 2;
export const CT_INTERRUPT: u32 = 3;
export const CT_MMIO: u32 = 4;
export const CT_DECODE: u32 = 5;
export const CT_CODE_WRITE: u32 = 6;
export const CT_TLB_FLUSH: u32 = 7;
export const CT_FP_SLOW: u32 = 8;
/** Instructions that compiled code has retired. */
export const CT_COMPILED: u32 = 9;
export const CT_COUNT: u32 = 10;
/** One slot of micro-ops for single steps: see exec/run. */
export const H_SCRATCH: u32 = (H_COUNTERS + CT_COUNT * 8 + 15) & ~15; // 4 × 8 bytes
export const H_END: u32 = H_SCRATCH + 32;

export const RES_NONE: u64 = u64.MAX_VALUE;

export const HART_RUNNING: u32 = 0;
export const HART_STOPPED: u32 = 1; // SBI HSM
export const HART_WFI: u32 = 2;
export const HART_SUSPENDED: u32 = 3; // SBI HSM, retentive suspend

// ---- TLB banks (mmu/tlb) -------------------------------------------------------
// One bank for each of TLB_SPACES recent satp values × 4 modes. A bank:
//   loads   TLB_ENTRIES × { tag u64, addend u32, when it was entered u32 }
//   stores  the same
//   fetches TLB_ENTRIES × { tag u64, micro-op page u32, guest page number u32 }
//   header  { key satp u64, generation u32, room u32, superpages from u64, to u64 }
//   log     TLB_LOG × u16: numbers of the entries that were written since all were empty
// A tag is the virtual page address; any low bit set means "never matches".

export const TLB_BITS: u32 = 12;
export const TLB_ENTRIES: u32 = 1 << TLB_BITS;
export const TLB_ENTRY_BITS: u32 = 4;
export const TLB_STORE: u32 = TLB_ENTRIES << TLB_ENTRY_BITS;
/** Of loads and stores: what changes in the place of an entry that had to make room for another. */
export const TLB_OTHER: u32 = TLB_STORE / 2;
export const TLB_FETCH: u32 = TLB_STORE * 2;
export const TLB_HEADER: u32 = TLB_STORE * 3;
export const TLB_LOGGED: u32 = TLB_HEADER + 64;
/** So many entries at most are known to be all that are in use; else all of them may be. */
export const TLB_LOG: u32 = 1024;
/** A multiple of TLB_STORE, as H_BANKS and HART_STRIDE are: an exclusive or with TLB_OTHER goes from one place to the other. */
export const TLB_BANK: u32 = (TLB_LOGGED + TLB_LOG * 2 + TLB_STORE - 1) & ~(TLB_STORE - 1);
export const TLB_KEY: u32 = TLB_HEADER;
export const TLB_GENERATION: u32 = TLB_HEADER + 8;
/** What is left of the log: 0 says that it doesn't have all entries in use. */
export const TLB_ROOM: u32 = TLB_HEADER + 12;
/** Hull of the virtual addresses that came from superpages or NAPOT ranges. */
export const TLB_BIG_LOW: u32 = TLB_HEADER + 16;
export const TLB_BIG_HIGH: u32 = TLB_HEADER + 24;
export const TLB_MODES: u32 = 4; // U, S, S with SUM, M (bare)
export const TLB_SPACES: u32 = 4;
export const TLB_BANKS: u32 = TLB_MODES * TLB_SPACES;

export const H_BANKS: u32 = (H_END + TLB_STORE - 1) & ~(TLB_STORE - 1);
export const HART_STRIDE: u32 = H_BANKS + TLB_BANKS * TLB_BANK;

// ---- Regions -------------------------------------------------------------------

export const STATIC_SIZE: u32 = 0x10000;
export const HARTS: u32 = STATIC_SIZE;
export const DEVICES: u32 = HARTS + (MAX_HARTS as u32) * HART_STRIDE;

// Device state: offsets are relative to DEVICES; each device owns a window.
export const DEV_WINDOW: u32 = 0x4000;
export const DEV_MACHINE: u32 = DEVICES; //              exit state, time: M_*
export const DEV_ACLINT: u32 = DEV_MACHINE + DEV_WINDOW;
export const DEV_PLIC: u32 = DEV_ACLINT + DEV_WINDOW;
export const DEV_UART: u32 = DEV_PLIC + DEV_WINDOW;
export const DEV_RTC: u32 = DEV_UART + DEV_WINDOW;
export const DEV_PFLASH: u32 = DEV_RTC + DEV_WINDOW;
export const DEV_END: u32 = DEV_PFLASH + DEV_WINDOW;

/** One u32 per micro-op: the table index of its handler, if it is called and not inlined. */
export const HANDLERS: u32 = DEV_END;
export const HANDLERS_SIZE: u32 = 0x1000;

/** Console output bytes, drained by the host after each slice. */
export const UART_TX_RING: u32 = HANDLERS + HANDLERS_SIZE;
export const UART_TX_SIZE: u32 = 0x10000;

/** What debuggers have set: D_*, see debug/points. */
export const DEBUG: u32 = UART_TX_RING + UART_TX_SIZE;
export const DEBUG_SIZE: u32 = 0x1000;

/** Frames cover RAM only; other physical addresses are devices or nothing. */
export const MAX_RAM_PAGES: u32 = 1 << 20;
/** The bus: one byte per page of the low 2 GiB, an index into BUS_REGIONS or 0. */
export const BUS_MAP: u32 = DEBUG + DEBUG_SIZE;
export const BUS_MAP_PAGES: u32 = 0x80000;
export const BUS_REGIONS: u32 = BUS_MAP + BUS_MAP_PAGES; // { base u64, size u64, device u32, spare u32 }
export const BUS_REGION: u32 = 24;
export const MAX_BUS_REGIONS: u32 = 64;
export const FRAMES: u32 = (BUS_REGIONS + BUS_REGION * MAX_BUS_REGIONS + 4095) & ~4095;
export const CODE_OF: u32 = FRAMES + MAX_RAM_PAGES;

/**
 * A page of micro-ops: header, one 8-byte slot per halfword of guest code, and
 * one more slot that leads to the next page.
 *   slot { op u16, a u8, b u8, imm i32 }
 */
export const UOP_SLOTS: u32 = PAGE_SIZE / 2;
/** Before the slots: { guest page number u32, writes since decode u32, then what follows here } */
export const UOP_HEADER: u32 = 32;
/** u16 in the header: 1 when compiled regions of this page are installed. */
export const UOP_REGIONS: u32 = 8;
/** u16: how often its regions were lost to a change of its code. */
export const UOP_DROPS: u32 = 10;
/** u32: a number of its own since regions were asked for, 0 once its code has changed. */
export const UOP_GENERATION: u32 = 12;
/** u16: slots that are still to be decoded before the host is asked for regions of this code; 0 once it was. */
export const UOP_UNASKED: u32 = 16;
/** u16: how often it was. */
export const UOP_ASKED: u32 = 18;
export const UOP_PAGE: u32 = UOP_HEADER + (UOP_SLOTS + 1) * 8;
export const UOP_STRIDE: u32 = (UOP_PAGE + 63) & ~63;
export const UOP_PAGES: u32 = 4096;
/** The translator: a module, the bodies of its functions, branch hints, and notes. */
export const JIT_BUFFER: u32 = (CODE_OF + MAX_RAM_PAGES * 4 + 63) & ~63;
export const JIT_BUFFER_SIZE: u32 = 0xc0000;
export const JIT_BODIES: u32 = JIT_BUFFER + JIT_BUFFER_SIZE;
export const JIT_BODIES_SIZE: u32 = 0x80000;
export const JIT_HINTS: u32 = JIT_BODIES + JIT_BODIES_SIZE; // { function u32, offset u32 | likely << 31 }
export const JIT_HINTS_SIZE: u32 = 0x20000;
export const JIT_WORK: u32 = JIT_HINTS + JIT_HINTS_SIZE;
export const JIT_WORK_SIZE: u32 = 0x20000;
/** Entries that may become hot: see jit/profile. */
export const JIT_HEAT: u32 = JIT_WORK + JIT_WORK_SIZE;
export const JIT_HEAT_SIZE: u32 = 0x2000;
/** Modules that the host is compiling: see jit/cache. */
export const JIT_FLIGHT: u32 = JIT_HEAT + JIT_HEAT_SIZE;
export const JIT_FLIGHT_SIZE: u32 = 0x1000;
/** Accesses that aren't in one page though they were expected to be: see jit/split. */
export const JIT_SPLITS: u32 = JIT_FLIGHT + JIT_FLIGHT_SIZE;
export const JIT_SPLITS_SIZE: u32 = 0x1000;
/** Where jumps through registers lead: see jit/jumps. */
export const JIT_JUMPS: u32 = JIT_SPLITS + JIT_SPLITS_SIZE;
export const JIT_JUMPS_SIZE: u32 = 0x4000;
/** What is known of one page's regions, on its way to the host or back: see jit/record. */
export const JIT_RECORD: u32 = JIT_JUMPS + JIT_JUMPS_SIZE;
export const JIT_RECORD_SIZE: u32 = 0x1000;
export const JIT_END: u32 = JIT_RECORD + JIT_RECORD_SIZE;

export const UOP_POOL: u32 = (JIT_END + 63) & ~63;

/**
 * Guest RAM, then the boot ROM's pages, then (with MF_FLASH) the flash banks':
 * what the frame and code tables index. A guest page number is (linear address
 * − RAM) / PAGE_SIZE.
 */
export const MROM_BASE: u32 = 0x1000; // guest physical
export const MROM_SIZE: u32 = 0xf000;
export const FLASH_BASE: u32 = 0x2000_0000; // guest physical
export const FLASH_BANK: u32 = 0x200_0000; // bytes of each of the two banks
export const FLASH_SIZE: u32 = 2 * FLASH_BANK;
export const RAM: u32 = (UOP_POOL + UOP_PAGES * UOP_STRIDE + 0xffff) & ~0xffff;

// ---- Frame-state bits ------------------------------------------------------------
// The store TLB admits only pages that are PRESENT and DIRTY and none of the rest.

export const FRAME_PRESENT: u8 = 1;
export const FRAME_DIRTY: u8 = 2; //  already in the dirty log
export const FRAME_CODE: u8 = 4; //   some of it is decoded
export const FRAME_ROM: u8 = 8;
export const FRAME_WATCH: u8 = 16; // stores go to a device as well (HTIF)

// ---- Machine window (DEV_MACHINE) --------------------------------------------------

export const M_EXIT: u32 = 0; //       u32: EXIT_*
export const M_EXIT_CODE: u32 = 4; //  u32
export const M_FLAGS: u32 = 8; //      u32: MF_*
export const M_HARTS: u32 = 12; //     u32
export const M_RAM_BASE: u32 = 16; //  u64: guest physical address of RAM
export const M_RAM_SIZE: u32 = 24; //  u64: bytes
/** u32: the hart whose slice is under way; devices read the time through it. */
export const M_CURRENT: u32 = 32;
/** u32: instructions per mtime tick in counted mode. */
export const M_TICK: u32 = 40;
/** u32: set by a device when an interrupt line may have changed. */
export const M_ATTENTION: u32 = 44;
export const M_TOHOST: u32 = 48; //    u64: physical address of HTIF tohost, or 0
export const M_FROMHOST: u32 = 56; //  u64
export const M_TIME_BIAS: u32 = 64; // u64: writes to mtime, added to the host's clock
export const M_UOP_NEXT: u32 = 72; //  u32: pages of micro-ops handed out
/** u32: of M_JIT_REGIONS, those of code that was known from before. */
export const M_JIT_RECALLED: u32 = 76;
export const M_JIT_REGIONS: u32 = 80; // u32: regions asked for since the last eviction
export const M_JIT_CODE: u32 = 84; //  u32: bytes of modules ever made
/** u32: regions ever asked for. */
export const M_JIT_TOTAL: u32 = 88;
/** u32: heat at which an entry is translated; the host may change it. 1: at once, and as many as there are. */
export const M_JIT_HOT: u32 = 92;
export const M_JIT_BYTES: u32 = 96; // u32: bytes of modules made since the last eviction
export const M_JIT_MODULES: u32 = 100; // u32: modules asked for since the last eviction
export const M_JIT_EVICTIONS: u32 = 104; // u32: how often all regions were dropped
export const M_JIT_FLIGHT: u32 = 108; // u32: modules that the host is compiling
export const M_JIT_TICKET: u32 = 112; // u32: the last one's ticket
export const M_JIT_GENERATION: u32 = 116; // u32: the last UOP_GENERATION
export const M_JIT_STALE: u32 = 120; // u32: modules that came too late
/** u32: 1 when the pages of micro-ops were started again: no region is reached any more. */
export const M_JIT_LOST: u32 = 124;
/** u64: instructions that the interpreter had retired on a hart at the last eviction. */
export const M_JIT_SINCE: u32 = 128;
export const M_FLASH: u32 = 136; //    u32: linear address of the flash banks' contents, or 0

export const MF_SBI: u32 = 1; //       built-in SBI answers ecall from S
export const MF_JIT: u32 = 4; //      hot code becomes WebAssembly
export const MF_FMA: u32 = 8; //      relaxed SIMD's multiply-add rounds once
export const MF_COUNTED: u32 = 2; //   time is counted from instructions retired
export const MF_FLASH: u32 = 16; //    there are chips in the flash windows

export const EXIT_NONE: u32 = 0;
export const EXIT_POWEROFF: u32 = 1;
export const EXIT_REBOOT: u32 = 2;
export const EXIT_CODE: u32 = 3; //    a pass/fail code is in M_EXIT_CODE
export const EXIT_CRASH: u32 = 4; //   the hart can't make progress: see H_TRAP_*

// ---- Debug window (DEBUG) -------------------------------------------------------------

export const MAX_BREAKPOINTS: u32 = 64;
export const MAX_WATCHPOINTS: u32 = 16;
export const WATCH_READ: u32 = 1;
export const WATCH_WRITE: u32 = 2;
export const D_BREAKS: u32 = 0; //     u32: breakpoints in D_BREAK_AT
export const D_WATCHES: u32 = 4; //    u32: watchpoints in D_WATCH_AT
export const D_QUIET: u32 = 8; //      u32: 1 while no interrupt is to be taken
/** u32: of the last RUN_DEBUG: 0 a breakpoint, else WATCH_* of the access. */
export const D_HIT: u32 = 12;
export const D_HIT_ADDRESS: u32 = 16; // u64: of a watchpoint: the first byte of its that was touched
export const D_PENDING: u32 = 24; //   u32: a watched access is under way
export const D_PENDING_AT: u32 = 32; // u64: H_INSTRET before it
export const D_VALUE: u32 = 40; //     u64: what csrPeek has read
/** Of each hart { pc u64, instret u64 }: where it stands and has been reported to. */
export const D_SEEN: u32 = 64;
export const D_BREAK_AT: u32 = D_SEEN + (MAX_HARTS as u32) * 16; // MAX_BREAKPOINTS × u64
/** MAX_WATCHPOINTS × { first u64, last u64, WATCH_* u32, spare u32 } */
export const D_WATCH_AT: u32 = D_BREAK_AT + MAX_BREAKPOINTS * 8;
export const D_WATCH: u32 = 24;

// ---- Outcomes -----------------------------------------------------------------------

/** Of a handler: what the interpreter's loop does next. */
export const ST_OK: i32 = 0;
export const ST_TRAP: i32 = 1; //   not retired; H_TRAP_* say why
export const ST_WAIT: i32 = 2; //   not retired, no side effects; H_WAIT_ADDR
export const ST_EVENT: i32 = 3; //  retired; leave the loop at the next pc
export const ST_JUMP: i32 = 4; //   retired; leave the loop at H_PC
export const ST_BUDGET: i32 = 5;
export const ST_STEP: i32 = 6; //   not executed: single-step this one
/** Of compiled code: not executed, the interpreter goes on from here. */
export const ST_MISS: i32 = 7;
/** The same, and the accesses that it has one look into the TLB for aren't all in one page. */
export const ST_SPLIT: i32 = ST_MISS + 1;

/** Of the host's `compile`: it will call `jitInstall`. */
export const JIT_LATER: i32 = -2;

/** Of `run`. */
export const RUN_BUDGET: i32 = 0; // retired exactly n
export const RUN_IDLE: i32 = 1; //   WFI, nothing pending
export const RUN_EXIT: i32 = 2; //   see M_EXIT
export const RUN_WAIT: i32 = 3; //   a page isn't here: see H_WAIT_ADDR
export const RUN_STOPPED: i32 = 4; // hart is stopped (HSM)
export const RUN_TRAPS: i32 = 5; //  as many traps as instructions asked for
export const RUN_BAD: i32 = 6; //    no such hart, or not initialised
export const RUN_DEBUG: i32 = 7; //  a breakpoint or a watchpoint: see D_HIT

// ---- Devices: ids on the bus -----------------------------------------------------------

export const DEV_ID_SYSCON: i32 = 1;
export const DEV_ID_RTC: i32 = 2;
export const DEV_ID_ACLINT: i32 = 3;
export const DEV_ID_PLIC: i32 = 4;
export const DEV_ID_UART: i32 = 5;
export const DEV_ID_PFLASH: i32 = 6;
/** Ids from here on belong to the host: one import call per access. */
export const DEV_ID_HOST: i32 = 16;
