"""A whole cluster of real processes under `holdfast up`, from YAML written for the test."""
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import client
from testbroker import BIN, MODE

SLOW = 1 if MODE == "release" else 4  # sanitizers take their time

SANITIZERS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", ": runtime error: ",
              "WARNING: ThreadSanitizer")


def free_ports(count):
    """Ports that nobody listened on a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_for(condition, seconds, every=0.02):
    """The first true value of `condition()`, or the last false one."""
    due = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > due:
            return value
        time.sleep(every)


def render(value, indent=0):
    """YAML of dicts, lists, strings, numbers. Strings are written as JSON ones."""
    pad = " " * indent
    if isinstance(value, dict):
        lines = []
        for key, inner in value.items():
            if isinstance(inner, (dict, list)) and inner:
                lines.append(f"{pad}{key}:\n{render(inner, indent + 2)}")
            else:
                lines.append(f"{pad}{key}: {json.dumps(inner)}\n")
        return "".join(lines)
    return "".join(f"{pad}-\n{render(v, indent + 2)}" if isinstance(v, dict)
                   else f"{pad}- {json.dumps(v)}\n" for v in value)


def echo_config(port, log=None, **queue):
    """The echo example with our port; `log` takes a line for each execution."""
    pool = {"name": "echo", "queue": "echo", "processes": 2, "concurrency": 256,
            "module": "echo", "rapid_fail": "off"}
    if log is not None:
        pool["module_config"] = "log=" + log
    return {
        "cluster": "test",
        "frontends": [{"name": "f1", "listen": [f"127.0.0.1:{port}"]}],
        "brokers": [{"name": "b1"}],
        "queues": [{"name": "echo", "length": 100000, "max_crashes": 0, **queue}],
        "url_groups": [{"name": "echo", "prefixes": [f"http://*:{port}/"],
                        "queue": "echo"}],
        "pools": [pool],
    }


def holdfast(*arguments, seconds=30, prefix=(), **more):
    """(exit status, standard output, standard error) of one command line."""
    done = subprocess.run([*prefix, os.path.join(BIN, "holdfast"), *map(str, arguments)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=seconds, check=False, **more)
    return done.returncode, done.stdout, done.stderr


class Cluster:
    """`with Cluster(config)`: up and ready; at the end drained, and its directory removed.

    `config` is a dict or makes one of the cluster, which has its `path` by then. `prefix`
    goes before each command line, such as `nsenter` into a namespace."""

    def __init__(self, config=None, directory=None, prefix=()):
        self.directory = directory or tempfile.mkdtemp(prefix="hf-")
        self.is_ours = directory is None
        self.file, self.state = self.path("cluster.yaml"), self.path("state")
        self.log_path = self.path("up.log")
        self.prefix, self.process = list(prefix), None
        self.port = None
        if config is None:
            self.port = free_ports(1)[0]
            config = echo_config(self.port, self.path("executions"))
        self.config = config(self) if callable(config) else config

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print(self.tail(), flush=True)
        self.stop()
        found = self.complaints()
        if self.is_ours:
            shutil.rmtree(self.directory, ignore_errors=True)
        if found and kind is None:
            raise AssertionError("sanitizers complain:\n" + found)

    def complaints(self):
        """What sanitizers wrote into the logs, from the first complaint on."""
        logs = self.logs()
        at = min((logs.find(mark) for mark in SANITIZERS if mark in logs), default=-1)
        return logs[at:at + 6000] if at >= 0 else ""

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def write(self, config=None, text=None):
        """Replaces the YAML file in one step."""
        if config is not None:
            self.config = config
        with open(self.file + ".new", "w", encoding="utf-8") as file:
            file.write(render(self.config) if text is None else text)
        os.rename(self.file + ".new", self.file)

    def launch(self):
        """`holdfast up` in the background, nothing waited for."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, os.path.join(BIN, "holdfast"), "up", self.file,
                 "--state", self.state], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)

    def start(self, seconds=30):
        self.write()
        self.launch()
        if not wait_for(self.is_ready, seconds * SLOW, 0.05):
            log = self.tail()
            self.stop()
            raise AssertionError("the cluster does not get ready: " + log)

    def is_ready(self):
        """All that the configuration names is there and serves."""
        if self.process.poll() is not None:
            return True
        status = self.status(can_fail=True)
        if status is None:
            return False
        wanted = sum(pool.get("processes", 1) for pool in self.config.get("pools", ()))
        running = [w for w in status["workers"] if w["state"] == "running"]
        frontends = [s for s in status["sessions"] if s["role"] == "frontend" and
                     s["snapshot"] == status["snapshot"]]
        return (len(running) >= wanted and
                len(frontends) >= len(self.config["frontends"]) * len(status["brokers"]))

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, seconds=40):
        """SIGTERM and its exit status; what is left after `seconds` is killed."""
        if self.process is None:
            return None
        before = self.descendants()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            code = None
            before |= self.descendants()
            for pid in before:
                kill(pid)
            self.process.kill()
            self.process.wait()
        self.process = None
        self.left = {pid for pid in before if is_alive(pid)}
        for pid in self.left:
            kill(pid)
        return code

    def descendants(self):
        """Processes below `up`."""
        found, todo = set(), [self.process.pid]
        children = {}
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    with open(f"/proc/{name}/stat", encoding="latin-1") as file:
                        parent = int(file.read().rpartition(")")[2].split()[1])
                except OSError:
                    continue
                children.setdefault(parent, []).append(int(name))
        while todo:
            for child in children.get(todo.pop(), ()):
                if child not in found:
                    found.add(child)
                    todo.append(child)
        return found

    def log(self):
        with open(self.log_path, "rb") as log:
            return log.read().decode("utf-8", "replace")

    def logs(self):
        """All there is: of `up` and of everything below the state directory."""
        out = self.log()
        for base, _, names in os.walk(self.state):
            for name in names:
                if name.endswith(".log"):
                    with open(os.path.join(base, name), encoding="utf-8",
                              errors="replace") as log:
                        out += f"==== {name}\n" + log.read()
        return out

    def tail(self, lines=40):
        return "\n".join(self.log().splitlines()[-lines:]) if os.path.exists(
            self.log_path) else ""

    def status(self, can_fail=False):
        code, out, err = holdfast("status", "--state", self.state, "--json",
                                  prefix=self.prefix)
        if code != 0:
            if can_fail:
                return None
            raise AssertionError(f"status: exit {code}: {err}")
        return json.loads(out)

    def processes(self, role, status=None):
        status = status or self.status(can_fail=True) or {"processes": []}
        return [p for p in status["processes"] if p["role"] == role]

    def pid(self, role, seconds=10):
        """Of the one process with this role that lives."""
        def find():
            alive = [p["pid"] for p in self.processes(role) if is_alive(p["pid"])]
            return alive[-1] if alive else None
        pid = wait_for(find, seconds * SLOW)
        assert pid, f"no {role}: {self.tail()}"
        return pid

    def queue(self, name="echo", status=None):
        for queue in (status or self.status())["queues"]:
            if queue["name"] == name:
                return queue
        return None

    def holder(self, seconds=5):
        """The pid of a worker that holds a lease, as status says; None when none does."""
        def find():
            status = self.status(can_fail=True)
            held = [w["pid"] for w in (status or {"workers": ()})["workers"]
                    if w["leases"] > 0 and is_alive(w["pid"])]
            return held[0] if held else None
        return wait_for(find, seconds * SLOW)

    def http(self):
        return ("127.0.0.1", self.port)

    def once(self, method, target, body=None, fields=(), seconds=60):
        return client.once(self.http(), method, target, body, fields, seconds)

    def executions(self):
        """[(target, id, attempt)] in order."""
        if not os.path.exists(self.path("executions")):
            return []
        with open(self.path("executions"), encoding="latin-1") as file:
            lines = [line.split() for line in file.read().splitlines()]
        return [(line[0], line[1], int(line[2])) for line in lines]


def die_with_parent():
    """A preexec_fn: what a test that is killed has started by hand dies with it."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def is_alive(pid):
    """Zombies are dead."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def kill(pid, number=signal.SIGKILL):
    """False when it was gone already."""
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


def freeze(pids, seconds=10):
    """SIGSTOP, and waits until no thread of them runs any more. kill() returns earlier:
    the signal goes to one thread, and the others run on until that one gets a CPU."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    return wait_for(lambda: all(map(is_frozen, pids)), seconds * SLOW, 0.001)


def is_frozen(pid):
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/stat", encoding="latin-1") as file:
            if file.read().rpartition(")")[2].split()[0] != "T":
                return False
    return True
