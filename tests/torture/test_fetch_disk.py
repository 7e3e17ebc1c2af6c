"""No space, or an error of the disk, at each write of a data set that is fetched: the job fails with a reason, nothing of it
stays, and when there is space again the next one succeeds."""
import io
import os
import tarfile
import unittest

import harness
from harness import Faults
from support import client, dataset, outside, program
from support.case import Case, job_of, wait_state

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
        self.datasets = program.new_folder('datasets')
        self.server = self.serve()

    def serve(self, state=None):
        place = f'127.0.0.1:{self.host.port}'
        server = program.Server('--data-hosts', place, '--outgoing-private', place, '--outgoing-ca', outside.certificate()[0],
                                state=state, datasets=self.datasets, env=self.faults.environment)
        self.addCleanup(lambda: server.alive() and server.stop())
        return server

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
        self.check_alone()
        os.rename(os.path.join(self.datasets, 'fetched'), os.path.join(program.new_folder('gone'), 'fetched'))

    def check_alone(self):
        """The files that the job has gathered go when its end is on record."""
        program.poll(lambda: os.listdir(self.datasets) == ['fetched'], 'nothing but the data set')

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

    def count(self, call, part):
        """How many of these calls there are from the question to the end."""
        self.faults.forget()
        self.assertEqual(self.fetch()['state'], 'succeeded')
        self.take_away()
        return sum(line[0] == call and part in line[1] for line in self.faults.log())

    def dies(self, call, part):
        """A job whose server dies just before the last of these calls."""
        self.faults.order(call, part, self.count(call, part), 'KILL')
        job = self.ask()
        program.poll(lambda: not self.server.alive(), 'it is dead')
        self.faults.clear()
        return job

    def test_a_death_before_the_end_is_on_record_costs_nothing(self):
        """The data set has its name, and the last transaction of its job does not come about."""
        job = self.dies('unlink', 'cxrd.db-journal')
        asked = len(self.host.requests)
        self.server = self.serve(self.server.state)
        self.assertEqual(job_of(self.server, job)['state'], 'interrupted')
        self.assertEqual(client.post(self.server, f'/jobs/{job}/resume').status, 202)
        wait_state(self.server, job, 'succeeded')
        self.assertEqual(len(self.host.requests), asked, 'nothing is fetched again')
        self.check_alone()

    def test_a_death_after_the_end_is_on_record_leaves_what_the_next_start_sweeps(self):
        job = self.dies('unlinkat', '/datasets-')
        self.assertEqual(sorted(os.listdir(self.datasets)), [f'.fetch-{job}', 'fetched'])
        self.server = self.serve(self.server.state)
        self.assertEqual((job_of(self.server, job)['state'], os.listdir(self.datasets)), ('succeeded', ['fetched']))

    def test_an_end_that_is_written_late_leaves_no_more_than_another(self):
        self.faults.order('unlink', 'cxrd.db-journal', self.count('unlink', 'cxrd.db-journal'), 'EIO')
        wait_state(self.server, self.ask(), 'succeeded')
        self.assertEqual(self.faults.hits(), 1)
        program.poll(lambda: 'written at last' in self.server.log_text(), 'it is written')
        self.assertEqual(os.listdir(self.datasets), ['fetched'])

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
