/* A stack machine's interpreter running a program of its own: indirect jumps that no target predictor loves. Scale is 4,096 numbers of a Collatz search. */
#include "kernel.h"

enum { PUSH, LOAD, STORE, ADD, MUL, SHR, AND, XOR, LESS, JUMP, JUMP_ZERO, DUP, END };

/* Variables: 0 the number, 1 the trajectory, 2 its steps, 3 the checksum, 4 the end. */
static const int32_t PROGRAM[] = {
    /*  0 */ LOAD, 0, LOAD, 4, LESS, JUMP_ZERO, 73, /* while n < end */
    /*  7 */ LOAD, 0, STORE, 1, PUSH, 0, STORE, 2,
    /* 15 */ PUSH, 1, LOAD, 1, LESS, JUMP_ZERO, 54, /* while 1 < x */
    /* 22 */ LOAD, 1, DUP, PUSH, 1, AND, JUMP_ZERO, 39, /* odd: 3x + 1 */
    /* 30 */ PUSH, 3, MUL, PUSH, 1, ADD, JUMP, 42, END,
    /* 39 */ PUSH, 1, SHR, /* even: x / 2 */
    /* 42 */ STORE, 1, LOAD, 2, PUSH, 1, ADD, STORE, 2, JUMP, 15, END,
    /* 54 */ LOAD, 3, PUSH, 31, MUL, LOAD, 2, XOR, STORE, 3,
    /* 64 */ PUSH, 1, LOAD, 0, ADD, STORE, 0, JUMP, 0,
    /* 73 */ END,
};

static uint64_t interpret(const int32_t *program, uint64_t *variable) {
  uint64_t stack[16], *top = stack;
  const int32_t *pc = program;
  for (;;) {
    switch (*pc++) {
      case PUSH:
        *top++ = (uint64_t)*pc++;
        break;
      case LOAD:
        *top++ = variable[*pc++];
        break;
      case STORE:
        variable[*pc++] = *--top;
        break;
      case ADD:
        top--;
        top[-1] += top[0];
        break;
      case MUL:
        top--;
        top[-1] *= top[0];
        break;
      case SHR:
        top--;
        top[-1] >>= top[0];
        break;
      case AND:
        top--;
        top[-1] &= top[0];
        break;
      case XOR:
        top--;
        top[-1] ^= top[0];
        break;
      case LESS:
        top--;
        top[-1] = top[-1] < top[0];
        break;
      case JUMP:
        pc = program + *pc;
        break;
      case JUMP_ZERO:
        pc = *--top == 0 ? program + *pc : pc + 1;
        break;
      case DUP:
        top[0] = top[-1];
        top++;
        break;
      default:
        return variable[3];
    }
  }
}

uint64_t kernel(uint64_t scale) {
  uint64_t *variable = arena();
  variable[0] = 1;
  variable[3] = 1;
  variable[4] = 1 + scale * 4096;
  return interpret(PROGRAM, variable);
}
