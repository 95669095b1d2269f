"""Three PDFs and a DOCX to try things with. The PDFs are written by hand, so that no library is needed for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

PAGES = {
    "leave.pdf": [
        ["Employees get 25 days of annual leave per year.", "Unused days expire at the end of March."],
        ["Sick leave of more than three days needs a note from a doctor.", "The note goes to the personnel office."],
    ],
    "travel.pdf": [
        ["Travel is booked in Concur, at least two weeks ahead."],
        ["Rail is preferred to air for trips under 400 kilometres.", "Meals are paid up to 40 euros a day."],
    ],
    "pay.pdf": [["Salaries are paid on the 25th of each month.", "A thirteenth salary is paid in November."]],
}


def make_documents(folder: Path) -> list[Path]:
    """Write them into a folder."""
    from docx import Document  # comes with owngpt

    files = [folder / name for name in PAGES]
    for file in files:
        file.write_bytes(pdf(PAGES[file.name]))
    document = Document()
    document.add_heading("Security", 1)
    document.add_paragraph("Laptops must be encrypted. Lost devices are reported to the help desk within two hours.")
    document.save(str(folder / "security.docx"))
    return [*files, folder / "security.docx"]


def pdf(pages: Sequence[Sequence[str]]) -> bytes:
    """A PDF with these lines of Latin text on each page."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, lines in enumerate(pages):
        text = "BT /F1 12 Tf 72 720 Td 16 TL " + " ".join(f"({_escaped(line)}) Tj T*" for line in lines) + " ET"
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >>"
            + f" /Contents {5 + 2 * number} 0 R >>".encode()
        )
        objects.append(f"<< /Length {len(text)} >>\nstream\n{text}\nendstream".encode("latin-1"))
    return _file(objects)


def _file(objects: Sequence[bytes]) -> bytes:
    data, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(data))
    return data + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + trailer


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
