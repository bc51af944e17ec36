"""Whom the command line talks to: the local cluster, or another by the environment.

========================  ==========================================================================
``QSERV_HOME``            folder of the local cluster
``QSERV_CZAR_URL``        a czar's HTTP address, such as ``http://czar.example:4048``
``QSERV_CONTROLLER_URL``  the replication controllers' addresses, separated by commas
``QSERV_OPTION_FILE``     a MySQL option file with user and password
========================  ==========================================================================
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from qserv.catalog.errors import Conflict
from qserv.catalog.rest import Controller
from qserv.cli import local
from qserv.cli.home import Home, Login, read_option_file
from qserv.cli.ports import HOST


@dataclass(frozen=True, slots=True)
class CzarAddress:
    """``help``: what to do where it does not answer."""

    url: str
    login: Login
    help: str


def czar(home: Home) -> CzarAddress:
    """The czar to ask, and as whom."""
    url = os.environ.get("QSERV_CZAR_URL")
    if url:
        return CzarAddress(url.rstrip("/"), _login(), "does it run, and is QSERV_CZAR_URL its HTTP address?")
    there = f"http://{HOST}:{home.facts().http}"
    return CzarAddress(there, read_option_file(home.client_file), "start it with 'qserv local up'")


def controller(home: Home) -> Controller:
    """A client of the replication controllers."""
    urls = os.environ.get("QSERV_CONTROLLER_URL")
    if not urls:
        return local.controller(home)
    login = _login()
    return Controller(urls.split(","), None, account=(login.user, login.password))


def _login() -> Login:
    file = os.environ.get("QSERV_OPTION_FILE")
    if not file:
        raise Conflict("set QSERV_OPTION_FILE to a MySQL option file with [client], user and password")
    return read_option_file(Path(file))
