#include "lib/http/write.h"

#include "lib/base/text.h"

#include <stdio.h>
#include <string.h>

static const struct {
    int status;
    const char *phrase;
} phrases[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
    {511, "Network Authentication Required"},
};

const char *hf_http_phrase(int status)
{
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++) {
        if (phrases[i].status == status) {
            return phrases[i].phrase;
        }
    }
    return "Status";
}

/* Days since 1970-01-01 -> year, month 1..12, day 1..31 (proleptic Gregorian; eras of
 * 400 years that start in March, so the leap day is the last of its year). */
static void civil(int64_t days, int64_t *year, int *month, int *day)
{
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) /
        365;
    int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int march_month = (int)((5 * day_of_year + 2) / 153);

    *day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
    *month = march_month < 10 ? march_month + 3 : march_month - 9;
    *year = year_of_era + era * 400 + (*month <= 2);
}

void hf_http_date(hf_time now, char out[HF_HTTP_DATE_BYTES + 1])
{
    static const char days_text[] = "SunMonTueWedThuFriSat";
    static const char months_text[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t seconds = now.us / 1000000;
    int64_t days = seconds / 86400;
    int left = (int)(seconds % 86400);
    int64_t year;
    int month;
    int day;
    char text[64];

    /* 9999 is the last year of an IMF-fixdate. */
    hf_check(now.us >= 0);
    civil(days, &year, &month, &day);
    hf_check(year <= 9999);
    (void)snprintf(text, sizeof text, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                   days_text + 3 * ((days + 4) % 7), day, months_text + 3 * (month - 1),
                   (int)year, left / 3600, left / 60 % 60, left % 60);
    memcpy(out, text, HF_HTTP_DATE_BYTES);
    out[HF_HTTP_DATE_BYTES] = 0;
}

static enum hf_http_framing framing_of(const struct hf_http_asker *asker,
                                       const struct hf_http_response_head *head)
{
    if (asker->method == HF_HTTP_HEAD || head->status == 204 || head->status == 304) {
        return HF_HTTP_FRAMING_NONE;
    }
    if (head->length != HF_HTTP_LENGTH_CHUNKED) {
        return HF_HTTP_FRAMING_LENGTH;
    }
    return asker->version_minor == 0 ? HF_HTTP_FRAMING_CLOSE : HF_HTTP_FRAMING_CHUNKED;
}

static hf_err append_number(struct hf_buf *out, uint64_t number)
{
    char digits[HF_TEXT_DECIMAL_MAX];

    return hf_buf_append(out, hf_slice_of(digits, hf_text_decimal(number, digits)));
}

static hf_err append_content_length(struct hf_buf *out, uint64_t bytes)
{
    hf_err err = hf_buf_append(out, HF_SLICE("Content-Length: "));

    err = err == HF_OK ? append_number(out, bytes) : err;
    return err == HF_OK ? hf_buf_append(out, HF_SLICE("\r\n")) : err;
}

/* Room for everything in a response head but fields and date. */
#define RESPONSE_REST_BYTES_MAX 256

static uint8_t *put(uint8_t *to, hf_slice bytes)
{
    if (bytes.bytes > 0) {
        memcpy(to, bytes.data, bytes.bytes);
    }
    return to + bytes.bytes;
}

static uint8_t *put_status(uint8_t *to, int status)
{
    if (status == 200) {
        return put(to, HF_SLICE("HTTP/1.1 200 OK\r\nDate: "));
    }
    to = put(to, HF_SLICE("HTTP/1.1 "));
    to += hf_text_decimal((uint64_t)status, (char *)to);
    *to++ = ' ';
    to = put(to, hf_slice_of_cstr(hf_http_phrase(status)));
    return put(to, HF_SLICE("\r\nDate: "));
}

/* Content-Length is stated for a HEAD answer too when it is known; never for 204. */
static uint8_t *put_length(uint8_t *to, const struct hf_http_response_head *head,
                           enum hf_http_framing framing)
{
    uint64_t bytes = head->length == HF_HTTP_LENGTH_KNOWN ? head->body_bytes : 0;

    if (framing == HF_HTTP_FRAMING_CHUNKED) {
        return put(to, HF_SLICE("Transfer-Encoding: chunked\r\n"));
    }
    if (framing == HF_HTTP_FRAMING_CLOSE || head->status == 204 ||
        (framing == HF_HTTP_FRAMING_NONE && head->length != HF_HTTP_LENGTH_KNOWN)) {
        return to;
    }
    to = put(to, HF_SLICE("Content-Length: "));
    to += hf_text_decimal(bytes, (char *)to);
    return put(to, HF_SLICE("\r\n"));
}

static uint8_t *put_connection(uint8_t *to, const struct hf_http_asker *asker,
                               bool is_close)
{
    if (is_close) {
        return put(to, HF_SLICE("Connection: close\r\n\r\n"));
    }
    return asker->version_minor == 0
               ? put(to, HF_SLICE("Connection: keep-alive\r\n\r\n"))
               : put(to, HF_SLICE("\r\n"));
}

hf_err hf_http_write_response(struct hf_buf *out, const struct hf_http_asker *asker,
                              const struct hf_http_response_head *head,
                              struct hf_http_framed *framed)
{
    size_t room = head->fields.bytes + head->date.bytes + RESPONSE_REST_BYTES_MAX;
    uint8_t *start;
    uint8_t *to;
    hf_err err;

    hf_check(out != NULL);
    hf_check(head->status >= 200 && head->status <= 599);

    framed->framing = framing_of(asker, head);
    framed->is_close =
        !asker->is_keep_alive || framed->framing == HF_HTTP_FRAMING_CLOSE;
    err = hf_buf_reserve(out, room, &start);
    if (err != HF_OK) {
        return err;
    }
    /* We speak 1.1 to everybody, as RFC 9110 2.5 asks; framing follows the asker. */
    to = put_status(start, head->status);
    to = put(to, head->date);
    to = put(to, HF_SLICE("\r\nServer: holdfast\r\n"));
    to = put(to, head->fields);
    if (head->has_via) {
        to = put(to, HF_SLICE("Via: 1.1 holdfast\r\n"));
    }
    to = put_length(to, head, framed->framing);
    to = put_connection(to, asker, framed->is_close);
    hf_check((size_t)(to - start) <= room);
    hf_buf_grown(out, (size_t)(to - start));
    return HF_OK;
}

hf_err hf_http_write_request(struct hf_buf *out, hf_slice method, hf_slice target,
                             hf_slice host, const struct hf_http_response_head *rest)
{
    const hf_slice parts[] = {
        method, HF_SLICE(" "),    target,      HF_SLICE(" HTTP/1.1\r\nHost: "),
        host,   HF_SLICE("\r\n"), rest->fields};
    hf_err err = HF_OK;

    hf_check(out != NULL);
    hf_check(rest->length != HF_HTTP_LENGTH_CHUNKED);

    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && err == HF_OK; i++) {
        err = hf_buf_append(out, parts[i]);
    }
    if (err == HF_OK && rest->length == HF_HTTP_LENGTH_KNOWN) {
        err = append_content_length(out, rest->body_bytes);
    }
    return err == HF_OK ? hf_buf_append_cstr(out, "\r\n") : err;
}
