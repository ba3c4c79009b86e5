"""Makes one picture anew in the jail and tells its name and type, as one line of JSON. Run by app.media.refit."""

import json
import sys
from pathlib import Path

from PIL import Image, ImageOps

from app.media.images import open_image

QUALITY = 90
# Each try has this share of the pixels of the one before.
SHRINK = 0.6
TRIES = 8


def main() -> None:
    """Do what argv asks for."""
    asked = json.loads(sys.argv[1])
    with open_image(Path(asked["source"]), asked["container"]) as opened:
        upright = ImageOps.exif_transpose(opened)
        is_transparent = upright.has_transparency_data
        image = upright.convert("RGBA" if is_transparent else "RGB")
    form, suffix, content_type = ("WEBP", ".webp", "image/webp") if is_transparent else ("JPEG", ".jpg", "image/jpeg")
    target = Path(asked["stem"] + suffix)
    for _ in range(TRIES):
        image.save(target, form, quality=QUALITY)
        if target.stat().st_size <= asked["limit_bytes"]:
            break
        image = _smaller(image)
    sys.stdout.write(json.dumps({"name": target.name, "content_type": content_type}))


def _smaller(image: Image.Image) -> Image.Image:
    scale = SHRINK**0.5
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
