"""Findings are data: a job names its own, and everything that is of one finding each is of these."""
import json
import os
import re
import unittest

from support import client, dataset, program
from support.case import QUICK, Case, ServerCase, submit, wait_state

OWN = ['Fracture', 'Bone cyst', 'Mass']  # two words that NIH has not, and one of its own
WORDS = ('fracture', 'Fracture|Mass', 'BONE_CYST', 'Edema', 'mass|Edema')


def word(i):
    """Of row i; a sixth are normal, as in the tiny data set."""
    return 'No Finding' if i % 6 == 0 else WORDS[i % 5]


def many(i):
    """Of row i: some of twenty findings, which half of the rows have, and another that few have."""
    return '|'.join([f'F{k:02d}' for k in range(20) if (i // 3 + i + k) % 2] + ['Rare'] * (i % 8 == 0))


def truths(i):
    words = word(i).lower().replace('_', ' ').split('|')
    return [int(label.lower() in words) for label in OWN]


def folder():
    """A folder of data sets: the tiny one, one with the same pictures and words of its own, and one of many words."""
    datasets = program.new_folder('datasets')
    for name, lines in (('tiny', None), ('own', [dataset.line(i).replace('|'.join(dataset.findings(i)), word(i), 1)
                                                 for i in range(dataset.ROWS)]),
                        ('many', [dataset.line(i).replace('|'.join(dataset.findings(i)), many(i), 1) for i in range(dataset.ROWS)])):
        dataset.write_table(os.path.join(datasets, name), lines)
        dataset.write_images(os.path.join(datasets, name))
    return datasets


def named(findings):
    return [finding['label'] for finding in findings]


class Jobs(ServerCase):

    @classmethod
    def setUpClass(cls):
        cls.server = program.Server(datasets=folder(), threads=2)
        cls.addClassCleanup(cls.server.stop)
        cls.job = wait_state(cls.server, submit(cls.server, {**QUICK, 'dataset': 'own', 'labels': OWN}), 'succeeded')
        cls.other = wait_state(cls.server, submit(cls.server, {**QUICK, 'dataset': 'tiny'}), 'succeeded')

    def run_job(self, **fields):
        return wait_state(self.server, submit(self.server, {**QUICK, **fields}), 'succeeded')

    def weights_say(self, job):
        return dataset.header(self.get(f'/models/{job["model"]}/weights').body)[0]['__metadata__']

    def test_the_record_is_of_the_findings_that_were_asked_for(self):
        self.assertEqual(self.job['config']['labels'], OWN)
        data, evaluation = self.job['dataset'], self.job['evaluation']
        self.assertEqual(data['label_counts'], {label: sum(truths(i)[k] for i in range(dataset.ROWS - dataset.OLD) if i % 6)
                                                for k, label in enumerate(OWN)})
        self.assertEqual([len(row) for row in data['cooccurrence']], [3] * 3)
        for split in ('validation', 'test', 'no_finding'):
            self.assertEqual(named(evaluation[split]['findings']), OWN)
        self.assertEqual(named(evaluation['decision']['findings']), OWN)
        self.assertEqual({len(epoch['val_auroc']) for epoch in self.job['epochs']}, {3})

    def test_its_weights_and_scores_are_too(self):
        self.assertEqual(self.weights_say(self.job)['labels'], ','.join(OWN))
        head, *lines = self.get(f'/jobs/{self.job["id"]}/scores?split=test').body.decode().splitlines()
        self.assertEqual(head, ','.join(['image', *(f'true_{label}' for label in OWN), *(f'prob_{label}' for label in OWN)]))
        row = {dataset.name(i): i for i in range(dataset.ROWS)}
        for line in lines:
            image, *values = line.split(',')
            self.assertEqual([int(value) for value in values[:3]], truths(row[image]))

    def test_nihs_are_meant_where_nothing_is_said(self):
        self.assertEqual(self.other['config']['labels'], list(dataset.LABELS))
        self.assertEqual(list(self.other['dataset']['label_counts']), list(dataset.LABELS))

    def test_some_of_nihs_are_asked_of_the_same_rows(self):
        two = self.run_job(dataset='tiny', labels=['Nodule', 'Edema'])
        for field in ('rows', 'usable', 'dropped_no_finding', 'split_sha256', 'train', 'validation', 'test'):
            self.assertEqual(two['dataset'][field], self.other['dataset'][field], field)
        self.assertEqual(two['dataset']['label_counts'],
                         {label: self.other['dataset']['label_counts'][label] for label in ('Nodule', 'Edema')})

    def test_findings_that_no_training_row_has_are_told(self):
        def told(record):
            return [w['detail'] for w in record['warnings'] if w['code'] == 'findings_without_rows']

        self.assertEqual(told(self.job) + told(self.other), [])
        more = self.run_job(dataset='own', labels=OWN + ['Foreign body', 'Scoliosis'], epochs=0)
        self.assertEqual(len(told(more)), 1)
        self.assertIn('no training row has 2 of the 5 findings', told(more)[0])
        self.assertTrue(told(more)[0].endswith(': Foreign body, Scoliosis'), told(more))
        self.assertIn('Foreign body, Scoliosis', self.get(f'/jobs/{more["id"]}/report').body.decode().split('<h2>')[1])

    def test_a_report_shows_errors_of_sixteen_findings_at_most(self):
        """Of those that the most rows have: the first here has but a few."""
        labels = ['Rare', *(f'F{k:02d}' for k in range(20))]
        job = self.run_job(dataset='many', labels=labels, test_fraction=0.5, split_by='image')
        page = self.get(f'/jobs/{job["id"]}/report').body.decode()
        worst = page[page.index('<h2>Worst errors'):]
        worst = worst[:worst.index('</section>')]
        self.assertIn('of the 16 that the most rows have', worst)
        shown = re.findall(r'<figcaption><b>([^:<]+): ', worst)
        self.assertEqual((len(shown), len(set(shown))), (32, 16))
        self.assertNotIn('Rare', shown)
        self.assertIn('Of each finding on the test split: ', self.get(f'/jobs/{self.other["id"]}/report').body.decode())

    def test_it_can_be_replayed(self):
        again = wait_state(self.server, submit(self.server, {'replay_of': self.job['id']}), 'succeeded')
        self.assertTrue(again['replay']['matched'])
        self.assertEqual(again['config']['labels'], OWN)

    def test_lists_that_are_none_are_refused(self):
        for bad in ([], 'Mass', {}, None, 3, [3], [None], ['Mass', 'Mass'], ['Mass', 'mass'], ['a_b', 'A-B'], [''], ['No Finding'],
                    ['normal'], ['<b>Mass</b>'], ['a,b'], ['a\nb'], [' Mass'], ['Mass '], ['x' * 64],
                    [f'finding {i}' for i in range(65)]):
            with self.subTest(bad):
                self.assert_wrong_fields(self.post_json('/jobs/train', {**QUICK, 'dataset': 'own', 'labels': bad}), 'labels')

    def test_the_most_that_there_can_be(self):
        labels = OWN + [f'{i:02d} '.ljust(63, 'x') for i in range(61)]
        job = self.run_job(dataset='own', labels=labels)
        self.assertEqual(named(job['evaluation']['test']['findings']), labels)
        self.assertEqual(self.weights_say(job)['labels'], ','.join(labels))

    def test_a_word_that_is_not_named_fails_the_job_and_says_what_can_name_it(self):
        job = wait_state(self.server, submit(self.server, {**QUICK, 'dataset': 'own', 'labels': ['Fracture']}), 'failed')
        self.assertIn("'BONE_CYST'", job['error'])
        self.assertIn("'labels'", job['error'])

    def test_no_head_is_taken_over_from_a_model_of_other_findings(self):
        for fields in ({'dataset': 'own', 'labels': OWN, 'init': self.other['model']},
                       {'dataset': 'own', 'labels': OWN[::-1], 'init': self.job['model']},
                       {'dataset': 'tiny', 'init': self.job['model']}):
            problem = self.assert_wrong_fields(self.post_json('/jobs/train', {**QUICK, **fields}), 'init')
            self.assertIn('other findings', problem['errors'][0]['detail'])
        self.run_job(dataset='own', labels=OWN, init=self.job['model'])

    def test_models_of_other_findings_are_not_compared(self):
        for active, fields in ((self.job, {'dataset': 'tiny'}), (self.other, {'dataset': 'own', 'labels': OWN})):
            self.assertEqual(self.post(f'/models/{active["model"]}/activate').status, 200)
            kept = self.run_job(**fields, promote='if_better')['promotion']
            self.assertFalse(kept['promoted'])
            self.assertIn('other findings', kept['reason'])
            self.assertIsNone(kept['comparison'])
            taken = self.run_job(**fields, promote='always')['promotion']
            self.assertTrue(taken['promoted'])

    def test_what_was_learned_answers(self):
        self.assertEqual(self.post(f'/models/{self.job["model"]}/activate').status, 200)
        self.assertEqual(self.get(f'/models/{self.job["model"]}').json()['labels'], OWN)
        prediction = self.predict(dataset.image(1)).json()
        self.assertEqual(list(prediction['probabilities']), OWN)
        explained = self.post('/predict?explain=Bone%20cyst', dataset.image(1), Content_Type='image/png').json()
        self.assertEqual(explained['explanation']['label'], 'Bone cyst')
        self.assertEqual(self.get(f'/jobs/{self.job["id"]}/report').status, 200)

    def test_models_of_the_same_findings_are(self):
        self.assertEqual(self.post(f'/models/{self.job["model"]}/activate').status, 200)
        job = self.run_job(dataset='own', labels=OWN, promote='if_better', seed=2, split_seed=1)
        self.assertEqual(named(job['promotion']['comparison']['findings']), OWN)


class Commands(Case):

    def train(self, datasets, *more):
        out = os.path.join(program.new_folder('trained'), 'out')
        done = program.run('train', '--datasets', datasets, '--out', out, '--threads', '2', '--set', f'image_size={dataset.SIZE}', '--set',
                           'epochs=1', '--set', 'steps_per_epoch=1', '--set', 'batch_size=8', *more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return out

    def test_train_takes_them_and_compare_asks_for_the_same(self):
        datasets = folder()
        labels = ('--dataset', 'own', '--set', f'labels={json.dumps(OWN)}')
        one, two = self.train(datasets, *labels), self.train(datasets, *labels, '--set', 'seed=2', '--set', 'split_seed=1')
        other = self.train(datasets, '--dataset', 'own', '--set', f'labels={json.dumps(OWN[::-1])}')
        with open(os.path.join(one, 'job.json'), encoding='utf-8') as file:
            self.assertEqual(json.load(file)['config']['labels'], OWN)
        compared = json.loads(program.run('compare', '--json', '--split', 'validation', one, two).stdout)
        self.assertEqual(named(compared['findings']), OWN)
        done = program.run('compare', '--split', 'validation', one, other)
        self.assertEqual(done.returncode, 1)
        self.assertIn('other findings', done.stderr)


if __name__ == '__main__':
    unittest.main()
