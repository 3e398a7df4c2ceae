/* Calls: Fibonacci and Takeuchi recursion, and calls through a table of functions. */
#include "kernel.h"

#define OUT_OF_LINE __attribute__((noinline, noclone, optimize("no-optimize-sibling-calls")))

static OUT_OF_LINE uint64_t fibonacci(uint64_t n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

static OUT_OF_LINE int takeuchi(int x, int y, int z) {
  if (y >= x) return z;
  return takeuchi(takeuchi(x - 1, y, z), takeuchi(y - 1, z, x), takeuchi(z - 1, x, y));
}

static OUT_OF_LINE uint64_t add(uint64_t a, uint64_t b) { return a + b; }
static OUT_OF_LINE uint64_t subtract(uint64_t a, uint64_t b) { return a - b; }
static OUT_OF_LINE uint64_t exclusive(uint64_t a, uint64_t b) { return a ^ b; }
static OUT_OF_LINE uint64_t scaled(uint64_t a, uint64_t b) { return a * 5 + b; }

static uint64_t (*const volatile FUNCTIONS[4])(uint64_t, uint64_t) = {add, subtract, exclusive, scaled};

uint64_t kernel(uint64_t scale) {
  uint64_t seed = 99, sum = 0;
  for (uint64_t round = 0; round < scale; round++) {
    sum = mix(sum, fibonacci(18 + (round & 1)));
    sum = mix(sum, (uint64_t)takeuchi(12, 6 + (int)(round & 1), 0));
    for (int i = 0; i < 2000; i++) {
      uint64_t r = random_next(&seed);
      sum = FUNCTIONS[r >> 60 & 3](sum, r);
    }
  }
  return sum;
}
