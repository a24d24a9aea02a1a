/* Looks names up: getaddrinfo waits, so it gets a thread for the time it takes. */
#include "lib/io/socket.h"

#include "lib/base/text.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define HOST_BYTES 256

struct hf_lookup {
    char host[HOST_BYTES];
    const char *port; /* in host */
    void (*wake)(void *ctx);
    void *ctx;
    struct addrinfo *found;
    int result;
    bool is_done;      /* lock */
    bool is_abandoned; /* lock: the thread frees it */
};

/* Of all lookups: they are rare, and one may outlive whoever asked. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void ask(struct hf_lookup *lookup, int flags)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICSERV | flags};

    lookup->result = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->found);
}

static void destroy(struct hf_lookup *lookup)
{
    if (lookup->found != NULL) {
        freeaddrinfo(lookup->found);
    }
    free(lookup);
}

static void *run(void *arg)
{
    struct hf_lookup *lookup = arg;
    bool is_abandoned;

    ask(lookup, AI_ADDRCONFIG);
    pthread_mutex_lock(&lock);
    lookup->is_done = true;
    is_abandoned = lookup->is_abandoned;
    if (!is_abandoned) {
        lookup->wake(lookup->ctx); /* under the lock: it may be freed after it */
    }
    pthread_mutex_unlock(&lock);
    if (is_abandoned) {
        destroy(lookup);
    }
    return NULL;
}

/* "host:port" or "[host]:port" */
static hf_err split(struct hf_lookup *lookup, const char *text)
{
    size_t bytes = strlen(text);
    uint64_t port;
    char *colon;

    if (bytes >= sizeof lookup->host) {
        return HF_ERR_INVALID;
    }
    memcpy(lookup->host, text, bytes + 1);
    colon = strrchr(lookup->host, ':');
    if (colon == NULL || colon == lookup->host) {
        return HF_ERR_INVALID;
    }
    *colon = 0;
    lookup->port = colon + 1;
    if (hf_text_parse_u64(hf_slice_of_cstr(lookup->port), UINT16_MAX, &port) != HF_OK) {
        return HF_ERR_INVALID; /* getaddrinfo would take it modulo 65536 */
    }
    if (lookup->host[0] == '[' && colon[-1] == ']') {
        colon[-1] = 0;
        memmove(lookup->host, lookup->host + 1, (size_t)(colon - 1 - lookup->host));
    }
    return HF_OK;
}

static hf_err start_thread(struct hf_lookup *lookup)
{
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    int result;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    result = pthread_create(&thread, NULL, run, lookup);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0) {
        return HF_ERR_NO_MEMORY;
    }
    pthread_detach(thread);
    return HF_OK;
}

hf_err hf_lookup_start(const char *host_and_port, void (*wake)(void *ctx), void *ctx,
                       struct hf_lookup **out)
{
    struct hf_lookup *lookup = calloc(1, sizeof *lookup);
    hf_err err;

    if (lookup == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    lookup->wake = wake;
    lookup->ctx = ctx;
    err = split(lookup, host_and_port);
    if (err == HF_OK) {
        ask(lookup, wake != NULL ? AI_NUMERICHOST : AI_ADDRCONFIG);
        lookup->is_done = lookup->result == 0 || wake == NULL;
        err = lookup->is_done ? HF_OK : start_thread(lookup);
    }
    if (err != HF_OK) {
        free(lookup);
        return err;
    }
    *out = lookup;
    return HF_OK;
}

hf_err hf_lookup_result(struct hf_lookup *lookup, const char **why)
{
    bool is_done;

    pthread_mutex_lock(&lock);
    is_done = lookup->is_done;
    pthread_mutex_unlock(&lock);
    if (!is_done) {
        return HF_ERR_AGAIN;
    }
    *why = gai_strerror(lookup->result);
    return lookup->result == 0 ? HF_OK : HF_ERR_NOT_FOUND;
}

hf_err hf_lookup_address(const struct hf_lookup *lookup, size_t i,
                         struct hf_socket_address *out)
{
    const struct addrinfo *at = lookup->found;

    while (at != NULL && i > 0) {
        at = at->ai_next;
        i--;
    }
    if (at == NULL || at->ai_addrlen > sizeof out->storage) {
        return HF_ERR_NOT_FOUND;
    }
    memset(out, 0, sizeof *out);
    memcpy(&out->storage, at->ai_addr, at->ai_addrlen);
    out->bytes = at->ai_addrlen;
    return HF_OK;
}

void hf_lookup_free(struct hf_lookup *lookup)
{
    bool is_done;

    if (lookup == NULL) {
        return;
    }
    pthread_mutex_lock(&lock);
    is_done = lookup->is_done;
    lookup->is_abandoned = true;
    pthread_mutex_unlock(&lock);
    if (is_done) {
        destroy(lookup);
    }
}
