#!/usr/bin/env python3
"""The limits of docs/limits.md that only running processes have: each is reached, its
reason, counter and log line are seen, and what was there before goes on.
"""
import os
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import client
import cluster
import session
from client import Connection
from cluster import SLOW, wait_for
from testbroker import BIN, Bench, Verdicts

CONNECTIONS, REQUESTS, IN_FLIGHT, BROKER_REQUESTS = 12, 4, 2, 6
ADMIN_CONNECTIONS, ADMIN_BODY = 64, 1 << 20
PIPELINED = 16
LOG_BYTES = 16 << 20
CONF_BYTES, CONF_DEPTH, CONF_KEYS, CONF_ERRORS = 4 << 20, 16, 16384, 16


def config(ports, log):
    out = cluster.echo_config(ports[0], log)
    out["frontends"][0]["admin"] = f"127.0.0.1:{ports[1]}"
    out["frontends"].append({"name": "small", "listen": [f"127.0.0.1:{ports[2]}"],
                             "admin": f"127.0.0.1:{ports[3]}",
                             "connections_max": CONNECTIONS, "requests_max": REQUESTS})
    out["brokers"].append({"name": "b2", "requests_max": BROKER_REQUESTS,
                           "in_flight_max": IN_FLIGHT})
    out["queues"][0]["broker"] = "b1"
    out["queues"].append({"name": "two", "broker": "b2"})
    out["url_groups"][0]["prefixes"].append(f"http://*:{ports[2]}/")
    out["url_groups"].append({"name": "two", "prefixes": [f"http://*:{ports[0]}/two/"],
                              "queue": "two"})
    out["pools"].append({**out["pools"][0], "name": "two", "queue": "two", "processes": 1,
                         "concurrency": 16})
    return out


def raw(port, data, seconds=10):
    with Connection(("127.0.0.1", port), seconds * SLOW) as c:
        c.send(data)
        return c.answer()


def metric(port, name):
    body = client.once(("127.0.0.1", port), "GET", "/metrics").body.decode()
    values = [float(l.rpartition(" ")[2]) for l in body.splitlines()
              if l.startswith(name + " ") or l.startswith(name + "{")]
    return sum(values) if values else None


def get(target="/x", fields=b"", method=b"GET"):
    return method + b" " + target.encode() + b" HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n"


def line_of(count):
    """A request whose line has `count` bytes without its CRLF."""
    rest = count - len(b"GET /x? HTTP/1.1")
    return get("/x?" + "q" * rest)


def field_of(count):
    return get(fields=b"X: " + b"v" * (count - 3) + b"\r\n")


def fields_of(count):
    """A request whose fields have `count` bytes with their CRLFs, in lines of 10,000."""
    left, out = count - len(b"Host: a\r\n"), b""
    while left > 0:
        some = min(left, 10000)
        some = left if left - some < 10 else some
        out += b"X: " + b"v" * (some - 5) + b"\r\n"
        left -= some
    return get(fields=out)


def chunked(extension):
    """The ; itself counts here and not in the limit."""
    return (b"PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;" +
            b"e" * (extension - 1) + b"\r\nx\r\n0\r\n\r\n")


# What, at the limit, one above, status and reason of that (FEATURES 3.10, SECURITY.md 5).
EDGES = (
    ("request line of 8192 bytes", line_of(8192), line_of(8193), 414, "URL_Length"),
    ("field of 16384 bytes", field_of(16384), field_of(16385), 431, "FieldLength"),
    ("fields of 32768 bytes together", fields_of(32768), fields_of(32769), 431,
     "RequestLength"),
    ("100 fields", get(fields=b"X: 1\r\n" * 99), get(fields=b"X: 1\r\n" * 100), 431,
     "RequestLength"),
    ("255 segments", get("/s" * 255), get("/s" * 256), 414, "URL_Length"),
    ("segment of 260 characters", get("/" + "s" * 260), get("/" + "s" * 261), 414,
     "URL_Length"),
    ("256 bytes of chunk extensions", chunked(257), chunked(258), 400, None),
    ("Host of 255 bytes", b"GET /x HTTP/1.1\r\nHost: " + b"a." * 127 + b"a\r\n\r\n",
     b"GET /x HTTP/1.1\r\nHost: " + b"a." * 127 + b"aa\r\n\r\n", 400, "Hostname"),
    ("Connection of 1024 bytes", get(fields=b"Connection: " + b"x" * 1024 + b"\r\n"),
     get(fields=b"Connection: " + b"x" * 1025 + b"\r\n"), 400, "Header"),
)


# A message that cannot be read on from ends its connection; a path or field that is only
# unwelcome does not.
FRAMING = {edge[0] for edge in EDGES} - {
    "255 segments", "segment of 260 characters", "Connection of 1024 bytes"}


def check_edges(verdicts, ports):
    for what, good, bad, status, reason in EDGES:
        fits = raw(ports[0], good)
        over = raw(ports[0], bad)
        seen = over.body.split(b'"reason":"')[-1].split(b'"')[0].decode()
        verdicts.check(f"{what} pass, one more is {status} {reason or ''}".rstrip(),
                       fits.status == 200 and over.is_problem(status, reason or seen) and
                       (over.get("Connection") == "close" or what not in FRAMING),
                       f"{fits.status}; {over.told()}")
    for digits, status, reason in ((18, 413, "EntityTooLarge"), (19, 400, "Number")):
        got = raw(ports[0], get(fields=b"Content-Length: " + b"9" * digits + b"\r\n"))
        verdicts.check(f"a length of {digits} digits is {status}",
                       got.is_problem(status, reason), got.told())
    refused = metric(ports[1], "holdfast_frontend_refused_total")
    verdicts.check("refusals are counted by reason", refused >= len(EDGES), str(refused))


def check_pipeline(verdicts, ports, running):
    """At most 16 are parsed ahead: of 40 slow ones no more than that are in flight."""
    with Connection(("127.0.0.1", ports[0]), 30 * SLOW) as c:
        c.send(b"".join(get("/delay/400") for _ in range(40)))
        most, due = 0, time.monotonic() + 0.35
        while time.monotonic() < due:
            most = max(most, running.queue()["in_flight"])
        answers = [c.answer().status for _ in range(40)]
    verdicts.check("40 pipelined requests: 16 at once at most, all answered",
                   1 < most <= PIPELINED and answers == [200] * 40, f"{most} at once")


def check_frontend(verdicts, ports):
    address = ("127.0.0.1", ports[2])
    held = [Connection(address, 10 * SLOW) for _ in range(REQUESTS)]
    for c in held:
        c.ask("GET", "/delay/1500")
    wait_for(lambda: metric(ports[3], "holdfast_frontend_held") == REQUESTS, 5 * SLOW)
    over = client.once(address, "GET", "/x")
    verdicts.check(f"requests_max {REQUESTS}: one more is 503 ConnLimit with Retry-After",
                   over.is_problem(503, "ConnLimit") and over.get("Retry-After"),
                   over.told())
    verdicts.check("and the metric says so", metric(
        ports[3], 'holdfast_frontend_refused_total{reason="ConnLimit"}') == 1)
    verdicts.check("those that are held are answered",
                   [c.answer().status for c in held] == [200] * REQUESTS)
    for c in held:
        c.close()


def check_connections(verdicts, ports):
    """Beyond connections_max the accepting pauses; nothing is lost, it waits."""
    address = ("127.0.0.1", ports[2])
    wait_for(lambda: metric(ports[3], "holdfast_frontend_connections") == 0, 5 * SLOW)
    idle = [Connection(address, 10 * SLOW) for _ in range(CONNECTIONS)]
    for c in idle:
        c.request("GET", "/x")
    have = metric(ports[3], "holdfast_frontend_connections")
    late = Connection(address, 10 * SLOW)
    late.ask("GET", "/x")
    early = late.leftover(0.5)
    verdicts.check(f"connections_max {CONNECTIONS}: one more waits unaccepted",
                   have == CONNECTIONS and not early, f"{have}, {early[:40]!r}")
    verdicts.check("and the pause is counted", metric(
        ports[3], "holdfast_frontend_accept_pauses_total") >= 1)
    verdicts.check("a full frontend still serves those it has",
                   idle[0].request("GET", "/x").status == 200)
    idle[1].close()
    late.socket.settimeout(10 * SLOW)
    verdicts.check("and takes the next when one goes", late.answer().status == 200)
    for c in idle + [late]:
        c.close()


def check_broker(verdicts, ports, running):
    address = ("127.0.0.1", ports[0])
    held = [Connection(address, 20 * SLOW) for _ in range(BROKER_REQUESTS)]
    for i, c in enumerate(held):
        c.ask("GET", "/two/x" if i >= IN_FLIGHT else "/two/x")
    answers = [c.answer().status for c in held]
    verdicts.check("in_flight_max 2: all are served, two at a time",
                   answers == [200] * BROKER_REQUESTS, str(answers))
    for c in held:
        c.close()


def admin_open(port):
    s = socket.create_connection(("127.0.0.1", port), 5 * SLOW)
    s.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
    return s, s.recv(4096)


def check_admin(verdicts, ports):
    port = ports[1]
    held, served = [], 0
    for _ in range(ADMIN_CONNECTIONS + 8):
        try:
            s, got = admin_open(port)
        except OSError:
            got = b""
        else:
            held.append(s)
        served += got.startswith(b"HTTP/1.1 200")
    verdicts.check(f"an admin address has {ADMIN_CONNECTIONS} connections",
                   served == ADMIN_CONNECTIONS, str(served))
    for s in held:
        s.close()
    verdicts.check("and serves again when they are gone", wait_for(
        lambda: admin_status(port) == 200, 5 * SLOW, 0.1))
    verdicts.check("and has counted those it refused",
                   metric(port, "holdfast_admin_connections_refused_total") >= 8)
    for size, fits in ((ADMIN_BODY, True), (ADMIN_BODY + 1, False)):
        try:
            got = raw(port, f"POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: {size}"
                      "\r\n\r\n".encode() + (b"x" * size if fits else b"")).status
        except client.Broken as error:
            got = str(error)
        verdicts.check(f"an admin body of {size} bytes is " +
                       ("read" if fits else "refused unread"),
                       (got == 405) if fits else (got == 413), str(got))


def admin_status(port):
    try:
        return client.once(("127.0.0.1", port), "GET", "/livez", seconds=3).status
    except (client.Broken, OSError):
        return None


def conf_check(directory, text):
    path = os.path.join(directory, "limit.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    code, out, err = cluster.holdfast("config", "check", path, seconds=60)
    return code, (out + err).replace("\n", " ")


def check_config(verdicts, running, port):
    good = cluster.render(cluster.echo_config(port))
    pad = "#" + "x" * 998 + "\n"
    filled = good + pad * ((CONF_BYTES - len(good)) // 1000)
    filled += "#" * (CONF_BYTES - len(filled))
    code, said = conf_check(running.directory, filled)
    verdicts.check("a configuration file of 4 MiB is read", code == 0, said[-160:])
    code, said = conf_check(running.directory, filled + "#")
    verdicts.check("one byte more is refused, with the file named",
                   code not in (0, -6, -11) and "limit.yaml" in said, said[-160:])
    code, said = conf_check(running.directory, good + "x: " + "[" * 100000)
    verdicts.check("100,000 levels are refused, with the line", code not in (0, -6, -11) and
                   "limit.yaml:" in said, said[-160:])
    for section, most in (("queues", 10000), ("prefixes", 100000)):
        for count in (most, most + 1):
            large = cluster.echo_config(port)
            if section == "queues":
                large["queues"] += [{"name": f"q{i}"} for i in range(count - 1)]
            else:
                large["url_groups"][0]["prefixes"] = [f"http://a{i}:1/"
                                                      for i in range(count)]
            code, said = conf_check(running.directory, cluster.render(large))
            verdicts.check(f"{count} {section}: " + ("taken" if count == most else
                           "refused"), (code == 0) == (count == most), said[-120:].strip())
    keys = "".join(f"k{i}: 1\n" for i in range(CONF_KEYS + 1))
    code, said = conf_check(running.directory, good + keys)
    lines = said.split("limit.yaml:")[1:]
    verdicts.check(f"more than {CONF_KEYS} keys are refused; {CONF_ERRORS} findings at most "
                   "are told", code not in (0, -6, -11) and
                   1 <= len(lines) <= CONF_ERRORS, f"{len(lines)} lines")
    beyond = cluster.echo_config(port)
    for section, key, value, told in (
            ("queues", "length", 1000001, "1000000"), ("queues", "length", 9, "10"),
            ("pools", "concurrency", 65536, "65535"), ("pools", "processes", 257, "256"),
            ("url_groups", "body_max", "6GiB", "body_max")):
        changed = cluster.echo_config(port)
        changed[section][0][key] = value
        code, said = conf_check(running.directory, cluster.render(changed))
        verdicts.check(f"{section}[].{key}: {value} is refused, with what is allowed",
                       code not in (0, -6, -11) and key in said and told in said,
                       said.strip()[-160:])
    for count, fits in ((64, True), (65, False)):
        changed = cluster.echo_config(port)
        del changed["pools"][0]["module"]
        changed["pools"][0]["app"] = {"command": ["x"] * count,
                                      "upstream": "http://127.0.0.1:{port}"}
        code, said = conf_check(running.directory, cluster.render(changed))
        verdicts.check(f"an app's command of {count} words", (code == 0) == fits and
                       (fits or "64" in said), said.strip()[-160:])
    beyond["pools"] = [{**beyond["pools"][0], "name": f"p{i}", "processes": 256}
                       for i in range(3)]
    code, said = conf_check(running.directory, cluster.render(beyond))
    verdicts.check("768 workers in all are refused", code not in (0, -6, -11) and
                   "512" in said, said.strip()[-160:])


def check_sessions(verdicts):
    """The broker alone: sessions, handles, queues; flags beyond what there can be."""
    with Bench() as bench:
        broker = bench.broker(flags=["--sessions-max", "2", "--handles-max", "2",
                                     "--admin", "127.0.0.1:0"])
        broker.start()
        broker.policies("a", "b", durability=1)
        # A session of the wire client may still be on its way out.
        time.sleep(0.3)
        who = [bench.minted([(["a", "b"], ["receive", "respond"])]) for _ in range(3)]
        up = [session.Session(broker.address, w).keep_alive() for w in who[:2]]
        opened = [up[0].open("a", 3, 1), up[0].open("b", 3, 2), up[1].open("a", 3, 1)]
        verdicts.check("handles_max 2: a third is refused, the session lives on",
                       opened[:2] == [0, 0] and opened[2] != 0 and
                       up[1].ending(0.3) is None, str(opened))
        mark = broker.log_mark()
        try:
            third = session.Session(broker.address, who[2])
            got = third.ending(2)
        except session.Rejected as refusal:
            got = f"rejected {refusal}"
        except (session.Closed, OSError) as error:
            got = repr(error)
        verdicts.check("sessions_max 2: a third does not come up",
                       got is not None, str(got))
        verdicts.check("and the log names the limit", broker.wait_log("sessions_max", 3,
                                                                       mark))
        up[1].close()

        def again():
            try:
                return session.Session(broker.address, who[2])
            except (session.Rejected, session.Closed, OSError):
                return None
        verdicts.check("a place that is given back is used again",
                       wait_for(again, 5 * SLOW, 0.2))
        for s in up:
            s.close()


def check_logs(verdicts, running):
    """The logs of a running worker and of a running broker, as if both had said much."""
    for name in ("worker-echo-0", "broker-b1"):
        path = os.path.join(running.state, "log", name + ".log")
        with open(path, "ab") as log:
            log.write(b"x" * LOG_BYTES)

        def is_aside(path=path):
            return os.path.exists(path + ".1") and os.path.getsize(path) < LOG_BYTES
        verdicts.check(f"{name}: a log over {LOG_BYTES >> 20} MiB is set aside meanwhile",
                       wait_for(is_aside, 5 * SLOW, 0.1) and
                       os.path.getsize(path + ".1") > LOG_BYTES)


def check_flags(verdicts):
    for flag, value in (("sessions-max", 100000), ("queues-max", 100000),
                        ("principals-max", 100000), ("requests-max", 1 << 33),
                        ("handles-max", 1 << 33), ("in-flight-max", 0)):
        done = subprocess.run(
            [os.path.join(BIN, "holdfast-broker"), "--store", "/nonexistent/x",
             "--listen", "tcp://127.0.0.1:0", "--credentials", "/nonexistent",
             f"--{flag}", str(value)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=20, check=False)
        verdicts.check(f"holdfast-broker --{flag} {value} is misuse",
                       done.returncode == 2 and flag in done.stdout,
                       f"exit {done.returncode}: {done.stdout.strip()[-120:]}")


def main():
    verdicts = Verdicts()
    ports = cluster.free_ports(4)
    with cluster.Cluster(lambda c: config(ports, c.path("executions"))) as running:
        for part in (lambda: check_edges(verdicts, ports),
                     lambda: check_pipeline(verdicts, ports, running),
                     lambda: check_frontend(verdicts, ports),
                     lambda: check_connections(verdicts, ports),
                     lambda: check_logs(verdicts, running),
                     lambda: check_broker(verdicts, ports, running),
                     lambda: check_admin(verdicts, ports),
                     lambda: check_config(verdicts, running, ports[0])):
            try:
                part()
            except (client.Broken, OSError) as error:
                verdicts.check("to the end", False, repr(error))
    check_flags(verdicts)
    check_sessions(verdicts)
    verdicts.exit()


if __name__ == "__main__":
    main()
