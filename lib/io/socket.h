/* Addresses and sockets as the operating system has them. Private to lib/io. */
#ifndef HF_IO_SOCKET_H
#define HF_IO_SOCKET_H

#include "lib/base/check.h"
#include "lib/base/err.h"
#include "lib/io/conn.h"

#include <stdint.h>
#include <sys/socket.h>

struct hf_socket_address {
    struct sockaddr_storage storage;
    socklen_t bytes;
    bool is_unix;
};

/* "ip:port", "[ip]:port", ":port" (all addresses), "unix:/path". INVALID: none of
 * these; a host name is none. */
HF_MUST_USE hf_err hf_socket_address_parse(const char *text,
                                           struct hf_socket_address *out);
/* IP and port; zeros for a unix socket. */
void hf_socket_address_ip(const struct sockaddr_storage *storage, struct hf_addr *out);
/* A bound, non-blocking socket, not listening yet. A unix socket gets `unix_mode`
 * (0 = 0600) and takes over a file that nobody answers on. EXISTS: in use. */
HF_MUST_USE hf_err hf_socket_bind(const struct hf_socket_address *address,
                                  int unix_mode, bool is_reuse_port, int *out);
/* Removes the file of a unix socket. */
void hf_socket_unbind(const struct hf_socket_address *address);

/* Looking a name up, on a thread of its own when it is no literal address. */
struct hf_lookup;

/* Begins; `wake(ctx)` is called on that thread once it is done, unless it is done when
 * this returns. Without `wake` it is done here, however long that takes. NO_MEMORY;
 * INVALID: not "host:port". */
HF_MUST_USE hf_err hf_lookup_start(const char *host_and_port, void (*wake)(void *ctx),
                                   void *ctx, struct hf_lookup **out);
/* AGAIN: not yet. NOT_FOUND: *why says why, for a log. */
HF_MUST_USE hf_err hf_lookup_result(struct hf_lookup *lookup, const char **why);
/* The i-th address found; NOT_FOUND beyond the last. */
HF_MUST_USE hf_err hf_lookup_address(const struct hf_lookup *lookup, size_t i,
                                     struct hf_socket_address *out);
/* No wake follows once this has returned. NULL is legal. */
void hf_lookup_free(struct hf_lookup *lookup);

#endif
