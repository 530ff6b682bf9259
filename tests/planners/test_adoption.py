"""What is adopted is declared as it was found, under an id that it keeps."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from executors.handlers import Context, handle
from guest_agent.contract.report import Archive, Configuration, Database, Report, Root, User
from planners import adoption
from planners.observed import CloudState, Observed, Record
from planners.planning import ids_by_address, make_plan, plan_of
from planners.steps import Adopt, SecretSource
from specs.desired import Address
from specs.loading import Source, load
from tests.support.cases import ID, found, report
from tests.support.worlds import DEFINITIONS, KEY, SimulatedWorld, desire

TOLD = report(
    databases=[Database("shop", managed=True), Database("other")],
    users=[
        User(
            "app", "10.%", managed=True, grants={"shop": ["SELECT", "INSERT"]},
            fingerprint=KEY.fingerprint(ID, "app@10.%", SecretSource(3)),
        ),
        User("visitor", "%", grants={"shop": ["SELECT"]}),
    ],
    configuration=Configuration(memory_mib=256, file={"max_connections": "80"}),
    archive=Archive(enabled=True),
    root=Root(enabled=True, fingerprint="of a password that somebody chose"),
)  # fmt: skip


def observed(told: Report | None = TOLD, **metadata: str) -> Observed:
    marks = {"salt": "s", "repository": "theirs", "version": "10.11"} | metadata
    pieces = found(**marks)
    state = CloudState(servers=pieces.servers, volumes=pieces.volumes, ports=pieces.ports)
    return Observed(cloud=state, guests={ID: told})


def candidates(state: Observed, repository: str = "ours") -> list[adoption.Candidate]:
    return adoption.of_other_repositories(state, repository, DEFINITIONS, KEY)


def test_the_specs_say_what_was_found_and_nothing_that_is_somebody_elses() -> None:
    (one,) = candidates(observed())
    group, instance = adoption.documents([one], "ours")
    desired = load(
        [Source("a.yaml", "---\n".join(map(str, (f"{group}\n", f"{instance}\n"))).encode())],
        DEFINITIONS,
        "shop",
    )
    spec = desired.instances[Address("ours", "one")].spec
    assert (spec.flavor, spec.datastore.version) == ("tiny", "10.11")
    assert spec.volume is not None and (spec.volume.size, spec.volume.type) == (2, "standard")
    assert [each.name for each in spec.databases] == ["shop"]
    (user,) = spec.users
    assert (user.name, user.host, user.password.rotation) == ("app", "10.%", 3)
    assert spec.point_in_time_recovery and spec.root.enabled
    assert "the password of root is not one that gitrove made" in one.note
    assert [(g.database, g.privileges) for g in user.grants] == [("shop", ["SELECT", "INSERT"])]
    assert desired.parameters[Address("ours", "one-parameters")] == {"max_connections": "80"}


def test_what_is_ours_already_or_does_not_answer_cannot_be_adopted() -> None:
    assert candidates(observed(), "theirs") == []
    assert candidates(observed(None)) == []
    assert candidates(observed(replace(TOLD, datastore="unheard-of"))) == []


def test_the_id_stays_so_that_keys_and_passwords_do() -> None:
    (one,) = candidates(observed())
    marked = adoption.drafts([one], "ours", adoption.ids([one], "ours", {}))
    ((address, (draft,)),) = marked.items()
    assert isinstance(draft.step, Adopt)
    assert (str(address), draft.step.instance) == ("ours/one", ID)
    fresh = replace(one, id="")
    again = adoption.ids([fresh], "ours", {"ours/one": Record(incarnation=0, deleted=True)})
    assert again != adoption.ids([fresh], "ours", {})


def test_a_name_that_is_taken_is_told() -> None:
    state = observed()
    (one,) = candidates(state)
    assert adoption.unclear([one], state.cloud, "ours") == []
    assert "two of them are called one" in adoption.unclear([one, one], state.cloud, "ours")[0]
    other = msgspec.structs.replace(state.cloud.servers[0], id="s2")
    cloud = msgspec.structs.replace(state.cloud, servers=[other])
    assert "shop/one exists already, as the server s2" in adoption.unclear([one], cloud, "shop")[0]


def test_what_stands_in_a_server_group_is_refused() -> None:
    (one,) = candidates(observed(placement="pair affinity"))
    (told,) = adoption.unclear([one], observed().cloud, "ours")
    assert "stands in a server group" in told


def test_an_adopted_instance_of_the_simulation_needs_nothing_more() -> None:
    """With everything that an instance can have on a cloud."""
    world = SimulatedWorld.create()
    theirs = desire("""
apiVersion: gitrove/v1
kind: VolumeLayout
metadata: {name: split}
spec: {volumes: [{kind: data, size: 3}, {kind: binlog, size: 1}]}
---
apiVersion: gitrove/v1
kind: Instance
metadata: {name: one}
spec:
  datastore: {name: mariadb, version: "10.11"}
  flavor: small
  volumeLayout: split
  databases: [{name: a}]
  users: [{name: u, password: {rotation: 4}, grants: [{database: a}]}]
  root: {enabled: true}
  access: {allowedCidrs: [10.0.0.0/8], floatingNetwork: public}
  guestKey: {rotation: 2}
  lifecycle: {onDelete: finalBackup}
""")
    assert not world.converge(theirs).actions
    (one,) = adoption.of_other_repositories(world.observe(), "ours", DEFINITIONS, world.key)
    assert one.note == ""
    ids = adoption.ids([one], "ours", {})
    plan = plan_of(adoption.drafts([one], "ours", ids), world.observe(), "", "")
    for action in plan.actions:
        handle(action.step, Context(world.cloud, world.guests, world.key, DEFINITIONS, "ours"))
    text = "---\n".join(f"{each}\n" for each in adoption.documents([one], "ours"))
    ours = load([Source("a.yaml", text.encode())], DEFINITIONS, "ours")
    made = make_plan(ours, world.observe(), world.key, repository="ours")
    assert (made.actions, made.obstacles) == ([], [])
    assert ids_by_address(world.observe()) == {Address("ours", "one"): one.id}


def test_what_was_made_by_hand_for_no_repository_can_be_adopted_too() -> None:
    (one,) = candidates(observed(repository=""))
    assert (one.origin, one.id) == ("no repository", ID)
