"""Updates of a running session: what its settings are afterwards, and which updates are refused."""

import attrs
import pytest
from hypothesis import given, settings as hypothesis_settings, strategies as st

from callboard.protocols import LocalWireError, RemoteWireError, deepgram as dg
from tests.protocols.deepgram_kit import instances


def settings_of(**agent: object) -> dg.Settings:
    return dg.parse_settings({"audio": {}, "agent": agent})


def agent_of(settings: dg.Settings) -> dg.Agent:
    assert isinstance(settings.agent, dg.Agent)
    return settings.agent


def think(prompt: str | None = None, *, model: str = "m") -> dg.ThinkEntry:
    return dg.ThinkEntry(provider=dg.ThinkProvider(type="open_ai", model=model), prompt=prompt)


def voice(model: str, version: str | None = None) -> dg.SpeakEntry:
    return dg.SpeakEntry(provider=dg.SpeakProvider(type="deepgram", version=version, model=model))


def listen(**fields: object) -> dg.Listen:
    wire = {"audio": {}, "agent": {"listen": {"provider": fields}}}
    found = agent_of(dg.parse_settings(wire)).listen
    assert found is not None
    return found


UPDATES: tuple[dg.Update, ...] = (
    dg.UpdatePrompt(prompt="Be brief."),
    dg.UpdateThink(think=think("New.")),
    dg.UpdateSpeak(speak=voice("flux-kit-en", "v2")),
    dg.UpdateListen(listen=listen(version="v2", model="flux-general-en")),
    dg.UpdateThinkLive(think_live=dg.ThinkLive(provider=dg.ThinkLiveProvider())),
)


def test_every_update_has_its_acknowledgement() -> None:
    assert set(dg.ACKNOWLEDGEMENTS) == {type(update) for update in UPDATES}
    names = {update.__name__: answer.__name__ for update, answer in dg.ACKNOWLEDGEMENTS.items()}
    assert all(answer == f"{name.removeprefix('Update')}Updated" for name, answer in names.items())
    assert set(dg.ACKNOWLEDGEMENTS.values()) <= set(dg.SERVER_MESSAGES)


@pytest.mark.parametrize("update", UPDATES, ids=lambda given: type(given).__name__)
def test_stored_agent_cannot_be_merged_with(update: dg.Update) -> None:
    stored = dg.Settings(audio=dg.Audio(), agent="0c9d8a52-77b1-4c0e-9d5e-1f2a3b4c5d6e")
    with pytest.raises(LocalWireError, match=f"{type(update).__name__} cannot be merged"):
        dg.apply_update(stored, update)


def test_prompt_is_added_to_each_model_of_a_chain() -> None:
    update = dg.UpdatePrompt(prompt="The caller is a member.")
    one = dg.apply_update(dg.Settings(audio=dg.Audio(), agent=dg.Agent(think=think("Hello."))), update)
    assert agent_of(one).think == think("Hello.\nThe caller is a member.")
    chain = (think("Hello."), think(model="n"))
    both = dg.apply_update(dg.Settings(audio=dg.Audio(), agent=dg.Agent(think=chain)), update)
    assert agent_of(both).think == (
        think("Hello.\nThe caller is a member."),
        think("The caller is a member.", model="n"),
    )
    assert dg.apply_update(settings_of(), update) == settings_of()


def test_think_and_speak_are_replaced_whole() -> None:
    functions = (dg.Function(name="f"),)
    before = dg.Settings(
        audio=dg.Audio(),
        agent=dg.Agent(
            think=(attrs.evolve(think("Old."), functions=functions), think()),
            speak=voice("a"),
            greeting="Hi.",
        ),
    )
    after = dg.apply_update(before, dg.UpdateThink(think=think("New.")))
    assert agent_of(after) == dg.Agent(think=think("New."), speak=voice("a"), greeting="Hi.")
    assert agent_of(after).functions == ()
    after = dg.apply_update(after, dg.UpdateSpeak(speak=(voice("b"), voice("c"))))
    assert agent_of(after).speak == (voice("b"), voice("c"))
    live = dg.ThinkLive(provider=dg.ThinkLiveProvider(presence_check_max_count=1))
    assert agent_of(dg.apply_update(after, dg.UpdateThinkLive(think_live=live))).think_live == live


# --- speech recognition: partial updates

FLUX = listen(
    version="v2",
    model="flux-general-multi",
    keyterms=["Wroxham"],
    language_hints=["en"],
    eot_threshold=0.8,
    eager_eot_threshold=0.4,
    eot_timeout_ms=3000,
    tuning=1,
)
NOVA = listen(model="nova-3", language="en-GB", smart_format=True, keyterms=["Wroxham"])


def test_what_an_update_of_flux_leaves_out_stays_but_for_hints() -> None:
    after = dg.merge_listen(FLUX, listen(eot_threshold=0.6, spelling="British"))
    provider = attrs.evolve(
        FLUX.provider, eot_threshold=0.6, language_hints=None, extra={"tuning": 1, "spelling": "British"}
    )
    assert after == dg.Listen(provider=provider)
    hinted = dg.merge_listen(FLUX, listen(language_hints=["fr"], keyterms=[]))
    assert (hinted.provider.language_hints, hinted.provider.keyterms) == (("fr",), ())


def test_model_may_change_within_flux() -> None:
    after = dg.merge_listen(FLUX, listen(version="v2", model="flux-general-en"))
    assert after.provider == attrs.evolve(FLUX.provider, model="flux-general-en", language_hints=None)


def test_key_terms_of_nova_do_not_change() -> None:
    after = dg.merge_listen(NOVA, listen(keyterms=["Horning"], language="multi"))
    assert after.provider == attrs.evolve(NOVA.provider, language="multi")


def test_switch_keeps_nothing_the_other_one_lacks() -> None:
    to_flux = dg.merge_listen(NOVA, listen(version="v2", model="flux-general-en"))
    assert to_flux == listen(version="v2", model="flux-general-en", keyterms=["Wroxham"])
    to_nova = dg.merge_listen(FLUX, listen(version="v1", model="nova-3", keyterms=["Horning"]))
    assert to_nova == listen(version="v1", model="nova-3", keyterms=["Horning"])
    for merged in (to_flux, to_nova):
        dg.check_settings(dg.Settings(audio=dg.Audio(), agent=dg.Agent(listen=merged)))


def test_update_of_nothing_is_all_there_is() -> None:
    assert dg.merge_listen(None, FLUX) == FLUX
    after = dg.apply_update(settings_of(), dg.UpdateListen(listen=NOVA))
    assert agent_of(after).listen == NOVA


# --- updates a server refuses

BASE = dg.Settings(
    audio=dg.Audio(output=dg.AudioOutput(encoding="mp3")), agent=dg.Agent(listen=FLUX), mip_opt_out=True
)


@pytest.mark.parametrize(
    ("update", "path", "code"),
    [
        (dg.UpdateThink(think=()), "think", "INVALID_SETTINGS"),
        (
            dg.UpdateThink(think=(think(), think(model="think-fast"))),
            "think[1].provider.model",
            "INVALID_SETTINGS",
        ),
        (
            dg.UpdateThink(
                think=attrs.evolve(think(), functions=(dg.Function(name="f", initial_agent_filler=True),))
            ),
            "think.functions[0].initial_agent_filler",
            "INVALID_SETTINGS",
        ),
        (dg.UpdateThink(think=attrs.evolve(think(), extra={"x": 1})), "think.x", "UNPARSABLE_CLIENT_MESSAGE"),
        (dg.UpdateSpeak(speak=(voice("aura-2-thalia-en"), voice(""))), "", ""),
        (dg.UpdateSpeak(speak=voice("aura-2-thalia-en", "v2")), "speak.provider.model", "INVALID_SETTINGS"),
        # The format stays that of the session, which a Flux voice does not have.
        (dg.UpdateSpeak(speak=voice("flux-kit-en", "v2")), "audio.output.encoding", "INVALID_SETTINGS"),
        (
            dg.UpdateListen(listen=listen(eot_threshold=0.1)),
            "listen.provider.eot_threshold",
            "INVALID_SETTINGS",
        ),
        (
            dg.UpdateListen(listen=listen(language="en")),
            "listen.provider.language",
            "UNPARSABLE_CLIENT_MESSAGE",
        ),
        (dg.UpdateListen(listen=listen(eot_timeout_ms=600)), "", ""),
        (UPDATES[-1], "think_live", "UNPARSABLE_CLIENT_MESSAGE"),
        (dg.UpdatePrompt(prompt="x"), "", ""),
    ],
)
def test_updates_are_checked_against_the_settings(update: dg.Update, path: str, code: str) -> None:
    if not code:
        dg.check_update(update, BASE)
        return
    with pytest.raises(RemoteWireError) as caught:
        dg.check_update(update, BASE)
    assert isinstance(caught.value.reply, dg.ErrorMessage)
    assert (caught.value.path, caught.value.reply.code) == (path, code)


def test_open_fields_and_early_access_of_updates() -> None:
    dg.check_update(dg.UpdateThink(think=attrs.evolve(think(), extra={"x": 1})), BASE, open_fields=True)
    dg.check_update(UPDATES[-1], BASE, early_access=True)
    live = dg.apply_update(BASE, UPDATES[-1])
    filler = attrs.evolve(think(), functions=(dg.Function(name="f", initial_agent_filler=True),))
    dg.check_update(dg.UpdateThink(think=filler), live)


@given(instances(dg.UpdateListen), instances(dg.UpdateListen))
def test_merged_recognition_can_be_written_and_merged_again(
    first: dg.UpdateListen, second: dg.UpdateListen
) -> None:
    merged = dg.merge_listen(first.listen, second.listen)
    assert merged.provider.language_hints == second.listen.provider.language_hints
    settings = dg.Settings(audio=dg.Audio(), agent=dg.Agent(listen=merged))
    assert dg.parse_settings(dg.settings_to_wire(settings)) == settings
    assert dg.merge_listen(merged, second.listen) == merged


@hypothesis_settings(max_examples=50)
@given(instances(dg.Settings), st.one_of([instances(kind) for kind in dg.ACKNOWLEDGEMENTS]))
def test_any_update_of_any_settings_is_applied_or_refused(settings: dg.Settings, update: dg.Update) -> None:
    for open_fields in (False, True):
        try:
            dg.check_update(update, settings, open_fields=open_fields)
        except RemoteWireError as error:
            reply = error.reply
            assert isinstance(reply, dg.ErrorMessage)
            assert dg.is_permanent_error(reply.code)
    try:
        after = dg.apply_update(settings, update)
    except LocalWireError:
        assert isinstance(settings.agent, str)
        return
    assert dg.parse_settings(dg.settings_to_wire(after)) == after
