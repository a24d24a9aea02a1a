#include "worker/app_credentials.h"

#include "lib/io/file.h"
#include "lib/io/program.h"

#include <stdio.h>

static int complain(const char *text)
{
    fprintf(stderr, "holdfast-worker: %s\n", text);
    return 2;
}

static bool read_lines(struct hf_credentials *credentials, const char *path)
{
    const char *error = NULL;

    if (path == NULL || hf_credentials_read(credentials, path, &error) == HF_OK) {
        return true;
    }
    fprintf(stderr, "holdfast-worker: %s: %s\n", path,
            error == NULL ? "the file cannot be read" : error);
    return false;
}

/* An anchor file holds an anchor= line or the bare public key. */
static bool read_anchor(struct hf_credentials *credentials, const char *path)
{
    struct hf_buf text;
    struct hf_buf line;
    const char *error = NULL;

    if (path == NULL) {
        return true;
    }
    hf_buf_init(&text, HF_CREDENTIALS_BYTES_MAX);
    hf_buf_init(&line, HF_CREDENTIALS_BYTES_MAX + 16);

    bool is_good = hf_file_read(path, &text) == HF_OK;
    hf_slice have = hf_buf_slice(&text);

    if (is_good && hf_slice_starts_with(have, HF_SLICE("k4.public."))) {
        is_good = hf_buf_append_cstr(&line, "anchor=") == HF_OK;
    }
    is_good = is_good && hf_buf_append(&line, have) == HF_OK &&
              hf_credentials_parse(credentials, hf_buf_slice(&line), &error) == HF_OK;
    hf_buf_fini(&text);
    hf_buf_fini(&line);
    if (!is_good) {
        fprintf(stderr, "holdfast-worker: %s: %s\n", path,
                error == NULL ? "the file cannot be read" : error);
    }
    return is_good;
}

bool wk_credentials_read(const struct hf_flags *flags,
                         struct hf_credentials *credentials)
{
    const char *cluster = hf_flags_get(flags, "cluster");

    if (!hf_program_package(flags, credentials) ||
        !read_lines(credentials, hf_flags_get(flags, "key")) ||
        !read_lines(credentials, hf_flags_get(flags, "token")) ||
        !read_anchor(credentials, hf_flags_get(flags, "anchor"))) {
        return false;
    }
    if (cluster != NULL) {
        (void)snprintf(credentials->cluster, sizeof credentials->cluster, "%s",
                       cluster);
    }
    if (credentials->secret == NULL || hf_buf_bytes(&credentials->token) == 0) {
        (void)complain("no key or no token. Make them with\n"
                       "  holdfast key gen > worker.key\n"
                       "  holdfast token mint --for KEY --queue QUEUE --op "
                       "receive,respond > worker.token\n"
                       "and give --key worker.key --token worker.token");
        return false;
    }
    if (credentials->anchors_count == 0) {
        (void)complain("no anchor: which issuer may a broker's token be signed by? Use "
                       "the file that `holdfast token mint` wrote (it has an anchor= "
                       "line), or give --anchor FILE with the cluster's public key");
        return false;
    }
    if (credentials->cluster[0] == '\0') {
        (void)complain(
            "no cluster: give --cluster NAME, or a file with a cluster= line");
        return false;
    }
    return true;
}
