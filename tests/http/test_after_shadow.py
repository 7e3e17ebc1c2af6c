"""A training may ask that its model be tried in the shadow of the active one before it takes its place."""
import json
import os
import unittest

from support import client, dataset, program
from support.case import Case, import_model, job_of, submit, wait_state

JOB = {'dataset': 'shades', 'image_size': dataset.SIZE, 'epochs': 3, 'batch_size': 8, 'learning_rate': 0.001, 'augment': False,
       'val_fraction': 0.4, 'drop_no_finding': False}
PICTURES = 4


class AfterShadow(Case):
    @classmethod
    def setUpClass(cls):
        cls.state = program.new_folder('state')
        cls.log = os.path.join(cls.state, 'audit.log')
        cls.start()
        cls.addClassCleanup(lambda: cls.server.stop())
        first = wait_state(cls.server, submit(cls.server, JOB), 'succeeded')
        weights = client.get(cls.server, f'/models/{first["model"]}/weights').body
        cls.opposite = import_model(cls.server, dataset.negated(weights))['id']  # what is trained is surely better than that
        cls.judge(cls.opposite)

    @classmethod
    def start(cls):
        cls.server = program.Server('--audit', cls.log, state=cls.state, datasets=dataset.shades())

    @classmethod
    def judge(cls, model):
        """Give it thresholds: too few rows of the data set have a finding for its own to count."""
        reply = client.request(cls.server, 'PATCH', f'/models/{model}', body=json.dumps({'own_thresholds': dict.fromkeys(dataset.LABELS, 0.3)}),
                               Content_Type='application/json')
        assert reply.status == 200, reply

    def train(self, **more):
        client.post(self.server, f'/models/{self.opposite}/activate')
        job = submit(self.server, {**JOB, 'promote': 'after_shadow', 'promote_shadow_pictures': PICTURES, **more})
        return wait_state(self.server, job, 'succeeded')

    def shadow(self, model):
        return client.get(self.server, f'/models/{model}/shadow')

    def ask(self, model, pictures):
        """Each when the one before has been looked at; the last may end the shadow."""
        self.judge(model)
        for i in range(pictures):
            before = self.shadow(model).json()['pictures']
            self.assertEqual(client.post(self.server, '/predict?operating_point=own', dataset.image(i), Content_Type='image/png').status, 200)
            program.poll(lambda: (s := self.shadow(model)).status == 404 or s.json()['pictures'] > before, 'the shadow has looked')

    def ended(self, record):
        def over():
            shadow = job_of(self.server, record['id'])['promotion']['shadow']
            return shadow['state'] != 'waiting' and shadow
        return program.poll(over, 'it is decided')

    def active(self):
        return client.get(self.server, '/models').json()['active']

    def steps(self, record):
        """In the job's journal and in the audit log."""
        told = client.get(self.server, f'/jobs/{record["id"]}/events').body.decode().split('\n\n')
        journal = [json.loads(e.split('data: ')[1])['state'] for e in told if '\nevent: promotion\n' in e]
        with open(self.log, encoding='utf-8') as file:
            lines = [json.loads(line) for line in file]
        mine = [line for line in lines if line.get('job') == record['id'] and line['event'] in ('shadow', 'promote')]
        return journal, [line.get('state', 'promote') for line in mine]

    def test_it_takes_the_active_ones_place_when_the_figures_allow_it(self):
        record = self.train(promote_shadow_discordance=1)
        promotion, model = record['promotion'], record['model']
        self.assertEqual((promotion['promoted'], promotion['shadow']['state'], promotion['shadow']['reason']), (False, 'waiting', None))
        self.assertGreater(promotion['comparison']['macro_auroc']['gain_low'], 0.005)
        told = self.shadow(model).json()['promotion']
        self.assertEqual((told['job'], told['active'], told['pictures'], told['max_discordance']), (record['id'], self.opposite, PICTURES, 1))
        self.assertEqual(told['until'], promotion['shadow']['until'])
        self.ask(model, PICTURES - 1)
        self.server.stop()
        self.start()
        self.assertEqual((self.active(), self.shadow(model).json()['promotion']), (self.opposite, told))
        self.ask(model, 1)
        shadow = self.ended(record)
        self.assertEqual((shadow['state'], shadow['seen']), ('activated', PICTURES))
        self.assertIn('readers spoke of none', shadow['reason'])
        self.assertEqual((self.active(), job_of(self.server, record['id'])['promotion']['promoted']), (model, True))
        self.assertEqual(self.shadow(model).status, 404)
        self.assertEqual(self.steps(record), (['waiting', 'activated'], ['waiting', 'promote', 'activated']))

    def test_a_model_that_differs_too_much_is_left_to_people(self):
        record = self.train(promote_shadow_discordance=0)
        self.ask(record['model'], PICTURES)
        shadow = self.ended(record)
        self.assertEqual(shadow['state'], 'refused')
        self.assertIn('not surely within the 0.0 % that are allowed', shadow['reason'])
        self.assertEqual((self.active(), self.shadow(record['model']).status), (self.opposite, 404))
        self.assertEqual(self.steps(record), (['waiting', 'refused'], ['waiting', 'refused']))
        self.assertFalse(job_of(self.server, record['id'])['promotion']['promoted'])

    def test_it_can_be_stopped_and_there_is_one_at_a_time(self):
        record = self.train()
        second = self.train()['promotion']
        self.assertEqual((second['promoted'], second['shadow']['state']), (False, 'refused'))
        self.assertIn(record['model'], second['shadow']['reason'])
        self.assertEqual(client.request(self.server, 'DELETE', f'/models/{record["model"]}/shadow').status, 204)
        self.assertEqual(self.ended(record)['state'], 'stopped')
        self.assertEqual(self.steps(record), (['waiting', 'stopped'], ['waiting', 'stopped']))
        other = import_model(self.server, dataset.weights(), activate=False)
        waiting = self.train()
        client.post(self.server, f'/models/{other["id"]}/activate')
        shadow = self.ended(waiting)
        self.assertEqual((shadow['state'], shadow['reason']), ('refused', 'another model became active meanwhile'))
        by_hand = self.train()
        client.post(self.server, f'/models/{by_hand["model"]}/activate')
        self.assertEqual((self.ended(by_hand)['state'], self.active()), ('activated', by_hand['model']))

    def test_a_worse_one_never_comes_there(self):
        client.post(self.server, f'/models/{self.opposite}/activate')
        job = submit(self.server, {**JOB, 'promote': 'after_shadow', 'promote_margin': 1})
        promotion = wait_state(self.server, job, 'succeeded')['promotion']
        self.assertEqual((promotion['promoted'], promotion['shadow']), (False, None))
        self.assertIn('not surely above', promotion['reason'])


if __name__ == '__main__':
    unittest.main()
