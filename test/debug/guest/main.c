/* What the debugger's test looks at; hart 0 ends when `stop` is set. */
typedef unsigned long u64;

volatile u64 watched = 5;
volatile u64 stop;
volatile u64 ticks[2];
volatile double ratio = 1.5;

__attribute__((noinline)) u64 add(u64 a, u64 b) {
  return a + b;
}

__attribute__((noinline)) double scale(double x) {
  return x * ratio;
}

__attribute__((noinline)) void spin(u64 hart) {
  while (!stop) ticks[hart]++;
}

int main(u64 hart) {
  if (hart == 0) {
    u64 sum = add(40, 2);
    watched = sum;
    scale(3.0);
    sum += watched;
    watched = 7 + (sum & 0);
  }
  spin(hart);
  if (hart == 0) *(volatile unsigned *)0x100000 = 0x5555;
  for (;;) __asm__ volatile("wfi");
}
