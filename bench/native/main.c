/* A kernel as a program of the host: prints its checksum and seconds. */
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
  double start = now();
  uint64_t sum = kernel(SCALE);
  printf("%016" PRIx64 " %.6f\n", sum, now() - start);
  return 0;
}
