"""The home folder: who may use it, and what it keeps."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from infrastructure.local.home import Home, HomeError, RunsAlreadyError
from infrastructure.local.ports import PortTakenError, StablePorts, free_port, is_free, require_free


def _say_nothing(_: str) -> None:
    return


def test_one_stack_at_a_time(tmp_path: Path) -> None:
    first, second = Home(tmp_path), Home(tmp_path)
    lock = first.lock(_say_nothing)
    with pytest.raises(RunsAlreadyError, match=str(os.getpid())):
        second.lock(_say_nothing)
    first.unlock(lock)
    second.unlock(second.lock(_say_nothing))


def test_a_stack_that_has_ended_lends_no_settings(tmp_path: Path) -> None:
    home = Home(tmp_path)
    lock = home.lock(_say_nothing)
    home.announce({"api": "http://127.0.0.1:1"}, {"BILLING_CARD_KEYS": "k"})
    assert home.running_environment() == {"BILLING_CARD_KEYS": "k"}
    home.unlock(lock)  # as a kill -9 does, with the files still there
    assert home.running_environment() == {}
    assert home.running_stack() == {}


def test_secrets_stay_the_same(tmp_path: Path) -> None:
    made = Home(tmp_path).secrets()
    assert Home(tmp_path).secrets() == made
    (tmp_path / "other").mkdir()
    assert Home(tmp_path / "other").secrets() != made


def test_unreadable_secrets_are_not_replaced(tmp_path: Path) -> None:
    """New keys could not read the cards that were stored under the old ones."""
    (tmp_path / "secrets.json").write_text("")
    with pytest.raises(HomeError, match=r"secrets\.json"):
        Home(tmp_path).secrets()


def test_ports_stay_the_same_while_they_are_free(tmp_path: Path) -> None:
    port = StablePorts(tmp_path / "ports.json").port("postgres")
    assert StablePorts(tmp_path / "ports.json").port("postgres") == port
    with socket.create_server(("127.0.0.1", port)):
        assert StablePorts(tmp_path / "ports.json").port("postgres") != port


def test_unreadable_ports_are_chosen_anew(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text("[1")
    assert is_free("127.0.0.1", StablePorts(tmp_path / "ports.json").port("postgres"))


def test_a_taken_port_is_refused_with_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(PortTakenError, match="BILLING_ADMIN_PORT"):
        require_free("127.0.0.1", other.getsockname()[1], "BILLING_ADMIN_PORT")
    require_free("127.0.0.1", free_port(), "BILLING_ADMIN_PORT")
