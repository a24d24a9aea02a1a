/* Owns the spelling of instants in claims; knows no time zone and reads no clock. */
#include "lib/token/instant.h"

#include <stdio.h>

struct date {
    unsigned year, month, day, hour, minute, second;
};

static bool is_leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned month_days(unsigned year, unsigned month)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year) ? 1u : 0u);
}

/* Days before the first of January of that year, counted from 1970. */
static int64_t days_before_year(unsigned year)
{
    int64_t y = (int64_t)year - 1;

    return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

/* Reads `count` digits from `at` on. */
static bool read_digits(hf_slice text, size_t at, size_t count, unsigned *out)
{
    unsigned value = 0;

    for (size_t i = at; i < at + count; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        value = value * 10 + (unsigned)(text.data[i] - '0');
    }
    *out = value;
    return true;
}

static bool read_date(hf_slice text, struct date *out)
{
    hf_slice zone = hf_slice_skip(text, 19);

    if (text.bytes < HF_INSTANT_TEXT_BYTES ||
        (!hf_slice_equal(zone, HF_SLICE("Z")) &&
         !hf_slice_equal(zone, HF_SLICE("+00:00")))) {
        return false;
    }
    return text.data[4] == '-' && text.data[7] == '-' && text.data[10] == 'T' &&
           text.data[13] == ':' && text.data[16] == ':' &&
           read_digits(text, 0, 4, &out->year) &&
           read_digits(text, 5, 2, &out->month) && read_digits(text, 8, 2, &out->day) &&
           read_digits(text, 11, 2, &out->hour) &&
           read_digits(text, 14, 2, &out->minute) &&
           read_digits(text, 17, 2, &out->second);
}

hf_err hf_instant_parse(hf_slice text, int64_t *unix_s)
{
    struct date d = {0};

    hf_check(unix_s != NULL);

    if (!read_date(text, &d) || d.year < 1970 || d.month < 1 || d.month > 12 ||
        d.day < 1 || d.day > month_days(d.year, d.month) || d.hour > 23 ||
        d.minute > 59 || d.second > 59) {
        return HF_ERR_INVALID;
    }

    int64_t days = days_before_year(d.year) + (int64_t)d.day - 1;

    for (unsigned month = 1; month < d.month; month++) {
        days += month_days(d.year, month);
    }
    *unix_s = days * 86400 + (int64_t)(d.hour * 3600 + d.minute * 60 + d.second);
    return HF_OK;
}

void hf_instant_text(int64_t unix_s, char out[HF_INSTANT_TEXT_BYTES + 1])
{
    hf_check(unix_s >= 0);
    hf_check(unix_s <= HF_INSTANT_MAX);

    int64_t days = unix_s / 86400;
    unsigned rest = (unsigned)(unix_s % 86400);
    unsigned year = (unsigned)(days / 366) + 1970; /* never past the right one */
    unsigned month = 1;

    while (days >= days_before_year(year + 1)) {
        year++;
    }

    unsigned day = (unsigned)(days - days_before_year(year));

    while (day >= month_days(year, month)) {
        day -= month_days(year, month);
        month++;
    }
    (void)snprintf(out, HF_INSTANT_TEXT_BYTES + 1, "%04u-%02u-%02uT%02u:%02u:%02uZ",
                   year % 10000, month % 100, (day + 1) % 100, rest / 3600 % 100,
                   rest / 60 % 60, rest % 60);
}
