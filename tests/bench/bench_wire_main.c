/* What encoding and decoding one record's metadata costs, in nanoseconds. */
#include "lib/wire/messages.h"

#include <stdio.h>
#include <time.h>

#define ROUNDS 1000000
#define PASSES 5

static double seconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void report(const char *name, double encode_ns, double decode_ns, size_t bytes)
{
    printf("%-14s %4zu bytes  encode %6.1f ns  decode %6.1f ns\n", name, bytes,
           encode_ns, decode_ns);
}

/* Best of PASSES, because the machine is shared. The messages stay reachable through a
 * volatile pointer, so no round can be left out. */
#define BENCH(name)                                                                    \
    static void bench_##name(const struct hf_##name *message)                          \
    {                                                                                  \
        const struct hf_##name *volatile source = message;                             \
        uint8_t bytes[2048];                                                           \
        size_t used = 0;                                                               \
        struct hf_##name back;                                                         \
        double encode_ns = 1e9, decode_ns = 1e9;                                       \
                                                                                       \
        for (int pass = 0; pass < PASSES; pass++) {                                    \
            double start = seconds(), middle, end;                                     \
                                                                                       \
            for (int i = 0; i < ROUNDS; i++) {                                         \
                used = hf_##name##_encode(source, bytes, sizeof bytes);                \
            }                                                                          \
            middle = seconds();                                                        \
            for (int i = 0; i < ROUNDS; i++) {                                         \
                hf_check(hf_##name##_decode(hf_slice_of(bytes, used), &back) ==        \
                         HF_OK);                                                       \
            }                                                                          \
            end = seconds();                                                           \
            encode_ns = middle - start < encode_ns ? middle - start : encode_ns;       \
            decode_ns = end - middle < decode_ns ? end - middle : decode_ns;           \
        }                                                                              \
        report(#name, encode_ns / ROUNDS * 1e9, decode_ns / ROUNDS * 1e9, used);       \
    }
BENCH(enqueue)
BENCH(assign)
BENCH(respond)
BENCH(response)
BENCH(response_ack)
BENCH(request_head)
BENCH(response_head)

static const char fields[] =
    "Host: www.example.org\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n"
    "Referer: https://www.example.org/list?page=4\r\nCookie: "
    "session=0123456789abcdef\r\n"
    "X-Request-Id: 0193a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b\r\n"
    "If-None-Match: \"5e3b0c4d2a1f\"\r\nCache-Control: max-age=0\r\n";

int main(void)
{
    const hf_id id = {"0123456789abcde"};
    const uint64_t epoch = 7ull << 32 | 12345;
    const int64_t now_ms = 1795242000000;

    bench_enqueue(&(struct hf_enqueue){
        .id = id, .handle = 3, .flags = HF_ENQUEUE_REPEATABLE, .deadline_ms = now_ms});
    bench_assign(&(struct hf_assign){.id = id,
                                     .epoch = epoch,
                                     .handle = 3,
                                     .attempt = 1,
                                     .deadline_ms = now_ms,
                                     .enqueued_ms = now_ms,
                                     .body_bytes = 1024,
                                     .flags = HF_ENQUEUE_REPEATABLE,
                                     .receipt = {"fedcba987654321"}});
    bench_respond(&(struct hf_respond){.id = id, .epoch = epoch});
    bench_response(&(struct hf_response){.id = id, .epoch = epoch});
    bench_response_ack(&(struct hf_response_ack){.id = id, .epoch = epoch});
    bench_request_head(
        &(struct hf_request_head){.method = HF_SLICE("GET"),
                                  .path = HF_SLICE("/app/list/42"),
                                  .query = HF_SLICE("page=4"),
                                  .has_query = true,
                                  .raw_target = HF_SLICE("/app/list/42?page=4"),
                                  .scheme = HF_SLICE("https"),
                                  .host = HF_SLICE("www.example.org"),
                                  .client_ip = HF_SLICE("192.0.2.17"),
                                  .fields = hf_slice_of(fields, sizeof fields - 1),
                                  .received_ms = now_ms});
    bench_response_head(&(struct hf_response_head){
        .status = 200,
        .fields = HF_SLICE("Content-Type: text/html; charset=utf-8\r\n"
                           "Cache-Control: no-store\r\n"),
        .has_length = true,
        .content_length = 1024});
    return 0;
}
