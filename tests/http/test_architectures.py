"""Networks that are no cnn4: imported, they predict, and say where in the picture it comes from."""
import os
import unittest

from support import architectures, dataset, picture, program
from support.case import ServerCase, import_model
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


if __name__ == '__main__':
    unittest.main()
