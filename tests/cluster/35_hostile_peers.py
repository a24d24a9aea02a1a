#!/usr/bin/env python3
"""Peers that are authenticated and mean harm: what they may cost a broker is bounded.

Empty and tiny pieces of bodies, times that do not fit, a page after an id that is gone,
a token's limit of connections, and a renewal that is narrower than what is open.
"""
import os
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hf1
import session
import sodium
from session import ENQUEUE_RIGHT, PEEK_RIGHT, RECEIVE, RESPOND, Fixed
from testbroker import MEMORY_FACTOR, Bench, Verdicts

STREAMED = 4
GRANT = [(["q"], ["receive", "respond"])]


def client_of(bench, broker):
    client = session.Session(broker.address, bench.who("client")).keep_alive()
    assert client.open("q", ENQUEUE_RIGHT) == 0
    return client


def worker_of(broker, who):
    worker = session.Session(broker.address, who).keep_alive()
    assert worker.open("q", RECEIVE | RESPOND) == 0
    return worker


def begin_streamed(client):
    request = client.enqueue(flags=session.ASYNC | STREAMED)
    assert client.next("ADMITTED").fields[1] == request
    return request


def body(request, offset, data, is_last=False):
    meta = session.message({1: request, 3: offset, 4: 1 if is_last else 0})
    return session.record("BODY", meta, body=data)


def check_pieces(verdicts, bench, broker):
    client = client_of(bench, broker)
    request = begin_streamed(client)
    client.send_content(body(request, 0, b"x") + body(request, 1, b""))
    verdicts.check("an empty piece that is not the last ends the session",
                   client.ending() not in (None, 0))
    client.close()
    client, count = client_of(bench, broker), 30000
    request = begin_streamed(client)
    before, started = broker.status()["VmRSS"], time.monotonic()
    for start in range(0, count, 500):
        client.send_content(b"".join(body(request, at, struct.pack("B", at % 251))
                                     for at in range(start, start + 500)))
    client.send_content(body(request, count, b"", True))
    accepted = client.next("ACCEPTED", seconds=20)
    took, grown = time.monotonic() - started, broker.status()["VmRSS"] - before
    verdicts.check("30,000 pieces of one byte are taken, in little time and memory",
                   accepted is not None and took < 15 and grown < 2048 * MEMORY_FACTOR,
                   f"{took:.1f} s, {grown} KiB")
    worker = worker_of(broker, bench.minted(GRANT))
    worker.credit(1)
    lease, got = worker.next("ASSIGN"), b""
    while len(got) < count:
        got += worker.next("BODY").body
    verdicts.check("and arrive as they were sent",
                   lease.fields[1] == request and
                   got == bytes(at % 251 for at in range(count)))
    worker.respond(lease)
    worker.next("RESPOND_ACK")
    worker.close()
    client.close()


def check_times(verdicts, bench, broker):
    client = client_of(bench, broker)
    for deadline in (1 << 63, (1 << 63) - 1, (1 << 64) - 1):
        client.send("ENQUEUE", {1: session.new_id(), 2: 1, 3: session.ASYNC, 4: deadline},
                    session.message({1: b"GET", 2: b"/"}))
        answer = client.next("ACCEPTED", "REFUSED")
        verdicts.check(f"deadline {deadline:#x} gets an answer", answer is not None,
                       answer and answer.name)
    client.close()


def check_paging(verdicts, bench, broker):
    client = client_of(bench, broker)
    for _ in range(40):  # no more answers unread than may wait
        for _ in range(500):
            client.enqueue()
        for _ in range(500):
            assert client.next("ACCEPTED", seconds=30) is not None
    client.send("OPEN", {1: 9, 2: b"q", 3: PEEK_RIGHT})
    if client.next("OPENED").fields.get(2, 0) != 0:
        client = session.Session(
            broker.address, bench.minted([(["q"], ["enqueue", "peek"])],
                                         role=session.FRONTEND)).keep_alive()
        assert client.open("q", PEEK_RIGHT, 9) == 0
    started = time.monotonic()
    client.send("PEEK", {1: 9, 2: session.new_id(), 3: 1000})
    page = client.next("PEEKED", seconds=20)
    took = time.monotonic() - started
    verdicts.check("a page after an id that is not there costs no search",
                   page is not None and not page.fields.get(2) and took < 1,
                   f"{took:.3f} s")
    client.send("PEEK", {1: 9, 2: b"\0" * 16, 3: 5})
    first = client.next("PEEKED").fields[2]
    client.send("PEEK", {1: 9, 2: first[16:32], 3: 3})
    verdicts.check("a page after an id in the middle goes on behind it",
                   client.next("PEEKED").fields[2] == first[32:])
    client.close()


def check_conns(verdicts, bench, broker):
    who = bench.minted(GRANT, lim={"conns": 2})
    first, second = worker_of(broker, who), worker_of(broker, who)
    try:
        session.Session(broker.address, who)
        third = "accepted"
    except (session.Rejected, session.Closed):
        third = "refused"
    verdicts.check("a token's limit of connections holds over all its sessions",
                   third == "refused", third)
    second.close()
    again, due = None, time.monotonic() + 5
    while again is None and time.monotonic() < due:
        try:
            again = worker_of(broker, who)
        except (session.Rejected, session.Closed):
            time.sleep(0.05)
    verdicts.check("and is free again when one of them has gone", again is not None)
    for each in (first, again):
        each.close()


def reauth(worker, token, counter):
    chain = token.encode()
    proof = hf1.pae([b"holdfast-hs-v1 reauth", worker.transcript,
                     struct.pack("<Q", counter), sodium.blake2b(chain)])
    worker.send("REAUTH", {1: chain, 2: counter,
                           3: sodium.sign(proof, worker.who.signer.secret)})


def check_narrowing(verdicts, bench, broker):
    """A chain about to end must not live on in the handles it has opened."""
    who = bench.minted(GRANT)
    worker = worker_of(broker, who)
    worker.credit(5)
    same = hf1.mint(bench.issuer, who.key, GRANT)
    reauth(worker, same, 1)
    verdicts.check("control: a renewal with the same rights is accepted",
                   worker.next("REAUTH_RESULT").fields.get(1) == 1)
    verdicts.check("and leaves the handle open", worker.next("CLOSED", seconds=0.5) is None)
    narrow = hf1.mint(bench.issuer, who.key, [(["elsewhere"], ["receive", "respond"])])
    reauth(worker, narrow, 2)
    closed = worker.next("CLOSED", seconds=3)
    verdicts.check("a renewal without the queue closes its handle",
                   closed is not None and closed.fields[1] == 1 and
                   closed.fields[2] == session.REASONS["denied"], f"{closed}")
    worker.waiting.clear()
    client = client_of(bench, broker)
    client.enqueue(b"not for the worker")
    client.next("ACCEPTED")
    verdicts.check("and nothing of that queue reaches it any more",
                   worker.next("ASSIGN", seconds=1) is None)
    worker.close()
    client.close()


def main():
    verdicts = Verdicts()
    with Bench() as bench:
        broker = bench.broker()
        assert broker.start(), broker.log()
        broker.policy("q")
        check_pieces(verdicts, bench, broker)
        check_times(verdicts, bench, broker)
        check_conns(verdicts, bench, broker)
        check_narrowing(verdicts, bench, broker)
        check_paging(verdicts, bench, broker)
        verdicts.check("the broker has lived through it", broker.is_running())
    verdicts.exit()


if __name__ == "__main__":
    main()
