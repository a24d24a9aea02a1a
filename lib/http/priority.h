/* The Priority field (RFC 9218). */
#ifndef HF_HTTP_PRIORITY_H
#define HF_HTTP_PRIORITY_H

#include "lib/base/slice.h"

#include <stdint.h>

#define HF_HTTP_URGENCY_DEFAULT 3
#define HF_HTTP_URGENCY_MAX     7

/* The urgency u of a block's Priority fields: 0, the most urgent, to 7. The last one
 * counts (RFC 8941, 3.2); the default stands for what is missing, malformed or out of
 * range (RFC 9218, 4). */
uint8_t hf_http_urgency_of(hf_slice block);

#endif
