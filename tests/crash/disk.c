/* A disk that goes wrong on purpose, between a program and its files; loaded by LD_PRELOAD.
 *
 * What counts is what changes files for good: writes, syncs, truncations, renames, removals, new files;
 * or, instead, what reads them. At the n-th of them the process is killed, before it or in the middle of it, or the call fails. All of
 * them can be recorded, with their contents and in their order, for whoever wants to know what would be
 * left of them had the power failed. Pipes and sockets are left alone, and nothing is counted before
 * `disk_arm` is called; a program that is not ours is told by its environment what is to fail.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum how { KILL = 1, TEAR, FAIL_ONCE, FAIL_ON, FILL_UP, FAIL_SYNC_ONCE, FAIL_SYNC_ON, FAIL_READ_ONCE, FAIL_READ_ON };

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER; /* one at a time: the order is the record's */
static volatile long left = 0, counted = 0;
static volatile int how = 0, error = 0, failing = 0;
static volatile char only = 0; /* calls of this kind: syncs, reads, or all but reads */
static char under[PATH_MAX] = "", spared[PATH_MAX] = ""; /* what is not under the one, or has the other, is left alone */
static volatile int recording = -1;

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__) = NULL; \
    if (!real) real = dlsym(RTLD_NEXT, name)

/* Let the n-th call go wrong that concerns a path with the one part in it and without the other. */
void disk_arm(long n, int what, int with, const char *part, const char *but) {
    pthread_mutex_lock(&turn);
    counted = 0;
    failing = 0;
    left = n;
    only = what >= FAIL_READ_ONCE ? 'g' : what >= FAIL_SYNC_ONCE ? 's' : 0;
    how = what < FAIL_SYNC_ONCE ? what : (what - FAIL_SYNC_ONCE) % 2 ? FAIL_ON : FAIL_ONCE;
    error = with;
    snprintf(under, sizeof under, "%s", part);
    snprintf(spared, sizeof spared, "%s", but);
    pthread_mutex_unlock(&turn);
}

/* Let nothing go wrong any more; return how many calls there were. */
long disk_repair(void) {
    pthread_mutex_lock(&turn);
    left = 0;
    how = 0;
    pthread_mutex_unlock(&turn);
    return counted;
}

/* Tell whether a call has failed since the disk was armed. */
int disk_failing(void) { return failing; }

/* ---- the record: a head of 29 bytes, a path, and what was written or another path ---- */

struct head {
    char what;
    int64_t file, at;
    uint32_t path, more;
    int32_t error;
} __attribute__((packed));

static void put(const void *bytes, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    const char *next = bytes;
    while (size > 0) {
        ssize_t done = real(recording, next, size);
        if (done <= 0) abort();
        next += done;
        size -= (size_t)done;
    }
}

static void note(char what, int64_t file, int64_t at, const char *path, const void *more, size_t size, int failed) {
    if (recording < 0) return;
    int before = errno;
    struct head head = {what, file, at, (uint32_t)strlen(path), (uint32_t)size, failed};
    put(&head, sizeof head);
    put(path, strlen(path));
    if (size) put(more, size);
    errno = before;
}

/* Record everything from here on in a file that is open. */
void disk_record(int file) { recording = file; }

/* Put a remark among what is recorded: what was acknowledged by now. */
void disk_mark(const char *text) {
    pthread_mutex_lock(&turn);
    note('a', 0, 0, "", text, strlen(text), 0);
    pthread_mutex_unlock(&turn);
}

/* ---- what happens to a call ---- */

static int from_outside(const char *path) {
    /* FAULTY_DISK=error:part of a path:file that has to be there */
    const char *told = getenv("FAULTY_DISK");
    if (!told) return 0;
    char part[PATH_MAX], beside[PATH_MAX];
    int with;
    if (sscanf(told, "%d:%4095[^:]:%4095[^:]", &with, part, beside) != 3) abort();
    int before = errno;
    int there = strstr(path, part) != NULL && access(beside, F_OK) == 0;
    errno = before;
    return there ? with : 0;
}

/* Return what is to happen to this call: nothing, or how it goes wrong. Sets `errno` if it fails. */
static int fate(char what, const char *path) {
    int with = what == 'g' ? 0 : from_outside(path);
    if (with) {
        errno = with;
        return FAIL_ON;
    }
    if (only ? what != only : what == 'g') return 0;
    if (!strstr(path, under) || (*spared && strstr(path, spared))) return 0;
    counted++;
    if (failing && (how == FAIL_ON || how == FILL_UP)) {
        errno = error;
        return FAIL_ON;
    }
    if (left == 0 || --left > 0) return 0;
    failing = how >= FAIL_ONCE;
    if (failing) errno = error;
    return how;
}

static void die(void) { kill(getpid(), SIGKILL); }

/* Return 1 and the path for a file that is looked at, and 2 for a folder. */
static int is_ours(int fd, char *path, int64_t *file) {
    struct stat found;
    char link[64];
    if (fd == recording || fstat(fd, &found) != 0) return 0;
    if (!S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, PATH_MAX - 1);
    if (size < 0) return 0;
    path[size] = 0;
    *file = (int64_t)found.st_ino;
    return S_ISDIR(found.st_mode) ? 2 : 1;
}

/* Carry out a call whose bytes may be written by half: `PART(size)` is the real one, with so many bytes. */
#define WRITTEN(AT, PART) \
    char path[PATH_MAX]; \
    int64_t file; \
    if (!is_ours(fd, path, &file)) return PART(size); \
    pthread_mutex_lock(&turn); \
    int64_t at_ = AT; \
    ssize_t done = -1; \
    switch (fate('w', path)) { \
    case 0: done = PART(size); break; \
    case TEAR: PART(size / 2); /* fall through */ \
    case KILL: die(); break; \
    case FILL_UP: if (size > 1) done = PART(size / 2); break; /* the next call will fail */ \
    default: break; \
    } \
    if (done > 0) note('w', file, at_, path, bytes, (size_t)done, 0); \
    pthread_mutex_unlock(&turn); \
    return done

/* Carry out a call that is done or not, by what the record calls it; `DONE` puts it into the record, with `errno` in `failed`. */
#define CARRIED_OUT(WHAT, PATH, CALL, DONE) \
    pthread_mutex_lock(&turn); \
    int what_ = fate(WHAT, PATH); \
    if (what_ == KILL || what_ == TEAR) die(); \
    ssize_t result = what_ ? -1 : CALL; \
    int failed = result < 0 ? errno : 0; \
    DONE; \
    pthread_mutex_unlock(&turn); \
    if (failed) errno = failed; \
    return result

ssize_t write(int fd, const void *bytes, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
#define PART(N) real(fd, bytes, N)
    WRITTEN(lseek(fd, 0, fcntl(fd, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR), PART);
#undef PART
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
#define PART(N) real(fd, bytes, N, at)
    WRITTEN(at, PART);
#undef PART
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
#define PART(N) real(fd, bytes, N, at)
    WRITTEN(at, PART);
#undef PART
}

/* Carry out a call that gets what is in a file; nothing of that is recorded. */
#define GOT(CALL) \
    char path[PATH_MAX]; \
    int64_t file; \
    if (only != 'g' || is_ours(fd, path, &file) != 1) return CALL; \
    CARRIED_OUT('g', path, CALL, )

ssize_t read(int fd, void *bytes, size_t size) {
    REAL(ssize_t, "read", int, void *, size_t);
    GOT(real(fd, bytes, size));
}

ssize_t pread(int fd, void *bytes, size_t size, off_t at) {
    REAL(ssize_t, "pread", int, void *, size_t, off_t);
    GOT(real(fd, bytes, size, at));
}

ssize_t pread64(int fd, void *bytes, size_t size, off64_t at) {
    REAL(ssize_t, "pread64", int, void *, size_t, off64_t);
    GOT(real(fd, bytes, size, at));
}

/* Where the disk is ours nothing is really synced: no power fails here, and it would take most of the time. */
static int synced(int fd, int (*real)(int)) {
    char path[PATH_MAX];
    int64_t file;
    int is = is_ours(fd, path, &file);
    if (!is) return real(fd);
    CARRIED_OUT('s', path, 0, note(is == 2 ? 'd' : 's', file, 0, path, "", 0, failed));
}

int fsync(int fd) {
    REAL(int, "fsync", int);
    return synced(fd, real);
}

int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    return synced(fd, real);
}

static int cut(int fd, int64_t size, int (*real)(int, off64_t)) {
    char path[PATH_MAX];
    int64_t file;
    if (!is_ours(fd, path, &file)) return real(fd, size);
    CARRIED_OUT('t', path, real(fd, size), if (!failed) note('t', file, size, path, "", 0, 0));
}

int ftruncate(int fd, off_t size) {
    REAL(int, "ftruncate64", int, off64_t);
    return cut(fd, size, real);
}

int ftruncate64(int fd, off64_t size) {
    REAL(int, "ftruncate64", int, off64_t);
    return cut(fd, size, real);
}

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    CARRIED_OUT('r', from, real(from, to), if (!failed) note('r', 0, 0, from, to, strlen(to), 0));
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    CARRIED_OUT('m', path, real(path, mode), if (!failed) note('m', 0, 0, path, "", 0, 0));
}

static const char *whole(int folder, const char *path, char *room) {
    char link[64];
    if (path[0] == '/' || folder == AT_FDCWD) return path;
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t size = readlink(link, room, PATH_MAX - 1);
    if (size < 0) return path;
    snprintf(room + size, PATH_MAX - (size_t)size, "/%s", path);
    return room;
}

int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    CARRIED_OUT('u', path, real(path), if (!failed) note('u', 0, 0, path, "", 0, 0));
}

int unlinkat(int folder, const char *path, int flags) {
    REAL(int, "unlinkat", int, const char *, int);
    char room[PATH_MAX];
    const char *name = whole(folder, path, room);
    CARRIED_OUT('u', name, real(folder, path, flags), if (!failed) note('u', 0, 0, name, "", 0, 0));
}

int rmdir(const char *path) {
    REAL(int, "rmdir", const char *);
    CARRIED_OUT('u', path, real(path), if (!failed) note('u', 0, 0, path, "", 0, 0));
}

static void made(int fd, const char *path) {
    struct stat found;
    if (fstat(fd, &found) == 0) note('o', (int64_t)found.st_ino, 0, path, "", 0, 0);
}

/* Files without a name, and those that are there already, are none of the disk's news. */
static int makes(const char *path, int flags) {
    if (!(flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) return 0;
    int before = errno;
    int there = access(path, F_OK) == 0;
    errno = before;
    return !there;
}

#define OPENED(NAME) \
    int NAME(const char *path, int flags, ...) { \
        REAL(int, #NAME, const char *, int, ...); \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        if (!makes(path, flags)) { \
            int result = real(path, flags, mode); \
            if (result >= 0 && flags & O_TRUNC) { \
                char name[PATH_MAX]; \
                int64_t file; \
                pthread_mutex_lock(&turn); \
                if (is_ours(result, name, &file)) note('t', file, 0, name, "", 0, 0); \
                pthread_mutex_unlock(&turn); \
            } \
            return result; \
        } \
        CARRIED_OUT('o', path, real(path, flags, mode), if (!failed) made(result, path)); \
    }

OPENED(open)
OPENED(open64)
