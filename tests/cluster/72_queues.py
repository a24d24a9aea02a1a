#!/usr/bin/env python3
"""Limits and times of queues as a client sees them, from the specification: FEATURES rows
22 (length, bytes), 23 (wait limit), 24 (deadline), 25 (abandoned requests), 31 (credits), 32
(states), 46 and 47 (attempts), 99 (a full queue blocks no other), 10 and 9 (413, 100).
"""
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import client
import cluster
import rawapp
from client import Connection
from cluster import SLOW, wait_for
from testbroker import Verdicts

LENGTH, CONCURRENCY, ATTEMPTS = 10, 3, 2
GROUPS = ("length", "bytes", "wait", "deadline", "gone", "credit", "attempts", "free")


def answer(seen):
    path = seen.target
    if path.startswith("/credit/"):
        time.sleep(0.1)
    if path.startswith("/deadline/"):
        time.sleep(3)
    if path.startswith("/attempts/"):
        return (b"",)
    return rawapp.ok(seen)


def config(port, upstream):
    queues = {"length": {"length": LENGTH, "state": "paused"},
              "bytes": {"bytes": "64KiB", "state": "paused"},
              "wait": {"wait_limit": "700ms"}, "deadline": {}, "gone": {"state": "paused"},
              "credit": {}, "attempts": {"attempts": ATTEMPTS}, "free": {}}
    groups = {"deadline": {"deadline": "1s"}, "free": {"body_max": 1000}}
    return {
        "cluster": "test",
        "frontends": [{"name": "f1", "listen": [f"127.0.0.1:{port}"]}],
        "brokers": [{"name": "b1"}],
        "queues": [{"name": q, **queues[q]} for q in GROUPS],
        "url_groups": [{"name": q, "prefixes": [f"http://*:{port}/{q}/"], "queue": q,
                        **groups.get(q, {})} for q in GROUPS],
        "pools": [{"name": q, "queue": q, "upstream": f"http://127.0.0.1:{upstream}",
                   "concurrency": CONCURRENCY if q == "credit" else 16}
                  for q in GROUPS if q != "wait"]}


class Waiter(threading.Thread):
    """One request in the background; `answer` is None until there is one."""

    def __init__(self, port, target, method="GET", body=None):
        super().__init__(daemon=True)
        self.port, self.what = port, (method, target, body)
        self.answer, self.took, self.connection = None, None, None
        self.start()

    def run(self):
        began = time.monotonic()
        try:
            self.connection = Connection(("127.0.0.1", self.port), 30 * SLOW)
            self.answer = self.connection.request(*self.what)
        except (client.Broken, OSError) as error:
            self.answer = error
        self.took = time.monotonic() - began

    def leave(self):
        """The client goes; close() alone waits for the thread that reads."""
        self.connection.socket.shutdown(socket.SHUT_RDWR)

    def status(self, seconds=30):
        self.join(seconds * SLOW)
        return getattr(self.answer, "status", self.answer)


class Queues:
    def __init__(self, verdicts, running, app, port):
        self.check, self.running, self.app, self.port = verdicts.check, running, app, port

    def ask(self, target, method="GET", body=None, fields=()):
        return client.once(("127.0.0.1", self.port), method, target, body, fields,
                           20 * SLOW)

    def depth(self, name):
        return self.running.queue(name)["depth"]

    def enable(self, name):
        for queue in self.running.config["queues"]:
            if queue["name"] == name:
                queue["state"] = "enabled"
        self.running.write(self.running.config)

    def is_full(self, answer):
        after = answer.get("Retry-After")
        return (answer.is_problem(503, "QueueFull") and after is not None and
                after.isdigit() and int(after) >= 1)


def check_length(q):
    held = [Waiter(q.port, f"/length/{i}") for i in range(LENGTH)]
    q.check("row 22: the queue holds as many requests as its length",
            wait_for(lambda: q.depth("length") == LENGTH, 10 * SLOW), str(q.depth("length")))
    got = q.ask("/length/over")
    q.check("row 22: one more is 503 QueueFull with Retry-After", q.is_full(got),
            f"{got.told()}, Retry-After {got.get('Retry-After')}")
    got = q.ask("/length/over", "POST", b"x" * 500, [("Expect", "100-continue")])
    q.check("row 9: refused before the body is asked for", q.is_full(got) and
            not got.interim, got.told())
    q.check("row 99: another queue goes on", q.ask("/free/x").status == 200)
    held[0].leave()
    wait_for(lambda: q.depth("length") == LENGTH - 1, 10 * SLOW)
    last = Waiter(q.port, "/length/next")
    q.check("a place that is given back is used again",
            wait_for(lambda: q.depth("length") == LENGTH, 10 * SLOW))
    q.enable("length")
    done = [w.status() for w in held[1:] + [last]]
    q.check("row 32: paused requests are answered when the queue is enabled",
            done == [200] * LENGTH, str(done))
    q.check("row 22: what was refused never reached the app",
            q.app.count("/length/over") == 0 and q.app.count("/length/0") == 0)


def check_bytes(q):
    held = [Waiter(q.port, "/bytes/a", "PUT", b"x" * 30000),
            Waiter(q.port, "/bytes/b", "PUT", b"x" * 30000)]
    wait_for(lambda: q.depth("bytes") == 2, 10 * SLOW)
    got = q.ask("/bytes/over", "PUT", b"x" * 30000)
    q.check("row 22: more bytes than the queue may hold: 503 QueueFull with Retry-After",
            q.is_full(got), got.told())
    got = q.ask("/bytes/over", "PUT", b"x" * 200000)
    q.check("row 22: a body longer than the queue: 503 QueueFull", q.is_full(got),
            got.told())
    q.enable("bytes")
    done = [w.status() for w in held]
    q.check("what fitted is answered", done == [200, 200], str(done))
    q.check("and the rest never reached the app", q.app.count("/bytes/over") == 0)


def check_wait(q):
    began = time.monotonic()
    got = q.ask("/wait/x")
    took = time.monotonic() - began
    q.check("row 23: not taken within the wait limit: 503 AppPoolTimer",
            got.is_problem(503, "AppPoolTimer") and 0.6 < took < 3 * SLOW,
            f"{got.told()} after {took:.2f} s")
    q.running.config["pools"].append({
        "name": "wait", "queue": "wait", "concurrency": 4,
        "upstream": q.running.config["pools"][0]["upstream"]})
    q.running.write(q.running.config)
    wait_for(lambda: q.ask("/wait/later").status == 200, 10 * SLOW)
    q.check("row 23: an expired request is never handed to a worker",
            q.app.count("/wait/x") == 0 and q.app.count("/wait/later") > 0)


def check_deadline(q):
    began = time.monotonic()
    got = q.ask("/deadline/x")
    took = time.monotonic() - began
    q.check("row 24: no answer by the deadline: 504 deadline",
            got.is_problem(504, "deadline") and 0.9 < took < 2.5 * SLOW,
            f"{got.told()} after {took:.2f} s")
    far = str(int(time.time() * 1000) + 3600000)
    began = time.monotonic()
    got = q.ask("/deadline/y", fields=[("Holdfast-Deadline", far)])
    q.check("row 24: a client cannot put its own deadline off",
            got.is_problem(504, "deadline") and time.monotonic() - began < 2.5 * SLOW,
            got.told())
    q.check("the lease of a dead request is given back", wait_for(
        lambda: q.running.queue("deadline")["in_flight"] == 0, 10 * SLOW))


def check_gone(q):
    waiter = Waiter(q.port, "/gone/x")
    wait_for(lambda: q.depth("gone") == 1, 10 * SLOW)
    waiter.leave()
    q.check("row 25: a client that leaves takes its queued request along",
            wait_for(lambda: q.depth("gone") == 0, 10 * SLOW))
    q.enable("gone")
    wait_for(lambda: q.ask("/gone/after").status == 200, 10 * SLOW)
    q.check("row 25: and no worker ever sees it", q.app.count("/gone/x") == 0)


def check_credit(q):
    q.app.most = 0
    done = [Waiter(q.port, f"/credit/{i}") for i in range(12)]
    statuses = [w.status() for w in done]
    q.check(f"row 31: {CONCURRENCY} requests at once and no more", statuses == [200] * 12
            and q.app.most == CONCURRENCY, f"{q.app.most} at once, {set(statuses)}")


def check_attempts(q):
    got = q.ask("/attempts/get")
    q.check("row 47: a repeatable request fails after its attempts: 502 attempts",
            got.is_problem(502, "attempts"), got.told())
    q.check(f"row 47: it was tried {ATTEMPTS} times", q.app.count("/attempts/get") ==
            ATTEMPTS, str(q.app.count("/attempts/get")))
    got = q.ask("/attempts/post", "POST", b"x")
    q.check("row 45: a POST that the app dropped is not run again: 502",
            got.status == 502 and q.app.count("/attempts/post") == 1,
            f"{got.told()}, {q.app.count('/attempts/post')} times")


def check_body(q):
    for body, status in ((b"x" * 1000, 200), (b"x" * 1001, 413)):
        got = q.ask("/free/body", "PUT", body)
        q.check(f"row 10: body_max 1000, {len(body)} bytes: {status}",
                got.status == status and (status == 200 or
                                          got.is_problem(413, "EntityTooLarge")),
                got.told())


def main():
    verdicts = Verdicts()
    port, upstream = cluster.free_ports(2)
    app = rawapp.App([upstream], answer)
    with cluster.Cluster(config(port, upstream)) as running:
        q = Queues(verdicts, running, app, port)
        for part in (check_length, check_bytes, check_wait, check_credit, check_deadline,
                     check_gone, check_attempts, check_body):
            try:
                part(q)
            except (client.Broken, OSError, AttributeError) as error:
                q.check(f"{part.__name__} to its end", False, repr(error))
    app.close()
    verdicts.exit()


if __name__ == "__main__":
    main()
