/* Owns the lines for people and the audit log's entries. */
#include "controller/shell.h"

#include "lib/base/log.h"
#include "lib/io/clock.h"

#include <stdarg.h>
#include <stdio.h>

void ct_news(struct ct *ct, const char *format, ...)
{
    char *line = ct->news[ct->news_next % CT_NEWS_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(line, CT_NEWS_BYTES, format, arguments);
    va_end(arguments);
    ct->news_next++;
    HF_INFO("news", hf_log_cstr("text", line));
}

void ct_audit(struct ct *ct, const char *who, const char *format, ...)
{
    char what[CT_STORE_TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    ct_must(ct_store_audit(ct->store, hf_time_ms(hf_clock_now()), who, what),
            "audit log");
    HF_INFO("audit", hf_log_cstr("who", who), hf_log_cstr("what", what));
}
