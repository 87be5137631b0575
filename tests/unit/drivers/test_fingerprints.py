"""Which fingerprint a wish for a browser gets."""

from __future__ import annotations

import pytest
from wreq import Platform, Profile

from windlass.drivers.fingerprints import Profiles
from windlass.model.request import Emulation

FEW = (
    *("Chrome100", "Chrome120", "Chrome124", "Chrome154", "Edge148", "OkHttp5", "Opera131"),
    *("Firefox128", "Firefox152", "FirefoxPrivate136", "FirefoxAndroid135"),
    *("SafariIos17_4_1", "SafariIos26", "SafariIos26_2", "SafariIPad18", "SafariIpad26_2"),
    "Safari26_4",
)


@pytest.mark.parametrize(
    ("wish", "profile", "platform", "version", "warning"),
    [
        ({}, "Chrome154", "Windows", "154", None),
        ({"browser": "chrome"}, "Chrome154", "Windows", "154", None),
        ({"browser": "chrome", "browser_version": "120.0.1"}, "Chrome120", "Windows", "120", None),
        ({"browser_version": "122"}, "Chrome124", "Windows", "124", "chrome 122 requested, 124"),
        ({"browser_version": "60"}, "Chrome100", "Windows", "100", "chrome 60 requested, 100"),
        ({"browser_version": "999"}, "Chrome154", "Windows", "154", "chrome 999 requested, 154"),
        ({"browser_version": "latest"}, "Chrome154", "Windows", "154", None),
        ({"os": "mac os"}, "Chrome154", "MacOS", "154", None),
        ({"os": "linux", "browser": "firefox"}, "Firefox152", "Linux", "152", None),
        ({"browser": "firefox", "browser_version": "128"}, "Firefox128", "Windows", "128", None),
        ({"device": "mobile"}, "Chrome154", "Android", "154", None),
        (
            {"device": "mobile", "browser": "firefox"},
            "FirefoxAndroid135",
            "Android",
            "135",
            None,
        ),
        (
            {"os": "android", "browser": "firefox", "browser_version": "152"},
            "FirefoxAndroid135",
            "Android",
            "135",
            "firefox 152 requested, 135 used: the closest fingerprint known",
        ),
        ({"os": "ios"}, "SafariIos26_2", "IOS", "", None),
        (
            {"os": "ios", "browser": "firefox", "device": "tablet"},
            "SafariIpad26_2",
            "IOS",
            "",
            None,
        ),
    ],
)
def test_the_closest_profile_is_taken_and_said_if_it_is_another(
    wish: dict[str, str], profile: str, platform: str, version: str, warning: str | None
) -> None:
    found = Profiles(FEW).closest(Emulation(**wish))  # type: ignore[arg-type]
    assert (found.profile, found.platform) == (profile, platform)
    assert found.emulation.browser_version == version
    assert (found.warning is None) == (warning is None)
    assert warning is None or (found.warning or "").startswith(warning)


def test_the_installed_library_has_a_profile_for_every_wish() -> None:
    profiles = Profiles(name for name in dir(Profile) if not name.startswith("_"))
    for browser in ("", "chrome", "firefox"):
        for system in ("", "windows", "mac os", "linux", "android", "ios"):
            for device in ("", "desktop", "mobile", "tablet"):
                found = profiles.closest(Emulation(browser=browser, os=system, device=device))
                assert found.warning is None
                assert hasattr(Profile, found.profile)
                assert hasattr(Platform, found.platform)
