"""Models as ONNX files: onnx.checker accepts them, and ONNX Runtime gives what cxrd gives."""
import glob
import json
import math
import os
import re
import subprocess
import sys
import unittest

try:
    import numpy
    import onnx
    from PIL import Image
except ImportError:
    onnx = None

from support import architectures, client, dataset, onnx_runtime, picture, program
from support.case import Case, ServerCase, import_model

CASES = os.path.join(os.path.dirname(program.BINARY), 'tests', 'onnx_cases')
PAGE = os.path.join(os.path.dirname(onnx_runtime.TESTS), 'docs', 'weights.md')
UNKNOWN, BOTH, HALF, LAST, NEVER = {}, {'age': 58, 'sex': 'F', 'view': 'AP', 'history': 'Mass', 'history-last': 'No Finding'}, \
    {'age': 7, 'history': 'Mass'}, {'sex': 'M', 'history-last': 'Effusion,Mass'}, {'view': 'PA', 'history': 'none'}


def raw_inputs(names, given):
    """The tensor `inputs` of docs/weights.md: the numbers of these names, NaN where one is not known."""
    numbers = {'age': given.get('age'), 'sex': {'M': 1, 'F': 0}.get(given.get('sex')), 'view': {'AP': 1, 'PA': 0}.get(given.get('view'))}
    ever, last = given.get('history'), given.get('history-last')
    if ever or last:
        numbers['earlier_film'] = int(ever != 'none')
    for name in names:
        half, _, label = name.partition('_')
        if half == 'ever' and ever:
            numbers[name] = int(label in ever.split(',') or label in (last or '').split(','))
        elif half == 'last' and (last or ever == 'none'):
            numbers[name] = int(label in (last or '').split(','))
    return [math.nan if numbers.get(name) is None else numbers[name] for name in names]


def metadata(model):
    return {entry.key: entry.value for entry in model.metadata_props}


@unittest.skipUnless(onnx, 'python3-onnx or python3-pil is not installed')
class OnnxCase(Case):

    def checked(self, path):
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        self.assertEqual([(one.domain, one.version) for one in model.opset_import], [('', 13)])
        self.assertEqual([one.name for one in model.graph.output], ['probabilities', 'logits'])
        return model


class Agreement(OnnxCase):
    """Of every architecture and head, and of networks that nobody would draw."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = program.new_folder('onnx')
        subprocess.run([CASES, cls.folder], check=True)
        cls.runtime = onnx_runtime.missing()

    def films(self):
        """Radiographs of 128 x 128 pixels, or drawn ones."""
        if program.TEST_DATA and os.path.isdir(os.path.join(program.TEST_DATA, 'nih128')):
            return sorted(glob.glob(os.path.join(program.TEST_DATA, 'nih128', 'images_001', 'images', '*.png')))[::2500][:3]
        paths = [os.path.join(self.folder, f'film-{i}.png') for i in range(3)]
        for i, path in enumerate(paths):
            with open(path, 'wb') as file:
                file.write(picture.noise(i, 128, 128))
        return paths

    def exported(self, weights):
        path = weights.replace('.safetensors', '.onnx')
        done = program.run('export', weights, '-o', path)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        self.assertEqual(done.stdout.splitlines()[0], f'{path}: {os.path.getsize(path)} bytes')
        return path

    def predicted(self, weights, films, given):
        options = [word for name, value in given.items() for word in (f'--{name}', str(value))]
        done = program.run('predict', '--weights', weights, '--json', *options, *films)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        return [json.loads(line)['probabilities'] for line in done.stdout.splitlines()]

    def test_every_architecture_and_head_on_real_films(self):
        if self.runtime:
            self.skipTest(self.runtime)
        films = self.films()
        images = numpy.stack([numpy.asarray(Image.open(film), numpy.float32) for film in films])[:, None]
        questions, expected = [], []
        for weights in sorted(glob.glob(os.path.join(self.folder, '*.safetensors'))):
            path = self.exported(weights)
            model = self.checked(path)
            names = [one['name'] for one in json.loads(metadata(model).get('inputs', '[]'))]
            takes = {one.name for one in model.graph.input}
            self.assertEqual(takes, ({'image'} if 'image_size' in metadata(model) else set()) | ({'inputs'} if names else set()))
            every = os.path.basename(weights) in ('cnn4-4x4.safetensors', 'logistic.safetensors')
            for given in (UNKNOWN, BOTH, HALF, LAST, NEVER) if every else (BOTH,) if names else (UNKNOWN,):
                rows = len(films) if 'image' in takes else 1
                feeds = {'image': images, 'inputs': numpy.array([raw_inputs(names, given)] * rows, numpy.float32)}
                questions.append((path, {name: feeds[name] for name in takes}))
                expected.append(self.predicted(weights, films if 'image' in takes else [], given))
        self.assertGreater(len(questions), 20)
        for (path, _), answer, rows in zip(questions, onnx_runtime.ask(questions), expected):
            with self.subTest(os.path.basename(path)):
                labels = metadata(onnx.load(path))['labels'].split(',')
                ours = numpy.array([[row[label] for label in labels] for row in rows])
                self.assertEqual(answer['probabilities'].shape, ours.shape)
                self.assertLess(abs(answer['probabilities'] - ours).max(), 1e-5)
                if ours.size > 1:
                    self.assertGreater(ours.std(), 0.02)  # not all the same

    def test_what_is_exported_reads_back_as_the_same_model(self):
        films, read_back = self.films(), []
        for weights in sorted(set(glob.glob(os.path.join(self.folder, '*.safetensors'))) - {os.path.join(self.folder, 'resnet50.safetensors')}):
            with self.subTest(os.path.basename(weights)):
                onnx_file, back = (os.path.join(program.new_folder('back'), one) for one in ('model.onnx', 'back.safetensors'))
                for done in (program.run('export', weights, '-o', onnx_file), program.run('import', onnx_file, '-o', back)):
                    self.assertEqual((done.returncode, done.stderr), (0, ''))
                said = metadata(onnx.load(onnx_file))
                shown = films if 'image_size' in said else []
                every = os.path.basename(weights) in ('cnn4-4x4.safetensors', 'logistic.safetensors')
                for given in (UNKNOWN, BOTH, HALF, LAST, NEVER) if every else (BOTH,) if 'inputs' in said else (UNKNOWN,):
                    for ours, read in zip(self.predicted(weights, shown, given), self.predicted(back, shown, given)):
                        self.assertEqual(list(read), list(ours))
                        self.assertLess(max(abs(read[label] - ours[label]) for label in ours), 3e-7)
                read_back.append(os.path.basename(weights))
        self.assertEqual(len(read_back), 14)

    def test_one_whose_graph_is_not_what_its_metadata_say_is_refused(self):
        path = os.path.join(program.new_folder('own'), 'model.onnx')
        done = program.run('export', os.path.join(self.folder, 'cnn4-4x4.safetensors'), '-o', path)
        self.assertEqual((done.returncode, done.stderr), (0, ''))

        def refused(change):
            model = onnx.load(path)
            change(model.graph, {one.name: one for one in model.graph.initializer}, {one.output[0]: one for one in model.graph.node}, model)
            changed = os.path.join(program.new_folder('changed'), 'model.onnx')
            onnx.save(model, changed)
            done = program.run('import', changed, '-o', changed + '.safetensors')
            self.assertEqual((done.returncode, done.stdout), (1, ''))
            self.assertFalse(os.path.exists(changed + '.safetensors'))
            return done.stderr

        def number(graph, constants, nodes, model):
            constants['inputs_mean'].raw_data = constants['inputs_std'].raw_data
        self.assertIn("'inputs_mean'", refused(number))

        def calibration(graph, constants, nodes, model):
            constants['calibration_shift'].raw_data = constants['calibration_scale'].raw_data
        self.assertIn("'calibration_shift'", refused(calibration))

        def operator(graph, constants, nodes, model):
            nodes['centred_inputs'].op_type = 'Add'
        self.assertIn("'centred_inputs'", refused(operator))

        def weights_away(graph, constants, nodes, model):
            graph.initializer.remove(constants['head.inputs.weight'])
        self.assertIn("'head.inputs.weight'", refused(weights_away))

        def weights_too_few(graph, constants, nodes, model):
            one = constants['head.inputs.weight']
            one.dims[1] -= 1
            one.raw_data = one.raw_data[:4 * one.dims[0] * one.dims[1]]
        self.assertIn("'head.inputs.weight'", refused(weights_too_few))

        def said_otherwise(graph, constants, nodes, model):
            [said] = [one for one in model.metadata_props if one.key == 'inputs']
            said.value = '[{"name":"age","mean":50,"std":10}]'
        self.assertIn("'head.inputs.weight'", refused(said_otherwise))

    def test_networks_that_nobody_would_draw(self):
        questions, expected, operators = [], [], set()
        for path in sorted(glob.glob(os.path.join(self.folder, 'random-*.onnx'))):
            model = self.checked(path)
            operators |= {node.op_type for node in model.graph.node}
            side = int(metadata(model)['image_size'])
            n, labels = 2, len(metadata(model)['labels'].split(','))
            raw = numpy.fromfile(path.replace('.onnx', '.raw'), numpy.float32)
            image, logits, probabilities = numpy.split(raw, numpy.cumsum([n * side * side, n * labels]))
            questions.append((path, {'image': image.reshape(n, 1, side, side)}))
            expected.append((logits.reshape(n, labels), probabilities.reshape(n, labels)))
        self.assertGreater(len(questions), 80)
        self.assertLessEqual({'Conv', 'BatchNormalization', 'Gemm', 'Relu', 'Clip', 'Sigmoid', 'HardSigmoid', 'MaxPool', 'AveragePool',
                              'GlobalAveragePool', 'LeakyRelu', 'Pad', 'Add', 'Mul', 'Concat', 'Flatten', 'Reshape'}, operators)
        if self.runtime:
            self.skipTest(self.runtime)
        for (path, _), answer, (logits, probabilities) in zip(questions, onnx_runtime.ask(questions), expected):
            with self.subTest(os.path.basename(path)):
                most = max(1, abs(logits).max())
                self.assertLess(abs(answer['logits'] - logits).max() / most, 1e-5)
                self.assertLess(abs(answer['probabilities'] - probabilities).max(), 1e-5 * most)


class TheFile(OnnxCase):

    def export(self, weights):
        folder = program.new_folder('onnx')
        paths = [os.path.join(folder, name) for name in ('weights', 'one.onnx', 'two.onnx')]
        with open(paths[0], 'wb') as file:
            file.write(weights)
        for path in paths[1:]:
            done = program.run('export', paths[0], '-o', path)
            self.assertEqual((done.returncode, done.stderr), (0, ''))
        with open(paths[1], 'rb') as one, open(paths[2], 'rb') as two:
            self.assertEqual(one.read(), two.read())
        return self.checked(paths[1])

    def test_its_metadata_are_those_of_the_weights_and_what_a_reader_must_know(self):
        model = self.export(dataset.weights())
        said, ours = metadata(model), dataset.metadata()
        self.assertEqual((model.producer_name, model.producer_version), ('cxrd', program.run('--version').stdout.split()[1]))
        self.assertEqual(set(said) - set(ours), {'intended_use', 'thresholds'})
        self.assertEqual(set(ours) - set(said), {'format', 'input_mean', 'input_std'})
        for key in set(said) & set(ours):
            self.assertEqual(said[key], ours[key], key)
        points = json.loads(ours['operating_points'])
        self.assertEqual(json.loads(said['thresholds']), {label: points[label]['youden'] for label in dataset.LABELS})
        self.assertIn('Research use only', said['intended_use'])

    def test_its_tensors_keep_their_names_and_its_batch_is_free(self):
        model = self.export(architectures.mlp(labels=('Mass', 'Effusion')))
        self.assertLessEqual({'hidden.weight', 'hidden.bias', 'head.weight', 'head.bias'}, {one.name for one in model.graph.initializer})
        shapes = {one.name: [dim.dim_param or dim.dim_value for dim in one.type.tensor_type.shape.dim]
                  for one in [*model.graph.input, *model.graph.output]}
        self.assertEqual(shapes, {'image': ['n', 1, 64, 64], 'probabilities': ['n', 2], 'logits': ['n', 2]})
        self.assertEqual({label: None for label in ('Mass', 'Effusion')}, json.loads(metadata(model)['thresholds']))

    def test_one_that_sees_no_picture_has_inputs_alone(self):
        model = self.export(architectures.logistic(('Mass', 'Effusion')))
        self.assertEqual([(one.name, one.type.tensor_type.shape.dim[1].dim_value) for one in model.graph.input], [('inputs', 5)])
        self.assertIn('NaN', metadata(model)['inputs_unknown'])
        self.assertNotIn('image_size', metadata(model))

    def test_a_file_that_is_there_is_written_over_by_no_accident(self):
        out = os.path.join(program.new_folder('onnx'), 'x.onnx')
        with open(out, 'wb') as file:
            file.write(b'mine')
        done = program.run('export', dataset.weights_path(), '-o', out)
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertIn('--overwrite', done.stderr)
        self.assertEqual(os.path.getsize(out), 4)
        self.assertEqual(program.run('export', dataset.weights_path(), '-o', out, '--overwrite').returncode, 0)
        self.checked(out)

    def test_what_cannot_be_exported_is_a_sentence(self):
        out = os.path.join(program.new_folder('onnx'), 'x.onnx')
        for arguments, status, says in ((('export',), 2, 'one weights file'), (('export', dataset.weights_path()), 2, '-o'),
                                        (('export', '-o', out), 2, 'one weights file'), (('export', 'a', 'b', '-o', out), 2, "'b'"),
                                        (('export', 'a', '-o'), 2, '--out needs a value'), (('export', 'a', '-oo', out), 2, "'-oo'"),
                                        (('export', '/nothing', '-o', out), 1, 'nothing'),
                                        (('export', PAGE, '-o', out), 1, 'safetensors'),
                                        (('export', dataset.weights_path(), '-o', '/nothing/x.onnx'), 1, '/nothing')):
            with self.subTest(arguments):
                done = program.run(*arguments)
                self.assertEqual((done.returncode, done.stdout), (status, ''))
                self.assertIn(says, done.stderr)
                self.assertFalse(os.path.exists(out))


class Served(ServerCase):

    def stored(self, *names):
        return sorted(name for name in os.listdir(os.path.join(self.server.state, 'models')) if name.endswith(names))

    def test_a_server_gives_what_the_command_writes(self):
        model = import_model(self.server, dataset.weights(), activate=False)['id']
        path = os.path.join(program.new_folder('onnx'), 'model.onnx')
        self.assertEqual(program.run('export', dataset.weights_path(), '-o', path).returncode, 0)
        with open(path, 'rb') as file:
            expected = file.read()
        for _ in range(2):
            reply = self.get(f'/models/{model}/onnx')
            self.assertEqual((reply.status, reply.headers['content-type']), (200, 'application/octet-stream'))
            self.assertEqual(reply.headers['content-disposition'], f'attachment; filename="{model}.onnx"')
            self.assertTrue(reply.body == expected)
        headed = client.request(self.server, 'HEAD', f'/models/{model}/onnx')
        self.assertEqual((headed.status, headed.headers['content-length']), (200, str(len(expected))))

    def test_it_is_kept_while_the_model_is_and_made_again_by_another_start(self):
        server = program.Server()
        self.addCleanup(lambda: server.stop())
        model = import_model(server, dataset.weights(), activate=False)['id']
        kept = os.path.join(server.state, 'models', f'{model}.onnx')
        self.assertFalse(os.path.exists(kept))
        first = client.get(server, f'/models/{model}/onnx').body
        self.assertTrue(os.path.exists(kept))
        server.stop()
        with open(kept, 'wb') as file:
            file.write(b'of another version')
        server = program.Server(state=server.state)
        self.assertTrue(client.get(server, f'/models/{model}/onnx').body == first)
        self.assertEqual(client.request(server, 'DELETE', f'/models/{model}').status, 204)
        self.assert_problem(client.get(server, f'/models/{model}/onnx'), 404, model)
        self.assertEqual(os.listdir(os.path.join(server.state, 'models')), [])

    def test_of_a_file_that_is_not_what_was_stored_there_is_none(self):
        model = import_model(self.server, dataset.weights(2), activate=False)['id']
        path = os.path.join(self.server.state, 'models', f'{model}.safetensors')
        with open(path, 'r+b') as file:
            file.seek(-1, os.SEEK_END)
            file.write(b'\x7f')
        self.assert_problem(self.get(f'/models/{model}/onnx'), 409, 'digest')
        self.assertFalse(os.path.exists(path.replace('.safetensors', '.onnx')))


SHIM = '''"""As Python's package of that name, but for the engine: ONNX Runtime as npm has it."""
import collections
import sys

sys.path.insert(0, {path!r})
import onnx
from support import onnx_runtime


class InferenceSession:
    def __init__(self, path):
        self.path = path

    def get_modelmeta(self):
        said = {{entry.key: entry.value for entry in onnx.load(self.path).metadata_props}}
        return collections.namedtuple('ModelMetadata', 'custom_metadata_map')(said)

    def run(self, names, feeds):
        [answer] = onnx_runtime.ask([(self.path, feeds)])
        return [answer[name] for name in names]
'''


class TheDocumentedExample(OnnxCase):

    def test_it_says_what_cxrd_says(self):
        """docs/weights.md's own lines, run by Python with ONNX Runtime."""
        why = onnx_runtime.missing()
        if why:
            self.skipTest(why)
        with open(PAGE, encoding='utf-8') as page:
            [code] = re.findall(r'```python\n(.*?)```', page.read(), re.DOTALL)
        self.assertLessEqual(len([line for line in code.splitlines() if line]), 12)
        folder = program.new_folder('example')
        files = {'film.png': picture.noise(3, 128, 128), 'onnxruntime.py': SHIM.format(path=os.path.dirname(os.path.abspath(__file__))).encode(),
                 'example.py': code.encode()}
        for name, data in files.items():
            with open(os.path.join(folder, name), 'wb') as file:
                file.write(data)
        done = program.run('export', dataset.weights_path(), '-o', os.path.join(folder, 'model.onnx'))
        self.assertEqual(done.returncode, 0, done.stderr)
        done = subprocess.run([sys.executable, 'example.py'], cwd=folder, capture_output=True, text=True, check=False,
                              timeout=program.END_SECONDS)
        self.assertEqual(done.returncode, 0, done.stderr)
        said = dict(line.rsplit(None, 1) for line in done.stdout.splitlines())
        [ours] = dataset.predict_here([files['film.png']], dataset.weights_path())
        self.assertEqual(list(said), list(ours['probabilities']))
        for label, probability in ours['probabilities'].items():
            self.assertAlmostEqual(float(said[label]), probability, delta=0.002)  # Pillow rounds between rows and columns


if __name__ == '__main__':
    unittest.main()
