"""The input gate: what /predict warns of, and what a server that was told to refuses."""
import functools
import glob
import json
import os
import unittest

from support import dataset, picture, program
from support.case import ServerCase, import_model, needs_data

SIZE = dataset.SIZE
FILMS = 180


def chest(i=0, size=SIZE, invert=False, width=None, colour=picture.GREY):
    """Dark above, bright below, with a grain of its own: as much of a chest as the rules ask for."""
    rows = bytearray()
    for y in range(size):
        rows.append(0)
        base = 60 + 120 * y // size + 3 * (i % 7)
        line = bytes((base + (x * 7 + y * 13 + i * 31) % 23) ^ (255 if invert else 0) for x in range(width or size))
        rows += line if colour == picture.GREY else b''.join(bytes([v, v // 2, v // 3]) for v in line)
    return picture.png(width or size, size, bytes(rows), 8, colour)


def line(i):
    return (f'{dataset.name(i)},{"|".join(dataset.findings(i * 6 + 1 if i % 6 == 0 else i))},0,{i},{30 + i % 50},M,PA,{SIZE},'
            f'{SIZE},0.1,0.1,')


@functools.lru_cache(maxsize=None)
def films():
    """A folder of data sets with one that is large enough for a gate."""
    datasets = program.new_folder('datasets')
    folder = os.path.join(datasets, 'films')
    dataset.write_table(folder, [line(i) for i in range(FILMS)])
    images = os.path.join(folder, 'images_001', 'images')
    os.makedirs(images)
    for i in range(FILMS):
        with open(os.path.join(images, dataset.name(i)), 'wb') as file:
            file.write(chest(i))
    return datasets


class Warnings(ServerCase):
    with_model = True

    def codes(self, data, path='/predict'):
        prediction = self.assert_prediction(self.post(path, data, Content_Type='image/png'))
        for warning in prediction['warnings']:
            self.assertEqual(list(warning), ['code', 'detail'])
            self.assertTrue(warning['detail'])
        return [warning['code'] for warning in prediction['warnings']]

    def test_of_what_is_wrong_and_of_nothing_else(self):
        cases = {
            'a film': (chest(), []), 'inverted': (chest(invert=True), ['inverted']),
            'constant': (picture.flat(SIZE, SIZE, value=90), ['nearly_constant']),
            'colour': (chest(colour=picture.RGB), ['colour']), 'wide': (chest(width=SIZE * 2), ['not_square']),
            'small': (chest(size=SIZE - 1), ['too_small']),
            'all at once': (picture.flat(8, 40, 8, picture.RGB), ['nearly_constant', 'not_square', 'too_small']),
        }
        for name, (data, codes) in cases.items():
            with self.subTest(name):
                self.assertEqual(self.codes(data), codes)

    def test_of_colour_begin_at_one_pixel_in_a_hundred(self):
        def film(coloured):
            rows = bytearray()
            for y in range(100):
                rows.append(0)
                for x in range(100):
                    v = 40 + y * 2
                    rows += bytes([v, v, 0] if y * 100 + x < coloured else [v, v + 16, v])
            return picture.png(100, 100, bytes(rows), 8, picture.RGB)

        self.assertEqual([self.codes(film(n)) for n in (0, 100, 101)], [[], [], ['colour']])

    def test_are_said_on_the_command_line_and_in_the_legend(self):
        folder = program.new_folder('film')
        path = os.path.join(folder, 'film.png')
        with open(path, 'wb') as file:
            file.write(chest(invert=True))
        done = program.run('predict', '--weights', dataset.weights_path(), path)
        self.assertIn('  warning, inverted: ', done.stdout)
        plain, warned = (self.post('/predict/heatmap?label=Mass', data).body for data in (chest(), chest(invert=True)))
        details = [w['detail'] for w in self.post('/predict', chest(invert=True)).json()['warnings']]
        lines = (int.from_bytes(warned[20:24], 'big') - int.from_bytes(plain[20:24], 'big')) / 24  # of letters twice their size
        self.assertGreaterEqual(lines, sum(map(len, details)) / 60)  # the whole sentences


class Training(ServerCase):
    """By `cxrd train`, which does not wait until nobody else wants the cores."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.job, cls.weights = cls.train(films(), 'films')
        cls.model = import_model(cls.server, cls.weights)

    @staticmethod
    def train(datasets, name):
        """The record and the weights of a step of training."""
        out = os.path.join(program.new_folder('trained'), 'out')
        done = program.run('train', '--datasets', datasets, '--dataset', name, '--out', out, '--threads', '2', '--set',
                           f'image_size={SIZE}', '--set', 'epochs=1', '--set', 'steps_per_epoch=1', '--set', 'batch_size=8')
        if done.returncode != 0:
            raise AssertionError(f'cxrd train: {done.stderr}')
        with open(os.path.join(out, 'job.json'), encoding='utf-8') as record:
            with open(os.path.join(out, 'weights.safetensors'), 'rb') as weights:
                return json.load(record), weights.read()

    def warned(self, data):
        prediction = self.assert_prediction(self.predict(data))
        return {w['code']: w['detail'] for w in prediction['warnings']}

    def test_leaves_a_gate_in_the_weights_that_tells_other_pictures(self):
        self.assertEqual(self.warned(chest(FILMS + 1)), {})
        self.assertIn('unlike_training', self.warned(picture.noise(5)))
        detail = self.warned(chest(invert=True))['unlike_training']
        self.assertRegex(detail, r'unlike 99 % of the pictures that the model was trained on: .* distance [\d.]+, and theirs within [\d.]+$')

    def test_reports_its_false_alarms_on_validation(self):
        gate = self.job['evaluation']['validation']['input_gate']
        self.assertEqual(gate['rows'], self.job['dataset']['validation'])
        self.assertGreater(gate['threshold'], 0)
        self.assertEqual(list(gate['by_code']), ['inverted', 'nearly_constant', 'unlike_training'])
        self.assertEqual(gate['by_code']['inverted'], 0)
        self.assertAlmostEqual(gate['false_alarm_rate'], gate['false_alarms'] / gate['rows'], 8)
        self.assertGreaterEqual(sum(gate['by_code'].values()), gate['false_alarms'])

    def test_writes_it_into_the_weights_metadata(self):
        header = json.loads(self.weights[8:8 + int.from_bytes(self.weights[:8], 'little')])
        gate = json.loads(header['__metadata__']['input_gate'])
        self.assertEqual((len(gate['mean']), [len(row) for row in gate['factor']]), (24, list(range(1, 25))))
        self.assertEqual(gate['rows'], self.job['dataset']['train'])

    def test_of_few_pictures_makes_none(self):
        record, weights = self.train(dataset.tiny(), 'tiny')
        self.assertIsNone(record['evaluation']['validation']['input_gate'])
        self.assertNotIn(b'input_gate', weights)


class Reject(ServerCase):
    with_model = True
    arguments = ('--input-policy', 'reject')

    def test_a_film_is_answered(self):
        self.assertEqual(self.assert_prediction(self.predict(chest()))['warnings'], [])
        self.assertEqual(self.post('/predict/heatmap?label=Mass', chest()).status, 200)

    def test_everything_else_is_422_with_a_reason_each(self):
        for target in ('/predict', '/predict/heatmap?label=Mass'):
            reply = self.post(target, picture.flat(8, 40), Content_Type='image/png')
            problem = self.assert_problem(reply, 422, 'nearly_constant, not_square, too_small')
            self.assertEqual([error['detail'].split(':')[0] for error in problem['errors']],
                             ['nearly_constant', 'not_square', 'too_small'])
            self.assertEqual({error['field'] for error in problem['errors']}, {'image'})
            self.assert_problem(self.post(target, chest(invert=True), Content_Type='image/png'), 422, 'inverted')

    def test_another_policy_is_refused_at_start(self):
        done = program.run('serve', '--listen', '127.0.0.1:0', '--state', program.new_folder('state'), '--input-policy',
                           'ask')
        self.assertEqual(done.returncode, 2)  # a usage error
        self.assertIn('--input-policy must be frontal, warn or reject', done.stderr)


@needs_data
class RealFilms(ServerCase):
    with_model = True

    def test_raise_no_alarm_and_what_is_none_does(self):
        films = sorted(glob.glob(os.path.join(program.TEST_DATA, 'nih', 'images_*', 'images', '*.png')))[:8]
        for path in films:
            with open(path, 'rb') as file:
                self.assertEqual(self.assert_prediction(self.predict(file.read()))['warnings'], [], path)
        with open(os.path.join(program.TEST_DATA, 'png', 'pngsuite', 'basn2c08.png'), 'rb') as file:
            codes = [w['code'] for w in self.assert_prediction(self.predict(file.read()))['warnings']]
        self.assertIn('colour', codes)
        self.assertIn('too_small', codes)


if __name__ == '__main__':
    unittest.main()
