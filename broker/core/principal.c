#include "broker/core/principal.h"

hf_slice principal_key(const void *element)
{
    const struct principal *p = element;

    return hf_slice_of(p->key.bytes, HF_KEY_BYTES);
}

struct principal *principal_find(const struct broker *b, hf_key key)
{
    return hf_map_get(&b->principals_by_key, hf_slice_of(key.bytes, HF_KEY_BYTES));
}

uint16_t principal_take(struct broker *b, hf_key key)
{
    struct principal *p = principal_find(b, key);

    if (p == NULL) {
        p = hf_pool_get(&b->principals);
        if (p == NULL) {
            return 0;
        }
        p->key = key;
        request_list_init(&p->away, LINK_PLACE);
        hf_list_init(&p->sessions);
        hf_list_init(&p->dead);
        hf_err err = hf_map_put(&b->principals_by_key, p);

        hf_check(err == HF_OK);
    }
    p->references++;
    return (uint16_t)hf_pool_index(&b->principals, p);
}

void principal_hold(struct broker *b, uint16_t index)
{
    principal_at(b, index)->references++;
}

void principal_let_go(struct broker *b, uint16_t index)
{
    if (index == 0) {
        return;
    }
    struct principal *p = principal_at(b, index);

    hf_check(p->references > 0);
    p->references--;
    if (p->references > 0) {
        return;
    }
    hf_check(p->away.count == 0);
    hf_list_remove(&p->dead);
    void *removed = hf_map_remove(&b->principals_by_key, principal_key(p));

    hf_check(removed == p);
    hf_pool_put(&b->principals, p);
}

hf_key principal_key_of(const struct broker *b, uint16_t index)
{
    static const hf_key none;

    return index == 0 ? none : principal_at(b, index)->key;
}
