"""One repository opened for work: its revision, and lazily everything that it names."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from executors.cloud.interface import Cloud
from executors.cloud.local import LocalCloud, Setup
from executors.guest.interface import Guests
from executors.keys import ControlKey
from executors.storage.interface import Store, Stores
from planners.observed import DEFAULT_STORAGE, Flavor
from policy.verdict import Actor
from reconciler import places
from specs.definitions import Definitions
from specs.desired import Desired
from specs.revision import Revision, RevisionError
from specs.settings import CloudSettings, StorageSettings


@dataclass
class Workspace:
    """A repository at one revision. Properties raise what their parts raise."""

    root: Path
    revision: Revision
    kept_projects: set[str] = field(default_factory=set)
    """Projects that this repository owns besides those that it declares."""
    signer: str = ""
    """The actor who signed the revision, where that is asked for."""

    @cached_property
    def definitions(self) -> Definitions:
        from reconciler.catalogue import discover

        return discover()

    @cached_property
    def desired(self) -> Desired:
        """Raises SpecProblems."""
        from guest_agent import __version__
        from specs.cache import FileCache
        from specs.loading import load

        cache = FileCache(places.cache_file(self.root), __version__)
        settings = self.revision.settings
        desired = load(
            self.revision.sources,
            self.definitions,
            settings.defaults.project,
            self.revision.name,
            cache,
            settings.backups.storages,
        )
        cache.save()
        return desired

    @cached_property
    def cloud_name(self) -> str:
        try:
            return self.revision.settings.cloud_name()
        except ValueError as error:
            raise RevisionError(f"gitrove.yaml: {error}") from None

    @cached_property
    def cloud_settings(self) -> CloudSettings:
        return self.revision.settings.clouds[self.cloud_name]

    @cached_property
    def cloud(self) -> Cloud:
        if self.cloud_settings.driver == "simulated":
            from executors.cloud.simulated import SimulatedCloud

            flavors = {name: each.ram for name, each in self.cloud_settings.flavors.items()}
            store = self._state / "simulated.json"
            self._state.mkdir(parents=True, exist_ok=True)
            types, zones = self.cloud_settings.volume_types, self.cloud_settings.zones
            return SimulatedCloud(flavors, tuple(types), tuple(zones), store)
        if self.cloud_settings.driver == "openstack":
            return self._openstack
        return self.local_cloud

    @property
    def _openstack(self) -> Cloud:
        from executors.cloud import openstack
        from executors.cloud.regions import Regions

        settings = self.cloud_settings
        if not settings.network:
            raise RevisionError(f"gitrove.yaml: clouds.{self.cloud_name}: network is missing")
        name = settings.cloud or self.cloud_name
        first = settings.regions[0] if settings.regions else settings.region
        groups = settings.security_groups

        def cloud(region: str | None) -> Cloud:
            setup = openstack.Setup(name, str(settings.network), region, groups)
            return openstack.OpenStackCloud(setup)

        further = {region: cloud(region) for region in settings.regions[1:]}
        return Regions(cloud(first), further) if further else cloud(first)

    @cached_property
    def local_cloud(self) -> LocalCloud:
        """Raises RevisionError where the cloud is of another kind."""
        settings = self.cloud_settings
        if settings.driver != "local":
            raise RevisionError(f"the cloud {self.cloud_name} is not a local one")
        flavors = {
            name: Flavor(name=name, vcpus=each.vcpus, ram=each.ram)
            for name, each in settings.flavors.items()
        }
        zones = {name: list(zone.hosts) for name, zone in settings.zones.items()}
        network = settings.network or places.network_for(self._state)
        images = {
            name: [self.root / folder for folder in folders]
            for name, folders in settings.images.items()
        }
        setup = Setup(self._state, network, flavors, settings.volume_types, zones, images)
        return LocalCloud(setup)

    @cached_property
    def guests(self) -> Guests:
        if self.cloud_settings.driver == "simulated":
            from executors.cloud.simulated import SimulatedCloud
            from executors.guest.simulated import SimulatedGuests

            assert isinstance(self.cloud, SimulatedCloud)
            return SimulatedGuests(self.cloud, self.definitions)
        from executors.guest.client import SealedGuests

        return SealedGuests(self.key)

    @cached_property
    def stores(self) -> Stores:
        """Where backups are kept, by name, of those places that the servers can reach."""
        settings = self.revision.settings.backups
        every = {DEFAULT_STORAGE: settings, **settings.storages}
        opened = {name: self._store(each, name) for name, each in every.items()}
        return {name: store for name, store in opened.items() if store is not None}

    def _store(self, settings: StorageSettings, name: str) -> Store | None:
        on_openstack = self._on_openstack
        if (settings.driver or ("swift" if on_openstack else "directory")) == "swift":
            return self._swift(settings)
        if on_openstack:
            return None  # A folder here is none of a server's there.
        from executors.storage.folder import Folder

        named = settings.path
        if name and not named:
            raise RevisionError(f"gitrove.yaml: backups.storages.{name}: path is missing")
        return Folder((self.root / named).absolute() if named else places.backups())

    def _swift(self, settings: StorageSettings) -> Store:
        from executors.storage.swift import Container, Swift

        here = self.cloud_settings
        if not settings.cloud and not self._on_openstack:
            raise RevisionError("gitrove.yaml: backups: cloud is missing; name one of clouds.yaml")
        return Swift(
            Container(
                cloud=settings.cloud or here.cloud or self.cloud_name,
                region=settings.region or here.region,
                name=settings.container,
                url_key=self.key.url_key(settings.container),
            )
        )

    @property
    def _on_openstack(self) -> bool:
        return self.cloud_settings.driver == "openstack"

    @cached_property
    def key(self) -> ControlKey:
        from executors import keys

        return keys.load(places.key_file(), self.root)

    @cached_property
    def actor(self) -> Actor:
        """Who signed the revision, or whoever runs this program."""
        return self.actor_named(self.signer or os.environ.get("GITROVE_ACTOR") or getpass.getuser())

    def actor_named(self, name: str) -> Actor:
        """Somebody with the roles that gitrove.yaml gives them."""
        actors = self.revision.settings.policy.actors
        if not actors:
            return Actor(name, ("admin", "member"))
        if name not in actors:
            return Actor(name, (), ())
        return Actor(name, tuple(actors[name].roles), tuple(actors[name].projects))

    @property
    def projects(self) -> set[str]:
        return {self.revision.settings.defaults.project, *self.kept_projects}

    @property
    def _state(self) -> Path:
        named = self.cloud_settings.state
        return (self.root / named).absolute() if named else places.cloud_state(self.cloud_name)


def find_root(start: Path) -> Path:
    """The folder with gitrove.yaml at or above *start*. Raises RevisionError."""
    for folder in (start.absolute(), *start.absolute().parents):
        if (folder / "gitrove.yaml").exists():
            return folder
    raise RevisionError(f"no gitrove.yaml in {start.absolute()} or above; run: gitrove init")
