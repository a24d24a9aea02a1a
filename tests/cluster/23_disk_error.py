#!/usr/bin/env python3
"""The disk fails (EIO) under a loaded strict queue: the broker stops with status 70,
acknowledges nothing that is not on disk, and a restart is clean.

A preloaded library makes the n-th fdatasync or page write fail, and all later ones, for
several n. HOLDFAST_FULL=1: more of them.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from testbroker import IS_FULL, MODE, Bench, Verdicts, shim

CALLS = (3, 6, 11, 26, 61, 150, 400) if IS_FULL else (3, 26, 150)


def fail_once(bench, broker, accepted, fault):
    """(exit status, acknowledged by a broker whose call fails, missing afterwards)"""
    env = {"LD_PRELOAD": shim("fail_sync"), "HOLDFAST_FAULT": fault}
    if MODE == "asan":
        env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + \
            ":verify_asan_link_order=0"
    if broker.start(env=env):
        bench.wire("enqueue", broker.address, bench.package("client"), "q", 1000000, 64,
                   1024, accepted)
    status = broker.wait(10)
    if status is None:
        broker.kill()
    log = broker.log()
    assert broker.start(), broker.log()
    listed = broker.list("q")
    with open(accepted, encoding="ascii") as file:
        ids = file.read().split("\n")[:-1]
    broker.stop()
    return status, len(ids), set(ids) - set(listed), len(listed) != len(set(listed)), log


def main():
    verdicts = Verdicts()
    if not os.path.exists(shim("fail_sync")):
        verdicts.skip("EIO", "tests/fault is not built")
        verdicts.exit()
    with Bench() as bench:
        broker = bench.broker()
        accepted = bench.path("accepted")
        open(accepted, "w", encoding="ascii").close()
        assert broker.start(), broker.log()
        broker.policy("q")
        broker.stop()
        before = 0
        for kind in ("fdatasync", "pwrite"):
            for call in CALLS:
                fault = f"{kind}:{call}"
                status, count, lost, twice, log = fail_once(bench, broker, accepted, fault)
                verdicts.check(
                    f"EIO at {fault}: exit 70, all acknowledged are there after a restart",
                    status == 70 and not lost and not twice and
                    ("a commit failed" in log or "start failed" in log),
                    f"status {status}, acknowledged {count - before}, lost {len(lost)}")
                before = count
        verdicts.check("some acknowledgements came before the failures", before > 100)
    verdicts.exit()


if __name__ == "__main__":
    main()
