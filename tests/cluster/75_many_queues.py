#!/usr/bin/env python3
"""A frontend serves every queue that it routes to, also those beyond the 1,024 handles of
other sessions (FEATURES 3.10: 10,000 queues; PROTOCOL.md 3.2).
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import client
import cluster
from client import Connection
from cluster import SLOW
from testbroker import Verdicts

QUEUES = 1500


def config(port, log):
    out = cluster.echo_config(port, log)
    out["pools"][0]["processes"] = 1
    out["queues"] += [{"name": f"q{i}", "wait_limit": "500ms"} for i in range(QUEUES)]
    out["url_groups"] += [{"name": f"g{i}", "prefixes": [f"http://*:{port}/g{i}/"],
                           "queue": f"q{i}"} for i in range(QUEUES)]
    return out


def main():
    verdicts = Verdicts()
    port = cluster.free_ports(1)[0]
    with cluster.Cluster(lambda c: config(port, c.path("executions"))):
        connections = []
        for i in range(QUEUES):
            connection = Connection(("127.0.0.1", port), 20 * SLOW)
            connection.ask("GET", f"/g{i}/x")
            connections.append(connection)
        wrong = []
        for i, connection in enumerate(connections):
            try:
                got = connection.answer()
                if not got.is_problem(503, "AppPoolTimer"):
                    wrong.append(f"{i}: {got.told()}")
            except client.Broken as error:
                wrong.append(f"{i}: {error}")
            connection.close()
        verdicts.check(f"{QUEUES} routed queues take a request each, and time it out",
                       not wrong, f"{len(wrong)} wrong, {wrong[:2]}")
        verdicts.check("a queue with workers answers among them", client.once(
            ("127.0.0.1", port), "GET", "/x").status == 200)
    verdicts.exit()


if __name__ == "__main__":
    main()
