"""The order of things, as the kernel sees it: no rename before the file's fsync, no acknowledgement before everything
behind it is on the disk. kill -9 cannot show that: what was written survives a process; it is power cuts that take
what was not synced."""
import os

from harness import TRAINING, Faults, TortureCase
from support import client, dataset
from support.case import LONG, NOTHING, import_model, submit, wait_state, wait_training

CHANGES = ('write', 'pwrite', 'ftruncate')


def violations(lines, state):
    """The calls of a log that came too early."""
    dirty, found = set(), []
    for call, path, *more in lines:
        if call == 'reply':
            if path in ('201', '202', '204') and dirty:
                found.append(f'{path} while {sorted(dirty)} may still be lost')
            continue
        if not path.startswith(state):
            continue
        if call in CHANGES:
            dirty.add(path)
        elif call == 'fsync':
            dirty.discard(path)
        elif call == 'rename':
            if path in dirty:
                found.append(f'{path} renamed before it was synced')
            dirty.discard(path)
            dirty.add(os.path.dirname(path))
        elif call == 'unlink':
            dirty.discard(path)
            if path.endswith('-journal'):  # this is what commits; that anything else goes may be lost
                dirty.add(os.path.dirname(path))
        elif call == 'mkdir':
            dirty.add(os.path.dirname(path))
    return found


class Order(TortureCase):

    def setUp(self):
        self.faults = Faults()
        self.server = self.serve(faults=self.faults)

    def check(self, *without):
        """The log so far is in order; and it would not be without these syncs, so that the check means something."""
        lines, state = self.faults.log(), self.server.state
        self.assertEqual(violations(lines, state), [])
        for part in without:
            less = [line for line in lines if not (line[0] == 'fsync' and line[1].endswith(part))]
            self.assertLess(len(less), len(lines), f'{part} is never synced')
            self.assertNotEqual(violations(less, state), [], f'nothing depends on the syncs of {part}')

    def test_acknowledged_is_durable(self):
        """While a long training keeps the runner from the database, what is written is for the request alone."""
        running = submit(self.server, LONG)
        wait_training(self.server, running)
        self.faults.forget()
        import_model(self.server, dataset.weights(), activate=False)
        for _ in range(3):
            job = submit(self.server, NOTHING)
            self.assertEqual(client.post(self.server, f'/jobs/{job}/cancel').status, 202)
            self.assertEqual(client.request(self.server, 'DELETE', f'/jobs/{job}').status, 204)
        self.check('cxrd.db', '.part', '/models', self.server.state)
        self.assertEqual(sum(line[0] == 'reply' for line in self.faults.log()), 10)
        client.post(self.server, f'/jobs/{running}/cancel')
        wait_state(self.server, running, 'cancelled')

    def test_files_are_synced_before_they_are_renamed(self):
        wait_state(self.server, submit(self.server, TRAINING), 'succeeded')
        self.server.stop()
        lines = [line for line in self.faults.log() if line[0] != 'reply']
        renamed = [line[2].rsplit('/', 1)[-1] for line in lines if line[0] == 'rename']
        self.assertEqual(renamed.count('checkpoint.safetensors'), TRAINING['epochs'])
        self.assertEqual(violations(lines, self.server.state), [])
        less = [line for line in lines if not (line[0] == 'fsync' and line[1].endswith('.part'))]
        self.assertEqual(len(violations(less, self.server.state)), len(renamed))
