/* One sealed direction, honest and attacked (SECURITY.md T-NET-1), and the receipt. */
#include "lib/token/seal.h"

#include "lib/token/claims_vectors.h"
#include "lib/token/hash.h"

#define FRAME_BYTES 64

struct stream {
    struct hf_sealer sealer;
    struct hf_opener opener;
    uint8_t frames[3][FRAME_BYTES];
    size_t bytes;
};

static int stream_setup(void **state)
{
    struct stream *s = calloc(1, sizeof *s);
    hf_seal_key key;
    uint8_t header[HF_SEAL_HEADER_BYTES];

    if (s == NULL || hf_token_init() != HF_OK) {
        free(s);
        return -1;
    }
    memset(key.bytes, 7, sizeof key.bytes);
    hf_sealer_init(&s->sealer, &key, NULL, header);
    hf_opener_init(&s->opener, &key, header);
    s->bytes = hf_seal_bytes(5);
    for (size_t i = 0; i < 3; i++) {
        hf_seal(&s->sealer, HF_SLICE("hello"), i == 2, s->frames[i]);
    }
    *state = s;
    return 0;
}

static int stream_teardown(void **state)
{
    free(*state);
    return 0;
}

static hf_err open_frame(struct stream *s, size_t index, struct hf_opened *opened)
{
    uint8_t plain[FRAME_BYTES];

    return hf_open(&s->opener, hf_slice_of(s->frames[index], s->bytes), plain, opened);
}

static void frames_open_in_order_and_the_last_one_says_so(void **state)
{
    struct stream *s = *state;
    struct hf_opened opened;

    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(open_frame(s, i, &opened), HF_OK);
        assert_int_equal(opened.bytes, 5);
        assert_int_equal(opened.is_last, i == 2);
    }
    assert_int_equal(open_frame(s, 2, &opened), HF_ERR_CLOSED);
}

static void changed_frame_ends_the_stream_for_good(void **state)
{
    struct stream *s = *state;
    struct hf_opened opened;

    s->frames[0][3] ^= 1;
    assert_int_equal(open_frame(s, 0, &opened), HF_ERR_INVALID);
    s->frames[0][3] ^= 1;
    assert_int_equal(open_frame(s, 0, &opened), HF_ERR_CLOSED);
}

static void reordered_frame_is_refused(void **state)
{
    struct stream *s = *state;
    struct hf_opened opened;

    assert_int_equal(open_frame(s, 1, &opened), HF_ERR_INVALID);
}

static void repeated_frame_is_refused(void **state)
{
    struct stream *s = *state;
    struct hf_opened opened;

    assert_int_equal(open_frame(s, 0, &opened), HF_OK);
    assert_int_equal(open_frame(s, 0, &opened), HF_ERR_INVALID);
}

static void short_frame_is_refused(void **state)
{
    struct stream *s = *state;
    struct hf_opened opened;
    uint8_t plain[FRAME_BYTES];

    s->bytes--;
    assert_int_equal(open_frame(s, 0, &opened), HF_ERR_INVALID);
    assert_int_equal(hf_open(&s->opener, HF_SLICE_EMPTY, plain, &opened),
                     HF_ERR_CLOSED);
}

static void frame_is_sealed_and_opened_in_place(void **state)
{
    struct hf_sealer sealer;
    struct hf_opener opener;
    struct hf_opened opened;
    hf_seal_key key = {{9}};
    uint8_t header[HF_SEAL_HEADER_BYTES];
    uint8_t frame[4096 + HF_SEAL_OVERHEAD];

    (void)state;
    hf_sealer_init(&sealer, &key, NULL, header);
    hf_opener_init(&opener, &key, header);
    memset(frame + HF_SEAL_LEAD, 'x', 4096);
    hf_seal(&sealer, hf_slice_of(frame + HF_SEAL_LEAD, 4096), false, frame);
    assert_null(memmem(frame, sizeof frame, "xxxxxxxxxxxxxxxx", 16));
    assert_int_equal(hf_open(&opener, hf_slice_of(frame, sizeof frame),
                             frame + HF_SEAL_LEAD, &opened),
                     HF_OK);
    assert_int_equal(opened.bytes, 4096);
    for (size_t i = 0; i < 4096; i++) {
        assert_int_equal(frame[HF_SEAL_LEAD + i], 'x');
    }
}

static void key_changes_at_the_frame_that_is_due(void **state)
{
    struct hf_sealer sealer;
    struct hf_opener opener;
    struct hf_opened opened;
    hf_seal_key key = {{9}};
    uint8_t header[HF_SEAL_HEADER_BYTES];
    uint8_t frame[FRAME_BYTES];
    uint8_t plain[FRAME_BYTES];
    uint8_t key_before[32];

    (void)state;
    hf_sealer_init(&sealer, &key, NULL, header);
    hf_opener_init(&opener, &key, header);
    memcpy(key_before, sealer.state, sizeof key_before);
    sealer.frames_count = HF_SEAL_REKEY_FRAMES - 2;
    for (int i = 0; i < 3; i++) {
        hf_seal(&sealer, HF_SLICE("hello"), false, frame);
        assert_int_equal(
            hf_open(&opener, hf_slice_of(frame, hf_seal_bytes(5)), plain, &opened),
            HF_OK);
        assert_int_equal(memcmp(key_before, sealer.state, sizeof key_before) == 0,
                         i < 1);
    }
}

static void receipt_holds_for_its_lease_alone(void **state)
{
    hf_store_key key = {{1}};
    hf_id id = {{2}};
    hf_key holder = {{3}};
    hf_lease_key lease = hf_lease_key_of(&key, holder);
    hf_receipt receipt = hf_receipt_make(&lease, id, 4);
    hf_slice bytes = hf_slice_of(receipt.bytes, sizeof receipt.bytes);
    struct hf_receipt_claim claim = {id, 4};

    (void)state;
    assert_true(hf_receipt_check(&lease, &claim, bytes));
    assert_false(hf_receipt_check(&lease, &claim, hf_slice_first(bytes, 15)));
    claim.epoch = 5;
    assert_false(hf_receipt_check(&lease, &claim, bytes));
    claim.epoch = 4;
    claim.id.bytes[15] = 1;
    assert_false(hf_receipt_check(&lease, &claim, bytes));
    claim.id.bytes[15] = 0;
    holder.bytes[31] = 1;
    lease = hf_lease_key_of(&key, holder);
    assert_false(hf_receipt_check(&lease, &claim, bytes));
    holder.bytes[31] = 0;
    key.bytes[0] = 2;
    lease = hf_lease_key_of(&key, holder);
    assert_false(hf_receipt_check(&lease, &claim, bytes));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, stream_setup, stream_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(frames_open_in_order_and_the_last_one_says_so),
        CASE(changed_frame_ends_the_stream_for_good),
        CASE(reordered_frame_is_refused),
        CASE(repeated_frame_is_refused),
        CASE(short_frame_is_refused),
        CASE(frame_is_sealed_and_opened_in_place),
        CASE(key_changes_at_the_frame_that_is_due),
        CASE(receipt_holds_for_its_lease_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
