"""Which backend an artifact goes to, and every way to choose a wrong one."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from avouch import digests, errors
from avouch.controlplane.artifacts import backends, routing
from avouch.controlplane.model import artifacts, quotas

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def backend(name: str, *, usable: bool = True, kind: str = "s3", **spec: object) -> artifacts.BackendRecord:
    said = artifacts.BackendSpec.read({kind: {}, **spec})
    found = artifacts.BackendRecord(f"uid-{name}", "team", "ns", name, 3, said, checked_generation=3, writable=usable)
    return found if usable else artifacts.BackendRecord(
        f"uid-{name}", "team", "ns", name, 3, said, checked_generation=3, writable=False, message="AccessDenied"
    )  # fmt: skip


DEFAULT, FALLBACK = {"default": True}, {"fallback": True}


def chosen(*own: artifacts.BackendRecord, home: tuple[artifacts.BackendRecord, ...] = ()) -> str:
    return backends.choose(artifacts.Serving(own=own, home=home)).name


def test_a_namespace_that_declares_nothing_uses_the_installs_own_store():
    assert chosen() == "default"
    assert chosen(backend("spare")) == "default"


def test_the_default_comes_before_the_fallback():
    assert chosen(backend("b", **FALLBACK), backend("a", **DEFAULT)) == "a"


@pytest.mark.parametrize(("kind", "inline"), [("inline", True), ("s3", False)])
def test_a_chosen_backend_is_told_with_its_limit_and_whether_it_is_inline(kind: str, inline: bool) -> None:
    found = backends.choose(artifacts.Serving(own=(backend("a", kind=kind, maxBytes=400_000, **DEFAULT),)))
    assert found == artifacts.Destination("uid-a", "a", 400_000, inline=inline)


def test_the_fallback_stands_in_and_says_so():
    serving = artifacts.Serving(own=(backend("a", usable=False, **DEFAULT), backend("b", **FALLBACK)))
    found = backends.choose(serving)
    assert (found.name, found.fallback) == ("b", True)


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (backend("a", usable=False, **DEFAULT), "AccessDenied"),
        (backend("a", suspend=True, **DEFAULT), "suspended"),
        (
            artifacts.BackendRecord(
                "u",
                "team",
                "ns",
                "a",
                4,
                artifacts.BackendSpec.read({"s3": {}, **DEFAULT}),
                checked_generation=3,
                writable=True,
            ),
            "check",
        ),
        (backend("a", **DEFAULT).stopped_by("a and b both set spec.default: true"), "both set spec.default"),
    ],
)
def test_a_default_that_cannot_be_used_never_falls_through_to_a_store_nobody_chose(record, why):
    with pytest.raises(errors.Unavailable, match=why):
        backends.choose(artifacts.Serving(own=(record,), home=(backend("shared", **DEFAULT),)))


def test_the_home_namespace_serves_projects_without_their_own():
    home = (backend("shared", **DEFAULT),)
    assert chosen(home=home) == "shared"
    assert chosen(backend("own", **DEFAULT), home=home) == "own"
    with pytest.raises(errors.Unavailable, match="shared"):
        chosen(home=(backend("shared", usable=False, **DEFAULT),))


def test_two_defaults_are_both_stopped_and_neither_is_chosen():
    two = (backend("a", **DEFAULT), backend("b", **DEFAULT), backend("c", **FALLBACK))
    found = backends.problems(two)
    assert set(found) == {"uid-a", "uid-b"}
    assert found["uid-a"] == "a and b both set spec.default: true (fix: set spec.default to false in all but one)"
    assert chosen(*two) == "c"


def test_an_inline_backend_never_takes_more_than_chainloops_limit():
    assert backend("a", kind="inline").max_bytes == 500_000
    assert backend("a", kind="inline", maxBytes=10**9).max_bytes == 500_000
    assert backend("a").max_bytes == 100 * 1024 * 1024
    assert backend("a", maxBytes=10**9).max_bytes == 10**9


def test_what_artifacts_depend_on_is_checked_every_half_hour_and_the_rest_daily():
    ok, bad = artifacts.Probed(True, True), artifacts.Probed(True, False)
    assert backends.next_check(backend("a", **DEFAULT), ok, NOW) == NOW + timedelta(minutes=30)
    assert backends.next_check(backend("a"), ok, NOW) == NOW + timedelta(hours=24)
    assert backends.next_check(backend("a", **FALLBACK), bad, NOW) == NOW + timedelta(minutes=1)
    assert backends.next_check(backend("a"), bad, NOW) == NOW + timedelta(minutes=30)


class Memory:
    """A backend in memory that can go wrong."""

    held = 3

    def __init__(self, wrong: str = "") -> None:
        self.content: dict[digests.Digest, bytes] = {}
        self.wrong = wrong

    async def put(self, content, *, expected, limit):
        if self.wrong == "write":
            raise errors.Unavailable("AccessDenied")
        intake = digests.Intake(limit)
        found = bytearray()
        async for piece in content:
            intake.update(piece)
            found += piece
        self.content[intake.settle(expected)] = bytes(found)
        return expected, len(found)

    async def get(self, digest):
        if digest not in self.content:
            raise errors.NotFound("no")
        yield b"other" if self.wrong == "lie" else self.content[digest]

    async def has(self, digest):
        if self.wrong == "reach":
            raise errors.Unavailable("no route")
        return digest in self.content

    async def delete(self, digest):
        if self.wrong != "delete":
            self.content.pop(digest, None)

    async def sweep(self):
        return 0

    async def close(self):
        pass


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ("", (True, True)),
        ("reach", (False, False)),
        ("write", (True, False)),
        ("lie", (True, False)),
        ("delete", (True, False)),
    ],
)
async def test_a_check_passes_only_where_write_read_and_delete_really_work(wrong, found):
    probed = await backends.probe(Memory(wrong))
    assert (probed.reachable, probed.writable) == found
    assert bool(probed.message) == (wrong != "")


class Map:
    """Everything in one namespace's backend; keeps what it was told."""

    def __init__(self, serving: artifacts.Serving, *places: str, known: bool = False, sound: bool = False) -> None:
        self.found, self.told = serving, []
        self.places = artifacts.Places(places, known, sound)
        self.used: quotas.ArtifactUse | None = None

    async def serving(self, namespace):
        return self.found

    async def reserve(self, digest, owner, backend):
        self.told.append(("reserve", backend))
        return self.used

    async def record(self, digest, owner, backend, size):
        self.told.append(("record", backend, size))

    async def where(self, digest, namespace_uid=""):
        self.told.append(("where", digest, namespace_uid))
        return self.places

    async def damaged(self, digest, backend):
        self.told.append(("damaged", backend))

    async def use(self, digest, owner):
        self.told.append(("use", owner))
        return self.places.known


class Openers:
    def __init__(self, **backends: Memory) -> None:
        self.backends = backends

    async def open(self, uid):
        return self.backends[uid.replace("-", "_")]


async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


OWNER = artifacts.Owner("team", "ns")
X = digests.of_bytes(b"x")


async def test_content_is_recorded_only_after_it_arrived_whole():
    known = Map(artifacts.Serving(own=(backend("a", **DEFAULT),)))
    routed = routing.Routed(known, Openers(uid_a=Memory("write")))
    with pytest.raises(errors.Unavailable):
        await routed.put(pieces(b"x"), expected=digests.of_bytes(b"x"), limit=9, owner=OWNER)
    assert known.told == [("reserve", "uid-a")]
    routed = routing.Routed(known, Openers(uid_a=Memory()))
    assert await routed.put(pieces(b"x"), expected=X, limit=9, owner=OWNER) == (X, 1)
    assert known.told[1:] == [("reserve", "uid-a"), ("record", "uid-a", 1)]


async def test_a_file_that_is_too_big_names_the_backend_its_limit_and_the_field():
    small = backend("tiny", kind="inline", **DEFAULT)
    routed = routing.Routed(Map(artifacts.Serving(own=(small,))), Openers(uid_tiny=Memory()))
    content = b"x" * 500_001
    with pytest.raises(errors.TooLarge) as refused:
        await routed.put(pieces(content), expected=digests.of_bytes(content), limit=10**9, owner=OWNER)
    assert "too big for the backend tiny: it has more than 500000 bytes" in str(refused.value)
    assert refused.value.field == "spec.maxBytes"


async def test_content_without_an_owner_goes_to_the_installs_own_store():
    own = Memory()
    routed = routing.Routed(Map(artifacts.Serving()), Openers(default=own))
    await routed.put(pieces(b"x"), expected=None, limit=9)
    assert await routed.has(digests.of_bytes(b"x"))
    assert b"".join([piece async for piece in routed.get(digests.of_bytes(b"x"))]) == b"x"


@pytest.mark.parametrize(
    ("size", "limit", "room", "refusal"),
    [
        (3, 3, 3, None),
        (4, 9, 3, errors.Denied),  # the quota is smaller
        (4, 3, 9, errors.TooLarge),  # what the caller allows is
        (4, 3, 3, errors.TooLarge),
        (4, 9, None, None),  # without a quota of bytes
        (1, 9, 0, errors.Denied),
    ],
)
async def test_an_upload_ends_at_the_smaller_of_its_limit_and_the_room_of_its_namespace(size, limit, room, refusal):
    known, own = Map(artifacts.Serving()), Memory()
    known.used = quotas.ArtifactUse(count=1, bytes=100, most_count=0, most_bytes=0 if room is None else 100 + room)
    routed, content = routing.Routed(known, Openers(default=own)), b"x" * size
    putting = routed.put(pieces(content), expected=digests.of_bytes(content), limit=limit, owner=OWNER)
    if refusal is None:
        assert await putting == (digests.of_bytes(content), size)
    else:
        with pytest.raises(errors.AvouchError) as refused:
            await putting
        assert type(refused.value) is refusal
    assert bool(own.content) is (refusal is None)
    assert known.told[1:] == ([("record", "default", size)] if refusal is None else [])


class Held:
    """Counts what uploads hold, and what they ever held."""

    def __init__(self, most: int) -> None:
        self.held, self.peak, self.most, self.owners = 0, 0, most, []

    def take(self, size):
        if self.held + size > self.most:
            raise errors.Overloaded("too much")
        self.held += size
        self.peak = max(self.peak, self.held)

    @contextlib.contextmanager
    def reservation(self, owner):
        self.owners.append(owner)
        yield self
        self.held = 0


async def test_an_upload_counts_what_its_backend_keeps_in_memory_and_no_more():
    memory = Held(3)
    routed = routing.Routed(Map(artifacts.Serving()), Openers(default=Memory()), memory=memory)
    content = b"x" * 100
    await routed.put(pieces(*([b"x"] * 100)), expected=digests.of_bytes(content), limit=100, owner=OWNER)
    assert (memory.peak, memory.held, memory.owners) == (3, 0, ["ns"])


async def test_an_upload_that_finds_no_memory_is_told_to_come_again():
    own, memory = Memory(), Held(2)
    routed = routing.Routed(Map(artifacts.Serving()), Openers(default=own), memory=memory)
    with pytest.raises(errors.Overloaded):
        await routed.put(pieces(b"x", b"yz"), expected=digests.of_bytes(b"xyz"), limit=9, owner=OWNER)
    assert not await own.has(digests.of_bytes(b"xyz"))


class Copy(Memory):
    """A copy that is there, away, damaged (at once, or in its second piece) or not there."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    async def get(self, digest):
        if self.how == "none":
            raise errors.NotFound("no")
        if self.how == "away":
            raise errors.Unavailable("no route")
        if self.how == "damaged":
            raise errors.Corrupt("other bytes")
        yield b"x"
        if self.how == "damaged late":
            raise errors.Corrupt("other bytes")


def lying(**copies: str) -> tuple[routing.Routed, Map]:
    """An artifact of which copies lie in these backends."""
    known = Map(artifacts.Serving(), *copies, known=True, sound=True)
    return routing.Routed(known, Openers(**{uid: Copy(how) for uid, how in copies.items()})), known


READS = {
    "the first copy": ({"a": "there", "b": "away"}, None, []),
    "the next copy where one is gone": ({"a": "none", "b": "there"}, None, ["a"]),
    "the next copy where one is away": ({"a": "away", "b": "there"}, None, []),
    "the next copy where one is damaged": ({"a": "damaged", "b": "there"}, None, ["a"]),
    "nothing where all are gone": ({"a": "none", "b": "none"}, errors.NotFound, ["a", "b"]),
    "nothing now where one is away": ({"a": "none", "b": "away", "c": "none"}, errors.Unavailable, ["a", "c"]),
    "nothing where all are damaged": ({"a": "damaged", "b": "damaged"}, errors.Corrupt, ["a", "b"]),
    "nothing now where one that is away may be sound": ({"a": "away", "b": "damaged"}, errors.Unavailable, ["b"]),
    "nothing now where one after a damaged one is away": ({"a": "damaged", "b": "away"}, errors.Unavailable, ["a"]),
}


@pytest.mark.parametrize(("copies", "failure", "damaged"), READS.values(), ids=READS)
async def test_a_read_gives(copies, failure, damaged):
    routed, known = lying(**copies)
    if failure is None:
        assert [piece async for piece in routed.get(X, namespace_uid="ns")] == [b"x"]
    else:
        with pytest.raises(failure):
            await anext(routed.get(X, namespace_uid="ns"))
    assert known.told == [("where", X, "ns"), *(("damaged", uid) for uid in damaged)]


async def test_a_copy_that_is_found_damaged_halfway_is_an_error_and_the_map_learns_of_it():
    routed, known = lying(a="damaged late", b="there")
    with pytest.raises(errors.Corrupt):
        assert [piece async for piece in routed.get(X)]
    assert known.told[-1] == ("damaged", "a")


@pytest.mark.parametrize(("how", "told"), [("damaged", [("damaged", "default")]), ("none", [])])
async def test_of_what_was_stored_before_there_was_a_map_it_learns_of_damage_alone(how, told):
    known = Map(artifacts.Serving())
    with pytest.raises((errors.Corrupt, errors.NotFound)):
        await anext(routing.Routed(known, Openers(default=Copy(how))).get(X))
    assert known.told[1:] == told


async def test_what_the_map_knows_to_lie_nowhere_is_not_looked_for_in_the_installs_own_store():
    own = Memory()
    own.content[X] = b"x"
    routed = routing.Routed(Map(artifacts.Serving(), known=True), Openers(default=own))
    with pytest.raises(errors.NotFound, match=f"no content {X}"):
        await anext(routed.get(X))


async def test_an_empty_artifact_is_read_as_one():
    own = Memory()
    empty = digests.of_bytes(b"")
    own.content[empty] = b""
    routed = routing.Routed(Map(artifacts.Serving()), Openers(default=own))
    assert b"".join([piece async for piece in routed.get(empty)]) == b""

    class Nothing(Memory):
        async def get(self, digest):
            for piece in ():
                yield piece

    assert [piece async for piece in routing.Routed(Map(artifacts.Serving()), Openers(default=Nothing())).get(X)] == []


@pytest.mark.parametrize("sound", [True, False])
async def test_what_the_map_knows_is_stored_where_a_sound_copy_lies(sound):
    own = Memory()
    own.content[X] = b"x"  # by its word alone
    known = Map(artifacts.Serving(), "a", known=True, sound=sound)
    routed = routing.Routed(known, Openers(default=own))
    assert await routed.has(X, namespace_uid="ns") is sound
    assert await routed.use(X, OWNER) is True
    assert known.told == [("where", X, "ns"), ("use", OWNER)]


class Atomic(Memory):
    """A backend that lies where the map lies."""

    async def keep(self, content, *, expected, limit, owner):
        self.owner = owner
        return await self.put(content, expected=expected, limit=limit)


async def test_a_backend_that_lies_where_the_map_lies_keeps_artifact_and_place_at_once():
    known, both = Map(artifacts.Serving()), Atomic()
    routed = routing.Routed(known, Openers(default=both))
    assert await routed.put(pieces(b"x"), expected=X, limit=9, owner=OWNER) == (X, 1)
    assert (known.told, both.owner) == ([], OWNER)


async def test_content_of_an_owner_needs_a_digest():
    with pytest.raises(errors.Invalid) as refused:
        await routing.Routed(Map(artifacts.Serving()), Openers()).put(pieces(b"x"), expected=None, limit=9, owner=OWNER)
    assert refused.value.field == "digest"


@pytest.mark.parametrize("limit", [499_999, 500_000, 500_001])
async def test_what_is_too_big_for_the_caller_is_not_said_to_be_too_big_for_the_backend(limit):
    small = backend("tiny", kind="inline", **DEFAULT)
    routed = routing.Routed(Map(artifacts.Serving(own=(small,))), Openers(uid_tiny=Memory()))
    content = b"x" * 500_002
    with pytest.raises(errors.TooLarge) as refused:
        await routed.put(pieces(content), expected=digests.of_bytes(content), limit=limit, owner=OWNER)
    assert ("CASBackend" in str(refused.value) or "backend tiny" in str(refused.value)) is (limit >= 500_000)


@pytest.mark.parametrize(
    ("destination", "field", "fix"),
    [
        (artifacts.Destination(artifacts.BUILT_IN, "default", 9), "artifacts.backend", "apply a CASBackend"),
        (artifacts.Destination("uid", "tiny", 9, inline=True), "spec.maxBytes", "use a backend of another kind"),
        (artifacts.Destination("uid", "big", 9), "spec.maxBytes", "raise spec.maxBytes of CASBackend big"),
    ],
)  # fmt: skip
def test_what_is_too_big_names_what_helps(destination, field, fix):
    refused = backends.too_big(destination)
    assert (refused.field, refused.fix) == (field, f"send less, or {fix}")
    assert f"too big for the backend {destination.name}: it has more than 9 bytes" in str(refused)


@pytest.mark.parametrize("role", ["default", "fallback"])
def test_a_role_that_two_claim_is_a_problem_of_both_and_of_nobody_else(role):
    a, b, other = backend("a", **{role: True}), backend("b", **{role: True}), backend("c")
    found = backends.problems([b, other, a])
    assert set(found) == {a.uid, b.uid}
    assert (
        found[a.uid]
        == found[b.uid]
        == (f"a and b both set spec.{role}: true (fix: set spec.{role} to false in all but one)")
    )
    assert backends.problems([a, other]) == {}
