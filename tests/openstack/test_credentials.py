"""The least that a login needs: the role of a member, by an application credential."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openstack
import pytest

from executors.cloud.openstack import OpenStackCloud, Setup
from executors.errors import ActionError
from executors.storage.swift import Swift
from tests.devcloud import bootstrap
from tests.devcloud.layout import AUTH
from tests.support.openstack import OpenStackWorld, clouds_with
from tests.support.texts import ONE_CACHE


@pytest.fixture
def limited(
    openstack_world: OpenStackWorld, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OpenStackWorld]:
    """The world by an application credential that has the role of a member only."""
    world = openstack_world
    with bootstrap.connected(world.layout, "devcloud-tests") as connection:
        identity: Any = connection.identity
        user = connection.current_user_id
        made = identity.create_application_credential(
            user=user, name=f"gitrove-{world.project}", roles=[{"name": "member"}]
        )
        login = {
            "auth_type": "v3applicationcredential",
            "auth": {
                "auth_url": AUTH,
                "application_credential_id": made.id,
                "application_credential_secret": made.secret,
            },
        }
        path = clouds_with("limited", login, world.layout, world.folder)
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
        world.cloud = OpenStackCloud(Setup("limited", "databases"))
        try:
            yield world
        finally:
            identity.delete_application_credential(user, made.id)


def test_a_member_makes_backs_up_and_removes(limited: OpenStackWorld) -> None:
    world = limited
    before = world.held()
    session: Any = openstack.connect(cloud="limited").session
    roles = set(session.auth.get_access(session).role_names)
    # Keystone has the reader implied by the member.
    assert "member" in roles and roles <= {"member", "reader"}
    text = ONE_CACHE + '  access: {allowedCidrs: ["10.0.0.0/8"]}'
    assert world.converge(world.desire(text)).actions == []
    store = Swift(world.container("limited"))
    store.put("data/x", b"rows")
    assert store.names("data/") == ["data/x"]
    store.delete("data/x")
    assert world.converge(world.desire("")).actions == []
    assert world.held() == before


def test_a_login_that_is_no_longer_valid_is_told_and_nothing_looks_gone(
    limited: OpenStackWorld,
) -> None:
    world = limited
    path = world.folder / "clouds.yaml"
    clouds = json.loads(path.read_text())
    clouds["clouds"]["limited"]["auth"]["application_credential_secret"] = "wrong"
    path.write_text(json.dumps(clouds))
    world.cloud = OpenStackCloud(Setup("limited", "databases"))
    with pytest.raises(ActionError, match="cannot reach the cloud") as found:
        world.plan(world.desire(ONE_CACHE))
    assert "wrong" not in str(found.value)
    world.cloud = OpenStackCloud(Setup("devcloud-tests", "databases"))
