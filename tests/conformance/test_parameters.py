"""The parameter files say what the installed servers say of themselves."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from guest_agent.toolkit.processes import wait_until
from scripts.describe_parameters import describe, described
from specs.parameters import Parameter
from tests.support.worlds import DEFINITIONS


@pytest.mark.parametrize("name", ["mariadb", "postgresql"])
def test_parameters_are_the_servers_own(name: str) -> None:
    version, rows = describe(name)
    server = {row["name"]: Parameter.model_validate(row) for row in rows}
    ours = {p.name: p for p in DEFINITIONS[name].parameters.values()}
    assert server.keys() <= ours.keys(), "run: make parameters"
    # A minor release that is older than the one that was described knows fewer.
    if _numbers(version) >= _numbers(described(name)):
        assert server.keys() == ours.keys(), "run: make parameters"
    for key, theirs in server.items():
        same = ("type", "values", "unit", "apply", "min", "until", "multiple_of")
        for field in same:
            assert getattr(ours[key], field) == getattr(theirs, field), f"{key}.{field}"


def _numbers(version: str) -> list[int]:
    return [int(each) for each in version.split(".")]


@pytest.fixture
def bare_redis(short_folder: Path, network: str) -> Iterator[redis.Redis]:
    address = network.replace("0/24", "7")
    command = ["redis-server", "--bind", address, "--dir", str(short_folder), "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    client = redis.Redis(host=address, decode_responses=True)

    def answers() -> bool:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False

    assert wait_until(answers, 10)
    yield client
    process.terminate()
    process.wait(10)


def test_redis_bounds_defaults_and_liveness_are_the_servers(bare_redis: redis.Redis) -> None:
    """Below each minimum the server refuses, at it the server accepts; what is fixed is fixed."""
    tried = 0
    own = {"save", "maxclients"}
    for parameter in {p.name: p for p in DEFINITIONS["redis"].parameters.values()}.values():
        if parameter.until or parameter.control == "guest":
            continue
        name = parameter.name
        default = bare_redis.config_get(name)[name]
        if name not in own:
            assert default == parameter.default, name
        if parameter.apply == "restart":
            with pytest.raises(redis.ResponseError, match="immutable"):
                bare_redis.config_set(name, parameter.default)
        elif parameter.type == "integer" and parameter.min is not None and name not in own:
            with pytest.raises(redis.ResponseError):
                bare_redis.config_set(name, str(int(parameter.min) - 1))
            bare_redis.config_set(name, default)
            tried += 1
    assert tried > 30
