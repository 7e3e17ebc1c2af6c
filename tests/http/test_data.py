"""What is read of a table and its files: nothing is dropped or misread without a word."""
import json
import os
import shutil

from support import dataset, program
from support.case import Case

HEAD = 'Image Index,Finding Labels,Patient ID,Patient Age,Patient Gender,View Position'


class DataCase(Case):
    """Each test writes one data set and looks at what `cxrd train` makes of it."""

    def setUp(self):
        self.datasets = program.new_folder('datasets')
        self.folder = os.path.join(self.datasets, 'd')

    def table(self, lines, head=HEAD, images=None):
        dataset.write_table(self.folder, lines, head)
        if images is None:
            shutil.rmtree(os.path.join(self.folder, 'images_001'), ignore_errors=True)
            dataset.write_images(self.folder, range(len(lines)))

    def picture(self, i, folder='images_001'):
        return os.path.join(self.folder, folder, 'images', dataset.name(i))

    def train(self, **fields):
        """(Exit status, record or None, what standard error says)."""
        out = os.path.join(self.datasets, '..', os.path.basename(self.datasets) + '-out')
        shutil.rmtree(out, ignore_errors=True)
        arguments = [f'{k}={json.dumps(v) if not isinstance(v, str) else v}' for k, v in fields.items()]
        done = program.run('train', '--datasets', self.datasets, '--dataset', 'd', '--out', out, '--threads', '2',
                           *(part for argument in arguments for part in ('--set', argument)))
        record = None
        if done.returncode == 0:
            with open(os.path.join(out, 'job.json'), encoding='utf-8') as file:
                record = json.load(file)
        return done.returncode, record, done.stderr

    def look(self, **fields):
        """The record of a job that only looks at the data."""
        status, record, said = self.train(epochs=0, **fields)
        self.assertEqual(status, 0, said)
        return record

    def refuse(self, *says, **fields):
        status, _, said = self.train(epochs=0, **fields)
        self.assertNotEqual(status, 0)
        for part in says:
            self.assertIn(part, said)
        return said

    def codes(self, record):
        return sorted(warning['code'] for warning in record['warnings'])


def rows(n=20, finding=lambda i: 'Effusion' if i % 2 else 'Mass', age='50', sex='M', view='PA'):
    return [f'{dataset.name(i)},{finding(i)},{i // 2},{age},{sex},{view}' for i in range(n)]


class Findings(DataCase):

    def test_a_table_in_small_letters_has_the_findings_of_one_in_its_own(self):
        wanted = None
        for form in (lambda words: '|'.join(words), lambda words: ' | '.join(words).lower().replace('_', ' '),
                     lambda words: f'"{words}"'):
            self.table([f'{dataset.name(i)},{form(dataset.findings(i))},{i // 2},50,M,PA' for i in range(24)])
            data = self.look()['dataset']
            found = {name: data[name] for name in ('label_counts', 'cooccurrence', 'dropped_no_finding', 'split_sha256')}
            wanted = wanted or found
            self.assertEqual(found, wanted)
            shutil.rmtree(self.folder)
        self.assertGreater(sum(wanted['label_counts'].values()), 20)

    def test_a_word_that_is_not_understood_ends_the_job(self):
        self.table(rows(finding=lambda i: 'Efusion' if i > 15 else 'Mass'))
        self.refuse("'Efusion' (4 times, first in line 18)", 'docs/data.md')


class Values(DataCase):

    def test_what_is_not_known_is_counted_and_warned_of_when_it_is_much(self):
        self.table(rows(19) + [f'{dataset.name(19)},Mass,9,fifty,X,'])
        record = self.look()
        self.assertEqual(record['dataset']['unknown'], {'age': 1, 'sex': 1, 'view': 1})
        self.assertEqual(record['warnings'], [])
        self.table(rows(18) + [f'{dataset.name(i)},Mass,9,fifty,X,' for i in (18, 19)], images=())
        record = self.look()
        self.assertEqual(record['dataset']['unknown'], {'age': 2, 'sex': 2, 'view': 2})
        self.assertEqual(self.codes(record), ['unknown_values'] * 3)
        self.assertIn("'Patient Age' is not known of 2 of the 20 usable rows (10 %)", record['warnings'][0]['detail'])
        self.assertIn("such as 'fifty'", record['warnings'][0]['detail'])

    def test_a_view_that_is_neither_is_warned_of(self):
        self.table(rows(19) + [f'{dataset.name(19)},Mass,9,50,F,LL'])
        record = self.look()
        self.assertEqual(record['dataset']['other_views'], 1)
        self.assertEqual(self.codes(record), ['other_views'])
        self.assertIn("'LL'", record['warnings'][0]['detail'])

    def test_values_are_read_as_a_request_would_say_them(self):
        self.table(rows(10, age='58.0', sex='male', view='pa') + [f'{dataset.name(10)},Mass,9,414.0,F,AP'])
        record = self.look()
        self.assertEqual(record['dataset']['unknown'], {'age': 0, 'sex': 0, 'view': 0})
        self.assertEqual(record['dataset']['dropped_age'], 1)
