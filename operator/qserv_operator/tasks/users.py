"""Accounts: those of the cluster's own spec and of `QservUser` resources; passwords stay in Secrets."""

from __future__ import annotations

from dataclasses import dataclass

from qserv_operator.actions import DropAccount, Event, NewSecret, PutAccount, Step
from qserv_operator.models.base import API_VERSION, SecretKey
from qserv_operator.models.cluster import Policy
from qserv_operator.models.status import KnownAccount
from qserv_operator.models.user import QservUserStatus
from qserv_operator.names import Identity, Object
from qserv_operator.reasons import Reason
from qserv_operator.snapshot import Account, Snapshot, UserFact
from qserv_operator.tasks.conditions import condition
from qserv_operator.tasks.findings import Finding, Task, degraded


@dataclass(frozen=True)
class Wanted:
    """An account that is wanted. ``user``: the `QservUser` that wants it; None: the cluster's own spec."""

    account: Account
    secret: SecretKey
    generated: bool
    user: UserFact | None


def generated_secrets(snapshot: Snapshot) -> tuple[NewSecret, ...]:
    """Secrets that are to be made because they are not there; one that is there is never changed."""
    identity = snapshot.identity
    owned = snapshot.spec.deletion_policy is Policy.DELETE
    wanted = [NewSecret(identity.secret, ("secret",), identity.meta(identity.secret, owned=owned))]
    if snapshot.spec.metadata.external is None:
        name = identity.metadata_secret
        wanted.append(NewSecret(name, ("password", "root-password"), identity.meta(name, owned=owned)))
    for item in accounts(snapshot)[0]:
        if item.generated:
            name = item.secret.name
            meta = _user_meta(identity, item.user, name) if item.user else identity.meta(name, owned=owned)
            wanted.append(NewSecret(name, (item.secret.key,), meta))
    return tuple(new for new in wanted if new.name not in snapshot.secrets)


def _user_meta(identity: Identity, user: UserFact, name: str) -> Object:
    owner = {"apiVersion": API_VERSION, "kind": "QservUser", "name": user.name, "uid": user.uid}
    return {**identity.meta(name, owned=False), "ownerReferences": [owner]}


def accounts(snapshot: Snapshot) -> tuple[list[Wanted], dict[str, str]]:
    """Accounts wanted, and resources whose account another one has (by name: by whom)."""
    found: dict[str, Wanted] = {}
    conflicts: dict[str, str] = {}
    for spec in snapshot.spec.users:
        secret = spec.password_secret or SecretKey(name=snapshot.identity.user_secret(spec.name))
        account = Account(spec.name, spec.grants, spec.admin)
        found[spec.name] = Wanted(account, secret, spec.password_secret is None, None)
    for user in sorted(snapshot.users, key=lambda user: (user.created, user.name)):
        if user.spec.name in found:
            other = found[user.spec.name].user
            conflicts[user.name] = f"QservUser {other.name}" if other else f"QservCluster {snapshot.identity.name}"
            continue
        secret = user.spec.password_secret or SecretKey(name=f"{user.name}-password")
        account = Account(user.spec.name, user.spec.grants, user.spec.admin)
        found[user.spec.name] = Wanted(account, secret, user.spec.password_secret is None, user)
    return list(found.values()), conflicts


def set_accounts(snapshot: Snapshot) -> Task:
    """Makes, changes and drops accounts in the engine, where they differ."""
    wanted, _ = accounts(snapshot)
    findings: list[Finding] = []
    steps = []
    present = {account.name: account for account in snapshot.engine.accounts} if snapshot.engine else {}
    known = {account.name: account for account in snapshot.status.accounts}
    for item in wanted:
        missing = missing_secret(snapshot, item)
        if missing and item.user is None:
            findings.append(degraded(Reason.SECRET_MISSING, missing))
        if missing or snapshot.engine is None or item.secret.name not in snapshot.secrets:
            continue
        name, version = item.account.name, snapshot.secrets[item.secret.name].version
        same = known.get(name) == KnownAccount(name=name, secret=item.secret.name, version=version)
        if present.get(name) != item.account or not same:
            call = PutAccount(item.account, item.secret.name, item.secret.key, version)
            steps.append(Step((call,), Event(Reason.ACCOUNT_SET, f"account {name} is set")))
    names = {item.account.name for item in wanted} | {item.account for item in snapshot.unreadable}
    steps += [Step((DropAccount(name),)) for name in sorted(known.keys() & present.keys() - names)]
    return Task(tuple(steps), tuple(findings))


def missing_secret(snapshot: Snapshot, item: Wanted) -> str:
    """What is missing of a Secret that a person is to make, in words; empty when nothing is."""
    if item.generated:
        return ""
    secret = snapshot.secrets.get(item.secret.name)
    if secret is None or item.secret.key not in secret.keys:
        return f"account {item.account.name}: make the Secret {item.secret.name} with the key {item.secret.key}"
    return ""


def kept_accounts(snapshot: Snapshot) -> tuple[KnownAccount, ...]:
    """Of the accounts made before, those that are still in the engine (all, while it does not answer)."""
    if snapshot.engine is None:
        return snapshot.status.accounts
    present = {account.name for account in snapshot.engine.accounts}
    return tuple(account for account in snapshot.status.accounts if account.name in present)


def user_statuses(snapshot: Snapshot, now: float) -> tuple[tuple[str, QservUserStatus], ...]:
    """The status of each `QservUser`."""
    wanted, conflicts = accounts(snapshot)
    by_user = {item.user.name: item for item in wanted if item.user}
    present = {account.name: account for account in snapshot.engine.accounts} if snapshot.engine else {}
    found = []
    for user in snapshot.users:
        item = by_user.get(user.name)
        secret = item.secret.name if item else None
        if item is None:
            ok, reason, text = False, Reason.ACCOUNT_CONFLICT, f"{conflicts[user.name]} has this account already"
        elif missing := missing_secret(snapshot, item):
            ok, reason, text = False, Reason.SECRET_MISSING, missing
        elif present.get(item.account.name) == item.account:
            ok, reason, text = True, Reason.ACCOUNT_SET, f"account {item.account.name} can log in"
        else:
            ok, reason, text = False, Reason.PENDING, "waits for the cluster to take the account"
        made = condition(user.status.conditions, "Available", ok, reason, text, user.generation, now)
        status = QservUserStatus(observed_generation=user.generation, secret=secret, conditions=(made,))
        found.append((user.name, status))
    return tuple(found)
