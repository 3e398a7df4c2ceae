/* Text through the 16550 UART of board virt. */
#include "runtime.h"

#define UART_THR 0
#define UART_LSR 5
#define LSR_THR_EMPTY 0x20

void putchar_uart(char c) {
  while (!(read8(UART_BASE + UART_LSR) & LSR_THR_EMPTY)) {
  }
  write8(UART_BASE + UART_THR, (uint8_t)c);
}

void print(const char *text) {
  while (*text) putchar_uart(*text++);
}

static void print_number(uint64_t value, unsigned base, int width, char pad) {
  char digits[20];
  int n = 0;
  do {
    digits[n++] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value);
  for (int i = n; i < width; i++) putchar_uart(pad);
  while (n) putchar_uart(digits[--n]);
}

void vprintf(const char *format, va_list args) {
  for (; *format; format++) {
    if (*format != '%') {
      putchar_uart(*format);
      continue;
    }
    format++;
    char pad = ' ';
    if (*format == '0') pad = *format++;
    int width = 0;
    while (*format >= '0' && *format <= '9') width = width * 10 + (*format++ - '0');
    int wide = 0;
    while (*format == 'l' || *format == 'z') {
      wide = 1;
      format++;
    }
    if (*format == 0) break;
    switch (*format) {
      case 's': {
        const char *text = va_arg(args, const char *);
        for (int i = (int)strlen(text); i < width; i++) putchar_uart(' ');
        print(text);
        break;
      }
      case 'c':
        putchar_uart((char)va_arg(args, int));
        break;
      case 'd': {
        int64_t value = wide ? va_arg(args, int64_t) : va_arg(args, int);
        if (value < 0) putchar_uart('-');
        print_number(value < 0 ? -(uint64_t)value : (uint64_t)value, 10, width, pad);
        break;
      }
      case 'u':
      case 'x': {
        uint64_t value = wide ? va_arg(args, uint64_t) : va_arg(args, unsigned);
        print_number(value, *format == 'x' ? 16 : 10, width, pad);
        break;
      }
      default:
        putchar_uart(*format);
    }
  }
}

void printf(const char *format, ...) {
  va_list args;
  va_start(args, format);
  vprintf(format, args);
  va_end(args);
}
