/* What Linux's file systems do, asked for on a shared folder: each check prints "ok NAME" or "FAIL NAME …". */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static int failures;

static void check(const char *name, int good) {
  if (good) printf("ok %s\n", name);
  else printf("FAIL %s (errno %d)\n", name, errno), failures++;
  fflush(stdout);
}

static int make(const char *path, const char *text) {
  int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (fd >= 0 && write(fd, text, strlen(text)) < 0) return -1;
  return fd;
}

static int is(const char *path, const char *text) {
  char buffer[256];
  int fd = open(path, O_RDONLY);
  ssize_t n = fd < 0 ? -1 : read(fd, buffer, sizeof buffer);
  if (fd >= 0) close(fd);
  return n == (ssize_t)strlen(text) && memcmp(buffer, text, n) == 0;
}

static int rename2(const char *from, const char *to, unsigned flags) {
  return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

static void modes(void) {
  struct stat st;
  umask(0);
  close(open("m", O_CREAT | O_WRONLY, 0666));
  check("mode without umask", stat("m", &st) == 0 && (st.st_mode & 07777) == 0666);
  umask(077);
  close(open("u", O_CREAT | O_WRONLY, 0666));
  check("umask", stat("u", &st) == 0 && (st.st_mode & 07777) == 0600);
  umask(022);
  check("chmod set-user-ID", chmod("m", 04755) == 0 && stat("m", &st) == 0 && (st.st_mode & 07777) == 04755);
  int fd = open("m", O_WRONLY);
  pid_t child = fork();
  if (child == 0) _exit(setuid(1000) == 0 && write(fd, "x", 1) == 1 ? 0 : 1);
  int status;
  waitpid(child, &status, 0);
  check("set-user-ID goes when another writes", status == 0 && stat("m", &st) == 0 && (st.st_mode & 04000) == 0);
  close(fd);
  check("mkdir mode", mkdir("dir", 01777) == 0 && stat("dir", &st) == 0 && (st.st_mode & 07777) == 01755);
}

static void owners(int kept) {
  struct stat st;
  chmod(".", 0777);
  pid_t child = fork();
  if (child == 0) _exit(setgid(100) == 0 && setuid(1000) == 0 && make("by-user", "x") >= 0 && symlink("x", "user-link") == 0 ? 0 : 1);
  int status;
  waitpid(child, &status, 0);
  check("a user makes files", status == 0 && stat("by-user", &st) == 0);
  if (kept) {
    check("they are the user's", st.st_uid == 1000 && st.st_gid == 100);
    check("links too", lstat("user-link", &st) == 0 && st.st_uid == 1000);
    check("chown", chown("by-user", 7, 8) == 0 && stat("by-user", &st) == 0 && st.st_uid == 7 && st.st_gid == 8);
  } else {
    check("they are root's", st.st_uid == 0);
    check("chown is taken", chown("by-user", 7, 8) == 0 && stat("by-user", &st) == 0 && st.st_uid == 0);
  }
}

static void names(void) {
  struct stat a, b;
  char text[PATH_MAX];
  close(make("one", "1"));
  check("hard link", link("one", "two") == 0 && stat("one", &a) == 0 && stat("two", &b) == 0 && a.st_ino == b.st_ino && b.st_nlink == 2);
  check("symbolic link", symlink("../any/where", "sym") == 0 && readlink("sym", text, sizeof text) == 12 && memcmp(text, "../any/where", 12) == 0);
  check("a link to nowhere", open("sym", O_RDONLY) < 0 && errno == ENOENT);
  check("relative link", mkdir("d", 0755) == 0 && symlink("../one", "d/up") == 0 && is("d/up", "1"));
  check("O_NOFOLLOW", open("d/up", O_RDONLY | O_NOFOLLOW) < 0 && errno == ELOOP);
  close(make("three", "3"));
  check("RENAME_NOREPLACE refuses", rename2("one", "three", 1) < 0 && errno == EEXIST);
  check("RENAME_NOREPLACE moves", rename2("three", "four", 1) == 0 && is("four", "3") && access("three", F_OK) < 0);
  check("RENAME_EXCHANGE", rename2("one", "four", 2) == 0 && is("one", "3") && is("four", "1"));
  check("RENAME_WHITEOUT isn't there", rename2("one", "w", 4) < 0 && errno == EINVAL);
  check("rename replaces", rename("one", "four") == 0 && is("four", "3"));
  check("rename of a directory", rename("d", "e") == 0 && is("e/up", "1") == 0 && access("e/up", F_OK) < 0);
  check("rename into itself", rename("e", "e/f") < 0 && errno == EINVAL);
  check("rmdir of a full one", rmdir("e") < 0 && errno == ENOTEMPTY);
  check("O_EXCL", open("four", O_CREAT | O_EXCL, 0600) < 0 && errno == EEXIST);
  char name[300];
  memset(name, 'n', sizeof name), name[255] = 0;
  check("name of 255", close(make(name, "")) == 0 && unlink(name) == 0);
  memset(name, 'n', sizeof name), name[256] = 0;
  check("name of 256", open(name, O_CREAT | O_WRONLY, 0600) < 0 && errno == ENAMETOOLONG);
  char *deep = getcwd(text, sizeof text);
  check("getcwd", deep && strstr(deep, "work"));
}

static void contents(void) {
  struct stat st;
  char buffer[64] = "";
  int fd = make("gone", "still here");
  check("unlink of an open file", unlink("gone") == 0 && fstat(fd, &st) == 0 && st.st_nlink == 0 && pread(fd, buffer, 10, 0) == 10 && memcmp(buffer, "still here", 10) == 0);
  check("and it grows", pwrite(fd, "more", 4, 10) == 4 && ftruncate(fd, 12) == 0 && fstat(fd, &st) == 0 && st.st_size == 12);
  close(fd);
  int one = open("log", O_WRONLY | O_CREAT | O_APPEND, 0644), two = open("log", O_WRONLY | O_APPEND);
  check("O_APPEND", write(one, "a", 1) == 1 && write(two, "b", 1) == 1 && write(one, "c", 1) == 1 && is("log", "abc"));
  close(one), close(two);
  fd = open("log", O_RDWR | O_APPEND);
  char *map = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  check("shared mapping of an appended file", map != MAP_FAILED && (map[0] = 'A', msync(map, 4096, MS_SYNC) == 0) && munmap(map, 4096) == 0 && is("log", "Abc"));
  close(fd);
  fd = make("f", "0123456789");
  check("truncate", truncate("f", 4) == 0 && is("f", "0123"));
  check("stretch", ftruncate(fd, 8) == 0 && pread(fd, buffer, 8, 0) == 8 && memcmp(buffer, "0123\0\0\0\0", 8) == 0);
  check("O_TRUNC", close(open("f", O_WRONLY | O_TRUNC)) == 0 && fstat(fd, &st) == 0 && st.st_size == 0);
  check("sparse", pwrite(fd, "x", 1, 3000000000L) == 1 && fstat(fd, &st) == 0 && st.st_size == 3000000001L && st.st_blocks < 10000);
  check("posix_fallocate", ftruncate(fd, 0) == 0 && posix_fallocate(fd, 0, 1 << 20) == 0 && fstat(fd, &st) == 0 && st.st_size == 1 << 20);
  check("SEEK_DATA", lseek(fd, 0, SEEK_DATA) == 0 && lseek(fd, 0, SEEK_HOLE) >= 0);
  check("fsync", fsync(fd) == 0 && fdatasync(fd) == 0);
  close(fd);
  fd = open(".", O_RDONLY | O_DIRECTORY);
  check("fsync of a directory", fsync(fd) == 0);
  check("syncfs", syncfs(fd) == 0);
  close(fd);
  int from = make("from", "copied by the host"), to = make("to", "");
  check("copy_file_range", copy_file_range(from, &(off_t){0}, to, &(off_t){0}, 100, 0) == 18 && is("to", "copied by the host"));
  struct timespec times[2] = {{.tv_sec = 1000000000, .tv_nsec = 123456000}, {.tv_sec = 1500000000, .tv_nsec = 999999000}};
  check("utimensat", utimensat(AT_FDCWD, "to", times, 0) == 0 && stat("to", &st) == 0 && st.st_mtim.tv_sec == 1500000000 && st.st_mtim.tv_nsec / 1000 == 999999 && st.st_atim.tv_sec == 1000000000);
  check("and of a link itself", symlink("to", "tl") == 0 && utimensat(AT_FDCWD, "tl", times, AT_SYMLINK_NOFOLLOW) == 0 && lstat("tl", &st) == 0 && st.st_mtim.tv_sec == 1500000000);
  struct timespec now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
  check("UTIME_NOW and UTIME_OMIT", utimensat(AT_FDCWD, "to", now, 0) == 0 && stat("to", &st) == 0 && st.st_mtim.tv_sec == 1500000000 && st.st_atim.tv_sec > 1600000000);
  struct statvfs fs;
  check("statfs", statvfs(".", &fs) == 0 && fs.f_namemax == 255 && fs.f_blocks > 0 && fs.f_bavail <= fs.f_blocks);
  check("no extended attributes", setxattr("to", "user.x", "y", 1, 0) < 0 && errno == EOPNOTSUPP);
  check("no pipes", mkfifo("pipe", 0600) < 0 && errno == EPERM);
}

static void locks(void) {
  int fd = make("lock", "0123456789"), other = open("lock", O_RDWR);
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 2, .l_len = 3};
  check("fcntl lock", fcntl(fd, F_SETLK, &lock) == 0);
  pid_t child = fork();
  if (child == 0) {
    int mine = open("lock", O_RDWR);
    struct flock same = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 4, .l_len = 1}, free = same, test = same;
    free.l_start = 6;
    int ok = fcntl(mine, F_SETLK, &same) < 0 && (errno == EAGAIN || errno == EACCES) && fcntl(mine, F_SETLK, &free) == 0;
    _exit(ok && fcntl(mine, F_GETLK, &test) == 0 && test.l_type == F_WRLCK && test.l_pid == getppid() ? 0 : 1);
  }
  int status;
  waitpid(child, &status, 0);
  check("fcntl lock keeps another process out", status == 0);
  check("flock", flock(fd, LOCK_EX) == 0 && flock(other, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK);
  check("flock goes with its file", close(fd) == 0 && flock(other, LOCK_EX | LOCK_NB) == 0);
  struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  check("open file description lock", fcntl(other, F_OFD_SETLK, &whole) == 0);
  close(other);
}

static void listing(void) {
  enum { COUNT = 500 };
  char name[300], seen[COUNT] = {0};
  mkdir("list", 0755);
  for (int i = 0; i < COUNT; i++) sprintf(name, "list/f%d", i), close(make(name, ""));
  DIR *dir = opendir("list");
  struct dirent *entry;
  struct stat st;
  int twice = 0, wrong = 0, count = 0;
  long middle = 0;
  char after[256] = "";
  while ((entry = readdir(dir))) {
    if (entry->d_name[0] != 'f') continue;
    int i = atoi(entry->d_name + 1);
    if (i < COUNT && seen[i]++) twice++;
    sprintf(name, "list/%s", entry->d_name);
    if (lstat(name, &st) == 0 && st.st_ino != entry->d_ino) wrong++;
    if (middle && !after[0]) strcpy(after, entry->d_name);
    if (count == 100) middle = telldir(dir);
    // Others come and go meanwhile.
    if (count++ % 3 == 0) unlink(name);
    sprintf(name, "list/fx%d", count), close(make(name, ""));
    if (count > 2 * COUNT) break;
  }
  int missed = 0;
  for (int i = 0; i < COUNT; i++) missed += !seen[i];
  check("readdir gives each name once", twice == 0 && missed == 0);
  check("with its number", wrong == 0);
  seekdir(dir, middle);
  entry = readdir(dir);
  check("seekdir", entry && strcmp(entry->d_name, after) == 0);
  closedir(dir);
}

static void *swap(void *stop) {
  while (!*(volatile int *)stop) rename2("race/sub", "race/link", 2);
  return 0;
}

/* Names that are directories one moment and links out of the folder the next: nothing of outside is ever had. */
static void race(const char *target) {
  int stop = 0, out = 0, in = 0;
  char buffer[64], name[64];
  pthread_t thread;
  mkdir("race", 0755), mkdir("race/sub", 0755), close(make("race/sub/secret", "inside"));
  check("race begins", symlink(target, "race/link") == 0 && pthread_create(&thread, 0, swap, &stop) == 0);
  for (int i = 0; i < 300; i++) {
    int fd = open("race/sub/secret", O_RDWR);
    ssize_t n = fd < 0 ? 0 : read(fd, buffer, sizeof buffer);
    if (n == 6 && memcmp(buffer, "inside", 6) == 0) in++;
    else if (n > 0) out++;
    if (fd >= 0 && i % 2) pwrite(fd, "inside", 6, 0);
    if (fd >= 0) close(fd);
    sprintf(name, "race/sub/new%d", i % 5);
    close(open(name, O_CREAT | O_WRONLY, 0644));
    unlink(name);
  }
  stop = 1;
  pthread_join(thread, 0);
  check("race stays inside", out == 0 && in > 0);
}

int main(int argc, char **argv) {
  if (argc < 4 || mkdir(argv[1], 0755) != 0 || chdir(argv[1]) != 0) return perror("share"), 2;
  modes();
  owners(atoi(argv[2]));
  names();
  contents();
  locks();
  listing();
  race(argv[3]);
  printf("%d failed\n", failures);
  return failures != 0;
}
