#!/usr/bin/env python3
"""The end of a cluster whose clients keep their connections: idle ones are closed at once,
what is in flight is answered with `Connection: close`, and nobody waits for anything else.
"""
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import client
import cluster
from client import Connection
from cluster import SLOW
from testbroker import Verdicts

IDLE = 20
ANSWER_MS = 1500
LINGER_S = 0.5  # for clients that say nothing more after their last answer


def closed_after(connection, began, out):
    """Seconds from `began` until the client sees the end; it never closes by itself."""
    try:
        while connection.more():
            pass
    except client.Broken:
        pass
    out.append(time.monotonic() - began)


def frontend_ends(verdicts, running):
    """SIGTERM to the frontend alone; `up` starts another, which is waited for."""
    idle = [Connection(running.http()) for _ in range(IDLE)]
    busy = Connection(running.http())
    untold = Connection(running.http())  # has not asked anything yet
    for connection in idle:
        assert connection.request("GET", "/x").status == 200
    busy.ask("GET", f"/delay/{ANSWER_MS}")
    time.sleep(0.3)
    pid = running.pid("frontend")
    began = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    ends = []
    watchers = [threading.Thread(target=closed_after, args=(c, began, ends), daemon=True)
                for c in idle]
    for watcher in watchers:
        watcher.start()
    early = None
    try:
        early = untold.request("GET", "/x")
    except client.Broken:
        pass
    answer = busy.answer()
    cluster.wait_for(lambda: not cluster.is_alive(pid), 10 * SLOW)
    took = time.monotonic() - began
    for watcher in watchers:
        watcher.join(10)
    verdicts.check("idle keep-alive connections are closed at once",
                   len(ends) == IDLE and max(ends) < 1.0 * SLOW,
                   f"{len(ends)} of {IDLE}, the last after {max(ends, default=99):.2f} s")
    verdicts.check("what is in flight is answered, with Connection: close",
                   answer.status == 200 and answer.get("Connection") == "close",
                   answer.told())
    verdicts.check("a connection that has just come is still told something",
                   early is not None and early.get("Connection") == "close",
                   early.told() if early else "nothing")
    verdicts.check("the frontend ends as soon as nothing is held, though no client closes",
                   took < ANSWER_MS / 1000 + (LINGER_S + 1) * SLOW, f"{took:.2f} s")
    for connection in [*idle, busy, untold]:
        connection.close()


def cluster_ends(verdicts, running):
    idle = [Connection(running.http()) for _ in range(IDLE)]
    for connection in idle:
        assert connection.request("GET", "/x").status == 200
    began = time.monotonic()
    code = running.stop()
    took = time.monotonic() - began
    verdicts.check("holdfast up with idle clients ends within 3 s",
                   code == 0 and took < 3 * SLOW, f"status {code}, {took:.2f} s")
    for connection in idle:
        connection.close()


def answers(running):
    """The new frontend listens: what is_ready knows may still be of the old one."""
    try:
        connection = Connection(running.http())
        status = connection.request("GET", "/x").status
        connection.close()
    except OSError:
        return False
    return status == 200


def main():
    verdicts = Verdicts()
    with cluster.Cluster() as running:
        frontend_ends(verdicts, running)
        assert cluster.wait_for(lambda: answers(running), 20 * SLOW, 0.1)
        cluster_ends(verdicts, running)
    verdicts.exit()


if __name__ == "__main__":
    main()
