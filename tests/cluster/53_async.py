#!/usr/bin/env python3
"""FEATURES rows 43, 44, 51: `Prefer: respond-async` gives 202 once the request is on
disk; status, response and cancel through any frontend; kill -9 of the broker between 202
and the answer, and of the frontend that gave the 202. Nothing shows without the secret.
"""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import client
import cluster
from cluster import SLOW, wait_for
from testbroker import Verdicts

ASYNC = (("Prefer", "respond-async"),)


def config(ports, log, retention):
    out = cluster.echo_config(ports[0], log, retention=retention)
    out["frontends"] = [{"name": f"f{i + 1}", "listen": [f"127.0.0.1:{port}"]}
                        for i, port in enumerate(ports)]
    out["url_groups"][0]["prefixes"] = [f"http://*:{port}/" for port in ports]
    out["url_groups"][0]["respond_async"] = "on"
    return out


def ask(port, target, method="GET", body=None, fields=()):
    return client.once(("127.0.0.1", port), method, target, body, fields, 70 * SLOW)


def state(port, location):
    try:
        answer = ask(port, location)
        return json.loads(answer.body).get("state") if answer.status == 200 else None
    except (client.Broken, OSError, ValueError):
        return None


def under(location, rest):
    path, _, query = location.partition("?")
    return f"{path}{rest}?{query}"


def is_done(port, location, want="answered"):
    return wait_for(lambda: state(port, location) == want, 30 * SLOW, 0.05)


def check_whole(verdicts, ports):
    answer = ask(ports[0], "/delay/300", "POST", b"work", ASYNC)
    location = answer.get("Location", "")
    verdicts.check("202 with Location and Preference-Applied",
                   answer.status == 202 and location.startswith("/.holdfast/r/") and
                   answer.get("Preference-Applied") == "respond-async", answer.told())
    verdicts.check("status says queued or running",
                   state(ports[0], location) in ("queued", "running"))
    verdicts.check("status says answered, by the other frontend",
                   is_done(ports[1], location))
    direct = ask(ports[0], "/delay/1", "POST", b"work")
    kept = ask(ports[1], under(location, "/response"))
    verdicts.check("the response is the one of a plain call",
                   (kept.status, kept.body) == (direct.status, direct.body) and
                   kept.get("Content-Type") == direct.get("Content-Type"), kept.told())
    verdicts.check("and again", ask(ports[0], under(location, "/response")).body == b"work")
    unknown = location.replace("k=", "k=x")[:len(location)]
    other = location[:-22] + "A" * 22
    for name, target in (("malformed", unknown), ("wrong", other),
                         ("missing", location.partition("?")[0])):
        verdicts.check(f"a {name} secret is 404",
                       ask(ports[0], target).is_problem(404, "not-found"))
    big = b"x" * 300000
    location = ask(ports[0], "/big", "POST", big, ASYNC).get("Location")
    verdicts.check("a streamed body runs", is_done(ports[0], location))
    kept = ask(ports[0], under(location, "/response"))
    verdicts.check("and its streamed response is whole",
                   kept.status == 200 and kept.body == big, str(len(kept.body)))


def check_wait(verdicts, ports):
    quick = ask(ports[0], "/delay/200", "POST", b"q", (("Prefer", "respond-async, wait=20"),))
    verdicts.check("wait=20: answered in time as a plain call",
                   quick.status == 200 and quick.body == b"q", quick.told())
    slow = ask(ports[0], "/delay/2500?n=wait", "POST", b"s",
               (("Prefer", "respond-async, wait=1"),))
    verdicts.check("wait=1: 202 after that", slow.status == 202, slow.told())
    location = slow.get("Location")
    held = ask(ports[0], under(location, "/response") + "&wait=30")
    verdicts.check("the work went on, and a long poll gets its response",
                   held.status == 200 and held.body == b"s", held.told())


def check_cancel(verdicts, ports):
    location = ask(ports[0], "/delay/5000", "POST", b"c", ASYNC).get("Location")
    verdicts.check("DELETE of another secret is 404",
                   ask(ports[0], location[:-22] + "A" * 22, "DELETE").status == 404)
    answer = ask(ports[1], location, "DELETE")
    verdicts.check("DELETE cancels, through the other frontend",
                   answer.status == 200 and b'"cancelled"' in answer.body, answer.told())
    verdicts.check("and it stays so", state(ports[0], location) == "cancelled")


def check_kills(verdicts, running, ports):
    target = "/delay/1500?n=kill"
    location = ask(ports[0], target, "POST", b"k", ASYNC).get("Location")
    cluster.kill(running.pid("broker"))
    verdicts.check("broker killed after 202: it is answered", is_done(ports[1], location))
    verdicts.check("with its response",
                   ask(ports[1], under(location, "/response")).body == b"k")
    location = ask(ports[0], "/delay/1500?n=front", "POST", b"f", ASYNC).get("Location")
    cluster.kill(running.pid("frontend"))
    verdicts.check("frontend killed after 202: another one knows",
                   wait_for(lambda: any(state(p, location) == "answered" for p in ports),
                            30 * SLOW, 0.05))
    cluster.kill(running.pid("broker"))
    verdicts.check("kept over one more broker", is_done(ports[1], location))


def main():
    verdicts = Verdicts()
    ports = cluster.free_ports(2)
    with cluster.Cluster(lambda c: config(ports, c.path("executions"), "24h")) as running:
        check_whole(verdicts, ports)
        check_wait(verdicts, ports)
        check_cancel(verdicts, ports)
        check_kills(verdicts, running, ports)
    ports = cluster.free_ports(2)
    with cluster.Cluster(lambda c: config(ports, c.path("executions"), "2s")):
        location = ask(ports[0], "/x", "POST", b"r", ASYNC).get("Location")
        verdicts.check("answered", is_done(ports[0], location))
        time.sleep(2.2)
        verdicts.check("410 after its retention",
                       ask(ports[0], location).is_problem(410, "gone") and
                       ask(ports[0], under(location, "/response")).status == 410)
    verdicts.exit()


if __name__ == "__main__":
    main()
