#include "lib/http/priority.h"

#include "lib/http/field.h"

/* Members look like `u=3`, `i`, `x=?0;p`: only u is read here. */
static uint8_t urgency_of(hf_slice member, uint8_t before)
{
    bool is_urgency =
        member.bytes >= 2 && member.data[0] == 'u' && member.data[1] == '=';
    bool is_digit =
        is_urgency && member.bytes >= 3 && member.data[2] >= '0' &&
        member.data[2] <= '0' + HF_HTTP_URGENCY_MAX &&
        (member.bytes == 3 || member.data[3] == ';' || member.data[3] == ' ');

    if (is_digit) {
        return (uint8_t)(member.data[2] - '0');
    }
    return is_urgency ? HF_HTTP_URGENCY_DEFAULT : before;
}

uint8_t hf_http_urgency_of(hf_slice block)
{
    uint8_t urgency = HF_HTTP_URGENCY_DEFAULT;
    struct hf_http_field field;

    while (hf_http_field_next(&block, &field)) {
        hf_slice rest = field.value;
        hf_slice member;

        if (!hf_slice_equal_nocase(field.name, HF_SLICE("priority"))) {
            continue;
        }
        while (hf_http_list_next(&rest, &member)) {
            urgency = urgency_of(member, urgency);
        }
    }
    return urgency;
}
