#!/usr/bin/env python3
"""Revocation (T-REV-1, T-REV-2): by token id (of any link), holder key, subject, epoch.

A matching session is cut within 1 s of the list's receipt, its lease goes to another
worker, its late answer is refused; others live on. The list survives a restart, and an
older or a forged one is refused.
"""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hf1
import session
from session import RECEIVE, RESPOND
from testbroker import Bench, Verdicts

GRANT = [(["q"], ["receive", "respond"])]


class Stage:
    """A broker, a controller that sends lists, and a client that enqueues."""

    def __init__(self, bench, broker):
        self.bench, self.broker, self.seq = bench, broker, 0
        self.dial()

    def dial(self):
        self.controller = session.Session(
            self.broker.address, self.bench.who("controller")).keep_alive()
        self.client = session.Session(
            self.broker.address, self.bench.who("client")).keep_alive()
        assert self.client.open("q", session.ENQUEUE_RIGHT) == 0

    def close(self):
        self.controller.close()
        self.client.close()

    def worker(self, who, credit=0):
        worker = session.Session(self.broker.address, who).keep_alive()
        assert worker.open("q", RECEIVE | RESPOND) == 0
        if credit:
            worker.credit(credit)
        return worker

    def send(self, document):
        self.controller.send("REVOKE", session.message({1: document.encode()}))

    def revoke(self, **entries):
        """Sends the next list: {sequence, sessions cut} and when it was sent."""
        self.seq += 1
        sent = time.monotonic()
        self.send(hf1.revocation(self.bench.issuer, self.seq, **entries))
        ack = self.controller.next("REVOKE_ACK")
        return ack.fields, sent


def can_dial(broker, who):
    try:
        session.Session(broker.address, who).close()
        return True
    except session.Rejected:
        return False


def cut_by(verdicts, stage, name, who, entries):
    """T-REV-1 for one kind of entry."""
    bystander = stage.worker(stage.bench.minted(GRANT, sub="test:good"))
    victim = stage.worker(who, credit=1)
    request = stage.client.enqueue(b"x")
    lease = victim.next("ASSIGN")
    fields, sent = stage.revoke(**entries)
    reason = victim.ending(3)
    took = time.monotonic() - sent
    verdicts.check(f"revoked by {name}: the session is cut within 1 s",
                   reason == session.REASONS["revoked"] and took < 1 and
                   fields.get(2) == 1, f"after {1000 * took:.0f} ms, reason {reason}")
    try:
        victim.respond(lease, b"late")
        late = victim.next("RESPOND_ACK", seconds=0.5)
    except session.Closed:
        late = None
    bystander.credit(1)
    again = bystander.next("ASSIGN", seconds=5)
    holds = again is not None and again.fields[1] == request and again.fields[4] == 2
    if holds:
        bystander.respond(again, b"true")
        holds = bystander.next("RESPOND_ACK").fields.get(3, 0) == 0
    verdicts.check(f"revoked by {name}: the lease goes to another, the late answer does "
                   "not count", holds and (late is None or late.fields.get(3, 0) != 0))
    verdicts.check(f"revoked by {name}: it cannot come back",
                   not can_dial(stage.broker, who) and
                   stage.broker.wait_log("code=E_", 2))
    for each in (victim, bystander):
        each.close()


def check_kinds(verdicts, stage):
    bench = stage.bench
    entries = {}
    who = bench.minted(GRANT)
    entries["jti"] = [who.claims["jti"]]
    cut_by(verdicts, stage, "token id", who, entries)
    who = bench.minted(GRANT)
    entries["cnf"] = [who.key.text()]
    cut_by(verdicts, stage, "holder key", who, entries)
    who = bench.minted(GRANT, sub="test:bad")
    entries["sub"] = ["test:bad"]
    cut_by(verdicts, stage, "subject", who, entries)
    parent = bench.minted(GRANT, dep=1)
    key = hf1.Key()
    child = hf1.claims(key, GRANT, iss=None, sub=None, ep=None)
    chained = session.Who(key, hf1.attenuate(parent.token, parent.key, child))
    entries["jti"] = entries["jti"] + [parent.claims["jti"]]
    cut_by(verdicts, stage, "the id of a parent link", chained, entries)
    return entries


def check_lists(verdicts, stage, entries):
    """T-REV-2, and lists that do not count."""
    bench, broker = stage.bench, stage.broker
    live = bench.minted(GRANT)
    worker = stage.worker(live)
    refused = {
        "an older list": hf1.revocation(bench.issuer, 1, jti=[live.claims["jti"]]),
        "a list of a foreign issuer": hf1.revocation(
            hf1.Key(), stage.seq + 5, jti=[live.claims["jti"]]),
        "a list of another cluster": hf1.revocation(
            bench.issuer, stage.seq + 5, jti=[live.claims["jti"]], aud="elsewhere"),
        "a token in place of a list": live.token,
    }
    for name, document in refused.items():
        mark = broker.log_mark()
        stage.send(document)
        verdicts.check(f"{name} is refused",
                       broker.wait_log("revocation list refused", 3, mark) and
                       worker.ending(0.3) is None)
    worker.close()
    evil = session.Session(broker.address, bench.minted(
        [(["q"], ["receive", "respond", "enqueue"])], session.FRONTEND)).keep_alive()
    evil.send("REVOKE", session.message({1: hf1.revocation(
        bench.issuer, stage.seq + 9, jti=[live.claims["jti"]]).encode()}))
    verdicts.check("a frontend that passes a list on is cut and the list not taken",
                   evil.ending(3) is not None and can_dial(broker, live))
    evil.close()
    gone = bench.minted(GRANT)
    entries["jti"] = entries["jti"] + [gone.claims["jti"]]
    stage.revoke(**entries)
    stage.close()
    broker.signal(signal.SIGKILL)
    broker.wait()
    assert broker.start(), broker.log()
    verdicts.check("the list survives kill -9 of the broker (T-REV-2)",
                   not can_dial(broker, gone) and can_dial(broker, live) and
                   "code=E_REVOKED" in broker.log())
    stage.dial()
    mark = broker.log_mark()
    stage.send(hf1.revocation(bench.issuer, 1))
    verdicts.check("after the restart an older list is refused (T-REV-2)",
                   broker.wait_log("revocation list refused", 3, mark) and
                   not can_dial(broker, gone))


def check_epoch(verdicts, stage):
    """The floor: everything issued before it, the controller's own old token too."""
    old, new = stage.bench.minted(GRANT), stage.bench.minted(GRANT, ep=7)
    holder, current = stage.worker(old), stage.worker(new)
    stage.seq += 1
    stage.send(hf1.revocation(stage.bench.issuer, stage.seq, min_ep=7))
    reason = holder.ending(2)
    verdicts.check("a raised epoch cuts what was issued before, and only that",
                   reason == session.REASONS["revoked"] and current.ending(0.3) is None and
                   not can_dial(stage.broker, old) and can_dial(stage.broker, new))
    for each in (holder, current):
        each.close()


def main():
    verdicts = Verdicts()
    with Bench() as bench:
        broker = bench.broker(flags=["--lease-grace", "1s"])
        assert broker.start(), broker.log()
        broker.policies("q")
        stage = Stage(bench, broker)
        entries = check_kinds(verdicts, stage)
        check_lists(verdicts, stage, entries)
        check_epoch(verdicts, stage)
        stage.close()
        verdicts.check("the broker is well at the end", broker.is_running())
    verdicts.exit()


if __name__ == "__main__":
    main()
