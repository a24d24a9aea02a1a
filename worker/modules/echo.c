/* The built-in `echo` handler, for first steps, tests and benchmarks.
 *
 *   any method    200 with the request's body, or "hello\n" where there is none
 *   /delay/MS     the same after MS milliseconds
 *   /status/CODE  the same with that status
 *   /headers      what the worker received, as text
 *   /bytes/N      N bytes
 *   /crash-always aborts this process each time
 *   /crash        aborts this process on the first attempt, answers on the next
 *
 * With the configuration `log=FILE` each execution appends one line: path and query,
 * id, attempt. It never blocks otherwise (threads = 0). */
#include <holdfast/worker.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ECHO_DELAY_MAX 86400000u
#define ECHO_BYTES_MAX 1099511627776u
#define ECHO_BLOCK     65536u
#define ECHO_LOG_LINE  4096

static const char plain[] = "Content-Type: text/plain\r\n";

struct echo {
    int log_fd; /* -1 = none */
    char block[ECHO_BLOCK];
};

/* A decimal number after `prefix` in the path; false when that is not what it is. */
static bool path_number(const struct hf_request *request, const char *prefix,
                        uint64_t max, uint64_t *out)
{
    struct hf_view path = hf_request_path(request);
    size_t bytes = strlen(prefix);
    uint64_t number = 0;

    if (path.bytes <= bytes || memcmp(path.data, prefix, bytes) != 0) {
        return false;
    }
    for (size_t i = bytes; i < path.bytes; i++) {
        unsigned digit = (unsigned)path.data[i] - '0';

        if (digit > 9 || number > (max - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    *out = number;
    return true;
}

static bool path_is(const struct hf_request *request, const char *path)
{
    struct hf_view have = hf_request_path(request);

    return have.bytes == strlen(path) && memcmp(have.data, path, have.bytes) == 0;
}

static void log_execution(const struct echo *echo, const struct hf_request *request)
{
    struct hf_view path = hf_request_path(request);
    struct hf_view query = hf_request_query(request);
    char line[ECHO_LOG_LINE];
    int bytes = snprintf(line, sizeof line, "%.*s%s%.*s %s %u\n", (int)path.bytes,
                         path.data, query.data == NULL ? "" : "?", (int)query.bytes,
                         query.data == NULL ? "" : query.data, hf_request_id(request),
                         hf_request_attempt(request));

    /* One write per line: O_APPEND keeps lines of many processes whole. */
    if (bytes > 0 && (size_t)bytes < sizeof line &&
        write(echo->log_fd, line, (size_t)bytes) != bytes) {
        fputs("echo: the log cannot be written\n", stderr);
    }
}

static void answer(struct hf_request *request, int status)
{
    struct hf_view body = hf_request_body(request);
    struct hf_answer out = {.status = status,
                            .fields = plain,
                            .fields_bytes = sizeof plain - 1,
                            .body = body.data,
                            .body_bytes = body.bytes};

    if (body.bytes == 0) {
        out.body = "hello\n";
        out.body_bytes = 6;
    }
    (void)hf_send_response(request, &out, 0);
}

static void answer_later(void *ctx, struct hf_request *request)
{
    (void)ctx;
    answer(request, 200);
}

static size_t append(char *to, size_t at, size_t room, struct hf_view view)
{
    size_t bytes = view.bytes < room - at ? view.bytes : room - at;

    if (bytes > 0) {
        memcpy(to + at, view.data, bytes);
    }
    return at + bytes;
}

static struct hf_view text(const char *from)
{
    return (struct hf_view){from, strlen(from)};
}

/* "name value\n" lines, an empty line, then the fields as they came. */
static void answer_headers(struct hf_request *request)
{
    const struct {
        const char *name;
        struct hf_view value;
    } rows[] = {
        {"method ", hf_request_method(request)},
        {"path ", hf_request_path(request)},
        {"query ", hf_request_query(request)},
        {"scheme ", hf_request_scheme(request)},
        {"host ", hf_request_host(request)},
        {"client_ip ", hf_request_client_ip(request)},
        {"id ", text(hf_request_id(request))},
    };
    size_t room = hf_request_fields(request).bytes + 65536;
    char *out = malloc(room);
    char numbers[64];
    size_t at = 0;

    if (out == NULL) {
        hf_cancel(request);
        return;
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        at = append(out, at, room, text(rows[i].name));
        at = append(out, at, room, rows[i].value);
        at = append(out, at, room, text("\n"));
    }
    (void)snprintf(numbers, sizeof numbers, "attempt %u\n\n",
                   hf_request_attempt(request));
    at = append(out, at, room, text(numbers));
    at = append(out, at, room, hf_request_fields(request));

    struct hf_answer answer = {.status = 200,
                               .fields = plain,
                               .fields_bytes = sizeof plain - 1,
                               .body = out,
                               .body_bytes = at};

    (void)hf_send_response(request, &answer, 0);
    free(out);
}

/* Offers blocks until the window is full; the user pointer counts what is left. */
static void send_blocks(const struct echo *echo, struct hf_request *request)
{
    uint64_t left = (uintptr_t)hf_request_user(request);
    enum hf_status status = HF_STATUS_OK;

    while (status == HF_STATUS_OK && left > 0) {
        size_t part = left < ECHO_BLOCK ? (size_t)left : ECHO_BLOCK;
        unsigned flags = left > part ? HF_SEND_MORE : 0;
        size_t accepted = 0;

        status = hf_send_body(request, echo->block, part, flags, &accepted);
        left -= accepted;
        if (left > 0) {
            hf_request_set_user(request, (void *)(uintptr_t)left);
        }
    }
    if (status != HF_STATUS_OK && status != HF_STATUS_WAIT) {
        hf_cancel(request);
    }
}

static void answer_bytes(const struct echo *echo, struct hf_request *request,
                         uint64_t bytes)
{
    struct hf_answer out = {.status = 200,
                            .fields = plain,
                            .fields_bytes = sizeof plain - 1,
                            .has_length = true,
                            .content_length = bytes};

    if (bytes <= ECHO_BLOCK) {
        out.body = echo->block;
        out.body_bytes = (size_t)bytes;
        (void)hf_send_response(request, &out, 0);
        return;
    }
    hf_request_set_user(request, (void *)(uintptr_t)bytes);
    if (hf_send_response(request, &out, HF_SEND_MORE) != HF_STATUS_OK) {
        hf_cancel(request);
        return;
    }
    send_blocks(echo, request);
}

static void echo_handle(void *ctx, struct hf_request *request)
{
    const struct echo *echo = ctx;
    uint64_t number;

    if (echo->log_fd >= 0) {
        log_execution(echo, request);
    }
    if (hf_request_path(request).bytes <= 1) {
        answer(request, 200);
    } else if (path_number(request, "/delay/", ECHO_DELAY_MAX, &number)) {
        (void)hf_call_later(request, (int64_t)number, answer_later);
    } else if (path_number(request, "/status/", 599, &number) && number >= 200) {
        answer(request, (int)number);
    } else if (path_number(request, "/bytes/", ECHO_BYTES_MAX, &number)) {
        answer_bytes(echo, request, number);
    } else if (path_is(request, "/headers")) {
        answer_headers(request);
    } else if (path_is(request, "/crash") && hf_request_attempt(request) == 1) {
        abort();
    } else if (path_is(request, "/crash-always")) {
        abort();
    } else {
        answer(request, 200);
    }
}

static void echo_writable(void *ctx, struct hf_request *request)
{
    if (hf_request_user(request) != NULL) {
        send_blocks(ctx, request);
    }
}

static void echo_cancel(void *ctx, struct hf_request *request)
{
    (void)ctx;
    hf_cancel(request);
}

static int echo_init(const char *config, void **ctx)
{
    struct echo *echo = malloc(sizeof *echo);

    if (echo == NULL) {
        return -1;
    }
    echo->log_fd = -1;
    for (size_t i = 0; i < sizeof echo->block; i++) {
        echo->block[i] = "0123456789abcde\n"[i % 16];
    }
    if (strncmp(config, "log=", 4) == 0) {
        echo->log_fd =
            open(config + 4, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    }
    if (config[0] != '\0' && echo->log_fd < 0) {
        fputs("echo: the configuration is `log=FILE`, a file that can be written\n",
              stderr);
        free(echo);
        return -1;
    }
    *ctx = echo;
    return 0;
}

static void echo_fini(void *ctx)
{
    struct echo *echo = ctx;

    if (echo->log_fd >= 0) {
        (void)close(echo->log_fd);
    }
    free(echo);
}

const struct hf_module hf_module = {
    .abi = HF_WORKER_ABI,
    .name = "echo",
    .threads = 0,
    .handler = {.handle = echo_handle,
                .on_writable = echo_writable,
                .on_cancel = echo_cancel},
    .init = echo_init,
    .fini = echo_fini,
};
