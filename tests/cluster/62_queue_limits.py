#!/usr/bin/env python3
"""A queue's own limits as clients see them (FEATURES row 30): requests beyond them wait,
or get 429 with Retry-After and RateLimit. Time is measured in ratios to the limits."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import cluster
from client import Connection
from testbroker import Verdicts

BURST, DELAY_MS = 5, 400
QUEUES = {"refuse": {"rate": 1, "burst": BURST, "limit_action": "refuse"},
          "wait": {"max_in_flight": 2}}


def config(ports):
    return {
        "cluster": "test",
        "frontends": [{"name": "f1", "listen": [f"127.0.0.1:{p}" for p in ports.values()]}],
        "brokers": [{"name": "b1"}],
        "queues": [{"name": name, **rules} for name, rules in QUEUES.items()],
        "url_groups": [{"name": name, "prefixes": [f"http://*:{ports[name]}/"],
                        "queue": name} for name in QUEUES],
        "pools": [{"name": name, "queue": name, "module": "echo", "concurrency": 64}
                  for name in QUEUES]}


def get(port, path):
    connection = Connection(("127.0.0.1", port))
    answer = connection.request("GET", path)
    connection.close()
    return answer


def refused(verdicts, port):
    answers = [get(port, "/") for _ in range(3 * BURST)]
    passed = [a for a in answers if a.status == 200]
    too_many = [a for a in answers if a.status == 429]
    verdicts.check("the burst passes, the rest gets 429",
                   BURST <= len(passed) <= BURST + 3 and
                   len(passed) + len(too_many) == len(answers),
                   f"{len(passed)} passed, {len(too_many)} refused")
    last = too_many[-1]
    seconds = last.get("Retry-After")
    verdicts.check("429 says when to come again",
                   seconds is not None and last.get("RateLimit") ==
                   f'"queue";r=0;t={seconds}', last.told())
    time.sleep(int(seconds or 1) + 0.2)
    verdicts.check("who comes again then is served",
                   get(port, "/").status == 200, "")


def waits(verdicts, port):
    statuses = []
    threads = [threading.Thread(target=lambda: statuses.append(
        get(port, f"/delay/{DELAY_MS}").status)) for _ in range(6)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    verdicts.check("two at a time, the others wait and lose nothing",
                   statuses == [200] * 6 and took >= 3 * DELAY_MS / 1000,
                   f"{statuses}, {took:.2f} s for 3 x {DELAY_MS} ms")


def main():
    verdicts = Verdicts()
    ports = dict(zip(QUEUES, cluster.free_ports(len(QUEUES))))
    with cluster.Cluster(config(ports)) as running:
        assert cluster.wait_for(running.is_ready, 20 * cluster.SLOW, 0.1)
        refused(verdicts, ports["refuse"])
        waits(verdicts, ports["wait"])
    verdicts.exit()


if __name__ == "__main__":
    main()
