"""Killed just before each single call that changes a file: open, write, fsync, rename, unlink, mkdir."""
import collections

import harness
from harness import GONE, TRAINING, Faults, TortureCase, tensors
from support import client, dataset
from support.case import ENDED, import_model, job_of, submit, wait_state
from support.program import poll

CALLS = ('open', 'write', 'pwrite', 'fsync', 'rename', 'unlink', 'mkdir')
SAMPLE = 4  # points in the short form

Acknowledged = collections.namedtuple('Acknowledged', 'model active job')


class Points(TortureCase):

    def live(self, faults, state=None):
        """An import, an activation, a training to its end, with a server that may die at any moment. Returns the
        state folder and what was acknowledged."""
        model = active = job = None
        state = state or harness.program.new_folder('state')
        try:
            server = self.serve(state, faults)
        except AssertionError:
            return state, Acknowledged(None, None, None)
        try:
            model = import_model(server, dataset.weights(), activate=False)['id']
            if client.post(server, f'/models/{model}/activate').status == 200:
                active = model
            job = submit(server, TRAINING)
            poll(lambda: job_of(server, job)['state'] in ENDED, 'the end')
            server.stop()
        except GONE:
            poll(lambda: not server.alive(), 'it is dead, since it does not answer as it should', 20)
        return state, Acknowledged(model, active, job)

    def check_point(self, state, told, golden):
        """After the crash: nothing that was acknowledged is lost, and the job ends as it would have."""
        self.check_files(state)
        server = self.serve(state)
        states = self.check_restarted(server)
        listed = client.get(server, '/models').json()
        if told.model:
            self.assertIn(told.model, [m['id'] for m in listed['models']])
        if told.active:
            self.assertEqual(listed['active'], told.active)
        if told.job:
            self.assertIn(told.job, states)
        for job, job_state in states.items():  # one that was not acknowledged may be there as well
            self.assertIn(job_state, ('queued', 'running', 'interrupted', 'succeeded'))
            self.check_resumable(server, job, golden)
        self.assertEqual(client.post_json(server, '/jobs/train', TRAINING).status, 202)
        server.stop()

    def all_points(self):
        """Every call of a whole life, and what its training gives."""
        faults = Faults()
        state, told = self.live(faults)
        counts = collections.Counter(line[0] for line in faults.log() if state in line[1])
        self.assertTrue(all(counts[call] for call in CALLS), counts)
        server = self.serve(state)
        golden = tensors(server, wait_state(server, told.job, 'succeeded'))
        server.stop()
        return harness.all_points(CALLS, counts), golden

    def test_killed_before_any_call_it_loses_nothing(self):
        points, golden = self.all_points()
        points = harness.chosen(points, SAMPLE)
        for call, k in points:
            with self.subTest(call=call, k=k):
                faults = Faults()
                faults.order(call, '/state-', k, 'KILL')
                self.check_point(*self.live(faults), golden)
        print(f'# killed before {len(points)} calls')

    def test_a_program_that_writes_in_place_would_not_pass(self):
        """The control: the same program, but its files are overwritten where they are."""
        _, golden = self.all_points()
        lost = 0
        for k in (30, 40, 50) if harness.LONG else (40,):  # in the middle of the second checkpoint
            faults = Faults(in_place=True)
            faults.order('write', 'checkpoint', k, 'KILL')
            state, told = self.live(faults)
            try:
                self.check_point(state, told, golden)
            except AssertionError:
                lost += 1
        self.assertGreater(lost, 0, 'a careless program passes these tests')
