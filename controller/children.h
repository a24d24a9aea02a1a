/* The spawner's table: children by pid, name and label; who is to end and by when.
 * Knows nothing of sockets. */
#ifndef HF_CONTROLLER_CHILDREN_H
#define HF_CONTROLLER_CHILDREN_H

#include "lib/base/ids.h"
#include "lib/base/time.h"
#include "lib/wire/lists.h"

#include <sys/types.h>

#define CT_CHILDREN_MAX          512
#define CT_CHILD_NAME_BYTES_MAX  96
#define CT_CHILD_LABEL_BYTES_MAX 64
#define CT_CHILD_MARK_BYTES      32

struct ct_child {
    pid_t pid; /* 0: a free row */
    int64_t since_ms;
    hf_time kill_at; /* HF_TIME_NEVER: nothing asked it to end */
    size_t label_bytes;
    uint8_t label[CT_CHILD_LABEL_BYTES_MAX];
    char name[CT_CHILD_NAME_BYTES_MAX + 1];
    char mark[CT_CHILD_MARK_BYTES]; /* what its descendants are known by */
};

struct ct_children {
    struct ct_child rows[CT_CHILDREN_MAX];
    size_t count;
};

/* INVALID: a name or label that is too long or empty; EXISTS: the name runs; FULL. */
HF_MUST_USE hf_err ct_children_check(const struct ct_children *children, hf_slice name,
                                     hf_slice label);
/* After ct_children_check has agreed. */
struct ct_child *ct_children_add(struct ct_children *children, pid_t pid, hf_slice name,
                                 hf_slice label);
/* NULL for a pid that is none of ours. */
struct ct_child *ct_children_find(struct ct_children *children, pid_t pid);
void ct_children_remove(struct ct_children *children, struct ct_child *child);
/* Rows for a LISTED record; borrowed from the table. Returns their number. */
size_t ct_children_list(const struct ct_children *children,
                        struct hf_child out[CT_CHILDREN_MAX]);

#endif
