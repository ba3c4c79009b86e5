"""What the Docker image is made of, and what is known against it.

Before a release: `.venv/bin/python deploy/inventory.py [FILE]`.

Writes the Python packages of the image with their hashes into FILE (sbom.json; CycloneDX), and asks osv.dev for
advisories about each. Ends with status 1 if there is one, if osv.dev does not answer, or if yt-dlp is older than 60
days: sites change, and what no longer fits them is mended in a newer one. Debian's packages in the image are not looked
at: a scanner of images does that (`trivy image phaya`). The tools come with the tests (`python3 deploy/run.py test`).
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "deploy/requirements/image.txt"
TOOLS = Path(sys.executable).parent
OLDEST_YTDLP_DAYS = 60
OSV = "https://api.osv.dev/v1/query"


def main(words: Sequence[str]) -> int:
    """Write and ask; answers the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=Path("sbom.json"), help="Where the list goes.")
    parser.add_argument("--osv-url", default=OSV, help="A mirror of the advisories.  [default: %(default)s]")
    asked = parser.parse_args(words)
    write_list(asked.file)
    print(f"Written: {asked.file}")
    days = age_of_ytdlp(LOCK.read_text(), datetime.now(UTC).date())
    if days > OLDEST_YTDLP_DAYS:
        print(f"yt-dlp is {days} days old, more than {OLDEST_YTDLP_DAYS}: deploy/lock.sh --upgrade", file=sys.stderr)
    return max(ask_for_advisories(asked.osv_url), int(days > OLDEST_YTDLP_DAYS))


def write_list(target: Path) -> None:
    """The image's packages as CycloneDX in JSON, the same for the same lock."""
    # A list of requirements says nothing of who needs whom, of which the tool warns.
    command = [sys.executable, "-W", "ignore::UserWarning", str(TOOLS / "cyclonedx-py"), "requirements", str(LOCK),
               "--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "--of", "JSON", "-o", str(target)]
    subprocess.run(command, check=True)


def ask_for_advisories(url: str) -> int:
    """What is known against the packages is printed; the status is 0 if that is nothing."""
    command = [str(TOOLS / "pip-audit"), "--requirement", str(LOCK), "--require-hashes", "--disable-pip", "--strict",
               "--vulnerability-service", "osv", "--osv-url", url, "--progress-spinner", "off"]
    return subprocess.run(command, check=False).returncode


def age_of_ytdlp(lock: str, today: date) -> int:
    """Days since the locked version, whose number is its date."""
    found = re.search(r"^yt-dlp==(\d+)\.(\d+)\.(\d+)", lock, re.MULTILINE)
    if found is None:
        raise ValueError(f"{LOCK} has no yt-dlp")
    year, month, day = map(int, found.groups())
    return (today - date(year, month, day)).days


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
