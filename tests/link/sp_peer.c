#include "tests/link/sp_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_SECONDS 20

static bool wrong(struct sp_peer *peer, const char *what)
{
    peer->wrong = what;
    return false;
}

void sp_init(struct sp_peer *peer, struct sp_stream stream, enum hf_frame_kind kind)
{
    memset(peer, 0, sizeof *peer);
    peer->stream = stream;
    peer->kind = kind;
    peer->prefix_kind = kind;
    peer->message = malloc(HF_LINK_MESSAGE_BYTES_MAX);
    hf_check(peer->message != NULL);
}

void sp_fini(struct sp_peer *peer)
{
    hf_handshake_free(peer->handshake);
    hf_secret_free(peer->secret);
    free(peer->message);
    if (peer->is_sealed) {
        hf_sealer_fini(&peer->sealer);
        hf_opener_fini(&peer->opener);
    }
}

bool sp_greet(struct sp_peer *peer)
{
    /* Spelled out: what lib/wire thinks of it is not asked here. */
    static const uint8_t greeting[] = {0, 'S', 'P', 0, 0, 16, 0, 0};
    uint8_t theirs[sizeof greeting];

    if (!peer->stream.write(peer->stream.handle, greeting, sizeof greeting) ||
        !peer->stream.read(peer->stream.handle, theirs, sizeof theirs)) {
        return wrong(peer, "closed at the greeting");
    }
    return memcmp(theirs, greeting, sizeof greeting) == 0 ||
           wrong(peer, "another greeting");
}

static size_t put_prefix(const struct sp_peer *peer, uint64_t bytes, uint8_t *out)
{
    size_t lead = peer->prefix_kind == HF_FRAME_IPC;

    out[0] = 1;
    for (size_t i = 0; i < 8; i++) {
        out[lead + i] = (uint8_t)(bytes >> (56 - 8 * i));
    }
    return lead + 8;
}

bool sp_put_message(struct sp_peer *peer, hf_slice content)
{
    uint8_t *bytes = malloc(content.bytes + 9);
    size_t prefix_bytes;
    bool is_sent;

    hf_check(bytes != NULL);
    prefix_bytes = put_prefix(peer, content.bytes, bytes);
    if (content.bytes > 0) {
        memcpy(bytes + prefix_bytes, content.data, content.bytes);
    }
    is_sent =
        peer->stream.write(peer->stream.handle, bytes, prefix_bytes + content.bytes);
    free(bytes);
    return is_sent || wrong(peer, "closed while we wrote");
}

/* One SP message into peer->message, as it is. */
static bool get_message(struct sp_peer *peer, size_t *bytes)
{
    size_t lead = peer->prefix_kind == HF_FRAME_IPC;
    uint8_t prefix[9];
    uint64_t length = 0;

    errno = 0;
    if (!peer->stream.read(peer->stream.handle, prefix, lead + 8)) {
        return wrong(peer, errno == EAGAIN ? "silence" : "closed between messages");
    }
    if (lead == 1 && prefix[0] != 1) {
        return wrong(peer, "an ipc message that does not start with 1");
    }
    for (size_t i = 0; i < 8; i++) {
        length = length << 8 | prefix[lead + i];
    }
    if (length > HF_LINK_MESSAGE_BYTES_MAX) {
        return wrong(peer, "a message above the maximum");
    }
    if (!peer->stream.read(peer->stream.handle, peer->message, length)) {
        return wrong(peer, "closed inside a message");
    }
    *bytes = (size_t)length;
    return true;
}

static void context_fill(struct hf_chain_context *context, struct hf_trust *trust)
{
    struct hf_secret *issuer = fixture_secret(1);
    struct hf_trust_key key = {.key = hf_secret_public(issuer),
                               .uses = HF_KEY_USE_CAP,
                               .expires_s = INT64_MAX};

    hf_trust_init(trust);
    hf_check(hf_trust_add(trust, &key) == HF_OK);
    *context = (struct hf_chain_context){.trust = trust,
                                         .skip_network = true,
                                         .now_s = hf_clock_wall_seconds(),
                                         .skew_s = HF_CHAIN_SKEW_S,
                                         .ttl_s_max = HF_CHAIN_TTL_S_MAX};
    hf_secret_free(issuer);
}

static void handshake_new(struct sp_peer *peer, bool is_server)
{
    struct hf_secret *secret = fixture_secret(is_server ? 2 : 3);
    enum hf_transport transport =
        peer->kind == HF_FRAME_IPC ? HF_TRANSPORT_IPC : HF_TRANSPORT_TCP;
    struct hf_handshake_config config = {
        .role = is_server ? HF_ROLE_BROKER : HF_ROLE_WORKER,
        .transport = transport,
        .modes = hf_handshake_modes(transport),
        .secret = secret,
        .cluster = HF_SLICE(FIXTURE_CLUSTER),
        .broker = is_server ? HF_SLICE(FIXTURE_BROKER) : HF_SLICE_EMPTY,
        .frame_bytes_max = HF_LINK_MESSAGE_BYTES_MAX,
        .now_ms = hf_clock_wall_seconds() * 1000,
    };
    struct hf_buf chain;

    fixture_mint(peer->issuer != 0 ? peer->issuer : 1, secret,
                 is_server ? "broker:" FIXTURE_BROKER : "worker:one",
                 (uint16_t)(is_server ? 1u << HF_VERB_SERVE : 1u << HF_VERB_RECEIVE),
                 &chain);
    config.chain = hf_buf_slice(&chain);
    hf_check((is_server ? hf_handshake_server_new(&config, &peer->handshake)
                        : hf_handshake_client_new(&config, &peer->handshake)) == HF_OK);
    hf_buf_fini(&chain);
}

static bool send_waiting(struct sp_peer *peer)
{
    hf_slice message;

    while (hf_handshake_next(peer->handshake, &message)) {
        if (!sp_put_message(peer, message)) {
            return false;
        }
    }
    return true;
}

static enum hf_handshake_state admit(struct sp_peer *peer)
{
    struct hf_welcome welcome = {.expires_ms = (hf_clock_wall_seconds() + 3600) * 1000,
                                 .heartbeat_ms = 1000};

    return hf_handshake_admit(peer->handshake, &welcome);
}

static bool shake(struct sp_peer *peer)
{
    enum hf_handshake_state state = hf_handshake_state(peer->handshake);
    struct hf_chain_context context;
    struct hf_trust trust;
    size_t bytes;

    context_fill(&context, &trust);
    while (state == HF_HANDSHAKE_CONTINUE) {
        if (!send_waiting(peer) || !get_message(peer, &bytes)) {
            return false;
        }
        state = hf_handshake_receive(peer->handshake, (hf_slice){peer->message, bytes},
                                     &context);
        state = state == HF_HANDSHAKE_ADMIT ? admit(peer) : state;
    }
    if (!send_waiting(peer) || state != HF_HANDSHAKE_DONE) {
        return wrong(peer, hf_token_error_code(hf_handshake_error(peer->handshake)));
    }
    peer->is_sealed = hf_handshake_result(peer->handshake)->is_sealed;
    if (peer->is_sealed) {
        hf_handshake_take_seal(peer->handshake, &peer->sealer, &peer->opener);
    }
    return true;
}

bool sp_shake_as_client(struct sp_peer *peer)
{
    handshake_new(peer, false);
    hf_handshake_start(peer->handshake);
    return shake(peer);
}

bool sp_shake_as_server(struct sp_peer *peer)
{
    handshake_new(peer, true);
    return shake(peer);
}

bool sp_send(struct sp_peer *peer, hf_slice records, bool is_last)
{
    size_t bytes = hf_seal_bytes(records.bytes);
    uint8_t *frame;
    bool is_sent;

    if (!peer->is_sealed) {
        return sp_put_message(peer, records);
    }
    frame = malloc(bytes);
    hf_check(frame != NULL);
    hf_seal(&peer->sealer, records, is_last, frame);
    is_sent = sp_put_message(peer, (hf_slice){frame, bytes});
    free(frame);
    return is_sent;
}

bool sp_send_record(struct sp_peer *peer, uint16_t type, hf_slice body, bool is_last)
{
    struct hf_record record = {.type = type, .body = body};
    size_t bytes = hf_record_bytes(&record);
    uint8_t *out = malloc(bytes);
    bool is_sent;

    hf_check(out != NULL);
    hf_record_put(&record, out);
    is_sent = sp_send(peer, (hf_slice){out, bytes}, is_last);
    free(out);
    return is_sent;
}

bool sp_receive(struct sp_peer *peer)
{
    struct hf_opened opened = {0};
    uint8_t *plain;
    size_t bytes;

    if (!get_message(peer, &bytes)) {
        return false;
    }
    peer->messages_in++;
    peer->unread = (hf_slice){peer->message, bytes};
    if (!peer->is_sealed) {
        return true;
    }
    plain = malloc(bytes + 1);
    hf_check(plain != NULL);
    if (hf_open(&peer->opener, peer->unread, plain, &opened) != HF_OK) {
        free(plain);
        return wrong(peer, "a message that does not open");
    }
    memcpy(peer->message, plain, opened.bytes);
    free(plain);
    peer->unread.bytes = opened.bytes;
    peer->is_last = opened.is_last;
    return true;
}

bool sp_next(struct sp_peer *peer, struct hf_record *record)
{
    for (;;) {
        hf_err err = hf_record_next(&peer->unread, record);

        if (err == HF_ERR_INVALID) {
            return wrong(peer, "a message that is no run of records");
        }
        if (err == HF_ERR_NOT_FOUND && !sp_receive(peer)) {
            return false;
        }
        if (err == HF_OK && record->type != HF_LINK_HEARTBEAT_TYPE) {
            return true;
        }
        peer->heartbeats += err == HF_OK;
    }
}

bool sp_is_closed(struct sp_peer *peer)
{
    struct hf_record record;

    peer->wrong = NULL;
    return !sp_next(peer, &record) && peer->wrong != NULL &&
           strncmp(peer->wrong, "closed", 6) == 0;
}

/* ---- sockets */
static bool socket_read(void *handle, uint8_t *out, size_t bytes)
{
    struct sp_socket *from = handle;

    while (bytes > 0) {
        size_t most = from->dribbles && bytes > 7 ? 7 : bytes;
        ssize_t got = recv(from->fd, out, most, 0);

        if (got <= 0) {
            return false;
        }
        out += got;
        bytes -= (size_t)got;
    }
    return true;
}

static bool socket_write(void *handle, const uint8_t *data, size_t bytes)
{
    struct sp_socket *to = handle;

    while (bytes > 0) {
        ssize_t put = send(to->fd, data, to->dribbles ? 1 : bytes, MSG_NOSIGNAL);

        if (put <= 0) {
            return false;
        }
        data += put;
        bytes -= (size_t)put;
    }
    return true;
}

struct sp_stream sp_socket_stream(struct sp_socket *socket)
{
    return (struct sp_stream){socket, socket_read, socket_write};
}

static void set_options(int fd, int buffer_bytes)
{
    struct timeval limit = {.tv_sec = READ_SECONDS};
    int one = 1;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* ipc: not known */
    if (buffer_bytes > 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes);
    }
}

static int connect_unix(const char *path, int buffer_bytes)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    hf_check(fd >= 0 && strlen(path) < sizeof un.sun_path);
    memcpy(un.sun_path, path, strlen(path));
    set_options(fd, buffer_bytes);
    if (connect(fd, (struct sockaddr *)&un, sizeof un) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int sp_connect(const char *address, int buffer_bytes)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    char host[HF_LINK_ADDRESS_BYTES];
    unsigned short port;
    int fd;

    if (strncmp(address, "ipc://", 6) == 0) {
        return connect_unix(address + 6, buffer_bytes);
    }
    hf_check(sscanf(address, "tcp://%100[0-9.]:%hu", host, &port) == 2);
    hf_check(inet_pton(AF_INET, host, &in.sin_addr) == 1);
    in.sin_port = htons(port);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    hf_check(fd >= 0);
    set_options(fd, buffer_bytes);
    if (connect(fd, (struct sockaddr *)&in, sizeof in) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

void sp_reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fd);
}
