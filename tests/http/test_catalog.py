"""GET /datasets: which data sets there are, and what is in them, counted behind the scenes."""
import os
import unittest

from support import client, dataset, picture, program
from support.case import Case, needs_data


def listed(server):
    reply = client.get(server, '/datasets')
    if reply.status != 200:
        raise AssertionError(reply)
    return {one['name']: one for one in reply.json()['datasets']}


def counted(server, name, ready=lambda one: True):
    """The data set's entry, when it is counted and `ready`."""
    def there():
        one = listed(server).get(name)
        return one if one and one['state'] == 'counted' and ready(one) else None
    return program.poll(there, f'{name} is counted')


class Catalog(Case):

    def setUp(self):
        self.datasets = program.new_folder('datasets')
        dataset.write_table(os.path.join(self.datasets, 'whole'))
        dataset.write_images(os.path.join(self.datasets, 'whole'))

    def serve(self, datasets=None):
        server = program.Server(datasets=datasets or self.datasets)
        self.addCleanup(server.stop)
        return server

    def folder(self, name):
        path = os.path.join(self.datasets, name)
        os.makedirs(path)
        return path

    def test_without_data_sets_the_list_is_empty(self):
        server = program.Server()
        self.addCleanup(server.stop)
        self.assertEqual(client.get(server, '/datasets').json(), {'datasets': []})

    def test_a_data_set_is_counted(self):
        server = self.serve()
        one = counted(server, 'whole')
        self.assertEqual((one['table_format'], one['csv']), ('nih', 'Data_Entry_2017.csv'))
        self.assertEqual((one['rows'], one['pictures'], one['rows_with_picture']), (dataset.ROWS,) * 3)
        self.assertEqual((one['complete'], one['problem']), (True, None))
        self.assertEqual(one['bytes'], sum(len(data) for _, data in program.contents_below(os.path.join(self.datasets, 'whole'))))
        findings = [dataset.findings(i) for i in range(dataset.ROWS)]
        self.assertEqual(one['labels'], {label: sum(label in words for words in findings) for label in dataset.LABELS})

    def test_pictures_that_come_are_counted_again(self):
        path = self.folder('half')
        dataset.write_table(path)
        dataset.write_images(path, range(7))
        server = self.serve()
        one = counted(server, 'half')
        self.assertEqual((one['rows'], one['pictures'], one['rows_with_picture'], one['complete']), (dataset.ROWS, 7, 7, False))
        with open(os.path.join(path, 'images_001', 'images', dataset.name(7)), 'wb') as file:
            file.write(dataset.image(7))
        more = counted(server, 'half', lambda entry: entry['pictures'] == 8)
        self.assertGreater(more['counted_at'], one['counted_at'])
        self.assertEqual(more['bytes'], one['bytes'] + len(dataset.image(7)))

    def test_what_cannot_be_counted_says_why(self):
        self.folder('empty')
        with open(os.path.join(self.folder('broken'), 'Data_Entry_2017.csv'), 'w', encoding='ascii') as file:
            file.write('one,two\n1,2\n')
        other = self.folder('other')
        dataset.write_table(other, [dataset.line(i).replace('Mass', 'Fracture') for i in range(20)])
        server = self.serve()
        empty, broken, other = (counted(server, name) for name in ('empty', 'broken', 'other'))
        self.assertEqual((empty['csv'], empty['rows'], empty['complete'], empty['bytes']), (None, None, None, 0))
        self.assertIn("'csv'", empty['problem'])
        self.assertEqual((broken['rows'], broken['labels']), (None, None))
        self.assertIn('Image Index', broken['problem'])
        self.assertEqual((other['rows'], other['complete'], other['labels']), (20, False, None))
        self.assertIn('Fracture', other['problem'])

    def test_only_folders_that_a_job_can_name_are_listed(self):
        self.folder('.fetch-x')
        os.symlink(os.path.join(self.datasets, 'whole'), os.path.join(self.datasets, 'link'))
        with open(os.path.join(self.datasets, 'file'), 'w', encoding='ascii'):
            pass
        os.makedirs(os.path.join(self.datasets.encode(), b'\xff\xfe'))
        server = self.serve()
        self.assertEqual(list(listed(server)), ['whole'])

    def test_a_data_set_that_goes_is_gone(self):
        path = self.folder('brief')
        server = self.serve()
        counted(server, 'brief')
        os.rmdir(path)
        program.poll(lambda: 'brief' not in listed(server), 'it is gone')

    def test_the_table_of_another_format_is_found(self):
        path = self.folder('chexpert')
        labels = ('No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,Consolidation,Pneumonia,'
                  'Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices')
        rows = [f'CheXpert-v1.0-small/train/patient{i:05d}/study1/view1_frontal.jpg,Male,5{i},Frontal,AP' + ',' * 4 + '1.0' + ',' * 10
                for i in range(3)]
        with open(os.path.join(path, 'train.csv'), 'w', encoding='ascii') as file:
            file.write('\n'.join([f'Path,Sex,Age,Frontal/Lateral,AP/PA,{labels}', *rows]) + '\n')
        for i in range(2):
            folder = os.path.join(path, 'train', f'patient{i:05d}', 'study1')
            os.makedirs(folder)
            with open(os.path.join(folder, 'view1_frontal.png'), 'wb') as file:
                file.write(picture.noise(i))
        one = counted(self.serve(), 'chexpert')
        self.assertEqual((one['table_format'], one['rows'], one['pictures'], one['rows_with_picture'], one['complete']),
                         ('chexpert', 3, 2, 2, False))
        self.assertEqual(one['labels']['Lung Opacity'], 3)

    def test_a_folder_that_is_gone_is_503(self):
        server = self.serve()
        os.rename(self.datasets, self.datasets + '-away')
        self.addCleanup(os.rename, self.datasets + '-away', self.datasets)
        self.assert_problem(program.poll(lambda: (reply := client.get(server, '/datasets')).status == 503 and reply, 'it is gone'), 503,
                            '--datasets')

    def test_more_than_are_listed(self):
        datasets = program.new_folder('datasets')
        for i in range(300):
            os.mkdir(os.path.join(datasets, f'set{i:03d}'))
        server = self.serve(datasets)
        self.assertEqual(list(listed(server)), [f'set{i:03d}' for i in range(256)])


@needs_data
class RealData(Case):

    def test_the_table_of_nih_is_counted(self):
        server = program.Server(datasets=program.TEST_DATA)
        self.addCleanup(server.stop)
        one = counted(server, 'nih256')
        self.assertEqual((one['rows'], one['labels']['Hernia'], one['complete']), (112120, 227, False))
        self.assertEqual(one['pictures'], one['rows_with_picture'])


if __name__ == '__main__':
    unittest.main()
