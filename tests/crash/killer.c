/* Kills the process at its n-th write to a file, or in the middle of it; loaded by LD_PRELOAD.
 *
 * What counts is what changes files for good: writes, syncs, truncations, renames, removals.
 * Nothing is counted before `killer_arm` is called, and pipes and sockets never are.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static volatile long left = 0;
static volatile int torn = 0;
static volatile long counted = 0;

void killer_arm(long n, int tear) {
    counted = 0;
    torn = tear;
    left = n;
}

long killer_count(void) { return counted; }

static void die(void) { kill(getpid(), SIGKILL); }

/* Tell whether this is the call at which to die. */
static int last(void) {
    counted++;
    return left > 0 && --left == 0;
}

static int is_file(int fd) {
    struct stat found;
    return fstat(fd, &found) == 0 && S_ISREG(found.st_mode);
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__) = NULL; \
    if (!real) real = dlsym(RTLD_NEXT, name)

ssize_t write(int fd, const void *bytes, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    if (is_file(fd) && last()) {
        if (torn) real(fd, bytes, size / 2);
        die();
    }
    return real(fd, bytes, size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    if (is_file(fd) && last()) {
        if (torn) real(fd, bytes, size / 2, at);
        die();
    }
    return real(fd, bytes, size, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    if (is_file(fd) && last()) {
        if (torn) real(fd, bytes, size / 2, at);
        die();
    }
    return real(fd, bytes, size, at);
}

int fsync(int fd) {
    REAL(int, "fsync", int);
    if (last()) die();
    return real(fd);
}

int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    if (last()) die();
    return real(fd);
}

int ftruncate(int fd, off_t size) {
    REAL(int, "ftruncate", int, off_t);
    if (last()) die();
    return real(fd, size);
}

int ftruncate64(int fd, off64_t size) {
    REAL(int, "ftruncate64", int, off64_t);
    if (last()) die();
    return real(fd, size);
}

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    if (last()) die();
    return real(from, to);
}

int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    if (last()) die();
    return real(path);
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    if (last()) die();
    return real(path, mode);
}
