/* Owns the PASERK spelling of keys without a passphrase; see paserk_pw.c for the other.
 */
#include "lib/token/paserk.h"

#include <sodium.h>
#include <string.h>

#include "lib/token/b64u.h"

#define PUBLIC_PREFIX "k4.public."
#define SECRET_PREFIX "k4.secret."
#define KID_PREFIX    "k4.pid."
#define KID_BYTES     33
#define FOOTER_HEAD   "{\"kid\":\""
#define FOOTER_TAIL   "\"}"

_Static_assert(sizeof PUBLIC_PREFIX - 1 + 43 == HF_KEY_TEXT_BYTES, "k4.public");
_Static_assert(sizeof SECRET_PREFIX - 1 + 86 == HF_SECRET_TEXT_BYTES, "k4.secret");
_Static_assert(sizeof KID_PREFIX - 1 + 44 == HF_KID_TEXT_BYTES, "k4.pid");

_Static_assert(sizeof FOOTER_HEAD - 1 + HF_KID_TEXT_BYTES + sizeof FOOTER_TAIL - 1 ==
                   HF_KID_FOOTER_BYTES,
               "footer size");

static void write_text(hf_slice prefix, hf_slice bytes, char *out)
{
    memcpy(out, prefix.data, prefix.bytes);
    hf_b64u_encode(bytes, out + prefix.bytes);
    out[prefix.bytes + hf_b64u_text_bytes(bytes.bytes)] = '\0';
}

static hf_err read_text(hf_slice text, hf_slice prefix, uint8_t *out, size_t bytes)
{
    if (!hf_slice_starts_with(text, prefix)) {
        return HF_ERR_INVALID;
    }
    return hf_b64u_decode(hf_slice_skip(text, prefix.bytes), out, bytes);
}

void hf_key_text(hf_key key, char out[HF_KEY_TEXT_BYTES + 1])
{
    write_text(HF_SLICE(PUBLIC_PREFIX), hf_slice_of(key.bytes, sizeof key.bytes), out);
}

hf_err hf_key_parse(hf_slice text, hf_key *out)
{
    hf_key key;

    hf_check(out != NULL);

    if (read_text(text, HF_SLICE(PUBLIC_PREFIX), key.bytes, sizeof key.bytes) !=
        HF_OK) {
        return HF_ERR_INVALID;
    }
    *out = key;
    return HF_OK;
}

hf_kid hf_kid_of(hf_key key)
{
    char text[HF_KEY_TEXT_BYTES + 1];
    uint8_t digest[KID_BYTES];
    crypto_generichash_state state;
    hf_kid kid;

    hf_key_text(key, text);
    crypto_generichash_init(&state, NULL, 0, sizeof digest);
    crypto_generichash_update(&state, (const uint8_t *)KID_PREFIX,
                              sizeof KID_PREFIX - 1);
    crypto_generichash_update(&state, (const uint8_t *)text, HF_KEY_TEXT_BYTES);
    crypto_generichash_final(&state, digest, sizeof digest);
    write_text(HF_SLICE(KID_PREFIX), hf_slice_of(digest, sizeof digest), kid.text);
    return kid;
}

hf_err hf_kid_parse(hf_slice text, hf_kid *out)
{
    uint8_t digest[KID_BYTES];

    hf_check(out != NULL);

    if (read_text(text, HF_SLICE(KID_PREFIX), digest, sizeof digest) != HF_OK) {
        return HF_ERR_INVALID;
    }
    memcpy(out->text, text.data, HF_KID_TEXT_BYTES);
    out->text[HF_KID_TEXT_BYTES] = '\0';
    return HF_OK;
}

bool hf_kid_equal(const hf_kid *a, const hf_kid *b)
{
    hf_check(a != NULL);
    hf_check(b != NULL);

    return memcmp(a->text, b->text, HF_KID_TEXT_BYTES) == 0;
}

void hf_kid_footer(const hf_kid *kid, char out[HF_KID_FOOTER_BYTES])
{
    hf_check(kid != NULL);

    memcpy(out, FOOTER_HEAD, sizeof FOOTER_HEAD - 1);
    memcpy(out + sizeof FOOTER_HEAD - 1, kid->text, HF_KID_TEXT_BYTES);
    memcpy(out + sizeof FOOTER_HEAD - 1 + HF_KID_TEXT_BYTES, FOOTER_TAIL,
           sizeof FOOTER_TAIL - 1);
}

hf_err hf_kid_of_footer(hf_slice footer, hf_kid *out)
{
    hf_slice kid = hf_slice_first(hf_slice_skip(footer, sizeof FOOTER_HEAD - 1),
                                  HF_KID_TEXT_BYTES);

    if (footer.bytes != HF_KID_FOOTER_BYTES ||
        !hf_slice_starts_with(footer, HF_SLICE(FOOTER_HEAD)) ||
        !hf_slice_ends_with(footer, HF_SLICE(FOOTER_TAIL))) {
        return HF_ERR_INVALID;
    }
    return hf_kid_parse(kid, out);
}

void hf_secret_text(const struct hf_secret *secret, char out[HF_SECRET_TEXT_BYTES + 1])
{
    write_text(HF_SLICE(SECRET_PREFIX), hf_secret_bytes(secret), out);
}

hf_err hf_secret_parse(hf_slice text, struct hf_secret **out)
{
    uint8_t bytes[HF_SECRET_BYTES];

    hf_err err = read_text(text, HF_SLICE(SECRET_PREFIX), bytes, sizeof bytes);

    if (err == HF_OK) {
        err = hf_secret_of_bytes(hf_slice_of(bytes, sizeof bytes), out);
    }
    hf_wipe(bytes, sizeof bytes);
    return err;
}
