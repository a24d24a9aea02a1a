/* Owns the way from the file to the configuration in force: whole or not at all. */
#include "controller/shell.h"

#include "lib/base/log.h"

static void refuse(struct ct *ct)
{
    hf_slice text = hf_buf_slice(&ct->config_error);
    hf_slice first = hf_slice_first(text, hf_slice_find(text, '\n'));

    HF_ERROR("configuration refused: the old one stays in force",
             hf_log_slice("error", first));
    ct_news(ct, "configuration refused: %.*s",
            (int)(first.bytes < 160 ? first.bytes : 160),
            first.bytes > 0 ? (const char *)first.data : "");
}

bool ct_reload(struct ct *ct)
{
    struct ct_config *fresh = NULL;

    hf_buf_clear(&ct->config_error);
    if (ct_config_load(ct->options.config, &ct->config_error, &fresh) != HF_OK) {
        refuse(ct);
        return false;
    }
    if (ct->config != NULL && fresh->fixed != ct->config->fixed) {
        ct_config_free(fresh);
        (void)!hf_buf_append_cstr(&ct->config_error,
                                  "cluster, controller, brokers, frontends and tokens "
                                  "cannot change while running: restart holdfast up\n");
        refuse(ct);
        return false;
    }
    if (ct->config == NULL) {
        ct->config = fresh;
        return true; /* the start goes on with it */
    }
    ct_config_free(ct->config);
    ct->config = fresh;
    ct_publish_config(ct);
    ct_configure_fleet(ct);
    ct_audit(ct, "file", "configure %s", ct->options.config);
    ct_news(ct, "configuration in force");
    return true;
}
