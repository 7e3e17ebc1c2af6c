"""A job run again from its record: the same weights, bit for bit, or it says that they are not."""
from support.case import QUICK, ServerCase, submit, wait_state


class Replay(ServerCase):
    with_data = True
    threads = 2

    def test_the_same_record_gives_the_same_weights(self):
        first = wait_state(self.server, submit(self.server, {**QUICK, 'seed': 3, 'augment': True, 'dropout': 0.2,
                                                             'balance': 'resample', 'inputs': ['age']}), 'succeeded')
        self.assertRegex(first['weights_sha256'], r'^[0-9a-f]{64}$')
        self.assertIsNone(first['replay'])
        again = wait_state(self.server, submit(self.server, {'replay_of': first['id']}), 'succeeded')
        moved = again['replay'].pop('moved')
        self.assertEqual(again['replay'], {'of': first['id'], 'weights_sha256': first['weights_sha256'], 'matched': True,
                                           'forgotten_patients': 0})
        self.assertEqual((moved['split'], moved['rows']), ('validation', first['dataset']['validation']))
        self.assertEqual({(f['mean'], f['largest']) for f in moved['findings']}, {(0, 0)})
        self.assertEqual(again['weights_sha256'], first['weights_sha256'])
        self.assertEqual({**again['config'], 'replay_of': None}, first['config'])
        other = wait_state(self.server, submit(self.server, {**QUICK, 'seed': 4}), 'succeeded')
        self.assertNotEqual(other['weights_sha256'], first['weights_sha256'])

    def test_the_split_has_a_seed_of_its_own(self):
        """Without one it is that of everything, as it was before there were two: the digests are of that time."""
        digests = {5: '8fb2248c621cc44b485f47a56be74bddac04664dc63c07f7a82f4662eeec11fd', 6: 'e5024eb0aae2b09e87d67b72d504bedf919521187eea54b2151bb0328a8dffda'}
        for fields, seed in (({'seed': 5}, 5), ({'seed': 6}, 6), ({'seed': 6, 'split_seed': 5}, 5), ({'split_seed': 6}, 6)):
            with self.subTest(fields):
                record = wait_state(self.server, submit(self.server, {**QUICK, **fields, 'epochs': 0}), 'succeeded')
                self.assertEqual(record['config']['split_seed'], seed)
                self.assertEqual(record['dataset']['split_sha256'], digests[seed])
        first = wait_state(self.server, submit(self.server, {**QUICK, 'seed': 3, 'split_seed': 5, 'test_rows': 2}), 'succeeded')
        self.assertEqual(first['evaluation']['test']['rows'], 2)
        again = wait_state(self.server, submit(self.server, {'replay_of': first['id']}), 'succeeded')
        self.assertTrue(again['replay']['matched'])
        self.assertEqual({**again['config'], 'replay_of': None}, first['config'])
        self.assertEqual(again['dataset']['split_sha256'], first['dataset']['split_sha256'])
        report = self.get(f'/jobs/{first["id"]}/report').body.decode()
        for field in ('split_seed', 'initializer', 'keep_best', 'validation_batch_size', 'test_rows'):
            self.assertIn(field, report)

    def test_what_cannot_be_replayed_is_refused(self):
        empty = wait_state(self.server, submit(self.server, {**QUICK, 'epochs': 0}), 'succeeded')
        for job, fields in (({'replay_of': '00000000-0000-0000-0000-000000000000'}, {'replay_of'}),
                            ({'replay_of': empty['id']}, {'replay_of'}),
                            ({'replay_of': empty['id'], 'seed': 5}, {'replay_of', 'seed'})):
            problem = self.assert_problem(self.post_json('/jobs/train', job), 422)
            self.assertEqual({error['field'] for error in problem['errors']}, fields)
