#!/usr/bin/env python3
"""An ordinary app through Holdfast is the app: status, body and end-to-end fields but
Date, Server and Via are equal to asking it directly.

First deploy/examples/quickstart.yaml itself (other ports, a directory of ours), then an
nginx that serves files with keep-alive and ranges.
"""
import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import client
import cluster
from cluster import SLOW, wait_for
from testbroker import ROOT, Verdicts

BIG_BYTES = 20 << 20
NOT_COMPARED = {"date", "server", "via", "connection", "keep-alive", "transfer-encoding",
                "te", "trailer", "upgrade", "proxy-connection"}


def make_site(directory):
    os.makedirs(os.path.join(directory, "sub"))
    with open(os.path.join(directory, "index.html"), "w", encoding="ascii") as file:
        file.write("<h1>It is held fast.</h1>\n" * 20)
    with open(os.path.join(directory, "big.bin"), "wb") as file:
        for block in range(BIG_BYTES >> 16):
            file.write(bytes([block & 255]) * 32768 + os.urandom(32768))
    with open(os.path.join(directory, "empty"), "wb"):
        pass
    os.chmod(directory, 0o755)


def fields_of(answer):
    return sorted((name.lower(), value) for name, value in answer.fields
                  if name.lower() not in NOT_COMPARED)


def difference(direct, through):
    """What a client could tell the two apart by; empty when nothing."""
    out = []
    if direct.status != through.status:
        out.append(f"status {direct.status} and {through.status}")
    if direct.body != through.body:
        out.append(f"{len(direct.body)} bytes and {len(through.body)} bytes of body")
    for pair in set(fields_of(direct)) ^ set(fields_of(through)):
        out.append(f"field {pair}")
    return "; ".join(out)


def compare(verdicts, what, app, front, asks):
    """`asks`: (claim, method, target, fields, status)"""
    for claim, method, target, fields, status in asks:
        # The app names itself in redirects: it sees the same Host both ways.
        direct = client.once(app, method, target, None, fields, 60)
        through = client.once(front, method, target, None, fields, 60)
        told = difference(direct, through)
        verdicts.check(f"{what}: {claim} as from the app itself",
                       not told and direct.status == status,
                       told or f"{direct.status}, {len(through.body)} bytes")


def is_listening(port):
    try:
        client.once(("127.0.0.1", port), "GET", "/empty", seconds=5).status
        return True
    except (OSError, client.Broken):
        return False


def quickstart(verdicts):
    with open(os.path.join(ROOT, "deploy", "examples", "quickstart.yaml"),
              encoding="utf-8") as file:
        text = file.read()
    port = cluster.free_ports(1)[0]
    running = cluster.Cluster({"frontends": [1], "pools": [{"processes": 2}]})
    make_site(running.path("site"))
    text = text.replace("8080", str(port)).replace("deploy/examples/site",
                                                   running.path("site"))
    running.write = lambda: cluster.Cluster.write(running, text=text)
    with running:
        pid = running.pid("app")
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().decode().split("\0")
        app = ("127.0.0.1", int(re.findall(r"^\d+$", "\n".join(words), re.M)[-1]))
        wait_for(lambda: is_listening(app[1]), 20 * SLOW)
        compare(verdicts, "quickstart", app, ("127.0.0.1", port), (
            ("GET", "GET", "/", (), 200),
            ("HEAD", "HEAD", "/", (), 200),
            ("404", "GET", "/missing", (), 404),
            ("HEAD of 404", "HEAD", "/missing", (), 404),
            ("a redirect", "GET", "/sub", (), 301),
            ("an empty file", "GET", "/empty", (), 200),
            ("501 to an unknown method", "POST", "/", (), 501),
            ("20 MB", "GET", "/big.bin", (), 200),
            ("HEAD of 20 MB", "HEAD", "/big.bin", (), 200)))
        cluster.kill(pid)
        answer = client.once(("127.0.0.1", port), "GET", "/", seconds=30 * SLOW)
        back = wait_for(lambda: len([p for p in running.processes("app")
                                     if p["pid"] != pid]) == 2, 20 * SLOW)
        verdicts.check("quickstart: a killed app is started again, nobody notices",
                       answer.status == 200 and back, answer.told()[:40])


NGINX = """
daemon off; master_process off; worker_processes 1; error_log {d}/error.log;
pid {d}/nginx.pid;
events {{ worker_connections 256; }}
http {{
  access_log off; default_type text/plain; keepalive_timeout 65; etag on;
  client_body_temp_path {d}/t1; proxy_temp_path {d}/t2; fastcgi_temp_path {d}/t3;
  uwsgi_temp_path {d}/t4; scgi_temp_path {d}/t5;
  server {{ listen 127.0.0.1:{port}; root {d}/site; add_header X-Twice one;
            add_header X-Twice two; }}
}}
"""


def nginx(verdicts):
    program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if program is None:
        verdicts.skip("nginx with ranges and keep-alive", "nginx is not installed")
        return
    front, port = cluster.free_ports(2)
    config = cluster.echo_config(front)
    pool = config["pools"][0]
    del pool["module"]
    pool["upstream"] = f"http://127.0.0.1:{port}"
    running = cluster.Cluster(config)
    os.chmod(running.directory, 0o711)
    make_site(running.path("site"))
    with open(running.path("nginx.conf"), "w", encoding="ascii") as file:
        file.write(NGINX.format(d=running.directory, port=port))
    app = subprocess.Popen([program, "-e", running.path("error.log"), "-p",
                            running.directory, "-c", running.path("nginx.conf")])
    try:
        assert wait_for(lambda: is_listening(port), 10), "nginx does not start"
        with running:
            ranges(verdicts, ("127.0.0.1", port), ("127.0.0.1", front))
    finally:
        app.send_signal(signal.SIGTERM)
        app.wait(10)


def ranges(verdicts, app, front):
    compare(verdicts, "nginx", app, front, (
        ("GET", "GET", "/", (), 200),
        ("HEAD", "HEAD", "/big.bin", (), 200),
        ("404", "GET", "/missing", (), 404),
        ("405", "PUT", "/index.html", (), 405),
        ("20 MB", "GET", "/big.bin", (), 200),
        ("a range", "GET", "/big.bin", (("Range", "bytes=1000000-1999999"),), 206),
        ("the last bytes", "GET", "/big.bin", (("Range", "bytes=-10"),), 206),
        ("a range of HEAD", "HEAD", "/big.bin", (("Range", "bytes=0-9"),), 206),
        ("416", "GET", "/index.html", (("Range", "bytes=99999-"),), 416)))
    etag = client.once(app, "GET", "/").get("ETag")
    compare(verdicts, "nginx", app, front,
            (("304", "GET", "/", (("If-None-Match", etag),), 304),))
    with client.Connection(front) as connection:
        answers = [connection.request("GET", "/big.bin", fields=[
            ("Range", f"bytes={i * 1000}-{i * 1000 + 999}")]) for i in range(50)]
    verdicts.check("nginx: 50 ranges over one connection",
                   all(a.status == 206 and len(a.body) == 1000 for a in answers))
    parts = client.once(front, "GET", "/big.bin",
                        fields=[("Range", "bytes=0-99,5000-5099")])
    verdicts.check("nginx: two ranges at once come as multipart/byteranges",
                   parts.status == 206 and parts.body.count(b"Content-Range") == 2)


def main():
    verdicts = Verdicts()
    quickstart(verdicts)
    nginx(verdicts)
    verdicts.exit()


if __name__ == "__main__":
    main()
