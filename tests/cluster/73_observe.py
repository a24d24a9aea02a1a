#!/usr/bin/env python3
"""What an operator sees, from the specification: probes (FEATURES row 106), HTTP.sys's
counters (row 108, 1.1), one reason code everywhere (rows 13, 111), structured logs with
no secret in them, nor on a command line or in an environment (SECURITY.md 3.5).
"""
import json
import os
import re
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import client
import cluster
from client import Connection
from cluster import SLOW, wait_for
from testbroker import Bench, Verdicts

# Row 108: HTTP.sys's sets for queues and URL groups and what Holdfast adds to them.
QUEUE_METRICS = ("holdfast_queue_depth", "holdfast_queue_oldest_age_seconds",
                 "holdfast_queue_accepted_total", "holdfast_queue_refused_total",
                 "holdfast_queue_in_flight", "holdfast_queue_redelivered_total",
                 "holdfast_queue_elided_total", "holdfast_queue_committed_total")
GROUP_METRICS = ("holdfast_group_requests_total", "holdfast_group_get_head_total",
                 "holdfast_group_bytes_in_total", "holdfast_group_bytes_out_total",
                 "holdfast_group_answers_total")
LINE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)*)\})? '
                  r'(-?[0-9.e+]+|NaN|[+-]Inf)$')


def config(ports, log):
    out = cluster.echo_config(ports[0], log)
    out["frontends"][0]["admin"] = f"127.0.0.1:{ports[1]}"
    out["brokers"][0]["admin"] = f"127.0.0.1:{ports[2]}"
    out["controller"] = {"admin": f"127.0.0.1:{ports[3]}"}
    out["queues"] += [{"name": "shut", "state": "disabled"},
                      {"name": "held", "state": "paused"}]
    out["url_groups"] += [
        {"name": n, "queue": n, "prefixes": [f"http://*:{ports[0]}/{n}/"]}
        for n in ("shut", "held")]
    return out


def admin(port, path, seconds=5):
    try:
        return client.once(("127.0.0.1", port), "GET", path, seconds=seconds * SLOW)
    except (client.Broken, OSError):
        return None


def status(port, path, seconds=5):
    answer = admin(port, path, seconds)
    return None if answer is None else answer.status


class Metrics:
    """One scrape: value by (name, labels), type by name, and what is malformed."""

    def __init__(self, port):
        self.values, self.types, self.bad = {}, {}, []
        answer = admin(port, "/metrics")
        self.content_type = answer.get("Content-Type") or ""
        for line in answer.body.decode().splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                if name in self.types:
                    self.bad.append("twice: " + name)
                self.types[name] = kind
            elif line and not line.startswith("#"):
                found = LINE.match(line)
                if not found or found.group(1) not in self.types:
                    self.bad.append(line)
                    continue
                self.values[found.group(1), found.group(2) or ""] = float(found.group(3))

    def get(self, name, labels=""):
        return self.values.get((name, labels))


def check_probes(verdicts, ports):
    for name, port in zip(("frontend", "broker", "controller"), ports[1:]):
        verdicts.check(f"row 106: {name}: /livez, /readyz and /metrics are 200",
                       [status(port, p) for p in ("/livez", "/readyz", "/metrics")] ==
                       [200] * 3)
        verdicts.check(f"{name}: another path of the admin address is 404",
                       status(port, "/nothing") == 404, str(status(port, "/nothing")))


def check_metrics(verdicts, ports):
    http = ("127.0.0.1", ports[0])
    before_q, before_g = Metrics(ports[2]), Metrics(ports[1])
    for port in ports[1:]:
        m = Metrics(port)
        verdicts.check("/metrics is Prometheus text, each name typed once",
                       not m.bad and m.values and m.content_type.startswith("text/plain"),
                       f"{m.content_type}; {m.bad[:3]}")
    for name in QUEUE_METRICS:
        verdicts.check(f"row 108: {name} per queue",
                       before_q.get(name, 'queue="echo"') is not None)
    client.once(http, "GET", "/x")
    client.once(http, "HEAD", "/x")
    client.once(http, "POST", "/x", b"12345")
    verdicts.check("row 111: a refusal of the queue", client.once(
        http, "GET", "/shut/x").is_problem(503, "Disabled"))
    after_q, after_g = Metrics(ports[2]), Metrics(ports[1])

    def grown(name, labels, before, after):
        return (after.get(name, labels) or 0) - (before.get(name, labels) or 0)
    verdicts.check("arrivals count what was taken", grown(
        "holdfast_queue_accepted_total", 'queue="echo"', before_q, after_q) == 3)
    verdicts.check("rejections count what was refused", grown(
        "holdfast_queue_refused_total", 'queue="shut"', before_q, after_q) == 1)
    for name in GROUP_METRICS:
        verdicts.check(f"row 108: {name} per group", any(
            key[0] == name and 'group="echo"' in key[1] for key in after_g.values))
    for name, count in (("requests_total", 3), ("get_head_total", 2),
                        ("bytes_in_total", 5)):
        have = grown("holdfast_group_" + name, 'group="echo"', before_g, after_g)
        verdicts.check(f"a group's {name} grew by {count}", have == count, str(have))
    labels = 'reason="Disabled"'
    verdicts.check("row 111: the metric has the reason of the response", grown(
        "holdfast_frontend_refused_total", labels, before_g, after_g) == 1)


def check_oldest(verdicts, ports):
    with Connection(("127.0.0.1", ports[0]), 20) as waiting:
        waiting.ask("GET", "/held/x")
        seen = wait_for(lambda: (Metrics(ports[2]).get("holdfast_queue_oldest_age_seconds",
                                                       'queue="held"') or 0) >= 1, 6 * SLOW,
                        0.2)
        verdicts.check("row 108: the age of the oldest request grows while it waits", seen)


def check_reasons(verdicts, running, ports):
    for target, code, reason in (("/shut/x", 503, "Disabled"), ("/../x", 400, "URL")):
        got = client.once(("127.0.0.1", ports[0]), "GET", target)
        told = json.loads(got.body)

        def logged(ident=told["request_id"]):
            return [l for l in running.logs().splitlines() if ident in l]
        lines = wait_for(logged, 3 * SLOW) or [""]
        verdicts.check(f"row 111: {reason}: the response, and the log line with its id, "
                       "have one reason", got.is_problem(code, reason) and
                       any(f"reason={reason}" in l for l in lines), lines[-1][:200])


def check_lost_broker(verdicts, running, ports):
    pid = running.pid("broker")
    os.kill(pid, signal.SIGSTOP)
    try:
        hung = status(ports[2], "/livez", 1)
        gone = wait_for(lambda: status(ports[1], "/readyz") == 503, 10 * SLOW, 0.1)
        verdicts.check("row 106: a process whose loop hangs is not live", hung is None,
                       str(hung))
        verdicts.check("row 106: without a broker a frontend is live but not ready",
                       gone and status(ports[1], "/livez") == 200)
    finally:
        os.kill(pid, signal.SIGCONT)
    verdicts.check("row 106: and ready again when the broker is back", wait_for(
        lambda: status(ports[1], "/readyz") == 200, 10 * SLOW, 0.1))


def check_drain(verdicts, running, ports):
    pid = running.pid("frontend")
    http = ("127.0.0.1", ports[0])
    done = []
    wait_for(lambda: client.once(http, "GET", "/x").status == 200, 5 * SLOW)

    def slow():
        try:
            done.append(client.once(http, "GET", "/delay/1500").status)
        except (client.Broken, OSError) as error:
            done.append(error)
    asker = threading.Thread(target=slow, daemon=True)
    asker.start()
    wait_for(lambda: running.queue()["in_flight"] == 1, 5 * SLOW)
    os.kill(pid, signal.SIGTERM)
    time.sleep(0.2)
    probes = status(ports[1], "/livez"), status(ports[1], "/readyz")
    verdicts.check("row 106: a draining frontend is live and not ready",
                   probes == (200, 503), str(probes))
    asker.join(20 * SLOW)
    verdicts.check("what a draining frontend holds is answered", done == [200], str(done))
    verdicts.check("and it is there again afterwards", wait_for(
        lambda: status(ports[1], "/readyz") == 200, 15 * SLOW, 0.1))


SECRETS = ("k4.secret", "v4.public.")


def check_secrets(verdicts, running):
    found = []
    for pid in running.descendants():
        for name in ("cmdline", "environ"):
            try:
                with open(f"/proc/{pid}/{name}", "rb") as file:
                    text = file.read().decode("latin-1")
            except OSError:
                continue
            found += [f"{pid} {name}: {s}" for s in SECRETS if s in text]
    verdicts.check("no key and no token in an argument or environment", not found,
                   str(found[:3]))
    logs = running.logs()
    verdicts.check("no key and no token in a log", not [s for s in SECRETS if s in logs])
    daemon = [l for l in logs.splitlines() if l.startswith("time=")]
    verdicts.check("log lines are logfmt with time, level, program and event",
                   daemon and all(re.match(
                       r'time=\S+Z level=(debug|info|warn|error) program=\S+ event=', l)
                       for l in daemon), str(len(daemon)))


def check_json(verdicts):
    with Bench() as bench:
        broker = bench.broker(flags=["--log-format", "json"])
        broker.start(seconds=0)  # what it waits for is the other format
        broker.wait_log('"broker ready"', 10 * SLOW)
        broker.stop()
        lines = [l for l in broker.whole_log() if l.strip()]
    try:
        objects = [json.loads(l) for l in lines]
        verdicts.check("--log-format json: each line is one object", objects and all(
            {"time", "level", "program", "event"} <= set(o) for o in objects),
            str(len(objects)))
    except ValueError as error:
        verdicts.check("--log-format json: each line is one object", False,
                       f"{error}: {lines[:2]}")


def main():
    verdicts = Verdicts()
    ports = cluster.free_ports(4)
    with cluster.Cluster(lambda c: config(ports, c.path("executions"))) as running:
        check_probes(verdicts, ports)
        check_metrics(verdicts, ports)
        check_oldest(verdicts, ports)
        check_reasons(verdicts, running, ports)
        check_lost_broker(verdicts, running, ports)
        check_drain(verdicts, running, ports)
        check_secrets(verdicts, running)
    check_json(verdicts)
    verdicts.exit()


if __name__ == "__main__":
    main()
