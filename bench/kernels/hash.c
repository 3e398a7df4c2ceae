/* A hash table of 64-bit keys, open addressing, 65,536 insertions and look-ups per unit of scale: multiplication, rotation and scattered loads. */
#include "kernel.h"

#define SLOTS 262144U

static inline uint64_t rotate(uint64_t x, int n) { return x << n | x >> (64 - n); }

/* Both halves of a product, folded. */
static inline uint64_t fold(uint64_t a, uint64_t b) {
#ifdef __SIZEOF_INT128__
  unsigned __int128 product = (unsigned __int128)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
#else /* machines of 32 bits: four products, as a compiler would make them */
  uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;
  uint64_t low = al * bl, one = ah * bl + (low >> 32), two = al * bh + (uint32_t)one;
  return (two << 32 | (uint32_t)low) ^ (ah * bh + (one >> 32) + (two >> 32));
#endif
}

/* Multiply, rotate and fold, twice over, with the high half of one product. */
static inline uint64_t hash(uint64_t x) {
  return fold(rotate(x * 0xd6e8feb86659fd93UL, 29) ^ x, 0xa0761d6478bd642fUL);
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
