#!/usr/bin/env python3
"""The YAML file is edited while the cluster runs, and takes effect in less than a second,
whole or not at all. A file that is wrong at the start starts nothing.
"""
import copy
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import client
import cluster
from cluster import SLOW, wait_for
from testbroker import BIN, Verdicts

LIVE_S = 1.0 * SLOW


class Editor:
    """Edits a copy of the configuration and waits for what a client sees of it."""

    def __init__(self, running, port):
        self.running, self.port = running, port
        self.config = copy.deepcopy(running.config)

    def ask(self, target, method="GET", body=None, seconds=30):
        return client.once(("127.0.0.1", self.port), method, target, body, (),
                           seconds * SLOW)

    def seen_after(self, condition):
        """Writes, then seconds until `condition()`; None when it never holds."""
        self.running.write(copy.deepcopy(self.config))
        began = time.monotonic()
        if wait_for(condition, 10 * SLOW, 0.01):
            return time.monotonic() - began
        return None

    def queue(self, name):
        return next(q for q in self.config["queues"] if q["name"] == name)

    def group(self, name):
        return next(g for g in self.config["url_groups"] if g["name"] == name)


class Asker(threading.Thread):
    """One request in the background."""

    def __init__(self, editor, target):
        super().__init__(daemon=True)
        self.editor, self.target, self.answer = editor, target, None
        self.start()

    def run(self):
        try:
            self.answer = self.editor.ask(self.target)
        except (client.Broken, OSError) as error:
            self.answer = error

    def status(self):
        self.join(30 * SLOW)
        return getattr(self.answer, "status", self.answer)


def in_time(seconds):
    return seconds is not None and seconds < LIVE_S


def told(seconds):
    return "never" if seconds is None else f"after {1000 * seconds:.0f} ms"


def check_addition(verdicts, editor):
    verdicts.check("a URL of no group is 404 not-found",
                   editor.ask("/new/x").is_problem(404, "not-found"))
    editor.config["queues"].append({"name": "new"})
    editor.config["url_groups"].append({
        "name": "new", "prefixes": [f"http://*:{editor.port}/new/"], "queue": "new"})
    editor.config["pools"].append({**editor.config["pools"][0], "name": "new",
                                   "queue": "new", "processes": 1})
    took = editor.seen_after(lambda: editor.ask("/new/x").status == 200)
    verdicts.check("a new prefix, queue and pool answer in less than a second",
                   in_time(took), told(took))


def check_bad_edit(verdicts, editor):
    good = copy.deepcopy(editor.config)
    before = editor.running.status()
    editor.config["url_groups"].append({
        "name": "more", "prefixes": [f"http://*:{editor.port}/more/"], "queue": "new"})
    editor.queue("new")["durability"] = "sometimes"
    took = editor.seen_after(lambda: "durability" in editor.running.log())
    with open(editor.running.file, encoding="utf-8") as file:
        lines = file.read().splitlines()
    line = next(i for i, text in enumerate(lines, 1) if "sometimes" in text)
    logged = [text for text in editor.running.log().splitlines() if "durability" in text]
    verdicts.check("a bad edit is logged with file, line and key",
                   took is not None and f"cluster.yaml:{line}:" in logged[-1],
                   logged[-1][:200] if logged else told(took))
    status = editor.running.status()
    verdicts.check("a bad edit is refused whole, the old one stays",
                   editor.ask("/more/").is_problem(404, "not-found") and
                   editor.ask("/new/x").status == 200 and
                   status["snapshot"] == before["snapshot"] and
                   "durability" in status["config_error"],
                   status["config_error"][:120])
    editor.config = good
    took = editor.seen_after(lambda: not editor.running.status()["config_error"])
    verdicts.check("after the correction the error is gone", took is not None, told(took))


def check_states(verdicts, editor):
    state = editor.queue("new")

    def paused():
        return [q for q in (editor.running.status(can_fail=True) or {"queues": ()})["queues"]
                if q["name"] == "new" and q["depth"] == 1]
    state["state"] = "paused"
    editor.running.write(copy.deepcopy(editor.config))
    time.sleep(LIVE_S)
    waiting = Asker(editor, "/new/x")
    held = wait_for(paused, 10 * SLOW)
    verdicts.check("paused: a request is taken and waits", held and waiting.is_alive())
    for name, reason in (("draining", "AppShutdown"), ("disabled", "Disabled")):
        state["state"] = name
        # A request that comes while the change is on its way waits as the first does.
        took = editor.seen_after(lambda r=reason: Probe(editor, "/new/x").is_problem(503, r))
        verdicts.check(f"{name}: 503 {reason} in less than a second", in_time(took),
                       told(took))
        if name == "draining":
            verdicts.check("draining: what was held is answered", waiting.status() == 200,
                           str(waiting.status()))
    state["state"] = "enabled"
    took = editor.seen_after(lambda: editor.ask("/new/x").status == 200)
    verdicts.check("enabled again: answered in less than a second", in_time(took), told(took))


class Probe:
    """A request that may be held: given up after a moment."""

    def __init__(self, editor, target):
        try:
            self.answer = editor.ask(target, seconds=0.2)
        except (client.Broken, OSError):
            self.answer = None

    def is_problem(self, status, reason):
        return self.answer is not None and self.answer.is_problem(status, reason)


def check_rebind(verdicts, editor):
    editor.config["queues"].append({"name": "parked"})
    group = editor.group("new")
    group["queue"] = "parked"
    took = editor.seen_after(lambda: Probe(editor, "/new/x").answer is None)
    waiting = Asker(editor, "/new/held")
    held = wait_for(lambda: editor.running.queue("parked")["depth"] == 1, 10 * SLOW)
    verdicts.check("rebound to a queue without workers: requests are held there",
                   in_time(took) and held, told(took))
    group["queue"] = "new"
    took = editor.seen_after(lambda: getattr(Probe(editor, "/new/x").answer, "status", 0)
                             == 200)
    # Probes that were on their way are gone from the queue when their clients are.
    stays = wait_for(lambda: editor.running.queue("parked")["depth"] == 1, 5 * SLOW)
    verdicts.check("rebound: new requests go to the new queue, held ones stay",
                   in_time(took) and stays and waiting.is_alive(), told(took))
    editor.config["pools"].append({**editor.config["pools"][0], "name": "parked",
                                   "queue": "parked", "processes": 1})
    editor.running.write(copy.deepcopy(editor.config))
    verdicts.check("a pool for the old queue answers what stayed", waiting.status() == 200,
                   str(waiting.status()))
    del group["queue"]
    took = editor.seen_after(lambda: editor.ask("/new/x").is_problem(503, "unbound"))
    verdicts.check("unbound: 503 unbound in less than a second", in_time(took), told(took))


def check_removal(verdicts, editor):
    old = {w["pid"] for w in editor.running.status()["workers"] if w["pool"] != "echo"}
    for kind in ("queues", "url_groups", "pools"):
        editor.config[kind] = editor.config[kind][:1]
    took = editor.seen_after(lambda: editor.ask("/new/x").is_problem(404, "not-found"))
    verdicts.check("removed: 404 in less than a second", in_time(took), told(took))
    gone = wait_for(lambda: not any(cluster.is_alive(pid) for pid in old) and
                    len(editor.running.status()["workers"]) == 2, 20 * SLOW)
    verdicts.check("removed: the pool's workers end", old and gone)
    verdicts.check("what was not touched is as it was", editor.ask("/old/x").status == 200)


WRONG = (
    ("an unknown key", "cluster: a\nbrokers:\n  - name: b1\n    stroe: x\n", 4, "stroe"),
    ("a wrong value", "cluster: a\ntokens:\n  life: forever\n", 3, "life"),
    ("a queue that is not there", None, None, "queue"),
    ("no YAML at all", "cluster: [a\n", None, None),
)


def check_start(verdicts, directory, port):
    for what, text, line, key in WRONG:
        path = os.path.join(directory, "wrong.yaml")
        if text is None:
            config = cluster.echo_config(port)
            config["url_groups"][0]["queue"] = "nowhere"
            text = cluster.render(config)
            line = next(i for i, t in enumerate(text.splitlines(), 1) if "nowhere" in t)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        state = os.path.join(directory, "wrong-state")
        done = subprocess.run([os.path.join(BIN, "holdfast"), "up", path, "--state", state],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=30, check=False)
        said = done.stdout + done.stderr
        verdicts.check(f"{what} at the start: file, line and key; nothing starts",
                       done.returncode not in (0, -6, -11) and "wrong.yaml:" in said and
                       (line is None or f"wrong.yaml:{line}:" in said) and
                       (key is None or key in said) and not os.path.exists(state),
                       said.strip()[:200])


def config(port, log):
    out = cluster.echo_config(port, log)
    out["url_groups"][0]["prefixes"] = [f"http://*:{port}/old/"]
    return out


def main():
    verdicts = Verdicts()
    port = cluster.free_ports(1)[0]
    with cluster.Cluster(lambda c: config(port, c.path("executions"))) as running:
        editor = Editor(running, port)
        check_addition(verdicts, editor)
        check_bad_edit(verdicts, editor)
        check_states(verdicts, editor)
        check_rebind(verdicts, editor)
        check_removal(verdicts, editor)
        check_start(verdicts, running.directory, port)
    verdicts.exit()


if __name__ == "__main__":
    main()
