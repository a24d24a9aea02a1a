#!/usr/bin/env python3
"""Tokens and proofs that do not hold (T-TOK-1, 2, 4 and the verification order of
SECURITY.md 2.5): each fails with its own code in the broker's log, and the peer sees the
same generic Reject for all of them.
"""
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hf1
import session
from testbroker import IS_FULL, Bench, Verdicts

RECEIVE = [(["a"], ["receive", "respond"])]
FAILED = 'event="handshake failed"'
FLIPS = 400 if IS_FULL else 40


class Clients:
    """Dials from a fresh loopback address each time: failures are counted per address."""

    def __init__(self, broker):
        self.broker, self.number = broker, 1

    def source(self):
        self.number += 1
        return f"127.{self.number >> 16 & 255}.{self.number >> 8 & 255}.{self.number & 255}"

    def outcome(self, who, on_tcp=True):
        """(what the peer saw, the code the broker logged)"""
        mark = self.broker.log_mark()
        address = self.broker.tcp if on_tcp else self.broker.address
        try:
            session.Session(address, who, source=self.source() if on_tcp else None).close()
            return "welcome", None
        except session.Rejected as rejected:
            # A Reject is code and retry_after alone: nothing that tells one from another.
            seen = rejected.args[0] if set(rejected.args[2]) <= {14, 15} else "talkative"
        except session.Closed:
            seen = "closed"
        self.broker.wait_log(FAILED, 5, mark)
        return seen, code_of(self.broker.log()[mark:])


def code_of(log):
    lines = [line for line in log.splitlines() if FAILED in line]
    return lines[-1].split("code=E_")[1] if lines and "code=E_" in lines[-1] else None


def forgeries(bench):
    """(name, Who, expected code)"""
    now = int(time.time())
    good = bench.minted(RECEIVE)
    foreign = hf1.Key()

    def token(**changes):
        return bench.minted(RECEIVE, **changes)

    stolen = session.Who(hf1.Key(), good.token)
    yield "stolen token, own key (T-TOK-1)", stolen, "POP"
    signed_by_other = session.Who(good.key, good.token, signer=hf1.Key())
    yield "own token, proof by another key", signed_by_other, "POP"
    yield "expired", token(iat=hf1.instant(now - 90000 - 3600),
                           exp=hf1.instant(now - 90000)), "TIME"
    yield "not valid yet", token(iat=hf1.instant(now + 600),
                                 exp=hf1.instant(now + 1200)), "TIME"
    yield "of a foreign cluster", token(aud="elsewhere"), "AUD"
    key = hf1.Key()
    yield "of a foreign issuer", session.Who(key, hf1.mint(foreign, key, RECEIVE)), "KID"
    yield "foreign issuer that claims our kid", session.Who(key, hf1.sign_token(
        foreign, hf1.claims(key, RECEIVE), "holdfast-cap-v1;root",
        bench.issuer.kid())), "SIG"
    yield "signed as a revocation list", session.Who(key, hf1.sign_token(
        bench.issuer, hf1.claims(key, RECEIVE), "holdfast-rev-v1")), "SIG"
    yield "lives for a year", token(exp=hf1.instant(now + 31536000)), "TTL"
    yield "unknown claim", token(admin=1), "CLAIMS"
    yield "for other networks", token(net=["10.0.0.0/8"]), "NET"
    yield "for another broker", token(brk=["b2"]), "BROKER"
    yield "without the right of the role", bench.minted([(["a"], ["enqueue"])]), "DENIED"
    child = hf1.claims(key, RECEIVE, iss=None, sub=None, ep=None)
    yield "attenuated although dep = 0", session.Who(key, hf1.attenuate(
        good.token, good.key, child)), "DEPTH"
    deep = bench.minted(RECEIVE, dep=1)
    yield "attenuated by who does not hold it", session.Who(key, hf1.attenuate(
        deep.token, hf1.Key(), child)), "KID"
    yield "no token at all", session.Who(key, "hello"), "FORMAT"
    yield "empty token", session.Who(key, ""), "FORMAT"
    yield "nine kilobytes of token", session.Who(key, good.token + "~" + "A" * 9000), None
    yield "another cluster in M1", session.Who(good.key, good.token, cluster=b"x"), "AUD"
    yield "another broker wanted", session.Who(good.key, good.token, broker=b"b9"), "BROKER"


def check_forgeries(verdicts, bench, clients):
    for name, who, code in forgeries(bench):
        outcomes = [clients.outcome(who, True), clients.outcome(who, False)]
        holds = all(seen == 1 and (code is None or logged == code)
                    for seen, logged in outcomes)
        verdicts.check(f"refused on tcp and ipc: {name}", holds,
                       " and ".join(f"peer saw {seen}, log says E_{logged}"
                                    for seen, logged in dict.fromkeys(outcomes)))


def mutate(token, where, how):
    link = token.split("~")[0].split(".")
    message, footer = bytearray(hf1.unb64u(link[2])), bytearray(hf1.unb64u(link[3]))
    place = message if where < len(message) else footer
    place[where % len(place)] ^= how
    return "v4.public." + hf1.b64u(bytes(message)) + "." + hf1.b64u(bytes(footer))


def check_flips(verdicts, bench, clients):
    """T-TOK-4: no changed bit of a valid token is ever let in."""
    who = bench.minted(RECEIVE)
    size = len(hf1.unb64u(who.token.split(".")[2])) + 61
    dice = random.Random(1)
    codes, admitted = {}, 0
    for _ in range(FLIPS):
        changed = mutate(who.token, dice.randrange(size), 1 << dice.randrange(8))
        seen, code = clients.outcome(session.Who(who.key, changed))
        admitted += seen != 1
        codes[code] = codes.get(code, 0) + 1
    verdicts.check("tampered: no token with a flipped bit is let in (T-TOK-4)",
                   admitted == 0 and set(codes) <= {"SIG", "FORMAT", "KID"},
                   f"{FLIPS} flips, codes {codes}")


def replay(broker, sent, source):
    """Says M1 and M4 of a recorded clear handshake again: what the peer sees, the code."""
    mark = broker.log_mark()
    pipe = session.Pipe(broker.address)
    pipe.greet()
    pipe.send(sent[0])
    pipe.receive(), pipe.receive()
    pipe.send(sent[1])
    answer = session.parse(pipe.receive())
    broker.wait_log(FAILED, 5, mark)
    closed = pipe.wait_closed(3)
    pipe.close()
    return answer.get(14), code_of(broker.log()[mark:]), closed


def check_replay(verdicts, bench, broker, other):
    """T-TOK-2: a recorded handshake is worth nothing, here or elsewhere."""
    first = session.Session(broker.address, bench.minted(RECEIVE))
    first.close()
    for where, name in ((broker, "the same broker"), (other, "another broker")):
        seen, code, closed = replay(where, first.sent, None)
        verdicts.check(f"recorded handshake replayed to {name} (T-TOK-2)",
                       seen == 1 and code == "POP" and closed,
                       f"peer saw {seen}, log says E_{code}")


def main():
    verdicts = Verdicts()
    with Bench() as bench:
        broker, other = bench.broker(), bench.broker(name="other")
        assert broker.start() and other.start(), broker.log() + other.log()
        broker.policy("a")
        clients = Clients(broker)
        verdicts.check("control: a good token is let in on tcp and ipc",
                       clients.outcome(bench.minted(RECEIVE))[0] == "welcome" and
                       clients.outcome(bench.minted(RECEIVE), False)[0] == "welcome")
        check_forgeries(verdicts, bench, clients)
        check_flips(verdicts, bench, clients)
        check_replay(verdicts, bench, broker, other)
        verdicts.check("afterwards a good token is still let in",
                       clients.outcome(bench.minted(RECEIVE), False)[0] == "welcome")
        verdicts.check("no token and no key is in the log",
                       "v4.public" not in broker.log() and "k4.secret" not in broker.log())
    verdicts.exit()


if __name__ == "__main__":
    main()
