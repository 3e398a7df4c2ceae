/*
 * A kernel as a program of a Linux guest, riscv64 or i386, without a C library:
 * prints the checksum and the seconds of each repetition by the guest's
 * monotonic clock. Its arena is touched before, so that what is measured has no
 * page faults of Linux's in it.
 */
#include "kernel.h"

#if defined(__riscv)
#define SYS_WRITE 64
#define SYS_EXIT 93
#define SYS_CLOCK_GETTIME 113
__asm__(
    ".globl _start\n_start:\n"
    ".option push\n.option norelax\nla gp, __global_pointer$\n.option pop\n"
    "andi sp, sp, -16\ncall start\n");

static long call(long number, long a, long b, long c) {
  register long a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c, a7 __asm__("a7") = number;
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
  return a0;
}
#elif defined(__i386__)
#define SYS_WRITE 4
#define SYS_EXIT 1
#define SYS_CLOCK_GETTIME 265
__asm__(".globl _start\n_start:\nxor %ebp, %ebp\nand $-16, %esp\ncall start\n");

static long call(long number, long a, long b, long c) {
  __asm__ volatile("int $0x80" : "+a"(number) : "b"(a), "c"(b), "d"(c) : "memory");
  return number;
}

/* What gcc calls for the remainder of 64 bits; as in its own library, two divisions when the divisor has 32. */
uint64_t __umoddi3(uint64_t number, uint64_t divisor) {
  if (divisor >> 32) {
    uint64_t shifted = divisor;
    while (shifted <= number >> 1) shifted <<= 1;
    for (; shifted >= divisor; shifted >>= 1)
      if (number >= shifted) number -= shifted;
    return number;
  }
  uint32_t quotient, rest = (uint32_t)(number >> 32) % (uint32_t)divisor;
  __asm__("divl %4" : "=a"(quotient), "=d"(rest) : "0"((uint32_t)number), "1"(rest), "rm"((uint32_t)divisor));
  return rest;
}
#endif

#define CLOCK_MONOTONIC 1

static unsigned char memory[ARENA_SIZE] __attribute__((aligned(4096)));

void *arena(void) { return memory; }

/* Microseconds that wrap after an hour: enough for a difference. */
static uint32_t now(void) {
  struct {
    long seconds, nanoseconds;
  } t;
  call(SYS_CLOCK_GETTIME, CLOCK_MONOTONIC, (long)&t, 0);
  return (uint32_t)t.seconds * 1000000U + (uint32_t)t.nanoseconds / 1000U;
}

/* The last digits of a number, in front of `end`. */
static void hexadecimal(char *end, uint64_t number) {
  for (int i = 0; i < 16; i++, number >>= 4) *--end = "0123456789abcdef"[number & 15];
}
static void decimal(char *end, uint32_t number, int digits) {
  for (; digits--; number /= 10) *--end = (char)('0' + number % 10);
}

void __attribute__((noreturn, used)) start(void) {
  for (volatile unsigned char *page = memory; page < memory + ARENA_SIZE; page += 4096) *page = 0;
  for (int i = 0; i < REPETITIONS; i++) {
    uint32_t before = now();
    uint64_t sum = kernel(SCALE);
    uint32_t micros = now() - before;
    char line[] = "0000000000000000 0000.000000\n";
    hexadecimal(line + 16, sum);
    decimal(line + 21, micros / 1000000U, 4);
    decimal(line + 28, micros % 1000000U, 6);
    call(SYS_WRITE, 1, (long)line, sizeof line - 1);
  }
  call(SYS_EXIT, 0, 0, 0);
  __builtin_unreachable();
}
