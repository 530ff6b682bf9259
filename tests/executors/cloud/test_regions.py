"""Two regions are listed as one cloud, and each piece is changed where it is."""

from __future__ import annotations

from executors.cloud.interface import Boot, Disk, Identity, Machine
from executors.cloud.regions import Regions
from executors.cloud.simulated import SimulatedCloud

ONE = Identity("shop", "one", "11111111-1111-1111-1111-111111111111")
TWO = Identity("shop", "two", "22222222-2222-2222-2222-222222222222", region="east")
BOOT = Boot("redis", "guest_agent.datastores.redis", 6379, "", "salt", "key", "secret")


def test_pieces_are_made_found_changed_and_removed_in_their_region() -> None:
    west, east = SimulatedCloud(), SimulatedCloud({"tiny": 128})
    cloud = Regions(west, {"east": east})
    for identity in (ONE, TWO):
        cloud.create_port(identity)
        cloud.create_volume(identity, Disk(1, "redis"))
        cloud.create_server(identity, Machine("tiny", "redis-7.0"), BOOT)
    state = cloud.observe()
    assert [(s.name, s.region) for s in state.servers] == [("one", ""), ("two", "east")]
    assert state.flavors[0].ram == 256 and state.further_regions["east"].flavors[0].ram == 128
    assert [len(each.state.servers) for each in (west, east)] == [1, 1]

    # As in another process, which has not listed anything yet.
    again = Regions(west, {"east": east})
    there = state.servers[1]
    again.extend_volume(state.volumes[1].id, 3)
    again.set_metadata(there.id, "colour", "red")
    assert [v.size for v in again.observe().volumes] == [1, 3]
    assert again.observe().servers[1].metadata["colour"] == "red"
    assert again.endpoint(TWO.id) == east.endpoint(TWO.id)
    for _ in range(2):
        again.delete_server(there.id)
        again.delete_volume(state.volumes[1].id)
        again.delete_port(state.ports[1].id)
    assert [len(each.state.ports) for each in (west, east)] == [1, 0]


def test_a_service_that_both_share_lists_nothing_twice() -> None:
    shared = SimulatedCloud()
    cloud = Regions(shared, {"east": shared})
    for identity in (ONE, TWO):
        cloud.create_port(identity)
    assert [(p.name, p.region) for p in cloud.observe().ports] == [("one", ""), ("two", "east")]
