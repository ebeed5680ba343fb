"""Rows of runs as documents, with what whole ones take from verdicts and deliveries."""

import uuid
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch.store import documents, tables


async def of(
    connection: AsyncConnection, found: "Sequence[sa.Row[Any]]", whole: Collection[uuid.UUID]
) -> list[dict[str, Any]]:
    """One document for each row: whole ones where asked for, else the columns of a table."""
    if not whole:
        return [documents.summary(row) for row in found]
    verdicts, ledger = tables.verdicts, tables.deliveries
    signed = tables.verdict_documents
    columns = (verdicts.c.run_id, *(verdicts.c[name] for name in documents.OF_VERDICT), signed.c.digest)
    attested = sa.and_(signed.c.run_id == verdicts.c.run_id, signed.c.kind == "attestation")
    joined = sa.select(*columns).select_from(verdicts.outerjoin(signed, attested))
    decided = await connection.execute(joined.where(verdicts.c.run_id.in_(whole)))
    verdict_of = {verdict.run_id: verdict for verdict in decided.all()}
    sent = sa.select(ledger).where(ledger.c.run_id.in_(whole)).order_by(ledger.c.attachment, ledger.c.id)
    by_run: dict[uuid.UUID, list[sa.Row[Any]]] = {}
    for delivery in (await connection.execute(sent)).all():
        by_run.setdefault(delivery.run_id, []).append(delivery)
    return [
        documents.whole(row, verdict_of.get(row.id), by_run.get(row.id, ()))
        if row.id in whole
        else documents.summary(row)
        for row in found
    ]
