/* Slow clients (SECURITY.md 5): no timer per request; each client is looked at about
 * once a second. */
#include "frontend/client.h"

static bool is_overdue(const struct fe_client *client, int64_t limit_ms)
{
    return hf_time_diff_ms(client->since, client->shell->now) >= limit_ms;
}

/* True when `bytes` in the time since `since` are fewer than the least rate allows. */
static bool is_too_slow(const struct fe_client *client, hf_time since, uint64_t bytes)
{
    int64_t ms = hf_time_diff_ms(since, client->shell->now);
    uint64_t rate_min = client->shell->options->rate_min;

    return ms >= FE_RATE_GRACE_MS && bytes * 1000 < rate_min * (uint64_t)ms;
}

/* Measured over stretches of at least FE_RATE_GRACE_MS, so that a fast start does not
 * pay for a stop later. */
static bool is_reading_too_slow(struct fe_client *client)
{
    if (client->reading == NULL || client->reading->credit == 0) {
        client->body_since = HF_TIME_ZERO;
        return false;
    }
    if (client->body_since.us == 0) {
        client->body_since = client->shell->now;
        client->body_bytes = 0;
        return false;
    }
    if (is_too_slow(client, client->body_since, client->body_bytes)) {
        return true;
    }
    if (hf_time_diff_ms(client->body_since, client->shell->now) >= FE_RATE_GRACE_MS) {
        client->body_since = client->shell->now;
        client->body_bytes = 0;
    }
    return false;
}

static bool is_writing_too_slow(struct fe_client *client)
{
    size_t queued = hf_conn_queued_bytes(client->conn);
    uint64_t left = client->out_total - queued;

    if (queued == 0) {
        client->write_since = HF_TIME_ZERO;
        return false;
    }
    if (client->write_since.us == 0) {
        client->write_since = client->shell->now;
        client->write_mark = left;
        return false;
    }
    if (is_too_slow(client, client->write_since, left - client->write_mark)) {
        return true;
    }
    if (hf_time_diff_ms(client->write_since, client->shell->now) >= FE_RATE_GRACE_MS) {
        client->write_since = client->shell->now;
        client->write_mark = left;
    }
    return false;
}

/* Between requests, or inside a header. */
static void look_at_reader(struct fe_client *client)
{
    const struct fe_options *options = client->shell->options;

    if (fe_client_is_idle(client)) {
        if (is_overdue(client, options->idle_ms)) {
            fe_client_drop(client);
        }
        return;
    }
    if (is_overdue(client, options->header_ms)) {
        fe_request_fail(client, HF_REASON_TIMER_HEADER_WAIT);
    }
}

void fe_client_look(struct fe_client *client)
{
    if (client->is_gone) {
        return;
    }
    if (is_writing_too_slow(client)) {
        fe_log_request(client->shell, (hf_id){{0}}, HF_REASON_TIMER_MIN_BYTES);
        client->is_broken = true;
        fe_client_touch(client);
        return;
    }
    if (client->is_lingering) {
        if (hf_conn_queued_bytes(client->conn) == 0 &&
            is_overdue(client, FE_LINGER_MS)) {
            fe_client_drop(client);
        }
        return;
    }
    if (client->is_closing) {
        return;
    }
    if (is_reading_too_slow(client)) {
        fe_request_fail(client, HF_REASON_TIMER_MIN_BYTES);
        return;
    }
    if (client->pipeline_count == 0 && !client->is_head_waiting) {
        look_at_reader(client);
    }
}
