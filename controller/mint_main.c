/* holdfast-mint: keeps the issuer key and signs what fits the templates. No network. */
#include "controller/mint.h"
#include "controller/peers.h"

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/io/clock.h"
#include "lib/io/file.h"
#include "lib/io/program.h"
#include "lib/token/paserk.h"
#include "lib/wire/messages.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct hf_flag flags_table[] = {
    {"cluster", "NAME", NULL, "The audience of every token.", false},
    {"listen", "PATH", NULL, "Unix socket for the controller, mode 0600.", false},
    {"keys", "DIRECTORY", NULL,
     "Holds issuer.key (mode 0600, made at the first start) and issuer.public.", false},
    {"max-ttl", "DURATION", "24h", "Longest life of a token.", false},
    {"log-format", "FORMAT", "logfmt", "logfmt or json.", false},
    {"log-level", "LEVEL", "info", "Lines from this level: debug, info, warn.", false},
};

static const struct hf_program program = {
    .name = "holdfast-mint",
    .summary = "sign capability tokens with the issuer key",
    .usage = "--cluster NAME --listen PATH --keys DIRECTORY [flags]",
    .description = "The only process that reads the issuer key. The controller asks "
                   "it, over a unix\n"
                   "socket that only processes of the same user may open, to sign "
                   "tokens that fit its\n"
                   "templates (broker, frontend, worker, controller, operator), "
                   "revocation lists and\n"
                   "routing manifests; everything else is refused and logged.",
    .flags = flags_table,
    .flags_count = sizeof flags_table / sizeof flags_table[0],
    .section = 8,
};

struct service {
    struct ct_mint mint;
    struct hf_loop *loop;
    struct ct_peers *peers;
};

static void answer(struct service *service, size_t peer, const struct hf_minted *minted)
{
    struct hf_buf meta;

    hf_buf_init(&meta, HF_META_LIST_MAX);
    if (hf_minted_append(minted, &meta) == HF_OK) {
        const struct hf_record record = {.type = HF_RECORD_MINTED,
                                         .meta = hf_buf_slice(&meta)};

        ct_peers_send(service->peers, peer, &record);
    }
    hf_buf_fini(&meta);
}

static void on_record(void *ctx, size_t peer, const struct hf_record *record)
{
    struct service *service = ctx;
    struct hf_minted minted = {0};
    struct hf_arena arena;
    struct hf_mint request;
    struct hf_buf out;
    const char *error = "malformed request";
    hf_err err = hf_record_check(record, HF_END_CONTROLLER, HF_END_MINT);

    hf_arena_init(&arena, (size_t)HF_META_LIST_MAX * HF_LIST_COST + 65536);
    hf_buf_init(&out, HF_META_LIST_MAX - 64);
    if (err == HF_OK) {
        err = hf_mint_decode(record->meta, &arena, &request);
    }
    if (err == HF_OK) {
        minted.nonce = request.nonce;
        err = ct_mint_sign(&service->mint, &request, hf_clock_wall_seconds(), &out,
                           &error);
    }
    if (err == HF_OK) {
        minted.token = hf_buf_slice(&out);
    } else {
        minted.error = hf_slice_of_cstr(error);
        HF_WARN("request to sign refused", hf_log_cstr("error", error),
                hf_log_slice("subject",
                             minted.nonce != 0 ? request.subject : HF_SLICE_EMPTY));
    }
    answer(service, peer, &minted);
    hf_buf_fini(&out);
    hf_arena_fini(&arena);
}

static hf_err make_key(const char *path, struct hf_secret **out)
{
    char text[HF_SECRET_TEXT_BYTES + 2];
    hf_err err = hf_secret_generate(NULL, out);

    if (err != HF_OK) {
        return err;
    }
    hf_secret_text(*out, text);
    memcpy(text + HF_SECRET_TEXT_BYTES, "\n", 2);
    err = hf_file_replace(path, hf_slice_of(text, HF_SECRET_TEXT_BYTES + 1), 0600);
    hf_wipe(text, sizeof text);
    if (err == HF_OK) {
        HF_INFO("issuer key made", hf_log_cstr("file", path));
    }
    return err;
}

static hf_err read_key(const char *path, struct hf_secret **out)
{
    struct stat found;
    struct hf_buf text;
    hf_slice line;
    hf_err err = HF_OK;

    if (stat(path, &found) != 0) {
        return errno == ENOENT ? make_key(path, out) : HF_ERR_IO;
    }
    if ((found.st_mode & 077) != 0 || found.st_uid != geteuid()) {
        HF_ERROR("issuer key refused",
                 hf_log_cstr("reason", "the file must be ours, mode 0600"));
        return HF_ERR_DENIED;
    }
    hf_buf_init(&text, 4096);
    err = hf_file_read(path, &text);
    line = hf_buf_slice(&text);
    if (err == HF_OK) {
        err = hf_secret_parse(hf_slice_first(line, hf_slice_find(line, '\n')), out);
    }
    if (line.bytes > 0) {
        hf_wipe((void *)(uintptr_t)line.data, line.bytes);
    }
    hf_buf_fini(&text);
    return err;
}

static hf_err open_keys(const char *directory, struct hf_secret **out)
{
    char path[4096];
    char text[HF_KEY_TEXT_BYTES + 2];
    hf_err err = hf_file_make_directory(directory, 0700);

    if (err != HF_OK) {
        return err;
    }
    if (snprintf(path, sizeof path, "%s/issuer.key", directory) >= (int)sizeof path) {
        return HF_ERR_TOO_BIG;
    }
    err = read_key(path, out);
    if (err != HF_OK) {
        return err;
    }
    (void)snprintf(path, sizeof path, "%s/issuer.public", directory);
    hf_key_text(hf_secret_public(*out), text);
    memcpy(text + HF_KEY_TEXT_BYTES, "\n", 2);
    return hf_file_replace(path, hf_slice_of(text, HF_KEY_TEXT_BYTES + 1), 0644);
}

static void on_terminate(void *ctx)
{
    hf_loop_stop(ctx);
}

static hf_err serve(struct service *service, const char *path)
{
    const struct ct_peers_config config = {
        .path = path, .on_record = on_record, .ctx = service};
    struct hf_signal *terminate = NULL;
    struct hf_signal *interrupt = NULL;
    hf_err err = hf_loop_new(&service->loop);

    if (err == HF_OK) {
        err = hf_signal_open(service->loop, SIGTERM, on_terminate, service->loop,
                             &terminate);
    }
    if (err == HF_OK) {
        err = hf_signal_open(service->loop, SIGINT, on_terminate, service->loop,
                             &interrupt);
    }
    if (err == HF_OK) {
        err = ct_peers_open(service->loop, &config, &service->peers);
    }
    if (err == HF_OK) {
        HF_INFO("mint ready", hf_log_cstr("socket", path));
        hf_loop_run(service->loop);
        HF_INFO("mint stopped", hf_log_cstr("socket", path));
    }
    ct_peers_close(service->peers);
    hf_loop_free(service->loop);
    return err;
}

static int run(const struct hf_flags *flags)
{
    struct service service = {0};
    struct hf_secret *issuer = NULL;
    const char *cluster = hf_flags_get(flags, "cluster");
    const char *listen = hf_flags_get(flags, "listen");
    const char *keys = hf_flags_get(flags, "keys");
    int64_t life_ms = 0;
    hf_err err = HF_OK;

    if (cluster == NULL || listen == NULL || keys == NULL) {
        return hf_program_complain(
            flags, "--cluster, --listen and --keys are needed; see --help", NULL);
    }
    if (!hf_program_duration(flags, "max-ttl", &life_ms)) {
        return HF_PROGRAM_MISUSED;
    }
    err = open_keys(keys, &issuer);
    if (err == HF_OK) {
        service.mint =
            (struct ct_mint){issuer, hf_slice_of_cstr(cluster), life_ms / 1000};
        err = serve(&service, listen);
    }
    hf_secret_free(issuer);
    if (err != HF_OK) {
        HF_ERROR("mint cannot serve", hf_log_cstr("error", hf_err_text(err)));
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static struct hf_flags flags;
    int status = hf_program_start(&program, argc, argv, &flags);

    if (status != HF_PROGRAM_GOES_ON) {
        return status;
    }
    (void)umask(077);
    return hf_token_init() == HF_OK ? run(&flags) : 1;
}
