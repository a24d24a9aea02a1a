#!/bin/sh
# Runs libFuzzer targets one after the other: tests/run/fuzz.sh SECONDS TARGET...
# New inputs go to build/corpus/NAME; a crash stops the run and leaves its input there.
set -eu

seconds=$1
shift
[ $# -gt 0 ] || { echo "no such fuzz target" >&2; exit 1; }
for target in "$@"; do
    name=$(basename "$target")
    name=${name#fuzz_}
    found=build/corpus/$name
    seeds=tests/fuzz/corpus/$name
    mkdir -p "$found"
    [ -d "$seeds" ] || seeds=
    echo "fuzz $name: $seconds s"
    "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -artifact_prefix="$found-crash-" -print_final_stats=1 \
        "$found" $seeds >"$found.log" 2>&1 || {
        tail -n 40 "$found.log"
        echo "FAIL fuzz $name"
        exit 1
    }
    grep -E '^stat::(number_of_executed_units|average_exec_per_sec)' "$found.log"
    echo "PASS fuzz $name"
done
