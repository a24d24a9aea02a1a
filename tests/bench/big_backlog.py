#!/usr/bin/env python3
"""A backlog of 1,000,000 asynchronous requests of 1 KiB: memory, restart, drain.

Prints the figures beside the bars of PERFORMANCE.md 6.1 and says which hold. Takes some
minutes and 3 GB of disk under TMPDIR. Usage: tests/bench/big_backlog.py [COUNT]

Memory per request is anonymous memory (RssAnon) against the idle broker: pages of the
LMDB map (RssFile) are the kernel's cache of the file, taken back when others need them;
they are printed beside it.
"""
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..",
                                "cluster", "lib"))
from testbroker import Bench, Verdicts


def field(text, name):
    words = text.split()
    return float(words[words.index(name) + 1])


def fdatasync_us():
    """The median of 200 appends of 4 KiB, to read durable figures by."""
    path = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"hf-sync-{os.getpid()}")
    took = []
    with open(path, "wb", buffering=0) as file:
        for _ in range(200):
            file.write(b"x" * 4096)
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(1e6 * (time.perf_counter() - start))
    os.unlink(path)
    return statistics.median(took)


def show_memory(name, now, idle, count):
    anonymous = 1024 * (now["RssAnon"] - idle["RssAnon"]) / count
    mapped = 1024 * (now["RssFile"] - idle["RssFile"]) / count
    print(f"{name}: {anonymous:.0f} B anonymous and {mapped:.0f} B of the map a request "
          f"(RssAnon {now['RssAnon']} KiB, RssFile {now['RssFile']} KiB)", flush=True)
    return anonymous


def work(bench, broker, count, seconds=900):
    status, out = bench.wire("work", broker.address, bench.package("worker"), "q", count,
                             512, seconds=seconds)
    assert status == 0, out
    return field(out, "rate"), field(out, "first_ms"), out.strip()


def drain_small(bench, broker):
    """Median throughput of draining 1,000 several times over."""
    rates = []
    for _ in range(9):
        broker.enqueue("q", 1000, 512)
        rates.append(work(bench, broker, 1000)[0])
    return statistics.median(rates)


def restart(bench, broker):
    """(ms from start to the first delivery, what the log says of recovery)"""
    start = time.monotonic()
    child = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--first",
                              broker.address, bench.directory], stdout=subprocess.PIPE,
                             text=True)
    assert broker.start(60), broker.log()
    child.communicate()
    took = 1000 * (time.monotonic() - start)
    lines = [l for l in broker.log().splitlines() if "store recovered" in l]
    return took, lines[0].split("event=")[1]


def first_delivery(address, directory):
    """Dials until there is a broker, and waits for one assignment."""
    import hf1
    import session

    fields = hf1.read_package(os.path.join(directory, "worker.package"))
    who = session.Who(hf1.Key.parse(fields["key"]), fields["token"])
    while True:
        try:
            s = session.Session(address, who)
            break
        except OSError:
            time.sleep(0.005)
    assert s.open("q", session.RECEIVE | session.RESPOND) == 0
    s.credit(1)
    assert s.next("ASSIGN", seconds=60) is not None
    s.send("DRAIN")
    s.close()


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000000
    bars = Verdicts()
    print(f"fdatasync of 4 KiB: {fdatasync_us():.0f} us", flush=True)
    with Bench() as bench:
        broker = bench.broker()
        assert broker.start(), broker.log()
        broker.policy("q", length=count + 1000)
        time.sleep(0.5)
        idle = broker.status()
        print(f"idle broker: {idle['VmRSS']} KiB resident, {idle['RssAnon']} KiB anonymous")
        bars.check("idle broker <= 24 MiB (goal 12)", idle["VmRSS"] <= 24 * 1024,
                   f"{idle['VmRSS'] / 1024:.1f} MiB")
        small = drain_small(bench, broker)
        print(f"drain of 1,000: {small:.0f} a second", flush=True)
        _, out = bench.wire("enqueue", broker.address, bench.package("client"), "q", count,
                            512, 1024, seconds=900)
        print("filled:", out.strip(), flush=True)
        filled = show_memory("after filling", broker.status(), idle, count)
        broker.kill()
        took, said = restart(bench, broker)
        print(f"restart: {took:.0f} ms to the first delivery; {said}", flush=True)
        memory = show_memory("after the restart", broker.status(), idle, count)
        rate, _, out = work(bench, broker, count)
        print("drained:", out, flush=True)
        broker.stop()
    bars.check("per queued request <= 300 B (goal 160)", max(filled, memory) <= 300,
               f"{filled:.0f} B after filling, {memory:.0f} B after a restart")
    bars.check("restart until the first delivery <= 5 s (goal 1)", took <= 5000,
               f"{took / 1000:.2f} s")
    bars.check("drain of all against draining 1,000 >= 0.7x (goal 0.95)",
               rate >= 0.7 * small, f"{rate / small:.2f}x ({rate:.0f} against {small:.0f})")
    bars.exit()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--first"]:
        first_delivery(*sys.argv[2:4])
    else:
        main()
