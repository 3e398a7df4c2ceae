/* 65,536 steps per unit of scale along one random cycle through 4 MiB: each load's address is the last one's value. */
#include "kernel.h"

#define NODES 65536

/* A cache line, whatever a pointer's size. */
typedef struct Node {
  struct Node *next;
  uint64_t value;
} __attribute__((aligned(64))) Node;

uint64_t kernel(uint64_t scale) {
  Node *node = arena();
  uint64_t seed = 0xfeedbeefUL, sum = 0;
  /* Sattolo's algorithm: a permutation that is a single cycle. */
  for (int i = 0; i < NODES; i++) node[i].value = (uint64_t)i;
  for (int i = NODES - 1; i > 0; i--) {
    int j = (int)(random_next(&seed) % (uint64_t)i);
    uint64_t swap = node[i].value;
    node[i].value = node[j].value;
    node[j].value = swap;
  }
  for (int i = 0; i < NODES; i++) node[i].next = &node[node[i].value];
  Node *at = node;
  for (uint64_t round = 0; round < scale; round++) {
    for (int i = 0; i < 65536; i++) {
      sum += at->value;
      at = at->next;
    }
    sum = mix(sum, at->value);
  }
  return sum;
}
