#!/usr/bin/env python3
"""A full store refuses with DiskFull, goes on answering, and takes requests again.

Three ways to be full: the quota of the LMDB map, a small file system filled by the broker
itself, and one that somebody else has filled to the last byte.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import loopfs
from testbroker import Bench, Verdicts


def count_of(out, *words):
    """The number behind these words in the wire client's report."""
    for line in out.splitlines():
        parts = line.split()
        for i in range(len(parts) - len(words)):
            if parts[i:i + len(words)] == list(words):
                return int(parts[i + len(words)])
    return 0


def fill(broker, log, count=120000):
    _, out = broker.enqueue("q", count, 256, 1024, log)
    return count_of(out, "accepted"), count_of(out, "refused", "DiskFull")


def drain(bench, broker, count):
    status, out = bench.wire("work", broker.address, bench.package("worker"), "q", count,
                             256)
    return status == 0, out.strip()


def accepted_again(broker, log, seconds=5):
    due = time.monotonic() + seconds
    while time.monotonic() < due:
        if broker.enqueue("q", 100, 16, 1024, log)[0] == 0:
            return True
        time.sleep(0.1)
    return False


def go_round(verdicts, bench, broker, name, spoil=None):
    """Fills, perhaps lets `spoil` take the rest, drains, fills again."""
    log = bench.path(name + ".ids")
    broker.policy("q")
    taken, refused = fill(broker, log)
    verdicts.check(f"{name}: refused with DiskFull, the broker goes on",
                   taken > 1000 and refused > 0 and broker.is_running(),
                   f"accepted {taken}, refused {refused}")
    restore = spoil() if spoil else None
    is_drained, said = drain(bench, broker, taken)
    verdicts.check(f"{name}: what was accepted is answered although it is full",
                   is_drained and broker.is_running(),
                   said if broker.is_running() else broker.log().splitlines()[-1])
    if restore:
        restore()
    if not broker.is_running():
        verdicts.check(f"{name}: a restart is clean", broker.start(), "")
    verdicts.check(f"{name}: requests are taken again when space returns",
                   accepted_again(broker, log))
    broker.stop()


def eat_all(disk):
    """Fills what is left of the disk, reserved blocks too; returns how to undo it."""
    path = disk.path("eaten")
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                pass
    return lambda: os.unlink(path)


def main():
    verdicts = Verdicts()
    with Bench() as bench:
        broker = bench.broker(name="map", flags=["--map-size", "32MiB"])
        assert broker.start(), broker.log()
        go_round(verdicts, bench, broker, "map quota")
        why = loopfs.missing()
        for name in ("small disk", "eaten disk"):
            if why:
                verdicts.skip(name, why)
                continue
            try:
                disk = loopfs.Disk(bench.directory, name.replace(" ", "-"), 64)
            except OSError as error:
                verdicts.skip(name, str(error))
                continue
            broker = bench.broker(name=name.split()[0], store=disk.path("store"))
            try:
                assert broker.start(), broker.log()
                go_round(verdicts, bench, broker, name,
                         (lambda d=disk: eat_all(d)) if name == "eaten disk" else None)
            finally:
                if broker.is_running():
                    broker.kill()
                disk.unmount()
    verdicts.exit()


if __name__ == "__main__":
    main()
