/* Owns the rows; a row whose process has ended is free again. */
#include "controller/children.h"

#include "controller/spawn.h"

#include <string.h>

hf_err ct_children_check(const struct ct_children *children, hf_slice name,
                         hf_slice label)
{
    if (name.bytes == 0 || name.bytes > CT_CHILD_NAME_BYTES_MAX ||
        label.bytes > CT_CHILD_LABEL_BYTES_MAX ||
        hf_slice_find(name, 0) != name.bytes) {
        return HF_ERR_INVALID;
    }
    for (size_t i = 0; i < CT_CHILDREN_MAX; i++) {
        const struct ct_child *row = &children->rows[i];

        if (row->pid != 0 && hf_slice_equal(hf_slice_of_cstr(row->name), name)) {
            return HF_ERR_EXISTS;
        }
    }
    return children->count < CT_CHILDREN_MAX ? HF_OK : HF_ERR_FULL;
}

struct ct_child *ct_children_add(struct ct_children *children, pid_t pid, hf_slice name,
                                 hf_slice label)
{
    struct ct_child *row = children->rows;

    hf_check(ct_children_check(children, name, label) == HF_OK && pid > 0);
    while (row->pid != 0) {
        row++;
    }
    memset(row, 0, sizeof *row);
    row->pid = pid;
    row->since_ms = ct_spawn_since_ms(pid);
    row->kill_at = HF_TIME_NEVER;
    memcpy(row->name, name.data, name.bytes);
    if (label.bytes > 0) {
        memcpy(row->label, label.data, label.bytes);
    }
    row->label_bytes = label.bytes;
    children->count++;
    return row;
}

struct ct_child *ct_children_find(struct ct_children *children, pid_t pid)
{
    for (size_t i = 0; i < CT_CHILDREN_MAX; i++) {
        if (pid > 0 && children->rows[i].pid == pid) {
            return &children->rows[i];
        }
    }
    return NULL;
}

void ct_children_remove(struct ct_children *children, struct ct_child *child)
{
    hf_check(child->pid != 0 && children->count > 0);
    child->pid = 0;
    children->count--;
}

size_t ct_children_list(const struct ct_children *children,
                        struct hf_child out[CT_CHILDREN_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < CT_CHILDREN_MAX; i++) {
        const struct ct_child *row = &children->rows[i];

        if (row->pid != 0) {
            out[count++] = (struct hf_child){
                .pid = row->pid,
                .name = hf_slice_of_cstr(row->name),
                .label = hf_slice_of(row->label, row->label_bytes),
                .since_ms = row->since_ms,
            };
        }
    }
    return count;
}
