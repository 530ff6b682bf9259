"""YAML as plain values beside the node tree that knows where each value stands.

libyaml (through ruamel.yaml) parses; scalars resolve by YAML 1.2's core schema,
so that ``no`` is a word and only ``false`` is false. Duplicate keys, recursive
aliases and merge keys are mistakes, not surprises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml.cyaml import CSafeLoader
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

MAX_BYTES = 4 << 20
MAX_NODES = 1_000_000
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip


class YamlMistake(Exception):
    """The text is not usable YAML; ``line`` and ``column`` count from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.message, self.line, self.column = message, line, column


class _Loader(CSafeLoader):
    """Leaves scalars as they are written: which type they are, ``_scalar`` says."""

    def resolve(self, _kind: object, _value: object, _implicit: object) -> str:
        return ""

    def descend_resolver(self, _node: object, _index: object) -> None:
        pass

    def ascend_resolver(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Tree:
    """One document: its plain value and the root of its nodes."""

    value: Any
    root: Node

    def position(self, path: tuple[str | int, ...], at_key: bool = False) -> tuple[int, int]:
        """Line and column (from 1) of what *path* leads to, or of the deepest part that exists."""
        node, spot = self.root, self.root.start_mark
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            key, node = found
            spot = key.start_mark if at_key and key is not None else node.start_mark
        return spot.line + 1, spot.column + 1


def parse(text: str) -> Iterator[Tree]:
    """Every document of *text*; empty ones are passed over. Raises YamlMistake."""
    try:
        loader = _Loader(text)
        while loader.check_node():
            root = loader.get_node()
            value = _Converter().convert(root)
            if value is not None:
                yield Tree(value, root)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlMistake(f"the character {error.character!r} is not allowed", line, 1) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise YamlMistake(f"not valid YAML: {_plain(error, text, line)}", line, column) from None


def _plain(error: MarkedYAMLError, text: str, line: int) -> str:
    lines = text.splitlines()
    if 0 < line <= len(lines) and "\t" in lines[line - 1][: len(lines[line - 1]) // 2 + 1]:
        return "a tab cannot be used for indentation; use spaces"
    return str(error.problem or error.context)


class _Converter:
    def __init__(self) -> None:
        self._open: set[int] = set()
        self._count = 0

    def convert(self, node: Node) -> Any:
        self._count += 1
        if self._count > MAX_NODES:
            raise _mistake(f"the document expands to more than {MAX_NODES} values", node)
        if isinstance(node, ScalarNode):
            return _scalar(node)
        if id(node) in self._open:
            raise _mistake("an alias refers to the value that contains it", node)
        self._open.add(id(node))
        try:
            if isinstance(node, SequenceNode):
                return [self.convert(each) for each in node.value]
            return self._mapping(node)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: Node) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                raise _mistake("a key must be a word", key_node)
            key = key_node.value
            if key == "<<" and not key_node.style:
                raise _mistake("merge keys (<<) are not supported; repeat the fields", key_node)
            if key in result:
                raise _mistake(f'the key "{key}" stands here twice', key_node)
            result[key] = self.convert(value_node)
        return result


def _scalar(node: ScalarNode) -> Any:
    text: str = node.value
    if node.style is not None and node.style not in ("", None):
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text) if len(text) < 40 else text
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _child(node: Node, step: str | int) -> tuple[Node | None, Node] | None:
    if isinstance(node, MappingNode):
        return next(((k, v) for k, v in node.value if k.value == str(step)), None)
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        return None, node.value[step]
    return None


def _mistake(message: str, node: Node) -> YamlMistake:
    return YamlMistake(message, node.start_mark.line + 1, node.start_mark.column + 1)
