#!/usr/bin/env python3
"""What an operator types: keys, tokens, revocation, status, and the ways to use `up` that
are refused. Everything over a cluster of its own, the worker started by hand over tcp.
"""
import json
import os
import shutil
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import client
import cluster
from cluster import SLOW, holdfast, is_alive, wait_for
from testbroker import BIN, Verdicts

ROLES = {"controller", "mint", "spawner", "broker", "frontend", "worker", "app"}


def config(ports):
    out = cluster.echo_config(ports[0])
    out["brokers"][0]["listen"] = ["tcp://127.0.0.1:%d" % ports[1]]
    out["queues"].append({"name": "hand"})
    out["frontends"][0]["listen"].append("127.0.0.1:%d" % ports[2])
    out["url_groups"].append({"name": "hand", "prefixes": ["http://*:%d/" % ports[2]],
                              "queue": "hand"})
    return out


class Hand:
    """A key, a token for it, and the worker that has both."""

    def __init__(self, running, ports, name, queue="hand", expires="1h"):
        self.running, self.ports, self.name, self.queue = running, ports, name, queue
        self.key, self.token = running.path(name + ".key"), running.path(name + ".token")
        _, public, _ = holdfast("key", "gen", "--out", self.key)
        self.public = public.strip()
        self.minted = holdfast("token", "mint", "--for", self.public, "--queue", queue,
                               "--op", "receive,respond", "--expires", expires, "--subject",
                               name, "--state", running.state, "--out", self.token)
        self.process = None

    def start(self):
        with open(self.running.path(self.name + ".log"), "ab") as log:
            self.process = subprocess.Popen(
                [os.path.join(BIN, "holdfast-worker"), "--broker",
                 f"tcp://127.0.0.1:{self.ports[1]}", "--key", self.key, "--token",
                 self.token, "--queue", self.queue, "--module", "echo", "--concurrency",
                 "8", "--name", self.name], stdout=log, stderr=log,
                preexec_fn=cluster.die_with_parent)
        return self

    def stop(self):
        """At once: a revoked one would wait for somebody to take its answer."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def row(self):
        for row in self.running.status()["workers"]:
            if row["id"] == self.name:
                return row
        return None

    def jti(self):
        _, out, _ = holdfast("token", "inspect", self.token, "--json")
        return json.loads(out)

    def log(self):
        with open(self.running.path(self.name + ".log"), encoding="utf-8") as log:
            return log.read()


def find(value, name):
    """The first value of a key anywhere in JSON; None when there is none."""
    todo = [value]
    while todo:
        at = todo.pop(0)
        if isinstance(at, dict):
            if name in at:
                return at[name]
            todo += at.values()
        elif isinstance(at, list):
            todo += at
    return None


def check_tokens(verdicts, running, ports):
    hand = Hand(running, ports, "one")
    verdicts.check("key gen prints the public key, keeps the secret in a file of mode 0600",
                   hand.public.startswith("k4.public.") and
                   stat.S_IMODE(os.stat(hand.key).st_mode) == 0o600 and
                   "k4.secret." in open(hand.key, encoding="ascii").read())
    verdicts.check("token mint", hand.minted[0] == 0 and
                   stat.S_IMODE(os.stat(hand.token).st_mode) == 0o600, hand.minted[2])
    code, out, _ = holdfast("token", "inspect", hand.token)
    verdicts.check("token inspect shows queue, verbs and holder",
                   code == 0 and "hand" in out and "receive" in out)
    code, out, _ = holdfast("token", "verify", hand.token)
    verdicts.check("token verify: OK, status 0", code == 0 and out.startswith("OK"), out)
    with open(hand.token, encoding="ascii") as file:
        text = file.read()
    at = text.index("v4.public.") + 60
    with open(hand.token + ".bad", "w", encoding="ascii") as file:
        file.write(text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1:])
    os.chmod(hand.token + ".bad", 0o600)
    code, out, err = holdfast("token", "verify", hand.token + ".bad")
    verdicts.check("token verify: a changed one has its code, status 1",
                   code == 1 and "E_" in out + err, (out + err).strip())
    code, out, err = holdfast("token", "mint", "--for", "nonsense", "--queue", "hand",
                              "--state", running.state)
    verdicts.check("token mint for what is no key is refused", code != 0 and not out, err)
    code, out, err = holdfast("token", "mint", "--for", hand.public, "--queue", "hand",
                              "--expires", "30d", "--state", running.state)
    verdicts.check("token mint for longer than 24 h is refused", code != 0 and not out, err)


def check_depth(verdicts, running, ports):
    """token mint --dep: whether its holder may attenuate it, and how often."""
    hand = Hand(running, ports, "deep")
    for dep, code in ((0, "E_DEPTH"), (1, "OK")):
        minted = running.path(f"dep{dep}.token")
        child = minted + ".child"
        _, _, err = holdfast("token", "mint", "--for", hand.public, "--queue", "hand", "--dep",
                             dep, "--state", running.state, "--out", minted)
        holdfast("token", "attenuate", "--in", minted, "--key", hand.key, "--op", "receive",
                 "--out", child)
        _, out, more = holdfast("token", "verify", child)
        verdicts.check(f"token mint --dep {dep}, attenuated once: {code}",
                       out.startswith(code), err + out + more)
    for dep in ("4", "-1", "x"):
        code, out, err = holdfast("token", "mint", "--for", hand.public, "--queue", "hand",
                                  "--dep", dep, "--state", running.state)
        verdicts.check(f"token mint --dep {dep} is refused",
                       code == 2 and not out and "0 to 3" in err, err.strip())


def check_revoke(verdicts, running, ports):
    """By key, then by token id: cut within a second, leases back in the queue."""
    for how in ("key", "jti"):
        hand, spare = (Hand(running, ports, f"{how}-{n}") for n in ("old", "new"))
        hand.start()
        try:
            assert wait_for(hand.row, 10 * SLOW), hand.log()
            held = subprocess.Popen(
                ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "60",
                 f"http://127.0.0.1:{ports[2]}/delay/800"], stdout=subprocess.PIPE)
            assert wait_for(lambda h=hand: h.row() and h.row()["leases"] == 1, 10 * SLOW)
            what = hand.public if how == "key" else find(hand.jti(), "jti")
            began = time.monotonic()
            code, out, err = holdfast("revoke", what, "--state", running.state)
            took = time.monotonic() - began
            cut = wait_for(lambda h=hand: "revoked" in running.logs() and not h.row(), 5)
            gone = time.monotonic() - began
            verdicts.check(f"revoke by {how}: in force at all brokers, status 0",
                           code == 0 and took < 1 + SLOW, f"{took:.2f} s {out}{err}".strip())
            verdicts.check(f"revoke by {how}: the session is cut within a second",
                           cut and gone < 1 * SLOW + 0.5, f"{gone:.2f} s")
            spare.start()
            answer = held.communicate(timeout=60)[0].decode()
            verdicts.check(f"revoke by {how}: its lease goes to another worker",
                           answer == "200", answer)
            time.sleep(0.5)
            verdicts.check(f"revoke by {how}: it does not come back", not hand.row())
        finally:
            hand.stop()
            spare.stop()
    code, out, err = holdfast("revoke", "no-such-thing!", "--state", running.state)
    verdicts.check("revoke of what cannot be one is refused", code != 0, (out + err).strip())


def check_status(verdicts, running):
    status = running.status()
    roles = {p["role"] for p in status["processes"]}
    verdicts.check("status --json: processes with role, id, pid, since",
                   roles <= ROLES and roles >= ROLES - {"app"} and
                   all({"role", "id", "pid", "since"} <= set(p) and is_alive(p["pid"]) and
                       abs(p["since"] - 1000 * time.time()) < 600000
                       for p in status["processes"]), str(sorted(roles)))
    names = {"name", "depth", "oldest_age_ms", "in_flight", "committed", "elided"}
    verdicts.check("status --json: queues, workers, snapshot",
                   {q["name"] for q in status["queues"]} == {"echo", "hand"} and
                   all(names <= set(q) for q in status["queues"]) and
                   len(status["workers"]) == 2 and isinstance(status["snapshot"], int))
    code, out, _ = holdfast("status", "--state", running.state)
    verdicts.check("status: a table for people",
                   code == 0 and "frontend" in out and "echo" in out and
                   len(out.splitlines()) > 10 and "{" not in out)


def check_states(verdicts, running, ports):
    done = holdfast("up", running.file, "--state", running.state)
    verdicts.check("a second up on the same state is refused",
                   done[0] != 0 and "in use" in done[2] and running.is_ready(),
                   done[2].strip())
    place = running.path("place")
    os.makedirs(place)
    code, _, err = holdfast("status", cwd=place)
    verdicts.check("status without any cluster says so", code != 0 and "no cluster" in err,
                   err.strip())
    os.makedirs(os.path.join(place, "var", "one"))
    shutil.copy(os.path.join(running.state, "run"), os.path.join(place, "var", "one"))
    code, out, err = holdfast("status", "--json", cwd=place)
    verdicts.check("status without --state takes the only cluster there is",
                   code == 0 and json.loads(out)["cluster"] == "test", err.strip())
    shutil.copytree(os.path.join(place, "var", "one"), os.path.join(place, "var", "two"))
    code, _, err = holdfast("status", cwd=place)
    verdicts.check("status without --state among several clusters says so",
                   code != 0 and "several" in err and "--state" in err, err.strip())
    run = open(os.path.join(running.state, "run"), encoding="ascii").read().strip()
    verdicts.check("sockets are in a directory of mode 0700 that the state names",
                   stat.S_IMODE(os.stat(run).st_mode) == 0o700 and
                   run.startswith(("/run/holdfast/", "/tmp/")), run)
    return run


def check_drain(verdicts, running, ports, run):
    """SIGTERM while a request is on its way: it is answered, then nothing is left."""
    with client.Connection(("127.0.0.1", ports[0]), 30 * SLOW) as connection:
        connection.ask("POST", "/delay/1000", b"work")
        wait_for(running.holder, 5 * SLOW)
        running.process.terminate()
        answer = connection.answer()
    verdicts.check("drain: what was on its way is answered",
                   answer.status == 200 and answer.body == b"work", answer.told())
    code = running.stop()
    verdicts.check("drain: up ends with status 0 and leaves nothing running",
                   code == 0 and not running.left and not os.path.exists(run),
                   f"status {code}, left {running.left}")
    code, _, err = holdfast("status", "--state", running.state)
    verdicts.check("status of a cluster that ended says so", code != 0 and err, err.strip())


def check_force(verdicts, running):
    """kill -9 of `up` itself: nothing stays, and the next up takes over."""
    running.launch()
    ready = wait_for(running.is_ready, 20 * SLOW)
    below = running.descendants()
    running.process.kill()
    running.process.wait()
    gone = wait_for(lambda: not any(is_alive(pid) for pid in below), 15 * SLOW)
    verdicts.check("kill -9 of up: its processes end by themselves", ready and gone,
                   f"{sum(map(is_alive, below))} of {len(below)} left")
    running.launch()
    verdicts.check("and another up on the same state gets ready",
                   wait_for(running.is_ready, 20 * SLOW) and running.is_running(),
                   running.tail(3))


def main():
    verdicts = Verdicts()
    ports = cluster.free_ports(3)
    with cluster.Cluster(config(ports)) as running:
        check_status(verdicts, running)
        check_tokens(verdicts, running, ports)
        check_depth(verdicts, running, ports)
        check_revoke(verdicts, running, ports)
        run = check_states(verdicts, running, ports)
        check_drain(verdicts, running, ports, run)
        check_force(verdicts, running)
    verdicts.exit()


if __name__ == "__main__":
    main()
