"""Renders the text lines in fixtures/lines: 48 pixels high, grey, one PNG a line, and lines.json with what they say.

Needs Pillow and the DejaVu fonts (Debian: fonts-dejavu). The lines are made up for this project.
"""

import argparse
import json
import random
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageFont

FONTS = [
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSerif.ttf",
    "DejaVuSerif-Bold.ttf",
    "DejaVuSansMono.ttf",
    "DejaVuSansCondensed.ttf",
]

TEST = [
    "Invoice number 48213",
    "Total due: 1,249.50 EUR",
    "Keep refrigerated below 5 C",
    "Platform 7 departs 14:35",
    "Made in Portugal 2024",
    "Serial A7K-99-X02",
    "No entry after sunset",
    "Wash separately in cold water",
    "Gate B12 now boarding",
    "Shake well before use",
    "Order 7731 is ready",
    "Exit to Harbour Street",
    "Fragile: this side up",
    "Next train in 4 minutes",
    "Volume 3, chapter 18",
    "Speed limit 50 km/h",
    "Best before 30.11.2026",
    "Room 204 second floor",
    "Open daily 9 am to 6 pm",
    "Please mind the gap",
]

CALIBRATION = [
    "Customer copy 5520",
    "Amount paid 83.20 USD",
    "Store in a dry place",
    "Track 2 arrives 09:10",
    "Bottled at the source",
    "Model Q4-118-ZB",
    "Staff only beyond here",
    "Iron on low heat",
    "Gate C3 final call",
    "Stir slowly and serve",
    "Ticket 6094 closed",
    "Turn left at Mill Lane",
    "Handle with great care",
    "Bus stops every 15 min",
    "Page 276 of 310",
    "Maximum load 1600 kg",
    "Packed on 02.03.2025",
    "Hall D, seats 12 to 40",
    "Closed on public holidays",
    "Thank you for waiting",
    "Quiet zone ahead",
    "Jump to section 7.9",
    "Vehicle exit, keep clear",
    "Box 88, weight 3.4 kg",
]


def render(text: str, font_name: str, rng: random.Random) -> Image.Image:
    font = ImageFont.truetype(font_name, rng.randint(26, 32))
    left, top, right, bottom = font.getbbox(text)
    margin = rng.randint(6, 14)
    background = rng.randint(200, 255)
    image = Image.new("L", (right - left + 2 * margin, 48), background)
    y = (48 - (bottom - top)) // 2 - top + rng.randint(-3, 3)
    ImageDraw.Draw(image).text((margin - left, y), text, font=font, fill=rng.randint(0, 90))
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.7)))
    return image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent.parent / "fixtures" / "lines")
    output = parser.parse_args().output
    rng = random.Random(7)
    said = {}
    for folder, lines in (("test", TEST), ("calibration", CALIBRATION)):
        (output / folder).mkdir(parents=True, exist_ok=True)
        for index, text in enumerate(lines):
            name = f"{folder}/{index:02d}.png"
            render(text, FONTS[index % len(FONTS)], rng).save(output / name, optimize=True)
            said[name] = text
    (output / "lines.json").write_text(json.dumps(said, indent=2) + "\n")


if __name__ == "__main__":
    main()
