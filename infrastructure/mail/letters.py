"""Writes letters: what happened, how much, until when, what comes next and what to do, in Russian or English.

A letter's template (`templates/<language>/<kind>.j2`) only sets its sentences: `subject`, `title`, `lead`, `details`,
`next`, `button` and `link`; `letter.html` and `letter.txt` lay them out, so that both parts say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from jinja2 import Environment, PackageLoader, StrictUndefined, TemplateError

from infrastructure.mail.reasons import explain
from infrastructure.mail.wording import DEFAULT_ZONE, day, moment, money

_log = structlog.get_logger(__name__)

MONEY_FACTS: Final = ("amount", "price", "balance", "credit")
MOMENT_FACTS: Final = ("period_start", "period_end", "next_charge_at", "next_try_at", "access_until", "pay_until")
TEXT_FACTS: Final = (
    "plan_name", "reason", "kind", "status_url", "manage_url", "payment_id", "refund_id", "subscription_id",
    "method_title", "person_name", "support",
)  # fmt: skip

# The first whose events all happened tells the letter's kind; the fuller stories come first. Money that came in is
# never the whole story: it begins something.
_KINDS: Final[tuple[tuple[frozenset[str], str], ...]] = tuple(
    (frozenset(events.split()), kind)
    for events, kind in (
        ("payment.failed subscription.expired", "failed_expired"),
        ("subscription.past_due", "failed_past_due"),
        ("refund.succeeded", "refund_succeeded"),
        ("refund.failed", "refund_failed"),
        ("payment.failed", "payment_failed"),
        ("subscription.trial_started", "trial_started"),
        ("subscription.plan_changed", "plan_changed"),
        ("subscription.plan_change_planned", "plan_change_planned"),
        ("subscription.expired", "expired"),
        ("subscription.canceled", "canceled"),
        ("subscription.cancellation_planned", "cancellation_planned"),
        ("subscription.charge_planned", "charge_planned"),
        ("subscription.renewed", "renewed"),
        ("subscription.activated", "activated"),
    )
)
_PARTS: Final = ("subject", "title", "lead", "details", "next", "button", "link")


@dataclass(frozen=True, slots=True)
class Letter:
    """What is to be told. `events`: e.g. `("payment.succeeded", "subscription.renewed")`; `locale`: `ru` or `en`;
    `zone`: a name of the IANA database; `facts`: by the names above, amounts as `"499.00"` with `currency`, times
    as RFC 3339. A fact that is missing or unreadable is left out of the letter.
    """

    events: tuple[str, ...]
    locale: str
    zone: str
    facts: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rendered:
    subject: str
    text: str
    html: str


def render(letter: Letter) -> Rendered:
    """Write a letter. What no template knows is told in general words: a letter never fails."""
    locale = letter.locale if letter.locale in ("ru", "en") else "ru"
    kind = kind_of(letter.events, letter.facts)
    facts = _readable(letter, locale)
    try:
        return _render(kind, locale, facts)
    except TemplateError as error:
        _log.error("letter_not_written", kind=kind, locale=locale, error=str(error))
        return _render("general", locale, facts)


def kind_of(events: tuple[str, ...], facts: Mapping[str, Any] | None = None) -> str:
    """Which template tells these events, in any order; `general` for what none does.

    Some of the `facts` make it another story: a refund of money that came too late, of money for a period that was
    paid otherwise, or for a change of plan that could not be made any more.
    """
    happened = frozenset(events)
    told = facts or {}
    came_late = "refund.succeeded" in happened and told.get("origin") == "late_money"
    if came_late and told.get("kind") == "plan_change":
        return "change_not_made"
    if "refund.succeeded" in happened and told.get("paid_otherwise") is True:
        return "paid_twice"
    if came_late:
        return "money_returned"
    return next((kind for needed, kind in _KINDS if needed <= happened), "general")


def _render(kind: str, locale: str, facts: dict[str, Any]) -> Rendered:
    plain = _sentences(_TEXT, kind, locale, facts)
    marked = _sentences(_HTML, kind, locale, facts)
    return Rendered(
        subject=" ".join(plain["subject"].split()),
        text=_TEXT.get_template("letter.txt").render(**facts, **plain, locale=locale).strip() + "\n",
        html=_HTML.get_template("letter.html").render(**facts, **marked, locale=locale),
    )


def _sentences(environment: Environment, kind: str, locale: str, facts: dict[str, Any]) -> dict[str, Any]:
    module = environment.get_template(f"{locale}/{kind}.j2").make_module(facts)
    return {part: _stripped(getattr(module, part, "") or "") for part in _PARTS}


def _stripped(sentence: Any) -> Any:
    return sentence.strip()  # of markup it stays markup


def _readable(letter: Letter, locale: str) -> dict[str, Any]:
    """Every fact a template may name, written out, or None."""
    facts: dict[str, Any] = {name: _text(letter.facts.get(name)) for name in TEXT_FACTS}
    for name in ("status_url", "manage_url"):
        if facts[name] is not None and not facts[name].startswith(("https://", "http://")):
            facts[name] = None  # what stands behind a button is an address and nothing that runs
    if locale == "ru" and facts["method_title"] is not None:
        facts["method_title"] = facts["method_title"].replace("Bank card", "Банковская карта")
    currency = letter.facts.get("currency")
    facts |= {name: money(letter.facts.get(name), currency, locale) for name in MONEY_FACTS}
    facts |= {name: None for name in ("amount", "credit") if letter.facts.get(name) == "0.00"}  # no sum to speak of
    zone = letter.zone or DEFAULT_ZONE
    facts |= {name: moment(letter.facts.get(name), zone, locale) for name in MOMENT_FACTS}
    facts |= {f"{name}_day": day(letter.facts.get(name), zone, locale) for name in MOMENT_FACTS}
    facts["why"] = explain(letter.facts.get("reason"), locale)
    facts["ended"] = letter.facts.get("subscription_ended")  # None where nobody has said
    facts |= {name: letter.facts.get(name) is True for name in ("will_remind", "paid_from_balance")}
    facts["happened"] = frozenset(letter.events)
    kind = facts["kind"]
    facts["first"] = kind in {"first", "binding"} or (kind is None and facts["period_end"] is None)
    return facts


def _text(value: object) -> str | None:
    text = "" if value is None or isinstance(value, Mapping | list | tuple) else str(value).strip()
    return text or None


def _environment(*, html: bool) -> Environment:
    return Environment(
        loader=PackageLoader("infrastructure.mail"),
        autoescape=html,  # noqa: S701 - the plain part of a letter is no markup; the other is escaped
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


_HTML: Final = _environment(html=True)
_TEXT: Final = _environment(html=False)
