"""Single measurements: a wrk run with the CPU it cost, fdatasync, idle connections."""
import os
import re
import resource
import socket
import statistics
import subprocess
import time

from servers import memory_kib

TICK = os.sysconf("SC_CLK_TCK")
UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6}


def cpu_us(pids):
    """User and system time of the processes since their start."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total * 1e6 / TICK


def wrk(server, connections, seconds):
    """{"rate", "p50", "p99" in us, "cpu" in us per request, "errors"}"""
    pids = server.pids()
    before = cpu_us(pids)
    done = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", server.url],
        capture_output=True, text=True, timeout=seconds + 30, check=True)
    spent = cpu_us(pids) - before
    text = done.stdout
    requests = int(re.search(r"(\d+) requests in", text).group(1))
    result = {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)),
              "cpu": spent / max(requests, 1)}
    for name, label in (("p50", "50%"), ("p99", "99%")):
        number, unit = re.search(rf"{label}\s+([\d.]+)(us|ms|s)", text).groups()
        result[name] = float(number) * UNITS[unit]
    errors = re.search(r"Socket errors: .*|Non-2xx or 3xx responses: .*", text)
    result["errors"] = errors.group(0) if errors else ""
    return result


def fdatasync_us(count=100):
    """The median of appending 4 KiB and waiting for the disk, where the stores lie."""
    path = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"hf-sync-{os.getpid()}")
    took = []
    with open(path, "wb", buffering=0) as file:
        for _ in range(count):
            file.write(b"x" * 4096)
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(1e6 * (time.perf_counter() - start))
    os.unlink(path)
    return statistics.median(took)


def idle_connection_bytes(pid, url, count):
    """Resident memory of the frontend for each keep-alive connection that was used once
    and is idle. Connections are opened in turn, as browsers would; the first 200 warm
    what is shared and are not counted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, count + 500)), hard))
    host, port = re.match(r"http://([\d.]+):(\d+)/", url).groups()
    request = f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    opened = []

    def open_one():
        s = socket.create_connection((host, int(port)), timeout=10)
        opened.append(s)
        s.sendall(request)
        answer = b""
        while not answer.endswith(b"hello\n"):
            got = s.recv(4096)
            if not got:
                raise SystemExit("bench: an idle connection was closed")
            answer += got

    for _ in range(200):
        open_one()
    time.sleep(0.3)
    before = memory_kib(pid)
    for _ in range(count):
        open_one()
    time.sleep(0.5)
    after = memory_kib(pid)
    for s in opened:
        s.close()
    return (after - before) * 1024 / count
