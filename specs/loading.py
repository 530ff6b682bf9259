"""Sources to Desired: parse, validate, resolve; every mistake of a revision in one run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pydantic import ValidationError

from specs import references
from specs.definitions import Definitions
from specs.desired import Address, Desired, Origin
from specs.models import (
    KINDS,
    Backup,
    BackupSchedule,
    ConfigurationGroup,
    Datastore,
    Document,
    Instance,
    Quota,
    VolumeLayout,
)
from specs.models.document import API_VERSION
from specs.problems import ERROR, Problem, SpecProblems, suggestion
from specs.validation import problems_of
from specs.yaml_tree import MAX_BYTES, Tree, YamlMistake, parse


@dataclass(frozen=True, slots=True)
class Source:
    """One YAML file of a revision; ``path`` is relative to the repository's root."""

    path: str
    data: bytes


class DocumentCache(Protocol):
    """Documents of sources that were read before, by the source's content."""

    def get(self, data: bytes) -> list[Document] | None: ...

    def put(self, data: bytes, documents: list[Document]) -> None: ...


@dataclass(frozen=True, slots=True)
class Located:
    """A document and where it stands."""

    document: Document
    origin: Origin


def load(
    sources: Iterable[Source],
    definitions: Definitions,
    default_project: str,
    revision: str = "",
    cache: DocumentCache | None = None,
    storages: Collection[str] = (),
) -> Desired:
    """The desired state of *sources*. Raises SpecProblems with every mistake.

    *storages* are the names under which ``gitrove.yaml`` has further places for backups.
    """
    texts: dict[str, bytes] = {}
    located: list[Located] = []
    problems: list[Problem] = []
    for source in sources:
        texts[source.path] = source.data
        documents, mistakes = _read(source, cache)
        problems += mistakes
        located += [Located(d, Origin(source.path, i)) for i, d in enumerate(documents) if d]
    desired, duplicates = _collect(located, default_project, revision)
    resolved, findings = references.resolve(desired, definitions, storages)
    trees = _Trees(texts)
    problems += [trees.problem(finding) for finding in [*duplicates, *findings]]
    problems = [_with_snippet(each, texts) for each in problems]
    if any(each.severity == ERROR for each in problems):
        raise SpecProblems(each for each in problems if each.severity == ERROR)
    return replace(resolved, warnings=tuple(sorted(problems)))


def _read(
    source: Source, cache: DocumentCache | None
) -> tuple[list[Document | None], list[Problem]]:
    if cache and (known := cache.get(source.data)) is not None:
        return list(known), []
    documents: list[Document | None] = []
    problems: list[Problem] = []
    try:
        for tree in parse(_text(source)):
            document, mistakes = _validate(tree, source.path)
            documents.append(document)
            problems += mistakes
    except YamlMistake as mistake:
        problems.append(Problem(source.path, mistake.line, mistake.column, mistake.message))
    if cache and not problems:
        cache.put(source.data, [each for each in documents if each])
    return documents, problems


def _text(source: Source) -> str:
    if len(source.data) > MAX_BYTES:
        size = len(source.data) >> 20
        raise YamlMistake(f"the file has {size} MiB; {MAX_BYTES >> 20} MiB are the most", 1, 1)
    try:
        return source.data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source.data.count(b"\n", 0, error.start) + 1
        raise YamlMistake("the file is not UTF-8 text", line, 1) from None


def _validate(tree: Tree, path: str) -> tuple[Document | None, list[Problem]]:
    value = tree.value
    line, column = tree.position(())
    if not isinstance(value, dict):
        return None, [Problem(path, line, column, "a document must be a mapping with a kind")]
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        missing = kind is None
        line, column = tree.position(() if missing else ("kind",))
        hint = suggestion(str(kind), KINDS)
        message = "kind is missing" if missing else f'unknown kind "{kind}"{hint}'
        return None, [Problem(path, line, column, message)]
    if value.get("apiVersion") not in (None, API_VERSION):
        line, column = tree.position(("apiVersion",))
        message = f'apiVersion is "{value["apiVersion"]}" but must be "{API_VERSION}"'
        return None, [Problem(path, line, column, message)]
    model = KINDS[kind]
    try:
        return model.model_validate(value), []
    except ValidationError as error:
        return None, list(problems_of(error, model, path, tree))


def _collect(
    located: list[Located], default_project: str, revision: str
) -> tuple[Desired, list[references.Finding]]:
    desired = Desired(revision=revision)
    shelves: Mapping[type[Document], dict[Any, Any]] = {
        Instance: desired.instances,
        ConfigurationGroup: desired.groups,
        Datastore: desired.datastores,
        Quota: desired.quotas,
        Backup: desired.backups,
        BackupSchedule: desired.schedules,
        VolumeLayout: desired.layouts,
    }
    findings = []
    for each in located:
        document = each.document
        address = Address(document.metadata.project or default_project, document.metadata.name)
        shelf, key = shelves[type(document)], _key(document, address)
        kind = type(document).__name__
        if key in shelf:
            first = desired.origins[kind, _address(key)]
            message = f'{kind} "{key}" is declared twice; the first is in {first.file}'
            findings.append(references.Finding(each.origin, ("metadata", "name"), message))
            continue
        shelf[key] = document
        desired.origins[kind, _address(key)] = each.origin
    return desired, findings


def _key(document: Document, address: Address) -> Address | str:
    if isinstance(document, Datastore):
        return address.name
    return address.project if isinstance(document, Quota) else address


def _address(key: Address | str) -> Address:
    return key if isinstance(key, Address) else Address("", key)


class _Trees:
    """Node trees of the files that have something to say about, parsed when first asked."""

    def __init__(self, texts: dict[str, bytes]) -> None:
        self._texts = texts
        self._trees: dict[str, list[Tree]] = {}

    def problem(self, finding: references.Finding) -> Problem:
        file, index = finding.origin.file, finding.origin.index
        if file not in self._trees:
            self._trees[file] = list(parse(self._texts[file].decode("utf-8-sig")))
        line, column = self._trees[file][index].position(finding.path, finding.at_key)
        return Problem(file, line, column, finding.message, severity=finding.severity)


def _with_snippet(problem: Problem, texts: dict[str, bytes]) -> Problem:
    lines = texts[problem.file][:MAX_BYTES].decode("utf-8-sig", "replace").split("\n")
    if not 0 < problem.line <= len(lines):
        return problem
    line = lines[problem.line - 1][:160]
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    return replace(problem, snippet=shown)
