/* Links without a handshake, for tests of the framing against foreign SP peers and for
 * benchmarks. No program may include this: there is no authentication at all. */
#ifndef HF_IO_LINK_TESTING_H
#define HF_IO_LINK_TESTING_H

#include "lib/io/link.h"

/* As hf_link_listener_open and hf_link_dialer_open; config->identity is ignored and
 * hf_link_peer has neither result nor chain. */
HF_MUST_USE hf_err hf_link_testing_listen_raw(const struct hf_link_config *config,
                                              struct hf_link_listener **out);
HF_MUST_USE hf_err hf_link_testing_dial_raw(const struct hf_link_config *config,
                                            struct hf_link_dialer **out);

#endif
