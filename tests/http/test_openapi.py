"""openapi.yaml against the program: the same routes, and every reply that any test of this run has seen.

This file runs last. Alone it judges only what it sees itself.
"""
import collections
import hashlib
import json
import os
import re
import unittest

from support import client, dataset, program
from support.case import Case, ServerCase, import_model, submit, wait_state
from support.schema import Schemas

try:
    import yaml
except ImportError:
    yaml = None

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
METHODS = ('get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace')
OF_HTTP = {414, 431, 499, 501, 505}  # any operation's, see "What HTTP itself may say"
OF_THE_JOB = {'name', 'note'}  # fields of a training that are no part of its configuration
NEVER_MADE = {500}  # a broken disk or database: nothing that a client could bring about

Operation = collections.namedtuple('Operation', 'method path')


def read(*parts):
    with open(os.path.join(ROOT, *parts), encoding='utf-8') as file:
        return file.read()


class Contract:
    """openapi.yaml, as the tests ask it."""

    def __init__(self, text):
        self.document = yaml.safe_load(text)
        self.schemas = Schemas(self.document)
        self.operations = {Operation(method.upper(), path): item[method] for path, item in self.document['paths'].items()
                           for method in METHODS if method in item}
        self.patterns = [(path, re.compile(re.sub(r'\{\w+\}', '[^/]+', path.replace('.', r'\.')) + '$'))
                         for path in sorted(self.document['paths'], key=lambda p: '{' in p)]

    def path_of(self, target):
        """The documented path that a target belongs to, or None."""
        raw = target.split('?')[0]
        return next((path for path, pattern in self.patterns if pattern.match(raw)), None)

    def methods(self, path):
        return sorted(op.method for op in self.operations if op.path == path)

    def responses(self, operation):
        """Status -> response, with references followed."""
        return {int(status): self.schemas.follow(response)
                for status, response in self.operations[operation]['responses'].items()}

    def seen(self):
        """(operation, reply) for every reply that belongs to an operation. A HEAD is a GET; a method that a path does
        not have belongs to all that it has; OPTIONS to none."""
        for reply in client.SEEN:
            path = self.path_of(reply.target)
            if path and not (reply.method == 'OPTIONS' and reply.status == 204):
                method = 'GET' if reply.method == 'HEAD' else reply.method
                for name in [method] if method in self.methods(path) else self.methods(path):
                    yield Operation(name, path), reply


@unittest.skipUnless(yaml, 'python3-yaml is not installed')
class OpenApiCase(Case):
    @classmethod
    def setUpClass(cls):
        cls.contract = Contract(read('openapi.yaml'))


class TheFile(OpenApiCase):

    def test_its_version_is_the_programs(self):
        version = program.run('--version').stdout.split()[1]
        self.assertEqual(self.contract.document['info']['version'], version)

    def test_it_is_openapi_3_1(self):
        self.assertRegex(self.contract.document['openapi'], r'^3\.1\.')

    def test_its_operations_and_roles_are_those_of_the_route_table(self):
        rows = re.findall(r'\{\s*"([A-Z]+)",\s*"([^"]+)",\s*ROLE_([A-Z]+),', read('server', 'api', 'routes.c'))
        self.assertGreater(len(rows), 10)
        routes = {Operation(method, path): role.lower() for method, path, role in rows}
        self.assertEqual({op: spec['x-role'] for op, spec in self.contract.operations.items()}, routes)

    def test_its_operations_have_names_tags_and_summaries(self):
        operations = self.contract.operations.values()
        names = [op['operationId'] for op in operations]
        self.assertEqual(len(names), len(set(names)))
        tags = {tag['name'] for tag in self.contract.document['tags']}
        for op in operations:
            self.assertIn(op['tags'][0], tags)
            self.assertTrue(op['summary'])

    def test_its_examples_are_what_its_schemas_say(self):
        count = 0
        for op, spec in self.contract.operations.items():
            places = [(str(status), response) for status, response in self.contract.responses(op).items()]
            for place, holder in places + [('request', spec.get('requestBody', {}))]:
                for kind, media in holder.get('content', {}).items():
                    for name, example in media.get('examples', {}).items():
                        with self.subTest(op=op, place=place, example=name):
                            self.assertEqual(self.contract.schemas.errors(example['value'], media['schema']), [])
                            count += 1
                            if kind == 'application/problem+json':
                                self.assertEqual(str(example['value']['status']), place)
        self.assertGreater(count, 50)

    def test_the_checks_would_find_what_is_wrong(self):
        """The validator itself, on replies with a fault."""
        errors = self.contract.schemas.errors
        problem = {'type': 'about:blank', 'title': 'x', 'status': 400, 'detail': 'x', 'instance': '/', 'request_id': 'x'}
        schema = {'$ref': '#/components/schemas/Problem'}
        self.assertEqual(errors(problem, schema), [])
        for fault in ({'status': '400'}, {'detail': ''}, {'errors': []}, {'errors': [{'field': 'x'}]}, {'extra': 1}):
            self.assertNotEqual(errors({**problem, **fault}, schema), [], fault)
        spec = self.contract.responses(Operation('GET', '/jobs/{id}'))[200]['content']['application/json']
        job = spec['examples']['succeeded']['value']
        for fault in ({'extra': 1}, {'state': 'done'}, {'progress': 2}, {'created_at': 'today'}, {'epochs': None},
                      {'dataset': {}}, {'model': 5}, {'config': {**job['config'], 'epochs': 1001}}):
            self.assertNotEqual(errors({**job, **fault}, spec['schema']), [], fault)
        self.assertNotEqual(errors({k: v for k, v in job.items() if k != 'baseline'}, spec['schema']), [])
        self.assertEqual((len(errors(0, {'exclusiveMinimum': 0})), errors(1, {'exclusiveMinimum': 0})), (1, []))
        with self.assertRaises(ValueError):
            errors(1, {'exclusiveMaximum': 0})


class TheServer(OpenApiCase):
    """Asked about every path."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = program.Server(datasets=dataset.tiny())
        cls.addClassCleanup(cls.server.stop)
        cls.ids = {'/models': import_model(cls.server, dataset.weights())['id'],
                   '/jobs': submit(cls.server, {'epochs': 0})}
        wait_state(cls.server, cls.ids['/jobs'], 'succeeded')

    def target(self, path):
        return path.replace('{file}', 'style.css').replace('{uid}', '1.2.3').replace('{id}', self.ids['/models' if path.startswith('/models') else '/jobs'])

    def test_it_serves_this_very_file(self):
        self.assertEqual(client.get(self.server, '/openapi.yaml').body.decode(), read('openapi.yaml'))

    def test_documented_methods_are_there_and_no_others(self):
        for path in self.contract.document['paths']:
            documented = self.contract.methods(path)
            expected = set(documented) | {'OPTIONS'} | ({'HEAD'} if 'GET' in documented else set())
            for method in ('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'OPTIONS', 'QUERY', 'get', 'post'):
                with self.subTest(path=path, method=method):
                    reply = client.request(self.server, method, self.target(path))
                    if method not in expected:
                        self.assertEqual(reply.status, 405)
                    else:
                        self.assertNotEqual(reply.status, 405)
                    if reply.status == 405 or method == 'OPTIONS':
                        self.assertEqual(set(reply.headers['allow'].split(', ')), expected)

    def test_every_operation_refuses_broken_framing_with_400(self):
        for op in self.contract.operations:
            with self.subTest(op):
                replies = client.talk(self.server, client.head(op.method, self.target(op.path), 'Host: other'), op.method,
                                      self.target(op.path))
                self.assertEqual([r.status for r in replies], [400])

    def test_every_operation_refuses_bodies_that_are_too_large_or_compressed(self):
        refusals = ((413, 'Content-Length: 1099511627776'), (415, 'Content-Encoding: gzip'))
        for op in self.contract.operations:
            for status, field in refusals:
                if status in self.contract.responses(op):
                    with self.subTest(op, status=status), client.Raw(self.server) as raw:
                        length = () if status == 413 else ('Content-Length: 2',)
                        raw.send(client.head(op.method, self.target(op.path), field, *length, 'Content-Type: application/json') + b'{}')
                        self.assertEqual(raw.reply(op.method, self.target(op.path)).status, status)

    def test_every_operation_that_is_not_public_asks_who_it_is(self):
        path = os.path.join(program.new_folder('keys'), 'keys')
        with open(path, 'w', encoding='ascii') as file:
            file.write(f'predict reader {hashlib.sha256(b"key").hexdigest()}\n')
        server = program.Server('--keys', path, '--rate', '1', datasets=dataset.tiny())
        self.addCleanup(server.stop)
        key = {'Authorization': 'Bearer key'}

        def too_often(method, target):
            """Use up what the key may do in this second, then ask once more."""
            while client.get(server, '/jobs', **key).status != 429:
                pass
            return client.request(server, method, target, **key).status == 429

        for op, spec in self.contract.operations.items():
            target = op.path.replace('{id}', '00000000-0000').replace('{uid}', '1.2.3')
            if spec['x-role'] == 'public':
                continue
            with self.subTest(op):
                self.assertEqual(client.request(self.server, op.method, target, Host='evil.example').status, 403)
                self.assertEqual(client.request(server, op.method, target).status, 401)
                program.poll(lambda: too_often(op.method, target), 'it is too often')

    def test_what_is_said_of_limits_is_so(self):
        limits = client.get(self.server, '/version').json()['limits']
        schema = self.contract.document['components']['schemas']['Prediction']['properties']['image']['properties']
        self.assertEqual(schema['width']['maximum'], limits['max_image_side'])
        self.assertEqual(schema['height']['maximum'], limits['max_image_side'])


class TheJobTable(ServerCase):
    """The server treats a job's fields as openapi.yaml says."""

    with_data = True

    @classmethod
    def setUpClass(cls):
        if not yaml:
            raise unittest.SkipTest('python3-yaml is not installed')
        super().setUpClass()
        cls.contract = Contract(read('openapi.yaml'))
        cls.fields = cls.contract.document['components']['schemas']['TrainRequest']['properties']

    def config(self, recipe):
        job = submit(self.server, {'recipe': recipe, 'epochs': 0})
        return wait_state(self.server, job, 'succeeded')['config']

    def test_the_fields_are_those_of_a_resolved_configuration(self):
        self.assertEqual(set(self.config('standard')), set(self.fields) - OF_THE_JOB)
        required = self.contract.document['components']['schemas']['TrainConfig']['allOf'][1]['required']
        self.assertEqual(set(required), set(self.fields) - OF_THE_JOB)

    def test_the_defaults_are_those_of_the_recipes(self):
        resolved = {recipe: self.config(recipe) for recipe in ('notebook', 'standard')}
        for name, field in self.fields.items():
            said = re.search(r'Default (\S+) \(notebook\), (\S+) \(standard\)\.\s*$', field['description'])
            with self.subTest(name):
                if name in ('dataset', 'epochs', 'recipe', *OF_THE_JOB):
                    continue  # asked for, or chosen here
                if name == 'split_seed':
                    self.assertIn('Where it is not given it is `seed`', field['description'])
                    self.assertEqual([resolved[r][name] for r in resolved], [resolved[r]['seed'] for r in resolved])
                    continue
                if said:
                    for recipe, text in zip(('notebook', 'standard'), said.groups()):
                        value = resolved[recipe][name]
                        self.assertEqual(value, text if isinstance(value, str) else json.loads(text))
                else:
                    self.assertEqual([resolved[r][name] for r in resolved], [field['default']] * 2)
        epochs = re.search(r'Default (\d+) \(notebook\), (\d+) \(standard\)', self.fields['epochs']['description'])
        for recipe, number in zip(('notebook', 'standard'), epochs.groups()):
            job = submit(self.server, {'recipe': recipe, 'images': 'nothing'})  # fails before it trains
            self.assertEqual(wait_state(self.server, job, 'failed')['config']['epochs'], int(number))
        self.assertEqual(self.fields['recipe']['default'], 'standard')

    def refused(self, job):
        reply = self.post_json('/jobs/train', {'x': 1, **job})  # which keeps it from starting
        self.assertEqual(reply.status, 422)
        return {error['field'] for error in reply.json()['errors']} - {'x'}

    def test_the_ranges_end_where_it_says(self):
        for name, field in self.fields.items():
            with self.subTest(name):
                if 'minimum' in field:
                    step = field.get('multipleOf', 1) if field['type'] == 'integer' else field['maximum'] * 1e-6
                    self.assertEqual(self.refused({name: field['minimum']}), set())
                    self.assertEqual(self.refused({name: field['maximum']}), set())
                    self.assertEqual(self.refused({name: field['minimum'] - step}), {name})
                    self.assertEqual(self.refused({name: field['maximum'] + step}), {name})
                    self.assertEqual(self.refused({name: field['minimum'] + 0.5}),
                                     {name} if field['type'] == 'integer' else set())
                if 'multipleOf' in field:
                    self.assertEqual(self.refused({name: field['minimum'] + 1}), {name})
                for value in field.get('enum', []):
                    needed = {'init': '00000000-0000-4000-8000-000000000000'} if value == 'graph' else {}
                    self.assertEqual(self.refused({name: value, **needed}) - {'split_by', 'mapping'}, set())  # which need files
                if 'enum' in field:
                    self.assertEqual(self.refused({name: 'another'}), {name})
                if field['type'] == 'boolean':
                    self.assertEqual(self.refused({name: True}) | self.refused({name: False}), set())


class TheWholeRun(OpenApiCase):
    """Everything that was seen by all tests together."""

    def test_every_status_that_was_seen_is_documented(self):
        undocumented = {(op, reply.status) for op, reply in self.contract.seen()
                        if reply.status not in self.contract.responses(op) and reply.status not in OF_HTTP}
        self.assertEqual(undocumented, set())

    def test_every_status_that_is_documented_was_seen(self):
        if not client.WHOLE_RUN:
            self.skipTest('only a run of all tests sees all of them')
        seen = collections.defaultdict(set)
        for op, reply in self.contract.seen():
            seen[op].add(reply.status)
        missing = {(op, status) for op in self.contract.operations for status in self.contract.responses(op)
                   if status not in seen[op] and status not in NEVER_MADE}
        self.assertEqual(missing, set())

    def test_every_reply_has_the_documented_headers_and_type(self):
        for op, reply in self.contract.seen():
            spec = self.contract.responses(op).get(reply.status, {})
            for name, header in spec.get('headers', {}).items():
                header = self.contract.schemas.follow(header)
                value = reply.headers.get(name.lower())
                if value is None and reply.status != 405:
                    self.assertFalse(header.get('required'), f'{op} {reply.status} without {name}')
                if value is not None:
                    value = int(value) if header['schema']['type'] == 'integer' else value
                    self.assertEqual(self.contract.schemas.errors(value, header['schema'], name), [], op)
            if reply.status == 405:
                self.assertIn('allow', reply.headers)
            if spec.get('content'):
                self.assertIn(reply.headers['content-type'].split(';')[0], spec['content'], op)

    def test_every_json_reply_is_what_its_schema_says(self):
        count = 0
        for op, reply in self.contract.seen():
            kind = reply.headers.get('content-type', '')
            media = self.contract.responses(op).get(reply.status, {}).get('content', {}).get(kind)
            if reply.method == 'HEAD' or not media or not kind.endswith('json'):
                continue
            count += 1
            errors = self.contract.schemas.errors(json.loads(reply.body), media['schema'])
            self.assertEqual(errors, [], f'{reply.method} {reply.target} {reply.status}')
        self.assertGreater(count, 20)


if __name__ == '__main__':
    unittest.main()
