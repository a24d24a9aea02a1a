"""What may include what (STYLE.md 2), as tables."""
import fnmatch
import os

PROGRAMS = ("frontend", "broker", "controller", "worker")
CORES = tuple(p + "/core" for p in PROGRAMS)

# The first row that matches the including file says which project headers it may see.
LAYERS = [
    ("tests/*", ["*"]),
    ("lib/base/*", ["lib/base/*"]),
    ("lib/http/*", ["lib/http/*", "lib/base/*"]),
    ("lib/wire/*", ["lib/wire/*", "lib/base/*", "holdfast.pb-c.h"]),
    ("lib/token/*", ["lib/token/*", "lib/wire/*", "lib/base/*"]),
    ("lib/io/*", ["lib/*"]),
] + [(core + "/*", [core + "/*", "lib/base/*"]) for core in CORES] + [
    ("worker/modules/*", ["holdfast/*"]),
    ("worker/include/*", ["holdfast/*"]),
    ("worker/*", ["worker/*", "lib/*", "holdfast/*"]),
] + [(program + "/*", [program + "/*", "lib/*"]) for program in PROGRAMS[:3]]

# A system header of a library, and the files that are its home.
HOMES = [
    ("nng/*", ["tests/link/*"]),
    ("uv.h", ["lib/io/*"]),
    ("uv/*", ["lib/io/*"]),
    ("sodium.h", ["lib/token/*"]),
    ("sodium/*", ["lib/token/*"]),
    ("protobuf-c/*", ["lib/wire/*"]),
    ("google/protobuf-c/*", ["lib/wire/*"]),
    ("holdfast.pb-c.h", ["lib/wire/*"]),
    ("lmdb.h", ["*/store*.c", "*/store_private.h"]),
    ("curl/*", ["worker/bridge*.c", "controller/kube*.c"]),
    ("llhttp.h", ["lib/http/*"]),
    ("yaml.h", ["lib/io/conf*"]),
    ("jansson.h", ["lib/token/claims*", "controller/admin*"]),
    ("seccomp.h", ["controller/spawn*"]),
    ("cmocka.h", ["*_test.c", "*_test.h", "*_vectors.h"]),
]

# Cores block on nothing, read no clock, log nothing; lib/base is libc without the system.
PURE = [core + "/*" for core in CORES] + ["lib/base/*", "lib/http/*", "lib/wire/*"]
SYSTEM = ["unistd.h", "fcntl.h", "time.h", "pthread.h", "threads.h", "signal.h", "poll.h",
          "sys/*", "linux/*", "net/*", "dirent.h", "dlfcn.h"]
SYSTEM_ALLOWED = [("lib/base/log.c", "unistd.h"), ("lib/base/log.c", "time.h")]
CORE_BANNED = ["lib/base/log.h", "lib/base/stat.h", "stdio.h"]

BANNED_CALLS = ["strcpy", "strcat", "strncpy", "strncat", "sprintf", "vsprintf", "strtok",
                "atoi", "atol", "atoll", "atof", "gets", "alloca", "system", "popen",
                "rand", "srand", "tmpnam", "mktemp", "gmtime", "localtime", "ctime",
                "asctime"]


# X_private.h is for X*.c beside it, X_parts.h for the files of its directory.


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, p) for p in patterns)


def include_fault(path, name, is_project):
    """Why `path` may not include `name`, or None."""
    in_tests = path.startswith("tests/")
    for header, homes in HOMES:
        if matches(name, [header]):
            if in_tests or matches(path, homes):
                return None
            return f"{name} may be seen only in {', '.join(homes)}"
    if matches(path, PURE) and not path.endswith("_test.c"):
        if matches(name, SYSTEM) and (path, name) not in SYSTEM_ALLOWED:
            return f"{name}: no system calls in this layer"
        if matches(path, [c + "/*" for c in CORES]) and name in CORE_BANNED:
            return f"{name}: a core neither logs nor prints"
    if name.endswith("_private.h") and not path.startswith(name[:-len("_private.h")]):
        return f"{name} is private to its module"
    if name.endswith("_parts.h") and os.path.dirname(path) != os.path.dirname(name):
        return f"{name} is private to its directory"
    if not is_project and not name.startswith("holdfast/"):
        return None
    if "/" not in name:
        return f'"{name}": name includes from the root'
    for pattern, allowed in LAYERS:
        if matches(path, [pattern]):
            if matches(name, allowed):
                return None
            return f"{name} is not below {os.path.dirname(path)}"
    return f"{path} belongs to no layer"
