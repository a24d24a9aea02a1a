#!/usr/bin/env python3
"""kill -9 of the broker under load, 12 times (HOLDFAST_FULL=1: 60).

A client enqueues into a strict queue and logs what was accepted. After each restart
nothing accepted may be missing and nothing may be listed twice. In every second cycle a
worker with credit for 32 answers meanwhile: what was accepted is answered and
acknowledged, still listed, or one of the at most 32 answers a kill that were on their way.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from testbroker import IS_FULL, Bench, Verdicts

CYCLES = 60 if IS_FULL else 12
CREDIT = 32


def read_ids(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="ascii") as file:
        return file.read().split("\n")[:-1]


def load_and_kill(bench, broker, cycle, logs):
    load = bench.spawn("enqueue", broker.address, bench.package("client"), "q", 100000000,
                       64, 512, logs["accepted"])
    worker = None
    if cycle % 2 == 1:
        worker = bench.spawn("work", broker.address, bench.package("worker"), "q",
                             100000000, CREDIT, logs["handed"], logs["answered"])
    time.sleep(0.15 + 0.02 * (cycle % 7))
    broker.kill()
    load.wait(30)
    if worker is not None:
        worker.wait(30)


class Account:
    """What is known of each id over all cycles."""

    def __init__(self, bench):
        self.logs = {name: bench.path(name) for name in ("accepted", "handed", "answered")}
        self.lost, self.came_back, self.unclear_most, self.twice = set(), set(), 0, 0
        self.unclear = set()

    def ids(self, name):
        return set(read_ids(self.logs[name]))

    def after_restart(self, listed):
        self.twice += len(listed) - len(set(listed))
        listed, answered = set(listed), self.ids("answered")
        self.came_back |= answered & listed
        gone = self.ids("accepted") - answered - listed
        self.lost |= gone - self.ids("handed")
        unclear = gone & self.ids("handed")
        self.unclear_most = max(self.unclear_most, len(unclear - self.unclear))
        self.unclear = unclear


def main():
    verdicts = Verdicts()
    starts_ms = []
    with Bench() as bench:
        broker = bench.broker(flags=["--lease-grace", "1s"])
        account = Account(bench)
        assert broker.start(), broker.log()
        broker.policy("q")
        for cycle in range(CYCLES):
            load_and_kill(bench, broker, cycle, account.logs)
            started = time.monotonic()
            assert broker.start(), broker.log()
            starts_ms.append(1000 * (time.monotonic() - started))
            account.after_restart(broker.list("q"))
        accepted = read_ids(account.logs["accepted"])
        answered = account.ids("answered")
        broker.stop()
    verdicts.check("nothing accepted is missing after kill -9 of the broker",
                   len(accepted) > 20 * CYCLES and len(answered) > CYCLES and
                   not account.lost and account.unclear_most <= CREDIT,
                   f"{CYCLES} kills, accepted {len(accepted)}, answered {len(answered)}, "
                   f"lost {len(account.lost)}, at most {account.unclear_most} answers on "
                   f"their way, slowest start {max(starts_ms):.0f} ms")
    verdicts.check("nothing is listed or accepted twice after kill -9 of the broker",
                   account.twice == 0 and len(accepted) == len(set(accepted)))
    verdicts.check("nothing whose answer was acknowledged comes back",
                   not account.came_back, f"{len(account.came_back)} came back")
    verdicts.exit()


if __name__ == "__main__":
    main()
