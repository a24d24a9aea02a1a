#!/usr/bin/env python3
"""What one token may take of a broker: leases, requests a second, bytes, questions."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import client
import cluster
import session
from session import ENQUEUE_RIGHT, PEEK_RIGHT, RECEIVE, RESPOND
from testbroker import Bench, Verdicts

WORK = [(["q"], ["receive", "respond"])]
SEND = [(["q"], ["enqueue"])]
ASK = [(["q"], ["stat", "peek"])]
INSPECT_RATE = 5


def metric(port, name):
    body = client.once(("127.0.0.1", port), "GET", "/metrics").body.decode()
    values = [float(line.split()[-1]) for line in body.splitlines()
              if line.startswith(f"holdfast_broker_{name} ")]
    return values[0] if values else None


def opened(broker, who, rights):
    out = session.Session(broker.address, who).keep_alive()
    assert out.open("q", rights) == 0
    return out


def sender(bench, broker, **lim):
    return opened(broker, bench.minted(SEND, role=session.FRONTEND, lim=lim),
                  ENQUEUE_RIGHT)


def check_inflight(verdicts, bench, broker, port):
    who = bench.minted(WORK, lim={"inflight": 2})
    workers = [opened(broker, who, RECEIVE | RESPOND) for _ in range(2)]
    for worker in workers:
        worker.credit(5)
    feed = sender(bench, broker)
    for _ in range(5):
        feed.enqueue()
        assert feed.next("ACCEPTED") is not None
    got = [(w, a) for w in workers
           for a in (w.next("ASSIGN", seconds=0.5), w.next("ASSIGN", seconds=0.5)) if a]
    verdicts.check("inflight 2: two sessions of one token have two leases together",
                   len(got) == 2, str(len(got)))
    verdicts.check("and what waits for it is counted",
                   metric(port, "token_inflight_waits_total") >= 1)
    worker, assign = got[0]
    worker.respond(assign)
    more = [w.next("ASSIGN", seconds=1) for w in workers]
    verdicts.check("one that ends makes room for one",
                   sum(a is not None for a in more) == 1, str(more))
    for each in workers + [feed]:
        each.close()


def check_rate(verdicts, bench, broker, port):
    feed = sender(bench, broker, rate=2, burst=3)
    started = time.monotonic()
    answers = []
    for _ in range(6):
        feed.enqueue()
        answers.append(feed.next("ACCEPTED", "REFUSED"))
    refused = [a.fields for a in answers if a.name == "REFUSED"]
    in_time = time.monotonic() - started < 0.4
    verdicts.check("burst 3 of six requests: three are refused",
                   len(refused) == 3 or not in_time, str(len(refused)))
    verdicts.check("with RateLimit and when to come back", refused and all(
        r[2] == session.REASONS["RateLimit"] and 1 <= r[3] <= 500 for r in refused),
        str(refused[:1]))
    verdicts.check("and counted",
                   metric(port, "token_rate_refused_total") == len(refused))
    time.sleep(0.6)
    feed.enqueue()
    verdicts.check("a second's share later there is room again",
                   feed.next("ACCEPTED", "REFUSED").name == "ACCEPTED")
    feed.close()


def check_bytes(verdicts, bench, broker, port):
    feed = sender(bench, broker, bytes=5000)
    feed.enqueue(b"x" * 4000)
    fits = feed.next("ACCEPTED", "REFUSED")
    feed.enqueue(b"x" * 5000)
    over = feed.next("ACCEPTED", "REFUSED")
    verdicts.check("bytes 5000: a shorter request is taken", fits.name == "ACCEPTED")
    verdicts.check("a longer one gets EntityTooLarge", over.name == "REFUSED" and
                   over.fields[2] == session.REASONS["EntityTooLarge"], str(over.fields))
    verdicts.check("and is counted", metric(port, "token_bytes_refused_total") == 1)
    feed.close()


def check_questions(verdicts, bench, broker, port):
    who = bench.minted(ASK, role=session.ADMIN)
    asker = opened(broker, who, PEEK_RIGHT)
    for _ in range(INSPECT_RATE * 10):
        asker.send("STAT", {1: 1})
    verdicts.check("ten seconds' worth of questions at once is answered", all(
        asker.next("STAT_RESULT") is not None for _ in range(INSPECT_RATE * 10)))
    for _ in range(INSPECT_RATE * 10):
        asker.send("PEEK", {1: 1, 2: b"\0" * 16, 3: 10})
    verdicts.check("more ends the session with `limit`",
                   asker.ending() == session.REASONS["limit"])
    verdicts.check("and is counted", metric(port, "inspections_refused_total") == 1)
    verdicts.check("others are not concerned",
                   opened(broker, who, PEEK_RIGHT).list() is not None)
    asker.close()


def main():
    verdicts = Verdicts()
    with Bench() as bench:
        port = cluster.free_ports(1)[0]
        broker = bench.broker(flags=["--admin", f"127.0.0.1:{port}", "--inspect-rate",
                                     str(INSPECT_RATE)])
        assert broker.start(), broker.log()
        broker.policy("q")
        for check in (check_inflight, check_rate, check_bytes, check_questions):
            check(verdicts, bench, broker, port)
        verdicts.check("the broker has lived through it", broker.is_running())
    verdicts.exit()


if __name__ == "__main__":
    main()
