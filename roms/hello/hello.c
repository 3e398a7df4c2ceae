/* The smallest guest: a greeting, then power off. */
#include "runtime.h"

int main(uint64_t hart) {
  printf("Hello from hart %lu of a RISC-V machine.\n", hart);
  return 0;
}
