#include "controller/store.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[64];

static int make_directory(void **state)
{
    (void)state;
    (void)snprintf(directory, sizeof directory, "/tmp/hf-ct-store-XXXXXX");
    return mkdtemp(directory) == NULL;
}

static int drop_directory(void **state)
{
    char path[128];

    (void)state;
    (void)snprintf(path, sizeof path, "%s/data.mdb", directory);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/lock.mdb", directory);
    (void)unlink(path);
    return rmdir(directory);
}

static struct ct_store *open_store(void)
{
    struct ct_store *store = NULL;

    assert_int_equal(ct_store_open(directory, &store), HF_OK);
    return store;
}

static void numbers_and_their_digests_survive(void **state)
{
    struct ct_store *store = open_store();
    struct hf_buf value;
    uint64_t number = 9;

    (void)state;
    assert_int_equal(ct_store_number(store, "routes", &number), HF_OK);
    assert_int_equal(number, 0);
    assert_int_equal(ct_store_put_version(store, "routes", 7, HF_SLICE("digest")),
                     HF_OK);
    ct_store_close(store);

    store = open_store();

    hf_buf_init(&value, 64);
    assert_int_equal(ct_store_number(store, "routes", &number), HF_OK);
    assert_int_equal(number, 7);
    assert_int_equal(ct_store_value(store, "digest.routes", &value), HF_OK);
    assert_true(hf_slice_equal(hf_buf_slice(&value), HF_SLICE("digest")));
    hf_buf_fini(&value);
    ct_store_close(store);
}

static void identities_survive_and_can_be_dropped(void **state)
{
    static struct identities found;
    struct ct_store *store = open_store();
    struct identity a = {.role = IDENTITY_WORKER,
                         .name = "local:web/0",
                         .queue = "q",
                         .issued_s = 5,
                         .expires_s = 905,
                         .fingerprint = 77};
    struct identity b = {.role = IDENTITY_BROKER, .name = "broker:b1"};

    (void)state;
    a.key.bytes[0] = 1;
    a.jti[15] = 3;
    b.key.bytes[0] = 2;
    assert_int_equal(ct_store_put_identity(store, &a), HF_OK);
    assert_int_equal(ct_store_put_identity(store, &b), HF_OK);
    assert_int_equal(ct_store_drop_identity(store, b.key), HF_OK);
    assert_int_equal(ct_store_drop_identity(store, b.key), HF_OK);
    ct_store_close(store);

    store = open_store();

    assert_int_equal(ct_store_identities(store, &found), HF_OK);
    assert_int_equal(found.count, 1);
    assert_memory_equal(&found.rows[0], &a, sizeof a);
    ct_store_close(store);
}

struct seen {
    size_t count;
    struct ct_revoked rows[4];
};

static void see(void *ctx, const struct ct_revoked *revoked)
{
    struct seen *seen = ctx;

    seen->rows[seen->count++] = *revoked;
}

static void revocations_survive_and_can_be_dropped(void **state)
{
    struct ct_store *store = open_store();
    struct ct_revoked jti = {.kind = CT_REVOKED_JTI, .until_s = 10};
    struct ct_revoked key = {.kind = CT_REVOKED_KEY, .until_s = 20};
    struct ct_revoked subject = {
        .kind = CT_REVOKED_SUBJECT, .subject = "ci", .until_s = 30};
    struct seen seen = {0};

    (void)state;
    jti.id[0] = 1;
    key.id[31] = 2;
    assert_int_equal(ct_store_put_revoked(store, &subject), HF_OK);
    assert_int_equal(ct_store_put_revoked(store, &key), HF_OK);
    assert_int_equal(ct_store_put_revoked(store, &jti), HF_OK);
    assert_int_equal(ct_store_drop_revoked(store, &key), HF_OK);
    ct_store_close(store);

    store = open_store();

    assert_int_equal(ct_store_each_revoked(store, see, &seen), HF_OK);
    assert_int_equal(seen.count, 2);
    assert_memory_equal(&seen.rows[0], &jti, sizeof jti);
    assert_string_equal(seen.rows[1].subject, "ci");
    assert_int_equal(seen.rows[1].until_s, 30);
    ct_store_close(store);
}

static void see_entry(void *ctx, uint64_t number, int64_t at_ms, hf_slice who,
                      hf_slice what)
{
    char *text = ctx;
    size_t used = strlen(text);

    (void)snprintf(text + used, 256 - used, "%llu %lld %.*s %.*s;",
                   (unsigned long long)number, (long long)at_ms, (int)who.bytes,
                   (const char *)who.data, (int)what.bytes, (const char *)what.data);
}

static void audit_gives_the_newest_entries_in_order(void **state)
{
    struct ct_store *store = open_store();
    char text[256] = "";

    (void)state;
    assert_int_equal(ct_store_audit(store, 1, "me", "mint a"), HF_OK);
    assert_int_equal(ct_store_audit(store, 2, "me", "mint b"), HF_OK);
    ct_store_close(store);
    store = open_store();
    assert_int_equal(ct_store_audit(store, 3, "you", "revoke a"), HF_OK);

    assert_int_equal(ct_store_each_audit(store, 2, see_entry, text), HF_OK);

    assert_string_equal(text, "2 2 me mint b;3 3 you revoke a;");
    ct_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(numbers_and_their_digests_survive,
                                        make_directory, drop_directory),
        cmocka_unit_test_setup_teardown(identities_survive_and_can_be_dropped,
                                        make_directory, drop_directory),
        cmocka_unit_test_setup_teardown(revocations_survive_and_can_be_dropped,
                                        make_directory, drop_directory),
        cmocka_unit_test_setup_teardown(audit_gives_the_newest_entries_in_order,
                                        make_directory, drop_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
