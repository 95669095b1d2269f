"""English phenomena: each draws a right sentence and the same sentence with one mistake."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Draw = Callable[[Random], tuple[str, str]]

NOUNS = ("teacher", "doctor", "student", "farmer", "driver", "singer", "lawyer", "child", "woman", "man", "guest")
PLURALS = {"child": "children", "woman": "women", "man": "men"}
MEN, WOMEN = ("John", "Peter", "the king", "my uncle", "the boy"), ("Mary", "Susan", "the queen", "my aunt", "the girl")
NEAR = ("near the", "behind the", "next to the", "in front of the")
THINGS = ("car", "table", "window", "house", "garden", "tree", "bridge", "river")
ADVERBS = ("often", "always", "usually", "sometimes", "never")
VERBS = (  # base, third person, past, participle, -ing
    ("walk", "walks", "walked", "walked", "walking"),
    ("sing", "sings", "sang", "sung", "singing"),
    ("write", "writes", "wrote", "written", "writing"),
    ("speak", "speaks", "spoke", "spoken", "speaking"),
    ("drive", "drives", "drove", "driven", "driving"),
    ("eat", "eats", "ate", "eaten", "eating"),
    ("swim", "swims", "swam", "swum", "swimming"),
    ("begin", "begins", "began", "begun", "beginning"),
    ("sleep", "sleeps", "slept", "slept", "sleeping"),
    ("work", "works", "worked", "worked", "working"),
)
COLOURS = ("red", "blue", "green", "white", "black")
TIMES = ("in the morning", "every day", "at night", "on Sundays", "after dinner", "in the summer")
UNEVEN = tuple(verb for verb in VERBS if verb[2] != verb[3])  # past and participle differ


def plural(noun: str) -> str:
    return PLURALS.get(noun, f"{noun}s")


def agreement(rng: Random) -> tuple[str, str]:
    """The teacher walks / walk."""
    noun, verb, time = rng.choice(NOUNS), rng.choice(VERBS), rng.choice(TIMES)
    if rng.random() < 0.5:
        return f"The {noun} {verb[1]} {time}.", f"The {noun} {verb[0]} {time}."
    return f"The {plural(noun)} {verb[0]} {time}.", f"The {plural(noun)} {verb[1]} {time}."


def agreement_across(rng: Random) -> tuple[str, str]:
    """The teacher near the cars is / are: another noun stands between."""
    noun, other, place = rng.choice(NOUNS), rng.choice(THINGS), rng.choice(NEAR)
    state = rng.choice(("very old", "tired today", "waiting outside", "always late"))
    if rng.random() < 0.5:
        start = f"The {noun} {place} {plural(other)}"
        return f"{start} is {state}.", f"{start} are {state}."
    start = f"The {plural(noun)} {place} {other}"
    return f"{start} are {state}.", f"{start} is {state}."


def determiner(rng: Random) -> tuple[str, str]:
    """This teacher / teachers."""
    noun, time = rng.choice((*NOUNS, *THINGS)), rng.choice(("yesterday", "last week", "an hour ago", "in town"))
    word = rng.choice(("this", "that", "these", "those", "many", "every", "each", "several"))
    forms = (plural(noun), noun) if word in ("these", "those", "many", "several") else (noun, plural(noun))
    right, wrong = (f"I saw {word} {form} {time}." for form in forms)
    return right, wrong


def reflexive(rng: Random) -> tuple[str, str]:
    """John hurt himself / herself."""
    verb = rng.choice(("hurt", "helped", "saw", "blamed", "introduced", "taught", "asked"))
    end = rng.choice(("", " yesterday", " again", " in the mirror", " last night"))
    is_man = rng.random() < 0.5
    who = rng.choice(MEN if is_man else WOMEN)
    forms = ("himself", "herself") if is_man else ("herself", "himself")
    right, wrong = (f"{who[0].upper()}{who[1:]} {verb} {form}{end}." for form in forms)
    return right, wrong


def participle(rng: Random) -> tuple[str, str]:
    """has written / wrote."""
    noun, verb = rng.choice(NOUNS), rng.choice(UNEVEN)
    end = rng.choice((" again", " for hours", " all day", " alone", " a little"))
    if rng.random() < 0.5:
        return f"The {noun} has {verb[3]}{end}.", f"The {noun} has {verb[2]}{end}."
    return f"Yesterday the {noun} {verb[2]}{end}.", f"Yesterday the {noun} {verb[3]}{end}."


def pronoun_case(rng: Random) -> tuple[str, str]:
    """She likes him / he."""
    subject, objects = rng.choice(("She", "He", "They", "We")), (("him", "he"), ("her", "she"), ("them", "they"))
    right, wrong = rng.choice((*objects, ("us", "we"), ("me", "I")))
    verb, end = rng.choice(("met", "called", "helped", "saw", "asked")), rng.choice((" yesterday", " again", ""))
    return f"{subject} {verb} {right}{end}.", f"{subject} {verb} {wrong}{end}."


def article(rng: Random) -> tuple[str, str]:
    """an apple / a apple."""
    vowel, rest = ("apple", "egg", "orange", "umbrella", "old hat", "onion"), ("book", "pen", "cup", "dog", "red hat")
    is_vowel = rng.random() < 0.5
    thing = rng.choice(vowel if is_vowel else rest)
    start = f"{rng.choice(('She', 'He', 'Tom', 'My aunt'))} {rng.choice(('bought', 'saw', 'found', 'wanted'))}"
    forms = ("an", "a") if is_vowel else ("a", "an")
    right, wrong = (f"{start} {form} {thing}." for form in forms)
    return right, wrong


def auxiliary(rng: Random) -> tuple[str, str]:
    """will walk / walked: the form behind an auxiliary."""
    noun, verb, time = rng.choice(NOUNS), rng.choice(VERBS), rng.choice(TIMES)
    word, right, wrong = rng.choice(
        (("will", 0, 1), ("can", 0, 1), ("does not", 0, 1), ("did not", 0, 2), ("is", 4, 0), ("must", 0, 4))
    )
    return f"The {noun} {word} {verb[right]} {time}.", f"The {noun} {word} {verb[wrong]} {time}."


def adverb_order(rng: Random) -> tuple[str, str]:
    """She always eats / eats always bread."""
    who, adverb = rng.choice(("She", "He", "My father", "Mary", "The boy")), rng.choice(ADVERBS)
    verb, thing = rng.choice((("drinks", "tea"), ("reads", "books"), ("eats", "rice"), ("plays", "chess")))
    return f"{who} {adverb} {verb} {thing}.", f"{who} {verb} {adverb} {thing}."


def question_order(rng: Random) -> tuple[str, str]:
    """Where did she go / Where she did go."""
    word, who = rng.choice(("Where", "When", "Why", "How")), rng.choice(("she", "he", "they", "your friend", "the man"))
    verb, auxiliary_ = rng.choice(VERBS)[0], rng.choice(("did", "can", "will", "should"))
    return f"{word} {auxiliary_} {who} {verb}?", f"{word} {who} {auxiliary_} {verb}?"


def adjective_order(rng: Random) -> tuple[str, str]:
    """a big red car / a red big car."""
    size, colour = rng.choice(("big", "small", "large", "little")), rng.choice(COLOURS)
    thing, start = rng.choice(THINGS), rng.choice(("There was", "I remember", "They have"))
    return f"{start} a {size} {colour} {thing}.", f"{start} a {colour} {size} {thing}."


def comparison(rng: Random) -> tuple[str, str]:
    """taller than / as."""
    word = rng.choice(("older", "taller", "faster", "younger", "stronger", "richer"))
    who, other = rng.choice((*MEN, *WOMEN)), rng.choice(("me", "you", "his friend", "the teacher", "anyone here"))
    start = f"{who[0].upper()}{who[1:]} is {word}"
    return f"{start} than {other}.", f"{start} as {other}."


ENGLISH: dict[str, Draw] = {
    draw.__name__: draw
    for draw in (
        agreement,
        agreement_across,
        determiner,
        reflexive,
        participle,
        pronoun_case,
        article,
        auxiliary,
        adverb_order,
        question_order,
        adjective_order,
        comparison,
    )
}
