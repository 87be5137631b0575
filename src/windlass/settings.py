"""Every setting, read once. The only reader of the environment.

A field's metadata is its documentation: `windlass settings` and docs/reference/settings.md are
made from it. Passed to constructors, never a global.
"""

from __future__ import annotations

import base64
import ipaddress
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from dotenv import dotenv_values

from windlass.errors import SettingsError

PREFIX = "WINDLASS_"

Number = TypeVar("Number", int, float)
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_DURATIONS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PREFIX = re.compile(r"(s3|gs)://[^/\s]+(/(?!\.\.?(/|$))[^/\s]+)*/?")
_PAGE_BYTES = 100_000_000
"""What an ordinary page takes in a browser."""
_SIZES = {"B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KIB": 1024, "MIB": 1024**2}


def parse_duration(text: str) -> float:
    """Seconds of "90", "500ms", "2m", "24h" or "7d"."""
    text = text.strip().lower()
    for unit in ("ms", "s", "m", "h", "d"):
        if text.endswith(unit):
            return parse_number(text[: -len(unit)]) * _DURATIONS[unit]
    return parse_number(text)


def parse_number(text: str) -> float:
    """A number that is finite."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def parse_size(text: str) -> int:
    """Bytes of "1048576", "20MB" or "4MiB"."""
    text = text.strip().upper()
    for unit in ("KIB", "MIB", "KB", "MB", "GB", "B"):
        if text.endswith(unit):
            return int(parse_number(text[: -len(unit)]) * _SIZES[unit])
    return int(text)


def parse_networks(text: str) -> tuple[Network, ...]:
    """Networks of a comma-separated list of CIDRs or addresses."""
    return tuple(
        ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip()
    )


def parse_host_counts(text: str) -> dict[str, int]:
    """Whole numbers from 1 by host of "example.com=2,www.test=16"."""
    return _by_host(text, int, least=1)


def parse_host_delays(text: str) -> dict[str, float]:
    """Seconds by host of "example.com=2,www.test=500ms"."""
    return _by_host(text, parse_duration, least=0)


def parse_account_counts(text: str) -> dict[str, int]:
    """Whole numbers from 1 by account of "main=50,team=4"."""
    return _by_name(text, int, least=1)


def _by_host(text: str, read: Callable[[str], Number], least: int) -> dict[str, Number]:
    return {host.lower(): value for host, value in _by_name(text, read, least).items()}


def _by_name(text: str, read: Callable[[str], Number], least: int) -> dict[str, Number]:
    pairs = (part.split("=", 1) for part in text.split(",") if part.strip())
    read_pairs = {name.strip(): read(value) for name, value in pairs}
    if any(value < least for value in read_pairs.values()):
        raise ValueError(text)
    return read_pairs


def parse_flag(text: str) -> bool:
    """Whether "true", "yes", "on" or "1" was said, and not "false", "no", "off" or "0"."""
    said = {"true": True, "yes": True, "on": True, "1": True}
    said |= {"false": False, "no": False, "off": False, "0": False}
    if text.strip().lower() not in said:
        raise ValueError(text)
    return said[text.strip().lower()]


def parse_token(text: str) -> str:
    """A product token (RFC 9309, section 2.2.1): letters, "_" and "-"."""
    if not re.fullmatch(r"[A-Za-z_-]+", text):
        raise ValueError(text)
    return text


def parse_schedule(text: str) -> tuple[float, ...]:
    """Seconds before each try, of "0,10,60" or "0,10s,1m"; at least one."""
    waits = tuple(parse_duration(part) for part in text.split(","))
    if min(waits) < 0:
        raise ValueError(text)
    return waits


def parse_secret(text: str) -> str:
    """A webhook secret as it is: "whsec_" and the base64 of 24 to 64 bytes; or nothing."""
    secret = text.strip()
    if not secret:
        return ""
    prefix, key = secret[:6], base64.b64decode(secret[6:], validate=True)
    if prefix != "whsec_" or not 24 <= len(key) <= 64:
        raise ValueError  # without the text: it is a secret
    return secret


def parse_grants(text: str) -> dict[str, tuple[str, ...]]:
    """Prefixes in buckets by account of "main=s3://lake/;gs://x/pages/,team=s3://lake/team/".

    Every prefix gets a final slash, so that "s3://lake/team" does not stand for "s3://lake/teams".
    """
    granted: dict[str, tuple[str, ...]] = {}
    for part in text.split(","):
        if not part.strip():
            continue
        account, _, prefixes = part.partition("=")
        named = tuple(prefix.strip() for prefix in prefixes.split(";"))
        if not account.strip() or any(not _PREFIX.fullmatch(prefix) for prefix in named):
            raise ValueError(text)
        whole = tuple(f"{prefix.rstrip('/')}/" for prefix in named)
        granted[account.strip()] = granted.get(account.strip(), ()) + whole
    return granted


def _one_of(*words: str) -> tuple[Callable[[str], str], str]:
    """A kind of setting that is one of these words, in any case."""

    def parse(text: str) -> str:
        word = text.strip().lower()
        if word not in words:
            raise ValueError(text)
        return word

    return parse, f"{', '.join(words[:-1])} or {words[-1]}"


def parse_names(text: str) -> tuple[str, ...]:
    """Names of a comma-separated list."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def parse_directives(text: str) -> tuple[str, ...]:
    """Those of "nofollow,noindex" that are to be obeyed."""
    names = parse_names(text.lower())
    if not {"nofollow", "noindex"}.issuperset(names):
        raise ValueError(text)
    return names


def parse_pairs(text: str) -> dict[str, str]:
    """Texts by name of "results=web.results,title=title"."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if any(not name.strip() or not value.strip() for name, _, value in pairs):
        raise ValueError(text)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _path(text: str) -> Path:
    return Path(text).expanduser()


_DURATION = (parse_duration, 'a duration such as "500ms", "90", "2m", "24h" or "7d"')
_SIZE = (parse_size, 'a size such as "1048576", "20MB" or "4MiB"')
_INT = (int, "a whole number")
_FLOAT = (parse_number, "a number")
_TEXT: tuple[Callable[[str], Any], str] = (str, "text")
_PATH = (_path, "a path")
_NAMES = (parse_names, 'comma-separated names such as "utm_*,gclid"')
_DIRECTIVES = (parse_directives, "nofollow, noindex, both with a comma between, or nothing")
_PAIRS = (parse_pairs, 'comma-separated name=path pairs such as "results=web.results,url=url"')
_NETWORKS = (parse_networks, 'comma-separated CIDRs such as "127.0.0.0/8,10.1.0.0/16"')
_FLAG = (parse_flag, "true or false")
_TOKEN = (parse_token, 'a product token such as "windlass": letters, "_" and "-"')
_SCHEDULE = (parse_schedule, 'comma-separated durations such as "0,10,60"')
_SECRET = (parse_secret, '"whsec_" and the base64 of 24 to 64 bytes')
_GRANTS = (
    parse_grants,
    'comma-separated account=prefix;prefix such as "main=s3://lake/;gs://x/,team=s3://lake/team/"',
)
_HOST_COUNTS = (
    parse_host_counts,
    'comma-separated host=number pairs such as "example.com=2", each at least 1',
)
_ACCOUNT_COUNTS = (
    parse_account_counts,
    'comma-separated account=number pairs such as "main=50,team=4", each at least 1',
)
_HOST_DELAYS = (
    parse_host_delays,
    'comma-separated host=duration pairs such as "example.com=2,slow.test=500ms"',
)
_LOG_LEVEL = _one_of("debug", "info", "warning", "error")
_LOG_FORMAT = _one_of("auto", "json", "console")


def setting(
    default: Any,
    doc: str,
    kind: tuple[Callable[[str], Any], str] = _TEXT,
    *,
    secret: bool = False,
    least: float | None = None,
    prefix: str = PREFIX,
) -> Any:
    """A field of Settings: its default, its sentence, how its text is read, its lower bound.

    `prefix` is empty for a variable that is not ours but a name everybody scripts.
    """
    metadata = {"doc": doc, "parse": kind[0], "accepts": kind[1], "secret": secret, "least": least}
    metadata["prefix"] = prefix
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def variable(item: Field[Any]) -> str:
    """The environment variable of a field of Settings."""
    return str(item.metadata["prefix"]) + item.name.upper()


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings. Durations are seconds, sizes bytes."""

    # where things live
    data: Path = setting(
        Path("~/.local/share/windlass").expanduser(), "State directory of this server.", _PATH
    )
    database_url: str = setting(
        "",
        "PostgreSQL 14 or later to use; empty: a private one in the state directory.",
        secret=True,
    )
    results_url: str = setting(
        "",
        "Where result bytes live: file://, s3://bucket/prefix/ or gs://bucket/prefix/; empty: in "
        "the state directory. On several machines: a bucket, or a folder that all see.",
    )
    # access
    host: str = setting("127.0.0.1", "Address that the API listens on.")
    port: int = setting(8700, "Port that the API listens on.", _INT, least=0)
    url: str = setting("http://127.0.0.1:8700", "Server that the command line talks to.")
    public_url: str = setting(
        "", "Base of the links in answers; empty: the base of the request that is answered."
    )
    api_key: str = setting(
        "", "First API key of account main; empty: one is generated and kept.", secret=True
    )
    rate_limit: float = setting(
        83.0,
        "Requests per second that one API key may make, counted by each API process for itself; "
        "0: no limit.",
        _FLOAT,
        least=0,
    )
    body_limit: int = setting(10_000_000, "Largest request body accepted.", _SIZE, least=1)
    batch_limit: int = setting(1000, "Most inputs that one batch may have.", _INT, least=1)
    allow_addresses: tuple[Network, ...] = setting(
        (), "Networks exempt from the address guard.", _NETWORKS
    )
    # engine
    workers: int = setting(0, "Worker processes; 0: one per core.", _INT, least=0)
    slots: int = setting(32, "Tasks that one worker process runs at a time.", _INT, least=1)
    prompt_slots: int = setting(
        8,
        "Tasks that one worker process runs beyond its slots when somebody waits for them, or "
        "their account has less under way than its share: no long pages hold them up.",
        _INT,
        least=0,
    )
    delivery_slots: int = setting(
        256, "Webhooks and uploads that one worker process has under way at a time.", _INT, least=1
    )
    host_concurrency: int = setting(
        8, "Tasks that may run against one host at a time.", _INT, least=1
    )
    host_concurrency_for: dict[str, int] = setting(
        {}, "Overrides of host_concurrency by host.", _HOST_COUNTS
    )
    host_delay: float = setting(
        0.0, "Time between the starts of two tasks against one host.", _DURATION, least=0
    )
    host_delay_for: dict[str, float] = setting({}, "Overrides of host_delay by host.", _HOST_DELAYS)
    host_down_after: float = setting(
        30.0,
        "Time a host may leave everything unanswered before what waits for it fails.",
        _DURATION,
        least=1,
    )
    retry_after_limit: float = setting(
        900.0,
        "Longest wish of a host to be left alone (Retry-After) that tasks wait for; with a longer "
        "one, or when it has refused everything for so long, they fail.",
        _DURATION,
        least=0,
    )
    account_concurrency: int = setting(
        0, "Pages that one account may have under way at a time; 0: no limit.", _INT, least=0
    )
    account_concurrency_for: dict[str, int] = setting(
        {}, "Overrides of account_concurrency by account.", _ACCOUNT_COUNTS
    )
    max_attempts: int = setting(
        3, "Starts of a task before a passing failure is final.", _INT, least=1
    )
    max_rescues: int = setting(
        5, "Starts of a task whose workers keep dying before it fails.", _INT, least=1
    )
    lease: float = setting(
        4.0,
        "Time after a worker's last sign of life until its tasks start elsewhere.",
        _DURATION,
        least=1,
    )
    grace: float = setting(
        10.0, "Time running tasks get to finish when the server stops.", _DURATION, least=0
    )
    task_timeout: float = setting(
        120.0,
        "Time one attempt of a task may take unless the request says less.",
        _DURATION,
        least=1,
    )
    sync_timeout: float = setting(
        150.0, "Time a synchronous call may take before it answers 555.", _DURATION, least=1
    )
    start_within: float = setting(
        86400.0, "Time after which a task that was never started fails.", _DURATION, least=60
    )
    result_ttl: float = setting(
        7 * 86400.0, "Time results and finished tasks are kept.", _DURATION, least=60
    )
    # fetching
    fetch_limit: int = setting(
        20_000_000, "Largest page body, counted after decompression.", _SIZE, least=1000
    )
    connect_timeout: float = setting(
        10.0, "Time to connect to a target, TLS included.", _DURATION, least=0.1
    )
    read_timeout: float = setting(
        30.0, "Longest silence of a target while it answers.", _DURATION, least=0.1
    )
    max_redirects: int = setting(20, "Redirects followed before giving up.", _INT, least=0)
    user_agent: str = setting(
        "", "User-Agent of plain requests; empty: that of the emulated browser."
    )
    proxies: str = setting(
        "",
        "File (JSON) listing proxies with url, country, state, city, driver and weight.",
    )
    # rendering
    chromium: str = setting(
        "",
        "Chromium that renders pages; empty: the one that Debian or Playwright installs.",
    )
    browser_pages: int = setting(
        4, "Pages that the browser of one worker process has open at a time.", _INT, least=1
    )
    browser_memory: int = setting(
        2_000_000_000,
        "Memory of one worker's browser, all its processes together, above which it is replaced.",
        _SIZE,
        least=300_000_000,
    )
    browser_idle: float = setting(
        60.0, "Time without a page after which a browser is closed.", _DURATION, least=1
    )
    # what sites ask of robots
    obey_robots: bool = setting(
        True, "Whether crawls and maps keep to what a site's robots.txt asks of them.", _FLAG
    )
    robots_agent: str = setting(
        "windlass",
        "Name under which rules in robots.txt, in pages and in their headers are looked up.",
        _TOKEN,
    )
    obey_directives: tuple[str, ...] = setting(
        ("nofollow",),
        "What crawls do that pages ask of robots: nofollow (links are left alone), noindex (the "
        "page is none of the crawl's); empty: nothing. Only while obey_robots is true.",
        _DIRECTIVES,
    )
    # crawling
    tracking_parameters: tuple[str, ...] = setting(
        parse_names(
            "utm_*,gclid,gclsrc,dclid,gbraid,wbraid,fbclid,msclkid,yclid,ysclid,twclid,ttclid,"
            "igshid,igsh,mc_cid,mc_eid,_ga,_gl,_hsenc,_hsmi,__hssc,__hstc,__hsfp,hsctatracking,"
            "mkt_tok,vero_id,vero_conv,oly_enc_id,oly_anon_id,wickedid,rb_clickid,_openstat,epik"
        ),
        "Query parameters that never make another page; a star at the end is for any rest.",
        _NAMES,
    )
    # reading pages
    parse_timeout: float = setting(
        20.0, "Time to read one page before its process is killed.", _DURATION, least=0.1
    )
    parse_memory: int = setting(
        2_000_000_000, "Address space of a page-reading process.", _SIZE, least=100_000_000
    )
    # search
    search_url: str = setting(
        "",
        "Search backend of search agents: the address of a SearXNG that answers in JSON, or any "
        "JSON search API as a template with {query}, and {count}, {offset}, {page}, {language}, "
        "{country}, {time}, {engine} where it wants them; empty: none.",
    )
    search_key: str = setting("", "API key of the search backend.", secret=True)
    search_header: str = setting(
        "Authorization: Bearer {key}", "Header that search_key is sent in."
    )
    search_fields: dict[str, str] = setting(
        parse_pairs("results=results,title=title,url=url,snippet=content"),
        "Where a search API other than SearXNG has its results, as JSONPath, and in each of them "
        "its fields: title, url, snippet, date, thumbnail; related: suggestions of other queries.",
        _PAIRS,
    )
    search_timeout: float = setting(
        15.0, "Time the search backend has to answer.", _DURATION, least=0.1
    )
    # webhooks
    webhook_schedule: tuple[float, ...] = setting(
        (0.0, 5.0, 60.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0),
        "Time before each try to send a webhook, give or take a fifth; it fails after the last.",
        _SCHEDULE,
    )
    webhook_timeout: float = setting(
        15.0, "Time a receiver has to answer a webhook, connecting included.", _DURATION, least=0.1
    )
    webhook_connect_timeout: float = setting(
        5.0, "Time to connect to a receiver, TLS included.", _DURATION, least=0.1
    )
    webhook_concurrency: int = setting(
        16, "Webhooks that may be under way to one endpoint at a time.", _INT, least=1
    )
    webhook_secret: str = setting(
        "",
        "First secret that webhooks of account main are signed with; empty: one is generated.",
        _SECRET,
        secret=True,
    )
    delivery_within: float = setting(
        72 * 3600.0, "Time after which a delivery that is still waiting fails.", _DURATION, least=60
    )
    # delivery to buckets
    storage_allow: dict[str, tuple[str, ...]] = setting(
        {},
        "Where accounts may have results stored, account * standing for all of them; "
        "empty: wherever the operator's identity may write.",
        _GRANTS,
    )
    storage_acl: str = setting(
        "",
        "ACL of uploaded S3 objects: empty or bucket-owner-full-control; from 100 MiB on it needs "
        "keys, not a machine's role.",
    )
    storage_instance_role: bool = setting(
        False,
        "Take cloud credentials from the machine's own role (instance metadata, container or "
        "pod identity) when none are set.",
        _FLAG,
    )
    upload_schedule: tuple[float, ...] = setting(
        (0.0, 10.0, 60.0, 300.0, 1800.0),
        "Time before each try to upload a result; the task fails after the last.",
        _SCHEDULE,
    )
    upload_concurrency: int = setting(
        16, "Uploads that may be under way to one bucket at a time.", _INT, least=1
    )
    aws_access_key_id: str = setting("", "S3 access key.", prefix="")
    aws_secret_access_key: str = setting("", "S3 secret key.", secret=True, prefix="")
    aws_session_token: str = setting(
        "", "Session token that belongs to temporary S3 keys.", secret=True, prefix=""
    )
    aws_profile: str = setting(
        "",
        "Profile with keys in the shared AWS files, used if no access key is set; empty: the "
        "files are not read.",
        prefix="",
    )
    aws_shared_credentials_file: Path = setting(
        Path("~/.aws/credentials").expanduser(), "Shared AWS credentials.", _PATH, prefix=""
    )
    aws_config_file: Path = setting(
        Path("~/.aws/config").expanduser(), "Shared AWS configuration.", _PATH, prefix=""
    )
    aws_region: str = setting(
        "", "Region of buckets whose own cannot be found out; empty: us-east-1.", prefix=""
    )
    aws_default_region: str = setting("", "Used if AWS_REGION is empty.", prefix="")
    aws_endpoint_url_s3: str = setting(
        "", "Base URL of an S3-compatible service; empty: Amazon's.", prefix=""
    )
    google_application_credentials: str = setting(
        "", "File (JSON) with the key of a Google service account or user.", prefix=""
    )
    storage_emulator_host: str = setting(
        "", "Base URL of a Google Cloud Storage emulator, used without credentials.", prefix=""
    )
    # logs
    log_level: str = setting("info", "Least severe level that is logged.", _LOG_LEVEL)
    log_format: str = setting(
        "auto", "How log lines look; auto: console on a terminal, else json.", _LOG_FORMAT
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            least = item.metadata["least"]
            if least is not None and getattr(self, item.name) < least:
                raise SettingsError(f"{variable(item)} must be at least {least:g}")
        if self.storage_acl not in ("", "bucket-owner-full-control"):
            raise SettingsError(f"{PREFIX}STORAGE_ACL must be empty or bucket-owner-full-control")
        if self.browser_memory < self.browser_pages * _PAGE_BYTES:
            raise SettingsError(
                f"{PREFIX}BROWSER_MEMORY must be at least {_PAGE_BYTES:,} bytes for each of "
                f"{PREFIX}BROWSER_PAGES"
            )
        if self.lease >= self.task_timeout:
            raise SettingsError(f"{PREFIX}LEASE must be below {PREFIX}TASK_TIMEOUT")


@dataclass(frozen=True)
class Origin:
    """Where a setting's value came from: "default", "environment", a .env path or "argument"."""

    settings: Settings
    sources: dict[str, str]


def load(overrides: Mapping[str, Any] | None = None, env_file: Path | None = None) -> Origin:
    """Settings from arguments, the environment and a .env file, in that order of precedence.

    Raises SettingsError naming the variable and what it accepts; unknown WINDLASS_ variables are
    an error too, so that a typo never passes silently.
    """
    env_path = env_file or Path(".env")
    from_file = (
        {k: v or "" for k, v in dotenv_values(env_path).items()} if env_path.exists() else {}
    )
    known = {variable(item): item for item in fields(Settings)}
    values: dict[str, Any] = {}
    sources = {item.name: "default" for item in fields(Settings)}
    for origin, variables in ((str(env_path), from_file), ("environment", dict(os.environ))):
        for name, text in variables.items():
            if name not in known and name.startswith(PREFIX):
                raise SettingsError(f"{name} is not a setting; see `windlass settings`")
            if name not in known:
                continue
            item = known[name]
            values[item.name] = _read(name, text, item.metadata)
            sources[item.name] = origin
    for key, value in (overrides or {}).items():
        if value is not None:
            values[key] = value
            sources[key] = "argument"
    return Origin(Settings(**values), sources)


def _read(name: str, text: str, metadata: Mapping[str, Any]) -> Any:
    try:
        return metadata["parse"](text)
    except ValueError as error:
        shown = "its value" if metadata["secret"] else repr(text)
        raise SettingsError(f"{name} must be {metadata['accepts']}, not {shown}") from error
