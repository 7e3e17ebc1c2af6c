"""Tables of other data sets in their public layout (tests/fixtures/tables): each trains, validates and is counted right."""
import csv
import json
import os
import shutil
import struct
import unittest

from support import client, dataset, program, tables
from support.case import QUICK, Case, ServerCase, submit, wait_state

JOB = {**QUICK, 'val_fraction': 0.3, 'test_fraction': 0.2, 'drop_no_finding': False, 'tsne': False}


class Formats(ServerCase):

    @classmethod
    def setUpClass(cls):
        cls.datasets = tables.folder()
        cls.server = program.Server(datasets=cls.datasets, threads=2)
        cls.addClassCleanup(cls.server.stop)

    def train(self, name, state='succeeded', **fields):
        return wait_state(self.server, submit(self.server, {**JOB, 'dataset': name, **fields}), state)

    def said(self, job, finding):
        said = job['dataset']['said'][finding]
        return tuple(said[kind] for kind in ('positive', 'negative', 'uncertain', 'missing'))

    def check(self, job, usable, **expected):
        """That it was trained and scored on so many rows, and what of its data was counted."""
        data, evaluation = job['dataset'], job['evaluation']
        self.assertEqual((data['usable'], data['missing_images'], data['patients_in_both']), (usable, 0, 0))
        self.assertEqual({key: data[key] for key in expected}, expected)
        self.assertIsNotNone(job['model'])
        self.assertGreater(job['epochs'][0]['val_loss'], 0)
        for split in ('validation', 'test'):
            self.assertEqual(evaluation[split]['rows'], data[split])
            for finding in evaluation[split]['findings']:
                label = finding['label']
                self.assertEqual(finding['unknown'], data['splits'][split]['unknown_labels'][label], (split, label))
                self.assertEqual(finding['positives'], data['splits'][split]['label_counts'][label], (split, label))
        for label, said in data['said'].items():
            self.assertEqual(sum(said.values()), usable, label)
            self.assertEqual(data['unknown_labels'][label],
                             sum(data['splits'][split]['unknown_labels'][label] for split in data['splits']))

    def codes(self, job):
        return {warning['code'] for warning in job['warnings']}

    def test_chexpert(self):
        job = self.train('chexpert', table_format='chexpert')
        self.check(job, 20, rows=22, dropped_views=2, dropped_unlabelled=0, other_views=0, table_format='chexpert')
        self.assertEqual(len(job['config']['labels']), 13)
        self.assertEqual(self.said(job, 'Cardiomegaly'), (4, 4, 2, 10))
        self.assertEqual(self.said(job, 'Edema'), (4, 4, 3, 9))
        self.assertEqual((job['dataset']['label_counts']['Edema'], job['dataset']['unknown_labels']['Edema']), (4, 3))
        ones = self.train('chexpert', table_format='chexpert', uncertain_labels='ones', views='all')
        self.check(ones, 22, dropped_views=0, other_views=2)
        self.assertEqual((ones['dataset']['label_counts']['Edema'], ones['dataset']['unknown_labels']['Edema']), (7, 0))
        self.assertIn('other_views', self.codes(ones))

    def test_a_scores_file_has_nothing_where_nothing_is_known(self):
        job = self.train('chexpert', table_format='chexpert', test_fraction=0.5)
        lines = list(csv.DictReader(self.get(f'/jobs/{job["id"]}/scores?split=test').body.decode().splitlines()))
        truth = {row['Path'].split('/', 2)[2].removesuffix('.jpg'): row for row in tables.rows('chexpert', 'train.csv')}
        means = {'1.0': '1', '0.0': '0', '-1.0': '', '': '0'}
        self.assertEqual(len(lines), job['dataset']['test'])
        self.assertIn('', {line[f'true_{label}'] for line in lines for label in job['config']['labels']})
        for line in lines:
            row = truth[line['image']]
            for label in job['config']['labels']:
                said = '0' if row['No Finding'] and label != 'Support Devices' else means[row[label]]
                self.assertEqual(line[f'true_{label}'], said, (line['image'], label))

    def test_it_is_replayed_and_compared(self):
        first = self.train('chexpert', table_format='chexpert', test_fraction=0.5)
        again = wait_state(self.server, submit(self.server, {'replay_of': first['id']}), 'succeeded')
        self.assertTrue(again['replay']['matched'])
        report = self.get(f'/jobs/{first["id"]}/report').body.decode()
        self.assertRegex(report, '<th scope="row">Edema</th><td>4</td><td>4</td><td>3</td><td>9</td><td>3</td>')
        self.assertIn('Not known', report)

    def test_mimic(self):
        job = self.train('mimic', table_format='mimic', inputs=['view', 'history'])
        self.check(job, 15, rows=20, dropped_views=4, dropped_unlabelled=1)
        self.assertEqual(self.said(job, 'Edema'), (4, 3, 1, 7))
        self.assertEqual(self.said(job, 'Pleural Effusion'), (3, 3, 2, 7))
        self.assertEqual({key: job['dataset']['misfits'][key] for key in ('without_study', 'without_pictures')},
                         {'without_study': 1, 'without_pictures': 1})
        self.assertLessEqual({'unmatched_studies', 'dropped_unlabelled'}, self.codes(job))

    def test_mimics_own_division(self):
        job = self.train('mimic', table_format='mimic', split_by='list')
        told = {row['dicom_id']: row['split'] for row in tables.rows('mimic', 'mimic-cxr-2.0.0-split.csv')}
        names = {'train': 'train', 'validate': 'validation', 'test': 'test'}
        lines = list(csv.DictReader(self.get(f'/jobs/{job["id"]}/scores?split=all').body.decode().splitlines()))
        self.assertEqual({line['image']: line['split'] for line in lines}, {line['image']: names[told[os.path.basename(line['image'])]] for line in lines})
        data = job['dataset']
        self.assertEqual((data['usable'], data['not_listed'], data['split_by']), (len(lines), 0, 'list'))
        for part in ('train', 'validation', 'test'):
            self.assertEqual(data[part], len([line for line in lines if line['split'] == part]))
            self.assertGreater(data[part], 0)
        of = {}
        for line in lines:
            of.setdefault(line['patient'], set()).add(line['split'])
        self.assertEqual(data['patients_in_both'], len([parts for parts in of.values() if len(parts) > 1]))

    def test_a_division_that_is_none_is_named(self):
        for change, says in ((lambda text: text.replace('validate', 'valid', 1), 'other than train, validate and test'),
                             (lambda text: text.replace('dicom_id', 'dicom', 1), 'line 1'), (lambda text: '', 'is not there'),
                             (lambda text: text.replace(',train', '', 1), 'no split')):
            datasets = program.new_folder('datasets')
            shutil.copytree(os.path.join(self.datasets, 'mimic'), os.path.join(datasets, 'mimic'))
            path = os.path.join(datasets, 'mimic', 'mimic-cxr-2.0.0-split.csv')
            with open(path, encoding='ascii') as file:
                text = file.read()
            with open(path, 'w', encoding='ascii') as file:
                file.write(change(text))
            done = program.run('train', '--datasets', datasets, '--dataset', 'mimic', '--out', program.new_folder('out') + '/x',
                               '--set', 'table_format=mimic', '--set', 'split_by=list', '--set', 'epochs=0')
            self.assertEqual(done.returncode, 1, done)
            self.assertIn("mimic-cxr-2.0.0-split.csv", done.stderr)
            self.assertIn(says, done.stderr)

    def chexpert_as_it_is_laid_out(self):
        """train.csv and valid.csv, in a folder of data sets: the last two patients are the second's, and their pictures lie in valid/."""
        datasets = program.new_folder('datasets')
        home = os.path.join(datasets, 'chexpert')
        shutil.copytree(os.path.join(self.datasets, 'chexpert'), home)
        table = tables.rows('chexpert', 'train.csv')
        patients = sorted({row['Path'].split('/')[2] for row in table})
        for name, part in (('train', patients[:-2]), ('valid', patients[-2:])):
            with open(os.path.join(home, f'{name}.csv'), 'w', encoding='ascii', newline='') as file:
                out = csv.DictWriter(file, table[0].keys())
                out.writeheader()
                out.writerows({**row, 'Path': row['Path'].replace('/train/', f'/{name}/')} for row in table if row['Path'].split('/')[2] in part)
        for patient in patients[-2:]:
            os.makedirs(os.path.join(home, 'valid'), exist_ok=True)
            shutil.move(os.path.join(home, 'train', patient), os.path.join(home, 'valid', patient))
        return datasets, home, table, patients[-2:]

    def test_chexperts_two_tables_are_a_division(self):
        datasets, home, table, tested = self.chexpert_as_it_is_laid_out()
        server = program.Server(datasets=datasets)
        self.addCleanup(server.stop)
        ask = {**JOB, 'dataset': 'chexpert', 'table_format': 'chexpert', 'split_by': 'list', 'views': 'all'}
        job = wait_state(server, submit(server, ask), 'succeeded')
        lines = list(csv.DictReader(client.get(server, f'/jobs/{job["id"]}/scores?split=all').body.decode().splitlines()))
        parts = {line['image']: line['split'] for line in lines}
        self.assertEqual(set(parts), {row['Path'].split('/', 2)[2].removesuffix('.jpg') for row in table})
        self.assertEqual({name for name, part in parts.items() if part == 'test'}, {name for name in parts if name.split('/')[0] in tested})
        self.assertGreater(list(parts.values()).count('validation'), 0)
        self.assertEqual((job['dataset']['rows'], job['dataset']['missing_images'], job['dataset']['patients_in_both']), (len(table), 0, 0))
        one = wait_state(server, submit(server, {**ask, 'split_by': 'patient'}), 'succeeded')
        self.assertEqual(one['dataset']['rows'], len([row for row in table if row['Path'].split('/')[2] not in tested]), 'the first alone')

    def test_a_fault_of_the_second_table_is_told_with_its_name_and_line(self):
        datasets, home, table, tested = self.chexpert_as_it_is_laid_out()
        path = os.path.join(home, 'valid.csv')
        with open(path, encoding='ascii') as file:
            head, first, *rest = file.read().splitlines()
        denied = first.replace(',1.0', ',0.0') if ',1.0' in first else first + '.'
        self.assertTrue(tested and denied != first)
        for lines, says in (([head, first[:30]], "'valid.csv' lacks columns in line 2"), (['Path', first], "'valid.csv'"),
                            ([head, *rest, first, denied], f"'valid.csv' says of 1 picture in one row that a finding is there and in another that it is not, "
                                                           f"the first again in line {len(rest) + 3}")):
            with open(path, 'w', encoding='ascii') as file:
                file.writelines(f'{line}\n' for line in lines)
            done = program.run('train', '--datasets', datasets, '--dataset', 'chexpert', '--out', program.new_folder('out') + '/x',
                               '--set', 'table_format=chexpert', '--set', 'split_by=list', '--set', 'epochs=0')
            self.assertEqual(done.returncode, 1, done)
            self.assertIn(says, done.stderr)

    def test_lists_of_chexperts_own_division(self):
        """Lists say it where there are some, whatever other tables there are."""
        datasets = program.new_folder('datasets')
        home = os.path.join(datasets, 'chexpert')
        shutil.copytree(os.path.join(self.datasets, 'chexpert'), home)
        names = [row['Path'].split('/', 2)[2].removesuffix('.jpg') for row in tables.rows('chexpert', 'train.csv')]
        patients = sorted({name.split('/')[0] for name in names})
        for file, part in (('train_val_list.txt', patients[:-3]), ('validation_list.txt', patients[-3:-1]), ('test_list.txt', patients[-1:])):
            with open(os.path.join(home, file), 'w', encoding='ascii') as out:
                out.writelines(f'{name}\n' for name in names if name.split('/')[0] in part)
        server = program.Server(datasets=datasets)
        self.addCleanup(server.stop)
        job = wait_state(server, submit(server, {**JOB, 'dataset': 'chexpert', 'table_format': 'chexpert', 'split_by': 'list', 'views': 'all'}), 'succeeded')
        lines = list(csv.DictReader(client.get(server, f'/jobs/{job["id"]}/scores?split=all').body.decode().splitlines()))
        parts = {line['image']: line['split'] for line in lines}
        self.assertEqual(parts, {name: 'test' if name.split('/')[0] in patients[-1:] else 'validation' if name.split('/')[0] in patients[-3:-1] else 'train'
                                 for name in names if name in parts})
        self.assertEqual((len(parts), job['dataset']['patients_in_both']), (len(names), 0))

    def test_padchest(self):
        job = self.train('padchest', table_format='padchest')
        self.check(job, 12, rows=17, dropped_views=2, dropped_unlabelled=3)
        self.assertEqual(self.said(job, 'Cardiomegaly'), (5, 7, 0, 0))
        self.assertEqual(self.said(job, 'Effusion'), (3, 8, 0, 1))
        self.assertEqual(job['dataset']['misfits']['other_words'], 5)
        self.assertIn('contradicting_findings', self.codes(job))
        own = self.train('padchest', table_format='padchest', labels=['scoliosis', 'Cardiomegaly'])
        self.assertEqual(self.said(own, 'scoliosis'), (1, 10, 0, 1))

    def test_vindr(self):
        for name, table, normal in (('vindr', 'image_labels_train.csv', 3), ('vindr_boxes', 'train.csv', 4)):
            with self.subTest(name):
                job = self.train(name, table_format='vindr', csv=table)
                self.check(job, 14, rows=42 if name == 'vindr' else 59)
                self.assertEqual(self.said(job, 'Cardiomegaly'), (3, 11, 0, 0))
                self.assertEqual(self.said(job, 'Nodule or Mass'), (1, 13, 0, 0))
                self.assertEqual(sum(part['no_finding'] for part in job['dataset']['splits'].values()), normal)
                self.assertNotIn('joined_rows', self.codes(job))

    def test_a_table_of_ones_own(self):
        own = {'table_format': 'csv', 'mapping': 'mapping.json', 'images': 'images/*/*.png',
               'labels': ['Effusion', 'Mass', 'Fracture']}
        job = self.train('csv', **own)
        self.check(job, 12, rows=14, dropped_views=1, dropped_unlabelled=1)
        self.assertEqual(self.said(job, 'Effusion'), (5, 6, 1, 0))
        self.assertEqual(self.said(job, 'Fracture'), (2, 8, 1, 1))
        self.assertEqual(job['dataset']['unknown_labels'], {'Effusion': 1, 'Mass': 1, 'Fracture': 2})
        failed = self.train('csv', state='failed', **{**own, 'labels': ['Effusion', 'Hernia']})
        self.assertIn("no column of 'Hernia'", failed['error'])

    def test_files_that_a_format_needs_must_be_there(self):
        for fields, wrong in (({'dataset': 'csv', 'table_format': 'csv', 'mapping': 'other.json'}, 'mapping'),
                              ({'dataset': 'csv', 'table_format': 'csv'}, 'mapping'),
                              ({'dataset': 'vindr', 'table_format': 'mimic', 'csv': 'x-chexpert.csv'}, 'csv'),
                              ({'dataset': 'chexpert', 'table_format': 'padchest'}, 'csv')):
            with self.subTest(fields):
                problem = self.assert_problem(self.post_json('/jobs/train', {**JOB, **fields}), 422)
                self.assertEqual({error['field'] for error in problem['errors']}, {wrong})


class Masked(Case):
    """A label that is not known takes no part: not in a step, not in what is kept."""

    def tensors(self, datasets, **fields):
        out = os.path.join(program.new_folder('out'), 'out')
        sets = {**{key: JOB[key] for key in JOB if key != 'dataset'}, 'table_format': 'chexpert', 'steps_per_epoch': 3, 'learning_rate': 0.003, 'missing_labels': 'unknown', **fields}
        done = program.run('train', '--datasets', datasets, '--dataset', 'chexpert', '--out', out, '--threads', '2',
                           *(word for key, value in sets.items()
                             for word in ('--set', f'{key}={json.dumps(value) if not isinstance(value, str) else value}')))
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(out, 'weights.safetensors'), 'rb') as file:
            data = file.read()
        head, end = dataset.header(data)
        return {name: data[end + t['data_offsets'][0]:end + t['data_offsets'][1]] for name, t in head.items() if name != '__metadata__'}

    def test_uncertain_and_unsaid_are_one_where_neither_is_known(self):
        datasets = tables.folder()
        table = os.path.join(datasets, 'chexpert', 'train.csv')
        uncertain = self.tensors(datasets, labels=['Edema', 'Cardiomegaly', 'Support Devices'])
        with open(table, encoding='ascii') as file:
            text = file.read()
        with open(table, 'w', encoding='ascii') as file:
            file.write(text.replace('-1.0', ''))
        self.assertNotEqual(text, text.replace('-1.0', ''))
        self.assertEqual(self.tensors(datasets, labels=['Edema', 'Cardiomegaly', 'Support Devices']), uncertain)
        with open(table, 'w', encoding='ascii') as file:
            file.write(text.replace('-1.0', '1.0'))
        self.assertNotEqual(self.tensors(datasets, labels=['Edema', 'Cardiomegaly', 'Support Devices']), uncertain)

    def test_the_head_of_a_finding_of_which_nothing_is_known_stays_as_it_began(self):
        datasets = tables.folder()
        table = os.path.join(datasets, 'chexpert', 'train.csv')
        with open(table, encoding='ascii', newline='') as file:
            lines = list(csv.DictReader(file))
        for line in lines:
            line['Fracture'] = '-1.0'
        with open(table, 'w', encoding='ascii', newline='') as file:
            writer = csv.DictWriter(file, lines[0].keys())
            writer.writeheader()
            writer.writerows(lines)
        tensors = self.tensors(datasets, labels=['Edema', 'Fracture'])
        rows_of = [tensors['head.weight'][i * len(tensors['head.weight']) // 2:(i + 1) * len(tensors['head.weight']) // 2]
                   for i in (0, 1)]
        known, unknown = ({abs(value) for value, in struct.iter_unpack('<f', row)} for row in rows_of)
        self.assertEqual(unknown, {0})
        self.assertNotEqual(known, {0})
        self.assertEqual(struct.unpack('<2f', tensors['head.bias'])[1], 0)


if __name__ == '__main__':
    unittest.main()
