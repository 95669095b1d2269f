"""PDFs to test with."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen import canvas

JAPANESE = "HeiseiMin-W3"


def pdf(
    *pages: Sequence[str],
    font: str = "Helvetica",
    size: float = 11,
    password: str | None = None,
    rotation: int = 0,
    crop: tuple[int, ...] | None = None,
    top: float = 780,
) -> bytes:
    """A page for each list of lines. A line that begins with `# ` is set larger; no lines are a picture alone."""
    if font == JAPANESE:
        pdfmetrics.registerFont(UnicodeCIDFont(JAPANESE))
    data = BytesIO()
    encryption = None if password is None else StandardEncryption(password)
    sheet = canvas.Canvas(data, pagesize=A4, encrypt=encryption)
    for lines in pages:
        y = top
        sheet.setPageRotation(rotation)
        if crop is not None:
            sheet.setCropBox(crop)
        for line in lines:
            scale = 1.6 if line.startswith("# ") else 1.0
            sheet.setFont(font, size * scale)
            sheet.drawString(72, y, line.removeprefix("# "))
            y -= size * (2.4 if scale > 1 else 1.2)
        if not lines:
            sheet.rect(100, 100, 200, 200, fill=1)
        sheet.showPage()
    sheet.save()
    return data.getvalue()
