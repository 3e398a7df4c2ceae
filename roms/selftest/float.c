/* Floating point: exact results, flags and NaN boxing (IEEE 754, and the manual's F and D). */
#include "probe.h"

#define BINARY(op, a, b)                                                                                    \
  ({                                                                                                        \
    uint64_t r_;                                                                                            \
    __asm__ volatile("fmv.d.x ft0, %1\n\tfmv.d.x ft1, %2\n\t" op " ft2, ft0, ft1\n\tfmv.x.d %0, ft2"        \
                     : "=r"(r_)                                                                             \
                     : "r"((uint64_t)(a)), "r"((uint64_t)(b))                                               \
                     : "ft0", "ft1", "ft2");                                                                \
    r_;                                                                                                     \
  })

#define ONE 0x3ff0000000000000UL
#define TWO 0x4000000000000000UL
#define THREE 0x4008000000000000UL
#define INEXACT 1
#define DIVIDE_BY_ZERO 8
#define INVALID 16

static uint64_t flags(void) {
  uint64_t value;
  __asm__ volatile("csrrw %0, fflags, zero" : "=r"(value));
  return value;
}

void test_float(void) {
  flags();
  uint64_t r = BINARY("fdiv.d", ONE, THREE), f = flags();
  report("1/3", r == 0x3fd5555555555555UL && f == INEXACT, "0x%lx, flags %lu", r, f);
  r = BINARY("fadd.d", ONE, TWO), f = flags();
  report("1+2", r == THREE && f == 0, "0x%lx, flags %lu", r, f);
  r = BINARY("fdiv.d", ONE, 0), f = flags();
  report("1/0", r == 0x7ff0000000000000UL && f == DIVIDE_BY_ZERO, "0x%lx, flags %lu", r, f);
  r = BINARY("fsub.d", 0x7ff0000000000000UL, 0x7ff0000000000000UL), f = flags();
  report("inf-inf", r == 0x7ff8000000000000UL && f == INVALID, "0x%lx, flags %lu", r, f);
  __asm__ volatile("fmv.d.x ft0, %1\n\tfsqrt.d ft0, ft0\n\tfmv.x.d %0, ft0" : "=r"(r) : "r"(TWO) : "ft0");
  f = flags();
  report("sqrt 2", r == 0x3ff6a09e667f3bcdUL && f == INEXACT, "0x%lx, flags %lu", r, f);
  /* (1 + 2^-52)^2 - 1: only one rounding keeps the last bit of the product. */
  __asm__ volatile(
      "fmv.d.x ft0, %1\n\tfmv.d.x ft1, %2\n\tfmadd.d ft0, ft0, ft0, ft1\n\tfmv.x.d %0, ft0"
      : "=r"(r)
      : "r"(ONE + 1), "r"(0xbff0000000000000UL)
      : "ft0", "ft1");
  f = flags();
  report("fused multiply-add", r == 0x3cc0000000000000UL && f == INEXACT, "0x%lx, flags %lu", r, f);
  __asm__ volatile("fmv.d.x ft0, %1\n\tfcvt.w.d %0, ft0, rtz" : "=r"(r) : "r"(0xc3e0000000000000UL) : "ft0");
  f = flags();
  report("convert -2^63 to 32 bits", r == 0xffffffff80000000UL && f == INVALID, "0x%lx, flags %lu", r, f);
  __asm__ volatile("fmv.d.x ft0, %1\n\tfadd.s ft0, ft0, ft0\n\tfmv.x.d %0, ft0" : "=r"(r) : "r"(ONE) : "ft0");
  report("unboxed single", r == 0xffffffff7fc00000UL, "0x%lx", r);
  flags();
}
