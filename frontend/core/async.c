/* An asynchronous request: its client gets 202 once a broker has it on disk, and the
 * exchange is over; the request is not (FEATURES row 43). */
#include "frontend/core/handlers.h"

void frontend_on_accepted(struct frontend *frontend, const struct frontend_input *input)
{
    struct exchange *exchange = exchange_with(frontend, input);

    if (exchange == NULL || !exchange->is_async) {
        return;
    }
    (void)exchange_effect(frontend, exchange, FRONTEND_OUT_ACCEPTED);
    exchange_free(frontend, exchange);
}
