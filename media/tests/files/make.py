"""Makes the images beside it."""

from PIL import Image, ImageCms, ImageDraw

UPRIGHT = (48, 32)
CORNERS = [(220, 30, 30), (30, 180, 30), (30, 30, 220), (230, 230, 230)]
# From upright to stored: the inverse of what the orientation tells a viewer to do.
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def corners(mode="RGB", size=UPRIGHT):
    """Four fields of colour: red, green, blue, white."""
    image = Image.new("RGB", size)
    draw = ImageDraw.Draw(image)
    width, height = size[0] // 2, size[1] // 2
    for at, colour in enumerate(CORNERS):
        x, y = at % 2 * width, at // 2 * height
        draw.rectangle((x, y, x + width - 1, y + height - 1), fill=colour)
    return image.convert(mode)


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    return data


def slopes(size=(45, 31)):
    """Colours that change slowly, of a size that fills no block."""
    across = Image.linear_gradient("L").rotate(90).resize(size)
    down = Image.linear_gradient("L").resize(size)
    return Image.merge("RGB", (across, down, Image.radial_gradient("L").resize(size)))


def main():
    upright = corners()
    for orientation in range(1, 9):
        stored = upright
        if orientation in STORED:
            stored = upright.transpose(STORED[orientation])
        stored.save(f"orientation-{orientation}.jpg", quality=90, exif=exif(orientation))
    turned = upright.transpose(STORED[6])
    turned.save("orientation-6.png", exif=exif(6))
    turned.save("orientation-6.webp", lossless=True, exif=exif(6))
    for subsampling, name in enumerate(("444", "422", "420")):
        slopes().save(f"sampling-{name}.jpg", quality=90, subsampling=subsampling)
    slopes().save("restarts.jpg", quality=90, restart_marker_blocks=2)
    corners("CMYK").save("cmyk.jpg", quality=90)
    corners("L").save("gray.jpg", quality=90)
    upright.save("progressive.jpg", quality=90, progressive=True)
    upright.save("plain.png")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    upright.save("profile.jpg", quality=90, icc_profile=profile)
    clear = corners("RGBA")
    clear.paste((0, 0, 0, 0), (0, 0, 12, 12))
    clear.save("alpha.png")
    clear.quantize(8).save("palette.png")
    corners("L").convert("I;16").save("gray16.png")
    upright.save("lossy.webp", quality=80)
    upright.save("lossless.webp", lossless=True)
    clear.save("alpha.webp", quality=80)
    frames = [upright.rotate(90 * turn) for turn in range(3)]
    for name in ("animated.png", "animated.webp"):
        frames[0].save(name, save_all=True, append_images=frames[1:], duration=100)


main()
