/* Owns addresses of links: their schemes, and peers as text for logs and as bytes for
 * the gate and `net`. */
#include "lib/io/link_parts.h"

#include "lib/base/bytes.h"

#include <stdio.h>
#include <string.h>

const char *link_address_of(const char *address, enum hf_link_transport *transport)
{
    bool is_ipc = strncmp(address, "ipc://", 6) == 0;

    if (!is_ipc && strncmp(address, "tcp://", 6) != 0) {
        return NULL;
    }
    *transport = is_ipc ? HF_LINK_IPC : HF_LINK_TCP;
    return address + 6;
}

static void set_gate_key(struct hf_link *link, hf_slice key)
{
    hf_check(key.bytes <= sizeof link->gate_key_bytes);
    if (key.bytes > 0) {
        memcpy(link->gate_key_bytes, key.data, key.bytes);
    }
    link->gate_key = (hf_slice){link->gate_key_bytes, key.bytes};
}

static void describe_ipc(struct hf_link *link)
{
    struct hf_link_peer *peer = &link->peer;
    uint8_t key[12] = {'i', 'p', 'c', 0};
    struct ucred creds;
    socklen_t bytes = sizeof creds;

    if (getsockopt(link->source.fd, SOL_SOCKET, SO_PEERCRED, &creds, &bytes) == 0) {
        peer->uid = creds.uid;
        peer->pid = creds.pid;
    }
    hf_put_be64(key + 4, (uint64_t)peer->uid);
    set_gate_key(link, (hf_slice){key, sizeof key});
    peer->ip.family = HF_ADDRESS_LOCAL;
    snprintf(peer->address, sizeof peer->address, "ipc://uid=%lld,pid=%lld",
             (long long)peer->uid, (long long)peer->pid);
}

static void describe_tcp(struct hf_link *link)
{
    struct hf_link_peer *peer = &link->peer;
    struct sockaddr_storage storage;
    socklen_t bytes = sizeof storage;
    char text[HF_ADDR_TEXT_BYTES];
    struct hf_addr ip;

    if (getpeername(link->source.fd, (struct sockaddr *)&storage, &bytes) != 0) {
        snprintf(peer->address, sizeof peer->address, "tcp://unknown");
        return;
    }
    hf_socket_address_ip(&storage, &ip);
    hf_addr_text(&ip, text);
    snprintf(peer->address, sizeof peer->address, "tcp://%s", text);
    set_gate_key(link, (hf_slice){ip.ip, ip.ip_bytes});
    if (hf_address_of_bytes(link->gate_key, &peer->ip) != HF_OK) {
        memset(&peer->ip, 0, sizeof peer->ip);
    }
}

void link_address_of_peer(struct hf_link *link)
{
    struct hf_link_peer *peer = &link->peer;

    peer->transport = link->owner->transport;
    peer->is_accepted = link->owner->is_listener;
    peer->pid = -1;
    peer->uid = -1;
    if (peer->transport == HF_LINK_IPC) {
        describe_ipc(link);
    } else {
        describe_tcp(link);
    }
}
