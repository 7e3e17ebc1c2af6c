"""Killed just before each single call that changes a file while scores are kept and readers say how they were: what was
acknowledged is there after it, as it was said last."""
import collections
import csv
import io

import harness
from harness import GONE, Faults, TortureCase
from support import client, dataset
from support.case import import_model
from support.program import poll

CALLS = ('open', 'write', 'pwrite', 'fsync', 'unlink')
SAMPLE = 5  # points in the short form
OPTIONS = ('--keep-scores', '30')


class FeedbackKept(TortureCase):
    deaths = 0

    def live(self, faults, state):
        """Predictions and what three readers say of each, one of them twice. Returns what was acknowledged."""
        told = {}
        try:
            server = self.serve(state, faults, options=OPTIONS)
        except AssertionError:  # it died before it listened
            self.deaths += 1
            return told
        try:
            for i in range(2):
                reply = client.post(server, '/predict', dataset.image(i), Content_Type='image/png')
                answer = reply.json()['prediction_id']
                for reader, says in (('a', 'present'), ('b', 'absent'), ('a', 'unsure')):
                    reply = client.post_json(server, f'/predictions/{answer}/feedback',
                                             {'reader': reader, 'findings': {'Mass': says, 'Hernia': says}})
                    if reply.status not in (200, 201):
                        raise AssertionError(reply)
                    told[answer, reader] = says
            server.stop()
        except GONE:
            poll(lambda: not server.alive(), 'it is dead, since it does not answer as it should', 20)
            self.deaths += 1
        return told

    def check(self, state, told):
        self.check_files(state)
        server = self.serve(state, options=OPTIONS)
        rows = csv.DictReader(io.StringIO(client.get(server, '/feedback').body.decode()))
        found = {(r['prediction_id'], r['reader'], r['finding']): r['feedback'] for r in rows}
        for (answer, reader), says in told.items():
            both = [found.get((answer, reader, finding)) for finding in ('Mass', 'Hernia')]
            # what was not acknowledged may have come to be: then it is the next thing that this reader was to say
            self.assertIn(both, ([says] * 2, ['unsure'] * 2) if reader == 'a' else ([says] * 2,))
        server.stop()

    def prepared(self):
        state = harness.program.new_folder('state')
        server = self.serve(state, options=OPTIONS)
        import_model(server, dataset.weights())
        server.stop()
        return state

    def test_killed_before_any_call_nothing_acknowledged_is_lost(self):
        faults = Faults()
        state = self.prepared()
        self.assertEqual(len(self.live(faults, state)), 4)
        counts = collections.Counter(line[0] for line in faults.log() if state in line[1] and 'cxrd.db' in line[1])
        points = harness.all_points(CALLS, counts)
        self.assertGreater(len(points), 30, counts)
        points = harness.chosen(points, SAMPLE)
        for call, k in points:
            with self.subTest(call=call, k=k):
                faults = Faults()
                state = self.prepared()
                faults.order(call, 'cxrd.db', k, 'KILL')
                self.check(state, self.live(faults, state))
        self.assertGreater(self.deaths, 0, 'it was never killed')
        print(f'# killed before {len(points)} calls, died {self.deaths} times')
