"""POST /predict/heatmap: the X-ray with the contribution map over it, and cxrd predict --heatmap."""
import glob
import os
import struct
import unittest
import zlib

from support import client, dataset, picture, program
from support.case import ServerCase, needs_data

NAMES = ('Effusion', 'Hernia', 'Mass')
BAR = 2 * 3 * 6 + 2 * 6 * 2 * 2  # at least: what stands beside the picture


def rgb(png):
    """(width, height, rows of bytes) of an 8-bit RGB PNG, checksums compared."""
    assert png.startswith(picture.SIGNATURE)
    at, data, head = 8, b'', None
    while at < len(png):
        size, kind = struct.unpack('>I4s', png[at:at + 8])
        body = png[at + 8:at + 8 + size]
        assert zlib.crc32(kind + body) == struct.unpack('>I', png[at + 8 + size:at + 12 + size])[0]
        head = struct.unpack('>IIBBBBB', body) if kind == b'IHDR' else head
        data += body if kind == b'IDAT' else b''
        at += 12 + size
    width, height, depth, colour, *_ = head
    assert (depth, colour) == (8, picture.RGB)
    return width, height, unfilter(zlib.decompress(data), width * 3, height)


def unfilter(data, stride, height, bpp=3):
    rows, above = [], bytes(stride)
    for y in range(height):
        kind, row = data[y * (stride + 1)], bytearray(data[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for i in range(stride):
            a, b, c = (row[i - bpp] if i >= bpp else 0), above[i], (above[i - bpp] if i >= bpp else 0)
            near = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
            row[i] = (row[i] + (0, a, b, (a + b) // 2, near)[kind]) & 255
        rows.append(bytes(row))
        above = row
    return rows


class TheHeatmap(ServerCase):
    with_model = True

    def drawn(self, data, label='Mass', **headers):
        reply = self.post(f'/predict/heatmap?label={label}', data, **(headers or {'Content_Type': 'image/png'}))
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(reply.headers['content-type'], 'image/png')
        self.assertEqual(reply.headers['cache-control'], 'no-store')
        return reply.body

    def heatmap(self, *arguments, **headers):
        return rgb(self.drawn(*arguments, **headers))

    def test_shows_the_picture_and_colours_it_as_the_explanation_says(self):
        side = 512
        data = picture.png(side, side, (b'\0' + b'\x60' * side) * side)
        label = 'Effusion'
        explanation = self.post(f'/predict?explain={label}', data).json()['explanation']
        width, height, rows = self.heatmap(data, label)
        self.assertGreater(width, side + BAR)
        self.assertGreater(height, side)
        grid, scale = explanation['grid'], explanation['scale']
        cells = len(grid)
        for y in range(cells):
            for x in range(cells):
                at = (int((x + 0.5) * side / cells) * 3, int((y + 0.5) * side / cells))
                self.assert_coloured(rows[at[1]][at[0]:at[0] + 3], grid[y][x], scale)

    def assert_coloured(self, rgb, cell, scale):
        """A pixel beside a cell's centre, over a grey of 96."""
        part = min(1, abs(cell) / scale['full'])
        for got, colour in zip(rgb, scale['raises' if cell > 0 else 'lowers']):
            self.assertAlmostEqual((got - 96) / 159, (colour - 96) / 159 * scale['opacity'] * part, delta=0.06)

    def test_a_finding_that_nothing_speaks_for_looks_like_one(self):
        """The colours of two findings are by one scale: the larger a map's cells, the more of it is coloured."""
        side, loudness = 512, []
        data = picture.png(side, side, (b'\0' + b'\x60' * side) * side)
        for label in NAMES:
            explanation = self.post(f'/predict?explain={label}', data).json()['explanation']
            self.assertEqual(explanation['scale'], {'full': 0.1 * 256 / len(explanation['grid']) ** 2, 'opacity': 0.75,
                                                    'raises': [255, 64, 40], 'lowers': [40, 120, 255]})
            _, _, rows = self.heatmap(data, label)
            drawn = max(abs(v - 96) for row in rows[:side] for v in row[:3 * side])
            loudness.append((max(abs(v) for row in explanation['grid'] for v in row), drawn))
        loudness.sort()
        full = explanation['scale']['full']
        self.assertLess(loudness[0][0], 0.8 * min(full, loudness[-1][0]), 'the maps of this model are all alike')
        for cell, drawn in loudness:
            self.assertLessEqual(drawn, 1 + 159 * 0.75 * min(1, cell / full), cell)
        self.assertLess(loudness[0][1], loudness[-1][1])

    def test_where_the_map_is_nothing_the_picture_is_as_it_was(self):
        data = picture.noise(3, 512, 512)
        explanation = self.post('/predict?explain=Hernia', data).json()['explanation']
        grid = explanation['grid']
        _, _, rows = self.heatmap(data, 'Hernia')
        raw = zlib.decompress(data[data.index(b'IDAT') + 4:-16])
        weak = 0
        for y, line in enumerate(grid):
            for x, v in enumerate(line):
                at_y, at_x = int((y + 0.5) * 512 / len(grid)), int((x + 0.5) * 512 / len(grid))
                grey = raw[at_y * 513 + 1 + at_x]
                shown = rows[at_y][at_x * 3:at_x * 3 + 3]
                if abs(v) < 0.05 * explanation['scale']['full']:
                    weak += 1
                    self.assertTrue(all(abs(c - grey) <= 12 for c in shown), (y, x, grey, shown))
        self.assertGreater(weak, 0)

    def test_keeps_proportions_and_bounds_the_size(self):
        for (width, height), (shown_width, shown_height) in {
                (700, 520): (700, 520), (64, 64): (512, 512), (100, 30): (600, 180), (2048, 1000): (2048, 1000),
                (4096, 1024): (2048, 512), (8192, 3): (2048, 1), (1, 1): (512, 512)}.items():
            with self.subTest((width, height)):
                got_width, got_height = struct.unpack('>II', self.drawn(picture.flat(width, height, 1))[16:24])
                self.assertGreater(got_width, shown_width)
                self.assertLess(got_width, shown_width + 1000)
                self.assertGreater(got_height, shown_height)
                self.assertLess(got_height, shown_height + 1000)

    def test_takes_a_form(self):
        data = picture.noise(4)
        form = b'--b\r\nContent-Disposition: form-data; name="x"; filename="y"\r\n\r\n' + data + b'\r\n--b--\r\n'
        self.assertEqual(self.drawn(form, Content_Type='multipart/form-data; boundary=b'), self.drawn(data))

    def test_is_what_cxrd_predict_writes(self):
        folder = program.new_folder('film')
        film, out = os.path.join(folder, 'film.png'), os.path.join(folder, 'map.png')
        with open(film, 'wb') as file:
            file.write(picture.noise(5, 90, 90))
        there = self.post('/predict/heatmap?label=Edema', picture.noise(5, 90, 90)).body
        for source in (('--weights', dataset.weights_path()), ('--url', self.server.url)):
            done = program.run('predict', *source, '--explain', 'Edema', '--heatmap', out, film)
            self.assertEqual((done.returncode, done.stderr), (0, ''))
            self.assertIn('  Edema: logit ', done.stdout)
            with open(out, 'rb') as file:
                self.assertEqual(file.read(), there)
            os.remove(out)
        for arguments in (['--heatmap', out, film], ['--explain', 'Edema', '--heatmap', out, film, film],
                          ['--explain', 'edemas', film]):
            done = program.run('predict', '--weights', dataset.weights_path(), *arguments)
            self.assertEqual((done.returncode, os.path.exists(out)), (2, False))


class NoHeatmap(ServerCase):
    with_model = True
    arguments = ('--max-upload', '100000')

    def test_without_a_finding_is_422(self):
        for query in ('?labels=Mass', '?explain=Mass'):
            self.assert_problem(self.post('/predict/heatmap' + query, picture.noise(1)), 400, 'label')
        for query in ('', '?', '?label=', '?label=Massive', '?label=No%20Finding'):
            with self.subTest(query):
                self.assert_problem(self.post('/predict/heatmap' + query, picture.noise(1)), 422, "'label'")

    def test_of_what_is_no_picture(self):
        target = '/predict/heatmap?label=Mass'
        self.assert_problem(self.post(target), 400, 'no body')
        self.assert_problem(self.post(target, picture.noise(1)[:99]), 400, 'PNG')
        self.assert_problem(self.post(target, b'GIF89a'), 415, 'GIF')
        self.assert_problem(self.post(target, picture.flat(8193, 1)), 422, '8193')
        self.assert_problem(self.post(target, bytes(100001)), 413, '100000')
        self.assert_problem(self.get(target), 405)


class WithoutAModel(ServerCase):

    def test_it_is_503(self):
        self.assert_problem(self.post('/predict/heatmap?label=Mass', picture.noise(1)), 503, 'no model')


@needs_data
class RealFilms(ServerCase):
    with_model = True

    def test_are_shown(self):
        for folder in ('nih', 'nih256'):
            for path in sorted(glob.glob(os.path.join(program.TEST_DATA, folder, 'images_*', 'images', '*.png')))[:3]:
                with open(path, 'rb') as file:
                    reply = client.post(self.server, '/predict/heatmap?label=Nodule', file.read())
                self.assertEqual((reply.status, reply.body[:8]), (200, picture.SIGNATURE))


if __name__ == '__main__':
    unittest.main()
