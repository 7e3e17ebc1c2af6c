"""The registry: import, card, list, weights, activation; and what is no model."""
import concurrent.futures
import hashlib
import json
import os
import select
import struct
import unittest

from support import client, dataset, picture, program
from support.case import (Case, ServerCase, import_model, needs_data, submit, wait_state)


def take_apart(weights):
    """A safetensors file as (header, data)."""
    n, = struct.unpack('<Q', weights[:8])
    return json.loads(weights[8:8 + n]), weights[8 + n:]


def put_together(header, data):
    text = json.dumps(header).encode()
    return struct.pack('<Q', len(text)) + text + data


def spoil_point(header, label, name, value):
    points = json.loads(header['__metadata__']['operating_points'])
    points[label][name] = value
    header['__metadata__']['operating_points'] = json.dumps(points)


class Models(ServerCase):

    def test_an_import_is_201_with_its_card(self):
        weights = dataset.weights()
        reply = self.post('/models', weights, Content_Type='application/octet-stream')
        self.assertEqual(reply.status, 201)
        card = reply.json()
        self.assertEqual(reply.headers['location'], f'/models/{card["id"]}')
        self.assertEqual(card['sha256'], hashlib.sha256(weights).hexdigest())
        self.assertEqual(card['bytes'], len(weights))
        self.assertEqual((card['architecture'], card['image_size'], card['resize']), ('cnn4', 64, 'area'))
        self.assertEqual((card['input_mean'], card['input_std']), (128, 64))
        self.assertEqual((card['job'], card['imported'], card['population']), (None, True, 'findings-only'))
        self.assertEqual(card['tensors']['conv1.weight'], [32, 3, 3, 3])
        self.assertEqual(card['tensors']['head.weight'], [14, 256, 4, 4])
        self.assertEqual(card['parameters'], 445774)
        self.assertEqual(self.get(reply.headers['location']).json(), card)

    def test_every_import_is_a_model_of_its_own(self):
        one, two = (import_model(self.server, dataset.weights(), activate=False) for _ in range(2))
        self.assertNotEqual(one['id'], two['id'])
        self.assertEqual(one['sha256'], two['sha256'])

    def test_the_weights_come_back_byte_by_byte(self):
        card = import_model(self.server, dataset.weights(), activate=False)
        reply = self.get(f'/models/{card["id"]}/weights')
        self.assertEqual(reply.status, 200)
        self.assertEqual(reply.body, dataset.weights())
        self.assertEqual(hashlib.sha256(reply.body).hexdigest(), card['sha256'])
        self.assertEqual(reply.headers['content-type'], 'application/octet-stream')
        self.assertEqual(reply.headers['content-disposition'], f'attachment; filename="{card["id"]}.safetensors"')
        headed = client.request(self.server, 'HEAD', f'/models/{card["id"]}/weights')
        self.assertEqual((headed.status, headed.headers['content-length']), (200, str(card['bytes'])))

    def test_unknown_ids_are_404(self):
        for target in ('/models/00000000-0000', '/models/00000000-0000/weights', '/models/00000000-0000/onnx'):
            self.assert_problem(self.get(target), 404, '00000000-0000')
        self.assert_problem(self.post('/models/00000000-0000/activate'), 404, '00000000-0000')

    def test_the_list_is_paged_newest_first(self):
        server = program.Server()
        self.addCleanup(server.stop)
        self.assertEqual(client.get(server, '/models').json(), {'models': [], 'active': None, 'shadow': None, 'canary': None, 'next_cursor': None})
        cards = [import_model(server, dataset.weights(), activate=i == 1) for i in range(5)]
        everything = client.get(server, '/models').json()
        self.assertEqual(everything['models'], cards[::-1])
        self.assertEqual((everything['active'], everything['next_cursor']), (cards[1]['id'], None))
        seen, cursor = [], ''
        while cursor is not None:
            page = client.get(server, f'/models?limit=2{cursor and "&cursor=" + cursor}').json()
            self.assertLessEqual(len(page['models']), 2)
            seen += page['models']
            cursor = page['next_cursor']
        self.assertEqual(seen, cards[::-1])

    def test_wrong_pages_are_422(self):
        for query in ('limit=0', 'limit=101', 'limit=x', 'limit=', 'limit=1.5', 'limit=99999999999999999999', 'cursor=0',
                      'cursor=-1', 'cursor=x', 'limit=5%20'):
            with self.subTest(query):
                self.assert_problem(self.get(f'/models?{query}'), 422, query.split('=')[0])


class Activation(ServerCase):

    def test_the_next_request_is_answered_by_the_model_just_activated(self):
        one = import_model(self.server, dataset.weights(1))
        two = import_model(self.server, dataset.weights(2), activate=False)
        film = picture.noise(1)
        expected = {m['id']: dataset.predict_here([film], dataset.weights_path(seed))[0]['probabilities']
                    for m, seed in ((one, 1), (two, 2))}
        self.assertNotEqual(*expected.values())
        for model in (two, one, one, two):
            reply = self.post(f'/models/{model["id"]}/activate')
            self.assertEqual((reply.status, reply.json()), (200, model))
            prediction = self.assert_prediction(self.predict(film))
            self.assertEqual(prediction['model']['id'], model['id'])
            self.assertEqual(prediction['probabilities'], expected[model['id']])
            self.assertEqual(self.get('/readyz').json()['model'], model['id'])
            self.assertEqual(self.get('/models').json()['active'], model['id'])

    def test_an_import_activates_nothing(self):
        active = import_model(self.server, dataset.weights(1))
        import_model(self.server, dataset.weights(2), activate=False)
        self.assertEqual(self.get('/models').json()['active'], active['id'])
        self.assertEqual(self.predict(picture.noise(1)).json()['model']['id'], active['id'])

    def test_a_refused_activation_changes_nothing(self):
        active = import_model(self.server, dataset.weights(1))
        self.assert_problem(self.post('/models/00000000-0000/activate'), 404)
        self.assertEqual(self.get('/models').json()['active'], active['id'])

    def test_a_file_that_was_changed_is_not_activated(self):
        active = import_model(self.server, dataset.weights(1))
        card = import_model(self.server, dataset.weights(2), activate=False)
        path = os.path.join(self.server.state, 'models', card['id'] + '.safetensors')
        with open(path, 'r+b') as file:
            file.seek(-100, 2)
            file.write(b'\1')
        self.assert_problem(self.post(f'/models/{card["id"]}/activate'), 409, 'digest')
        self.assertEqual(self.predict(picture.noise(1)).json()['model']['id'], active['id'])

    def test_swaps_under_load_never_mix_models(self):
        films = [picture.noise(i) for i in range(4)]
        cards = [import_model(self.server, dataset.weights(seed)) for seed in (1, 2)]
        expected = {card['id']: [r['probabilities'] for r in dataset.predict_here(films, dataset.weights_path(seed))]
                    for card, seed in zip(cards, (1, 2))}
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            replies = [(i % 4, pool.submit(self.predict, films[i % 4])) for i in range(120)]
            for i in range(20):
                self.assertEqual(self.post(f'/models/{cards[i % 2]["id"]}/activate').status, 200)
                after = self.assert_prediction(self.predict(films[i % 4]))
                self.assertEqual(after['model']['id'], cards[i % 2]['id'])
                self.assertEqual(after['probabilities'], expected[cards[i % 2]['id']][i % 4])
            for film, reply in replies:
                prediction = self.assert_prediction(reply.result())
                self.assertEqual(prediction['probabilities'], expected[prediction['model']['id']][film])


class Named(ServerCase):
    """?model=: any model of the registry answers, whichever is active."""

    arguments = ('--loaded-models', '2')

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.film = picture.noise(1)
        cls.cards = [import_model(cls.server, dataset.weights(seed), activate=seed == 1) for seed in (1, 2, 3, 4)]
        cls.expected = [dataset.predict_here([cls.film], dataset.weights_path(seed))[0]['probabilities'] for seed in (1, 2, 3, 4)]

    def ask(self, card, path='/predict?model=', film=None):
        return self.post(f'{path}{card if isinstance(card, str) else card["id"]}', film or self.film, Content_Type='image/png')

    def test_the_model_that_is_named_answers(self):
        for turn in range(2):
            for card, expected in zip(self.cards, self.expected):
                prediction = self.assert_prediction(self.ask(card))
                self.assertEqual((prediction['model']['id'], prediction['model']['sha256']), (card['id'], card['sha256']))
                self.assertEqual(prediction['probabilities'], expected)
            self.assertEqual(self.predict(self.film).json()['model']['id'], self.cards[0]['id'])
        self.assertEqual(self.get('/models').json()['active'], self.cards[0]['id'])

    def test_its_map_is_drawn(self):
        maps = [self.ask(card, '/predict/heatmap?label=Mass&model=') for card in self.cards]
        self.assertEqual([reply.status for reply in maps], [200] * 4)
        self.assertEqual(len({reply.body for reply in maps}), 4)

    def test_a_model_that_is_not_there_is_404(self):
        for unknown in ('00000000-0000', 'x', '..', '%2e%2e%2fstate', 'a' * 2000):
            for path in ('/predict?model=', '/predict/heatmap?label=Mass&model='):
                self.assert_problem(self.ask(unknown, path), 404, 'there is no model')

    def test_a_file_that_was_changed_is_409(self):
        card = import_model(self.server, dataset.weights(2), activate=False)
        with open(os.path.join(self.server.state, 'models', card['id'] + '.safetensors'), 'r+b') as file:
            file.seek(-100, 2)
            file.write(b'\1')
        for path in ('/predict?model=', '/predict/heatmap?label=Mass&model='):
            self.assert_problem(self.ask(card, path), 409, 'digest')

    def test_a_model_that_is_deleted_is_gone_at_once(self):
        card = import_model(self.server, dataset.weights(2), activate=False)
        self.assert_prediction(self.ask(card))
        self.assertEqual(client.request(self.server, 'DELETE', f'/models/{card["id"]}').status, 204)
        self.assert_problem(self.ask(card), 404)

    def test_a_finding_is_one_of_the_model_that_is_named(self):
        self.assert_problem(self.ask(self.cards[1], '/predict?explain=Rib&model='), 422, "'explain'")

    def test_it_answers_where_none_is_active(self):
        server = program.Server()
        self.addCleanup(server.stop)
        card = import_model(server, dataset.weights(), activate=False)
        self.assert_problem(client.post(server, '/predict', self.film), 503)
        prediction = self.assert_prediction(client.post(server, f'/predict?model={card["id"]}', self.film))
        self.assertEqual(prediction['probabilities'], self.expected[0])

    def test_many_ask_for_more_than_stay_loaded(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            replies = [(i % 4, pool.submit(self.ask, self.cards[i % 4])) for i in range(60)]
            for which, reply in replies:
                self.assertEqual(self.assert_prediction(reply.result())['probabilities'], self.expected[which])

    def test_they_keep_nobody_from_the_active_one(self):
        server = program.Server('--loaded-models', '0', threads=1)
        self.addCleanup(server.stop)
        cards = [import_model(server, dataset.weights(seed), activate=seed == 1) for seed in (1, 2, 3)]
        raws = [client.Raw(server) for _ in range(60)]
        for i, raw in enumerate(raws):
            self.addCleanup(raw.close)
            raw.send(client.head('POST', f'/predict?model={cards[1 + i % 2]["id"]}', f'Content-Length: {len(self.film)}') + self.film)
        answer = self.assert_prediction(client.post(server, '/predict', self.film))
        self.assertEqual(answer['model']['id'], cards[0]['id'])
        answered, _, _ = select.select([raw.socket for raw in raws], [], [], 0)
        self.assertLess(len(answered), len(raws) // 2)  # which came before it, and wait for loads
        for i, raw in enumerate(raws):
            self.assertEqual(self.assert_prediction(raw.reply())['model']['id'], cards[1 + i % 2]['id'])

    def test_its_scores_are_not_the_active_models(self):
        def scores():
            return [line for line in self.get('/metrics').body.decode().splitlines()
                    if line.startswith('cxrd_prediction_score_count')]
        before = program.poll(scores, 'there are some')
        self.ask(self.cards[1])
        self.assertEqual(scores(), before)


class BadFiles(ServerCase):

    def refuse(self, data, says, status=422):
        before = len(self.get('/models?limit=100').json()['models'])
        problem = self.assert_problem(self.post('/models', data, Content_Type='application/octet-stream'), status, says)
        self.assertNotIn('errors', problem)
        self.assertEqual(len(self.get('/models?limit=100').json()['models']), before)
        files = os.listdir(os.path.join(self.server.state, 'models'))
        self.assertEqual(len(files), before, files)

    def test_nothing_is_400(self):
        self.refuse(b'', 'no body', 400)

    def test_what_is_no_safetensors_file_is_422(self):
        for data in (b'x', b'not a safetensors file', bytes(8), bytes(1000), b'\xff' * 100,
                     struct.pack('<Q', 5) + b'hello', struct.pack('<Q', 2) + b'[]', struct.pack('<Q', 1 << 40) + b'{}'):
            with self.subTest(data[:20]):
                self.refuse(data, 'not a safetensors file')

    def test_what_a_file_of_ours_says_itself_is_not_given(self):
        for name, value in (('labels', 'A,B'), ('architecture', 'cnn4'), ('scaling', '0..1'), ('resize', 'area'), ('image_size', '64')):
            reply = self.post(f'/models?{name}={value}', dataset.weights(), Content_Type='application/octet-stream')
            self.assert_problem(reply, 422, f"'{name}'")

    def test_a_size_that_is_no_number_is_422(self):
        for value in ('x', '', '63', '1025', '1e2'):
            reply = self.post(f'/models?image_size={value}', dataset.weights(), Content_Type='application/octet-stream')
            self.assert_problem(reply, 422, "'image_size' must be a whole number in 64..1024")

    def test_a_file_that_was_cut_is_422(self):
        whole = dataset.weights()
        for n in (7, 8, 100, len(whole) // 2, len(whole) - 1):
            with self.subTest(n):
                self.refuse(whole[:n], '')

    def test_surplus_data_is_422(self):
        self.refuse(dataset.weights() + b'x', 'bytes')

    def test_a_wrong_header_is_422_and_says_what(self):
        def changed(change):
            header, data = take_apart(dataset.weights())
            change(header)
            return put_together(header, data)

        rows = {
            "'head.bias' is missing": lambda h: h.pop('head.bias'),
            "'conv1.weight' has the wrong shape": lambda h: h['conv1.weight'].update(shape=[32, 3, 9]),
            "'conv1.bias' is not of type F32": lambda h: h['conv1.bias'].update(dtype='F8_E4M3'),
            "'conv1.bias' has 128 bytes": lambda h: h['conv1.bias'].update(dtype='F16'),
            "'extra' does not belong": lambda h: h.update(extra={'dtype': 'F32', 'shape': [0], 'data_offsets': [0, 0]}),
            'overlap': lambda h: h['conv1.bias'].update(data_offsets=[0, 128]),
            'outside the file': lambda h: h['head.bias'].update(data_offsets=[1 << 40, (1 << 40) + 56]),
            'has no data offsets': lambda h: h['head.bias'].update(data_offsets=['0', '56']),
            "'head.weight' has the wrong shape for 'cnn4' with 2 findings": lambda h: h['__metadata__'].update(labels='A,B'),
            "'resize' is 'cubic'": lambda h: h['__metadata__'].update(resize='cubic'),
            "'image_size'": lambda h: h['__metadata__'].update(image_size='1e9'),
            "'input_std'": lambda h: h['__metadata__'].update(input_std='0'),
            'vgg': lambda h: h['__metadata__'].update(architecture='vgg'),
            "'metrics' are not a JSON object": lambda h: h['__metadata__'].update(metrics='[]'),
            "'metrics' are longer": lambda h: h['__metadata__'].update(metrics=json.dumps({'x': 'y' * 70000})),
            "'metrics' are nested": lambda h: h['__metadata__'].update(metrics='{"a":' * 9 + '1' + '}' * 9),
            "'data' are not a JSON object": lambda h: h['__metadata__'].update(data='all of it'),
            "'import' are not a JSON object": lambda h: h['__metadata__'].update({'import': '[]'}),
            "'data' are nested": lambda h: h['__metadata__'].update(data='{"a":' + '[' * 2040 + ']' * 2040 + '}'),
            "'operating_points' are not a JSON object of the 14": lambda h: h['__metadata__'].update(operating_points='{}'),
            "'operating_points' have no 'youden' in 0..1": lambda h: spoil_point(h, 'Mass', 'youden', 1.5),
            "'operating_points' have no 'auroc' in 0..1": lambda h: spoil_point(h, 'Hernia', 'auroc', '0.5'),
            "'operating_points' have no 'auroc_low' in 0..1": lambda h: spoil_point(h, 'Hernia', 'auroc_low', -1),
            "no whole number of 'positives' for Mass": lambda h: spoil_point(h, 'Mass', 'positives', 1.5),
            "the members of Edema": lambda h: spoil_point(h, 'Edema', 'more', 0.5),
            'is not a string': lambda h: h['__metadata__'].update(note=5),
        }
        for says, change in rows.items():
            with self.subTest(says):
                self.refuse(changed(change), says)

    def test_numbers_that_are_none_are_422(self):
        header, data = take_apart(dataset.weights())
        for bits in (b'\0\0\xc0\x7f', b'\0\0\x80\x7f', b'\0\0\x80\xff'):
            self.refuse(put_together(header, bits + data[4:]), 'finite')

    def test_weights_that_overflow_are_422(self):
        header, data = take_apart(dataset.weights())
        self.refuse(put_together(header, struct.pack('<f', 3e38) * (len(data) // 4)), 'finite')

    def test_a_form_is_no_weights_file(self):
        self.refuse(b'--b\r\nContent-Disposition: form-data; name="f"; filename="w"\r\n\r\n' + dataset.weights()
                    + b'\r\n--b--\r\n', 'not a safetensors file')

    def test_a_file_without_our_metadata_gets_the_contracts_defaults(self):
        header, data = take_apart(dataset.weights())
        header['head.weight'].update(shape=[14, 256, 16, 16])
        del header['__metadata__']
        head_at, grown = header['head.weight']['data_offsets'], 14 * 256 * (256 - 16) * 4
        moved = {k: {**v, 'data_offsets': [o + grown if o > head_at[0] else o for o in v['data_offsets']]}
                 for k, v in header.items()}
        card = import_model(self.server, put_together(moved, data[:head_at[1]] + bytes(grown) + data[head_at[1]:]),
                            activate=False)
        self.assertEqual((card['image_size'], card['resize'], card['input_mean'], card['input_std'], card['population']),
                         (256, 'nearest', 0, 1, None))
        self.assertEqual(card['parameters'], 1305934)


@needs_data
class FromTrainingToAnotherServer(Case):
    """The whole way, on real films: train through the API, download, import elsewhere, the same 14 numbers."""

    def test_a_model_trained_here_gives_the_same_14_numbers_there(self):
        here = program.Server(datasets=program.TEST_DATA)
        self.addCleanup(here.stop)
        job = submit(here, {'dataset': 'nih256', 'image_size': 64, 'epochs': 1, 'steps_per_epoch': 3, 'batch_size': 8})
        record = wait_state(here, job, 'succeeded')
        self.assertEqual(record['dataset']['rows'], 112120)
        model = client.get(here, f'/models/{record["model"]}').json()
        self.assertEqual((model['job'], model['imported']), (job, False))
        self.assertEqual(client.get(here, '/models').json()['active'], record['model'])  # the first one there is
        weights = client.get(here, f'/models/{record["model"]}/weights').body
        self.assertEqual(hashlib.sha256(weights).hexdigest(), model['sha256'])

        there = program.Server()
        self.addCleanup(there.stop)
        card = import_model(there, weights)
        self.assertEqual(card['sha256'], model['sha256'])
        folder = os.path.join(program.TEST_DATA, 'nih256', 'images_001', 'images')
        for name in sorted(os.listdir(folder))[:10]:
            with open(os.path.join(folder, name), 'rb') as file:
                film = file.read()
            one, two = (self.assert_prediction(client.post(s, '/predict', film)) for s in (here, there))
            self.assertEqual(one['probabilities'], two['probabilities'])
            self.assertEqual((one['model']['job'], two['model']['job']), (job, None))
            self.assertEqual(one['model']['sha256'], two['model']['sha256'])


if __name__ == '__main__':
    unittest.main()
