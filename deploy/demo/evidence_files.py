"""Small files of evidence made from nothing: a chart, a page, a text. The same bytes wherever they are made."""

import struct
import zlib
from dataclasses import dataclass

_PNG = b"\x89PNG\r\n\x1a\n"
_BLOCK = 65_535  # the largest stored block of RFC 1951 §3.2.4


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """A file with its media type and the ending of its name."""

    content: bytes
    media_type: str
    ending: str


def chart(heights: list[int], colour: str) -> EvidenceFile:
    """A bar chart, 144 by 96 pixels; `heights` are between 0 and 80, `colour` is `#rrggbb`."""
    width, height = 144, 96
    ground, ink, axis = 0, 1, 2
    rows = [bytearray([ground] * width) for _ in range(height)]
    for x in range(8, width - 8):
        rows[height - 8][x] = axis
    step = (width - 20) // max(len(heights), 1)
    for bar, tall in enumerate(heights):
        for y in range(height - 8 - tall, height - 8):
            for x in range(10 + bar * step, 10 + bar * step + step - 3):
                rows[y][x] = ink
    palette = bytes.fromhex("ffffff") + bytes.fromhex(colour.removeprefix("#")) + bytes.fromhex("333333")
    pixels = b"".join(b"\0" + bytes(row) for row in rows)
    content = (
        _PNG
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
        + _chunk(b"PLTE", palette)
        + _chunk(b"IDAT", _stored(pixels))
        + _chunk(b"IEND", b"")
    )
    return EvidenceFile(content, "image/png", ".png")


def page(title: str, lines: list[str]) -> EvidenceFile:
    """A one-page PDF with a heading and lines of text in the Latin script."""
    shown = [b"BT /F1 16 Tf 60 780 Td (" + _pdf_text(title) + b") Tj ET"]
    shown += [
        b"BT /F1 11 Tf 60 %d Td (" % (745 - 18 * at) + _pdf_text(line) + b") Tj ET" for at, line in enumerate(lines)
    ]
    drawing = b"\n".join(shown)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawing), drawing),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return EvidenceFile(bytes(out), "application/pdf", ".pdf")


def text(title: str, lines: list[str]) -> EvidenceFile:
    """A plain text in UTF-8."""
    return EvidenceFile("\n".join([title, "", *lines, ""]).encode(), "text/plain", ".txt")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _stored(raw: bytes) -> bytes:
    """A zlib stream of stored blocks: compressed bytes would differ from one zlib to another."""
    blocks = [raw[at : at + _BLOCK] for at in range(0, len(raw), _BLOCK)]
    body = b"".join(
        struct.pack("<BHH", int(at == len(blocks) - 1), len(block), len(block) ^ 0xFFFF) + block
        for at, block in enumerate(blocks)
    )
    return b"\x78\x01" + body + struct.pack(">I", zlib.adler32(raw))


def _pdf_text(line: str) -> bytes:
    plain = line.encode("cp1252", "replace")
    return plain.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
