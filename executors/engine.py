"""Walks a plan's graph: concurrently within a bound, journalled before and after each action.

One thread coordinates and is the only one that journals: what becomes ready at
the same moment is recorded in one transaction before any of it starts, what
ends at the same moment in one after. Workers only run handlers. Dependents of
a failed action are skipped; everything else goes on. Actions of one lane, such
as those on one host, may have a bound of their own.
"""

from __future__ import annotations

import queue
import threading
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from executors.errors import ActionError, Passing, Refused
from planners.plan import Action, Plan

Run = Callable[[Action], None]
_ATTEMPTS = 6
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 10.0
_LONGEST_WAIT = 300.0
"""Seconds that a service can ask for before another attempt; it may be wrong."""


class State(StrEnum):
    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    LEFT = "left"
    """In the middle: who acted may not go on. It is never recorded, as after a crash."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal: an action came into a state."""

    action: Action
    state: State
    message: str = ""
    details: str = ""


class Sink(Protocol):
    """Where entries go. When ``record`` returns, they are durable."""

    def record(self, entries: Sequence[Entry]) -> None:
        """Raises Refused when actions must not be started any more."""


@dataclass(frozen=True)
class Lanes:
    """At most ``width`` actions for which ``of`` gives the same name run at once; "" is free."""

    of: Callable[[Action], str]
    width: int


FREE = Lanes(lambda _action: "", 1)


class Stop:
    """Asked to stop: running actions finish, no new one starts, pauses end."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def ask(self) -> None:
        self._event.set()

    @property
    def asked(self) -> bool:
        return self._event.is_set()

    def pause(self, seconds: float) -> None:
        self._event.wait(seconds)


@dataclass
class Outcome:
    """What became of each action, by id; ``stopped`` if the rest was never begun.

    ``refused`` says why, where it was forbidden.
    """

    done: list[str] = field(default_factory=list)
    failed: list[Entry] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    stopped: bool = False
    refused: str = ""

    @property
    def succeeded(self) -> bool:
        return not (self.failed or self.skipped or self.stopped)


def execute(
    plan: Plan,
    run: Run,
    sink: Sink,
    concurrency: int,
    stop: Stop | None = None,
    progress: Callable[[Entry], None] = lambda _: None,
    lanes: Lanes = FREE,
) -> Outcome:
    """Run every action of *plan* by *run*, which raises Passing or Failed."""
    return _Walk(plan.actions, run, sink, concurrency, stop or Stop(), progress, lanes).walk()


class _Walk:
    def __init__(
        self,
        actions: Iterable[Action],
        run: Run,
        sink: Sink,
        concurrency: int,
        stop: Stop,
        progress: Callable[[Entry], None],
        lanes: Lanes,
    ) -> None:
        self._run = run
        self._sink = sink
        self._concurrency = concurrency
        self._stop = stop
        self._progress = progress
        self._actions = {action.id: action for action in actions}
        self._missing = {action.id: len(action.after) for action in self._actions.values()}
        self._waiting: dict[str, list[str]] = {}
        for action in self._actions.values():
            for needed in action.after:
                self._waiting.setdefault(needed, []).append(action.id)
        self._ready: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._ended: queue.SimpleQueue[Entry] = queue.SimpleQueue()
        self._outcome = Outcome()
        self._lanes = lanes
        self._in_lane: Counter[str] = Counter()
        self._held: dict[str, deque[str]] = {}

    def walk(self) -> Outcome:
        for identifier, missing in self._missing.items():
            if not missing:
                self._ready.put(identifier)
        running = 0
        with ThreadPoolExecutor(self._concurrency, "action") as pool:
            while True:
                running += self._start(pool, self._concurrency - running)
                if not running:
                    break
                running -= self._finish()
        done_or_not = len(self._outcome.done) + len(self._outcome.failed)
        done_or_not += len(self._outcome.skipped)
        self._outcome.stopped = done_or_not < len(self._actions)
        return self._outcome

    def _start(self, pool: ThreadPoolExecutor, room: int) -> int:
        batch: list[Action] = []
        while len(batch) < room and not self._ready.empty() and not self._ends:
            action = self._actions[self._ready.get()]
            if self._enters(action):
                batch.append(action)
        try:
            self._record([Entry(action, State.STARTED) for action in batch])
        except Refused as error:
            self._outcome.refused = str(error)
            return 0
        for action in batch:
            pool.submit(self._attempt, action)
        return len(batch)

    @property
    def _ends(self) -> bool:
        """Whether nothing more may be started, or tried again."""
        return self._stop.asked or bool(self._outcome.refused)

    def _enters(self, action: Action) -> bool:
        """Whether its lane has room; else it is held until one of the lane ends."""
        lane = self._lanes.of(action)
        if not lane:
            return True
        if self._in_lane[lane] == self._lanes.width:
            self._held.setdefault(lane, deque()).append(action.id)
            return False
        self._in_lane[lane] += 1
        return True

    def _leaves(self, action: Action) -> None:
        lane = self._lanes.of(action)
        if lane:
            self._in_lane[lane] -= 1
            if held := self._held.get(lane):
                self._ready.put(held.popleft())

    def _finish(self) -> int:
        ended = [self._ended.get()]
        while not self._ended.empty():
            ended.append(self._ended.get())
        entries = [entry for entry in ended if entry.state is not State.LEFT]
        consequences = [each for entry in entries for each in self._settle(entry)]
        self._record([*entries, *consequences])
        return len(ended)

    def _settle(self, entry: Entry) -> list[Entry]:
        identifier = entry.action.id
        self._leaves(entry.action)
        if entry.state is State.DONE:
            self._outcome.done.append(identifier)
            for waiting in self._waiting.get(identifier, ()):
                self._missing[waiting] -= 1
                if not self._missing[waiting]:
                    self._ready.put(waiting)
            return []
        self._outcome.failed.append(entry)
        return [self._skip(each, entry.action) for each in self._behind(identifier)]

    def _behind(self, identifier: str) -> list[str]:
        skipped = set(self._outcome.skipped)
        pending, found = list(self._waiting.get(identifier, ())), []
        while pending:
            each = pending.pop()
            if each not in skipped:
                skipped.add(each)
                found.append(each)
                pending += self._waiting.get(each, ())
        return found

    def _skip(self, identifier: str, because: Action) -> Entry:
        self._outcome.skipped.append(identifier)
        text = f"it waits for {because.item}, which failed"
        return Entry(self._actions[identifier], State.SKIPPED, text)

    def _attempt(self, action: Action) -> None:
        pause = _FIRST_PAUSE
        for attempt in range(1, _ATTEMPTS + 1):
            entry, wait = self._once(action)
            last = attempt == _ATTEMPTS or self._ends
            if entry.state is not State.STARTED or last:
                break
            self._stop.pause(max(pause, wait))
            pause = min(2 * pause, _LONGEST_PAUSE)
        if entry.state is State.STARTED:
            entry = Entry(action, State.FAILED, entry.message, entry.details)
        self._ended.put(entry)

    def _once(self, action: Action) -> tuple[Entry, float]:
        """The entry of one attempt; STARTED means that another may help, after those seconds."""
        try:
            self._run(action)
            return Entry(action, State.DONE), 0.0
        except Passing as error:
            wait = min(error.wait, _LONGEST_WAIT)
            return Entry(action, State.STARTED, error.message, error.details), wait
        except ActionError as error:
            return Entry(action, State.FAILED, error.message, error.details), 0.0
        except Refused as error:
            self._outcome.refused = str(error)
            return Entry(action, State.LEFT), 0.0
        except Exception as error:  # noqa: BLE001 - a defect of a handler must not stop the others
            where = "".join(traceback.format_tb(error.__traceback__))
            text = f"defect in gitrove: {type(error).__name__}"
            return Entry(action, State.FAILED, text, where), 0.0

    def _record(self, entries: Sequence[Entry]) -> None:
        if entries:
            self._sink.record(entries)
            for entry in entries:
                self._progress(entry)
