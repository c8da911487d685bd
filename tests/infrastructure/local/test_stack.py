"""What `make run` promises about processes, tried with stand-ins in the place of the service's own parts."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from infrastructure.local.checkout import CHECKOUT
from infrastructure.local.home import Home
from infrastructure.local.ports import free_port
from tests.infrastructure.local.processes import descendants, still_running

PARTS = {"postgres", "valkey", "yookassa", "auth", "mailbox", "api", "worker", "projector"}


class Run:
    """One start of the stack, in a process of its own."""

    def __init__(self, home: Path, port: int, *given: str, **environment: str) -> None:
        self.home = home
        self.process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "tests.infrastructure.local.stand_in_stack", str(home), str(port), *given],
            cwd=CHECKOUT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def until_ready(self) -> dict[str, Any]:
        """Wait for the stack to be ready; what stack.json says."""
        said = []
        while (line := self._lines.get(timeout=60)) is not None:
            said.append(line)
            if line.startswith("READY"):
                stack: dict[str, Any] = json.loads((self.home / "stack.json").read_text())
                return stack
        raise AssertionError(f"did not get ready: {''.join(said)} {self.complaint()}")

    def complaint(self) -> str:
        """Wait for the end; what was written to standard error."""
        assert self.process.stderr is not None
        text = self.process.stderr.read()
        self.process.wait(30)
        return text

    def everybody(self) -> set[int]:
        """All processes of this stack, the keeper and what the parts started included."""
        return descendants(self.process.pid)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(60)
        self._reader.join(10)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@pytest.fixture
def home(folder: Path) -> Path:
    return folder / "home"


@pytest.fixture
def start(home: Path) -> Iterator[Any]:
    runs: list[Run] = []

    def starter(*given: str, port: int | None = None, **environment: str) -> Run:
        runs.append(Run(home, port or free_port(), *given, **environment))
        return runs[-1]

    yield starter
    for run in runs:
        run.close()


def test_a_ready_stack_says_where_everything_is(start: Any, home: Path) -> None:
    stack = start(port=(port := free_port())).until_ready()

    assert set(stack["processes"]) == PARTS
    assert stack["api"] == f"http://127.0.0.1:{port}"
    assert stack["database"].startswith("postgresql://")
    assert stack["redis"].startswith("redis://")
    assert stack["elasticsearch"] is None, "it was told to do without"
    assert stack["admin"] is None, "this checkout has none"
    with psycopg.connect(stack["database"]) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("billing",)
    environment = Home(home).running_environment()
    assert environment["BILLING_DATABASE_URL"] == stack["database"]
    assert environment["BILLING_YOOKASSA_API_URL"] == f"{stack['yookassa']}/v3"


def test_only_its_owner_can_read_the_secrets(start: Any, home: Path) -> None:
    start().until_ready()

    for name in ("secrets.json", "environment.json", "admin.json"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_every_part_in_order(start: Any, home: Path, number: signal.Signals) -> None:
    run = start()
    run.until_ready()
    everybody = run.everybody()

    run.process.send_signal(number)

    assert run.process.wait(30) == 0
    assert still_running(everybody) == []
    assert not (home / "stack.json").exists()
    assert not (home / "environment.json").exists()


def test_a_killed_stack_leaves_nothing_behind_and_starts_again_at_once(start: Any, home: Path) -> None:
    killed = start()
    stack = killed.until_ready()
    everybody = killed.everybody()
    with psycopg.connect(stack["database"], autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    grandchildren = {int(file.name.partition("-")[2]) for file in home.glob("grandchild-*")}
    assert grandchildren <= everybody

    killed.process.kill()
    again = start().until_ready()

    assert still_running(everybody) == []
    assert again["database"] == stack["database"], "ports stay the same where they can"
    with psycopg.connect(again["database"]) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_a_second_start_says_that_it_runs_and_where(start: Any, home: Path) -> None:
    first = start()
    stack = first.until_ready()

    second = start()

    complaint = second.complaint()
    assert second.process.returncode == 1
    assert stack["api"] in complaint
    assert str(home) in complaint
    assert str(first.process.pid) in complaint
    assert first.process.poll() is None, "the first one goes on"


def test_a_taken_port_is_named_with_its_variable(start: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        run = start(port=port)
        complaint = run.complaint()

    assert run.process.returncode == 1
    assert f"127.0.0.1:{port}" in complaint
    assert "BILLING_PORT" in complaint


def test_a_part_that_dies_takes_everything_down_and_is_named(start: Any) -> None:
    run = start()
    stack = run.until_ready()
    everybody = run.everybody()

    os.kill(stack["processes"]["projector"], signal.SIGKILL)

    complaint = run.complaint()
    assert run.process.returncode == 1
    assert "projector was killed by signal 9" in complaint
    assert still_running(everybody) == []


def test_the_keeper_is_missed_when_it_dies(start: Any) -> None:
    run = start()
    stack = run.until_ready()
    everybody = run.everybody()
    keepers = [pid for pid in everybody if b"keeper.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(keepers) == 1, stack

    os.kill(keepers[0], signal.SIGKILL)

    assert "keeper" in run.complaint()
    assert still_running(everybody) == []


def test_a_part_that_cannot_start_is_told_with_its_last_words(start: Any) -> None:
    run = start(STAND_IN_FAILS="1")

    complaint = run.complaint()
    assert run.process.returncode == 1
    assert "api ended with status 1" in complaint
    assert "the stand-in does not want to start" in complaint


def test_what_is_given_is_not_started(start: Any, home: Path) -> None:
    run = start("redis_url=redis://127.0.0.1:1/0", "yookassa_api_url=http://127.0.0.1:2/v3", "auth_public_key=/a.pem")
    stack = run.until_ready()

    assert set(stack["processes"]) == PARTS - {"valkey", "yookassa", "auth"}
    assert stack["redis"] == "redis://127.0.0.1:1/0"
    assert stack["yookassa"] == "http://127.0.0.1:2"
    assert stack["auth"] is None
    environment = Home(home).running_environment()
    assert environment["BILLING_REDIS_URL"] == "redis://127.0.0.1:1/0"
    assert "BILLING_AUTH_API_URL" not in environment, "nobody is asked about persons when the keys are not ours"


def test_a_part_that_hangs_is_ended_with_the_others(start: Any) -> None:
    run = start()
    stack = run.until_ready()
    os.kill(stack["processes"]["yookassa"], signal.SIGSTOP)

    run.process.terminate()

    assert run.process.wait(8) == 0, "nobody waits until patience with it runs out"
    assert still_running(stack["processes"].values()) == []
