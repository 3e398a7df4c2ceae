/*
 * A kernel as a bare-metal guest of board virt. It starts in M-mode, builds
 * Sv39 page tables of 4 KiB pages only (a superpage would spare the emulator's
 * TLB the work that a real system gives it), runs the kernel several times in
 * S-mode with paging on under a 100 Hz tick, and prints the checksum and the
 * seconds by rdtime of each repetition.
 */
#include "kernel.h"
#include "runtime.h"

#define PTE_V 1UL
#define PTE_R 2UL
#define PTE_W 4UL
#define PTE_X 8UL
#define PTE_A 64UL
#define PTE_D 128UL
#define PAGE 4096UL
#define SATP_SV39 (8UL << 60)
#define TIMEBASE 10000000UL /* board virt's timebase-frequency */

/* Not where it is physically, as in any real system. */
#define ARENA_VIRTUAL 0x2000000000UL

extern char _start[], _data[], _end[];
extern void tick_entry(void); /* tick.S */

#define MTIMECMP 0x2004000UL
#define MIE_MTIE 128UL

typedef uint64_t Table[512];

/* Root, then one leaf table for each 2 MiB: arena, image, devices, and middles. */
#define TABLES (ARENA_SIZE / (512 * PAGE) + 16)
static Table tables[TABLES] __attribute__((aligned(4096)));
static unsigned tables_used = 1;

/* The next level under one entry, made when it isn't there. */
static uint64_t *descend(uint64_t *entry) {
  if (!(*entry & PTE_V)) {
    if (tables_used == TABLES) {
      print("out of page tables\n");
      machine_exit(1);
    }
    *entry = (uint64_t)tables[tables_used++] >> 12 << 10 | PTE_V;
  }
  return (uint64_t *)(*entry >> 10 << 12);
}

static void map(uint64_t virtual, uint64_t physical, uint64_t size, uint64_t flags) {
  for (uint64_t at = 0; at < size; at += PAGE) {
    uint64_t v = virtual + at;
    uint64_t *middle = descend(&tables[0][v >> 30 & 511]);
    uint64_t *leaf = descend(&middle[v >> 21 & 511]);
    leaf[v >> 12 & 511] = (physical + at) >> 12 << 10 | flags | PTE_V | PTE_A | PTE_D;
  }
}

void *arena(void) { return (void *)ARENA_VIRTUAL; }

static inline uint64_t rdtime(void) {
  uint64_t value;
  __asm__ volatile("rdtime %0" : "=r"(value)::"memory");
  return value;
}

/* In S-mode from here on. */
static void __attribute__((noreturn)) supervisor(void) {
  for (int i = 0; i < REPETITIONS; i++) {
    uint64_t start = rdtime();
    uint64_t sum = kernel(SCALE);
    uint64_t ticks = rdtime() - start;
    printf("%016lx %lu.%06lu\n", sum, ticks / TIMEBASE, ticks % TIMEBASE / (TIMEBASE / 1000000));
  }
  machine_exit(0);
}

int main(void) {
  uint64_t image = (uint64_t)_start, data = (uint64_t)_data, end = (uint64_t)_end;
  map(image, image, data - image, PTE_R | PTE_X);
  map(data, data, end - data, PTE_R | PTE_W);
  map(ARENA_VIRTUAL, end, ARENA_SIZE, PTE_R | PTE_W);
  map(UART_BASE, UART_BASE, PAGE, PTE_R | PTE_W);
  map(SYSCON_BASE, SYSCON_BASE, PAGE, PTE_R | PTE_W);

  uint64_t status;
  __asm__ volatile("csrr %0, mstatus" : "=r"(status));
  status = (status & ~(3UL << 11)) | 1UL << 11; /* MPP = S */
  write64(MTIMECMP, 0); /* the first tick comes at once and sets the next */
  __asm__ volatile(
      "csrw mtvec, %4\n\t"
      "csrw mie, %5\n\t"
      "csrw pmpaddr0, %0\n\t" /* S-mode may go everywhere: NAPOT over all, RWX */
      "csrwi pmpcfg0, 0x1f\n\t"
      "csrw medeleg, zero\n\t"
      "csrwi mcounteren, 7\n\t"
      "csrw satp, %1\n\t"
      "sfence.vma\n\t"
      "csrw mstatus, %2\n\t"
      "csrw mepc, %3\n\t"
      "mret" ::"r"(-1UL),
      "r"(SATP_SV39 | (uint64_t)tables[0] >> 12), "r"(status), "r"(supervisor), "r"(tick_entry), "r"(MIE_MTIE)
      : "memory");
  __builtin_unreachable();
}
