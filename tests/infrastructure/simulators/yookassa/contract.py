"""YooKassa's own description of its API (openapi.yaml of July 2026), to hold messages against.

`misfits("Payment", body)` is empty where an object is what YooKassa says; `request_misfits` does the
same for the body of a request. Where the description names variants by a `type`, the variant that is
named is the one that must fit: without its `discriminator` a plain JSON schema would let all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker

_SOURCE = Path(__file__).with_name("openapi.yaml")
_PREFIX = "#/components/schemas/"

Schema = dict[str, Any]


def misfits(name: str, body: object) -> list[str]:
    """What is wrong with a message of that schema; empty: nothing."""
    return _complaints({"$ref": _PREFIX + name}, body)


def request_misfits(path: str, body: object) -> list[str]:
    """What is wrong with the body of `POST {path}`, e.g. `/payments`."""
    content = _description()["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    return _complaints(content["schema"], body)


def notification_misfits(body: Any) -> list[str]:
    """What is wrong with a notification: its event is one of YooKassa's, its object fits."""
    if not isinstance(body, dict) or set(body) != {"type", "event", "object"} or body["type"] != "notification":
        return ["a notification is {type, event, object}"]
    events = set(_description()["components"]["schemas"]["NotificationEventType"]["enum"]) | {"payment_method.active"}
    if body["event"] not in events:
        return [f"no such event: {body['event']}"]
    names = {"payment": "Payment", "refund": "Refund", "payment_method": "SavePaymentMethodBankCard"}
    return misfits(names[body["event"].partition(".")[0]], body["object"])


def _complaints(schema: Schema, body: object) -> list[str]:
    document = {**schema, "components": _description()["components"]}
    validator = Draft202012Validator(document, format_checker=FormatChecker())
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(body)]


@cache
def _description() -> Schema:
    document: Schema = yaml.safe_load(_SOURCE.read_text(encoding="utf-8"))
    kinds = dict(_kinds(document["components"]["schemas"]))
    result: Schema = _plain(document, kinds)
    return result


def _kinds(schemas: Schema) -> Iterator[tuple[str, str]]:
    """(reference, what its `type` says), of every mapping in the description."""
    for schema in schemas.values():
        for kind, reference in schema.get("discriminator", {}).get("mapping", {}).items():
            yield reference, kind


def _plain(node: Any, kinds: dict[str, str]) -> Any:
    """The same without what only OpenAPI knows."""
    if isinstance(node, list):
        return [_plain(each, kinds) for each in node]
    if not isinstance(node, dict):
        return node
    plain = {name: _plain(value, kinds) for name, value in node.items() if name not in {"discriminator", "nullable"}}
    if node.get("nullable") is True and isinstance(node.get("type"), str):
        plain["type"] = [node["type"], "null"]
    variants: list[str] = [each.get("$ref", "") for each in node.get("oneOf", []) if isinstance(each, dict)]
    if variants and all(reference in kinds for reference in variants):
        del plain["oneOf"]
        plain["properties"] = {**plain.get("properties", {}), "type": {"enum": [kinds[each] for each in variants]}}
        plain["allOf"] = plain.get("allOf", []) + [
            {"if": {"properties": {"type": {"const": kinds[reference]}}}, "then": {"$ref": reference}}
            for reference in variants
        ]
    return plain
