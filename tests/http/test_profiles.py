"""Profiles of sites: made of rows of the site, in force one at a time, kept over crashes, and told in every answer."""
import json
import math
import os
import random
import signal
import subprocess
import time
import unittest

from support import client, dataset, picture, program
from support.case import QUICK, Case, import_model, submit, wait_state

HEAD = ','.join(['image', 'patient', 'age', 'sex', 'view', 'split', *(f'true_{label}' for label in dataset.LABELS),
                 *(f'prob_{label}' for label in dataset.LABELS)])
RARE = 'Hernia'  # which too few patients have


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def site_rows(path, patients=200, seed=1, shift=1.0):
    """Scores of a site where every probability has its logit too high by `shift`."""
    drawn = random.Random(seed)
    with open(path, 'w', encoding='ascii') as file:
        file.write(HEAD + '\n')
        for patient in range(patients):
            for film in range(1 + patient % 2):
                logits = [drawn.gauss(-1, 1.5) for _ in dataset.LABELS]
                truths = [int(drawn.random() < sigmoid(x)) for x in logits]
                truths[dataset.LABELS.index(RARE)] = int(patient < 5)
                file.write(','.join([f'{patient:06d}_{film}.png', f'{patient:016x}', '', '', '', 'test', *map(str, truths),
                                     *(f'{sigmoid(x + shift):.9g}' for x in logits)]) + '\n')


class Profiles(Case):
    """One server, one model that it trained, and a file of scores of that training which these tests wrote."""

    @classmethod
    def setUpClass(cls):
        cls.state = program.new_folder('state')
        cls.server = cls.start()
        cls.addClassCleanup(lambda: cls.server.stop())
        cls.jobs = []
        for seed in (1, 2):
            job = submit(cls.server, {**QUICK, 'seed': 1})
            record = wait_state(cls.server, job, 'succeeded')
            cls.jobs.append(job)
            site_rows(os.path.join(cls.state, 'jobs', job, 'scores.csv'), seed=seed)
            if seed == 1:
                cls.model = record['model']
        client.post(cls.server, f'/models/{cls.model}/activate')

    @classmethod
    def start(cls, *arguments, **kwargs):
        return program.Server('--audit', os.path.join(cls.state, 'audit.log'), *arguments, state=cls.state,
                              datasets=dataset.tiny(), **kwargs)

    def setUp(self):
        reply = client.get(self.server, f'/models/{self.model}/profiles').json()
        for profile in reply['profiles']:
            if profile['active']:
                client.post(self.server, f'/profiles/{profile["id"]}/deactivate')

    def restart(self, *arguments, kill=False):
        cls = type(self)
        cls.server.kill() if kill else cls.server.stop()
        cls.server = cls.start(*arguments)

    def make(self, **more):
        reply = client.post_json(self.server, f'/models/{self.model}/profiles', {'validation': self.jobs[0], **more})
        self.assertEqual(reply.status, 201, reply)
        self.assertEqual(reply.headers['location'], f'/profiles/{reply.json()["id"]}')
        return reply.json()

    def activate(self, profile):
        reply = client.post(self.server, f'/profiles/{profile["id"]}/activate')
        self.assertEqual((reply.status, reply.json().get('active')), (200, True), reply)

    def ask(self, query=''):
        reply = client.post(self.server, f'/predict{query}', picture.noise(1), Content_Type='image/png')
        self.assertEqual(reply.status, 200, reply)
        return reply.json()

    def test_an_answer_is_by_the_profile_in_force_and_without_one_as_it_was(self):
        plain = self.ask()
        self.assertNotIn('profile', plain)
        profile = self.make(operating_point={'sensitivity': 0.95}, error_rate=0.1, population='adults', name='ward')
        self.assertEqual((profile['name'], profile['active'], profile['profile']['population']), ('ward', False, 'adults'))
        without = self.ask()
        for answer in (plain, without):
            for each in ('id', 'timing_ms', 'prediction_id'):
                answer.pop(each, None)
        self.assertEqual(without, plain, 'one that is not active changes nothing')
        self.activate(profile)
        answer = self.ask()
        self.assertEqual((answer['profile']['id'], answer['profile']['operating_point'], answer['profile']['expired']),
                         (profile['id'], {'kind': 'sensitivity', 'at': 0.95}, False))
        fitted = {finding['label']: finding for finding in profile['profile']['findings']}
        for finding in answer['findings']:
            made = fitted[finding['label']]
            before = plain['probabilities'][finding['label']]
            logit = math.log(before / (1 - before))
            self.assertAlmostEqual(finding['probability'], sigmoid(made['scale'] * logit + made['shift']), places=5)
            self.assertEqual(finding['probability'], answer['probabilities'][finding['label']])
            for name in ('threshold', 'sensitivity', 'specificity_low'):
                (self.assertIsNone if made[name] is None else lambda x, m=made[name]: self.assertAlmostEqual(x, m, places=6))(finding[name])
            if finding['label'] == RARE:
                self.assertEqual((finding['fitted_here'], finding['verdict'], made['scale'], made['positive_patients']), (False, None, 1.0, 5))
            else:
                self.assertTrue(finding['fitted_here'])
                self.assertLess(made['shift'], -0.4)
                self.assertEqual(finding['positive'], finding['probability'] >= made['threshold'])
                present, absent = finding['probability'] >= made['present_from'], finding['probability'] <= made['absent_to']
                self.assertEqual(finding['verdict'], 'cannot say' if present == absent else 'present' if present else 'absent')
        self.assertEqual(client.post(self.server, f'/profiles/{profile["id"]}/deactivate').status, 200)
        after = self.ask()
        for each in ('id', 'timing_ms', 'prediction_id'):
            after.pop(each, None)
        self.assertEqual(after, plain)

    def command(self, profile, *arguments, weights=None):
        """`cxrd predict` by the model's file and such a profile."""
        folder = program.new_folder('profile')
        files = {'weights': weights or client.get(self.server, f'/models/{self.model}/weights').body,
                 'profile.json': json.dumps(profile).encode(), 'film.png': picture.noise(1)}
        for name, content in files.items():
            with open(os.path.join(folder, name), 'wb') as file:
                file.write(content)
        at = {name: os.path.join(folder, name) for name in files}
        return program.run('predict', '--weights', at['weights'], '--profile', at['profile.json'], *arguments, at['film.png'])

    def test_the_command_answers_by_a_profile_as_the_server_does(self):
        profile = self.make(operating_point={'sensitivity': 0.95}, error_rate=0.1)
        self.activate(profile)
        for point in ('', 'youden'):
            there = self.ask(f'?operating_point={point}' if point else '')
            done = self.command(profile, '--json', *(['--operating-point', point] if point else []))
            self.assertEqual(done.returncode, 0, done.stderr)
            here = json.loads(done.stdout)
            for name in ('profile', 'probabilities', 'findings', 'operating_point', 'warnings'):
                self.assertEqual(here.get(name), there.get(name), name)
        text = self.command(profile).stdout
        self.assertIn(f"by the site's profile {profile['id'][:8]} (sensitivity of 0.95; verdicts at an error rate of 0.1)", text)
        for finding in self.ask()['findings']:
            line = next(line for line in text.splitlines() if line.startswith(f'  {finding["label"]} '))
            self.assertEqual(f'verdict: {finding["verdict"]}' in line, finding['verdict'] is not None, line)
            if finding['fitted_here']:
                self.assertIn(f'there: sensitivity {finding["sensitivity"]:.3f} ({finding["sensitivity_low"]:.3f} to', line)

    def test_the_command_refuses_a_profile_that_the_server_would(self):
        profile = self.make()
        for wrong, weights, says in (({**profile, 'profile': {**profile['profile'], 'more': 1}}, None, 'members that are not known'),
                                     ({'profile': profile['profile']}, None, "no 'id'"), ({'id': profile['id']}, None, 'no profile as'),
                                     (profile, dataset.weights(2), "another model's file")):
            done = self.command(wrong, weights=weights)
            self.assertEqual((done.returncode, says in done.stderr), (1, True), done.stderr)
        over = {**profile, 'profile': {**profile['profile'], 'created_at': '2020-01-01T00:00:00.000Z', 'expires_at': '2021-01-01T00:00:00.000Z'}}
        self.assertIn('profile_expired', self.command(over).stdout)
        for arguments in (('--url', 'http://127.0.0.1:1', '--profile', 'x', 'y.png'), ('--weights', 'x', '--profile-keys', 'x', 'y.png')):
            done = program.run('predict', *arguments)
            self.assertEqual((done.returncode, 'goes with' in done.stderr), (2, True), done.stderr)

    def test_who_names_an_operating_point_gets_the_models_own_verdicts(self):
        if not any(finding['threshold'] for finding in self.ask()['findings']):
            self.skipTest('the tiny training has no thresholds')
        before = {finding['label']: finding['positive'] for finding in self.ask('?operating_point=youden')['findings']}
        profile = self.make(error_rate=0.1)
        self.activate(profile)
        named = self.ask('?operating_point=youden')
        self.assertEqual(named['operating_point'], 'youden')
        for finding in named['findings']:
            self.assertEqual(finding['positive'], before[finding['label']])
            self.assertIsNone(finding['sensitivity'])

    def test_rollback_goes_back_and_forth_and_to_none(self):
        one, two = self.make(), self.make(operating_point='specificity_90')
        self.activate(one)
        self.activate(two)
        back = f'/models/{self.model}/profiles/rollback'

        def told():
            return client.get(self.server, f'/models/{self.model}/profiles?limit=1').json()['rollback']

        self.assertEqual(told(), {'profile': one['id']})
        self.assertEqual(client.post(self.server, back).json(), {'model': self.model, 'profile': one['id']})
        self.assertEqual(told(), {'profile': two['id']})
        self.assertEqual(self.ask()['profile']['id'], one['id'])
        self.assertEqual(client.post(self.server, back).json()['profile'], two['id'])
        self.assert_problem(client.request(self.server, 'DELETE', f'/profiles/{two["id"]}'), 409, 'active')
        self.assertEqual(client.post(self.server, f'/profiles/{two["id"]}/deactivate').status, 200)
        self.assertNotIn('profile', self.ask())
        self.assert_problem(client.post(self.server, f'/profiles/{two["id"]}/deactivate'), 409, 'not active')
        self.assertEqual(client.post(self.server, back).json()['profile'], two['id'])
        self.assertEqual(told(), {'profile': None})
        self.assertEqual(client.post(self.server, back).json()['profile'], None)
        self.assertNotIn('profile', self.ask())
        self.assertEqual(client.request(self.server, 'DELETE', f'/profiles/{two["id"]}').status, 204)
        self.assert_problem(client.get(self.server, f'/profiles/{two["id"]}'), 404, 'there is no profile')
        other = import_model(self.server, dataset.weights(2), activate=False)
        self.assertIsNone(client.get(self.server, f'/models/{other["id"]}/profiles').json()['rollback'])
        self.assert_problem(client.post(self.server, f'/models/{other["id"]}/profiles/rollback'), 409, 'never')

    def test_what_was_acknowledged_is_there_after_kill_9(self):
        for _ in range(3):
            profile = self.make()
            self.restart(kill=True)
            self.assertEqual(client.get(self.server, f'/profiles/{profile["id"]}').json(), profile)
            self.activate(profile)
            self.restart(kill=True)
            self.assertEqual(self.ask()['profile']['id'], profile['id'])
        self.assertEqual(client.post(self.server, f'/profiles/{profile["id"]}/deactivate').status, 200)
        self.restart(kill=True)
        self.assertNotIn('profile', self.ask())

    def test_changes_are_in_the_audit_log(self):
        profile = self.make()
        self.activate(profile)
        self.ask()
        with open(os.path.join(self.state, 'audit.log'), encoding='utf-8') as log:
            lines = [json.loads(line) for line in log]
        mine = [line for line in lines if line.get('profile') == profile['id']]
        self.assertEqual([(line['event'], line['route']) for line in mine if line['event'] != 'intent'],
                         [('change', '/models/{id}/profiles'), ('change', '/profiles/{id}/activate'), ('predict', '/predict')])
        self.assertTrue(all(line['model'] == self.model for line in mine if line['event'] != 'intent'))

    def test_a_later_validation_says_what_was_kept(self):
        profile = self.make(error_rate=0.2, operating_point='sensitivity_90')
        reply = client.get(self.server, f'/profiles/{profile["id"]}/kept?validation={self.jobs[0]}')
        self.assertEqual((reply.status, reply.json()['error_rate']), (200, 0.2), reply)
        by_label = {finding['label']: finding for finding in reply.json()['findings']}
        for label, finding in by_label.items():
            if label != RARE:
                self.assertLessEqual(finding['missed']['value'], 0.2)  # on its own rows the limit cannot be passed
                self.assertLessEqual(finding['alarmed']['value'], 0.2)
                self.assertLess(finding['brier_here']['value'], finding['brier_model']['value'])
                self.assertGreaterEqual(finding['sensitivity']['value'], 0.9)
        self.assertIsNone(by_label[RARE]['missed'])
        self.assert_problem(client.get(self.server, f'/profiles/{profile["id"]}/kept?validation={self.jobs[1]}'), 409, 'no validation of this model')
        self.assert_problem(client.get(self.server, f'/profiles/{profile["id"]}/kept'), 422, 'validation')

    def test_a_finding_has_the_point_that_is_asked_for_it(self):
        youden, most = self.make(), self.make(operating_point={'sensitivity': 0.97})
        mixed = self.make(operating_points={'effusion': {'sensitivity': 0.97}, 'Mass': 'youden'})
        self.assertEqual(mixed['profile']['operating_point'], {'kind': 'youden', 'at': None})
        for one, all_youden, all_most in zip(*(profile['profile']['findings'] for profile in (mixed, youden, most))):
            if one['label'] == 'Effusion':
                self.assertEqual(one.pop('operating_point'), {'kind': 'sensitivity', 'at': 0.97})
                self.assertEqual(one, all_most)
                self.assertNotEqual(one['threshold'], all_youden['threshold'])
            else:
                self.assertEqual(one, all_youden)

    def test_what_cannot_be_is_refused_by_field(self):
        def asked(body):
            return client.post_json(self.server, f'/models/{self.model}/profiles', body)

        self.assert_wrong_fields(asked({}), 'validation')
        self.assert_wrong_fields(asked({'validation': self.jobs[0], 'error_rate': 0.9, 'expires_in_days': 0, 'more': 1,
                                        'operating_point': 'best', 'population': 'a\u202eb'}),
                                 'more', 'population', 'error_rate', 'operating_point', 'expires_in_days')
        self.assert_wrong_fields(asked({'validation': self.jobs[0], 'operating_point': {'sensitivity': 2}}), 'sensitivity')
        self.assert_wrong_fields(asked({'validation': self.jobs[0], 'operating_points': {'Gout': 'youden', 'Mass': 'best', 'MASS': 'youden'}}),
                                 'operating_points.Gout', 'operating_points.Mass', 'operating_points.MASS')
        self.assert_wrong_fields(asked({'validation': self.jobs[0], 'operating_points': ['youden']}), 'operating_points')
        self.assert_problem(asked({'validation': self.jobs[1]}), 409, 'no validation of this model')
        self.assert_problem(asked({'validation': 'no such job'}), 404)
        self.assert_problem(asked([]), 422)
        self.assert_problem(asked({'profile': {}}), 422, 'format')
        self.assert_problem(client.post_json(self.server, '/models/01234567/profiles', {'validation': self.jobs[0]}), 404)
        self.assert_problem(client.post(self.server, '/models/01234567/profiles/rollback'), 404)
        self.assert_problem(client.post_json(self.server, '/models/01234567/signature', {'signature': '0' * 128}), 404)
        self.assert_problem(client.get(self.server, f'/models/{self.model}/profiles?limit=0'), 422)

    def test_an_export_is_taken_by_a_server_with_the_same_file_and_no_other(self):
        profile = self.make(error_rate=0.1)
        exported = client.get(self.server, f'/profiles/{profile["id"]}').json()
        elsewhere = program.Server()
        self.addCleanup(elsewhere.stop)
        weights = client.get(self.server, f'/models/{self.model}/weights').body
        same, other = (import_model(elsewhere, data, activate=False)['id'] for data in (weights, dataset.weights(2)))
        taken = client.post_json(elsewhere, f'/models/{same}/profiles', exported)
        self.assertEqual((taken.status, taken.json()['profile']), (201, exported['profile']), taken)
        self.assertNotEqual(taken.json()['id'], exported['id'])
        self.assert_problem(client.post_json(elsewhere, f'/models/{other}/profiles', exported), 409, "another model's file")
        for expiry, said in (('9999-99-99T99:99:99.999Z', 'expires_at'), ('2126-01-01T00:00:00.000Z', 'more than 3650 days')):
            longer = {**exported, 'profile': {**exported['profile'], 'expires_at': expiry}}
            self.assert_problem(client.post_json(elsewhere, f'/models/{same}/profiles', longer), 422, said)
        later = {**exported['profile'], 'created_at': '2900-01-01T00:00:00.000Z', 'expires_at': '2901-01-01T00:00:00.000Z'}
        self.assert_problem(client.post_json(elsewhere, f'/models/{same}/profiles', {'profile': later}), 422, 'clocks')
        self.assert_problem(client.post_json(elsewhere, f'/models/{same}/profiles', {**exported, 'signature': 'zz'}), 422, '128 hexadecimal')
        self.assert_wrong_fields(client.post_json(elsewhere, f'/models/{same}/profiles', {**exported, 'validation': self.jobs[0]}), 'validation')
        exported['profile']['findings'][0]['threshold'] = 2
        self.assert_problem(client.post_json(elsewhere, f'/models/{same}/profiles', exported), 422, 'threshold')

    def test_an_expired_profile_is_named_and_gives_no_verdict(self):
        profile = self.make(error_rate=0.1)
        past = json.loads(json.dumps(profile))
        past['profile']['expires_at'] = (time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(time.time() + 3))) + '.000Z'
        reply = client.post_json(self.server, f'/models/{self.model}/profiles', past)
        self.assertEqual(reply.status, 201, reply)
        self.activate(reply.json())
        answer = program.poll(lambda: (a := self.ask())['profile']['expired'] and a, 'it expires', 60)
        self.assertIn('profile_expired', [warning['code'] for warning in answer['warnings']])
        for finding in answer['findings']:
            self.assertIsNone(finding['verdict'])
            if finding['label'] != RARE:
                self.assertIsNotNone(finding['positive'], 'thresholds stay')
        self.assertEqual(client.post(self.server, f'/profiles/{reply.json()["id"]}/deactivate').status, 200)
        self.assert_problem(client.post(self.server, f'/profiles/{reply.json()["id"]}/activate'), 409, 'expired')


if __name__ == '__main__':
    unittest.main()
