"""Which namespaces belong to which Organization. Implements `controlplane.model.identities.Organisations`."""

from collections.abc import Sequence
from dataclasses import asdict, fields

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from avouch.controlplane.model import identities
from avouch.store import database, fencing, tables

# Rows of other versions hold settings that this one does not have.
_SETTINGS = frozenset(field.name for field in fields(identities.Organisation)) - {"name", "home"}


class Organisations:
    """Organizations over one database; every write is fenced."""

    def __init__(self, opened: database.Database) -> None:
        self._database = opened

    async def of_namespace(self, namespace: str) -> identities.Organisation | None:
        """The Organization that claims a namespace; None if none does, or two do."""
        known, projects = tables.organisations, tables.projects
        query = (
            sa.select(known)
            .join(projects, projects.c.organisation == known.c.name)
            .where(projects.c.namespace == namespace)
        )
        async with self._database.statements() as connection:
            rows = (await connection.execute(query)).all()
        if len(rows) != 1:
            return None
        known_settings = {key: value for key, value in rows[0].settings.items() if key in _SETTINGS}
        return identities.Organisation(name=rows[0].name, home=rows[0].home, **known_settings)

    async def record(self, organisation: identities.Organisation, projects: Sequence[str], *, epoch: int) -> None:
        """Keep an Organization and the namespaces that it alone claims, instead of those of before."""
        known, claimed = tables.organisations, tables.projects
        settings = asdict(organisation)
        row = {"name": settings.pop("name"), "home": settings.pop("home"), "settings": settings}
        async with self._database.transaction() as connection:
            await fencing.fence(connection, epoch)
            new = insert(known).values(**row)
            await connection.execute(new.on_conflict_do_update(index_elements=["name"], set_=row))
            gone = sa.and_(claimed.c.organisation == organisation.name, claimed.c.namespace.not_in(projects))
            await connection.execute(sa.delete(claimed).where(gone))
            if projects:
                rows = [{"namespace": namespace, "organisation": organisation.name} for namespace in projects]
                await connection.execute(insert(claimed).on_conflict_do_nothing(), rows)

    async def remove(self, name: str, *, epoch: int) -> None:
        """Delete an Organization and its projects."""
        async with self._database.transaction() as connection:
            await fencing.fence(connection, epoch)
            await connection.execute(sa.delete(tables.organisations).where(tables.organisations.c.name == name))

    async def names(self) -> Sequence[str]:
        """Every Organization recorded."""
        async with self._database.transaction() as connection:
            return tuple((await connection.execute(sa.select(tables.organisations.c.name))).scalars())
