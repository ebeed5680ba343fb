"""A confined process reads every document as it is read without confinement."""

from avouch.controlplane.model import artifacts
from avouch.materials import validation
from avouch.reading import pool
from tests.materials import table


async def test_every_document_is_read_as_it_is_read_here():
    """What a reader imports or opens only when it meets a certain document, it cannot when it is confined."""
    files = [file for folder in sorted(table.FOLDER.iterdir()) if folder.is_dir() for file in sorted(folder.iterdir())]
    assert len(files) > 300
    readers = pool.Readers()
    for file in files:
        content, allowance = file.read_bytes(), artifacts.Allowance()
        found = await readers.read(file.parent.name, content, namespace_uid="shop", allowance=allowance)
        assert found == validation.read(file.parent.name, content), file
    await readers.close()
