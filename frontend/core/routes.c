/* The queues of the routes in force, and which broker serves each. */
#include "frontend/core/handlers.h"

#include <string.h>

struct frontend_queue *frontend_queue_at(const struct frontend *frontend,
                                         uint32_t index)
{
    if (index == 0 || index > frontend->queues.fresh) {
        return NULL;
    }
    return hf_pool_at(&frontend->queues, index);
}

static hf_slice name_of(const struct frontend_queue *queue)
{
    return hf_slice_of(queue->name, queue->name_bytes);
}

/* Requests that follow each other mostly go to one queue. */
struct frontend_queue *frontend_queue_named(struct frontend *frontend, hf_slice name)
{
    if (frontend->named == NULL || !hf_slice_equal(name_of(frontend->named), name)) {
        frontend->named = hf_map_get(&frontend->by_name, name);
    }
    return frontend->named;
}

uint32_t frontend_queue_index(const struct frontend *frontend,
                              const struct frontend_queue *queue)
{
    return hf_pool_index(&frontend->queues, queue);
}

hf_slice frontend_queue_name(const struct frontend *frontend, uint32_t queue)
{
    const struct frontend_queue *found = frontend_queue_at(frontend, queue);

    hf_check(found != NULL);
    return name_of(found);
}

/* A handle that is open, or may be, is waited for: its CLOSED must find the queue. */
void frontend_queue_release(struct frontend *frontend, struct frontend_queue *queue)
{
    if (queue->is_routed || queue->exchanges_count > 0 ||
        queue->state == FRONTEND_QUEUE_OPEN || queue->state == FRONTEND_QUEUE_OPENING) {
        return;
    }
    frontend->named = NULL;
    hf_check(hf_map_remove(&frontend->by_name, name_of(queue)) == queue);
    hf_heap_remove(&frontend->retries, &queue->retry);
    hf_list_remove(&queue->work);
    hf_list_remove(&queue->all);
    hf_pool_put(&frontend->queues, queue);
}

void frontend_on_routes_begin(struct frontend *frontend)
{
    HF_LIST_FOR(node, &frontend->queues_all)
    {
        HF_CONTAINER(node, struct frontend_queue, all)->is_named = false;
    }
}

/* NULL: there are queues_max already, or the name is none; its requests get no-routes.
 */
static struct frontend_queue *add_queue(struct frontend *frontend, hf_slice name)
{
    struct frontend_queue *queue;

    if (name.bytes == 0 || name.bytes > FRONTEND_QUEUE_NAME_MAX) {
        return NULL;
    }
    queue = hf_pool_get(&frontend->queues);
    if (queue == NULL) {
        return NULL;
    }
    queue->name_bytes = (uint32_t)name.bytes;
    memcpy(queue->name, name.data, name.bytes);
    hf_list_init(&queue->waiting);
    hf_list_push_back(&frontend->queues_all, &queue->all);
    hf_check(hf_map_put(&frontend->by_name, queue) == HF_OK);
    return queue;
}

void frontend_on_routes_queue(struct frontend *frontend,
                              const struct frontend_input *input)
{
    struct frontend_queue *queue = frontend_queue_named(frontend, input->u.queue.name);

    hf_check(input->u.queue.broker <= frontend->config.brokers_max);
    if (queue == NULL) {
        queue = add_queue(frontend, input->u.queue.name);
    }
    if (queue == NULL) {
        return;
    }
    queue->is_named = true;
    if (queue->broker == input->u.queue.broker) {
        return;
    }
    /* What the old broker holds stays with it; what waits goes to the new one. */
    queue->broker = input->u.queue.broker;
    queue->state = FRONTEND_QUEUE_CLOSED;
    hf_heap_remove(&frontend->retries, &queue->retry);
    frontend_queue_touch(frontend, queue);
}

void frontend_on_routes_end(struct frontend *frontend)
{
    HF_LIST_FOR(node, &frontend->queues_all)
    {
        struct frontend_queue *queue = HF_CONTAINER(node, struct frontend_queue, all);

        queue->is_routed = queue->is_named;
        frontend_queue_touch(frontend, queue);
        frontend_queue_release(frontend, queue);
    }
}
