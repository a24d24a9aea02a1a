"""A plain HTTP/1.1 client that hides nothing: fields in order, raw bytes, leftovers."""
import json
import socket
import time


class Broken(Exception):
    """The connection ended, or said something that is not HTTP, before the answer was whole."""


class Answer:
    """One response: status, fields as [(name, value)], body, and the interim ones before."""

    def __init__(self, status, reason, fields):
        self.status, self.reason, self.fields = status, reason, fields
        self.body, self.interim = b"", []

    def get(self, name, default=None):
        for have, value in self.fields:
            if have.lower() == name.lower():
                return value
        return default

    def is_problem(self, status, reason):
        """Whether it is a problem document (RFC 9457) of this status and reason code."""
        try:
            problem = json.loads(self.body)
        except ValueError:
            return False
        return (self.status == status and problem.get("status") == status and
                problem.get("reason") == reason and
                isinstance(problem.get("type"), str) and
                isinstance(problem.get("title"), str) and
                self.get("Content-Type") == "application/problem+json")

    def told(self):
        """For messages: the status and how the body begins."""
        return f"{self.status} {self.body[:160]!r}"


def parse_head(head):
    lines = head.decode("latin-1").split("\r\n")
    version, _, rest = lines[0].partition(" ")
    code, _, reason = rest.partition(" ")
    if version not in ("HTTP/1.1", "HTTP/1.0") or not code.isdigit():
        raise Broken(f"no status line: {lines[0]!r}")
    fields = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise Broken(f"no field: {line!r}")
        fields.append((name, value.strip()))
    return Answer(int(code), reason, fields)


class Connection:
    """One connection; each call waits `seconds` at most for the next byte."""

    def __init__(self, address, seconds=30, source=None):
        self.socket = socket.create_connection(address, seconds, source_address=source)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.host = f"{address[0]}:{address[1]}"
        self.buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Broken(f"cannot send: {error}") from error

    def ask(self, method, target, body=None, fields=()):
        """Sends one request; `body` None: without one."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"{name}: {value}" for name, value in fields]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""))

    def request(self, method, target, body=None, fields=()):
        self.ask(method, target, body, fields)
        return self.answer(method == "HEAD")

    def more(self):
        """False at the end of the stream."""
        try:
            data = self.socket.recv(262144)
        except socket.timeout as error:
            raise Broken("nothing came in time") from error
        except OSError as error:
            raise Broken(f"cannot receive: {error}") from error
        self.buffer += data
        return bool(data)

    def until(self, mark):
        """What comes before `mark`, which is taken as well."""
        start = 0
        while True:
            at = self.buffer.find(mark, start)
            if at >= 0:
                out = bytes(self.buffer[:at])
                del self.buffer[:at + len(mark)]
                return out
            start = max(0, len(self.buffer) - len(mark))
            if not self.more():
                raise Broken(f"ended after {bytes(self.buffer[:80])!r}")

    def exactly(self, count):
        while len(self.buffer) < count:
            if not self.more():
                raise Broken(f"ended {count - len(self.buffer)} bytes early")
        out = bytes(self.buffer[:count])
        del self.buffer[:count]
        return out

    def answer(self, is_head=False):
        """The next final response, its body whole."""
        interim = []
        answer = parse_head(self.until(b"\r\n\r\n"))
        while 100 <= answer.status < 200:
            interim.append(answer)
            answer = parse_head(self.until(b"\r\n\r\n"))
        answer.interim = interim
        if not is_head and answer.status not in (204, 304):
            answer.body = self.body(answer)
        return answer

    def body(self, answer):
        if (answer.get("Transfer-Encoding") or "").lower() == "chunked":
            return self.chunks()
        length = answer.get("Content-Length")
        if length is not None:
            return self.exactly(int(length))
        while self.more():
            pass
        return self.exactly(len(self.buffer))

    def chunks(self):
        out = bytearray()
        while True:
            size = int(self.until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                while self.until(b"\r\n"):
                    pass
                return bytes(out)
            out += self.exactly(size)
            if self.exactly(2) != b"\r\n":
                raise Broken("a chunk does not end where it says")

    def leftover(self, seconds=0.0):
        """Bytes that nobody asked for, b"" when there are none."""
        usual = self.socket.gettimeout()
        self.socket.settimeout(max(seconds, 0.001))
        try:
            self.buffer += self.socket.recv(65536)
        except OSError:
            pass
        self.socket.settimeout(usual)
        return bytes(self.buffer)

    def is_closed_within(self, seconds):
        """Reads on until the peer closes; False when it has not by then."""
        due = time.monotonic() + seconds
        while time.monotonic() < due:
            self.socket.settimeout(max(0.001, due - time.monotonic()))
            try:
                if not self.socket.recv(65536):
                    return True
            except socket.timeout:
                return False
            except OSError:
                return True
        return False


def once(address, method, target, body=None, fields=(), seconds=30):
    """One request on a connection of its own."""
    with Connection(address, seconds) as connection:
        return connection.request(method, target, body, fields)
