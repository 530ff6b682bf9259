"""What is lost in the middle: the controller, a service, an answer. It converges all the same."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from pathlib import Path

import pytest

from executors.engine import Entry, State
from guest_agent.toolkit.processes import wait_until
from reconciler.applying import Stale
from specs.desired import Desired
from tests.devcloud import services
from tests.devcloud.layout import Layout
from tests.support.openstack import ONE_OF_EACH, OpenStackWorld, more
from tests.support.texts import ONE_CACHE


def _apply_until(
    folder: Path, layout: Layout, project: str, item: str, state: State, after: float
) -> None:
    """Apply, and die *after* seconds past the moment when *item* came into *state*."""
    world = OpenStackWorld.at(folder, layout, project)

    def progress(entry: Entry) -> None:
        if entry.action.item == item and entry.state is state:
            threading.Timer(after, os.kill, (os.getpid(), signal.SIGKILL)).start()

    world.apply(world.desire(ONE_CACHE), progress=progress)


def _converges(world: OpenStackWorld, desired: Desired) -> bool:
    """Whether it did: not while a server that is just coming up makes a plan stale or unsure."""
    try:
        left = world.converge(desired)
        return not left.actions and not left.notes
    except Stale:
        return False


@pytest.mark.parametrize(
    ("item", "state", "after"),
    [
        ("port", State.DONE, 0),
        ("volume", State.STARTED, 0.3),
        ("server", State.STARTED, 0.5),
        ("server", State.STARTED, 1.2),
        ("server", State.DONE, 0),
    ],
)
def test_a_controller_killed_while_it_creates_leaves_one_of_each(
    openstack_world: OpenStackWorld, item: str, state: State, after: float
) -> None:
    world = openstack_world
    before = world.held()
    context = multiprocessing.get_context("spawn")
    told = (world.folder, world.layout, world.project, item, state, after)
    victim = context.Process(target=_apply_until, args=told)
    victim.start()
    victim.join()
    assert victim.exitcode == -signal.SIGKILL
    desired = world.desire(ONE_CACHE)
    assert wait_until(lambda: _converges(world, desired), 60, 0.5)
    assert world.report("cache").status == "running"
    held = world.held()
    assert more(held, before) == ONE_OF_EACH
    assert not world.converge(world.desire("")).actions
    assert world.held() == before


@pytest.mark.parametrize(
    ("service", "item"), [("nova", "server"), ("neutron", "port"), ("cinder", "volume")]
)
def test_a_service_killed_and_restarted_in_the_middle_costs_nothing(
    openstack_world: OpenStackWorld, service: str, item: str
) -> None:
    world = openstack_world
    before = world.held()
    back: list[threading.Thread] = []

    def restart() -> None:
        services.start(world.layout, [service])
        services.wait_for_apis(world.layout, [service])

    def kill(entry: Entry) -> None:
        if entry.action.item == item and entry.state is State.STARTED and not back:
            services.kill(world.layout, service)
            back.append(threading.Thread(target=restart))
            back[0].start()

    desired = world.desire(ONE_CACHE)
    world.apply(desired, progress=kill)
    back[0].join()
    assert wait_until(lambda: _converges(world, desired), 90, 0.5)
    held = world.held()
    assert more(held, before) == ONE_OF_EACH
    assert not world.converge(world.desire("")).actions
    assert world.held() == before


@pytest.mark.parametrize("service", ["nova", "neutron", "cinder"])
def test_a_service_that_is_killed_makes_nothing_look_gone(
    openstack_world: OpenStackWorld, service: str
) -> None:
    world = openstack_world
    desired = world.desire(ONE_CACHE)
    assert world.apply(desired).succeeded
    services.kill(world.layout, service)
    try:
        with pytest.raises(Exception, match="cannot list what there is"):
            world.again().plan(desired)
    finally:
        services.start(world.layout, [service])
        services.wait_for_apis(world.layout, [service])
    assert wait_until(lambda: not world.again().plan(desired).actions, 60, 1.0)
