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

static hf_err append_status(struct hf_buf *out, int status)
{
    hf_err err = hf_buf_append(out, HF_SLICE("HTTP/1.1 "));

    err = err == HF_OK ? append_number(out, (uint64_t)status) : err;
    err = err == HF_OK ? hf_buf_append_byte(out, ' ') : err;
    return err == HF_OK ? hf_buf_append_cstr(out, hf_http_phrase(status)) : err;
}

/* Content-Length is stated for a HEAD answer too when it is known; never for 204. */
static hf_err append_length(struct hf_buf *out,
                            const struct hf_http_response_head *head,
                            enum hf_http_framing framing)
{
    uint64_t bytes = head->length == HF_HTTP_LENGTH_KNOWN ? head->body_bytes : 0;

    if (framing == HF_HTTP_FRAMING_CHUNKED) {
        return hf_buf_append_cstr(out, "Transfer-Encoding: chunked\r\n");
    }
    if (framing == HF_HTTP_FRAMING_CLOSE || head->status == 204 ||
        (framing == HF_HTTP_FRAMING_NONE && head->length != HF_HTTP_LENGTH_KNOWN)) {
        return HF_OK;
    }
    return append_content_length(out, bytes);
}

static hf_err append_connection(struct hf_buf *out, const struct hf_http_asker *asker,
                                bool is_close)
{
    if (is_close) {
        return hf_buf_append_cstr(out, "Connection: close\r\n");
    }
    return asker->version_minor == 0
               ? hf_buf_append_cstr(out, "Connection: keep-alive\r\n")
               : HF_OK;
}

hf_err hf_http_write_response(struct hf_buf *out, const struct hf_http_asker *asker,
                              const struct hf_http_response_head *head,
                              struct hf_http_framed *framed)
{
    hf_err err;

    hf_check(out != NULL);
    hf_check(head->status >= 200 && head->status <= 599);

    framed->framing = framing_of(asker, head);
    framed->is_close =
        !asker->is_keep_alive || framed->framing == HF_HTTP_FRAMING_CLOSE;
    /* We speak 1.1 to everybody, as RFC 9110 2.5 asks; framing follows the asker. */
    err = append_status(out, head->status);
    err = err == HF_OK ? hf_buf_append(out, HF_SLICE("\r\nDate: ")) : err;
    err = err == HF_OK ? hf_buf_append(out, head->date) : err;
    err = err == HF_OK ? hf_buf_append_cstr(out, "\r\nServer: holdfast\r\n") : err;
    err = err == HF_OK ? hf_buf_append(out, head->fields) : err;
    if (err == HF_OK && head->has_via) {
        err = hf_buf_append_cstr(out, "Via: 1.1 holdfast\r\n");
    }
    err = err == HF_OK ? append_length(out, head, framed->framing) : err;
    err = err == HF_OK ? append_connection(out, asker, framed->is_close) : err;
    return err == HF_OK ? hf_buf_append_cstr(out, "\r\n") : err;
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
