"""Documents for the console's tests and its picture: a handbook as PDF, made on the spot."""

from __future__ import annotations

from io import BytesIO

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate

QUESTION = "How many days of paid leave does an employee have?"
RULE = "Every employee has 25 days of paid leave in each calendar year."
ABSENT = "How many cats may an employee have?"

TITLE = ParagraphStyle("title", fontName="Times-Bold", fontSize=24, leading=30, spaceAfter=24)
HEADING = ParagraphStyle("heading", fontName="Times-Bold", fontSize=15, leading=20, spaceBefore=16, spaceAfter=8)
BODY = ParagraphStyle("body", fontName="Times-Roman", fontSize=12.5, leading=18, spaceAfter=10)

PAGES = (
    (
        ("Working hours", "The office opens at eight o'clock in the morning and closes at seven in the evening."),
        ("Where we work", "Up to three days a week may be spent working from home, as agreed with the team."),
        ("Equipment", "A laptop, a screen and a headset are provided. They are returned on the last day of work."),
    ),
    (
        (
            "Paid leave",
            f"{RULE} Leave is requested in the calendar at least two weeks ahead, and the team lead confirms it "
            "within three working days. Up to five days may be carried over until the end of March.",
        ),
        (
            "Sick leave",
            "Whoever is ill tells the team before ten o'clock. A doctor's note is needed from the fourth day on. "
            "Pay continues in full for six weeks.",
        ),
        (
            "Parental leave",
            "Parents may take up to fourteen weeks after a child is born or adopted, and may work part-time for the "
            "two years that follow.",
        ),
    ),
    (
        ("Travel", "Trains are preferred to planes. Tickets in second class are paid by the company."),
        ("Expenses", "Receipts are handed in within thirty days, and are paid with the next salary."),
    ),
)


def handbook() -> bytes:
    """PDF of three pages; `RULE` stands on the second."""
    story: list[Paragraph | PageBreak] = [Paragraph("Employee Handbook", TITLE)]
    for number, sections in enumerate(PAGES):
        story += [PageBreak()] if number else []
        for heading, text in sections:
            story += [Paragraph(heading, HEADING), Paragraph(text, BODY)]
    target = BytesIO()
    SimpleDocTemplate(target, pagesize=A4, leftMargin=70, rightMargin=70, topMargin=64, invariant=1).build(story)
    return target.getvalue()


def partly_scanned() -> bytes:
    """PDF whose second page is a picture without text."""
    from PIL import Image

    target = BytesIO()
    canvas = Canvas(target, pagesize=A4)
    canvas.drawString(72, 720, "This page has text.")
    canvas.showPage()
    canvas.drawImage(ImageReader(Image.new("RGB", (40, 40), "gray")), 72, 400, 400, 400)
    canvas.showPage()
    canvas.save()
    return target.getvalue()
