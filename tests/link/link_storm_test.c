/* Links under peers that come and go without end: connects that close at once, peers
 * that are killed in mid-traffic. Descriptors and memory must stay flat, and the
 * listener must still serve. HOLDFAST_STORM sets how many connects (default 1000; at
 * most some 20,000 fit in the ports of one address), HOLDFAST_KILLS how many killed
 * processes (default 200: a fork each). */
#include "tests/link/link_pair.h"

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <sys/wait.h>

#define STORM_DEFAULT 1000
#define KILLS_DEFAULT 200
#define SLACK_FDS     8
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SLACK_KIB (LONG_MAX / 2) /* shadow memory grows as it likes */
#else
#define SLACK_KIB 16384
#endif

static long count_from(const char *variable, long fallback)
{
    const char *text = getenv(variable);
    long count = text != NULL ? strtol(text, NULL, 10) : 0;

    return count > 0 ? count : fallback;
}

static long storm_count(void)
{
    return count_from("HOLDFAST_STORM", STORM_DEFAULT);
}

static int open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count;
}

static long resident_kib(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long size;
    long resident;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld %ld", &size, &resident), 2);
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* The reaper frees a moment after on_down: wait until the count has not moved for a
 * while, or is as low as it should be. */
static int settled_fds(int wanted)
{
    const struct timespec moment = {0, 5000000};
    int count = open_fds();
    int still = 0;

    for (int i = 0; i < 2000 && count > wanted && still < (wanted > 0 ? 400 : 20);
         i++) {
        int before = count;

        nanosleep(&moment, NULL);
        count = open_fds();
        still = count == before ? still + 1 : 0;
    }
    return count;
}

static void storm(struct pair *pair, long count, void (*one)(const struct pair *pair))
{
    int fds;
    long kib;

    for (long i = 0; i < count / 4; i++) {
        one(pair); /* NNG and malloc take what they keep for ever */
    }
    fds = settled_fds(0);
    kib = resident_kib();
    for (long i = 0; i < count; i++) {
        one(pair);
    }
    assert_true(settled_fds(fds + SLACK_FDS) <= fds + SLACK_FDS);
    assert_true(resident_kib() <= kib + SLACK_KIB);
}

static void connect_and_close(const struct pair *pair)
{
    close(pair_connect(pair));
}

static void connect_greet_and_close(const struct pair *pair)
{
    close(pair_connect_greeted(pair));
}

static void still_serves(struct pair *pair)
{
    int ups;

    pthread_mutex_lock(&pair->server.lock);
    ups = pair->server.ups;
    pthread_mutex_unlock(&pair->server.lock);
    assert_int_equal(fixture_dial(&pair->client_config, pair->is_raw, &pair->dialer),
                     HF_OK);
    assert_true(wait_for(&pair->client, &pair->client.ups, 1));
    assert_true(wait_for(&pair->server, &pair->server.ups, ups + 1));
}

static void connects_that_close_at_once_leave_nothing_behind(void **state)
{
    struct pair pair;

    (void)state;
    pair_init(&pair, &ways[1]);
    pair_listen(&pair);

    storm(&pair, storm_count(), connect_and_close);
    storm(&pair, storm_count(), connect_greet_and_close);

    still_serves(&pair);
    pair_close(&pair);
}

static void raw_links_that_close_at_once_leave_nothing_behind(void **state)
{
    struct pair pair;

    (void)state;
    pair_init(&pair, &ways[0]);
    pair_listen(&pair);

    storm(&pair, storm_count(), connect_greet_and_close);

    still_serves(&pair);
    pair_close(&pair);
}

static void dialers_opened_and_closed_leave_nothing_behind(void **state)
{
    long count = storm_count() / 4;
    int fds = 0;
    long kib = 0;
    struct pair pair;

    (void)state;
    pair_init(&pair, &ways[3]);
    pair_listen(&pair);
    pair.client_config.identity = fixture_identity(HF_ROLE_WORKER, 1);
    for (long i = 0; i < count + 20; i++) {
        if (i == 20) {
            fds = settled_fds(0);
            kib = resident_kib();
        }
        assert_int_equal(fixture_dial(&pair.client_config, false, &pair.dialer), HF_OK);
        if (i % 2 == 0) {
            assert_true(wait_for(&pair.client, &pair.client.ups, (int)(i / 2) + 1));
        }
        hf_link_dialer_close(pair.dialer);
        /* An odd one may have come up as well: count from what there is. */
        pthread_mutex_lock(&pair.client.lock);
        pair.client.ups = (int)(i / 2) + 1;
        pthread_mutex_unlock(&pair.client.lock);
    }

    assert_true(settled_fds(fds + SLACK_FDS) <= fds + SLACK_FDS);
    assert_true(resident_kib() <= kib + SLACK_KIB);
    pair.dialer = NULL;
    pair_close(&pair);
    hf_link_identity_unref(pair.client_config.identity);
}

/* The child talks to the listener of its parent over a plain socket (NNG must not be
 * forked) and is killed while it sends. */
static void be_killed(const struct pair *pair)
{
    uint8_t message[HF_FRAME_PREFIX_BYTES_MAX + HF_FRAME_RECORD_BYTES + 500];
    static const uint8_t body[500];
    struct hf_record record = {.type = 0x99, .body = {body, sizeof body}};
    int fd = pair_connect_greeted(pair);
    pid_t child = fork();

    if (child == 0) {
        hf_record_put(&record, message + HF_FRAME_PREFIX_BYTES_MAX);
        hf_frame_put_prefix(HF_FRAME_IPC, sizeof message - HF_FRAME_PREFIX_BYTES_MAX,
                            message);
        for (;;) {
            if (write(fd, message, sizeof message) < 0) {
                _exit(0);
            }
        }
    }
    close(fd);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void peers_killed_in_mid_traffic_leave_nothing_behind(void **state)
{
    struct pair pair;

    (void)state;
    pair_init(&pair, &ways[0]);
    pair.server.echoes = true;
    pair_listen(&pair);

    storm(&pair, count_from("HOLDFAST_KILLS", KILLS_DEFAULT), be_killed);

    still_serves(&pair);
    pair_close(&pair);
}

static void send_burst(struct pair *pair)
{
    struct hf_link *link;

    pthread_mutex_lock(&pair->client.lock);
    link = hf_link_ref(pair->client.link);
    pthread_mutex_unlock(&pair->client.lock);
    for (int i = 0; i < 16 && send_body(link, 3, 512) == HF_OK; i++) {
    }
    hf_link_flush(link);
    hf_link_unref(link);
}

static void restart_under_traffic(struct pair *pair, int count)
{
    pair->server.echoes = true;
    pair->client.echoes = true;
    pair_open(pair);
    pair->server_config.address = pair->address;
    for (int i = 0; i < count; i++) {
        send_burst(pair);
        hf_link_listener_close(pair->listener);
        assert_true(wait_for(&pair->client, &pair->client.downs, i + 1));
        pair_listen(pair);
        assert_true(wait_for(&pair->client, &pair->client.ups, i + 2));
    }
}

/* The far end comes and goes under a dialer with traffic (PERFORMANCE.md 3.3). */
static void dialer_survives_a_listener_that_restarts_under_traffic(void **state)
{
    (void)state;
    for (size_t w = 1; w < 4; w += 2) {
        struct pair pair;

        pair_init(&pair, &ways[w]);
        restart_under_traffic(&pair, (int)(storm_count() / 20));
        pair_close(&pair);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connects_that_close_at_once_leave_nothing_behind),
        cmocka_unit_test(raw_links_that_close_at_once_leave_nothing_behind),
        cmocka_unit_test(dialers_opened_and_closed_leave_nothing_behind),
        cmocka_unit_test(peers_killed_in_mid_traffic_leave_nothing_behind),
        cmocka_unit_test(dialer_survives_a_listener_that_restarts_under_traffic),
    };

    return link_tests_run("link storm", tests, sizeof tests / sizeof tests[0]);
}
