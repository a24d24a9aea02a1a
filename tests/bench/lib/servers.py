"""The servers that are compared: nginx pairs and Holdfast clusters.

Each has a temporary directory and ports of its own, a `url`, and `pids()`, the processes
whose CPU counts for it.
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
BIN = os.path.join(ROOT, os.environ.get("BUILD", "build"), "bin")
WIRE = os.path.join(BIN, "..", "tests", "tests", "wire", "wire_main")
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
    """Processes in a directory; ends them all on stop()."""

    def __init__(self, name):
        self.name = name
        self.directory = tempfile.mkdtemp(prefix="hf-bench-")
        self.children = []
        self.url = None

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
        for child in reversed(self.children):
            child.send_signal(signal.SIGTERM)
        for child in reversed(self.children):
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class Nginx(Server):
    """A proxy of `workers` processes in front of one `return 200` process."""

    def __init__(self, workers):
        super().__init__(f"nginx {workers}+1")
        values = {"dir": self.directory, "workers": workers, "front": free_port(),
                  "back": free_port()}
        for name, text in (("back", BACK), ("proxy", PROXY)):
            path = os.path.join(self.directory, name + ".conf")
            with open(path, "w") as file:
                file.write(text.format(**values))
            self.spawn(["nginx", "-p", self.directory, "-c", path], name + ".out")
        self.url = f"http://127.0.0.1:{values['front']}/"
        wait_for(self.answers)


class Holdfast(Server):
    """Broker, frontend and two echo workers on credentials issued for the test."""

    def __init__(self, name, durability="lazy", is_tcp=False):
        super().__init__(name)
        self.admin = free_port()
        self.front_admin = free_port()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/"
        self.address = (f"tcp://127.0.0.1:{free_port()}" if is_tcp
                        else f"ipc://{self.directory}/b.sock")
        self.wire("issue", self.directory)
        self.broker = self.spawn(
            [f"{BIN}/holdfast-broker", "--store", self.path("store"), "--listen",
             self.address, "--credentials", self.path("broker.package"), "--admin",
             f"127.0.0.1:{self.admin}"], "broker.log")
        wait_for(self.counters_text)
        self.wire("policy", self.address, self.path("controller.package"), "echo",
                  durability)
        self.wire("routes", self.address, self.directory, "echo", f"http://*:{port}/")
        self.idle_kib = memory_kib(self.broker.pid)
        self.frontend = self.packaged(
            [f"{BIN}/holdfast-frontend", "--listen", f"127.0.0.1:{port}", "--broker",
             self.address, "--admin", f"127.0.0.1:{self.front_admin}"], "client",
            "frontend.log")
        for number in (1, 2):
            self.packaged(
                [f"{BIN}/holdfast-worker", "--broker", self.address, "--queue", "echo",
                 "--module", "echo", "--concurrency", "256", "--name", f"w{number}"],
                "worker", f"worker{number}.log")
        wait_for(self.answers)

    def path(self, name):
        return os.path.join(self.directory, name)

    def packaged(self, command, role, log):
        with open(self.path(role + ".package"), "rb") as package:
            fd = package.fileno()
            return self.spawn(command + ["--package-fd", str(fd)], log, pass_fds=(fd,))

    @staticmethod
    def wire(*words):
        done = subprocess.run([WIRE, *words], capture_output=True, text=True, timeout=30,
                              check=False)
        if done.returncode != 0:
            raise SystemExit(f"bench: wire {words[0]}: {done.stderr}")

    def counters_text(self):
        url = f"http://127.0.0.1:{self.admin}/metrics"
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.read().decode()

    def counters(self):
        """What the echo queue committed and elided."""
        text = self.counters_text()
        return {name: int(re.search(rf"^holdfast_queue_{name}_total\S* (\d+)", text,
                                    re.M).group(1)) for name in ("committed", "elided")}


def memory_kib(pid, field="VmRSS"):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field))
