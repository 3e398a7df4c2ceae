/*
 * A tap device in a network namespace of its own, whose frames come and go by
 * standard output and input, each with its length in front (32 bits, big-endian),
 * as on QEMU's socket networks. Commands enter the namespace by /proc/PID/ns/net.
 *
 *     tap NAME
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>

/* An IPv4 packet of 64 KiB, with Ethernet's header. */
#define LARGEST 65549

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void write_all(int fd, const uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t n = write(fd, bytes, length);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) exit(0);
    bytes += n;
    length -= n;
  }
}

int main(int argc, char **argv) {
  static uint8_t out[1 << 18], in[1 << 18];
  size_t have = 0;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (unshare(CLONE_NEWNET) < 0) fail("unshare");
  int tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  if (tap < 0) fail("/dev/net/tun");
  struct ifreq ifr;
  memset(&ifr, 0, sizeof ifr);
  ifr.ifr_flags = IFF_TAP | IFF_NO_PI;
  strncpy(ifr.ifr_name, argc > 1 ? argv[1] : "tap0", IFNAMSIZ - 1);
  if (ioctl(tap, TUNSETIFF, &ifr) < 0) fail("TUNSETIFF");
  fprintf(stderr, "ready\n");
  struct pollfd fds[2] = {{.fd = tap, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
  for (;;) {
    if (poll(fds, 2, -1) < 0 && errno != EINTR) fail("poll");
    if (fds[0].revents & POLLIN) {
      size_t used = 0;
      while (used + 4 + LARGEST <= sizeof out) {
        ssize_t n = read(tap, out + used + 4, LARGEST);
        if (n <= 0) break;
        out[used] = n >> 24, out[used + 1] = n >> 16, out[used + 2] = n >> 8, out[used + 3] = n;
        used += 4 + n;
      }
      write_all(1, out, used);
    }
    if (fds[1].revents & (POLLIN | POLLHUP)) {
      ssize_t n = read(0, in + have, sizeof in - have);
      if (n == 0) return 0;
      if (n > 0) have += n;
      size_t at = 0;
      while (have - at >= 4) {
        size_t length = (size_t)in[at] << 24 | in[at + 1] << 16 | in[at + 2] << 8 | in[at + 3];
        if (length > LARGEST) return 1;
        if (have - at - 4 < length) break;
        if (write(tap, in + at + 4, length) < 0) { /* the device is down: lost, as on a wire */ }
        at += 4 + length;
      }
      memmove(in, in + at, have - at);
      have -= at;
    }
  }
}
