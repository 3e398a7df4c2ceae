/* A reader of flattened device trees (Devicetree Specification 0.4, chapter 5). */
#ifndef WARDIAN_FDT_H
#define WARDIAN_FDT_H

#include <stdint.h>

typedef struct {
  uint64_t memory_base, memory_size;
  unsigned harts, virtio_slots;
  uint64_t timebase;
  const char *isa, *model;
} Board;

/** Fills in what the tree says of the board. Returns 0 when it isn't a tree. */
int read_board(uint64_t tree, Board *board);

#endif
