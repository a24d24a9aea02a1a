#include "frontend/keys.h"

#include "lib/base/map.h"

#define KEY_SEED UINT64_C(0x666169726b6579)

static hf_slice value_of(const struct hf_http_key *key,
                         const struct fe_key_source *source)
{
    switch (key->kind) {
    case HF_HTTP_KEY_CLIENT_IP:
        return source->client_ip;
    case HF_HTTP_KEY_HOST:
        return source->host;
    case HF_HTTP_KEY_HEADER:
        return hf_http_head_find(source->head, key->name);
    case HF_HTTP_KEY_SEGMENT:
        return hf_http_key_segment(source->path, key->segment);
    case HF_HTTP_KEY_NONE:
        break;
    }
    return HF_SLICE_EMPTY;
}

uint64_t fe_key_of(const struct hf_http_key *key, const struct fe_key_source *source)
{
    uint64_t hash = hf_hash(value_of(key, source), hf_hash(source->group, KEY_SEED));

    return hash != 0 ? hash : 1;
}
