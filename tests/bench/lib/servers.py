"""The servers that are compared: nginx pairs and Holdfast clusters.

Each has a temporary directory and ports of its own, a `url`, and `pids()`, the processes
whose CPU counts for it.
"""
import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
BIN = os.path.join(ROOT, os.environ.get("BUILD", "build"), "bin")
REPORT_S = 1.5  # brokers report to the controller more often than this
PROXY = """worker_processes {workers}; pid {dir}/proxy.pid; error_log {dir}/proxy.log;
daemon off; events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000;
  upstream u {{ server 127.0.0.1:{back}; keepalive 512; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{front} reuseport;
    location / {{ proxy_pass http://u; proxy_http_version 1.1;
      proxy_set_header Connection ""; }} }} }}
"""
BACK = """worker_processes 1; pid {dir}/back.pid; error_log {dir}/back.log;
daemon off; events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000;
  server {{ listen 127.0.0.1:{back};
    location / {{ default_type text/plain; return 200 "hello\\n"; }} }} }}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def descendants(pid):
    """pid and its children and theirs."""
    found, at = [pid], 0
    while at < len(found):
        try:
            for task in os.listdir(f"/proc/{found[at]}/task"):
                with open(f"/proc/{found[at]}/task/{task}/children") as file:
                    found += [int(p) for p in file.read().split()]
        except OSError:
            pass
        at += 1
    return found


def wait_for(what, seconds=15):
    """Calls `what` until it is true; an exception counts as not yet."""
    end, last = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            if what():
                return
        except OSError as error:
            last = error
        time.sleep(0.05)
    raise SystemExit(f"bench: not ready after {seconds} s: {last}")


class Server:
    """Processes in a directory; stop() ends them, at the latest when Python exits."""

    def __init__(self, name):
        self.name = name
        self.directory = tempfile.mkdtemp(prefix="hf-bench-")
        self.children = []
        self.url = None
        atexit.register(self.stop)

    def spawn(self, command, log, **more):
        with open(os.path.join(self.directory, log), "ab") as file:
            child = subprocess.Popen(command, stdout=file, stderr=file, **more)
        self.children.append(child)
        return child

    def answers(self):
        with urllib.request.urlopen(self.url, timeout=5) as response:
            return response.read() == b"hello\n"

    def pids(self):
        return [pid for child in self.children for pid in descendants(child.pid)]

    def stop(self):
        children, self.children = self.children, []
        for child in reversed(children):
            child.send_signal(signal.SIGTERM)
        for child in reversed(children):
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class Nginx(Server):
    """A proxy of `workers` processes in front of one `return 200` process.

    Each is a session of its own, as services are and as the spawner starts Holdfast's
    processes: the kernel's autogroups schedule sessions, not processes, and on a machine
    without cgroups a session costs a chain of processes up to a third of its speed."""

    def __init__(self, workers):
        super().__init__(f"nginx {workers}+1")
        values = {"dir": self.directory, "workers": workers, "front": free_port(),
                  "back": free_port()}
        for name, text in (("back", BACK), ("proxy", PROXY)):
            path = os.path.join(self.directory, name + ".conf")
            with open(path, "w") as file:
                file.write(text.format(**values))
            self.spawn(["nginx", "-p", self.directory, "-c", path], name + ".out",
                       start_new_session=True)
        self.url = f"http://127.0.0.1:{values['front']}/"
        wait_for(self.answers)


class Holdfast(Server):
    """A cluster of deploy/examples/EXAMPLE.yaml on ports of its own, by `holdfast up`."""

    def __init__(self, name, example):
        super().__init__(name)
        port = free_port()
        with open(f"{ROOT}/deploy/examples/{example}.yaml") as file:
            text = file.read()
        text = text.replace("8080", str(port)).replace("7480", str(free_port()))
        with open(self.path("cluster.yaml"), "w") as file:
            file.write(text)
        self.spawn([f"{BIN}/holdfast", "up", self.path("cluster.yaml"), "--state",
                    self.path("state")], "up.log")
        self.url = f"http://127.0.0.1:{port}/"
        self.processes = []
        wait_for(self.is_whole, 30)
        wait_for(self.answers)
        self.idle_kib = memory_kib(self.pid_of("broker"))

    def path(self, name):
        return os.path.join(self.directory, name)

    def is_whole(self):
        """All roles are there, and both workers have given the queue their credit."""
        if not os.path.exists(self.path("state/run")):
            return False
        try:
            status = self.status()
        except subprocess.CalledProcessError:
            return False
        self.processes = status["processes"]
        return (len(self.processes) == 7 and status["queues"] and
                status["queues"][0]["idle_credit"] == 512)

    def status(self):
        done = subprocess.run([f"{BIN}/holdfast", "status", "--json", "--state",
                               self.path("state")], capture_output=True, text=True,
                              timeout=20, check=True)
        return json.loads(done.stdout)

    def pids(self):
        return [self.children[0].pid] + [p["pid"] for p in self.processes]

    def pid_of(self, role):
        return next(p["pid"] for p in self.processes if p["role"] == role)

    def counters(self):
        """What the queue committed and elided; the controller learns it each second."""
        time.sleep(REPORT_S)
        queue = self.status()["queues"][0]
        return {name: queue[name] for name in ("committed", "elided")}


def memory_kib(pid, field="VmRSS"):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field))
