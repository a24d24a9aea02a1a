/* Owns the revocation list: its entries, sorted, and the parts they came in. */
#include "lib/token/revocation.h"

#include <stdlib.h>
#include <string.h>

#include "lib/token/document_read.h"
#include "lib/token/instant.h"

enum kind { JTI, HOLDER, KID, SUBJECT, QUEUE, KINDS };

struct entry {
    uint32_t name_at; /* into names */
    uint16_t name_bytes;
    uint16_t kind;
    int64_t value; /* until, issued-before or epoch_min */
};

struct hf_revocation {
    struct hf_buf entries; /* of struct entry */
    struct hf_buf names;
    uint64_t epoch_min;
    struct hf_document_head head;
    uint64_t parts_seen; /* bit per part */
    uint64_t parts;
    bool is_finished;
};

#define NAMES_BYTES_MAX ((size_t)HF_REVOCATION_ENTRIES_MAX * HF_QUEUE_NAME_BYTES_MAX)

static struct entry *entries_of(const struct hf_revocation *list)
{
    return (struct entry *)(uintptr_t)hf_buf_slice(&list->entries).data;
}

static size_t count_of(const struct hf_revocation *list)
{
    return hf_buf_bytes(&list->entries) / sizeof(struct entry);
}

static hf_slice name_of(const struct hf_revocation *list, const struct entry *entry)
{
    return hf_slice_first(hf_slice_skip(hf_buf_slice(&list->names), entry->name_at),
                          entry->name_bytes);
}

hf_err hf_revocation_new(struct hf_revocation **out)
{
    hf_check(out != NULL);

    struct hf_revocation *list = calloc(1, sizeof *list);

    if (list == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    hf_buf_init(&list->entries, HF_REVOCATION_ENTRIES_MAX * sizeof(struct entry));
    hf_buf_init(&list->names, NAMES_BYTES_MAX);
    *out = list;
    return HF_OK;
}

void hf_revocation_free(struct hf_revocation *list)
{
    if (list == NULL) {
        return;
    }
    hf_buf_fini(&list->entries);
    hf_buf_fini(&list->names);
    free(list);
}

static hf_err add(struct hf_revocation *list, enum kind kind, hf_slice name,
                  int64_t value)
{
    struct entry entry = {(uint32_t)hf_buf_bytes(&list->names), (uint16_t)name.bytes,
                          (uint16_t)kind, value};

    if (count_of(list) == HF_REVOCATION_ENTRIES_MAX) {
        return HF_ERR_FULL;
    }

    hf_err err = hf_buf_append(&list->names, name);

    if (err == HF_OK) {
        err = hf_buf_append(&list->entries, hf_slice_of(&entry, sizeof entry));
    }
    list->is_finished = false;
    return err;
}

static bool is_instant(int64_t unix_s)
{
    return unix_s >= 0 && unix_s <= HF_INSTANT_MAX;
}

hf_err hf_revocation_add_jti(struct hf_revocation *list, hf_jti jti, int64_t until_s)
{
    hf_check(list != NULL);

    return is_instant(until_s)
               ? add(list, JTI, hf_slice_of(jti.bytes, sizeof jti.bytes), until_s)
               : HF_ERR_INVALID;
}

hf_err hf_revocation_add_holder(struct hf_revocation *list, hf_key holder,
                                int64_t until_s)
{
    hf_check(list != NULL);

    return is_instant(until_s)
               ? add(list, HOLDER, hf_slice_of(holder.bytes, sizeof holder.bytes),
                     until_s)
               : HF_ERR_INVALID;
}

hf_err hf_revocation_add_kid(struct hf_revocation *list, const hf_kid *kid)
{
    hf_check(list != NULL);
    hf_check(kid != NULL);

    return add(list, KID, hf_slice_of(kid->text, HF_KID_TEXT_BYTES), 0);
}

hf_err hf_revocation_add_subject(struct hf_revocation *list, hf_slice subject,
                                 int64_t issued_before_s)
{
    hf_check(list != NULL);

    return hf_subject_is_valid(subject) && is_instant(issued_before_s)
               ? add(list, SUBJECT, subject, issued_before_s)
               : HF_ERR_INVALID;
}

hf_err hf_revocation_add_queue(struct hf_revocation *list, hf_slice queue,
                               uint64_t epoch_min)
{
    hf_check(list != NULL);

    return hf_queue_name_check(queue) == HF_OK && epoch_min <= (uint64_t)HF_INTEGER_MAX
               ? add(list, QUEUE, queue, (int64_t)epoch_min)
               : HF_ERR_INVALID;
}

void hf_revocation_raise_epoch(struct hf_revocation *list, uint64_t epoch_min)
{
    hf_check(list != NULL);

    if (epoch_min > list->epoch_min) {
        list->epoch_min = epoch_min;
    }
}

void hf_revocation_expire(struct hf_revocation *list, int64_t now_s)
{
    hf_check(list != NULL);

    struct entry *entries = entries_of(list);
    size_t kept = 0;

    for (size_t i = 0; i < count_of(list); i++) {
        bool has_end = entries[i].kind == JTI || entries[i].kind == HOLDER;

        if (!has_end || entries[i].value >= now_s) {
            entries[kept++] = entries[i];
        }
    }
    list->entries.end = list->entries.start + kept * sizeof(struct entry);
}

/* Kind, name, then the strictest value first. */
static int compare_entries(const void *a, const void *b, void *context)
{
    const struct hf_revocation *list = context;
    const struct entry *x = a;
    const struct entry *y = b;
    int order = x->kind - y->kind;

    if (order == 0) {
        order = hf_slice_compare(name_of(list, x), name_of(list, y));
    }
    if (order == 0) {
        order = (x->value < y->value) - (x->value > y->value);
    }
    return order;
}

void hf_revocation_finish(struct hf_revocation *list)
{
    hf_check(list != NULL);

    if (count_of(list) > 1) {
        qsort_r(entries_of(list), count_of(list), sizeof(struct entry), compare_entries,
                list);
    }
    list->is_finished = true;
}

/* The first entry of that kind and name, or NULL. */
static const struct entry *find(const struct hf_revocation *list, enum kind kind,
                                hf_slice name)
{
    hf_check(list != NULL);
    hf_check(list->is_finished);

    const struct entry *entries = entries_of(list);
    size_t low = 0;
    size_t high = count_of(list);

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct entry *entry = &entries[middle];
        int order = (int)entry->kind - (int)kind;

        if (order == 0) {
            order = hf_slice_compare(name_of(list, entry), name);
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    if (low == count_of(list) || entries[low].kind != (uint16_t)kind ||
        !hf_slice_equal(name_of(list, &entries[low]), name)) {
        return NULL;
    }
    return &entries[low];
}

uint64_t hf_revocation_epoch(const struct hf_revocation *list)
{
    hf_check(list != NULL);

    return list->epoch_min;
}

bool hf_revocation_has_jti(const struct hf_revocation *list, const hf_jti *jti)
{
    hf_check(jti != NULL);

    return find(list, JTI, hf_slice_of(jti->bytes, sizeof jti->bytes)) != NULL;
}

bool hf_revocation_has_holder(const struct hf_revocation *list, hf_key holder)
{
    return find(list, HOLDER, hf_slice_of(holder.bytes, sizeof holder.bytes)) != NULL;
}

bool hf_revocation_has_kid(const struct hf_revocation *list, const hf_kid *kid)
{
    hf_check(kid != NULL);

    return find(list, KID, hf_slice_of(kid->text, HF_KID_TEXT_BYTES)) != NULL;
}

bool hf_revocation_has_subject(const struct hf_revocation *list, hf_slice subject,
                               int64_t issued_s)
{
    const struct entry *entry = find(list, SUBJECT, subject);

    return entry != NULL && issued_s < entry->value;
}

bool hf_revocation_allows_queue(const struct hf_revocation *list, hf_slice queue,
                                uint64_t epoch)
{
    const struct entry *entry = list == NULL ? NULL : find(list, QUEUE, queue);

    return entry == NULL || epoch >= (uint64_t)entry->value;
}

const struct hf_document_head *hf_revocation_head(const struct hf_revocation *list)
{
    hf_check(list != NULL);

    return &list->head;
}

bool hf_revocation_is_complete(const struct hf_revocation *list)
{
    hf_check(list != NULL);

    return list->parts > 0 && list->parts_seen == UINT64_MAX >> (64 - list->parts);
}

static void empty(struct hf_revocation *list)
{
    hf_buf_clear(&list->entries);
    hf_buf_clear(&list->names);
    list->epoch_min = 0;
    list->head = (struct hf_document_head){0};
    list->parts = 0;
    list->parts_seen = 0;
    list->is_finished = false;
}

static hf_err merge(struct hf_revocation *list, const struct hf_revocation *part)
{
    const struct entry *entries = entries_of(part);

    for (size_t i = 0; i < count_of(part); i++) {
        hf_err err = add(list, (enum kind)entries[i].kind, name_of(part, &entries[i]),
                         entries[i].value);

        if (err != HF_OK) {
            return err;
        }
    }
    hf_revocation_raise_epoch(list, part->epoch_min);
    return HF_OK;
}

static enum hf_token_error take_part(struct hf_revocation *list,
                                     const struct hf_revocation *part,
                                     const struct hf_document_members *members)
{
    uint64_t bit = UINT64_C(1) << (members->part - 1);

    if (members->head.seq < list->head.seq) {
        return HF_TOKEN_STALE;
    }
    if (members->head.seq > list->head.seq) {
        empty(list);
        list->head.seq = members->head.seq;
        list->parts = members->parts;
    }
    if (members->parts != list->parts) {
        return HF_TOKEN_CLAIMS;
    }
    if ((list->parts_seen & bit) != 0) {
        return HF_TOKEN_OK;
    }
    if (merge(list, part) != HF_OK) {
        empty(list);
        return HF_TOKEN_RESOURCE;
    }
    list->parts_seen |= bit;
    list->head.issued_s = members->head.issued_s;
    list->head.expires_s = members->head.expires_s;
    if (hf_revocation_is_complete(list)) {
        hf_revocation_finish(list);
    }
    return HF_TOKEN_OK;
}

static enum hf_token_error read_part(struct hf_revocation *list, hf_slice payload,
                                     const struct hf_document_context *context)
{
    struct hf_document_members members;
    struct hf_revocation *part = NULL;
    hf_err err = hf_revocation_new(&part);

    if (err == HF_OK) {
        err = hf_revocation_read(payload, &members, part);
    }

    enum hf_token_error error =
        err == HF_ERR_NO_MEMORY ? HF_TOKEN_RESOURCE : HF_TOKEN_CLAIMS;

    if (err == HF_OK) {
        error = hf_document_judge(&members.head, context);
    }
    if (error == HF_TOKEN_OK) {
        error = take_part(list, part, &members);
    }
    hf_revocation_free(part);
    return error;
}

enum hf_token_error hf_revocation_add_part(struct hf_revocation *list, hf_slice token,
                                           const struct hf_document_context *context)
{
    struct hf_document document;

    hf_check(list != NULL);

    enum hf_token_error error =
        hf_document_open(HF_DOCUMENT_REVOCATION, token, context, &document);

    if (error != HF_TOKEN_OK) {
        return error;
    }
    error = read_part(list, document.payload, context);
    hf_document_close(&document);
    return error;
}

/* The most an entry adds to a payload. Nothing in it is ever escaped. */
static size_t cost_of(const struct entry *entry)
{
    static const size_t texts[KINDS] = {HF_JTI_TEXT_BYTES, HF_KEY_TEXT_BYTES, 0, 0, 0};

    return HF_REVOCATION_ENTRY_BYTES(texts[entry->kind] != 0 ? texts[entry->kind]
                                                             : entry->name_bytes);
}

/* The end of the part whose first entry is at `from`. */
static size_t end_of_part(const struct hf_revocation *list, size_t from)
{
    const struct entry *entries = entries_of(list);
    size_t bytes = 0;
    size_t at = from;

    for (; at < count_of(list); at++) {
        bytes += cost_of(&entries[at]);
        if (bytes > HF_REVOCATION_PART_BYTES) {
            break;
        }
    }
    return at;
}

size_t hf_revocation_parts(const struct hf_revocation *list)
{
    size_t parts = 0;

    hf_check(list->is_finished);
    for (size_t at = 0; at < count_of(list); parts++) {
        at = end_of_part(list, at);
    }
    return parts == 0 ? 1 : parts;
}

static hf_err write_pair(struct hf_buf *out, hf_slice name, int64_t instant_s)
{
    char text[HF_INSTANT_TEXT_BYTES + 1];

    hf_instant_text(instant_s, text);
    return hf_buf_printf(out, "[\"%.*s\",\"%s\"]", (int)name.bytes,
                         (const char *)name.data, text);
}

static hf_err write_entry(const struct hf_revocation *list, const struct entry *entry,
                          struct hf_buf *out)
{
    hf_slice name = name_of(list, entry);
    char text[HF_KEY_TEXT_BYTES + 1];
    hf_jti jti;
    hf_key key;

    switch ((enum kind)entry->kind) {
    case JTI:
        memcpy(jti.bytes, name.data, sizeof jti.bytes);
        hf_jti_text(&jti, text);
        return write_pair(out, hf_slice_of_cstr(text), entry->value);
    case HOLDER:
        memcpy(key.bytes, name.data, sizeof key.bytes);
        hf_key_text(key, text);
        return write_pair(out, hf_slice_of_cstr(text), entry->value);
    case SUBJECT:
        return write_pair(out, name, entry->value);
    case KID:
        return hf_buf_printf(out, "\"%.*s\"", (int)name.bytes, (const char *)name.data);
    case QUEUE:
        return hf_buf_printf(out, "[\"%.*s\",%lld]", (int)name.bytes,
                             (const char *)name.data, (long long)entry->value);
    case KINDS:
        break;
    }
    hf_check(false);
    return HF_ERR_INVALID;
}

/* The entries of one kind from `begin` to before `end`, as a JSON array. */
static hf_err write_kind(const struct hf_revocation *list, enum kind kind, size_t begin,
                         size_t end, struct hf_buf *out)
{
    static const char *const names[KINDS] = {"jti", "cnf", "kid", "sub", "q"};
    const struct entry *entries = entries_of(list);
    const char *separator = "";
    hf_err err = hf_buf_printf(out, ",\"%s\":[", names[kind]);

    for (size_t i = begin; err == HF_OK && i < end; i++) {
        if (entries[i].kind != (uint16_t)kind) {
            continue;
        }
        err = hf_buf_append_cstr(out, separator);
        if (err == HF_OK) {
            err = write_entry(list, &entries[i], out);
        }
        separator = ",";
    }
    return err != HF_OK ? err : hf_buf_append_byte(out, ']');
}

hf_err hf_revocation_write(const struct hf_revocation *list,
                           const struct hf_document_head *head, size_t part,
                           struct hf_buf *out)
{
    size_t parts = hf_revocation_parts(list);
    size_t begin = 0;
    hf_err err;

    hf_check(part < parts);
    if (parts > HF_REVOCATION_PARTS_MAX) {
        return HF_ERR_FULL;
    }
    for (size_t i = 0; i < part; i++) {
        begin = end_of_part(list, begin);
    }

    if ((err = hf_document_head_write(head, out)) == HF_OK && parts > 1) {
        err = hf_buf_printf(out, ",\"part\":%zu,\"parts\":%zu", part + 1, parts);
    }
    if (err == HF_OK) {
        err =
            hf_buf_printf(out, ",\"min_ep\":%llu", (unsigned long long)list->epoch_min);
    }
    for (int kind = JTI; err == HF_OK && kind < KINDS; kind++) {
        err = write_kind(list, (enum kind)kind, begin, end_of_part(list, begin), out);
    }
    return err != HF_OK ? err : hf_buf_append_byte(out, '}');
}
