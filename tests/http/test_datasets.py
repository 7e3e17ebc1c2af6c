"""POST /datasets: a data set from elsewhere, through broken connections and restarts, and what must never come of one."""
import functools
import gzip
import hashlib
import io
import lzma
import os
import struct
import tarfile
import time
import unittest
import zipfile
import zlib

from support import client, dataset, outside, program
from support.case import QUICK, Case, ServerCase, job_of, log_until_now, submit, wait_state
from support.events import Stream, milestones

TABLE = '\n'.join([dataset.COLUMNS, *(dataset.line(i) for i in range(dataset.ROWS))]).encode() + b'\n'
KEYS = ('AKIDEXAMPLE', 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY', 'eu-central-1')


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def tar(*entries, mode='w:gz', **more):
    """A tar of (name, bytes) or whole TarInfo objects."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, **more) as archive:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry)
            else:
                info = tarfile.TarInfo(entry[0])
                info.size = len(entry[1])
                archive.addfile(info, io.BytesIO(entry[1]))
    return out.getvalue()


def special(name, kind, link=''):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@functools.lru_cache(maxsize=None)
def files():
    """The tiny data set as a host has it: half of the pictures in a tar as NIH packs them, half in a zip without folders."""
    half = dataset.ROWS // 2
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, 'w', zipfile.ZIP_DEFLATED) as archive:
        for i in range(half, dataset.ROWS):
            archive.writestr(dataset.name(i), dataset.image(i))
    return {'/b/table.csv': TABLE, '/b/one.tar.gz': tar(*((f'images/{dataset.name(i)}', dataset.image(i)) for i in range(half))),
            '/b/two.zip': zipped.getvalue()}


class DatasetsCase(Case):

    def host(self, more=None, **kind):
        there = outside.DataHost({**files(), **(more or {})}, **kind)
        self.addCleanup(there.stop)
        return there

    def serve(self, host, *arguments, state=None, datasets=None, stop=True):
        place = f'127.0.0.1:{host.port}'
        server = program.Server('--data-hosts', place, '--outgoing-private', place, '--outgoing-ca', outside.certificate()[0],
                                *arguments, state=state, datasets=datasets or program.new_folder('datasets'))
        server.datasets = server.process.args[server.process.args.index('--datasets') + 1]
        if stop:
            self.addCleanup(server.stop)
        return server

    def wanted(self, host, archives=('/b/one.tar.gz', '/b/two.zip'), **more):
        def source(path):
            return {'url': host.url + path, 'sha256': sha256(host.files[path]), **more}
        return {'name': 'fetched', 'table': source('/b/table.csv'), 'archives': [source(path) for path in archives]}

    def ask(self, server, body, **headers):
        reply = client.post_json(server, '/datasets', body, **headers)
        self.assertEqual(reply.status, 202, reply)
        self.assertEqual(reply.headers['location'], f'/jobs/{reply.json()["id"]}')
        return reply.json()['id']

    def assert_nothing_else(self, server):
        """The files that the job has gathered go when its end is on record."""
        program.poll(lambda: os.listdir(server.datasets) == ['fetched'], 'nothing but the data set')

    def assert_trains(self, server):
        """The data set is whole, and a training takes it."""
        self.assert_nothing_else(server)
        record = wait_state(server, submit(server, {**QUICK, 'dataset': 'fetched'}), 'succeeded')
        self.assertEqual((record['dataset']['rows'], record['dataset']['missing_images']), (dataset.ROWS, 0))
        self.assertTrue(record['model'])

    def assert_fails(self, server, body, says):
        """The job fails with a sentence, and nothing is left of it."""
        record = wait_state(server, self.ask(server, body), 'failed')
        self.assertIn(says, record['error'])
        self.assertEqual(os.listdir(server.datasets), [])
        return record


class Fetching(DatasetsCase):

    def test_a_data_set_is_fetched_checked_and_trained_on(self):
        host = self.host()
        server = self.serve(host)
        body = self.wanted(host)
        body['archives'][0]['url'] += '?token=secret'
        job = self.ask(server, body)
        record = wait_state(server, job, 'succeeded')
        self.assertEqual((record['type'], record['progress'], record['error']), ('fetch', 1, None))
        self.assertEqual((record['found'], record['warnings']),
                         ({'rows': dataset.ROWS, 'with_picture': dataset.ROWS, 'pictures': dataset.ROWS}, []))
        self.assertEqual([(f['bytes'], f['sha256']) for f in record['files']],
                         [(len(data), sha256(data)) for data in files().values()])
        self.assertNotIn('secret', str(record))
        self.assertEqual(client.get(server, '/jobs').json()['jobs'][0]['type'], 'fetch')
        with open(os.path.join(server.datasets, 'fetched', 'images_001', 'images', dataset.name(3)), 'rb') as file:
            self.assertEqual(file.read(), dataset.image(3))
        self.assertEqual(client.get(server, f'/jobs/{job}/scores').status, 404)
        events = client.get(server, f'/jobs/{job}/events').body.decode()
        for phase in ('fetching', 'verifying', 'unpacking'):
            self.assertIn(f'"{phase}"', events)
        self.assert_trains(server)

    def test_rows_without_a_picture_are_counted_when_they_have_come(self):
        """A zip within folders, as some hosts make them: all is unpacked, and no training would find a picture."""
        deep, nested = io.BytesIO(), io.BytesIO()
        with zipfile.ZipFile(deep, 'w') as archive:
            for i in range(dataset.ROWS):
                archive.writestr(f'images_001/images/{dataset.name(i)}', dataset.image(i))
        with zipfile.ZipFile(nested, 'w') as archive:
            archive.writestr('images/pictures.zip', deep.getvalue())
        host = self.host({'/b/deep.zip': deep.getvalue(), '/b/nested.zip': nested.getvalue()})
        pattern = 'images_*/*/images/*.png'
        for path in ('/b/deep.zip', '/b/nested.zip'):
            server = self.serve(host)
            record = wait_state(server, self.ask(server, self.wanted(host, [path])), 'succeeded')
            self.assertEqual(record['found'], {'rows': dataset.ROWS, 'with_picture': 0, 'pictures': 0}, path)
            self.assertEqual([w['code'] for w in record['warnings']], ['missing_images'])
            self.assertIn(f'of {dataset.ROWS} rows of the table 0 have a picture', record['warnings'][0]['detail'])
            if path == '/b/nested.zip':
                self.assertNotIn('give a training', record['warnings'][0]['detail'])
                continue
            self.assertIn(f'"{pattern}", which finds those of {dataset.ROWS}', record['warnings'][0]['detail'])
            trained = wait_state(server, submit(server, {**QUICK, 'dataset': 'fetched', 'images': pattern}), 'succeeded')
            self.assertEqual(trained['dataset']['missing_images'], 0)

    def test_a_table_that_no_training_will_take_is_said(self):
        host = self.host({'/b/table.csv': gzip.compress(files()['/b/table.csv'])})
        server = self.serve(host)
        record = wait_state(server, self.ask(server, self.wanted(host)), 'succeeded')
        self.assertNotIn('found', record)
        self.assertEqual([w['code'] for w in record['warnings']], ['unreadable_table'])
        self.assertIn('is compressed with gzip', record['warnings'][0]['detail'])

    def test_pictures_of_a_table_of_other_findings_are_counted_too(self):
        """A training's 'labels' may name its words: what there is to say is said of the pictures as well."""
        table = files()['/b/table.csv'].replace(b'Mass', b'Fracture')
        for archives, with_picture in ((('/b/none.tar',), 0), (('/b/one.tar.gz', '/b/two.zip'), dataset.ROWS)):
            host = self.host({'/b/table.csv': table, '/b/none.tar': tar(('images/readme.txt', b'x'))})
            server = self.serve(host)
            record = wait_state(server, self.ask(server, self.wanted(host, archives)), 'succeeded')
            self.assertEqual((record['found']['rows'], record['found']['with_picture']), (dataset.ROWS, with_picture))
            self.assertEqual([w['code'] for w in record['warnings']], ['unreadable_table'] + ['missing_images'] * (not with_picture))
            self.assertIn("that does not name its findings in 'labels' will refuse this data set", record['warnings'][0]['detail'])
            self.assertIn("'Fracture'", record['warnings'][0]['detail'])
        own = sorted({'Fracture', *dataset.LABELS} - {'Mass'})
        wait_state(server, submit(server, {**QUICK, 'dataset': 'fetched', 'labels': own}), 'succeeded')

    def test_names_are_what_they_are_in_the_archive(self):
        host = self.host()
        zipped = io.BytesIO()
        with zipfile.ZipFile(zipped, 'w') as archive:
            archive.writestr('images/\u00e9.png', b'x')
        for format in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
            host.files[f'/b/{format}'] = tar(('images/\u00e9.png', b'x'), format=format, encoding='utf-8')
        host.files['/b/zip'] = zipped.getvalue()
        archives = [path for path in host.files if '.' not in path]
        server = self.serve(host)
        wait_state(server, self.ask(server, self.wanted(host, archives)), 'succeeded')
        for i in range(len(archives)):
            self.assertEqual(os.listdir(os.path.join(server.datasets, 'fetched', f'images_{i + 1:03}', 'images')), ['\u00e9.png'])

    def test_steps_tell_of_bytes_a_few_times_a_second(self):
        host = self.host()
        host.pace = (len(files()['/b/one.tar.gz']) // 40, 0.05)
        server = self.serve(host)
        job = self.ask(server, self.wanted(host))
        begun, record = time.monotonic(), {}
        with Stream(server.address, job) as stream:
            for event in stream.read():
                if event.name == 'step' and not record:
                    record = job_of(server, job)
        steps = [event.data for event in stream.events if event.name == 'step']
        self.assertTrue(3 <= len(steps) <= 1 + (time.monotonic() - begun) / 0.25, steps)
        self.assertEqual(set(record['current']), {'file', 'files', 'bytes', 'bytes_total'})
        sizes = [len(data) for data in files().values()]
        for step in steps:
            self.assertEqual(set(step), {*record['current'], 'progress', 'eta_s'})
            self.assertEqual((step['files'], step['bytes_total'], step['eta_s']), (3, sizes[step['file'] - 1], None))
            self.assertLessEqual(step['bytes'], step['bytes_total'])
        self.assertLessEqual({2, 3}, {step['file'] for step in steps})
        self.assertEqual([step['progress'] for step in steps], sorted({step['progress'] for step in steps}))
        ids = [event.id for event in stream.events]
        self.assertEqual(ids, sorted(set(ids)))
        told = milestones(stream.events)
        with Stream(server.address, job) as again:
            self.assertEqual(again.rest(), told)
        cut = next(event.id for event in stream.events if event.name == 'step' and event.data['file'] == 2)
        with Stream(server.address, job, cut) as again:
            self.assertEqual(again.rest(), [event for event in told if event.id > cut])

    def test_progress_never_falls(self):
        host = self.host({'/b/table.csv': bytes(128 << 20)})  # which takes a moment to be verified, too
        server = self.serve(host)
        job = self.ask(server, self.wanted(host))
        seen, phases = [0], set()
        while seen[-1] < 1:
            record = job_of(server, job)
            seen.append(record['progress'])
            phases.add(record['phase'])
        self.assertIn('verifying', phases)
        self.assertEqual(seen, sorted(seen))

    def test_what_is_cut_twice_is_resumed_where_it_was(self):
        host = self.host()
        for path, data in files().items():
            host.cuts[path] = [len(data) // 3, len(data) // 3]
        server = self.serve(host)
        wait_state(server, self.ask(server, self.wanted(host)), 'succeeded')
        for path, data in files().items():
            asked = host.asked(path)
            self.assertEqual(asked[0], (None, None))
            self.assertEqual(len(asked), 3)
            starts = [int(text.removeprefix('bytes=').rstrip('-')) for text, _ in asked[1:]]
            self.assertTrue(0 < starts[0] < starts[1] < len(data), starts)
            self.assertEqual({tag for _, tag in asked[1:]}, {host.etag(path)})
        self.assert_trains(server)

    def test_s3_is_asked_with_signatures_and_resumed_too(self):
        host = self.host(keys=KEYS)
        host.cuts = {path: [len(data) // 3, len(data) // 3] for path, data in files().items()}
        credentials = os.path.join(program.new_folder('s3'), 'credentials')
        with open(credentials, 'w', encoding='ascii') as file:
            file.write(':'.join(KEYS[:2]) + '\n')
        server = self.serve(host, '--data-credentials', credentials)
        wait_state(server, self.ask(server, self.wanted(host, s3_region=KEYS[2])), 'succeeded')
        self.assertEqual([len(host.asked(path)) for path in files()], [3, 3, 3])
        self.assert_trains(server)
        self.assertNotIn(KEYS[1], log_until_now(server))
        other = {**self.wanted(host, s3_region='us-east-1'), 'name': 'other'}
        self.assertIn('403', wait_state(server, self.ask(server, other), 'failed')['error'])

    def test_a_host_without_ranges_begins_anew(self):
        host = self.host(ranges=False)
        host.cuts['/b/one.tar.gz'] = [20000, 30000]
        server = self.serve(host)
        wait_state(server, self.ask(server, self.wanted(host)), 'succeeded')
        self.assert_trains(server)

    def test_a_file_that_changes_on_the_way_is_fetched_anew(self):
        host = self.host({'/b/one.tar.gz': tar(('images/x.png', os.urandom(60000)))})
        host.cuts['/b/one.tar.gz'] = [20000]
        host.gate.clear()
        host.before_gate = 10000
        server = self.serve(host)
        job = self.ask(server, {**self.wanted(host), 'archives': [{'url': host.url + '/b/one.tar.gz'},
                                                                  {'url': host.url + '/b/two.zip'}]})
        host.gate.set()
        program.poll(lambda: host.asked('/b/one.tar.gz'), 'the first version is asked for')
        host.files['/b/one.tar.gz'] = files()['/b/one.tar.gz']
        wait_state(server, job, 'succeeded')
        self.assert_trains(server)

    def test_a_restart_in_the_middle_goes_on_when_it_is_resumed(self):
        self.check_restart(program.Server.stop)

    def test_a_crash_in_the_middle_goes_on_when_it_is_resumed(self):
        self.check_restart(program.Server.kill)

    def check_restart(self, end):
        host = self.host()
        host.gate.clear()
        host.before_gate = 1000
        server = self.serve(host, stop=False)
        job = self.ask(server, self.wanted(host))
        program.poll(lambda: job_of(server, job).get('current', {}).get('bytes', 0) > 0, 'the first bytes')
        record = job_of(server, job)
        self.assertEqual((record['phase'], record['current']['file'], record['current']['files']), ('fetching', 1, 3))
        self.assertEqual(record['current']['bytes_total'], len(TABLE))
        end(server)
        self.assertEqual(os.listdir(server.datasets), [f'.fetch-{job}'])
        host.gate.set()
        server = self.serve(host, state=server.state, datasets=server.datasets)
        self.assertEqual(job_of(server, job)['state'], 'interrupted')
        client.post(server, f'/jobs/{job}/resume')
        wait_state(server, job, 'succeeded')
        self.assertTrue(host.asked('/b/table.csv')[1][0], 'a range')
        self.assert_trains(server)

    def test_a_crash_after_the_data_set_has_its_name_loses_nothing_of_the_record(self):
        host = self.host()
        server = self.serve(host, stop=False)
        host.cuts['/b/two.zip'] = [9000] * 100
        job = self.ask(server, self.wanted(host))
        program.poll(lambda: len(job_of(server, job).get('files', [])) == 2, 'two files are there')
        server.kill()
        place = os.path.join(server.datasets, f'.fetch-{job}')  # as it is when all is done but for the last words
        os.mkdir(os.path.join(server.datasets, 'fetched'))
        with open(os.path.join(place, 'complete'), 'wb'):
            pass
        server = self.serve(host, state=server.state, datasets=server.datasets)
        client.post(server, f'/jobs/{job}/resume')
        record = wait_state(server, job, 'succeeded')
        self.assertEqual([f['bytes'] for f in record['files']], [len(data) for data in files().values()][:2])
        self.assert_nothing_else(server)

    def test_a_host_that_does_not_answer_interrupts_the_job(self):
        host = self.host()
        host.cuts['/b/one.tar.gz'] = [9000]
        server = self.serve(host, '--data-tries', '1')
        job = self.ask(server, self.wanted(host))
        program.poll(lambda: host.asked('/b/one.tar.gz'), 'it is asked')
        host.status = 503
        record = wait_state(server, job, 'interrupted')
        self.assertIn('archive 1: the host answered 503', record['error'])
        host.status = None
        client.post(server, f'/jobs/{job}/resume')
        self.assertIsNone(wait_state(server, job, 'succeeded')['error'])
        self.assertEqual(len(host.asked('/b/table.csv')), 1, 'what is there is not asked for again')
        self.assertEqual(host.asked('/b/one.tar.gz')[-1][1], host.etag('/b/one.tar.gz'))
        self.assert_trains(server)

    def test_a_host_that_never_brings_more_interrupts_the_job(self):
        host = self.host()
        host.cuts['/b/one.tar.gz'] = [9000] * 100  # and its rests are of no version that one could know
        host.rest_has_tag = False
        server = self.serve(host, '--data-tries', '3')
        record = wait_state(server, self.ask(server, self.wanted(host)), 'interrupted')
        self.assertIn('archive 1: ', record['error'])
        self.assertLess(len(host.asked('/b/one.tar.gz')), 10)

    def test_a_host_that_brings_next_to_nothing_interrupts_the_job(self):
        host = self.host()
        host.cuts['/b/one.tar.gz'] = [1] * 100  # and then the rest of it, one byte more each time
        server = self.serve(host, '--data-tries', '3')
        record = wait_state(server, self.ask(server, self.wanted(host)), 'interrupted')
        self.assertIn('archive 1: ', record['error'])
        self.assertEqual(len(host.asked('/b/one.tar.gz')), 3)

    def test_a_cancelled_job_leaves_nothing(self):
        host = self.host()
        host.gate.clear()
        server = self.serve(host, stop=False)
        job = self.ask(server, self.wanted(host))
        program.poll(lambda: job_of(server, job).get('current', {}).get('bytes', 0) > 0, 'the first bytes')
        client.post(server, f'/jobs/{job}/cancel')
        wait_state(server, job, 'cancelled')
        self.assertEqual(os.listdir(server.datasets), [])
        second = self.ask(server, self.wanted(host))
        program.poll(lambda: job_of(server, second).get('current', {}).get('bytes', 0) > 0, 'the first bytes')
        server.stop()
        server = self.serve(host, state=server.state, datasets=server.datasets)
        self.assertEqual(os.listdir(server.datasets), [f'.fetch-{second}'])
        self.assertEqual(client.request(server, 'DELETE', f'/jobs/{second}').status, 204)
        self.assertEqual(os.listdir(server.datasets), [])

    def test_what_no_job_will_go_on_with_is_swept(self):
        host = self.host()
        datasets = program.new_folder('datasets')
        os.makedirs(os.path.join(datasets, '.fetch-0123abcd-0000', 'unpacked', 'a'))
        os.makedirs(os.path.join(datasets, '.mine'))
        self.serve(host, datasets=datasets)
        self.assertEqual(os.listdir(datasets), ['.mine'])

    def test_the_same_key_gives_the_same_job(self):
        host = self.host()
        server = self.serve(host)
        key = {'Idempotency_Key': 'one'}
        job = self.ask(server, self.wanted(host), **key)
        wait_state(server, job, 'succeeded')
        self.assertEqual(self.ask(server, self.wanted(host), **key), job)
        self.assert_problem(client.post_json(server, '/datasets', {**self.wanted(host), 'name': 'x'}, **key), 422, 'Idempotency-Key')


class Refused(DatasetsCase):

    def test_what_is_not_what_was_promised_fails(self):
        host = self.host({'/b/none.tar': b'nothing like it' * 100, '/b/empty.tar': tar(mode='w:'),
                          '/b/half.tar.gz': files()['/b/one.tar.gz'][:-3000]})
        server = self.serve(host)
        wrong = self.wanted(host)
        wrong['archives'][1]['sha256'] = '0' * 64
        self.assert_fails(server, wrong, f'archive 2 has the SHA-256 {sha256(files()["/b/two.zip"])}, not 000')
        self.assert_fails(server, self.wanted(host, ['/b/none.tar']), 'archive 1 cannot be unpacked')
        self.assert_fails(server, self.wanted(host, ['/b/empty.tar']), 'archive 1 is empty')
        self.assert_fails(server, self.wanted(host, ['/b/half.tar.gz']), 'archive 1 cannot be unpacked')
        missing = self.wanted(host)
        missing['table']['url'] += 'x'
        self.assert_fails(server, missing, 'the table: the host answered 404')

    def test_a_rest_that_is_longer_than_anything_fails(self):
        host = self.host()
        host.cuts['/b/one.tar.gz'] = [9000]
        host.rest_length = 2**63 - 1
        server = self.serve(host, '--data-tries', '2')
        self.assert_fails(server, self.wanted(host), 'archive 1: the files have more than the')

    def test_hostile_archives_leave_nothing_outside(self):
        above = program.new_folder('above')
        canary = os.path.join(above, 'canary')
        png = dataset.image(0)
        link = special('images/link', tarfile.SYMTYPE, above)
        hostile = {
            'dots': (tar(('images/a.png', png), ('../../../../../../..' + canary, b'x')), 'leads elsewhere'),
            'dots inside': (tar((f'images/../../..{canary}', b'x')), 'leads elsewhere'),
            'absolute': (tar((canary, b'x')), 'leads elsewhere'),
            'symlink': (tar(link), 'a symbolic link'),
            'through a symlink': (tar(link, ('images/link/canary', b'x')), 'a symbolic link'),
            'hard link': (tar(special('images/passwd', tarfile.LNKTYPE, '/etc/passwd')), 'a hard link'),
            'device': (tar(special('images/null', tarfile.CHRTYPE)), 'a device'),
            'block device': (tar(special('images/disk', tarfile.BLKTYPE)), 'a device'),
            'pipe': (tar(special('images/pipe', tarfile.FIFOTYPE)), 'a pipe'),
            'twice': (tar(('images/a.png', png), ('images/a.png', b'x')), 'there already'),
            'file as folder': (tar(('images/a', png), ('images/a/b', b'x')), 'there already'),
            'folder as file': (tar(('images/a/b', png), ('images/a', b'x')), 'there already'),
            'backslash': (tar(('images\\..\\x', b'x')), 'leads elsewhere'),
            'control': (tar(('images/\x1b[31m', b'x')), 'leads elsewhere'),
            'deep': (tar(('/'.join('x' * 9), b'x')), 'leads elsewhere'),
            'long': (tar(('images/' + 'x' * 400, b'x')), 'leads elsewhere'),
        }
        zipped = io.BytesIO()
        with zipfile.ZipFile(zipped, 'w') as archive:
            archive.writestr('../../../../..' + canary, b'x')
        hostile['zip'] = (zipped.getvalue(), 'leads elsewhere')
        zipped = io.BytesIO()
        with zipfile.ZipFile(zipped, 'w') as archive:
            info = zipfile.ZipInfo('images/link')
            info.create_system, info.external_attr = 3, 0o120777 << 16
            archive.writestr(info, above)
        hostile['zip with a link'] = (zipped.getvalue(), 'a symbolic link')
        for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):  # the second says how much memory it takes
            zipped = io.BytesIO()
            with zipfile.ZipFile(zipped, 'w', method) as archive:
                archive.writestr('images/a.png', png)
            hostile[f'zip packed by {method}'] = (zipped.getvalue(), 'neither stored nor deflated')
        hostile['xz'] = (lzma.compress(tar(('images/a.png', png))), 'is packed with xz, which is not read')
        hostile['lzma'] = (lzma.compress(tar(('images/a.png', png)), lzma.FORMAT_ALONE), 'is packed with LZMA, which is not read')
        host = self.host({f'/b/{name.replace(" ", "_")}': data for name, (data, _) in hostile.items()})
        server = self.serve(host)
        for name, (_, says) in hostile.items():
            with self.subTest(name):
                self.assert_fails(server, self.wanted(host, [f'/b/{name.replace(" ", "_")}']), says)
                self.assertEqual(os.listdir(above), [])

    def test_bombs_are_put_out(self):
        zeros = gzip.compress(bytes(32 << 20))  # a file of 2 GiB that comes as 64 times the same
        header = tarfile.TarInfo('images/zeros.png')
        header.size = 2 << 30
        folder = special('images/', tarfile.DIRTYPE).tobuf()
        million = gzip.compress(folder * 10000) * 100
        small = tar(*((f'images/{i}.png', b'x') for i in range(101)))
        host = self.host({'/b/zeros': gzip.compress(header.tobuf()) + zeros * 64, '/b/million': million, '/b/small': small,
                          '/b/sparse': tar(('images/a.png', bytes(70 << 20)))})
        server = self.serve(host)
        self.assert_fails(server, self.wanted(host, ['/b/zeros']), 'archive 1 unpacks to more than 100 times its size')
        self.assert_fails(server, self.wanted(host, ['/b/sparse']), 'archive 1 unpacks to more than 100 times its size')
        self.assert_fails(server, self.wanted(host, ['/b/million']), 'archive 1 holds more entries than are left of --data-files')
        few = self.serve(host, '--data-files', '101')
        wait_state(few, self.ask(few, self.wanted(host, ['/b/small'])), 'succeeded')
        again = {**self.wanted(host, ['/b/small', '/b/two.zip']), 'name': 'again'}
        self.assertIn('archive 2 holds more entries', wait_state(few, self.ask(few, again), 'failed')['error'])
        little = self.serve(host, '--data-bytes', '4K')
        self.assert_fails(little, self.wanted(host), '--data-bytes')
        tight = self.serve(host, '--data-bytes', str(len(TABLE) + len(zlib.compress(bytes(70 << 20))) + 40000))
        self.assert_fails(tight, self.wanted(host, ['/b/sparse']), 'archive 1 unpacks to more than is left of --data-bytes')

    def test_what_is_read_before_anybody_is_asked_has_an_end(self):
        """Parts that libarchive unpacks or gathers in one piece: bytes of a folder, a zip's directory, the name in a gzip's header."""
        folder = special('images/', tarfile.DIRTYPE)
        folder.pax_headers = {'size': str(4 << 20)}  # or any other
        entry = struct.pack('<4sHHHHHHIIIHHHHHII', b'PK\1\2', 0x314, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0o100644 << 16, 0) + b'x'
        entries = entry * 100000
        name = b'\x1f\x8b\x08\x08\0\0\0\0\0\3' + b'x' * (18 << 20)
        film = tarfile.TarInfo('images/1.png')
        first = gzip.compress(film.tobuf())  # a whole member, and a whole entry: what follows could be the end
        end = struct.pack('<4sHHHHIIH', b'PK\5\6', 0, 0, 1, 1, len(entries), 0, 0)  # which speaks of one
        host = self.host({'/b/folder': gzip.compress(folder.tobuf() + bytes(4 << 20)),
                          '/b/directory': entries + end, '/b/name': name, '/b/second': first + name})
        server = self.serve(host, '--data-files', '10000')
        self.assert_fails(server, self.wanted(host, ['/b/folder']), "'images/': a folder with bytes of its own")
        self.assert_fails(server, self.wanted(host, ['/b/directory']), 'archive 1 holds more entries than are left of --data-files')
        for path in ('/b/name', '/b/second'):
            self.assert_fails(server, self.wanted(host, [path]), 'archive 1 has a header that does not end')

    def test_wrong_fields_are_named(self):
        host = self.host()
        server = self.serve(host)
        good = self.wanted(host)
        os.makedirs(os.path.join(server.datasets, 'there'))
        source = good['table']
        for change, *fields in (({'name': 'there'}, 'name'), ({'name': '../x'}, 'name'), ({'name': '.x'}, 'name'), ({'name': 'x' * 65}, 'name'),
                                ({'name': None}, 'name'), ({'colour': 1}, 'colour'), ({'table': 'x'}, 'table'), ({'archives': []}, 'archives'),
                                ({'archives': [source] * 65}, 'archives'), ({'table': {}}, 'table.url'),
                                ({'table': {**source, 'sha256': 'x'}}, 'table.sha256'), ({'table': {**source, 'x': 1}}, 'table.x'),
                                ({'archives': [source, {**source, 'url': 5}]}, 'archives[1].url'),
                                ({'table': {**source, 'x' * 31 + '\u00e9': 1}}, 'table.' + 'x' * 31 + '?'),  # cut within a character
                                ({'table': {**source, 's3_region': 'a/b'}, 'name': 5}, 'table.s3_region', 'name'),
                                ({'table': {**source, 's3_region': 'eu-central-1'}}, 'table.s3_region'),
                                ({'table': {'url': 'https://elsewhere.example/x'}}, 'table.url')):
            with self.subTest(change):
                self.assert_wrong_fields(client.post_json(server, '/datasets', {**good, **change}), *fields)
        self.assert_wrong_fields(client.post_json(server, '/datasets', []), '')
        self.assert_problem(client.post_json(server, '/datasets', '{'), 400)
        self.assert_problem(client.post(server, '/datasets', b'{}', Content_Type='text/plain'), 415)
        self.assert_problem(client.post_json(server, '/datasets', '{"name":"' + 'x' * (1 << 17) + '"}'), 413)

    def test_more_than_may_wait_is_429(self):
        host = self.host()
        host.gate.clear()
        server = self.serve(host, '--job-queue', '1')
        job = self.ask(server, self.wanted(host))
        wait_state(server, job, 'running')
        self.ask(server, {**self.wanted(host), 'name': 'second'})
        self.assert_problem(client.post_json(server, '/datasets', {**self.wanted(host), 'name': 'third'}), 429, job)


class Row17(DatasetsCase):
    """The same addresses as of notices: nobody is asked but whom the operator named."""

    def trap(self):
        there = outside.Trap()
        self.addCleanup(there.stop)
        return there

    def serve_hosts(self, *arguments):
        server = program.Server('--outgoing-ca', outside.certificate()[0], *arguments, datasets=program.new_folder('datasets'))
        server.datasets = server.process.args[server.process.args.index('--datasets') + 1]
        self.addCleanup(server.stop)
        return server

    def of(self, url):
        return {'name': 'x', 'table': {'url': url}, 'archives': [{'url': url}]}

    def test_row_17_a_redirect_is_not_followed(self):
        trap = self.trap()
        there = outside.Outside(lambda handler: outside.say(handler, 302, Location=f'https://127.0.0.1:{trap.port}/'))
        self.addCleanup(there.stop)
        hosts = f'127.0.0.1:{there.port},127.0.0.1:{trap.port}'
        self.assert_fails(self.serve_hosts('--data-hosts', hosts, '--outgoing-private', hosts), self.of(there.url + '/x'),
                          'answered 302: a redirect, which is not followed')
        self.assertEqual(trap.caught, 0)

    def test_row_17_names_and_mapped_and_metadata_addresses_that_lead_inside_are_not_asked(self):
        trap = self.trap()
        mapped = f'[::ffff:127.0.0.1]:{trap.port}'
        server = self.serve_hosts('--data-hosts', f'localhost:{trap.port},127.0.0.1:{trap.port},{mapped},169.254.169.254',
                                  '--outgoing-private', mapped)
        for host, says in ((f'localhost:{trap.port}', 'a loopback address, which is refused'),
                           (f'127.0.0.1:{trap.port}', 'a loopback address, which is refused'),
                           (mapped, 'an address that holds another one'),
                           ('169.254.169.254', 'a link-local, reserved or metadata address')):
            with self.subTest(host):
                self.assert_fails(server, self.of(f'https://{host}/x'), says)
        self.assertEqual(trap.caught, 0)

    def test_row_17_other_words_for_an_address_are_not_asked(self):
        trap = self.trap()
        server = self.serve_hosts('--data-hosts', f'data.example:{trap.port}')
        port = trap.port
        for url in ('file:///etc/passwd', f'http://data.example:{port}/x', f'https://127.0.0.1:{port}/x', f'https://0x7f000001:{port}/',
                    f'https://data.example:{port}@127.0.0.1:{port}/', f'ftp://data.example:{port}/x', f's3://127.0.0.1:{port}/x',
                    'https://169.254.169.254/latest', f'https://[::ffff:127.0.0.1]:{port}/'):
            with self.subTest(url):
                self.assert_wrong_fields(client.post_json(server, '/datasets', self.of(url)), 'table.url', 'archives[0].url')
        self.assertEqual(trap.caught, 0)


class NotConfigured(ServerCase):

    with_data = True

    def test_it_is_403_and_says_which_option_is_missing(self):
        self.assert_problem(self.post_json('/datasets', {}), 403, '--data-hosts')
        server = program.Server('--data-hosts', 'data.example')
        self.addCleanup(server.stop)
        self.assert_problem(client.post_json(server, '/datasets', {}), 403, '--datasets')

    def test_credentials_that_are_none_are_refused_at_the_start(self):
        path = os.path.join(program.new_folder('s3'), 'credentials')
        for text in ('', 'id', ':secret', 'id:'):
            with open(path, 'w', encoding='ascii') as file:
                file.write(text)
            done = program.run('serve', '--listen', '127.0.0.1:0', '--state', program.new_folder('state'), '--data-credentials', path)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn('--data-credentials', done.stderr)


if __name__ == '__main__':
    unittest.main()
