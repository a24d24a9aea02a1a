/* Owns the command lines of the daemons. */
#include "controller/cli/up.h"

#include "controller/shell.h"

#include <stdarg.h>
#include <stdio.h>

static char texts[UP_WORDS_MAX][UP_WORD_BYTES];
static const char *words[UP_WORDS_MAX + 1];
static size_t words_count;

static void add(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void add(const char *format, ...)
{
    va_list arguments;

    hf_check(words_count < UP_WORDS_MAX);
    va_start(arguments, format);
    (void)vsnprintf(texts[words_count], UP_WORD_BYTES, format, arguments);
    va_end(arguments);
    words[words_count] = texts[words_count];
    words[++words_count] = NULL;
}

static void add_pair(const char *flag, const char *value)
{
    if (value != NULL) {
        add("--%s", flag);
        add("%s", value);
    }
}

static void add_broker_address(const struct up *up,
                               const struct ct_broker_config *broker, size_t index)
{
    if (broker->listen.count == 0) {
        add("ipc://%s/broker-%s.sock", up->run, broker->name);
    } else {
        add("%s", broker->listen.items[index]);
    }
}

static void add_admin(const struct up *up, const struct up_child *child,
                      const char *given)
{
    add("--admin");
    if (given != NULL) {
        add("%s", given);
    } else {
        add("unix:%s/%s-%s.admin", up->run, up_role_name(child->role), child->name);
    }
}

static void spawner_command(const struct up *up)
{
    add("--listen");
    add("%s/spawner.sock", up->run);
    add("--logs");
    add("%s/log", up->state);
}

static void mint_command(const struct up *up)
{
    add_pair("cluster", up->config->cluster);
    add("--listen");
    add("%s/mint.sock", up->run);
    add("--keys");
    add("%s/mint", up->state);
    add("--max-ttl");
    add("%llds", (long long)up->config->token_ttl_max_ms / 1000);
}

static void controller_command(const struct up *up)
{
    add_pair("config", up->config_path);
    add_pair("state", up->state);
    add_pair("run", up->run);
    add("--mint");
    add("%s/mint.sock", up->run);
    add("--spawner");
    add("%s/spawner.sock", up->run);
    add("--anchor");
    add("%s/mint/issuer.public", up->state);
}

static void broker_command(const struct up *up, const struct up_child *child)
{
    const struct ct_broker_config *b = child->broker;

    add_pair("name", b->name);
    for (size_t i = 0; i < (b->listen.count == 0 ? 1 : b->listen.count); i++) {
        add("--listen");
        add_broker_address(up, b, i);
    }
    add("--store");
    if (b->store != NULL) {
        add("%s", b->store);
    } else {
        add("%s/broker-%s", up->state, b->name);
    }
    add_admin(up, child, b->admin);
#define X(key, flag) add_pair(flag, b->key);
    CT_BROKER_FLAGS(X)
#undef X
    add("--token-grace");
    add("%llds", (long long)up->config->token_grace_ms / 1000);
    add_pair("package-fd", "3");
}

static void frontend_command(const struct up *up, const struct up_child *child)
{
    const struct ct_frontend_config *f = child->frontend;

    add_pair("name", f->name);
    for (size_t i = 0; i < f->listen.count; i++) {
        add_pair("listen", f->listen.items[i]);
    }
    for (size_t i = 0; i < up->config->brokers_count; i++) {
        add("--broker");
        add_broker_address(up, &up->config->brokers[i], 0);
    }
    add_admin(up, child, f->admin);
#define X(key, flag) add_pair(flag, f->key);
    CT_FRONTEND_FLAGS(X)
#undef X
    add("--spool");
    if (f->spool != NULL) {
        add("%s", f->spool);
    } else {
        add("%s/spool", up->state);
    }
    add_pair("package-fd", "3");
}

const char *const *up_command(const struct up *up, const struct up_child *child)
{
    words_count = 0;
    add("%s/holdfast-%s", up->bin, up_role_name(child->role));
    switch (child->role) {
    case UP_SPAWNER:
        spawner_command(up);
        break;
    case UP_MINT:
        mint_command(up);
        break;
    case UP_CONTROLLER:
        controller_command(up);
        break;
    case UP_BROKER:
        broker_command(up, child);
        break;
    case UP_FRONTEND:
        frontend_command(up, child);
        break;
    }
    add_pair("log-format", up->config->log_format);
    add_pair("log-level", up->config->log_level);
    return words;
}
