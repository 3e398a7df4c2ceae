/* Quicksort of 65,536 random 64-bit numbers per unit of scale: Hoare's partition, insertion sort at the end. */
#include "kernel.h"

#define COUNT 65536

static void sort(uint64_t *low, uint64_t *high) {
  while (high - low > 16) {
    uint64_t pivot = low[(high - low) / 2];
    uint64_t *i = low, *j = high - 1;
    for (;;) {
      while (*i < pivot) i++;
      while (*j > pivot) j--;
      if (i >= j) break;
      uint64_t swap = *i;
      *i++ = *j;
      *j-- = swap;
    }
    /* Recurse into the smaller side, so that the stack stays shallow. */
    uint64_t *middle = j + 1;
    if (middle == high) middle = j;
    if (middle - low < high - middle) {
      sort(low, middle);
      low = middle;
    } else {
      sort(middle, high);
      high = middle;
    }
  }
  for (uint64_t *i = low + 1; i < high; i++) {
    uint64_t value = *i, *j = i;
    for (; j > low && j[-1] > value; j--) *j = j[-1];
    *j = value;
  }
}

uint64_t kernel(uint64_t scale) {
  uint64_t *data = arena();
  uint64_t seed = 0x123456789abcdefUL, sum = 0;
  for (uint64_t round = 0; round < scale; round++) {
    for (int i = 0; i < COUNT; i++) data[i] = random_next(&seed);
    sort(data, data + COUNT);
    for (int i = 1; i < COUNT; i++) {
      if (data[i - 1] > data[i]) return 0;
      sum = mix(sum, data[i]);
    }
  }
  return sum;
}
