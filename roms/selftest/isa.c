/* What the hart decodes: misa, and one instruction of each extension with its result. */
#include "probe.h"

#define REQUIRED ((1 << ('I' - 'A')) | (1 << ('M' - 'A')) | (1 << 0) | (1 << ('F' - 'A')) | (1 << ('D' - 'A')) | \
                  (1 << ('C' - 'A')) | (1 << ('S' - 'A')) | (1 << ('U' - 'A')))

static void optional(const char *name, uint64_t result, uint64_t expected) {
  if (trap_cause != NO_TRAP)
    report(name, trap_cause == CAUSE_ILLEGAL, "no");
  else
    report(name, result == expected, "yes, 0x%lx", result);
}

/* 64 bytes that begin a cache block. */
static uint8_t block[64] __attribute__((aligned(64)));

void test_isa(void) {
  uint64_t misa = CSR_READ("misa");
  char letters[27];
  int n = 0;
  for (int i = 0; i < 26; i++)
    if (misa >> i & 1) letters[n++] = (char)('A' + i);
  letters[n] = 0;
  report("misa", (misa & REQUIRED) == REQUIRED && misa >> 62 == 2, "%s", letters);

  uint64_t a = 0x123456789abcdef0UL, b = 3, r = 0;
  __asm__("mulhu %0, %1, %2" : "=r"(r) : "r"(a), "r"(~0UL));
  report("M", r == a - 1, "mulhu 0x%lx", r);
  __asm__("div %0, %1, %2" : "=r"(r) : "r"(a), "r"(0UL));
  report("M by zero", r == ~0UL, "div 0x%lx", r);

  uint64_t cell = 5, failed = 1;
  __asm__ volatile(
      "1: lr.d %0, (%2)\n\t"
      "addi %0, %0, 1\n\t"
      "sc.d %1, %0, (%2)\n\t"
      "bnez %1, 1b"
      : "=&r"(r), "=&r"(failed)
      : "r"(&cell)
      : "memory");
  report("A lr/sc", cell == 6 && !failed, "%lu", cell);
  __asm__ volatile("sc.d %0, %1, (%2)" : "=&r"(failed) : "r"(9UL), "r"(&cell) : "memory");
  report("A sc alone", failed && cell == 6, "fails with %lu", failed);
  __asm__ volatile("amomaxu.w %0, %1, (%2)" : "=&r"(r) : "r"(-1UL), "r"(&cell) : "memory");
  report("A amomaxu.w", r == 6 && cell == 0xffffffff, "0x%lx", cell);

  /* By encoding, so that the assembler need not know them. */
  r = 0;
  TRY(".insn r 0x33, 2, 0x10, %0, %1, %2", OUT(r), "r"(a), "r"(b)); /* sh1add */
  optional("Zba", r, (a << 1) + b);
  r = 0;
  TRY(".insn i 0x13, 5, %0, %1, 0x6b8", OUT(r), "r"(a)); /* rev8 */
  optional("Zbb", r, 0xf0debc9a78563412UL);
  r = 0;
  TRY(".insn r 0x33, 1, 0x14, %0, %1, %2", OUT(r), "r"(a), "r"(b)); /* bset */
  optional("Zbs", r, a | 1UL << b);
  r = 1;
  TRY(".insn r 0x33, 5, 0x07, %0, %1, %2", OUT(r), "r"(a), "r"(0UL)); /* czero.eqz */
  optional("Zicond", r, 0);
  uint64_t left = 0;
  uint8_t *at = block;
  memset(block, 0xff, sizeof block);
  TRY(".insn i 0x0f, 2, x0, 4(%0)", OUT(at)); /* cbo.zero */
  for (unsigned i = 0; i < sizeof block; i++) left += block[i];
  optional("Zicboz", left, 0);
  r = 0;
  TRY(".4byte 0xffffffff", OUT(r));
  report("illegal instruction", trap_cause == CAUSE_ILLEGAL, "cause %ld", (int64_t)trap_cause);
  uint8_t bytes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  TRY("ld %0, 3(%1)", OUT(r), "r"(bytes));
  if (trap_cause == NO_TRAP)
    report("misaligned load", r == 0x0a09080706050403UL, "done, 0x%lx", r);
  else
    report("misaligned load", trap_cause == 4, "cause %ld", (int64_t)trap_cause);
}
