#include "lib/io/credentials.h"

#include "lib/io/file.h"

#include <string.h>

void hf_credentials_init(struct hf_credentials *credentials)
{
    memset(credentials, 0, sizeof *credentials);
    hf_buf_init(&credentials->token, HF_CHAIN_BYTES_MAX);
}

void hf_credentials_fini(struct hf_credentials *credentials)
{
    hf_secret_free(credentials->secret);
    hf_buf_fini(&credentials->token);
    credentials->secret = NULL;
}

static hf_err take_key(struct hf_credentials *credentials, hf_slice value,
                       const char **error)
{
    struct hf_secret *secret = NULL;

    *error = "key: expected k4.secret. and 86 base64url characters";
    if (hf_secret_parse(value, &secret) != HF_OK) {
        return HF_ERR_INVALID;
    }
    hf_secret_free(credentials->secret);
    credentials->secret = secret;
    return HF_OK;
}

static hf_err take_token(struct hf_credentials *credentials, hf_slice value,
                         const char **error)
{
    *error = "token: expected v4.public. links of at most 8192 bytes in all";
    if (!hf_slice_starts_with(value, HF_SLICE("v4.public.")) ||
        value.bytes > HF_CHAIN_BYTES_MAX) {
        return HF_ERR_INVALID;
    }
    hf_buf_clear(&credentials->token);
    return hf_buf_append(&credentials->token, value);
}

static hf_err take_anchor(struct hf_credentials *credentials, hf_slice value,
                          const char **error)
{
    hf_key key;

    *error = "anchor: expected k4.public. and 43 base64url characters, at most 4 times";
    if (hf_key_parse(value, &key) != HF_OK || !hf_key_is_valid(key)) {
        return HF_ERR_INVALID;
    }
    for (size_t i = 0; i < credentials->anchors_count; i++) {
        if (hf_key_equal(credentials->anchors[i], key)) {
            return HF_OK;
        }
    }
    if (credentials->anchors_count == HF_CREDENTIALS_ANCHORS) {
        return HF_ERR_INVALID;
    }
    credentials->anchors[credentials->anchors_count++] = key;
    return HF_OK;
}

static hf_err take_cluster(struct hf_credentials *credentials, hf_slice value,
                           const char **error)
{
    *error = "cluster: expected 1 to 128 bytes";
    if (value.bytes == 0 || value.bytes > HF_CLUSTER_BYTES_MAX) {
        return HF_ERR_INVALID;
    }
    memcpy(credentials->cluster, value.data, value.bytes);
    credentials->cluster[value.bytes] = '\0';
    return HF_OK;
}

typedef hf_err (*take_fn)(struct hf_credentials *, hf_slice, const char **);

static const struct {
    const char *name;
    take_fn take;
} lines[] = {
    {"key=", take_key},
    {"token=", take_token},
    {"anchor=", take_anchor},
    {"cluster=", take_cluster},
};

static hf_err take_line(struct hf_credentials *credentials, hf_slice line,
                        const char **error)
{
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        hf_slice name = hf_slice_of_cstr(lines[i].name);

        if (hf_slice_starts_with(line, name)) {
            return lines[i].take(credentials, hf_slice_skip(line, name.bytes), error);
        }
    }
    if (hf_slice_starts_with(line, HF_SLICE("v4.public."))) {
        return take_token(credentials, line, error);
    }
    if (hf_slice_starts_with(line, HF_SLICE("k4.secret."))) {
        return take_key(credentials, line, error);
    }
    *error = "expected lines key=, token=, anchor= or cluster=";
    return line.bytes == 0 || line.data[0] == '#' ? HF_OK : HF_ERR_INVALID;
}

bool hf_credentials_is_complete(const struct hf_credentials *credentials)
{
    return credentials->secret != NULL && hf_buf_bytes(&credentials->token) > 0 &&
           credentials->anchors_count > 0 && credentials->cluster[0] != '\0';
}

hf_err hf_credentials_parse(struct hf_credentials *credentials, hf_slice text,
                            const char **error)
{
    hf_check(credentials != NULL);
    while (text.bytes > 0) {
        size_t end = hf_slice_find(text, '\n');
        hf_err err =
            take_line(credentials, hf_slice_trim(hf_slice_first(text, end)), error);

        if (err != HF_OK) {
            return err;
        }
        text = hf_slice_skip(text, end + 1);
    }
    return HF_OK;
}

static hf_err parse_and_wipe(struct hf_credentials *credentials, struct hf_buf *text,
                             const char **error)
{
    hf_err err = hf_credentials_parse(credentials, hf_buf_slice(text), error);

    if (text->data != NULL) {
        hf_wipe(text->data, text->capacity);
    }
    hf_buf_fini(text);
    return err;
}

hf_err hf_credentials_read(struct hf_credentials *credentials, const char *path,
                           const char **error)
{
    struct hf_buf text;

    hf_buf_init(&text, HF_CREDENTIALS_BYTES_MAX);
    *error = "the file cannot be read";
    if (hf_file_read(path, &text) != HF_OK) {
        hf_buf_fini(&text);
        return HF_ERR_IO;
    }
    return parse_and_wipe(credentials, &text, error);
}

hf_err hf_credentials_read_fd(struct hf_credentials *credentials, int fd,
                              const char **error)
{
    struct hf_buf text;

    hf_buf_init(&text, HF_CREDENTIALS_BYTES_MAX);
    *error = "the descriptor of the package cannot be read";
    if (hf_file_read_fd(fd, &text) != HF_OK) {
        hf_buf_fini(&text);
        return HF_ERR_IO;
    }
    return parse_and_wipe(credentials, &text, error);
}

/* Names, line ends and what they name. */
static size_t package_bytes_max(const struct hf_credentials *credentials)
{
    return HF_SECRET_TEXT_BYTES + hf_buf_bytes(&credentials->token) +
           (credentials->anchors_count + 3) * (HF_KEY_TEXT_BYTES + 16) +
           strlen(credentials->cluster);
}

hf_err hf_credentials_append(const struct hf_credentials *credentials,
                             struct hf_buf *out)
{
    char text[HF_SECRET_TEXT_BYTES + 1];
    uint8_t *place = NULL;
    /* All of it at once: a buffer that grows would leave the key in storage that nobody
     * wipes. */
    hf_err err = hf_buf_reserve(out, package_bytes_max(credentials), &place);

    if (err == HF_OK && credentials->secret != NULL) {
        hf_secret_text(credentials->secret, text);
        err = hf_buf_printf(out, "key=%s\n", text);
        hf_wipe(text, sizeof text);
    }
    if (err == HF_OK && hf_buf_bytes(&credentials->token) > 0) {
        err = hf_buf_append_cstr(out, "token=");
        if (err == HF_OK) {
            err = hf_buf_append(out, hf_buf_slice(&credentials->token));
        }
        if (err == HF_OK) {
            err = hf_buf_append_byte(out, '\n');
        }
    }
    for (size_t i = 0; i < credentials->anchors_count && err == HF_OK; i++) {
        hf_key_text(credentials->anchors[i], text);
        err = hf_buf_printf(out, "anchor=%s\n", text);
    }
    if (err == HF_OK && credentials->cluster[0] != '\0') {
        err = hf_buf_printf(out, "cluster=%s\n", credentials->cluster);
    }
    return err;
}

void hf_credentials_trust(const struct hf_credentials *credentials,
                          struct hf_trust *out)
{
    hf_trust_init(out);
    for (size_t i = 0; i < credentials->anchors_count; i++) {
        struct hf_trust_key key = {
            .key = credentials->anchors[i],
            .uses =
                HF_KEY_USE_CAP | HF_KEY_USE_REV | HF_KEY_USE_ROUTE | HF_KEY_USE_KEYS,
            .expires_s = INT64_MAX,
        };
        hf_err err = hf_trust_add(out, &key);

        hf_check(err == HF_OK);
    }
}

void hf_credentials_identify(const struct hf_credentials *credentials,
                             struct hf_link_identity_config *out)
{
    memset(out, 0, sizeof *out);
    out->secret = credentials->secret;
    out->chain = hf_buf_slice(&credentials->token);
    out->cluster = hf_slice_of_cstr(credentials->cluster);
    out->grace_s = HF_CREDENTIALS_GRACE_S;
    hf_credentials_trust(credentials, &out->trust);
}
