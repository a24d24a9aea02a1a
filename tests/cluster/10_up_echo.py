#!/usr/bin/env python3
"""`holdfast up` on the echo example, on a port and in a state directory of its own: it
answers, survives a kill -9 of each kind of process, refuses a second `up`, tells status as
JSON, and leaves nothing running."""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("HOLDFAST_BIN", os.path.join(ROOT, "build", "bin"))
HOLDFAST = os.path.join(BIN, "holdfast")
START_SECONDS = 30
failed = 0


def verdict(is_good, claim, detail=""):
    global failed
    failed += not is_good
    print("PASS" if is_good else "FAIL", claim, detail if not is_good else "", flush=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(port, path="/", body=None):
    """(status, body); (0, reason) when nobody answers."""
    try:
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body,
                                         method="PUT" if body else "GET")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError as error:
        return 0, str(error)


def wait_for(condition, seconds=START_SECONDS):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    return condition()


def status(state):
    done = subprocess.run([HOLDFAST, "status", "--state", state, "--json"],
                          capture_output=True, timeout=20)
    return json.loads(done.stdout) if done.returncode == 0 else None


def pids(state, role=None):
    now = status(state)
    return [] if now is None else [p["pid"] for p in now["processes"]
                                   if role in (None, p["role"])]


def is_alive(pid):
    """Zombies do not count."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill_one(state, port, role):
    before = set(pids(state, role))
    os.kill(sorted(before)[0], signal.SIGKILL)
    if role in ("frontend",):  # its clients are gone with it
        wait_for(lambda: get(port)[0] == 200)
    code, body = get(port)
    verdict((code, body) == (200, b"hello\n"), f"200 after kill -9 of a {role}",
            f"{code} {body}")
    full = len(before)
    back = wait_for(lambda: (lambda now: len(now) == full and now != before)(
        set(pids(state, role))))
    verdict(back, f"a killed {role} is restarted", str(pids(state, role)))


def run(directory):
    port = free_port()
    state = os.path.join(directory, "state")
    config = os.path.join(directory, "echo.yaml")
    with open(os.path.join(ROOT, "deploy/examples/echo.yaml")) as f:
        text = re.sub(r"\b8080\b", str(port), f.read())
    with open(config, "w") as f:
        f.write(text)
    log = open(os.path.join(directory, "up.log"), "w+")
    up = subprocess.Popen([HOLDFAST, "up", config, "--state", state], stdout=log,
                          stderr=log, cwd=directory)
    seen = set()
    try:
        verdict(wait_for(lambda: get(port)[0] == 200), "up answers", get(port))
        verdict(get(port, "/x", b"body") == (200, b"body"), "a PUT comes back")
        roles = ["controller", "mint", "spawner", "broker", "frontend", "worker"]
        verdict(wait_for(lambda: all(pids(state, r) for r in roles)),
                "status knows every role", str(status(state)))
        now = status(state)
        queue = now["queues"][0]
        verdict(all(k in queue for k in ("name", "depth", "oldest_age_ms", "in_flight",
                                         "committed", "elided")) and now["snapshot"] >= 1,
                "status has the members of the interface", str(now))
        second = subprocess.run([HOLDFAST, "up", config, "--state", state],
                                capture_output=True, timeout=20)
        verdict(second.returncode == 1 and b"in use" in second.stderr,
                "a second up on the same state is refused", second.stderr)
        for role in roles:
            seen.update(pids(state))
            kill_one(state, port, role)
        wait_for(lambda: len(pids(state, "worker")) == 2)
        seen.update(pids(state))
    finally:
        up.send_signal(signal.SIGTERM)
        try:
            code = up.wait(60)
        except subprocess.TimeoutExpired:
            up.kill()
            code = "still running"
        log.seek(0)
        text = log.read()
        verdict(code == 0, "SIGTERM ends up with status 0", f"{code}\n{text}")
    left = [p for p in seen if wait_for(lambda p=p: not is_alive(p), 10) is False]
    verdict(not left, "nothing is left running", str(left))
    verdict(get(port)[0] == 0, "nobody listens any more")
    return text


def killed_up(directory):
    """`up` itself dies: everything ends by itself, and a new one starts on the same state."""
    state = os.path.join(directory, "state")
    config = os.path.join(directory, "echo.yaml")
    port = int(re.search(r"127\.0\.0\.1:(\d+)", open(config).read()).group(1))
    first = subprocess.Popen([HOLDFAST, "up", config, "--state", state],
                             stdout=subprocess.DEVNULL, cwd=directory)
    wait_for(lambda: get(port)[0] == 200 and len(pids(state)) == 7)
    seen = pids(state)
    first.kill()
    first.wait()
    second = subprocess.Popen([HOLDFAST, "up", config, "--state", state],
                              stdout=subprocess.DEVNULL, cwd=directory)
    verdict(wait_for(lambda: get(port)[0] == 200 and len(pids(state)) == 7 and
                     not set(pids(state)) & set(seen)),
            "after kill -9 of up another takes over the state")
    verdict(not [p for p in seen if is_alive(p)], "the children of a killed up have ended")
    second.send_signal(signal.SIGTERM)
    verdict(second.wait(60) == 0, "and drains")


def bad_config(directory):
    config = os.path.join(directory, "bad.yaml")
    with open(config, "w") as f:
        f.write("cluster: bad\nbrokers: [{name: b1}]\nqueues: [{name: q, lenght: 10}]\n"
                "frontends: [{name: f1, listen: ['127.0.0.1:1']}]\n")
    done = subprocess.run([HOLDFAST, "up", config, "--state", directory + "/none"],
                          capture_output=True, timeout=20, text=True)
    verdict(done.returncode == 2 and "bad.yaml:3:" in done.stderr and
            "lenght" in done.stderr and "length" in done.stderr,
            "a bad file is refused with line and key", done.stderr)
    verdict(not os.path.exists(directory + "/none"), "and nothing is made or started")


def main():
    if not os.path.exists(HOLDFAST):
        print("SKIP no", HOLDFAST)
        return 0
    with tempfile.TemporaryDirectory(prefix="hf-up-") as directory:
        text = run(directory)
        killed_up(directory)
        bad_config(directory)
        if failed:
            print(text)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
