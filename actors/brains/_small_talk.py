"""Small talk."""

from __future__ import annotations

from ._intent import Intent, one_of, only, says

SMALL_TALK: tuple[Intent, ...] = (
    Intent(
        "joke",
        says("joke, something funny, make me laugh"),
        one_of(
            "Why did the scarecrow win a prize? Because he was outstanding in his field.",
            "I told my computer a joke about the cloud, but it went over its head.",
        ),
    ),
    Intent(
        "weather",
        says("weather, raining, rain, sunny, snow, snowing, hot today, cold today"),
        one_of(
            "I never get to see the sky from here. What is it like where you are?",
            "I hope it is pleasant outside. Do you like this kind of weather?",
        ),
    ),
    Intent(
        "weekend",
        says("weekend, holiday, holidays, vacation, trip, travel, travelling"),
        one_of(
            "That sounds lovely. Are you going anywhere nice?", "Good for you. What did you enjoy the most?"
        ),
    ),
    Intent(
        "compliment",
        says(
            "you are great, you are nice, you are funny, you are smart, you are amazing, you are awesome, "
            "you are sweet, you are helpful, good job, well done, love you, like you, you are cool"
        ),
        one_of("That is kind of you, thank you.", "You are making me blush. Thank you."),
    ),
    Intent(
        "insult",
        says("stupid, idiot, useless, shut up, dumb, hate you"),
        one_of("I am sorry that I let you down. I will do my best if you try me again."),
    ),
    Intent(
        "bored",
        says("bored, boring, lonely, nothing to do"),
        one_of(
            "Then I am glad you called. Shall I tell you a joke, or would you rather tell me about your day?"
        ),
    ),
    Intent(
        "tired",
        says(
            "tired, exhausted, long day, stressed, bad day, rough day, sad, down today, not great, not so good"
        ),
        one_of(
            "I am sorry to hear that. Do you want to tell me about it?",
            "That sounds hard. I hope it gets better.",
        ),
    ),
    Intent(
        "happy",
        says(
            "i am good, i am fine, i am well, i am great, good thanks, fine thanks, doing well, happy, great day, "
            "good day, pretty good, not bad, very well"
        ),
        one_of("I am glad to hear that. What can I do for you?", "Wonderful. So, how can I help?"),
    ),
    Intent(
        "favourite",
        says("your favorite, your favourite, do you like, do you enjoy, what do you like"),
        one_of(
            "I like a good conversation best. What about you?",
            "Hard to choose, I enjoy so many things. And you?",
        ),
    ),
    Intent(
        "origin",
        says(
            "where are you from, where do you live, how old are you, when were you born, do you sleep, do you eat"
        ),
        one_of(
            "I live inside a telephone line, so I have neither an age nor a town. Where are you calling from?"
        ),
    ),
    Intent(
        "music",
        says("music, song, songs, sing, band, concert, guitar, piano"),
        one_of("I love hearing about music. What have you been listening to?"),
    ),
    Intent(
        "sports",
        says("football, soccer, basketball, tennis, baseball, the game, the match, team"),
        one_of("I have to follow it by ear, but I do like a close match. Who do you support?"),
    ),
    Intent(
        "films",
        says("movie, movies, film, films, series, tv show, netflix, book, books, reading"),
        one_of("I am always looking for a good story. What would you recommend?"),
    ),
    Intent(
        "pets",
        says("dog, dogs, cat, cats, puppy, kitten, pet, pets"),
        one_of("How nice. What is its name?", "Animals are the best company. Tell me more."),
    ),
    Intent(
        "family",
        says(
            "my wife, my husband, my son, my daughter, my kids, my children, my mother, my father, my family"
        ),
        one_of("Family matters most. How are they?", "That is lovely. Tell me more about them."),
    ),
    Intent(
        "food",
        says("food, hungry, dinner, lunch, breakfast, cook, cooking, pizza, coffee, tea"),
        one_of("Now you are making me hungry. What do you like best?"),
    ),
    Intent(
        "work",
        says("my job, my work, my boss, office, new job, at work, i work"),
        one_of("What do you do for a living?", "How is it going there?"),
    ),
    Intent(
        "time",
        only("what time is it, what is the time, what day is it, what is the date", 8),
        one_of("I do not have a clock in front of me, I am afraid."),
    ),
    Intent(
        "meaning",
        says(
            "meaning of life, are you happy, do you dream, do you think, do you have feelings, are you alive"
        ),
        one_of("That is a deep question for a telephone. What do you think?"),
    ),
)
