"""An HTTP app that shows and says exactly what a test wants: request heads as they came,
responses as written."""
import socket
import threading


class Seen:
    """One request: the request line, fields as [(name, value)], body, where it came."""

    def __init__(self, port, line, fields):
        self.port, self.line, self.fields, self.body = port, line, fields, b""
        self.method, _, rest = line.partition(" ")
        self.target = rest.rpartition(" ")[0]

    def values(self, name):
        return [v for n, v in self.fields if n.lower() == name.lower()]

    def names(self):
        return [n.lower() for n, _ in self.fields]

    def only(self, names):
        """The fields with these names (any case), in order, as they came."""
        wanted = {n.lower() for n in names}
        return [(n, v) for n, v in self.fields if n.lower() in wanted]


def ok(seen):
    return (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"
            if seen.method != "HEAD" else b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")


class App:
    """Listens on `ports`; answer(seen) returns the bytes to send, b"" to close at once.

    A response after which the connection must close is a tuple of them."""

    def __init__(self, ports, answer=ok):
        self.answer, self.lock, self.seen = answer, threading.Lock(), []
        self.now, self.most = 0, 0
        self.listeners = []
        for port in ports:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen(128)
            self.listeners.append(listener)
            threading.Thread(target=self.accept, args=(listener, port),
                             daemon=True).start()

    def close(self):
        for listener in self.listeners:
            listener.close()

    def accept(self, listener, port):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection, port),
                             daemon=True).start()

    def serve(self, connection, port):
        reader = connection.makefile("rb")
        try:
            while self.one(connection, reader, port):
                pass
        except OSError:
            pass
        finally:
            reader.close()
            connection.close()

    def one(self, connection, reader, port):
        line = reader.readline()
        if not line:
            return False
        fields = []
        while True:
            text = reader.readline().rstrip(b"\r\n").decode("latin-1")
            if not text:
                break
            name, _, value = text.partition(":")
            fields.append((name, value.strip(" \t")))
        seen = Seen(port, line.rstrip(b"\r\n").decode("latin-1"), fields)
        with self.lock:
            self.seen.append(seen)
            self.now += 1
            self.most = max(self.most, self.now)
        seen.body = self.body(reader, seen)
        try:
            answer = self.answer(seen)
        finally:
            with self.lock:
                self.now -= 1
        pieces = answer if isinstance(answer, tuple) else (answer,)
        for piece in pieces:
            connection.sendall(piece)
        return bool(pieces[0]) and not isinstance(answer, tuple)

    @staticmethod
    def body(reader, seen):
        if "chunked" in [v.lower() for v in seen.values("Transfer-Encoding")]:
            out = b""
            while True:
                size = int(reader.readline().split(b";")[0], 16)
                out += reader.read(size)
                reader.readline()
                if size == 0:
                    return out
        lengths = seen.values("Content-Length")
        return reader.read(int(lengths[0])) if lengths else b""

    def last(self):
        with self.lock:
            return self.seen[-1] if self.seen else None

    def count(self, target=None):
        with self.lock:
            return sum(target is None or s.target == target for s in self.seen)
