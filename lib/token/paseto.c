/* Owns PASETO v4.public: text <-> payload, signature, footer. Never looks into a
 * payload. */
#include "lib/token/paseto.h"

#include <stdlib.h>

#include "lib/token/b64u.h"
#include "lib/token/pae.h"

#define STACK_BYTES 4096
#define PIECES      4

static hf_err decode_part(hf_slice text, hf_slice *scratch, hf_slice *out)
{
    size_t bytes = hf_b64u_data_bytes(text.bytes);
    uint8_t *to = (uint8_t *)(uintptr_t)scratch->data;

    if (bytes > scratch->bytes) {
        return HF_ERR_TOO_BIG;
    }
    if (hf_b64u_decode(text, to, bytes) != HF_OK) {
        return HF_ERR_INVALID;
    }
    *out = hf_slice_of(to, bytes);
    *scratch = hf_slice_skip(*scratch, bytes);
    return HF_OK;
}

hf_err hf_paseto_parse(hf_slice text, uint8_t *scratch, size_t scratch_bytes,
                       struct hf_paseto *out)
{
    hf_slice room = hf_slice_of(scratch, scratch_bytes);
    hf_slice body;
    hf_slice footer = HF_SLICE_EMPTY;

    hf_check(scratch != NULL);
    hf_check(out != NULL);

    if (!hf_slice_starts_with(text, HF_SLICE(HF_PASETO_HEADER))) {
        return HF_ERR_INVALID;
    }
    text = hf_slice_skip(text, sizeof HF_PASETO_HEADER - 1);

    size_t dot = hf_slice_find(text, '.');
    hf_err err = decode_part(hf_slice_first(text, dot), &room, &body);

    if (err == HF_OK && dot < text.bytes) {
        /* A dot with nothing behind it would be a second spelling of "no footer". */
        err = dot + 1 == text.bytes
                  ? HF_ERR_INVALID
                  : decode_part(hf_slice_skip(text, dot + 1), &room, &footer);
    }
    if (err != HF_OK) {
        return err;
    }
    if (body.bytes < HF_SIGNATURE_BYTES) {
        return HF_ERR_INVALID;
    }
    out->payload = hf_slice_first(body, body.bytes - HF_SIGNATURE_BYTES);
    out->signature = hf_slice_skip(body, body.bytes - HF_SIGNATURE_BYTES);
    out->footer = footer;
    return HF_OK;
}

/* The signed bytes, in `stack` when they fit, else in memory the caller frees. NULL
 * when there is none. */
static uint8_t *signed_bytes(const struct hf_paseto_input *input, uint8_t *stack,
                             hf_slice *out)
{
    hf_slice pieces[PIECES] = {HF_SLICE(HF_PASETO_HEADER), input->payload,
                               input->footer, input->assertion};
    size_t bytes = hf_pae_bytes(pieces, PIECES);
    uint8_t *to = bytes <= STACK_BYTES ? stack : malloc(bytes);

    if (to != NULL) {
        hf_pae_write(pieces, PIECES, to);
        *out = hf_slice_of(to, bytes);
    }
    return to;
}

hf_err hf_paseto_verify(const struct hf_paseto *token, hf_key key, hf_slice assertion)
{
    uint8_t stack[STACK_BYTES];
    hf_slice message;

    hf_check(token != NULL);

    struct hf_paseto_input input = {token->payload, token->footer, assertion};
    uint8_t *bytes = signed_bytes(&input, stack, &message);

    if (bytes == NULL) {
        return HF_ERR_NO_MEMORY;
    }

    bool is_right = hf_verify(key, message, token->signature);

    if (bytes != stack) {
        free(bytes);
    }
    return is_right ? HF_OK : HF_ERR_DENIED;
}

static hf_err append_b64u(struct hf_buf *out, hf_slice bytes)
{
    size_t text_bytes = hf_b64u_text_bytes(bytes.bytes);
    uint8_t *to = NULL;
    hf_err err = hf_buf_reserve(out, text_bytes, &to);

    if (err != HF_OK) {
        return err;
    }
    hf_b64u_encode(bytes, (char *)to);
    hf_buf_grown(out, text_bytes);
    return HF_OK;
}

/* Payload and signature are one run of base64url, so they are joined first. */
static hf_err append_body(struct hf_buf *out, hf_slice payload,
                          const hf_signature *signature)
{
    struct hf_buf body;
    hf_err err;

    hf_buf_init(&body, payload.bytes + HF_SIGNATURE_BYTES);
    if ((err = hf_buf_append(&body, payload)) == HF_OK &&
        (err = hf_buf_append(
             &body, hf_slice_of(signature->bytes, sizeof signature->bytes))) == HF_OK) {
        err = append_b64u(out, hf_buf_slice(&body));
    }
    hf_buf_fini(&body);
    return err;
}

hf_err hf_paseto_sign(const struct hf_secret *secret,
                      const struct hf_paseto_input *input, struct hf_buf *out)
{
    uint8_t stack[STACK_BYTES];
    hf_slice message;
    hf_signature signature;
    hf_err err;

    hf_check(input != NULL);
    hf_check(out != NULL);

    uint8_t *bytes = signed_bytes(input, stack, &message);

    if (bytes == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    hf_sign(secret, message, &signature);
    if (bytes != stack) {
        free(bytes);
    }
    if ((err = hf_buf_append_cstr(out, HF_PASETO_HEADER)) != HF_OK ||
        (err = append_body(out, input->payload, &signature)) != HF_OK ||
        input->footer.bytes == 0) {
        return err;
    }
    err = hf_buf_append_byte(out, '.');
    return err != HF_OK ? err : append_b64u(out, input->footer);
}
