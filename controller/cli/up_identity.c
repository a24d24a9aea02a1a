/* Owns the keys of brokers and frontends: made here, kept in memory, known to nobody
 * else. The controller only hears the public part and gives a token for it. */
#include "controller/cli/up.h"

#include "controller/admin.h"
#include "controller/admin_view.h"
#include "lib/io/admin.h"
#include "lib/io/clock.h"
#include "lib/token/paserk.h"

#include <stdio.h>
#include <string.h>

#define ANSWER_BYTES_MAX HF_CREDENTIALS_BYTES_MAX

static bool make_key(struct up_child *child)
{
    hf_credentials_fini(&child->credentials);
    hf_credentials_init(&child->credentials);
    child->issued = HF_TIME_ZERO;
    return hf_secret_generate(NULL, &child->credentials.secret) == HF_OK;
}

static hf_err ask(const struct up *up, const struct up_child *child, int *status,
                  struct hf_buf *answer)
{
    char address[CLI_PATH_BYTES + 32];
    char key[HF_KEY_TEXT_BYTES + 1];
    const char *const pairs[] = {
        "role", up_role_name(child->role), "name", child->name, "key", key, NULL};
    struct hf_admin_call call = {.address = address,
                                 .method = "POST",
                                 .target = "/v1/identities",
                                 .timeout_ms = UP_CALL_MS};
    struct hf_buf body;
    hf_err err = HF_OK;

    hf_key_text(hf_secret_public(child->credentials.secret), key);
    cli_path(address, sizeof address, "unix:%s/" CT_ADMIN_SOCKET, up->run);
    hf_buf_init(&body, 4096);
    err = ct_view_object(&body, pairs);
    call.body = hf_buf_slice(&body);
    if (err == HF_OK) {
        err = hf_admin_call(&call, status, answer);
    }
    hf_buf_fini(&body);
    return err;
}

static bool fetch(struct up *up, struct up_child *child)
{
    struct hf_buf answer;
    const char *error = "";
    int status = 0;
    hf_err err = HF_OK;

    if (child->credentials.secret == NULL && !make_key(child)) {
        return false;
    }
    hf_buf_init(&answer, ANSWER_BYTES_MAX);
    err = ask(up, child, &status, &answer);
    if (err == HF_OK && status == 200) {
        child->credentials.anchors_count = 0;
        err = hf_credentials_parse(&child->credentials, hf_buf_slice(&answer), &error);
        if (err == HF_OK) {
            child->issued = hf_clock_now();
        }
    } else if (err == HF_OK) {
        if (status == 403) { /* this key was revoked: the next call brings another */
            (void)make_key(child);
        }
        err = HF_ERR_DENIED;
    }
    hf_buf_fini(&answer);
    return err == HF_OK;
}

static bool is_fresh(const struct up *up, const struct up_child *child)
{
    return child->issued.us != 0 &&
           hf_time_before(hf_clock_now(),
                          hf_time_add_ms(child->issued, up->config->token_life_ms / 3));
}

bool up_identity_ensure(struct up *up, struct up_child *child)
{
    if (is_fresh(up, child) || fetch(up, child)) {
        return true;
    }
    return child->issued.us != 0; /* an old one is better than none: see token_grace */
}

void up_identity_refresh(struct up *up)
{
    for (size_t i = 0; i < up->children_count; i++) {
        struct up_child *child = &up->children[i];

        if ((child->role == UP_BROKER || child->role == UP_FRONTEND) &&
            child->issued.us != 0 && !is_fresh(up, child)) {
            (void)fetch(up, child);
            return; /* one at a time */
        }
    }
}
