"""For detection's question whether a text names an image, from where nothing else is asynchronous: the command line."""

import asyncio

from avouch import errors
from avouch.materials import images
from avouch.oci import references
from avouch.registry import lookup


class Images:
    """Looks images up, and keeps what it found: a detected image is not asked for twice."""

    def __init__(self, access: lookup.Access) -> None:
        self._access = access
        self._found: dict[str, images.Image] = {}

    def image(self, value: str) -> images.Image:
        """As `lookup.image`.

        Raises:
            As `lookup.image`.
        """
        if value not in self._found:
            self._found[value] = asyncio.run(lookup.image(value, self._access))
        return self._found[value]

    def chart(self, value: str) -> images.Image:
        """As `lookup.chart`.

        Raises:
            As `lookup.chart`.
        """
        return asyncio.run(lookup.chart(value, self._access))

    def resolves(self, text: str) -> bool:
        """Whether a text names an image: the callback of `materials.detection.value`.

        Raises:
            Unavailable: a text that names its registry, which cannot be asked now or does not let us in: guessing
                would change its type. A bare word, which most texts are, is then a word: Docker Hub does not say
                whether there is nothing, or nothing for us.
        """
        try:
            self.image(text)
        except (errors.Invalid, errors.NotFound):
            return False
        except (errors.Unavailable, errors.Denied, errors.Corrupt) as exc:
            if references.parse(text).registry == references.DOCKER_HUB:
                return False
            raise errors.Unavailable(f"{exc}; name the material's type, and nobody is asked for it") from exc
        return True
