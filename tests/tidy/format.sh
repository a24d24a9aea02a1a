#!/bin/sh
# Names the files that `make format` would change; status 1 if there are any.
[ $# -gt 0 ] || exit 0
bad=$(printf '%s\n' "$@" | xargs -P 2 -n 20 sh -c '
    for f in "$@"; do
        [ ! -e "$f" ] || clang-format --dry-run -Werror "$f" >/dev/null 2>&1 || echo "$f"
    done' sh | sort)
if [ -n "$bad" ]; then
    for f in $bad; do
        echo "$f:1: [format] run make format"
    done
    exit 1
fi
echo "format: $# files are clean"
