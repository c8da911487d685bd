"""What a search looks for: ids, addresses and names, each by its index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet

from admin.models import Payment, PaymentSystem, Person, Refund, Subscription


class Search(NamedTuple):
    """How the rows of a list are found by what somebody typed."""

    find: Callable[[QuerySet[Any], str], QuerySet[Any]]


_MOST_PERSONS = 200


def find_persons(rows: QuerySet[Any], term: str) -> QuerySet[Any]:
    """By id (also of what they bought or paid), the beginning of an address, or a part of the name."""
    key = _uuid(term)
    if key is not None:
        return rows.filter(pk__in={key, *_owners(key)})
    by_address = Q(email__istartswith=term)
    return rows.filter(by_address if "@" in term else by_address | Q(name__icontains=term))


def find_subscriptions(rows: QuerySet[Any], term: str) -> QuerySet[Any]:
    """By its id, or whatever leads to a person."""
    key = _uuid(term)
    if key is not None:
        payment = Payment.objects.filter(pk=key).values_list("subscription_id", flat=True)
        return rows.filter(Q(pk__in=[key, *payment]) | Q(user_id=key))
    return rows.filter(user_id__in=_persons(term))


def find_payments(rows: QuerySet[Any], term: str) -> QuerySet[Any]:
    """By its id or a refund's, here or at the payment system, by an outside reference, by person or subscription."""
    systems = list(PaymentSystem.objects.values_list("code", flat=True))
    wanted = Q(payment_system__in=systems, provider_payment_id=term)
    refunds = Refund.objects.filter(payment_system__in=systems, provider_refund_id=term)
    ids = list(refunds.values_list("payment_id", flat=True))
    key = _uuid(term)
    if key is not None:
        ids += [key, *Refund.objects.filter(pk=key).values_list("payment_id", flat=True)]
        wanted |= Q(user_id=key)
        for owner in Subscription.objects.filter(pk=key).values_list("user_id", flat=True):
            wanted |= Q(user_id=owner, subscription_id=key)
    else:
        sources = ids_of_references(term)
        ids += sources
        wanted |= Q(user_id__in=_persons(term))
    return rows.filter(wanted | Q(pk__in=ids))


def ids_of_references(term: str) -> list[UUID]:
    """External payments by their reference."""
    return list(Payment.objects.filter(reference=term).values_list("pk", flat=True)[:_MOST_PERSONS])


def find_refunds(rows: QuerySet[Any], term: str) -> QuerySet[Any]:
    """By its id or its payment's, by that at the payment system, or by person."""
    systems = list(PaymentSystem.objects.values_list("code", flat=True))
    wanted = Q(payment_system__in=systems, provider_refund_id=term)
    key = _uuid(term)
    if key is not None:
        return rows.filter(wanted | Q(pk=key) | Q(payment_id=key) | Q(user_id=key))
    return rows.filter(wanted | Q(user_id__in=_persons(term)))


def find_of_user(rows: QuerySet[Any], term: str) -> QuerySet[Any]:
    """Where only the person's id is kept: by it, by its address or name."""
    key = _uuid(term)
    return rows.filter(user_id__in=[key] if key is not None else _persons(term))


def find_cases(rows: QuerySet[Any], term: str) -> QuerySet[Any]:
    """By kind, by what it is about, or by an id that it names."""
    key = _uuid(term)
    if key is not None:
        return rows.filter(Q(pk=key) | Q(payment_id=key) | Q(user_id=key) | Q(refund_id=key) | Q(subject=term))
    return rows.filter(Q(kind__icontains=term) | Q(subject__icontains=term))


def _persons(term: str) -> list[UUID]:
    return list(find_persons(Person.objects.all(), term).values_list("pk", flat=True)[:_MOST_PERSONS])


def _owners(key: UUID) -> set[UUID]:
    return {
        owner
        for model in (Subscription, Payment, Refund)
        for owner in model.objects.filter(pk=key).values_list("user_id", flat=True)
    }


def _uuid(term: str) -> UUID | None:
    try:
        return UUID(term)
    except ValueError:
        return None
