#include "fdt.h"

#include "runtime.h"

#define MAGIC 0xd00dfeedU
#define BEGIN_NODE 1
#define END_NODE 2
#define PROP 3
#define NOP 4

static uint32_t big32(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static uint64_t big64(const uint8_t *p) { return (uint64_t)big32(p) << 32 | big32(p + 4); }

static int starts(const char *text, const char *prefix) {
  while (*prefix)
    if (*text++ != *prefix++) return 0;
  return 1;
}

int read_board(uint64_t tree, Board *board) {
  const uint8_t *base = (const uint8_t *)tree;
  memset(board, 0, sizeof *board);
  if (!tree || big32(base) != MAGIC) return 0;
  const uint8_t *at = base + big32(base + 8), *names = base + big32(base + 12);
  const char *node = "";
  for (int depth = 0;;) {
    uint32_t token = big32(at);
    at += 4;
    if (token == BEGIN_NODE) {
      node = (const char *)at;
      at += (strlen(node) + 4) & ~3UL;
      depth++;
      if (starts(node, "cpu@")) board->harts++;
    } else if (token == END_NODE) {
      node = "";
      if (--depth == 0) return 1;
    } else if (token == PROP) {
      uint32_t size = big32(at);
      const char *name = (const char *)names + big32(at + 4);
      const uint8_t *value = at + 8;
      at = value + ((size + 3) & ~3U);
      if (depth == 1 && !strcmp(name, "model")) board->model = (const char *)value;
      if (!strcmp(name, "timebase-frequency")) board->timebase = size == 8 ? big64(value) : big32(value);
      if (!strcmp(name, "riscv,isa") && !board->isa) board->isa = (const char *)value;
      if (starts(node, "memory@") && !strcmp(name, "reg") && !board->memory_size) {
        board->memory_base = big64(value); /* two cells each on board virt */
        board->memory_size = big64(value + 8);
      }
      if (!strcmp(name, "compatible") && !strcmp((const char *)value, "virtio,mmio")) board->virtio_slots++;
    } else if (token != NOP) {
      return 0;
    }
  }
}
