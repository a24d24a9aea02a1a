#include "lib/wire/types.h"

#define F       HF_END_FRONTEND
#define W       HF_END_WORKER
#define C       HF_END_CONTROLLER
#define B       HF_END_BROKER
#define M       HF_END_MINT
#define S       HF_END_SPAWNER
#define SERVERS (B | M | S)

/* The words of the limit columns. */
#define LIMIT_0      0
#define LIMIT_META   HF_META_MAX
#define LIMIT_CHAIN  HF_META_CHAIN_MAX
#define LIMIT_LIST   HF_META_LIST_MAX
#define LIMIT_HEAD   HF_HEAD_MAX
#define LIMIT_INLINE HF_BODY_INLINE_MAX
#define LIMIT_PIECE  HF_BODY_PIECE_MAX

static const struct hf_record_rule rules[] = {
#define X(name, number, from, to, meta, head, body)                                    \
    [number] = {#name, number, from, to, LIMIT_##meta, LIMIT_##head, LIMIT_##body},
    HF_RECORD_TABLE(X)
#undef X
};

const struct hf_record_rule *hf_record_rule(uint16_t type)
{
    if (type >= sizeof rules / sizeof rules[0] || rules[type].name == NULL) {
        return NULL;
    }
    return &rules[type];
}

hf_err hf_record_check(const struct hf_record *record, enum hf_end sender,
                       enum hf_end receiver)
{
    const struct hf_record_rule *rule = hf_record_rule(record->type);

    hf_check(((sender & SERVERS) != 0) != ((receiver & SERVERS) != 0));
    if (rule == NULL || (rule->from & sender) == 0 || (rule->to & receiver) == 0) {
        return HF_ERR_INVALID;
    }
    if (record->meta.bytes > rule->meta_bytes_max ||
        record->head.bytes > rule->head_bytes_max ||
        record->body.bytes > rule->body_bytes_max) {
        return HF_ERR_TOO_BIG;
    }
    return HF_OK;
}
