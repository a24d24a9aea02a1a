#!/usr/bin/env python3
"""Pools that run an own worker (`command`, `environment`, `user`), and logs as the file
says (`log`): what each process of such a cluster is given."""
import json
import os
import pwd
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import client
import cluster
from cluster import SLOW, wait_for
from testbroker import BIN, Verdicts

# Stands for a worker linked with libholdfast-worker: notes what it got, then becomes one.
OWN = '''env > "$NOTE.new"; echo "words=$*" >> "$NOTE.new"; mv "$NOTE.new" "$NOTE"
exec "$WORKER" --module echo "$@"'''
USER = "nobody"


def config(stage, ports, is_root):
    out = cluster.echo_config(ports[0])
    out["log"] = {"format": "json", "level": "debug"}
    out["brokers"][0]["listen"] = [f"tcp://127.0.0.1:{ports[1]}"]
    out["queues"].append({"name": "own"})
    out["url_groups"].append({"name": "own", "prefixes": [f"http://*:{ports[0]}/own/"],
                              "queue": "own"})
    pool = {"name": "own", "queue": "own", "concurrency": 4,
            "command": ["/bin/sh", "-c", OWN, "own-worker", "--log-format", "json"],
            "environment": [f"NOTE={stage.path('notes', 'own')}",
                            f"WORKER={os.path.join(BIN, 'holdfast-worker')}",
                            "GREETING=hello = world"]}
    if is_root:
        pool["user"] = USER
    out["pools"].append(pool)
    return out


def note(running):
    try:
        with open(running.path("notes", "own"), encoding="utf-8") as file:
            return dict(line.rstrip("\n").partition("=")[::2] for line in file)
    except OSError:
        return None


def uids(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(line.split()[1:] for line in file if line.startswith("Uid:"))


def own_worker(verdicts, running, port, is_root):
    answer = client.once(("127.0.0.1", port), "PUT", "/own/x", b"body")
    verdicts.check("a pool's own command answers requests",
                   answer.status == 200 and answer.body == b"body", answer.told())
    got = wait_for(lambda: note(running), 5 * SLOW) or {}
    verdicts.check("it gets the pool's environment, and nothing of ours",
                   got.get("GREETING") == "hello = world" and
                   "HOLDFAST_TEST_SECRET" not in got, sorted(got))
    words = got.get("words", "")
    verdicts.check("its own words come first, then ours",
                   words.startswith("--log-format json --broker tcp://127.0.0.1:") and
                   " --queue own " in words and "--package-fd 3" in words, words)
    pids = [w["pid"] for w in running.status()["workers"] if w["pool"] == "own"]
    if not is_root:
        print("SKIP user: only root may change it")
        return
    wanted = str(pwd.getpwnam(USER).pw_uid)
    verdicts.check(f"it runs as {USER} and cannot go back",
                   len(pids) == 1 and uids(pids[0]) == [wanted] * 4,
                   [uids(p) for p in pids])


def logs(verdicts, running):
    """Each line of each daemon is JSON, and some are of level debug."""
    directory = os.path.join(running.state, "log")
    wrong, seen, levels = [], set(), set()
    for name in sorted(os.listdir(directory)):
        with open(os.path.join(directory, name), encoding="utf-8") as file:
            for line in file:
                try:
                    levels.add(json.loads(line)["level"])
                    seen.add(name.partition("-")[0])
                except (ValueError, KeyError):
                    wrong.append(f"{name}: {line[:80]}")
    verdicts.check("log.format json: every line of every process", not wrong and
                   {"broker", "frontend", "controller", "mint", "spawner"} <=
                   {s.removesuffix(".log") for s in seen}, (sorted(seen), wrong[:3]))
    verdicts.check("log.level debug: debug lines are there", "debug" in levels,
                   sorted(levels))


def refusals(verdicts, running):
    for what, change, word in (
            ("a variable of ours", {"environment": ["HOLDFAST_USER=root"]}, "HOLDFAST_"),
            ("no variable", {"environment": ["GREETING"]}, "NAME=value"),
            ("environment without command",
             {"module": "echo", "command": None, "environment": ["A=b"]}, "command")):
        changed = json.loads(json.dumps(running.config))
        changed["pools"][-1].update(change)
        changed["pools"][-1] = {k: v for k, v in changed["pools"][-1].items()
                                if v is not None}
        path = running.path("other.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(cluster.render(changed))
        code, _, err = cluster.holdfast("config", "check", path)
        verdicts.check(f"environment: {what} is refused", code == 2 and word in err,
                       err.strip())


def main():
    verdicts = Verdicts()
    is_root = os.geteuid() == 0
    ports = cluster.free_ports(2)
    os.environ["HOLDFAST_TEST_SECRET"] = "of the caller"
    stage = cluster.Cluster(lambda c: config(c, ports, is_root))
    os.mkdir(stage.path("notes"))
    if is_root:  # the directory of mkdtemp is 0700
        os.chmod(stage.directory, 0o711)
        os.chmod(stage.path("notes"), 0o777)
    with stage as running:
        own_worker(verdicts, running, ports[0], is_root)
        logs(verdicts, running)
        refusals(verdicts, running)
    verdicts.exit()


if __name__ == "__main__":
    main()
