#!/usr/bin/env python3
"""FEATURES row 48: a request that kills its workers is answered 502 `poison`; the others
that were under way at the same workers are all answered, and cost no attempt."""
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import client
import cluster
from cluster import SLOW, wait_for
from testbroker import Verdicts

OTHERS = 64
KILLER = "/crash-always"


class Call(threading.Thread):
    """One GET on a connection of its own."""

    def __init__(self, address, target):
        super().__init__(daemon=True)
        self.address, self.target, self.answer = address, target, None

    def run(self):
        try:
            self.answer = client.once(self.address, "GET", self.target, seconds=60 * SLOW)
        except (OSError, client.Broken) as failed:
            self.answer = failed


def status_of(answer):
    return answer.status if isinstance(answer, client.Answer) else repr(answer)


def under_way(stage):
    queue = stage.queue()
    return queue and queue["in_flight"] >= OTHERS


def one_killer(verdicts, stage, processes):
    # All take longer than the killer's way, so that it dies in their midst.
    others = [Call(stage.http(), f"/delay/{300 + i}") for i in range(OTHERS)]
    for call in others:
        call.start()
    met = wait_for(lambda: under_way(stage), 5 * SLOW, 0.02)
    killer = Call(stage.http(), KILLER)
    killer.start()
    for call in [killer, *others]:
        call.join(90 * SLOW)
    verdicts.check(f"{processes} workers: {OTHERS} requests are under way", met)
    verdicts.check(f"{processes} workers: the killer is answered 502 poison",
                   isinstance(killer.answer, client.Answer) and
                   killer.answer.is_problem(502, "poison"), repr(killer.answer))
    wrong = [status_of(c.answer) for c in others if status_of(c.answer) != 200]
    verdicts.check(f"{processes} workers: everybody else is answered 200", not wrong, wrong)
    runs = [line for line in stage.executions() if line[0] == KILLER]
    verdicts.check(f"{processes} workers: it crashed 2 or 3 of them", 2 <= len(runs) <= 3,
                   runs)
    answer = stage.once("GET", "/")
    verdicts.check(f"{processes} workers: service goes on", answer.status == 200,
                   answer.told())


def run(verdicts, processes):
    def config(stage):
        stage.port = cluster.free_ports(1)[0]
        out = cluster.echo_config(stage.port, stage.path("executions"), max_crashes=2)
        out["pools"][0]["processes"] = processes
        return out

    with cluster.Cluster(config) as stage:
        one_killer(verdicts, stage, processes)


def main():
    verdicts = Verdicts()
    for processes in (2, 1):
        run(verdicts, processes)
    verdicts.exit()


if __name__ == "__main__":
    main()
