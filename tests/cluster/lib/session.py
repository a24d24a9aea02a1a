"""A client of the link protocol that obeys nobody: every byte of greeting, handshake and
records can be changed. Written from proto/PROTOCOL.md, clear over ipc, sealed over tcp."""
import os
import socket
import struct
import threading
import time

import hf1
import sodium

GREETING = bytes.fromhex("0053500000100000")
WORKER, FRONTEND, CONTROLLER, ADMIN = 1, 2, 3, 4
CLEAR, SEALED = 1, 2
RECEIVE, RESPOND, ENQUEUE_RIGHT, PEEK_RIGHT = 1, 2, 4, 8
ASYNC = 2
REASONS = {"EntityTooLarge": 13, "QueueFull": 20, "denied": 38, "revoked": 40, "protocol": 42,
           "limit": 43, "RateLimit": 45}

TYPES = {
    "HEARTBEAT": 0x01, "GOODBYE": 0x02, "REAUTH": 0x03, "REAUTH_RESULT": 0x04, "TOKEN": 0x05,
    "INTRODUCE": 0x06, "PING": 0x07, "PONG": 0x08, "OPEN": 0x10, "OPENED": 0x11,
    "CLOSE": 0x12, "CLOSED": 0x13, "ENQUEUE": 0x20, "BODY": 0x21, "WINDOW": 0x22,
    "ADMITTED": 0x23, "ACCEPTED": 0x24, "ASSIGNED": 0x25, "ASSIGNED_ACK": 0x26,
    "RESPONSE": 0x27, "RESPONSE_ACK": 0x28, "REFUSED": 0x29, "CANCEL": 0x2A, "ABORT": 0x2B,
    "CREDIT": 0x30, "ASSIGN": 0x31, "RESPOND": 0x32, "RESPOND_ACK": 0x33, "RELEASE": 0x34,
    "FAIL": 0x35, "DECLARE": 0x36, "DECLARED": 0x37, "DRAIN": 0x38, "POLICY": 0x40,
    "POLICY_ACK": 0x41, "SNAPSHOT": 0x42, "SNAPSHOT_GET": 0x43, "SNAPSHOT_ACK": 0x44,
    "REVOKE": 0x45, "REVOKE_ACK": 0x46, "HOLDER_DEAD": 0x47, "STAT": 0x48,
    "STAT_RESULT": 0x49, "PEEK": 0x4A, "PEEKED": 0x4B,
}
NAMES = {number: name for name, number in TYPES.items()}


class Closed(Exception):
    """The peer closed the connection."""


class Rejected(Exception):
    """The broker sent Reject; args = (code, retry_after_ms)."""


class Fixed(int):
    """A fixed64 field of a message."""


def varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def message(fields):
    """Protobuf bytes of {number: int | bytes | Fixed}; zero and empty are left out."""
    out = b""
    for number, value in fields.items():
        if isinstance(value, Fixed):
            out += varint(number << 3 | 1) + struct.pack("<Q", value) if value else b""
        elif isinstance(value, int):
            out += varint(number << 3) + varint(value) if value else b""
        elif value:
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


def take_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def parse(data):
    """{number: int | bytes} of a flat message, the last value of each."""
    fields, at = {}, 0
    while at < len(data):
        key, at = take_varint(data, at)
        kind = key & 7
        if kind == 0:
            fields[key >> 3], at = take_varint(data, at)
        elif kind == 1:
            fields[key >> 3] = struct.unpack_from("<Q", data, at)[0]
            at += 8
        elif kind == 2:
            size, at = take_varint(data, at)
            fields[key >> 3] = data[at:at + size]
            at += size
        else:
            raise ValueError(f"wire type {kind}")
    return fields


def record(kind, meta=b"", head=b"", body=b""):
    number = TYPES[kind] if isinstance(kind, str) else kind
    meta = message(meta) if isinstance(meta, dict) else meta
    return struct.pack(">IHHI", 8 + len(meta) + len(head) + len(body), number, len(meta),
                       len(head)) + meta + head + body


class Record:
    def __init__(self, number, meta, head, body):
        self.name = NAMES.get(number, hex(number))
        self.fields, self.head, self.body = parse(meta), head, body

    def __repr__(self):
        return f"{self.name}{self.fields}"


def records_of(content):
    out, at = [], 0
    while at < len(content):
        size, number, meta, head = struct.unpack_from(">IHHI", content, at)
        start = at + 12
        at += 4 + size
        out.append(Record(number, content[start:start + meta],
                          content[start + meta:start + meta + head],
                          content[start + meta + head:at]))
    return out


def new_id():
    now = int(time.time() * 1000)
    raw = bytearray(now.to_bytes(6, "big") + os.urandom(10))
    raw[6] = 0x70 | raw[6] & 0x0F
    raw[8] = 0x80 | raw[8] & 0x3F
    return bytes(raw)


class Pipe:
    """A connection that speaks SP framing."""

    def __init__(self, address, source=None, timeout=8):
        scheme, _, where = address.partition("://")
        self.is_ipc = scheme == "ipc"
        if self.is_ipc:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(where)  # waits for room in the listener's backlog
            self.socket.settimeout(timeout)
        else:
            host, _, port = where.rpartition(":")
            self.socket = socket.socket()
            self.socket.settimeout(timeout)
            if source:
                self.socket.bind((source, 0))
            self.socket.connect((host, int(port)))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = b""

    def close(self):
        self.socket.close()

    def prefix(self, size):
        return (b"\x01" if self.is_ipc else b"") + struct.pack(">Q", size)

    def send_raw(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed() from None

    def send(self, content):
        self.send_raw(self.prefix(len(content)) + content)

    def take(self, size):
        while len(self.input) < size:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                raise Closed()
            self.input += data
        out, self.input = self.input[:size], self.input[size:]
        return out

    def receive(self):
        if self.is_ipc:
            assert self.take(1) == b"\x01"
        return self.take(struct.unpack(">Q", self.take(8))[0])

    def greet(self):
        self.send_raw(GREETING)
        assert self.take(8) == GREETING

    def wait_closed(self, seconds=8):
        """True when the peer closes within this time; what it still says is dropped."""
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(65536):
                pass
        except socket.timeout:
            return False
        except OSError:
            pass
        return True


class Who:
    """What a client shows in its handshake; each member can be a lie."""

    def __init__(self, key, token, role=WORKER, **more):
        self.key, self.token, self.role = key, token, role
        self.cluster = more.get("cluster", b"test")
        self.broker = more.get("broker", b"")
        self.modes = more.get("modes")
        self.version = more.get("version", 1)
        self.signer = more.get("signer", key)
        self.transport = more.get("transport")


class Session:
    """An authenticated session. Rejected or Closed when it does not come to be."""

    def __init__(self, address, who, **more):
        self.pipe = more.get("pipe") or Pipe(address, more.get("source"))
        self.who, self.sealer, self.opener, self.waiting = who, None, None, []
        self.lock, self.is_closed = threading.Lock(), False
        self.sent = []  # what we said in the handshake, as on the wire
        self.pipe.greet()
        self.hello()
        self.authenticate()
        self.welcome = self.verdict()

    def hello(self):
        who = self.who
        self.ephemeral = sodium.kx_keypair()
        modes = who.modes or (CLEAR | SEALED if self.pipe.is_ipc else SEALED)
        m1 = message({1: who.version, 2: who.role, 3: who.cluster, 4: who.broker,
                      5: self.ephemeral[0], 6: os.urandom(32), 7: modes, 8: 1179648})
        self.sent.append(m1)
        self.pipe.send(m1)
        m2 = self.pipe.receive()
        self.check_rejected(m2)
        self.m2 = parse(m2)
        transport = who.transport or (b"ipc" if self.pipe.is_ipc else b"tcp")
        self.transcript = sodium.blake2b(
            hf1.pae([b"holdfast-hs-v1", m1, m2, transport]))
        if self.m2.get(6):
            self.seal()

    def seal(self):
        rx, tx = sodium.kx_keys(*self.ephemeral, self.m2[4], True)
        down = hf1.pae([b"holdfast-hs-v1 s2c", self.transcript])
        up = hf1.pae([b"holdfast-hs-v1 c2s", self.transcript])
        self.opener = sodium.Opener(sodium.blake2b(down, 32, rx))
        self.sealer = sodium.Sealer(sodium.blake2b(up, 32, tx))

    @staticmethod
    def check_rejected(content):
        fields = parse(content)
        if fields.get(14):
            raise Rejected(fields[14], fields.get(15, 0), fields)

    def authenticate(self):
        m3 = self.receive()
        self.check_rejected(m3)
        self.m3 = parse(m3)
        chain = self.who.token.encode()
        proof = hf1.pae([b"holdfast-hs-v1 client", self.transcript, sodium.blake2b(chain)])
        m4 = message({1: chain, 2: sodium.sign(proof, self.who.signer.secret)})
        self.sent.append(m4)
        self.send_content(m4)

    def broker_proof_holds(self):
        """Whether M3 is signed by the holder of its chain over what we saw."""
        chain = self.m3[1]
        proof = hf1.pae([b"holdfast-hs-v1 server", self.transcript, sodium.blake2b(chain)])
        payload = hf1.unb64u(chain.split(b"~")[-1].split(b".")[2].decode())
        holder = payload.split(b'"cnf":"k4.public.')[1].split(b'"')[0].decode()
        return sodium.verify(self.m3[2], proof, hf1.unb64u(holder))

    def verdict(self):
        content = self.receive()
        self.check_rejected(content)
        return parse(content)

    def receive(self):
        content = self.pipe.receive()
        return self.opener.open(content) if self.opener else content

    def send_content(self, content):
        with self.lock:
            self.pipe.send(self.sealer.seal(content) if self.sealer else content)

    def keep_alive(self):
        """Sends heartbeats from now on: 3 s of silence end a session."""
        def beat():
            try:
                while not self.is_closed:
                    self.send("HEARTBEAT")
                    time.sleep(0.7)
            except (Closed, OSError):
                pass
        threading.Thread(target=beat, daemon=True).start()
        return self

    def send(self, kind, meta=b"", head=b"", body=b""):
        self.send_content(record(kind, meta, head, body))

    def next(self, *names, seconds=5):
        """The next record, or the next of these names; None when time is up."""
        due = time.monotonic() + seconds
        while True:
            while self.waiting:
                got = self.waiting.pop(0)
                if got.name != "HEARTBEAT" and (not names or got.name in names):
                    return got
            left = due - time.monotonic()
            if left <= 0:
                return None
            self.pipe.socket.settimeout(left)
            try:
                self.waiting = records_of(self.receive())
            except socket.timeout:
                return None

    def ending(self, seconds=5):
        """The reason of a GOODBYE, "closed" without one, None when the session lives on."""
        due = time.monotonic() + seconds
        try:
            while time.monotonic() < due:
                got = self.next(seconds=due - time.monotonic())
                if got is not None and got.name == "GOODBYE":
                    return got.fields.get(1, 0)
        except Closed:
            return "closed"
        return None

    def open(self, queue, rights, handle=1):
        """The reason of OPENED: 0 when the queue is open."""
        self.send("OPEN", {1: handle, 2: queue.encode(), 3: rights})
        return self.next("OPENED").fields.get(2, 0)

    def enqueue(self, body=b"", flags=ASYNC, handle=1, request=None, deadline_s=600):
        request = request or new_id()
        head = message({1: b"POST", 2: b"/", 6: b"http", 7: b"test", 8: b"127.0.0.1"})
        self.send("ENQUEUE", {1: request, 2: handle, 3: flags,
                              4: int((time.time() + deadline_s) * 1000)}, head, body)
        return request

    def credit(self, requests, handle=1):
        self.send("CREDIT", {1: handle, 2: requests})

    def respond(self, assign, body=b"", **changes):
        """Answers an ASSIGN, or with changes of id and epoch something else."""
        self.send("RESPOND", {1: changes.get("id", assign.fields[1]),
                              2: Fixed(changes.get("epoch", assign.fields[2]))},
                  message({1: 200}), body)

    def list(self, handle=1):
        out, after = [], b"\0" * 16
        while True:
            self.send("PEEK", {1: handle, 2: after, 3: 1000})
            got = self.next("PEEKED").fields
            ids = got.get(2, b"")
            out += [ids[i:i + 16] for i in range(0, len(ids), 16)]
            if got.get(3) or not ids:
                return out
            after = out[-1]

    def close(self):
        self.is_closed = True
        self.pipe.close()
