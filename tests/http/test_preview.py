"""POST /predict/preview: the greys of a picture as a model is given them."""
import struct
import unittest
import zlib

from support import client, dicom, jpeg, picture, program
from support.case import ServerCase, needs_data

ROWS = [[(9 * x + 5 * y) % 256 for x in range(16)] for y in range(16)]
PIXELS = jpeg.pixels(ROWS)


def grey(png):
    """(width, height, rows) of an 8-bit grey PNG, whose rows may be filtered."""
    assert png.startswith(picture.SIGNATURE)
    at, data, head = 8, b'', None
    while at < len(png):
        size, kind = struct.unpack('>I4s', png[at:at + 8])
        body = png[at + 8:at + 8 + size]
        head = struct.unpack('>IIBBBBB', body) if kind == b'IHDR' else head
        data += body if kind == b'IDAT' else b''
        at += 12 + size
    width, height, depth, colour, *_ = head
    assert (depth, colour) == (8, picture.GREY), (depth, colour)
    return width, height, unfilter(zlib.decompress(data), width, height)


def unfilter(data, width, height):
    rows, above = [], bytes(width)
    for y in range(height):
        kind, row = data[y * (width + 1)], bytearray(data[y * (width + 1) + 1:(y + 1) * (width + 1)])
        for x in range(width):
            a, b, c = (row[x - 1] if x else 0), above[x], (above[x - 1] if x else 0)
            near = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
            row[x] = (row[x] + (0, a, b, (a + b) // 2, near)[kind]) & 255
        rows.append(bytes(row))
        above = row
    return rows


class ThePreview(ServerCase):
    """No model is active: none is asked."""

    def preview(self, data, query='', **headers):
        reply = self.post('/predict/preview' + query, data, **headers)
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual((reply.headers['content-type'], reply.headers['cache-control']), ('image/png', 'no-store'))
        return grey(reply.body)

    def test_of_a_grey_png_is_the_same_pixels(self):
        side = 97
        rows = [bytes((7 * x * y + x) % 256 for x in range(side)) for y in range(31)]
        self.assertEqual(self.preview(picture.png(side, 31, b''.join(b'\0' + row for row in rows))), (side, 31, rows))

    def test_of_colours_and_of_sixteen_bits_is_what_the_contract_says(self):
        rgb = b'\0' + bytes([200, 10, 30, 0, 255, 1])
        wanted = bytes((19595 * r + 38470 * g + 7471 * b + 32768) >> 16 for r, g, b in ((200, 10, 30), (0, 255, 1)))
        self.assertEqual(self.preview(picture.png(2, 1, rgb, 8, picture.RGB))[2], [wanted])
        values = (0, 257, 40000, 65535)
        deep = picture.png(4, 1, b'\0' + struct.pack('>4H', *values), 16, picture.GREY)
        self.assertEqual(self.preview(deep)[2], [bytes((v * 255 + 32767) // 65535 for v in values)])

    def test_of_dicom_and_jpeg_is_what_was_decoded(self):
        for kind, data in (('dicom', dicom.film(PIXELS)), ('without its first bytes', dicom.film(PIXELS, preamble=False))):
            with self.subTest(kind):
                width, height, rows = self.preview(data, Content_Type='application/dicom')
                self.assertEqual((width, height, rows), (128, 128, [bytes(row) for row in PIXELS]))
        width, height, rows = self.preview(jpeg.squares(ROWS))
        self.assertEqual((width, height), (128, 128))
        self.assertLessEqual(max(abs(a - b) for got, row in zip(rows, PIXELS) for a, b in zip(got, row)), 3)

    def test_of_a_size_is_reduced_by_area_and_never_enlarged(self):
        stripes = picture.png(64, 32, (b'\0' + bytes([0, 200] * 32)) * 32)
        self.assertEqual(self.preview(stripes, '?size=32'), (32, 16, [bytes([100] * 32)] * 16))
        self.assertEqual(self.preview(stripes, '?size=65')[:2], (64, 32))
        self.assertEqual(self.preview(picture.flat(600, 1), '?size=16')[:2], (16, 1))
        for size in ('0', '15', '2049', 'x', '-1', '99999999999999999999'):
            self.assert_problem(self.post(f'/predict/preview?size={size}', stripes), 422, "'size' must be a whole number in 16..2048")

    def test_takes_a_form(self):
        data = picture.noise(4)
        form = b'--b\r\nContent-Disposition: form-data; name="x"; filename="y"\r\n\r\n' + data + b'\r\n--b--\r\n'
        self.assertEqual(self.preview(form, Content_Type='multipart/form-data; boundary=b'), self.preview(data))

    def test_refuses_what_a_prediction_refuses(self):
        files = {'nothing': b'', 'cut': picture.noise(1)[:99], 'a GIF': b'GIF89a', 'too wide': picture.flat(8193, 1),
                 'a lateral film': dicom.film(PIXELS, ViewPosition='LL'), 'another part': dicom.film(PIXELS, BodyPartExamined='KNEE')}
        refused = {name: self.post('/predict/preview', data) for name, data in files.items()}
        self.assertEqual({name: reply.status for name, reply in refused.items()},
                         {'nothing': 400, 'cut': 400, 'a GIF': 415, 'too wide': 422, 'a lateral film': 422, 'another part': 422})
        for name, reply in refused.items():
            self.assert_problem(reply, reply.status)
            self.assertEqual(reply.headers['cache-control'], 'no-store')
        self.assert_problem(self.get('/predict/preview'), 405)

    def test_is_counted_as_a_request_for_a_prediction_and_as_none(self):
        def counted(name):
            text = self.get('/metrics').body.decode()
            return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

        names = ('cxrd_http_requests_total{route="/predict/preview"', 'cxrd_inferences_total{outcome="ok"}',
                 'cxrd_inferences_total{outcome="rejected"}', 'cxrd_inference_duration_seconds_count')
        before = [counted(name) for name in names]
        self.preview(picture.noise(1))
        self.post('/predict/preview', b'GIF89a')
        program.poll(lambda: [counted(name) - was for name, was in zip(names, before)] == [2, 1, 1, 0], 'both are counted', seconds=20)


class WithAModel(ServerCase):
    with_model = True

    def test_the_refusals_have_the_words_of_a_prediction(self):
        for data in (picture.noise(1)[:99], b'GIF89a', picture.flat(8193, 1), dicom.film(PIXELS, ViewPosition='LL')):
            preview, prediction = (self.post(target, data).json() for target in ('/predict/preview', '/predict'))
            for problem in (preview, prediction):
                del problem['request_id'], problem['instance']
            self.assertEqual(preview, prediction)


class Limits(ServerCase):
    arguments = ('--max-upload', '100000')

    def test_are_those_of_a_prediction(self):
        self.assert_problem(self.post('/predict/preview', bytes(100001)), 413, '100000')


@needs_data
class RealFilms(ServerCase):

    def test_are_shown_as_they_are(self):
        path = program.TEST_DATA + '/nih256/images_001/images'
        from PIL import Image  # only where there are data
        import glob
        import io
        for film in sorted(glob.glob(path + '/*.png'))[:3]:
            with open(film, 'rb') as file:
                data = file.read()
            reply = client.post(self.server, '/predict/preview', data)
            self.assertEqual(Image.open(io.BytesIO(reply.body)).tobytes(), Image.open(io.BytesIO(data)).convert('L').tobytes())


if __name__ == '__main__':
    unittest.main()
