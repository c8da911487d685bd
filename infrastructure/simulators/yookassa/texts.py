"""What the payment page says, in Russian and English."""

from __future__ import annotations

from typing import Final

LANGUAGES: Final = ("ru", "en")

TEXTS: Final[dict[str, dict[str, str]]] = {
    "ru": {
        "title_pay": "Оплата",
        "title_bind": "Привязка карты",
        "to": "Получатель",
        "amount_due": "К оплате",
        "bind_amount": "Деньги не спишутся",
        "bind_note": "Карта проверяется и сохраняется для будущих платежей.",
        "card": "Банковская карта",
        "number": "Номер карты",
        "expiry": "Срок действия",
        "expiry_hint": "ММ/ГГ",
        "csc": "CVC/CVV",
        "csc_hint": "Три цифры на обороте карты",
        "pay": "Оплатить",
        "bind": "Привязать карту",
        "wait": "Подождите…",
        "save_note": "Карта сохранится: магазин сможет списывать деньги за следующие периоды без вашего участия. "
        "Отвязать её можно в магазине в любой момент.",
        "leave": "Отменить и вернуться в магазин",
        "time_left": "Страница действует ещё {minutes} мин.",
        "test": "Тестовый платёж — настоящие деньги не списываются",
        "test_cards": "Тестовые карты",
        "card_ok": "Оплата пройдёт",
        "card_3ds": "Оплата пройдёт с кодом от банка",
        "card_funds": "Не хватит денег",
        "card_limit": "Превышен лимит",
        "card_expired": "Срок карты истёк",
        "secure": "Соединение защищено, данные карты не сохраняются в магазине",
        "error_number": "Проверьте номер карты",
        "error_expiry": "Проверьте срок",
        "error_csc": "Нужны 3 или 4 цифры",
        "declined": "Платёж не прошёл",
        "another": "Деньги не списаны. Попробуйте ещё раз или возьмите другую карту.",
        "paid": "Оплачено",
        "held": "Деньги зарезервированы",
        "bound": "Карта привязана",
        "canceled": "Платёж отменён",
        "unbound": "Карта не привязана",
        "not_charged": "Деньги не списаны.",
        "pending": "Платёж обрабатывается",
        "returning": "Сейчас вернём вас в магазин.",
        "return": "Вернуться в магазин",
        "bank": "Тестовый Банк",
        "bank_title": "Подтвердите платёж",
        "bank_bind_title": "Подтвердите привязку карты",
        "bank_text": "Мы отправили код на телефон, к которому привязана карта",
        "bank_code": "Код из сообщения",
        "bank_hint": "Это тестовый банк: код 1234",
        "bank_wrong": "Неверный код. Осталось попыток: {left}",
        "bank_confirm": "Подтвердить",
        "bank_refuse": "Отказаться",
        "shop": "Магазин",
        "sum": "Сумма",
        "not_found": "Такой страницы оплаты нет",
        "not_found_text": "Возможно, ссылка неполная. Вернитесь в магазин и начните оплату заново.",
        "away": "Сервис временно недоступен",
        "away_text": "Попробуйте ещё раз через несколько минут. Деньги не списаны.",
    },
    "en": {
        "title_pay": "Payment",
        "title_bind": "Link a card",
        "to": "Payee",
        "amount_due": "To pay",
        "bind_amount": "You will not be charged",
        "bind_note": "The card is checked and saved for future payments.",
        "card": "Bank card",
        "number": "Card number",
        "expiry": "Expiry date",
        "expiry_hint": "MM/YY",
        "csc": "CVC/CVV",
        "csc_hint": "Three digits on the back of the card",
        "pay": "Pay",
        "bind": "Link the card",
        "wait": "One moment…",
        "save_note": "The card will be saved: the shop can charge it for the next periods without you. "
        "You can unlink it in the shop at any time.",
        "leave": "Cancel and return to the shop",
        "time_left": "This page is valid for another {minutes} min.",
        "test": "Test payment: no real money is charged",
        "test_cards": "Test cards",
        "card_ok": "Payment succeeds",
        "card_3ds": "Succeeds with a code from the bank",
        "card_funds": "Insufficient funds",
        "card_limit": "Limit exceeded",
        "card_expired": "Card expired",
        "secure": "The connection is secure, the shop does not keep your card data",
        "error_number": "Check the card number",
        "error_expiry": "Check the date",
        "error_csc": "3 or 4 digits, please",
        "declined": "The payment did not go through",
        "another": "You were not charged. Try again or use another card.",
        "paid": "Paid",
        "held": "The money is on hold",
        "bound": "The card is linked",
        "canceled": "The payment is canceled",
        "unbound": "The card is not linked",
        "not_charged": "You were not charged.",
        "pending": "The payment is being processed",
        "returning": "Taking you back to the shop.",
        "return": "Return to the shop",
        "bank": "Test Bank",
        "bank_title": "Confirm the payment",
        "bank_bind_title": "Confirm linking the card",
        "bank_text": "We sent a code to the phone that belongs to the card",
        "bank_code": "Code from the message",
        "bank_hint": "This is a test bank: the code is 1234",
        "bank_wrong": "Wrong code. Attempts left: {left}",
        "bank_confirm": "Confirm",
        "bank_refuse": "Refuse",
        "shop": "Shop",
        "sum": "Amount",
        "not_found": "There is no such payment page",
        "not_found_text": "The link may be incomplete. Go back to the shop and start again.",
        "away": "The service is temporarily unavailable",
        "away_text": "Try again in a few minutes. You were not charged.",
    },
}

DECLINES: Final[dict[str, tuple[str, str]]] = {
    "3d_secure_failed": ("Банк не получил подтверждения", "The bank did not get your confirmation"),
    "call_issuer": ("Банк просит связаться с ним", "Your bank asks you to contact it"),
    "card_expired": ("Срок действия карты истёк", "The card has expired"),
    "country_forbidden": ("Карты этой страны не принимаются", "Cards of this country are not accepted"),
    "fraud_suspected": ("Платёж отклонён из соображений безопасности", "The payment was declined for security reasons"),
    "general_decline": ("Банк отклонил платёж без объяснений", "The bank declined the payment without giving a reason"),
    "insufficient_funds": ("На карте не хватает денег", "There is not enough money on the card"),
    "invalid_card_number": ("Такой карты не существует", "There is no such card"),
    "invalid_csc": ("Неверный код CVC/CVV", "The CVC/CVV code is wrong"),
    "issuer_unavailable": ("Банк, выпустивший карту, недоступен", "The bank that issued the card is unavailable"),
    "payment_method_limit_exceeded": ("Превышен лимит карты", "The card's limit is exceeded"),
    "payment_method_restricted": ("Операции по карте запрещены", "The card is restricted"),
    "permission_revoked": ("Разрешение на списания отозвано", "The permission to charge was revoked"),
    "expired_on_confirmation": ("Платёж не был подтверждён", "The payment was not confirmed"),
}


def decline_text(reason: str, language: str) -> str:
    russian, english = DECLINES.get(reason, DECLINES["general_decline"])
    return russian if language == "ru" else english


def language_of(locale: str | None, accept_language: str) -> str:
    """The payment's own locale first, then what the browser likes best, then Russian."""
    if locale is not None:
        return locale[:2]
    liked: list[tuple[float, str]] = []
    for part in accept_language.split(","):
        tag, _, weight = part.strip().partition(";q=")
        try:
            liked.append((-float(weight or 1), tag[:2].lower()))
        except ValueError:
            continue
    return next((tag for _, tag in sorted(liked, key=lambda each: each[0]) if tag in LANGUAGES), "ru")


def amount_text(minor: int, language: str) -> str:
    """`1 499,00 ₽` or `₽1,499.00`; the spaces do not break."""
    whole, cents = f"{minor // 100:,}", f"{minor % 100:02d}"
    if language == "ru":
        return f"{whole.replace(',', chr(0xA0))},{cents}{chr(0xA0)}₽"
    return f"₽{whole}.{cents}"
