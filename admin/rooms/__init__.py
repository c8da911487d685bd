"""What the panel shows, a module each; importing them registers them."""

from __future__ import annotations

from admin.rooms import cases, events, mails, payment_systems, payments, people, plans, refunds, subscriptions

__all__ = ["cases", "events", "mails", "payment_systems", "payments", "people", "plans", "refunds", "subscriptions"]
