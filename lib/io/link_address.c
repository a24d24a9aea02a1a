/* Owns addresses of link peers: as text for logs, as bytes for the gate and `net`. */
#include "lib/io/link_parts.h"

#include "lib/base/bytes.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static void text_ip4(const nng_sockaddr_in *in, char *out)
{
    char ip[INET_ADDRSTRLEN];

    inet_ntop(AF_INET, &in->sa_addr, ip, sizeof ip);
    snprintf(out, HF_LINK_ADDRESS_BYTES, "tcp://%s:%u", ip, ntohs(in->sa_port));
}

static void text_ip6(const nng_sockaddr_in6 *in, char *out)
{
    char ip[INET6_ADDRSTRLEN];

    inet_ntop(AF_INET6, in->sa_addr, ip, sizeof ip);
    snprintf(out, HF_LINK_ADDRESS_BYTES, "tcp://[%s]:%u", ip, ntohs(in->sa_port));
}

void link_address_text(const nng_sockaddr *addr, char out[HF_LINK_ADDRESS_BYTES])
{
    if (addr->s_family == NNG_AF_INET) {
        text_ip4(&addr->s_in, out);
    } else if (addr->s_family == NNG_AF_INET6) {
        text_ip6(&addr->s_in6, out);
    } else {
        snprintf(out, HF_LINK_ADDRESS_BYTES, "ipc");
    }
}

static hf_slice ip_bytes(const nng_sockaddr *addr)
{
    if (addr->s_family == NNG_AF_INET) {
        return hf_slice_of(&addr->s_in.sa_addr, sizeof addr->s_in.sa_addr);
    }
    if (addr->s_family == NNG_AF_INET6) {
        return hf_slice_of(addr->s_in6.sa_addr, sizeof addr->s_in6.sa_addr);
    }
    return HF_SLICE_EMPTY;
}

static void set_source(struct hf_link *link, hf_slice key)
{
    hf_check(key.bytes <= sizeof link->source_bytes);
    if (key.bytes > 0) {
        memcpy(link->source_bytes, key.data, key.bytes);
    }
    link->source = (hf_slice){link->source_bytes, key.bytes};
}

static void describe_ipc(struct hf_link *link)
{
    struct hf_link_peer *peer = &link->peer;
    uint8_t key[12] = {'i', 'p', 'c', 0};
    uint64_t value;

    if (nng_stream_get_uint64(link->stream, NNG_OPT_IPC_PEER_UID, &value) == 0) {
        peer->uid = (int64_t)value;
    }
    if (nng_stream_get_uint64(link->stream, NNG_OPT_IPC_PEER_PID, &value) == 0) {
        peer->pid = (int64_t)value;
    }
    hf_put_be64(key + 4, (uint64_t)peer->uid);
    set_source(link, (hf_slice){key, sizeof key});
    peer->ip.family = HF_ADDRESS_LOCAL;
    snprintf(peer->address, sizeof peer->address, "ipc://uid=%lld,pid=%lld",
             (long long)peer->uid, (long long)peer->pid);
}

void link_address_of_peer(struct hf_link *link)
{
    struct hf_link_peer *peer = &link->peer;
    nng_sockaddr addr;

    peer->transport = link->owner->transport;
    peer->is_accepted = link->owner->is_listener;
    peer->pid = -1;
    peer->uid = -1;
    memset(&addr, 0, sizeof addr);
    if (peer->transport == HF_LINK_IPC) {
        describe_ipc(link);
        return;
    }
    if (nng_stream_get_addr(link->stream, NNG_OPT_REMADDR, &addr) != 0) {
        snprintf(peer->address, sizeof peer->address, "tcp://unknown");
        return;
    }
    link_address_text(&addr, peer->address);
    set_source(link, ip_bytes(&addr));
    if (hf_address_of_bytes(ip_bytes(&addr), &peer->ip) != HF_OK) {
        memset(&peer->ip, 0, sizeof peer->ip);
    }
}
