/* Owns the search for orphans: the kernel's list of our children, minus the table. */
#include "controller/orphans.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define LIST_BYTES        32768
#define ENVIRONMENT_BYTES 65536

static size_t read_whole(const char *path, char *out, size_t out_bytes)
{
    FILE *file = fopen(path, "re");
    size_t bytes = 0;

    if (file != NULL) {
        bytes = fread(out, 1, out_bytes - 1, file);
        (void)fclose(file);
    }
    out[bytes] = '\0';
    return bytes;
}

/* The value of the variable in a process, or "" when it has none. */
static void read_mark(pid_t pid, char out[CT_CHILD_MARK_BYTES])
{
    static char environment[ENVIRONMENT_BYTES];
    const size_t name_bytes = strlen(CT_ORPHAN_VARIABLE);
    char path[64];
    size_t bytes = 0;

    out[0] = '\0';
    (void)snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    bytes = read_whole(path, environment, sizeof environment);
    for (const char *at = environment; at < environment + bytes; at += strlen(at) + 1) {
        if (strncmp(at, CT_ORPHAN_VARIABLE, name_bytes) == 0) {
            (void)snprintf(out, CT_CHILD_MARK_BYTES, "%.*s", CT_CHILD_MARK_BYTES - 1,
                           at + name_bytes);
            return;
        }
    }
}

static bool is_of_the_living(const struct ct_children *children, const char *mark)
{
    for (size_t i = 0; i < CT_CHILDREN_MAX; i++) {
        if (children->rows[i].pid != 0 && strcmp(children->rows[i].mark, mark) == 0) {
            return true;
        }
    }
    return false;
}

void ct_orphans_adopt(void)
{
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

void ct_orphans_end(struct ct_children *children)
{
    static char list[LIST_BYTES];
    char path[64];
    char mark[CT_CHILD_MARK_BYTES];
    char *end = NULL;

    (void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    (void)read_whole(path, list, sizeof list);
    for (const char *at = list; *at != '\0'; at = end) {
        pid_t pid = (pid_t)strtol(at, &end, 10);

        if (end == at || pid <= 0) {
            break;
        }
        if (ct_children_find(children, pid) != NULL) {
            continue;
        }
        read_mark(pid, mark);
        if (mark[0] != '\0' && !is_of_the_living(children, mark)) {
            (void)kill(pid, SIGKILL);
        }
    }
}
