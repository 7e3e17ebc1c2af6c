"""Training jobs over HTTP: what is refused, what is recorded, how they end."""
import csv
import hashlib
import json
import os
import shutil
import unittest

from support import client, dataset, program
from support.case import (LONG, NOTHING, QUICK, Case, ServerCase, import_model, job_of, needs_data, submit, wait_state,
                          wait_training)

RECORD = ('id', 'type', 'state', 'phase', 'progress', 'eta_s', 'created_at', 'begun_at', 'started_at', 'finished_at', 'config',
          'dataset', 'epochs', 'validation_loss', 'top5_accuracy', 'baseline', 'transfer', 'calibration', 'evaluation', 'model',
          'error', 'environment', 'weights_sha256', 'replay', 'warnings')
TIME = r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$'


def of_data(record):
    """Warnings but those of the figures: so short a training learns nothing, or something by chance."""
    return [warning for warning in record['warnings'] if warning['code'] != 'not_learned']


class Config(ServerCase):
    """Every wrong field is named, and nothing starts."""

    with_data = True

    def tearDown(self):
        self.assertEqual(self.get('/jobs').json()['jobs'], [])

    def refuse(self, job, *fields):
        return self.assert_wrong_fields(self.post_json('/jobs/train', job), *fields)

    def test_every_wrong_value_of_every_field_is_named(self):
        paths = (5, None, True, [], {}, '', '/etc', '/', '..', '../tiny', 'a/../b', './a', 'a//b', 'a/', 'a\n', 'a\\b',
                 'x' * 513, 'a/' * 300 + 'a', 'x' * 256)
        integers = ('1', None, True, [], 1.5, -1, 2**31, 2**53, 1e300)
        numbers = ('1', None, True, [], -1e9, 1e300)
        rows = {
            'dataset': paths + ('nothing', 'tiny*', 'ti?y'), 'csv': paths + ('nothing.csv', '*.csv', 'images_001'),
            'images': paths, 'recipe': (5, None, '', 'Standard', 'best'), 'epochs': integers + (1001,),
            'steps_per_epoch': integers, 'validation_steps': integers, 'batch_size': integers + (0, 257), 'shards': integers + (3, 24, 33),
            'learning_rate': numbers + (0, 2, -1), 'seed': ('1', None, True, [], 1.5, -1, 2**53, 1e300),
            'split_seed': ('1', None, True, [], 1.5, -1, 2**53, 1e300), 'validation_batch_size': integers + (0, 1000001),
            'test_rows': integers + (2000001,), 'initializer': (0, None, 'glorot', 'He_uniform'), 'keep_best': (0, 1, 'true', None),
            'architecture': (0, None, 'MLP', 'vgg', 'logistic', 'graph'), 'channels': integers + (0, 2, 4), 'norms': (0, None, 'Batch', 'running'), 'norm_momentum': numbers + (1.1, -0.1),
            'head': (0, None, 'GAP', '4'), 'image_size': integers + (0, 63, 65, 100, 1025, 1040), 'resize': (5, None, 'cubic'),
            'input_mean': numbers + (256,), 'input_std': numbers + (0,), 'head_bias': (0, 'one'),
            'lr_schedule': (0, 'step'), 'weight_decay': numbers + (11,),
            'weight_decay_scope': (0, None, 'backbone'), 'freeze': (0, None, 'head'), 'backbone_rate': numbers + (0, -0.1, 1.1), 'clip_norm': numbers + (-1, 1e7),
            'ema': numbers + (-0.1, 1), 'patience': integers + (1001,),
            'test_fraction': numbers + (0.91, 1, -0.1), 'val_fraction': numbers + (0, 0.91),
            'split_by': (0, None, 'random'), 'max_age': integers + (1001,), 'drop_no_finding': (0, 1, 'true', None),
            'inputs': (None, 'age', {}, [1], ['height'], ['age', 'age']), 'augment': (0, 1, 'true', None), 'dropout': numbers + (0.91, -0.1), 'balance': (0, None, 'both'),
            'head_scale': numbers + (1.1,), 'calibrate': (0, 1, 'true', None, 'platt'),
            'table_format': (5, None, '', 'NIH', 'chexpert2'), 'mapping': (5, True, [], '', '/etc/passwd', '../m.json', 'm.json'),
            'uncertain_labels': (0, None, 'one', 'Ignore'), 'missing_labels': (0, None, 'zeros'), 'views': (0, None, 'PA'),
            'init': (5, 'x', 'x' * 37, '00000000-0000'), 'shuffle': (0, 'false', None), 'missing_images': (0, 'ignore'),
            'transfer_layer': (0, '', [], 'x' * 513), 'transfer_pooling': (0, None, 'both'), 'transfer_views': integers + (17,),
            'transfer_l2': (0, None, '3', [], {}, [0], ['3'], [3, 3], [None], list(range(1, 18))),
        }
        for field, values in rows.items():
            for value in values:
                with self.subTest(field=field, value=value):
                    self.refuse({'dataset': 'tiny', field: value}, field)

    def test_a_split_by_lists_that_are_not_there_is_refused(self):
        problem = self.assert_problem(self.post_json('/jobs/train', {'dataset': 'tiny', 'split_by': 'list'}), 422)
        self.assertEqual({error['field'] for error in problem['errors']}, {'split_by'})

    def test_a_frozen_backbone_needs_a_model_and_has_no_rate(self):
        self.refuse({'dataset': 'tiny', 'freeze': 'backbone'}, 'freeze')
        self.refuse({'dataset': 'tiny', 'freeze': 'backbone', 'backbone_rate': 0.1}, 'backbone_rate')

    def test_all_wrong_fields_are_named_at_once(self):
        self.refuse({'dataset': '/', 'epochs': -1, 'learning_rate': 'fast', 'seed': 1.5, 'image_size': 100, 'shuffle': 0,
                     'recipe': 'best', 'init': 5, 'colour': 'blue'},
                    'dataset', 'epochs', 'learning_rate', 'seed', 'image_size', 'shuffle', 'recipe', 'init', 'colour')

    def test_unknown_fields_are_refused(self):
        for field in ('epohcs', 'Epochs', 'epochs ', '', 'lr', '__proto__', 'état', 'x' * 500):
            with self.subTest(field):
                self.refuse({'dataset': 'tiny', field: 1}, field)

    def test_what_is_no_object_is_refused(self):
        self.refuse([], '')
        self.refuse([{'dataset': 'tiny'}], '')

    def test_what_is_no_json_is_400(self):
        for body in ('{', '{"dataset":"tiny"', '{"dataset":"tiny",}', "{'dataset':'tiny'}", 'dataset=tiny', '"tiny"', '5',
                     'null', '{"dataset":"tiny"} x', '{"epochs":01}', '{"epochs":NaN}', '{"epochs":Infinity}',
                     '{"epochs":1e999}', '{"epochs":9223372036854775808}', '{"dataset":"\\u0000"}', '{"dataset":"\\ud800"}',
                     '{"a\0b":1}', b'{"dataset":"\xff"}', b'{"dataset":"\xc0\xaf"}', b'\xef\xbb\xbf\xef\xbb\xbf{}', b'\xff\xfe{\0}\0', ' '):
            with self.subTest(body):
                self.assert_problem(self.post_json('/jobs/train', body), 400, 'not JSON')

    def test_duplicate_keys_are_400(self):
        self.assert_problem(self.post_json('/jobs/train', '{"dataset":"tiny","epochs":1,"epochs":2}'), 400, 'duplicate')

    def test_a_depth_bomb_is_400(self):
        for body in ('[' * 30000 + ']' * 30000, '{"a":' * 10000 + '1' + '}' * 10000, '[' * 60000):
            self.assert_problem(self.post_json('/jobs/train', body), 400, 'not JSON')

    def test_another_content_type_is_415(self):
        body = json.dumps(QUICK)
        for kind in ('text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', 'application/problem+json',
                     'multipart/form-data; boundary=b', 'x' * 300):
            with self.subTest(kind):
                self.assert_problem(self.post('/jobs/train', body, Content_Type=kind), 415, 'application/json')
        with client.Raw(self.server) as raw:
            raw.send(client.head('POST', '/jobs/train', f'Content-Length: {len(body)}') + body.encode())
            self.assert_problem(raw.reply('POST', '/jobs/train'), 415, 'application/json')

    def test_an_idempotency_key_that_is_too_long_is_refused_and_never_ignored(self):
        for key in ('k' * 256, '', ' '):
            self.assert_problem(self.post_json('/jobs/train', QUICK, Idempotency_Key=key), 400, 'Idempotency-Key')

    def test_boundaries_of_ranges_are_accepted(self):
        """A field that is unknown keeps the job from starting; nothing else must be wrong with it."""
        least = {'epochs': 0, 'steps_per_epoch': 0, 'validation_steps': 0, 'batch_size': 1, 'shards': 0, 'norm_momentum': 0, 'learning_rate': 1e-9, 'seed': 0,
                 'split_seed': 0, 'validation_batch_size': 1, 'test_rows': 0,
                 'channels': 1, 'image_size': 64, 'input_mean': -255, 'input_std': 1e-3, 'weight_decay': 0, 'backbone_rate': 1e-9, 'clip_norm': 0, 'ema': 0, 'patience': 0,
                 'test_fraction': 0, 'val_fraction': 0.001, 'max_age': 0}
        most = {'epochs': 1000, 'steps_per_epoch': 1000000, 'validation_steps': 1000000, 'batch_size': 256, 'shards': 32, 'norm_momentum': 1,
                'learning_rate': 1, 'seed': 2**53 - 1,
                'split_seed': 2**53 - 1, 'validation_batch_size': 1000000, 'test_rows': 2000000, 'channels': 3, 'image_size': 1024, 'input_mean': 255, 'input_std': 1e4,
                'weight_decay': 10, 'backbone_rate': 1, 'clip_norm': 1e6, 'ema': 0.99999, 'patience': 1000, 'test_fraction': 0.9, 'val_fraction': 0.9, 'max_age': 1000}
        for ends in (least, most, {k: float(v) for k, v in least.items()}):
            self.refuse({'dataset': 'tiny', 'images': 'i*_[0-9]??/im*/*.png', 'init': None, 'x': 1, **ends}, 'x')


class Paths(Case):
    """Files outside the data-set folder stay there."""

    @classmethod
    def setUpClass(cls):
        cls.datasets = program.new_folder('datasets')
        inside = os.path.join(cls.datasets, 'inside')
        outside = os.path.join(program.new_folder('outside'), 'secret')
        for folder in (inside, outside):
            dataset.write_table(folder)
            dataset.write_images(folder, range(12))
        os.symlink(outside, os.path.join(cls.datasets, 'link'))
        os.symlink(os.path.join(outside, 'Data_Entry_2017.csv'), os.path.join(inside, 'link.csv'))
        os.symlink(outside, os.path.join(inside, 'folder'))
        os.mkfifo(os.path.join(inside, 'fifo.csv'))
        os.symlink('/dev/zero', os.path.join(inside, 'zero.csv'))
        os.symlink(os.path.join(outside, 'images_001'), os.path.join(inside, 'images_002'))
        cls.server = program.Server(datasets=cls.datasets)
        cls.addClassCleanup(cls.server.stop)

    def refuse(self, field, **job):
        self.assert_wrong_fields(client.post_json(self.server, '/jobs/train', job), field)

    def test_a_data_set_that_is_a_link_is_422(self):
        self.refuse('dataset', dataset='link')
        self.refuse('dataset', dataset='inside/folder')

    def test_a_folder_whose_name_begins_with_a_dot_is_no_data_set(self):
        """Such as what POST /datasets has gathered so far."""
        for path in ('.fetch-0123abcd-0000/unpacked', '.hidden', 'inside/.hidden', '..x'):
            folder = os.path.join(self.datasets, path)
            dataset.write_table(folder)
            self.addCleanup(shutil.rmtree, folder)
            with self.subTest(path):
                reply = client.post_json(self.server, '/jobs/train', {'dataset': path, 'epochs': 0})
                self.assertIn('begins with a dot', self.assert_wrong_fields(reply, 'dataset')['errors'][0]['detail'])

    def test_a_table_behind_a_link_is_422(self):
        for path in ('link.csv', 'folder/Data_Entry_2017.csv', 'zero.csv'):
            with self.subTest(path):
                self.refuse('csv', dataset='inside', csv=path)

    def test_a_table_that_is_no_regular_file_is_422(self):
        self.refuse('csv', dataset='inside', csv='fifo.csv')
        self.refuse('csv', dataset='inside', csv='images_001')

    def test_the_only_data_set_needs_no_name(self):
        job = submit(self.server, {'epochs': 0})  # a link is no data set
        self.assertEqual(job_of(self.server, job)['config']['dataset'], 'inside')

    def test_several_data_sets_need_a_name_that_is_right_and_are_listed(self):
        other = os.path.join(self.datasets, 'other')
        os.mkdir(other)
        self.addCleanup(os.rmdir, other)
        for job in ({}, {'dataset': 'insdie'}):
            with self.subTest(job):
                problem = self.assert_wrong_fields(client.post_json(self.server, '/jobs/train', job), 'dataset')
                self.assertIn('inside, other', problem['errors'][0]['detail'])

    def test_images_behind_a_link_are_not_found(self):
        job = submit(self.server, {'dataset': 'inside', 'epochs': 0, 'images': 'images_*/images/*.png'})
        record = wait_state(self.server, job, 'succeeded')
        self.assertEqual(record['dataset']['usable'], 10)  # of images_001, without the two normal ones


class BadData(Case):
    """A table that cannot be used fails the job with one sentence that says why."""

    @classmethod
    def setUpClass(cls):
        cls.datasets = program.new_folder('datasets')
        cls.server = program.Server(datasets=cls.datasets)
        cls.addClassCleanup(cls.server.stop)

    def fail_job(self, says, lines=None, columns=dataset.COLUMNS, images=range(8), **job):
        folder = os.path.join(self.datasets, 'bad')
        shutil.rmtree(folder, ignore_errors=True)
        dataset.write_table(folder, lines, columns)
        dataset.write_images(folder, images)
        record = wait_state(self.server, submit(self.server, {'dataset': 'bad', 'image_size': 64, **job}), 'failed')
        self.assertIn(says, record['error'])
        self.assertNotIn('\n', record['error'])
        self.assertIsNone(record['model'])
        self.assertRegex(record['finished_at'], TIME)
        return record

    def test_a_table_without_a_needed_column(self):
        self.fail_job("has no column 'Finding Labels'", columns=dataset.COLUMNS.replace('Finding Labels', 'Findings'))
        self.fail_job("has no column 'Image Index'", columns='a,b,c,d')

    def test_an_empty_table(self):
        self.fail_job('is empty', lines=[], columns='')

    def test_a_table_without_a_usable_row(self):
        self.fail_job('no row of the table is usable', lines=[])
        self.fail_job('no row of the table is usable', max_age=1)

    def test_a_row_without_its_columns(self):
        self.fail_job('line 3', lines=[dataset.line(1), '00000001_000.png,Mass'])

    def test_no_picture(self):
        self.fail_job('no picture found', images=())

    def test_a_pattern_that_matches_nothing(self):
        folder = os.path.join(self.datasets, 'fine')
        dataset.write_table(folder)
        dataset.write_images(folder, range(8))
        job = submit(self.server, {'dataset': 'fine', 'images': 'images_*/*.jpg'})
        self.assertIn("matches 'images_*/*.jpg'", wait_state(self.server, job, 'failed')['error'])

    def test_missing_pictures_where_none_may_be_missing(self):
        self.fail_job("'missing_images' is \"fail\"", missing_images='fail')

    def test_pictures_that_cannot_be_read(self):
        folder = os.path.join(self.datasets, 'broken')
        dataset.write_table(folder)
        dataset.write_images(folder)
        images = os.path.join(folder, 'images_001', 'images')
        for name in os.listdir(images):
            with open(os.path.join(images, name), 'wb') as file:
                file.write(b'no picture')
        record = wait_state(self.server, submit(self.server, {**QUICK, 'dataset': 'broken'}), 'failed')
        self.assertIn('can be read', record['error'])


class Record(ServerCase):
    """One job to its end, and everything that is said of it."""

    with_data = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        reply = client.post_json(cls.server, '/jobs/train', {**QUICK, 'epochs': 2})
        cls.accepted = reply
        cls.job = reply.json()['id']
        cls.record = wait_state(cls.server, cls.job, 'succeeded')

    def test_202_names_the_job_and_where_it_is(self):
        self.assertEqual(self.accepted.status, 202)
        self.assertEqual(self.accepted.headers['location'], f'/jobs/{self.job}')
        self.assertEqual(self.accepted.json(), {'id': self.job, 'state': 'queued', 'links': {
            'self': f'/jobs/{self.job}', 'events': f'/jobs/{self.job}/events', 'cancel': f'/jobs/{self.job}/cancel',
            'scores': f'/jobs/{self.job}/scores', 'report': f'/jobs/{self.job}/report'}})

    def test_the_record_has_all_fields_of_the_contract(self):
        self.assertEqual(set(RECORD) - set(self.record), set())
        self.assertEqual(self.record['type'], 'train')
        self.assertEqual((self.record['phase'], self.record['progress'], self.record['eta_s']), (None, 1, None))
        self.assertIsNone(self.record['error'])
        times = [self.record[at] for at in ('created_at', 'begun_at', 'finished_at')]
        self.assertEqual(self.record['started_at'], self.record['begun_at'])
        self.assertEqual(times, sorted(times))
        for text in times:
            self.assertRegex(text, TIME)

    def test_its_config_has_every_field_resolved(self):
        expected = {'dataset': 'tiny', 'csv': 'Data_Entry_2017.csv', 'images': 'images_*/images/*.png', 'recipe': 'standard',
                    'epochs': 2, 'steps_per_epoch': 1, 'validation_steps': 0, 'batch_size': 8, 'image_size': 64, 'architecture': 'cnn4', 'head': 'flatten', 'channels': 3,
                    'seed': 1, 'split_seed': 1, 'initializer': 'he_uniform', 'keep_best': True, 'test_rows': 0, 'split_by': 'patient', 'test_fraction': 0.1, 'val_fraction': 0.2, 'max_age': 120,
                    'drop_no_finding': True, 'shuffle': True, 'missing_images': 'skip', 'init': None}
        self.assertEqual({k: self.record['config'][k] for k in expected}, expected)

    def test_its_data_is_counted(self):
        data = self.record['dataset']
        named = [dataset.findings(i) for i in range(dataset.ROWS - dataset.OLD)]
        used = [f for f in named if f != ['No Finding']]
        self.assertEqual((data['rows'], data['dropped_age']), (dataset.ROWS, dataset.OLD))
        self.assertEqual(data['dropped_no_finding'], len(named) - len(used))
        self.assertEqual((data['missing_images'], data['not_listed'], data['unreadable_images']), (0, 0, 0))
        self.assertEqual((data['usable'], data['split_by'], data['patients_in_both']), (len(used), 'patient', 0))
        self.assertEqual(data['train'] + data['validation'] + data['test'], data['usable'])
        self.assertEqual(data['label_counts'], {label: sum(label in f for f in used) for label in dataset.LABELS})
        self.assertEqual(data['cooccurrence'], [[sum(a in f and b in f for f in used) for b in dataset.LABELS]
                                                for a in dataset.LABELS])
        with open(os.path.join(dataset.tiny(), 'tiny', 'Data_Entry_2017.csv'), 'rb') as table:
            self.assertEqual(data['csv_sha256'], hashlib.sha256(table.read()).hexdigest())
        self.assertRegex(data['split_sha256'], r'^[0-9a-f]{64}$')
        self.assertEqual((data['init_split'], of_data(self.record)), (None, []))

    def test_its_epochs_are_told(self):
        self.assertEqual([e['epoch'] for e in self.record['epochs']], [1, 2])
        for epoch in self.record['epochs']:
            self.assertEqual(set(epoch), {'epoch', 'loss', 'top5_accuracy', 'val_loss', 'val_top5_accuracy',
                                          'val_macro_auroc', 'images_per_s', 'seconds', 'learning_rate', 'val_auroc'})
            self.assertGreater(epoch['seconds'], 0)
        best = min(self.record['epochs'], key=lambda e: e['val_loss'])
        self.assertEqual(self.record['validation_loss'], best['val_loss'])
        self.assertEqual(self.record['top5_accuracy'], best['val_top5_accuracy'])
        self.assertEqual(self.record['kept_epoch'], best['epoch'])
        self.assertEqual(set(self.record['baseline']), {'validation_loss', 'top5_accuracy'})

    def test_it_is_evaluated_on_every_split(self):
        evaluation = self.record['evaluation']
        for split in ('validation', 'test'):
            self.assertEqual(set(evaluation[split]),
                             {'rows', 'patients', 'loss', 'top5_accuracy', 'baseline', 'by_sample', 'findings', 'inputs_alone'} |
                             {f'{mean}_{measure}' for mean in ('macro', 'micro')
                              for measure in ('auroc', 'average_precision', 'brier', 'ece', 'ece_expected',
                                              'ece_expected_sd')} |
                             {f'{figure}_{end}' for figure in ('loss', 'macro_auroc', 'macro_brier')
                              for end in ('low', 'high')} |
                             ({'input_gate'} if split == 'validation' else set()))
            self.assertEqual(set(evaluation[split]['baseline']), {'loss', 'top5_accuracy', 'macro_brier'})
            self.assertEqual(evaluation[split]['rows'], self.record['dataset'][split])
            self.assertEqual([f['label'] for f in evaluation[split]['findings']], list(dataset.LABELS))
            for finding in evaluation[split]['findings']:
                self.assertEqual(set(finding), {'label', 'positives', 'positive_patients', 'prevalence', 'base_rate',
                                                'predicted_mean', 'auroc', 'auroc_low', 'auroc_high', 'average_precision',
                                                'brier', 'brier_low', 'brier_high', 'baseline_brier', 'ece', 'ece_expected',
                                                'ece_expected_sd', 'unknown', 'threshold', 'sensitivity', 'specificity',
                                                'operating_points'})
                if finding['positives'] in (0, evaluation[split]['rows']):
                    self.assertIsNone(finding['auroc'])
        if self.record['calibration']['method'] == 'none':
            self.assertAlmostEqual(evaluation['validation']['loss'], self.record['validation_loss'], places=6)
        else:
            self.assertLess(evaluation['validation']['loss'], self.record['validation_loss'])
        self.assertAlmostEqual(self.record['calibration']['loss_before'], self.record['validation_loss'], places=6)
        self.assertEqual([f['label'] for f in evaluation['no_finding']['findings']], list(dataset.LABELS))

    def test_its_normal_chests_are_of_patients_it_has_not_learned_from(self):
        """A patient has two rows, and of those with a normal chest the other has findings."""
        test, normal = ({line[0] for line in list(csv.reader(self.get(f'/jobs/{self.job}/scores?split={split}').body.decode()
                                                             .splitlines()))[1:]} for split in ('test', 'no_finding'))
        dropped = [i for i in range(dataset.ROWS - dataset.OLD) if dataset.findings(i) == ['No Finding']]
        self.assertEqual(len(dropped), self.record['dataset']['dropped_no_finding'])
        learned_from = {i for i in dropped if i + 1 < dataset.ROWS - dataset.OLD and dataset.name(i + 1) not in test}
        self.assertEqual(normal, {dataset.name(i) for i in dropped if i not in learned_from})
        self.assertGreater(len(normal), 0)
        self.assertGreater(len(learned_from), 0)

    def test_its_environment_is_told(self):
        self.assertLessEqual({'cores', 'simd', 'blas', 'build'}, set(self.record['environment']))
        self.assertEqual(self.record['environment']['build'], self.get('/version').json()['build'])

    def test_its_model_is_the_first_and_so_active(self):
        card = self.get(f'/models/{self.record["model"]}').json()
        self.assertEqual((card['job'], card['imported'], card['population']), (self.job, False, 'findings-only'))
        self.assertEqual(self.get('/models').json()['active'], card['id'])
        self.assertEqual(self.post('/predict', dataset.image(1)).json()['model']['job'], self.job)

    def test_its_scores_are_those_that_predict_gives(self):
        for split in ('validation', 'test', 'no_finding'):
            with self.subTest(split):
                reply = self.get(f'/jobs/{self.job}/scores?split={split}')
                self.assertEqual((reply.status, reply.headers['content-type']), (200, 'text/csv; charset=utf-8'))
                lines = list(csv.reader(reply.body.decode().splitlines()))
                self.assertEqual(lines[0], ['image'] + [f'{kind}_{label}' for kind in ('true', 'prob')
                                                        for label in dataset.LABELS])
                self.assertEqual(len(lines) - 1, self.record['evaluation'][split]['rows'])
                order = [i for name in lines[1:] for i in range(dataset.ROWS) if dataset.name(i) == name[0]]
                self.assertEqual(order, sorted(set(order)))  # of the table
                for i, line in zip(order, lines[1:]):
                    self.assertEqual(line[1:15], [str(int(label in dataset.findings(i))) for label in dataset.LABELS])
                for i, line in list(zip(order, lines[1:]))[:3]:
                    told = self.post('/predict', dataset.image(i)).json()['probabilities']
                    for label, text in zip(dataset.LABELS, line[15:]):
                        self.assertAlmostEqual(float(text), told[label], delta=1e-6)

    def test_its_scores_are_of_validation_unless_asked_otherwise(self):
        self.assertEqual(self.get(f'/jobs/{self.job}/scores').body,
                         self.get(f'/jobs/{self.job}/scores?split=validation').body)

    def test_there_are_no_scores_of_another_split(self):
        for split in ('train', '', 'Validation', '../../cxrd.db'):
            self.assert_problem(self.get(f'/jobs/{self.job}/scores?split={split}'), 422, 'there is no split')

    def test_it_cannot_be_cancelled_any_more(self):
        self.assert_problem(self.post(f'/jobs/{self.job}/cancel'), 409, 'succeeded')

    def test_cxrd_train_does_the_same(self):
        """Same data, seed and threads: the same weights, bit for bit."""
        out = os.path.join(program.new_folder('trained'), 'out')
        fields = [f'{k}={v}' for k, v in {**QUICK, 'epochs': 2}.items()]
        done = program.run('train', '--datasets', dataset.tiny(), '--out', out, '--threads', '2',
                           *[word for field in fields for word in ('--set', field)])
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(out, 'weights.safetensors'), 'rb') as file:
            there = file.read()
        here = self.get(f'/models/{self.record["model"]}/weights').body
        size = 445774 * 4
        self.assertEqual(here[-size:], there[-size:])
        with open(os.path.join(out, 'scores_validation.csv'), 'rb') as file:
            self.assertEqual(file.read(), self.get(f'/jobs/{self.job}/scores').body)

    def test_a_job_may_start_from_its_model(self):
        job = submit(self.server, {'dataset': 'tiny', 'epochs': 1, 'steps_per_epoch': 1, 'batch_size': 8, 'image_size': 256,
                                   'recipe': 'notebook', 'validation_steps': 1, 'init': self.record['model']})
        record = wait_state(self.server, job, 'succeeded')
        self.assertEqual(record['config']['init'], self.record['model'])
        self.assertEqual((record['config']['image_size'], record['config']['resize']), (64, 'area'))  # the model's
        self.assertNotEqual(record['model'], self.record['model'])
        self.assertEqual(self.get('/models').json()['active'], self.record['model'])  # promote is by hand

    def test_figures_on_drawn_rows_say_of_how_many(self):
        job = submit(self.server, {**QUICK, 'validation_steps': 2, 'validation_batch_size': 3})
        record = wait_state(self.server, job, 'succeeded')
        rows = record['dataset']['validation']
        self.assertGreater(rows, 6)
        page, whole = (self.get(f'/jobs/{one}/report').body.decode() for one in (job, self.job))
        self.assertIn(f'{record["validation_loss"]:.4f}, on the 6 rows that were drawn of the split\'s {rows}; predicting', page)
        self.assertEqual(page.count('Validation, 6 drawn rows: '), 2)
        self.assertIn(f'{self.record["validation_loss"]:.4f}; predicting', whole)
        self.assertEqual(whole.count('"row">Validation: '), 2)

    def test_its_backbone_may_be_frozen(self):
        record = wait_state(self.server, submit(self.server, {**QUICK, 'init': self.record['model'], 'freeze': 'backbone'}), 'succeeded')
        self.assertEqual(record['config']['freeze'], 'backbone')
        files = [self.get(f'/models/{model}/weights').body for model in (self.record['model'], record['model'])]
        before, after = (data[dataset.header(data)[1]:] for data in files)
        head = (14 * 256 * 4 * 4 + 14) * 4
        self.assertEqual(before[:-head], after[:-head])
        self.assertNotEqual(before[-head:], after[-head:])

    def begun_from(self, model, init_split, **fields):
        """The record of a job that begins from a model; what is known of that one must be said wherever figures are."""
        record = wait_state(self.server, submit(self.server, {**QUICK, **fields, 'init': model}), 'succeeded')
        self.assertEqual(record['dataset']['init_split'], init_split)
        self.assertEqual([w['code'] for w in of_data(record)], [] if init_split == 'same' else ['init_split'])
        card = self.get(f'/models/{record["model"]}').json()
        self.assertEqual(card['warnings'], of_data(record))
        self.assertEqual({k: card['data'][k] for k in ('split_sha256', 'init_split')},
                         {k: record['dataset'][k] for k in ('split_sha256', 'init_split')})
        report = self.get(f'/jobs/{record["id"]}/report').body.decode()
        self.assertEqual('Warning:</strong> the training began from' in report, init_split != 'same')
        return record

    def test_it_is_told_whether_a_job_that_begins_from_a_model_splits_the_rows_as_that_one_did(self):
        same = self.begun_from(self.record['model'], 'same')
        self.begun_from(same['model'], 'same')
        other = self.begun_from(same['model'], 'other', seed=2)
        self.begun_from(other['model'], 'other', seed=2)  # not all before it
        silent = import_model(self.server, dataset.without_note(dataset.weights(), 'data'), activate=False)
        self.assertEqual((silent['data'], silent['warnings']), (None, []))
        unknown = self.begun_from(silent['id'], 'unknown')
        self.begun_from(unknown['model'], 'unknown')

    def test_what_is_doubtful_of_a_model_travels_with_its_file_and_its_predictions(self):
        other = self.begun_from(self.record['model'], 'other', seed=2)
        again = import_model(self.server, self.get(f'/models/{other["model"]}/weights').body)
        self.addCleanup(self.post, f'/models/{self.record["model"]}/activate')
        self.assertEqual(again['warnings'], of_data(other))
        prediction = self.assert_prediction(self.post('/predict', dataset.image(1)))
        self.assertEqual(prediction['model']['warnings'], of_data(other))
        self.assertEqual(prediction['warnings'], [])  # the picture is a good one
        self.assertTrue(any(finding['threshold'] is not None for finding in prediction['findings']))

    def test_no_epochs_report_the_data_and_make_no_model(self):
        record = wait_state(self.server, submit(self.server, NOTHING), 'succeeded')
        self.assertEqual(record['dataset']['rows'], dataset.ROWS)
        self.assertEqual((record['model'], record['evaluation'], record['epochs']), (None, None, []))
        self.assert_problem(self.get(f'/jobs/{record["id"]}/scores'), 404, 'no scores')


class Queue(ServerCase):
    """One runs, others wait, more are sent away."""

    with_data = True
    arguments = ('--job-queue', '2')

    def test_a_long_job_and_those_behind_it(self):
        running = submit(self.server, LONG)
        first = wait_training(self.server, running)
        self.assertEqual((first['state'], first['phase'], first['model']), ('running', 'training', None))
        self.assertTrue(0 < first['progress'] < 1)
        self.assertGreater(first['eta_s'], 0)
        self.assertEqual((first['current']['epoch'], first['current']['steps']), (1, 1000000))
        self.assertGreater(first['current']['images_per_s'], 0)
        self.assertGreater(first['current']['loss'], 0)
        self.assertEqual(first['dataset']['rows'], dataset.ROWS)
        self.assertEqual(set(RECORD) - set(first), set())
        program.poll(lambda: job_of(self.server, running)['current']['step'] > first['current']['step'], 'the next step')

        queued = [submit(self.server, QUICK) for _ in range(2)]
        waiting = job_of(self.server, queued[0])
        self.assertEqual(set(RECORD) - set(waiting), set())
        self.assertEqual((waiting['state'], waiting['progress'], waiting['started_at'], waiting['dataset'],
                          waiting['epochs'], waiting['model'], waiting['error']), ('queued', 0, None, None, [], None, None))
        self.assertEqual(waiting['config']['epochs'], 1)

        problem = self.assert_problem(self.post_json('/jobs/train', QUICK), 429, running)
        self.assertIn('2 jobs', problem['detail'])
        self.assertNotIn('errors', problem)
        self.assert_wrong_fields(self.post_json('/jobs/train', {'dataset': 5}), 'dataset')  # wrong stays wrong
        self.assert_problem(self.get(f'/jobs/{queued[0]}/scores'), 404, 'no scores')

        listed = {j['id']: j for j in self.get('/jobs').json()['jobs']}
        self.assertEqual(list(listed), [queued[1], queued[0], running])
        self.assertEqual([j['state'] for j in listed.values()], ['queued', 'queued', 'running'])
        self.assertEqual(listed[running]['phase'], 'training')
        self.assertGreater(listed[running]['progress'], 0)
        for state, ids in (('running', [running]), ('queued', queued[::-1]), ('succeeded', [])):
            self.assertEqual([j['id'] for j in self.get(f'/jobs?state={state}').json()['jobs']], ids)

        reply = self.post(f'/jobs/{queued[0]}/cancel')  # one that waits: at once
        self.assertEqual((reply.status, reply.json()['state']), (202, 'cancelled'))
        self.assertEqual(reply.json()['links']['self'], f'/jobs/{queued[0]}')
        self.assert_problem(self.post(f'/jobs/{queued[0]}/cancel'), 409, 'cancelled')
        waiting = job_of(self.server, queued[0])
        self.assertEqual((waiting['begun_at'], waiting['started_at'], waiting['progress'], waiting['phase']), (None, None, 0, None))

        reply = self.post_json(f'/jobs/{running}/cancel', {})  # the one that runs: at its next batch
        self.assertEqual(reply.status, 202)
        ended = wait_state(self.server, running, 'cancelled')
        self.assertIsNone(ended['model'])
        self.assertRegex(ended['finished_at'], TIME)
        self.assertEqual((ended['phase'], ended['eta_s'], ended['current']['epoch']), ('training', None, 1))  # how far it came
        self.assertGreaterEqual(ended['progress'], first['progress'])
        self.assertGreaterEqual(ended['current']['step'], first['current']['step'])
        self.assert_problem(self.get(f'/jobs/{running}/scores'), 404, 'no scores')
        wait_state(self.server, queued[1], 'succeeded')  # and the next one starts
        submit(self.server, NOTHING)  # and there is room again


class Cancel(ServerCase):
    with_data = True

    def test_unknown_ids_are_404(self):
        self.assert_problem(self.post('/jobs/00000000-0000/cancel'), 404, '00000000-0000')
        self.assert_problem(self.get('/jobs/00000000-0000'), 404, '00000000-0000')
        self.assert_problem(self.get('/jobs/00000000-0000/scores'), 404, '00000000-0000')

    def test_wrong_bodies_are_refused_and_cancel_nothing(self):
        job = submit(self.server, LONG)
        target = f'/jobs/{job}/cancel'
        self.assert_wrong_fields(self.post_json(target, {'keep_best': 1}), 'keep_best')
        self.assert_wrong_fields(self.post_json(target, {'keep_best': None, 'x': 2}), 'keep_best', 'x')
        self.assert_wrong_fields(self.post_json(target, {'force': 1}), 'force')
        self.assert_problem(self.post_json(target, '{'), 400, 'not JSON')
        self.assert_problem(self.post(target, '{}', Content_Type='text/plain'), 415)
        self.assertEqual(self.post_json(target, []).status, 422)
        self.assertIn(job_of(self.server, job)['state'], ('queued', 'running'))
        self.assertEqual(self.post(target).status, 202)
        wait_state(self.server, job, 'cancelled')


class KeepBest(ServerCase):
    with_data = True

    def test_the_best_epoch_of_a_cancelled_job_becomes_a_model(self):
        job = submit(self.server, {**QUICK, 'epochs': 1000, 'patience': 0})
        program.poll(lambda: job_of(self.server, job)['epochs'], 'an epoch')
        running = job_of(self.server, job)
        self.assertEqual((running['state'], running['validation_loss']), ('running', None))
        self.assertGreater(running['baseline']['validation_loss'], 0)  # something to hold its epochs against
        self.assertEqual(self.post_json(f'/jobs/{job}/cancel', {'keep_best': True}).status, 202)
        record = wait_state(self.server, job, 'cancelled')
        best = min(record['epochs'], key=lambda e: e['val_loss'])
        self.assertEqual((record['kept_epoch'], record['validation_loss']), (best['epoch'], best['val_loss']))
        self.assertIsNotNone(record['baseline']['validation_loss'])
        self.assertEqual(record['phase'], 'evaluating')
        self.assertTrue(running['progress'] <= record['progress'] < 0.9, record['progress'])  # of the thousand epochs
        self.assertIn(record['current']['epoch'] - len(record['epochs']), (0, 1))
        self.check_evaluated(job, record)
        card = self.get(f'/models/{record["model"]}').json()
        self.assertEqual(card['job'], job)
        self.assertIsNone(self.get('/models').json()['active'])  # nobody said that it is good
        folder = os.path.join(self.server.state, 'jobs', job)
        program.poll(lambda: 'checkpoint.safetensors' not in os.listdir(folder), 'the checkpoint is removed')

    def check_evaluated(self, job, record):
        """As a job that succeeded."""
        for split in ('validation', 'test'):
            self.assertEqual(record['evaluation'][split]['rows'], record['dataset'][split])
            scores = self.get(f'/jobs/{job}/scores?split={split}').body.decode().splitlines()
            self.assertEqual(len(scores), record['dataset'][split] + 1)
        self.assertIn(record['evaluation']['learning']['answer'], ('learned', 'not_known', 'worse'))
        self.assertIsNotNone(record['calibration'])
        page = self.get(f'/jobs/{job}/report')
        self.assertEqual(page.status, 200)
        self.assertIn('Quality of the kept model', page.body.decode())

    def test_who_cancels_twice_or_ends_the_server_does_not_wait_for_figures(self):
        """Whenever the second word comes, the best epoch is kept, with a report, and the job is cancelled."""
        server = program.Server(datasets=dataset.tiny())
        self.addCleanup(server.stop)
        for end in ('twice', 'stop'):
            job = submit(server, {**QUICK, 'epochs': 1000, 'patience': 0})
            program.poll(lambda: job_of(server, job)['epochs'], 'an epoch')
            self.assertEqual(client.post_json(server, f'/jobs/{job}/cancel', {'keep_best': True}).status, 202)
            if end == 'twice':
                self.assertIn(client.post(server, f'/jobs/{job}/cancel').status, (202, 409))
                record = wait_state(server, job, 'cancelled')
            else:
                server.stop()
                server = program.Server(datasets=dataset.tiny(), state=server.state)
                self.addCleanup(server.stop)
                record = job_of(server, job)
            self.assertEqual((record['state'], record['error']), ('cancelled', None))
            self.assertIsNotNone(record['validation_loss'])
            self.assertEqual(client.get(server, f'/models/{record["model"]}').json()['job'], job)
            self.assertEqual(client.get(server, f'/jobs/{job}/report').status, 200)
            self.assertEqual(client.get(server, f'/jobs/{job}/scores').status, 200 if record['evaluation'] else 404)

    def test_nothing_is_kept_before_an_epoch_is_over(self):
        models = len(self.get('/models').json()['models'])
        job = submit(self.server, LONG)
        wait_training(self.server, job)
        self.post_json(f'/jobs/{job}/cancel', {'keep_best': True})
        self.assertIsNone(wait_state(self.server, job, 'cancelled')['model'])
        self.assertEqual(len(self.get('/models').json()['models']), models)


class Delete(ServerCase):
    with_data = True

    def delete(self, job):
        return client.request(self.server, 'DELETE', f'/jobs/{job}')

    def test_a_job_that_has_ended_can_be_forgotten(self):
        job = submit(self.server, QUICK, Idempotency_Key='deleted')
        record = wait_state(self.server, job, 'succeeded')
        folder = os.path.join(self.server.state, 'jobs', job)
        self.assertIn('validation.csv', os.listdir(folder))
        reply = self.delete(job)
        self.assertEqual((reply.status, reply.body), (204, b''))
        self.assertFalse(os.path.exists(folder))
        self.assert_problem(self.get(f'/jobs/{job}'), 404)
        self.assert_problem(self.get(f'/jobs/{job}/scores'), 404)
        self.assert_problem(self.delete(job), 404)
        self.assertNotIn(job, [j['id'] for j in self.get('/jobs').json()['jobs']])
        self.assertEqual(self.get(f'/models/{record["model"]}').json()['job'], job)  # the model stays
        self.assertEqual(client.request(self.server, 'DELETE', f'/jobs/{job}', b'x').status, 400)
        self.assertNotEqual(submit(self.server, NOTHING, Idempotency_Key='deleted'), job)

    def test_one_that_waits_or_runs_cannot(self):
        running = submit(self.server, LONG)
        wait_training(self.server, running)
        waiting = submit(self.server, NOTHING)
        self.assert_problem(self.delete(running), 409, 'running')
        self.assert_problem(self.delete(waiting), 409, 'queued')
        self.assert_problem(self.post(f'/jobs/{running}/resume'), 409, 'running')
        for job in (waiting, running):
            self.post(f'/jobs/{job}/cancel')
            wait_state(self.server, job, 'cancelled')
            self.assert_problem(self.post(f'/jobs/{job}/resume'), 409, 'cancelled')
            self.assertEqual(self.delete(job).status, 204)
        self.assert_problem(self.post(f'/jobs/{running}/resume'), 404)


class Idempotency(ServerCase):
    with_data = True

    def test_the_same_key_and_body_give_the_same_job(self):
        first = self.post_json('/jobs/train', NOTHING, Idempotency_Key='once')
        wait_state(self.server, first.json()['id'], 'succeeded')
        second = self.post_json('/jobs/train', NOTHING, Idempotency_Key='once')
        self.assertEqual((second.status, second.json()), (202, first.json()))
        self.assertEqual(second.headers['location'], first.headers['location'])
        other = self.post_json('/jobs/train', NOTHING, Idempotency_Key='twice')
        self.assertNotEqual(other.json()['id'], first.json()['id'])

    def test_the_same_key_and_another_body_is_422(self):
        submit(self.server, NOTHING, Idempotency_Key='k' * 255)
        problem = self.assert_problem(self.post_json('/jobs/train', {**NOTHING, 'seed': 2}, Idempotency_Key='k' * 255), 422,
                                      'Idempotency-Key')
        self.assertNotIn('errors', problem)

    def test_a_repetition_is_not_held_against_what_has_changed_since(self):
        """A data set that has gone, a model that was deleted: what began with them is still the same job."""
        datasets = program.new_folder('datasets')
        shutil.copytree(os.path.join(dataset.tiny(), 'tiny'), os.path.join(datasets, 'gone'))
        server = program.Server(datasets=datasets)
        self.addCleanup(server.stop)
        model = import_model(server, dataset.weights(), activate=False)['id']
        body = {**NOTHING, 'dataset': 'gone', 'init': model}
        first = client.post_json(server, '/jobs/train', body, Idempotency_Key='once')
        self.assertEqual(first.status, 202, first)
        wait_state(server, first.json()['id'], 'succeeded')
        shutil.rmtree(os.path.join(datasets, 'gone'))
        self.assertEqual(client.request(server, 'DELETE', f'/models/{model}').status, 204)
        again = client.post_json(server, '/jobs/train', body, Idempotency_Key='once')
        self.assertEqual((again.status, again.json()), (202, first.json()))
        other = client.post_json(server, '/jobs/train', {**body, 'seed': 2}, Idempotency_Key='once')
        self.assertNotIn('errors', self.assert_problem(other, 422, 'Idempotency-Key'))
        self.assert_wrong_fields(client.post_json(server, '/jobs/train', body, Idempotency_Key='new'), 'dataset', 'init')

    def test_a_refused_job_does_not_use_up_its_key(self):
        self.assert_wrong_fields(self.post_json('/jobs/train', {'dataset': 'x'}, Idempotency_Key='wrong'), 'dataset')
        submit(self.server, NOTHING, Idempotency_Key='wrong')


class Lists(ServerCase):
    with_data = True
    arguments = ('--job-queue', '100')

    def test_pages_are_newest_first_and_complete(self):
        ids = [submit(self.server, NOTHING) for _ in range(7)]
        for job in ids:
            wait_state(self.server, job, 'succeeded')
        for limit in (1, 3, 7, 100):
            with self.subTest(limit):
                seen, cursor = [], ''
                while cursor is not None:
                    page = self.get(f'/jobs?limit={limit}{cursor and "&cursor=" + cursor}').json()
                    self.assertLessEqual(len(page['jobs']), limit)
                    seen += [j['id'] for j in page['jobs']]
                    cursor = page['next_cursor']
                self.assertEqual(seen, ids[::-1])
        self.assertEqual(len(self.get('/jobs?state=succeeded&limit=2').json()['jobs']), 2)
        self.assertEqual(self.get('/jobs?state=failed').json(), {'jobs': [], 'next_cursor': None})
        for entry in self.get('/jobs').json()['jobs']:
            self.assertNotIn('config', entry)  # lists are short
            self.assertEqual(entry['state'], 'succeeded')
        self.assertEqual(self.get('/jobs?cursor=1').json(), {'jobs': [], 'next_cursor': None})

    def test_wrong_pages_are_422(self):
        for query, says in (('limit=0', 'limit'), ('limit=101', 'limit'), ('limit=x', 'limit'), ('limit=-1', 'limit'),
                            ('cursor=0', 'cursor'), ('cursor=x', 'cursor'), ('cursor=9223372036854775808', 'cursor'),
                            ('state=x', 'state'), ('state=Running', 'state'), ('state=', 'state'),
                            ('state=' + 'é' * 40, 'state'), ("state='%20OR%201=1", 'state')):
            with self.subTest(query):
                self.assert_problem(self.get('/jobs?' + query.replace('é', '%C3%A9')), 422, says)

    def test_broken_queries_are_400_and_never_as_good_as_none(self):
        for value in ('%zz', '%', '%4', '1%', '%ff', '%c3', '%c3x', '%c0%80', '%ed%a0%80', 'x' * 2048):
            for name in ('state', 'limit', 'cursor', 'other'):
                with self.subTest(f'{name}={value[:9]}'):
                    self.assert_problem(self.get(f'/jobs?a=b&{name}={value}'), 400, 'query')
        self.assert_problem(self.get('/jobs?%zz=1'), 400, 'query')
        for query in ('limit=1&limit=2', 'limit=1&limit=1', 'limit=1&a=b&limit=', 'limit&limit=1', 'a=1&a=2'):
            with self.subTest(query):
                self.assert_problem(self.get('/jobs?' + query), 400, 'more than once')
        self.assertEqual(self.get('/jobs?limit=1&cursor=2&&').status, 200)
        for raw in (b'\xff', b'\xc3'):
            reply, = client.talk(self.server, b'GET /jobs?state=' + raw + b' HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n')
            self.assert_problem(reply, 400, 'query')


class WhileTraining(ServerCase):
    """Predictions come first."""

    with_data = True
    with_model = True

    def test_predictions_are_answered_while_a_job_runs(self):
        job = submit(self.server, LONG)
        wait_training(self.server, job)
        expected = dataset.predict_here([dataset.image(1)], dataset.weights_path())[0]['probabilities']
        for _ in range(10):
            self.assertEqual(self.assert_prediction(self.predict(dataset.image(1)))['probabilities'], expected)
        self.assertEqual(job_of(self.server, job)['state'], 'running')
        self.assertEqual(self.get('/readyz').status, 200)
        self.post(f'/jobs/{job}/cancel')
        wait_state(self.server, job, 'cancelled')


@needs_data
class RealTable(Case):

    def test_a_notebook_job_counts_the_nih_table_as_its_readme_says(self):
        server = program.Server(datasets=program.TEST_DATA)
        self.addCleanup(server.stop)
        job = submit(server, {'dataset': 'nih', 'recipe': 'notebook', 'epochs': 0})
        data = wait_state(server, job, 'succeeded')['dataset']
        self.assertEqual((data['rows'], data['dropped_age'], data['dropped_no_finding']), (112120, 16, 60353))
        self.assertEqual(list(data['label_counts'].values()), [11558, 2776, 4667, 2302, 13316, 2516, 1686, 227, 19891, 5779,
                                                              6331, 3384, 1430, 5301])
        with open(os.path.join(program.TEST_DATA, 'nih', 'cooccurrence.csv'), encoding='ascii') as file:
            rows = [[int(x) for x in line if x.isdigit()] for line in csv.reader(file)]
        self.assertEqual(data['cooccurrence'], [row for row in rows if len(row) == 14])
        self.assertEqual((data['usable'], data['train'], data['validation'], data['test']), (80, 57, 15, 8))
        self.assertEqual(data['missing_images'], 51751 - 80)


if __name__ == '__main__':
    unittest.main()
