/* Timers of requests, and the lists requests are in.
 *
 * A wheel of 65,536 ticks of 4,096 us (268 s). Arming, disarming and firing cost O(1)
 * whatever the backlog, where a heap over a million requests misses the cache at each
 * of its twenty levels. A timer further away than one turn is looked at once per turn.
 * A timer never fires early, and at most one tick late.
 *
 * The wheel holds slots of requests; the caller recomputes what a request is due for
 * when it comes up, so a timer that moved later is left where it is. */
#ifndef HF_BROKER_CORE_WHEEL_H
#define HF_BROKER_CORE_WHEEL_H

#include "lib/base/time.h"

#include <stdbool.h>
#include <stdint.h>

struct broker;
struct request;

enum link_kind { LINK_PLACE, LINK_OWNER, LINK_BATCH, LINK_TIMER, LINK_KINDS };

struct link {
    uint32_t prev; /* slots; 0 = the end */
    uint32_t next;
};

/* An intrusive list of requests by slot; a request is in at most one list of a kind. */
struct request_list {
    uint32_t first;
    uint32_t last;
    uint32_t count;
    enum link_kind kind;
};

void request_list_init(struct request_list *list, enum link_kind kind);
void request_list_push_back(struct broker *b, struct request_list *list,
                            struct request *r);
void request_list_push_front(struct broker *b, struct request_list *list,
                             struct request *r);
void request_list_remove(struct broker *b, struct request_list *list,
                         struct request *r);
/* NULL at the end. */
struct request *request_list_first(const struct broker *b,
                                   const struct request_list *list);
struct request *request_list_last(const struct broker *b,
                                  const struct request_list *list);
struct request *request_list_next(const struct broker *b,
                                  const struct request_list *list,
                                  const struct request *r);

#define WHEEL_TICK_SHIFT 12
#define WHEEL_SLOTS      65536u
#define WHEEL_UNKNOWN    INT64_MIN

struct wheel {
    struct request_list *slots;              /* WHEEL_SLOTS */
    uint64_t used[WHEEL_SLOTS / 64];         /* slots that are not empty */
    uint64_t used_words[WHEEL_SLOTS / 4096]; /* words of `used` that are not 0 */
    int64_t tick;                            /* all before it are empty */
    int64_t first;                           /* used tick, or WHEEL_UNKNOWN */
    uint32_t count;
};

/* False without memory. */
bool wheel_init(struct wheel *wheel);
void wheel_fini(struct wheel *wheel);
/* Makes sure that `r` comes up at `due` or earlier. */
void wheel_arm(struct broker *b, struct request *r, hf_time due);
void wheel_disarm(struct broker *b, struct request *r);
/* Takes out one request that came up by now, or returns NULL. */
struct request *wheel_pop(struct broker *b);
/* When the next one comes up; HF_TIME_NEVER without any. */
hf_time wheel_next(const struct wheel *wheel);

#endif
