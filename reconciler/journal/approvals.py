"""Plans that wait for a second person, and who agreed to them."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from planners.plan import Plan, decode
from reconciler.journal import tables
from reconciler.journal.journal import Journal, keep_plan


@dataclass(frozen=True, slots=True)
class Approval:
    """Who agreed to the plan with this digest, when, and the signature that shows it."""

    plan: str
    actor: str
    made: float
    signature: str


class Approvals:
    """Approvals in one journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def offer(self, plan: Plan) -> str:
        """Keep *plan* to be looked at and agreed to; its digest."""
        with self._journal.connect() as connection:
            return keep_plan(connection, plan, self._journal.now())

    def plans(self, prefix: str) -> dict[str, Plan]:
        """Those whose digest begins so."""
        t = tables.plans.c
        query = sa.select(t.digest, t.document).where(t.digest.startswith(prefix))
        with self._journal.connect() as connection:
            return {digest: decode(raw) for digest, raw in connection.execute(query)}

    def add(self, plan: str, actor: str, signature: str) -> None:
        t = tables.approvals
        row = {"plan": plan, "actor": actor, "made": self._journal.now(), "signature": signature}
        with self._journal.connect() as connection:
            connection.execute(t.delete().where((t.c.plan == plan) & (t.c.actor == actor)))
            connection.execute(t.insert().values(**row))

    def of(self, plan: str) -> list[Approval]:
        t = tables.approvals.c
        query = sa.select(t.plan, t.actor, t.made, t.signature).where(t.plan == plan)
        with self._journal.connect() as connection:
            return [Approval(*row) for row in connection.execute(query.order_by(t.made))]
