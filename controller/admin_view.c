/* Owns the tables that people see. */
#include "controller/admin_view.h"

#include "lib/base/text.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 10
#define CELL_BYTES  80
#define ROWS_MAX    4096

struct column {
    const char *title;
    const char *member;
    enum { CELL_TEXT, CELL_NUMBER, CELL_SINCE, CELL_MS } type;
};

struct table {
    const char *list; /* member of the answer */
    const char *title;
    struct column columns[COLUMNS_MAX];
};

static const struct table processes = {"processes",
                                       "PROCESSES",
                                       {{"ROLE", "role", CELL_TEXT},
                                        {"ID", "id", CELL_TEXT},
                                        {"PID", "pid", CELL_NUMBER},
                                        {"UP", "since", CELL_SINCE}}};
static const struct table queues = {"queues",
                                    "QUEUES",
                                    {{"QUEUE", "name", CELL_TEXT},
                                     {"STATE", "state", CELL_TEXT},
                                     {"DEPTH", "depth", CELL_NUMBER},
                                     {"OLDEST", "oldest_age_ms", CELL_MS},
                                     {"IN FLIGHT", "in_flight", CELL_NUMBER},
                                     {"COMMITTED", "committed", CELL_NUMBER},
                                     {"ELIDED", "elided", CELL_NUMBER},
                                     {"ANSWERED", "answered", CELL_NUMBER},
                                     {"REDELIVERED", "redelivered", CELL_NUMBER},
                                     {"REFUSED", "refused", CELL_NUMBER}}};
static const struct table workers = {"workers",
                                     "WORKERS",
                                     {{"WORKER", "id", CELL_TEXT},
                                      {"QUEUE", "queue", CELL_TEXT},
                                      {"STATE", "state", CELL_TEXT},
                                      {"PID", "pid", CELL_NUMBER},
                                      {"APP", "app_pid", CELL_NUMBER},
                                      {"UP", "since", CELL_SINCE},
                                      {"LEASES", "leases", CELL_NUMBER},
                                      {"RESTARTS", "restarts", CELL_NUMBER}}};
static const struct table sessions = {"sessions",
                                      "SESSIONS",
                                      {{"BROKER", "broker", CELL_TEXT},
                                       {"ROLE", "role", CELL_TEXT},
                                       {"ID", "id", CELL_TEXT},
                                       {"SUBJECT", "subject", CELL_TEXT},
                                       {"PID", "pid", CELL_NUMBER},
                                       {"UP", "since", CELL_SINCE},
                                       {"LEASES", "leases", CELL_NUMBER},
                                       {"SNAPSHOT", "snapshot", CELL_NUMBER}}};

static void duration_text(int64_t ms, char out[CELL_BYTES])
{
    if (ms < 10000) {
        (void)snprintf(out, CELL_BYTES, "%.1fs", (double)ms / 1000);
    } else if (ms < 120000) {
        (void)snprintf(out, CELL_BYTES, "%llds", (long long)ms / 1000);
    } else if (ms < 7200000) {
        (void)snprintf(out, CELL_BYTES, "%lldm", (long long)ms / 60000);
    } else {
        (void)snprintf(out, CELL_BYTES, "%lldh", (long long)ms / 3600000);
    }
}

static void cell_text(const json_t *row, const struct column *column, int64_t now_ms,
                      char out[CELL_BYTES])
{
    const json_t *value = json_object_get(row, column->member);
    int64_t number = json_is_integer(value) ? json_integer_value(value) : 0;

    (void)snprintf(out, CELL_BYTES, "-");
    if (value == NULL) {
        return;
    }
    switch (column->type) {
    case CELL_TEXT:
        if (json_is_string(value) && json_string_length(value) > 0) {
            hf_text_escape(hf_slice_of_cstr(json_string_value(value)), out, CELL_BYTES);
        }
        break;
    case CELL_NUMBER:
        (void)snprintf(out, CELL_BYTES, "%lld", (long long)number);
        break;
    case CELL_SINCE:
        if (number > 0) {
            duration_text(now_ms > number ? now_ms - number : 0, out);
        }
        break;
    case CELL_MS:
        duration_text(number, out);
        break;
    }
}

static hf_err render_line(const struct table *table, const size_t widths[COLUMNS_MAX],
                          char cells[COLUMNS_MAX][CELL_BYTES], struct hf_buf *out)
{
    hf_err err = HF_OK;

    for (size_t i = 0;
         i < COLUMNS_MAX && table->columns[i].title != NULL && err == HF_OK; i++) {
        bool is_last = i + 1 == COLUMNS_MAX || table->columns[i + 1].title == NULL;

        if (table->columns[i].type == CELL_TEXT) {
            err = hf_buf_printf(out, "%-*s%s", is_last ? 0 : (int)widths[i], cells[i],
                                is_last ? "\n" : "  ");
        } else {
            err = hf_buf_printf(out, "%*s%s", (int)widths[i], cells[i],
                                is_last ? "\n" : "  ");
        }
    }
    return err;
}

static void fill_cells(const struct table *table, const json_t *row, int64_t now_ms,
                       char cells[COLUMNS_MAX][CELL_BYTES])
{
    for (size_t i = 0; i < COLUMNS_MAX && table->columns[i].title != NULL; i++) {
        if (row == NULL) {
            (void)snprintf(cells[i], CELL_BYTES, "%s", table->columns[i].title);
        } else {
            cell_text(row, &table->columns[i], now_ms, cells[i]);
        }
    }
}

static hf_err render_table(const json_t *root, const struct table *table,
                           int64_t now_ms, struct hf_buf *out)
{
    const json_t *list = json_object_get(root, table->list);
    size_t widths[COLUMNS_MAX] = {0};
    char cells[COLUMNS_MAX][CELL_BYTES];
    size_t index = 0;
    const json_t *row = NULL;
    hf_err err = HF_OK;

    if (!json_is_array(list)) {
        return HF_ERR_INVALID;
    }
    for (size_t r = 0; r <= json_array_size(list); r++) {
        fill_cells(table, r == 0 ? NULL : json_array_get(list, r - 1), now_ms, cells);
        for (size_t i = 0; i < COLUMNS_MAX && table->columns[i].title != NULL; i++) {
            widths[i] = strlen(cells[i]) > widths[i] ? strlen(cells[i]) : widths[i];
        }
    }
    fill_cells(table, NULL, now_ms, cells);
    err = render_line(table, widths, cells, out);
    json_array_foreach(list, index, row)
    {
        if (err == HF_OK) {
            fill_cells(table, row, now_ms, cells);
            err = render_line(table, widths, cells, out);
        }
    }
    return err;
}

static json_t *load(hf_slice json)
{
    json_t *root = json_loadb((const char *)json.data, json.bytes, 0, NULL);

    if (!json_is_object(root)) {
        json_decref(root);
        return NULL;
    }
    return root;
}

static hf_err render_status(const json_t *root, int64_t now_ms, struct hf_buf *out)
{
    const json_t *error = json_object_get(root, "config_error");
    char text[512];
    hf_err err = render_table(root, &processes, now_ms, out);

    if (err == HF_OK) {
        err = hf_buf_append_byte(out, '\n');
    }
    if (err == HF_OK) {
        err = render_table(root, &queues, now_ms, out);
    }
    if (err == HF_OK) {
        err = hf_buf_append_byte(out, '\n');
    }
    if (err == HF_OK) {
        err = render_table(root, &workers, now_ms, out);
    }
    if (err == HF_OK) {
        err = hf_buf_printf(
            out, "\nrouting snapshot %lld\n",
            (long long)json_integer_value(json_object_get(root, "snapshot")));
    }
    if (err == HF_OK && json_string_length(error) > 0) {
        hf_text_escape(hf_slice_of_cstr(json_string_value(error)), text, sizeof text);
        err = hf_buf_printf(out, "configuration refused: %s\n", text);
    }
    return err;
}

hf_err ct_view_render(hf_slice json, enum ct_view view, int64_t now_ms,
                      struct hf_buf *out)
{
    json_t *root = load(json);
    hf_err err = HF_ERR_INVALID;

    if (root == NULL) {
        return err;
    }
    switch (view) {
    case CT_VIEW_STATUS:
        err = render_status(root, now_ms, out);
        break;
    case CT_VIEW_QUEUE:
        err = render_table(root, &queues, now_ms, out);
        break;
    case CT_VIEW_WORKER:
        err = render_table(root, &workers, now_ms, out);
        break;
    case CT_VIEW_SESSION:
        err = render_table(root, &sessions, now_ms, out);
        break;
    }
    json_decref(root);
    return err;
}

hf_err ct_view_json(hf_slice json, enum ct_view view, struct hf_buf *out)
{
    static const char *const members[] = {NULL, "queues", "workers", "sessions"};
    json_t *root = load(json);
    json_t *part = root;
    char *text = NULL;
    hf_err err = HF_ERR_INVALID;

    if (view != CT_VIEW_STATUS) {
        part = json_object_get(root, members[view]);
    }
    text = json_dumps(part, JSON_INDENT(2));
    if (text != NULL) {
        err = hf_buf_append_cstr(out, text);
    }
    if (err == HF_OK) {
        err = hf_buf_append_byte(out, '\n');
    }
    free(text);
    json_decref(root);
    return err;
}

hf_err ct_view_number(hf_slice json, const char *name, uint64_t *out)
{
    json_t *root = load(json);
    const json_t *value = json_object_get(root, name);
    hf_err err = HF_ERR_INVALID;

    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *out = (uint64_t)json_integer_value(value);
        err = HF_OK;
    }
    json_decref(root);
    return err;
}

hf_err ct_view_names(hf_slice json, const char *name, struct hf_buf *out, size_t *count)
{
    json_t *root = load(json);
    const json_t *list = json_object_get(root, name);
    size_t index = 0;
    const json_t *value = NULL;
    hf_err err = json_is_array(list) ? HF_OK : HF_ERR_INVALID;

    *count = 0;
    json_array_foreach(list, index, value)
    {
        if (err == HF_OK && json_is_string(value)) {
            err = hf_buf_printf(out, "%s%s", index == 0 ? "" : " ",
                                json_string_value(value));
            (*count)++;
        }
    }
    json_decref(root);
    return err;
}

static json_t *list_of(hf_slice text)
{
    json_t *list = json_array();

    while (text.bytes > 0) {
        hf_slice word = hf_slice_first(text, hf_slice_find(text, ','));

        (void)json_array_append_new(list,
                                    json_stringn((const char *)word.data, word.bytes));
        text = hf_slice_skip(text, word.bytes + 1);
    }
    return list;
}

hf_err ct_view_object(struct hf_buf *out, const char *const *pairs)
{
    json_t *root = json_object();
    char *text = NULL;
    hf_err err = HF_ERR_NO_MEMORY;

    for (; pairs[0] != NULL; pairs += 2) {
        size_t bytes = strlen(pairs[0]);

        if (pairs[0][0] == '#') {
            (void)json_object_set_new(root, pairs[0] + 1,
                                      json_integer(strtoll(pairs[1], NULL, 10)));
        } else if (bytes > 2 && strcmp(pairs[0] + bytes - 2, "[]") == 0) {
            char name[64];

            (void)snprintf(name, sizeof name, "%.*s", (int)bytes - 2, pairs[0]);
            (void)json_object_set_new(root, name, list_of(hf_slice_of_cstr(pairs[1])));
        } else {
            (void)json_object_set_new(root, pairs[0], json_string(pairs[1]));
        }
    }
    text = json_dumps(root, JSON_COMPACT);
    if (text != NULL) {
        err = hf_buf_append_cstr(out, text);
    }
    free(text);
    json_decref(root);
    return err;
}
