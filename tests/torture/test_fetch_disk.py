"""No space, or an error of the disk, at each write of a data set that is fetched: the job fails with a reason, nothing of it
stays, and when there is space again the next one succeeds."""
import io
import os
import tarfile
import unittest

import harness
from harness import Faults
from support import client, dataset, outside, program
from support.case import Case, wait_state

FILES = 3
TARGETS = (('the table', 'write', '/0.part'), ('an archive', 'write', '/1.part'), ('a file of it', 'write', '/unpacked/'),
           ('a version', 'write', '.etag'), ('what has come', 'fsync', '/.fetch-'))
TRIES = 200  # more than any of them has


def archive():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w') as tar:
        for i in range(FILES):
            info = tarfile.TarInfo(f'images/{dataset.name(i)}')
            info.size = len(dataset.image(i))
            tar.addfile(info, io.BytesIO(dataset.image(i)))
    return out.getvalue()


class FetchDisk(Case):

    def setUp(self):
        self.faults = Faults()
        self.host = outside.DataHost({'/table.csv': dataset.COLUMNS.encode() + b'\n', '/one.tar': archive()})
        self.addCleanup(self.host.stop)
        place = f'127.0.0.1:{self.host.port}'
        self.datasets = program.new_folder('datasets')
        self.server = program.Server('--data-hosts', place, '--outgoing-private', place, '--outgoing-ca', outside.certificate()[0],
                                     datasets=self.datasets, env=self.faults.environment)
        self.addCleanup(self.server.stop)

    def ask(self):
        body = {'name': 'fetched', 'table': {'url': f'{self.host.url}/table.csv'}, 'archives': [{'url': f'{self.host.url}/one.tar'}]}
        reply = client.post_json(self.server, '/datasets', body)
        self.assertEqual(reply.status, 202, reply)
        return reply.json()['id']

    def fetch(self):
        return wait_state(self.server, self.ask(), 'failed', 'succeeded')

    def check_fault(self, calls, part, k, error):
        """Returns whether there was such a call."""
        self.faults.forget()
        self.faults.order(calls, part, k, error, 'from')
        record = self.fetch()
        hit = self.faults.hits() > 0
        self.faults.clear()
        self.assertEqual(record['state'], 'failed' if hit else 'succeeded', record)
        if hit:
            self.assertRegex(record['error'], 'No space left on device|Input/output error')
            self.assertEqual(os.listdir(self.datasets), [])
        else:
            self.take_away()
        self.assertEqual(client.get(self.server, '/livez').status, 200)
        return hit

    def take_away(self):
        self.assertEqual(os.listdir(self.datasets), ['fetched'])
        os.rename(os.path.join(self.datasets, 'fetched'), os.path.join(program.new_folder('gone'), 'fetched'))

    def test_a_fetch_whose_disk_fails_fails_and_the_next_one_succeeds(self):
        points = 0
        for error in ('ENOSPC', 'EIO'):
            for name, calls, part in TARGETS:
                failed = 0
                for k in range(1 + harness.PART, TRIES, harness.PARTS) if harness.LONG else (1,):
                    with self.subTest(error=error, of=name, k=k):
                        if not self.check_fault(calls, part, k, error):
                            break
                        failed += 1
                self.assertTrue(failed or harness.PART, f'no {error} for {name}')
                points += failed
                self.assertEqual(self.fetch()['state'], 'succeeded')
                self.take_away()
        print(f'# {points} failed calls')

    def test_a_name_that_cannot_be_synced_is_taken_back(self):
        self.fetch()
        synced = [line[1] for line in self.faults.log() if line[0] == 'fsync' and '/datasets-' in line[1]]
        self.assertEqual(synced[-1], self.datasets)
        self.take_away()
        self.faults.forget()
        self.faults.order('fsync', '/datasets-', len(synced), 'EIO')
        record = self.fetch()
        self.assertEqual(self.faults.hits(), 1)
        self.faults.clear()
        self.assertEqual(record['state'], 'failed')
        self.assertEqual(os.listdir(self.datasets), [])
        self.assertEqual(self.fetch()['state'], 'succeeded')

    def test_a_file_system_that_cannot_rename_without_replacing_is_one_too(self):
        """As those of NFS and some of FUSE are, which say EINVAL."""
        self.faults.order('renameat2', '/.fetch-', 1, 'EINVAL', 'from')
        self.assertEqual(self.fetch()['state'], 'succeeded')
        self.assertEqual(self.faults.hits(), 1)
        self.take_away()
        self.host.gate.clear()
        job = self.ask()
        program.poll(lambda: self.host.requests[2:], 'it is on its way')
        os.mkdir(os.path.join(self.datasets, 'fetched'))  # an empty folder, which a rename would replace
        self.host.gate.set()
        self.assertIn("there is a data set 'fetched' already", wait_state(self.server, job, 'failed')['error'])
        self.assertEqual(os.listdir(self.datasets), ['fetched'])


if __name__ == '__main__':
    unittest.main()
