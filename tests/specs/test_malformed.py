"""Malformed specs, each with the exact place and words of its error."""

from __future__ import annotations

from textwrap import dedent

import pytest

from specs.loading import Source, load
from specs.problems import SpecProblems
from tests.support.worlds import DEFINITIONS

GOOD = """\
apiVersion: gitrove/v1
kind: Instance
metadata: {name: one}
spec:
  datastore: {name: mariadb}
  flavor: small
  volume: {size: 1}
"""


def mistakes(text: str | bytes) -> list[str]:
    """``line:column: message`` of every problem of one file."""
    data = text if isinstance(text, bytes) else dedent(text).encode()
    with pytest.raises(SpecProblems) as caught:
        load([Source("a.yaml", data)], DEFINITIONS, "shop", storages=["offsite"])
    return [each.headline().removeprefix("a.yaml:") for each in caught.value.problems]


def with_line(line: str) -> str:
    return GOOD + line + "\n"


def replaced(before: str, after: str) -> str:
    assert before in GOOD
    return GOOD.replace(before, after)


GROUP = """\
apiVersion: gitrove/v1
kind: ConfigurationGroup
metadata: {name: g}
spec:
  datastore: {name: %s}
  values: {%s}
"""

CASES = {
    "misspelt field": (
        replaced("flavor", "flavour"),
        "5:3: spec.flavor is missing",
        '6:3: unknown field "flavour" in spec; did you mean "flavor"?',
    ),
    "misspelt kind": (
        replaced("kind: Instance", "kind: Instanse"),
        '2:7: unknown kind "Instanse"; did you mean "Instance"?',
    ),
    "no kind": (replaced("kind: Instance\n", ""), "1:1: kind is missing"),
    "another version": (
        replaced("gitrove/v1", "gitrove/v9"),
        '1:13: apiVersion is "gitrove/v9" but must be "gitrove/v1"',
    ),
    "a list": ("- 1\n", "1:1: a document must be a mapping with a kind"),
    "a word": ("hello\n", "1:1: a document must be a mapping with a kind"),
    "duplicate key": (
        with_line("  flavor: tiny"),
        '8:3: the key "flavor" stands here twice',
    ),
    "a tab": (
        "a:\n\tb: 1\n",
        "2:1: not valid YAML: a tab cannot be used for indentation; use spaces",
    ),
    "merge key": (
        "a: &x {b: 1}\nc:\n  <<: *x\n",
        "3:3: merge keys (<<) are not supported; repeat the fields",
    ),
    "recursive anchor": ("a: &x\n  b: *x\n", "1:4: an alias refers to the value that contains it"),
    "a number as a string": (
        replaced("{name: mariadb}", "{name: mariadb, version: 10.11}"),
        '5:39: spec.datastore.version must be a string; write "10.11" in quotes',
    ),
    "a word as a number": (
        replaced("size: 1", "size: big"),
        "7:18: spec.volume.size must be a whole number",
    ),
    "a fraction": (
        replaced("size: 1", "size: 1.5"),
        "7:18: spec.volume.size must be a whole number",
    ),
    "too small": (
        replaced("size: 1", "size: 0"),
        "7:18: spec.volume.size: input should be greater than or equal to 1",
    ),
    "a mapping as a list": (
        with_line("  users: {name: a}"),
        "8:10: spec.users must be a list",
    ),
    "a yes that is a word": (
        with_line("  root: {enabled: yes}"),
        "8:19: spec.root.enabled must be true or false",
    ),
    "a unicode name": (
        replaced("name: one", "name: größe"),
        '3:18: metadata.name: "größe" must be lower-case letters, digits and inner hyphens',
    ),
    "an upper-case name": (
        replaced("name: one", "name: One"),
        '3:18: metadata.name: "One" must be lower-case letters, digits and inner hyphens',
    ),
    "SQL in a database": (
        with_line('  databases: [{name: "x`; DROP DATABASE mysql; --"}]'),
        '8:22: the database name "x`; DROP DATABASE mysql; --" is too long or has a '
        "character that the datastore forbids",
    ),
    "SQL in a user": (
        with_line('  users: [{name: "a\'; DROP USER root; --"}]'),
        '8:18: the user name "a\'; DROP USER root; --" is too long or has a character that '
        "the datastore forbids",
    ),
    "a reserved database": (
        with_line("  databases: [{name: mysql}]"),
        '8:22: the database name "mysql" belongs to the server',
    ),
    "a reserved user": (
        with_line("  users: [{name: root}]"),
        '8:18: the user name "root" belongs to the server',
    ),
    "the agent's own user": (
        with_line("  users: [{name: os_admin}]"),
        '8:18: the user name "os_admin" belongs to the server',
    ),
    "a database twice": (
        with_line("  databases: [{name: a}, {name: a}]"),
        '8:33: the database "a" stands here twice',
    ),
    "a user twice": (
        with_line("  users: [{name: a}, {name: a}]"),
        '8:29: the user "a" stands here twice',
    ),
    "a grant on nothing": (
        with_line("  users: [{name: a, grants: [{database: shp}]}]"),
        '8:41: no database "shp" in this instance',
    ),
    "a misspelt privilege": (
        with_line(
            "  databases: [{name: d}]\n"
            "  users: [{name: a, grants: [{database: d, privileges: [SELCT]}]}]"
        ),
        '9:57: unknown privilege "SELCT"; did you mean "SELECT"?',
    ),
    "an unknown datastore": (
        replaced("name: mariadb", "name: mariabd"),
        '5:21: unknown datastore "mariabd"; did you mean "mariadb"?',
    ),
    "an unknown version": (
        replaced("{name: mariadb}", '{name: mariadb, version: "10.1"}'),
        '5:39: MariaDB has no version "10.1"; did you mean "10.11"?',
    ),
    "an unknown group": (
        with_line("  configuration: tuned"),
        '8:18: no ConfigurationGroup "tuned" in shop',
    ),
    "two secrets' sources": (
        with_line("  users: [{name: a, password: {fromEnv: A, fromFile: b}}]"),
        "8:31: spec.users[0].password: give only one of generate, fromEnv and fromFile",
    ),
    "a plain password": (
        with_line("  users: [{name: a, password: hunter2}]"),
        "8:31: spec.users[0].password must be a mapping",
    ),
    "a host that is SQL": (
        with_line('  users: [{name: a, host: "%\'; --"}]'),
        '8:27: "%\'; --" is not a host, an address or a pattern of them',
    ),
    "an unknown parameter": (
        GROUP % ("mariadb", "max_conections: 5"),
        '6:12: MariaDB has no parameter "max_conections"; did you mean "max_connections"?',
    ),
    "a parameter out of bounds": (
        GROUP % ("mariadb", "max_connections: 5"),
        "6:29: max_connections: 5 is out of bounds; it must be 10 to 100000",
    ),
    "a guest's parameter": (
        GROUP % ("postgresql", "data_directory: /tmp"),
        '6:12: the parameter "data_directory" is controlled by the guest agent',
    ),
    "requirepass": (
        GROUP % ("redis", "requirepass: x"),
        '6:12: the parameter "requirepass" is controlled by the guest agent',
    ),
    "a parameter that is gone": (
        GROUP % ("postgresql", "wal_keep_segments: 3"),
        '6:12: PostgreSQL 15 no longer has the parameter "wal_keep_segments"; use "wal_keep_size"',
    ),
    "a value that is no choice": (
        GROUP % ("redis", "maxmemory-policy: sometimes"),
        '6:30: maxmemory-policy: "sometimes" is none of volatile-lru, volatile-lfu, '
        "volatile-random, volatile-ttl, allkeys-lru, allkeys-lfu, allkeys-random, noeviction",
    ),
    "a unit that does not fit": (
        GROUP % ("postgresql", "work_mem: 8parsecs"),
        '6:22: work_mem: "8parsecs" has a unit that does not fit; units here: '
        "B, kB, MB, GB, TB, us, ms, s, min, h, d",
    ),
    "databases of Redis": (
        replaced("mariadb", "redis") + "  databases: [{name: a}]\n",
        "8:14: Redis has no databases to declare",
    ),
    "hosts of PostgreSQL": (
        replaced("mariadb", "postgresql") + "  users: [{name: a, host: h}]\n",
        "8:27: PostgreSQL has no hosts of users",
    ),
    "a storage that is none": (
        GOOD.replace("kind: Instance", "kind: Backup").partition("spec:")[0]
        + "spec: {instance: one, storage: offsit}\n",
        '4:32: gitrove.yaml has no "offsit" under backups.storages; did you mean "offsite"?',
    ),
    "the same name twice": (
        GOOD + "---\n" + GOOD,
        '11:18: Instance "shop/one" is declared twice; the first is in a.yaml',
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_every_mistake_is_told_at_its_place(case: str) -> None:
    text, *expected = CASES[case]
    assert mistakes(text) == expected


def test_all_mistakes_are_told_in_one_run() -> None:
    text = replaced("flavor: small", "flavor: 3").replace("size: 1", "size: -1")
    assert len(mistakes(text + "---\n" + GROUP % ("mariadb", "nonsense: 1"))) == 3


def test_a_file_of_ten_megabytes() -> None:
    assert mistakes(b"# filler\n" * 1_200_000) == ["1:1: the file has 10 MiB; 4 MiB are the most"]


def test_a_file_that_is_not_text() -> None:
    assert mistakes(b"a: 1\nb: \xff\xfe\n") == ["2:1: the file is not UTF-8 text"]


def test_the_offending_line_is_shown_with_a_caret() -> None:
    with pytest.raises(SpecProblems) as caught:
        load([Source("a.yaml", replaced("size: 1", "size: 0").encode())], DEFINITIONS, "shop")
    shown = caught.value.problems[0].render().splitlines()
    assert shown[1].endswith("7 |   volume: {size: 0}")
    assert shown[2].index("^") == shown[1].index("0}")
