"""Findings that are not ChestX-ray14's: a model carries its own, and everything that answers by it goes by them."""
import concurrent.futures
import json
import math
import os
import re
import struct
import unittest
import urllib.parse

from support import architectures, client, dataset, picture, program
from support.case import LONG, Case, ServerCase, import_model, job_of, submit
from test_watching import metrics

OWN = ('Fracture', 'Pleural_Thickening', 'Épanchement pleural')  # none of NIH's, one of them, one that must be escaped
MANY = tuple(f'Finding {i} of a list as long as there may be' for i in range(64))
FILM = picture.noise(5, 80, 80)


def quoted(**query):
    return urllib.parse.urlencode(query)


def tensor(weights, name):
    """The numbers of a tensor, flat."""
    head, start = dataset.header(weights)
    begin, end = (start + at for at in head[name]['data_offsets'])
    return struct.unpack(f'<{(end - begin) // 4}f', weights[begin:end])


class OwnCase(ServerCase):

    def ask(self, labels, target='/predict', body=FILM):
        """An answer of 200, in the contract's shape for these findings."""
        reply = self.post(target, body)
        self.assertEqual(reply.status, 200, reply)
        prediction = reply.json()
        self.assertEqual(list(prediction['probabilities']), list(labels))
        found = [(f['label'], f['probability']) for f in prediction['findings']]
        self.assertEqual(sorted(found), sorted(prediction['probabilities'].items()))
        self.assertEqual([p for _, p in found], sorted((p for _, p in found), reverse=True))
        return prediction

    def take(self, weights):
        return import_model(self.server, weights)['id']


class Predictions(OwnCase):

    def test_are_of_the_findings_that_the_model_carries(self):
        for labels in (('Fracture',), OWN, MANY):
            with self.subTest(len(labels)):
                weights = architectures.cnn4(labels)
                card = import_model(self.server, weights)
                self.assertEqual(card['labels'], list(labels))
                self.assertEqual(card['tensors']['head.bias'], [len(labels)])
                listed = self.get('/models').json()
                self.assertEqual((listed['active'], listed['models'][0]['labels']), (card['id'], list(labels)))
                told = self.ask(labels)
                self.assertEqual(told['model']['id'], card['id'])
                self.assertEqual(len(set(told['probabilities'].values())), len(labels))
                self.assertEqual(self.get(f'/models/{card["id"]}/weights').body, weights)

    def test_of_a_model_that_names_none_are_of_chest_xray14(self):
        card = import_model(self.server, dataset.without_note(architectures.cnn4(dataset.LABELS), 'labels'))
        self.assertEqual(card['labels'], list(dataset.LABELS))
        self.assert_prediction(self.predict(FILM))

    def test_have_thresholds_and_a_calibration_of_their_own(self):
        plain = self.take(architectures.cnn4(OWN))
        before = self.ask(OWN)['probabilities']
        points = {label: {'youden': before[label], 'sensitivity_90': None, 'specificity_90': None, 'auroc': 0.7, 'auroc_low': 0.6,
                          'auroc_high': 0.8, 'positives': 20 if k else 3, 'negatives': 30} for k, label in enumerate(OWN)}
        card = import_model(self.server, architectures.cnn4(
            OWN, operating_points=json.dumps(points),
            calibration=json.dumps({'method': 'platt', 'scale': [1, 1, 1], 'shift': [0, 1, -1]})))
        self.assertNotEqual(card['id'], plain)
        self.assertEqual(card['operating_points'], points)
        findings = {f['label']: f for f in self.ask(OWN)['findings']}
        self.assertEqual([findings[label]['positive'] for label in OWN], [None, True, False])
        self.assertEqual([findings[label]['auroc_positives'] for label in OWN], [3, 20, 20])
        self.assertAlmostEqual(findings[OWN[0]]['probability'], before[OWN[0]], places=7)
        del points[OWN[1]]
        refused = architectures.cnn4(OWN, operating_points=json.dumps(points))
        self.assert_problem(self.post('/models', refused, Content_Type='application/octet-stream'), 422, "'operating_points' are not a JSON object of the 3 findings")

    def test_follow_the_model_that_is_active(self):
        own, nih = self.take(architectures.cnn4(OWN)), self.take(dataset.weights())
        for model, labels, path in ((nih, dataset.LABELS, f'models/{nih}/activate'), (own, OWN, f'models/{own}/activate'),
                                    (nih, dataset.LABELS, 'models/rollback'), (own, OWN, 'models/rollback')):
            self.assertEqual(self.post('/' + path).json()['id'], model)
            self.assertEqual(self.ask(labels)['model']['id'], model)
            for asked in ('Fracture', 'Mass', 'Pleural_Thickening'):
                for target in (f'/predict?explain={asked}', f'/predict/heatmap?label={asked}'):
                    reply = self.post(target, FILM)
                    if asked in labels:
                        self.assertEqual(reply.status, 200, reply)
                    else:
                        self.assert_problem(reply, 422, f"must name one of the model's {len(labels)} findings: {labels[0]}, ")


class Explanations(OwnCase):

    def test_are_asked_for_by_the_models_names(self):
        self.take(architectures.cnn4(OWN))
        for label in OWN:
            told = self.ask(OWN, '/predict?' + quoted(explain=label))
            explanation = told['explanation']
            self.assertEqual(explanation['label'], label)
            total = explanation['bias'] + explanation['inputs'] + sum(map(sum, explanation['grid']))
            self.assertAlmostEqual(total, explanation['logit'], delta=1e-4 * max(1, abs(explanation['logit'])))
            shouted = label.replace('ure', 'URE').replace('_', ' ')
            self.assertEqual(self.ask(OWN, '/predict?' + quoted(explain=shouted))['explanation'], explanation)
            reply = self.post('/predict/heatmap?' + quoted(label=label), FILM)
            self.assertEqual((reply.status, reply.headers['content-type']), (200, 'image/png'))
        for label in ('', 'fractures', 'Mass', 'Epanchement pleural', 'No Finding', '<b>', 'x' * 250):
            for target in ('/predict?' + quoted(explain=label), '/predict/heatmap?' + quoted(label=label)):
                self.assert_problem(self.post(target, FILM), 422, f"must name one of the model's 3 findings: {OWN[0]}, {OWN[1]} or {OWN[2]}")
        self.assert_problem(self.post('/predict/heatmap', FILM), 422, "'label' is missing: name the finding whose map is wanted")

    def test_of_the_only_finding(self):
        self.take(architectures.mlp(labels=OWN[2:]))
        self.assertEqual(self.ask(OWN[2:], '/predict?' + quoted(explain=OWN[2]))['explanation']['label'], OWN[2])
        self.assert_problem(self.post('/predict?explain=Mass', FILM), 422, f"must name the model's only finding, {OWN[2]}")

    def test_of_the_last_of_many(self):
        self.take(architectures.cnn4(MANY))
        self.assertEqual(self.ask(MANY, '/predict?' + quoted(explain=MANY[63]))['explanation']['label'], MANY[63])

    def test_write_a_name_with_the_letters_that_there_are(self):
        drawn = []
        for label in ('A\u00e9\u80bab', 'A??b', 'A?b'):
            self.take(architectures.cnn4((label,)))
            drawn.append(self.post('/predict/heatmap?' + quoted(label=label), FILM).body)
        self.assertEqual([one == drawn[0] for one in drawn], [True, True, False])

    def test_are_refused_before_the_picture_has_come(self):
        self.take(architectures.cnn4(OWN))
        for target in ('/predict?explain=Mass', '/predict/heatmap?label=Mass', '/predict/heatmap', '/predict?history=Herpes'):
            with client.Raw(self.server) as connection:
                connection.send(client.head('POST', target, 'Content-Length: 1000', 'Expect: 100-continue'))
                self.assert_problem(connection.reply('POST', target), 422)


class Swaps(OwnCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.labels = {import_model(cls.server, architectures.cnn4(labels), activate=False)['id']: labels
                      for labels in (OWN, dataset.LABELS)}
        cls.own, cls.nih = cls.labels

    def activate(self, model):
        self.assertEqual(self.post(f'/models/{model}/activate').status, 200)

    def asked_across_a_swap(self, query):
        """The reply to a request whose head came before another model was activated, and whose body came after."""
        self.activate(self.own)
        with client.Raw(self.server) as raw:
            raw.send(client.head('POST', f'/predict?{query}', f'Content-Length: {len(FILM)}', 'Expect: 100-continue'))
            self.assertEqual(raw.reply().status, 100)
            self.activate(self.nih)
            raw.send(FILM)
            return raw.reply('POST', '/predict')

    def test_a_question_is_understood_by_the_model_that_answers(self):
        self.assert_problem(self.asked_across_a_swap('explain=Fracture'), 422, "one of the model's 14 findings")
        self.assert_problem(self.asked_across_a_swap('history=Fracture'), 422, "'Fracture'")
        told = self.assert_prediction(self.asked_across_a_swap('explain=Pleural_Thickening'))  # the second there, the twelfth here
        self.assertEqual((told['model']['id'], told['explanation']['label']), (self.nih, 'Pleural_Thickening'))
        self.assertAlmostEqual(1 / (1 + math.exp(-told['explanation']['logit'])), told['probabilities']['Pleural_Thickening'], places=6)

    def test_no_answer_has_findings_of_another_model(self):
        def ask(i):
            reply = self.post('/predict' + ('?explain=Fracture' if i % 2 else ''), FILM)
            if reply.status == 422 and i % 2:
                return None
            prediction = reply.json()
            return (list(prediction['probabilities']) == list(self.labels[prediction['model']['id']]) and
                    (i % 2 == 0 or prediction['explanation']['label'] == 'Fracture'))

        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            answers = [pool.submit(ask, i) for i in range(60)]
            while not all(answer.done() for answer in answers):
                for model in self.labels:
                    self.activate(model)
                    metrics(self.server)
        self.assertEqual({answer.result() for answer in answers} - {None}, {True})


class Histories(OwnCase):

    def test_name_the_models_findings(self):
        labels = (*OWN, *MANY[:10])
        weights = architectures.logistic(labels)
        card = import_model(self.server, weights)
        self.assertEqual((card['inputs'], card['labels']), (['history'], list(labels)))
        columns = 2 * len(labels) + 1
        rows = tensor(weights, 'head.inputs.weight')
        nothing, last = self.ask(labels, '/predict?history=No+Finding&history_last=No+Finding', b''), len(labels) - 1
        for k in (0, 2, last):
            both = self.ask(labels, '/predict?' + quoted(history=labels[k], history_last='no finding'), b'')
            grown = [both['probabilities'][name] > nothing['probabilities'][name] for name in labels]
            self.assertEqual(grown, [rows[row * columns + k] > 0 for row in range(len(labels))])
        self.assertEqual(self.ask(labels, '/predict?history=pleural+thickening;FRACTURE', b'')['probabilities'],
                         self.ask(labels, '/predict?' + quoted(history='Fracture,Pleural_Thickening'), b'')['probabilities'])

    def test_may_have_a_finding_that_is_not_asked_for(self):
        self.take(architectures.logistic(OWN))
        self.assertEqual(self.ask(OWN, '/predict?history=Mass', b'')['probabilities'],
                         self.ask(OWN, '/predict?history=No+Finding', b'')['probabilities'])
        for history, says in (('Herpes', "'Herpes'"), ('Fracture,No Finding', 'both'), ('Mass,No Finding', 'both')):
            self.assert_problem(self.post('/predict?' + quoted(history=history)), 422, says)
        self.take(dataset.weights())
        self.assert_problem(self.post('/predict?history=Fracture', FILM), 422, "'Fracture'")

    def test_of_everything_fit_into_a_form(self):
        self.take(architectures.logistic(MANY))

        def form(text):
            body = f'--b\r\nContent-Disposition: form-data; name="history"\r\n\r\n{text}\r\n--b--\r\n'.encode()
            return self.post('/predict', body, Content_Type='multipart/form-data; boundary=b')

        reply = form(', '.join(MANY))
        self.assertEqual(reply.status, 200, reply)
        self.assertNotEqual(reply.json()['probabilities'], form(', '.join(MANY[:63])).json()['probabilities'])
        self.assert_problem(form('Mass,' * 2000), 400, 'history')


class Metrics(OwnCase):

    def scored(self):
        """Scores so far, by finding."""
        found = {re.search('label="(.*)"', key)[1]: int(value) for key, value in metrics(self.server).items()
                 if key.startswith('cxrd_prediction_score_count')}
        return found

    def test_are_of_the_findings_of_the_models_that_answer(self):
        self.assertEqual(self.scored(), {})
        own = self.take(architectures.logistic(OWN))
        self.assertEqual(self.scored(), {label: 0 for label in OWN})
        self.ask(OWN)
        self.take(dataset.weights())
        for _ in range(2):
            self.assert_prediction(self.predict(FILM))
        self.assertEqual(self.scored(), {**{label: 1 for label in OWN}, **{label: 2 for label in dataset.LABELS}, OWN[1]: 3})
        self.post(f'/models/{own}/activate')
        self.ask(OWN)
        self.assertEqual((self.scored()[OWN[0]], self.scored()[OWN[1]], self.scored()['Mass']), (2, 4, 2))
        positives = [key for key in metrics(self.server) if key.startswith('cxrd_predicted_positive') and own in key]
        self.assertEqual(positives, [f'cxrd_predicted_positive_total{{label="{label}",model_version="{own}"}}' for label in OWN])

    def test_have_no_more_series_than_four_models_have_findings(self):
        for turn in range(6):
            labels = [f'{label} {turn}' for label in MANY]
            self.take(architectures.logistic(labels))
            self.ask(labels)
            scored = self.scored()
            self.assertLessEqual(len(scored), 256)
            self.assertEqual([scored[label] for label in labels], [1] * 64)

    def test_measure_drift_by_the_models_own_findings(self):
        def weights(labels):
            return architectures.logistic(labels), {
                'score_deciles': json.dumps([[i / 10 for i in range(1, 10)]] * len(labels)),
                'metrics': json.dumps({'validation': {'rows': 400}})}

        def drifted():
            return {re.search('label="(.*)"', key)[1] for key in metrics(self.server) if key.startswith('cxrd_drift_psi')}

        with client.Client(self.server) as one:
            for labels in (OWN, MANY, OWN[:1]):
                data, notes = weights(labels)
                self.take(dataset.changed(data, lambda head, more=notes: head['__metadata__'].update(more)))
                self.assertEqual(drifted(), set())  # nor those of the model before, which answers no more
                for _ in range(500):
                    self.assertEqual(one.request('POST', '/predict', b'').status, 200)
                self.assertEqual(drifted(), set(labels))
        data, notes = weights(dataset.LABELS)  # deciles of 14 beside three findings are not theirs
        self.take(dataset.changed(architectures.logistic(OWN), lambda head: head['__metadata__'].update(notes)))
        for _ in range(500):
            self.ask(OWN, body=b'')
        self.assertEqual(drifted(), set())


class LiveMetrics(ServerCase):
    with_data = True

    def test_of_a_training_are_of_its_findings(self):
        labels = ['Mass', 'Effusion', 'Atelectasis']  # not in NIH's order
        job = submit(self.server, {**LONG, 'batch_size': 8, 'steps_per_epoch': 1, 'labels': labels})

        def told():
            """Whether they are those of one of the latest epochs: another may end while they are asked for."""
            found = {re.search('label="(.*)"', key)[1]: value for key, value in metrics(self.server).items()
                     if key.startswith('cxrd_train_val_auroc')}
            known = [{label: value for label, value in zip(labels, epoch['val_auroc'], strict=True) if value is not None}
                     for epoch in job_of(self.server, job)['epochs']]
            return found and found in known

        program.poll(told, 'an epoch that the record has')
        self.post(f'/jobs/{job}/cancel')


class BadLists(ServerCase):

    def test_are_refused_in_one_sentence(self):
        good = architectures.cnn4(OWN)
        for text, says in (('Fracture,Mass,Fracture', 'twice'), ('Fracture,Mass,fracture', 'twice'), ('Fracture,,Mass', 'empty'),
                           ('Fracture, ,Mass', 'must begin with a letter'), ('', 'empty'), ('Fracture,Mass,', 'empty'),
                           (','.join(f'F{i}' for i in range(65)), 'more than 64'), ('Fracture,No Finding,Mass', 'no finding'),
                           ('Fracture,normal,Mass', 'no finding'), ('Fracture,<b>Mass</b>,Nodule', 'begin with a letter'),
                           ('Fracture,M<i>ass,Nodule', 'cannot stand'), ('Fracture,M"ass,Nodule', 'cannot stand'),
                           ('Fracture,M\\ass,Nodule', 'cannot stand'), ('Fracture,M\nass,Nodule', 'cannot stand'),
                           ('Fracture,M\u0085ass,Nodule', 'cannot stand'), ('Fracture,M\u202eass,Nodule', 'cannot stand'),
                           ('Fracture,M\u2028ass,Nodule', 'cannot stand'), ('Fracture,Mass ,Nodule', 'blank'),
                           ('Fracture,Mass,' + 'x' * 64, 'too long'), ('Fracture,Mass', 'wrong shape'),
                           ('Fracture,Mass,Nodule,Hernia', 'wrong shape')):
            with self.subTest(text[:40]):
                weights = dataset.changed(good, lambda head, labels=text: head['__metadata__'].update(labels=labels))
                problem = self.assert_problem(self.post('/models', weights, Content_Type='application/octet-stream'), 422, says)
                self.assertNotIn('. ', problem['detail'])
        self.assertEqual(self.get('/models').json()['models'], [])


class CommandLine(Case):

    @classmethod
    def setUpClass(cls):
        cls.folder = program.new_folder('own')
        cls.film, cls.weights, cls.alone = (os.path.join(cls.folder, name) for name in ('film.png', 'w.safetensors', 'l.safetensors'))
        for path, data in ((cls.film, FILM), (cls.weights, architectures.cnn4(OWN)), (cls.alone, architectures.logistic(OWN))):
            with open(path, 'wb') as file:
                file.write(data)

    def test_predicts_explains_and_inspects(self):
        done = program.run('predict', '--weights', self.weights, '--explain', OWN[2], self.film, self.film)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), 2 * (1 + 3 + 1) + 1)
        self.assertEqual(sorted(' '.join(line.split()[:-1]) for line in lines[1:4]), sorted(OWN))
        self.assertEqual(len({line.rindex(' ') for line in lines[1:4]}), 1)  # a column, whatever a name has
        self.assertIn(f'  {OWN[2]}: logit ', lines[4])
        for label in ('Mass', 'fractures', 'No Finding'):
            done = program.run('predict', '--weights', self.weights, '--explain', label, self.film)
            self.assertEqual((done.returncode, done.stdout), (2, ''))
            self.assertIn(f'{OWN[0]}, {OWN[1]} or {OWN[2]}', done.stderr)
        done = program.run('inspect', self.weights)
        self.assertIn(','.join(OWN), done.stdout)

    def test_compares_runs_in_columns(self):
        labels, path = (*OWN, MANY[0]), os.path.join(self.folder, 'scores.csv')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(','.join(['image', 'patient', 'age', 'sex', 'view', 'split', *(f'true_{label}' for label in labels),
                                 *(f'prob_{label}' for label in labels)]) + '\n')
            for i in range(40):
                file.write(f'{i}.png,{i:016x},50,F,PA,test,' + ','.join(str(i >> k & 1) for k in range(4)) + ',0.1,0.2,0.3,0.4\n')
        done = program.run('compare', path, path)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        lines = [line for line in done.stdout.splitlines() if '  +0.0000' in line]
        self.assertEqual([line.split('  ')[0].strip() for line in lines[2:]], list(labels))
        self.assertEqual(len({line.index('  +0.0000') for line in lines}), 1)  # a column, whatever a name has

    def test_asks_a_server_by_its_models_names(self):
        server = program.Server()
        self.addCleanup(server.stop)
        import_model(server, architectures.cnn4(OWN))
        for given in ((), ('--explain', OWN[2], '--heatmap', os.path.join(self.folder, 'map.png'))):
            here, there = (program.run('predict', *source, *given, self.film).stdout
                           for source in (('--weights', self.weights), ('--url', server.url)))
            self.assertIn(OWN[2], here)
            self.assertEqual(here, there)
        done = program.run('predict', '--url', server.url, '--explain', 'Mass', self.film)
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertIn("one of the model's 3 findings: Fracture", done.stderr)
        import_model(server, architectures.logistic(OWN))
        for given in (('--history', f'Fracture, {OWN[2]}', '--history-last', 'No Finding'), ('--history', 'Mass')):
            here, there = (json.loads(program.run('predict', *source, '--json', *given).stdout)['probabilities']
                           for source in (('--weights', self.alone), ('--url', server.url, self.film)))
            self.assertEqual(here, there)
        for source in (('--weights', self.alone), ('--url', server.url, self.film)):
            done = program.run('predict', *source, '--history', 'Herpes & more')
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("'Herpes & more'", done.stderr)


if __name__ == '__main__':
    unittest.main()
