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
        self.assertEqual(again['replay'], {'of': first['id'], 'weights_sha256': first['weights_sha256'], 'matched': True})
        self.assertEqual(again['weights_sha256'], first['weights_sha256'])
        self.assertEqual({**again['config'], 'replay_of': None}, first['config'])
        other = wait_state(self.server, submit(self.server, {**QUICK, 'seed': 4}), 'succeeded')
        self.assertNotEqual(other['weights_sha256'], first['weights_sha256'])

    def test_what_cannot_be_replayed_is_refused(self):
        empty = wait_state(self.server, submit(self.server, {**QUICK, 'epochs': 0}), 'succeeded')
        for job, fields in (({'replay_of': '00000000-0000-0000-0000-000000000000'}, {'replay_of'}),
                            ({'replay_of': empty['id']}, {'replay_of'}),
                            ({'replay_of': empty['id'], 'seed': 5}, {'replay_of', 'seed'})):
            problem = self.assert_problem(self.post_json('/jobs/train', job), 422)
            self.assertEqual({error['field'] for error in problem['errors']}, fields)
