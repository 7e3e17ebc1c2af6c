"""Reading a table and its files: nothing is dropped or misread without a word."""
import gzip
import json
import os
import shutil
import struct

from support import client, dataset, picture, program
from support.case import Case

HEAD = 'Image Index,Finding Labels,Patient ID,Patient Age,Patient Gender,View Position'


class DataCase(Case):
    """Each test writes one data set and looks at what `cxrd train` makes of it."""

    def setUp(self):
        self.datasets = program.new_folder('datasets')
        self.folder = os.path.join(self.datasets, 'd')

    def table(self, lines, head=HEAD, images=None):
        """`images`: rows that get a picture, all of them by default; (): the pictures stay as they are."""
        dataset.write_table(self.folder, lines, head)
        images = range(len(lines)) if images is None else images
        if images:
            shutil.rmtree(os.path.join(self.folder, 'images_001'), ignore_errors=True)
            dataset.write_images(self.folder, images)

    def picture(self, i, folder='images_001'):
        return os.path.join(self.folder, folder, 'images', dataset.name(i))

    def train(self, **fields):
        """(Exit status, record or None, what standard error says)."""
        out = os.path.join(self.datasets, '..', os.path.basename(self.datasets) + '-out')
        shutil.rmtree(out, ignore_errors=True)
        fields = {'image_size': dataset.SIZE, **fields}
        arguments = [f'{k}={json.dumps(v) if not isinstance(v, str) else v}' for k, v in fields.items()]
        done = program.run('train', '--datasets', self.datasets, '--dataset', 'd', '--out', out, '--threads', '2',
                           *(part for argument in arguments for part in ('--set', argument)))
        record = None
        if done.returncode == 0:
            with open(os.path.join(out, 'job.json'), encoding='utf-8') as file:
                record = json.load(file)
        return done.returncode, record, done.stderr

    def look(self, **fields):
        """The record of a job that only looks at the data, but for what is so of all these tables: most findings have no row."""
        status, record, said = self.train(epochs=0, **fields)
        self.assertEqual(status, 0, said)
        record['warnings'] = [warning for warning in record['warnings'] if warning['code'] != 'findings_without_rows']
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
        self.assertEqual(record['dataset']['unknown'], {'age': 1, 'sex': 1, 'view': 1, 'history': 0})
        self.assertEqual(record['warnings'], [])
        self.table(rows(18) + [f'{dataset.name(i)},Mass,9,fifty,X,' for i in (18, 19)], images=())
        record = self.look()
        self.assertEqual(record['dataset']['unknown'], {'age': 2, 'sex': 2, 'view': 2, 'history': 0})
        self.assertEqual(self.codes(record), ['unknown_values'] * 3)
        self.assertIn("'Patient Age' is not known of 2 of the 20 usable rows (10 %)", record['warnings'][0]['detail'])
        self.assertIn("such as 'fifty'", record['warnings'][0]['detail'])

    def test_rows_of_nobody_known_are_warned_of(self):
        self.table(rows(18) + [f'{dataset.name(i)},Mass,,50,F,PA' for i in (18, 19)])
        record = self.look()
        self.assertEqual(self.codes(record), ['unknown_values'])
        self.assertIn("'Patient ID' is empty in 2 of the 20 usable rows", record['warnings'][0]['detail'])

    def test_a_view_that_is_neither_is_warned_of(self):
        self.table(rows(19) + [f'{dataset.name(19)},Mass,9,50,F,LL'])
        record = self.look()
        self.assertEqual(record['dataset']['other_views'], 1)
        self.assertEqual(self.codes(record), ['other_views'])
        self.assertIn("'LL'", record['warnings'][0]['detail'])

    def test_two_columns_of_sex_are_read_and_contradictions_counted(self):
        head, *lines = HEAD, *(f'{line},{sex}' for line, sex in zip(rows(20, sex=''), ['M'] * 18 + ['F', '']))
        lines[17] = lines[17].replace(',50,,', ',50,F,')
        self.table(lines, head=f'{head.strip()},Patient Sex')
        record = self.look()
        self.assertEqual((record['dataset']['contradicting_sex'], record['dataset']['unknown']['sex']), (1, 1))
        self.assertEqual(self.codes(record), ['contradicting_sex'])

    def test_values_are_read_as_a_request_would_say_them(self):
        self.table(rows(10, age='58.0', sex='male', view='pa') + [f'{dataset.name(10)},Mass,9,414.0,F,AP'])
        record = self.look()
        self.assertEqual(record['dataset']['unknown'], {'age': 0, 'sex': 0, 'view': 0, 'history': 0})
        self.assertEqual(record['dataset']['dropped_age'], 1)


class Copies(DataCase):
    """Pictures that come more than once."""

    def test_a_row_a_finding_is_one_picture_with_all_of_them(self):
        self.table([line for i in range(20) for line in (f'{dataset.name(i)},Effusion,{i // 2},50,M,PA',
                                                         f'{dataset.name(i)},Mass,{i // 2},50,M,PA')], images=range(20))
        record = self.look()
        data = record['dataset']
        self.assertEqual((data['rows'], data['joined_rows'], data['usable']), (40, 20, 20))
        self.assertEqual((data['label_counts']['Effusion'], data['label_counts']['Mass']), (20, 20))
        self.assertEqual(self.codes(record), ['joined_rows'])

    def test_a_picture_of_two_patients_or_two_opinions_is_refused(self):
        self.table(rows() + [f'{dataset.name(3)},Mass,77,50,M,PA'], images=range(20))
        self.refuse('to more than one patient', 'line 22')
        self.table(rows() + [f'{dataset.name(3)},No Finding,1,50,M,PA'], images=range(20))
        self.refuse('both No Finding and a finding')

    def test_equal_pixels_of_two_patients_are_on_one_side(self):
        self.table(rows(40))
        for i in range(0, 12, 2):  # patients 0 to 5 have a picture of patients 10 to 15
            shutil.copy(self.picture(i), self.picture(20 + i))
        for seed in range(1, 6):
            with self.subTest(seed=seed):
                record = self.look(seed=seed)
                data = record['dataset']
                self.assertEqual((data['equal_pictures'], data['equal_patients']), (12, 12))
                self.assertEqual(data['patients_in_both'], 0)
                self.assertIn('equal_pictures', self.codes(record))

    def test_a_normal_chest_whose_picture_is_learned_from_is_not_tested_on(self):
        """Each has the picture of a row with a finding, under another patient: those of test rows stay."""
        self.table([f'{dataset.name(i)},Mass,{i // 2},50,M,PA' for i in range(20)] +
                   [f'{dataset.name(i)},No Finding,{i},50,M,PA' for i in range(20, 40)])
        for i in range(20):
            shutil.copy(self.picture(i), self.picture(20 + i))
        for by in ('patient', 'image'):
            with self.subTest(by=by):
                data = self.look(split_by=by, test_fraction=0.2)['dataset']
                tested = next(entry['rows'] for entry in data['flow'] if entry['step'] == 'normal')
                self.assertGreater(data['test'], 0)
                self.assertEqual((tested, data['equal_no_finding']), (data['test'], data['train'] + data['validation']))
                self.assertEqual(data['equal_pictures'], 0)  # among the rows that are shared out

    def test_equal_pixels_are_found_whatever_the_file(self):
        self.table(rows(24))
        comment = picture.noise(0, extra=picture.chunk(b'tEXt', b'Comment\0another file'))
        self.assertNotEqual(comment, dataset.image(0))
        with open(self.picture(20), 'wb') as file:
            file.write(comment)
        self.assertEqual(self.look()['dataset']['equal_pictures'], 2)

    def test_pictures_of_one_grey_are_no_equals(self):
        self.table(rows(24))
        for i in range(6):
            with open(self.picture(i * 4), 'wb') as file:
                file.write(picture.flat(64, 64))
        self.assertEqual(self.look()['dataset']['equal_pictures'], 0)

    def test_a_name_in_two_folders_is_counted_or_refused(self):
        self.table(rows())
        os.makedirs(os.path.dirname(self.picture(0, 'images_002')))
        shutil.copy(self.picture(0), self.picture(0, 'images_002'))
        record = self.look()
        self.assertEqual(record['dataset']['same_names'], 1)
        self.assertEqual(self.codes(record), ['same_names'])
        shutil.copy(self.picture(1), self.picture(0, 'images_002'))
        self.refuse('two folders have a file', 'differ')


class Names(DataCase):

    def rename(self, new):
        for i in range(20):
            os.rename(self.picture(i), os.path.join(os.path.dirname(self.picture(i)), new(dataset.name(i))))

    def test_names_are_found_however_they_are_written(self):
        for form in (lambda name: name[:-4], lambda name: f'images_001/images/{name}', lambda name: f'./{name}',
                     lambda name: f'images_001\\images\\{name}', lambda name: name[:-4] + '.PNG', lambda name: name[:-4] + '.jpg'):
            with self.subTest(form('a.png')):
                self.table([line.replace(dataset.name(i), form(dataset.name(i))) for i, line in enumerate(rows())],
                           images=range(20))
                record = self.look()
                self.assertEqual((record['dataset']['usable'], record['warnings']), (20, []))
                shutil.rmtree(self.folder)

    def test_files_are_found_whatever_the_case_of_their_ending(self):
        self.table(rows())
        self.rename(lambda name: name[:-4] + '.PNG')
        record = self.look()
        self.assertEqual((record['dataset']['usable'], record['warnings']), (20, []))

    def test_links_are_said(self):
        self.table(rows())
        os.rename(os.path.join(self.folder, 'images_001'), os.path.join(self.folder, 'elsewhere'))
        os.symlink('elsewhere', os.path.join(self.folder, 'images_001'))
        self.refuse('no picture found', '0 files, 1 links passed over')

    def test_rows_without_a_picture_are_said_with_a_name_of_each_side(self):
        self.table([f'x{line}' for line in rows()])
        self.refuse('no picture found', "the table has 'x00000000_000.png', the folder '00000000_000.png'")
        self.table(rows(30), images=range(20))
        record = self.look()
        self.assertEqual(self.codes(record), ['missing_images'])
        self.assertIn(f"10 of 30 rows (33 %) have no picture, such as '{dataset.name(20)}'", record['warnings'][0]['detail'])

    def test_a_table_of_another_name_is_listed(self):
        self.table(rows())
        os.rename(os.path.join(self.folder, 'Data_Entry_2017.csv'), os.path.join(self.folder, 'Data_Entry_2017_v2020.csv'))
        self.refuse('the folder has: Data_Entry_2017_v2020.csv')
        os.rename(os.path.join(self.folder, 'Data_Entry_2017_v2020.csv'), os.path.join(self.folder, 'Data_Entry_2017.csv.gz'))
        self.refuse('the folder has: Data_Entry_2017.csv.gz')


class Sentences(DataCase):

    def write_table(self, data):
        self.table(rows())
        with open(os.path.join(self.folder, 'Data_Entry_2017.csv'), 'wb') as file:
            file.write(data)

    def test_what_a_table_is_instead(self):
        text = '\n'.join([HEAD, *rows()]) + '\n'
        for data, says in ((text.encode('utf-16'), 'UTF-16'), (gzip.compress(text.encode()), 'gzip'),
                           (text.replace(',', ';').encode(), "separated by ';'"),
                           (text.replace(',', '\t').encode(), 'separated by tabs'),
                           (b'sep=,\n' + text.encode(), 'names a separator')):
            with self.subTest(says):
                shutil.rmtree(self.folder, ignore_errors=True)
                self.write_table(data)
                self.refuse(says)

    def test_one_patient_and_none(self):
        for patient, says in ((7, 'all are of one patient'), ('', 'none has a Patient ID')):
            self.table([f'{dataset.name(i)},Mass,{patient},50,M,PA' for i in range(20)])
            self.refuse('no row for validation', says)

    def test_lists_that_name_nothing(self):
        self.table(rows())
        for name in ('test_list.txt', 'train_val_list.txt'):
            with open(os.path.join(self.folder, name), 'w', encoding='ascii') as file:
                file.write('images/x.png\n')
        self.refuse("none of the 1 names of 'train_val_list.txt'", "begins 'images/x.png'", split_by='list')


class Marks(DataCase):
    """A byte order mark costs nothing, wherever a person may have saved one."""

    MARK = '\ufeff'

    def test_of_a_configuration(self):
        self.table(rows())
        path = os.path.join(self.datasets, '..', os.path.basename(self.datasets) + '.json')
        with open(path, 'w', encoding='utf-8', newline='') as file:
            file.write(self.MARK + '{"epochs": 0,\r\n"dataset": "d"}')
        done = program.run('train', '--datasets', self.datasets, '--config', path, '--out', path + '-out')
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_of_lists(self):
        self.table(rows())
        for name, numbers in (('test_list.txt', range(4)), ('train_val_list.txt', range(4, 20))):
            with open(os.path.join(self.folder, name), 'w', encoding='utf-8', newline='') as file:
                file.write(self.MARK + '\r\n'.join(dataset.name(i) for i in numbers))
        record = self.look(split_by='list')
        self.assertEqual((record['dataset']['test'], record['dataset']['not_listed']), (4, 0))
        self.assertNotIn('on_both_lists', self.codes(record))

    def test_a_picture_on_two_lists_is_tested_and_counted(self):
        self.table(rows())
        for name, numbers in (('test_list.txt', range(6)), ('train_val_list.txt', range(4, 20))):
            with open(os.path.join(self.folder, name), 'w', encoding='utf-8') as file:
                file.write('\n'.join(dataset.name(i) for i in numbers))
        record = self.look(split_by='list')
        self.assertEqual((record['dataset']['test'], record['dataset']['usable']), (6, 20))
        told = [warning['detail'] for warning in record['warnings'] if warning['code'] == 'on_both_lists']
        self.assertEqual([detail.split()[0] for detail in told], ['2'])


class MarksOfAServer(Case):

    def test_of_keys_secrets_credentials_and_bodies(self):
        folder = program.new_folder('marked')
        paths = {}
        line = program.run('key', 'admin', 'me')
        for name, text in (('keys', line.stdout), ('secret', 'whsec_' + 'A' * 32), ('credentials', 'id:secret')):
            paths[name] = os.path.join(folder, name)
            with open(paths[name], 'w', encoding='utf-8', newline='') as file:
                file.write(Marks.MARK + text.rstrip('\n') + '\r\n')
            os.chmod(paths[name], 0o600)
        server = program.Server('--keys', paths['keys'], '--webhook-hosts', 'localhost', '--webhook-secret', paths['secret'],
                                '--data-hosts', 'localhost', '--data-credentials', paths['credentials'],
                                datasets=dataset.tiny())
        self.addCleanup(server.stop)
        key = line.stderr.split()[-1]
        reply = client.post(server, '/jobs/train', (Marks.MARK + '{"epochs": 0}').encode(), Content_Type='application/json',
                            Authorization=f'Bearer {key}')
        self.assertEqual(reply.status, 202, reply)


def film(i, scale=257, invert=False):
    """Dark above and light below, as a chest; 16 bits a sample, 8 of them times `scale`."""
    lines = bytearray()
    for y in range(64):
        lines.append(0)
        for x in range(64):
            value = 60 + 120 * y // 64 + (x * 7 + y * 13 + i * 31) % 23
            lines += struct.pack('>H', (255 - value if invert else value) * scale)
    return picture.png(64, 64, bytes(lines), 16)


class Pictures(DataCase):
    """What /predict would warn of is counted over the rows that train, and warned of when it is much."""

    def films(self, make):
        self.table(rows(), images=())
        os.makedirs(os.path.dirname(self.picture(0)), exist_ok=True)
        for i in range(20):
            with open(self.picture(i), 'wb') as file:
                file.write(make(i))

    def test_films_as_they_should_be_are_warned_of_by_nothing(self):
        self.films(film)
        record = self.look()
        self.assertEqual(set(record['dataset']['input_gate'].values()), {0})
        self.assertEqual(record['warnings'], [])

    def test_what_is_wrong_with_most_is_named(self):
        for code, make in (('few_bits', lambda i: film(i, 16)), ('inverted', lambda i: film(i, invert=True)),
                           ('nearly_constant', lambda i: picture.flat(64, 64)),
                           ('colour', lambda i: picture.noise(i, 64, 64, 8, picture.RGB)),
                           ('not_square', lambda i: picture.noise(i, 200, 64))):
            with self.subTest(code):
                self.films(make)
                record = self.look()
                trained = record['dataset']['train']
                self.assertEqual(record['dataset']['input_gate'][code], trained)
                said = [w['detail'] for w in record['warnings'] if w['code'] == 'unlike_a_chest' and f'({code})' in w['detail']]
                self.assertEqual(len(said), 1, record['warnings'])
                self.assertIn(f'{trained} of the {trained} training rows', said[0])

    def test_a_cache_remembers_what_was_seen(self):
        self.films(lambda i: film(i, invert=i < 8))
        cache = os.path.join(self.datasets, '..', os.path.basename(self.datasets) + '-cache')
        seen = []
        for out in ('1', '2'):
            done = program.run('train', '--datasets', self.datasets, '--out', cache + out, '--cache', cache, '--set', 'epochs=0',
                               '--set', 'image_size=64')
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(os.path.join(cache + out, 'job.json'), encoding='utf-8') as file:
                seen.append(json.load(file))
        self.assertEqual(seen[0]['dataset'], seen[1]['dataset'])
        self.assertGreater(seen[1]['dataset']['input_gate']['inverted'], 0)

    def test_pictures_that_cannot_be_read_are_warned_of(self):
        self.films(lambda i: film(i) if i > 17 else film(i)[:300])
        record = self.look()
        self.assertIn('unreadable_images', self.codes(record))
        self.assertIn('18 of the 20 usable rows (90 %) cannot be read',
                      next(w['detail'] for w in record['warnings'] if w['code'] == 'unreadable_images'))

    def test_why_no_picture_can_be_read_is_said(self):
        self.films(lambda i: b'\xff\xd8\xff\xe0 a JPEG')
        status, _, said = self.train(epochs=1)
        self.assertNotEqual(status, 0)
        self.assertIn('training pictures can be read', said)
        self.assertIn('JPEG', said)

    def test_a_model_above_the_base_rates_is_warned_of(self):
        self.films(film)
        _, record, said = self.train(epochs=1, learning_rate=0.1, steps_per_epoch=3, batch_size=8)
        self.assertGreater(record['validation_loss'], record['baseline']['validation_loss'], said)
        self.assertIn('not_learned', self.codes(record))
