"""One real broker with its credentials in a directory of its own, and the C wire client."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import hf1
import session

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
BIN = os.environ.get("HOLDFAST_BIN", os.path.join(ROOT, "build", "bin"))
TESTS = os.environ.get("HOLDFAST_TESTS", os.path.join(ROOT, "build", "tests"))
MODE = os.environ.get("HOLDFAST_MODE", "release")
WIRE = os.path.join(TESTS, "tests", "wire", "wire_main")
SANITIZER = re.compile(r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:")
# What "flat" memory may grow by: sanitizers keep what was freed for a while.
MEMORY_FACTOR = 1 if MODE == "release" else 16
IS_FULL = os.environ.get("HOLDFAST_FULL", "") not in ("", "0")


def shim(name):
    return os.path.join(TESTS, "fault", name + ".so")


class Verdicts:
    """Prints one line for each claim; the exit status says whether all hold."""

    def __init__(self):
        self.failed = 0

    def check(self, claim, holds, detail=""):
        word = "PASS" if holds else "FAIL"
        self.failed += 0 if holds else 1
        print(f"{word} {claim}" + (f": {detail}" if detail else ""), flush=True)
        return holds

    def skip(self, claim, why):
        print(f"SKIP {claim}: {why}", flush=True)

    def exit(self):
        sys.exit(1 if self.failed else 0)


class Bench:
    """A directory with packages for all roles; removes it, and all brokers, at the end."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="hf-")
        self.brokers, self.children = [], []
        subprocess.run([WIRE, "issue", self.directory], check=True)
        self.issuer = hf1.Key.parse(open(self.path("issuer.key"), encoding="ascii")
                                    .read().strip())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait()
        for broker in self.brokers:
            if broker.is_running() and MODE == "release":
                broker.kill()
            elif broker.is_running():
                broker.stop()  # so that what leaks is reported
        reports = [line for broker in self.brokers for line in broker.whole_log()
                   if SANITIZER.search(line)]
        shutil.rmtree(self.directory, ignore_errors=True)
        if reports:
            print("FAIL no sanitizer reports: " + reports[0], flush=True)
            sys.exit(1)

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def package(self, role):
        return self.path(role + ".package")

    def broker(self, **more):
        broker = Broker(self, **more)
        self.brokers.append(broker)
        return broker

    def who(self, role, **more):
        """The holder of an issued package as a raw client."""
        fields = hf1.read_package(self.package(role))
        roles = {"worker": session.WORKER, "client": session.FRONTEND,
                 "controller": session.CONTROLLER}
        return session.Who(hf1.Key.parse(fields["key"]), fields["token"],
                           more.pop("role", roles[role]), **more)

    def minted(self, grants, role=session.WORKER, **changes):
        """A fresh key with a token of the cluster's issuer; Who.claims tells the jti."""
        key = hf1.Key()
        claims = hf1.claims(key, grants, **changes)
        who = session.Who(key, hf1.sign_token(self.issuer, claims, "holdfast-cap-v1;root"),
                          role)
        who.claims = claims
        return who

    def spawn(self, *arguments, **more):
        """The wire client in the background."""
        child = subprocess.Popen([WIRE, *map(str, arguments)], stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True, **more)
        self.children.append(child)
        return child

    @staticmethod
    def wire(*arguments, seconds=60):
        """(exit status, output) of the wire client."""
        done = subprocess.run([WIRE, *map(str, arguments)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=seconds,
                              check=False)
        return done.returncode, done.stdout


class Broker:
    def __init__(self, bench, store=None, flags=(), env=None, name="b"):
        self.bench, self.flags, self.env, self.name = bench, list(flags), env, name
        self.store = store or bench.path(name + ".store")
        self.address = "ipc://" + bench.path(name + ".sock")
        self.tcp = None
        self.log_path = bench.path(name + ".log")
        self.process, self.log_from = None, 0

    def start(self, seconds=20, flags=(), env=None):
        """Waits until it is ready, or has ended; False then."""
        environment = dict(os.environ, **(self.env or {}), **(env or {}))
        with open(self.log_path, "ab") as log:
            self.log_from = log.tell()
            self.process = subprocess.Popen(
                [os.path.join(BIN, "holdfast-broker"), "--store", self.store,
                 "--listen", self.address, "--listen", "tcp://127.0.0.1:0",
                 "--credentials", self.bench.package("broker"), "--drain", "10ms",
                 *self.flags, *flags],
                stdout=log, stderr=log, env=environment)
        if not self.wait_log('event="broker ready"', seconds):
            return False
        self.tcp = "tcp://" + self.log().split("address=tcp://")[1].split()[0]
        return True

    def log(self):
        """What this run of it has logged."""
        with open(self.log_path, "rb") as log:
            log.seek(self.log_from)
            return log.read().decode("utf-8", "replace")

    def whole_log(self):
        """The lines of all runs of it."""
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read().splitlines()

    def log_mark(self):
        return len(self.log())

    def wait_log(self, text, seconds=5, after=0):
        due = time.monotonic() + seconds
        while text not in self.log()[after:]:
            if time.monotonic() > due or not self.is_running():
                return text in self.log()[after:]
            time.sleep(0.01)
        return True

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.process.wait()

    def stop(self, seconds=20):
        self.signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def wait(self, seconds=20):
        """Exit status, None when it does not end."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def policy(self, queue, durability="strict", length=1000000):
        status, out = self.bench.wire("policy", self.address,
                                      self.bench.package("controller"), queue, durability,
                                      length)
        assert status == 0, out

    def policies(self, *queues, durability=2):
        """One policy with all these queues: a later one replaces it whole."""
        controller = session.Session(self.address, self.bench.who("controller"))
        items = b"".join(
            session.message({4: session.message({
                1: q.encode(), 2: durability, 3: 100000, 4: 1 << 36, 5: 86400000, 7: 5,
                9: 10})}) for q in queues)
        controller.send("POLICY", session.message({1: int(time.time() * 1000), 3: 1}) + items)
        assert controller.next("POLICY_ACK") is not None
        controller.close()

    def enqueue(self, queue, count, outstanding=64, size=1024, log="/dev/null"):
        return self.bench.wire("enqueue", self.address, self.bench.package("client"), queue,
                               count, outstanding, size, log)

    def list(self, queue):
        """The ids in the queue, as text."""
        status, out = self.bench.wire("list", self.address, self.bench.package("client"),
                                      queue)
        assert status == 0, out
        return out.split()

    def status(self):
        """Numbers of /proc/PID/status, in KiB where they are sizes."""
        out = {}
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            for line in file:
                name, _, value = line.partition(":")
                if value.split() and value.split()[0].isdigit():
                    out[name] = int(value.split()[0])
        return out

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))
