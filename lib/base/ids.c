#include "lib/base/ids.h"

#include "lib/base/bytes.h"
#include "lib/base/map.h"
#include "lib/base/text.h"

#include <string.h>

#define COUNTER_MAX 0xfff /* 12 bits of rand_a */

hf_id hf_id_next(struct hf_id_source *source, hf_time now, uint64_t random)
{
    int64_t now_ms = hf_time_ms(now);
    hf_id id;

    hf_check(now_ms >= 0);
    hf_check(now_ms < INT64_C(1) << 47);

    if (now_ms > source->last_ms) {
        source->last_ms = now_ms;
        source->counter = 0;
    } else if (source->counter < COUNTER_MAX) {
        source->counter++;
    } else {
        source->last_ms++;
        source->counter = 0;
    }
    hf_put_be64(id.bytes, (uint64_t)source->last_ms << 16 | 0x7000 | source->counter);
    hf_put_be64(id.bytes + 8, (random >> 2) | UINT64_C(1) << 63);
    return id;
}

bool hf_id_equal(hf_id a, hf_id b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

bool hf_key_equal(hf_key a, hf_key b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

bool hf_id_is_zero(hf_id id)
{
    return hf_id_equal(id, (hf_id){{0}});
}

uint64_t hf_id_hash(hf_id id)
{
    return hf_hash(hf_slice_of(id.bytes, sizeof id.bytes), 0);
}

int64_t hf_id_ms(hf_id id)
{
    return (int64_t)(hf_get_be64(id.bytes) >> 16);
}

/* 1-based ends of the groups of 8-4-4-4-12, in bytes. */
static bool is_dash_after(size_t bytes)
{
    return bytes == 4 || bytes == 6 || bytes == 8 || bytes == 10;
}

void hf_id_text(hf_id id, char out[HF_ID_TEXT_BYTES + 1])
{
    for (size_t i = 0; i < HF_ID_BYTES; i++) {
        hf_text_hex(hf_slice_of(&id.bytes[i], 1), out);
        out += 2;
        if (is_dash_after(i + 1)) {
            *out++ = '-';
        }
    }
    *out = '\0';
}

hf_err hf_id_parse(hf_slice text, hf_id *out)
{
    hf_id id;

    if (text.bytes != HF_ID_TEXT_BYTES) {
        return HF_ERR_INVALID;
    }
    for (size_t i = 0; i < HF_ID_BYTES; i++) {
        if (hf_text_parse_hex(hf_slice_first(text, 2), &id.bytes[i], 1) != HF_OK) {
            return HF_ERR_INVALID;
        }
        text = hf_slice_skip(text, 2);
        if (is_dash_after(i + 1)) {
            if (text.data[0] != '-') {
                return HF_ERR_INVALID;
            }
            text = hf_slice_skip(text, 1);
        }
    }
    *out = id;
    return HF_OK;
}
