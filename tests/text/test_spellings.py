from owngpt.text.spellings import Spellings

WORDS = [b"", b"r", b"re", b"ret", b"return", b"res", b" re", b"s", b"re"]


def fitting(text: bytes) -> list[bytes]:
    spellings = Spellings((word, i) for i, word in enumerate(WORDS))
    return sorted(WORDS[i] for i in spellings.fitting(text))


def test_parts_of_the_text_and_what_goes_on_from_it() -> None:
    assert fitting(b"ret") == [b"r", b"re", b"re", b"ret", b"return"]


def test_what_is_not_in_the_vocabulary_has_nothing() -> None:
    assert fitting(b"x") == []


def test_a_single_byte_fits_every_longer_token() -> None:
    assert fitting(b" ") == [b" re"]
