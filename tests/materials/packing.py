"""Archives with the same bytes each time they are made (with one zlib)."""

import gzip
import io
import tarfile
import zipfile

DATE = (2026, 1, 1, 0, 0, 0)


def zipped(**files: bytes) -> bytes:
    return zip_of(*files.items())


def zip_of(*files: tuple[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name, DATE), content, zipfile.ZIP_DEFLATED, 9)
    return made.getvalue()


def tar_of(*files: tuple[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


def tgz_of(*files: tuple[str, bytes]) -> bytes:
    return gzip.compress(tar_of(*files), 9, mtime=0)


def link_tgz(name: str, target: str) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo(name)
        member.type = tarfile.SYMTYPE
        member.linkname = target
        archive.addfile(member)
    return gzip.compress(made.getvalue(), 9, mtime=0)
