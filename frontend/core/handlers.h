/* One handler per input of the core; frontend_step calls them. Internal to
 * frontend/core. */
#ifndef HF_FRONTEND_CORE_HANDLERS_H
#define HF_FRONTEND_CORE_HANDLERS_H

#include "frontend/core/exchange.h"

void frontend_on_request(struct frontend *frontend, const struct frontend_input *input);
void frontend_on_body(struct frontend *frontend, const struct frontend_input *input);
void frontend_on_client_gone(struct frontend *frontend,
                             const struct frontend_input *input);
void frontend_on_admitted(struct frontend *frontend,
                          const struct frontend_input *input);
void frontend_on_accepted(struct frontend *frontend,
                          const struct frontend_input *input);
void frontend_on_window(struct frontend *frontend, const struct frontend_input *input);
void frontend_on_assigned(struct frontend *frontend,
                          const struct frontend_input *input);
void frontend_on_refused(struct frontend *frontend, const struct frontend_input *input);
void frontend_on_abort(struct frontend *frontend, const struct frontend_input *input);
void frontend_on_tick(struct frontend *frontend);
void frontend_on_response(struct frontend *frontend,
                          const struct frontend_input *input);
void frontend_on_response_body(struct frontend *frontend,
                               const struct frontend_input *input);
void frontend_on_client_took(struct frontend *frontend,
                             const struct frontend_input *input);
void frontend_on_broker_up(struct frontend *frontend,
                           const struct frontend_input *input);
void frontend_on_broker_down(struct frontend *frontend,
                             const struct frontend_input *input);
void frontend_on_opened(struct frontend *frontend, const struct frontend_input *input);
void frontend_on_closed(struct frontend *frontend, const struct frontend_input *input);
void frontend_on_routes_begin(struct frontend *frontend);
void frontend_on_routes_queue(struct frontend *frontend,
                              const struct frontend_input *input);
void frontend_on_routes_end(struct frontend *frontend);
void frontend_on_drain(struct frontend *frontend);

#endif
