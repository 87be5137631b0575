"""`windlass storage`: names, arguments and help; what they do lies in cli/storage.py."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from windlass.cli.commands.arguments import Json

storage = typer.Typer(help="Buckets that results are delivered to.", no_args_is_help=True)

Prefix = Annotated[
    str, typer.Argument(metavar="URL", help="s3://bucket/prefix/ or gs://bucket/prefix/.")
]


@storage.command("policy")
def storage_policy(
    url: Prefix,
    purpose: Annotated[
        Literal["delivery", "jobs"],
        typer.Option("--for", help="delivery writes results; jobs also read below input/."),
    ] = "delivery",
    principal: Annotated[
        str,
        typer.Option(help="Whom to grant it: ARN, or e-mail address of a service account."),
    ] = "",
    kms: Annotated[
        str, typer.Option(metavar="KEY", help="KMS key that the bucket encrypts with.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Print what a bucket's owner has to set up: policy, key statement, lifecycle rule.

    Asks no cloud; what it does not know is a placeholder.
    """
    from windlass.buckets.policy import Wanted
    from windlass.cli.storage import show_policy

    show_policy(url, Wanted(bucket="", principal=principal, purpose=purpose, key=kms), as_json)


@storage.command("test")
def storage_test(
    url: Prefix,
    mode: Annotated[
        Literal["read", "write"],
        typer.Option(help="read lists one object, write puts .nimble-connection-test."),
    ] = "write",
    as_json: Json = False,
) -> None:
    """Test whether a bucket can be read or written, with the settings of this machine.

    Status 0 if so; 5 access denied, 4 no such bucket, 6 anything else. Nothing is ever deleted.
    """
    from windlass.cli.storage import test

    raise typer.Exit(test(url, mode, as_json))
