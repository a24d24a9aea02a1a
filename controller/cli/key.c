/* key gen: a holder's key pair. */
#include "controller/cli/verbs.h"

#include "lib/io/file.h"
#include "lib/token/paserk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct hf_flag flags_table[] = {
    {"out", "FILE", NULL,
     "Write the secret key here as a key= line, mode 0600. Default: standard output.",
     false},
    {"force", NULL, NULL, "Replace a file that exists.", false},
};

const struct hf_program cli_key_gen_program = {
    .name = "holdfast key gen",
    .summary = "make a holder's key; prints the public part",
    .usage = "[--out FILE] [--force]",
    .description = "Prints k4.public....: give it to `holdfast token mint --for`. The "
                   "secret part goes "
                   "to\nthe file, where holdfast-worker --key reads it.",
    .flags = flags_table,
    .flags_count = sizeof flags_table / sizeof flags_table[0],
    .section = 1,
};

static int write_secret(const struct hf_flags *flags, const char *line, size_t bytes)
{
    const char *out = hf_flags_get(flags, "out");
    hf_err err = HF_OK;

    if (out == NULL) {
        (void)fwrite(line, 1, bytes, stdout);
        return 0;
    }
    if (!hf_flags_has(flags, "force") && access(out, F_OK) == 0) {
        return cli_fail(1, "%s exists: --force replaces it", out);
    }
    err = hf_file_replace(out, hf_slice_of(line, bytes), 0600);
    return err == HF_OK ? 0 : cli_fail(1, "%s: %s", out, hf_err_text(err));
}

int cli_key_gen(const struct hf_flags *flags)
{
    char line[4 + HF_SECRET_TEXT_BYTES + 2] = "key=";
    char public_text[HF_KEY_TEXT_BYTES + 1];
    struct hf_secret *secret = NULL;
    int status = 0;

    if (flags->arguments_count != 0) {
        return cli_fail(2, "key gen: takes no arguments");
    }
    if (hf_secret_generate(NULL, &secret) != HF_OK) {
        return cli_fail(1, "no memory for a key");
    }
    hf_key_text(hf_secret_public(secret), public_text);
    hf_secret_text(secret, line + 4);
    memcpy(line + 4 + HF_SECRET_TEXT_BYTES, "\n", 2);
    hf_secret_free(secret);
    status = write_secret(flags, line, 4 + HF_SECRET_TEXT_BYTES + 1);
    hf_wipe(line, sizeof line);
    if (status == 0) {
        (void)printf("%s\n", public_text);
    }
    return status;
}
