/* Modes and their protection: satp, PMP, Sstc, calls from below. */
#include "probe.h"

#define MPP (3UL << 11)
#define MPP_S (1UL << 11)
#define MPRV (1UL << 17)
#define STCE (1UL << 63)
#define NAPOT_RWX 0x1f

static void test_satp(void) {
  static const char *const names[] = {"Sv39", "Sv48", "Sv57"};
  for (uint64_t i = 0; i < 3; i++) {
    CSR_WRITE("satp", (8 + i) << 60);
    int has = CSR_READ("satp") >> 60 == 8 + i;
    report(names[i], has || i > 0, has ? "yes" : "no");
  }
  CSR_WRITE("satp", 0);
  CSR_WRITE("satp", 8UL << 60);
  CSR_WRITE("satp", 15UL << 60); /* reserved: the whole write has no effect */
  report("satp, reserved mode", CSR_READ("satp") >> 60 == 8, "mode %lu", CSR_READ("satp") >> 60);
  CSR_WRITE("satp", 0);
}

static void test_pmp(void) {
  int entries = 0;
#define ENTRY(n)                                      \
  do {                                                \
    uint64_t v = 0;                                   \
    TRY("csrw pmpaddr" #n ", %1\n\tcsrr %0, pmpaddr" #n, OUT(v), "r"(0x20000400UL)); \
    if (trap_cause == NO_TRAP && v) entries++;        \
    if (trap_cause == NO_TRAP) CSR_WRITE("pmpaddr" #n, 0); \
  } while (0)
  ENTRY(0);
  ENTRY(1);
  ENTRY(2);
  ENTRY(3);
  ENTRY(4);
  ENTRY(5);
  ENTRY(6);
  ENTRY(7);
  ENTRY(8);
  ENTRY(9);
  ENTRY(10);
  ENTRY(11);
  ENTRY(12);
  ENTRY(13);
  ENTRY(14);
  ENTRY(15);
  report("PMP entries", entries == 16, "%d", entries);
  CSR_WRITE("pmpaddr0", -1);
  CSR_WRITE("pmpcfg0", NAPOT_RWX); /* the chapters below go to S and U */
  report("PMP entry 0", (CSR_READ("pmpcfg0") & 0xff) == NAPOT_RWX, "0x%lx", CSR_READ("pmpcfg0"));
}

static void test_calls(void) {
  TRY("csrc mstatus, %0\n\tla t0, 98f\n\tcsrw mepc, t0\n\tmret\n98: ecall", , "r"(MPP));
  report("call from U", trap_cause == CAUSE_ECALL_U, "cause %ld", (int64_t)trap_cause);
  TRY("csrc mstatus, %0\n\tcsrs mstatus, %1\n\tla t0, 98f\n\tcsrw mepc, t0\n\tmret\n98: ecall", , "r"(MPP),
      "r"(MPP_S));
  report("call from S", trap_cause == CAUSE_ECALL_S, "cause %ld", (int64_t)trap_cause);
  TRY("csrc mstatus, %0\n\tla t0, 98f\n\tcsrw mepc, t0\n\tmret\n98: csrr t0, sstatus\n\tecall", , "r"(MPP));
  report("CSR of S from U", trap_cause == CAUSE_ILLEGAL, "cause %ld", (int64_t)trap_cause);
}

/* One gigapage that maps the second gigabyte of virtual memory to RAM, read-only. */
static uint64_t root[512] __attribute__((aligned(4096)));

static void test_translation(void) {
  static volatile uint64_t word = 0x600dcafe;
  uint64_t virtual = 0x40000000UL | ((uint64_t)&word & 0x3fffffff), r = 0;
  root[1] = 0x80000000UL >> 12 << 10 | 0x43; /* A, R, V */
  CSR_WRITE("satp", 8UL << 60 | (uint64_t)root >> 12);
  __asm__ volatile("sfence.vma" ::: "memory");
  uint64_t on = MPRV | MPP_S;
  TRY("csrc mstatus, %2\n\tcsrs mstatus, %3\n\tld %0, (%1)\n\tcsrc mstatus, %3", OUT(r), "r"(virtual), "r"(MPP),
      "r"(on));
  __asm__ volatile("csrc mstatus, %0" ::"r"(MPRV));
  report("load through Sv39", trap_cause == NO_TRAP && r == word, "0x%lx", r);
  TRY("csrc mstatus, %2\n\tcsrs mstatus, %3\n\tsd %0, (%1)\n\tcsrc mstatus, %3", OUT(r), "r"(virtual), "r"(MPP),
      "r"(on));
  __asm__ volatile("csrc mstatus, %0" ::"r"(MPRV));
  report("store to a read-only page", trap_cause == 15 && trap_value == virtual, "cause %ld", (int64_t)trap_cause);
  CSR_WRITE("satp", 0);
}

void test_privilege(void) {
  test_satp();
  test_pmp();
  test_calls();
  test_translation();
  uint64_t r = 0;
  TRY("csrs 0x30a, %1\n\tcsrr %0, 0x30a", OUT(r), "r"(STCE)); /* menvcfg */
  int sstc = trap_cause == NO_TRAP && r & STCE;
  if (sstc) {
    r = 0;
    TRY("csrw 0x14d, %1\n\tcsrr %0, 0x14d", OUT(r), "r"(0UL)); /* stimecmp: due at once */
    uint64_t mip = CSR_READ("mip");
    report("Sstc", trap_cause == NO_TRAP && mip & 32, "yes, mip 0x%lx", mip);
    TRY("csrw 0x14d, %0", , "r"(-1UL));
  } else {
    report("Sstc", 1, "no");
  }
}
