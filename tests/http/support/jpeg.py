"""Baseline JPEG files from scratch (ITU-T T.81), of squares of 8 x 8 equal pixels: only those are the same after JPEG as before.

Every coefficient but the first of a square is 0, and that is not divided by anything, so nothing is lost; a decoder that is right
gives back each grey as it was."""
import struct

# Huffman codes of 4 bits for the lengths 0 to 11 of a difference, and of 1 bit for "nothing more in this square".
LENGTHS = range(12)


def segment(marker, data):
    return struct.pack('>BBH', 0xff, marker, len(data) + 2) + data


def bits_of(squares):
    before, out = 0, []
    for value in squares:
        coefficient = 8 * (value - 128)
        difference, before = coefficient - before, coefficient
        length = abs(difference).bit_length()
        out.append(f'{length:04b}')
        if length:
            out.append(f'{difference if difference > 0 else difference + (1 << length) - 1:0{length}b}')
        out.append('0')
    text = ''.join(out)
    text += '1' * (-len(text) % 8)
    return bytes(int(text[at:at + 8], 2) for at in range(0, len(text), 8)).replace(b'\xff', b'\xff\0')


def squares(rows, extra=b'', width=None, height=None, end=b'\xff\xd9'):
    """A picture of len(rows[0]) x len(rows) squares. `extra`: segments behind the first marker; `width`, `height`: as the frame
    header says them."""
    height = height or 8 * len(rows)
    width = width or 8 * len(rows[0])
    return b''.join((
        b'\xff\xd8', extra, segment(0xdb, b'\0' + bytes([1] * 64)),
        segment(0xc0, struct.pack('>BHHBBBB', 8, height, width, 1, 1, 0x11, 0)),
        segment(0xc4, b'\0' + bytes([0, 0, 0, 12] + [0] * 12) + bytes(LENGTHS)),
        segment(0xc4, b'\x10' + bytes([1] + [0] * 15) + b'\0'),
        segment(0xda, b'\1\1\0\0\x3f\0'), bits_of([value for row in rows for value in row]), end))


def pixels(rows):
    """The rows of pixels that such a picture has."""
    return [[value for value in row for _ in range(8)] for row in rows for _ in range(8)]


def orientation(value):
    """An Exif segment that says how the picture is to be turned."""
    tiff = b'MM\0*\0\0\0\x08' + struct.pack('>HHHIHHI', 1, 0x0112, 3, 1, value, 0, 0)
    return segment(0xe1, b'Exif\0\0' + tiff)
