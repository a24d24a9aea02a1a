/* Owns how far each log file has been shown. */
#include "controller/cli/up.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FILES_MAX   600
#define PIECE_BYTES 16384

static struct {
    char name[128];
    off_t shown;
} files[FILES_MAX];
static size_t files_count;

static void show(const char *path, off_t *shown)
{
    char piece[PIECE_BYTES];
    struct stat found;
    size_t bytes = 0;
    FILE *file = fopen(path, "re");

    if (file == NULL) {
        return;
    }
    if (fstat(fileno(file), &found) == 0 && found.st_size < *shown) {
        *shown = 0; /* rotated */
    }
    if (fseeko(file, *shown, SEEK_SET) == 0) {
        bytes = fread(piece, 1, sizeof piece, file);
        (void)fwrite(piece, 1, bytes, stderr);
        *shown += (off_t)bytes;
    }
    (void)fclose(file);
}

/* Where to go on in a file; what is there when the first look is taken is old. */
static off_t *place_of(const char *name, const char *path)
{
    struct stat found;

    for (size_t i = 0; i < files_count; i++) {
        if (strcmp(files[i].name, name) == 0) {
            return &files[i].shown;
        }
    }
    if (files_count == FILES_MAX || strlen(name) >= sizeof files[0].name ||
        stat(path, &found) != 0) {
        return NULL;
    }
    (void)snprintf(files[files_count].name, sizeof files[0].name, "%s", name);
    return &files[files_count++].shown;
}

void up_mirror_run(struct up *up)
{
    char path[CLI_PATH_BYTES + 300];
    const struct dirent *entry = NULL;
    DIR *directory = NULL;
    off_t *shown = NULL;

    cli_path(path, sizeof path, "%s/log", up->state);
    directory = opendir(path);
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        cli_path(path, sizeof path, "%s/log/%s", up->state, entry->d_name);
        shown = place_of(entry->d_name, path);
        if (shown != NULL) {
            show(path, shown);
        }
    }
    if (directory != NULL) {
        (void)closedir(directory);
    }
}
