#!/usr/bin/env python3
"""Load from 64 connections while a worker is killed every second and the broker every
five: nothing fails, is lost or answered twice. Short mode: 8 s, HOLDFAST_FULL=1: 20 s.

The client numbers its requests, the echo module logs each execution. Executions beyond
one per request are counted, and each belongs to a request that was on its way at a kill.
"""
import collections
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import cluster
from cluster import SLOW, is_alive
from load import Load
from testbroker import IS_FULL, Verdicts

SECONDS = 20 if IS_FULL else 8
SHARE = SECONDS / 20 / SLOW
REQUESTS, HOLDERS, REDELIVERED = int(5000 * SHARE), int(15 * SHARE), int(50 * SHARE)
# A kill takes effect on what was sent shortly before it was noted, or answered after.
SLACK_S = 0.1


class Killer:
    """Kills on schedule and counts what status says meanwhile."""

    def __init__(self, running):
        self.running, self.times = running, []
        self.holders, self.workers, self.brokers = 0, 0, 0
        self.redelivered, self.last = 0, 0

    def look(self):
        status = self.running.status(can_fail=True)
        queue = status and self.running.queue("echo", status)
        if queue:
            # The counter begins anew with each broker.
            now = queue["redelivered"]
            self.redelivered += now - self.last if now >= self.last else now
            self.last = now
        return status or {"workers": [], "processes": []}

    def kill(self, pid):
        self.times.append(time.monotonic())
        return cluster.kill(pid)

    def worker(self):
        """The one that has lived longest, of those that hold a lease if there are any."""
        due = time.monotonic() + 0.6
        while True:
            alive = [w for w in self.look()["workers"] if w["pid"] > 0 and
                     is_alive(w["pid"])]
            held = [w for w in alive if w["leases"] > 0]
            if held or time.monotonic() > due:
                break
            time.sleep(0.05)
        for worker in sorted(held or alive, key=lambda w: w["since"])[:1]:
            if self.kill(worker["pid"]):
                self.workers += 1
                self.holders += bool(held)

    def broker(self):
        for process in self.running.processes("broker", self.look()):
            if is_alive(process["pid"]) and self.kill(process["pid"]):
                self.brokers += 1

    def run(self, seconds):
        began = time.monotonic()
        for second in range(1, seconds + 1):
            while time.monotonic() < began + second - 0.3:
                self.look()
                time.sleep(0.1)
            if second % 5 == 0:
                self.broker()
                time.sleep(max(0.0, began + second - time.monotonic()))
            else:
                time.sleep(max(0.0, began + second - time.monotonic()))
            self.worker()


def executions(running):
    """{number: how many}"""
    return collections.Counter(int(target.rpartition("n=")[2])
                               for target, _, _ in running.executions())


def unexplained(load, counts, times):
    """Requests that ran twice although no kill fell into their time."""
    spans = {o.number: (o.began - SLACK_S, o.ended + SLACK_S) for o in load.outcomes}
    return [n for n, count in counts.items() if count > 1 and
            not any(spans[n][0] <= t <= spans[n][1] for t in times)]


def judge(verdicts, load, running, killer):
    counts = executions(running)
    answered = [o.number for o in load.outcomes if o.fault is None]
    never = [n for n in answered if counts[n] == 0]
    odd = unexplained(load, counts, killer.times)
    extra = sum(count - 1 for count in counts.values())
    verdicts.check("kills under load: no request failed or was lost",
                   not load.failed() and len(load.outcomes) == load.sent() and not never,
                   load.told())
    verdicts.check("kills under load: none was answered twice", not load.leftovers,
                   f"{load.leftovers[:2]}" if load.leftovers else "")
    verdicts.check("executions beyond one belong to a kill",
                   not odd and extra <= killer.redelivered + 64 * len(killer.times),
                   f"{extra} of {sum(counts.values())} beyond one, {len(odd)} without a "
                   f"kill")
    p999 = load.percentile(.999)
    verdicts.check("p99.9 below 3 s", p999 < 3 * SLOW, f"{1000 * p999:.0f} ms")
    verdicts.check("enough happened",
                   len(load.outcomes) >= REQUESTS and killer.holders >= HOLDERS and
                   killer.redelivered >= REDELIVERED and
                   killer.brokers >= SECONDS // 5,
                   f"{len(load.outcomes)} requests, {killer.workers} workers killed, "
                   f"{killer.holders} of them with a lease, {killer.brokers} brokers, "
                   f"{killer.redelivered} redeliveries")


def main():
    verdicts = Verdicts()
    with cluster.Cluster() as running:
        load = Load(running.http())
        time.sleep(0.5)
        killer = Killer(running)
        killer.run(SECONDS)
        is_over = load.stop()
        killer.look()
        verdicts.check("every connection came to its end", is_over)
        judge(verdicts, load, running, killer)
    verdicts.exit()


if __name__ == "__main__":
    main()
