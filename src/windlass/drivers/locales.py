"""Which languages a browser asks for: by locale tag, or by the country it seems to be in.

Used by drivers/headers.py. The table names, for each ISO 3166 country, the language that most of
its browsers are set to; countries in no row read English.
"""

from __future__ import annotations

_COUNTRIES_BY_LANGUAGE = {
    "ar": "AE BH DZ EG EH IQ JO KM KW LB LY MA MR OM PS QA SA SD SY TD TN YE",
    "az": "AZ",
    "bg": "BG",
    "bn": "BD",
    "bs": "BA",
    "ca": "AD",
    "cs": "CZ",
    "da": "DK",
    "de": "AT DE LI",
    "de-CH": "CH",
    "el": "CY GR",
    "es": "AR BO CL CO CR CU DO EC ES GQ GT HN MX NI PA PE PR PY SV UY VE",
    "et": "EE",
    "fa": "AF IR",
    "fi": "AX FI",
    "fo": "FO",
    "fr": "BE BF BI BJ BL CD CF CG CI CM DJ FR GA GF GN GP HT LU MC MF ML MQ NC NE PF PM RE SN TF "
    "TG WF YT",
    "he": "IL",
    "hr": "HR",
    "hu": "HU",
    "hy": "AM",
    "id": "ID",
    "is": "IS",
    "it": "IT SM VA",
    "ja": "JP",
    "ka": "GE",
    "kk": "KZ",
    "kl": "GL",
    "km": "KH",
    "ko": "KP KR",
    "ky": "KG",
    "lo": "LA",
    "lt": "LT",
    "lv": "LV",
    "mg": "MG",
    "mk": "MK",
    "mn": "MN",
    "ms": "BN MY",
    "my": "MM",
    "nb": "BV NO SJ",
    "ne": "NP",
    "nl": "AW BQ CW NL SR SX",
    "pl": "PL",
    "pt": "AO BR CV GW MZ PT ST TL",
    "ro": "MD RO",
    "ru": "BY RU TJ TM",
    "si": "LK",
    "sk": "SK",
    "sl": "SI",
    "so": "SO",
    "sq": "AL XK",
    "sr": "ME RS",
    "sv": "SE",
    "th": "TH",
    "tr": "TR",
    "uk": "UA",
    "uz": "UZ",
    "vi": "VN",
    "zh": "CN MO",
    "zh-HK": "HK",
    "zh-TW": "TW",
}
_LANGUAGE_OF = {
    country: language
    for language, countries in _COUNTRIES_BY_LANGUAGE.items()
    for country in countries.split()
}
_DEFAULT = "en-US"


def resolved_locale(locale: str, country: str) -> str:
    """The BCP 47 tag to browse with. `locale` "auto" = that of `country`, "" = en-US."""
    if locale and locale != "auto":
        return locale.replace("_", "-")
    if not locale or country in ("", "ALL"):
        return _DEFAULT
    language = _LANGUAGE_OF.get(country, "en")
    return language if "-" in language else f"{language}-{country}"


def accept_language(tag: str) -> str:
    """The Accept-Language value of a browser set to a locale: itself, its language, English.

    Weights fall by a tenth, as Chromium counts them.
    """
    language = tag.split("-", 1)[0].lower()
    wanted = [tag] if language == tag.lower() else [tag, language]
    if language != "en":
        wanted += ["en-US", "en"]
    weighted = [wanted[0]]
    weighted += [f"{name};q=0.{10 - rank}" for rank, name in enumerate(wanted[1:], start=1)]
    return ",".join(weighted)
