"""Conversation without functions: greetings, thanks, business questions, small talk."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import attrs

from ._extract import find_name, left_over
from ._persona import Domain, Persona, recall
from ._schema import Kind, Parameter
from ._spoken import label
from ._text import STOP_WORDS, Utterance, is_question, listed, phrases, sentence, word_set
from ._tools import Tool


@attrs.frozen(kw_only=True, eq=False)
class Setting:
    """What an answer may depend on besides what was said."""

    persona: Persona
    tools: tuple[Tool, ...]
    rng: random.Random
    previous: str = ""
    """What the agent said last."""

    caller: str = ""
    """The caller's name, where known."""

    def pick(self, replies: Sequence[str]) -> str:
        """Choose a reply, another than the last one where there is a choice."""
        fresh = [reply for reply in replies if reply != self.previous] or list(replies)
        return self.rng.choice(fresh)


Predicate = Callable[[Utterance, Setting], bool]
Reply = Callable[[Utterance, Setting], str]


@attrs.frozen(eq=False)
class Intent:
    """Something people say, and the answers to it."""

    name: str
    matches: Predicate
    reply: Reply


def _says(words: str) -> Predicate:
    wanted = phrases(words)

    def matches(said: Utterance, setting: Setting) -> bool:
        del setting
        return said.has(*wanted)

    return matches


def _only(words: str, longest: int) -> Predicate:
    """Match phrases in a short turn; in a long one they are an aside."""
    wanted = phrases(words)

    def matches(said: Utterance, setting: Setting) -> bool:
        del setting
        return len(said.tokens) <= longest and said.has(*wanted)

    return matches


def _one_of(*replies: str) -> Reply:
    def reply(said: Utterance, setting: Setting) -> str:
        del said
        return setting.pick(replies)

    return reply


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


def _in(domain: Domain, predicate: Predicate) -> Predicate:
    def matches(said: Utterance, setting: Setting) -> bool:
        return setting.persona.domain is domain and predicate(said, setting)

    return matches


def _at_work(predicate: Predicate) -> Predicate:
    """Match only where the agent answers for a business."""

    def matches(said: Utterance, setting: Setting) -> bool:
        return _working(setting) and predicate(said, setting)

    return matches


def _working(setting: Setting) -> bool:
    return setting.persona.domain is not Domain.GENERAL or bool(setting.persona.business)


_UNKNOWN = "I do not have that in front of me, but a colleague can tell you. Is there anything else?"

SOCIAL: tuple[Intent, ...] = (
    Intent(
        "emergency",
        _in(
            Domain.CLINIC, _says("emergency, chest pain, can not breathe, heart attack, stroke, unconscious")
        ),
        _one_of("If this is an emergency, please hang up now and call your local emergency number."),
    ),
    Intent(
        "repeat",
        _only(
            "repeat that, repeat, say that again, say it again, pardon, what did you say, come again, "
            "did not hear, did not catch, did not get that, what was that, one more time, sorry what",
            12,
        ),
        _repeat,
    ),
    Intent(
        "goodbye",
        _only(
            "goodbye, good bye, bye, bye bye, see you, see you later, that is all, that is it, that will be all, "
            "nothing else, have a good day, have a nice day, have a good one, talk to you later, hang up, "
            "no that is everything, that is everything, i am done, i have to go, gotta go, take care, good night",
            10,
        ),
        _goodbye,
    ),
    Intent(
        "well",
        _only("i am good, i am fine, i am well, i am great, good thanks, fine thanks, very well thanks", 8),
        _one_of("I am glad to hear that. What can I do for you?", "Wonderful. So, how can I help?"),
    ),
    Intent(
        "dropped",
        _only("never mind, nevermind, forget it, forget about it", 5),
        _one_of("No problem. What else can I do for you?", "All right. Is there anything else?"),
    ),
    Intent(
        "thanks",
        _only("thank you, thanks, cheers, much appreciated, appreciate it", 8),
        _one_of(
            "You are very welcome. Is there anything else I can do for you?",
            "My pleasure. Can I help you with anything else?",
            "Glad to help. Is there anything else?",
        ),
    ),
    Intent(
        "presence",
        _only(
            "are you there, can you hear me, are you still there, anybody there, hello hello, anyone there", 8
        ),
        _one_of("Yes, I am here. How can I help you?", "I can hear you. Go ahead, please."),
    ),
    Intent(
        "wait",
        _only(
            "one moment, hold on, just a second, a second please, wait, give me a second, one second, hang on",
            8,
        ),
        _one_of("Take your time.", "Of course, I will wait."),
    ),
    Intent(
        "who",
        _says(
            "who are you, who is this, your name, who am i speaking, who am i talking, are you a robot, "
            "are you human, are you a human, are you real, are you a real person, are you a bot, are you a computer, "
            "are you an ai, are you a person, what are you, are you a machine, am i talking to a person, about yourself"
        ),
        _introduce,
    ),
    Intent(
        "how are you",
        _only(
            "how are you, how is it going, how are things, how do you do, how have you been, how is your day",
            12,
        ),
        _one_of(
            "I am doing very well, thank you. How are you?",
            "Very well, thanks for asking. What can I do for you?",
        ),
    ),
    Intent(
        "help",
        _only(
            "what can you do, help me, need help, need some help, can you help, what do you do, how does this work",
            9,
        ),
        _help,
    ),
    Intent(
        "human",
        _says(
            "a human, real person, a representative, the manager, a manager, an operator, speak to someone, "
            "talk to someone, speak to a person, talk to a person, a colleague, a real human"
        ),
        _human,
    ),
    Intent("name", _gives_name, _nice_to_meet),
)
"""What is answered before anything the agent was told is looked at."""

BUSINESS: tuple[Intent, ...] = (
    Intent(
        "cancel",
        _at_work(_says("cancel, reschedule, change my appointment, move my appointment")),
        _one_of("I can take care of that. May I have your name, and the day it is about?"),
    ),
    Intent(
        "insurance",
        _at_work(_says("insurance, insured, insurer, medicare, coverage, covered")),
        _one_of(
            "We work with most insurance companies. Please bring your card, and we will check it for you."
        ),
    ),
    Intent(
        "results",
        _in(
            Domain.CLINIC,
            _says("test result, test results, results, prescription, refill, medicine, medication"),
        ),
        _one_of("A nurse will call you back about that today. May I have your name and date of birth?"),
    ),
    Intent(
        "symptoms",
        _in(
            Domain.CLINIC,
            _says(
                "toothache, headache, fever, cough, hurts, hurt, pain, sick, ill, rash, sore throat, flu, injury, "
                "not feeling well, feel unwell, a cold"
            ),
        ),
        _one_of(
            "I am sorry to hear that. Shall I book an appointment for you?",
            "Oh dear, I am sorry. Would you like to come in and have it looked at?",
        ),
    ),
    Intent(
        "complaint",
        _says(
            "complaint, complain, unhappy, terrible, awful, angry, disappointed, unacceptable, not happy, "
            "wrong order, ridiculous, rude, not good enough, fed up, still waiting"
        ),
        _one_of(
            "I am very sorry about that. Can you tell me what happened, so that I can pass it on?",
            "I am sorry to hear that, and I understand. What can I do to put it right?",
        ),
    ),
    Intent(
        "menu",
        _in(
            Domain.PIZZA,
            _says("menu, toppings, what do you have, what have you got, what kinds, options, recommend"),
        ),
        _one_of(
            "We have small, medium and large pizzas, with toppings such as pepperoni, ham, mushrooms and olives. "
            "What would you like?"
        ),
    ),
    Intent(
        "delivery time",
        _in(Domain.PIZZA, _says("how long, when will it, delivery time, how soon")),
        _one_of("It usually takes about thirty minutes."),
    ),
    Intent(
        "price",
        _at_work(_says("how much, price, prices, cost, costs, fee, charge, expensive")),
        _one_of(_UNKNOWN),
    ),
    Intent(
        "address",
        _at_work(_says("address, where are you, located, location, directions, parking")),
        _one_of(_UNKNOWN),
    ),
    Intent(
        "hours",
        _at_work(_says("opening hours, are you open, when do you open, when do you close, open on, hours")),
        _one_of(_UNKNOWN),
    ),
)
"""What callers ask a business; answered in general where the instructions say nothing."""

SMALL_TALK: tuple[Intent, ...] = (
    Intent(
        "joke",
        _says("joke, something funny, make me laugh"),
        _one_of(
            "Why did the scarecrow win a prize? Because he was outstanding in his field.",
            "I told my computer a joke about the cloud, but it went over its head.",
        ),
    ),
    Intent(
        "weather",
        _says("weather, raining, rain, sunny, snow, snowing, hot today, cold today"),
        _one_of(
            "I never get to see the sky from here. What is it like where you are?",
            "I hope it is pleasant outside. Do you like this kind of weather?",
        ),
    ),
    Intent(
        "weekend",
        _says("weekend, holiday, holidays, vacation, trip, travel, travelling"),
        _one_of(
            "That sounds lovely. Are you going anywhere nice?", "Good for you. What did you enjoy the most?"
        ),
    ),
    Intent(
        "compliment",
        _says(
            "you are great, you are nice, you are funny, you are smart, you are amazing, you are awesome, "
            "you are sweet, you are helpful, good job, well done, love you, like you, you are cool"
        ),
        _one_of("That is kind of you, thank you.", "You are making me blush. Thank you."),
    ),
    Intent(
        "insult",
        _says("stupid, idiot, useless, shut up, dumb, hate you"),
        _one_of("I am sorry that I let you down. I will do my best if you try me again."),
    ),
    Intent(
        "bored",
        _says("bored, boring, lonely, nothing to do"),
        _one_of(
            "Then I am glad you called. Shall I tell you a joke, or would you rather tell me about your day?"
        ),
    ),
    Intent(
        "tired",
        _says(
            "tired, exhausted, long day, stressed, bad day, rough day, sad, down today, not great, not so good"
        ),
        _one_of(
            "I am sorry to hear that. Do you want to tell me about it?",
            "That sounds hard. I hope it gets better.",
        ),
    ),
    Intent(
        "happy",
        _says(
            "i am good, i am fine, i am well, i am great, good thanks, fine thanks, doing well, happy, great day, "
            "good day, pretty good, not bad, very well"
        ),
        _one_of("I am glad to hear that. What can I do for you?", "Wonderful. So, how can I help?"),
    ),
    Intent(
        "favourite",
        _says("your favorite, your favourite, do you like, do you enjoy, what do you like"),
        _one_of(
            "I like a good conversation best. What about you?",
            "Hard to choose, I enjoy so many things. And you?",
        ),
    ),
    Intent(
        "origin",
        _says(
            "where are you from, where do you live, how old are you, when were you born, do you sleep, do you eat"
        ),
        _one_of(
            "I live inside a telephone line, so I have neither an age nor a town. Where are you calling from?"
        ),
    ),
    Intent(
        "music",
        _says("music, song, songs, sing, band, concert, guitar, piano"),
        _one_of("I love hearing about music. What have you been listening to?"),
    ),
    Intent(
        "sports",
        _says("football, soccer, basketball, tennis, baseball, the game, the match, team"),
        _one_of("I have to follow it by ear, but I do like a close match. Who do you support?"),
    ),
    Intent(
        "films",
        _says("movie, movies, film, films, series, tv show, netflix, book, books, reading"),
        _one_of("I am always looking for a good story. What would you recommend?"),
    ),
    Intent(
        "pets",
        _says("dog, dogs, cat, cats, puppy, kitten, pet, pets"),
        _one_of("How nice. What is its name?", "Animals are the best company. Tell me more."),
    ),
    Intent(
        "family",
        _says(
            "my wife, my husband, my son, my daughter, my kids, my children, my mother, my father, my family"
        ),
        _one_of("Family matters most. How are they?", "That is lovely. Tell me more about them."),
    ),
    Intent(
        "food",
        _says("food, hungry, dinner, lunch, breakfast, cook, cooking, pizza, coffee, tea"),
        _one_of("Now you are making me hungry. What do you like best?"),
    ),
    Intent(
        "work",
        _says("my job, my work, my boss, office, new job, at work, i work"),
        _one_of("What do you do for a living?", "How is it going there?"),
    ),
    Intent(
        "time",
        _only("what time is it, what is the time, what day is it, what is the date", 8),
        _one_of("I do not have a clock in front of me, I am afraid."),
    ),
    Intent(
        "meaning",
        _says(
            "meaning of life, are you happy, do you dream, do you think, do you have feelings, are you alive"
        ),
        _one_of("That is a deep question for a telephone. What do you think?"),
    ),
)


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
    asked_at_work = _working(setting) and is_question(said)
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
    if not _working(setting):
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
