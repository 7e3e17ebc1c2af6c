"""Which model answers: rollback, deletion, how many are kept, and whether a trained one may take over by itself."""
import os
import unittest

from support import client, dataset, picture, program
from support.case import LONG, NOTHING, QUICK, Case, ServerCase, import_model, job_of, submit, wait_state, wait_training

EVERY_FINDING = {**QUICK, 'val_fraction': 0.5, 'split_by': 'image', 'drop_no_finding': False}


class Serving(Case):

    def serve(self, *arguments, **kwargs):
        server = program.Server(*arguments, datasets=dataset.tiny(), **kwargs)
        self.addCleanup(server.stop)
        return server

    def active(self, server):
        active = client.get(server, '/models').json()['active']
        ready = client.get(server, '/readyz')
        self.assertEqual((ready.status, ready.json().get('model')), (200, active) if active else (503, None))
        return active

    def models(self, server):
        return [model['id'] for model in client.get(server, '/models?limit=100').json()['models']]


class Rollback(Serving):

    def test_it_returns_to_the_model_before_and_survives_a_restart(self):
        server = self.serve()
        self.assert_problem(client.post(server, '/models/rollback'), 409, 'no model before')
        one = import_model(server, dataset.weights(1))
        self.assert_problem(client.post(server, '/models/rollback'), 409, 'no model before')
        film = picture.noise(1)
        by_one = client.post(server, '/predict', film).json()
        two = import_model(server, dataset.weights(2))
        self.assertNotEqual(client.post(server, '/predict', film).json()['probabilities'], by_one['probabilities'])
        reply = client.post(server, '/models/rollback')
        self.assertEqual((reply.status, reply.json()), (200, one))
        again = client.post(server, '/predict', film).json()
        self.assertEqual((again['model'], again['probabilities']), (by_one['model'], by_one['probabilities']))
        self.assertEqual(self.active(server), one['id'])
        server.stop()
        server = self.serve(state=server.state)
        self.assertEqual(self.active(server), one['id'])
        self.assertEqual(client.post(server, '/models/rollback').json()['id'], two['id'])  # what was left last
        self.assertEqual(self.active(server), two['id'])

    def test_a_file_that_has_changed_is_409_and_the_active_one_stays(self):
        server = self.serve()
        one = import_model(server, dataset.weights(1))
        two = import_model(server, dataset.weights(2))
        with open(os.path.join(server.state, 'models', f'{one["id"]}.safetensors'), 'r+b') as file:
            file.seek(-1, os.SEEK_END)
            file.write(b'\x7f')
        self.assert_problem(client.post(server, '/models/rollback'), 409, 'digest')
        self.assertEqual(self.active(server), two['id'])


class Delete(Serving):

    def gone(self, server, model):
        for target in (f'/models/{model}', f'/models/{model}/weights'):
            self.assert_problem(client.get(server, target), 404)
        self.assert_problem(client.post(server, f'/models/{model}/activate'), 404)
        self.assert_problem(client.request(server, 'DELETE', f'/models/{model}'), 404)
        self.assertNotIn(f'{model}.safetensors', os.listdir(os.path.join(server.state, 'models')))

    def test_the_active_one_stays_and_others_go(self):
        server = self.serve()
        one, two, three = (import_model(server, dataset.weights(seed), activate=False)['id'] for seed in (1, 2, 1))
        client.post(server, f'/models/{one}/activate')
        self.assert_problem(client.request(server, 'DELETE', f'/models/{one}'), 409, 'active')
        reply = client.request(server, 'DELETE', f'/models/{three}')
        self.assertEqual((reply.status, reply.body), (204, b''))
        self.gone(server, three)
        client.post(server, f'/models/{two}/activate')
        self.assertEqual(client.request(server, 'DELETE', f'/models/{one}').status, 204)
        self.gone(server, one)
        self.assert_problem(client.post(server, '/models/rollback'), 409, 'no model before')  # it was the one before
        self.assertEqual(self.active(server), two)
        self.assertEqual(self.models(server), [two])
        server.stop()
        server = self.serve(state=server.state)
        self.assertEqual(self.models(server), [two])

    def test_one_that_a_job_starts_from_stays_until_the_job_is_over(self):
        server = self.serve()
        base = import_model(server, dataset.weights(1), activate=False)['id']
        running = submit(server, LONG)
        waiting = submit(server, {**QUICK, 'init': base})
        wait_training(server, running)
        self.assert_problem(client.request(server, 'DELETE', f'/models/{base}'), 409, 'job')
        client.post(server, f'/jobs/{running}/cancel')
        wait_state(server, waiting, 'succeeded')
        self.assertEqual(client.request(server, 'DELETE', f'/models/{base}').status, 204)
        self.gone(server, base)

    def test_a_model_that_is_no_more_still_answers_who_began_with_it(self):
        server = self.serve()
        one = import_model(server, dataset.weights(1))['id']
        film = picture.noise(1)
        with client.Raw(server) as raw:
            raw.send(client.head('POST', '/predict', f'Content-Length: {len(film)}', 'Expect: 100-continue'))
            self.assertEqual(raw.reply().status, 100)
            two = import_model(server, dataset.weights(2))['id']
            self.assertEqual(client.request(server, 'DELETE', f'/models/{one}').status, 204)
            raw.send(film)
            self.assertEqual(self.assert_prediction(raw.reply('POST', '/predict'))['model']['id'], two)


class Retention(Serving):

    def test_only_so_many_trained_models_are_kept(self):
        server = self.serve('--keep-models', '2')
        imported = import_model(server, dataset.weights(1), activate=False)['id']
        made = []
        for seed in range(1, 6):
            job = submit(server, {**QUICK, 'seed': seed})
            made.append(wait_state(server, job, 'succeeded')['model'])
            self.assertEqual(len(os.listdir(os.path.join(server.state, 'models'))), len(self.models(server)))
        # the first is active; of the others the newest two
        self.assertEqual(self.models(server), [made[4], made[3], made[0], imported])
        client.post(server, f'/models/{made[3]}/activate')  # and made[0] is the one before
        made += [wait_state(server, submit(server, {**QUICK, 'seed': seed}), 'succeeded')['model'] for seed in (6, 7, 8)]
        self.assertEqual(self.models(server), [made[7], made[6], made[3], made[0], imported])
        self.assertEqual(client.post(server, '/models/rollback').json()['id'], made[0])


class Promotion(Serving):

    def train(self, server, **fields):
        return wait_state(server, submit(server, {**EVERY_FINDING, **fields}), 'succeeded')

    def test_the_first_model_is_taken_whatever_was_asked(self):
        for promote in ('manual', 'if_better', 'always'):
            server = self.serve()
            record = self.train(server, promote=promote)
            self.assertEqual(self.active(server), record['model'])
            decision = record['promotion']
            self.assertEqual((decision['promote'], decision['promoted'], decision['comparison']), (promote, True, None))
            self.assertIn('no model was active', decision['reason'])

    def test_manual_leaves_it_and_always_takes_it(self):
        server = self.serve()
        first = import_model(server, dataset.weights(1))['id']
        record = self.train(server)
        self.assertEqual((record['promotion']['promote'], record['promotion']['promoted']), ('manual', False))
        self.assertEqual(self.active(server), first)
        record = self.train(server, promote='always')
        self.assertTrue(record['promotion']['promoted'])
        self.assertEqual(self.active(server), record['model'])
        self.assertEqual(client.post(server, '/models/rollback').json()['id'], first)

    def test_the_same_again_is_no_better(self):
        """The same job twice is as good as the model that it gave: a gain of 0, which is above no margin."""
        server = self.serve()
        first = self.train(server)
        record = self.train(server, promote='if_better', promote_margin=0, promote_max_drop=0)
        decision = record['promotion']
        self.assertFalse(decision['promoted'], decision)
        self.assertEqual((decision['margin'], decision['max_drop']), (0, 0))
        self.assertEqual(self.active(server), first['model'])
        comparison = decision['comparison']
        self.assertEqual((comparison['active'], comparison['normal_rows']), (first['model'], 0))
        self.assertEqual(comparison['rows'], record['evaluation']['validation']['rows'])
        sure = [f for f in comparison['findings'] if f['gain_low'] is not None]
        self.assertGreater(len(sure), 3)
        for name in ('active', 'candidate'):
            self.assertAlmostEqual(comparison['macro_auroc'][name], sum(f[name] for f in sure) / len(sure), 9)
        self.assertAlmostEqual(comparison['macro_auroc']['gain'], 0, 12)
        self.assertEqual([f['candidate'] for f in comparison['findings']],
                         [f['auroc'] for f in record['evaluation']['validation']['findings']])
        self.assertEqual([f['active'] for f in comparison['findings']],
                         [f['auroc'] for f in first['evaluation']['validation']['findings']])

    def test_the_figures_decide(self):
        """Another seed: better or worse, the decision is what the ends of its own intervals say."""
        server = self.serve()
        self.train(server)
        for seed, margin, drop in ((2, 0, 1), (3, 0, 1), (4, 0, 0.05), (5, 0.02, 1)):
            before = self.active(server)
            record = self.train(server, seed=seed, learning_rate=0.01, steps_per_epoch=3, promote='if_better',
                                promote_margin=margin, promote_max_drop=drop)
            comparison = record['promotion']['comparison']
            falls = [-f['gain_high'] for f in comparison['findings'] if f['gain_high'] is not None]
            self.assertEqual(record['promotion']['promoted'],
                             comparison['macro_auroc']['gain_low'] > margin and max(falls) <= drop and
                             record['validation_loss'] < record['baseline']['validation_loss'], record['promotion'])
            self.assertEqual(self.active(server), record['model'] if record['promotion']['promoted'] else before)
            self.assertEqual(job_of(server, record['id'])['promotion'], record['promotion'])

    def test_what_is_surely_better_is_taken_unless_it_has_never_seen_a_normal_chest(self):
        server = program.Server(datasets=dataset.shades())
        self.addCleanup(server.stop)
        job = {'dataset': 'shades', 'image_size': dataset.SIZE, 'epochs': 6, 'batch_size': 8, 'learning_rate': 0.001,
               'augment': False, 'promote': 'if_better', 'val_fraction': 0.4}
        everyone = wait_state(server, submit(server, {**job, 'drop_no_finding': False}), 'succeeded')
        weights = client.get(server, f'/models/{everyone["model"]}/weights').body
        opposite = import_model(server, dataset.negated(weights))['id']
        narrow = wait_state(server, submit(server, job), 'succeeded')['promotion']
        comparison = narrow['comparison']
        self.assertEqual((narrow['promoted'], comparison['narrower']), (False, True))
        self.assertIn("'promote_narrower'", narrow['reason'])
        self.assertGreater(comparison['macro_auroc']['gain_low'], 0.005, 'it is no better at all: the test says nothing')
        self.assertGreater(comparison['normal_rows'], 0)
        self.assertEqual(self.active(server), opposite)
        for fields in ({'promote_narrower': True}, {'drop_no_finding': False}):
            client.post(server, f'/models/{opposite}/activate')
            record = wait_state(server, submit(server, {**job, **fields}), 'succeeded')
            self.assertTrue(record['promotion']['promoted'], record['promotion'])
            self.assertEqual(self.active(server), record['model'])

    def test_what_is_not_better_than_the_base_rates_is_taken_by_nobody_but_a_person(self):
        server = self.serve()
        first = self.train(server)
        unlearned = {'head_bias': 'zero', 'learning_rate': 1e-9, 'calibrate': False}
        record = self.train(server, promote='if_better', promote_margin=0, **unlearned)
        self.assertGreater(record['validation_loss'], record['baseline']['validation_loss'])
        self.assertFalse(record['promotion']['promoted'])
        self.assertIn('is not below', record['promotion']['reason'])
        self.assertIsNotNone(record['promotion']['comparison'])
        self.assertEqual(self.active(server), first['model'])
        record = self.train(server, promote='always', **unlearned)
        self.assertEqual(self.active(server), record['model'])

    def test_an_active_model_of_another_size_is_scored_with_its_own_pictures(self):
        server = self.serve()
        first = self.train(server, resize='nearest')
        record = self.train(server, image_size=96, promote='if_better')
        self.assertEqual([f['active'] for f in record['promotion']['comparison']['findings']],
                         [f['auroc'] for f in first['evaluation']['validation']['findings']])

    def test_it_is_told_when_the_active_model_may_have_learned_from_the_rows_that_decide(self):
        server = self.serve()
        first = self.train(server)
        self.assertIsNone(first['promotion']['warning'])
        silent = client.get(server, f'/models/{first["model"]}/weights').body
        silent = import_model(server, dataset.without_note(silent, 'data'), activate=False)['id']
        for active, seed, split in ((first['model'], 1, 'same'), (first['model'], 2, 'other'), (silent, 1, 'unknown')):
            client.post(server, f'/models/{active}/activate')
            decision = self.train(server, seed=seed, promote='if_better', promote_margin=1)['promotion']
            self.assertEqual((decision['comparison']['active'], decision['comparison']['active_split']), (active, split))
            if split == 'same':
                self.assertIsNone(decision['warning'])
            else:
                self.assertIn('the active model may have learned', decision['warning'])

    def test_without_a_model_there_is_nothing_to_decide(self):
        server = self.serve()
        record = wait_state(server, submit(server, {**NOTHING, 'promote': 'always'}), 'succeeded')
        self.assertIsNone(record['promotion'])
        self.assertIsNone(self.active(server))


class Fields(ServerCase):

    with_data = True

    def test_wrong_values_are_named(self):
        for field, values in (('promote', (5, None, '', 'yes')), ('promote_margin', ('1', None, -0.1, 1.1, True)),
                              ('promote_max_drop', ('1', None, -0.1, 1.1)),
                              ('promote_narrower', (0, 1, 'true', None))):
            for value in values:
                with self.subTest(field=field, value=value):
                    self.assert_wrong_fields(self.post_json('/jobs/train', {field: value}), field)

    def test_defaults_are_the_contracts(self):
        config = wait_state(self.server, submit(self.server, NOTHING), 'succeeded')['config']
        self.assertEqual((config['promote'], config['promote_margin'], config['promote_max_drop'], config['promote_narrower']),
                         ('manual', 0.005, 0.02, False))


if __name__ == '__main__':
    unittest.main()
