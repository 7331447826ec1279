"""Conversation without functions: greetings, thanks, business questions, small talk."""

from __future__ import annotations

from collections.abc import Sequence

from ._business import BUSINESS
from ._free_text import left_over
from ._intent import Intent, Setting, in_domain, one_of, only, says, working
from ._names import find_name
from ._persona import Domain, Persona, recall
from ._schema import Kind, Parameter
from ._small_talk import SMALL_TALK
from ._spoken import label
from ._text import STOP_WORDS, Utterance, is_question, listed, phrases, sentence, word_set


def greeting(setting: Setting) -> str:
    """Return what the agent says first."""
    persona = setting.persona
    if persona.greeting:
        return sentence(persona.greeting)
    offer = {
        Domain.PIZZA: "What can I get you today?",
        Domain.CLINIC: "How can I help you?",
        Domain.GENERAL: setting.pick(("How can I help you today?", "What can I do for you?")),
    }[persona.domain]
    return f"{sentence(f'Hello, {_who(persona)}' if _who(persona) else 'Hello')} {offer}"


def _who(persona: Persona) -> str:
    if persona.agent and persona.business:
        return f"this is {persona.agent} at {persona.business}"
    if persona.agent or persona.business:
        return f"this is {persona.agent or persona.business}"
    return ""


def _introduce(said: Utterance, setting: Setting) -> str:
    persona = setting.persona
    name = f"I am {persona.agent}" if persona.agent else "I am"
    role = persona.role or "assistant"
    at = f" at {persona.business}" if persona.business else ""
    what = (
        f", the {role}{at}" if persona.agent else f" the {role}{at}" if at else f" a voice {role.split()[-1]}"
    )
    honest = " I am a computer, but a friendly one." if said.has(*_MACHINE) else ""
    return f"{sentence(name + what)}{honest} How can I help you?"


_MACHINE = phrases("robot, human, real person, bot, computer, machine, an ai, a person, artificial")


def _help(said: Utterance, setting: Setting) -> str:
    del said
    names = [label(tool.name) for tool in setting.tools[:4]]
    if names:
        return f"I can help you with {listed(names, 'or')}. What would you like?"
    return {
        Domain.PIZZA: "I can take your pizza order, for delivery or pick up. What would you like?",
        Domain.CLINIC: "I can book an appointment for you or answer questions. What would you like?",
        Domain.GENERAL: "You can ask me things, or just talk to me. What is on your mind?",
    }[setting.persona.domain]


def _repeat(said: Utterance, setting: Setting) -> str:
    del said
    if not setting.previous:
        return "I have not said anything yet. How can I help you?"
    body = setting.previous.removeprefix("Of course. ").removeprefix("I said: ")
    return f"Of course. {body}"


def _goodbye(said: Utterance, setting: Setting) -> str:
    name = f", {setting.caller}" if setting.caller else ""
    thanks = "You are welcome. " if said.has("thanks", "thank you") else ""
    return thanks + setting.pick(
        (f"Goodbye{name}, and have a lovely day.", f"Thank you for calling{name}. Goodbye.")
    )


def _nice_to_meet(said: Utterance, setting: Setting) -> str:
    name = _own_name(said)
    return setting.pick(
        (f"Nice to meet you, {name}. How can I help?", f"Hello {name}. What can I do for you?")
    )


_CALLER = Parameter(name="name", kind=Kind.NAME, words=("name",))


def _own_name(said: Utterance) -> str:
    span = find_name(said, _CALLER, frozenset(), asked=False)
    return span.text if span is not None and said.has("name is", "i am", "this is", "call me") else ""


def _gives_name(said: Utterance, setting: Setting) -> bool:
    del setting
    return bool(_own_name(said)) and len(said.tokens) <= 9


def _human(said: Utterance, setting: Setting) -> str:
    del said
    where = f" at {setting.persona.business}" if setting.persona.business else ""
    return f"I understand. I will ask a colleague{where} to call you back. May I have your name and number?"


SOCIAL: tuple[Intent, ...] = (
    Intent(
        "emergency",
        in_domain(
            Domain.CLINIC, says("emergency, chest pain, can not breathe, heart attack, stroke, unconscious")
        ),
        one_of("If this is an emergency, please hang up now and call your local emergency number."),
    ),
    Intent(
        "repeat",
        only(
            "repeat that, repeat, say that again, say it again, pardon, what did you say, come again, "
            "did not hear, did not catch, did not get that, what was that, one more time, sorry what",
            12,
        ),
        _repeat,
    ),
    Intent(
        "goodbye",
        only(
            "goodbye, good bye, bye, bye bye, see you, see you later, that is all, that is it, that will be all, "
            "nothing else, have a good day, have a nice day, have a good one, talk to you later, hang up, "
            "no that is everything, that is everything, i am done, i have to go, gotta go, take care, good night",
            10,
        ),
        _goodbye,
    ),
    Intent(
        "well",
        only("i am good, i am fine, i am well, i am great, good thanks, fine thanks, very well thanks", 8),
        one_of("I am glad to hear that. What can I do for you?", "Wonderful. So, how can I help?"),
    ),
    Intent(
        "dropped",
        only("never mind, nevermind, forget it, forget about it", 5),
        one_of("No problem. What else can I do for you?", "All right. Is there anything else?"),
    ),
    Intent(
        "thanks",
        only("thank you, thanks, cheers, much appreciated, appreciate it", 8),
        one_of(
            "You are very welcome. Is there anything else I can do for you?",
            "My pleasure. Can I help you with anything else?",
            "Glad to help. Is there anything else?",
        ),
    ),
    Intent(
        "presence",
        only(
            "are you there, can you hear me, are you still there, anybody there, hello hello, anyone there", 8
        ),
        one_of("Yes, I am here. How can I help you?", "I can hear you. Go ahead, please."),
    ),
    Intent(
        "wait",
        only(
            "one moment, hold on, just a second, a second please, wait, give me a second, one second, hang on",
            8,
        ),
        one_of("Take your time.", "Of course, I will wait."),
    ),
    Intent(
        "who",
        says(
            "who are you, who is this, your name, who am i speaking, who am i talking, are you a robot, "
            "are you human, are you a human, are you real, are you a real person, are you a bot, are you a computer, "
            "are you an ai, are you a person, what are you, are you a machine, am i talking to a person, about yourself"
        ),
        _introduce,
    ),
    Intent(
        "how are you",
        only(
            "how are you, how is it going, how are things, how do you do, how have you been, how is your day",
            12,
        ),
        one_of(
            "I am doing very well, thank you. How are you?",
            "Very well, thanks for asking. What can I do for you?",
        ),
    ),
    Intent(
        "help",
        only(
            "what can you do, help me, need help, need some help, can you help, what do you do, how does this work",
            9,
        ),
        _help,
    ),
    Intent(
        "human",
        says(
            "a human, real person, a representative, the manager, a manager, an operator, speak to someone, "
            "talk to someone, speak to a person, talk to a person, a colleague, a real human"
        ),
        _human,
    ),
    Intent("name", _gives_name, _nice_to_meet),
)
"""What is answered before anything the agent was told is looked at."""


def social(said: Utterance, setting: Setting) -> str:
    """Answer a social turn; "" where it is none."""
    return _first(SOCIAL, said, setting)


def _first(intents: Sequence[Intent], said: Utterance, setting: Setting) -> str:
    for intent in intents:
        if intent.matches(said, setting):
            return intent.reply(said, setting)
    return ""


_GREETINGS = phrases(
    "hello, hi, hey, good morning, good afternoon, good evening, greetings, hello there, hi there, hey "
    "there, howdy"
)

_ASIDES = frozenset(("thanks", "thank", "hello", "hi", "hey", "please", "so", "um", "uh", "good", "morning"))

_AFTER = {"thanks": "You are welcome.", "thank you": "You are welcome."}


def converse(said: Utterance, setting: Setting) -> str:
    """Answer a turn that no function is for; always says something."""
    reply = social(said, setting)
    if not reply:
        reply = recall(setting.persona, said)
        opening = next((text for phrase, text in _AFTER.items() if said.has(phrase)), "") if reply else ""
        reply = f"{opening} {reply}".strip()
    return (
        reply
        or _first(_topics(said, setting), said, setting)
        or _short(said, setting)
        or fallback(said, setting)
    )


def answers_question(said: Utterance, setting: Setting) -> str:
    """Answer a question put in between; "" where the agent has nothing to say to it."""
    return (
        social(said, setting)
        or recall(setting.persona, said)
        or _first(_topics(said, setting), said, setting)
    )


# "Can I bring my dog?" is no small talk where the agent answers for a business.
_PERSONAL = word_set("weather weekend music sports films pets family food work")


def _topics(said: Utterance, setting: Setting) -> list[Intent]:
    asked_at_work = working(setting) and is_question(said)
    small = [intent for intent in SMALL_TALK if not (asked_at_work and intent.name in _PERSONAL)]
    return [*BUSINESS, *small]


def _short(said: Utterance, setting: Setting) -> str:
    """Answer a greeting, a yes, a no or a noise."""
    if said.has(*_GREETINGS) and all(token.norm in STOP_WORDS | _ASIDES | _DAYTIMES for token in said.tokens):
        if setting.previous:
            return setting.pick(("Hello. How can I help you?", "Hi there. What can I do for you?"))
        return greeting(setting)
    if not said.content or len(said.tokens) <= 2:
        if said.has("no", "nope", "no thanks", "no thank you", "not really"):
            return setting.pick(
                ("All right. Is there anything else?", "No problem. Just tell me if you need anything.")
            )
        if said.has("yes", "yeah", "yep", "sure", "okay", "ok", "right", "of course", "please"):
            return setting.pick(("Great. What can I do for you?", "Good. Please go on."))
    if not said.tokens:
        return setting.pick(("I am sorry, I did not catch that.", "Sorry, could you say that again?"))
    return ""


_DAYTIMES = word_set("morning afternoon evening there")

_SWAPS = {
    "my": "your",
    "i": "you",
    "me": "you",
    "mine": "yours",
    "your": "my",
    "myself": "yourself",
    "am": "are",
}


def reflected(said: Utterance) -> str:
    """Return what was talked about, from the agent's side: "my car" becomes "your car"."""
    span = left_over(said, frozenset(), frozenset())
    if span is None:
        return ""
    start = span.start
    if start > 0 and said.norms[start - 1] in ("my", "your", "the", "a", "an"):
        start -= 1
    words = said.slice(start, min(span.end, start + 7)).split()
    return " ".join(_SWAPS.get(word.lower(), word) for word in words).strip(" ,.;:!?")


def fallback(said: Utterance, setting: Setting) -> str:
    """Answer what the rules do not know, showing what was heard."""
    topic = reflected(said)
    if not topic:
        return setting.pick(
            (
                "I am sorry, could you say that another way?",
                "I did not quite get that. Could you tell me more?",
            )
        )
    if not working(setting):
        if is_question(said):
            return setting.pick(
                (
                    f"I do not know much about {topic}, I am afraid. What do you think?",
                    f"Good question, {topic}. I would have to guess. What is your view?",
                )
            )
        return setting.pick(
            (
                f"Tell me more about {topic}.",
                f"Interesting, {topic}. How did that come about?",
                f"I see, {topic}. What do you make of it?",
            )
        )
    return setting.pick(
        (
            f"About {topic}: I am not sure, but I can take a note for a colleague. Is there anything else?",
            f"You said {topic}. I cannot help with that myself, but I can pass it on. What else can I do for you?",
            f"I heard {topic}. Could you tell me a little more, so that I can help?",
        )
    )
