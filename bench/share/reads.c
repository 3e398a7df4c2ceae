/*
 * Reads blocks of 4 KiB of a file out of order, none of them twice, and prints a
 * checksum of what was in them: FILE BLOCKS COUNT. BLOCKS is a power of two.
 */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 4096

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  int fd = open(argv[1], O_RDONLY);
  if (fd < 0) {
    perror(argv[1]);
    return 1;
  }
  uint32_t mask = (uint32_t)atoi(argv[2]) - 1;
  int count = atoi(argv[3]);
  /* No more is read than was asked for. */
  posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
  static unsigned char block[BLOCK];
  uint32_t at = 0, sum = 2166136261u;
  for (int i = 0; i < count; i++) {
    at = (at * 1103515245u + 12345u) & mask;
    if (pread(fd, block, BLOCK, (off_t)at * BLOCK) != BLOCK) {
      perror("pread");
      return 1;
    }
    for (int j = 0; j < BLOCK; j += 4) {
      uint32_t word;
      memcpy(&word, block + j, 4);
      sum = (sum ^ word) * 16777619u;
    }
  }
  printf("%08x\n", (unsigned)sum);
  return 0;
}
