/* One client's connection: bytes -> requests in order, answers in the same order ->
 * bytes.
 *
 *   open --last answer says close, or drain--> closing --written--> lingering -->
 * closed
 *
 * Up to FE_PIPELINE_MAX requests are parsed ahead. Those that are safe and have no body
 * run in parallel; any other waits until it is alone, and what follows waits for it
 * (row 8). Reading goes on while an answer is awaited, so that a client that leaves is
 * noticed. A closing connection sends FIN and reads on for a moment: closing a socket
 * with unread input would reset it and could destroy the answer on its way. */
#ifndef HF_FRONTEND_CLIENT_H
#define HF_FRONTEND_CLIENT_H

#include "frontend/hold.h"
#include "lib/http/parser.h"

#define FE_PIPELINE_MAX    16u
#define FE_INPUT_BYTES_MAX 131072u /* unparsed input kept; then reading stops */
#define FE_REQUESTS_MAX    1000000u
#define FE_LINGER_MS       5000
#define FE_LINGER_DRAIN_MS 500  /* the same while the frontend ends */
#define FE_RATE_GRACE_MS   5000 /* SECURITY.md 5: min rates hold after 5 s */

struct fe_client {
    struct hf_list all;     /* shell.clients */
    struct hf_list dirty;   /* shell.dirty */
    struct hf_list resumed; /* shell.resumed */
    struct hf_list pipeline;
    struct fe_shell *shell;
    struct hf_conn *conn;
    struct hf_http_parser *parser; /* NULL between requests: see stash.h */
    struct fe_hold *reading;       /* whose body is being read, else NULL */
    struct hf_buf in;
    struct hf_buf out;
    uint32_t pipeline_count;
    uint32_t requests_count;
    struct fe_meter *meter; /* of its latest request's URL group; NULL: none yet */
    bool is_head_waiting;   /* a head is parsed; its turn has not come */
    bool is_paused;
    bool is_closing;   /* nothing more is parsed; closes when all is written */
    bool is_lingering; /* FIN is sent */
    bool is_eof;       /* the client has sent FIN */
    bool is_broken;    /* an answer broke off: reset instead of FIN */
    bool is_gone;      /* the connection is closed */
    hf_time since;     /* of the present phase: see client_time.c */
    hf_time body_since;
    uint64_t body_bytes; /* read since body_since */
    hf_time write_since; /* output has been waiting since */
    uint64_t write_mark; /* bytes that had left then */
    uint64_t out_total;  /* bytes given to the connection */
    struct hf_http_address peer;
    char peer_text[HF_HTTP_ADDRESS_TEXT_BYTES]; /* made once: every request states it */
    size_t peer_text_bytes;
    struct hf_http_address local;
    uint16_t local_port;
};

/* Takes the connection over and starts reading. Without memory it is closed. */
void fe_client_new(struct fe_shell *shell, struct hf_conn *conn);
/* Between requests: nothing is owed either way. */
bool fe_client_is_idle(const struct fe_client *client);
/* Marks it for writing at the end of the turn. */
void fe_client_touch(struct fe_client *client);
/* Marks it for reading on: credit has come, or its turn. */
void fe_client_resume(struct fe_client *client);
/* Moves answers that are complete out of the pipeline, and the next one's bytes up. */
void fe_client_advance(struct fe_client *client);
/* Parses as far as it may. Not from an effect. */
void fe_client_work(struct fe_client *client);
/* Writes what has been gathered, begins to close if that is due. Not from an effect. */
void fe_client_flush(struct fe_client *client);
/* Cancels all its requests and closes it. Not from an effect. */
void fe_client_drop(struct fe_client *client);
/* Draining, called at every tick: closes it at once when it rests between requests, and
 * soon after its last answer. One that has just come may still ask. */
void fe_client_drain(struct fe_client *client);
/* client_time.c: looked at about once a second. Not from an effect. */
void fe_client_look(struct fe_client *client);
/* request.c: the head the parser holds is next. Not from an effect. */
void fe_request_start(struct fe_client *client);
bool fe_request_may_start(const struct fe_client *client);
/* Bytes or the end of the body of client->reading. */
void fe_request_body(struct fe_client *client, hf_slice bytes, bool is_last);
/* The request being read, or about to be, is malformed or late: answer and close. */
void fe_request_fail(struct fe_client *client, hf_reason reason);

#endif
