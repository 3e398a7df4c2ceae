/* A thousand steps of five gravitating bodies per unit of scale (leapfrog), with fused multiply-add, square root and division. */
#include "kernel.h"

#define BODIES 5

typedef struct {
  double x, y, z, vx, vy, vz, mass;
} Body;

#ifdef UNFUSED /* beside a machine without the instruction: all of them round twice */
static double fma_(double a, double b, double c) { return a * b + c; }
#else
static double fma_(double a, double b, double c) { return __builtin_fma(a, b, c); }
#endif

static void step(Body *body, double dt) {
  for (int i = 0; i < BODIES; i++) {
    Body *a = &body[i];
    for (int j = i + 1; j < BODIES; j++) {
      Body *b = &body[j];
      double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
      double square = fma_(dx, dx, fma_(dy, dy, fma_(dz, dz, 0.01)));
      double pull = dt / (square * __builtin_sqrt(square));
      double pa = a->mass * pull, pb = b->mass * pull;
      a->vx = fma_(-dx, pb, a->vx);
      a->vy = fma_(-dy, pb, a->vy);
      a->vz = fma_(-dz, pb, a->vz);
      b->vx = fma_(dx, pa, b->vx);
      b->vy = fma_(dy, pa, b->vy);
      b->vz = fma_(dz, pa, b->vz);
    }
  }
  for (int i = 0; i < BODIES; i++) {
    Body *a = &body[i];
    a->x = fma_(dt, a->vx, a->x);
    a->y = fma_(dt, a->vy, a->y);
    a->z = fma_(dt, a->vz, a->z);
  }
}

uint64_t kernel(uint64_t scale) {
  Body *body = arena();
  for (int i = 0; i < BODIES; i++) {
    double n = i + 1;
    body[i] = (Body){n * 1.5, n * n * 0.25 - 2, 0.5 - n * 0.125, 0.25 * n, 1 / n, -0.0625 * n, 4 / (n * n)};
  }
  uint64_t sum = 0;
  for (uint64_t round = 0; round < scale; round++) {
    for (int i = 0; i < 1000; i++) step(body, 0.001);
    for (int i = 0; i < BODIES; i++) {
      union {
        double number;
        uint64_t bits;
      } x = {.number = body[i].x}, v = {.number = body[i].vz};
      sum = mix(mix(sum, x.bits), v.bits);
    }
  }
  return sum;
}
