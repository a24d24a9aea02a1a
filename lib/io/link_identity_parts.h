/* Private to lib/io/link_identity.c and link_auth.c. */
#ifndef HF_IO_LINK_IDENTITY_PARTS_H
#define HF_IO_LINK_IDENTITY_PARTS_H

#include "lib/io/link_identity.h"

#include <stdatomic.h>

struct hf_link_identity {
    _Atomic uint32_t refs;
    struct hf_link_identity_config config; /* texts copied */
};

#endif
