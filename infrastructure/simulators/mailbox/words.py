"""The words of the mailbox's page."""

from __future__ import annotations

from typing import Final

WORDS: Final[dict[str, dict[str, str]]] = {
    "ru": {
        "title": "Почтовый ящик",
        "note": "Учебный ящик: письма сюда приходят, но никуда не отправляются.",
        "search": "Кому, тема, событие",
        "find": "Найти",
        "empty": "Писем пока нет",
        "empty_text": "Как только сервис отправит письмо, оно появится здесь.",
        "nothing": "Ничего не нашлось",
        "count": "Писем:",
        "to": "Кому",
        "sender": "От кого",
        "date": "Дата",
        "event": "Событие",
        "object": "Объект",
        "looks": "Письмо",
        "text": "Только текст",
        "headers": "Заголовки",
        "no_html": "В письме нет HTML, смотрите текст.",
        "faults": "Включены неполадки:",
        "other": "English",
        "other_code": "en",
        "no_subject": "(без темы)",
    },
    "en": {
        "title": "Mailbox",
        "note": "A practice mailbox: mails arrive here and go nowhere else.",
        "search": "Recipient, subject, event",
        "find": "Find",
        "empty": "No mails yet",
        "empty_text": "As soon as the service sends one, it shows up here.",
        "nothing": "Nothing found",
        "count": "Mails:",
        "to": "To",
        "sender": "From",
        "date": "Date",
        "event": "Event",
        "object": "Object",
        "looks": "Mail",
        "text": "Text only",
        "headers": "Headers",
        "no_html": "This mail has no HTML, see the text.",
        "faults": "Faults are on:",
        "other": "Русский",
        "other_code": "ru",
        "no_subject": "(no subject)",
    },
}
