/*
 * Says a word and ends the machine through the host-target interface of
 * riscv-isa-sim (Spike): the `tohost` and `fromhost` symbols of the ELF file.
 * CODE, fixed at build, is the exit code. It uses no device of any board.
 */
#include "runtime.h"

#define DEVICE_CONSOLE (1UL << 56)
#define COMMAND_WRITE (1UL << 48)

/* A mailbox for each direction, apart so that neither shares a cache line. */
volatile uint64_t tohost __attribute__((section(".htif"), aligned(64)));
volatile uint64_t fromhost __attribute__((section(".htif"), aligned(64)));

static void send(char c) {
  while (tohost) fromhost = 0;
  tohost = DEVICE_CONSOLE | COMMAND_WRITE | (uint8_t)c;
}

void machine_exit(int code) {
  while (tohost) fromhost = 0;
  for (;;) tohost = (uint64_t)code << 1 | 1;
}

void trap_fatal(uint64_t cause, uint64_t pc, uint64_t value) {
  (void)pc, (void)value;
  machine_exit((int)(64 + cause));
}

int main(void) {
  for (const char *text = "HTIF\n"; *text; text++) send(*text);
  return CODE;
}
