"""The figures that Prometheus gets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector

from guest_agent.contract.report import Archive
from planners.observed import CloudState, Observed, StoredBackup
from reconciler.metrics import DaemonCollector, fleet, merged
from tests.support.cases import ID, found, report
from tests.support.daemons import Loop, instances
from tests.support.worlds import SimulatedWorld

NOW = 2000.0


def test_a_daemon_tells_of_its_rounds_and_of_every_resource(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITROVE_HOME", str(tmp_path / "home"))
    (tmp_path / "repository").mkdir()
    (tmp_path / "home").mkdir()
    loop = Loop(tmp_path / "repository", SimulatedWorld.create(tmp_path))
    loop.commit(instances("tiny", "shop/one", "shop/two"))
    loop.tick(3)
    loop.commit(instances("small", "shop/one", "shop/two"), "{mode: plan}")
    loop.tick()
    follower = SimpleNamespace(controller=loop.controller)
    daemon: Any = SimpleNamespace(followers=[follower], journal=loop.world.journal)
    registry = CollectorRegistry()
    registry.register(DaemonCollector(daemon, lambda: loop.clock.now + 5))
    source = f'source="{loop.root}"'
    told = generate_latest(registry).decode().splitlines()
    for line in (
        f"gitrove_reconcile_lag_seconds{{{source}}} 5.0",
        f'gitrove_actions_total{{result="done",{source},step="CreateServer"}} 2.0',
        'gitrove_resources{health="Healthy",project="shop"} 2.0',
        'gitrove_guest_up{instance="two",project="shop"} 1.0',
    ):
        assert line in told, line
    for line in (
        f"gitrove_plan_actions{{{source}}} 0.0",
        'gitrove_pending_actions{instance="one",project="shop"} 0.0',
    ):
        assert line not in told and any(each.startswith(line[:-3]) for each in told), line


def backup(name: str, began: float, finished: float, raw: int = 0) -> StoredBackup:
    return StoredBackup(
        id=name,
        name=name,
        project="shop",
        instance_name="one",
        instance=ID,
        began=began,
        finished=finished,
        raw_bytes=raw,
        stored_bytes=raw // 10,
    )


class _Twice(Collector):
    def __init__(self, observed: Observed) -> None:
        self._observed = observed

    def collect(self) -> Iterator[Metric]:
        yield from fleet(merged([self._observed, self._observed]), NOW)


def lines(observed: Observed) -> set[str]:
    registry = CollectorRegistry()
    # Seen by two sources, everything is told once.
    registry.register(_Twice(observed))
    text = generate_latest(registry).decode()
    return {line for line in text.splitlines() if not line.startswith("#")}


def test_everything_of_one_instance() -> None:
    pieces = found()
    cloud = CloudState(servers=pieces.servers, volumes=pieces.volumes, ports=pieces.ports)
    told = report(archive=Archive(True, 15.0, 100.0, 1990.0, ""))
    kept = [backup("old", 1.0, 2.0), backup("new", 900.0, 1000.0, 500), backup("bad", 1500.0, 0.0)]
    shown = lines(Observed(cloud=cloud, guests={ID: told}, backups=kept))
    labels = '{instance="one",project="shop"}'
    assert shown == {
        f"gitrove_guest_up{labels} 1.0",
        f"gitrove_database_up{labels} 1.0",
        f"gitrove_backup_age_seconds{labels} 1000.0",
        f"gitrove_backup_data_bytes{labels} 500.0",
        f"gitrove_backup_stored_bytes{labels} 50.0",
        f"gitrove_backup_duration_seconds{labels} 100.0",
        f"gitrove_backup_incomplete{labels} 1.0",
        f"gitrove_archive_lag_seconds{labels} 10.0",
        f"gitrove_archive_fault{labels} 0.0",
    }


def test_a_guest_that_does_not_answer_is_down_and_its_backups_are_still_known() -> None:
    pieces = found()
    cloud = CloudState(servers=pieces.servers)
    shown = lines(Observed(cloud=cloud, guests={ID: None}, backups=[backup("b", 1.0, 2.0)]))
    assert 'gitrove_guest_up{instance="one",project="shop"} 0.0' in shown
    assert 'gitrove_backup_age_seconds{instance="one",project="shop"} 1998.0' in shown
