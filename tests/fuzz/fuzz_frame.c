/* Prefixes and records from any bytes: every slice stays inside the input, and what was
 * read is written back as the same bytes. */
#include "lib/wire/frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void inside(const uint8_t *data, size_t bytes, hf_slice part)
{
    hf_check(part.data >= data && part.bytes <= bytes);
    hf_check(part.data + part.bytes <= data + bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    hf_slice content = hf_slice_of(data, bytes);
    struct hf_record record;
    size_t announced;

    if (hf_frame_get_prefix(HF_FRAME_TCP, content, 1 << 20, &announced) == HF_OK) {
        hf_check(announced <= 1 << 20);
    }
    if (hf_frame_get_prefix(HF_FRAME_IPC, content, 16384, &announced) == HF_OK) {
        hf_check(announced <= 16384);
    }
    (void)(hf_frame_check_greeting(content) == HF_OK);
    while (bytes > 0) {
        const uint8_t *start = content.data;
        uint8_t *again;
        size_t taken;

        if (hf_record_next(&content, &record) != HF_OK) {
            break;
        }
        inside(data, bytes, record.meta);
        inside(data, bytes, record.head);
        inside(data, bytes, record.body);
        taken = (size_t)(content.data - start);
        again = malloc(taken);
        if (again == NULL) {
            break;
        }
        hf_check(hf_record_bytes(&record) == taken);
        hf_record_put(&record, again);
        hf_check(memcmp(again, start, taken) == 0);
        free(again);
    }
    return 0;
}
