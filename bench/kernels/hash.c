/* A hash table of 64-bit keys, open addressing, 65,536 insertions and look-ups per unit of scale: multiplication, rotation and scattered loads. */
#include "kernel.h"

#define SLOTS 262144U

static inline uint64_t rotate(uint64_t x, int n) { return x << n | x >> (64 - n); }

/* Multiply, rotate and fold, twice over, with the high half of one product. */
static inline uint64_t hash(uint64_t x) {
  x = rotate(x * 0xd6e8feb86659fd93UL, 29) ^ x;
  unsigned __int128 product = (unsigned __int128)x * 0xa0761d6478bd642fUL;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t kernel(uint64_t scale) {
  uint64_t *table = arena();
  uint64_t seed = 7, sum = 0;
  for (uint64_t round = 0; round < scale; round++) {
    for (uint32_t i = 0; i < SLOTS; i++) table[i] = 0;
    uint64_t first = seed;
    for (int i = 0; i < 65536; i++) {
      uint64_t key = random_next(&seed);
      uint64_t at = hash(key) % SLOTS;
      while (table[at]) at = (at + 1) % SLOTS;
      table[at] = key;
    }
    uint64_t again = first, probes = 0;
    for (int i = 0; i < 65536; i++) {
      uint64_t key = random_next(&again);
      uint64_t at = hash(key) % SLOTS;
      for (; table[at] != key; at = (at + 1) % SLOTS) probes++;
      sum = mix(sum, at);
    }
    sum = mix(sum, probes);
  }
  return sum;
}
