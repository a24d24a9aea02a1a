/* Owns pausing: what an operator said at run time, over what the file says. It is kept
 * in the store, so that it outlives the controller and every change of the file. */
#include "controller/admin.h"

#include "lib/io/clock.h"

#include <jansson.h>
#include <stdio.h>

static void store_name(hf_slice queue, char out[128])
{
    (void)snprintf(out, 128, "paused.%.*s", (int)queue.bytes,
                   queue.bytes > 0 ? (const char *)queue.data : "");
}

uint64_t ct_queue_paused_ms(const struct ct *ct, hf_slice queue)
{
    char name[128];
    uint64_t since_ms = 0;

    store_name(queue, name);
    ct_must(ct_store_number(ct->store, name, &since_ms), "paused queues");
    return since_ms;
}

/* Pausing takes delivery away and nothing else: a queue that refuses goes on to. */
enum hf_queue_state ct_queue_state(const struct ct *ct,
                                   const struct ct_queue_config *queue)
{
    enum hf_queue_state base = queue->policy.state;

    if (ct_queue_paused_ms(ct, queue->policy.name) == 0) {
        return base;
    }
    return base == HF_QUEUE_ENABLED || base == HF_QUEUE_PAUSED ? HF_QUEUE_PAUSED
                                                               : HF_QUEUE_DISABLED;
}

const struct ct_queue_config *ct_queue_find(const struct ct *ct, hf_slice name)
{
    for (size_t i = 0; i < ct->config->queues_count; i++) {
        if (hf_slice_equal(ct->config->queues[i].policy.name, name)) {
            return &ct->config->queues[i];
        }
    }
    return NULL;
}

void ct_admin_no_queue(struct hf_admin_response *response, hf_slice name)
{
    char text[256];

    (void)snprintf(text, sizeof text,
                   "queue \"%.*s\" is not in the configuration: holdfast queue ls "
                   "lists those that are",
                   (int)(name.bytes < 64 ? name.bytes : 64),
                   name.bytes > 0 ? (const char *)name.data : "");
    ct_admin_answer(response, 404, text);
}

/* Audited before it is done: nothing is done that the log does not hold. */
static void change(struct ct *ct, hf_slice name, bool is_pause)
{
    char stored[128];
    bool is_paused = ct_queue_paused_ms(ct, name) > 0;

    ct_audit(ct, CT_ADMIN_WHO, "queue %s %.*s", is_pause ? "pause" : "resume",
             (int)name.bytes, (const char *)name.data);
    if (is_paused == is_pause) {
        return;
    }
    store_name(name, stored);
    ct_must(ct_store_put_number(ct->store, stored,
                                is_pause ? (uint64_t)hf_time_ms(hf_clock_now()) : 0),
            "paused queues");
    ct_publish_config(ct);
}

static void answer(struct ct *ct, const struct hf_admin_request *request,
                   struct hf_admin_response *response, bool is_pause)
{
    json_t *root = json_loadb((const char *)request->body.data, request->body.bytes,
                              JSON_REJECT_DUPLICATES, NULL);
    const json_t *value = json_object_get(root, "queue");

    if (!json_is_string(value)) {
        ct_admin_answer(response, 400, "expected a JSON object: {\"queue\": NAME}");
    } else {
        hf_slice name =
            hf_slice_of(json_string_value(value), json_string_length(value));

        if (ct_queue_find(ct, name) == NULL) {
            ct_admin_no_queue(response, name);
        } else {
            change(ct, name, is_pause);
            ct_admin_answer(response, 200, "{}");
        }
    }
    json_decref(root);
}

void ct_admin_queue_pause(void *ctx, const struct hf_admin_request *request,
                          struct hf_admin_response *response)
{
    answer(ctx, request, response, true);
}

void ct_admin_queue_resume(void *ctx, const struct hf_admin_request *request,
                           struct hf_admin_response *response)
{
    answer(ctx, request, response, false);
}
