/* A kernel as a program of the host: prints the checksum and seconds of each repetition. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "kernel.h"

static void *memory;

void *arena(void) { return memory; }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(void) {
  memory = calloc(1, ARENA_SIZE);
  if (!memory) {
    fputs("no memory for the kernel's arena\n", stderr);
    return 1;
  }
  for (int i = 0; i < REPETITIONS; i++) {
    double start = now();
    uint64_t sum = kernel(SCALE);
    double seconds = now() - start;
    printf("%016" PRIx64 " %.6f\n", sum, seconds);
  }
  return 0;
}
