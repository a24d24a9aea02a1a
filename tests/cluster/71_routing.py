#!/usr/bin/env python3
"""UrlPrefix routing from the specification (FEATURES rows 1, 2, 4, 13, 32 and 1.1;
SECURITY.md 5 path and host match): one app port for each queue tells where a request went.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import client
import cluster
import rawapp
from client import Connection
from cluster import SLOW
from testbroker import Verdicts

# Queue -> prefixes; %d is the port. Rows 1 and 2: + before explicit hosts (exact before
# *.domain, the longest suffix first) before addresses before *; no falling through.
PREFIXES = {
    "strong": ["http://+:%d/strong/", "http://+:%d/both/"],
    "exact": ["http://www.example:%d/", "http://www.example:%d/both/"],
    "deep": ["http://www.example:%d/a/b/"],
    "suffix": ["http://*.example:%d/"],
    "longer": ["http://*.sub.example:%d/only/"],
    "address": ["http://127.0.0.1:%d/ip/"],
    "weak": ["http://*:%d/"],
    "other": ["http://*:%d/other/"],
}

# Host, path, queue that the specification names (None: 404).
ROUTES = (
    ("nowhere", "/", "weak", "the weak wildcard takes what nobody else claims"),
    ("www.example", "/", "exact", "an explicit host is before *"),
    ("WWW.Example", "/", "exact", "hosts are case-insensitive"),
    ("www.example.", "/", "exact", "one trailing dot is removed"),
    ("www.example", "/both/x", "strong", "the strong wildcard is before an explicit host"),
    ("www.example", "/strong", "strong", "a prefix matches itself without its slash"),
    ("nowhere", "/strong/x/y", "strong", "the strong wildcard is for every host"),
    ("www.example", "/a/b", "deep", "the longest path wins"),
    ("www.example", "/a/b/c", "deep", "the longest path wins below it too"),
    ("www.example", "/a/bc", "exact", "only whole segments match"),
    ("www.example", "/a", "exact", "a shorter path stays with the shorter prefix"),
    ("www.example", "/A/B/c", "deep", "paths are case-insensitive by default"),
    ("www.example", "/a/x/../b/c", "deep", "the normalised path is matched"),
    ("www.example", "/a//b", "deep", "merged slashes are matched"),
    ("www.example", "/%61/%62/c", "deep", "decoded letters are matched"),
    ("www.example", "/other/", "exact", "a longer path of a lower bucket is never seen"),
    ("x.example", "/", "suffix", "*.domain matches one label"),
    ("y.x.example", "/other/", "suffix", "*.domain matches several labels"),
    ("example", "/", "weak", "*.domain does not match the domain itself"),
    ("xexample", "/", "weak", "*.domain matches at a dot only"),
    ("a.sub.example", "/only/x", "longer", "the longest suffix wins"),
    ("127.0.0.1", "/ip/x", "address", "an address is before *"),
    ("127.0.0.1", "/other/", "other", "another path of * when the address has none"),
    ("nowhere", "/other/x", "other", "the longest path inside the weak bucket"),
    ("nowhere", "/otherx", "weak", "segments inside the weak bucket"),
)

BAD_PREFIXES = (
    ("https", "HTTP://*:%d/"), ("no port", "http://*/"), ("port 0", "http://*:0/"),
    ("port 65536", "http://*:65536/"), ("port with zero", "http://*:080/"),
    ("a path without its last slash", "http://*:%d/a"), ("no scheme", "*:%d/"),
    ("a wildcard inside", "http://a.*.example:%d/"), ("a query", "http://*:%d/?a/"),
    ("an empty host", "http://:%d/"), ("another scheme", "ftp://*:%d/"))


def config(port, upstreams, other):
    queues = list(PREFIXES)
    out = {
        "cluster": "test",
        "frontends": [{"name": "f1", "listen": [f"127.0.0.1:{port}", f"127.0.0.1:{other}"]}],
        "brokers": [{"name": "b1"}],
        "queues": [{"name": q} for q in queues],
        "url_groups": [{"name": q, "queue": q, "prefixes": [p % port for p in PREFIXES[q]]}
                       for q in queues],
        "pools": [{"name": q, "queue": q, "concurrency": 4,
                   "upstream": f"http://127.0.0.1:{upstreams[q]}"} for q in queues]}
    out["url_groups"] += [
        {"name": "unbound", "prefixes": [f"http://+:{other}/unbound/"]},
        {"name": "case", "prefixes": [f"http://+:{other}/Case/"], "queue": "weak",
         "path_case": "sensitive"},
        {"name": "full", "prefixes": [f"http://+:{other}/full/"], "verbosity": "full",
         "queue": "weak", "state": "disabled"},
        {"name": "limited", "prefixes": [f"http://+:{other}/limited/"], "queue": "weak",
         "state": "disabled"},
        {"name": "reset", "prefixes": [f"http://+:{other}/reset/"], "verbosity": "reset",
         "queue": "weak", "state": "disabled"},
        {"name": "draining", "prefixes": [f"http://+:{other}/draining/"], "queue": "weak",
         "state": "draining"},
        {"name": "paused", "prefixes": [f"http://+:{other}/paused/"], "queue": "weak",
         "state": "paused"}]
    return out


def ask(port, host, target, method="GET", seconds=10):
    with Connection(("127.0.0.1", port), seconds * SLOW) as c:
        c.host = host
        return c.request(method, target)


def check_routes(verdicts, port, app, names):
    for host, path, queue, claim in ROUTES:
        for named in (host, f"{host}:{port}"):
            before = app.count()
            got = ask(port, named, path)
            went = names[app.last().port] if app.count() > before else got.told()
            verdicts.check(f"{claim}: {named}{path}", went == queue, went)


def check_groups(verdicts, other):
    got = ask(other, "a", "/nothing")
    verdicts.check("no group: 404 not-found", got.is_problem(404, "not-found"), got.told())
    got = ask(other, "a", "/unbound/x")
    verdicts.check("an unbound group: 503 unbound", got.is_problem(503, "unbound"),
                   got.told())
    same, different = ask(other, "a", "/Case/x"), ask(other, "a", "/case/x")
    verdicts.check("path_case: sensitive is", same.status == 200 and
                   different.is_problem(404, "not-found"),
                   f"{same.told()}; {different.told()}")
    limited, full = ask(other, "a", "/limited/x"), ask(other, "a", "/full/x")
    verdicts.check("verbosity limited: the reason, no queue name",
                   limited.is_problem(503, "Disabled") and b"weak" not in limited.body,
                   limited.told())
    verdicts.check("verbosity full: the queue's name too",
                   full.is_problem(503, "Disabled") and b"weak" in full.body, full.told())
    try:
        got = ask(other, "a", "/reset/x").told()
    except client.Broken as error:
        got = str(error)
    verdicts.check("verbosity reset: the connection ends without an answer",
                   "ended" in got or "cannot receive" in got, got)
    got = ask(other, "a", "/draining/x")
    verdicts.check("a draining group: 503 AppShutdown", got.is_problem(503, "AppShutdown"),
                   got.told())
    got = ask(other, "a", "/limited/x", "HEAD")
    verdicts.check("a problem for HEAD has no body", got.status == 503 and not got.body)


def check_bad(verdicts, cluster_, port):
    for what, prefix in BAD_PREFIXES:
        text = prefix % port if "%d" in prefix else prefix
        bad = cluster.echo_config(port)
        bad["url_groups"][0]["prefixes"] = [text]
        path = cluster_.path("bad.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(cluster.render(bad))
        code, out, err = cluster.holdfast("config", "check", path)
        verdicts.check(f"a bad prefix is refused ({what}): {text}",
                       code not in (0, -6, -11) and "prefixes" in out + err,
                       (out + err).strip()[-160:])


def check_collisions(verdicts, cluster_, port):
    """1.1: duplicates fail, http and https may not share a port; row 19: rejected whole."""
    for what, first, second in (
            ("the same prefix twice", "http://*:%d/a/", "http://*:%d/a/"),
            ("in another case", "http://*:%d/a/", "http://*:%d/A/"),
            ("a host in another case", "http://a.example:%d/", "http://A.Example:%d/"),
            ("http and https on one port", "http://*:%d/", "https://a:%d/")):
        bad = cluster.echo_config(port)
        bad["url_groups"][0]["prefixes"] = [first % port]
        bad["url_groups"].append({"name": "second", "queue": "echo",
                                  "prefixes": [second % port]})
        path = cluster_.path("bad.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(cluster.render(bad))
        code, out, err = cluster.holdfast("config", "check", path)
        verdicts.check(f"refused: {what}", code not in (0, -6, -11),
                       (out + err).strip()[-160:])


def main():
    verdicts = Verdicts()
    queues = list(PREFIXES)
    ports = cluster.free_ports(len(queues) + 2)
    port, other = ports[:2]
    upstreams = dict(zip(queues, ports[2:]))
    app = rawapp.App(ports[2:])
    with cluster.Cluster(config(port, upstreams, other)) as running:
        names = {p: q for q, p in upstreams.items()}
        check_routes(verdicts, port, app, names)
        check_groups(verdicts, other)
        check_bad(verdicts, running, port)
        check_collisions(verdicts, running, port)
    app.close()
    verdicts.exit()


if __name__ == "__main__":
    main()
