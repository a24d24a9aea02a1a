"""A man in the middle of a link: sees SP messages, records them, and may change them."""
import os
import socket
import threading

import hf1
import session
import sodium

UP, DOWN = "client to broker", "broker to client"


class Proxy:
    """Listens for one kind of address and passes messages on.

    tamper(direction, index, content) returns the list of (announced length, bytes) or
    contents to send in its place, or None to cut the connection. Index 0 is M1 and M2.
    """

    def __init__(self, target, directory, tamper=None):
        self.target, self.tamper = target, tamper
        self.captured = {UP: b"", DOWN: b""}
        self.is_ipc = target.startswith("ipc://")
        if self.is_ipc:
            path = os.path.join(directory, f"proxy-{id(self)}.sock")
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
            self.address = "ipc://" + path
        else:
            self.listener = socket.socket()
            self.listener.bind(("127.0.0.1", 0))
            self.address = "tcp://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            broker = session.Pipe(self.target)
        except OSError:
            connection.close()
            return
        client = session.Pipe.__new__(session.Pipe)
        client.socket, client.input, client.is_ipc = connection, b"", self.is_ipc
        client.socket.settimeout(60)
        broker.socket.settimeout(60)
        self.talk(client, broker)

    def talk(self, client, broker):
        for way, source, sink in ((UP, client, broker), (DOWN, broker, client)):
            threading.Thread(target=self.pump, args=(way, source, sink),
                             daemon=True).start()

    def pump(self, way, source, sink):
        try:
            sink.send_raw(source.take(8))
            index = 0
            while True:
                content = source.receive()
                self.captured[way] += content
                parts = [content] if self.tamper is None else \
                    self.tamper(way, index, content)
                index += 1
                for part in parts:
                    size, data = part if isinstance(part, tuple) else (len(part), part)
                    sink.send_raw(sink.prefix(size) + data)
        except (session.Closed, OSError, TypeError, AssertionError):
            pass
        for pipe in (source, sink):
            try:
                pipe.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Tamper:
    """Changes one message of one direction: flip, twice, swap, drop, shorter, longer,
    stretch (announces more than it sends)."""

    def __init__(self, how, way, index):
        self.how, self.way, self.index = how, way, index
        self.held, self.is_done = None, False

    def __call__(self, way, index, content):
        if way != self.way:
            return [content]
        if self.held is not None and index == self.index + 1:
            held, self.held, self.is_done = self.held, None, True
            return [content, held]
        if index != self.index:
            return [content]
        self.is_done = self.how != "swap"
        middle = len(content) // 2
        if self.how == "flip":
            return [content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1:]]
        if self.how == "twice":
            return [content, content]
        if self.how == "drop":
            return []
        if self.how == "shorter":
            return [content[:-1]]
        if self.how == "longer":
            return [content + b"\0"]
        if self.how == "stretch":
            return [(len(content) + 5, content)]
        self.held = content
        return []


class Impostor(Proxy):
    """Answers the client with ephemeral keys of its own, and the broker likewise, and
    passes the proofs of each to the other through its two sealed sessions. With `own`
    (a session.Who) it proves itself by that token instead of the broker's M3."""

    def __init__(self, target, directory, own=None):
        self.own = own
        super().__init__(target, directory)

    def talk(self, client, broker):
        try:
            for pipe in (client, broker):
                pipe.send_raw(session.GREETING)
                pipe.take(8)
            self.stand_between(client, broker)
        except (session.Closed, OSError, ValueError):
            pass
        client.close()
        broker.close()

    def stand_between(self, client, broker):
        up, down = sodium.kx_keypair(), sodium.kx_keypair()
        m1 = client.receive()
        theirs = session.parse(m1)
        m1_up = session.message({**theirs, 5: up[0]})
        broker.send(m1_up)
        m2 = broker.receive()
        answer = session.parse(m2)
        m2_down = session.message({**answer, 4: down[0]})
        client.send(m2_down)
        to_client, from_client = self.seal(m1, m2_down, down, theirs[5], False)
        to_broker, from_broker = self.seal(m1_up, m2, up, answer[4], True)
        m3 = from_broker.open(broker.receive())
        if self.own is not None:
            m3 = self.prove(m1, m2_down)
        client.send(to_client.seal(m3))
        broker.send(to_broker.seal(from_client.open(client.receive())))
        client.send(to_client.seal(from_broker.open(broker.receive())))

    @staticmethod
    def seal(m1, m2, keys, peer, is_client):
        """(sealer, opener) of the session with that side"""
        th = sodium.blake2b(hf1.pae([b"holdfast-hs-v1", m1, m2, b"tcp"]))
        rx, tx = sodium.kx_keys(*keys, peer, is_client)
        out, back = (b"c2s", b"s2c") if is_client else (b"s2c", b"c2s")
        sealer = sodium.Sealer(sodium.blake2b(hf1.pae([b"holdfast-hs-v1 " + out, th]), 32,
                                              tx))
        opener = sodium.Opener(sodium.blake2b(hf1.pae([b"holdfast-hs-v1 " + back, th]), 32,
                                              rx))
        return sealer, opener

    def prove(self, m1, m2):
        th = sodium.blake2b(hf1.pae([b"holdfast-hs-v1", m1, m2, b"tcp"]))
        chain = self.own.token.encode()
        proof = hf1.pae([b"holdfast-hs-v1 server", th, sodium.blake2b(chain)])
        return session.message({1: chain, 2: sodium.sign(proof, self.own.key.secret)})


