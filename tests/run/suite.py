#!/usr/bin/env python3
"""Runs test programs, fuzz replays, the simulation and scripts; prints the sum.

Programs run two at a time, scripts one after the other. One line per item; the output of
an item is shown only when it fails. Last line: `N passed, N failed, N skipped`. A cmocka
program counts its test cases, a script its PASS, FAIL and SKIP lines, anything else one.
An item that fails without saying what counts as one failure.
"""
import argparse
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import threading
import time

UNIT_SECONDS = 120
SIM_SECONDS = 300
SCRIPT_SECONDS = 240
SLOWER = {"release": 1, "asan": 3, "tsan": 5}  # what a mode may take more
FULL_FACTOR = 10  # with HOLDFAST_FULL the scripts measure longer
TAIL_LINES = 60

CMOCKA = {
    "passed": re.compile(r"^\[  PASSED  \] (\d+) test", re.M),
    "failed": re.compile(r"^\[  FAILED  \] (\d+) test", re.M),
    "skipped": re.compile(r"^\[  SKIPPED \] (\d+) test", re.M),
}
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)
VERDICT = re.compile(r"^(PASS|FAIL|SKIP)\b", re.M)
NO_VECTORS = re.compile(r"^skipped: .*\bvector", re.M)


live = set()  # process groups that a signal to us must end


class Item:
    def __init__(self, name, command, kind, seconds):
        self.name, self.command, self.kind, self.seconds = name, command, kind, seconds


def count_cmocka(text):
    found = {k: sum(map(int, p.findall(text))) for k, p in CMOCKA.items()}
    return found["passed"], found["failed"], found["skipped"]


def count_script(text):
    words = VERDICT.findall(text)
    return words.count("PASS"), words.count("FAIL"), words.count("SKIP")


def count(item, text, status):
    """(passed, failed, skipped) of one finished item."""
    summary = SUMMARY.findall(text)
    if item.kind == "cmocka":
        counts = count_cmocka(text)
    elif item.kind == "script" and VERDICT.search(text):
        counts = count_script(text)
    elif summary:
        counts = tuple(int(n or 0) for n in summary[-1])
    else:
        counts = (1, 0, 0) if status == 0 else (0, 1, 0)
    passed, failed, skipped = counts
    if status != 0 and failed == 0:
        failed = 1
    if passed + failed + skipped == 0:
        failed = 1
    return passed, failed, skipped


def environment(options):
    env = dict(os.environ)
    here = os.getcwd()
    out = os.path.abspath(options.out)
    env["HOLDFAST_MODE"] = options.mode
    env["HOLDFAST_BIN"] = os.path.join(out, "bin")
    env["HOLDFAST_MODULES"] = os.path.join(out, "lib", "holdfast")
    env["HOLDFAST_TESTS"] = os.path.join(out, "tests")
    supp = os.path.join(here, "tests", "run")
    env.setdefault("ASAN_OPTIONS", "detect_stack_use_after_return=1:strict_string_checks=1")
    env.setdefault("LSAN_OPTIONS", f"suppressions={supp}/lsan.supp:print_suppressions=0")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
    # Debian's libraries are not instrumented: their locks count, their accesses do not.
    env.setdefault("TSAN_OPTIONS", f"suppressions={supp}/tsan.supp:halt_on_error=1:"
                                   "ignore_noninstrumented_modules=1")
    return env


def run(item, env):
    """Runs in a session of its own, so that nothing it started outlives it."""
    started = time.monotonic()
    if not os.access(item.command[0], os.X_OK):
        return f"{item.command[0]} cannot be executed\n", 126, 0.0
    child = subprocess.Popen(item.command, env=env, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                             start_new_session=True)
    live.add(child.pid)
    timer = threading.Timer(item.seconds, kill_session, (child.pid,))
    timer.start()
    try:
        data = child.communicate()[0]
    finally:
        timer.cancel()
        kill_session(child.pid)
        live.discard(child.pid)
    took = time.monotonic() - started
    text = data.decode("utf-8", "replace")
    if child.returncode == -signal.SIGKILL and took >= item.seconds:
        text += f"\nkilled after {item.seconds} s\n"
    return text, child.returncode, took


def kill_session(pid):
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def stop(signum, _frame):
    for pid in list(live):
        kill_session(pid)
    print("interrupted", flush=True)
    os._exit(128 + signum)


def limit(options, seconds):
    is_full = os.environ.get("HOLDFAST_FULL", "") not in ("", "0")
    return seconds * SLOWER[options.mode] * (FULL_FACTOR if is_full else 1)


def items_of(options):
    items = []
    unit_seconds = limit(options, UNIT_SECONDS)
    for path in options.programs:
        name = os.path.relpath(path, os.path.join(options.out, "tests"))
        if os.path.basename(path).startswith("fuzz_"):
            short = os.path.basename(path)[len("fuzz_"):]
            command = [path, os.path.join("tests", "fuzz", "corpus", short)]
            items.append(Item(name, command, "plain", unit_seconds))
        else:
            items.append(Item(name, [path], "cmocka", unit_seconds))
    if options.sim:
        command = [options.sim, "--seeds", str(options.seeds)]
        items.append(Item(f"simulation, {options.seeds} seeds", command, "plain",
                          max(limit(options, SIM_SECONDS), options.seeds)))
    for path in options.scripts.split():
        items.append(Item(path, ["./" + path], "script",
                          limit(options, SCRIPT_SECONDS)))
    return items


class Report:
    def __init__(self, items_count):
        self.done, self.items_count = 0, items_count
        self.totals = [0, 0, 0]
        self.failed = []
        self.without_vectors = 0

    def add(self, item, result):
        text, status, took = result
        counts = count(item, text, status)
        self.done += 1
        self.totals = [a + b for a, b in zip(self.totals, counts)]
        passed, failed, skipped = counts
        self.without_vectors += min(skipped, len(NO_VECTORS.findall(text)))
        word = "FAIL" if failed else "ok  "
        more = f", {failed} failed" if failed else ""
        more += f", {skipped} skipped" if skipped else ""
        print(f"[{self.done:3}/{self.items_count}] {word} {item.name}: "
              f"{passed} passed{more} ({took:.1f} s)", flush=True)
        if item.kind == "script":
            self.show_verdicts(text)
        if failed:
            self.failed.append(item.name)
            self.show_tail(text, status)

    @staticmethod
    def show_verdicts(text):
        for line in text.splitlines():
            if VERDICT.match(line):
                print("          " + line)

    @staticmethod
    def show_tail(text, status):
        for line in text.splitlines()[-TAIL_LINES:]:
            print("    | " + line)
        print(f"    | exit status {status}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", default="release")
    parser.add_argument("--out", default="build")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--sim")
    parser.add_argument("--scripts", default="")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("programs", nargs="*")
    options = parser.parse_args()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    env = environment(options)
    items = items_of(options)
    report = Report(len(items))
    started = time.monotonic()
    together = [i for i in items if i.kind != "script"]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        futures = {pool.submit(run, item, env): item for item in together}
        for future in concurrent.futures.as_completed(futures):
            report.add(futures[future], future.result())
    for item in items:
        if item.kind == "script":
            report.add(item, run(item, env))

    if report.failed:
        print("failed: " + ", ".join(report.failed))
    if report.without_vectors:
        print(f"{report.without_vectors} cases were skipped: they need test vectors, "
              f"and not all are at VECTORS={env.get('VECTORS')}")
    print(f"mode {options.mode}, {time.monotonic() - started:.0f} s")
    print("{} passed, {} failed, {} skipped".format(*report.totals))
    if env.get("VECTORS_REQUIRED") and report.without_vectors:
        return 1
    return 1 if report.totals[1] or not items else 0


if __name__ == "__main__":
    sys.exit(main())
