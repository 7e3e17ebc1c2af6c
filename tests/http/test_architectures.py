"""Networks that are no cnn4: imported, they predict, and say where in the picture it comes from."""
import array
import base64
import json
import math
import os
import re
import struct
import unittest

from support import architectures, dataset, picture, program
from support.case import QUICK, ServerCase, import_model, submit, wait_state
from test_heatmap import rgb


def values(weights, suffix):
    """The tensors of a weights file whose names end so, by name."""
    size = 8 + int.from_bytes(weights[:8], 'little')
    return {name: array.array('f', weights[size + tensor['data_offsets'][0]:size + tensor['data_offsets'][1]])
            for name, tensor in json.loads(weights[8:size]).items() if name.endswith(suffix)}


def pictures_of(page):
    """Width and height of the PNG files in a report."""
    return [struct.unpack('>II', base64.b64decode(head)[16:24]) for head in re.findall(rb'src="data:image/png;base64,(.{32})', page)]


class Explained(ServerCase):

    def explain(self, label, data):
        return self.assert_prediction(self.post(f'/predict?explain={label}', data))['explanation']

    def said(self, weights, data):
        """What `cxrd predict` prints below a picture of its explanation."""
        folder = program.new_folder('film')
        film, file = os.path.join(folder, 'film.png'), os.path.join(folder, 'weights.safetensors')
        for path, content in ((film, data), (file, weights)):
            with open(path, 'wb') as out:
                out.write(content)
        done = program.run('predict', '--weights', file, '--explain', 'Mass', film)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        return next(line for line in done.stdout.splitlines() if line.startswith('  Mass: logit '))

    def heatmap(self, data):
        reply = self.post('/predict/heatmap?label=Mass', data)
        self.assertEqual((reply.status, reply.headers['content-type']), (200, 'image/png'))
        return reply.body

    def test_the_mean_of_a_grid_adds_up(self):
        for size, cells in ((64, 2), (65, 3)):
            with self.subTest(size):
                weights = architectures.mobilenet_v2(size)
                card = import_model(self.server, weights)
                self.assertEqual((card['architecture'], card['image_size']), ('mobilenet_v2', size))
                for label in ('Mass', 'Hernia'):
                    explanation = self.explain(label, picture.noise(3, 80, 80))
                    self.assertEqual(list(explanation), ['label', 'logit', 'bias', 'inputs', 'grid', 'scale'])
                    self.assertEqual([len(row) for row in explanation['grid']], [cells] * cells)
                    total = explanation['bias'] + explanation['inputs'] + sum(map(sum, explanation['grid']))
                    self.assertLessEqual(abs(total - explanation['logit']), 1e-4 * max(1, abs(explanation['logit'])))
        self.assertIn(' = bias ', self.said(weights, picture.noise(3, 80, 80)))
        self.heatmap(picture.noise(3, 80, 80))

    def test_an_mlp_is_asked_again_with_parts_covered(self):
        import_model(self.server, architectures.mlp())
        data = picture.noise(4, 64, 64)
        explanation = self.explain('Mass', data)
        self.assertEqual(list(explanation), ['label', 'logit', 'bias', 'inputs', 'grid', 'scale', 'method'])
        self.assertEqual((explanation['method'], explanation['bias'], explanation['inputs']), ('occlusion', None, 0))
        self.assertEqual([len(row) for row in explanation['grid']], [8] * 8)
        self.assertGreater(len({cell for row in explanation['grid'] for cell in row}), 32)
        self.assertEqual(self.explain('Mass', data), explanation)
        said = self.said(architectures.mlp(), data)
        self.assertIn(', by occlusion, raised most at row ', said)
        self.assertNotIn('bias', said)
        _, _, rows = rgb(self.heatmap(data))
        for y, line in enumerate(explanation['grid']):  # 64 pixels are shown as 512
            for x, cell in enumerate(line):
                if abs(cell) > 0.1 * explanation['scale']['full']:
                    red, _, blue = rows[64 * y + 32][(64 * x + 32) * 3:(64 * x + 32) * 3 + 3]
                    self.assertEqual(red > blue, cell > 0, (y, x, cell))

    def test_covering_nothing_changes_nothing(self):
        import_model(self.server, architectures.mlp())
        grid = self.explain('Edema', picture.flat(64, 64, value=90))['grid']
        self.assertEqual({cell for row in grid for cell in row}, {0})


class Trained(ServerCase):
    with_data = True

    def test_an_mlp_is_trained_to_the_end(self):
        job = submit(self.server, {**QUICK, 'architecture': 'mlp', 'promote': 'always'})
        record = wait_state(self.server, job, 'succeeded')
        self.assertEqual((record['config']['architecture'], record['config']['image_size']), ('mlp', 64))
        card = self.get(f'/models/{record["model"]}').json()
        self.assertEqual((card['architecture'], card['parameters']), ('mlp', 512 * 64 * 64 + 512 + 14 * 512 + 14))
        self.assertEqual(card['tensors'], {'hidden.weight': [512, 1, 64, 64], 'hidden.bias': [512], 'head.weight': [14, 512],
                                           'head.bias': [14]})
        self.assertIn('by occlusion', self.get(f'/jobs/{job}/report').body.decode())
        prediction = self.assert_prediction(self.post('/predict?explain=Mass', picture.noise(2)))
        self.assertEqual((prediction['model']['id'], prediction['explanation']['method']), (record['model'], 'occlusion'))
        more = wait_state(self.server, submit(self.server, {**QUICK, 'epochs': 0, 'init': record['model'], 'image_size': 128}), 'succeeded')
        self.assertEqual((more['config']['architecture'], more['config']['image_size']), ('mlp', 64))  # the model's

    def weights(self, record):
        return self.get(f'/models/{record["model"]}/weights').body

    def test_normalisations_are_trained_and_go_on_frozen(self):
        """The statistics are those of pictures, and stay where they are frozen while all else learns."""
        few = {**QUICK, 'batch_size': 4}
        record = wait_state(self.server, submit(self.server, {**few, 'architecture': 'mobilenet_v2', 'promote': 'always'}), 'succeeded')
        said = {key: record['config'][key] for key in ('architecture', 'norms', 'norm_momentum', 'shards')}
        self.assertEqual(said, {'architecture': 'mobilenet_v2', 'norms': 'batch', 'norm_momentum': 0.1, 'shards': 1})
        learned = self.weights(record)
        for suffix, begin in (('.running_mean', 0), ('.running_var', 1)):
            found = values(learned, suffix)
            self.assertEqual(len(found), 52)
            for name, numbers in found.items():
                self.assertTrue(all(map(math.isfinite, numbers)), name)
                self.assertTrue(any(v != begin for v in numbers), name)
        prediction = self.assert_prediction(self.post('/predict?explain=Mass', picture.noise(2)))
        explanation = prediction['explanation']
        self.assertEqual(prediction['model']['id'], record['model'])
        self.assertAlmostEqual(explanation['bias'] + explanation['inputs'] + sum(map(sum, explanation['grid'])), explanation['logit'], 3)

        frozen = wait_state(self.server, submit(self.server, {**few, 'init': record['model'], 'norms': 'frozen', 'learning_rate': 0.01}),
                            'succeeded')
        said = {key: frozen['config'][key] for key in ('architecture', 'norms', 'shards')}
        self.assertEqual(said, {'architecture': 'mobilenet_v2', 'norms': 'frozen', 'shards': 1})
        more = self.weights(frozen)
        for suffix in ('.running_mean', '.running_var'):
            self.assertTrue(values(more, suffix) == values(learned, suffix))
        self.assertTrue(values(more, 'features.0.1.weight') != values(learned, 'features.0.1.weight'))

    def test_the_first_running_statistics_leave_nothing(self):
        """They are of no data where no model began the job: after a step they are the batch's, whatever the momentum."""
        def statistics(**fields):
            return values(self.weights(wait_state(self.server, submit(self.server, {**QUICK, 'batch_size': 4, **fields}), 'succeeded')),
                          '.running_var')

        slow, fast = (statistics(architecture='mobilenet_v2', norm_momentum=momentum) for momentum in (0.1, 0.5))
        self.assertTrue(slow == fast)
        begun = wait_state(self.server, submit(self.server, {**QUICK, 'architecture': 'mobilenet_v2', 'batch_size': 4}), 'succeeded')
        slow, fast = (statistics(init=begun['model'], seed=2, norm_momentum=momentum) for momentum in (0.1, 0.5))
        self.assertTrue(slow != fast)

    def test_a_head_of_means_is_trained_kept_and_explained(self):
        for head, size, shape in (('gap', 80, [14, 256]), ('4x4', 64, [14, 256, 4, 4])):
            with self.subTest(head):
                job = submit(self.server, {**QUICK, 'head': head, 'image_size': size, 'promote': 'always'})
                record = wait_state(self.server, job, 'succeeded')
                self.assertEqual(record['config']['head'], head)
                card = self.get(f'/models/{record["model"]}').json()
                self.assertEqual(card['tensors']['head.weight'], shape)
                prediction = self.assert_prediction(self.post('/predict?explain=Mass', picture.noise(2)))
                explanation = prediction['explanation']
                self.assertEqual((explanation.get('method'), len(explanation['grid'])), (None, size // 16))  # exact
                total = explanation['bias'] + sum(cell for row in explanation['grid'] for cell in row)
                self.assertAlmostEqual(total, explanation['logit'], delta=1e-3 * max(1, abs(total)))
                more = wait_state(self.server, submit(self.server, {**QUICK, 'epochs': 0, 'init': record['model'], 'architecture': 'mlp', 'head': 'gap'}),
                                  'succeeded')
                self.assertEqual((more['config']['architecture'], more['config']['head']), ('cnn4', head))  # the model's

    def test_what_cannot_be_trained_is_refused(self):
        for fields, field, says in (({'architecture': 'vgg'}, 'architecture', '"cnn4", "mlp"'),
                                    ({'architecture': 'mlp', 'image_size': 80}, 'image_size', 'a multiple of 64 in 64..1024'),
                                    ({'architecture': 'mlp', 'images': 'none', 'inputs': ['age']}, 'architecture', 'logistic'),
                                    ({'architecture': 'mlp', 'head': 'gap'}, 'head', 'flatten'),
                                    ({'image_size': 80, 'head': '4x4'}, 'head', 'that 64 divides'),
                                    ({'images': 'none', 'inputs': ['age'], 'head': 'gap'}, 'head', 'features'),
                                    ({'norms': 'running'}, 'norms', '"batch", "frozen"'),
                                    ({'architecture': 'resnet18', 'norms': 'frozen'}, 'norms', 'a model to start from')):
            with self.subTest(fields):
                problem = self.assert_wrong_fields(self.post_json('/jobs/train', {**QUICK, **fields}), field)
                self.assertIn(says, problem['errors'][0]['detail'])


class Large(ServerCase):
    """1,024 pixels a side, the largest pictures that a network can see."""

    with_data = True

    def test_a_prediction_adds_up(self):
        card = import_model(self.server, architectures.mobilenet_v2(1024))
        self.assertEqual(card['image_size'], 1024)
        prediction = self.assert_prediction(self.post('/predict?explain=Mass', picture.noise(3, 1024, 1024)))
        explanation = prediction['explanation']
        self.assertEqual([len(row) for row in explanation['grid']], [32] * 32)
        total = explanation['bias'] + explanation['inputs'] + sum(map(sum, explanation['grid']))
        self.assertLessEqual(abs(total - explanation['logit']), 1e-3 * max(1, abs(explanation['logit'])))

    def test_a_training_ends_with_a_model_and_a_report(self):
        job = submit(self.server, {**QUICK, 'epochs': 1, 'steps_per_epoch': 1, 'batch_size': 4, 'architecture': 'mlp', 'image_size': 1024})
        record = wait_state(self.server, job, 'succeeded')
        self.assertEqual(record['config']['image_size'], 1024)
        reply = self.post(f'/models/{record["model"]}/activate')
        self.assertEqual(reply.status, 200, reply)
        prediction = self.assert_prediction(self.post('/predict?explain=Mass', picture.noise(3, 300, 200)))
        self.assertEqual((prediction['model']['id'], prediction['explanation']['method']), (record['model'], 'occlusion'))
        sides = pictures_of(self.get(f'/jobs/{job}/report').body)
        self.assertGreater(len(sides), 9)
        self.assertEqual(set(sides), {(256, 256)})  # a page of larger ones would not be sent by anybody


if __name__ == '__main__':
    unittest.main()
