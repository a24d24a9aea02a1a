#include "broker/core/keep.h"

static struct principal *keep_owner(const struct broker *b, const struct request *r)
{
    return r->owner == 0 ? NULL : principal_at(b, r->owner);
}

/* While the frontend is away the kept response is the only one: then the bound for each
 * does not count. */
bool keep_add(struct broker *b, struct request *r, uint32_t bytes)
{
    struct principal *owner = keep_owner(b, r);
    uint64_t each_max = b->config.kept_each_bytes_max;

    if (bytes > b->config.kept_bytes_max - b->kept_bytes ||
        (owner != NULL && r->owner_session != 0 &&
         owner->kept_bytes + bytes > each_max)) {
        b->counts.responses_unkept++;
        return false;
    }
    b->kept_bytes += bytes;
    r->kept_bytes += bytes;
    if (owner != NULL) {
        owner->kept_bytes += bytes;
    }
    return true;
}

void keep_drop(struct broker *b, struct request *r)
{
    struct principal *owner = keep_owner(b, r);

    hf_check(b->kept_bytes >= r->kept_bytes);
    b->kept_bytes -= r->kept_bytes;
    if (owner != NULL) {
        hf_check(owner->kept_bytes >= r->kept_bytes);
        owner->kept_bytes -= r->kept_bytes;
    }
    r->kept_bytes = 0;
}

void keep_own(struct broker *b, const struct request *r)
{
    hf_check(r->owner != 0);
    keep_owner(b, r)->kept_bytes += r->kept_bytes;
}
