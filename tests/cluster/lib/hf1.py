"""hf1 tokens and signed documents (SECURITY.md 2), written from the specification and not
from the code under test: minting what an issuer would, and what it never would."""
import base64
import json
import os
import struct
import time

import sodium


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def pae(pieces):
    out = struct.pack("<Q", len(pieces))
    for piece in pieces:
        out += struct.pack("<Q", len(piece)) + piece
    return out


def instant(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class Key:
    """An Ed25519 key."""

    def __init__(self, secret=None):
        if secret is None:
            self.public, self.secret = sodium.sign_keypair()
        else:
            self.public, self.secret = secret[32:], secret

    @classmethod
    def parse(cls, text):
        assert text.startswith("k4.secret.")
        return cls(unb64u(text[len("k4.secret."):]))

    def text(self):
        return "k4.public." + b64u(self.public)

    def secret_text(self):
        return "k4.secret." + b64u(self.secret)

    def kid(self):
        return "k4.pid." + b64u(sodium.blake2b(b"k4.pid." + self.text().encode(), 33))

    def log_text(self):
        """How the broker's log names a holder."""
        return self.public[:8].hex()


def sign_token(key, payload, assertion, kid=None):
    footer = ('{"kid":"%s"}' % (kid or key.kid())).encode()
    message = payload if isinstance(payload, bytes) else dump(payload)
    signature = sodium.sign(pae([b"v4.public.", message, footer, assertion.encode()]),
                            key.secret)
    return "v4.public." + b64u(message + signature) + "." + b64u(footer)


def dump(claims):
    return json.dumps(claims, separators=(",", ":")).encode()


def new_jti():
    return b64u(os.urandom(16))


def claims(holder, grants, **changes):
    """Claims of link 0. grants = [(patterns, verbs)...]; a change to None removes."""
    now = int(time.time())
    out = {"v": 1, "iss": "hf:test", "sub": "test:attacker", "aud": "test",
           "jti": new_jti(), "iat": instant(now - 1), "exp": instant(now + 3600),
           "cnf": holder.text(), "ep": 0,
           "g": [{"q": list(q), "op": list(op)} for q, op in grants]}
    out.update(changes)
    return {k: v for k, v in out.items() if v is not None}


def mint(issuer, holder, grants, **changes):
    return sign_token(issuer, claims(holder, grants, **changes), "holdfast-cap-v1;root")


def attenuate(parent, holder, child):
    """Appends a link signed by `holder` with the claims `child`."""
    last = parent.split("~")[-1]
    digest = b64u(sodium.blake2b(last.encode()))
    return parent + "~" + sign_token(holder, child, "holdfast-cap-v1;link;" + digest)


def revocation(issuer, seq, jti=(), cnf=(), kid=(), sub=(), min_ep=0, **changes):
    """The text of a one-part revocation list."""
    now = int(time.time())
    until = instant(now + 86400)
    body = {"v": 1, "iss": "hf:test", "aud": "test", "seq": seq, "iat": instant(now),
            "exp": instant(now + 300), "min_ep": min_ep,
            "jti": [[j, until] for j in jti], "cnf": [[c, until] for c in cnf],
            "kid": list(kid), "sub": [[s, instant(now + 1)] for s in sub], "q": [],
            "part": 1, "parts": 1}
    body.update(changes)
    return sign_token(issuer, {k: v for k, v in body.items() if v is not None},
                      "holdfast-rev-v1")


def read_package(path):
    """{key, token, anchor, cluster} of a package file."""
    fields = {}
    with open(path, encoding="ascii") as file:
        for line in file.read().splitlines():
            name, _, value = line.partition("=")
            if value:
                fields[name] = value
    return fields


def write_package(path, holder, token, anchor, cluster="test"):
    text = (f"key={holder.secret_text()}\ntoken={token}\nanchor={anchor}\n"
            f"cluster={cluster}\n")
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)
    return path
