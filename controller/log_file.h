/* Bounding the log files of child processes, while they are being written. */
#ifndef HF_CONTROLLER_LOG_FILE_H
#define HF_CONTROLLER_LOG_FILE_H

#include <stdbool.h>

#define CT_LOG_BYTES_MAX (16u << 20)

/* When the file has grown over CT_LOG_BYTES_MAX: copies it to NAME.1 (what was there
 * goes) and empties it; true when that was done. Who writes it must append: it goes on
 * at the new end. What is written in the instant between the copy and the emptying is
 * lost. Where the copy has no room, NAME.1 ends early. */
bool ct_log_bound(const char *log);

#endif
