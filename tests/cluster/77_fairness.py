#!/usr/bin/env python3
"""FEATURES row 28: a client key that floods a queue waits behind itself; another key's
requests are answered as if the flood were not there, and none beyond its share is queued."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import client
import cluster
from cluster import SLOW, wait_for
from testbroker import Verdicts

FLOOD = 60
PROBES = 5
RUN_MS = 100  # of each request: the flood takes FLOOD * RUN_MS at one worker


def call(address, tenant, took):
    start = time.monotonic()
    try:
        answer = client.once(address, "GET", f"/delay/{RUN_MS}",
                             fields=[("X-Tenant", tenant)], seconds=60 * SLOW)
        took.append((answer.status, time.monotonic() - start))
    except (OSError, client.Broken) as failed:
        took.append((repr(failed), time.monotonic() - start))


def flood(stage, count):
    took = []
    calls = [threading.Thread(target=call, args=(stage.http(), "loud", took), daemon=True)
             for _ in range(count)]
    for each in calls:
        each.start()
    return calls, took


def queued(stage):
    queue = stage.queue()
    return queue["depth"] if queue else 0


def quiet_latency(stage, with_key):
    """The slowest of the probes of a quiet key while the flood is queued."""
    calls, loud = flood(stage, FLOOD)
    wait_for(lambda: queued(stage) >= FLOOD // 2, 5 * SLOW, 0.02)
    quiet = []
    for _ in range(PROBES if with_key else 1):
        call(stage.http(), "quiet", quiet)
    for each in calls:
        each.join(60 * SLOW)
    return quiet, loud


def run(verdicts, with_key, **queue):
    def config(stage):
        stage.port = cluster.free_ports(1)[0]
        out = cluster.echo_config(stage.port, **queue)
        out["pools"][0].update(processes=1, concurrency=1)
        if with_key:
            out["url_groups"][0]["fair_key"] = "header:X-Tenant"
        return out

    with cluster.Cluster(config) as stage:
        return quiet_latency(stage, with_key)


def main():
    verdicts = Verdicts()
    quiet, loud = run(verdicts, True, fair_share=100)
    slowest = max(seconds for _, seconds in quiet)
    drain = max(seconds for _, seconds in loud)
    verdicts.check("all of both keys are answered 200",
                   {s for s, _ in quiet + loud} == {200}, [quiet, loud])
    verdicts.check("the quiet key waits for 1 request or 2, not for the flood",
                   slowest < drain / 4, f"{slowest:.2f} s of {drain:.2f} s")
    quiet, loud = run(verdicts, False, fair_share=100)
    drain = max(seconds for _, seconds in loud)
    verdicts.check("without fair_key it waits behind the flood",
                   quiet[0][1] > drain / 4, f"{quiet[0][1]:.2f} s of {drain:.2f} s")
    quiet, loud = run(verdicts, True, length=100, fair_share=10)
    refused = [s for s, _ in loud if s == 503]
    verdicts.check("the flood beyond its share gets 503", len(refused) >= FLOOD // 2,
                   len(refused))
    verdicts.check("the other key does not", {s for s, _ in quiet} == {200}, quiet)
    verdicts.exit()


if __name__ == "__main__":
    main()
