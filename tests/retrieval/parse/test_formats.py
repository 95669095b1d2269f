"""Each format: what comes out, and where it stands."""

from __future__ import annotations

from io import BytesIO

import openpyxl
from docx import Document as WordDocument
from pptx import Presentation

from owngpt.retrieval.document import Document
from owngpt.retrieval.parse import parse


def shown(document: Document) -> list[tuple[str, str]]:
    """Kind and text of each block."""
    return [(block.kind, document.text[block.start : block.end]) for block in document.blocks]


def test_html_is_read_without_scripts_menus_and_readings() -> None:
    page = """<html><head><title>A &amp; B</title><script>bad()</script></head><body><nav>menu</nav><h1>One</h1>
      <p>Hello <b>bold</b> wor<i>ld</i>.<br>Line 2<ul><li>a<li>b<ul><li>c</ul></ul><p hidden>no</p>
      <table><tr><th>n<th>m<tr><td>1<td>2</table><pre>  x\n   y</pre>
      end <ruby>漢字<rt>かんじ</rt></ruby><!-- no --></html>"""
    document = parse("page.bin", page.encode())
    assert document.title == "A & B"
    assert shown(document) == [
        ("heading", "One"),
        ("paragraph", "Hello bold world.\nLine 2"),
        ("list", "- a\n- b\n  - c"),
        ("table", "n | m\n1 | 2"),
        ("code", "  x\n   y"),
        ("paragraph", "end 漢字"),
    ]


def test_html_of_the_main_element_alone_where_there_is_one() -> None:
    article = "What it is about. " * 20
    document = parse("a.html", f"<html><body><p>Cookies!</p><main><p>{article}</p></main></body></html>".encode())
    assert document.text == article.strip()


def test_a_menu_is_better_than_nothing() -> None:
    assert parse("a.html", b"<html><body><nav>only a menu</nav></body></html>").text == "only a menu"


def test_markdown_keeps_the_text_as_it_is() -> None:
    top = "---\na: b\n---\n# T\n\npara *x*\nline\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
    text = top + "- x\n- y\n\nHead\n====\n```py\n# no\n\n```\n"
    document = parse("a.md", text.encode())
    assert (document.text, document.title) == (text, "T")
    assert [kind for kind, _ in shown(document)] == [
        "code",
        "heading",
        "paragraph",
        "table",
        "list",
        "heading",
        "code",
    ]


def test_csv_with_a_semicolon_and_a_line_end_in_a_cell() -> None:
    document = parse("a.csv", '名前;note\nA;"1\n2"\n"B;";3\n'.encode("cp932"))
    assert shown(document) == [("table", "名前 | note\nA | 1 2\nB; | 3")]
    assert document.text[: document.blocks[0].header] == "名前 | note\n"


def test_json_is_kept_as_written_or_written_in_lines() -> None:
    assert parse("a.json", b'{"a": [1, 2]}').text == '{"a": [1, 2]}'
    assert '\n "b": "日本"' in parse("a.json", b'{"a":"%s","b":"\\u65e5\\u672c"}' % (b"x" * 3000)).text
    assert shown(parse("a.jsonl", b'{"a": 1}\n{"b": 2}'))[0][0] == "list"
    document = parse("a.json", b"{broken")
    assert document.text == "{broken"
    assert "not valid JSON" in document.notes[0]


def test_code_is_divided_between_its_parts() -> None:
    document = parse("a.py", b"import x\n\n\ndef f():\n    a\n\n    b\n\n\nclass X:\n    pass\n")
    assert [text.split("\n")[0] for _, text in shown(document)] == ["import x", "def f():", "class X:"]


MAIL = (
    "From: a@x.jp\r\nTo: b@y.jp\r\nSubject: =?UTF-8?B?5Lya6K2w?=\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n"
    "--c\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$B2q5D$G$9!#\x1b(B\r\n"
    "--c\r\nContent-Type: text/html\r\n\r\n<p>the same again</p>\r\n--c--\r\n"
    '--b\r\nContent-Disposition: attachment; filename="t.csv"\r\n\r\na,b\r\n1,2\r\n'
    '--b\r\nContent-Disposition: attachment; filename="t.png"\r\n'
    "Content-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n"
    "--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: c@z.jp\r\nSubject: inner\r\n\r\nInner text.\r\n--b--\r\n"
)


def test_email_has_headers_body_and_named_attachments() -> None:
    document = parse("m.bin", MAIL.encode())
    assert document.title == "会議"
    assert shown(document) == [
        ("paragraph", "From: a@x.jp\nTo: b@y.jp\nSubject: 会議"),
        ("paragraph", "会議です。"),
        ("heading", "Attachment: t.csv"),
        ("table", "a | b\n1 | 2"),
        ("heading", "Attachment: inner.eml"),
        ("paragraph", "From: c@z.jp\nSubject: inner"),
        ("paragraph", "Inner text."),
    ]
    assert document.notes == ("attachment not read: t.png: it is a PNG image, which is not read here",)


def test_docx() -> None:
    word = WordDocument()
    word.core_properties.title = "Manual"
    word.add_heading("Part", 1)
    word.add_paragraph("Some text.")
    word.add_paragraph("one", style="List Bullet")
    word.add_paragraph("two", style="List Number")
    table = word.add_table(2, 2)
    for number, text in enumerate("abcd"):
        table.cell(number // 2, number % 2).text = text
    word.sections[0].header.paragraphs[0].text = "Confidential"
    document = parse("a.docx", saved(word))
    assert (document.title, document.pages) == ("Manual", ())
    assert shown(document) == [
        ("heading", "Part"),
        ("paragraph", "Some text."),
        ("list", "- one\n- two"),
        ("table", "a | b\nc | d"),
        ("heading", "Header and footer"),
        ("paragraph", "Confidential"),
    ]


def test_pptx_has_a_page_for_each_slide_and_its_notes() -> None:
    show = Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text = "Plan"
    slide.placeholders[1].text = "x\ny"
    slide.notes_slide.notes_text_frame.text = "Say it slowly."
    last = show.slides.add_slide(show.slide_layouts[5])
    last.shapes.title.text = "End"
    document = parse("a.pptx", saved(show))
    assert [document.text[slice(*document.page_span(n) or ())] for n in (1, 2)] == [
        "Plan\n\nx\ny\n\nNotes\n\nSay it slowly.",
        "End",
    ]
    assert document.page_at(document.text.index("End")) == 2


def test_a_text_has_no_pages() -> None:
    document = parse("a.txt", b"One.")
    assert list(document.page_spans()) == []
    assert document.page_span(1) is None


def test_xlsx_has_a_page_for_each_sheet() -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.title = "Prices"
    for row in (["name", "price"], ["tea", 2.5], [None, None], ["rice", 3.0]):
        book.active.append(row)
    book.create_sheet("Empty")
    book.create_sheet("第三")["B2"] = "far"
    document = parse("a.xlsx", saved(book))
    assert document.text == "Prices\n\nname | price\ntea | 2.5\nrice | 3\n\n第三\n\n | far"
    assert document.page_at(document.text.index("far")) == 3


def test_xlsx_says_what_was_never_computed() -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append([1, 2, "=A1+B1"])
    document = parse("a.xlsx", saved(book))
    assert document.text == "Sheet\n\n1 | 2"
    assert document.notes == ("1 formulas have no stored result; open the file, save it and send it again",)


def saved(file: object) -> bytes:
    data = BytesIO()
    file.save(data)  # type: ignore[attr-defined]
    return data.getvalue()
