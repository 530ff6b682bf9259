"""The devcloud as a whole: up, down, whether it runs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable

from guest_agent.toolkit.processes import ServerProcess
from tests.devcloud import bootstrap, cache, configuration, services
from tests.devcloud.layout import Layout
from tests.devcloud.support import process_trees

Tell = Callable[[str], None]


def running(layout: Layout) -> bool:
    return (layout.run / "up").exists() and all(
        services.process(layout, name).running() for name in services.SERVICES
    )


def up(layout: Layout, tell: Tell = lambda _text: None) -> None:
    """Bring it up, unless it is. Raises NotUp, CalledProcessError."""
    if running(layout):
        return
    began = time.monotonic()
    down(layout)
    tell("installing the services")
    cache.install(layout)
    layout.run.mkdir(mode=0o711, parents=True, exist_ok=True)
    configuration.write(layout)
    if not cache.restore(layout):
        tell("making a new cloud; the next time takes a minute")
        bootstrap.bring_up(layout, tell)
        tell("keeping it for the next time")
        services.stop(layout, [*services.SERVICES, *services.INFRASTRUCTURE])
        cache.save(layout)
    tell("starting the services")
    services.start_infrastructure(layout)
    started = bootstrap.now()
    services.start(layout, services.SERVICES)
    services.wait_for_apis(layout)
    tell("waiting for the hosts")
    bootstrap.wait_for_services(layout, started)
    (layout.run / "up").touch()
    tell(f"up after {time.monotonic() - began:.0f} s")


def down(layout: Layout) -> None:
    """Stop every process of it and remove what it held; the caches stay."""
    if not layout.run.exists():
        return
    (layout.run / "up").unlink(missing_ok=True)
    services.stop(layout, services.SERVICES)
    for folder in services.guests(layout):
        power_cut(folder.name, layout)
    services.stop(layout, services.INFRASTRUCTURE)
    shutil.rmtree(layout.run, ignore_errors=True)


def power_cut(server: str, layout: Layout) -> None:
    """End everything that runs in a guest, as if its power were cut."""
    folder = layout.run / "guests" / server
    process_trees.kill(ServerProcess(folder / "guest.process", folder / "console.log"))
