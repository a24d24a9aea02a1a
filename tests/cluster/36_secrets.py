#!/usr/bin/env python3
"""Secrets on a running cluster (SECURITY.md 3.5, 4.3): where they are not.

No key and no variable of an app on any command line, in any environment but the app's
own, or in any log; files and sockets closed to others; nothing of ours open in an app.
"""
import os
import re
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import client
import cluster
from testbroker import Verdicts

SECRET = "a-password-of-the-app"
APP = """
import http.server, os, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        fds = {n: os.readlink("/proc/self/fd/" + n) for n in os.listdir("/proc/self/fd")
               if os.path.exists("/proc/self/fd/" + n)}
        text = repr((os.environ.get("PASSWORD"), sorted(os.environ), fds)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
"""


def config_of(stage):
    stage.port = cluster.free_ports(1)[0]
    with open(stage.path("app.py"), "w", encoding="ascii") as file:
        file.write(APP)
    return {
        "cluster": "test",
        "frontends": [{"name": "f1", "listen": [f"127.0.0.1:{stage.port}"]}],
        "brokers": [{"name": "b1"}],
        "queues": [{"name": "web"}],
        "url_groups": [{"name": "web", "prefixes": [f"http://*:{stage.port}/"],
                        "queue": "web"}],
        "pools": [{"name": "web", "queue": "web", "processes": 1, "concurrency": 2,
                   "app": {"command": ["python3", stage.path("app.py"), "{port}"],
                           "environment": ["PASSWORD=" + SECRET],
                           "directory": stage.directory,
                           "upstream": "http://127.0.0.1:{port}"}}],
    }


def children_of(pid):
    """This process and all below it."""
    out, waiting = [], [pid]
    while waiting:
        each = waiting.pop()
        out.append(each)
        try:
            for task in os.listdir(f"/proc/{each}/task"):
                with open(f"/proc/{each}/task/{task}/children", encoding="ascii") as file:
                    waiting += map(int, file.read().split())
        except OSError:
            pass
    return sorted(set(out))


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def check_processes(verdicts, stage):
    lines = {pid: read(f"/proc/{pid}/cmdline") for pid in children_of(stage.process.pid)}
    verdicts.check("all processes are looked at", len(lines) >= 8, f"{len(lines)}")
    said = [line for line in lines.values() if SECRET.encode() in line]
    verdicts.check("a variable of the app is on no command line", not said, f"{said}")
    keys = [line for line in lines.values() if b"k4.secret" in line or b"v4.public" in line]
    verdicts.check("no key and no token is on a command line", not keys)
    held = [pid for pid in lines if b"k4.secret" in read(f"/proc/{pid}/environ")]
    verdicts.check("no key is in an environment", not held, f"{held}")


def check_app(verdicts, stage):
    answer = client.once(("127.0.0.1", stage.port), "GET", "/")
    password, names, fds = eval(answer.body)  # the app is ours
    verdicts.check("the app has its variable", password == SECRET, f"{password}")
    verdicts.check("and by its own name only",
                   not [n for n in names if n.startswith("HOLDFAST_APP_ENV_")])
    others = [where for where in fds.values()
              if not re.match(r"pipe:|socket:|/dev/null|/proc/", where)]
    verdicts.check("no file of ours is open in the app", not others, f"{others}")
    # Standard input and output, its listener, the connection of this request.
    verdicts.check("and no socket but its own", len(fds) <= 6, f"{fds}")


def check_files(verdicts, stage):
    open_ones, leaks = [], []
    with open(os.path.join(stage.state, "run"), encoding="ascii") as file:
        run = file.read().strip()
    for top in (stage.state, run):
        for directory, _, files in os.walk(top):
            for path in [directory] + [os.path.join(directory, f) for f in files]:
                mode = os.lstat(path).st_mode
                if stat.S_IMODE(mode) & 0o077 and not path.endswith(".public") and \
                        not stat.S_ISSOCK(mode):
                    open_ones.append((path, oct(mode)))
                if path.endswith(".log") and (b"k4.secret" in read(path) or
                                              SECRET.encode() in read(path)):
                    leaks.append(path)
    verdicts.check("state and run directory are closed to others", not open_ones,
                   f"{open_ones}")
    verdicts.check("no secret is in a log", not leaks, f"{leaks}")
    verdicts.check("the directory of the sockets is ours alone",
                   stat.S_IMODE(os.lstat(run).st_mode) == 0o700)


def main():
    verdicts = Verdicts()
    with cluster.Cluster(config_of) as stage:
        check_processes(verdicts, stage)
        check_app(verdicts, stage)
        check_files(verdicts, stage)
    verdicts.exit()


if __name__ == "__main__":
    main()
