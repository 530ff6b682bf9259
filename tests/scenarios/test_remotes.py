"""One daemon that follows a repository over SSH and one over HTTPS, with the logins Git finds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import git
import pytest

from guest_agent.toolkit.processes import wait_until
from tests.support.daemons import Daemon
from tests.support.git_servers import https, ssh_command, ssh_url, sshd
from tests.support.shell import Shell
from tests.support.signing import SshKey

TOKEN = "glpat-s3cret"
CACHE = """
apiVersion: gitrove/v1
kind: Instance
metadata: {name: cache, project: %s}
spec: {datastore: {name: redis}, flavor: %s, volume: {size: 1}}
"""


@pytest.fixture
def key(tmp_path: Path) -> SshKey:
    (tmp_path / "key").mkdir()
    return SshKey.make(tmp_path / "key", "daemon@example.org")


def published(shell: Shell, project: str) -> Callable[[str], str]:
    """A bare repository ``PROJECT.git`` below ``srv``; a function that pushes a flavor to it."""
    folder = shell.repository.parent
    bare = git.Repo.init(folder / "srv" / f"{project}.git", bare=True, initial_branch="main")
    working = git.Repo.init(folder / "work" / project, initial_branch="main")
    working.create_remote("origin", bare.git_dir)
    root = Path(working.working_dir)

    def push(flavor: str) -> str:
        settings = (shell.repository / "gitrove.yaml").read_text()
        settings = re.sub(r"(?m)^repository: .*$", f"repository: {project}", settings)
        (root / "gitrove.yaml").write_text(settings)
        (root / "databases").mkdir(exist_ok=True)
        (root / "databases" / "cache.yaml").write_text(CACHE % (project, flavor))
        working.git.add("-A")
        commit = working.index.commit(flavor).hexsha
        working.remote().push("main").raise_if_error()
        return commit

    return push


def flavors(shell: Shell) -> dict[str, str]:
    servers = json.loads(shell.run("observe"))["cloud"].get("servers", [])
    return {each["metadata"]["gitrove:project"]: each["flavor"] for each in servers}


def test_remotes_are_followed_over_ssh_and_https(shell: Shell, key: SshKey) -> None:
    folder = shell.repository.parent
    push = {project: published(shell, project) for project in ("lab", "web")}
    for each in push.values():
        each("tiny")
    logins = folder / "logins"
    with (
        sshd(folder / "sshd", key.path.with_suffix(".pub")) as port,
        https(folder / "https", folder / "srv", TOKEN) as (base, certificate),
    ):
        over_ssh = f"{ssh_url(port, folder / 'srv' / 'lab.git')}#main"
        over_https = f"{base}/web.git#main"
        configuration = folder / "gitconfig"
        helper = f"[credential]\n\thelper = store --file {logins}\n"
        configuration.write_text(helper)
        shell.environment |= {
            "GIT_CONFIG_GLOBAL": str(configuration),
            "GIT_SSL_CAINFO": str(certificate),
            "GIT_SSH_COMMAND": ssh_command(folder / "sshd", port, key.path),
        }
        daemon = Daemon(shell, over_ssh, over_https)
        try:
            # One works, and the other has no login yet: nobody is asked, and nobody waits.
            assert wait_until(lambda: flavors(shell) == {"lab": "tiny"}, 60), daemon.log.read_text()
            daemon.says(f"cannot fetch {over_https}: ")
            logins.write_text(base.replace("://", f"://reader:{TOKEN}@") + "\n")
            both = {"lab": "tiny", "web": "tiny"}
            assert wait_until(lambda: flavors(shell) == both, 60), daemon.log.read_text()

            commits = {project: each("small") for project, each in push.items()}
            both = {"lab": "small", "web": "small"}
            assert wait_until(lambda: flavors(shell) == both, 60), daemon.log.read_text()
            for commit in commits.values():
                daemon.says(f"commit {commit[:12]}")

            # A key and a token that do not count any more change nothing.
            refused = f"cannot fetch {over_https}: "
            before = daemon.log.read_text().count(refused)
            authorized = key.path.with_suffix(".pub")
            authorized.rename(folder / "away")
            logins.write_text(base.replace("://", "://reader:wrong@") + "\n")
            daemon.says(f"cannot fetch {over_ssh}: ")
            assert wait_until(lambda: daemon.log.read_text().count(refused) > before, 30)
            push["lab"]("tiny")
            (folder / "away").rename(authorized)
            both = {"lab": "tiny", "web": "small"}
            assert wait_until(lambda: flavors(shell) == both, 60), daemon.log.read_text()
            assert daemon.end() == 0
        finally:
            daemon.process.kill()
            daemon.process.wait(60)
    told = daemon.log.read_text()
    assert TOKEN not in told and "reader" not in told
    assert "defect" not in told and "Traceback" not in told
    # The clone keeps no login either.
    clones = (folder / "home" / "sources").rglob("config")
    assert not any(TOKEN in each.read_text() for each in clones)
