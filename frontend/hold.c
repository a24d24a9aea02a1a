#include "frontend/hold.h"

#include "frontend/client.h"
#include "frontend/status.h"

#include <stdlib.h>
#include <string.h>

#define HOLDS_KEPT_MAX 4096u
#define HEAD_KEPT      16384u
#define OUT_KEPT       16384u
#define OUT_BYTES_MAX  ((size_t)8 << 20) /* window, piece, head: never reached */

struct fe_hold *fe_hold_get(struct fe_shell *shell)
{
    struct hf_list *node = hf_list_pop_front(&shell->holds_free);
    struct fe_hold *hold;

    if (node != NULL) {
        shell->holds_free_count--;
        return HF_CONTAINER(node, struct fe_hold, place);
    }
    hold = calloc(1, sizeof *hold);
    if (hold == NULL) {
        return NULL;
    }
    hf_buf_init(&hold->head, HF_HEAD_MAX);
    hf_buf_init(&hold->queue, 256);
    hf_buf_init(&hold->out, OUT_BYTES_MAX);
    fe_spool_init(&hold->spool);
    return hold;
}

static void hold_free(struct fe_hold *hold)
{
    fe_spool_fini(&hold->spool);
    hf_buf_fini(&hold->out);
    hf_buf_fini(&hold->queue);
    hf_buf_fini(&hold->head);
    free(hold);
}

static void clear(struct hf_buf *buf, size_t kept)
{
    if (buf->capacity > kept) {
        hf_buf_fini(buf);
    } else {
        hf_buf_clear(buf);
    }
}

void fe_hold_release(struct fe_shell *shell, struct fe_hold *hold)
{
    if (hold->client != NULL || hold->slot != 0) {
        return;
    }
    hf_check(!hf_list_is_linked(&hold->place));
    if (hold->lookup != NULL) {
        fe_lookup_drop(shell, hold);
    }
    if (shell->holds_free_count >= HOLDS_KEPT_MAX) {
        hold_free(hold);
        return;
    }
    clear(&hold->head, HEAD_KEPT);
    clear(&hold->out, OUT_KEPT);
    clear(&hold->queue, HEAD_KEPT);
    fe_spool_clear(&hold->spool);
    memset(hold, 0, offsetof(struct fe_hold, head)); /* the buffers stay */
    hf_list_push_front(&shell->holds_free, &hold->place);
    shell->holds_free_count++;
}

void fe_holds_fini(struct fe_shell *shell)
{
    struct hf_list *node;

    while ((node = hf_list_pop_front(&shell->holds_free)) != NULL) {
        hold_free(HF_CONTAINER(node, struct fe_hold, place));
    }
}

struct hf_buf *fe_hold_out(struct fe_hold *hold)
{
    struct fe_client *client = hold->client;

    hf_check(client != NULL);
    if (hf_list_first(&client->pipeline) != &hold->place) {
        return &hold->out;
    }
    fe_client_touch(client);
    return &client->out;
}

void fe_hold_finish(struct fe_hold *hold, bool is_broken)
{
    hf_check(!hold->is_done);
    hold->is_done = true;
    hold->is_broken = is_broken;
    if (hold->client != NULL) {
        fe_client_advance(hold->client);
    }
}
