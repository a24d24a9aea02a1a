#!/usr/bin/env python3
"""Two hosts: frontend, broker and controller in one network namespace, a worker started by
hand in another, over sealed tcp on a veth. The link is cut and healed under load.

Three kinds of cut: packets are dropped both ways, the interface goes down, and packets are
dropped after a request was sent but before its answer. No request fails. The worker's key
and token come from the command line and are renewed by nobody: it has files.
"""
import os
import shutil
import subprocess
import sys
import time

LIB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib")
sys.path.insert(0, LIB)
import cluster
from cluster import SLOW, wait_for
from load import Load
from testbroker import BIN, IS_FULL, Verdicts

CUTS = 12 if IS_FULL else 3
HERE, THERE = "10.231.7.1", "10.231.7.2"
CONNECTIONS = 16


def sh(command):
    done = subprocess.run(command, shell=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"{command}: {done.stdout.strip()}")


class Hosts:
    """Two namespaces of this process's own, joined by a veth. We run in the first."""

    def __init__(self):
        self.other = None

    def __enter__(self):
        # A process that does nothing keeps the second namespace.
        self.other = subprocess.Popen(["unshare", "--net", "sleep", "3600"])
        assert wait_for(self.is_apart, 5)
        for command in ("ip link set lo up", "ip link add hfa type veth peer name hfb",
                        f"ip link set hfb netns {self.other.pid}",
                        f"ip addr add {HERE}/24 dev hfa", "ip link set hfa up",
                        self.there("ip link set lo up"),
                        self.there(f"ip addr add {THERE}/24 dev hfb"),
                        self.there("ip link set hfb up")):
            sh(command)
        return self

    def is_apart(self):
        return (os.readlink(f"/proc/{self.other.pid}/ns/net") !=
                os.readlink("/proc/self/ns/net"))

    def __exit__(self, *_):
        self.other.kill()
        self.other.wait()

    def prefix(self):
        return ["nsenter", f"--net=/proc/{self.other.pid}/ns/net"]

    def there(self, command):
        return " ".join(self.prefix()) + " " + command

    @staticmethod
    def drop():
        sh("nft add table inet cut && nft 'add chain inet cut in { type filter hook input "
           "priority 0; }' && nft 'add chain inet cut out { type filter hook output "
           "priority 0; }' && nft add rule inet cut in iifname hfa drop && "
           "nft add rule inet cut out oifname hfa drop")

    @staticmethod
    def undrop():
        sh("nft delete table inet cut")

    @staticmethod
    def down():
        sh("ip link set hfa down")

    @staticmethod
    def up():
        sh("ip link set hfa up")


def config(port, link_port, log):
    out = cluster.echo_config(port, log)
    out["brokers"][0]["listen"] = [f"tcp://{HERE}:{link_port}"]
    out["queues"].append({"name": "local"})
    out["pools"][0].update(queue="local", processes=1)
    return out


def start_worker(running, hosts, link_port):
    key, token = running.path("w.key"), running.path("w.token")
    code, public, err = cluster.holdfast("key", "gen", "--out", key)
    assert code == 0, err
    code, _, err = cluster.holdfast("token", "mint", "--for", public.strip(), "--queue",
                                    "echo", "--op", "receive,respond", "--expires", "1h",
                                    "--state", running.state, "--out", token)
    assert code == 0, err
    with open(running.path("worker.log"), "ab") as log:
        return subprocess.Popen(
            [*hosts.prefix(), os.path.join(BIN, "holdfast-worker"), "--broker",
             f"tcp://{HERE}:{link_port}", "--token", token, "--key", key, "--queue", "echo",
             "--module", "echo", "--module-config", "log=" + running.path("executions"),
             "--concurrency", "64", "--name", "far"], stdout=log, stderr=log,
            preexec_fn=cluster.die_with_parent)


def cut_and_heal(hosts, load, number):
    """True when answers stopped while it was cut and came again after."""
    cut, heal = ((hosts.drop, hosts.undrop), (hosts.down, hosts.up))[number % 2]
    # Shorter and longer than three missed heartbeats.
    length_s = (1.0, 4.5, 0.3, 6.0)[number % 4]
    cut()
    time.sleep(length_s)
    during = load.sent()
    heal()
    return bool(wait_for(lambda: load.sent() > during + 4 * CONNECTIONS, 20 * SLOW))


def play(verdicts, hosts):
    port, link_port = cluster.free_ports(2)
    with cluster.Cluster(lambda c: config(port, link_port, c.path("executions"))) as running:
        worker = start_worker(running, hosts, link_port)
        try:
            seen = wait_for(lambda: [w for w in running.status()["workers"]
                                     if w["id"] == "far"], 10 * SLOW)
            verdicts.check("a worker started by hand on another host is there", seen)
            load = Load(("127.0.0.1", port), CONNECTIONS)
            time.sleep(1)
            healed = [cut_and_heal(hosts, load, number) for number in range(CUTS)]
            time.sleep(1)
            verdicts.check("answers flow again after each cut", all(healed), str(healed))
            verdicts.check(f"link cut {CUTS} times under load: no failed request",
                           load.stop() and not load.failed() and not load.leftovers and
                           len(load.outcomes) > 100, load.told())
        finally:
            worker.terminate()
            try:
                # Less than broker_grace: what was answered elsewhere is not waited for.
                ended = worker.wait(15 * SLOW)
            except subprocess.TimeoutExpired:
                ended = "not in time"
                worker.kill()
                worker.wait()
        verdicts.check("the worker leaves in order on SIGTERM", ended == 0, f"{ended}")


def inside():
    verdicts = Verdicts()
    with Hosts() as hosts:
        play(verdicts, hosts)
    verdicts.exit()


def missing():
    for tool in ("ip", "nft", "unshare", "nsenter"):
        if shutil.which(tool, path=os.environ["PATH"] + ":/sbin:/usr/sbin") is None:
            return f"needs {tool}"
    done = subprocess.run(["unshare", "--net", "true"], stderr=subprocess.PIPE, text=True,
                          check=False)
    return done.stderr.strip() if done.returncode != 0 else None


def main():
    if os.environ.get("HOLDFAST_TEST_NS") == "1":
        inside()
    why = missing()
    if why is not None:
        Verdicts().skip("two hosts", why)
        return
    os.environ["PATH"] += ":/sbin:/usr/sbin"
    os.environ["HOLDFAST_TEST_NS"] = "1"
    os.execvp("unshare", ["unshare", "--net", sys.executable, os.path.abspath(__file__)])


if __name__ == "__main__":
    main()
