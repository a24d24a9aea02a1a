#!/usr/bin/env python3
"""What passes the edge and what does not, from the specification (FEATURES rows 18, 78, 79
and 80; SECURITY.md 5 hop-by-hop, proxies, worker response, path): an app that records what
it got and answers what it is told to.
"""
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import client
import cluster
import rawapp
from client import Connection
from cluster import SLOW
from testbroker import Verdicts

TRUSTED, UNTRUSTED = ("127.0.0.2", 0), ("127.0.0.1", 0)
DEADLINE_S = 100

# What the app answers, by path; None closes without a word.
ODD = [("x-One", "1"), ("set-cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-oNE", "2"),
       ("ETag", '"x"'), ("X-Empty", ""), ("x-one", "3")]


def text(fields):
    return "".join(f"{n}: {v}\r\n" for n, v in fields).encode()


def response(fields=b"", status=b"200 OK", body=b"ok\n"):
    return (b"HTTP/1.1 " + status + b"\r\n" + fields +
            f"Content-Length: {len(body)}\r\n\r\n".encode() + body)


ANSWERS = {
    "/odd": response(text(ODD)),
    "/recomputed": response(b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nServer: Secret/1\r\n"
                            b"Keep-Alive: timeout=9\r\nUpgrade: h2c\r\n"),
    "/control": response(b"X-Bad: a\x01b\r\n"),
    "/nul": response(b"X-Bad: a\0b\r\n"),
    "/name": response(b"X Bad: a\r\n"),
    "/bare-cr": response(b"X-Bad: a\rSet-Cookie: evil=1\r\n"),
    "/status-600": response(status=b"600 Odd"),
    "/status-99": response(status=b"099 Odd"),
    "/huge": response(b"".join(b"X-%d: %s\r\n" % (i, b"x" * 1000) for i in range(70))),
    "/phrase": response(status=b"200 Evil Words"),
    "/short": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this",),
    "/gone": (b"",),
    "/204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "/304": b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n',
    "/until-close": (b"HTTP/1.1 200 OK\r\n\r\n", b"until the end"),
}


def answer(seen):
    path = seen.target.partition("?")[0]
    if seen.method == "HEAD":
        return b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n"
    return ANSWERS.get(path, rawapp.ok(seen))


def config(port, upstream):
    return {
        "cluster": "test",
        "http": {"trusted_proxies": ["127.0.0.2/32", "10.0.0.0/8"]},
        "frontends": [{"name": "f1", "listen": [f"127.0.0.1:{port}"]}],
        "brokers": [{"name": "b1"}],
        "queues": [{"name": "app", "attempts": 2}, {"name": "echo"}],
        "url_groups": [{"name": "app", "prefixes": [f"http://*:{port}/"], "queue": "app",
                        "deadline": f"{DEADLINE_S}s"},
                       {"name": "echo", "prefixes": [f"http://*:{port}/headers/"],
                        "queue": "echo"}],
        "pools": [{"name": "app", "queue": "app", "concurrency": 16,
                   "upstream": f"http://127.0.0.1:{upstream}"},
                  {"name": "echo", "queue": "echo", "concurrency": 16, "module": "echo"}],
    }


class Edge:
    def __init__(self, verdicts, app, port):
        self.check, self.app, self.address = verdicts.check, app, ("127.0.0.1", port)

    def ask(self, target="/x", fields=(), method="GET", source=None, body=None):
        with Connection(self.address, 10 * SLOW, source) as c:
            return c.request(method, target, body, fields)

    def echoed(self, fields, source):
        """The client_ip that a worker got as a structured field (echo /headers)."""
        body = self.ask("/headers", fields, source=source).body
        found = re.search(rb"^client_ip (.*)$", body, re.M)
        return found.group(1).decode() if found else body[:80].decode()

    def seen(self, *arguments, **more):
        """What the app got of a request that passes."""
        before = self.app.count()
        got = self.ask(*arguments, **more)
        if self.app.count() != before + 1:
            raise AssertionError(f"the app was asked {self.app.count() - before} times: "
                                 f"{arguments}: {got.told()}")
        return self.app.last()


def check_order(edge):
    sent = [("X-Zeta", "1"), ("x-alpha", "2"), ("X-ZETA", "3"), ("ACCEPT", "a/b"),
            ("Cookie", "a=1"), ("Cookie", "b=2"), ("x-alpha", "4"), ("X-Empty", ""),
            ("x-list", "a, b"), ("X-List", "c"), ("AuThOrIzAtIoN", "Basic eDp5"),
            ("x-latin", "\xe4")]
    got = edge.seen("/x", [(n, v) for n, v in sent if n != "x-latin"])
    have = got.only(n for n, _ in sent)
    edge.check("row 80: request fields keep order, case and repeats",
               have == [s for s in sent if s[0] != "x-latin"], str(have))
    got = edge.ask("/odd")
    have = [(n, v) for n, v in got.fields if n.lower() in {o[0].lower() for o in ODD}]
    edge.check("row 80: response fields keep order, case and repeats", have == ODD,
               str(have))


def check_methods(edge):
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"):
        got = edge.seen("/m", (), method, body=b"12345")
        edge.check(f"{method}: the method and its body are forwarded",
                   got.method == method and got.body == b"12345", got.line)
    head = edge.ask("/head", (), "HEAD")
    edge.check("HEAD: the length of the app, no body",
               head.status == 200 and head.get("Content-Length") == "12345")
    before = edge.app.count()
    got = edge.ask("/m", (), "get")
    edge.check("a lower-case method is refused (FEATURES 1.1, parser exceptions: all off)",
               got.status == 400 and edge.app.count() == before, got.told())
    for method in ("TRACE", "CONNECT"):
        target = "/x" if method == "TRACE" else "a:1"
        before = edge.app.count()
        got = edge.ask(target, (), method)
        edge.check(f"{method} is 405", got.is_problem(405, "Verb") and
                   edge.app.count() == before, got.told())


def check_hops(edge):
    hops = [("Connection", "X-Hop, keep-alive, x-Other"), ("X-Hop", "1"), ("X-OTHER", "2"),
            ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "keep-alive"),
            ("Proxy-Authorization", "Basic eDp5"), ("TE", "trailers"), ("Trailer", "X-T"),
            ("Upgrade", "h2c"), ("HTTP2-Settings", "x"), ("X-End", "kept")]
    got = edge.seen("/x", hops)
    left = set(got.names()) & {"x-hop", "x-other", "keep-alive", "proxy-connection",
                               "proxy-authorization", "te", "trailer", "upgrade"}
    edge.check("hop-by-hop fields and those that Connection names are stripped",
               not left and got.values("X-End") == ["kept"], str(left))
    edge.check("the app's Connection field names nothing of the client's",
               not [v for v in got.values("Connection") if "op" in v.lower()],
               str(got.values("Connection")))
    edge.check("Via is added to the request", len(got.values("Via")) == 1 and
               re.match(r"1\.1 \S+", got.values("Via")[0]), str(got.values("Via")))
    got = edge.seen("/x", [("Via", "1.0 fred")])
    edge.check("Via of earlier hops stays in front", ", ".join(got.values("Via")).startswith(
        "1.0 fred, 1.1 ") or got.values("Via")[0] == "1.0 fred" and
        len(got.values("Via")) == 2, str(got.values("Via")))
    for name in ("Host", "Content-Length", "Content-Type", "Authorization"):
        before = edge.app.count()
        got = edge.ask("/x", [("Connection", f"close, {name}")])
        edge.check(f"Connection that names {name} is 400",
                   got.status == 400 and edge.app.count() == before, got.told())
    got = edge.ask("/x")
    edge.check("Via is added to the response", got.get("Via", "").startswith("1.1 "),
               str(got.get("Via")))


def check_own_names(edge):
    far = str(int(time.time() * 1000) + 86400000)
    began = time.time() * 1000
    got = edge.seen("/x", [("Holdfast-Attempt", "77"), ("X-Holdfast-Secret", "forged"),
                           ("holdfast-anything", "forged"), ("Holdfast-Deadline", far),
                           ("X-Kept", "3"), ("under_score", "4")])
    ours = [f for f in got.fields if "holdfast" in f[0].lower()]
    edge.check("Holdfast-* and X-Holdfast-* of clients are stripped",
               not [f for f in ours if f[1] in ("77", "forged", far)] and
               got.values("X-Kept") == ["3"], str(ours))
    due = got.values("Holdfast-Deadline")
    edge.check("row 79: the app is told the deadline in Unix ms, the group's",
               len(due) == 1 and due[0].isdigit() and
               abs(int(due[0]) - began - DEADLINE_S * 1000) < 3000 * SLOW, str(due))
    edge.check("names with _ are dropped", not got.values("under_score"))


def check_proxies(edge):
    claim = "198.51.100.7"
    forged = [("X-Forwarded-For", claim), ("X-Real-IP", claim), ("Forwarded",
              f"for={claim};proto=https;host=evil"), ("X-Forwarded-Proto", "https"),
              ("X-Forwarded-Host", "evil"), ("X-Forwarded-Anything", claim)]
    got = edge.seen("/x", forged, source=UNTRUSTED)
    left = [f for f in got.fields if claim in f[1] or "evil" in f[1] or
            f[0].lower() in ("x-forwarded-anything", "x-real-ip", "forwarded")]
    edge.check("from an untrusted peer Forwarded, X-Forwarded-* and X-Real-IP are deleted",
               not left, str(left))
    edge.check("the app gets the peer's address, scheme and host instead",
               got.values("X-Forwarded-For") == ["127.0.0.1"] and
               got.values("X-Forwarded-Proto") == ["http"] and
               [v.split(":")[0] for v in got.values("X-Forwarded-Host")] in
               ([], ["127.0.0.1"]), str(got.only(
                   ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"])))
    hops = ", ".join(["203.0.113.9"] + ["10.0.0.1"] * 40)
    for what, fields, expected in (
            ("the last hop that is not trusted is the client",
             [("X-Forwarded-For", f"6.6.6.6, {claim}, 10.1.2.3")], claim),
            ("two fields are one list",
             [("X-Forwarded-For", f"6.6.6.6, {claim}"), ("X-Forwarded-For", "10.1.2.3")],
             claim),
            ("Forwarded is believed", [("Forwarded", f"for={claim};proto=https")], claim),
            ("Forwarded: a quoted IPv6 address",
             [("Forwarded", 'for="[2001:db8::7]:4711"')], "2001:db8::7"),
            ("what is malformed gives the peer", [("X-Forwarded-For", "nonsense")],
             "127.0.0.2"),
            ("no field gives the peer", [], "127.0.0.2"),
            ("more than 32 hops are not walked", [("X-Forwarded-For", hops)], None)):
        have = edge.echoed(fields, TRUSTED)
        edge.check(f"trusted proxy: {what}",
                   have != "203.0.113.9" if expected is None else have == expected, have)
    edge.check("untrusted peer: its own address, whatever it says",
               edge.echoed(forged, UNTRUSTED) == "127.0.0.1")
    got = edge.seen("/x", [("Forwarded", f"for={claim};proto=https")], source=TRUSTED)
    edge.check("trusted proxy: an app that knows X-Forwarded-For alone learns the client of "
               "Forwarded", got.values("X-Forwarded-For")[0].split(",")[0] == claim,
               str(got.values("X-Forwarded-For")))
    got = edge.seen("/x", [("X-Forwarded-For", claim), ("X-Forwarded-Proto", "https"),
                           ("X-Forwarded-Host", "www.example")], source=TRUSTED)
    edge.check("trusted proxy: its scheme is passed on",
               got.values("X-Forwarded-Proto") == ["https"],
               str(got.only(["X-Forwarded-Proto", "X-Forwarded-Host"])))


def check_responses(edge):
    got = edge.ask("/recomputed")
    dates = [v for n, v in got.fields if n.lower() == "date"]
    edge.check("Date and Server of the app are dropped, Date is made anew",
               got.status == 200 and len(dates) == 1 and "1970" not in dates[0] and
               "Secret" not in str(got.fields), str(got.fields))
    edge.check("Keep-Alive and Upgrade of the app are dropped",
               got.get("Keep-Alive") is None and got.get("Upgrade") is None,
               str(got.fields))
    for path in ("/control", "/nul", "/name", "/bare-cr", "/status-600", "/status-99",
                 "/huge", "/gone"):
        got = edge.ask(path)
        reason = "attempts" if path == "/gone" else "bad-response"
        edge.check(f"an app's bad response {path} is 502 {reason}",
                   got.is_problem(502, reason) and b"evil" not in got.body and
                   got.get("Set-Cookie") is None, got.told())
    edge.check("the reason phrase is ours", edge.ask("/phrase").reason == "OK")
    with Connection(edge.address, 10 * SLOW) as c:
        c.ask("GET", "/short")
        try:
            got = c.answer()
            ended = f"a whole answer: {got.status}, {len(got.body)} bytes"
            holds = got.status == 502
        except client.Broken as error:
            ended, holds = str(error), True
        edge.check("fewer bytes than declared: the connection is aborted", holds, ended)
    for path, status in (("/204", 204), ("/304", 304)):
        with Connection(edge.address, 10 * SLOW) as c:
            got = c.request("GET", path)
            again = c.request("GET", "/x")
            edge.check(f"{status} has no body and no length in front of the next answer",
                       got.status == status and again.body == b"ok\n" and
                       (status == 304 or got.get("Content-Length") is None),
                       str(got.fields))
    got = edge.ask("/until-close")
    edge.check("an app's response that ends with the connection comes whole",
               got.status == 200 and got.body == b"until the end", got.told())


PATHS = (("/a/%7euser", "/a/~user"), ("/a//b///c", "/a/b/c"), ("/a/./b/../c", "/a/c"),
         ("/a/%2e%2e/b", "/b"), ("/a/%2E/b", "/a/b"), ("/%c3%a4", "/%C3%A4"),
         ("/a%20b", "/a%20b"), ("/a;x=1/b", "/a;x=1/b"), ("/a/b/..", "/a/"),
         ("/a?x=/../y&z=%2f", "/a?x=/../y&z=%2f"), ("/a?", "/a?"))
BAD_PATHS = ("/a%2fb", "/a%5cb", "/a%00b", "/a\\b", "/a%zzb", "/a%2", "/../a", "/a/../../b",
             "/a/%252e%252e/b", "/a/%252fb", "/a/..;/b", "/a/.;x/b", "/a#b", "/%c0%af",
             "/a/%25%32%66")


def check_paths(edge):
    for sent, expected in PATHS:
        got = edge.seen(sent)
        edge.check(f"path {sent} reaches the app as {expected}", got.target == expected,
                   got.target)
    for sent in BAD_PATHS[:-1]:
        before = edge.app.count()
        got = edge.ask(sent)
        edge.check(f"path {sent} is 400 and reaches nobody", got.status == 400 and
                   edge.app.count() == before, got.told())
    got = edge.seen("/a b".replace(" ", "%20"), [("Host2", "x")])
    edge.check("absolute-form: the authority of the target is the host",
               edge_absolute(edge), "")


def edge_absolute(edge):
    before = edge.app.count()
    with Connection(edge.address, 10 * SLOW) as c:
        c.send(f"GET http://www.example:{edge.address[1]}/abs HTTP/1.1\r\n"
               "Host: other.example\r\n\r\n".encode())
        got = c.answer()
    seen = edge.app.last()
    hosts = seen.values("X-Forwarded-Host") or seen.values("Host")
    return (got.status == 200 and edge.app.count() == before + 1 and
            seen.target == "/abs" and "other.example" not in str(seen.fields) and
            hosts[0].startswith("www.example"))


def main():
    verdicts = Verdicts()
    port, upstream = cluster.free_ports(2)
    app = rawapp.App([upstream], answer)
    with cluster.Cluster(config(port, upstream)):
        edge = Edge(verdicts, app, port)
        cluster.wait_for(lambda: edge.ask("/up").status == 200, 10 * SLOW)
        for part in (check_order, check_methods, check_hops, check_own_names, check_proxies,
                     check_responses, check_paths):
            try:
                part(edge)
            except (client.Broken, OSError, AssertionError) as error:
                edge.check(f"{part.__name__} to its end", False, str(error))
    app.close()
    verdicts.exit()


if __name__ == "__main__":
    main()
