/*
 * A benchmark kernel: one source for every machine, so that all of them do the
 * same work. It returns a checksum of everything it computed; the runner
 * requires the same one everywhere. Work grows linearly with the scale. It is
 * called several times and must compute the same each time, so it writes what it
 * reads of the arena: what an earlier call left there mustn't matter.
 */
#ifndef WARDIAN_KERNEL_H
#define WARDIAN_KERNEL_H

#include <stddef.h>
#include <stdint.h>

/** At most this much memory is asked of `arena`. */
#define ARENA_SIZE (32UL << 20)

uint64_t kernel(uint64_t scale);

/** The kernel's working memory, `ARENA_SIZE` bytes. */
void *arena(void);

/** A step of xorshift64 (Marsaglia 2003): our pseudo-random numbers. */
static inline uint64_t random_next(uint64_t *state) {
  uint64_t x = *state;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return *state = x;
}

/** Folds a value into a checksum. */
static inline uint64_t mix(uint64_t sum, uint64_t value) {
  sum ^= value;
  sum *= 0x9e3779b97f4a7c15UL;
  return sum ^ sum >> 32;
}

#endif
