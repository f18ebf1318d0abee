"""Regular expressions; of each row, Go's `regexp` was asked, too."""

import pytest

from canary_operator.domain.re2 import RegexError, check_regex

GOOD = (
    *("a", "a|b", "|", "", "()", "(|a)", "a||b", "^$", "^*", ".*?", "a+?b??", "(a*)*", "a{2,}?"),
    *(
        "a{1000}",
        "(a{10}){100}",
        "(a{0}){1000}",
        "a{,5}",
        "a{x",
        "{",
        "x{",
        "a{1",
        "a{1,2",
        "}",
        "]",
    ),
    *("(?:a)", "(?i)a", "(?i:a)", "(?im-sU:a)", "(?-i)a", "(?P<name>a)", "(?P<a>x)(?P<b>y)"),
    *("[a-z]", "[^a]", "[]a]", "[^]a]", "[a-]", "[-a]", "[a-b-c]", "[[:alpha:]]", "[[:^digit:]x]"),
    *(r"[\d\S\pL]", r"[\]\-\\]", r"[\x41-\x{5A}]", "[(?*+{]", "[[a]", r"[\n-\r]", "[[:]"),
    *(r"\d\D\s\S\w\W", r"\Aa\z", r"\bab\B", r"\pN\PL\p{Greek}\p{^Lu}", r"\x7F\x{FF}"),
    *(
        r"\0",
        r"\012",
        r"\12",
        r"\.\*\/\_\-\"",
        r"\Q(((\E?",
        r"\Qa",
        r"\a\f\t\n\r\v",
    ),
    *(r"^(.*?;)?\s*(company=acme)(;.*)?$", r"v[0-9]+\.[0-9]+", "x" * 1024),
)


@pytest.mark.parametrize("text", GOOD)
def test_what_re2_reads(text: str) -> None:
    check_regex(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("(?=a)", "at character 1: RE2 cannot look around: (?="),
        ("a(?!b)", "at character 2: RE2 cannot look around: (?!"),
        ("(?<=a)b", "at character 1: RE2 cannot look around: (?<="),
        ("(?<!a)b", "at character 1: RE2 cannot look around: (?<!"),
        (r"(a)\1", r"at character 4: RE2 cannot refer back: \1"),
        (r"\8", r"at character 1: RE2 cannot refer back: \8"),
        ("(?P=a)", "at character 1: RE2 knows no such group"),
        ("(?<a>b)", "at character 1: RE2 knows no such group"),
        ("(?>a)", "at character 1: RE2 knows no such group"),
        ("(?#a)", "at character 1: RE2 knows no such group"),
        ("(?x)a", "at character 1: RE2 knows no such group"),
        ("(?)", "at character 1: RE2 knows no such group"),
        ("(?P<a b>c)", "at character 1: RE2 knows no such group"),
        ("(?(1)a|b)", "at character 1: RE2 knows no such group"),
        ("(?P<a>b)(?P<a>c)", "at character 9: the name a is there twice"),
        ("a++", "at character 3: what is repeated is repeated again: +"),
        ("a**", "at character 3: what is repeated is repeated again: *"),
        ("a*?+", "at character 4: what is repeated is repeated again: +"),
        ("a{2}{3}", "at character 5: what is repeated is repeated again: {"),
        ("a{1001}", "at character 2: {1001} is no count"),
        ("a{2,1}", "at character 2: {2,1} is no count"),
        ("(a{10}){101}", "at character 1: it is repeated more than 1000 times"),
        ("*", "at character 1: nothing is there to repeat: *"),
        ("a|*b", "at character 3: nothing is there to repeat: *"),
        ("(+a)", "at character 2: nothing is there to repeat: +"),
        ("(?i)*", "at character 5: nothing is there to repeat: *"),
        (r"\Q\E+", "at character 5: nothing is there to repeat: +"),
        (r"\p{Old_Italic}", r"at character 1: RE2 cannot read: \p"),
        ("{2}", "at character 1: nothing is there to repeat: {"),
        ("(a", "at character 1: there is no ) for this ("),
        ("a(b(c)", "at character 2: there is no ) for this ("),
        ("a)", "at character 2: there is no ( for this )"),
        ("[a", "at character 1: there is no ] for this ["),
        ("[]", "at character 1: there is no ] for this ["),
        ("[^]", "at character 1: there is no ] for this ["),
        ("[z-a]", "at character 2: the range ends before it begins"),
        ("[a--]", "at character 2: the range ends before it begins"),
        (r"[a-\d]", r"at character 4: RE2 cannot read: \d"),
        (r"[\b]", r"at character 2: RE2 cannot read: \b"),
        ("[[:vowel:]]", "at character 2: RE2 knows no class [:vowel:]"),
        ("[[:Alpha:]]", "at character 2: RE2 knows no such class"),
        (r"\Z", r"at character 1: RE2 cannot read: \Z"),
        (r"\C", r"at character 1: RE2 cannot read: \C"),
        (r"\E", r"at character 1: RE2 cannot read: \E"),
        (r"\G", r"at character 1: RE2 cannot read: \G"),
        (r"\h", r"at character 1: RE2 cannot read: \h"),
        ("é+", "at character 1: Envoy looks at bytes, so only ASCII can be matched: é"),
        ("[a-ü]", "at character 4: Envoy looks at bytes, so only ASCII can be matched: ü"),
        (r"\x{100}", r"at character 1: there is no such character: \x{100}"),
        (r"[\pL\pN\pS]{1000}", "it is too large: Istio's proxies take 32768 steps"),
        (r"\pL{1000}\pN{1000}", "it is too large: Istio's proxies take 32768 steps"),
        (r"\u0041", r"at character 1: RE2 cannot read: \u"),
        (r"\N{DASH}", r"at character 1: RE2 cannot read: \N"),
        (r"\pX", r"at character 1: RE2 cannot read: \p"),
        (r"\x4", r"at character 1: RE2 cannot read: \x"),
        (r"\x{110000}", r"at character 1: there is no such character: \x{110000}"),
        ("a\\", "at character 2: RE2 cannot read: \\"),
        ("x" * 1025, "it has more than 1024 bytes"),
        ("é" * 513, "it has more than 1024 bytes"),
    ],
)
def test_what_re2_does_not_read(text: str, why: str) -> None:
    with pytest.raises(RegexError) as caught:
        check_regex(text)
    assert str(caught.value).startswith(why)
