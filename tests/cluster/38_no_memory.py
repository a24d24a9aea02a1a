#!/usr/bin/env python3
"""No memory for what a peer sends: its session ends, the broker and all others go on.

The sizes that fail are chosen by a preloaded library; they are those of what the broker
holds (broker/payload.c): a header, the record's head, its body.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import client
import cluster
import session
from session import ENQUEUE_RIGHT, RECEIVE, RESPOND
from testbroker import MODE, Bench, Verdicts, shim

HELD, PIECE, REPLY = 28, 40, 16  # bytes before those of the record
STREAMED = 4
INTERNAL = 44
REQUEST, PART, ANSWER = 50001, 50003, 50007
HEAD = session.message({1: b"POST", 2: b"/", 6: b"http", 7: b"test", 8: b"127.0.0.1"})
RESPONSE = session.message({1: 200})
SIZES = (HELD + len(HEAD) + REQUEST, PIECE + PART, REPLY + len(RESPONSE) + ANSWER)


def metric(port, name):
    body = client.once(("127.0.0.1", port), "GET", "/metrics").body.decode()
    values = [float(line.split()[-1]) for line in body.splitlines()
              if line.startswith(f"holdfast_broker_{name} ")]
    return values[0] if values else None


def peer(bench, broker, role, rights):
    out = session.Session(broker.address, bench.who(role)).keep_alive()
    assert out.open("q", rights) == 0
    return out


def check_request(verdicts, bench, broker):
    feed = peer(bench, broker, "client", ENQUEUE_RIGHT)
    feed.enqueue(b"x" * (REQUEST - 1))
    verdicts.check("control: a request of another size is accepted",
                   feed.next("ACCEPTED") is not None)
    feed.enqueue(b"x" * REQUEST)
    verdicts.check("no memory for a request: its session ends",
                   feed.ending() == INTERNAL)
    feed.close()


def check_piece(verdicts, bench, broker):
    feed = peer(bench, broker, "client", ENQUEUE_RIGHT)
    request = feed.enqueue(flags=session.ASYNC | STREAMED)
    assert feed.next("ADMITTED") is not None
    feed.send("BODY", {1: request, 4: 1}, body=b"x" * PART)
    verdicts.check("no memory for a piece of a body: its session ends",
                   feed.ending() == INTERNAL)
    feed.close()


def check_response(verdicts, bench, broker):
    feed = peer(bench, broker, "client", ENQUEUE_RIGHT)
    feed.enqueue(b"again", flags=1)
    worker = peer(bench, broker, "worker", RECEIVE | RESPOND)
    worker.credit(9)
    due, assign = time.monotonic() + 10, None
    while assign is None and time.monotonic() < due:
        got = worker.next("ASSIGN")
        if got is not None and got.fields.get(8) == 1:
            assign = got
        elif got is not None:
            worker.respond(got)
    worker.respond(assign, b"x" * ANSWER)
    verdicts.check("no memory for a response: its session ends",
                   worker.ending() == INTERNAL)
    worker.close()
    other = peer(bench, broker, "worker", RECEIVE | RESPOND)
    other.credit(1)
    again = other.next("ASSIGN", seconds=10)
    verdicts.check("and another worker answers that request",
                   again is not None and again.fields[1] == assign.fields[1], str(again))
    other.respond(again, b"y")
    verdicts.check("its client gets it", feed.next("RESPONSE") is not None)
    other.close()
    feed.close()


def main():
    verdicts = Verdicts()
    if MODE != "release" or not os.path.exists(shim("fail_malloc")):
        verdicts.skip("memory that is missing", "a sanitizer has its own malloc")
        verdicts.exit()
    with Bench() as bench:
        port = cluster.free_ports(1)[0]
        broker = bench.broker(
            flags=["--admin", f"127.0.0.1:{port}"],
            env={"LD_PRELOAD": shim("fail_malloc"),
                 "HOLDFAST_FAULT": "malloc:" + ",".join(map(str, SIZES))})
        assert broker.start(), broker.log()
        broker.policy("q")
        started = broker.process.pid
        for check in (check_request, check_piece, check_response):
            check(verdicts, bench, broker)
        verdicts.check("the broker has lived through it",
                       broker.is_running() and broker.process.pid == started)
        verdicts.check("and has counted it", metric(port, "no_memory_total") == 3,
                       str(metric(port, "no_memory_total")))
        verdicts.check("and logged it", broker.log().count("no memory for a record") == 3)
    verdicts.exit()


if __name__ == "__main__":
    main()
