"""Networks that are no architecture of ours: imported, they predict and explain, and a training begins from them."""
import json
import math
import os
import unittest

from support import architectures, picture, program
from support.case import QUICK, ServerCase, import_model, submit, wait_state
from test_architectures import values


def metadata_of(weights):
    return json.loads(weights[8:8 + int.from_bytes(weights[:8], 'little')])['__metadata__']


def nodes_of(weights):
    return json.loads(metadata_of(weights)['graph'])['nodes']


HEAD = {'op': 'dense', 'name': 'fc', 'from': [1], 'channels': 14, 'bias': True}
MEANS = [{'op': 'global_pool', 'from': [0]}, HEAD]
MEANS_TENSORS = [('fc.weight', [14, 3], 'weight'), ('fc.bias', [14], 'bias')]


class Served(ServerCase):

    def test_each_channel_is_scaled_by_its_own(self):
        """The network is the means of the channels and a dense layer: what it says of a grey picture can be done by hand."""
        weights = architectures.graph(MEANS, MEANS_TENSORS)
        card = import_model(self.server, weights)
        self.assertEqual((card['architecture'], card['channels'], card['parameters']), ('graph', 3, 56))
        self.assertEqual(card['input_mean'] + card['input_std'], [123.675, 116.28, 103.53, 58.395, 57.12, 57.375])
        w, b = values(weights, 'fc.weight')['fc.weight'], values(weights, 'fc.bias')['fc.bias']
        for grey in (0, 100, 255):
            said = self.assert_prediction(self.post('/predict', picture.flat(64, 64, value=grey)))['probabilities']
            for k, label in enumerate(card['labels']):
                logit = b[k] + sum(w[3 * k + c] * (grey - mean) / std for c, (mean, std) in
                                   enumerate(((123.675, 58.395), (116.28, 57.12), (103.53, 57.375))))
                self.assertAlmostEqual(said[label], 1 / (1 + math.exp(-logit)), 5)

    def test_it_says_where_it_comes_from(self):
        import_model(self.server, architectures.efficient())
        film = picture.noise(3, 80, 80)
        for label in ('Mass', 'Hernia'):
            explanation = self.assert_prediction(self.post(f'/predict?explain={label}', film))['explanation']
            self.assertEqual([len(row) for row in explanation['grid']], [16] * 16)
            total = explanation['bias'] + explanation['inputs'] + sum(map(sum, explanation['grid']))
            self.assertLessEqual(abs(total - explanation['logit']), 1e-4 * max(1, abs(explanation['logit'])))
        reply = self.post('/predict/heatmap?label=Mass', film)
        self.assertEqual((reply.status, reply.headers['content-type']), (200, 'image/png'))

    def test_what_has_no_grid_at_its_end_is_asked_again(self):
        nodes = [{'op': 'mean_pool', 'from': [0], 'kernel': [8, 8], 'stride': [8, 8]}, {'op': 'dense', 'name': 'a', 'from': [1], 'channels': 5},
                 {'op': 'leaky_relu', 'from': [2], 'slope': 0.1}, {**HEAD, 'from': [3]}]
        import_model(self.server, architectures.graph(nodes, [('a.weight', [5, 3, 8, 8], 'weight'), ('fc.weight', [14, 5], 'weight'),
                                                               ('fc.bias', [14], 'bias')]))
        explanation = self.assert_prediction(self.post('/predict?explain=Mass', picture.noise(4)))['explanation']
        self.assertEqual(explanation['method'], 'occlusion')
        self.assertGreater(len({cell for row in explanation['grid'] for cell in row}), 32)

    def test_the_command_line_agrees(self):
        weights, film = architectures.efficient(), picture.noise(5)
        import_model(self.server, weights)
        folder = program.new_folder('graph')
        names = [os.path.join(folder, name) for name in ('film.png', 'model.safetensors')]
        for name, content in zip(names, (film, weights)):
            with open(name, 'wb') as file:
                file.write(content)
        done = program.run('predict', '--json', '--weights', names[1], names[0])
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        served = self.assert_prediction(self.post('/predict', film))['probabilities']
        for label, p in json.loads(done.stdout)['probabilities'].items():
            self.assertAlmostEqual(p, served[label], 6)
        shown = program.run('inspect', names[1]).stdout
        self.assertIn('(grey - 123.675, 116.28, 103.53) / 58.395, 57.12, 57.375', shown)

    def test_what_comes_out_is_the_file_that_came_in(self):
        weights = architectures.efficient()
        card = import_model(self.server, weights)
        self.assertEqual(self.get(f'/models/{card["id"]}/weights').body, weights)
        self.assertIn(card['id'], {model['id'] for model in self.get('/models').json()['models']})

    def test_a_hostile_graph_is_refused_with_its_node(self):
        deep = [{'op': 'relu', 'from': [i]} for i in range(1024)]
        wide = [{'op': 'conv', 'name': f'c{i}', 'from': [i], 'channels': 256, 'kernel': [15, 15], 'pad': [7] * 4, 'groups': 1} for i in range(2)]
        cases = (([{**MEANS[0], 'from': [1]}, HEAD], 'node 1 of the graph', "'from'"), ([{'op': 'attention', 'from': [0]}], "'attention'", 'node 1'),
                 (deep, '1024 nodes', ''), (wide, 'node 2 (conv c1)', 'too much work'), (MEANS[:1], 'last node', 'dense'),
                 ([{**MEANS[0], 'x': 1}, HEAD], 'node 1', 'does not take'))
        for nodes, *words in cases:
            with self.subTest(words[0]):
                weights = architectures.graph(nodes, MEANS_TENSORS, size=1024 if nodes is wide else 64)
                reply = self.post('/models', weights, Content_Type='application/octet-stream')
                problem = self.assert_problem(reply, 422)
                for word in words:
                    self.assertIn(word, problem['detail'])


class Trained(ServerCase):
    with_data = True

    def test_a_training_begins_from_it(self):
        begun = import_model(self.server, architectures.efficient())
        job = {**QUICK, 'batch_size': 4, 'init': begun['id'], 'norms': 'frozen', 'promote': 'always', 'learning_rate': 0.01}
        record = wait_state(self.server, submit(self.server, job), 'succeeded')
        said = {key: record['config'][key] for key in ('architecture', 'head', 'channels', 'image_size')}
        self.assertEqual(said, {'architecture': 'graph', 'head': 'auto', 'channels': 3, 'image_size': 64})
        learned = self.get(f'/models/{record["model"]}/weights').body
        before = architectures.efficient()
        self.assertEqual([(node['op'], node['from']) for node in nodes_of(learned)], [(node['op'], node['from']) for node in nodes_of(before)])
        self.assertEqual(metadata_of(learned)['input_mean'], '123.675,116.28,103.53')
        for suffix, moved in (('.weight', True), ('.running_mean', False)):
            was, now = values(before, suffix), values(learned, suffix)
            self.assertEqual(set(was), set(now))
            for name, numbers in was.items():
                self.assertEqual(numbers != now[name], moved, name)
        self.assertIn('graph', self.get(f'/jobs/{record["id"]}/report').body.decode())
        prediction = self.assert_prediction(self.post('/predict?explain=Mass', picture.noise(2)))
        self.assertEqual((prediction['model']['id'], prediction['model']['architecture']), (record['model'], 'graph'))

        again = wait_state(self.server, submit(self.server, {**QUICK, 'init': record['model'], 'freeze': 'backbone'}), 'succeeded')
        head = self.get(f'/models/{again["model"]}/weights').body
        self.assertEqual(values(head, 'stem.weight'), values(learned, 'stem.weight'))
        self.assertNotEqual(values(head, 'classifier.weight'), values(learned, 'classifier.weight'))

    def test_a_grey_network_learns(self):
        record = wait_state(self.server, submit(self.server, {**QUICK, 'architecture': 'cnn4', 'channels': 1}), 'succeeded')
        learned = self.get(f'/models/{record["model"]}/weights').body
        self.assertEqual((metadata_of(learned)['channels'], len(values(learned, 'conv1.weight')['conv1.weight'])), ('1', 32 * 9))
        self.assertEqual(self.get(f'/models/{record["model"]}').json()['channels'], 1)

    def test_without_a_model_there_is_none(self):
        problem = self.assert_problem(self.post_json('/jobs/train', {**QUICK, 'architecture': 'graph'}), 422)
        self.assertEqual([error['field'] for error in problem['errors']], ['architecture'])


if __name__ == '__main__':
    unittest.main()
