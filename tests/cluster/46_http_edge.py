#!/usr/bin/env python3
"""The HTTP edge over real sockets: framing, order, bodies, slow and hostile clients.

What must not hang is asked with short time-outs. The slow clients start first and are
judged last, while everything else goes on.
"""
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import client
import cluster
from client import Connection
from cluster import SLOW, wait_for
from testbroker import MODE, Verdicts

BODY_MAX = 30000000
IDLE, SLOW_CLIENTS = 200, 20
HEADER_S = 20  # FEATURES row 7: a header is whole within this
PIPELINED = 16


def config(ports, log):
    out = cluster.echo_config(ports[0], log)
    out["frontends"][0]["listen"].append(f"127.0.0.1:{ports[1]}")
    out["url_groups"][0]["prefixes"].append(f"http://*:{ports[1]}/small/")
    out["url_groups"] += [
        {"name": "unbound", "prefixes": [f"http://*:{ports[1]}/unbound/"]},
        {"name": "strict", "prefixes": [f"http://*:{ports[1]}/tiny/"], "queue": "echo",
         "body_max": 1000}]
    return out


class Edge:
    def __init__(self, verdicts, running, ports):
        self.verdicts, self.running = verdicts, running
        self.address, self.other = ("127.0.0.1", ports[0]), ("127.0.0.1", ports[1])

    def check(self, *arguments):
        return self.verdicts.check(*arguments)

    def open(self, address=None, seconds=20):
        return Connection(address or self.address, seconds * SLOW)


def keep_alive(edge):
    with edge.open() as c:
        answers = [c.request("GET", "/x") for _ in range(50)]
        edge.check("keep-alive: 50 requests on one connection",
                   all(a.status == 200 and a.body == b"hello\n" for a in answers) and
                   not c.leftover())
        c.ask("GET", "/x", fields=[("Connection", "close")])
        answer = c.answer()
        edge.check("Connection: close is answered and obeyed",
                   answer.status == 200 and answer.get("Connection") == "close" and
                   c.is_closed_within(5))
    with edge.open() as c:
        c.send(b"GET /x HTTP/1.0\r\n\r\n")
        answer = c.answer()
        edge.check("HTTP/1.0 without Host is answered and closed",
                   answer.status == 200 and answer.body == b"hello\n" and
                   c.is_closed_within(5), answer.told())


def pipelining(edge):
    with edge.open() as c:
        wire = b""
        for i in range(PIPELINED):
            delay = 20 * (PIPELINED - i)
            wire += f"GET /delay/{delay}?n={i} HTTP/1.1\r\nHost: a\r\n\r\n".encode() \
                if i % 2 == 0 else f"GET /headers?n={i} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        c.send(wire)
        answers = [c.answer() for _ in range(PIPELINED)]
        fits = all(a.status == 200 and (a.body == b"hello\n" if i % 2 == 0 else
                                        f"query n={i}\n".encode() in a.body)
                   for i, a in enumerate(answers))
        edge.check("16 pipelined requests are answered in order", fits and not c.leftover())
    with edge.open() as c:
        c.send(b"".join(f"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{i:02}"
                        .encode() for i in range(40)))
        bodies = [c.answer().body for _ in range(40)]
        edge.check("40 pipelined POSTs are answered in order",
                   bodies == [f"{i:02}".encode() for i in range(40)])


def heads(edge):
    with edge.open() as c:
        head = c.request("HEAD", "/bytes/1000")
        after = c.request("GET", "/bytes/1000")
        edge.check("HEAD has the length and no body, and the connection goes on",
                   head.status == 200 and head.get("Content-Length") == "1000" and
                   after.body and len(after.body) == 1000, head.get("Content-Length"))
        answers = [c.request("GET", f"/status/{code}") for code in (204, 304, 404, 500)]
        edge.check("204, 304, 404 and 500 of the handler keep the connection in step",
                   [a.status for a in answers] == [204, 304, 404, 500] and
                   c.request("GET", "/x").body == b"hello\n")


def continues(edge):
    expect = ("Expect", "100-continue")
    with edge.open() as c:
        c.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
               b"Expect: 100-continue\r\n\r\n")
        interim = c.until(b"\r\n\r\n")
        c.send(b"12345")
        answer = c.answer()
        edge.check("100-continue: 100, then the answer",
                   interim.startswith(b"HTTP/1.1 100") and answer.body == b"12345")
    for what, address, target, length, status, reason in (
            ("413 to a body that is too long", edge.address, "/x", BODY_MAX + 1, 413,
             "EntityTooLarge"),
            ("413 by the limit of the group", edge.other, "/tiny/x", 1001, 413,
             "EntityTooLarge"),
            ("503 to an unbound group", edge.other, "/unbound/", 5, 503, "unbound")):
        with edge.open(address) as c:
            c.ask("POST", target, None, [("Content-Length", length), expect])
            answer = c.answer()
            edge.check(f"100-continue: {what} before the body is sent",
                       answer.is_problem(status, reason) and not answer.interim,
                       answer.told())
    with edge.open() as c:
        c.ask("GET", "/x", None, [("Expect", "the-impossible")])
        answer = c.answer()
        edge.check("another expectation is 417", answer.status == 417, answer.told())


def chunked(edge):
    body = os.urandom(300000)
    with edge.open() as c:
        for round_ in range(2):
            c.send(b"PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for at in range(0, len(body), 7777):
                piece = body[at:at + 7777]
                c.send(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            c.send(b"0\r\n\r\n")
            answer = c.answer()
            edge.check(f"a chunked request comes back whole ({round_ + 1} of 2)",
                       answer.status == 200 and answer.body == body, str(answer.status))
        answer = c.request("GET", "/bytes/3000000")
        edge.check("a long response comes whole", len(answer.body) == 3000000,
                   answer.get("Transfer-Encoding") or "by Content-Length")
    with edge.open(edge.other) as c:
        c.send(b"PUT /tiny/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
               b"7d0\r\n" + b"x" * 2000 + b"\r\n0\r\n\r\n")
        answer = c.answer()
        edge.check("a chunked body that grows too long is 413",
                   answer.is_problem(413, "EntityTooLarge"), answer.told())


def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1))


def big_body(edge):
    """The peak of the frontend's memory is reset before, and read after."""
    pid = edge.running.pid("frontend")
    edge.open().request("GET", "/x")
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")
    before = rss_kib(pid)
    body = os.urandom(1 << 20) * (BODY_MAX // (1 << 20) + 1)
    body = body[:BODY_MAX]
    connections = [edge.open(seconds=60) for _ in range(3)]
    for c in connections:
        c.ask("PUT", "/x", body)
    whole = [c.answer().body == body for c in connections]
    for c in connections:
        c.close()
    grown = rss_kib(pid) - before
    edge.check("three bodies of 30,000,000 bytes come back whole", all(whole), str(whole))
    edge.check("and are not held in the frontend's memory",
               grown < 16384 or MODE != "release", f"{grown} KiB more at most")


def problems(edge):
    for what, wire, status, reason in (
            ("404", b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 404, "not-found"),
            ("503 unbound", b"GET /unbound/ HTTP/1.1\r\nHost: a\r\n\r\n", 503, "unbound"),
            ("431", b"GET /tiny/ HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100000 + b"\r\n\r\n",
             431, "FieldLength"),
            ("431 for many fields", b"GET /tiny/ HTTP/1.1\r\nHost: a\r\n" +
             b"".join(b"X%d: y\r\n" % i for i in range(5000)) + b"\r\n", 431,
             "RequestLength"),
            ("414", b"GET /tiny/" + b"x" * 70000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414,
             "URL_Length"),
            ("400 without Host", b"GET /tiny/ HTTP/1.1\r\n\r\n", 400, "Hostname"),
            ("400 for two Hosts", b"GET /tiny/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400,
             None),
            ("400 for nonsense", b"this is not HTTP at all\r\n\r\n", 400, None),
            ("505", b"GET /tiny/ HTTP/3.0\r\nHost: a\r\n\r\n", 505, "Version_N/S")):
        with edge.open(edge.other) as c:
            c.send(wire)
            answer = c.answer()
            seen = (re.search(rb'"reason":\s*"([^"]+)"', answer.body) or [b"", b"none"])[1]
            edge.check(f"problem+json: {what}",
                       answer.is_problem(status, reason or seen.decode()) and
                       b"none" != seen, answer.told())


# What a parser must refuse that might see two requests where another sees one (T-HTTP-2,
# SECURITY.md 5); the second request must never be answered.
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
ATTACKS = (
    ("Content-Length and Transfer-Encoding", b"Content-Length: 4\r\nTransfer-Encoding: "
     b"chunked\r\n\r\n0\r\n\r\n"),
    ("two Content-Lengths", b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n"),
    ("two equal Content-Lengths", b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n"),
    ("a list of Content-Lengths", b"Content-Length: 0, 0\r\n\r\n"),
    ("a signed Content-Length", b"Content-Length: +0\r\n\r\n"),
    ("a hexadecimal Content-Length", b"Content-Length: 0x0\r\n\r\n"),
    ("a huge Content-Length", b"Content-Length: 18446744073709551616\r\n\r\n"),
    ("chunked twice", b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    ("identity after chunked", b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    ("an unknown coding", b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("two Transfer-Encodings", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: "
     b"chunked\r\n\r\n0\r\n\r\n"),
    ("space before the colon", b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    ("obs-fold", b"X: a\r\n b\r\n\r\n"),
    ("a folded Transfer-Encoding", b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    ("bare LF", b"X: a\nContent-Length: 0\r\n\r\n"),
    ("bare CR", b"X: a\rContent-Length: 0\r\n\r\n"),
    ("NUL in a value", b"X: a\0b\r\n\r\n"),
    ("an empty field name", b": x\r\n\r\n"),
    ("a chunk extension", b"Transfer-Encoding: chunked\r\n\r\n0;a=\"\n\"\r\n\r\n"),
    ("a signed chunk size", b"Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n"),
    ("a chunk size with 0x", b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n"),
    ("a huge chunk size", b"Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\nx"),
    ("a chunk that ends in LF", b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\n0\r\n\r\n"),
    ("a chunk that is longer than it says",
     b"Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n"),
)


def smuggling(edge):
    passed = []
    for what, rest in ATTACKS:
        with edge.open(seconds=5) as c:
            c.send(b"POST /x HTTP/1.1\r\nHost: a\r\n" + rest + SMUGGLED)
            try:
                answer = c.answer()
                is_closed = c.is_closed_within(5 * SLOW)
            except client.Broken as error:
                passed.append(f"{what}: {error}")
                continue
            if not 400 <= answer.status < 600 or not is_closed or b"HTTP/1.1" in c.buffer:
                passed.append(f"{what}: {answer.status}, closed {is_closed}")
    logged = [e for e in edge.running.executions() if "smuggled" in e[0]]
    edge.check(f"smuggling (T-HTTP-2): {len(ATTACKS)} attacks are refused and cut off",
               not passed and not logged, "; ".join(passed))


def disconnect(edge):
    def in_flight():
        return edge.running.queue()["in_flight"]
    c = edge.open()
    c.ask("GET", "/delay/60000")
    taken = wait_for(lambda: in_flight() == 1, 10 * SLOW)
    c.close()
    gone = wait_for(lambda: in_flight() == 0, 10 * SLOW)
    edge.check("a client that leaves cancels its request at the worker", taken and gone)
    c = edge.open()
    c.send(b"POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"x" * 70000)
    c.close()
    time.sleep(0.3)
    edge.check("a request whose client leaves half way is never executed",
               not [e for e in edge.running.executions() if e[0] == "/half"] and
               edge.once_ok())


class SlowClients:
    """Connections that send their header byte by byte, and ones that send nothing."""

    def __init__(self, edge):
        self.edge, self.began = edge, time.monotonic()
        self.slow = [edge.open() for _ in range(SLOW_CLIENTS)]
        for c in self.slow:
            c.send(b"GET /x HTTP/1.1\r\nHost: a\r\nX: ")
        self.idle = [edge.open() for _ in range(IDLE)]
        for c in self.idle[::2]:
            c.request("GET", "/x")
        self.closed_at = {}

    def drip(self):
        """One more byte each; notes which the frontend has closed."""
        for c in self.slow:
            if c in self.closed_at:
                continue
            try:
                c.socket.setblocking(False)
                c.socket.send(b"x")
                data = c.socket.recv(65536)
                c.buffer += data
                if not data or b"\r\n\r\n" in c.buffer:
                    self.closed_at[c] = time.monotonic() - self.began
            except BlockingIOError:
                pass
            except OSError:
                self.closed_at[c] = time.monotonic() - self.began

    def judge(self):
        due = self.began + HEADER_S + 4 * SLOW
        while len(self.closed_at) < len(self.slow) and time.monotonic() < due:
            self.drip()
            time.sleep(0.2)
        times = sorted(self.closed_at.values())
        edge = self.edge
        edge.check("slowloris: a header that is not whole in 20 s is cut off",
                   len(times) == SLOW_CLIENTS and times[0] > HEADER_S - 3,
                   f"{len(times)} of {SLOW_CLIENTS}, after {times[0]:.0f} s" if times
                   else "none")
        for c in self.idle[::2]:
            c.socket.setblocking(True)
            c.socket.settimeout(20)
        alive = sum(c.request("GET", "/x").status == 200 for c in self.idle[::2])
        edge.check("200 idle connections: those that spoke once are still served",
                   alive == IDLE // 2, f"{alive} of {IDLE // 2}")
        for c in self.slow + self.idle:
            c.close()


def main():
    verdicts = Verdicts()
    ports = cluster.free_ports(2)
    with cluster.Cluster(lambda c: config(ports, c.path("executions"))) as running:
        edge = Edge(verdicts, running, ports)
        edge.once_ok = lambda: client.once(edge.address, "GET", "/x").status == 200
        slow = SlowClients(edge)
        for part in (keep_alive, pipelining, heads, continues, chunked, big_body, problems,
                     smuggling, disconnect):
            try:
                part(edge)
            except (client.Broken, OSError) as error:
                edge.check(f"{part.__name__} to its end", False, str(error))
            slow.drip()
        slow.judge()
    verdicts.exit()


if __name__ == "__main__":
    main()
