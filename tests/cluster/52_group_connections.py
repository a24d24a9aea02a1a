#!/usr/bin/env python3
"""Connections of each URL group, now and at most, as HTTP.sys counts them."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import client
import cluster
from client import Connection
from cluster import SLOW, wait_for
from testbroker import Verdicts


def config(ports):
    out = cluster.echo_config(ports[0])
    out["frontends"][0]["admin"] = f"127.0.0.1:{ports[1]}"
    out["url_groups"].append({"name": "other", "queue": "echo",
                              "prefixes": [f"http://*:{ports[0]}/other/"]})
    return out


def counted(port):
    """{group: (now, most)}"""
    text = client.once(("127.0.0.1", port), "GET", "/metrics").body.decode()

    def value(name, group):
        mark = f'\nholdfast_group_{name}{{group="{group}"}} '
        return int(float(text.partition(mark)[2].split("\n")[0] or -1))
    return {g: (value("connections", g), value("connections_max", g))
            for g in ("echo", "other")}


def main():
    verdicts = Verdicts()
    ports = cluster.free_ports(2)
    with cluster.Cluster(config(ports)):
        def expect(what, **wanted):
            wait_for(lambda: counted(ports[1]) == wanted, 5 * SLOW)
            got = counted(ports[1])
            verdicts.check(what, got == wanted, got)

        opened = [Connection(("127.0.0.1", ports[0])) for _ in range(5)]
        expect("a connection that did not ask is of no group", echo=(0, 0), other=(0, 0))
        for connection in opened:
            connection.request("GET", "/x")
            connection.request("GET", "/x")
        expect("each counts once, however often it asks", echo=(5, 5), other=(0, 0))
        for connection in opened[:2]:
            connection.request("GET", "/other/x")
        expect("it goes over to the group it asks next", echo=(3, 5), other=(2, 2))
        for connection in opened:
            connection.close()
        expect("closed ones are gone, the most is kept", echo=(0, 5), other=(0, 2))
    verdicts.exit()


if __name__ == "__main__":
    main()
