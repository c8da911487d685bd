"""YooKassa: the adapter, and the only place that knows its SDK."""

from infrastructure.payment_systems.yookassa.adapter import YooKassa

__all__ = ["YooKassa"]
