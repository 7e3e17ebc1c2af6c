"""Answers to somebody who asks a little wrong: names, ids, bodies that are no picture, inputs that a model does not take."""
import base64
import json
import os
import unittest

from support import client, dataset, picture, program
from support.case import Case, ServerCase, import_model

try:
    import yaml
except ImportError:
    yaml = None

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
A_JOB = '00000000-0000-0000-0000-000000000000'
SEGMENTS = {'id': A_JOB, 'uid': '1.2.3', 'file': 'page.css'}


@unittest.skipUnless(yaml, 'python3-yaml is not installed')
class Queries(ServerCase):
    with_model = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with open(os.path.join(ROOT, 'openapi.yaml'), encoding='utf-8') as file:
            document = yaml.safe_load(file)

        def follow(parameter):
            return document['components']['parameters'][parameter['$ref'].split('/')[-1]] if '$ref' in parameter else parameter

        cls.operations = {(method.upper(), path.format(**SEGMENTS)):
                          {parameter['name'] for parameter in map(follow, item.get('parameters', []) + item[method].get('parameters', []))
                           if parameter['in'] == 'query'}
                          for path, item in document['paths'].items() for method in ('get', 'post', 'delete', 'patch') if method in item}

    def unknown(self, method, target):
        reply = self.request(method, target)
        return reply.status == 400 and 'no parameter' in reply.json()['detail']

    def request(self, method, target):
        return client.request(self.server, method, target)

    def test_every_operation_refuses_what_it_does_not_document_and_nothing_else(self):
        self.assertGreater(len(self.operations), 30)
        for (method, path), names in self.operations.items():
            if path in ('/', '/docs') or path.startswith('/ui/') and 'openapi' not in path:
                continue  # for people: see the next test
            with self.subTest(f'{method} {path}'):
                self.assert_problem(self.request(method, f'{path}?nothing=1'), 400, "'nothing'")
                for name in names:
                    self.assertFalse(self.unknown(method, f'{path}?{name}=1'), name)
                    self.assertTrue(self.unknown(method, f'{path}?{name}x=1'), name)
                    self.assertTrue(self.unknown(method, f'{path}?{name.upper()}=1'), name)

    def test_the_one_that_is_meant_is_named(self):
        film = picture.noise(1)
        for said, meant in (('explian=Mass', 'explain'), ('Explain=Mass', 'explain'), ('expain', 'explain'), ('histroy=Mass', 'history'), ('ages=5', 'age'),
                            ('history-last=Mass', 'history_last'), ('age=5&veiw=PA', 'view')):
            with self.subTest(said):
                detail = self.assert_problem(self.post(f'/predict?{said}', film), 400, 'no parameter')['detail']
                self.assertTrue(detail.endswith(f"is '{meant}' meant?"), detail)
        detail = self.assert_problem(self.post('/predict?colour=blue', film), 400)['detail']
        self.assertIn('; it takes ', detail)
        for name in ('explain', 'age', 'history_last'):
            self.assertIn(name, detail)
        self.assert_problem(self.get('/version?x=1'), 400, 'it takes none')
        for said in ('model', 'explain&age=5', 'age=5&view'):
            self.assert_problem(self.post(f'/predict?{said}', film), 400, 'has no value')
        self.assert_problem(self.get('/jobs?' + 'x' * 3000), 400, 'no parameter')

    def test_a_link_to_the_page_may_have_marks_of_others(self):
        for target in ('/?utm_source=mail&fbclid=x', '/docs?from=portal', '/ui/app.js?v=2', '/?a=1&a=2', '/?a'):
            self.assertEqual(self.get(target).status, 200, target)

    def test_a_name_is_read_as_a_value_is(self):
        film = picture.noise(1)
        self.assertEqual(self.post('/predict?%65xpl%61in=M%61ss', film).json()['explanation']['label'], 'Mass')
        self.assert_problem(self.post('/predict?%65xplian=Mass', film), 400, "no parameter 'explian' in its query; is 'explain' meant?")
        self.assert_problem(self.post('/predict?explain=Mass&%65xplain=Edema', film), 400, 'more than once')
        self.assert_problem(self.post('/predict?expl%00ain=Mass', film), 400, 'NUL')
        self.assert_problem(self.post('/predict?%65xplain', film), 400, 'has no value')


class Places(ServerCase):
    arguments = ('--base-path', '/x-ray')

    def test_what_looks_like_no_id_is_no_such_thing(self):
        for target in ('/x-ray/jobs/nope', '/x-ray/jobs/nope/events', '/x-ray/jobs/A%20B/report'):
            self.assert_problem(self.get(target), 404, 'there is no such job')
        self.assert_problem(self.get('/x-ray/models/nope'), 404, 'there is no such model')
        self.assert_problem(self.post('/x-ray/models/nope/activate'), 404, 'there is no such model')
        for target in ('/x-ray/jobs/', '/x-ray/jobs/a/b', '/x-ray/nope', '/jobs/nope'):
            self.assert_problem(self.get(target), 404, 'nothing at this path')

    def test_the_path_that_is_meant_is_named(self):
        for said, meant in (('/health', '/healthz'), ('/ready', '/readyz'), ('/live', '/livez'), ('/Predict', '/predict'), ('/PREDICT/', '/predict'),
                            ('/api/predict', '/predict'), ('/v1/predict', '/predict'), ('/job', '/jobs'), ('/jobs/', '/jobs'), (f'/job/{A_JOB}', '/jobs/{id}'),
                            (f'/models/{A_JOB}/activat', '/models/{id}/activate'), (f'/model/{A_JOB}', '/models/{id}'), ('/openapi.json', '/openapi.yaml')):
            with self.subTest(said):
                self.assert_problem(self.get('/x-ray' + said), 404, f'there is nothing at this path; is /x-ray{meant} meant?')
        for far in ('/x-ray/nothing', '/x-ray/a', '/x-ray//', '/x-ray/' + 'predict' * 300, '/x-ray' + '/a' * 400):
            self.assertEqual(self.get(far).json()['detail'], 'there is nothing at this path')
        for outside in ('/nothing', '/x-ray', '/x-rayed/predict'):
            self.assertEqual(self.get(outside).json()['detail'], 'there is nothing at this path: all paths here begin with /x-ray/')

    def test_a_method_that_is_not_possible_is_told_which_are(self):
        self.assert_problem(self.get('/x-ray/predict'), 405, 'GET is not possible here, only POST, OPTIONS')

    def test_the_instance_of_a_problem_is_the_path_that_was_asked(self):
        for target in ('/x-ray/jobs/nope', f'/x-ray/jobs/{A_JOB}', '/x-ray/models?limit=0', '/nothing', '/x-ray'):
            self.assertEqual(self.get(target).json()['instance'], target.split('?')[0])


class Bodies(ServerCase):
    with_model = True

    def test_a_picture_wrapped_in_text_is_told_to_be_sent_as_it_is(self):
        film = base64.b64encode(picture.noise(1)).decode()
        for text in (json.dumps({'image': film}), json.dumps([{'image': film}]), film, f'"{film}"', f'data:image/png;base64,{film}',
                     base64.b64encode(b'\xff\xd8\xff\xe0' + bytes(60)).decode(), '\n ' + base64.b64encode(bytes(128) + b'DICM').decode()):
            for kind in ('application/json', 'application/octet-stream'):
                with self.subTest(text[:30], kind=kind):
                    self.assert_problem(self.post('/predict', text.encode(), Content_Type=kind), 415, "send the picture's own bytes")

    def test_other_texts_are_no_known_picture(self):
        for data in (b'hello', b' ', b'\n"', b'iVBOR'):
            reply = self.post('/predict', data)
            self.assertNotIn('own bytes', reply.json()['detail'])


class Inputs(ServerCase):
    with_model = True

    def codes(self, query):
        return [(w['code'], w['detail']) for w in self.assert_prediction(self.post(f'/predict?{query}', picture.noise(1)))['warnings']
                if w['code'] == 'unused_input']

    def test_one_that_the_model_does_not_take_is_warned_of(self):
        self.assertEqual(self.codes(''), [])
        for query, names in (('age=58', ['age']), ('sex=M&view=PA', ['sex', 'view']), ('history=Mass', ['history']),
                             ('history=Mass&history_last=Mass', ['history'])):
            said = self.codes(query)
            self.assertEqual(len(said), len(names), said)
            for name, (_, detail) in zip(names, said):
                self.assertIn(f"no '{name}'", detail)

    def test_the_command_says_it_too(self):
        path = os.path.join(program.new_folder('film'), 'film.png')
        with open(path, 'wb') as file:
            file.write(picture.noise(1))
        for source in (('--weights', dataset.weights_path()), ('--url', self.server.url)):
            self.assertIn("warning, unused_input: this model takes no 'age'", program.run('predict', *source, '--age', '58', path).stdout)


class Lists(Case):

    def test_a_list_that_is_not_there_is_named(self):
        server = program.Server(datasets=dataset.tiny())
        self.addCleanup(server.stop)
        import_model(server, dataset.weights())
        done = program.run('train', '--datasets', dataset.tiny(), '--dataset', 'tiny', '--out', program.new_folder('out'), '--set', 'split_by=list')
        self.assertEqual(done.returncode, 1)
        self.assertIn('test_list.txt', done.stderr)
        self.assertEqual(done.stderr.count('test_list.txt'), 1, done.stderr)


class Misuse(Case):
    """A command that is called wrongly says what is wrong, and where its options are listed."""

    def test_a_command_without_what_it_needs_leads_to_its_help(self):
        for command in ('predict', 'train', 'validate', 'phantom', 'import', 'export', 'inspect', 'key', 'audit', 'sign', 'verify', 'compare', 'forget', 'activate', 'completion'):
            done = program.run(command)
            self.assertEqual((done.returncode, done.stdout), (2, ''), done)
            first, *rest = done.stderr.splitlines()
            self.assertTrue(first.startswith(f'cxrd {command}: '), first)
            self.assertEqual(rest, [f'Try: cxrd {command} --help'])

    def test_the_option_or_the_command_that_is_meant_is_named(self):
        for arguments, says in ((('predict', '--weight=x', 'film.png'), "cxrd predict: 'cxrd predict' has no option '--weight'; is '--weights' meant?\nTry: cxrd predict --help\n"),
                                (('serve', '--dataset', 'x'), "cxrd serve: 'cxrd serve' has no option '--dataset'; is '--datasets' meant?\nTry: cxrd serve --help\n"),
                                (('serve', '--nonsense'), "cxrd serve: 'cxrd serve' has no option '--nonsense'\nTry: cxrd serve --help\n"),
                                (('serv',), "cxrd: there is no command 'serv'; is 'serve' meant?\nTry: cxrd --help\n"),
                                (('help', 'pedict'), "cxrd: there is no command 'pedict'; is 'predict' meant?\nTry: cxrd --help\n")):
            with self.subTest(arguments):
                done = program.run(*arguments)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (2, '', says))
        self.assertIn('answer over HTTP', program.run('nonsense').stderr)

    def test_a_file_that_is_no_weights_is_named(self):
        path = os.path.join(program.new_folder('wrong'), 'wrong.txt')
        with open(path, 'w', encoding='ascii') as file:
            file.write('hello')
        for arguments in (('inspect', path), ('import', path), ('export', path, '-o', path + '.onnx'), ('predict', '--weights', path, path)):
            done = program.run(*arguments)
            self.assertEqual(done.returncode, 1, done)
            self.assertRegex(done.stderr, rf'^cxrd {arguments[0]}: .* \({path}\)\n$')

    def test_where_no_server_answers_is_said(self):
        done = program.run('jobs', '--url', 'http://127.0.0.1:1')
        self.assertEqual(done.returncode, 1)
        self.assertTrue(done.stderr.startswith("cxrd jobs: no server answers at 'http://127.0.0.1:1': "), done.stderr)

    def test_a_field_that_there_is_not_is_a_sentence_and_the_one_that_is_meant_is_named(self):
        for field, says in (('epohcs', "'epohcs' is not a field of a job; is 'epochs' meant?"), ('zzz', "'zzz' is not a field of a job")):
            done = program.run('train', '--datasets', dataset.tiny(), '--dataset', 'tiny', '--out', program.new_folder('out'), '--set', f'{field}=1')
            self.assertEqual((done.returncode, done.stderr), (1, f'cxrd train: {says}\n'))


if __name__ == '__main__':
    unittest.main()
