"""Makes the example pictures: `pip install pillow && python examples/images/make.py`.

They are committed, so nobody needs to run this. 600 x 900 is the 2:3 that Pinterest recommends.
"""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

SIZE = (600, 900)
HERE = Path(__file__).parent

Colour = tuple[int, int, int]


def gradient(top: Colour, bottom: Colour) -> Image.Image:
    """A soft change of colour from top to bottom."""
    strip = Image.new("RGB", (1, SIZE[1]))
    for y in range(SIZE[1]):
        part = y / (SIZE[1] - 1)
        mixed = (round(a + (b - a) * part) for a, b in zip(top, bottom, strict=True))
        strip.putpixel((0, y), tuple(mixed))
    return strip.resize(SIZE)


def lemons(picture: Image.Image) -> None:
    draw = ImageDraw.Draw(picture)
    for index, (x, y, r) in enumerate(
        [(180, 300, 110), (400, 430, 140), (210, 640, 150), (470, 730, 90)]
    ):
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(252, 214, 60))
        draw.ellipse((x - r * 0.82, y - r * 0.82, x + r * 0.82, y + r * 0.82), fill=(255, 240, 150))
        for slice_ in range(8):
            angle = math.tau * slice_ / 8 + index / 3
            end = (x + math.cos(angle) * r * 0.8, y + math.sin(angle) * r * 0.8)
            draw.line(((x, y), end), fill=(252, 214, 60), width=6)


def waves(picture: Image.Image) -> None:
    draw = ImageDraw.Draw(picture)
    for row in range(7):
        base = 380 + row * 80
        points = [(x, base + 28 * math.sin(x / 70 + row * 1.3)) for x in range(-10, 620, 10)]
        shade = (20 + row * 6, 110 - row * 8, 170 - row * 10)
        draw.polygon([*points, (620, 900), (-10, 900)], fill=shade)
    draw.ellipse((380, 90, 520, 230), fill=(255, 244, 214))


def mountains(picture: Image.Image) -> None:
    draw = ImageDraw.Draw(picture)
    draw.ellipse((330, 150, 500, 320), fill=(255, 226, 190))
    for row, shade in enumerate([(120, 88, 140), (86, 62, 116), (52, 40, 86)]):
        top = 430 + row * 120
        peaks = [(x * 120 - 60 * (row % 2), top + (70 if x % 2 else -60)) for x in range(7)]
        draw.polygon([(-80, 900), *peaks, (700, 900)], fill=shade)


def leaves(picture: Image.Image) -> None:
    draw = ImageDraw.Draw(picture)
    draw.line(((300, 880), (300, 160)), fill=(36, 84, 52), width=12)
    for step in range(9):
        y = 820 - step * 75
        reach = 190 - step * 15
        for side in (-1, 1):
            tip = (300 + side * reach, y - 70)
            leaf = [
                (300, y),
                (300 + side * reach * 0.5, y - 95),
                tip,
                (300 + side * reach * 0.6, y - 10),
            ]
            draw.polygon(leaf, fill=(70 + step * 8, 146 + step * 6, 84 + step * 4))


def tiles(picture: Image.Image) -> None:
    draw = ImageDraw.Draw(picture)
    palette = [(214, 84, 66), (244, 238, 222), (42, 92, 120), (240, 178, 82)]
    for row in range(6):
        for column in range(4):
            x, y = column * 150, row * 150
            first, second = palette[(row + column) % 4], palette[(row * 3 + column + 1) % 4]
            draw.rectangle((x, y, x + 150, y + 150), fill=first)
            draw.pieslice((x - 75, y - 75, x + 75, y + 75), 0, 90, fill=second)
            draw.pieslice((x + 75, y + 75, x + 225, y + 225), 180, 270, fill=second)


def night(picture: Image.Image) -> None:
    draw = ImageDraw.Draw(picture)
    for star in range(90):
        x, y = (star * 197) % 600, (star * 131) % 620
        r = 1 + star % 3
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(255, 250, 226))
    draw.ellipse((90, 110, 230, 250), fill=(252, 240, 200))
    draw.ellipse((130, 90, 260, 220), fill=(30, 30, 76))
    for house in range(6):
        x, top = house * 100, 700 - (house * 53) % 110
        draw.rectangle((x, top, x + 96, 900), fill=(16, 16, 40))
        for window in range(6):
            wx, wy = x + 16 + (window % 2) * 42, top + 22 + (window // 2) * 56
            if (house + window) % 3:
                draw.rectangle((wx, wy, wx + 24, wy + 30), fill=(250, 206, 110))


PICTURES = [
    ("lemon-cake.jpg", lemons, (255, 250, 226), (252, 200, 170)),
    ("evening-sea.jpg", waves, (255, 196, 160), (120, 170, 200)),
    ("first-light.jpg", mountains, (250, 170, 140), (130, 110, 170)),
    ("fern.png", leaves, (238, 244, 222), (196, 220, 190)),
    ("kitchen-tiles.png", tiles, (255, 255, 255), (255, 255, 255)),
    ("night-town.png", night, (22, 22, 62), (74, 58, 120)),
]

if __name__ == "__main__":
    for name, paint, top, bottom in PICTURES:
        picture = gradient(top, bottom)
        paint(picture)
        if name.endswith(".jpg"):
            soft = picture.filter(ImageFilter.GaussianBlur(0.6))
            soft.save(HERE / name, quality=82, optimize=True, progressive=True)
        else:
            picture.quantize(64).save(HERE / name, optimize=True)
        print(f"{name}: {(HERE / name).stat().st_size / 1000:.0f} kB")
