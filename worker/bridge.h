/* The bridge to any HTTP/1.1 application: each request is asked again upstream by
 * libcurl on the worker's loop, and the answer streamed back under its window.
 *
 * It is transparent: fields travel in their order, case and repetition; nothing is
 * decompressed, redirected, retried or made up but Holdfast-* and, where the frontend
 * did not, X-Forwarded-*. A request that may not be repeated gets a connection of its
 * own, so that libcurl's retry on a stale keep-alive connection cannot send it twice.
 */
#ifndef HF_WORKER_BRIDGE_H
#define HF_WORKER_BRIDGE_H

#include "worker/shell.h"

#pragma GCC visibility push(hidden)

#define WK_UPSTREAM_BYTES 128

struct wk_bridge;

struct wk_bridge_config {
    const char *upstream; /* "http://HOST:PORT" or "unix:/path" */
    uint32_t concurrency;
    int64_t timeout_ms; /* for a whole answer; 0 = the request's own deadline */
    /* Nobody accepted a connection. */
    void (*on_refused)(void *ctx);
    void *ctx;
};

/* What hf_conn_dial takes for the same upstream; false when it is no such URL. */
bool wk_bridge_address(const char *upstream, char out[WK_UPSTREAM_BYTES]);
/* Whether that address has a host name, which hf_conn_dial does not resolve. */
bool wk_bridge_is_name(const char *address);

/* The handler to give to wk_new (mode WK_LOOP, ctx = the bridge). */
extern const struct hf_handler wk_bridge_handler;

HF_MUST_USE hf_err wk_bridge_open(const struct wk_bridge_config *config,
                                  struct wk_bridge **out);
/* Joins the worker whose handler it is: its loop, its end of turn. */
HF_MUST_USE hf_err wk_bridge_attach(struct wk_bridge *bridge, struct hf_worker *worker);
/* Breaks off what is under way. After the worker's loop has stopped running. */
void wk_bridge_close(struct wk_bridge *bridge); /* NULL is legal */

#pragma GCC visibility pop

#endif
