"""Load whose requests are numbered: each is answered once, with what belongs to it, or it
is counted as failed."""
import threading
import time

from client import Broken, Connection


class Outcome:
    __slots__ = ("number", "began", "ended", "fault")

    def __init__(self, number, began, ended, fault):
        self.number, self.began, self.ended, self.fault = number, began, ended, fault


def mixed(number):
    """GET and PUT, at once and after a while: (method, target, body, what must come back)."""
    query = f"n={number}"
    body = f"body of {number};".encode() * (1 + number % 40)
    return (("GET", f"/headers?{query}", None, f"query {query}\n".encode()),
            ("PUT", f"/put?{query}", body, body),
            ("GET", f"/delay/100?{query}", None, b"hello\n"),
            ("PUT", f"/delay/200?{query}", body, body))[number % 4]


def fault_of(answer, expected):
    """None when it is the answer, else what is wrong with it."""
    if answer.status != 200:
        return answer.told()
    if expected.startswith(b"query "):
        return None if expected in answer.body else "the answer of another request"
    return None if answer.body == expected else "not the body that was sent"


class Load:
    """`connections` threads, one keep-alive connection each, until `stop`."""

    def __init__(self, address, connections=64, plan=mixed, seconds=60):
        self.address, self.plan, self.seconds = address, plan, seconds
        self.lock, self.next, self.is_stopping = threading.Lock(), 0, False
        self.outcomes, self.leftovers, self.reconnects = [], [], 0
        self.began = time.monotonic()
        self.threads = [threading.Thread(target=self.run, daemon=True)
                        for _ in range(connections)]
        for thread in self.threads:
            thread.start()

    def number(self):
        with self.lock:
            self.next += 1
            return self.next

    def run(self):
        connection, mine = None, []
        while not self.is_stopping:
            number = self.number()
            began = time.monotonic()
            fault = None
            try:
                if connection is None:
                    connection = Connection(self.address, self.seconds)
                method, target, body, expected = self.plan(number)
                answer = connection.request(method, target, body)
                fault = fault_of(answer, expected)
            except (Broken, OSError, ValueError) as error:
                fault = f"{type(error).__name__}: {error}"
                if connection is not None:
                    connection.close()
                connection = None
                self.reconnects += 1
                time.sleep(0.05)
            mine.append(Outcome(number, began, time.monotonic(), fault))
        if connection is not None:
            extra = connection.leftover(0.05)
            if extra:
                self.leftovers.append(extra)
            connection.close()
        with self.lock:
            self.outcomes += mine

    def stop(self):
        """Waits for what is on its way; True when nothing hangs."""
        self.is_stopping = True
        due = time.monotonic() + self.seconds + 5
        for thread in self.threads:
            thread.join(max(0.0, due - time.monotonic()))
        self.outcomes.sort(key=lambda o: o.began)
        return not any(thread.is_alive() for thread in self.threads)

    def sent(self):
        return self.next

    def failed(self):
        return [o for o in self.outcomes if o.fault is not None]

    def percentile(self, share):
        """Seconds; of the requests that were answered."""
        times = sorted(o.ended - o.began for o in self.outcomes)
        return times[min(len(times) - 1, int(len(times) * share))] if times else 0.0

    def told(self):
        failed = self.failed()
        return (f"{len(self.outcomes)} requests, {len(failed)} failed, "
                f"p50 {1000 * self.percentile(.5):.0f} ms, "
                f"p99.9 {1000 * self.percentile(.999):.0f} ms, "
                f"most {1000 * self.percentile(1):.0f} ms" +
                "".join(f"; request {o.number} at {o.began - self.began:.2f} s: {o.fault}"
                        for o in failed[:4]))
