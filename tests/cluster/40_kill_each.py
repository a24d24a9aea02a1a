#!/usr/bin/env python3
"""kill -9 of each process while a client waits: the client gets its answer.

Each round sends a GET and two POSTs to /delay/MS, one of them to a queue with `redeliver:
always`, waits until status shows who holds them, and kills. Short mode sends the three
together; HOLDFAST_FULL=1 sends each alone, with 2000 ms. The echo module logs each
execution: a POST without `redeliver: always` is never executed twice.
"""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import client
import cluster
from cluster import SLOW, wait_for
from testbroker import IS_FULL, Verdicts

DELAY_MS = 2000 if IS_FULL else 700 * SLOW
GRACE = "5s" if IS_FULL else f"{2 * SLOW}s"
KINDS = ("GET", "POST", "POST to redeliver: always")

# Who is killed: what a GET, a POST, a POST with `redeliver: always` get, and how often
# they may have been executed.
ONCE, TWICE = (1, 1), (1, 2)
TABLE = {
    "worker": (((200, None), (2, 2)), ((502, "worker-lost"), ONCE), ((200, None), (2, 2))),
    "broker": (((200, None), TWICE), ((200, None), ONCE), ((200, None), TWICE)),
    "broker and worker": (((200, None), (2, 2)), ((502, "outcome-unknown"), ONCE),
                          ((200, None), (2, 2))),
    "controller": (((200, None), ONCE),) * 3,
    "mint": (((200, None), ONCE),) * 3,
    "spawner": (((200, None), (2, 2)), ((502, "worker-lost"), ONCE), ((200, None), (2, 2))),
}


def config(ports, log):
    out = cluster.echo_config(ports[0], log)
    out["brokers"][0]["lease_grace"] = GRACE
    out["frontends"][0]["listen"].append(f"127.0.0.1:{ports[1]}")
    out["queues"].append({"name": "always", "redeliver": "always"})
    out["url_groups"].append({"name": "always", "prefixes": [f"http://*:{ports[1]}/"],
                              "queue": "always"})
    out["pools"].append({**out["pools"][0], "name": "always", "queue": "always"})
    return out


class Request(threading.Thread):
    def __init__(self, number, kind, ports):
        super().__init__(daemon=True)
        self.target = f"/delay/{DELAY_MS}?n={number}"
        self.address = ("127.0.0.1", ports[1 if kind == 2 else 0])
        self.method = KINDS[kind].split()[0]
        self.kind, self.answer, self.leftover = kind, None, b""
        self.start()

    def run(self):
        body = None if self.method == "GET" else b"work"
        try:
            with client.Connection(self.address, 60 * SLOW) as connection:
                self.answer = connection.request(self.method, self.target, body)
                self.leftover = connection.leftover(0.05)
        except (client.Broken, OSError) as error:
            self.answer = error

    def is_as(self, status, reason):
        if isinstance(self.answer, Exception) or self.answer is None or self.leftover:
            return False
        if reason is not None:
            return self.answer.is_problem(status, reason)
        want = b"hello\n" if self.method == "GET" else b"work"
        return self.answer.status == status and self.answer.body == want

    def told(self):
        return self.answer.told() if isinstance(self.answer, client.Answer) else \
            f"no answer ({self.answer})"


def holders(running, count):
    """Pids that hold the `count` requests; None while status does not show them all."""
    status = running.status(can_fail=True)
    if status is None:
        return None
    held = [w for w in status["workers"] if w["leases"] > 0]
    enough = sum(w["leases"] for w in held) >= count
    return [w["pid"] for w in held] if enough else None


def kill(running, who, held):
    """The pids that were killed."""
    if who == "worker":
        pids = held
    elif who == "broker and worker":
        pids = [running.pid("broker"), *held]
    else:
        pids = [running.pid(who)]
    for pid in pids:
        cluster.kill(pid)
    return pids


def play(verdicts, running, who, requests):
    held = wait_for(lambda: holders(running, len(requests)), DELAY_MS / 1000, 0.01)
    if not held:
        verdicts.check(f"{who} killed", False, "no worker was seen to hold the request")
        return
    began = time.monotonic()
    kill(running, who, held)
    for request in requests:
        request.join(70 * SLOW)
        took = time.monotonic() - began
        (status, reason), (least, most) = TABLE[who][request.kind]
        runs = [e for e in running.executions() if e[0] == request.target]
        claim = f"{who} killed, {KINDS[request.kind]}: {status} {reason or 'once'}"
        verdicts.check(claim, request.is_as(status, reason) and
                       least <= len(runs) <= most and len({e[1] for e in runs}) == 1,
                       f"{request.told()} after {took:.1f} s, {len(runs)} executions")


def main():
    verdicts = Verdicts()
    ports = cluster.free_ports(2)
    rounds = ([0], [1], [2]) if IS_FULL else ([0, 1, 2],)
    number = 0
    with cluster.Cluster(lambda c: config(ports, c.path("executions"))) as running:
        for who in TABLE:
            for kinds in rounds:
                # Workers that ran for a second are restarted without a delay.
                assert wait_for(running.is_ready, 20 * SLOW), running.tail()
                time.sleep(1)
                number += 10
                play(verdicts, running, who,
                     [Request(number + kind, kind, ports) for kind in kinds])
    verdicts.exit()


if __name__ == "__main__":
    main()
