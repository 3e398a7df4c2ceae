/*
 * Opens so many connections at once, sends a number on each, and reads it back
 * twice, with all of them standing meanwhile. Prints how many did.
 *
 *     many ADDRESS PORT COUNT
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static int read_all(int fd, void *to, size_t length) {
  size_t have = 0;
  while (have < length) {
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    if (poll(&pfd, 1, 60000) <= 0) return 0;
    ssize_t n = read(fd, (char *)to + have, length - have);
    if (n <= 0) return 0;
    have += n;
  }
  return 1;
}

int main(int argc, char **argv) {
  int count = atoi(argv[3]), good = 0, open = 0;
  struct rlimit limit = {count + 100, count + 100};
  setrlimit(RLIMIT_NOFILE, &limit);
  int *fds = calloc(count, sizeof *fds);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  inet_pton(AF_INET, argv[1], &to.sin_addr);
  for (int i = 0; i < count; i++) {
    fds[i] = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fds[i], (struct sockaddr *)&to, sizeof to) == 0) open++;
  }
  for (int round = 0; round < 2; round++)
    for (int i = 0; i < count; i++) {
      uint32_t number = i * 2 + round;
      if (write(fds[i], &number, 4) != 4) perror("write");
    }
  for (int i = 0; i < count; i++) {
    uint32_t got[2];
    good += read_all(fds[i], got, 8) && got[0] == (uint32_t)i * 2 && got[1] == (uint32_t)i * 2 + 1;
  }
  for (int i = 0; i < count; i++) shutdown(fds[i], SHUT_WR);
  int ended = 0;
  for (int i = 0; i < count; i++) {
    char byte;
    struct pollfd pfd = {.fd = fds[i], .events = POLLIN};
    ended += poll(&pfd, 1, 60000) > 0 && read(fds[i], &byte, 1) == 0;
  }
  printf("%d open, %d right, %d ended\n", open, good, ended);
  return 0;
}
