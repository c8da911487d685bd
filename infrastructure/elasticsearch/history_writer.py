"""Writes the history into every generation there is, in bulk; the payment's version decides between two writers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from infrastructure.elasticsearch.history_document import HistoryDocument
from infrastructure.elasticsearch.indices import HistoryIndices, HistoryIsGone
from infrastructure.elasticsearch.line import ElasticsearchLine, ElasticsearchRefusal, ElasticsearchUnavailable

_LATE: Final = 409
_NOT_NOW: Final = frozenset({401, 403, 429})
"""Closed to us, blocked or overloaded: no word about the document."""
_PATIENCE_S: Final = 15.0


class HistoryWriter:
    """Raises ElasticsearchUnavailable and HistoryIsGone; then nothing is known of what was written: write it again."""

    def __init__(self, line: ElasticsearchLine, indices: HistoryIndices) -> None:
        self._line = line
        self._indices = indices

    async def write(
        self, generations: Iterable[str], documents: Sequence[HistoryDocument], *, searchable: bool
    ) -> Mapping[UUID, str]:
        """Documents that Elasticsearch refuses for what they are, with its reason; all others are in.

        `searchable`: they can be found when this returns. A document that is there already in the same or a later
        version counts as written.
        """
        refused: dict[UUID, str] = {}
        for generation in generations:
            await self._indices.make(generation, sorted({document.month for document in documents}))
            refused |= await self._write(generation, documents, searchable=searchable)
        return refused

    async def _write(
        self, generation: str, documents: Sequence[HistoryDocument], *, searchable: bool
    ) -> dict[UUID, str]:
        lines = bytearray()
        for document in documents:
            action = {
                "_index": self._indices.write_alias(generation, document.month),
                "_id": str(document.id),
                "routing": str(document.user_id),
                "version": document.version,
                "version_type": "external",
            }
            lines += json.dumps({"index": action}).encode() + b"\n" + document.body + b"\n"
        params = {
            "require_alias": "true",
            "refresh": "true" if searchable else "false",
            "filter_path": "errors,items.*.status,items.*.error.type,items.*.error.reason",
        }
        try:
            answer = await self._line.ask("POST", "_bulk", lines=bytes(lines), params=params, patience_s=_PATIENCE_S)
        except ElasticsearchRefusal as error:
            raise ElasticsearchUnavailable(f"bulk refused: {error}") from None
        if not answer["errors"]:
            return {}
        return self._read_errors(documents, [item["index"] for item in answer["items"]])

    def _read_errors(
        self, documents: Sequence[HistoryDocument], answers: Sequence[Mapping[str, object]]
    ) -> dict[UUID, str]:
        refused: dict[UUID, str] = {}
        for document, answer in zip(documents, answers, strict=True):
            status, error = answer["status"], answer.get("error")
            if error is None or status == _LATE:
                continue
            kind = str(error.get("type", "")) if isinstance(error, Mapping) else ""
            if status == 404:
                self._indices.forget()
                raise HistoryIsGone(kind)
            if status in _NOT_NOW or (isinstance(status, int) and status >= 500):
                raise ElasticsearchUnavailable(f"bulk item: {status} {kind}")
            refused[document.id] = f"{status} {kind}"
        return refused
