"""``python -m guest_agent.agent SETTINGS``: run the agent until it is told to stop.

Its start and its end are the machine's: a prepared server is started with it,
and stopped cleanly on SIGTERM. Killed outright, it leaves the server running.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
import threading
from functools import partial
from pathlib import Path

from guest_agent.agent import settings as settings_file
from guest_agent.agent.keys import KeyRing
from guest_agent.agent.manager import Manager
from guest_agent.agent.service import Desk, Service
from guest_agent.agent.settings import AgentSettings
from guest_agent.contract.errors import GuestError
from guest_agent.datastores.driver import Driver, Place
from guest_agent.sealing import ReplayGuard
from guest_agent.toolkit import volumes
from guest_agent.toolkit.files import make_folder

log = logging.getLogger("guest_agent")


def load_driver(settings: AgentSettings, place: Place) -> Driver:
    """The driver of the datastore's package: ``<package>.driver.build(place)``."""
    driver: Driver = importlib.import_module(f"{settings.driver}.driver").build(place)
    return driver


def main(path: Path) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings = settings_file.load(path)
    volume = Path(settings.volume)
    if settings.device:
        volumes.attach(Path(settings.device), volume)
    further = {kind: volume.with_name(kind) for kind in settings.devices}
    for kind, device in settings.devices.items():
        volumes.attach(Path(device), further[kind])
    place = Place(
        instance=settings.instance,
        address=settings.address,
        port=settings.database_port,
        volume=volume,
        further=further,
        local=make_folder(Path(settings.local), 0o711),
        secret=settings.secret,
        server_user=settings.server_user if os.geteuid() == 0 else "",
    )
    manager = Manager(settings.datastore, load_driver(settings, place), place)
    keys = KeyRing(settings.key, settings.following_key, partial(settings_file.save_keys, path))
    methods = manager.methods() | {"rotate_key": keys.follow_with}
    desk = Desk(settings.instance, keys, methods, ReplayGuard())
    service = Service((settings.address, settings.port), desk)
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: threading.Thread(target=service.shutdown).start())
    log.info("agent of %s listens on %s:%d", settings.instance, settings.address, settings.port)
    threading.Thread(target=_boot, args=(manager,), daemon=True).start()
    threading.Thread(target=manager.archiver.run, daemon=True).start()
    service.serve_forever(poll_interval=0.5)
    manager.stop()
    log.info("agent of %s ends", settings.instance)


def _boot(manager: Manager) -> None:
    try:
        manager.boot()
    except GuestError as error:
        log.error("the server did not start at boot: %s", error.message)


def run() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: gitrove-guest-agent SETTINGS.json")
    main(Path(sys.argv[1]))


if __name__ == "__main__":
    run()
