#include "controller/cli/token_file.h"

#include "controller/cli/verbs.h"
#include "lib/io/file.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool cli_token_read(const char *path, struct hf_credentials *out)
{
    const char *error = "cannot be read";
    bool is_input = path == NULL || strcmp(path, "-") == 0;
    struct hf_buf text;
    hf_err err = HF_OK;

    hf_credentials_init(out);
    hf_buf_init(&text, HF_CREDENTIALS_BYTES_MAX);
    err = is_input ? hf_file_read_fd(STDIN_FILENO, &text) : hf_file_read(path, &text);
    if (err == HF_OK) {
        err = hf_credentials_parse(out, hf_buf_slice(&text), &error);
    }
    hf_buf_fini(&text);
    if (err == HF_OK && hf_buf_bytes(&out->token) == 0) {
        error = "there is no token in it";
        err = HF_ERR_INVALID;
    }
    if (err != HF_OK) {
        (void)cli_fail(1, "%s: %s", is_input ? "standard input" : path, error);
    }
    return err == HF_OK;
}

bool cli_token_write(const struct hf_flags *flags, hf_slice text)
{
    const char *out = hf_flags_get(flags, "out");
    hf_err err = HF_OK;

    if (out == NULL) {
        (void)fwrite(text.data, 1, text.bytes, stdout);
        return true;
    }
    err = hf_file_replace(out, text, 0600);
    if (err != HF_OK) {
        (void)cli_fail(1, "%s: %s", out, hf_err_text(err));
    }
    return err == HF_OK;
}
