"""What lies at a URL."""

from avouch import downloads


def build(url: str, limit: int) -> bytes:
    """The bytes at a URL."""
    return downloads.download(url, limit)
