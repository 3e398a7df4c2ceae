/* RAM: its last word, what lies behind it, and code written while it runs. */
#include "probe.h"

void test_memory(uint64_t base, uint64_t size) {
  report("memory", base == 0x80000000UL && size >= 1 << 20, "%lu MiB at 0x%lx", size >> 20, base);
  if (!size) return;
  uint64_t last = base + size - 8, r = 0, kept = read64(last);
  write64(last, 0x0123456789abcdefUL);
  report("last byte", read8(last + 7) == 0x01, "0x%x", read8(last + 7));
  write64(last, kept);
  TRY("ld %0, (%1)", OUT(r), "r"(base + size));
  report("behind the end", trap_cause == CAUSE_LOAD_ACCESS && trap_value == base + size, "cause %ld",
         (int64_t)trap_cause);

  /* li a0, 1; ret, then the same place says 2. */
  static uint32_t code[2] __attribute__((aligned(8)));
  volatile uint32_t *place = code;
  uint64_t (*call)(void) = (uint64_t(*)(void))(uintptr_t)code;
  place[0] = 0x00100513;
  place[1] = 0x00008067;
  __asm__ volatile("fence.i" ::: "memory");
  uint64_t first = call();
  place[0] = 0x00200513;
  __asm__ volatile("fence.i" ::: "memory");
  uint64_t second = call();
  report("rewritten code", first == 1 && second == 2, "%lu, %lu", first, second);
}
