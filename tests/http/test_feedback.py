"""Readers' verdicts on predictions: joined to kept scores by the answer's id, summed up, exported, and gone when its time is over."""
import csv
import io
import os
import sqlite3
import unittest
import uuid

from support import client, dataset, picture, program
from support.case import Case, ServerCase, import_model, log_until_now
from test_watching import read_metrics

PNG = {'Content_Type': 'image/png'}


def predict(server, seed=1, query='', **headers):
    reply = client.post(server, '/predict' + query, dataset.image(seed), **PNG, **headers)
    if reply.status != 200:
        raise AssertionError(f'predict: {reply}')
    return reply.json()


def say(server, prediction, reader='r1', **findings):
    return client.post_json(server, f'/predictions/{prediction}/feedback', {'reader': reader, 'findings': findings})


def judge(server, seed, pictures=8):
    """Import and activate a model that calls about half of the pictures by its youden thresholds, and three quarters by the others;
    its id."""
    plain = import_model(server, dataset.weights(seed), activate=False)['id']
    found = [predict(server, i, f'?model={plain}')['probabilities'] for i in range(pictures)]
    thresholds = {kind: {label: sorted(p[label] for p in found)[int(part * pictures)] for label in dataset.LABELS}
                  for kind, part in (('youden', 0.5), ('sensitivity_90', 0.25))}
    return import_model(server, dataset.judging(dataset.weights(seed), thresholds))['id']


def truth_of(calls):
    """(sensitivity, specificity) of pairs of a truth and a call, computed here."""
    def rate(value):
        of = [call == truth for truth, call in calls if truth == value]
        return sum(of) / len(of) if of else None
    return rate(True), rate(False)


class Feedback(ServerCase):
    arguments = ('--keep-scores', '30')
    with_model = True

    def test_an_answer_has_an_id_of_ours_that_feedback_is_given_by(self):
        answer = predict(self.server, X_Request_Id='chosen-by-the-caller')
        self.assertEqual(answer['id'], 'chosen-by-the-caller')
        self.assertNotEqual(answer['prediction_id'], predict(self.server)['prediction_id'])
        reply = say(self.server, answer['prediction_id'], Effusion='present', Mass='absent')
        self.assertEqual(reply.status, 201, reply)
        self.assertEqual(reply.json(), {'prediction_id': answer['prediction_id'], 'model': answer['model']['id'],
                                        'reader': 'r1', 'findings': 2, 'replaced': [], 'readers': 1})

    def test_the_same_reader_replaces_and_another_adds(self):
        answer = predict(self.server)['prediction_id']
        say(self.server, answer, Effusion='present')
        reply = say(self.server, answer, Effusion='absent', Nodule='unsure')
        self.assertEqual((reply.status, reply.json()['replaced'], reply.json()['readers']), (200, ['Effusion'], 1))
        reply = say(self.server, answer, 'r2', Effusion='present')
        self.assertEqual((reply.status, reply.json()['replaced'], reply.json()['readers']), (201, [], 2))
        self.assertEqual({(r['reader'], r['finding'], r['feedback']) for r in self.export() if r['prediction_id'] == answer},
                         {('r1', 'Effusion', 'absent'), ('r1', 'Nodule', 'unsure'), ('r2', 'Effusion', 'present')})

    def export(self, query=''):
        reply = self.get('/feedback' + query)
        self.assertEqual((reply.status, reply.headers['content-type']), (200, 'text/csv; charset=utf-8'), reply)
        return list(csv.DictReader(io.StringIO(reply.body.decode())))

    def test_names_are_read_as_a_person_writes_them(self):
        answer = predict(self.server)['prediction_id']
        say(self.server, answer, Effusion='present')
        self.assertEqual(say(self.server, answer, effusion='absent').json()['replaced'], ['Effusion'])
        self.assert_wrong_fields(say(self.server, answer, Effusion='absent', effusion='absent'), 'findings.effusion')
        problem = self.assert_wrong_fields(say(self.server, answer, Measles='absent'), 'findings.Measles')
        self.assertIn('Pneumothorax', problem['errors'][0]['detail'])

    def test_what_was_never_answered_is_not_found(self):
        self.assert_problem(say(self.server, uuid.uuid4(), Mass='present'), 404, 'never answered')
        self.assert_problem(say(self.server, 'AN-ACCESSION-NUMBER', Mass='present'), 404)

    def test_bad_feedback_says_which_field(self):
        path = f"/predictions/{predict(self.server)['prediction_id']}/feedback"
        for body, *fields in (({}, 'findings', 'reader'), ({'reader': 'a b', 'findings': {'Mass': 'present'}}, 'reader'),
                              ({'reader': '', 'findings': {}}, 'findings', 'reader'),
                              ({'reader': '-1', 'findings': {'Mass': 'present'}}, 'reader'),  # a spreadsheet would compute it
                              ({'reader': 'x' * 65, 'findings': {'Mass': 'absent'}}, 'reader'),
                              ({'reader': 'r', 'findings': {'Mass': 'perhaps', 'Measles': 'present'}}, 'findings.Mass',
                               'findings.Measles'),
                              ({'reader': 'r', 'findings': {'Mass': 'present'}, 'image': 'x'}, 'image')):
            self.assert_wrong_fields(self.post_json(path, body), *fields)
        self.assert_problem(self.post_json(path, []), 422)
        self.assert_problem(self.post(path, b'{', Content_Type='application/json'), 400)
        self.assert_problem(self.post(path, b'x', Content_Type='text/plain'), 415)

    def test_the_summary_is_of_the_verdicts_that_were_given(self):
        """Against what the test counts itself, by operating point; unsure and undecided readers leave a picture out."""
        model = judge(self.server, 1)
        calls = {}
        for i in range(24):
            point = ('youden', 'sensitivity_90')[i % 2]
            answer = predict(self.server, i, f'?operating_point={point}')
            entry = next(f for f in answer['findings'] if f['label'] == 'Mass')
            truth = i % 3 == 0
            say(self.server, answer['prediction_id'], Mass='present' if truth else 'absent')
            if i % 5 == 0:  # two against one
                say(self.server, answer['prediction_id'], 'r2', Mass='absent' if truth else 'present')
                say(self.server, answer['prediction_id'], 'r3', Mass='present' if truth else 'absent')
            if i % 7 == 0:  # undecided
                say(self.server, answer['prediction_id'], 'r4', Mass='absent' if truth else 'present')
                if i % 5:
                    continue
                say(self.server, answer['prediction_id'], 'r4', Mass='unsure')
            if entry['positive'] is not None:
                calls.setdefault(point, []).append((truth, entry['positive']))
        summary = self.get(f'/feedback/summary?model={model}').json()
        self.assertEqual(summary['keep_days'], 30)
        self.assertEqual({m['operating_point'] for m in summary['models']}, {'youden', 'sensitivity_90'})
        self.assertEqual(set(calls), {'youden', 'sensitivity_90'}, 'no verdict was given')
        for of in summary['models']:
            mass = next(f for f in of['findings'] if f['label'] == 'Mass')
            sensitivity, specificity = truth_of(calls.get(of['operating_point'], []))
            self.assertEqual((mass['sensitivity'], mass['specificity']),
                             (sensitivity and round(sensitivity, 9), specificity and round(specificity, 9)), of)
            if sensitivity is not None:
                self.assertLessEqual(mass['sensitivity_low'], mass['sensitivity'])
            self.assertEqual(of['predictions'], 12)
            self.assertEqual(sum(mass[n] for n in ('present', 'absent', 'unsettled')), 12)
            other = next(f for f in of['findings'] if f['label'] == 'Nodule')
            self.assertEqual((other['present'], other['unsettled'], other['sensitivity']), (0, 0, None))

    def test_pictures_of_one_case_are_one_patient(self):
        model = import_model(self.server, dataset.weights(2))['id']
        for i in range(8):
            answer = predict(self.server, i, f'?case=MRN-{i % 2}' if i < 4 else '')
            say(self.server, answer['prediction_id'], Mass='present')
        patients = [r['patient'] for r in self.export(f'?model={model}')]
        self.assertEqual((len(patients), len(set(patients)), patients.count('')), (8, 3, 4))
        self.assertEqual(self.get(f'/feedback/summary?model={model}').json()['models'][0]['with_patient'], 4)
        self.assert_problem(client.post(self.server, f'/predict?case={"x" * 129}', dataset.image(1), **PNG), 422, 'case')

    def test_the_export_has_each_reading_with_its_score(self):
        model = import_model(self.server, dataset.weights(3))['id']
        answer = predict(self.server, 3)
        say(self.server, answer['prediction_id'], Mass='present', Hernia='unsure')
        rows = {r['finding']: r for r in self.export(f'?model={model}')}
        self.assertEqual(set(rows), {'Mass', 'Hernia'})
        self.assertEqual(float(rows['Mass']['probability']), answer['probabilities']['Mass'])
        self.assertEqual(self.export('?cursor=1'), [])
        self.assert_problem(self.get('/feedback?model=x'), 422)

    def test_metrics_count_it(self):
        answer = predict(self.server)['prediction_id']
        say(self.server, answer, Mass='present')
        values = read_metrics(self.get('/metrics').body.decode())
        self.assertGreaterEqual(values['cxrd_scores_kept_total'], 1)
        self.assertEqual(values['cxrd_scores_shed_total{reason="queue"}'], 0)


class Keeping(Case):

    def serve(self, *arguments, state=None):
        server = program.Server(*arguments, state=state)
        self.addCleanup(lambda: server.alive() and server.stop())
        return server

    def test_without_kept_scores_feedback_is_refused_with_the_option_that_helps(self):
        server = self.serve()
        import_model(server, dataset.weights())
        self.assertNotIn('prediction_id', predict(server))
        self.assert_problem(say(server, uuid.uuid4(), Mass='present'), 409, '--keep-scores')
        server.stop()
        with sqlite3.connect(os.path.join(server.state, 'cxrd.db')) as db:
            self.assertEqual(db.execute('SELECT count(*) FROM scored').fetchone(), (0,))
        db.close()

    def test_it_survives_a_restart_and_can_be_read_without_the_option(self):
        server = self.serve('--keep-scores', '3')
        import_model(server, dataset.weights())
        answer = predict(server)['prediction_id']
        say(server, answer, Mass='present')
        server.stop()
        server = self.serve(state=server.state)
        self.assertEqual(client.get(server, '/feedback/summary').json()['readings'], 1)
        self.assertIn(answer, client.get(server, '/feedback').body.decode())

    def test_what_is_old_goes_with_the_feedback_on_it(self):
        server = self.serve('--keep-scores', '3')
        import_model(server, dataset.weights())
        old, new = predict(server)['prediction_id'], predict(server)['prediction_id']
        say(server, old, Mass='present')
        say(server, new, Mass='present')
        server.stop()
        with sqlite3.connect(os.path.join(server.state, 'cxrd.db')) as db:
            until, at = db.execute('SELECT until, at FROM scored WHERE id = ?', (old,)).fetchone()
            self.assertTrue(3 * 86400 <= until - at <= 3 * 86400 + 60, (until, at))
            db.execute('UPDATE scored SET until = 5 WHERE id = ?', (old,))
        db.close()
        server = self.serve('--keep-scores', '3', state=server.state)
        self.assert_problem(say(server, old, Mass='absent'), 404, 'its time is over')
        program.poll(lambda: client.get(server, '/feedback/summary').json()['readings'] == 1, 'what is old is swept')
        self.assertEqual(client.get(server, '/feedback/summary').json()['predictions_kept'], 1)

    def test_neither_picture_nor_name_nor_patient_is_on_disk_or_in_the_log(self):
        audit = program.new_folder('audit')
        server = self.serve('--keep-scores', '3', '--log-level', 'debug', '--audit', os.path.join(audit, 'log'))
        import_model(server, dataset.weights())
        canary = 'DOE-JANE-19500101-CANARY'
        film = picture.noise(1, extra=picture.text(canary.encode()))
        reply = client.post(server, f'/predict?case={canary}', film, X_Request_Id=canary + '-2', **PNG)
        self.assertEqual(reply.status, 200, reply)
        answer = reply.json()['prediction_id']
        self.assertEqual(say(server, answer, Mass='present').status, 201)
        client.post_json(server, f'/predictions/{answer}/feedback', {'reader': 'r', 'findings': {canary: 'present'}})
        client.post_json(server, f'/predictions/{answer}/feedback', {'reader': canary + ' ', 'findings': {'Mass': 'present'}})
        log = log_until_now(server)
        server.stop()
        held = [path for folder in (server.state, audit) for path, bytes_ in program.contents_below(folder)
                if canary.encode() in bytes_.replace((canary + '-2').encode(), b'')]
        self.assertEqual(held, [])
        self.assertNotIn(canary, log.replace(canary + '-2', ''))  # a request's id is the caller's own, and told as it is
        found = [path for path, bytes_ in program.contents_below(server.state) if answer.encode() in bytes_]
        self.assertEqual([os.path.basename(path) for path in found], ['cxrd.db'])  # so the search would find something


if __name__ == '__main__':
    unittest.main()
