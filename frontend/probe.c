/* The admin address: is it alive, is it ready, what has it done (rows 106 and 108). */
#include "frontend/uplink.h"

static void answer(struct hf_admin_response *response, int status, const char *text)
{
    response->status = status;
    response->content_type = "text/plain; charset=utf-8";
    if (hf_buf_append_cstr(&response->body, text) != HF_OK) {
        response->status = 500;
    }
}

/* The loop turns, or nobody would answer. */
static void livez(void *ctx, const struct hf_admin_request *request,
                  struct hf_admin_response *response)
{
    (void)ctx;
    (void)request;
    answer(response, 200, "ok\n");
}

static void readyz(void *ctx, const struct hf_admin_request *request,
                   struct hf_admin_response *response)
{
    const struct fe_shell *shell = ctx;

    (void)request;
    if (shell->is_stopping) {
        answer(response, 503, "draining\n");
    } else if (shell->table == NULL) {
        answer(response, 503, "no routes\n");
    } else if (fe_uplinks_up_count(shell) == 0) {
        answer(response, 503, "no broker\n");
    } else {
        answer(response, 200, "ok\n");
    }
}

static void metrics(void *ctx, const struct hf_admin_request *request,
                    struct hf_admin_response *response)
{
    const struct fe_shell *shell = ctx;

    (void)request;
    response->content_type = "text/plain; version=0.0.4; charset=utf-8";
    if (fe_stats_render(&shell->stats, &response->body) != HF_OK ||
        hf_link_stats_render(&response->body) != HF_OK ||
        hf_admin_stats_render(&response->body) != HF_OK) {
        response->status = 500;
    }
}

static const struct hf_admin_route routes[] = {
    {"GET", "/livez", livez},
    {"GET", "/readyz", readyz},
    {"GET", "/metrics", metrics},
};

hf_err fe_probe_open(struct fe_shell *shell)
{
    const struct hf_admin_config config = {
        .address = shell->options->admin,
        .routes = routes,
        .routes_count = sizeof routes / sizeof routes[0],
        .ctx = shell,
    };

    if (shell->options->admin == NULL) {
        return HF_OK;
    }
    return hf_admin_open(shell->loop, &config, &shell->admin);
}
