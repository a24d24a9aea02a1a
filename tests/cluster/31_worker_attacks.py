#!/usr/bin/env python3
"""What a worker with a valid token for queue a can do to others: nothing (T-WRK-1, 3, 4).

It cannot open queue b or learn that it exists, answer another's lease, hoard beyond its
credit, keep a lease by a declaration without its receipt, or speak as somebody else; and
records against the protocol end its own session only.
"""
import os
import random
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import session
from session import PEEK_RIGHT, RECEIVE, RESPOND, Fixed
from testbroker import IS_FULL, MEMORY_FACTOR, Bench, Verdicts

GRANT_A = [(["a"], ["receive", "respond"])]
GRANT_B = [(["b"], ["receive", "respond"])]
CUT_OFF = (("closed", 12), ("closed", 6))
FUZZ_SESSIONS = 400 if IS_FULL else 60


def client_of(bench, broker, *queues):
    client = session.Session(broker.address, bench.who("client")).keep_alive()
    for number, queue in enumerate(queues, 1):
        assert client.open(queue, session.ENQUEUE_RIGHT, number) == 0
    return client


def worker_of(bench, broker, queue="a", who=None, credit=0, is_alive=True):
    who = who or bench.minted([([queue], ["receive", "respond"])])
    worker = session.Session(broker.address, who)
    if is_alive:
        worker.keep_alive()
    assert worker.open(queue, RECEIVE | RESPOND) == 0
    if credit:
        worker.credit(credit)
    return worker


def check_queues(verdicts, bench, broker):
    worker = session.Session(broker.address, bench.minted(GRANT_A))
    replies = []
    for queue in ("b", "nowhere", "a.b", "$cluster", "a\0b", "A", "", "x" * 255):
        worker.send("OPEN", {1: 7, 2: queue.encode(), 3: RECEIVE | RESPOND})
        replies.append(worker.next("OPENED").fields)
    same = all(r == replies[0] and r.get(2) == session.REASONS["denied"] for r in replies)
    verdicts.check("forbidden, unknown and malformed queues get the same answer", same,
                   f"{replies[0]}")
    worker.send("OPEN", {1: 7, 2: b"a", 3: RECEIVE | PEEK_RIGHT})
    verdicts.check("a right that the token lacks denies the whole OPEN",
                   worker.next("OPENED").fields.get(2, 0) == replies[0][2])
    verdicts.check("control: its own queue opens", worker.open("a", RECEIVE | RESPOND) == 0)
    worker.close()


def check_foreign_answers(verdicts, bench, broker):
    """T-WRK-1, with an attacker on the same and on another queue."""
    client = client_of(bench, broker, "a", "b")
    victim = worker_of(bench, broker, "b", credit=1)
    request = client.enqueue(b"secret", handle=2)
    lease = victim.next("ASSIGN")
    for queue in ("a", "b"):
        thief = worker_of(bench, broker, queue)
        for epoch in (lease.fields[2], lease.fields[2] + 1, 0):
            thief.respond(lease, b"forged", epoch=epoch)
            denied = thief.next("RESPOND_ACK")
            verdicts.check(f"answer to another's request is refused (holder of {queue})",
                           denied is not None and denied.fields.get(3, 0) in (1, 2),
                           f"result {denied.fields.get(3, 0)}")
        for kind in ("RELEASE", "FAIL"):
            thief.send(kind, {1: lease.fields[1], 2: Fixed(lease.fields[2])})
        thief.respond(lease, b"forged", id=session.new_id())
        thief.next("RESPOND_ACK", seconds=2)
        thief.close()
    verdicts.check("the log says E_DENIED", broker.wait_log("code=E_DENIED"))
    victim.respond(lease, b"true")
    ack = victim.next("RESPOND_ACK")
    verdicts.check("the victim is unaffected: its answer counts (T-WRK-1)",
                   ack is not None and ack.fields.get(3, 0) == 0 and lease.fields[1] == request)
    victim.close()
    client.close()


def check_hoarding(verdicts, bench, broker):
    """T-WRK-4: no more leases than credit; a silent hoarder loses them."""
    client = client_of(bench, broker, "a")
    hoarder = worker_of(bench, broker, credit=5)
    ids = {client.enqueue(b"x") for _ in range(20)}
    got = set()
    while (assign := hoarder.next("ASSIGN", seconds=0.7)) is not None:
        got.add(assign.fields[1])
    other = worker_of(bench, broker, credit=15)
    rest = set()
    while len(rest) < 15 and (assign := other.next("ASSIGN", seconds=3)) is not None:
        rest.add(assign.fields[1])
        other.respond(assign)
    verdicts.check("a worker gets no more than its credit; others get the rest (T-WRK-4)",
                   len(got) == 5 and rest == ids - got, f"{len(got)} and {len(rest)}")
    hoarder.close()
    other.credit(5)
    back = set()
    while len(back) < 5 and (assign := other.next("ASSIGN", seconds=5)) is not None:
        back.add(assign.fields[1])
        other.respond(assign)
    verdicts.check("what it hoarded goes to another when it is gone", back == got,
                   f"{len(back)} of {len(got)}")
    greedy = worker_of(bench, broker)
    greedy.credit(70000)
    verdicts.check("credit beyond 65,535 ends the session",
                   greedy.ending() not in (None, 0))
    for each in (other, client):
        each.close()


def check_silence(verdicts, bench):
    """A lease ends with the heartbeats of who holds it."""
    broker = bench.broker(name="short", flags=["--lease", "1s"])
    assert broker.start(), broker.log()
    broker.policy("a")
    client = client_of(bench, broker, "a")
    silent = worker_of(bench, broker, credit=1, is_alive=False)
    request = client.enqueue(b"x")
    assert silent.next("ASSIGN").fields[1] == request
    started = time.monotonic()
    patient = worker_of(bench, broker, credit=1)
    again = None
    while again is None and time.monotonic() < started + 6:
        again = patient.next("ASSIGN", seconds=0.5)
    took = time.monotonic() - started
    verdicts.check("a worker that falls silent loses its lease to another",
                   again is not None and again.fields[1] == request and
                   again.fields[4] == 2, f"after {took:.1f} s")
    for each in (silent, patient, client):
        each.close()
    broker.kill()


def declare(worker, assign, **changes):
    worker.send("DECLARE", {1: 1, 2: assign.fields[1],
                            3: Fixed(changes.get("epoch", assign.fields[2])),
                            4: changes.get("receipt", assign.fields[9])})
    got = worker.next("DECLARED")
    return None if got is None else bool(got.fields.get(3, 0))


def check_declarations(verdicts, bench, broker):
    client = client_of(bench, broker, "a")
    who = bench.minted(GRANT_A)
    holder = worker_of(bench, broker, who=who, credit=1)
    client.enqueue(b"x")
    lease = holder.next("ASSIGN")
    holder.close()
    thief = worker_of(bench, broker)
    flipped = bytes([lease.fields[9][0] ^ 1]) + lease.fields[9][1:]
    verdicts.check("a lease declared from another key is refused",
                   declare(thief, lease) is False)
    again = worker_of(bench, broker, who=who)
    verdicts.check("a lease declared with a wrong receipt is refused",
                   declare(again, lease, receipt=flipped) is False)
    verdicts.check("a lease declared with the receipt of another epoch is refused",
                   declare(again, lease, epoch=lease.fields[2] + 1) is False)
    again.send("DECLARE", {1: 1, 2: lease.fields[1], 3: Fixed(lease.fields[2])})
    try:
        got = again.next("DECLARED", "GOODBYE", seconds=3)
        refused = got is not None and (got.name == "GOODBYE" or not got.fields.get(3, 0))
    except session.Closed:
        refused = True
    verdicts.check("a lease declared without a receipt is refused", refused)
    verdicts.check("the log names the attempt",
                   "lease declared without its receipt" in broker.log())
    for each in (thief, again):
        each.close()
    fresh = worker_of(bench, broker, credit=1)
    assign = fresh.next("ASSIGN", seconds=8)
    verdicts.check("the request goes to a worker that takes it honestly",
                   assign is not None and assign.fields[1] == lease.fields[1])
    if assign is not None:
        fresh.respond(assign)
        fresh.next("RESPOND_ACK")
    for each in (fresh, client):
        each.close()


def violations():
    """(name, role, bytes of one message)"""
    record, worker, front = session.record, session.WORKER, session.FRONTEND
    ident = session.new_id()
    yield "unknown type", worker, record(0x7777, b"x")
    yield "wrong direction: ASSIGN from a worker", worker, record("ASSIGN", {1: ident})
    yield "wrong role: ENQUEUE from a worker", worker, record("ENQUEUE", {1: ident, 2: 1})
    yield "wrong role: POLICY from a worker", worker, record("POLICY", {1: 1, 3: 1})
    yield "wrong role: CREDIT from a frontend", front, record("CREDIT", {1: 1, 2: 1})
    yield "wrong role: REVOKE from a frontend", front, record("REVOKE", {1: b"x"})
    yield "mint record on the link", worker, record(0x80, b"")
    yield "metadata that is no protobuf", worker, record("CREDIT", b"\xff" * 40)
    yield "metadata over its limit", worker, record("CREDIT", b"\x00" * 5000)
    yield "junk-field bomb", front, record("POLICY", b"\xf8\x07\x01" * 21000)
    yield "junk fields in a small record", worker, record("OPEN", b"\xf8\x07\x01" * 1360)
    yield "id of 15 bytes", front, record("ENQUEUE", {1: b"x" * 15, 2: 1})
    yield "record longer than its message", worker, struct.pack(
        ">IHHI", 100, 0x30, 0, 0)
    yield "inner lengths beyond the record", worker, struct.pack(
        ">IHHI", 8, 0x30, 65535, 0xFFFFFFFF)
    yield "record shorter than its own head", worker, struct.pack(">IH", 2, 0x30)
    yield "inline body over its limit", front, record(
        "ENQUEUE", {1: ident, 2: 1}, b"", b"x" * 70000)
    yield "credit on a handle never opened", worker, record("CREDIT", {1: 99, 2: 1})
    yield "handle 0", worker, record("OPEN", {2: b"a", 3: 1})


def check_violations(verdicts, bench, broker):
    witness = worker_of(bench, broker, credit=1)
    wrong, client = [], client_of(bench, broker, "a")
    for name, role, content in violations():
        who = bench.minted([(["a"], ["receive", "respond", "enqueue"])], role)
        evil = session.Session(broker.address, who).keep_alive()
        evil.send_content(content)
        reason = evil.ending(3)
        evil.close()
        # What is no record at all ends the link below the broker, without a word.
        if reason != session.REASONS["protocol"] and (reason, len(content)) not in CUT_OFF:
            wrong.append(f"{name}: {reason}")
    verdicts.check("records against the protocol end their session", not wrong,
                   "; ".join(wrong))
    request = client.enqueue(b"x")
    assign = witness.next("ASSIGN")
    holds = assign is not None and assign.fields[1] == request
    if holds:
        witness.respond(assign)
        holds = witness.next("RESPOND_ACK").fields.get(3, 0) == 0
    verdicts.check("other sessions do not notice", holds and broker.is_running())
    witness.close()
    client.close()


def random_message(dice, evil):
    kind = dice.choice(list(session.TYPES.values()))
    meta = {n: dice.choice([dice.randrange(1 << 40), dice.randbytes(16),
                            dice.randbytes(dice.randrange(40)),
                            Fixed(dice.randrange(1 << 60))])
            for n in range(1, 1 + dice.randrange(6))}
    data = bytearray(session.record(kind, meta, dice.randbytes(dice.randrange(20)),
                                    dice.randbytes(dice.randrange(50))))
    for _ in range(dice.choice([0, 0, 1, 3])):
        data[dice.randrange(len(data))] = dice.randrange(256)
    evil.send_content(bytes(data))


def check_fuzz(verdicts, bench, broker):
    """T-WRK-3: sessions of random records, some of them nearly right."""
    dice = random.Random(7)
    before = broker.status()["VmRSS"]
    for number in range(FUZZ_SESSIONS):
        role = (session.WORKER, session.FRONTEND, session.CONTROLLER)[number % 3]
        who = bench.minted([(["a"], ["receive", "respond", "enqueue", "peek", "stat"]),
                            (["zz"], ["configure"])], role)
        evil = session.Session(broker.address, who)
        try:
            for _ in range(50):
                random_message(dice, evil)
        except (session.Closed, OSError):
            pass
        evil.close()
    grown = broker.status()["VmRSS"] - before
    verdicts.check("random records of all roles do not hurt the broker (T-WRK-3)",
                   broker.is_running() and grown < 32 * 1024 * MEMORY_FACTOR,
                   f"{FUZZ_SESSIONS} sessions, resident memory +{grown} KiB")


def main():
    verdicts = Verdicts()
    with Bench() as bench:
        broker = bench.broker(flags=["--lease-grace", "1s"])
        assert broker.start(), broker.log()
        broker.policies("a", "b")
        check_queues(verdicts, bench, broker)
        check_foreign_answers(verdicts, bench, broker)
        check_hoarding(verdicts, bench, broker)
        check_declarations(verdicts, bench, broker)
        check_violations(verdicts, bench, broker)
        check_silence(verdicts, bench)
        check_fuzz(verdicts, bench, broker)
        verdicts.check("the broker is well at the end", broker.is_running())
    verdicts.exit()


if __name__ == "__main__":
    main()
