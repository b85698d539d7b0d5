/* A disk that fails on demand, put before a process's C library by LD_PRELOAD. Only tests use it.

   FAULTY_DISK names a file. While it is there, it holds `fsync PERCENT` (that share of fsync and fdatasync fails with EIO) or `full`
   (every write fails with ENOSPC), for the gateway's own databases alone: the simulated providers' is spared. FAULTY_FILES names others instead, by a
   part of their path. Each failure adds a byte to FAULTY_DISK.hits. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *const FILES[] = {"/inbox.db", "/sessions.db", "/chat.db"};
static __thread unsigned dice;

static int is_ours(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    const char *others = getenv("FAULTY_FILES");
    if (others) return strstr(path, others) != NULL;
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++)
        if (strstr(path, FILES[i])) return 1;
    return 0;
}

static int fails(int fd, const char *how) {
    const char *control = getenv("FAULTY_DISK");
    char plan[32] = "", word[16] = "", hits[4096];
    int percent = 100, opened = control ? open(control, O_RDONLY) : -1;
    if (opened < 0) return 0;
    ssize_t length = read(opened, plan, sizeof plan - 1);
    close(opened);
    if (length <= 0 || sscanf(plan, "%15s %d", word, &percent) < 1 || strcmp(word, how) || !is_ours(fd)) return 0;
    if (!dice) dice = (unsigned)(getpid() ^ (size_t)&dice);
    if ((int)(rand_r(&dice) % 100) >= percent) return 0;
    snprintf(hits, sizeof hits, "%s.hits", control);
    int noted = open(hits, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (noted >= 0) {
        ssize_t (*write_on)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
        write_on(noted, ".", 1);
        close(noted);
    }
    return 1;
}

#define REFUSE(error) do { errno = error; return -1; } while (0)
#define REAL(name, type) ((type)dlsym(RTLD_NEXT, name))

int fsync(int fd) {
    if (fails(fd, "fsync")) REFUSE(EIO);
    return REAL("fsync", int (*)(int))(fd);
}

int fdatasync(int fd) {
    if (fails(fd, "fsync")) REFUSE(EIO);
    return REAL("fdatasync", int (*)(int))(fd);
}

ssize_t write(int fd, const void *from, size_t count) {
    if (fails(fd, "full")) REFUSE(ENOSPC);
    return REAL("write", ssize_t (*)(int, const void *, size_t))(fd, from, count);
}

ssize_t pwrite(int fd, const void *from, size_t count, off_t at) {
    if (fails(fd, "full")) REFUSE(ENOSPC);
    return REAL("pwrite", ssize_t (*)(int, const void *, size_t, off_t))(fd, from, count, at);
}

ssize_t pwrite64(int fd, const void *from, size_t count, off64_t at) {
    if (fails(fd, "full")) REFUSE(ENOSPC);
    return REAL("pwrite64", ssize_t (*)(int, const void *, size_t, off64_t))(fd, from, count, at);
}

ssize_t pwritev(int fd, const struct iovec *from, int count, off_t at) {
    if (fails(fd, "full")) REFUSE(ENOSPC);
    return REAL("pwritev", ssize_t (*)(int, const struct iovec *, int, off_t))(fd, from, count, at);
}

ssize_t pwritev64(int fd, const struct iovec *from, int count, off64_t at) {
    if (fails(fd, "full")) REFUSE(ENOSPC);
    return REAL("pwritev64", ssize_t (*)(int, const struct iovec *, int, off64_t))(fd, from, count, at);
}

int posix_fallocate(int fd, off_t at, off_t length) {
    if (fails(fd, "full")) return ENOSPC;
    return REAL("posix_fallocate", int (*)(int, off_t, off_t))(fd, at, length);
}

int posix_fallocate64(int fd, off64_t at, off64_t length) {
    if (fails(fd, "full")) return ENOSPC;
    return REAL("posix_fallocate64", int (*)(int, off64_t, off64_t))(fd, at, length);
}
