/* 512 KiB copied by aligned words and 64 KiB by bytes at odd offsets per unit of scale, in pieces of many sizes. */
#include "kernel.h"

#define HALF (8UL << 20)

uint64_t kernel(uint64_t scale) {
  uint8_t *from = arena(), *to = from + HALF;
  uint64_t seed = 0xc0ffeeUL, sum = 0;
  for (uint64_t i = 0; i < HALF; i += 8) *(uint64_t *)(from + i) = random_next(&seed);
  for (uint64_t round = 0; round < scale; round++) {
    for (uint64_t words = 0; words < 65536;) {
      uint64_t r = random_next(&seed), count = 64 + (r & 511);
      const uint64_t *s = (const uint64_t *)(from + (r >> 10) % (HALF - 8192) / 8 * 8);
      uint64_t *d = (uint64_t *)(to + (r >> 34) % (HALF - 8192) / 8 * 8);
      for (uint64_t i = 0; i < count; i++) d[i] = s[i];
      sum = mix(sum, d[count / 2]);
      words += count;
    }
    for (uint64_t bytes = 0; bytes < 65536;) {
      uint64_t r = random_next(&seed), count = 16 + (r & 255);
      const uint8_t *s = from + (r >> 10) % (HALF - 8192);
      uint8_t *d = to + (r >> 34) % (HALF - 8192);
      for (uint64_t i = 0; i < count; i++) d[i] = s[i];
      sum = mix(sum, d[count - 1]);
      bytes += count;
    }
  }
  return sum;
}
