"""docs/orthanc, run: a modality sends to Orthanc, Orthanc asks cxrd, and what cxrd says is in the study."""
import csv
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import unittest
import unittest.mock

from support import client, dataset, dicom, orthanc, program
from support.case import Case, import_model, needs_data
from support.outside import Outside, say
from test_keys import ADMIN, PREDICT, bearer, keys_file

needs_orthanc = unittest.skipUnless(orthanc.IS_HERE, 'orthanc, orthanc-python, orthanc-dicomweb or dcmtk is not installed')

PAGE = os.path.join(orthanc.DOCS, '..', 'orthanc.md')
SR, SC = '1.2.840.10008.5.1.4.1.1.88.34', '1.2.840.10008.5.1.4.1.1.7'
REFUSALS = {'KNEE': ('body_part', {'BodyPartExamined': 'KNEE'}), 'lateral': ('view', {'ViewPosition': 'LL'})}


def film(number, width=80, height=90, **changes):
    """A frontal chest, DX, that differs by its number."""
    rows = [[(x * (3 + number) + y * 5) % 251 for x in range(width)] for y in range(height)]
    return dicom.film(rows, number, **changes)


def ct(number):
    return film(number, SOPClassUID=dicom.CT, Modality='CT', ViewPosition=None)


def study(number):
    return f'{dicom.ROOT}.2.{number}'


def posts(door):
    """How many pictures went through a door."""
    return sum(head.startswith('POST /predict') for head in door.heads)


class ArchiveCase(Case):
    """Each test with servers and archives of its own."""

    lua = False

    def archive(self, url, **settings):
        made = orthanc.Archive(self.lua, CXRD_URL=url, **{f'CXRD_{name}': value for name, value in settings.items()})
        self.addCleanup(made.kill)  # that it ends well is a test of its own
        return made

    def server(self, *arguments, with_model=True):
        server = program.Server(*arguments)
        self.addCleanup(server.stop)
        if with_model:
            import_model(server, dataset.weights())
        return server

    def door(self, server=None):
        door = orthanc.Door()
        self.addCleanup(door.close)
        if server:
            door.open(server)
        return door

    def assert_answer(self, archive, instance):
        answer = json.loads(archive.note(instance, 'CxrdResult'))
        self.assertEqual(list(answer['probabilities']), list(dataset.LABELS))
        return answer


class EndToEndCase(Case):
    """One cxrd and one Orthanc for all: storescu -> Orthanc -> cxrd -> JSON, report and maps in the study."""

    lua = False

    @classmethod
    def setUpClass(cls):
        cls.cxrd = program.Server()
        cls.addClassCleanup(cls.cxrd.stop)
        import_model(cls.cxrd, dataset.weights())
        cls.door = orthanc.Door()
        cls.addClassCleanup(cls.door.close)
        cls.door.open(cls.cxrd)
        cls.archive = orthanc.Archive(cls.lua, CXRD_URL=cls.door.url, CXRD_SR='1', CXRD_SC='Nodule, Mass', CXRD_MODALITIES='CR, DX')
        cls.addClassCleanup(cls.archive.stop)

    def kinds(self, number):
        """How many instances of each class QIDO-RS finds in a study."""
        return {kind: len(self.archive.find(study(number), SOPClassUID=kind)) for kind in (dicom.DX, SR, SC)}

    def settled(self, number, **changes):
        instance = self.archive.send(film(number, **changes))
        self.archive.wait_state(instance, 'done')
        return instance

    def check_answer(self):
        instance = self.settled(1)
        answer = json.loads(self.archive.note(instance, 'CxrdResult'))
        direct = self.assert_prediction(client.post(self.cxrd, '/predict', film(1), Content_Type='application/dicom'))
        self.assertEqual(answer['probabilities'], direct['probabilities'])
        self.assertEqual(answer['image']['sop_instance_uid'], f'{dicom.ROOT}.4.1')
        self.assertEqual(self.kinds(1), {dicom.DX: 1, SR: 1, SC: 2})
        report = self.archive.get(f'/instances/{self.results(1, SR)[0]}/tags?short')
        self.assertEqual((report['0008,0070'], report['0010,0010'], report['0010,0020']), ('cxrd', 'Nobody^Drawn', '1'))
        self.assertIn(f'{dicom.ROOT}.4.1', json.dumps(report['0040,a375']), 'the picture that it is of')

    def results(self, number, kind):
        query = {'Level': 'Instance', 'Query': {'StudyInstanceUID': study(number), 'SOPClassUID': kind}}
        return client.post(self.archive, '/tools/find', json.dumps(query)).json()

    def check_only_radiographs_are_sent(self):
        before = posts(self.door)
        self.settled(20)
        other = self.archive.send(ct(21))
        self.settled(22)  # whatever came before it, the results of the first among them, was looked at before it
        self.assertEqual(posts(self.door) - before, 8, 'two films, and of each the JSON, the report and two maps')
        self.assertIsNone(self.archive.note(other, 'CxrdState'))
        for kind in (SR, SC):
            for instance in self.results(20, kind):
                self.assertIsNone(self.archive.note(instance, 'CxrdState'))


@needs_orthanc
class EndToEnd(EndToEndCase):

    def test_the_answer_is_in_the_study(self):
        self.check_answer()

    def test_only_radiographs_are_sent_and_no_results(self):
        self.check_only_radiographs_are_sent()

    def test_a_refusal_is_kept_with_its_reason(self):
        for number, (reason, changes) in enumerate(REFUSALS.values(), 10):
            with self.subTest(reason):
                instance = self.archive.send(film(number, **changes))
                self.archive.wait_state(instance, 'refused')
                problem = json.loads(self.archive.note(instance, 'CxrdRefusal'))
                self.assertEqual((problem['status'], problem['reason']), (422, reason))
                self.assertTrue(problem['detail'])
                self.assertIsNone(self.archive.note(instance, 'CxrdResult'))
                self.assertEqual(self.kinds(number), {dicom.DX: 1, SR: 0, SC: 0})

    def test_a_picture_is_asked_about_again(self):
        instance = self.settled(30)
        self.assertEqual(client.request(self.archive, 'PUT', f'/instances/{instance}/metadata/CxrdState', b'again').status, 200)
        self.archive.wait_state(instance, 'done')
        program.poll(lambda: self.kinds(30)[SR] == 2, 'a second report')


@needs_data
@needs_orthanc
class RealFiles(ArchiveCase):
    """Files of others, in every transfer syntax, uploaded as they are."""

    def rows(self):
        with open(os.path.join(program.TEST_DATA, 'dicom', 'manifest.csv'), encoding='utf-8') as file:
            return [row for row in csv.DictReader(file) if row['file'].endswith('.dcm') and row['file'].startswith(('real_', 'syn_'))]

    def upload(self, archive, name):
        """Orthanc's id of it, None where Orthanc itself does not want it."""
        with open(os.path.join(program.TEST_DATA, 'dicom', name), 'rb') as file:
            reply = client.post(archive, '/instances', file.read())
        return reply.json()['ID'] if reply.status == 200 else None

    def test_get_what_the_manifest_says(self):
        archive = self.archive(self.server().url)
        rows = [(row, self.upload(archive, row['file'])) for row in self.rows()]
        self.assertGreater(len([instance for _, instance in rows if instance]), 60)
        for row, instance in rows:
            if not instance or row['modality'] not in ('CR', 'DX'):
                continue
            with self.subTest(row['file']):
                state = archive.wait_state(instance, 'done', 'refused')
                if row['http']:
                    self.assertEqual(state, 'done' if row['http'] == '200' else 'refused')
                if row['http'] == '422':
                    self.assertEqual(json.loads(archive.note(instance, 'CxrdRefusal'))['reason'], row['reason'])
        for row, instance in rows:
            if instance and row['modality'] not in ('CR', 'DX'):
                with self.subTest(row['file']):
                    self.assertIsNone(archive.note(instance, 'CxrdState'))


@needs_orthanc
class NothingGoesRound(ArchiveCase):

    def test_results_that_are_sent_in_are_refused_quietly_and_that_is_all(self):
        server = self.server()
        archive = self.archive(server.url, SR='1', SC='Mass', MODALITIES='DX,OT,SR')
        first = archive.send(film(1))
        archive.wait_state(first, 'done')
        results = [instance for instance in archive.get('/instances') if instance != first]
        self.assertEqual(len(results), 2)
        for instance in results:
            archive.wait_state(instance, 'refused')
            self.assertEqual(json.loads(archive.note(instance, 'CxrdRefusal'))['reason'], 'own_result')
        archive.wait_state(archive.send(film(2)), 'done')
        self.assertEqual(len(archive.find(study(1))), 3)
        self.assertEqual([line for line in server.log() if line['level'] in ('warning', 'error')], [])


@needs_orthanc
class NothingIsLost(ArchiveCase):

    def test_while_cxrd_is_away_and_orthanc_ends(self):
        door = self.door()
        archive = self.archive(door.url)
        films = [archive.send(film(number)) for number in (1, 2)]
        archive.wait_state(films[0], 'waiting')
        archive.stop()  # ends well, and at once, though it waits
        archive.start()
        films.append(archive.send(film(3)))
        archive.kill()
        archive.start()
        door.open(self.server())
        for instance in films:
            archive.wait_state(instance, 'done')
            self.assert_answer(archive, instance)

    def test_while_there_is_no_model(self):
        server = self.server(with_model=False)
        archive = self.archive(server.url)
        deleted, kept = archive.send(film(1)), archive.send(film(2))
        archive.wait_state(deleted, 'waiting')
        self.assertIn('503', archive.log_text())
        self.assertEqual(client.request(archive, 'DELETE', f'/instances/{deleted}').status, 200)
        import_model(server, dataset.weights())
        archive.wait_state(kept, 'done')

    def test_while_the_key_is_wrong(self):
        server = self.server('--keys', keys_file(), with_model=False)
        imported = client.post(server, '/models', dataset.weights(), Content_Type='application/octet-stream', **bearer(ADMIN))
        client.post(server, f'/models/{imported.json()["id"]}/activate', **bearer(ADMIN))
        archive = self.archive(server.url, KEY='no-key')
        instance = archive.send(film(1))
        archive.wait_state(instance, 'waiting')
        self.assertIn('401', archive.log_text())
        archive.kill()
        archive.settings['CXRD_KEY'] = PREDICT
        archive.start()
        archive.wait_state(instance, 'done')
        for key in ('no-key', PREDICT):
            self.assertNotIn(key, archive.log_text())

    def test_when_one_picture_breaks_every_exchange(self):
        """A server that is busy at first, and then breaks over one picture only."""
        said = [(429, '1'), (503, '1')]

        def answer(handler):
            if handler.command == 'GET':
                say(handler, 200)
            elif said:
                status, seconds = said.pop(0)
                say(handler, status, Retry_After=seconds)
            elif b'BROKEN' in handler.body:
                say(handler, 500, Retry_After='1')
            else:
                say(handler, 200, b'{"findings": []}', Content_Type='application/json')

        stub = Outside(answer, tls=False)
        self.addCleanup(stub.stop)
        archive = self.archive(stub.url)
        broken, whole = archive.send(film(1, StudyDescription='BROKEN')), archive.send(film(2))
        archive.wait_state(broken, 'failed')
        self.assertIn('500', json.loads(archive.note(broken, 'CxrdRefusal'))['detail'])
        archive.wait_state(whole, 'done')
        self.assertEqual([head[0] for head in stub.requests].count('POST'), 2 + 5 + 1)


@needs_orthanc
class InLua(EndToEndCase):

    lua = True

    def test_the_answer_is_in_the_study(self):
        self.check_answer()

    def test_only_radiographs_are_sent_and_no_results(self):
        self.check_only_radiographs_are_sent()

    def test_a_large_file_asks_before_it_is_sent(self):
        self.settled(40, width=1100, height=1000)
        expecting = [head for head in self.door.heads if 'expect: 100-continue' in head.lower()]
        self.assertEqual(len(expecting), 4)

    def test_a_refusal_is_a_failure(self):
        instance = self.archive.send(film(50, **REFUSALS['KNEE'][1]))
        for number in (51, 52, 53):
            self.archive.send(ct(number))
        self.archive.wait_state(instance, 'failed')


@needs_orthanc
class InLuaNothingIsLost(ArchiveCase):

    lua = True

    def test_while_cxrd_is_away(self):
        door = self.door()
        archive = self.archive(door.url)
        first = archive.send(film(1))
        archive.wait_state(first, 'waiting')
        door.open(self.server())
        program.poll(lambda: archive.send(ct(2)) and archive.note(first, 'CxrdState') == 'done', 'it is asked about again')


class TheScript(unittest.TestCase):
    """docs/orthanc/cxrd.py with a stand-in for Orthanc's module."""

    def test_an_address_that_cannot_be_is_told_at_the_start(self):
        for url, taken in (('http://127.0.0.1:8080', True), ('https://cxrd.example', True), ('http://127.0.0.1:80800', False),
                           ('http://127.0.0.1:no', False), ('http://127.0.0.1:0', False), ('ftp://cxrd.example', False), ('http://', False)):
            module = unittest.mock.MagicMock()
            with unittest.mock.patch.dict(sys.modules, orthanc=module), unittest.mock.patch.dict(os.environ, CXRD_URL=url):
                runpy.run_path(os.path.join(orthanc.DOCS, 'cxrd.py'))
            self.assertEqual(module.RegisterOnChangeCallback.called, taken, url)
            self.assertEqual(module.LogError.called, not taken, url)


class Debian(orthanc.Archive):
    """Debian's Orthanc, as its service starts it, below another root: what differs is ports and the folder of the data."""

    def __init__(self, root):
        self.etc = os.path.join(root, 'etc', 'orthanc')
        with open(os.path.join(self.etc, 'cxrd.env'), encoding='ascii') as file:
            settings = dict(re.findall(r'^(CXRD_\w+)=(.*)$', file.read(), re.M))
        super().__init__(**settings)

    def configuration(self):
        change(os.path.join(self.etc, 'orthanc.json'), r'"HttpPort" : \d+', f'"HttpPort" : {self.address[1]}')
        change(os.path.join(self.etc, 'orthanc.json'), r'"DicomPort" : \d+', f'"DicomPort" : {self.dicom_port}')
        change(os.path.join(self.etc, 'orthanc.json'), '"/var/lib/orthanc/', f'"{self.folder}/')
        return self.etc


def change(path, pattern, text):
    with open(path, encoding='utf-8') as file:
        changed, times = re.subn(pattern, text, file.read())
    if times == 0:
        raise AssertionError(f'{path} does not say {pattern}')
    with open(path, 'w', encoding='utf-8') as file:
        file.write(changed)


@needs_orthanc
@unittest.skipUnless(shutil.which('jq') and shutil.which('curl'), 'jq or curl is not installed')
class ThePage(ArchiveCase):
    """The commands of docs/orthanc.md, in their order, on a copy of Debian's own /etc/orthanc."""

    TOOLS = {'sudo': '[ "$1" = apt-get ] || exec "$@"',
             'systemctl': '[ "$*" = daemon-reload ] || [ "$*" = "restart orthanc" ]',
             'install': 'exec /usr/bin/install $(echo "$*" | sed "s/-g orthanc//")'}  # whoever runs this need not be root

    def setUp(self):
        self.root = program.new_folder('root')
        os.mkdir(os.path.join(self.root, 'bin'))
        for name, text in self.TOOLS.items():
            with open(os.path.join(self.root, 'bin', name), 'w', encoding='ascii') as file:
                print('#!/bin/sh', text, sep='\n', file=file)
            os.chmod(file.name, 0o755)
        shutil.copytree('/etc/orthanc', os.path.join(self.root, 'etc', 'orthanc'), ignore=shutil.ignore_patterns('credentials.json'))
        change(os.path.join(self.root, 'etc', 'orthanc', 'python.json'), '/etc/', f'{self.root}/etc/')
        os.symlink(os.path.dirname(PAGE), os.path.join(self.root, 'docs'))
        with open(PAGE, encoding='utf-8') as page:
            self.blocks = re.findall(r'```sh\n(.*?)```', page.read(), re.S)

    def run_here(self, script, archive=None, **environment):
        for written, meant in [('/etc/', f'{self.root}/etc/')] + ([] if not archive else [
                (':8042', f':{archive.address[1]}'), (' 4242 ', f' {archive.dicom_port} ')]):
            script = script.replace(written, meant)
        tools = os.path.join(self.root, 'bin')
        done = subprocess.run(['bash', '-euo', 'pipefail', '-c', script], cwd=self.root, capture_output=True, text=True, check=False,
                              timeout=program.END_SECONDS, env=program.environment(PATH=f'{tools}:{os.environ["PATH"]}', **environment))
        self.assertEqual(done.returncode, 0, f'{done.stdout}\n{done.stderr}')
        return done.stdout

    def film(self, number, **changes):
        path = os.path.join(self.root, 'film.dcm')
        with open(path, 'wb') as file:
            file.write(film(number, **changes))
        return path

    def test_do_what_they_say(self):
        set_up, start, use, *more, by_hand = self.blocks
        self.run_here(set_up)
        change(os.path.join(self.root, 'etc', 'orthanc', 'cxrd.env'), 'http://127.0.0.1:8080', self.server().url)
        self.run_here(start)
        archive = Debian(self.root)
        self.addCleanup(archive.kill)
        send, _, look = use.partition('sleep 5\n')
        self.run_here(send, archive, film=self.film(1))
        instance = archive.id_of(film(1))
        archive.wait_state(instance, 'done')
        said = self.run_here(look, archive)
        self.assertRegex(said, r'(?s)^done\{.*"label": "\w+".*\}\n1\n$')
        knee = archive.send(film(2, **REFUSALS['KNEE'][1]))
        archive.wait_state(knee, 'refused')
        said = self.run_here('\n'.join(more), archive, id=instance)
        program.poll(lambda: len(archive.find(study(1), SOPClassUID=SR)) == 3, 'a report each time it was asked for')
        self.assertEqual(json.loads(said)['instance'], knee)
        self.assertEqual(json.loads(said)['reason'], 'body_part')
        copy, run = by_hand.splitlines()
        self.run_here(copy)
        self.assertTrue(run.endswith(' Orthanc orthanc.json'), 'which every other test here does')

    def test_its_packages_are_those_of_the_tests(self):
        with open(os.path.join(orthanc.DOCS, '..', '..', 'docker', 'packages.txt'), encoding='utf-8') as file:
            listed = set(re.findall(r'^test +(\S+)', file.read(), re.M))
        self.assertLessEqual(set(self.blocks[0].splitlines()[0].partition(' install ')[2].split()), listed)


if __name__ == '__main__':
    unittest.main()
