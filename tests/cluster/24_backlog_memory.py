#!/usr/bin/env python3
"""Requests that are on disk leave the broker's memory: 100,000 of 1 KiB take no more than
the cache of payloads and 300 B each (PERFORMANCE.md 6.1); tests/bench/big_backlog.py does
the same with 1,000,000. Bodies come back from the disk as they were.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import session
from testbroker import MODE, Bench, Verdicts

COUNT = 100000
CACHE_BYTES = 16 << 20


def bodies(number):
    """A body that no other request has; some are stored in several pieces."""
    return (b"%08d" % number) * (1 + number * 37 % 1500)


def check_bytes(verdicts, bench, broker):
    """After a kill nothing is in memory: each body must come from the disk."""
    client = session.Session(broker.address, bench.who("client")).keep_alive()
    assert client.open("b", session.ENQUEUE_RIGHT) == 0
    sent = {}
    for number in range(400):
        sent[client.enqueue(bodies(number))] = bodies(number)
    accepted = sum(client.next("ACCEPTED") is not None for _ in sent)
    client.close()
    broker.kill()
    assert broker.start(), broker.log()
    worker = session.Session(broker.address, bench.minted(
        [(["b"], ["receive", "respond"])])).keep_alive()
    assert worker.open("b", session.RECEIVE | session.RESPOND) == 0
    worker.credit(len(sent))
    got = {}
    while len(got) < len(sent) and (assign := worker.next("ASSIGN")) is not None:
        got[assign.fields[1]] = assign.body
    worker.close()
    verdicts.check("bodies of all sizes come back from the disk as they were",
                   accepted == len(sent) and got == sent, f"{len(got)} of {len(sent)}")


def main():
    verdicts = Verdicts()
    with Bench() as bench:
        broker = bench.broker(flags=["--requests-max", "200000"])
        assert broker.start(), broker.log()
        broker.policies("q", "b")
        check_bytes(verdicts, bench, broker)
        if MODE != "release":
            verdicts.skip("memory of a backlog", "sanitizers keep what was freed")
            verdicts.exit()
        before = broker.status()["RssAnon"]
        status, out = broker.enqueue("q", COUNT, 512)
        assert status == 0, out
        grown = 1024 * (broker.status()["RssAnon"] - before)
        verdicts.check("what is on disk leaves memory",
                       grown <= CACHE_BYTES + 300 * COUNT,
                       f"{grown >> 20} MiB for {COUNT} requests, "
                       f"{CACHE_BYTES >> 20} MiB of them may be cache")
    verdicts.exit()


if __name__ == "__main__":
    main()
