#!/usr/bin/env python3
"""Two frontends and two brokers in one file: requests go through both, and the death of one
is no business of the other's."""
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import client
import cluster
from cluster import SLOW, wait_for
from testbroker import Verdicts

QUEUES = {"left": "b1", "right": "b2"}
LOOK_S = 2  # how long one side is asked while the other one is away


def config(ports):
    pools = [{"name": q, "queue": q, "concurrency": 64, "module": "echo"} for q in QUEUES]
    return {
        "cluster": "test",
        "frontends": [{"name": f"f{i}", "listen": [f"127.0.0.1:{port}"]}
                      for i, port in enumerate(ports, 1)],
        "brokers": [{"name": "b1"}, {"name": "b2"}],
        "queues": [{"name": q, "broker": b} for q, b in QUEUES.items()],
        "url_groups": [{"name": q, "queue": q,
                        "prefixes": [f"http://*:{port}/{q}/" for port in ports]}
                       for q in QUEUES],
        "pools": pools}


def ask(port, queue, seconds=20):
    """The status, or what broke."""
    try:
        return client.once(("127.0.0.1", port), "GET", f"/{queue}/x", seconds=seconds).status
    except (client.Broken, OSError) as error:
        return str(error)


def asked_for(seconds, port, queue):
    """{answer: how often} over so many seconds."""
    out, due = {}, time.monotonic() + seconds
    while time.monotonic() < due:
        got = ask(port, queue, 5)
        out[got] = out.get(got, 0) + 1
        time.sleep(0.01)
    return out


def of(running, role, name):
    return next(p["pid"] for p in running.processes(role) if p["id"] == name)


def held(running, stopped):
    """Stops `up`, so that what is killed stays away for the length of the look."""
    running.process.send_signal(signal.SIGSTOP if stopped else signal.SIGCONT)


def all_are_shown(verdicts, running):
    status = running.status()
    shown = sorted(p["id"] for p in status["processes"]
                   if p["role"] in ("frontend", "broker"))
    sessions = [s for s in status["sessions"] if s["role"] == "frontend"]
    verdicts.check("status shows both frontends and both brokers, each with each",
                   shown == ["b1", "b2", "f1", "f2"] and len(sessions) == 4,
                   (shown, len(sessions)))
    code, out, _ = cluster.holdfast("status", "--state", running.state)
    verdicts.check("so does the table for people",
                   code == 0 and all(name in out for name in ("b1", "b2", "f1", "f2")))


def a_broker_dies(verdicts, running, ports):
    pid = of(running, "broker", "b1")
    late = []
    held(running, True)
    try:
        cluster.kill(pid)
        waiting = threading.Thread(target=lambda: late.append(ask(ports[0], "left", 30)))
        waiting.start()
        seen = [asked_for(LOOK_S / 2, port, "right") for port in ports]
        is_waiting = not late
    finally:
        held(running, False)
    waiting.join(40)
    verdicts.check("a broker is dead: the other one's queue is served by both frontends",
                   all(set(s) == {200} for s in seen), seen)
    verdicts.check("and what is for the dead one waits for it",
                   is_waiting and late == [200], (is_waiting, late))


def a_frontend_dies(verdicts, running, ports):
    pid = of(running, "frontend", "f1")
    held(running, True)
    try:
        cluster.kill(pid)
        gone = ask(ports[0], "left", 2)
        seen = [asked_for(LOOK_S / 2, ports[1], queue) for queue in QUEUES]
    finally:
        held(running, False)
    verdicts.check("a frontend is dead: the other one serves all queues",
                   gone != 200 and all(set(s) == {200} for s in seen), (gone, seen))
    back = wait_for(lambda: ask(ports[0], "right", 2) == 200, 15 * SLOW, 0.1)
    verdicts.check("and the dead one is restarted", back)


def main():
    verdicts = Verdicts()
    ports = cluster.free_ports(2)
    with cluster.Cluster(config(ports)) as running:
        all_are_shown(verdicts, running)
        answers = {(port, q): ask(port, q) for port in ports for q in QUEUES}
        verdicts.check("every queue answers through every frontend",
                       set(answers.values()) == {200}, answers)
        a_broker_dies(verdicts, running, ports)
        a_frontend_dies(verdicts, running, ports)
        verdicts.check("all are there again", wait_for(running.is_ready, 20 * SLOW, 0.1))
        all_are_shown(verdicts, running)
    verdicts.exit()


if __name__ == "__main__":
    main()
