/* One handler per input, each in the file of its name. `s` is the session that the
 * input came from and is up. */
#ifndef HF_BROKER_CORE_INPUTS_H
#define HF_BROKER_CORE_INPUTS_H

#include "broker/core/state.h"

void broker_on_session_up(struct broker *b, const struct broker_input *in);
void broker_on_session_down(struct broker *b, struct session *s,
                            const struct broker_input *in);
void broker_on_open(struct broker *b, struct session *s, const struct broker_input *in);
void broker_on_close(struct broker *b, struct session *s,
                     const struct broker_input *in);
void broker_on_withdraw(struct broker *b, struct session *s,
                        const struct broker_input *in);
void broker_on_submit(struct broker *b, struct session *s,
                      const struct broker_input *in);
void broker_on_body(struct broker *b, struct session *s, const struct broker_input *in);
void broker_on_cancel(struct broker *b, struct session *s,
                      const struct broker_input *in);
void broker_on_call_off(struct broker *b, const struct broker_input *in);
void broker_on_assigned_ack(struct broker *b, struct session *s,
                            const struct broker_input *in);
void broker_on_response_ack(struct broker *b, struct session *s,
                            const struct broker_input *in);
void broker_on_credit(struct broker *b, struct session *s,
                      const struct broker_input *in);
void broker_on_result(struct broker *b, struct session *s,
                      const struct broker_input *in);
void broker_on_result_body(struct broker *b, struct session *s,
                           const struct broker_input *in);
void broker_on_window(struct broker *b, struct session *s,
                      const struct broker_input *in);
void broker_on_abort(struct broker *b, struct session *s,
                     const struct broker_input *in);
void broker_on_release(struct broker *b, struct session *s,
                       const struct broker_input *in);
void broker_on_fail(struct broker *b, struct session *s, const struct broker_input *in);
void broker_on_declare(struct broker *b, struct session *s,
                       const struct broker_input *in);
void broker_on_draining(struct broker *b, struct session *s,
                        const struct broker_input *in);
void broker_on_holder_dead(struct broker *b, const struct broker_input *in);
/* Ends leases of dead holders step by step; false when more are left. */
bool broker_settle_dead(struct broker *b);
void broker_on_policy_begin(struct broker *b, const struct broker_input *in);
void broker_on_policy_queue(struct broker *b, const struct broker_input *in);
void broker_on_policy_end(struct broker *b, const struct broker_input *in);
void broker_on_recovered(struct broker *b, const struct broker_input *in);
void broker_on_recovered_end(struct broker *b, const struct broker_input *in);

/* Re-offer of an id that is known: PROTOCOL.md 3.3. */
void broker_on_reoffer(struct broker *b, struct session *s, struct request *r,
                       const struct broker_input *in);

#endif
