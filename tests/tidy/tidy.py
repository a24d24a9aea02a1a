#!/usr/bin/env python3
"""Checks the tree against STYLE.md: layers, sizes, names, banned calls, lone headers.

tests/tidy/tidy.py [--root DIR] [--build DIR]: one line per violation, status 1 if any.
"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
import rules  # noqa: E402
from source import Source  # noqa: E402

FILE_LINES_MAX = 600
HEADER_LINES_NOTED = 200
FUNCTION_LINES_MAX = 60
PARAMS_MAX = 5
NESTING_MAX = 3
COLUMNS_MAX = 88

SKIPPED_DIRS = {".git", "build", "var", "__pycache__"}
CODE_DIRS = ("lib/", "frontend/", "broker/", "controller/", "worker/", "tests/")
# This directory names what it forbids.
SELF = "tests/tidy/"
REPEATED_NAMES = {"main", "LLVMFuzzerTestOneInput", "LLVMFuzzerInitialize"}
MARKS = re.compile(r"\b(TODO|FIXME|XXX)\b")
PLACES = re.compile(r"(?<![\w.])/work/|/home/\w+/|deb\.debian\.org|pypi\.org|npmjs"
                    r"|proxy\.golang|crates\.io")
BANNED = re.compile(r"(?<![\w.>])(" + "|".join(rules.BANNED_CALLS) + r")\s*\(")


class Faults:
    def __init__(self):
        self.lines = []
        self.notes = []

    def add(self, rule, path, line, text):
        self.lines.append((path, line, rule, text))

    def show(self):
        for note in sorted(self.notes):
            print(note)
        for path, line, rule, text in sorted(self.lines):
            print(f"{path}:{line}: [{rule}] {text}")


def tree_files(root):
    for folder, dirs, names in os.walk(root):
        dirs[:] = sorted(d for d in dirs if d not in SKIPPED_DIRS)
        for name in sorted(names):
            yield os.path.relpath(os.path.join(folder, name), root)


def read_text(root, path):
    """None for what is no text: corpora and pictures."""
    if "/corpus/" in path:
        return None
    with open(os.path.join(root, path), "rb") as file:
        data = file.read()
    try:
        return None if b"\0" in data else data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def check_text(path, text, faults):
    for number, line in enumerate(text.split("\n"), 1):
        if not path.startswith(SELF) and MARKS.search(line):
            faults.add("mark", path, number, "do it or leave it out")
        if not path.startswith(SELF) and PLACES.search(line):
            faults.add("place", path, number, "names a machine or a registry")


def check_includes(source, faults):
    path = source.path
    own = os.path.splitext(path)[0] + ".h"
    found = list(source.includes())
    for line, name, is_project in found:
        fault = rules.include_fault(path, name, is_project)
        if fault is not None:
            faults.add("layer", path, line, fault)
    names = [name for _, name, _ in found]
    if not path.startswith("tests/") and path.endswith(".c") and own in names and names[0] != own:
        faults.add("own-first", path, found[0][0], f"the own header {own} comes first")


def check_sizes(source, faults):
    path = source.path
    lines = source.raw.rstrip("\n").split("\n")
    if len(lines) > FILE_LINES_MAX:
        faults.add("file", path, len(lines), f"{len(lines)} lines, limit {FILE_LINES_MAX}")
    elif path.endswith(".h") and len(lines) > HEADER_LINES_NOTED:
        faults.notes.append(f"{path}: note: a header of {len(lines)} lines (STYLE 7)")
    for number, line in enumerate(lines, 1):
        if len(line.expandtabs(8)) > COLUMNS_MAX:
            faults.add("columns", path, number, f"{len(line)} columns")
        if "\t" in line or line != line.rstrip():
            faults.add("blanks", path, number, "tab, or blank at the end of the line")


def check_functions(source, faults):
    for f in source.functions:
        if f.lines_count() > FUNCTION_LINES_MAX:
            faults.add("function", source.path, f.line, f"{f.name}: {f.lines_count()} lines")
        if f.params_count() > PARAMS_MAX:
            faults.add("params", source.path, f.line,
                       f"{f.name}: {f.params_count()} parameters")
        depth, line = f.nesting()
        if depth > NESTING_MAX:
            faults.add("nesting", source.path, line, f"{f.name}: nested {depth} deep")
        last = f.body_line + f.body.count("\n")
        inside = source.code.split("\n")[f.body_line - 1:last]
        for offset, text in enumerate(inside):
            if re.match(r"\s*#\s*(if|ifdef|ifndef)\b", text):
                faults.add("ifdef", source.path, f.body_line + offset,
                           f"{f.name}: #if inside a function")


def check_calls(source, faults):
    for match in BANNED.finditer(source.code):
        line = source.code.count("\n", 0, match.start()) + 1
        faults.add("banned", source.path, line, match.group(1))


def check_names(sources, faults):
    """Exported functions are unique in the whole tree; each module .so is its own world."""
    seen = {}
    for source in sources:
        if source.path.startswith("worker/modules/") or source.path.endswith(".h"):
            continue
        for f in source.functions:
            if f.is_static or f.name in REPEATED_NAMES:
                continue
            if f.name in seen and seen[f.name] != source.path:
                faults.add("unique", source.path, f.line,
                           f"{f.name} is also defined in {seen[f.name]}")
            seen.setdefault(f.name, source.path)


def call_graph(sources):
    """(path or "", name) -> called nodes; a static function is known in its file only."""
    nodes = {}
    where = {}
    for source in sources:
        for f in source.functions:
            key = (source.path if f.is_static or f.name in REPEATED_NAMES else "", f.name)
            nodes[key] = f
            where[key] = source.path
    edges = {}
    for key, f in nodes.items():
        called = [(where[key], n) for n in f.calls()]
        edges[key] = [c if c in nodes else ("", c[1]) for c in called
                      if c in nodes or ("", c[1]) in nodes]
    return nodes, where, edges


def reachable(edges, start):
    seen = set()
    todo = list(edges.get(start, []))
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            todo.extend(edges.get(node, []))
    return seen


def check_recursion(sources, faults):
    nodes, where, edges = call_graph(sources)
    for key, f in nodes.items():
        if key in reachable(edges, key):
            faults.add("recursion", where[key], f.line, f"{f.name} reaches itself")


def header_output(root, build, path):
    command = ["gcc", "-std=c11", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Wextra",
               "-Werror", "-x", "c", "-I.", "-Iworker/include", f"-I{build}/gen/proto",
               f"-I{build}/llhttp/usr/share/include/llhttp", "-"]
    done = subprocess.run(command, cwd=root, input=f'#include "{path}"\n', text=True,
                          capture_output=True, check=False)
    if done.returncode == 0:
        return ""
    errors = [e for e in done.stderr.split("\n") if "error:" in e]
    return (errors or [done.stderr])[0]


def check_headers(root, build, sources, faults):
    headers = [s.path for s in sources if s.path.endswith(".h")]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        outputs = pool.map(lambda h: header_output(root, build, h), headers)
        for path, output in zip(headers, outputs):
            if output:
                faults.add("alone", path, 1, f"does not compile alone: {output}")


def check_tree(root, build):
    faults = Faults()
    sources = []
    files = 0
    for path in tree_files(root):
        text = read_text(root, path)
        if text is None:
            continue
        files += 1
        check_text(path, text, faults)
        if path.startswith(CODE_DIRS) and path.endswith((".c", ".h")):
            sources.append(Source(path, text))
    for source in sources:
        check_includes(source, faults)
        check_sizes(source, faults)
        check_functions(source, faults)
        check_calls(source, faults)
    check_names(sources, faults)
    check_recursion(sources, faults)
    check_headers(root, build, sources, faults)
    return files, faults


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", default=".")
    parser.add_argument("--build", default="build")
    options = parser.parse_args()
    files, faults = check_tree(options.root, os.path.abspath(options.build))
    faults.show()
    print(f"tidy: {files} files, {len(faults.lines)} violations")
    return 1 if faults.lines else 0


if __name__ == "__main__":
    sys.exit(main())
