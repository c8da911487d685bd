"""Who may come in, what they may do, in which language they read, and what nobody reads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from uuid import uuid4

import psycopg
import pytest

from admin.advice import ADVICE
from admin.codes import CODES, FACTS, counted_in_russian
from admin.russian import RUSSIAN
from domain.events import EventType
from domain.reconciliation import FindingKind
from infrastructure.postgres.tables import metadata
from jobs import stranded
from tests.admin.panel import Administrator, Panel
from tests.architecture.checkout import CHECKOUT
from tests.scenarios.cinema import Cinema

_NAMES = {
    "case": "cases",
    "person": "users",
    "subscription": "subscriptions",
    "payment": "payments",
    "refund": "refunds",
    "plan": "plans",
    "paymentsystem": "payment systems",
    "event": "events",
    "mail": "mails",
}
_ROOMS = tuple(_NAMES)


async def test_nobody_reads_without_logging_in(panel: Panel) -> None:
    stranger = Administrator(panel.url)
    panel.others.append(stranger)
    for path in ("/", *(f"/billing/{room}/" for room in _ROOMS), "/billing/plan/add/", "/auth/user/"):
        assert (await stranger.opens(path)).at == "/login/", path
    wrong = await stranger.logs_in("admin", "not the password")
    assert (wrong.at, "Please enter the correct" in wrong.text) == ("/login/", True)


async def test_every_room_opens_in_both_languages(panel: Panel, cinema: Cinema) -> None:
    await (await cinema.person()).subscribes("premium", "499.00")
    russian, english = await panel.somebody("Administrators", "ru"), await panel.somebody("Administrators", "en")
    for room in _ROOMS:
        pages = [await one.opens(f"/billing/{room}/") for one in (russian, english)]
        assert [page.status for page in pages] == [200, 200], room
        assert RUSSIAN[_NAMES[room]].capitalize() in pages[0].text
        assert _NAMES[room].capitalize() in pages[1].text
    assert "Требует внимания" in (await russian.opens("/")).text
    assert "What is to be looked at" in (await english.opens("/")).text


async def test_a_language_is_chosen_and_kept(panel: Panel) -> None:
    reader = await panel.somebody("Support", "en")
    changed = await reader.sends_again(await reader.opens("/"), "/language/", language="ru", next="/")
    assert changed.at == "/"
    assert "Требует внимания" in (await reader.opens("/")).text


async def test_times_are_shown_by_the_readers_clock(panel: Panel, cinema: Cinema) -> None:
    anna = await cinema.person()
    sale = (await anna.subscribes("premium", "499.00")).json()
    reader = await panel.somebody("Support")
    path = f"/billing/payment/{sale['payment']['id']}/change/"
    at = datetime.fromisoformat(sale["payment"]["created_at"]).astimezone(UTC)

    shown = set()
    for zone, away in (("Asia/Vladivostok", 10), ("UTC", 0)):
        reader.browser.cookies.set("billing_admin_zone", quote(zone, safe=""))
        text = (await reader.opens(path)).text.partition("Created ")[2]
        assert text.startswith((at + timedelta(hours=away)).strftime("%m/%d/%Y"))
        shown.add(text[:22])
    assert len(shown) == 2
    for nonsense in ("..%2F..%2Fetc%2Fpasswd", "Nowhere%2FAt_All", "%00"):
        reader.browser.cookies.set("billing_admin_zone", nonsense)
        assert (await reader.opens(path)).status == 200


async def test_support_reads_everything_and_does_nothing(panel: Panel, cinema: Cinema) -> None:
    anna = await cinema.person()
    sale = (await anna.subscribes("premium", "499.00")).json()
    support = await panel.somebody("Support")
    payment, subscription = (f"/billing/{one}/{sale[one]['id']}" for one in ("payment", "subscription"))

    page = await support.opens(f"{payment}/change/")
    assert page.status == 200
    assert page.links(f"{payment}/refund/") == []
    acts = [f"{payment}/refund/", f"{subscription}/cancel/", f"{subscription}/retry/"]
    acts += [f"{subscription}/payment-link/", f"{subscription}/external-payment/"]
    for path in acts:
        assert (await support.opens(path)).status == 403, path
        assert (await support.browser.post(path, data=page.hidden)).status_code == 403, path
    for path in ("/auth/user/", "/auth/group/"):
        assert (await support.opens(path)).status == 403


async def test_an_account_without_a_role_sees_nothing_and_is_told_why(panel: Panel) -> None:
    nobody = await panel.somebody(None)
    assert "ask an administrator to give you one" in (await nobody.opens("/")).text
    for room in _ROOMS:
        assert (await nobody.opens(f"/billing/{room}/")).status == 403


async def test_no_account_is_deleted_for_the_log_of_what_it_did_would_go_too(
    panel: Panel, boss: Administrator, cinema: Cinema
) -> None:
    await panel.somebody("Administrators")
    with psycopg.connect(str(cinema.service.settings.database_url)) as database:
        row = database.execute("SELECT max(id) FROM django.auth_user").fetchone()
    assert row is not None

    page = await boss.opens(f"/auth/user/{row[0]}/delete/")
    listed = await boss.opens("/auth/user/")

    assert page.status == 403
    assert "delete_selected" not in listed.source


async def test_who_asked_for_it_is_written_down_although_no_answer_came(panel: Panel, cinema: Cinema) -> None:
    anna = await cinema.person()
    sale = (await anna.subscribes("premium", "499.00")).json()
    clerk = await panel.somebody("Administrators")
    async with panel.api.is_away():
        silent = await clerk.sends(f"/billing/payment/{sale['payment']['id']}/refund/", amount="10.00", reason="раз")

    with psycopg.connect(str(cinema.service.settings.database_url)) as database:
        written = database.execute(
            "SELECT count(*) FROM django.django_admin_log WHERE change_message = %s",
            [f"refund {silent.hidden['key']}"],
        ).fetchone()
    assert written == (1,)


async def test_a_form_from_elsewhere_is_refused_and_no_page_may_be_framed(panel: Panel, boss: Administrator) -> None:
    page = await boss.browser.get("/billing/plan/add/")
    assert page.headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    forged = await boss.browser.post("/billing/plan/add/", data={"code": "forged"})
    assert forged.status_code == 403


async def test_who_did_it_is_written_down(panel: Panel, cinema: Cinema) -> None:
    anna = await cinema.person()
    sale = (await anna.subscribes("premium", "499.00")).json()
    clerk = await panel.somebody("Administrators")
    await clerk.sends(f"/billing/payment/{sale['payment']['id']}/refund/", amount="10.00", reason="раз")

    with psycopg.connect(str(cinema.service.settings.database_url)) as database:
        found = database.execute(
            "SELECT u.username, e.actor_kind FROM django.django_admin_log l JOIN django.auth_user u ON u.id = l.user_id"
            " JOIN events e ON l.change_message = 'refund ' || e.request_id WHERE l.object_id = e.payment_id::text"
            " AND e.payment_id = %s",
            [sale["payment"]["id"]],
        ).fetchall()
    [(name, actor), *_] = found
    assert name.startswith("somebody-")
    assert actor == "admin"


def test_django_keeps_to_its_own_schema(panel: Panel, cinema: Cinema) -> None:
    with psycopg.connect(str(cinema.service.settings.database_url)) as database:
        rows = database.execute("SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 'django')")
        tables = rows.fetchall()
    ours = {name for schema, name in tables if schema == "public"}
    theirs = {name for schema, name in tables if schema == "django"}
    assert ours - {"alembic_version"} == set(metadata.tables)
    assert {"auth_user", "django_session", "django_admin_log", "django_migrations"} <= theirs


def test_no_mirror_has_a_column_that_nobody_is_shown() -> None:
    source = (CHECKOUT / "admin" / "models.py").read_text("utf-8")
    for column in ("sealed_token", "settings", "provider_method_id", "return_url"):
        assert not re.search(rf"^    {column} = ", source, re.MULTILINE), column


@pytest.mark.parametrize("method", ["get", "post"])
async def test_an_address_that_is_none_is_no_malfunction(boss: Administrator, method: str) -> None:
    for path in (
        "/nothing/",
        "/billing/plan/no-uuid/edit/",
        f"/billing/payment/{uuid4()}/refund/",
        "/billing/plan/add/x/",
    ):
        answer = await getattr(boss.browser, method)(path)
        assert answer.status_code < 500, path


_ODD = (
    "created_to=9999-12-31",
    "created_from=0001-01-01",
    "created_from=9999-12-31&created_to=0001-01-01",
    "created_to=10000-01-01",
    "amount_from=1e999999",
    "amount_to=1e999990",
    "amount_from=-1e-999999",
    "amount_from=NaN&amount_to=Infinity",
    "amount_from=sNaN",
    "status__exact=%00",
    "payment_system=%00",
    "created_to=%00",
    "p=%00",
    "q=%00",
    "%00=%00",
    "status__exact=nonsense",
    "nonsense=1",
)


@pytest.mark.parametrize("odd", _ODD)
async def test_a_filter_that_is_none_is_no_malfunction_and_no_outage(boss: Administrator, odd: str) -> None:
    for room in ("payment", "refund"):
        page = await boss.browser.get(f"/billing/{room}/?{odd}")
        assert page.status_code in (200, 400), f"{room} {odd}: {page.status_code}"


def test_every_word_of_the_panel_is_there_in_russian() -> None:
    silent = sorted(phrase for phrase in _phrases() if phrase not in RUSSIAN and phrase not in CODES)
    assert silent == []


def test_nothing_is_translated_that_is_never_said() -> None:
    assert sorted(set(RUSSIAN) - _phrases()) == []


def test_every_event_has_a_name() -> None:
    assert [one.value for one in EventType if one.value not in CODES] == []


def test_every_case_has_a_name() -> None:
    kinds = {one.value for one in FindingKind}
    kinds |= {f"{name}_stuck" for name in _first_texts("Duty")}
    kinds |= _first_texts("open") | _first_texts("_case") | set(stranded._KINDS)
    assert len(kinds) > 35
    assert sorted(kinds - set(CODES)) == []
    assert sorted(kinds - set(ADVICE)) == [], "a case says what to do"
    assert sorted(set(ADVICE) - kinds) == []


def test_every_fact_beside_a_case_has_a_name() -> None:
    named = FACTS.keys() | {name.replace(" ", "_") for name in RUSSIAN}
    assert _facts_of_cases() - named == set()
    assert len(_facts_of_cases()) > 10


def test_no_other_place_computes_what_kind_of_case_it_opens() -> None:
    """Those above were found by their literals; a kind that is put together is found by none of these tests."""
    computed = {
        name
        for name, call in _calls()
        if _named(call) in {"open", "_case"} and not isinstance(call.args[0], ast.Constant)
    }
    assert computed == {
        "commands/reconcile_day.py",
        "commands/settle_payment.py",
        "commands/settle_refund.py",
        "jobs/duty.py",
        "jobs/stranded.py",
    }


@pytest.mark.parametrize(
    ("number", "said"), [(1, "год"), (2, "года"), (5, "лет"), (11, "лет"), (21, "год"), (112, "лет"), (122, "года")]
)
def test_a_period_is_counted_as_russian_does(number: int, said: str) -> None:
    assert counted_in_russian(number, "year") == f"{number} {said}"


def _first_texts(called: str) -> set[str]:
    """The first text that each call of this name is given."""
    found = set()
    for _, call in _calls():
        texts = [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        if _named(call) == called and texts:
            found.add(texts[0])
    return found


def _facts_of_cases() -> set[str]:
    """The names in each table that is called facts, or known, where cases and findings are made."""
    found = set()
    for file in ("commands/*.py", "jobs/*.py", "domain/differences.py"):
        for path in CHECKOUT.glob(file):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                found |= _names_in(node)
    return found


def _names_in(node: ast.AST) -> set[str]:
    match node:
        case ast.keyword(arg="facts", value=ast.Dict() as table):
            pass
        case ast.AnnAssign(target=ast.Name(id="known"), value=ast.Dict() as table):
            pass
        case ast.AugAssign(target=ast.Name(id="known"), value=ast.Dict() as table):
            pass
        case ast.Assign(targets=[ast.Name(id="facts")], value=ast.Dict() as table):
            pass
        case ast.Assign(targets=[ast.Subscript(value=ast.Name(id="known"), slice=ast.Constant(value=str(name)))]):
            return {name}
        case _:
            return set()
    return {key.value for key in table.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}


def _calls() -> Iterator[tuple[str, ast.Call]]:
    """What commands and jobs call, with the file's name; `open` is only that of cases."""
    for room in ("commands", "jobs"):
        for file in sorted((CHECKOUT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Call) and node.args and (_named(node) != "open" or _of_cases(node)):
                    yield str(file.relative_to(CHECKOUT)), node


def _named(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _of_cases(call: ast.Call) -> bool:
    of = call.func.value if isinstance(call.func, ast.Attribute) else None
    if isinstance(of, ast.Call):
        return _named(of) == "PostgresCases"
    return isinstance(of, ast.Attribute) and of.attr == "cases"


def _phrases() -> set[str]:
    found: set[str] = set()
    for file in (CHECKOUT / "admin").rglob("*.py"):
        if file.name in {"russian.py", "codes.py"}:
            continue
        tree = ast.parse(file.read_text("utf-8"))
        found |= {text for call in ast.walk(tree) if isinstance(call, ast.Call) for text in _said_in(call)}
        if file.name in {"problems.py", "subscriptions.py"}:  # tables of phrases, which are said by their key
            found |= {text for table in ast.walk(tree) if isinstance(table, ast.Dict) for text in _values(table)}
    for page in (CHECKOUT / "admin" / "templates").rglob("*.html"):
        found |= set(re.findall(r"'([^']+)'\|said", page.read_text("utf-8")))
    return found


def _said_in(call: ast.Call) -> list[str]:
    if _named(call) not in {"say", "said", "flag"} or not call.args:
        return []
    given = call.args[0]
    parts = [given.body, given.orelse] if isinstance(given, ast.IfExp) else [given]
    parts += call.args[1:] if isinstance(given, ast.Call) else []
    if isinstance(given, ast.Call):  # a table's default
        parts += given.args[1:]
    texts = [one.value for one in parts if isinstance(one, ast.Constant)]
    return [text for text in texts if isinstance(text, str) and text.strip()]


def _values(table: ast.Dict) -> list[str]:
    texts = [one.value for one in table.values if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return [text for text in texts if " " in text]
