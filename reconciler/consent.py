"""Whose commit it is, and which changes need the consent of a second person."""

from __future__ import annotations

from pathlib import Path

import msgspec

from planners.plan import Impact, Plan, Summary
from policy.signatures import BadSignature, Trust, commit_signer, plan_signer
from policy.verdict import Actor
from reconciler.journal.approvals import Approval, Approvals
from reconciler.loop.holds import part
from reconciler.workspace import Workspace
from specs.desired import Address
from specs.revision import WORKING_TREE, RevisionError, read_file
from specs.settings import PolicySettings

_COST = list(Impact)


def trust_of(workspace: Workspace, repository: Path, folder: str) -> Trust:
    """Whom the workspace's own commit trusts. Raises RevisionError.

    A path that begins with / is a file of this machine, else one of the commit.
    """
    policy = workspace.revision.settings.policy
    files = []
    for named in (policy.allowed_signers, policy.keys):
        if not named:
            files.append(b"")
        elif named.startswith("/"):
            files.append(_on_this_machine(Path(named)))
        else:
            name = workspace.revision.name
            commit = "HEAD" if name == WORKING_TREE else name
            files.append(read_file(repository, commit, f"{folder}/{named}"))
    return Trust(*files)


def signer(commit: str, repository: Path, policy: PolicySettings, trust: Trust) -> str:
    """The name in ``policy.actors`` of who signed *commit*; empty where nobody has to.

    *policy* and *trust* are those of the commit in force: a commit does not say
    who may make it. Raises RevisionError.
    """
    if not policy.require_signatures:
        return ""
    try:
        identity = commit_signer(repository, commit, trust)
    except BadSignature as error:
        raise RevisionError(f"{error}; policy.requireSignatures is set") from None
    name = _actor(identity, policy)
    if not name:
        raise RevisionError(f"{commit[:12]} is signed by {identity}, who is not in policy.actors")
    return name


def unapproved(
    plan: Plan, workspace: Workspace, trust: Trust, approvals: Approvals
) -> dict[str, str]:
    """The addresses of *plan* that need consent and do not have it, and what to do.

    Consent is to the exact plan for them: whatever changes in it takes another.
    """
    policy = workspace.revision.settings.policy
    asked = [
        (action.address, rule.approvers)
        for action in plan.actions
        for rule in policy.approvals
        if _COST.index(action.impact) >= _COST.index(Impact(rule.impact))
        and rule.covers(Address.parse(action.address).project)
    ]
    if not asked:
        return {}
    gated = {address for address, _ in asked}
    needed = max(approvers for _, approvers in asked)
    wanted = part(plan, gated)
    # How much else the project has is nothing that anybody agrees to.
    summary = Summary(destroyed=wanted.summary.destroyed)
    wanted = msgspec.structs.replace(wanted, summary=summary)
    given = approvals.of(wanted.digest)
    found = {name for each in given if (name := _believed(each, workspace, trust))}
    if len(found) >= needed:
        return {}
    digest = approvals.offer(wanted)
    why = f"it waits for {needed - len(found)} approval{'' if needed - len(found) == 1 else 's'}"
    return dict.fromkeys(gated, f"{why}: gitrove approve {digest[:12]}")


def _believed(approval: Approval, workspace: Workspace, trust: Trust) -> str:
    """The name of who approved, if it may count: somebody else, who may approve, and signed."""
    policy = workspace.revision.settings.policy
    name = approval.actor
    if policy.require_signatures:
        try:
            name = _actor(plan_signer(approval.plan, approval.signature, trust), policy)
        except BadSignature:
            return ""
    if name in ("", workspace.actor.name) or not may_approve(workspace.actor_named(name)):
        return ""
    return name


def may_approve(actor: Actor) -> bool:
    return actor.admin or "approver" in actor.roles


def _actor(identity: str, policy: PolicySettings) -> str:
    for name, actor in policy.actors.items():
        if identity == name or identity in actor.identities:
            return name
    return ""


def _on_this_machine(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RevisionError(f"cannot read {path}: {error.strerror}") from None
