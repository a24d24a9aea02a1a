#include "frontend/stash.h"

void fe_stash_fini(struct fe_stash *stash)
{
    while (stash->parsers_count > 0) {
        hf_http_parser_free(stash->parsers[--stash->parsers_count]);
    }
    while (stash->outs_count > 0) {
        hf_buf_fini(&stash->outs[--stash->outs_count]);
    }
}

hf_err fe_stash_get_parser(struct fe_stash *stash, struct hf_http_parser **out)
{
    hf_check(*out == NULL);
    if (stash->parsers_count == 0) {
        return hf_http_parser_new((struct hf_http_limits){0}, out);
    }
    *out = stash->parsers[--stash->parsers_count];
    return HF_OK;
}

void fe_stash_take_parser(struct fe_stash *stash, struct hf_http_parser **parser)
{
    hf_check(hf_http_parser_is_idle(*parser));
    if (stash->parsers_count == FE_STASH_MAX) {
        hf_http_parser_free(*parser);
    } else {
        stash->parsers[stash->parsers_count++] = *parser;
    }
    *parser = NULL;
}

void fe_stash_get_out(struct fe_stash *stash, struct hf_buf *buf)
{
    size_t bytes_max = buf->bytes_max;

    hf_check(buf->data == NULL);
    if (stash->outs_count > 0) {
        *buf = stash->outs[--stash->outs_count];
        buf->bytes_max = bytes_max;
    }
}

void fe_stash_take_out(struct fe_stash *stash, struct hf_buf *buf)
{
    hf_check(hf_buf_bytes(buf) == 0);
    if (buf->data == NULL || stash->outs_count == FE_STASH_MAX) {
        hf_buf_fini(buf);
        return;
    }
    stash->outs[stash->outs_count++] = *buf;
    *buf = (struct hf_buf){.bytes_max = buf->bytes_max};
}
