"""Requests that nobody sends in earnest, made from the OpenAPI document: none is answered with 5xx.

`python -m tests.reliability.bad_input --requests 50000 --seed 1`

Starts the real stack and lets schemathesis call every operation, by turns as a person, a service and an administrator,
with what the document allows and with what it does not. Ends with status 1, and with what it found, where an answer is
a 5xx, takes what the document does not allow, or has a status or a content type that it does not name.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.reliability.real_stack import RealStack, end_in_order, exit_with, real_stack, run_to_its_end

_CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,negative_data_rejection,"
    "missing_required_header,unsupported_method,ignored_auth"
)
_GENERATED = re.compile(r"^\s*([\d,]+) generated", re.MULTILINE)
_ROUND_WITHIN_S = 1200.0
_CALLERS = (None, "billing:internal", "billing:admin")
"""Of a person, a service and an administrator's tool: the scope of their tokens."""


class NotMadeError(Exception):
    """No requests could be made; the message carries the last words of who was to make them."""


@dataclass(slots=True)
class Outcome:
    """`failures`: what schemathesis said of each round that found something."""

    requests: int
    failures: list[str]


async def campaign(
    stack: RealStack, *, requests: int, seed: int, examples: int = 50, tell: Callable[[int], None] = lambda _: None
) -> Outcome:
    """Rounds of their own seeds until there were so many requests; raises NotMadeError.

    `examples`: the most that each operation is sent of each kind in a round. `tell` hears how many there were so far.
    """
    outcome = Outcome(0, [])
    await stack.start()
    turn = 0
    while outcome.requests < requests:
        scope = _CALLERS[turn % len(_CALLERS)]
        subject = str(UUID(int=seed * 1000 + turn, version=4)) if scope is None else "desk"
        token = stack.token(subject, scope=scope, email="somebody@example.org" if scope is None else None)
        status, printed = await _round(stack, token, examples, seed * 1000 + turn)
        told = _GENERATED.search(printed)
        made = int(told[1].replace(",", "")) if told else 0
        if not made:
            raise NotMadeError(printed[-3000:])
        outcome.requests += made
        if status:
            outcome.failures.append(printed)
        tell(outcome.requests)
        turn += 1
    return outcome


async def _round(stack: RealStack, token: str, examples: int, seed: int) -> tuple[int, str]:
    """One pass over all operations: its status, and what it printed. Its own files go with it."""
    with tempfile.TemporaryDirectory(prefix="cinema-bad-input-") as folder:
        return await run_to_its_end(
            *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{stack.addresses['api']}/openapi.json"),
            *("--header", f"Authorization: Bearer {token}", "--checks", _CHECKS, "--seed", str(seed)),
            *("--max-examples", str(examples), "--phases", "examples,coverage,fuzzing", "--no-color"),
            folder=Path(folder),
            within_s=_ROUND_WITHIN_S,
        )


async def _run(options: argparse.Namespace, screen: Console) -> int:
    end_in_order()
    bar = Progress(TextColumn("requests"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=screen)
    async with real_stack() as stack:
        with bar:
            shown = bar.add_task("requests", total=options.requests)
            outcome = await campaign(
                stack,
                requests=options.requests,
                seed=options.seed,
                tell=lambda made: bar.update(shown, completed=min(made, options.requests)),
            )
    for failure in outcome.failures:
        print(failure)  # noqa: T201 - what this command is for
    print(f"requests: {outcome.requests} (seed {options.seed})")  # noqa: T201 - likewise
    print(f"rounds in which something was found: {len(outcome.failures)}")  # noqa: T201 - likewise
    return 1 if outcome.failures else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    exit_with(_run(parser.parse_args(), Console(stderr=True)))


if __name__ == "__main__":
    main()
