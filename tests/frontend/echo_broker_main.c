/* The echo broker as a process, to profile a frontend against:
 *
 *   echo_broker_main DIRECTORY PORT
 *
 * writes DIRECTORY/package for --package-fd and serves DIRECTORY/b1.sock until killed.
 * SIGHUP breaks all links, as a restart does. PORT is where the frontend listens.
 */
#include "lib/base/text.h"
#include "lib/io/file.h"
#include "tests/frontend/echo_broker.h"

#include <signal.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    struct echo_broker *broker;
    struct hf_buf package;
    char path[256];
    uint64_t port;
    sigset_t signals;
    int number;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (argc != 3 ||
        hf_text_parse_u64(hf_slice_of_cstr(argv[2]), 65535, &port) != HF_OK ||
        hf_token_init() != HF_OK) {
        return 2;
    }
    broker = echo_broker_new(argv[1]);
    hf_buf_init(&package, HF_CREDENTIALS_BYTES_MAX);
    (void)snprintf(path, sizeof path, "%s/package", argv[1]);
    if (hf_credentials_append(&broker->frontend, &package) != HF_OK ||
        hf_file_replace(path, hf_buf_slice(&package), 0600) != HF_OK) {
        return 1;
    }
    echo_broker_route(broker, (unsigned)port);
    echo_broker_listen(broker);
    for (;;) {
        if (sigwait(&signals, &number) == 0) {
            echo_broker_kill(broker);
            echo_broker_listen(broker);
        }
    }
}
