/* A preloaded library in which there is no memory of certain sizes, so that a test can
 * choose by the length of what it sends whose memory is missing.
 *
 *     HOLDFAST_FAULT=malloc:4711,4712     malloc(4711) and malloc(4712) fail
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* glibc's own, behind the name that is replaced here. */
void *__libc_malloc(size_t bytes);

/* Without an allocation of its own: this is malloc. */
static int must_fail(size_t bytes)
{
    static const char kind[] = "malloc:";
    const char *at = getenv("HOLDFAST_FAULT");

    if (at == NULL || strncmp(at, kind, sizeof kind - 1) != 0) {
        return 0;
    }
    at += sizeof kind - 1;
    while (*at >= '0' && *at <= '9') {
        size_t number = 0;

        for (; *at >= '0' && *at <= '9'; at++) {
            number = number * 10 + (size_t)(*at - '0');
        }
        if (number == bytes) {
            return 1;
        }
        at += *at == ',';
    }
    return 0;
}

void *malloc(size_t bytes)
{
    if (must_fail(bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_malloc(bytes);
}
