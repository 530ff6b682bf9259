"""The administrator's login: enabled and disabled as declared (liberty-root-disable)."""

from __future__ import annotations

from guest_agent.contract.report import Root as Present
from planners.case import Answer, Case, Draft, secret_source
from planners.plan import Change, Verb
from planners.steps import DisableRoot, EnableRoot


def root(case: Case, present: Present) -> Answer:
    """A draft where root is declared otherwise than it is."""
    wished = case.wanted.spec.root
    if not wished.enabled:
        if present.enabled:
            drift = not present.fingerprint
            reason = "somebody enabled it on the server" if drift else "no longer declared"
            change = Change(field="enabled", before="true", after="false")
            verb = Verb.REPAIR if drift else Verb.UPDATE
            yield Draft("root", verb, DisableRoot(instance=case.id), reason, changes=[change])
        return
    source = secret_source(wished.password)
    fingerprint = case.world.fingerprints.fingerprint(case.id, "root", source)
    step = EnableRoot(instance=case.id, password=source, fingerprint=fingerprint)
    if not present.enabled:
        drift = present.fingerprint == fingerprint
        reason = "somebody disabled it on the server" if drift else "declared"
        change = Change(field="enabled", before="false", after="true")
        verb = Verb.REPAIR if drift else Verb.UPDATE
        yield Draft("root", verb, step, reason, changes=[change])
    elif present.fingerprint != fingerprint or present.password_drifted:
        drift = present.password_drifted and present.fingerprint == fingerprint
        reason = "somebody changed the password on the server" if drift else "declared otherwise"
        change = Change(field="password", before="(secret)", after="(secret)")
        verb = Verb.REPAIR if drift else Verb.UPDATE
        yield Draft("root", verb, step, reason, changes=[change])
