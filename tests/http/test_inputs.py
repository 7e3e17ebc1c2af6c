"""Facts about a patient beside the picture: trained on, asked for, counted to the last digit."""
import functools
import json
import math
import os
import struct
import urllib.parse

from support import client, dataset, picture, program
from support.case import Case, ServerCase, import_model



@functools.lru_cache(maxsize=None)
def weights_path():
    """Weights that take age, sex and view: two steps of training at a rate that moves them."""
    out = os.path.join(program.new_folder('trained'), 'out')
    done = program.run('train', '--datasets', dataset.tiny(), '--out', out, '--threads', '2', '--set',
                       f'image_size={dataset.SIZE}', '--set', 'epochs=1', '--set', 'steps_per_epoch=2', '--set',
                       'learning_rate=0.001', '--set', 'inputs=["age","sex","view"]')
    if done.returncode != 0:
        raise AssertionError(f'cxrd train: {done.stderr}')
    return os.path.join(out, 'weights.safetensors')


def overflowing():
    """The same weights, but what is said of a patient may push a result beyond what a number holds."""
    with open(weights_path(), 'rb') as file:
        data = file.read()
    start = 8 + int.from_bytes(data[:8], 'little')
    begin, end = (start + at for at in json.loads(data[8:start])['head.inputs.weight']['data_offsets'])
    return data[:begin] + struct.pack('<f', 3e38) * ((end - begin) // 4) + data[end:]


def form(data, **fields):
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode() for name, value in fields.items()]
    parts.append(b'--b\r\nContent-Disposition: form-data; name="image"; filename="f"\r\n\r\n' + data + b'\r\n--b--\r\n')
    return b''.join(parts), {'Content_Type': 'multipart/form-data; boundary=b'}


class TrainingFromThem(Case):

    def test_the_record_says_what_they_take(self):
        out = os.path.join(program.new_folder('again'), 'out')
        done = program.run('train', '--datasets', dataset.tiny(), '--out', out, '--threads', '2', '--init', weights_path(),
                           '--set', 'epochs=1', '--set', 'steps_per_epoch=1')
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(out, 'job.json'), encoding='utf-8') as file:
            config = json.load(file)['config']
        self.assertEqual(config['inputs'], ['age', 'sex', 'view'])
        self.assertEqual(config['image_size'], dataset.SIZE)


class Inputs(ServerCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with open(weights_path(), 'rb') as file:
            cls.model = import_model(cls.server, file.read())
        cls.picture = picture.noise(1)

    def ask(self, explain=None, **given):
        query = dict(given, **({'explain': explain} if explain else {}))
        return self.assert_prediction(self.post('/predict?' + urllib.parse.urlencode(query), self.picture))

    def test_the_card_says_which(self):
        self.assertEqual(self.model['inputs'], ['age', 'sex', 'view'])

    def test_what_is_missing_is_warned_of(self):
        self.assertEqual([w['code'] for w in self.ask()['warnings']], ['missing_input'] * 3)
        said = self.ask(age=58, view='PA')['warnings']
        self.assertEqual([w['code'] for w in said], ['missing_input'])
        self.assertIn("'sex'", said[0]['detail'])
        self.assertEqual(self.ask(age=58, sex='F', view='AP')['warnings'], [])

    def test_each_changes_the_answer(self):
        answers = [self.ask(**given)['probabilities'] for given in
                   ({}, {'age': 20}, {'age': 80}, {'sex': 'M'}, {'sex': 'F'})]  # the table's views follow its sexes
        for i, answer in enumerate(answers):
            self.assertNotIn(answer, answers[:i])
        self.assertNotEqual(self.ask(view='AP')['probabilities'], self.ask(view='PA')['probabilities'])

    def test_a_form_says_the_same_as_a_query(self):
        body, headers = form(self.picture, age='058Y', sex='f', view='ap')
        from_form = self.assert_prediction(self.post('/predict', body, **headers))
        self.assertEqual(from_form['probabilities'], self.ask(age=58, sex='F', view='AP')['probabilities'])
        self.assertEqual(from_form['warnings'], [])

    def test_an_explanation_adds_them_up(self):
        for given in ({}, {'age': 70, 'sex': 'M', 'view': 'AP'}):
            e = self.ask('Effusion', **given)['explanation']
            total = e['bias'] + e['inputs'] + sum(map(math.fsum, e['grid']))
            self.assertAlmostEqual(total, e['logit'], delta=1e-4 * max(1, abs(e['logit'])))
            self.assertEqual(e['inputs'] == 0, not given)

    def test_what_cannot_be_is_422(self):
        for name, values in (('age', ('old', '-1', '151', 'nan')), ('sex', ('x', '1')), ('view', ('lateral', 'P'))):
            for value in values:
                reply = self.post(f'/predict?{name}={value}', self.picture)
                self.assert_problem(reply, 422, name)
                body, headers = form(self.picture, **{name: value})
                self.assert_problem(self.post('/predict', body, **headers), 422, name)

    def test_what_is_broken_is_never_taken_as_not_given(self):
        for query in ('age=%zz', 'age=' + '1' * 2048, 'sex=%', 'view=%ff', 'explain=%zz', 'explain=Mas%7'):
            with self.subTest(query[:20]):
                self.assert_problem(self.post(f'/predict?{query}', self.picture), 400, 'query')
        for value, status in (('1' * 300, 422), ('58\0', 400)):
            body, headers = form(self.picture, age=value)
            self.assert_problem(self.post('/predict', body, **headers), status, 'age')

    def test_cxrd_predict_says_the_same(self):
        path = os.path.join(program.new_folder('pictures'), 'p.png')
        with open(path, 'wb') as file:
            file.write(self.picture)
        given = ('--age', '33', '--sex', 'M', '--view', 'AP')
        here = program.run('predict', '--weights', weights_path(), '--json', *given, path)
        there = program.run('predict', '--url', self.server.url, '--json', *given, path)
        self.assertEqual((here.returncode, there.returncode), (0, 0), here.stderr + there.stderr)

        self.assertEqual(json.loads(here.stdout)['probabilities'], json.loads(there.stdout)['probabilities'])
        self.assertEqual(json.loads(here.stdout)['probabilities'], self.ask(age=33, sex='M', view='AP')['probabilities'])
        self.assertNotEqual(program.run('predict', '--weights', weights_path(), '--age', 'old', path).returncode, 0)

    def test_no_result_without_numbers(self):
        weights, film = (os.path.join(program.new_folder('overflow'), name) for name in ('w', 'p.png'))
        for path, data in ((weights, overflowing()), (film, self.picture)):
            with open(path, 'wb') as file:
                file.write(data)
        for given in (('--age', '150'), ('--age', '0', '--view', 'AP'), ('--sex', 'M', '--view', 'PA')):
            done = program.run('predict', '--weights', weights, '--json', *given, film)
            self.assertNotEqual(done.returncode, 0, done.stdout)
            self.assertIn('not a finite number', done.stderr)
        plain = program.run('predict', '--weights', weights, '--json', film)
        self.assertEqual(plain.returncode, 0, plain.stderr)
        self.assert_problem(self.post('/models', overflowing(), Content_Type='application/octet-stream'), 422, 'finite')

    def test_the_weights_say_which(self):
        reply = client.get(self.server, f'/models/{self.model["id"]}/weights')
        head = reply.body[8:8 + int.from_bytes(reply.body[:8], 'little')]
        self.assertIn(b'head.inputs.weight', head)
        self.assertIn(b'"inputs"', head)


class OtherModels(ServerCase):
    with_model = True

    def test_leave_them_aside(self):
        film = picture.noise(2)
        plain = self.assert_prediction(self.predict(film))
        told = self.assert_prediction(self.post('/predict?age=58&sex=M&view=PA', film))
        self.assertEqual(told['probabilities'], plain['probabilities'])
        self.assertEqual([w['code'] for w in told['warnings']], ['unused_input'] * 3)
