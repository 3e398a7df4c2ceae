/*
 * Says what the machine has and checks that it works: a line for each finding,
 * PASS or FAIL at the end, and the number of failures as the exit code.
 */
#include "fdt.h"
#include "probe.h"

static int failures;

void report(const char *what, int ok, const char *format, ...) {
  va_list args;
  va_start(args, format);
  printf("%s %s: ", ok ? "ok  " : "FAIL", what);
  vprintf(format, args);
  print("\n");
  va_end(args);
  if (!ok) failures++;
}

int main(uint64_t hart, uint64_t tree) {
  Board board;
  int known = read_board(tree, &board);
  report("device tree", known, "%s", known && board.model ? board.model : "none");
  report("harts", board.harts >= 1 && hart == CSR_READ("mhartid"), "%u, this is %lu", board.harts, hart);
  report("isa string", board.isa != 0, "%s", board.isa ? board.isa : "none");
  test_isa();
  test_privilege();
  test_float();
  test_memory(board.memory_base, board.memory_size);
  test_devices(board.timebase, board.virtio_slots);
  if (failures)
    printf("FAIL %d\n", failures);
  else
    print("PASS\n");
  return failures;
}
