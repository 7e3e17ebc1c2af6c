"""Validation, profiles, shadow, canary and feedback: all of their doors are fed with a patient's name, ids and pictures, and afterwards no file,
log or database holds any of them."""
import json
import os
import random
import unittest

from support import client, dataset, dicom, picture, postgresql, program
from support.case import Case, import_model, log_until_now
from test_scoring import ended, folder
from test_validation import COLUMNS, WORDS, site_line

NAME, NUMBER = 'DOE-JANE-CANARY', 'MRN99001700'  # of which every id begins
WHY_NOT = postgresql.why_not() if program.BINARY else None
JSON = {'Content_Type': 'application/json'}


def grey(seed):
    """64 x 64 of noise: a row of it is nowhere by chance."""
    drawn = random.Random(seed)
    return [[drawn.randrange(256) for _ in range(dataset.SIZE)] for _ in range(dataset.SIZE)]


def film(seed):
    return dicom.film(grey(seed), seed, PatientName=f'{NAME}^X', PatientID=f'{NUMBER}{seed:04d}', AccessionNumber=f'{NUMBER}0A',
                      ReferringPhysicianName=f'{NAME}^R', StudyDescription=NAME, PatientComments=NAME)


def hospital():
    """A folder of data sets with one, whose table has ids, and whose films have names."""
    datasets = program.new_folder('datasets')
    lines = [site_line(i).split(',') for i in range(48)]
    for i, cells in enumerate(lines):
        cells[0], cells[2] = f'film_{i:03d}.dcm', f'{NUMBER}{i // 2:04d}'
    folder(datasets, 'site', COLUMNS, [','.join(cells) for cells in lines], {cells[0]: film(i) for i, cells in enumerate(lines)})
    return datasets


class NobodyNamed(Case):

    def told(self, server, model, job):
        """Names and ids in every place where a careless caller may put them."""
        film_type = {'Content_Type': 'application/dicom'}
        answers = [client.post(server, f'/predict?case={NAME}-{i}', film(100 + i), **film_type) for i in range(6)]
        answers.append(client.post(server, '/predict', picture.noise(1, extra=picture.text(NAME.encode())), Content_Type='image/png'))
        self.assertEqual({answer.status for answer in answers}, {200})
        prediction = answers[0].json()['prediction_id']
        says = f'/predictions/{prediction}/feedback'
        profiles = f'/models/{model}/profiles'
        made = client.post_json(server, profiles, {'validation': job})
        self.assertEqual(made.status, 201, made)
        exported = made.json()
        activated = client.post(server, f'/profiles/{exported["id"]}/activate')
        replies = [activated, client.post_json(server, says, {'reader': 'r1', 'findings': {'Mass': 'present'}})]
        self.assertEqual([reply.status for reply in replies], [200, 201], replies)
        refused = [
            client.post_json(server, says, {'reader': f'Dr. {NAME}', 'findings': {'Mass': 'present'}}),
            client.post_json(server, says, {'reader': 'r2', 'findings': {NAME: 'present'}}),
            client.post_json(server, says, {'reader': 'r2', 'findings': {'Mass': NAME}, NAME: 1}),
            client.post_json(server, f'/predictions/{NAME}/feedback', {'reader': 'r2', 'findings': {'Mass': 'present'}}),
            client.post(server, says, f'{{"{NAME}"'.encode(), **JSON),
            client.post_json(server, profiles, {'validation': NAME, NAME: NUMBER}),
            client.post_json(server, profiles, {'validation': job, 'operating_points': {NAME: 'youden'}}),
            client.post_json(server, profiles, {'profile': {**exported['profile'], NAME: NUMBER}}),
            client.post_json(server, profiles, {'profile': {**exported['profile'], 'format': NAME}}),
            client.get(server, f'/profiles/{exported["id"]}/kept?validation={NAME}'), client.get(server, f'/profiles/{NAME}'),
            client.get(server, f'/feedback?model={NAME}'), client.get(server, f'/feedback/summary?{NAME}={NUMBER}'),
            client.request(server, 'PUT', f'/models/{model}/canary', json.dumps({'share': NAME, NAME: 1}).encode(), **JSON),
            client.request(server, 'PUT', f'/models/{NAME}/shadow'),
            client.post_json(server, '/jobs/validate', {'dataset': 'site', 'labels': {NAME: [NUMBER]}}),
            client.post_json(server, '/jobs/validate', {'dataset': 'site', 'rows': f'{NAME}.txt/../{NUMBER}', NAME: NUMBER}),
            client.post_json(server, '/patients/forget', {'dataset': 'site', 'patient_id': f'{NUMBER}0001', NAME: NUMBER}),
            client.post_json(server, '/patients/forget', {'dataset': NAME, 'patient_id': f'{NUMBER}0001'}),
            client.post(server, f'/predict?case={NAME * 20}', film(106), **film_type), client.post(server, '/predict', film(106)[:-900], **film_type),
        ]
        for reply in refused:
            self.assertIn(reply.status, (400, 404, 409, 415, 422), reply)
        forgotten = client.post_json(server, '/patients/forget', {'dataset': 'site', 'patient_id': f'{NUMBER}0001', 'replay': True})
        self.assertEqual(forgotten.status, 200, forgotten)
        return prediction

    def walk(self, *arguments):
        """The files and the log of a server that did all of it, {place: bytes}, and an id that must be there."""
        audit, temporary = program.new_folder('audit'), program.new_folder('tmp')
        server = program.Server('--keep-scores', '5', '--log-level', 'debug', '--audit', os.path.join(audit, 'log'), *arguments,
                                datasets=hospital(), env={'TMPDIR': temporary})
        self.addCleanup(lambda: server.alive() and server.stop())
        candidate = import_model(server, dataset.weights(2), activate=False)['id']
        model = import_model(server, dataset.weights(1))['id']
        self.assertEqual(client.request(server, 'PUT', f'/models/{candidate}/shadow').status, 200)
        self.assertEqual(client.request(server, 'PUT', f'/models/{candidate}/canary', b'{"share": 0.25}', **JSON).status, 200)
        job = ended(server, 'validate', {'dataset': 'site', 'labels': WORDS, 'other_words': 'ignore'})['id']
        prediction = self.told(server, model, job)
        program.poll(lambda: client.get(server, f'/models/{candidate}/shadow').json()['pictures'] > 0, 'the shadow has looked')
        log = log_until_now(server)
        server.stop()
        held = {path: bytes_ for place in (server.state, audit, temporary) for path, bytes_ in program.contents_below(place)}
        self.assertEqual(os.listdir(temporary), [])
        return {'the log': log.encode(), **held}, prediction

    def check(self, held, prediction):
        self.assertTrue([path for path, bytes_ in held.items() if prediction.encode() in bytes_], 'the search would find something')
        for word in (NAME, NUMBER):
            for text in (word.encode(), word.encode().hex().encode(), word.encode('utf-16-le')):
                self.assertEqual([path for path, bytes_ in held.items() if text in bytes_], [], text)
        rows = [bytes(row) for seed in range(100, 107) for row in grey(seed)[8:56:16]]  # of the films that were asked about
        for path, bytes_ in held.items():
            for row in rows:
                self.assertNotIn(row[:24], bytes_, path)
                self.assertNotIn(row[:24].hex().encode(), bytes_, path)

    def test_in_the_state_the_audit_and_the_log(self):
        self.check(*self.walk())

    @unittest.skipIf(WHY_NOT, WHY_NOT)
    def test_nor_in_a_database_that_servers_share(self):
        cluster = postgresql.Cluster()
        self.addCleanup(cluster.stop)
        held, prediction = self.walk('--store', cluster.database('named'))
        self.check({**held, 'the database': cluster.dump('named')}, prediction)


if __name__ == '__main__':
    unittest.main()
