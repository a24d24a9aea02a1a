"""C source as the checks see it: text without comments and strings, and its functions.

This is no parser. It knows braces, parentheses and preprocessor lines, which is enough
for code that clang-format has laid out and the compiler accepts.
"""
import re

WORD = re.compile(r"[A-Za-z_]\w*")
CONTROL = {"if", "for", "while", "switch"}
NOT_CALLS = CONTROL | {"return", "sizeof", "_Alignof", "_Alignas", "defined", "do", "else"}
LEXEME = re.compile(
    r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\\n|\\.)*", re.M)
ATTRIBUTE = re.compile(r"__attribute__\s*\(\(.*?\)\)|HF_AUTO\([^)]*\)|_Alignas\([^)]*\)", re.S)


# An X-macro table expanded at file scope, in front of the next function.
EXPANSION = re.compile(r"\A(\s*[A-Z][A-Z0-9_]*\s*\([^()]*\)(?=\s*[A-Za-z_]))+")


def blank(match):
    """The same number of lines and columns, without content."""
    text = match.group(0)
    return re.sub(r"[^\n]", " ", text) if text[0] == "/" else \
        text[0] + re.sub(r"[^\n]", " ", text[1:-1]) + text[-1]


class Function:
    def __init__(self, name, head, line, body, body_line):
        self.name, self.head, self.line = name, head, line
        self.body, self.body_line = body, body_line
        self.is_static = re.search(r"\bstatic\b", head) is not None

    def lines_count(self):
        return self.body_line - self.line + self.body.count("\n") + 1

    def params_count(self):
        inside = head_params(self.head)
        if inside.strip() in ("", "void"):
            return 0
        depth = 0
        commas = 0
        for c in inside:
            depth += (c in "([{") - (c in ")]}")
            commas += c == "," and depth == 0
        return commas + 1

    def calls(self):
        """Names called directly; a call through a member is not seen."""
        found = set()
        for match in re.finditer(r"([A-Za-z_]\w*)\s*\(", self.body):
            before = self.body[:match.start()].rstrip()
            if before.endswith((".", "->")) or match.group(1) in NOT_CALLS:
                continue
            found.add(match.group(1))
        return found

    def nesting(self):
        """(deepest number of open control braces, line where it is reached)."""
        stack = []
        deepest, where = 0, self.line
        for match in re.finditer(r"[{}]", self.body[1:]):
            at = match.start() + 1
            if match.group(0) == "{":
                stack.append(is_control(self.body, at))
                if sum(stack) > deepest:
                    deepest = sum(stack)
                    where = self.body_line + self.body.count("\n", 0, at)
            elif stack:
                stack.pop()
        return deepest, where


def head_params(head):
    """Text between the parentheses of the function's parameter list."""
    start = head.index("(")
    depth = 0
    for at in range(start, len(head)):
        depth += (head[at] == "(") - (head[at] == ")")
        if depth == 0:
            return head[start + 1:at]
    return head[start + 1:]


def is_control(text, at):
    """Whether the brace at `at` opens a block of if, else, for, while, switch or do."""
    before = text[:at].rstrip()
    if re.search(r"\b(else|do)$", before):
        return True
    if not before.endswith(")"):
        return False
    depth = 0
    for back in range(len(before) - 1, -1, -1):
        depth += (before[back] == ")") - (before[back] == "(")
        if depth == 0:
            word = re.search(r"([A-Za-z_]\w*)\s*$", before[:back])
            return word is not None and (word.group(1) in CONTROL or
                                         re.fullmatch(r"[A-Z_0-9]+_FOR\w*", word.group(1))
                                         is not None)
    return False


class Source:
    def __init__(self, path, text):
        self.path, self.raw = path, text
        self.code = LEXEME.sub(blank, text)
        self.plain = DIRECTIVE.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), self.code)
        self.functions = list(self.find_functions())

    def includes(self):
        """(line, name, is_project) of each include."""
        pattern = re.compile(r'^[ \t]*#[ \t]*include[ \t]+([<"])([^>"]+)[>"]', re.M)
        for match in pattern.finditer(self.raw):
            line = self.raw.count("\n", 0, match.start()) + 1
            yield line, match.group(2), match.group(1) == '"'

    def find_functions(self):
        depth = 0
        start = 0   # of the text since the last complete thing at file scope
        opened = 0
        for match in re.finditer(r"[{};]", self.plain):
            c, at = match.group(0), match.start()
            if c == "{":
                if depth == 0:
                    opened = at
                depth += 1
            elif c == "}":
                depth = max(0, depth - 1)
                if depth == 0:
                    head = self.plain[start:opened]
                    function = self.function_of(head, start, opened, at)
                    if function is not None:
                        yield function
                        start = at + 1
            elif depth == 0:
                start = at + 1

    def function_of(self, head, start, opened, closed):
        expansion = EXPANSION.match(head)
        if expansion is not None:
            start += expansion.end()
            head = head[expansion.end():]
        bare = ATTRIBUTE.sub(" ", head)
        match = re.search(r"([A-Za-z_]\w*)\s*\(", bare)
        if match is None or "=" in bare or re.match(r"\s*typedef\b", bare):
            return None
        lead = len(head) - len(head.lstrip())
        line = self.plain.count("\n", 0, start + lead) + 1
        body_line = self.plain.count("\n", 0, opened) + 1
        return Function(match.group(1), bare, line, self.plain[opened:closed + 1],
                        body_line)
