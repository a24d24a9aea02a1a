/* Shared by the tests of lib/token: published test vectors read at run time from the
 * directory VECTORS (default ../shared/vectors). A tree without them skips, and says
 * how many files were missing. */
#ifndef HF_TOKEN_CLAIMS_VECTORS_H
#define HF_TOKEN_CLAIMS_VECTORS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "lib/base/text.h"
#include "lib/token/chain.h"

static inline const char *vectors_path(const char *name, char *room, size_t bytes)
{
    const char *root = getenv("VECTORS");

    (void)snprintf(room, bytes, "%s/%s", root == NULL ? "../shared/vectors" : root,
                   name);
    return room;
}

/* The parsed file; skips the running test when it is not there. */
static inline json_t *vectors_load(const char *name)
{
    char path[512];
    json_error_t error;
    json_t *root = json_load_file(vectors_path(name, path, sizeof path), 0, &error);

    if (root == NULL && json_error_code(&error) == json_error_cannot_open_file) {
        print_message("skipped: 1 vector file missing: %s\n", name);
        skip();
    }
    assert_non_null(root);
    return root;
}

static inline const char *text_of(json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static inline hf_slice slice_of(json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);

    return json_is_string(value)
               ? hf_slice_of(json_string_value(value), json_string_length(value))
               : HF_SLICE_EMPTY;
}

/* Hex to bytes; returns their number. */
static inline size_t hex_of(json_t *object, const char *name, uint8_t *out, size_t room)
{
    hf_slice text = slice_of(object, name);

    assert_true(text.bytes % 2 == 0 && text.bytes / 2 <= room);
    assert_int_equal(hf_text_parse_hex(text, out, text.bytes / 2), HF_OK);
    return text.bytes / 2;
}

/* A secret from 32 equal seed bytes, as the draft vectors make theirs. */
static inline struct hf_secret *secret_of(uint8_t byte)
{
    hf_seed seed;
    struct hf_secret *secret = NULL;

    memset(seed.bytes, byte, sizeof seed.bytes);
    assert_int_equal(hf_secret_new(&seed, &secret), HF_OK);
    return secret;
}

static inline void trust_secret(struct hf_trust *trust, const struct hf_secret *secret,
                                uint32_t uses)
{
    struct hf_trust_key key = {
        .key = hf_secret_public(secret), .uses = uses, .expires_s = INT64_MAX};

    assert_int_equal(hf_trust_add(trust, &key), HF_OK);
}

#endif
