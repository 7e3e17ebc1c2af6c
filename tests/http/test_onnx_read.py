"""Networks from ONNX files: POST /models and `cxrd import`."""
import json
import os
import re
import unittest

from support import dataset, onnx, picture, program
from support.case import Case, ServerCase

OPTIONS = 'labels=Mass,Nodule,Edema&scaling=0..1'
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Served(ServerCase):

    def post_onnx(self, body, query=OPTIONS):
        return self.post('/models?' + query, body, Content_Type='application/octet-stream')

    def test_a_network_is_imported_and_predicts(self):
        reply = self.post_onnx(onnx.small())
        self.assertEqual(reply.status, 201, reply.body)
        card = reply.json()
        self.assertEqual((card['architecture'], card['image_size'], card['resize']), ('graph', 64, 'area'))
        self.assertEqual((card['input_mean'], card['input_std']), (0, 255))
        self.assertEqual(card['tensors']['c1.weight'], [4, 1, 3, 3])
        self.assertEqual(card['tensors']['fc.weight'], [3, 4])
        self.assertEqual(self.post(f'/models/{card["id"]}/activate').status, 200)
        reply = self.predict(picture.noise(1, 80, 70))
        self.assertEqual(reply.status, 200, reply.body)
        self.assertEqual(list(reply.json()['probabilities']), ['Mass', 'Nodule', 'Edema'])

    def test_what_is_not_read_is_named_and_nothing_is_kept(self):
        before = self.get('/models').json()
        erf = onnx.model(onnx.weights('c1.weight', 4, 1, 3, 3), onnx.node('Conv', 'image c1.weight', 'conv'),
                         onnx.node('Erf', 'conv', 'relu'), onnx.head('relu', 4, 3))
        for body, query, status, says in ((erf, OPTIONS, 422, r"node 'relu' \(Erf\): this operator is not read"),
                                          (onnx.small()[:400], OPTIONS, 422, 'not understood'),
                                          (onnx.small(), 'scaling=0..1', 422, "'labels'"),
                                          (onnx.small(), 'labels=Mass,Nodule&scaling=0..1', 422, "the file has 3 outputs")):
            with self.subTest(says):
                self.assert_problem(self.post_onnx(body, query), status)
                self.assertRegex(self.post_onnx(body, query).json()['detail'], says)
        self.assertEqual(self.get('/models').json(), before)


class Command(Case):

    def test_of_a_file_of_ours_nothing_can_be_given(self):
        path = os.path.join(program.new_folder('onnx'), 'ours.onnx')
        self.assertEqual(program.run('export', dataset.weights_path(), '-o', path).returncode, 0)
        self.assertEqual(program.run('import', path).returncode, 0)
        for option, value in (('labels', ','.join(dataset.LABELS)), ('scaling', '0..255'), ('thresholds', ','.join(14 * ['0.5'])),
                              ('resize', 'area'), ('architecture', 'graph'), ('image-size', '64')):
            with self.subTest(option):
                done = program.run('import', path, '--' + option, value)
                self.assertEqual((done.returncode, done.stdout), (1, ''))
                self.assertIn(f"'{option.replace('-', '_')}' is said by a file of cxrd itself", done.stderr)

    def test_a_network_becomes_a_weights_file(self):
        folder = program.new_folder('onnx')
        path, out = os.path.join(folder, 'x.onnx'), os.path.join(folder, 'x.safetensors')
        with open(path, 'wb') as file:
            file.write(onnx.small())
        done = program.run('import', path, '--labels', 'Mass,,Edema', '--scaling', '0..1', '--out', out)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        report = json.loads(done.stdout)
        self.assertEqual((report['format'], report['operators']['Conv']), ('onnx', 1))
        shown = program.run('inspect', out).stdout
        self.assertIn('c1.weight', shown)
        self.assertRegex(shown, r'fc\.weight +\[2, 4\]')


    def test_our_own_files_come_back(self):
        folder = program.new_folder('onnx')
        path, back, film = (os.path.join(folder, name) for name in ('x.onnx', 'x.safetensors', 'film.png'))
        with open(film, 'wb') as file:
            file.write(picture.noise(3, 90, 70))
        self.assertEqual(program.run('export', dataset.weights_path(), '--out', path).returncode, 0)
        done = program.run('import', path, '--out', back)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        first, again = (json.loads(program.run('predict', '--weights', name, '--json', film).stdout)
                        for name in (dataset.weights_path(), back))
        self.assertEqual(list(first['probabilities']), list(again['probabilities']))
        for label, probability in first['probabilities'].items():
            self.assertAlmostEqual(again['probabilities'][label], probability, delta=1e-5)


class Documentation(unittest.TestCase):

    def test_the_operators_are_those_of_the_source(self):
        with open(os.path.join(ROOT, 'model', 'onnx', 'operators.c'), encoding='utf-8') as file:
            source = set(re.findall(r'^    \{ "(\w+)", \d', file.read(), re.M)) - {'Softmax', 'LogSoftmax'}
        with open(os.path.join(ROOT, 'docs', 'onnx.md'), encoding='utf-8') as file:
            rows = re.findall(r'^\| (`[A-Z].*?) \|', file.read(), re.M)
        self.assertEqual({name for row in rows for name in re.findall(r'`(\w+)`', row)}, source)


if __name__ == '__main__':
    unittest.main()
