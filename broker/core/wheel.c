#include "broker/core/wheel.h"

#include "broker/core/state.h"

#include <stdlib.h>

void request_list_init(struct request_list *list, enum link_kind kind)
{
    *list = (struct request_list){.kind = kind};
}

void request_list_push_back(struct broker *b, struct request_list *list,
                            struct request *r)
{
    struct link *link = &r->links[list->kind];
    uint32_t slot = request_slot(b, r);

    hf_check(link->prev == 0 && link->next == 0 && list->first != slot);
    link->prev = list->last;
    if (list->last != 0) {
        request_at(b, list->last)->links[list->kind].next = slot;
    } else {
        list->first = slot;
    }
    list->last = slot;
    list->count++;
}

void request_list_push_front(struct broker *b, struct request_list *list,
                             struct request *r)
{
    struct link *link = &r->links[list->kind];
    uint32_t slot = request_slot(b, r);

    hf_check(link->prev == 0 && link->next == 0 && list->first != slot);
    link->next = list->first;
    if (list->first != 0) {
        request_at(b, list->first)->links[list->kind].prev = slot;
    } else {
        list->last = slot;
    }
    list->first = slot;
    list->count++;
}

void request_list_remove(struct broker *b, struct request_list *list, struct request *r)
{
    struct link *link = &r->links[list->kind];
    uint32_t slot = request_slot(b, r);

    hf_check(list->count > 0);
    hf_check(link->prev != 0 || list->first == slot);
    hf_check(link->next != 0 || list->last == slot);
    if (link->prev != 0) {
        request_at(b, link->prev)->links[list->kind].next = link->next;
    } else {
        list->first = link->next;
    }
    if (link->next != 0) {
        request_at(b, link->next)->links[list->kind].prev = link->prev;
    } else {
        list->last = link->prev;
    }
    *link = (struct link){0, 0};
    list->count--;
}

struct request *request_list_first(const struct broker *b,
                                   const struct request_list *list)
{
    return list->first == 0 ? NULL : request_at(b, list->first);
}

struct request *request_list_last(const struct broker *b,
                                  const struct request_list *list)
{
    return list->last == 0 ? NULL : request_at(b, list->last);
}

struct request *request_list_next(const struct broker *b,
                                  const struct request_list *list,
                                  const struct request *r)
{
    uint32_t next = r->links[list->kind].next;

    return next == 0 ? NULL : request_at(b, next);
}

static void wheel_mark(struct wheel *wheel, uint32_t slot)
{
    wheel->used[slot / 64] |= 1ull << (slot % 64);
    wheel->used_words[slot / 4096] |= 1ull << (slot / 64 % 64);
}

static void wheel_unmark(struct wheel *wheel, uint32_t slot)
{
    wheel->used[slot / 64] &= ~(1ull << (slot % 64));
    if (wheel->used[slot / 64] == 0) {
        wheel->used_words[slot / 4096] &= ~(1ull << (slot / 64 % 64));
    }
}

/* The first used slot in [from, WHEEL_SLOTS), or WHEEL_SLOTS. */
static uint32_t wheel_find(const struct wheel *wheel, uint32_t from)
{
    uint64_t bits = wheel->used[from / 64] & (~0ull << (from % 64));
    uint32_t word = from / 64;

    if (bits != 0) {
        return word * 64 + (uint32_t)__builtin_ctzll(bits);
    }
    word++;
    while (word < WHEEL_SLOTS / 64) {
        bits = wheel->used_words[word / 64] & (~0ull << (word % 64));
        if (bits != 0) {
            word = word / 64 * 64 + (uint32_t)__builtin_ctzll(bits);
            return word * 64 + (uint32_t)__builtin_ctzll(wheel->used[word]);
        }
        word = (word / 64 + 1) * 64;
    }
    return WHEEL_SLOTS;
}

/* Ticks from wheel->tick to the first used slot; the wheel is not empty. */
static uint32_t wheel_distance(const struct wheel *wheel)
{
    uint32_t from = (uint32_t)wheel->tick % WHEEL_SLOTS;
    uint32_t slot = wheel_find(wheel, from);

    if (slot == WHEEL_SLOTS) {
        slot = wheel_find(wheel, 0) + WHEEL_SLOTS;
    }
    return slot - from;
}

/* The first used tick, remembered until its slot is empty: every step asks. */
static int64_t wheel_first(struct wheel *wheel)
{
    if (wheel->first == WHEEL_UNKNOWN) {
        wheel->first = wheel->tick + wheel_distance(wheel);
    }
    return wheel->first;
}

bool wheel_init(struct wheel *wheel)
{
    wheel->first = WHEEL_UNKNOWN;
    wheel->slots = calloc(WHEEL_SLOTS, sizeof *wheel->slots);
    return wheel->slots != NULL;
}

void wheel_fini(struct wheel *wheel)
{
    free(wheel->slots);
    wheel->slots = NULL;
}

void wheel_disarm(struct broker *b, struct request *r)
{
    if ((r->bits & REQUEST_IS_TIMED) == 0) {
        return;
    }
    request_list_remove(b, &b->wheel.slots[r->timer_slot], r);
    if (b->wheel.slots[r->timer_slot].count == 0) {
        wheel_unmark(&b->wheel, r->timer_slot);
        if ((uint64_t)b->wheel.first % WHEEL_SLOTS == r->timer_slot) {
            b->wheel.first = WHEEL_UNKNOWN;
        }
    }
    r->bits &= (uint16_t)~REQUEST_IS_TIMED;
    b->wheel.count--;
}

void wheel_arm(struct broker *b, struct request *r, hf_time due)
{
    struct wheel *wheel = &b->wheel;
    int64_t now_tick = b->now.us >> WHEEL_TICK_SHIFT;

    if (due.us == HF_TIME_NEVER.us) {
        return;
    }
    if (wheel->count == 0 && now_tick > wheel->tick) {
        wheel->tick = now_tick;
    }
    bool is_between = (due.us & ((1 << WHEEL_TICK_SHIFT) - 1)) != 0;
    int64_t tick = (due.us >> WHEEL_TICK_SHIFT) + (is_between ? 1 : 0);
    int64_t away = tick - wheel->tick;

    away = away < 0 ? 0 : away;
    away = away < (int64_t)WHEEL_SLOTS ? away : (int64_t)WHEEL_SLOTS - 1;
    if (r->bits & REQUEST_IS_TIMED) {
        uint32_t present = (r->timer_slot - (uint32_t)wheel->tick) % WHEEL_SLOTS;

        if (present <= (uint32_t)away) {
            return;
        }
        wheel_disarm(b, r);
    }
    if (wheel->count == 0 ||
        (wheel->first != WHEEL_UNKNOWN && wheel->tick + away < wheel->first)) {
        wheel->first = wheel->tick + away;
    }
    r->timer_slot = (uint16_t)((uint64_t)(wheel->tick + away) % WHEEL_SLOTS);
    wheel->slots[r->timer_slot].kind = LINK_TIMER;
    request_list_push_back(b, &wheel->slots[r->timer_slot], r);
    wheel_mark(wheel, r->timer_slot);
    r->bits |= REQUEST_IS_TIMED;
    wheel->count++;
}

struct request *wheel_pop(struct broker *b)
{
    struct wheel *wheel = &b->wheel;
    int64_t now_tick = b->now.us >> WHEEL_TICK_SHIFT;

    if (wheel->count == 0 || wheel->tick > now_tick) {
        return NULL;
    }
    int64_t tick = wheel_first(wheel);

    if (tick > now_tick) {
        wheel->tick = now_tick;
        return NULL;
    }
    wheel->tick = tick;
    struct request *r =
        request_list_first(b, &wheel->slots[(uint64_t)tick % WHEEL_SLOTS]);

    wheel_disarm(b, r);
    return r;
}

hf_time wheel_next(const struct wheel *wheel)
{
    if (wheel->count == 0) {
        return HF_TIME_NEVER;
    }
    int64_t tick = wheel->first != WHEEL_UNKNOWN ? wheel->first
                                                 : wheel->tick + wheel_distance(wheel);

    return (hf_time){tick * (1 << WHEEL_TICK_SHIFT)};
}
