"""Files that are cut, changed or made to do harm: words, never a traceback, never a wider policy, never much time."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowslit.imports import powershell_json, powershell_text, register, smtp_values, xml_tree
from arrowslit.imports.clixml import read_clixml
from arrowslit.imports.imported import Imported, ImportFailedError, Source
from arrowslit.imports.powershell_json import read_json
from arrowslit.imports.powershell_text import read_csv, read_format_list
from arrowslit.imports.things import Nested, ThingsError
from arrowslit.imports.xml_tree import XmlError, parse_xml
from tests.imports.as_policy import decision, policy_of
from tests.imports.exchange_samples import DOMAINS, FORMS, ROWS, THREE
from tests.imports.loading import policy_from
from tests.imports.test_inbound_connectors import LOCK, as_clixml, as_json, as_list
from tests.imports.test_smtp_service import FORMS as SMTP

EXCHANGE = {form: [write(each) for each in (THREE, ROWS, DOMAINS)] for form, write in FORMS.items()}
ONLINE = {"json": as_json([LOCK]), "clixml": as_clixml([LOCK]), "list": as_list([LOCK])}
SAMPLES = [
    *(("exchange", texts) for texts in EXCHANGE.values()),
    *(("exchange-online", [text]) for text in ONLINE.values()),
    *(("smtp-service", [text]) for text in SMTP.values()),
]
CLIENTS = ["192.0.2.1", "192.0.2.40", "192.0.2.200", "198.51.100.1", "198.51.100.7", "203.0.113.1", "2001:db8::1"]


def attempt(kind: str, texts: list[str]) -> Imported | None:
    try:
        return register.kind_of(kind).read([Source(f"{n}.txt", text) for n, text in enumerate(texts)])
    except ImportFailedError as error:
        assert str(error).isprintable() or "\n" not in str(error)
        return None


def may(found: Imported) -> set[tuple[str, str, bool]]:
    """Who may what, in TLS and without; accepted domains as well as the world."""
    policy = policy_of(found)
    to = ["a@example.org", "a@x.shared.example", "a@elsewhere.test"]
    return {
        (one, each, tls)
        for one in CLIENTS
        for each in to
        for tls in (True, False)
        if decision(policy, one, each, tls=tls).permitted
    }


WHOLE = [may(found) for kind, texts in SAMPLES if (found := attempt(kind, texts)) is not None]


def test_the_samples_are_read() -> None:
    assert len(WHOLE) == len(SAMPLES)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(range(len(SAMPLES))), st.data())
def test_a_file_that_is_cut_is_refused_or_lets_in_no_more(which: int, data: st.DataObject) -> None:
    kind, texts = SAMPLES[which]
    at = data.draw(st.integers(0, len(texts[0]) - 1))
    cut = texts[0][:at]
    found = attempt(kind, [cut, *texts[1:]])
    if found is None or not found.servers:
        return
    # Nothing shows that lines are missing between two objects; then the import says that it can't tell.
    untold = any("whether its end is missing" in one.because for one in found.doubts)
    assert may(found) <= WHOLE[which] or untold, cut[-80:]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(SAMPLES), st.data())
def test_a_file_that_is_changed_raises_nothing_else(sample: tuple[str, list[str]], data: st.DataObject) -> None:
    kind, texts = sample
    text = texts[0]
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        length = data.draw(st.integers(0, 12))
        text = text[:at] + data.draw(st.text(max_size=6)) + text[at + length :]
        text = text or "x"
    found = attempt(kind, [text, *texts[1:]])
    for each in register.kinds():
        each.recognise(text)
    if found is not None:
        policy_from(found)


@given(st.text(max_size=300), st.sampled_from(["exchange", "exchange-online", "smtp-service"]))
def test_any_text_raises_nothing_else(text: str, kind: str) -> None:
    attempt(kind, [text])
    attempt(kind, [f'{{"RemoteIPRanges": {json.dumps(text)}, "RelayIpList": {json.dumps(text)}}}'])


# XML.


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY a "aa"><!ENTITY b "&a;&a;&a;">]><a>&b;</a>',
        '<!DOCTYPE a SYSTEM "http://192.0.2.1/x.dtd"><a/>',
        '<!DOCTYPE a [<!ENTITY % x SYSTEM "file:///etc/passwd">%x;]><a/>',
        "<!DOCTYPE a><a/>",
    ],
)
def test_a_document_type_is_refused(text: str) -> None:
    with pytest.raises(XmlError, match="document type"):
        parse_xml(text)


def test_an_entity_that_nobody_declared_is_refused() -> None:
    with pytest.raises(XmlError, match="undefined entity"):
        parse_xml("<a>&b;</a>")


def test_depth_number_and_length_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(XmlError, match="nested deeper than 64"):
        parse_xml("<a>" * 65 + "</a>" * 65)
    assert parse_xml("<a>" * 64 + "</a>" * 64).name == "a"
    monkeypatch.setattr(xml_tree, "MAX_ELEMENTS", 2000)
    with pytest.raises(XmlError, match="more than 2000 elements"):
        parse_xml("<r>" + "<a/>" * 2000 + "</r>")
    monkeypatch.setattr(xml_tree, "MAX_ATTRIBUTES", 10)
    with pytest.raises(XmlError, match="more than 10 attributes"):
        parse_xml("<r " + " ".join(f'a{n}=""' for n in range(11)) + "/>")
    monkeypatch.setattr(xml_tree, "MAX_VALUE", 1000)
    for text in ("<a>" + "x" * 1001 + "</a>", f'<a b="{"x" * 1001}"/>', "<a>" + "<b/>x" * 1001 + "</a>"):
        with pytest.raises(XmlError, match="too long"):
            parse_xml(text)
    monkeypatch.setattr(xml_tree, "MAX_TEXT", 10)
    with pytest.raises(XmlError, match="export less"):
        parse_xml("<a>12345678</a>")


def test_what_is_skipped_counts_and_costs_nothing() -> None:
    root = parse_xml("<r><BA>" + "<x/>" * 1000 + "A" * 100_000 + "</BA><b>y</b></r>", frozenset({"BA"}))
    assert [(one.name, one.text) for one in root.children] == [("b", "y")]


def test_a_declared_encoding_of_the_file_does_not_matter_any_more() -> None:
    assert parse_xml('\ufeff<?xml version="1.0" encoding="utf-16"?>\r\n<a b="ü">é€</a>').text == "é€"
    with pytest.raises(XmlError, match="half characters"):
        parse_xml("<a>\ud800</a>")


@pytest.mark.parametrize("text", ["", "x", "<a>", "<a></b>", "<a/><b/>", "<a b=1/>", "\x00<a/>", '<a b="1" b="2"/>'])
def test_no_xml_is_told_with_its_line(text: str) -> None:
    with pytest.raises(XmlError):
        parse_xml(text)


def test_references_do_not_multiply() -> None:
    levels = "".join(f'<Obj RefId="{n}"><LST>' + f'<Ref RefId="{n - 1}"/>' * 10 + "</LST></Obj>" for n in range(1, 50))
    text = (
        '<Objs xmlns="http://schemas.microsoft.com/powershell/2004/04"><Obj RefId="0"><LST><S>x</S></LST></Obj>'
        f'{levels}<Obj RefId="99"><Props><Ref N="RemoteIPRanges" RefId="49"/><Ref N="Name" RefId="99"/></Props></Obj></Objs>'
    )
    *_, last = read_clixml(text, "f")
    assert last.get("Name") is None
    assert attempt("exchange", [text]) is None


def test_references_and_escapes_are_read() -> None:
    text = (
        '<Objs xmlns="http://schemas.microsoft.com/powershell/2004/04"><Obj RefId="0"><Props><S N="A">a_x000A_b_xZZ_</S>'
        '<Obj N="E" RefId="1"><ToString>Two</ToString><I32>2</I32></Obj><Ref N="F" RefId="1"/><Nil N="G"/>'
        '</Props><MS><S N="A">other</S><S N="H">h</S></MS></Obj></Objs>'
    )
    (thing,) = read_clixml(text, "f")
    assert thing.get("a") == "a\nb_xZZ_"
    assert thing.get("F") == Nested("Two", 2, {})
    assert (thing.has("G"), thing.get("G"), thing.get("H")) == (True, None, "h")


# JSON, lists, CSV.


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 100_000, "nested deeper"),
        ('{"a": 1, "A": 2}', "stands twice"),
        ('{"a": ' + "9" * 5000 + "}", "no JSON of an export"),
        ('[{"a": 1}', "no complete JSON"),
        ('{"a": 1} {"b": 2}', "no complete JSON"),
        ("[" + "[]," * 1_000_001 + "{}]", "more than 2000000 values"),
    ],
)
def test_json_that_is_refused(text: str, says: str) -> None:
    with pytest.raises(ThingsError, match=says):
        read_json(text, "f")


def test_json_that_is_read() -> None:
    (thing,) = read_json('\ufeff{"a": NaN, "b": 1.5, "c": {"value": ["x"], "Count": 1}, "d": {"e": {"f": 1}}}', "f")
    assert (thing.get("a"), thing.get("b"), thing.get("c")) == (None, "1.5", ("x",))
    assert thing.get("d") == Nested("", None, {})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Name : a\nName : b\n", "Name stands twice"),
        ("Name : a\nlost line\n", "belongs to no property"),
        ("  lost, lost}\nName : a\n", "is its beginning lost"),
        ("Name : a", "last line has no end"),
        ("".join(f"n{n} : 1\n" for n in range(1002)), "more than 1000 properties"),
    ],
)
def test_a_list_that_is_refused(text: str, says: str) -> None:
    with pytest.raises(ThingsError, match=says):
        read_format_list(text, "f")


def test_a_list_with_what_a_console_says_around_it() -> None:
    text = "[PS] C:\\>Get-X | fl\r\n\r\n\r\nName   : a\r\nRanges : {192.0.2.1, 192.0.2.2,\r\n         192.0.2.3}\r\nEmpty  :\r\nNone : {}\r\n\r\n[PS] C:\\>\r\n"
    (thing,) = read_format_list(text, "f")
    assert thing.get("Ranges") == ("192.0.2.1", "192.0.2.2", "192.0.2.3")
    assert (thing.get("Empty"), thing.get("None"), thing.line) == (None, (), 4)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('"a","b"\n"1"\n', "1 cells where the head has 2"),
        ('"a","b"\n"1","2\n', "no complete CSV"),
        ('"a","A"\n"1","2"\n', "two columns"),
        ('"a","b"\n"1","2"', "last line has no end"),
        ('"a","b"\n"1","' + "x" * 200_000 + '"\n', "no complete CSV"),
    ],
)
def test_csv_that_is_refused(text: str, says: str) -> None:
    with pytest.raises(ThingsError, match=says):
        read_csv(text, "f")


def test_csv_with_semicolons() -> None:
    (thing,) = read_csv('"Name";"B"\n"a;b";""\n', "f")
    assert (thing.get("Name"), thing.get("B"), thing.line) == ("a;b", None, 2)


def test_what_is_too_long_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (xml_tree, powershell_json, powershell_text, smtp_values):
        monkeypatch.setattr(module, "MAX_TEXT", 100)
    for kind, texts in SAMPLES:
        assert attempt(kind, texts) is None


@pytest.mark.long
@pytest.mark.parametrize("kind", ["exchange", "exchange-online", "smtp-service"])
@pytest.mark.parametrize("start", ["", "<a>", '{"RemoteIPRanges": "', "Name : ", "RelayIpList : (BINARY) ", "dn: x\n"])
def test_a_hundred_megabytes(kind: str, start: str) -> None:
    text = start + "0x18 " * 20_000_000
    for each in register.kinds():
        each.recognise(text)
    assert attempt(kind, [text]) is None


SLOW = [
    "Name" + " " * 100_000,
    "a : {" * 50_000 + "\n",
    ("x" * 99 + " ") * 20_000 + "\n",
    "RelayIpList : (BINARY) 0x18\n" + " 0x18\n" * 300_000,
    "ServerBindings : (LIST) (1 Items)\n" + ' ":25:"\n' * 300_000,
    "dn: x\nobjectClass: protocolCfgSMTPServer\n" + "msExchServerBindings: :25:\n" * 100_000,
    "dn: x\n" + " x\n" * 500_000 + "objectClass: protocolCfgSMTPServer\n",
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", SLOW)
def test_lines_that_are_made_to_take_long(text: str) -> None:
    for kind in ("exchange", "exchange-online", "smtp-service"):
        attempt(kind, [text])
        attempt(kind, ["IIsSmtpServer " + text])
