/* Cost of a link: two processes, echo of records of 200 bytes, W in flight, on ipc and
 * sealed tcp, and below both without a handshake (PERFORMANCE.md 3). A message is one
 * record delivered, so a round trip is two. Per message, both processes together: CPU
 * microseconds, and context switches, which voluntary ones (a thread that waits) and
 * all. Rows are for comparing back ends: alternate the runs, the machine is noisy.
 * Usage: bench_link [seconds per row [text in the row's name]] */
#include "lib/base/bytes.h"
#include "lib/io/clock.h"
#include "tests/link/link_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define BODY_BYTES 200

struct row {
    const char *name;
    const char *address;
    bool is_raw;
    int in_flight;
};

static void fail(const char *what)
{
    fprintf(stderr, "bench_link: %s\n", what);
    exit(1);
}

/* What a process has used, all threads. */
struct usage {
    int64_t cpu_us;
    int64_t waits; /* voluntary context switches */
    int64_t switches;
};

static struct usage usage_now(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (struct usage){
        (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) +
            usage.ru_utime.tv_usec + usage.ru_stime.tv_usec,
        usage.ru_nvcsw,
        usage.ru_nvcsw + usage.ru_nivcsw,
    };
}

static struct usage usage_since(const struct usage *start)
{
    struct usage now = usage_now();

    return (struct usage){now.cpu_us - start->cpu_us, now.waits - start->waits,
                          now.switches - start->switches};
}

/* The serving process: sends everything back. */
static struct usage echo_start;

static void echo_up(void *ctx, struct hf_link *link, const struct hf_link_peer *peer)
{
    (void)ctx;
    (void)link;
    (void)peer;
    echo_start = usage_now();
}

static void echo_records(void *ctx, struct hf_link *link,
                         const struct hf_record *records, size_t count)
{
    (void)ctx;
    for (size_t i = 0; i < count; i++) {
        if (hf_link_send(link, &records[i]) != HF_OK) {
            return;
        }
    }
    hf_link_flush(link);
}

static void echo_down(void *ctx, struct hf_link *link, enum hf_link_end end)
{
    int report = *(int *)ctx;
    struct usage used = usage_since(&echo_start);

    (void)link;
    (void)end;
    if (write(report, &used, sizeof used) != (ssize_t)sizeof used) {
        fail("report");
    }
}

static void serve(const struct row *row, int report)
{
    static const struct hf_link_events events = {
        .on_up = echo_up, .on_records = echo_records, .on_down = echo_down};
    struct hf_link_config config = {
        .address = row->address, .events = &events, .ctx = &report};
    struct hf_link_listener *listener;
    char address[HF_LINK_ADDRESS_BYTES] = "";

    if (fixture_listen(&config, row->is_raw, &listener) != HF_OK) {
        fail("listen");
    }
    hf_link_listener_address(listener, address);
    if (write(report, address, sizeof address) != (ssize_t)sizeof address) {
        fail("address");
    }
    pause();
}

/* The measuring process. */
struct client {
    pthread_mutex_t lock;
    pthread_cond_t is_over;
    int in_flight;
    int64_t end_us;
    int64_t count;
    int64_t start_us;
    struct usage start;
    int64_t elapsed_us;
    struct usage used;
    bool is_done;
    uint8_t body[BODY_BYTES];
};

static void send_one(struct client *client, struct hf_link *link)
{
    struct hf_record record = {.type = 0x21,
                               .body = {client->body, sizeof client->body}};

    if (hf_link_send(link, &record) != HF_OK) {
        fail("send");
    }
}

static void client_up(void *ctx, struct hf_link *link, const struct hf_link_peer *peer)
{
    struct client *client = ctx;

    (void)peer;
    client->start_us = hf_clock_monotonic_us();
    client->start = usage_now();
    for (int i = 0; i < client->in_flight; i++) {
        send_one(client, link);
    }
    hf_link_flush(link);
}

static void client_records(void *ctx, struct hf_link *link,
                           const struct hf_record *records, size_t count)
{
    struct client *client = ctx;
    int64_t now = hf_clock_monotonic_us();

    (void)records;
    client->count += (int64_t)count;
    if (now < client->end_us) {
        for (size_t i = 0; i < count; i++) {
            send_one(client, link);
        }
        hf_link_flush(link);
        return;
    }
    pthread_mutex_lock(&client->lock);
    if (!client->is_done) {
        client->elapsed_us = now - client->start_us;
        client->used = usage_since(&client->start);
        client->is_done = true;
    }
    pthread_cond_signal(&client->is_over);
    pthread_mutex_unlock(&client->lock);
}

static void client_down(void *ctx, struct hf_link *link, enum hf_link_end end)
{
    (void)ctx;
    (void)link;
    (void)end;
}

static void print_row(const struct row *row, const struct client *client,
                      const struct usage *echo)
{
    double messages = 2 * (double)client->count;

    printf("%-12s W=%-3d %9.0f messages/s  per message: cpu %6.2f us "
           "(%.2f here, %.2f there)  switches %6.4f (waits %.4f)  "
           "round trip %6.1f us  %5.1f records/batch\n",
           row->name, row->in_flight, messages * 1e6 / (double)client->elapsed_us,
           (double)(client->used.cpu_us + echo->cpu_us) / messages,
           (double)client->used.cpu_us / messages, (double)echo->cpu_us / messages,
           (double)(client->used.switches + echo->switches) / messages,
           (double)(client->used.waits + echo->waits) / messages,
           (double)client->elapsed_us * row->in_flight / (double)client->count,
           (double)client->count /
               (double)hf_stat_get(&hf_link_stats.messages_in_total));
}

static void measure(const struct row *row, int report, double seconds)
{
    static const struct hf_link_events events = {
        .on_up = client_up, .on_records = client_records, .on_down = client_down};
    struct client client = {.lock = PTHREAD_MUTEX_INITIALIZER,
                            .is_over = PTHREAD_COND_INITIALIZER,
                            .in_flight = row->in_flight,
                            .end_us =
                                hf_clock_monotonic_us() + (int64_t)(seconds * 1e6)};
    char address[HF_LINK_ADDRESS_BYTES];
    struct hf_link_config config = {
        .address = address, .events = &events, .ctx = &client};
    struct hf_link_dialer *dialer;
    struct usage echo;

    if (read(report, address, sizeof address) != (ssize_t)sizeof address ||
        fixture_dial(&config, row->is_raw, &dialer) != HF_OK) {
        fail("dial");
    }
    pthread_mutex_lock(&client.lock);
    while (!client.is_done) {
        pthread_cond_wait(&client.is_over, &client.lock);
    }
    pthread_mutex_unlock(&client.lock);
    hf_link_dialer_close(dialer);
    if (read(report, &echo, sizeof echo) != (ssize_t)sizeof echo) {
        fail("echo report");
    }
    print_row(row, &client, &echo);
    fflush(stdout);
}

/* Each row gets fresh processes: threads do not survive a fork. */
static void run_row(const struct row *row, double seconds)
{
    int report[2];
    pid_t measurer = fork();
    pid_t server;

    if (measurer != 0) {
        waitpid(measurer, NULL, 0);
        return;
    }
    if (pipe(report) != 0 || (server = fork()) < 0) {
        fail("fork");
    }
    if (server == 0) {
        serve(row, report[1]);
    }
    measure(row, report[0], seconds);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    exit(0);
}

int main(int argc, char **argv)
{
    static char ipc[64];
    const struct row rows[] = {
        {"ipc", ipc, false, 1},
        {"ipc", ipc, false, 64},
        {"tcp sealed", "tcp://127.0.0.1:0", false, 1},
        {"tcp sealed", "tcp://127.0.0.1:0", false, 64},
        {"tcp sealed", "tcp://127.0.0.1:0", false, 512},
        {"ipc raw", ipc, true, 1},
        {"ipc raw", ipc, true, 64},
        {"tcp raw", "tcp://127.0.0.1:0", true, 1},
        {"tcp raw", "tcp://127.0.0.1:0", true, 64},
    };
    char directory[] = "/tmp/bench_link.XXXXXX";
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
    const char *wanted = argc > 2 ? argv[2] : "";

    if (mkdtemp(directory) == NULL) {
        fail("mkdtemp");
    }
    snprintf(ipc, sizeof ipc, "ipc://%s/s", directory);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strstr(rows[i].name, wanted) != NULL) {
            run_row(&rows[i], seconds);
        }
    }
    unlink(ipc + 6);
    rmdir(directory);
    return 0;
}
