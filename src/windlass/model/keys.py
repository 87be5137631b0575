"""The keys that a `press` action may name (contract 7.6), as puppeteer calls them.

Dialects check names against it; the browser driver looks up what its library lacks.
"""

from __future__ import annotations

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

RARE_KEYS: dict[str, int] = {
    "Power": 0,
    "Eject": 0,
    "Abort": 3,
    "Cancel": 3,
    "Convert": 28,
    "NonConvert": 29,
    "Accept": 30,
    "ModeChange": 31,
    "Select": 41,
    "Print": 42,
    "Execute": 43,
    "Open": 43,
    "Help": 47,
    **{f"F{number}": 111 + number for number in range(13, 25)},
    "MediaStop": 178,
    "VolumeDown": 182,
    "VolumeUp": 183,
    "NumpadEqual": 187,
    "Attn": 246,
    "CrSel": 247,
    "Props": 247,
    "ExSel": 248,
    "EraseEof": 249,
    "Play": 250,
    "ZoomOut": 251,
    "SoftLeft": 0,
    "SoftRight": 0,
    "Camera": 0,
    "Call": 0,
    "EndCall": 0,
}
"""Windows virtual key codes of keys that few keyboards have; 0 = it has none."""

EVENT_KEYS: dict[str, str] = {
    "Abort": "Cancel",
    "NumpadEqual": "=",
    "SoftLeft": "Soft1",
    "SoftRight": "Soft2",
    "VolumeDown": "AudioVolumeDown",
    "VolumeUp": "AudioVolumeUp",
}
"""What a page sees of rare keys (UI Events, `key`) whose name is another."""

KEYS: frozenset[str] = frozenset(
    (
        *(f"Key{letter}" for letter in _LETTERS),
        *(f"Digit{digit}" for digit in range(10)),
        *(f"Numpad{digit}" for digit in range(10)),
        *(f"F{number}" for number in range(1, 13)),
        *("ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown"),
        *(
            name + side
            for name in ("Shift", "Control", "Alt", "Meta")
            for side in ("Left", "Right")
        ),
        *("Shift", "Control", "Alt", "Meta", "AltGraph", "CapsLock", "NumLock", "ScrollLock"),
        *("Backspace", "Tab", "Enter", "Escape", "Space", "PageUp", "PageDown", "End", "Home"),
        *("Insert", "Delete", "Clear", "Pause", "PrintScreen", "ContextMenu"),
        *("NumpadEnter", "NumpadDecimal", "NumpadMultiply", "NumpadAdd", "NumpadSubtract"),
        *("NumpadDivide", "Semicolon", "Equal", "Comma", "Minus", "Period", "Slash", "Backquote"),
        *("BracketLeft", "Backslash", "BracketRight", "Quote"),
        *("AudioVolumeMute", "AudioVolumeDown", "AudioVolumeUp"),
        *("MediaTrackNext", "MediaTrackPrevious", "MediaPlayPause"),
        *RARE_KEYS,
    )
)
"""Names of keys. Besides them any single character is the key that types it."""
