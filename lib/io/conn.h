/* Byte connections on a loop: tcp and unix sockets, accepted or dialled.
 *
 * All calls belong to the loop's thread. Reading fills one buffer shared by the whole
 * loop, so an idle connection costs a few hundred bytes. Writing tries the socket first
 * and keeps only what did not fit. */
#ifndef HF_IO_CONN_H
#define HF_IO_CONN_H

#include "lib/io/loop.h"

#include <stdint.h>

struct hf_conn;
struct hf_listener;

/* An internet address; ip_bytes 0 means a unix socket (port is 0 then). */
struct hf_addr {
    uint8_t ip[16];
    uint8_t ip_bytes; /* 0, 4 or 16 */
    uint16_t port;
};

#define HF_ADDR_TEXT_BYTES 64

/* "127.0.0.1:80", "[::1]:80" or "unix". */
void hf_addr_text(const struct hf_addr *addr, char out[HF_ADDR_TEXT_BYTES]);
/* The address without its port ("127.0.0.1", "::1", "unix"). */
void hf_addr_ip_text(const struct hf_addr *addr, char out[HF_ADDR_TEXT_BYTES]);

struct hf_conn_events {
    /* Bytes are borrowed for the call. May pause, write or close. */
    void (*on_data)(void *ctx, struct hf_conn *conn, hf_slice bytes);
    /* The peer will send no more; writing still works. NULL = close. */
    void (*on_eof)(void *ctx, struct hf_conn *conn);
    /* All that was queued has been written. May be NULL. */
    void (*on_drained)(void *ctx, struct hf_conn *conn);
    /* Last call ever for this conn, also after hf_conn_close (CLOSED then); the conn is
     * freed after it. */
    void (*on_closed)(void *ctx, struct hf_conn *conn, hf_err why);
};

struct hf_listener_config {
    const char *address; /* "127.0.0.1:8080", "[::]:80", ":80" (all), "unix:/path" */
    int backlog;         /* 0 = 4096 */
    bool is_reuse_port;  /* SO_REUSEPORT: several loops share one tcp port */
    int unix_mode;       /* mode of a unix socket, 0 = 0600 */
};

/* The callee starts the conn (hf_conn_start) or closes it, in the call or later. */
typedef void (*hf_accept_fn)(void *ctx, struct hf_conn *conn);

/* A stale unix socket file is replaced, a live one is EXISTS. Port taken: EXISTS. */
HF_MUST_USE hf_err hf_listener_open(struct hf_loop *loop,
                                    const struct hf_listener_config *config,
                                    hf_accept_fn fn, void *ctx,
                                    struct hf_listener **out);
/* The bound address, with the real port when 0 was asked for. */
void hf_listener_address(const struct hf_listener *listener, struct hf_addr *out);
/* Paused: new clients wait in the kernel's backlog. At a cap, pause; below it, resume.
 */
void hf_listener_pause(struct hf_listener *listener);
void hf_listener_resume(struct hf_listener *listener);
void hf_listener_close(struct hf_listener *listener);

/* Connects to "ip:port" or "unix:/path"; no names are resolved. Attach the events at
 * once (hf_conn_attach): on_up is called when connected, with the ctx attached, else
 * on_closed with the reason. Start reading in on_up with hf_conn_resume. */
HF_MUST_USE hf_err hf_conn_dial(struct hf_loop *loop, const char *address,
                                void (*on_up)(void *ctx, struct hf_conn *conn),
                                struct hf_conn **out);
/* Attaches the events and starts reading. `events` must live as long as the conn. */
void hf_conn_start(struct hf_conn *conn, const struct hf_conn_events *events,
                   void *ctx);
/* Attaches without reading. */
void hf_conn_attach(struct hf_conn *conn, const struct hf_conn_events *events,
                    void *ctx);
void *hf_conn_ctx(const struct hf_conn *conn);

void hf_conn_pause(struct hf_conn *conn);
void hf_conn_resume(struct hf_conn *conn);
/* Writes the slices (<= 16) in order. What the socket does not take at once is copied
 * and sent later. CLOSED: nothing was written and on_closed follows. NO_MEMORY
 * likewise. */
HF_MUST_USE hf_err hf_conn_write(struct hf_conn *conn, const hf_slice *slices,
                                 size_t count);
/* Like hf_conn_write without the copy: `bytes` stays valid until done(ctx), which runs
 * exactly once, possibly before this returns, also when the conn dies. */
HF_MUST_USE hf_err hf_conn_write_kept(struct hf_conn *conn, hf_slice bytes,
                                      hf_loop_fn done, void *ctx);
/* Bytes accepted but not yet in the kernel. */
size_t hf_conn_queued_bytes(const struct hf_conn *conn);
/* Sends FIN after what is queued; reading goes on. */
void hf_conn_shutdown(struct hf_conn *conn);
/* Closes now, dropping what is queued; on_closed follows in a later turn. */
void hf_conn_close(struct hf_conn *conn);
/* Closes with RST, so that the peer sees the response broke off. */
void hf_conn_reset(struct hf_conn *conn);

void hf_conn_peer(const struct hf_conn *conn, struct hf_addr *out);
void hf_conn_local(const struct hf_conn *conn, struct hf_addr *out);

#endif
