/* The escapes that vector pages use: \r \n \t \f \v \\ \" \xHH and octal \ooo. */
#ifndef HF_TESTS_HTTP_ESCAPE_H
#define HF_TESTS_HTTP_ESCAPE_H

#include "lib/base/buf.h"

/* One character or escape from the front of *rest into `out`. */
void escape_take(hf_slice *rest, struct hf_buf *out);

#endif
