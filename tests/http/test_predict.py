"""POST /predict with a picture as the body: the 14 numbers, and every picture that gets none."""
import concurrent.futures
import glob
import json
import math
import os
import re
import unittest

from support import client, dataset, picture, program
from support.case import ServerCase, log_until_now, needs_data


class ThePrediction(ServerCase):
    with_model = True

    def test_has_the_contracts_shape(self):
        prediction = self.assert_prediction(self.predict(picture.noise(1, 80, 64)))
        self.assertEqual(list(prediction), ['id', 'model', 'probabilities', 'findings', 'image', 'warnings',
                                            'timing_ms', 'intended_use'])
        self.assertEqual(prediction['image'], {'width': 80, 'height': 64, 'channels': 1, 'bit_depth': 8})
        self.assertEqual(prediction['warnings'], [])
        self.assertEqual(set(prediction['timing_ms']), {'queue', 'decode', 'preprocess', 'forward', 'total'})
        self.assertTrue(all(ms >= 0 for ms in prediction['timing_ms'].values()))
        self.assertGreater(prediction['timing_ms']['total'], prediction['timing_ms']['forward'])
        self.assertIn('Research use only', prediction['intended_use'])

    def test_names_its_model(self):
        model = self.assert_prediction(self.predict(picture.noise(1)))['model']
        self.assertEqual(model, {'id': self.model['id'], 'architecture': 'cnn4', 'sha256': self.model['sha256'],
                                 'job': None, 'population': 'findings-only', 'warnings': []})

    def test_id_is_the_requests(self):
        reply = self.predict(picture.noise(1), Content_Type='image/png', X_Request_Id='film-1')
        self.assertEqual(self.assert_prediction(reply)['id'], 'film-1')

    def test_is_what_cxrd_predict_says_of_the_same_files(self):
        pictures = [picture.noise(2), picture.noise(3, 200, 131), picture.noise(4, 33, 47, 16),
                    picture.noise(5, 50, 50, 8, picture.RGBA), picture.noise(6, 64, 64, 1), picture.flat(16, 16)]
        for data, here in zip(pictures, dataset.predict_here(pictures, dataset.weights_path())):
            there = self.assert_prediction(self.predict(data))
            self.assertEqual(there['probabilities'], here['probabilities'])
            self.assertEqual(there['findings'], here['findings'])
            self.assertEqual(there['image'], here['image'])
            self.assertEqual(there['model']['sha256'], here['model']['sha256'])

    def test_differs_from_picture_to_picture(self):
        numbers = {json.dumps(self.assert_prediction(self.predict(picture.noise(i)))['probabilities']) for i in range(4)}
        self.assertEqual(len(numbers), 4)

    def test_findings_are_all_14_sorted_by_probability(self):
        prediction = self.assert_prediction(self.predict(picture.noise(7)))
        self.assertEqual(sorted(f['label'] for f in prediction['findings']), sorted(dataset.LABELS))
        falling = [f['probability'] for f in prediction['findings']]
        self.assertEqual(falling, sorted(falling, reverse=True))
        for finding in prediction['findings']:
            self.assertEqual(finding['probability'], prediction['probabilities'][finding['label']])
            self.assertLessEqual({'threshold', 'positive', 'auroc'}, set(finding))  # test_evaluation knows which

    def test_numbers_carry_9_significant_digits(self):
        body = self.predict(picture.noise(8)).body.decode()
        probabilities = re.search(r'"probabilities":\{([^}]*)\}', body).group(1)
        digits = [len(text.replace('.', '').lstrip('0')) for text in re.findall(r':([0-9.]+)(?:e-[0-9]+)?', probabilities)]
        self.assertEqual(len(digits), 14)
        self.assertEqual(max(digits), 9)  # a zero at the end is left out
        self.assertGreaterEqual(sorted(digits)[7], 8)

    def test_is_never_cached(self):
        self.assertEqual(self.predict(picture.noise(1)).headers['cache-control'], 'no-store')

    def test_any_content_type_will_do_for_what_is_a_png(self):
        expected = self.assert_prediction(self.predict(picture.noise(9)))['probabilities']
        for kind in ('image/png', 'application/octet-stream', 'IMAGE/PNG; q=1', 'text/plain', 'image/jpeg',
                     'application/x-www-form-urlencoded', 'x' * 300):
            with self.subTest(kind):
                reply = self.predict(picture.noise(9), Content_Type=kind)
                self.assertEqual(self.assert_prediction(reply)['probabilities'], expected)
        with client.Raw(self.server) as raw:
            data = picture.noise(9)
            raw.send(client.head('POST', '/predict', f'Content-Length: {len(data)}') + data)
            self.assertEqual(self.assert_prediction(raw.reply())['probabilities'], expected)

    def test_bytes_behind_the_end_of_a_png_do_not_matter(self):
        expected = self.assert_prediction(self.predict(picture.noise(9)))['probabilities']
        reply = self.predict(picture.noise(9) + b'surplus')
        self.assertEqual(self.assert_prediction(reply)['probabilities'], expected)

    def test_content_encoding_identity_is_none(self):
        self.assert_prediction(self.predict(picture.noise(1), Content_Type='image/png', Content_Encoding='identity'))

    def test_a_chunked_body_is_a_body(self):
        data = picture.noise(10)
        expected = self.assert_prediction(self.predict(data))['probabilities']
        for size in (1, 7, 1000, len(data)):
            with self.subTest(size):
                chunks = b''.join(b'%x\r\n%s\r\n' % (len(data[i:i + size]), data[i:i + size])
                                  for i in range(0, len(data), size))
                with client.Raw(self.server) as raw:
                    raw.send(client.head('POST', '/predict', 'Transfer-Encoding: chunked') + chunks + b'0\r\n\r\n')
                    self.assertEqual(self.assert_prediction(raw.reply())['probabilities'], expected)

    def test_64_at_once_are_all_right(self):
        pictures = [picture.noise(100 + i, 64 + i, 64) for i in range(16)]
        expected = [r['probabilities'] for r in dataset.predict_here(pictures, dataset.weights_path())]
        with concurrent.futures.ThreadPoolExecutor(64) as pool:
            replies = list(pool.map(lambda i: self.predict(pictures[i % 16]), range(64)))
        for i, reply in enumerate(replies):
            self.assertEqual(self.assert_prediction(reply)['probabilities'], expected[i % 16])

    def test_row_58_what_is_not_the_picture_is_skipped_whatever_its_size(self):
        plain = picture.noise(1)
        begin = plain.index(b'IDAT') - 4
        wanted = self.assert_prediction(self.predict(plain))['probabilities']
        large = bytes(range(256)) * 8192  # 2 MiB
        for kind in (b'tEXt', b'zTXt', b'iTXt', b'eXIf', b'iCCP', b'sPLT', b'hIST', b'prVt'):
            extra = picture.chunk(kind, b'Comment\0' + large)
            for name, film in (('before', plain[:begin] + extra + plain[begin:]), ('after', plain[:-12] + extra + plain[-12:])):
                with self.subTest((kind, name)):
                    self.assertEqual(self.assert_prediction(self.predict(film))['probabilities'], wanted)
        broken = bytearray(plain[:begin] + picture.chunk(b'tEXt', large) + plain[begin:])
        broken[begin + 1000] ^= 1
        self.assert_problem(self.predict(bytes(broken)), 400, 'tEXt: CRC error')

    def test_a_picture_of_the_largest_side_is_read(self):
        prediction = self.assert_prediction(self.predict(picture.flat(8192, 100, 1)))
        self.assertEqual(prediction['image'], {'width': 8192, 'height': 100, 'channels': 1, 'bit_depth': 1})


class TheExplanation(ServerCase):
    with_model = True

    def explain(self, label, data):
        return self.assert_prediction(self.post(f'/predict?explain={label}', data, Content_Type='image/png'))

    def assert_adds_up(self, explanation):
        total = explanation['bias'] + explanation['inputs'] + sum(map(sum, explanation['grid']))
        self.assertLessEqual(abs(total - explanation['logit']), 1e-4 * max(1, abs(explanation['logit'])))

    def test_adds_up_to_the_logit_of_every_finding(self):
        data = picture.noise(21, 90, 70)
        for label in dataset.LABELS:
            with self.subTest(label):
                prediction = self.explain(label, data)
                explanation = prediction['explanation']
                self.assertEqual(list(explanation), ['label', 'logit', 'bias', 'inputs', 'grid', 'scale'])
                self.assertEqual(explanation['label'], label)
                self.assertEqual([len(row) for row in explanation['grid']], [dataset.SIZE // 16] * (dataset.SIZE // 16))
                self.assert_adds_up(explanation)
                scale, shift = dataset.calibration()[label]
                calibrated = 1 / (1 + math.exp(-(scale * explanation['logit'] + shift)))
                self.assertAlmostEqual(prediction['probabilities'][label], calibrated, 5)

    def test_changes_nothing_else(self):
        plain = self.assert_prediction(self.predict(picture.noise(22)))
        explained = self.explain('Mass', picture.noise(22))
        self.assertNotIn('explanation', plain)
        self.assertEqual(list(explained)[4:6], ['explanation', 'image'])
        for part in ('probabilities', 'findings', 'image', 'model'):
            self.assertEqual(plain[part], explained[part])

    def test_is_that_of_its_own_picture_when_many_ask(self):
        def ask(i):
            return self.explain(dataset.LABELS[i % 14], picture.noise(30 + i % 5))['explanation']

        alone = [ask(i) for i in range(70)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertEqual(list(pool.map(ask, range(70))), alone)

    def test_of_no_finding_is_422(self):
        for label in ('Mas', 'Massive', '', 'No%20Finding', 'x' * 200):
            with self.subTest(label):
                reply = self.post(f'/predict?explain={label}', picture.noise(1), Content_Type='image/png')
                self.assert_problem(reply, 422, "'explain' must name one of the model's 14 findings: Atelectasis, ")

    def test_forgives_the_case_of_letters_and_what_stands_between_words(self):
        for label, said in (('Mass', 'mass'), ('Pleural_Thickening', 'pleural%20thickening'), ('Edema', 'oedema')):
            self.assertEqual(self.explain(said, picture.noise(1))['explanation']['label'], label)

    def test_is_what_cxrd_predict_says(self):
        data = picture.noise(23, 100, 100)
        path = os.path.join(program.new_folder('film'), 'film.png')
        with open(path, 'wb') as file:
            file.write(data)
        there = self.explain('Nodule', data)['explanation']
        for source in (('--weights', dataset.weights_path()), ('--url', self.server.url)):
            done = program.run('predict', *source, '--json', '--explain', 'Nodule', path)
            self.assertEqual((done.returncode, done.stderr), (0, ''))
            self.assertEqual(json.loads(done.stdout)['explanation'], there)


class NoPrediction(ServerCase):
    with_model = True

    def test_of_another_format_is_415_and_names_it(self):
        formats = {'GIF': b'GIF89a\1\0\1\0', 'HEIF': b'\0\0\0\x18ftypheic', 'JPEG 2000': b'\0\0\0\x0cjP  \r\n\x87\n',
                   'TIFF': b'II*\0', 'WebP': b'RIFF\0\0\0\0WEBP', 'BMP': b'BM\0\0', 'PDF': b'%PDF-1.7', 'ZIP': b'PK\3\4',
                   'gzip': b'\x1f\x8b\x08'}
        for name, magic in formats.items():
            with self.subTest(name):
                self.assert_problem(self.predict(magic + bytes(200)), 415, f'this is a {name} file')

    def test_of_anything_else_is_415(self):
        for data in (b'x', b'hello, world', bytes(1000), b'{"image":"iVBORw0KGgo="}', picture.SIGNATURE[:4]):
            self.assert_problem(self.predict(data), 415, 'read here')

    def test_of_a_png_with_a_damaged_signature_is_415(self):
        self.assert_problem(self.predict(b'\x89PNG\n\x1a\n' + picture.noise(1)[8:]), 415, 'signature')

    def test_of_nothing_is_400(self):
        self.assert_problem(self.predict(b''), 400, 'no body')
        with client.Raw(self.server) as raw:
            raw.send(client.head('POST', '/predict'))
            self.assert_problem(raw.reply(), 400, 'no body')
            raw.send(client.head('POST', '/predict', 'Transfer-Encoding: chunked') + b'0\r\n\r\n')
            self.assert_problem(raw.reply(), 400, 'no body')

    def test_of_a_broken_png_is_400(self):
        whole = picture.noise(1)
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 0x40
        last = whole.index(b'IDAT') - 4
        broken = {
            'cut in half': whole[:len(whole) // 2], 'cut in its header': whole[:20], 'only a signature': whole[:8],
            'a flipped bit': bytes(flipped), 'no end': whole[:-12], 'no pixels': whole[:last] + whole[-12:],
            'another checksum': whole[:-16] + b'\0\0\0\0' + whole[-12:],
            'too few rows': picture.png(64, 64, bytes(65 * 10)), 'width 0': picture.png(0, 64, b''),
            'height 0': picture.png(64, 0, b''), 'a colour type of its own': picture.png(8, 8, bytes(100), 8, 5),
            'a depth of its own': picture.png(8, 8, bytes(100), 3), 'a palette picture without a palette':
                picture.png(8, 8, bytes(72), 8, picture.PALETTE),
            'not deflated': picture.SIGNATURE + picture.header(8, 8) + picture.chunk(b'IDAT', b'not zlib at all')
                + picture.chunk(b'IEND', b''),
        }
        for name, data in broken.items():
            with self.subTest(name):
                problem = self.assert_problem(self.predict(data), 400, 'PNG')
                self.assertNotIn('probabilities', problem)

    def test_of_too_large_a_picture_is_422_and_says_the_limit(self):
        self.assert_problem(self.predict(picture.flat(60000, 60000, 1)), 422, 'the limit is 8192')
        self.assert_problem(self.predict(picture.flat(4096, 4096, 16, picture.RGBA)), 422, f'limit is {64 << 20}')
        self.assert_problem(self.predict(picture.flat(8193, 1)), 422, '8193 x 1 pixels')
        self.assert_problem(self.predict(picture.SIGNATURE + picture.header(2**31 - 1, 2**31 - 1) + bytes(99)), 422)
        self.assert_problem(self.predict(picture.SIGNATURE + picture.header(8192, 8192) + bytes(99)), 422,
                            f'the limit is {32 << 20}')

    def test_of_a_compressed_body_is_415(self):
        for encoding in ('gzip', 'br', 'deflate', 'gzip, identity'):
            with self.subTest(encoding):
                reply = self.predict(picture.noise(1), Content_Type='image/png', Content_Encoding=encoding)
                self.assert_problem(reply, 415, 'Content-Encoding')

    def test_is_cached_either(self):
        for data in (b'', b'x', picture.noise(1)[:99], picture.flat(8193, 1)):
            self.assertEqual(self.predict(data).headers.get('cache-control'), 'no-store')


class WithoutAModel(ServerCase):

    def test_it_is_503(self):
        self.assert_problem(self.predict(picture.noise(1)), 503, 'no model')


class Privacy(ServerCase):
    """No name, no text, no pixel on disk or in the log."""

    with_model = True

    def test_nothing_of_a_request_is_left_behind(self):
        canary = 'CANARY-Doe-Jane-1961'
        film = picture.noise(1, extra=picture.text(canary.encode()))
        form = (f'--b\r\nContent-Disposition: form-data; name="{canary}"; filename="{canary}.png"\r\n\r\n').encode() \
            + film + b'\r\n--b--\r\n'
        replies = [
            self.post('/predict', film, Content_Type='image/png', User_Agent=canary, Cookie=canary, Referer=f'http://{canary}/'),
            self.post(f'/predict?patient={canary}', film), self.post(f'/predict?{canary}=1', film),
            self.predict(form, Content_Type='multipart/form-data; boundary=b', X_Patient=canary),
            self.predict(film[:-30], Content_Type=canary),
            self.post(f'/{canary}'), self.get(f'/jobs?state={canary}'), self.get(f'/jobs/{canary}'),
            self.post_json('/jobs/train', {canary: canary, 'dataset': canary}),
            self.predict(film, Content_Type='image/png', X_Request_Id=f'<{canary}>'),
        ]
        self.assertEqual([r.status for r in replies], [200, 400, 400, 200, 400, 404, 422, 404, 422, 200])
        log_until_now(self.server)
        self.server.log()  # all of it is JSON
        with open(self.server.log_path, 'rb') as file:
            self.assertNotIn(canary.encode(), file.read())
        kept = dict(program.contents_below(self.server.state))
        self.assertGreater(len(kept), 1)
        for place, held in kept.items():
            self.assertNotIn(canary.encode(), held, place)


@needs_data
class RealFiles(ServerCase):
    with_model = True

    def films(self, folder, n):
        return sorted(glob.glob(os.path.join(program.TEST_DATA, folder, 'images_*', 'images', '*.png')))[:n]

    def test_nih_films_are_read_as_cxrd_predict_reads_them(self):
        pictures = []
        for path in self.films('nih', 6) + self.films('nih256', 3):
            with open(path, 'rb') as file:
                pictures.append(file.read())
        self.assertEqual(len(pictures), 9)
        for data, here in zip(pictures, dataset.predict_here(pictures, dataset.weights_path())):
            there = self.assert_prediction(self.predict(data))
            self.assertEqual(there['probabilities'], here['probabilities'])
            self.assertEqual(there['image'], here['image'])

    def test_pngsuite_is_read_and_its_broken_files_are_refused(self):
        for path in sorted(glob.glob(os.path.join(program.TEST_DATA, 'png', 'pngsuite', '*.png'))):
            with self.subTest(os.path.basename(path)), open(path, 'rb') as file:
                reply = self.predict(file.read())
                if not os.path.basename(path).startswith('x'):
                    self.assert_prediction(reply)
                else:
                    self.assertIn(reply.status, (400, 415))
                    self.assert_problem(reply, reply.status)

    def test_hostile_files_are_answered_and_survived(self):
        paths = sorted(glob.glob(os.path.join(program.TEST_DATA, 'png', 'hostile', '*')))
        self.assertGreater(len(paths), 100)
        with client.Client(self.server) as one:
            for path in paths:
                with self.subTest(os.path.basename(path)), open(path, 'rb') as file:
                    reply = one.request('POST', '/predict', file.read(), Content_Type='image/png')
                    self.assertIn(reply.status, (200, 400, 415, 422))
        self.assertEqual(self.get('/livez').status, 200)


if __name__ == '__main__':
    unittest.main()
