#!/usr/bin/env python3
"""Short-lived tokens under load while the controller is away: nothing fails.

HOLDFAST_FULL=1: tokens of 2 minutes, 10 minutes of load, the controller stopped for 5 of
them; the broker is killed when all tokens have expired, and sessions stand up again on
token_grace. Short mode: the shortest life there is, 10 s, 20 s of load, stopped for 9:
tokens are renewed, but a clock skew of 30 s is forgiven, so that none counts as expired.
At the end the stopped controller is killed; the next one finds its workers where they are.
"""
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import client
import cluster
from cluster import SLOW, wait_for
from load import Load
from testbroker import IS_FULL, Verdicts

LIFE, LOAD_S, BEFORE_S, AWAY_S = (("2m", 600, 150, 300) if IS_FULL else
                                  ("10s", 20, 8, 9))
BROKER_DIES_S = 240 if IS_FULL else 6  # after the controller was stopped
SESSIONS = re.compile(r'event="session up" subject=(\S+) .* expires=(\d+)')


def config(ports, log):
    out = cluster.echo_config(ports[0], log)
    out["tokens"] = {"life": LIFE}
    out["brokers"][0]["admin"] = f"127.0.0.1:{ports[1]}"
    return out


def metric(port, name):
    text = client.once(("127.0.0.1", port), "GET", "/metrics").body.decode()
    return int(float(text.partition(f"\nholdfast_broker_{name} ")[2].split("\n")[0]))


def workers(running):
    status = running.status(can_fail=True)
    return sorted(w["pid"] for w in status["workers"]) if status else None


def controller_away(verdicts, running, port):
    """Stops it, kills the broker meanwhile, kills it in the end."""
    before = workers(running)
    controller = running.pid("controller")
    broker = running.pid("broker")
    os.kill(controller, signal.SIGSTOP)
    began = time.monotonic()
    time.sleep(BROKER_DIES_S)
    cluster.kill(broker)
    time.sleep(AWAY_S - BROKER_DIES_S)
    if IS_FULL:
        accepted = metric(port, "token_grace_accepted_total")
        verdicts.check("the broker accepts expired tokens while no controller is there",
                       accepted >= 2, f"{accepted} sessions")
    cluster.kill(controller)
    back = wait_for(running.is_ready, 20 * SLOW)
    verdicts.check("a new controller finds its workers", back and workers(running) == before,
                   f"away for {time.monotonic() - began:.0f} s")


def renewed(running):
    """{subject: by how many seconds its token had been prolonged when the broker came back}"""
    with open(os.path.join(running.state, "log", "broker-b1.log"), encoding="utf-8") as log:
        found = SESSIONS.findall(log.read())
    out = {}
    for subject, expires in found:
        out.setdefault(subject, []).append(int(expires))
    return {subject: times[-1] - times[0] for subject, times in out.items()}


def main():
    verdicts = Verdicts()
    ports = cluster.free_ports(2)
    with cluster.Cluster(lambda c: config(ports, c.path("executions"))) as running:
        load = Load(("127.0.0.1", ports[0]), 32)
        time.sleep(BEFORE_S)
        controller_away(verdicts, running, ports[1])
        while time.monotonic() < load.began + LOAD_S:
            time.sleep(0.1)
        verdicts.check(f"tokens of {LIFE}, the controller away for {AWAY_S} s: 0 failed",
                       load.stop() and not load.failed() and not load.leftovers,
                       load.told())
        later = renewed(running)
        verdicts.check("tokens of frontend and workers were renewed on the way",
                       len([n for n in later if not n.startswith("controller")]) == 3 and
                       min(later.values()) >= 3, f"{later}")
        refused = metric(ports[1], "sessions_expired_total")
        verdicts.check("no session was cut for its token", refused == 0, f"{refused}")
    verdicts.exit()


if __name__ == "__main__":
    main()
