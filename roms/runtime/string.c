/* The memory functions that the compiler expects everywhere: copies go by
   words when both ends are aligned alike. */
#include "runtime.h"

void *memcpy(void *to, const void *from, size_t size) {
  uint8_t *d = to;
  const uint8_t *s = from;
  if ((((uintptr_t)d ^ (uintptr_t)s) & 7) == 0) {
    for (; size && ((uintptr_t)d & 7); size--) *d++ = *s++;
    for (; size >= 32; size -= 32, d += 32, s += 32) {
      uint64_t a = ((const uint64_t *)s)[0], b = ((const uint64_t *)s)[1];
      uint64_t c = ((const uint64_t *)s)[2], e = ((const uint64_t *)s)[3];
      ((uint64_t *)d)[0] = a;
      ((uint64_t *)d)[1] = b;
      ((uint64_t *)d)[2] = c;
      ((uint64_t *)d)[3] = e;
    }
    for (; size >= 8; size -= 8, d += 8, s += 8) *(uint64_t *)d = *(const uint64_t *)s;
  }
  while (size--) *d++ = *s++;
  return to;
}

void *memmove(void *to, const void *from, size_t size) {
  uint8_t *d = to;
  const uint8_t *s = from;
  if (d <= s || d >= s + size) return memcpy(to, from, size);
  while (size--) d[size] = s[size];
  return to;
}

void *memset(void *to, int value, size_t size) {
  uint8_t *d = to;
  uint64_t word = (uint8_t)value * 0x0101010101010101UL;
  for (; size && ((uintptr_t)d & 7); size--) *d++ = (uint8_t)value;
  for (; size >= 8; size -= 8, d += 8) *(uint64_t *)d = word;
  while (size--) *d++ = (uint8_t)value;
  return to;
}

int memcmp(const void *a, const void *b, size_t size) {
  const uint8_t *x = a, *y = b;
  for (; size; size--, x++, y++)
    if (*x != *y) return *x - *y;
  return 0;
}

size_t strlen(const char *text) {
  size_t n = 0;
  while (text[n]) n++;
  return n;
}

int strcmp(const char *a, const char *b) {
  for (; *a && *a == *b; a++, b++) {
  }
  return (uint8_t)*a - (uint8_t)*b;
}
