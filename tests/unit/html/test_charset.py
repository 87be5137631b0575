"""Bytes become the text that a browser shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from windlass.html.charset import decode, encoding_of, evidently_utf_8, prescan, sniff

VECTORS = Path(__file__).parent / "vectors" / "html5lib"
HEAD = b"<!DOCTYPE html><html><head>"
CHINESE = "中文网页的编码"
RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю. "
GREEK = "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία του κόσμου μας σήμερα. "
JAPANESE = "いろはにほへとちりぬるを。日本語の文章を書いています。"
KOREAN = "키스의 고유조건은 입술끼리 만나야 하고 특별한 기술은 필요치 않다. "
GERMAN = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. "


def text_of(body: bytes, content_type: str = "", *, xml: bool = False) -> str:
    return decode(body, sniff(body, content_type, markup=not xml, xml=xml))


def name_of(body: bytes, content_type: str = "", *, xml: bool = False) -> str:
    return sniff(body, content_type, markup=not xml, xml=xml).name


def html5lib_cases() -> list[tuple[str, bytes, str]]:
    cases = []
    for file in sorted(VECTORS.glob("*.dat")):
        for number, case in enumerate(re.split(rb"(?:^|\n)#data\n", file.read_bytes())[1:]):
            data, _, label = case.partition(b"\n#encoding\n")
            cases.append((f"{file.stem}-{number}", data, label.split(b"\n")[0].decode().strip()))
    return cases


def needs_scripts(data: bytes) -> bool:
    """One vector writes its <meta> with a script, which only a rendering driver can run."""
    return b"document.write" in data and b"' + '" in data


@pytest.mark.parametrize(
    ("data", "label"),
    [pytest.param(data, label, id=name) for name, data, label in html5lib_cases()],
)
def test_html5lib_vectors_are_read_as_declared(data: bytes, label: str) -> None:
    if needs_scripts(data):
        return
    wanted = encoding_of(label.lower())
    found = next((known for one in prescan(data[:1024]) if (known := encoding_of(one))), None)
    if wanted == "windows-1252" and found is None:
        return  # the vectors' word for "nothing is declared"
    assert name_of(data) == wanted


def test_all_html5lib_vectors_are_there() -> None:
    cases = html5lib_cases()
    assert len(cases) == 82
    assert sum(needs_scripts(data) for _, data, _ in cases) == 1


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        pytest.param(
            "\ufeffé".encode(), "text/html; charset=windows-1251", "é", id="mark beats header"
        ),
        pytest.param(
            "\ufeffé".encode("utf-16"), "text/html; charset=utf-8", "\ufeffé", id="utf-16 mark"
        ),
        pytest.param(
            HEAD + b'<meta charset="utf-8"><p>\xe9',
            "text/html; charset=iso-8859-1",
            HEAD.decode() + '<meta charset="utf-8"><p>é',
            id="header beats meta",
        ),
        pytest.param(
            b'<meta charset="koi8-r">\xc1',
            "text/html; charset=nonsense",
            '<meta charset="koi8-r">а',
            id="unknown header falls back to meta",
        ),
        pytest.param(
            b'<meta charset="nonsense"><meta charset="koi8-r">\xc1',
            "",
            '<meta charset="nonsense"><meta charset="koi8-r">а',
            id="unknown meta falls back to the next",
        ),
        pytest.param(
            b"\x80\x99", "text/plain; charset=iso-8859-1", "€™", id="latin-1 is windows-1252"
        ),
        pytest.param(
            CHINESE.encode("gb18030"), "text/html;charset=gb2312", CHINESE, id="gb2312 is gb18030"
        ),
        pytest.param(
            "€㐀𠀀".encode("gb18030"),
            'text/html; charset="GB2312"',
            "€㐀𠀀",
            id="gb2312, four bytes",
        ),
        pytest.param(b"\xe9", "text/html; CHARSET='ISO-8859-1'", "é", id="single quotes"),
        pytest.param(b"\xe9", "text/html;foo=bar; charset = latin1 ;x=y", "é", id="spaces"),
        pytest.param(
            b'<?xml version="1.0" encoding="iso-8859-2"?><p>\xb1',
            "text/html",
            '<?xml version="1.0" encoding="iso-8859-2"?><p>ą',
            id="XML declaration in HTML",
        ),
        pytest.param(
            b'<?xml version="1.0" encoding="iso-8859-2"?><meta charset="windows-1251"><p>\xb1',
            "text/html",
            '<?xml version="1.0" encoding="iso-8859-2"?><meta charset="windows-1251"><p>±',
            id="meta beats XML declaration",
        ),
        pytest.param(
            b'<meta charset="utf-16"><p>\xc3\xa9',
            "",
            '<meta charset="utf-16"><p>é',
            id="a readable meta cannot mean UTF-16",
        ),
        pytest.param(
            b'<meta charset="x-user-defined"><p>\xe9',
            "",
            '<meta charset="x-user-defined"><p>é',
            id="user-defined is windows-1252",
        ),
        pytest.param(b"anything", "text/html; charset=hz-gb-2312", "\ufffd", id="replacement"),
        pytest.param(
            "<p>é".encode("utf-16-le"), "text/html; charset=utf-16", "<p>é", id="utf-16 header"
        ),
        pytest.param(b"caf\xc3", "text/html; charset=utf-8", "caf\ufffd", id="cut in a letter"),
        pytest.param(b"\xff\xfea", "text/html", "\ufffd", id="mark only"),
        pytest.param(b"", "", "", id="nothing"),
    ],
)
def test_text_is_a_browsers(body: bytes, content_type: str, text: str) -> None:
    assert text_of(body, content_type).removeprefix("\ufeff") == text.removeprefix("\ufeff")


def test_xml_is_utf_8_unless_it_says_otherwise() -> None:
    assert text_of("<p>é</p>".encode(), xml=True) == "<p>é</p>"
    declared = b'<?xml version="1.0" encoding="windows-1252"?><p>\xe9</p>'
    assert text_of(declared, xml=True).endswith("<p>é</p>")
    assert text_of(b'<p><meta charset="koi8-r"/>\xc3\xa9</p>', xml=True).endswith("é</p>")


def test_declaration_far_down_the_head_counts_where_nothing_else_is_said() -> None:
    filling = b"<script>" + b"x" * 4000 + b"</script>"
    assert name_of(HEAD + filling + b"<meta charset=koi8-r><p>\xc1") == "KOI8-R"
    quoted = b"<script>'<meta charset=koi8-r>'</script>"
    assert name_of(HEAD + filling + quoted + b"<p>caf\xc3\xa9") == "UTF-8"


@pytest.mark.parametrize(
    ("text", "encodings"),
    [
        (RUSSIAN, ("utf-8", "windows-1251", "koi8-r", "iso-8859-5", "ibm866")),
        (GREEK, ("utf-8", "windows-1253", "iso-8859-7")),
        (JAPANESE, ("utf-8", "shift_jis", "euc-jp", "iso-2022-jp")),
        (KOREAN, ("utf-8", "euc-kr")),
        (CHINESE, ("utf-8", "gb18030", "big5")),
        (GERMAN, ("utf-8", "windows-1252", "iso-8859-15")),
    ],
)
def test_undeclared_encodings_are_detected(text: str, encodings: tuple[str, ...]) -> None:
    text = text * 6 if text != CHINESE else "我們的網頁使用繁體中文編碼，這是一個測試。" * 6
    for encoding in encodings:
        source = text
        if encoding == "gb18030":
            source = "我们的网页使用简体中文编码，这是一个测试。" * 6
        page = f"<html><body><p>{source}</p></body></html>"
        assert text_of(page.encode(encoding)) == page, encoding


def test_mostly_utf_8_with_a_broken_byte_stays_utf_8() -> None:
    body = ("größer " * 30).encode() + b"\xff" + ("weiß " * 30).encode()
    assert text_of(body) == "größer " * 30 + "\ufffd" + "weiß " * 30


@pytest.mark.parametrize(
    ("body", "content_type", "evident"),
    [
        (b"\xc3\xa9", "text/html; charset=utf-8", True),
        (b"plain", "text/html", True),
        (b"\xc3\xa9", "text/html", False),
        (b'<meta charset="utf-8">\xc3\xa9', "text/html", True),
        (b'<meta charset="koi8-r">a', "text/html", False),
        (b"a", "text/html; charset=koi8-r", False),
        (b"a", "text/html; charset=nonsense", False),
        (b"\x1b$B$3$l\x1b(B", "text/html", False),
        (b"\xef\xbb\xbfa", "text/html; charset=koi8-r", True),
        (b"\xff\xfea\x00", "text/html; charset=utf-8", False),
    ],
)
def test_evidence_never_contradicts_sniffing(body: bytes, content_type: str, evident: bool) -> None:
    assert evidently_utf_8(body, content_type, markup=True) is evident
    if evident:
        assert name_of(body, content_type) == "UTF-8"
