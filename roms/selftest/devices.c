/* The devices of board virt: clocks, UART, interrupt controller, virtio. */
#include "probe.h"

#define MTIMECMP 0x2004000UL
#define MTIME 0x200bff8UL
#define MSIP 0x2000000UL
#define RTC 0x101000UL
#define PLIC 0xc000000UL
#define PLIC_PENDING (PLIC + 0x1000)
#define PLIC_ENABLE (PLIC + 0x2000) /* of context 0: hart 0, M-mode */
#define PLIC_THRESHOLD (PLIC + 0x200000)
#define PLIC_CLAIM (PLIC + 0x200004)
#define UART_IRQ 10
#define VIRTIO 0x10001000UL
#define VIRTIO_STRIDE 0x1000UL
#define VIRTIO_MAGIC 0x74726976U
#define MIP_MSIP 8UL
#define MIP_MTIP 128UL
#define MIP_MEIP 2048UL

static uint64_t rdtime(void) {
  uint64_t value;
  __asm__ volatile("rdtime %0" : "=r"(value)::"memory");
  return value;
}

/* Reading the low word latches the high one. */
static uint64_t rtc_nanoseconds(void) {
  uint64_t low = read32(RTC);
  return (uint64_t)read32(RTC + 4) << 32 | low;
}

static void test_clocks(uint64_t timebase) {
  report("timebase", timebase == 10000000, "%lu Hz", timebase);
  uint64_t from = read64(MTIME), wall = rtc_nanoseconds(), span = timebase / 50;
  while (read64(MTIME) - from < span) {
  }
  wall = rtc_nanoseconds() - wall;
  /* 20 ms by one clock; the other agrees unless the host is very busy. */
  report("RTC against mtime", wall >= 10000000 && wall <= 1000000000, "agree");
  uint64_t a = read64(MTIME), b = rdtime(), c = read64(MTIME);
  report("rdtime", a <= b && b <= c, "is mtime");

  write64(MTIMECMP, -1);
  int before = (CSR_READ("mip") & MIP_MTIP) != 0;
  write64(MTIMECMP, read64(MTIME) + timebase / 1000);
  for (from = read64(MTIME); !(CSR_READ("mip") & MIP_MTIP) && read64(MTIME) - from < timebase;) {
  }
  report("timer interrupt", !before && CSR_READ("mip") & MIP_MTIP, "pending when due");
  write64(MTIMECMP, -1);
  write32(MSIP, 1);
  int set = (CSR_READ("mip") & MIP_MSIP) != 0;
  write32(MSIP, 0);
  report("software interrupt", set && !(CSR_READ("mip") & MIP_MSIP), "set and cleared");
}

static void test_uart(void) {
  write8(UART_BASE + 7, 0x5a);
  report("UART scratch", read8(UART_BASE + 7) == 0x5a, "0x%x", read8(UART_BASE + 7));

  write32(PLIC + 4 * UART_IRQ, 1);
  write32(PLIC_THRESHOLD, 0);
  write32(PLIC_ENABLE, 1U << UART_IRQ);
  report("PLIC registers", read32(PLIC + 4 * UART_IRQ) == 1 && read32(PLIC_ENABLE) == 1U << UART_IRQ, "hold");
  while (!(read8(UART_BASE + 5) & 0x40)) { /* until all is sent */
  }
  write8(UART_BASE + 1, 2); /* interrupt when there is room to send */
  uint64_t from = rdtime();
  while (!(CSR_READ("mip") & MIP_MEIP) && rdtime() - from < 10000000) {
  }
  int pending = (CSR_READ("mip") & MIP_MEIP) != 0;
  uint32_t claimed = read32(PLIC_CLAIM), again = read32(PLIC_CLAIM);
  write8(UART_BASE + 1, 0);
  write32(PLIC_CLAIM, UART_IRQ); /* complete */
  report("UART through the PLIC", pending && claimed == UART_IRQ && again == 0, "claimed %u, then %u", claimed, again);
  write32(PLIC_ENABLE, 0);
}

static void test_virtio(unsigned slots) {
  unsigned present = 0, right = 0;
  for (unsigned i = 0; i < slots; i++) {
    uintptr_t at = VIRTIO + i * VIRTIO_STRIDE;
    uint32_t version = read32(at + 4);
    if (read32(at) == VIRTIO_MAGIC && (version == 1 || version == 2)) right++;
    if (read32(at + 8)) present++;
  }
  report("virtio slots", right == slots && slots == 8, "%u, devices in %u", slots, present);
}

void test_devices(uint64_t timebase, unsigned virtio_slots) {
  test_clocks(timebase);
  test_uart();
  test_virtio(virtio_slots);
}
