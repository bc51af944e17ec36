"""``qserv account``: the accounts of people."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from qserv.cli.told import HomeOption, home_of, screen, told

app = typer.Typer(help="Accounts of people.", no_args_is_help=True)


@app.command("set")
def account_set(
    name: Annotated[str, typer.Argument(help="The account's name.")],
    home: HomeOption = None,
    grant: Annotated[list[str] | None, typer.Option(help="A database it may read; * for all. May be repeated.")] = None,
    admin: Annotated[
        bool | None, typer.Option(help="Whether it may load, look after the cluster, and stop others' queries.")
    ] = None,
    password_file: Annotated[Path | None, typer.Option(help="File with the password; default: it is asked.")] = None,
    keep_password: Annotated[bool, typer.Option("--keep-password", help="Change the rights only.")] = False,
) -> None:
    """Create an account, or change its password and rights."""
    from pydantic import SecretStr

    from qserv.catalog.resources import AccountWish
    from qserv.cli import connect

    with told():
        password = None if keep_password else _password(password_file)
        wish = AccountWish(
            password=SecretStr(password) if password is not None else None,
            grants=tuple(grant) if grant is not None else None,
            admin=admin,
        )
        with closing(connect.controller(home_of(home))) as client:
            client.set_account(name, wish)


@app.command("list")
def account_list(home: HomeOption = None) -> None:
    """Show all accounts."""
    from qserv.cli import connect, show

    with told(), closing(connect.controller(home_of(home))) as client:
        show.accounts(client.accounts(), screen())


@app.command("remove")
def account_remove(name: Annotated[str, typer.Argument(help="The account's name.")], home: HomeOption = None) -> None:
    """Remove an account."""
    from qserv.cli import connect

    with told(), closing(connect.controller(home_of(home))) as client:
        client.remove_account(name)


def _password(file: Path | None) -> str:
    if file is not None:
        return file.read_text().strip()
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
