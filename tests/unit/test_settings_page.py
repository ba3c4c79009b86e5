"""deploy/settings.md says of every setting what it is."""

import subprocess
import sys
from pathlib import Path

from app.config import Settings

ROOT = Path(__file__).parents[2]


def test_every_setting_is_documented() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_page_is_what_the_code_says() -> None:
    page = (ROOT / "deploy/settings.md").read_text()

    made = subprocess.run(
        [sys.executable, ROOT / "deploy/settings.py"], env={"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout

    assert page == made, "Make it anew: python deploy/settings.py > deploy/settings.md"
