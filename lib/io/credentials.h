/* Who this process is: its secret key, its token, the cluster and the issuer keys it
 * trusts, as one package of lines
 *
 *     key=k4.secret....         the holder's key
 *     token=v4.public....       the hf1 chain for it (may be absent for a fresh key)
 *     anchor=k4.public....      an issuer key to trust; up to 4 lines
 *     cluster=NAME              the audience
 *
 * A launched process reads the package from fd 3, never from argv or the environment
 * (SECURITY.md 3.5); one started by hand reads the same lines from files of mode 0600.
 * A token file may also hold the bare token text. */
#ifndef HF_IO_CREDENTIALS_H
#define HF_IO_CREDENTIALS_H

#include "lib/base/buf.h"
#include "lib/io/link_identity.h"

#define HF_CREDENTIALS_BYTES_MAX 16384
#define HF_CREDENTIALS_ANCHORS   4
#define HF_CREDENTIALS_GRACE_S   86400 /* default token_grace, ARCHITECTURE.md 3 */

struct hf_credentials {
    struct hf_secret *secret; /* NULL until a key line was read */
    struct hf_buf token;      /* text; empty until a token line was read */
    hf_key anchors[HF_CREDENTIALS_ANCHORS];
    size_t anchors_count;
    char cluster[HF_CLUSTER_BYTES_MAX + 1];
};

void hf_credentials_init(struct hf_credentials *credentials);
/* Wipes the key. */
void hf_credentials_fini(struct hf_credentials *credentials);
/* Whether key, token, anchor and cluster are all there. */
bool hf_credentials_is_complete(const struct hf_credentials *credentials);
/* Adds the lines of `text` to what is there; a later key or token replaces. INVALID
 * with `error` (static text that names the line's part) for anything that is not such a
 * line. */
HF_MUST_USE hf_err hf_credentials_parse(struct hf_credentials *credentials,
                                        hf_slice text, const char **error);
/* The same from a file or a descriptor; the text is wiped. IO when it cannot be read.
 */
HF_MUST_USE hf_err hf_credentials_read(struct hf_credentials *credentials,
                                       const char *path, const char **error);
HF_MUST_USE hf_err hf_credentials_read_fd(struct hf_credentials *credentials, int fd,
                                          const char **error);
/* Appends the package; wipe the buffer after use (hf_wipe). */
HF_MUST_USE hf_err hf_credentials_append(const struct hf_credentials *credentials,
                                         struct hf_buf *out);
/* Trusted issuer keys, for every use. */
void hf_credentials_trust(const struct hf_credentials *credentials,
                          struct hf_trust *out);
/* What an identity needs from here; the caller sets role, broker, admit and limits. The
 * grace is there for dialers too: without a controller a broker cannot renew its token.
 */
void hf_credentials_identify(const struct hf_credentials *credentials,
                             struct hf_link_identity_config *out);

#endif
