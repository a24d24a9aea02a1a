#!/usr/bin/env python3
"""Power is cut under a strict queue: what was acknowledged is on disk (CLUSTER.md 6.7).

The store is on an ext4 of its own, the log of acknowledged ids is not. After the cut
(everything not synced is gone) and a restart, each logged id must be listed. The control
runs the same broker with --unsynced and must lose some, otherwise the cut proves nothing.
HOLDFAST_FULL=1: five cuts, longer load.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import loopfs
from testbroker import IS_FULL, Bench, Verdicts

LOAD_S = 4 if IS_FULL else 1.5
CUTS = 5 if IS_FULL else 1


def cut_once(bench, name, flags):
    """(acknowledged, those of them that came back, all that came back)"""
    disk = loopfs.Disk(bench.directory, name, 256)
    try:
        broker = bench.broker(store=disk.path("store"), flags=flags, name=name)
        assert broker.start(), broker.log()
        broker.policy("q")
        os.sync()  # the queue itself is no part of the question
        log = bench.path(name + ".ids")
        load = bench.spawn("enqueue", broker.address, bench.package("client"), "q",
                           10000000, 64, 1024, log)
        time.sleep(LOAD_S)
        disk.cut_power()
        broker.wait(5)
        if broker.is_running():
            broker.kill()
        load.wait(20)
        disk.unmount()
        disk.mount()
        broker.flags = []
        listed = []
        if broker.start():
            broker.policy("q")
            listed = broker.list("q")
            broker.stop()
        else:
            assert flags, broker.log()  # without syncs even the file may be unusable
        with open(log, encoding="ascii") as file:
            accepted = set(file.read().split("\n")[:-1])
        return accepted, accepted & set(listed), listed
    finally:
        for broker in bench.brokers:
            if broker.is_running():
                broker.kill()
        disk.unmount()


def main():
    verdicts = Verdicts()
    why = loopfs.missing()
    if why:
        verdicts.skip("power cut", why)
        verdicts.exit()
    with Bench() as bench:
        for cut in range(CUTS):
            try:
                accepted, found, listed = cut_once(bench, f"cut{cut}", [])
            except OSError as error:
                verdicts.skip("power cut", str(error))
                verdicts.exit()
            verdicts.check("strict: every request acknowledged before a power cut is there",
                           len(accepted) > 100 and found == accepted and
                           len(set(listed)) == len(listed),
                           f"acknowledged {len(accepted)}, recovered {len(found)}, "
                           f"listed {len(listed)}")
        accepted, found, _ = cut_once(bench, "control", ["--unsynced"])
        verdicts.check("control without sync loses some of them",
                       len(accepted) > 100 and len(found) < len(accepted),
                       f"acknowledged {len(accepted)}, recovered {len(found)}")
    verdicts.exit()


if __name__ == "__main__":
    main()
