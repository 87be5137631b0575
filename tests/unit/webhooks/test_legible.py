"""What is shown of a receiver's answer harms nobody."""

from __future__ import annotations

import pytest

from windlass.webhooks.legible import legible


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b'{"ok": true}\r\n\tyes', '{"ok": true}\n\tyes'),
        ("grüß 漢字 🙂".encode(), "grüß 漢字 🙂"),
        ("grü".encode()[:-1], "gr"),  # cut in the middle of a character
        (b"a\xff\xfeb", "a��b"),
        (b"a\x00b", "a�b"),
        (b"\x1b[31mred\x07", "�[31mred�"),
        (b"\x7f\xc2\x9b", "��"),
        ("a\u202eb\u2066c\u200fd".encode(), "a�b�c�d"),
        (b"\rover", "�over"),
        (b"\xed\xa0\x80", "���"),  # a lone surrogate
    ],
)
def test_answers_become_text_without_controls(data: bytes, text: str) -> None:
    assert legible(data) == text
