/* The store against a real LMDB environment in a temporary directory. */
#include "broker/store.h"

#include "lib/base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MAP_BYTES (UINT64_C(64) << 20)

struct fixture {
    char directory[64];
    struct br_store *store;
    struct broker_batch batch;
    struct br_store_put puts[BROKER_BATCH_MAX];
    uint8_t bytes[200000];
};

static void open_store(struct fixture *f, uint64_t map_bytes)
{
    const struct br_store_config config = {.directory = f->directory,
                                           .map_bytes = map_bytes,
                                           .quota_percent = 85,
                                           .disk_reserve_bytes = 1 << 20};

    assert_int_equal(br_store_open(&config, &f->store), HF_OK);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const char *top = getenv("TMPDIR");

    assert_non_null(f);
    (void)snprintf(f->directory, sizeof f->directory, "%s/hf-store-XXXXXX",
                   top == NULL || strlen(top) > 40 ? "/tmp" : top);
    assert_non_null(mkdtemp(f->directory));
    open_store(f, MAP_BYTES);
    for (size_t i = 0; i < sizeof f->bytes; i++) {
        f->bytes[i] = (uint8_t)(i * 31 + i / 251);
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char path[96];

    br_store_close(f->store);
    (void)snprintf(path, sizeof path, "%s/data.mdb", f->directory);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/lock.mdb", f->directory);
    (void)unlink(path);
    (void)rmdir(f->directory);
    free(f);
    return 0;
}

static hf_id id_of(uint64_t n)
{
    hf_id id = {{0}};

    hf_put_be64(id.bytes + 8, n);
    return id;
}

static void add_put(struct fixture *f, uint64_t seq, size_t head, size_t body)
{
    uint32_t i = f->batch.count++;

    f->batch.items[i] =
        (struct broker_command){.type = BROKER_CMD_PUT, .slot = 1, .seq = seq};
    f->puts[i] = (struct br_store_put){
        .view = {.id = id_of(seq),
                 .seq = seq,
                 .head_bytes = (uint32_t)head,
                 .body_bytes = body,
                 .flags = BROKER_SUBMIT_ASYNC,
                 .enqueued = {1000 + (int64_t)seq},
                 .deadline = {9000}},
        .queue = HF_SLICE("orders.eu"),
        .head = hf_slice_of(f->bytes, head),
        .body = hf_slice_of(f->bytes + head, body),
    };
}

static void add(struct fixture *f, struct broker_command command, hf_slice body)
{
    uint32_t i = f->batch.count++;

    f->batch.items[i] = command;
    f->puts[i] = (struct br_store_put){.body = body};
}

static void commit(struct fixture *f)
{
    f->batch.index++;
    assert_int_equal(br_store_apply(f->store, 7, &f->batch, f->puts, HF_SLICE_EMPTY),
                     HF_OK);
    f->batch.count = 0;
}

struct found {
    size_t count;
    struct broker_input inputs[16];
    char queues[16][32];
};

static void remember(void *context, const struct broker_input *input)
{
    struct found *found = context;

    assert_true(found->count < 16);
    memcpy(found->queues[found->count], input->u.recovered.queue.data,
           input->u.recovered.queue.bytes);
    found->inputs[found->count++] = *input;
}

static struct found recover(struct fixture *f)
{
    struct found found = {0};

    br_store_close(f->store);
    open_store(f, MAP_BYTES);
    assert_int_equal(br_store_recover(f->store, remember, &found), HF_OK);
    return found;
}

static void assert_payload(struct fixture *f, uint64_t seq, uint64_t offset,
                           uint64_t bytes)
{
    struct hf_buf out;

    hf_buf_init(&out, sizeof f->bytes);
    assert_int_equal(br_store_read_begin(f->store), HF_OK);
    assert_int_equal(br_store_read(f->store, seq, offset, bytes, &out), HF_OK);
    br_store_read_end(f->store);
    assert_int_equal(hf_buf_bytes(&out), bytes);
    assert_memory_equal(hf_buf_slice(&out).data, f->bytes + offset, bytes);
    hf_buf_fini(&out);
}

static void a_committed_request_is_recovered_with_all_its_fields(void **state)
{
    struct fixture *f = *state;

    add_put(f, 5, 300, 20);
    commit(f);
    struct found found = recover(f);

    assert_int_equal(found.count, 1);
    assert_true(hf_id_equal(found.inputs[0].id, id_of(5)));
    assert_int_equal(found.inputs[0].u.recovered.seq, 5);
    assert_int_equal(found.inputs[0].u.recovered.flags, BROKER_SUBMIT_ASYNC);
    assert_int_equal(found.inputs[0].u.recovered.head_bytes, 300);
    assert_int_equal(found.inputs[0].u.recovered.body_bytes, 20);
    assert_int_equal(found.inputs[0].u.recovered.enqueued.us, 1005);
    assert_int_equal(found.inputs[0].u.recovered.deadline.us, 9000);
    assert_string_equal(found.queues[0], "orders.eu");
}

static void payloads_of_every_size_read_back_at_every_border(void **state)
{
    static const size_t bodies[] = {0, 1, 3700, 3989, 3990, 4080, 8160, 8161, 65536};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        uint64_t seq = 10 + i;
        uint64_t total = 100 + bodies[i];

        add_put(f, seq, 100, bodies[i]);
        commit(f);
        assert_payload(f, seq, 0, total);
        assert_payload(f, seq, 50, total - 50);
        assert_payload(f, seq, total - 1, 1);
    }
}

static void a_large_head_spills_into_pieces(void **state)
{
    struct fixture *f = *state;

    add_put(f, 3, 60000, 5000);
    commit(f);

    assert_payload(f, 3, 0, 65000);
    assert_payload(f, 3, 59990, 20);
}

static void a_dropped_request_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct hf_buf out;

    add_put(f, 8, 100, 50000);
    add_put(f, 9, 100, 10);
    commit(f);
    add(f, (struct broker_command){.type = BROKER_CMD_DROP, .seq = 8}, HF_SLICE_EMPTY);
    commit(f);

    hf_buf_init(&out, 1000);
    assert_int_equal(br_store_read_begin(f->store), HF_OK);
    assert_int_equal(br_store_read(f->store, 8, 0, 10, &out), HF_ERR_NOT_FOUND);
    br_store_read_end(f->store);
    hf_buf_fini(&out);
    struct found found = recover(f);

    assert_int_equal(found.count, 1);
    assert_int_equal(found.inputs[0].u.recovered.seq, 9);
}

static void dropping_what_is_not_there_is_no_error(void **state)
{
    struct fixture *f = *state;

    add(f, (struct broker_command){.type = BROKER_CMD_DROP, .seq = 77}, HF_SLICE_EMPTY);
    commit(f);

    assert_int_equal(recover(f).count, 0);
}

static void requests_come_back_in_order_of_seq_whatever_the_order_of_puts(void **state)
{
    struct fixture *f = *state;

    add_put(f, 30, 10, 0);
    add_put(f, 10, 10, 0);
    commit(f);
    add_put(f, 20, 10, 0);
    commit(f);
    struct found found = recover(f);

    assert_int_equal(found.count, 3);
    assert_int_equal(found.inputs[0].u.recovered.seq, 10);
    assert_int_equal(found.inputs[1].u.recovered.seq, 20);
    assert_int_equal(found.inputs[2].u.recovered.seq, 30);
}

static void a_dispatch_is_recovered_with_its_request(void **state)
{
    struct fixture *f = *state;
    struct broker_command dispatch = {
        .type = BROKER_CMD_DISPATCH, .seq = 4, .epoch = UINT64_C(7) << 32 | 3};

    dispatch.key.bytes[0] = 0xAB;
    add_put(f, 4, 10, 0);
    add(f, dispatch, HF_SLICE_EMPTY);
    add_put(f, 5, 10, 0);
    commit(f);
    struct found found = recover(f);

    assert_int_equal(found.inputs[0].u.recovered.dispatched_epoch,
                     UINT64_C(7) << 32 | 3);
    assert_int_equal(found.inputs[0].u.recovered.dispatched_to.bytes[0], 0xAB);
    assert_int_equal(found.inputs[1].u.recovered.dispatched_epoch, 0);
}

static void add_body(struct fixture *f, uint64_t seq, uint64_t offset,
                     const hf_slice *parts)
{
    uint32_t i = f->batch.count++;

    f->batch.items[i] =
        (struct broker_command){.type = BROKER_CMD_PUT_BODY,
                                .seq = seq,
                                .offset = offset,
                                .bytes = (uint32_t)(parts[0].bytes + parts[1].bytes)};
    f->puts[i] = (struct br_store_put){
        .view = {.head_bytes = 100}, .parts = parts, .parts_count = 2};
}

/* The record first with an unknown length, then pieces; when whole, the record again.
 */
static void add_streamed(struct fixture *f, uint64_t seq, uint64_t body_bytes)
{
    const uint8_t *body = f->bytes + 100;
    static hf_slice parts[2];

    add_put(f, seq, 100, 0);
    f->puts[f->batch.count - 1].view.flags = BROKER_SUBMIT_STREAMED;
    f->puts[f->batch.count - 1].view.body_bytes = BROKER_BODY_INCOMPLETE;
    commit(f);
    add_put(f, seq, 100, 0);
    f->puts[f->batch.count - 1].view.flags = BROKER_SUBMIT_STREAMED;
    f->puts[f->batch.count - 1].view.body_bytes = body_bytes;
    parts[0] = hf_slice_of(body, 9000);
    parts[1] = hf_slice_of(body + 9000, 777);
    add_body(f, seq, 0, parts);
    commit(f);
}

static void a_streamed_body_is_recovered_with_its_length(void **state)
{
    struct fixture *f = *state;

    add_streamed(f, 6, 9777);
    struct found found = recover(f);

    assert_int_equal(found.count, 1);
    assert_int_equal(found.inputs[0].u.recovered.body_bytes, 9777);
    assert_payload(f, 6, 0, 9877);
    assert_payload(f, 6, 9095, 10);
}

static void
a_body_of_unknown_length_is_recovered_as_such_and_dropped_whole(void **state)
{
    struct fixture *f = *state;
    struct hf_buf out;

    add_streamed(f, 6, BROKER_BODY_INCOMPLETE);
    struct found found = recover(f);

    assert_true(found.inputs[0].u.recovered.body_bytes == BROKER_BODY_INCOMPLETE);
    add(f, (struct broker_command){.type = BROKER_CMD_DROP, .seq = 6}, HF_SLICE_EMPTY);
    commit(f);
    add_put(f, 6, 100, 0);
    commit(f);
    hf_buf_init(&out, 20000);
    assert_int_equal(br_store_read_begin(f->store), HF_OK);
    assert_int_equal(br_store_read(f->store, 6, 100, 10, &out), HF_ERR_NOT_FOUND);
    br_store_read_end(f->store);
    hf_buf_fini(&out);
}

static void meta_values_survive_and_an_empty_one_deletes(void **state)
{
    struct fixture *f = *state;
    struct hf_buf out;

    hf_buf_init(&out, 100);
    assert_int_equal(br_store_meta_put(f->store, "policy", HF_SLICE("v1")), HF_OK);
    assert_int_equal(br_store_meta_get(f->store, "policy", &out), HF_OK);
    assert_true(hf_slice_equal(hf_buf_slice(&out), HF_SLICE("v1")));
    assert_int_equal(br_store_meta_put(f->store, "policy", HF_SLICE_EMPTY), HF_OK);
    assert_int_equal(br_store_meta_get(f->store, "policy", &out), HF_ERR_NOT_FOUND);
    hf_buf_fini(&out);
}

static void an_unknown_format_is_refused_and_nothing_is_deleted(void **state)
{
    struct fixture *f = *state;
    const struct br_store_config config = {
        .directory = f->directory, .map_bytes = MAP_BYTES, .quota_percent = 85};
    struct br_store *store = NULL;
    uint8_t format[4];

    add_put(f, 1, 10, 0);
    commit(f);
    hf_put_be32(format, 99);
    assert_int_equal(br_store_meta_put(f->store, "format", hf_slice_of(format, 4)),
                     HF_OK);
    br_store_close(f->store);
    assert_int_equal(br_store_open(&config, &store), HF_ERR_CORRUPT);

    f->store = NULL;
    assert_null(store);
}

static void the_quota_says_full_before_the_map_is_and_drops_still_work(void **state)
{
    struct fixture *f = *state;
    struct br_store_space space = {0};
    uint64_t seq = 1;

    br_store_close(f->store);
    open_store(f, UINT64_C(4) << 20);
    while (!space.is_full) {
        add_put(f, seq++, 100, 3000);
        commit(f);
        assert_int_equal(br_store_space(f->store, &space), HF_OK);
        assert_true(seq < 4000);
    }
    assert_true(space.used_bytes <= UINT64_C(4) << 20);
    for (uint64_t i = 1; i < seq; i++) {
        add(f, (struct broker_command){.type = BROKER_CMD_DROP, .seq = i},
            HF_SLICE_EMPTY);
        commit(f);
    }
    for (int i = 0; i < 100 && space.is_full; i++) {
        assert_int_equal(br_store_space(f->store, &space), HF_OK);
    }
    assert_false(space.is_full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_committed_request_is_recovered_with_all_its_fields),
        T(payloads_of_every_size_read_back_at_every_border),
        T(a_large_head_spills_into_pieces),
        T(a_dropped_request_leaves_nothing),
        T(dropping_what_is_not_there_is_no_error),
        T(requests_come_back_in_order_of_seq_whatever_the_order_of_puts),
        T(a_dispatch_is_recovered_with_its_request),
        T(a_streamed_body_is_recovered_with_its_length),
        T(a_body_of_unknown_length_is_recovered_as_such_and_dropped_whole),
        T(meta_values_survive_and_an_empty_one_deletes),
        T(an_unknown_format_is_refused_and_nothing_is_deleted),
        T(the_quota_says_full_before_the_map_is_and_drops_still_work),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
