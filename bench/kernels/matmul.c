/* Product of two 96 × 96 matrices of doubles per unit of scale, row by column, multiply and add rounded apart. */
#include "kernel.h"

#define N 96

uint64_t kernel(uint64_t scale) {
  double *a = arena(), *b = a + N * N, *c = b + N * N;
  uint64_t seed = 42, sum = 0;
  for (int i = 0; i < N * N; i++) {
    a[i] = (double)(int64_t)(random_next(&seed) >> 40) / 16777216.0 - 0.5;
    b[i] = (double)(int64_t)(random_next(&seed) >> 40) / 16777216.0 - 0.5;
  }
  for (uint64_t round = 0; round < scale; round++) {
    for (int i = 0; i < N; i++)
      for (int j = 0; j < N; j++) {
        double dot = 0;
        for (int k = 0; k < N; k++) dot += a[i * N + k] * b[k * N + j];
        c[i * N + j] = dot;
      }
    for (int i = 0; i < N; i++) {
      union {
        double number;
        uint64_t bits;
      } cell = {.number = c[i * N + (N - 1 - i)]};
      sum = mix(sum, cell.bits);
      a[i * N + i] = cell.number - (double)(int)cell.number; /* keeps the next round different and small */
    }
  }
  return sum;
}
