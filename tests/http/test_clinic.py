"""Files of a clinic: DICOM and JPEG files, drawn here, and what their headers say."""
import csv
import functools
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import time
import unittest

from support import client, dataset, dicom, jpeg, picture, program
from support.case import Case, ServerCase, import_model, log_until_now, needs_data
from test_inputs import weights_path
from test_privacy import find

SQUARES = [[(31 * x + 57 * y + x * y) % 256 for x in range(8)] for y in range(8)]
PIXELS = jpeg.pixels(SQUARES)
OCTETS = {'Content_Type': 'application/octet-stream'}
DICOM = {'Content_Type': 'application/dicom'}


def png(rows):
    return picture.png(len(rows[0]), len(rows), b''.join(b'\0' + bytes(row) for row in rows))


def multipart(data, kind='application/octet-stream', **fields):
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode() for name, value in fields.items()]
    parts.append(f'--b\r\nContent-Disposition: form-data; name="image"; filename="f"\r\nContent-Type: {kind}\r\n\r\n'.encode()
                 + data + b'\r\n--b--\r\n')
    return b''.join(parts), {'Content_Type': 'multipart/form-data; boundary=b'}


def upright(**changes):
    """A film that lies as its orientation says."""
    return dicom.film(PIXELS, PatientOrientation='L\\F', **changes)


class Drawn(ServerCase):
    with_model = True

    def ask(self, data, **headers):
        return self.assert_prediction(self.predict(data, **(headers or OCTETS)))

    def codes(self, data):
        return [w['code'] for w in self.ask(data)['warnings'] if w['code'] not in ('inverted', 'unlike_training')]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.expected = client.post(cls.server, '/predict', png(PIXELS), Content_Type='image/png').json()['probabilities']

    # ---- the same picture in every form ----

    def test_is_answered_as_the_same_picture_in_a_png(self):
        square = jpeg.squares(SQUARES)
        forms = {
            'explicit': dicom.film(PIXELS), 'implicit': dicom.film(PIXELS, syntax=dicom.IMPLICIT),
            'deflated': dicom.film(PIXELS, syntax=dicom.DEFLATED), 'JPEG': square,
            'JPEG in DICOM': dicom.jpeg_film(square, 64, 64), 'in fragments': dicom.jpeg_film(square, 64, 64, pieces=3),
            'bits said above those of the JPEG': dicom.jpeg_film(square, 64, 64, BitsAllocated=16, HighBit=15),
            'more bits said than the JPEG has': dicom.jpeg_film(square, 64, 64, BitsAllocated=16, BitsStored=12, HighBit=11),
            'JPEG without its end': square[:-2], 'the same in DICOM': dicom.jpeg_film(square[:-2], 64, 64),
            '12 bits': dicom.film([[16 * v + v // 16 for v in row] for row in PIXELS], bits=12, WindowCenter='2047.5', WindowWidth='4095', VOILUTFunction='LINEAR_EXACT'),
            'light and dark turned': dicom.film([[255 - v for v in row] for row in PIXELS], PhotometricInterpretation='MONOCHROME1'),
        }
        for name, data in forms.items():
            with self.subTest(name):
                self.assertEqual(self.ask(data)['probabilities'], self.expected)

    def test_is_turned_as_its_header_says(self):
        mirrored = [row[::-1] for row in PIXELS]
        lying = [[PIXELS[x][y] for x in range(64)] for y in range(64)]  # rows to the feet, columns to the left
        for orientation, rows, codes in (('L\\F', PIXELS, []), ('R\\F', mirrored, ['reoriented']), ('L\\H', PIXELS[::-1], ['reoriented']),
                                         ('F\\L', lying, ['reoriented'])):
            with self.subTest(orientation):
                reply = self.ask(dicom.film(rows, PatientOrientation=orientation))
                self.assertEqual(reply['probabilities'], self.expected)
                self.assertEqual(reply['image']['reoriented'], bool(codes))
                self.assertEqual(self.codes(dicom.film(rows, PatientOrientation=orientation)), codes)
        turned = jpeg.squares([row[::-1] for row in SQUARES], jpeg.orientation(2))
        reply = self.ask(turned)
        self.assertEqual((reply['probabilities'], reply['image']['reoriented']), (self.expected, True))

    def test_content_types_do_not_decide(self):
        for data in (dicom.film(PIXELS), jpeg.squares(SQUARES), png(PIXELS)):
            for kind in ('application/dicom', 'image/jpeg', 'image/png', 'application/octet-stream', 'text/plain'):
                self.assertEqual(self.ask(data, Content_Type=kind)['probabilities'], self.expected)
            body, headers = multipart(data)
            self.assertEqual(self.ask(body, **headers)['probabilities'], self.expected)

    def test_a_file_without_preamble_is_read_where_it_is_said_to_be_dicom(self):
        bare = dicom.film(PIXELS, preamble=False)
        self.assert_problem(self.predict(bare, **OCTETS), 415)
        body, headers = multipart(bare)
        self.assert_problem(self.predict(body, **headers), 415)
        self.assertEqual(self.ask(bare, **DICOM)['probabilities'], self.expected)
        self.assertEqual(self.ask(bare, Content_Type='Application/DICOM; transfer-syntax=*')['probabilities'], self.expected)
        body, headers = multipart(bare, 'application/dicom')
        self.assertEqual(self.ask(body, **headers)['probabilities'], self.expected)

    def test_a_map_of_it_is_that_of_the_png(self):
        maps = [self.post('/predict/heatmap?label=Mass', data, **OCTETS) for data in (dicom.film(PIXELS), png(PIXELS))]
        self.assertEqual([reply.status for reply in maps], [200, 200])
        self.assertEqual(maps[0].headers['content-type'], 'image/png')
        self.assertEqual(maps[0].body[:24], maps[1].body[:24])

    # ---- what the answer says ----

    def test_the_answer_says_what_the_file_is(self):
        image = self.ask(upright(number=7))['image']
        self.assertEqual(image, {
            'width': 64, 'height': 64, 'channels': 1, 'bit_depth': 8, 'format': 'dicom', 'sop_class_uid': dicom.DX,
            'sop_instance_uid': f'{dicom.ROOT}.4.7', 'transfer_syntax': dicom.EXPLICIT, 'modality': 'DX', 'body_part': 'CHEST',
            'view': 'PA', 'voi': 'identity', 'lossy': False, 'burned_in': False, 'reoriented': False})
        self.assertEqual(self.ask(jpeg.squares(SQUARES))['image'],
                         {'width': 64, 'height': 64, 'channels': 1, 'bit_depth': 8, 'format': 'jpeg', 'reoriented': False})

    def test_of_a_png_it_says_what_it_always_said(self):
        reply = self.ask(png(PIXELS))
        self.assertEqual(reply['image'], {'width': 64, 'height': 64, 'channels': 1, 'bit_depth': 8})
        self.assertNotIn('inputs', reply)

    def test_what_it_warns_of(self):
        twelve = [[16 * v for v in row] for row in PIXELS]
        for changes, codes in (({}, []), ({'BodyPartExamined': None}, ['unknown_body_part']), ({'LossyImageCompression': '01'}, ['lossy']),
                               ({'BurnedInAnnotation': 'YES'}, ['burned_in']), ({'BurnedInAnnotation': 'NO'}, []),
                               ({'WindowCenter': '128', 'WindowWidth': '256'}, []), ({'ViewPosition': None}, [])):
            with self.subTest(changes):
                self.assertEqual(self.codes(dicom.film(PIXELS, **changes)), codes)
        self.assertEqual(self.codes(dicom.film(twelve, bits=12)), ['no_voi'])
        self.assertEqual(self.codes(dicom.film(twelve, bits=12, WindowCenter='2048', WindowWidth='0')), ['no_voi'])
        self.assertEqual(self.codes(dicom.film(twelve, bits=12, WindowCenter='2048', WindowWidth='4096')), [])

    # ---- refusals ----

    def test_what_is_refused_has_a_reason(self):
        for reason, changes in (
                ('modality', {'SOPClassUID': dicom.CT, 'Modality': 'CT'}), ('body_part', {'BodyPartExamined': 'KNEE'}),
                ('view', {'ViewPosition': 'LL'}), ('view', {'ViewPosition': 'LATERAL'}), ('view', {'PatientOrientation': 'A\\F'}),
                ('view', {'ViewPosition': None, 'PatientOrientation': 'P\\F'}),
                ('for_processing', {'SOPClassUID': dicom.DX_FOR_PROCESSING}), ('for_processing', {'PresentationIntentType': 'FOR PROCESSING'}),
                ('multi_frame', {'NumberOfFrames': '2', 'PixelData': bytes(2 * 64 * 64)}), ('no_picture', {'PixelData': None}),
                ('no_picture', {'SOPClassUID': dicom.COMPREHENSIVE_SR, 'Modality': 'SR', 'PixelData': None})):
            for target in ('/predict', '/predict/heatmap?label=Mass'):
                with self.subTest(reason, **changes):
                    problem = self.assert_problem(self.post(target, dicom.film(PIXELS, **changes), **DICOM), 422)
                    self.assertEqual(problem['reason'], reason)

    def test_syntaxes_that_are_not_read_are_named(self):
        problem = self.assert_problem(self.predict(dicom.film(PIXELS, syntax=dicom.JPIP, PixelData=None,
                                                              PixelDataProviderURL='http://127.0.0.1/x'), **DICOM), 415, dicom.JPIP)
        self.assertEqual(problem['reason'], 'transfer_syntax')

    def test_limits_are_413_and_broken_files_400(self):
        huge = dicom.film(PIXELS, Rows=65535, Columns=65535)
        for data in (huge, jpeg.squares(SQUARES, width=65500, height=65500)):
            problem = self.assert_problem(self.predict(data, **OCTETS), 413)
            self.assertEqual(problem['reason'], 'limit')
        for data in (upright()[:-100], upright()[:200], jpeg.squares(SQUARES)[:-40], b'\xff\xd8\xff', dicom.film(PIXELS, Rows=63, Columns=65)[:-1]):
            self.assert_problem(self.predict(data, **OCTETS), 400)
        self.ask(png(PIXELS))

    def test_a_field_of_the_request_is_checked_as_before(self):
        self.assert_problem(self.post('/predict?age=-4', upright(), **DICOM), 422, 'age')

    def test_decoding_is_counted_by_format(self):
        def counts():
            text = self.get('/metrics').body.decode()
            return [int(next(line.split()[1] for line in text.splitlines()
                             if line.startswith(f'cxrd_decode_duration_seconds_count{{format="{name}"}}'))) for name in ('png', 'jpeg', 'dicom')]
        before = counts()
        for data in (png(PIXELS), jpeg.squares(SQUARES), jpeg.squares(SQUARES), upright(), upright(), upright()):
            self.ask(data)
        self.assertEqual([now - then for now, then in zip(counts(), before)], [1, 2, 3])


class Policy(Case):

    def server(self, *arguments):
        server = program.Server(*arguments)
        self.addCleanup(server.stop)
        import_model(server, dataset.weights())
        return server

    def test_warn_softens_view_and_body_part_and_nothing_else(self):
        server = self.server('--input-policy', 'warn')
        for code, changes in (('body_part', {'BodyPartExamined': 'KNEE'}), ('view', {'ViewPosition': 'LL'}), ('view', {'PatientOrientation': 'A\\F'})):
            prediction = self.assert_prediction(client.post(server, '/predict', dicom.film(PIXELS, **changes), **DICOM))
            self.assertIn(code, [w['code'] for w in prediction['warnings']])
        self.assertEqual(client.post(server, '/predict', dicom.film(PIXELS, ViewPosition='LL'), **DICOM).json()['image']['view'], 'LL')
        for reason, changes in (('modality', {'SOPClassUID': dicom.CT, 'Modality': 'CT'}), ('no_picture', {'PixelData': None})):
            problem = self.assert_problem(client.post(server, '/predict', dicom.film(PIXELS, **changes), **DICOM), 422)
            self.assertEqual(problem['reason'], reason)

    def test_reject_refuses_what_the_gate_warns_of_too(self):
        server = self.server('--input-policy', 'reject')
        flat = dicom.film([[7] * 64] * 64)
        problem = self.assert_problem(client.post(server, '/predict', flat, **DICOM), 422, 'nearly_constant')
        self.assertIn('errors', problem)
        problem = self.assert_problem(client.post(server, '/predict', dicom.film(PIXELS, ViewPosition='LL'), **DICOM), 422)
        self.assertEqual(problem['reason'], 'view')


class Inputs(ServerCase):
    """A model that takes age, sex and view."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with open(weights_path(), 'rb') as file:
            import_model(cls.server, file.read())

    def ask(self, data, query=''):
        return self.assert_prediction(self.post(f'/predict{query}', data, **OCTETS))

    def test_the_header_fills_what_the_request_leaves_open(self):
        for changes, query in (({}, '?age=64&sex=F&view=PA'), ({'ViewPosition': 'AP', 'PatientSex': 'M'}, '?age=064Y&sex=M&view=AP'),
                               ({'PatientAge': '006M'}, '?age=006M&sex=F&view=PA'), ({'PatientAge': '058'}, '?age=58&sex=F&view=PA'),
                               ({'PatientAge': None, 'PatientBirthDate': '19700103'}, '?age=49&sex=F&view=PA')):
            with self.subTest(changes):
                of_header, of_request = self.ask(dicom.film(PIXELS, **changes)), self.ask(png(PIXELS), query)
                self.assertEqual(of_header['probabilities'], of_request['probabilities'])
                self.assertEqual({x['from'] for x in of_header['inputs'].values()}, {'file'})
                self.assertNotIn('inputs', of_request)

    def test_the_answer_says_which_came_from_the_file(self):
        self.assertEqual(self.ask(dicom.film(PIXELS), '?sex=M')['inputs'],
                         {'age': {'value': 64, 'from': 'file'}, 'sex': {'value': 'M', 'from': 'request'}, 'view': {'value': 'PA', 'from': 'file'}})
        self.assertEqual(self.ask(dicom.film(PIXELS, PatientAge=None, ViewPosition=None))['inputs'], {'sex': {'value': 'F', 'from': 'file'}})

    def test_a_field_of_the_request_wins(self):
        said = {'age': '20', 'sex': 'M', 'view': 'AP'}
        expected = self.ask(png(PIXELS), '?age=20&sex=M&view=AP')['probabilities']
        asked = self.ask(dicom.film(PIXELS), '?age=20&sex=M&view=AP')
        self.assertEqual(asked['probabilities'], expected)
        self.assertNotIn('inputs', asked)
        body, headers = multipart(dicom.film(PIXELS), 'application/dicom', **said)
        self.assertEqual(self.assert_prediction(self.predict(body, **headers))['probabilities'], expected)

    def test_what_neither_says_is_missing(self):
        nothing = dicom.film(PIXELS, PatientAge='', PatientSex='O', ViewPosition=None)
        prediction = self.ask(nothing)
        self.assertEqual([w['code'] for w in prediction['warnings'] if w['code'] == 'missing_input'], ['missing_input'] * 3)
        self.assertNotIn('inputs', prediction)
        self.assertEqual(prediction['probabilities'], self.ask(png(PIXELS))['probabilities'])


CANARY = 'CANARYDOE'
NAMES = {keyword: f'{CANARY}^JANE' if kind == 'PN' else f'{CANARY}1' for keyword, (_, kind) in dicom.ELEMENTS.items()
         if kind in ('PN', 'LO', 'SH', 'LT', 'ST')}


class Privacy(Case):

    def test_nothing_that_names_a_patient_stays_or_comes_back(self):
        audit, temporary = program.new_folder('audit'), program.new_folder('tmp')
        server = program.Server('--audit', os.path.join(audit, 'log'), '--log-level', 'debug', datasets=dataset.tiny(), env={'TMPDIR': temporary})
        self.addCleanup(server.stop)
        import_model(server, dataset.weights())
        films = [dicom.film(PIXELS, **NAMES, **changes) for changes in
                 ({}, {'ViewPosition': 'LL'}, {'SOPClassUID': dicom.CT, 'Modality': 'CT'}, {'PixelData': None}, {'Rows': 65535, 'Columns': 65535},
                  {'PatientAge': CANARY, 'PatientSex': CANARY, 'PatientBirthDate': CANARY, 'StudyDate': CANARY, 'StudyTime': CANARY})]
        films += [films[0][:-100], films[0][:600], dicom.film(PIXELS, syntax=dicom.JPIP, **NAMES)]
        self.assertGreater(films[0].count(CANARY.encode()), 15)
        for data in films:
            for target in ('/predict', '/predict?explain=Mass', '/predict/heatmap?label=Mass'):
                reply = client.post(server, target, data, **DICOM)
                self.assertNotIn(CANARY.encode(), reply.body + str(reply.headers).encode())
        self.assertNotIn(CANARY.encode(), client.get(server, '/metrics').body)
        self.assertNotIn(CANARY, log_until_now(server))
        server.stop()
        self.assertNotIn(CANARY, server.log_text())
        for folder in (server.state, os.path.dirname(server.log_path), audit, temporary):
            self.assertEqual(find(folder, CANARY), [])


class FromTheShell(Case):

    def folder(self, **files):
        folder = program.new_folder('films')
        for name, data in files.items():
            path = os.path.join(folder, *name.split('__'))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path.replace('_dot_', '.'), 'wb') as file:
                file.write(data)
        return folder

    def predict(self, *arguments):
        return program.run('predict', '--weights', dataset.weights_path(), *arguments)

    def test_a_folder_is_all_pictures_in_it_in_order(self):
        folder = self.folder(c_dot_png=png(PIXELS), b_dot_DCM=dicom.film(PIXELS), a_dot_jpg=jpeg.squares(SQUARES), notes_dot_txt=b'no picture',
                             d__IM0001=dicom.film(PIXELS), d__IM0002_dot_jpeg=jpeg.squares(SQUARES), DICOMDIR=dicom.film(PIXELS),
                             _dot_hidden_dot_png=png(PIXELS))
        done = self.predict('--json', folder)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        replies = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([reply['file'] for reply in replies],
                         [os.path.join(folder, name) for name in ('a.jpg', 'b.DCM', 'c.png', 'd/IM0001', 'd/IM0002.jpeg')])
        self.assertEqual(len({json.dumps(reply['probabilities']) for reply in replies}), 1)

    def test_goes_on_after_one_that_cannot_be_used_and_says_so(self):
        folder = self.folder(a_dot_dcm=dicom.film(PIXELS, BodyPartExamined='KNEE'), b_dot_png=png(PIXELS)[:60], c_dot_png=png(PIXELS),
                             d_dot_jpg=b'', e_dot_dcm=dicom.film(PIXELS))
        done = self.predict('--json', folder, os.path.join(folder, 'missing.png'))
        self.assertEqual(done.returncode, 1)
        self.assertEqual([json.loads(line)['file'] for line in done.stdout.splitlines()], [os.path.join(folder, name) for name in ('c.png', 'e.dcm')])
        for name in ('a.dcm', 'b.png', 'd.jpg', 'missing.png'):
            self.assertIn(os.path.join(folder, name) + ': ', done.stderr)
        self.assertIn('KNEE', done.stderr)
        self.assertIn('4 of 6 pictures cannot be used', done.stderr.splitlines()[-1])
        self.assertEqual(self.predict('--input-policy', 'warn', os.path.join(folder, 'a.dcm')).returncode, 0)

    def test_a_folder_without_pictures_is_told(self):
        done = self.predict(self.folder(notes_dot_txt=b'x'))
        self.assertEqual(done.returncode, 1)
        self.assertIn('no picture in the folder', done.stderr)

    def test_links_are_passed_over_and_counted(self):
        folder = self.folder(a_dot_dcm=dicom.film(PIXELS), d__e_dot_png=png(PIXELS))
        links = self.folder(notes_dot_txt=b'x')
        for place in (folder, links):
            os.symlink(os.path.join(folder, 'a.dcm'), os.path.join(place, 'b.dcm'))
            os.symlink(folder, os.path.join(place, 'c'))
        done = self.predict('--json', folder)
        self.assertEqual((done.returncode, len(done.stdout.splitlines())), (0, 2))
        self.assertIn('2 links in folders are passed over', done.stderr)
        done = self.predict('--json', links)
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertRegex(done.stderr, 'no picture in the folder, but 2 links')

    @unittest.skipUnless(shutil.which('script'), 'script is not installed')
    def test_names_of_files_steer_no_terminal(self):
        bad = '\x1b[2J', '\u009b2J', '\u202eABC'
        folder = self.folder(**{f'{"".join(bad)}_dot_png': png(PIXELS), f'{"".join(bad)}2_dot_png': b'x'})
        command = shlex.join([program.BINARY, 'predict', '--weights', dataset.weights_path()])
        for name, rest in ((folder, 'png'), (os.path.join(folder, ''.join(bad)), 'missing')):
            shown = subprocess.run(['script', '-qec', f'{command} {shlex.quote(name)}', '/dev/null'], capture_output=True, text=True,
                                   check=False, stdin=subprocess.DEVNULL, env=program.environment(), timeout=program.END_SECONDS).stdout
            self.assertIn('?[2J?2J?ABC', shown, rest)
            for one in bad:
                self.assertNotIn(one[0], shown)

    def test_a_server_is_asked_the_same(self):
        server = program.Server()
        self.addCleanup(server.stop)
        import_model(server, dataset.weights())
        folder = self.folder(a_dot_dcm=dicom.film(PIXELS, preamble=False), b_dot_dcm=dicom.film(PIXELS, ViewPosition='LL'), c_dot_jpg=jpeg.squares(SQUARES))
        asked = program.run('predict', '--url', f'http://{server.address[0]}:{server.address[1]}', '--json', folder)
        here = self.predict('--json', folder)
        self.assertEqual([asked.returncode, here.returncode], [1, 1])
        answers = [[(reply['file'], reply['probabilities'], reply['image']) for reply in map(json.loads, done.stdout.splitlines())] for done in (asked, here)]
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(len(answers[0]), 2)
        self.assertIn('1 of 3 pictures cannot be used', asked.stderr)

    def test_what_the_header_said_is_shown(self):
        folder = self.folder(a_dot_dcm=dicom.film(PIXELS))
        done = program.run('predict', '--weights', weights_path(), os.path.join(folder, 'a.dcm'))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('from the file: age 64, sex F, view PA', done.stdout)


class Training(Case):
    """A data set of flat squares is the same in every format: JPEG loses nothing of them."""

    @staticmethod
    @functools.lru_cache(maxsize=None)
    def squares(i):
        return tuple(tuple((17 * i + 31 * x + 57 * y + i * x * y) % 256 for x in range(8)) for y in range(8))

    def trained(self, ending, make, name=dataset.name, cell=None, **settings):
        """Weights' bytes and record of a training on such pictures."""
        datasets = program.new_folder('datasets')
        folder = os.path.join(datasets, 'films')
        images = os.path.join(folder, 'images_001', 'images')
        os.makedirs(images)
        for i in range(dataset.ROWS):
            with open(os.path.join(images, name(i)[:-4] + ending), 'wb') as file:
                file.write(make(i))
        dataset.write_table(folder, [dataset.line(i).replace(dataset.name(i), (cell or dataset.name)(i)) for i in range(dataset.ROWS)])
        out = os.path.join(program.new_folder('trained'), 'out')
        settings = {'image_size': dataset.SIZE, 'epochs': 1, 'steps_per_epoch': 2, 'batch_size': 8, **settings}
        done = program.run('train', '--datasets', datasets, '--dataset', 'films', '--out', out, '--threads', '2',
                           *(part for key, value in settings.items() for part in ('--set', f'{key}={value}')))
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(out, 'job.json'), encoding='utf-8') as record, open(os.path.join(out, 'weights.safetensors'), 'rb') as weights:
            return self.tensors(weights.read()), json.load(record)

    @staticmethod
    def tensors(weights):
        return hashlib.sha256(weights[8 + int.from_bytes(weights[:8], 'little'):]).hexdigest()

    def unreadable(self, record):
        """The record on pictures that cannot be read: a warning, above one in twenty."""
        return [w['detail'] for w in record['warnings'] if w['code'] == 'unreadable_images']

    def test_makes_the_same_weights_of_every_format(self):
        def film(i):
            return jpeg.pixels(self.squares(i))
        expected, _ = self.trained('.png', lambda i: png(film(i)))
        for ending, make in (('.jpg', lambda i: jpeg.squares(self.squares(i))), ('.dcm', lambda i: dicom.film(film(i), number=i + 1)),
                             ('.dicom', lambda i: dicom.jpeg_film(jpeg.squares(self.squares(i)), 64, 64, number=i + 1))):
            with self.subTest(ending):
                weights, record = self.trained(ending, make)
                self.assertEqual((record['dataset']['missing_images'], self.unreadable(record)), (0, []))
                self.assertEqual(weights, expected)

    def test_finds_dicom_files_by_their_uid(self):
        def make(i):
            return dicom.film(jpeg.pixels(self.squares(i)), number=i + 1)
        weights, record = self.trained('.dcm', make, name=lambda i: f'IM{i:06d}.dcm', cell=lambda i: f'{dicom.ROOT}.4.{i + 1}')
        self.assertEqual((record['dataset']['missing_images'], self.unreadable(record)), (0, []))
        expected, _ = self.trained('.png', lambda i: png(jpeg.pixels(self.squares(i))), name=lambda i: f'{dicom.ROOT}.4.{i + 1}.png',
                                   cell=lambda i: f'{dicom.ROOT}.4.{i + 1}')
        self.assertEqual(weights, expected)

    def test_counts_what_is_no_radiograph_as_unreadable(self):
        def make(i):
            changes = {'SOPClassUID': dicom.CT, 'Modality': 'CT'} if i % 4 == 1 else {'ViewPosition': 'LL'} if i % 4 == 2 else {}
            return dicom.film(jpeg.pixels(self.squares(i)), number=i + 1, **changes)
        _, record = self.trained('.dcm', make)
        said, = self.unreadable(record)
        of_table = sum(1 for i in range(dataset.ROWS - dataset.OLD) if i % 4 == 1 and i % 6)  # rows of any age and without a finding are left out
        self.assertIn(f'{of_table} of the ', said)


@needs_data
class Manifest(Case):
    """The files of the data folder: each gets the status and the reason that its line says."""

    FOLDER = os.path.join(program.TEST_DATA or '', 'dicom')
    REASONS = ('modality', 'body_part', 'view', 'for_processing', 'multi_frame', 'no_picture', 'bits', 'limit')
    ALSO = {'real_mr_truncated.dcm': (400, 422), 'real_no_meta_ct.dcm': (415, 422), 'real_bad_vr_mr.dcm': (400, 422)}

    def setUp(self):
        if not os.path.isdir(self.FOLDER):
            self.skipTest('the data have no folder of DICOM files')

    def read(self, name):
        with open(os.path.join(self.FOLDER, name), 'rb') as file:
            return file.read()

    def test_every_file_gets_what_its_line_says(self):
        server = program.Server()
        self.addCleanup(server.stop)
        import_model(server, dataset.weights())
        with open(os.path.join(self.FOLDER, 'manifest.csv'), encoding='utf-8', newline='') as file:
            lines = list(csv.DictReader(file))
        self.assertEqual(len(lines), 126)
        wrong = []
        for line in lines:
            name = line['file']
            reply = client.post(server, '/predict', self.read(name), Content_Type='application/dicom' if name.endswith('.dcm') else 'image/jpeg')
            expected = self.ALSO.get(name) or ((int(line['http']),) if line['http'] else (200, 400, 413, 415, 422))
            if reply.status not in expected:
                wrong.append((name, reply.status, expected, reply.body[:300]))
            elif reply.status == 422 and line['reason'] in self.REASONS and reply.json().get('reason') != line['reason']:
                wrong.append((name, line['reason'], reply.body[:300]))
            elif reply.status != 200 and (not reply.json()['detail'] or 'Traceback' in reply.body.decode()):
                wrong.append((name, reply.body[:300]))
        self.assertEqual(wrong, [])
        self.assertEqual(client.post(server, '/predict', png(PIXELS), Content_Type='image/png').status, 200)

    def test_hostile_files_are_answered_within_seconds(self):
        server = program.Server()
        self.addCleanup(server.stop)
        import_model(server, dataset.weights())
        for name in ('hostile_nested_sequences.dcm', 'hostile_jpeg_scan_bomb.jpg', 'hostile_deflate_bomb.dcm'):
            begun = time.monotonic()
            self.assertIn(client.post(server, '/predict', self.read(name), **OCTETS).status, (400, 413))
            self.assertLess(time.monotonic() - begun, 60, name)  # not the minutes that libraries take; how long is measured elsewhere


if __name__ == '__main__':
    unittest.main()
