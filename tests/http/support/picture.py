"""PNG files from scratch, right ones and every kind of wrong one."""
import random
import struct
import zlib

SIGNATURE = b'\x89PNG\r\n\x1a\n'
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}


def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def header(width, height, depth=8, colour=GREY):
    return chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, depth, colour, 0, 0, 0))


def png(width, height, rows, depth=8, colour=GREY, extra=b''):
    """`rows`: each row's bytes behind its filter byte; `extra`: chunks before the pixels."""
    return (SIGNATURE + header(width, height, depth, colour) + extra
            + chunk(b'IDAT', zlib.compress(rows, 1)) + chunk(b'IEND', b''))


def noise(seed=0, width=64, height=64, depth=8, colour=GREY, extra=b''):
    """A picture of its own for every seed: smooth, so that it looks a little like a film, with noise on it."""
    draw = random.Random(seed)
    per_row = (width * depth * CHANNELS[colour] + 7) // 8
    a, b = draw.uniform(0.5, 3), draw.uniform(0.5, 3)
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        base = int(40 * a * y / height)
        rows += bytes((base + int(40 * b * x / per_row) + draw.randrange(40)) & 255 for x in range(per_row))
    return png(width, height, bytes(rows), depth, colour, extra)


def flat(width, height, depth=8, colour=GREY, value=0):
    """A picture of one value, quick to make at any size."""
    row = b'\0' + bytes([value]) * ((width * depth * CHANNELS[colour] + 7) // 8)
    pack = zlib.compressobj(1)
    data = b''.join(pack.compress(row * n) for n in [256] * (height // 256) + [height % 256]) + pack.flush()
    return SIGNATURE + header(width, height, depth, colour) + chunk(b'IDAT', data) + chunk(b'IEND', b'')


def text(words):
    """A tEXt chunk."""
    return chunk(b'tEXt', b'Comment\0' + words)
