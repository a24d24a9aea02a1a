#!/usr/bin/env python3
"""docs/configuration.md is what `holdfast config reference` prints."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from testbroker import BIN, ROOT, Verdicts


def main():
    verdicts = Verdicts()
    printed = subprocess.run([os.path.join(BIN, "holdfast"), "config", "reference"],
                             stdout=subprocess.PIPE, text=True, check=True).stdout
    with open(os.path.join(ROOT, "docs", "configuration.md"), encoding="utf-8") as file:
        kept = file.read()
    differing = [line for line in set(printed.splitlines()) ^ set(kept.splitlines())]
    verdicts.check("the configuration reference follows the table of keys",
                   printed == kept, (differing or [""])[0])
    verdicts.exit()


if __name__ == "__main__":
    main()
