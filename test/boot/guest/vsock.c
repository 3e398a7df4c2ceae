/* One conversation by AF_VSOCK, as the first argument says. Prints a line of what came of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/vm_sockets.h>

static char buffer[65536];

static void fail(const char *what) {
  printf("%s: %s\n", what, strerror(errno));
  exit(1);
}

static int open_socket(void) {
  int s = socket(AF_VSOCK, SOCK_STREAM, 0);
  if (s < 0) fail("socket");
  return s;
}

static int dial(unsigned cid, unsigned port) {
  struct sockaddr_vm to = {.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
  int s = open_socket();
  if (connect(s, (struct sockaddr *)&to, sizeof to)) fail("connect");
  return s;
}

static int answer(unsigned port) {
  struct sockaddr_vm at = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = port};
  int s = open_socket();
  if (bind(s, (struct sockaddr *)&at, sizeof at)) fail("bind");
  if (listen(s, 128)) fail("listen");
  return s;
}

static void send_all(int s, const char *from, size_t length) {
  while (length > 0) {
    ssize_t done = write(s, from, length);
    if (done < 0) fail("write");
    from += done;
    length -= done;
  }
}

/* The same bytes as the test's own. */
static void fill(uint32_t *state, size_t length) {
  for (size_t i = 0; i < length; i++) {
    *state = *state * 1664525u + 1013904223u;
    buffer[i] = *state >> 24;
  }
}

/* @returns bytes that came until the end; the sum says which */
static size_t drain(int s, uint32_t *sum) {
  size_t total = 0;
  for (;;) {
    ssize_t got = read(s, buffer, sizeof buffer);
    if (got < 0) fail("read");
    if (got == 0) return total;
    for (ssize_t i = 0; i < got; i++) *sum = *sum * 31 + (unsigned char)buffer[i];
    total += got;
  }
}

/* Sends back what comes, until the other end has said all, on each of so many connections. */
static void echo(unsigned port, int count) {
  int listener = answer(port);
  for (int i = 0; i < count; i++) {
    int s = accept(listener, NULL, NULL);
    if (s < 0) fail("accept");
    if (fork() > 0) {
      close(s);
      continue;
    }
    for (ssize_t got; (got = read(s, buffer, sizeof buffer)) != 0;) {
      if (got < 0) fail("read");
      send_all(s, buffer, got);
    }
    exit(0);
  }
  while (wait(NULL) > 0);
}

/* Sends so many bytes, says that it is all, and reads the answer. */
static void talk(unsigned port, size_t length) {
  int s = dial(VMADDR_CID_HOST, port);
  uint32_t state = port, sum = 0;
  if (fork() == 0) {
    for (size_t left = length; left > 0;) {
      size_t count = left < sizeof buffer ? left : sizeof buffer;
      fill(&state, count);
      send_all(s, buffer, count);
      left -= count;
    }
    if (shutdown(s, SHUT_WR)) fail("shutdown");
    exit(0);
  }
  size_t got = drain(s, &sum);
  printf("%zu %u\n", got, sum);
}

/* Writes until nothing more is taken for a second. */
static void stuck(unsigned port) {
  int s = dial(VMADDR_CID_HOST, port);
  size_t total = 0;
  fcntl(s, F_SETFL, O_NONBLOCK);
  for (int idle = 0; idle < 20;) {
    ssize_t done = write(s, buffer, sizeof buffer);
    if (done < 0 && errno != EAGAIN) fail("write");
    if (done > 0) total += done, idle = 0;
    else usleep(50000), idle++;
  }
  printf("%zu\n", total);
}

/* Accepts, and reads nothing until a line comes on its input. */
static void deaf(unsigned port) {
  int s = accept(answer(port), NULL, NULL);
  uint32_t sum = 0;
  if (s < 0) fail("accept");
  while (access("/listen", F_OK)) usleep(20000);
  printf("%zu\n", drain(s, &sum));
}

int main(int count, char **words) {
  setvbuf(stdout, NULL, _IONBF, 0);
  unsigned port = count > 2 ? strtoul(words[2], NULL, 10) : 0;
  const char *what = count > 1 ? words[1] : "";
  if (!strcmp(what, "cid")) {
    unsigned cid = 0;
    if (ioctl(open("/dev/vsock", O_RDONLY), IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid)) fail("ioctl");
    printf("%u\n", cid);
  } else if (!strcmp(what, "echo")) {
    echo(port, atoi(words[3]));
  } else if (!strcmp(what, "talk")) {
    talk(port, strtoull(words[3], NULL, 10));
  } else if (!strcmp(what, "stuck")) {
    stuck(port);
  } else if (!strcmp(what, "deaf")) {
    deaf(port);
  } else if (!strcmp(what, "wait")) {
    uint32_t sum = 0;
    int s = dial(VMADDR_CID_HOST, port);
    printf("connected\n");
    printf("%zu\n", drain(s, &sum));
  } else if (!strcmp(what, "shut")) {
    int s = dial(VMADDR_CID_HOST, port);
    while (read(s, buffer, sizeof buffer) > 0);
    for (int i = 0; i < 100; i++) {
      if (send(s, "x", 1, MSG_NOSIGNAL) < 0) fail("write");
      usleep(20000);
    }
  } else {
    return 2;
  }
  return 0;
}
