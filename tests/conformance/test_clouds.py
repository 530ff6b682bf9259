"""The contract of the cloud interface, on every cloud that there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from executors.cloud.interface import Boot, Cloud, Disk, Identity, Machine
from executors.errors import ActionError, Failed, Refused
from executors.permit import acting_by
from planners import observed as seen
from planners.steps import Pieces
from tests.support.worlds import KEY, LocalWorld, SimulatedWorld

ONE = Identity("shop", "one", "11111111-1111-1111-1111-111111111111")
REDIS = Machine("tiny", "redis-7.0", "7.0")
TWO = Identity("shop", "two", "22222222-2222-2222-2222-222222222222")


@pytest.fixture(params=["simulated", "local"])
def cloud(request: pytest.FixtureRequest) -> Cloud:
    if request.param == "simulated":
        return SimulatedWorld.create().cloud
    world: LocalWorld = request.getfixturevalue("local_world")
    return world.cloud


def boot(identity: Identity, salt: str = "salt") -> Boot:
    key = KEY.guest_key(identity.id, salt)
    package = "guest_agent.datastores.redis"
    return Boot("redis", package, 6379, "", salt, key, "secret")


def create(cloud: Cloud, identity: Identity, salt: str = "salt") -> None:
    cloud.create_port(identity)
    cloud.create_volume(identity, Disk(1, "redis"))
    cloud.create_server(identity, REDIS, boot(identity, salt))


def test_everything_made_is_observed_with_its_identity_and_joined(cloud: Cloud) -> None:
    create(cloud, ONE)
    state = cloud.observe()
    (server,), (volume,), (port,) = state.servers, state.volumes, state.ports
    for piece in (server, volume, port):
        assert piece.metadata.items() >= ONE.metadata().items()
    assert server.status == "ACTIVE" and server.port == port.id
    assert volume.server == port.server == server.id
    assert port.address.startswith("127.")
    endpoint = cloud.endpoint(ONE.id)
    assert endpoint is not None and endpoint.address == port.address
    assert {"tiny"} <= {flavor.name for flavor in state.flavors}
    assert state.volume_types and state.zones


def test_creating_again_changes_nothing(cloud: Cloud) -> None:
    create(cloud, ONE)
    before = cloud.observe()
    create(cloud, ONE, salt="another")
    assert cloud.observe() == before
    assert before.servers[0].metadata[seen.SALT] == "salt"


def test_who_may_not_act_any_more_changes_nothing(cloud: Cloud) -> None:
    create(cloud, ONE)
    before = cloud.observe()
    server, volume = before.servers[0].id, before.volumes[0].id

    def ended() -> None:
        raise Refused("another has the lease")

    late: list[Callable[[], None]] = [
        lambda: cloud.create_port(TWO),
        lambda: cloud.create_volume(TWO, Disk(1, "redis")),
        lambda: cloud.create_server(ONE, REDIS, boot(ONE)),
        lambda: cloud.extend_volume(volume, 2),
        lambda: cloud.resize_server(server, "small"),
        lambda: cloud.start_server(server),
        lambda: cloud.set_metadata(server, "colour", "red"),
        lambda: cloud.delete_server(server),
        lambda: cloud.delete_volume(volume),
        lambda: cloud.delete_port(before.ports[0].id),
    ]
    for effect in late:
        with acting_by(ended), pytest.raises((Refused, Failed)):
            effect()
    assert cloud.observe() == before


def test_instances_have_addresses_of_their_own(cloud: Cloud) -> None:
    cloud.create_port(ONE)
    cloud.create_port(TWO)
    assert len({port.address for port in cloud.observe().ports}) == 2


def test_a_volume_outlives_its_server_and_grows_only(cloud: Cloud) -> None:
    create(cloud, ONE)
    volume = cloud.observe().volumes[0].id
    with pytest.raises(Failed, match="attached"):
        cloud.delete_volume(volume)
    cloud.extend_volume(volume, 3)
    cloud.extend_volume(volume, 2)
    cloud.delete_server(cloud.observe().servers[0].id)
    left = cloud.observe().volumes[0]
    assert (left.size, left.server, left.status) == (3, "", "available")
    cloud.create_server(ONE, REDIS, boot(ONE))
    assert cloud.observe().volumes[0].server == cloud.observe().servers[0].id


def test_flavor_and_metadata_change(cloud: Cloud) -> None:
    create(cloud, ONE)
    server = cloud.observe().servers[0].id
    cloud.resize_server(server, "small")
    cloud.confirm_resize(server)
    cloud.set_metadata(server, "colour", "red")
    found = cloud.observe().servers[0]
    assert (found.flavor, found.status, found.metadata["colour"]) == ("small", "ACTIVE", "red")
    cloud.set_metadata(server, "colour", "")
    assert "colour" not in cloud.observe().servers[0].metadata
    with pytest.raises(Failed, match="flavor"):
        cloud.resize_server(server, "gigantic")


def test_deleting_is_complete_and_may_be_repeated(cloud: Cloud) -> None:
    create(cloud, ONE)
    state = cloud.observe()
    for _ in range(2):
        cloud.delete_server(state.servers[0].id)
        cloud.delete_volume(state.volumes[0].id)
        cloud.delete_port(state.ports[0].id)
    left = cloud.observe()
    assert (left.servers, left.volumes, left.ports) == ([], [], [])
    assert cloud.endpoint(ONE.id) is None


def test_a_port_has_the_address_that_is_asked_for(cloud: Cloud) -> None:
    cloud.create_port(ONE)
    (given,) = cloud.observe().ports
    cloud.delete_port(given.id)
    cloud.create_port(TWO, given.address)
    cloud.create_port(TWO, given.address)
    (port,) = cloud.observe().ports
    assert port.address == given.address
    with pytest.raises(ActionError, match=r"in use|already allocated"):
        cloud.create_port(ONE, given.address)


def test_a_group_guards_the_port_of_its_instance(cloud: Cloud) -> None:
    if not cloud.observe().filters:
        with pytest.raises(Failed, match="no security groups"):
            cloud.allow_access(ONE, 6379, ["10.0.0.0/8"])
        return
    cloud.allow_access(ONE, 6379, ["192.0.2.0/24", "10.0.0.0/8"])
    (group,) = cloud.observe().groups
    assert (group.cidrs, group.database, group.port) == (["10.0.0.0/8", "192.0.2.0/24"], 6379, "")
    assert group.metadata.items() >= ONE.metadata().items()
    cloud.create_port(ONE)
    cloud.create_port(TWO)
    port = next(each for each in cloud.observe().ports if each.metadata[seen.ID] == ONE.id)
    assert cloud.observe().groups[0].port == port.id
    for _ in range(2):
        cloud.allow_access(ONE, 6380, ["10.0.0.0/8"])
        (group,) = cloud.observe().groups
        assert (group.cidrs, group.database, group.port) == (["10.0.0.0/8"], 6380, port.id)
    for _ in range(2):
        cloud.delete_group(group.id)
    assert cloud.observe().groups == [] and len(cloud.observe().ports) == 2


def test_a_floating_address_leads_to_the_port_of_its_instance(cloud: Cloud) -> None:
    networks = cloud.observe().external_networks
    if not networks:
        with pytest.raises(Failed, match="no floating addresses"):
            cloud.assign_floating(ONE, "public")
        return
    with pytest.raises(Failed, match=r"is missing|does not exist"):
        cloud.assign_floating(ONE, networks[0])
    cloud.create_port(ONE)
    for _ in range(2):
        cloud.assign_floating(ONE, networks[0])
        (floating,) = cloud.observe().floating
        (port,) = cloud.observe().ports
        assert (floating.port, floating.network) == (port.id, networks[0])
        assert floating.address != port.address
        assert floating.metadata.items() >= ONE.metadata().items()
    with pytest.raises(Failed, match=r"no external network|no network"):
        cloud.assign_floating(ONE, "elsewhere")
    for _ in range(2):
        cloud.release_floating(floating.id)
    assert cloud.observe().floating == []


def test_a_server_group_keeps_servers_apart_or_together(cloud: Cloud) -> None:
    for policy in ("anti-affinity", "affinity"):
        machine = replace(REDIS, group="pair", policy=policy)
        for identity in (ONE, TWO):
            cloud.create_port(identity)
            cloud.create_volume(identity, Disk(1, "redis"))
            cloud.create_server(identity, machine, boot(identity))
        servers = cloud.observe().servers
        assert {s.metadata[seen.PLACEMENT] for s in servers} == {f"pair {policy}"}
        assert len({s.host for s in servers}) == (2 if policy == "anti-affinity" else 1)
        for server in servers:
            cloud.delete_server(server.id)


def test_a_server_is_rebuilt_around_its_volume_and_port(cloud: Cloud) -> None:
    create(cloud, ONE)
    before = cloud.observe()
    for _ in range(2):
        cloud.rebuild_server(before.servers[0].id, "postgresql-15", boot(ONE))
        after = cloud.observe()
        (server,) = after.servers
        assert (server.id, server.image, server.status) == (
            before.servers[0].id, "postgresql-15", "ACTIVE"
        )  # fmt: skip
        assert server.metadata == before.servers[0].metadata
        assert (after.volumes, after.ports) == (before.volumes, before.ports)


def test_a_server_has_several_volumes_which_grow_and_go_by_themselves(cloud: Cloud) -> None:
    cloud.create_port(ONE)
    for _ in range(2):
        cloud.create_volume(ONE, Disk(2, "redis"))
        cloud.create_volume(ONE, Disk(1, "redis", kind="user_log"))
    cloud.create_server(ONE, replace(REDIS, kinds=("data", "user_log")), boot(ONE))
    state = cloud.observe()
    volumes = {volume.kind: volume for volume in state.volumes}
    assert {kind: v.size for kind, v in volumes.items()} == {"data": 2, "user_log": 1}
    assert {volume.server for volume in state.volumes} == {state.servers[0].id}
    cloud.extend_volume(volumes["user_log"].id, 3)
    cloud.rebuild_server(state.servers[0].id, "postgresql-15", boot(ONE))
    cloud.delete_server(state.servers[0].id)
    left = {volume.kind: volume for volume in cloud.observe().volumes}
    assert {kind: (v.size, v.server) for kind, v in left.items()} == {
        "data": (2, ""), "user_log": (3, "")
    }  # fmt: skip
    cloud.delete_volume(left["user_log"].id)
    assert [volume.kind for volume in cloud.observe().volumes] == ["data"]


def test_what_is_adopted_is_found_as_if_it_had_been_made_so(cloud: Cloud) -> None:
    theirs = Identity("old", "one", ONE.id, "theirs")
    cloud.create_port(theirs)
    cloud.create_volume(theirs, Disk(1, "redis"))
    cloud.create_volume(theirs, Disk(1, "redis", kind="user_log"))
    cloud.create_server(theirs, replace(REDIS, kinds=("data", "user_log")), boot(theirs))
    state = cloud.observe()
    held = Pieces(state.servers[0].id, [v.id for v in state.volumes], [p.id for p in state.ports])
    ours = Identity("shop", "uno", ONE.id, "ours")
    for _ in range(2):
        cloud.adopt(ours, held, {"colour": "red"})
        state = cloud.observe()
        for piece in (*state.servers, *state.volumes, *state.ports):
            assert piece.metadata.items() >= ours.metadata().items()
        assert state.servers[0].metadata["colour"] == "red"
        assert state.servers[0].metadata[seen.SALT] == "salt"
    # What it has is used when its server has to be made anew.
    cloud.delete_server(state.servers[0].id)
    cloud.create_port(ours)
    cloud.create_volume(ours, Disk(1, "redis"))
    cloud.create_server(ours, replace(REDIS, kinds=("data", "user_log")), boot(ours))
    again = cloud.observe()
    assert [v.id for v in again.volumes] == [v.id for v in state.volumes]
    assert len(again.ports) == 1
