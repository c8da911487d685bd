"""The command line `billing`."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console

import settings as configuration
from infrastructure.local.home import Home
from settings import ClockKind, Settings, SettingsError

if TYPE_CHECKING:
    from bootstrap import Service

_T = TypeVar("_T")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Billing of an online cinema. Settings come from the environment: docs/operations.md.",
)
_screen = Console(soft_wrap=True, highlight=False)
_complaints = Console(stderr=True, soft_wrap=True, highlight=False)


@app.command()
def run(
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="End when the process that started this one ends (Linux).")
    ] = False,
) -> None:
    """Start everything on this machine, and stay until Ctrl-C."""
    import signal

    from infrastructure.local.leash import end_with_parent
    from infrastructure.local.stack import StackError, run_stack

    if with_parent:
        end_with_parent(signal.SIGTERM)
    wishes = load_settings()
    _check_public_key(wishes)
    try:
        run_stack(
            wishes,
            wishes.home_dir,
            say=lambda line: _screen.print(line, style="dim", markup=False),
            when_ready=lambda stack, seconds: _show_stack(stack, seconds, wishes),
        )
    except StackError as error:
        fail(str(error))
    _screen.print("everything has ended")


@app.command()
def migrate() -> None:
    """Bring the database's schema up to date, and the admin panel's own tables."""
    import os
    import secrets

    import psycopg

    from infrastructure.local.checkout import CHECKOUT
    from infrastructure.local.parts import PANEL, migrate_command

    given = stack_settings()
    database_url = require(given.database_url, "BILLING_DATABASE_URL")
    # What makes the admin panel's tables signs nothing: any key will do where none is given.
    key = given.admin_secret_key or secrets.token_urlsafe(48)
    with _database_answers():  # who migrates would tell of it by a page of its own insides
        psycopg.connect(database_url, connect_timeout=5).close()
    environment = {**os.environ, "BILLING_DATABASE_URL": database_url, "BILLING_ADMIN_SECRET_KEY": key}
    for command in (migrate_command(), [*PANEL, "migrate"]):
        done = subprocess.run(command, cwd=CHECKOUT, env=environment, check=False)  # noqa: S603 - our own command
        if done.returncode:
            raise typer.Exit(done.returncode)


@app.command()
def token(
    user: Annotated[str, typer.Option(help="Whom the token is for: a person's UUID, or a service's name.")] = "",
    email: Annotated[str | None, typer.Option(help="The person's address, from now on.")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="billing:internal, billing:admin; may be repeated.")] = None,
    name: Annotated[str | None, typer.Option(help="The person's name, from now on.")] = None,
    locale: Annotated[str | None, typer.Option(help="ru or en, from now on.")] = None,
    zoneinfo: Annotated[str | None, typer.Option(help="A time zone such as Asia/Omsk, from now on.")] = None,
    ttl_s: Annotated[int, typer.Option(help="Seconds until it expires, by the system clock.")] = 7 * 24 * 3600,
) -> None:
    """Print a token of the local auth service; without --user for somebody new."""
    from infrastructure.simulators.auth.people import People
    from infrastructure.simulators.auth.signing import issue_token

    given = stack_settings()
    folder = given.home_dir.absolute() / "auth"
    if given.auth_jwks_url is not None or given.auth_public_key not in {None, str(folder / "public.pem")}:
        fail("the keys are not those of the local auth service: its tokens come from where its keys are", status=2)
    try:
        private_pem = (folder / "private.pem").read_text("ascii")
    except OSError:
        fail(f"there is no local auth service in {given.home_dir} yet: start it with `make run`")
    known = {"email": email, "name": name, "locale": locale, "zoneinfo": zoneinfo}
    claims = {key: value for key, value in known.items() if value is not None}
    user_id = _uuid(user) if user else uuid.uuid4()
    if user_id is not None:
        person = People(folder).change(user_id, claims)
        claims = {key: person[key] for key in known if person.get(key) is not None}
    elif not scope:
        fail("--user: expected a person's UUID; a service's name goes with --scope billing:internal", status=2)
    written = issue_token(
        private_pem,
        sub=str(user_id or user),
        ttl_s=ttl_s,
        scope=" ".join(scope) if scope else None,
        iss=given.auth_issuer,
        aud=given.auth_audience,
        **claims,
    )
    print(written)


_clock = typer.Typer(invoke_without_command=True, help="Print the service's time (RFC 3339); `advance` moves it.")
app.add_typer(_clock, name="clock")


@_clock.callback()
def _tell_time(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        now = _on_the_stack(_time_of)
        print(f"{now:%Y-%m-%dT%H:%M:%S.%f}Z")


@_clock.command("advance")
def advance_clock(
    duration: Annotated[str, typer.Argument(help="How far: 90s, 15m, 6h, 45d, 1d12h.")],
    leap: Annotated[bool, typer.Option("--leap", help="Go there in one step, as after a downtime.")] = False,
) -> None:
    """Move the held clock forward; returns when all that fell due on the way is done."""
    from jobs.durations import BadDurationError, parse_duration
    from jobs.sweeps import Sweeps
    from jobs.time_machine import AlreadyAdvancingError, NotHeldError, advance

    try:
        by = parse_duration(duration)
    except BadDurationError as error:
        fail(str(error), status=2)

    async def move(service: Service) -> datetime:
        return await advance(service, Sweeps(service), by, leap=leap, say=_say)

    try:
        now = _on_the_stack(move)
    except (NotHeldError, AlreadyAdvancingError) as error:
        fail(str(error))
    print(f"{now:%Y-%m-%dT%H:%M:%S.%f}Z")


@app.command("rebuild-history")
def rebuild_history_command() -> None:
    """Make the payment history in Elasticsearch anew from Postgres; it can be read all the while."""
    from infrastructure.elasticsearch.line import ElasticsearchRefusal, ElasticsearchUnavailable
    from infrastructure.postgres.exclusive import HeldByAnother
    from jobs.rebuild import NoElasticsearch, rebuild_history

    given = stack_settings()
    require(given.database_url, "BILLING_DATABASE_URL")
    try:
        with _database_answers():
            count = asyncio.run(rebuild_history(given))
    except HeldByAnother:
        fail("another rebuild is under way; wait until it has ended")
    except (NoElasticsearch, ElasticsearchUnavailable) as error:
        fail(str(error) or "Elasticsearch does not answer")
    except ElasticsearchRefusal as error:
        if error.status in (401, 403):
            fail(f"BILLING_ELASTICSEARCH_URL: expected a user and a password that may write there ({error})", status=2)
        fail(f"Elasticsearch refuses: {error}")
    _screen.print(f"payments in the history: {count}")


@app.command("rebuild-cache")
def rebuild_cache_command() -> None:
    """Make the active subscriptions in Redis anew from Postgres; they can be read all the while."""
    from infrastructure.redis.line import RedisUnavailable
    from jobs.rebuild import rebuild_cache

    given = stack_settings()
    require(given.database_url, "BILLING_DATABASE_URL")
    require(given.redis_url, "BILLING_REDIS_URL")
    try:
        with _database_answers():
            count = asyncio.run(rebuild_cache(given))
    except RedisUnavailable as error:
        fail(str(error) or "Redis does not answer")
    _screen.print(f"users in the cache: {count}")


@app.command("rotate-card-keys")
def rotate_card_keys_command() -> None:
    """Bring stored cards and payment systems' settings under the first of CARD_KEYS; may be stopped and run again."""
    from jobs.rebuild import bar
    from jobs.rotate_card_keys import Rotated, rotate_card_keys

    async def rotate(service: Service) -> Rotated:
        with bar("cards") as progress:
            return await rotate_card_keys(service.engine, service.world.vault, progress)

    done = _on_the_stack(rotate)
    _screen.print(f"re-wrapped under {done.key_id}: {done.cards} cards, settings of {done.systems} payment systems")
    if done.fingerprints:
        _screen.print(f"cards known again only while the key they were first stored under stays: {done.fingerprints}")
    if done.tokens:
        _say(f"payments under way with a token under another key: {done.tokens}; run this again when they have ended")
    for failed in done.unopened:
        _say(failed)
    raise typer.Exit(0 if done.is_complete else 1)


@app.command()
def reconcile(
    day: Annotated[str, typer.Option(help="One calendar day in Moscow, e.g. 2026-11-20, finished or not.")] = "",
) -> None:
    """Compare our books with the payment systems' lists; repair what is safe, open cases for the rest."""
    from jobs.reconcile import AlreadyReconciling, NoSuchDay
    from jobs.reconcile import reconcile as compare
    from jobs.reconcile_report import print_run

    try:
        only = date.fromisoformat(day) if day else None
    except ValueError:
        fail(f"--day: expected a day such as 2026-11-20, not {day!r}", status=2)
    try:
        done = _on_the_stack(lambda service: compare(service, only))
    except NoSuchDay as error:
        fail(f"--day: {error}", status=2)
    except AlreadyReconciling as error:
        fail(str(error))
    print_run(done)
    for code, why in done.stopped:
        _say(f"{code} was not compared to the end: {why}; the next run goes on where this one stopped")
    raise typer.Exit(1 if done.stopped else 0)


@app.command("jwt-capacity")
def jwt_capacity(
    key_size: Annotated[int, typer.Option(min=2048, max=8192, help="Bits of the RSA key that signs.")] = 2048,
) -> None:
    """Measure how many subscriptions fit into a token (docs/jwt-capacity.md says what follows from it)."""
    from rich.table import Table

    from infrastructure.auth.capacity import FORMS, empty_token, measure

    table = Table("what limits the token", "bytes", "plan code", *(name for name, _ in FORMS))
    with _complaints.status("making and signing tokens"):
        for row in measure(key_size=key_size):
            about = (row.limit.what, str(row.limit.size), f"{row.code_length} characters")
            table.add_row(*about, *(str(count) for count in row.fits))
        empty = empty_token(key_size)
    _screen.print(table)
    _screen.print(f"a token without subscriptions: {empty} characters, RS256 with {key_size} bits")


@app.command()
def demo() -> None:
    """Play a year of an online cinema against the running stack, and tell what happens."""
    with _of_a_checkout():
        from demo import DemoFailed, play

    given = stack_settings()
    stack = Home(given.home_dir).running_stack()
    if not stack:
        fail("no stack runs here; start one with `make run` in another terminal", status=2)
    _log_trouble_only(given)
    with _database_answers():
        try:
            play(stack, given, _screen)
        except DemoFailed as error:
            fail(f"not as it should be: {error}")


@app.command()
def simulate(
    months: Annotated[int, typer.Option(min=1, help="How many subscription-months to live through.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="All chance comes out of it; the same one prints the same.")] = 1,
    world: Annotated[
        int | None, typer.Option(min=0, help="Play this one world again and, if it fails, make its history short.")
    ] = None,
    journal: Annotated[
        Path | None, typer.Option(help="Keeps the worlds that were played; a run that was stopped goes on from there.")
    ] = None,
) -> None:
    """Live through years of subscriptions with faults and crashes by chance, and audit every kopeck."""
    from infrastructure.local.checkout import CHECKOUT

    sys.path.insert(0, str(CHECKOUT))  # the tests are part of the checkout, and of no installed package
    with _of_a_checkout():
        from tests.simulation.command import run_simulation

    raise typer.Exit(run_simulation(months, seed, world, journal, _screen))


@app.command()
def bench(
    rows: Annotated[
        list[str] | None, typer.Argument(help="Rows of the table; all of them where none is named.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.05, help="How long one repetition takes.")] = 3.0,
) -> None:
    """Measure how fast it is, each figure beside a floor; all rows together are written to docs/performance.md."""
    from infrastructure.local.checkout import CHECKOUT

    sys.path.insert(0, str(CHECKOUT))  # as for `simulate`
    with _of_a_checkout():
        from tests.performance.command import ROWS, run_bench

    unknown = sorted({*(rows or [])} - ROWS.keys())
    if unknown:
        fail(f"no such row: {', '.join(unknown)}; there are {', '.join(ROWS)}", status=2)
    raise typer.Exit(run_bench(rows or [], seconds, _screen))


@contextmanager
def _of_a_checkout() -> Iterator[None]:
    """End the command with one sentence where the service alone is installed, as in its image."""
    try:
        yield
    except ModuleNotFoundError as error:
        fail(f"{error.name} is missing: this needs a checkout and its packages, which `make lint` sets up", status=2)


def _on_the_stack(do: Callable[[Service], Awaitable[_T]]) -> _T:
    """Do something with the service wired as the running stack has it."""
    from bootstrap import build

    given = stack_settings()
    require(given.database_url, "BILLING_DATABASE_URL")
    _log_trouble_only(given)

    async def run_it() -> _T:
        service = await build(given)
        try:
            return await do(service)
        finally:
            await service.close()

    with _database_answers():
        return asyncio.run(run_it())


@contextmanager
def _database_answers() -> Iterator[None]:
    """End the command with one sentence where Postgres is away, or goes while the command is at work."""
    import psycopg
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

    from infrastructure.postgres.outage import is_outage

    try:
        yield
    except (psycopg.OperationalError, OperationalError, InterfaceError, OSError) as error:
        if isinstance(error, OSError) and not is_outage(error):
            raise
        fail(f"Postgres does not answer: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
    except DBAPIError as error:
        if not str(getattr(error.orig, "sqlstate", "")).startswith(("28", "3D")):  # who calls, and which database
            raise
        fail(f"BILLING_DATABASE_URL: Postgres refuses it: {str(error.orig).rpartition(': ')[2]}", status=2)
    except SettingsError as error:
        fail(str(error), status=2)


def _log_trouble_only(given: Settings) -> None:
    """What goes well is told by the command itself."""
    from infrastructure.observability.logs import configure_logs

    configure_logs(json=False, level="WARNING", process="billing", known_secrets=given.secrets)


async def _time_of(service: Service) -> datetime:
    return await asyncio.to_thread(service.clock.now)


def _say(line: str) -> None:
    _complaints.print(line, markup=False)


def load_settings() -> Settings:
    """The settings of the environment; ends the command with status 2 and one line for each that is wrong."""
    try:
        return configuration.load()
    except SettingsError as error:
        fail(str(error), status=2)


def _check_public_key(given: Settings) -> None:
    """Before anything is started, for it is only the API that would need it."""
    from bootstrap import token_verifier

    if given.auth_public_key:
        try:
            token_verifier(given)
        except SettingsError as error:
            fail(str(error), status=2)


def stack_settings() -> Settings:
    """The settings of the environment, and for what is unset there those of the stack that runs on HOME_DIR."""
    given = load_settings()
    running = Home(given.home_dir).running_environment()
    filled = {name.removeprefix("BILLING_").lower(): value for name, value in running.items()}
    unset = {name: value for name, value in filled.items() if name not in given.model_fields_set}
    try:
        return configuration.load(**unset)
    except SettingsError as error:
        fail(str(error), status=2)


def require(value: str | None, variable: str) -> str:
    """The setting's value; ends the command with status 2 where neither the environment nor a running stack has it."""
    if value is None:
        fail(f"{variable}: not set, and no local stack runs here (`make run` starts one)", status=2)
    return value


def fail(message: str, status: int = 1) -> NoReturn:
    """Print the message to standard error and end the command."""
    _complaints.print(message, markup=False)
    raise typer.Exit(status)


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _show_stack(stack: dict[str, Any], seconds: float, wishes: Settings) -> None:
    api = stack["api"]
    rows = [
        ("API", api, "pages at /docs"),
        ("admin", stack["admin"], _first_administrator(stack, wishes)),
        ("YooKassa", stack["yookassa"], "payment pages, test cards"),
        ("auth", stack["auth"], "`.venv/bin/billing token` prints a token"),
        ("mailbox", stack["mailbox"], "every mail that was sent"),
        ("Postgres", _without_password(stack["database"]), ""),
        ("Redis", _without_password(stack["redis"]), ""),
        ("Elasticsearch", _without_password(stack["elasticsearch"]), "history is read from Postgres"),
    ]
    width = max(len(address or "") for _, address, _ in rows)
    _screen.print()
    for name, address, remark in rows:
        shown = remark if (name == "Elasticsearch") != bool(address) else ""
        _screen.print(f"{name:<14} {address or '–':<{width}}  {shown}".rstrip(), markup=False)
    _screen.print()
    if wishes.clock is ClockKind.HELD:
        _screen.print("Time is held: `.venv/bin/billing clock advance 31d` moves it, BILLING_CLOCK=system lets it run.")
    _screen.print(f"Logs: {wishes.home_dir / 'logs'}")
    _screen.print(f"Ready after {seconds:.1f} s. Next: `make demo` in a second terminal; Ctrl-C here ends everything.")


def _first_administrator(stack: dict[str, Any], wishes: Settings) -> str:
    if stack["admin"] is None or wishes.production:  # which has no built-in administrator
        return ""
    password = wishes.admin_password or Home(wishes.home_dir).panel_secrets()["password"]
    return f"user admin, password {password} (until it is changed there)"


def _without_password(address: str | None) -> str | None:
    """The address with the password left out; None stays None."""
    if address is None:
        return None
    scheme, slashes, rest = address.partition("://")
    user, at, host = rest.rpartition("@")
    return f"{scheme}{slashes}{user.partition(':')[0]}{at}{host}" if slashes else address


if __name__ == "__main__":
    app()
