"""Networks that are no cnn4: imported, they predict, and say where in the picture it comes from."""
import os
import unittest

from support import architectures, dataset, picture, program
from support.case import QUICK, ServerCase, import_model, submit, wait_state
from test_heatmap import rgb


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
                    self.assertEqual(list(explanation), ['label', 'logit', 'bias', 'inputs', 'grid'])
                    self.assertEqual([len(row) for row in explanation['grid']], [cells] * cells)
                    total = explanation['bias'] + explanation['inputs'] + sum(map(sum, explanation['grid']))
                    self.assertLessEqual(abs(total - explanation['logit']), 1e-4 * max(1, abs(explanation['logit'])))
        self.assertIn(' = bias ', self.said(weights, picture.noise(3, 80, 80)))
        self.heatmap(picture.noise(3, 80, 80))

    def test_an_mlp_is_asked_again_with_parts_covered(self):
        import_model(self.server, architectures.mlp())
        data = picture.noise(4, 64, 64)
        explanation = self.explain('Mass', data)
        self.assertEqual(list(explanation), ['label', 'logit', 'bias', 'inputs', 'grid', 'method'])
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
                if abs(cell) > 0.3 * max(abs(v) for row in explanation['grid'] for v in row):
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

    def test_what_cannot_be_trained_is_refused(self):
        net = import_model(self.server, architectures.mobilenet_v2(), activate=False)
        for fields, field, says in (({'architecture': 'vgg'}, 'architecture', '"cnn4", "mlp"'),
                                    ({'architecture': 'mlp', 'image_size': 80}, 'image_size', 'a multiple of 64 in 64..512'),
                                    ({'architecture': 'mlp', 'images': 'none', 'inputs': ['age']}, 'architecture', 'logistic'),
                                    ({'init': net['id']}, 'init', "'mobilenet_v2', which cannot be trained here")):
            with self.subTest(fields):
                problem = self.assert_wrong_fields(self.post_json('/jobs/train', {**QUICK, **fields}), field)
                self.assertIn(says, problem['errors'][0]['detail'])


if __name__ == '__main__':
    unittest.main()
