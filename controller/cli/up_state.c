/* Owns the state directory: its lock, the run directory it names, what an earlier run
 * may have left. */
#include "controller/cli/up.h"

#include "controller/spawn.h"
#include "lib/io/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEFTOVER_WAIT_MS 3000
#define LEFTOVER_KILL_MS 8000
#define LOCK_TRIES       10
#define LEFTOVERS_MAX    64
#define RUN_PARENT       "/run/holdfast"
#define PROCESSES_FILE   "processes"
#define SOCKET_ROOM      70 /* longest name below the run directory, with its slash */

/* After hf_file_make_directory: errno is of its last call. */
static bool refuse_directory(const char *path)
{
    int number = errno;
    struct stat found;

    if (stat(path, &found) != 0) {
        (void)cli_fail(1, "%s: cannot be made: %s", path, strerror(number));
    } else if (!S_ISDIR(found.st_mode)) {
        (void)cli_fail(1, "%s: is not a directory", path);
    } else if (found.st_uid != geteuid()) {
        (void)cli_fail(1, "%s: belongs to another user (uid %u)", path,
                       (unsigned)found.st_uid);
    } else if ((found.st_mode & 022) != 0) {
        (void)cli_fail(1,
                       "%s: others may write there; take that from them with chmod "
                       "go-w",
                       path);
    } else {
        (void)cli_fail(1, "%s: %s", path, strerror(number));
    }
    return false;
}

static bool make_directories(struct up *up)
{
    static const char *const below[] = {"", "/log", "/mint", "/controller", "/spool"};
    char path[CLI_PATH_BYTES + 16];

    for (size_t i = 0; i < sizeof below / sizeof below[0]; i++) {
        cli_path(path, sizeof path, "%s%s", up->state, below[i]);
        if (hf_file_make_directory(path, 0700) != HF_OK) {
            return refuse_directory(path);
        }
    }
    return true;
}

static bool take_lock(struct up *up)
{
    char path[CLI_PATH_BYTES + 16];
    int tries = 0;

    cli_path(path, sizeof path, "%s/" CLI_LOCK_FILE, up->state);
    up->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (up->lock < 0) {
        (void)cli_fail(1, "%s: %s", path, strerror(errno));
        return false;
    }
    while (flock(up->lock, LOCK_EX | LOCK_NB) != 0 && tries++ < LOCK_TRIES) {
        (void)usleep(10000); /* a `status` looks who holds it */
    }
    if (tries > LOCK_TRIES) {
        (void)cli_fail(1, "%s is in use by another holdfast up", up->state);
        (void)close(up->lock);
        return false;
    }
    return true;
}

struct leftover {
    pid_t pid;
    int64_t since_ms;
};

static size_t read_leftovers(const struct up *up, struct leftover out[LEFTOVERS_MAX])
{
    char path[CLI_PATH_BYTES + 16];
    char line[256];
    size_t count = 0;
    FILE *file = NULL;

    cli_path(path, sizeof path, "%s/" PROCESSES_FILE, up->state);
    file = fopen(path, "re");
    while (file != NULL && count < LEFTOVERS_MAX &&
           fgets(line, sizeof line, file) != NULL) {
        char *end = NULL;

        out[count].pid = (pid_t)strtol(line, &end, 10);
        out[count].since_ms = strtoll(end, NULL, 10);
        count += out[count].pid > 1 ? 1 : 0;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return count;
}

/* The pid and the time of its start name one process; two seconds of slack for the
 * clock. */
static bool lives(const struct leftover *leftover)
{
    int64_t since = ct_spawn_since_ms(leftover->pid);

    return since != 0 && llabs(since - leftover->since_ms) < 2000 &&
           !ct_spawn_has_ended(leftover->pid);
}

static size_t end_living(const struct leftover *leftovers, size_t count,
                         int signal_number)
{
    size_t living = 0;

    for (size_t i = 0; i < count; i++) {
        if (lives(&leftovers[i])) {
            living++;
            if (signal_number != 0) {
                (void)kill(leftovers[i].pid, signal_number);
            }
        }
    }
    return living;
}

/* Children of a killed `up` got a SIGTERM by its death: they drain by themselves. */
static bool end_leftovers(const struct up *up)
{
    struct leftover leftovers[LEFTOVERS_MAX];
    size_t count = read_leftovers(up, leftovers);
    size_t living = end_living(leftovers, count, 0);

    if (living > 0) {
        up_say("waiting for %zu processes of an earlier run to end", living);
    }
    for (int64_t waited_ms = 0; living > 0 && waited_ms < LEFTOVER_KILL_MS;
         waited_ms += 50) {
        (void)usleep(50000);
        living =
            end_living(leftovers, count, waited_ms == LEFTOVER_WAIT_MS ? SIGKILL : 0);
    }
    if (living > 0) {
        (void)cli_fail(1, "%zu processes of an earlier run do not end", living);
    }
    return living == 0;
}

static bool is_private(const char *path)
{
    struct stat found;

    return lstat(path, &found) == 0 && S_ISDIR(found.st_mode) &&
           found.st_uid == geteuid() && (found.st_mode & 077) == 0;
}

/* The one recorded by an earlier run, so that addresses stay the same. */
static bool reuse_run(struct up *up, const char *file)
{
    struct hf_buf text;
    hf_slice line;
    bool is_ours = false;

    hf_buf_init(&text, CLI_PATH_BYTES / 2);
    if (hf_file_read(file, &text) == HF_OK) {
        line = hf_buf_slice(&text);
        cli_path(up->run, sizeof up->run, "%.*s", (int)hf_slice_find(line, '\n'),
                 (const char *)line.data);
        is_ours = up->run[0] == '/' && ((mkdir(up->run, 0700) == 0) ||
                                        (errno == EEXIST && is_private(up->run)));
    }
    hf_buf_fini(&text);
    return is_ours;
}

static bool make_run(struct up *up)
{
    const char *temporary = getenv("TMPDIR");

    if ((mkdir(RUN_PARENT, 0711) == 0 || errno == EEXIST) &&
        access(RUN_PARENT, W_OK) == 0) {
        cli_path(up->run, sizeof up->run, RUN_PARENT "/%s-XXXXXX", up->config->cluster);
        if (mkdtemp(up->run) != NULL) {
            return true;
        }
    }
    if (temporary == NULL || temporary[0] != '/' || strlen(temporary) > 40) {
        temporary = "/tmp";
    }
    cli_path(up->run, sizeof up->run, "%s/holdfast-XXXXXX", temporary);
    return mkdtemp(up->run) != NULL;
}

static void clear_run(const struct up *up)
{
    DIR *directory = opendir(up->run);
    const struct dirent *entry = NULL;

    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] != '.') {
            (void)unlinkat(dirfd(directory), entry->d_name, 0);
        }
    }
    if (directory != NULL) {
        (void)closedir(directory);
    }
}

static bool open_run(struct up *up)
{
    char file[CLI_PATH_BYTES + 16];
    char line[CLI_PATH_BYTES + 2];
    hf_err err = HF_OK;

    cli_path(file, sizeof file, "%s/" CLI_RUN_FILE, up->state);
    if (!reuse_run(up, file) && !make_run(up)) {
        (void)cli_fail(1,
                       "no directory for sockets: %s: %s; set TMPDIR to one where "
                       "you may write",
                       up->run, strerror(errno));
        return false;
    }
    if (strlen(up->run) + SOCKET_ROOM > 107) {
        (void)cli_fail(1, "%s is too long for socket addresses: set TMPDIR", up->run);
        return false;
    }
    clear_run(up);
    cli_path(line, sizeof line, "%s\n", up->run);
    err = hf_file_replace(file, hf_slice_of_cstr(line), 0600);
    if (err != HF_OK) {
        (void)cli_fail(1, "%s: %s", file, hf_err_text(err));
    }
    return err == HF_OK;
}

bool up_state_open(struct up *up, const char *given)
{
    char path[CLI_PATH_BYTES];
    char *real = NULL;

    if (given != NULL) {
        cli_path(path, sizeof path, "%s", given);
    } else {
        cli_path(path, sizeof path, CLI_STATE_PARENT "/%s", up->config->cluster);
    }
    if (hf_file_make_directory(path, 0700) != HF_OK) {
        return refuse_directory(path);
    }
    real = realpath(path, NULL);
    if (real == NULL || strlen(real) > CLI_PATH_BYTES - 256) {
        free(real);
        (void)cli_fail(1, "%s: cannot be resolved", path);
        return false;
    }
    cli_path(up->state, sizeof up->state, "%s", real);
    free(real);
    return make_directories(up) && take_lock(up) && end_leftovers(up) && open_run(up);
}

void up_state_note(const struct up *up)
{
    char path[CLI_PATH_BYTES + 16];
    FILE *file = NULL;

    cli_path(path, sizeof path, "%s/" PROCESSES_FILE, up->state);
    file = fopen(path, "we");
    if (file == NULL) {
        return;
    }
    for (size_t i = 0; i < up->children_count; i++) {
        const struct up_child *child = &up->children[i];

        if (child->pid > 0) {
            (void)fprintf(file, "%d %lld %s %s\n", (int)child->pid,
                          (long long)child->since_ms, up_role_name(child->role),
                          child->name);
        }
    }
    (void)fclose(file);
}

void up_state_close(struct up *up)
{
    char path[CLI_PATH_BYTES + 16];

    clear_run(up);
    (void)rmdir(up->run);
    cli_path(path, sizeof path, "%s/" PROCESSES_FILE, up->state);
    (void)unlink(path);
    (void)close(up->lock);
}
