"""A folder of documents as people have them."""

from __future__ import annotations

from pathlib import Path

import docx

from tests.retrieval.parse.pdfs import pdf

LEAVE = [
    ["Employees receive 20 days of annual leave per year.", "Unused days expire in March."],
    ["Sick leave of more than three days needs a note from a doctor.", "The note goes to the personnel office."],
    ["Travel is booked in Concur.", "Rail is preferred to air for trips under 400 kilometres."],
]
KISOKU = "就業規則\r\n\r\n有給休暇は年に二十日です。\r\n病気のときは三日以内に診断書を人事部に提出してください。\r\n"


def make_documents(folder: Path) -> Path:
    """PDF, DOCX, Markdown, Shift_JIS; and what is no document, or not to be read."""
    (folder / "rules").mkdir(parents=True)
    (folder / "rules" / "leave.pdf").write_bytes(pdf(*LEAVE))
    (folder / "rules" / "kisoku.txt").write_bytes(KISOKU.encode("cp932"))
    security = docx.Document()
    security.add_heading("Security", 1)
    security.add_paragraph("Laptops must be encrypted with BitLocker. Lost devices are reported within two hours.")
    security.save(str(folder / "security.docx"))
    (folder / "cafeteria.md").write_text("# Cafeteria\n\nThe cafeteria opens at 11:30 and closes at 14:00.\n")
    (folder / "scan.pdf").write_bytes(pdf([]))
    (folder / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(2 * 1024**2))
    (folder / ".gitignore").write_text("build/\n")
    for hidden in ("build", ".cache", "node_modules"):
        (folder / hidden).mkdir()
        (folder / hidden / "old.txt").write_text("The cafeteria opens at 9:00.")
    return folder
