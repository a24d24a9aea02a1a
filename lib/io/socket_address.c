/* Owns addresses as text: what configuration and logs show. */
#include "lib/io/socket.h"

#include "lib/base/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define IP_TEXT_BYTES 48

static hf_err parse_unix(const char *path, struct hf_socket_address *out)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&out->storage;
    size_t bytes = strlen(path);

    if (bytes == 0 || bytes >= sizeof un->sun_path) {
        return HF_ERR_INVALID;
    }
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, bytes + 1);
    out->bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes + 1);
    out->is_unix = true;
    return HF_OK;
}

static hf_err parse_ip(const char *ip, uint16_t port, struct hf_socket_address *out)
{
    struct sockaddr_in *in4 = (struct sockaddr_in *)&out->storage;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out->storage;

    if (inet_pton(AF_INET, ip, &in4->sin_addr) == 1) {
        in4->sin_family = AF_INET;
        in4->sin_port = htons(port);
        out->bytes = sizeof *in4;
        return HF_OK;
    }
    if (inet_pton(AF_INET6, ip, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        out->bytes = sizeof *in6;
        return HF_OK;
    }
    return HF_ERR_INVALID;
}

hf_err hf_socket_address_parse(const char *text, struct hf_socket_address *out)
{
    const char *colon = strrchr(text, ':');
    char ip[IP_TEXT_BYTES];
    uint64_t port;
    size_t bytes;

    memset(out, 0, sizeof *out);
    if (strncmp(text, "unix:", 5) == 0) {
        return parse_unix(text + 5, out);
    }
    if (colon == NULL ||
        hf_text_parse_u64(hf_slice_of_cstr(colon + 1), UINT16_MAX, &port) != HF_OK) {
        return HF_ERR_INVALID;
    }
    bytes = (size_t)(colon - text);
    if (bytes >= 2 && text[0] == '[' && text[bytes - 1] == ']') {
        text++;
        bytes -= 2;
    }
    if (bytes >= sizeof ip) {
        return HF_ERR_INVALID;
    }
    snprintf(ip, sizeof ip, "%.*s", (int)bytes, text);
    return parse_ip(bytes == 0 ? "::" : ip, (uint16_t)port, out);
}

void hf_socket_address_ip(const struct sockaddr_storage *storage, struct hf_addr *out)
{
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)storage;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)storage;

    memset(out, 0, sizeof *out);
    if (storage->ss_family == AF_INET) {
        out->ip_bytes = 4;
        out->port = ntohs(in4->sin_port);
        memcpy(out->ip, &in4->sin_addr, 4);
    } else if (storage->ss_family == AF_INET6) {
        out->port = ntohs(in6->sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
            out->ip_bytes = 4;
            memcpy(out->ip, (const uint8_t *)&in6->sin6_addr + 12, 4);
        } else {
            out->ip_bytes = 16;
            memcpy(out->ip, &in6->sin6_addr, 16);
        }
    }
}

void hf_addr_ip_text(const struct hf_addr *addr, char out[HF_ADDR_TEXT_BYTES])
{
    if (addr->ip_bytes == 0) {
        snprintf(out, HF_ADDR_TEXT_BYTES, "unix");
        return;
    }
    inet_ntop(addr->ip_bytes == 4 ? AF_INET : AF_INET6, addr->ip, out,
              HF_ADDR_TEXT_BYTES);
}

void hf_addr_text(const struct hf_addr *addr, char out[HF_ADDR_TEXT_BYTES])
{
    char ip[HF_ADDR_TEXT_BYTES];

    hf_addr_ip_text(addr, ip);
    if (addr->ip_bytes == 0) {
        snprintf(out, HF_ADDR_TEXT_BYTES, "%s", ip);
    } else {
        snprintf(out, HF_ADDR_TEXT_BYTES,
                 addr->ip_bytes == 16 ? "[%.45s]:%u" : "%.45s:%u", ip, addr->port);
    }
}
