"""Which namespaces belong to which Organization. Implements `controlplane.model.identities.Organizations`."""

from collections.abc import Sequence
from dataclasses import asdict, fields

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from avouch.controlplane.model import identities
from avouch.store import database, fencing, tables

# Rows of other versions hold settings that this one does not have.
_SETTINGS = frozenset(field.name for field in fields(identities.Organization)) - {"name", "home"}


class Organizations:
    """Organizations over one database; every write is fenced."""

    def __init__(self, opened: database.Database) -> None:
        self._database = opened

    async def of_namespace(self, namespace: str) -> identities.Organization | None:
        """The Organization that claims a namespace; None if none does, or two do."""
        known, projects = tables.organizations, tables.projects
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
        return identities.Organization(name=rows[0].name, home=rows[0].home, **known_settings)

    async def record(self, organization: identities.Organization, projects: Sequence[str], *, epoch: int) -> None:
        """Keep an Organization and the namespaces that it alone claims, instead of those of before."""
        known, claimed = tables.organizations, tables.projects
        settings = asdict(organization)
        row = {"name": settings.pop("name"), "home": settings.pop("home"), "settings": settings}
        async with self._database.transaction() as connection:
            await fencing.fence(connection, epoch)
            new = insert(known).values(**row)
            await connection.execute(new.on_conflict_do_update(index_elements=["name"], set_=row))
            gone = sa.and_(claimed.c.organisation == organization.name, claimed.c.namespace.not_in(projects))
            await connection.execute(sa.delete(claimed).where(gone))
            if projects:
                rows = [{"namespace": namespace, "organisation": organization.name} for namespace in projects]
                await connection.execute(insert(claimed).on_conflict_do_nothing(), rows)

    async def remove(self, name: str, *, epoch: int) -> None:
        """Delete an Organization and its projects."""
        async with self._database.transaction() as connection:
            await fencing.fence(connection, epoch)
            await connection.execute(sa.delete(tables.organizations).where(tables.organizations.c.name == name))

    async def names(self) -> Sequence[str]:
        """Every Organization recorded."""
        async with self._database.transaction() as connection:
            return tuple((await connection.execute(sa.select(tables.organizations.c.name))).scalars())
