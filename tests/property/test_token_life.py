"""API tokens through any life: edits, crashes, time, deletions, and one thing that holds throughout."""

import asyncio
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from avouch import errors
from avouch.controlplane.intake import tokens as token_rules
from tests.unit.reconcilers.test_apitokens import KEY, Stage, apitokens

SPECS = st.fixed_dictionaries(
    {},
    optional={
        "rotate": st.sampled_from(["", "a", "b"]),
        "revoked": st.booleans(),
        "suspend": st.booleans(),
        "lifetime": st.sampled_from(["1h", "5h", "48h"]),
        "inactiveAfter": st.sampled_from(["24h", "72h"]),
        "rotation": st.fixed_dictionaries(
            {}, optional={"every": st.sampled_from(["1h", "6h"]), "overlap": st.sampled_from(["0s", "2h"])}
        ),
    },
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("look"), SPECS),
        st.tuples(st.just("crash before"), SPECS),
        st.tuples(st.just("crash after"), SPECS),
        st.tuples(st.just("away"), SPECS),
        st.tuples(st.just("wait"), st.integers(1, 60)),
        st.tuples(st.just("use"), st.none()),
        st.tuples(st.just("delete"), st.none()),
    ),
    max_size=25,
)


class Life:
    """One object and every text that ever lay in its Secret."""

    def __init__(self) -> None:
        self.stage, self.known, self.dead, self.uid = Stage(), list[str](), set[str](), 0

    async def step(self, what: str, detail: Any) -> None:
        stage, secrets = self.stage, self.stage.secrets
        stage.at += timedelta(seconds=1)
        match what:
            case "wait":
                stage.at += timedelta(hours=detail)
            case "use":
                for text in self.known:
                    if stage.good(text):
                        await stage.memory.used(token_rules.parse(text), stage.at)
            case "delete":
                await apitokens.remove(stage.context, KEY, None)
                assert not any(map(stage.good, self.known))
                self.uid += 1
                secrets.written.clear()
            case _:
                secrets.fail = {"crash before": asyncio.CancelledError(), "away": errors.Unavailable("away")}.get(what)
                secrets.die = asyncio.CancelledError() if what == "crash after" else None
                await self.look(detail)
        self.remember()

    async def look(self, spec: dict[str, Any]) -> None:
        try:
            await self.stage.look(uid=str(self.uid), **spec)
        except (errors.Unavailable, asyncio.CancelledError):
            return
        finally:
            self.remember()
        good = [text for text in self.known if self.stage.good(text)]
        if spec.get("revoked"):
            assert good == []
        elif good and not spec.get("suspend"):
            assert self.stage.text() in good  # what the Secret holds is never older than what works

    def remember(self) -> None:
        written = self.stage.secrets.written
        if written and self.stage.text() not in self.known:
            self.known.append(self.stage.text())
        for text in self.known:
            assert not (text in self.dead and self.stage.good(text)), "a token came back to life"
        self.dead |= {text for text in self.known if not self.stage.good(text)}


@given(STEPS)
@settings(max_examples=150, deadline=None)
def test_no_token_ever_comes_back_and_none_outlives_its_revocation(steps: list[tuple[str, Any]]) -> None:
    async def live() -> None:
        life = Life()
        for what, detail in steps:
            await life.step(what, detail)
        assert len({token_rules.parse(text) for text in life.known}) == len(life.known)

    asyncio.run(live())
