"""The story of ``make demo``, told to its end on real servers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def plan_in_the_readme() -> list[str]:
    """The lines of the picture of a plan."""
    section = (ROOT / "README.md").read_text().partition("## A plan")[2]
    picture = section.partition("`+` creates")[0]
    return [line.strip() for line in picture.splitlines() if line.strip()]


def test_the_story_of_the_demo_goes_as_told_and_leaves_nothing(short_folder: Path) -> None:
    home = short_folder / "demo"
    command = [sys.executable, str(ROOT / "scripts" / "demo.py"), "--home", str(home)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout[-3000:] + told.stderr
    for chapter in range(1, 7):
        assert f"{chapter}. " in told.stdout
    for line in plan_in_the_readme():
        assert line in told.stdout
    removed = subprocess.run([*command, "--remove"], capture_output=True, text=True, check=False)
    assert removed.returncode == 0, removed.stdout + removed.stderr
    assert not home.exists()
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(home) not in running.stdout
