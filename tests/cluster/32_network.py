#!/usr/bin/env python3
"""An attacker on the network between worker and broker, on sealed tcp (T-NET-1, 2, 3, 5, 6
of SECURITY.md 6): it can cut connections and see sizes, nothing else.
"""
import concurrent.futures
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hf1
import session
from proxy import DOWN, UP, Impostor, Proxy, Tamper
from session import RECEIVE, RESPOND
from testbroker import MEMORY_FACTOR, Bench, Verdicts

GRANT = [(["a"], ["receive", "respond"])]
CHANGES = ("flip", "twice", "swap", "drop", "shorter", "longer", "stretch")
REQUESTS = 2000


def victim(address, who):
    """A worker that trusts everybody, so that the broker alone has to notice. Returns the
    names of records it was sent, and how it ended."""
    names = []
    try:
        s = session.Session(address, who).keep_alive()
        s.send("OPEN", {1: 1, 2: b"a", 3: RECEIVE | RESPOND})
        s.send("CREDIT", {1: 1, 2: 1})
        while (got := s.next(seconds=7)) is not None:
            names.append(got.name)
            if got.name == "GOODBYE":
                break
        s.close()
        return names, "alive" if got is None else "goodbye"
    except session.Rejected as rejected:
        return names, f"rejected {rejected.args[0]}"
    except (session.Closed, ValueError, OSError):
        return names, "closed"


def tamper_up(bench, broker, how, index):
    """None when the broker ended the session over it."""
    tamper = Tamper(how, UP, index)
    proxy = Proxy(broker.tcp, bench.directory, tamper)
    names, end = victim(proxy.address, bench.minted(GRANT))
    proxy.close()
    late = {2: "OPENED", 3: "ASSIGN"}.get(index)  # what only this message could cause
    if not tamper.is_done or end == "alive" or (late in names and how != "twice"):
        return f"{how} of message {index} up: {end} after {names}"
    return None


def tamper_down(bench, broker, how, index, log):
    """None when the worker ended the session over it."""
    tamper = Tamper(how, DOWN, index)
    proxy = Proxy(broker.tcp, bench.directory, tamper)
    status, out = bench.wire("work", proxy.address, bench.package("worker"), "a", 100, 2,
                             log)
    proxy.close()
    wanted = ["session ended"] if how == "stretch" else \
        ["session ended: the peer broke the protocol"] if index > 2 else ["attempt failed"]
    if index == 2:  # Welcome: the session is up when its copy comes
        wanted.append("session ended: the peer broke the protocol")
    if not tamper.is_done or status == 0 or not any(w in out for w in wanted):
        return f"{how} of message {index} down: {status} {out}"
    return None


def check_tampering(verdicts, bench, broker):
    """T-NET-1"""
    ids = bench.path("ids")
    broker.enqueue("a", REQUESTS, 64, 100, ids)
    logs, jobs = [], []
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for how in CHANGES:
            for index in range(4):
                if how in ("swap", "drop", "stretch") and index < 2:
                    continue  # both sides would only wait for the deadline
                jobs.append(pool.submit(tamper_up, bench, broker, how, index))
            for index in (0, 1, 2, 3, 4, 9, 17):
                if how in ("swap", "drop", "stretch") and index < 3:
                    continue
                logs.append(bench.path(f"down-{how}-{index}"))
                jobs.append(pool.submit(tamper_down, bench, broker, how, index, logs[-1]))
    wrong = [job.result() for job in jobs if job.result() is not None]
    verdicts.check("changed, repeated, swapped, lost, cut and stretched messages end the "
                   "session (T-NET-1)", not wrong,
                   f"{len(jobs)} cases" + "".join("; " + w for w in wrong))
    known = set(open(ids, encoding="ascii").read().split())
    seen = [line for log in logs if os.path.exists(log)
            for line in open(log, encoding="ascii").read().split()]
    verdicts.check("no message that was not sent is delivered (T-NET-1)",
                   set(seen) <= known and len(seen) > 0, f"{len(seen)} delivered")


def check_impostors(verdicts, bench, broker):
    """T-NET-2"""
    foreign, key = hf1.Key(), hf1.Key()
    serve = [([">"], ["serve"])]
    forged = session.Who(key, hf1.mint(foreign, key, serve, sub="broker:b1"))
    cases = [("the broker's proof passed on", None, "E_POP"),
             ("a serve token of a foreign issuer", forged, "E_KID"),
             ("a valid token that is no broker's", bench.minted(GRANT, sub="broker:b1"),
              "E_DENIED"),
             ("another broker's name", bench.minted(serve, sub="broker:b2"), "E_")]
    for name, own, code in cases:
        impostor = Impostor(broker.tcp, bench.directory, own)
        status, out = bench.wire("list", impostor.address, bench.package("client"), "a")
        impostor.close()
        verdicts.check(f"a worker refuses a man in the middle with {name} (T-NET-2)",
                       status != 0 and code in out,
                       (out.splitlines() or ["?"])[0].split("failed: ")[-1])
    mark = broker.log_mark()
    impostor = Impostor(broker.tcp, bench.directory)
    names, end = victim(impostor.address, bench.minted(GRANT))
    impostor.close()
    verdicts.check("the broker refuses it too, when the worker does not look (T-NET-2)",
                   end == "rejected 1" and names == [] and
                   broker.wait_log("code=E_POP", 5, mark), end)


def rewrite(way, number, value):
    """Rewrites one field of M1 or M2."""
    def tamper(direction, index, content):
        if direction == way and index == 0:
            return [session.message({**session.parse(content), number: value})]
        return [content]
    return tamper


def check_downgrade(verdicts, bench, broker):
    """T-NET-3"""
    who = bench.minted(GRANT)
    who.modes = session.CLEAR
    mark = broker.log_mark()
    _, end = victim(broker.tcp, who)
    verdicts.check("a worker that asks for clear tcp is refused", end == "rejected 3" and
                   broker.wait_log("code=E_MODE", 5, mark), end)
    for name, modes in (("clear", session.CLEAR), ("both", session.CLEAR | session.SEALED)):
        mark = broker.log_mark()
        proxy = Proxy(broker.tcp, bench.directory, rewrite(UP, 7, modes))
        names, end = victim(proxy.address, bench.minted(GRANT))
        proxy.close()
        verdicts.check(f"modes rewritten to {name} on the way do not get through (T-NET-3)",
                       end.startswith(("rejected", "closed")) and names == [] and
                       broker.wait_log("handshake failed", 5, mark), end)
    proxy = Proxy(broker.tcp, bench.directory, rewrite(DOWN, 6, 0))
    status, out = bench.wire("list", proxy.address, bench.package("client"), "a")
    proxy.close()
    verdicts.check("a worker does not follow an M2 that unseals tcp (T-NET-3)",
                   status != 0 and "E_" in out,
                   (out.splitlines() or ["?"])[0].split("failed: ")[-1])


def pass_marker(bench, address, marker):
    """Sends a marked body through and gives all bytes that passed."""
    proxy = Proxy(address, bench.directory)
    front = session.Session(proxy.address, bench.who("client"))
    worker = session.Session(proxy.address, bench.minted([(["m"], ["receive", "respond"])]))
    assert front.open("m", session.ENQUEUE_RIGHT) == 0
    assert worker.open("m", RECEIVE | RESPOND) == 0
    front.enqueue(marker)
    worker.credit(1)
    assign = worker.next("ASSIGN")
    worker.respond(assign, marker)
    came = assign.body == marker and worker.next("RESPOND_ACK") is not None
    for each in (front, worker, proxy):
        each.close()
    return came, proxy.captured[UP] + proxy.captured[DOWN]


def check_capture(verdicts, bench, broker):
    """T-NET-5, with the clear link of one host as control."""
    marker = b"HOLDFAST-MARKER-" + os.urandom(8).hex().encode()
    came, seen = pass_marker(bench, broker.tcp, marker)
    leaks = [w for w in (marker, b"v4.public", b"test:", b"127.0.0.1") if w in seen]
    verdicts.check("a capture of sealed tcp shows no body, token, subject or field (T-NET-5)",
                   came and not leaks and len(seen) > 3000, f"{len(seen)} bytes, {leaks}")
    came, seen = pass_marker(bench, broker.address, marker)
    verdicts.check("control: the same capture of a clear link shows them",
                   came and marker in seen and b"v4.public" in seen)


def check_announcements(verdicts, bench, broker):
    """T-NET-6"""
    for name, address in (("tcp", broker.tcp), ("ipc", broker.address)):
        for _ in range(3):
            session.Session(address, bench.minted(GRANT)).close()
        before, peak, closed = broker.status(), broker.status(), True
        for number in range(20):
            size = (1 << 33, 1 << 63, 16385)[number % 3]
            pipe = session.Pipe(address, f"127.9.{number}.1")
            pipe.greet()
            pipe.send_raw(pipe.prefix(size) + b"x" * 100)
            closed = pipe.wait_closed(3) and closed
            pipe.close()
            peak = {k: max(v, peak[k]) for k, v in broker.status().items() if k in peak}
        for number in range(5):
            s = session.Session(address, bench.minted(GRANT))
            s.pipe.send_raw(s.pipe.prefix(1 << 33) + b"x" * 100)
            closed = s.pipe.wait_closed(3) and closed
            s.close()
            peak = {k: max(v, peak[k]) for k, v in broker.status().items() if k in peak}
        grown = {k: peak[k] - before[k] for k in ("VmRSS", "VmSize")}
        verdicts.check(f"{name}: announcing 2^33 bytes closes the connection, before and "
                       "after authentication; memory is flat (T-NET-6)",
                       closed and grown["VmRSS"] < 4096 * MEMORY_FACTOR and grown["VmSize"] < 300 * 1024,
                       f"resident +{grown['VmRSS']} KiB, virtual +{grown['VmSize']} KiB")


def main():
    verdicts = Verdicts()
    with Bench() as bench:
        broker = bench.broker(flags=["--lease-grace", "1s"])
        assert broker.start(), broker.log()
        broker.policies("a", "m")
        check_announcements(verdicts, bench, broker)
        check_capture(verdicts, bench, broker)
        check_downgrade(verdicts, bench, broker)
        check_impostors(verdicts, bench, broker)
        check_tampering(verdicts, bench, broker)
        verdicts.check("the broker is well at the end", broker.is_running())
    verdicts.exit()


if __name__ == "__main__":
    main()
