/* The sieve of Eratosthenes over 262,144 odd numbers per unit of scale, a byte each. */
#include "kernel.h"

#define COUNT 262144U

uint64_t kernel(uint64_t scale) {
  uint8_t *composite = arena();
  uint64_t sum = 0;
  for (uint64_t round = 0; round < scale; round++) {
    for (uint32_t i = 0; i < COUNT; i++) composite[i] = 0;
    uint64_t primes = 1, last = 2;
    for (uint32_t i = 1; i < COUNT; i++) {
      if (composite[i]) continue;
      uint32_t prime = 2 * i + 1;
      primes++;
      last = prime;
      for (uint64_t j = (uint64_t)prime * prime / 2; j < COUNT; j += prime) composite[j] = 1;
    }
    sum = mix(mix(sum, primes + round), last);
  }
  return sum;
}
