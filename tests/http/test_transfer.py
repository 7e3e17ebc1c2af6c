"""Transfer: a head for another model's network over HTTP, from the job to its answers; and what is refused."""
import json
import os
import tempfile

from support import client, dataset, program
from support.case import QUICK, Case, ServerCase, job_of, submit, wait_state

TRANSFER = {'dataset': 'tiny', 'recipe': 'transfer', 'tsne': False}


class Transfer(ServerCase):
    with_data = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.first = wait_state(cls.server, submit(cls.server, {**QUICK, 'head': 'gap'}), 'succeeded')
        cls.init = cls.first['model']
        cls.record = wait_state(cls.server, submit(cls.server, {
            **TRANSFER, 'init': cls.init, 'transfer_layer': 'conv3', 'transfer_pooling': 'mean_and_max', 'transfer_views': 1,
            'transfer_l2': [10, 1000], 'inputs': ['age', 'history'], 'labels': ['Mass', 'Effusion', 'Nobody has this',
            *(finding for finding in dataset.LABELS if finding not in ('Mass', 'Effusion'))]}), 'succeeded')

    def test_its_record_says_how_the_head_was_fitted(self):
        transfer, config = self.record['transfer'], self.record['config']
        self.assertEqual((config['transfer_l2'], config['architecture'], config['image_size']), ([1000, 10], 'graph', 64))
        self.assertEqual({k: transfer[k] for k in ('layer', 'pooling', 'views', 'features', 'rows')},
                         {'layer': 'conv3', 'pooling': 'mean_and_max', 'views': 1, 'features': 256, 'rows': self.record['dataset']['train']})
        self.assertEqual([tried['l2'] for tried in transfer['tried']], [1000, 10])
        self.assertEqual(transfer['l2'], min(transfer['tried'], key=lambda tried: tried['loss'])['l2'])
        self.assertEqual((len(self.record['epochs']), self.record['kept_epoch']), (1, 1))
        self.assertIsNone(self.record['epochs'][0]['learning_rate'])
        self.assertIsNone(self.first['transfer'])

    def test_it_is_reported_evaluated_and_served_as_any_other(self):
        self.assertIn('findings_without_rows', [warning['code'] for warning in self.record['warnings']])
        self.assertIsNotNone(self.record['evaluation']['test']['macro_auroc'])
        report = self.get(f'/jobs/{self.record["id"]}/report').body.decode()
        self.assertIn('Epoch 1 is a regression on conv3: 256 features', report)
        self.assertEqual(self.post(f'/models/{self.record["model"]}/activate').status, 200)
        reply = self.predict(dataset.image(0))
        self.assertEqual(reply.status, 200)
        answers = {finding['label']: finding['probability'] for finding in reply.json()['findings']}
        self.assertEqual(set(answers), set(self.record['config']['labels']))
        self.assertLess(answers['Nobody has this'], 0.1)

    def test_another_job_on_the_same_rows_finds_the_features(self):
        """The pictures' features are kept: with the files of the cache that there were it makes no new one."""
        folder = os.path.join(self.server.state, 'cache')
        before = set(os.listdir(folder))
        again = wait_state(self.server, submit(self.server, {
            **TRANSFER, 'init': self.init, 'transfer_layer': 'conv3', 'transfer_pooling': 'mean_and_max', 'transfer_l2': [100]}), 'succeeded')
        self.assertEqual(set(os.listdir(folder)), before)
        self.assertEqual((again['transfer']['tried'], again['transfer']['l2']), ([], 100))

    def refuse(self, job, *fields):
        return self.assert_wrong_fields(self.post_json('/jobs/train', {**TRANSFER, **job}), *fields)

    def test_what_cannot_be_transferred_is_refused(self):
        self.refuse({}, 'init')
        self.refuse({'init': '00000000-0000-0000-0000-000000000000'}, 'init')
        self.refuse({'init': self.init, 'balance': 'weight'}, 'balance')
        problem = self.refuse({'init': self.init, 'transfer_layer': 'conv9'}, 'transfer_layer')
        self.assertIn('conv4', json.dumps(problem))
        blind = wait_state(self.server, submit(self.server, {'dataset': 'tiny', 'images': 'none', 'inputs': ['age']}), 'succeeded')
        self.refuse({'init': blind['model']}, 'init')


class Killed(Case):

    def test_a_server_that_was_killed_goes_on_and_ends_with_the_same_weights(self):
        server = program.Server(datasets=dataset.tiny())
        self.addCleanup(lambda: server.stop())
        init = wait_state(server, submit(server, {**QUICK, 'head': 'gap'}), 'succeeded')['model']
        job = {**TRANSFER, 'init': init, 'transfer_views': 4, 'epochs': 2, 'transfer_l2': [10], 'seed': 2}
        stopped = submit(server, job)
        program.poll(lambda: job_of(server, stopped)['phase'] in ('training', 'evaluating', None), 'it trains', 120)
        server.kill()
        server = program.Server(state=server.state, datasets=dataset.tiny(), threads=3)
        if job_of(server, stopped)['state'] == 'interrupted':  # not where it was quicker
            self.assertEqual(client.post(server, f'/jobs/{stopped}/resume').status, 202)
        record = wait_state(server, stopped, 'succeeded')
        whole = wait_state(server, submit(server, job), 'succeeded')
        self.assertEqual(record['weights_sha256'], whole['weights_sha256'])
        self.assertEqual(record['transfer'], whole['transfer'])


class InTheForeground(ServerCase):
    with_data = True

    def test_it_takes_a_file_to_start_from(self):
        with tempfile.TemporaryDirectory() as folder:
            first, out = os.path.join(folder, 'first'), os.path.join(folder, 'out')
            fields = [word for k, v in {**QUICK, 'head': 'gap'}.items() for word in ('--set', f'{k}={v}')]
            data = ['--datasets', dataset.tiny(), '--threads', '2']
            done = program.run('train', *data, '--out', first, *fields)
            self.assertEqual(done.returncode, 0, done.stderr)
            job = ['--set', 'dataset=tiny', '--set', 'recipe=transfer', '--set', 'transfer_l2=[10]', '--set', 'tsne=false']
            done = program.run('train', *data, '--out', out, *job)
            self.assertEqual(done.returncode, 1)
            self.assertIn('needs a model to start from', done.stderr)
            done = program.run('train', *data, '--out', out, *job, '--init', os.path.join(first, 'weights.safetensors'))
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(os.path.join(out, 'job.json'), encoding='utf-8') as file:
                self.assertEqual(json.load(file)['transfer']['features'], 256)
