"""The few functions of libsodium that a hostile peer needs, by ctypes."""
import ctypes
import ctypes.util
import hashlib
import os

_LIB = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
if _LIB.sodium_init() < 0:
    raise RuntimeError("libsodium does not start")

STATE_BYTES = 52
HEADER_BYTES = 24
OVERHEAD = 17


def blake2b(data, size=32, key=b""):
    return hashlib.blake2b(data, digest_size=size, key=key).digest()


def sign_keypair(seed=None):
    """(public 32 B, secret 64 B)"""
    public, secret = ctypes.create_string_buffer(32), ctypes.create_string_buffer(64)
    _LIB.crypto_sign_seed_keypair(public, secret, seed or os.urandom(32))
    return public.raw, secret.raw


def sign(message, secret):
    out = ctypes.create_string_buffer(64)
    _LIB.crypto_sign_detached(out, None, message, ctypes.c_ulonglong(len(message)), secret)
    return out.raw


def verify(signature, message, public):
    return _LIB.crypto_sign_verify_detached(
        signature, message, ctypes.c_ulonglong(len(message)), public) == 0


def kx_keypair():
    public, secret = ctypes.create_string_buffer(32), ctypes.create_string_buffer(32)
    _LIB.crypto_kx_keypair(public, secret)
    return public.raw, secret.raw


def kx_keys(public, secret, peer, is_client):
    """(receive, transmit)"""
    rx, tx = ctypes.create_string_buffer(32), ctypes.create_string_buffer(32)
    name = "client" if is_client else "server"
    call = getattr(_LIB, f"crypto_kx_{name}_session_keys")
    if call(rx, tx, public, secret, peer) != 0:
        raise ValueError("weak key")
    return rx.raw, tx.raw


class Sealer:
    def __init__(self, key):
        self.state = ctypes.create_string_buffer(STATE_BYTES)
        header = ctypes.create_string_buffer(HEADER_BYTES)
        _LIB.crypto_secretstream_xchacha20poly1305_init_push(self.state, header, key)
        self.header = header.raw

    def seal(self, plain, tag=0):
        out = ctypes.create_string_buffer(len(plain) + OVERHEAD)
        _LIB.crypto_secretstream_xchacha20poly1305_push(
            self.state, out, None, plain, ctypes.c_ulonglong(len(plain)), None,
            ctypes.c_ulonglong(0), ctypes.c_ubyte(tag))
        header, self.header = self.header, b""
        return header + out.raw


class Opener:
    def __init__(self, key):
        self.key, self.state = key, None

    def open(self, frame):
        if self.state is None:
            self.state = ctypes.create_string_buffer(STATE_BYTES)
            _LIB.crypto_secretstream_xchacha20poly1305_init_pull(
                self.state, frame[:HEADER_BYTES], self.key)
            frame = frame[HEADER_BYTES:]
        if len(frame) < OVERHEAD:
            raise ValueError("frame too short")
        out = ctypes.create_string_buffer(len(frame))
        tag = ctypes.c_ubyte()
        bad = _LIB.crypto_secretstream_xchacha20poly1305_pull(
            self.state, out, None, ctypes.byref(tag), frame,
            ctypes.c_ulonglong(len(frame)), None, ctypes.c_ulonglong(0))
        if bad:
            raise ValueError("frame does not open")
        return out.raw[:len(frame) - OVERHEAD]
