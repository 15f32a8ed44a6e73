"""The closed list of CLR 2.0 and OB 3.0 terms: what records writes is judged by the same page that `placet verify` reads."""

import json
from pathlib import Path
from typing import Any

CLR: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "deploy" / "cli" / "clr.schema.json").read_text(encoding="utf-8")
)
