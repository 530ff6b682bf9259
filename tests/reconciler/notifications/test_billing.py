"""What becomes of an instance is told to who counts, also when nobody looked meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from reconciler.journal import tables
from reconciler.journal.journal import Journal
from tests.support.daemons import Loop, instances
from tests.support.worlds import SimulatedWorld

BASE = {
    "instance_type", "user_id", "instance_id", "instance_type_id", "launched_at", "instance_name",
    "state", "state_description", "nova_instance_id", "service_id", "created_at", "region",
}  # fmt: skip
COMMON = BASE | {
    "name", "availability_zone", "instance_size", "volume_size", "nova_volume_id", "cluster_id",
}  # fmt: skip
ONE = "shop/one"


@pytest.fixture
def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loop:
    monkeypatch.setenv("GITROVE_HOME", str(tmp_path / "home"))
    (tmp_path / "repository").mkdir()
    (tmp_path / "home").mkdir()
    world = SimulatedWorld.create(tmp_path)
    world.journal.close()
    world.journal = Journal(f"sqlite:///{tmp_path}/journal.db", notify=True)
    return Loop(tmp_path / "repository", world)


def told(loop: Loop) -> list[tuple[str, dict[str, object]]]:
    """What of it was told since the last call."""
    with loop.world.journal.connect() as connection:
        rows = list(connection.execute(sa.select(tables.outbox).order_by(tables.outbox.c.id)))
        connection.execute(tables.outbox.delete())
    return [(row.type, row.payload) for row in rows if row.type.startswith("trove.")]


def test_a_life_is_told_with_all_traits_of_the_spec(loop: Loop) -> None:
    loop.commit(instances("tiny", ONE), "{audit: 0}")
    loop.tick(3)
    ((created, traits),) = told(loop)
    assert created == "trove.instance.create" and traits.keys() >= COMMON
    assert (traits["instance_size"], traits["volume_size"], traits["name"]) == (256, 1, "one")

    # A server that is lost and comes back is the same instance.
    loop.world.cloud.delete_server(next(iter(loop.world.cloud.state.servers)))
    loop.tick(3)
    assert told(loop) == []

    loop.commit(instances("small", ONE).replace("size: 1", "size: 3"), "{audit: 0}")
    loop.tick(3)
    modified = dict(told(loop))
    assert modified.keys() == {"trove.instance.modify_volume", "trove.instance.modify_flavor"}
    volume = modified["trove.instance.modify_volume"]
    assert volume.keys() >= COMMON | {"old_volume_size", "modify_at"}
    assert (volume["old_volume_size"], volume["volume_size"]) == (1, 3)
    flavor = modified["trove.instance.modify_flavor"]
    assert (flavor["old_instance_size"], flavor["instance_size"]) == (256, 512)

    # Deleted while no daemon looked, and told by the next.
    loop.commit(instances("small", "shop/two"), "{audit: 0}")
    loop.world.converge(loop.watch.workspace().desired)  # type: ignore[union-attr]
    loop.restarted()
    loop.tick(3)
    names = {name: traits for name, traits in told(loop) if traits["name"] == "one"}
    assert names.keys() == {"trove.instance.delete"}
    assert names["trove.instance.delete"].keys() >= COMMON | {"deleted_at"}


def test_what_exists_and_quotas_are_told_each_period(loop: Loop) -> None:
    quota = "---\napiVersion: gitrove/v1\nkind: Quota\nmetadata: {name: shop}\n"
    quota += "spec: {instances: 5}\n"
    loop.commit(instances("tiny", ONE).rstrip("-\n") + "\n" + quota, "{audit: 600}")
    loop.tick(3)
    told(loop)
    loop.tick(seconds=500.0)
    events = told(loop)
    assert [name for name, _ in events] == ["trove.instance.exists", *["trove.quota"] * 3]
    exists = events[0][1]
    assert exists.keys() >= BASE | {
        "display_name", "audit_period_beginning", "audit_period_ending",
    }  # fmt: skip
    by_resource = {traits["resource"]: traits for _, traits in events[1:]}
    assert by_resource["instances"].keys() >= {"in_use", "reserved", "limit", "updated"}
    assert (by_resource["instances"]["in_use"], by_resource["instances"]["limit"]) == (1, 5)
    assert by_resource["volumes"]["limit"] == -1
    loop.tick(seconds=100.0)
    assert told(loop) == []
