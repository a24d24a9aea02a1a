#!/usr/bin/env python3
"""Plants one violation of each rule in a clean tree and expects exactly that finding.

A check that cannot fail is worthless, and so is one that fails on clean code.
"""
import os
import sys
import tempfile

sys.dont_write_bytecode = True
import tidy  # noqa: E402

CLEAN = {
    "lib/base/a.h": "int a_go(int x);\n",
    "lib/base/a.c": '#include "lib/base/a.h"\n\n#include <string.h>\n\n'
                    "int a_go(int x)\n{\n    return x; /* strcpy( in a comment */\n}\n",
    "lib/io/b.h": "int b_go(void);\n",
    "lib/io/b.c": '#include "lib/io/b.h"\n\n#include "lib/token/t.h"\n#include <uv.h>\n\n'
                  "int b_go(void)\n{\n    if (1) {\n        while (0) {\n"
                  '            do {\n                a_go("strcpy(");\n'
                  "            } while (0);\n        }\n    }\n    return 0;\n}\n",
    "lib/token/t.h": "int t_go(void);\n",
    "broker/core/m.c": '#include "broker/core/m.h"\n\n#include "lib/base/a.h"\n',
    "broker/core/m.h": "int m_go(void);\n",
    "worker/main.c": '#include "worker/w.h"\n#include "holdfast/worker.h"\n\n'
                     "int main(void)\n{\n    return 0;\n}\n",
    "worker/w.h": "int w_go(void);\n",
    "worker/include/holdfast/worker.h": "int hfw_go(void);\n",
    "frontend/main.c": "static int helper(void)\n{\n    return 1;\n}\n\n"
                       "int main(void)\n{\n    return helper();\n}\n",
    "tests/sim/main.c": '#include "broker/core/m.h"\n#include "worker/w.h"\n',
}


def body(lines):
    return "".join(f"    x += {n};\n" for n in range(lines))


def function(lines):
    return "void f(int x)\n{\n" + body(lines - 3) + "}\n"


# rule, file, content (instead of the clean file, or a new one)
PLANTED = [
    ("layer", "lib/base/p.c", '#include "lib/io/b.h"\n'),
    ("layer", "lib/base/p.c", "#include <unistd.h>\n"),
    ("layer", "lib/http/p.c", '#include "lib/token/t.h"\n'),
    ("layer", "lib/token/p.c", '#include "lib/io/b.h"\n'),
    ("layer", "lib/io/p.c", '#include "broker/core/m.h"\n'),
    ("layer", "broker/core/p.c", '#include "lib/token/t.h"\n'),
    ("layer", "broker/core/p.c", "#include <time.h>\n"),
    ("layer", "broker/core/p.c", '#include "lib/base/log.h"\n'),
    ("layer", "broker/p.c", '#include "worker/w.h"\n'),
    ("layer", "controller/p.c", '#include "broker/core/m.h"\n'),
    ("layer", "frontend/p.c", '#include "tests/sim/s.h"\n'),
    ("layer", "worker/p.c", '#include "w.h"\n'),
    ("layer", "worker/modules/p.c", '#include "worker/w.h"\n'),
    ("layer", "broker/p.c", "#include <nng/nng.h>\n"),
    ("layer", "lib/wire/p.c", "#include <sodium.h>\n"),
    ("layer", "lib/io/p.c", "#include <protobuf-c/protobuf-c.h>\n"),
    ("layer", "broker/p.c", "#include <lmdb.h>\n"),
    ("layer", "worker/p.c", "#include <curl/curl.h>\n"),
    ("layer", "frontend/p.c", '#include "llhttp.h"\n'),
    ("layer", "lib/io/p.c", "#include <yaml.h>\n"),
    ("layer", "controller/p.c", "#include <jansson.h>\n"),
    ("layer", "controller/p.c", "#include <seccomp.h>\n"),
    ("layer", "frontend/p.c", "#include <uv.h>\n"),
    ("layer", "broker/p.c", '#include "broker/store_private.h"\n'),
    ("layer", "broker/p.c", '#include "lib/io/loop_parts.h"\n'),
    ("layer", "broker/p.c", "#include <cmocka.h>\n"),
    ("own-first", "lib/base/a.c", '#include <string.h>\n#include "lib/base/a.h"\n'),
    ("file", "lib/base/p.c", "\n" * 600 + "int x;\n"),
    ("function", "lib/base/p.c", function(61)),
    ("params", "lib/base/p.c", "int f(int a, int b, int (*c)(int, int), int d,\n"
                               "      int e, int g)\n{\n    return 0;\n}\n"),
    ("nesting", "lib/base/p.c", "void f(void)\n{\n    for (;;) {\n        if (1) {\n"
     "            HF_LIST_FOR(n, l)\n            {\n                do {\n"
     "                } while (0);\n            }\n        }\n    }\n}\n"),
    ("ifdef", "lib/base/p.c", "void f(void)\n{\n#ifdef X\n#endif\n}\n"),
    ("banned", "lib/base/p.c", "void f(char *a)\n{\n    strcpy(a, a);\n}\n"),
    ("banned", "lib/base/p.c", "void f(char *a)\n{\n    a = alloca (3);\n}\n"),
    ("columns", "lib/base/p.c", "/* " + "x" * 84 + "*/\n"),
    ("blanks", "lib/base/p.c", "int x; \n"),
    ("mark", "lib/base/p.c", "/* TO" + "DO: later. */\n"),
    ("mark", "docs/p.md", "FIX" + "ME\n"),
    ("place", "docs/p.md", "see /wo" + "rk/main\n"),
    ("unique", "lib/io/p.c", "int a_go(int x)\n{\n    return x;\n}\n"),
    ("recursion", "lib/base/p.c", "static int f(int x)\n{\n    return f(x);\n}\n"),
    ("recursion", "lib/base/p.c", "int f(int x);\nstatic int g(int x)\n{\n    return f(x);\n"
                                  "}\n\nint f(int x)\n{\n    return g(x);\n}\n"),
    ("alone", "lib/base/p.h", "hf_unknown f(void);\n"),
]
NOT_PLANTED = [
    ("lib/base/p.c", function(60)),
    ("lib/base/p.c", "\n" * 599 + "int x;\n"),
    ("lib/base/p.c", "/* " + "x" * 83 + "*/\n"),
    ("lib/base/p.c", "struct s {\n    int (*f)(int);\n};\n\nint f(struct s *s)\n{\n"
                     "    return s->f(1);\n}\n"),
    ("lib/base/p.c", "static const struct s rows[] = {\n    {1, g(2)},\n};\n\n"
                     "int f(int a, int b, int c, int d, int e)\n{\n    return a;\n}\n"),
    ("lib/base/p.c", "void f(void)\n{\n    for (;;) {\n        if (1) {\n"
                     "            while (1) {\n                x = (struct s){1, {2}};\n"
                     "            }\n        }\n    }\n}\n"),
    ("lib/io/p.c", '#include "lib/io/loop_parts.h"\n'),
    ("broker/store_x.c", "#include <lmdb.h>\n"),
    ("worker/bridge_curl.c", "#include <curl/curl.h>\n"),
    ("controller/cli/p.c", '#include "lib/io/b.h"\n'),
]


def findings(files):
    with tempfile.TemporaryDirectory(prefix="holdfast-tidy-") as root:
        for path, text in files.items():
            place = os.path.join(root, path)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "w", encoding="utf-8") as file:
                file.write(text)
        return [(rule, path) for path, _, rule, _ in
                tidy.check_tree(root, os.path.join(root, "build"))[1].lines]


def main():
    wrong = 0
    found = findings(CLEAN)
    if found:
        wrong += 1
        print(f"tidy selftest: clean tree gives {found}")
    for rule, path, text in PLANTED:
        found = findings({**only(path), path: text})
        if (rule, path) not in found or len(set(found)) != 1:
            wrong += 1
            print(f"tidy selftest: [{rule}] in {path} gives {found}: {text[:60]!r}")
    for path, text in NOT_PLANTED:
        found = findings({**only(path), path: text})
        if found:
            wrong += 1
            print(f"tidy selftest: clean {path} gives {found}: {text[:60]!r}")
    print(f"tidy selftest: {len(PLANTED)} plants, {wrong} wrong")
    return 1 if wrong else 0


def only(path):
    """The clean files without headers, which cost a compiler run each."""
    keep = {p: t for p, t in CLEAN.items() if not p.endswith(".h")}
    return {p: t for p, t in keep.items() if p != path}


if __name__ == "__main__":
    sys.exit(main())
