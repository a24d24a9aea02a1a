/* Replays files through a fuzz target: what libFuzzer's main does, without fuzzing.
 *
 * Each argument is a directory of files; one that does not exist is passed over, for a
 * target without a corpus. The empty input is always tried. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_BYTES_MAX (16U << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t inputs_count;

static void replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(INPUT_BYTES_MAX);
    size_t bytes;

    if (file == NULL || data == NULL) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(2);
    }
    bytes = fread(data, 1, INPUT_BYTES_MAX, file);
    (void)fclose(file);
    /* Exactly sized, so that a sanitizer sees a read past the end. */
    data = realloc(data, bytes > 0 ? bytes : 1);
    (void)LLVMFuzzerTestOneInput(data, bytes);
    free(data);
    inputs_count++;
}

static void replay_directory(const char *path, DIR *directory)
{
    struct dirent *entry;
    char name[4096];

    while ((entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        replay_file(name);
    }
}

int main(int argc, char **argv)
{
    static const uint8_t nothing[1];

    (void)LLVMFuzzerTestOneInput(nothing, 0);
    for (int i = 1; i < argc; i++) {
        DIR *directory = opendir(argv[i]);

        if (directory != NULL) {
            replay_directory(argv[i], directory);
            (void)closedir(directory);
        }
    }
    printf("%zu inputs replayed\n", inputs_count);
    return 0;
}
