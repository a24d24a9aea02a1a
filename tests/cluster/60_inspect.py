#!/usr/bin/env python3
"""`holdfast queue ls | show | pause | resume` (issue 3, "Inspect and repair"): a pause
holds what comes, outlives a killed controller and a changed file, and is audited."""
import collections
import json
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import client
import cluster
from cluster import SLOW, wait_for
from testbroker import Verdicts


class Call(threading.Thread):
    def __init__(self, address, target):
        super().__init__(daemon=True)
        self.address, self.target, self.answer = address, target, None
        self.start()

    def run(self):
        try:
            self.answer = client.once(self.address, "GET", self.target, seconds=60 * SLOW)
        except (OSError, client.Broken) as failed:
            self.answer = failed

    def status(self):
        self.join(30 * SLOW)
        return getattr(self.answer, "status", repr(self.answer))


Done = collections.namedtuple("Done", "returncode stdout stderr")


def run(stage, *words):
    return Done(*cluster.holdfast(*words, "--state", stage.state, seconds=30 * SLOW))


def shown(stage, name="echo"):
    done = run(stage, "queue", "show", name, "--json")
    return json.loads(done.stdout)[0] if done.returncode == 0 else {}


def check_names(verdicts, stage):
    listed = run(stage, "queue", "ls").stdout
    verdicts.check("queue ls names the queue and its state",
                   "echo" in listed and "enabled" in listed, listed)
    for verb in ("show", "pause", "resume"):
        done = run(stage, "queue", verb, "nosuch")
        verdicts.check(f"queue {verb} of no queue names it and the next step",
                       done.returncode == 1 and '"nosuch"' in done.stderr and
                       "queue ls" in done.stderr, done.stderr)
        verdicts.check(f"queue {verb} without a name is refused",
                       run(stage, "queue", verb).returncode == 2)


def check_pause(verdicts, stage):
    done = run(stage, "queue", "pause", "echo")
    verdicts.check("queue pause returns 0", done.returncode == 0, done.stderr)
    call = Call(stage.http(), "/held")
    held = wait_for(lambda: shown(stage).get("depth") == 1, 10 * SLOW)
    row = shown(stage)
    verdicts.check("a request waits in the paused queue", held and call.answer is None, row)
    verdicts.check("paused is shown over the file's enabled",
                   row["state"] == "paused" and row["configured_state"] == "enabled" and
                   row["paused_since"] > 0, row)
    verdicts.check("status says it too", stage.queue()["state"] == "paused")
    old = stage.pid("controller")
    cluster.kill(old)
    back = wait_for(lambda: stage.pid("controller") != old and
                    shown(stage).get("state") == "paused", 20 * SLOW)
    verdicts.check("the pause outlives a killed controller", back, shown(stage))
    stage.config["queues"][0]["length"] = 77
    stage.write(stage.config)
    news = wait_for(lambda: "configure" in run(stage, "audit").stdout, 10 * SLOW)
    verdicts.check("and a changed file", news and call.answer is None and
                   shown(stage)["state"] == "paused", shown(stage))
    done = run(stage, "queue", "resume", "echo")
    verdicts.check("queue resume returns 0", done.returncode == 0, done.stderr)
    verdicts.check("the request that waited is answered", call.status() == 200,
                   call.answer)
    row = shown(stage)
    verdicts.check("the file's state holds again", row["state"] == "enabled" and
                   "paused_since" not in row, row)
    audit = run(stage, "audit").stdout
    verdicts.check("both are audited", "queue pause echo" in audit and
                   "queue resume echo" in audit, audit[-400:])


def check_base(verdicts, stage):
    """The file's state is the base: a pause only takes delivery away from it."""
    for base, paused in (("paused", "paused"), ("draining", "disabled")):
        stage.config["queues"][0]["state"] = base
        stage.write(stage.config)
        wait_for(lambda b=base: shown(stage).get("configured_state") == b, 10 * SLOW)
        run(stage, "queue", "pause", "echo")
        row = shown(stage)
        verdicts.check(f"{base} and a pause is {paused}", row["state"] == paused, row)
        if base == "draining":
            answer = stage.once("GET", "/refused").status
            verdicts.check("what a draining queue refused is refused", answer == 503, answer)
        run(stage, "queue", "resume", "echo")
        row = shown(stage)
        verdicts.check(f"resume returns to {base}", row["state"] == base and
                       "paused_since" not in row, row)


def main():
    verdicts = Verdicts()
    with cluster.Cluster() as stage:
        check_names(verdicts, stage)
        check_pause(verdicts, stage)
        check_base(verdicts, stage)
    verdicts.exit()


if __name__ == "__main__":
    main()
