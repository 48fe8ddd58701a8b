"""Which commands work with a running demo: those that were given nothing, and the demo that is meant."""

from __future__ import annotations

import stat
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from hlapp import demos
from hlapp.embedded.errors import EmbeddedError
from hlapp.env import ConfigurationError
from tests.hlapp.launcher import PROJECT

ENVIRONMENT = {"DATABASE_URL": "postgresql://h/demo", "DEBUG": "false"}


def joined(directory: Path, **environ: str) -> tuple[str | None, dict[str, str]]:
    return demos.join(directory, environ), environ


def test_a_command_that_was_given_nothing_joins(tmp_path: Path) -> None:
    with demos.running(tmp_path / "one"):
        assert joined(tmp_path) == (None, {}), "it does not serve yet"
        demos.publish(tmp_path / "one", ENVIRONMENT)
        assert stat.S_IMODE((tmp_path / "one" / "environment.json").stat().st_mode) == 0o600
        assert joined(tmp_path) == ("one", ENVIRONMENT)
    assert joined(tmp_path) == (None, {})
    assert not (tmp_path / "one" / "environment.json").exists()


@pytest.mark.parametrize("name", ["DATABASE_URL", "SECRET_KEY_FILE", "DEBUG", "VAULT_KEYS"])
def test_one_variable_of_ones_own_is_enough_to_be_left_alone(tmp_path: Path, name: str) -> None:
    with demos.running(tmp_path / "one"):
        demos.publish(tmp_path / "one", ENVIRONMENT)
        assert joined(tmp_path, **{name: "mine"}) == (None, {name: "mine"})


def test_of_several_the_command_has_to_choose(tmp_path: Path) -> None:
    with ExitStack() as both:
        for name in ("one", "two"):
            both.enter_context(demos.running(tmp_path / name))
            demos.publish(tmp_path / name, ENVIRONMENT | {"PUBLIC_URL": name})
        with pytest.raises(ConfigurationError, match=r"several demos are running, choose one with DEMO=…: one, two"):
            joined(tmp_path)
        name, environ = joined(tmp_path, DEMO="two", DATABASE_URL_FILE="mine", DEBUG="true", HOME="kept")
        assert (name, environ) == ("two", ENVIRONMENT | {"PUBLIC_URL": "two", "DEMO": "two", "HOME": "kept"})
    with pytest.raises(ConfigurationError, match="no demo two is running here; running: none"):
        joined(tmp_path, DEMO="two")


def test_one_that_was_killed_is_not_joined_and_its_place_is_free(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from hlapp import demos; where = Path(sys.argv[1])\n"
        "with demos.running(where): demos.publish(where, {'SECRET_KEY': 'x'}); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "one")], cwd=PROJECT, check=False)
    assert done.returncode == -9
    assert (tmp_path / "one" / "environment.json").exists()
    assert joined(tmp_path) == (None, {})
    with demos.running(tmp_path / "one"):
        assert joined(tmp_path) == (None, {}), "what the killed one left is gone before the next one serves"


def test_a_second_demo_would_take_the_firsts_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demos, "_LOCK_TIMEOUT", 0.05)
    with (
        demos.running(tmp_path / "one"),
        pytest.raises(EmbeddedError, match="a demo with the database one is running: stop it, or choose another"),
        demos.running(tmp_path / "one"),
    ):
        pass
