/* Trying what may trap, and saying how it went. */
#ifndef WARDIAN_PROBE_H
#define WARDIAN_PROBE_H

#include "runtime.h"

#define NO_TRAP (~0UL)

/* Causes (Privileged manual, table of mcause). */
#define CAUSE_ILLEGAL 2UL
#define CAUSE_LOAD_ACCESS 5UL
#define CAUSE_ECALL_U 8UL
#define CAUSE_ECALL_S 9UL

/**
 * Runs assembly that may trap, in M-mode; t0 and t1 are its scratch. A trap
 * skips the rest of it, and trap_cause then says why (else NO_TRAP).
 * Outputs should be "+r": they keep their value when it traps.
 */
#define TRY(code, outputs, ...)                 \
  do {                                          \
    trap_cause = NO_TRAP;                       \
    __asm__ volatile(                           \
        "la t0, 99f\n\t"                        \
        "la t1, trap_resume\n\t"                \
        "sd t0, 0(t1)\n\t" code                 \
        "\n99:\n\t"                             \
        "la t1, trap_resume\n\t"                \
        "sd zero, 0(t1)"                        \
        : outputs                               \
        : __VA_ARGS__                           \
        : "t0", "t1", "memory");                \
  } while (0)

#define OUT(x) "+r"(x)
#define CSR_READ(name) ({ uint64_t v_ = 0; __asm__ volatile("csrr %0, " name : "=r"(v_)); v_; })
#define CSR_WRITE(name, value) __asm__ volatile("csrw " name ", %0" ::"r"((uint64_t)(value)) : "memory")

/** One line of the report; counts a failure unless `ok`. */
void report(const char *what, int ok, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The chapters. */
void test_isa(void);
void test_privilege(void);
void test_float(void);
void test_memory(uint64_t base, uint64_t size);
void test_devices(uint64_t timebase, unsigned virtio_slots);

#endif
