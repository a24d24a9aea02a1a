#!/usr/bin/env python3
"""Connections that come to nothing: 1,000 connects and closes on ipc and tcp, hundreds of
peers that never finish their handshake, from one address and from many (T-WRK-6, limits of
SECURITY.md 3.3). The listeners survive, and descriptors and memory come back.
"""
import os
import struct
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import session
from testbroker import IS_FULL, MEMORY_FACTOR, Bench, Verdicts

STORM = 5000 if IS_FULL else 1000
GRANT = [(["a"], ["receive", "respond"])]


def can_connect(bench, address, source=None, seconds=8):
    """Whether a good worker gets in within this time."""
    due = time.monotonic() + seconds
    while time.monotonic() < due:
        try:
            session.Session(address, bench.minted(GRANT), source=source).close()
            return True
        except (session.Closed, session.Rejected, OSError):
            time.sleep(0.05)
    return False


def settled(broker, limit, seconds=8):
    """Open descriptors, once they are at most `limit` or time is up."""
    due = time.monotonic() + seconds
    while (count := broker.descriptors()) > limit and time.monotonic() < due:
        time.sleep(0.05)
    return count


def dial(address, number):
    """A bare connection; tcp from one of 200 addresses."""
    return session.Pipe(address, f"127.3.0.{1 + number % 200}")


def leave(pipe, number):
    """Goes in one of four ways: at once, after half a greeting, after all of it, with a
    reset."""
    way = number % 4
    try:
        if way in (1, 2):
            pipe.send_raw(session.GREETING[:4 if way == 1 else 8])
        if way == 3:
            pipe.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   struct.pack("ii", 1, 0))
    except (session.Closed, OSError):
        pass
    pipe.close()


def check_storm(verdicts, bench, broker, name, address):
    """T-WRK-6"""
    leave(dial(address, 0), 0)
    verdicts.check(f"{name}: one connect-then-close leaves the listener alive (T-WRK-6)",
                   can_connect(bench, address))
    before, descriptors = broker.status()["VmRSS"], broker.descriptors()
    started = time.monotonic()
    for number in range(STORM):
        leave(dial(address, number), number)
    took = time.monotonic() - started
    good = can_connect(bench, address)
    after = settled(broker, descriptors)
    grown = broker.status()["VmRSS"] - before
    verdicts.check(f"{name}: {STORM} connects and closes leave the listener alive and "
                   "descriptors and memory flat (T-WRK-6)",
                   good and after <= descriptors + 2 and grown < 6 * 1024 * MEMORY_FACTOR,
                   f"{took:.1f} s, descriptors {descriptors} -> {after}, "
                   f"resident +{grown} KiB")


def silent(address, source):
    pipe = session.Pipe(address, source)
    pipe.is_greeted = False
    return pipe


def is_open(pipe):
    """Whether the broker has greeted and not closed."""
    try:
        if not pipe.is_greeted:
            pipe.socket.settimeout(0.5)
            pipe.take(8)
            pipe.is_greeted = True
        pipe.socket.setblocking(False)
        return pipe.socket.recv(1) != b""
    except BlockingIOError:
        return True
    except (session.Closed, OSError):
        return False


def check_pending(verdicts, bench, broker):
    """Silent peers: 16 of one address, 256 in all, 5 s each."""
    descriptors = broker.descriptors()
    started = time.monotonic()
    one = [silent(broker.tcp, "127.4.0.1") for _ in range(40)]
    time.sleep(0.3)
    alive = sum(is_open(pipe) for pipe in one)
    verdicts.check("one address may have 16 handshakes pending", alive == 16, f"{alive}")
    verdicts.check("another address gets in meanwhile",
                   can_connect(bench, broker.tcp, "127.4.0.2"))
    many = []
    for number in range(400):
        many.append(silent(broker.tcp, f"127.5.0.{1 + number // 14}"))
    time.sleep(0.3)
    alive = sum(is_open(pipe) for pipe in one + many)
    verdicts.check("at most 256 handshakes are pending in all", alive == 256,
                   f"{alive} of {len(one) + len(many)}")
    closed = all(pipe.wait_closed(8) for pipe in one + many)
    took = time.monotonic() - started
    verdicts.check("peers that never finish are closed after 5 s", closed and 4.5 < took < 7.5,
                   f"after {took:.1f} s")
    for pipe in one + many:
        pipe.close()
    after = settled(broker, descriptors)
    verdicts.check("then good peers get in again and descriptors are back",
                   can_connect(bench, broker.tcp, "127.4.0.3") and
                   can_connect(bench, broker.address) and after <= descriptors + 2,
                   f"descriptors {descriptors} -> {after}")


def check_failures(verdicts, bench, broker):
    """More than 20 failures a second from one address: closed before M2, others not."""
    seen = {"rejected": 0, "closed": 0}
    retry = []
    for _ in range(60):
        who = bench.minted(GRANT, aud="elsewhere")
        try:
            session.Session(broker.tcp, who, source="127.6.0.1")
        except session.Rejected as rejected:
            seen["rejected"] += 1
            retry.append(rejected.args[1])
        except (session.Closed, OSError):
            seen["closed"] += 1
    verdicts.check("an address that keeps failing is closed before M2",
                   seen["closed"] > 20 and seen["rejected"] > 5, f"{seen}")
    verdicts.check("retry_after doubles from 100 ms to at most 30 s while it fails",
                   retry == sorted(retry) and retry[0] == 100 and 800 <= retry[-1] and
                   set(retry) <= {100 << n for n in range(9)} | {30000}, f"{retry}")
    verdicts.check("others get in meanwhile", can_connect(bench, broker.tcp, "127.6.0.2"))
    verdicts.check("it gets in with a good token after a second",
                   can_connect(bench, broker.tcp, "127.6.0.1", 4))


def main():
    verdicts = Verdicts()
    with Bench() as bench:
        broker = bench.broker()
        assert broker.start(), broker.log()
        broker.policies("a")
        for _ in range(20):
            can_connect(bench, broker.address), can_connect(bench, broker.tcp)
        check_storm(verdicts, bench, broker, "ipc", broker.address)
        check_storm(verdicts, bench, broker, "tcp", broker.tcp)
        check_failures(verdicts, bench, broker)
        check_pending(verdicts, bench, broker)
        verdicts.check("the broker is well at the end", broker.is_running())
    verdicts.exit()


if __name__ == "__main__":
    main()
