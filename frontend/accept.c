/* Listeners: connections in, up to a cap; above it the kernel's backlog waits. */
#include "frontend/client.h"
#include "lib/base/log.h"

static void on_accept(void *ctx, struct hf_conn *conn)
{
    struct fe_shell *shell = ctx;

    fe_shell_look(shell);
    fe_client_new(shell, conn);
    fe_accept_balance(shell);
}

hf_err fe_accept_open(struct fe_shell *shell)
{
    for (size_t i = 0; i < shell->options->listen_count; i++) {
        const struct hf_listener_config config = {.address = shell->options->listen[i]};
        struct hf_addr bound;
        char text[HF_ADDR_TEXT_BYTES];
        hf_err err = hf_listener_open(shell->loop, &config, on_accept, shell,
                                      &shell->listeners[i]);

        if (err != HF_OK) {
            HF_ERROR("cannot listen", hf_log_cstr("address", shell->options->listen[i]),
                     hf_log_cstr("why", hf_err_text(err)));
            return err;
        }
        shell->listeners_count = i + 1;
        hf_listener_address(shell->listeners[i], &bound);
        hf_addr_text(&bound, text);
        HF_INFO("listening", hf_log_cstr("address", text));
    }
    return HF_OK;
}

void fe_accept_balance(struct fe_shell *shell)
{
    bool is_full = shell->clients_count >= shell->options->connections_max;

    if (is_full == shell->is_paused) {
        return;
    }
    shell->is_paused = is_full;
    fe_count(&shell->stats, FE_STAT_accept_pauses_total, is_full ? 1 : 0);
    for (size_t i = 0; i < shell->listeners_count; i++) {
        if (is_full) {
            hf_listener_pause(shell->listeners[i]);
        } else {
            hf_listener_resume(shell->listeners[i]);
        }
    }
}

void fe_accept_close(struct fe_shell *shell)
{
    for (size_t i = 0; i < shell->listeners_count; i++) {
        hf_listener_close(shell->listeners[i]);
    }
    shell->listeners_count = 0;
}
