#include "tests/frontend/front.h"

#include "lib/base/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static void *run(void *ctx)
{
    struct front *front = ctx;

    (void)fe_shell_run(front->shell);
    return NULL;
}

static struct front *start(int64_t header_ms)
{
    struct front *front = calloc(1, sizeof *front);
    struct hf_addr bound;

    hf_check(front != NULL);
    (void)snprintf(front->directory, sizeof front->directory, "/tmp/hf-front-XXXXXX");
    hf_check(mkdtemp(front->directory) != NULL);
    (void)snprintf(front->admin, sizeof front->admin, "unix:%s/admin",
                   front->directory);
    front->broker = echo_broker_new(front->directory);
    front->options = (struct fe_options){
        .listen = {"127.0.0.1:0"},
        .listen_count = 1,
        .brokers = {front->broker->address},
        .brokers_count = 1,
        .admin = front->admin,
        .spool = front->directory,
        .name = "f1",
        .connections_max = 64,
        .exchanges_max = 64,
        .handles_max = 16,
        .broker_grace_ms = 30000,
        .deadline_ms = 600000,
        .header_ms = header_ms,
        .idle_ms = 75000,
        .rate_min = 500,
        .drain_max_ms = 10000,
    };
    hf_check(fe_shell_new(&front->options, &front->broker->frontend, &front->shell) ==
             HF_OK);
    hf_listener_address(front->shell->listeners[0], &bound);
    front->port = bound.port;
    echo_broker_route(front->broker, front->port);
    hf_check(pthread_create(&front->thread, NULL, run, front) == 0);
    return front;
}

int front_set_up(void **state)
{
    (void)state;
    hf_log_setup("frontend", HF_LOG_LOGFMT, HF_LOG_ERROR);
    return hf_token_init() == HF_OK ? 0 : -1;
}

struct front *front_new(void)
{
    return start(20000);
}

struct front *front_new_hasty(void)
{
    return start(100);
}

struct front *front_new_ready(void)
{
    struct front *front = front_new();

    echo_broker_listen(front->broker);
    hf_check(echo_broker_await(front->broker, &front->broker->counts.snapshots, 1));
    return front;
}

static void stop(void *ctx)
{
    struct front *front = ctx;

    hf_loop_stop(front->shell->loop);
}

void front_free(struct front *front)
{
    char path[128];

    hf_check(hf_loop_post(front->shell->loop, stop, front) == HF_OK);
    hf_check(pthread_join(front->thread, NULL) == 0);
    fe_shell_free(front->shell);
    echo_broker_free(front->broker);
    (void)snprintf(path, sizeof path, "%s/b1.sock", front->directory);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/admin", front->directory);
    (void)unlink(path);
    hf_check(rmdir(front->directory) == 0);
    free(front);
}

int front_connect(const struct front *front)
{
    const struct timeval patience = {.tv_sec = 10};
    struct sockaddr_in to = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    hf_check(fd >= 0);
    to.sin_port = htons((uint16_t)front->port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    hf_check(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    hf_check(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    return fd;
}

void front_send_bytes(int fd, const void *data, size_t bytes)
{
    const uint8_t *at = data;

    while (bytes > 0) {
        ssize_t n = send(fd, at, bytes, MSG_NOSIGNAL);

        if (n < 0) {
            return; /* closed by the other side: what it answered is still to be read */
        }
        at += n;
        bytes -= (size_t)n;
    }
}

void front_send(int fd, const char *text)
{
    front_send_bytes(fd, text, strlen(text));
}

const char *front_read_until(int fd, const char *text)
{
    static char seen[65536];
    size_t bytes = 0;

    seen[0] = 0;
    while (strstr(seen, text) == NULL) {
        ssize_t n = recv(fd, seen + bytes, 1, 0);

        if (n != 1 || bytes + 2 > sizeof seen) {
            return NULL;
        }
        seen[++bytes] = 0;
    }
    return seen;
}

bool front_read_all(int fd, struct hf_buf *out)
{
    uint8_t piece[16384];
    ssize_t n;

    while ((n = recv(fd, piece, sizeof piece, 0)) > 0) {
        hf_check(hf_buf_append(out, hf_slice_of(piece, (size_t)n)) == HF_OK);
    }
    hf_check(n == 0 || errno == ECONNRESET);
    return n == 0;
}

int front_probe(const struct front *front, const char *path, struct hf_buf *body)
{
    const struct hf_admin_call call = {
        .address = front->admin, .method = "GET", .target = path, .timeout_ms = 10000};
    int status = 0;

    hf_check(hf_admin_call(&call, &status, body) == HF_OK);
    return status;
}
