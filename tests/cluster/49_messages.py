#!/usr/bin/env python3
"""What a person is told when something is in the way: the controller is being restarted,
another copy runs, an address or a directory cannot be had."""
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import cluster
from cluster import SLOW, holdfast, wait_for
from testbroker import BIN, Verdicts

AWAY_S = 1.5
NOBODY = 65534


def controller_comes_back(verdicts, running):
    """`up` is held still, so that the controller is surely away when status asks."""
    pid = running.pid("controller")
    running.process.send_signal(signal.SIGSTOP)
    cluster.kill(pid)
    with subprocess.Popen([os.path.join(BIN, "holdfast"), "status", "--state",
                           running.state, "--json"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as asked:
        time.sleep(AWAY_S)
        waits = asked.poll() is None
        running.process.send_signal(signal.SIGCONT)
        out, err = asked.communicate(timeout=20 * SLOW)
    verdicts.check("status waits for a controller that up restarts, and says so",
                   waits and asked.returncode == 0 and '"processes"' in out and
                   err.count("restarts it") == 1, f"{asked.returncode} {err.strip()}")


def nobody_there(verdicts, running):
    """`up` and its cluster were ended; the state directory is left."""
    running.stop()
    began = time.monotonic()
    code, _, err = holdfast("status", "--state", running.state)
    verdicts.check("status of a cluster that ended does not wait",
                   code == 1 and "no holdfast up is running" in err and
                   time.monotonic() - began < 2 * SLOW, err.strip())


def second_copy(verdicts, running):
    code, _, err = holdfast("up", running.file, "--state", running.state)
    verdicts.check("a second up on the same state is refused at once",
                   code == 1 and "in use by another holdfast up" in err, err.strip())


def port_in_use(verdicts):
    """Nothing is said to be ready; up says which process did not get which address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        running = cluster.Cluster(cluster.echo_config(port))
        running.write()
        running.launch()
        found = wait_for(lambda: f"127.0.0.1:{port}" in running.log(), 10 * SLOW)
        said = next((line for line in running.log().splitlines()
                     if f"127.0.0.1:{port}" in line), running.tail(5))
        verdicts.check("an address in use is named, with the frontend and the reason",
                       found and "cannot listen" in said and "in use" in said, said)
    ready = wait_for(running.is_ready, 40 * SLOW, 0.1)
    verdicts.check("and is taken when it is free again", ready, running.tail(3))
    running.__exit__(None)


def as_nobody(*arguments, **environment):
    return holdfast(*arguments, env=dict(os.environ, **environment), cwd="/",
                    prefix=("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
                            "--clear-groups"), seconds=20)


def directories(verdicts):
    with tempfile.TemporaryDirectory(prefix="hf-") as base:
        os.chmod(base, 0o755)
        file = os.path.join(base, "c.yaml")
        with open(file, "w", encoding="utf-8") as out:
            out.write(cluster.render(cluster.echo_config(cluster.free_ports(1)[0])))
        code, _, err = holdfast("up", file, "--state", file)
        verdicts.check("a state directory that is a file", code == 1 and
                       "is not a directory" in err.lower() and file in err, err.strip())
        if os.geteuid() != 0:
            print("SKIP the directories of other users: needs root")
            return
        code, _, err = as_nobody("up", file, "--state", os.path.join(base, "st"),
                                 TMPDIR=base)
        verdicts.check("a state directory that may not be made", code == 1 and
                       "permission denied" in err.lower(), err.strip())
        mine = os.path.join(base, "mine")
        os.mkdir(mine, 0o700)
        code, _, err = as_nobody("up", file, "--state", mine)
        verdicts.check("a state directory of another user", code == 1 and
                       mine in err and "another user (uid 0)" in err, err.strip())
        theirs = os.path.join(base, "theirs")
        os.mkdir(theirs, 0o700)
        os.chown(theirs, NOBODY, NOBODY)
        code, _, err = as_nobody("up", file, "--state", theirs, TMPDIR=base)
        verdicts.check("neither /run/holdfast nor TMPDIR takes sockets", code == 1 and
                       base in err and "set TMPDIR" in err, err.strip())
        os.chmod(theirs, 0o777)
        code, _, err = as_nobody("up", file, "--state", theirs)
        verdicts.check("a state directory where others may write", code == 1 and
                       "others may write there" in err, err.strip())


def main():
    verdicts = Verdicts()
    with cluster.Cluster() as running:
        controller_comes_back(verdicts, running)
        second_copy(verdicts, running)
        nobody_there(verdicts, running)
    port_in_use(verdicts)
    directories(verdicts)
    verdicts.exit()


if __name__ == "__main__":
    main()
