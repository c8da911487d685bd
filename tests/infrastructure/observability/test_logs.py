"""A line of the log can be followed, read by machines and people, and holds no secret however it came about."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TextIO

import pytest
import structlog

from infrastructure.observability.logs import OurHandler, configure_logs
from infrastructure.observability.request_id import accept_request_id, current_request_id, following

CARD = "5555555555554477"
CVC = "739"


@pytest.fixture(autouse=True)
def _leave_logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    kept = structlog.get_config()
    levels = {name: logging.getLogger(name).level for name in list(logging.root.manager.loggerDict)}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    for name, was in levels.items():
        logging.getLogger(name).setLevel(was)
    structlog.configure(**kept)


@pytest.fixture
def lines() -> Callable[[], list[dict[str, Any]]]:
    """Logging as in production; call it for what was written so far."""
    stream = io.StringIO()
    configure_logs(json=True, level="INFO", process="api", known_secrets=["tulip-field-37"], stream=stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_says_when_where_and_what(lines: Callable[[], list[dict[str, Any]]]) -> None:
    structlog.get_logger("billing.test").info("payment settled", payment_id="p1", amount="499.00")
    (line,) = lines()
    at = line.pop("at")
    assert at.endswith("Z")
    assert line == {
        "event": "payment settled",
        "payment_id": "p1",
        "amount": "499.00",
        "level": "info",
        "logger": "billing.test",
        "process": "api",
    }


async def test_an_operation_is_followed_through_tasks_and_threads_and_two_do_not_mix(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    log = structlog.get_logger("billing.test")

    async def operation(name: str) -> None:
        with following(name):
            await asyncio.to_thread(log.info, "thread", of=name)
            await asyncio.create_task(asyncio.sleep(0))
            logging.getLogger("library").warning("of %s", name)

    await asyncio.gather(*(operation(f"r{number}") for number in range(20)))
    assert current_request_id() is None
    for line in lines():
        assert line["request_id"] in (line.get("of"), line["event"].removeprefix("of "))
    assert len(lines()) == 40


def test_a_job_goes_on_under_the_id_that_its_row_kept() -> None:
    with following("from-the-row") as outer:
        assert outer == current_request_id() == "from-the-row"
        with following(None) as inner:
            assert inner == current_request_id() != outer
        assert current_request_id() == "from-the-row"


@pytest.mark.parametrize("given", ["a-b_c.d:1", "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", "x" * 64])
def test_a_callers_id_is_taken_over(given: str) -> None:
    assert accept_request_id(given) == given


@pytest.mark.parametrize("given", [None, "", "x" * 65, "a b", "a\nb", "é", CARD, f"id-{CARD}", "eyJhbGciOiJSUzI1NiJ9"])
def test_an_id_that_is_not_fit_to_be_kept_is_replaced(given: str | None) -> None:
    accepted = accept_request_id(given)
    assert accepted != given
    assert len(accepted) == 36


def test_lines_of_foreign_libraries_are_redacted_and_what_they_attach_is_left_out(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    logging.getLogger("yookassa").info("card %s", CARD, extra={"context": {"Authorization": "Basic c2hvcDpzZWNyZXQ="}})
    (line,) = lines()
    assert line["event"] == "card [redacted]"
    assert "c2hvcDpzZWNyZXQ" not in json.dumps(line)


def test_a_traceback_tells_the_way_but_no_variables(lines: Callable[[], list[dict[str, Any]]]) -> None:
    def charge(number: str, cvc: str) -> None:
        raise ValueError(f"no such card: {number}, cvc={cvc}")

    try:
        charge(CARD, CVC)
    except ValueError:
        structlog.get_logger("billing.test").exception("charge failed", instrument={"number": CARD, "cvc": CVC})
    (line,) = lines()
    assert "in charge" in line["exception"]
    assert line["instrument"] == {"number": "[redacted]", "cvc": "[redacted]"}
    assert CARD not in json.dumps(line)
    assert CVC not in json.dumps(line)


def test_secrets_of_the_settings_are_masked_wherever_they_turn_up(lines: Callable[[], list[dict[str, Any]]]) -> None:
    structlog.get_logger("billing.test").info("could not log in with tulip-field-37", why=["tulip-field-37"])
    assert "tulip" not in json.dumps(lines())


def test_a_line_that_cannot_be_made_stops_nothing_and_shows_nothing(
    lines: Callable[[], list[dict[str, Any]]], capfd: pytest.CaptureFixture[str]
) -> None:
    record = logging.makeLogRecord({"name": "library", "msg": "%d cards of %s", "args": ("many", CARD)})
    ours = next(handler for handler in logging.getLogger().handlers if isinstance(handler, OurHandler))
    ours.handle(record)
    (line,) = lines()
    assert line["event"] == "a log line could not be written: TypeError"
    assert CARD not in json.dumps(line)
    assert CARD not in capfd.readouterr().err


def test_a_log_that_cannot_be_written_stops_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    configure_logs(json=True, level="INFO", process="api", stream=Full())
    structlog.get_logger("billing.test").info("card", number=CARD)
    assert CARD not in capfd.readouterr().err


def test_warnings_come_as_lines(lines: Callable[[], list[dict[str, Any]]]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("something is old", DeprecationWarning, stacklevel=1)
    assert "something is old" in lines()[0]["event"]


def test_people_read_one_line_and_input_cannot_forge_another() -> None:
    stream: TextIO = io.StringIO()
    configure_logs(json=False, level="DEBUG", process="worker", stream=stream)
    with following("r1"):
        structlog.get_logger("billing.test").warning("odd name", name="a\n12:00:00 info forged\x1b[2J", money="499.00")
    assert isinstance(stream, io.StringIO)
    (line,) = stream.getvalue().splitlines()
    assert "warning  worker    odd name" in line
    assert "money=499.00" in line
    assert "request_id=r1" in line
    assert "\x1b" not in line


def test_a_level_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="LOUD"):
        configure_logs(json=True, level="LOUD", process="api")


def test_what_is_below_the_level_is_not_written(lines: Callable[[], list[dict[str, Any]]]) -> None:
    structlog.get_logger("billing.test").debug("detail")
    assert lines() == []


def test_a_process_without_any_logger_of_its_own_writes_json_to_standard_error() -> None:
    program = (
        "import logging, structlog\n"
        "log = structlog.get_logger('early')\n"
        "from infrastructure.observability.logs import configure_logs\n"
        "configure_logs(json=True, level='info', process='api')\n"
        "log.info('made before the set-up')\n"
        "logging.getLogger('uvicorn.error').info('started')\n"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["made before the set-up", "started"]
