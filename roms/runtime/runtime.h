/* Freestanding runtime of our bare-metal guests on board virt. */
#ifndef WARDIAN_RUNTIME_H
#define WARDIAN_RUNTIME_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define UART_BASE 0x10000000UL
#define SYSCON_BASE 0x100000UL

/** Sends one byte through the 16550, waiting for room. */
void putchar_uart(char c);

/** Sends a string as it is. */
void print(const char *text);

/**
 * printf with %s %c %d %u %x, the l and z length modifiers, a width and zero
 * padding; nothing else.
 */
void printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

void vprintf(const char *format, va_list args);

/** Ends the machine through the test finisher: code 0 passes, others fail. */
void machine_exit(int code) __attribute__((noreturn));

/** Says which trap ended the run, then exits with code 1. */
void trap_fatal(uint64_t cause, uint64_t pc, uint64_t value) __attribute__((noreturn));

/* Set by start.S for probes: see selftest/probe.h. */
extern volatile uint64_t trap_resume, trap_cause, trap_value;

void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);

static inline uint8_t read8(uintptr_t address) { return *(volatile uint8_t *)address; }
static inline uint32_t read32(uintptr_t address) { return *(volatile uint32_t *)address; }
static inline uint64_t read64(uintptr_t address) { return *(volatile uint64_t *)address; }
static inline void write8(uintptr_t address, uint8_t value) { *(volatile uint8_t *)address = value; }
static inline void write32(uintptr_t address, uint32_t value) { *(volatile uint32_t *)address = value; }
static inline void write64(uintptr_t address, uint64_t value) { *(volatile uint64_t *)address = value; }

#endif
