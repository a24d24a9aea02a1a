/* The admin API's files among each other: what a request must hold, how it is answered.
 *
 *   GET  /v1/status            processes, queues, workers, snapshot (JSON)
 *   GET  /v1/queues?name=NAME  {queues: [...], brokers_pending}; all without a name
 *   POST /v1/queues/pause      {queue}: until resume, over restarts and reloads
 *   POST /v1/queues/resume     {queue}: what the file says
 *   POST /v1/watch?after=N&boot=HEX   for `up`: reports its processes, gets news (text)
 *   POST /v1/identities        {role, name, key}: a package without the key (text)
 *   POST /v1/tokens            {key, queues, op, life_s, subject}: the same (text)
 *   POST /v1/revocations       {what}: publishes; {seq}
 *   GET  /v1/revocations?seq=N {seq, acknowledged: [...], missing: [...]}
 *   GET  /v1/audit             the newest entries (JSON)
 *   GET  /livez /readyz /metrics
 *
 * It listens on controller.sock (mode 0600) in the run directory: who can open it is
 * the operator. Probes alone also on controller.admin. */
#ifndef HF_CONTROLLER_ADMIN_H
#define HF_CONTROLLER_ADMIN_H

#include "controller/shell.h"

#define CT_ADMIN_SOCKET "controller.sock"
#define CT_ADMIN_WHO    "controller.sock"

void ct_admin_status(void *ctx, const struct hf_admin_request *request,
                     struct hf_admin_response *response);
void ct_admin_audit(void *ctx, const struct hf_admin_request *request,
                    struct hf_admin_response *response);
void ct_admin_queues(void *ctx, const struct hf_admin_request *request,
                     struct hf_admin_response *response);
void ct_admin_queue_pause(void *ctx, const struct hf_admin_request *request,
                          struct hf_admin_response *response);
void ct_admin_queue_resume(void *ctx, const struct hf_admin_request *request,
                           struct hf_admin_response *response);
/* 404, with the name and how to find the right one. */
void ct_admin_no_queue(struct hf_admin_response *response, hf_slice name);
void ct_admin_watch(void *ctx, const struct hf_admin_request *request,
                    struct hf_admin_response *response);
void ct_admin_identities(void *ctx, const struct hf_admin_request *request,
                         struct hf_admin_response *response);
void ct_admin_tokens(void *ctx, const struct hf_admin_request *request,
                     struct hf_admin_response *response);
void ct_admin_revoke(void *ctx, const struct hf_admin_request *request,
                     struct hf_admin_response *response);
void ct_admin_revoked(void *ctx, const struct hf_admin_request *request,
                      struct hf_admin_response *response);

/* A text answer; the status is for the program, the sentence for a person. */
void ct_admin_answer(struct hf_admin_response *response, int status, const char *text);
/* The value of `name` in a query; empty when absent. Nothing is decoded. */
hf_slice ct_admin_query(hf_slice query, const char *name);

#endif
