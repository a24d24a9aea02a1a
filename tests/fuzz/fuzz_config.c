/* The configuration of a cluster: any bytes give either a checked configuration or
 * errors with a place, never both and never neither. */
#include "controller/config.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct ct_config *config = NULL;
    struct hf_buf errors;
    hf_err err = HF_OK;

    hf_buf_init(&errors, 1 << 20);
    err = ct_config_read("fuzz.yaml", hf_slice_of(data, bytes), &errors, &config);
    if ((err == HF_OK) != (config != NULL) ||
        (err == HF_ERR_INVALID) != (hf_buf_bytes(&errors) > 0)) {
        abort();
    }
    if (config != NULL && (config->brokers_count == 0 || config->frontends_count == 0 ||
                           config->queues_count == 0)) {
        abort();
    }
    hf_buf_fini(&errors);
    ct_config_free(config);
    return 0;
}
