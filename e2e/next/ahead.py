"""Makes of this engine one as it may be some day: a newer metadata schema, and messages of a protocol further on."""

from __future__ import annotations

import py_compile
import re
import shutil
import sys
from pathlib import Path

from qserv.catalog import messages
from qserv.catalog.metadata.migrations import versions


def main(further: int) -> None:
    file = Path(messages.__file__)
    text = file.read_text()
    changed = re.sub(r"^PROTOCOL = (\d+)$", lambda found: f"PROTOCOL = {int(found[1]) + further}", text, flags=re.M)
    assert changed != text
    file.write_text(changed)
    py_compile.compile(str(file), doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    shutil.copy(Path(__file__).with_name("next.py"), Path(next(iter(versions.__path__))) / "next.py")


main(int(sys.argv[1]))
