"""Planned analyses of readers' feedback on a candidate in the shadow: when they are made, that they stay, and that they begin anew."""
import os
import random
import sqlite3
import struct
import time
import unittest

from support import client, dataset, program
from support.case import Case
from test_feedback import judge, predict
from test_shadow import put, shadow

MASS = dataset.LABELS.index('Mass')


class Planned(Case):

    def serve(self, state=None):
        server = program.Server('--keep-scores', '30', state=state)
        self.addCleanup(lambda: server.alive() and server.kill())
        return server

    def spoken(self, server, pictures, seed):
        """So many more predictions of both models with a reader's word on each, written into the database of a server that has ended: of
        Mass the candidate knows all, and the active model nothing."""
        drawn = random.Random(seed)
        with sqlite3.connect(os.path.join(server.state, 'cxrd.db')) as db:
            for i in range(pictures):
                there = int(drawn.random() < 0.3)
                scores = [[0.5] * len(dataset.LABELS) for _ in range(2)]
                scores[0][MASS], scores[1][MASS] = drawn.random(), 0.5 + 0.4 * (there - 0.5) + 0.1 * drawn.random()
                of_active, of_candidate = (struct.pack(f'{len(one)}f', *one) for one in scores)
                at = int(time.time())
                seq = db.execute("INSERT INTO scored(id, model, operating, at, until, patient, known, positive, scores) VALUES(?, ?, 'youden', ?, ?, 0, 0, 0, ?)",
                                 (f'{seed:08x}-{i:04d}', self.active, at, at + 86400, of_active)).lastrowid
                db.execute('INSERT INTO shadow_scores VALUES(?, ?, 0, 0, ?)', (seq, self.candidate, of_candidate))
                db.execute("INSERT INTO feedback VALUES(?, 'r1', 'Mass', ?, ?)", (seq, there, at))
        db.close()

    def test_one_is_made_when_it_is_due_and_stays(self):
        server = self.serve()
        self.candidate = judge(server, 2)
        self.active = judge(server, 1)
        put(server, self.candidate)
        predict(server)  # so that the findings of the model are known beside its scores
        program.poll(lambda: shadow(server, self.candidate)['pictures'] == 1, 'the shadow has looked')
        server.stop()
        self.spoken(server, 240, 1)
        server = self.serve(state=server.state)
        told = shadow(server, self.candidate)['feedback']
        self.assertEqual((told['pictures'], told['analyses'], told['next_analysis'], told['candidate_is']), (240, [], 250, 'not told apart'))
        server.stop()
        self.spoken(server, 60, 2)
        server = self.serve(state=server.state)
        told = shadow(server, self.candidate)['feedback']
        made, = told['analyses']
        self.assertEqual((made['pictures'], made['patients'], made['gain']), (300, 300, told['macro_auroc']['gain']))
        self.assertAlmostEqual(made['level'], 0.04 * (300 / 2000) ** 3, delta=1e-12)
        self.assertGreater(made['gain'], 0.3)
        self.assertEqual((made['p'] <= made['level'], told['candidate_is'], told['next_analysis']), (True, 'better', None))
        server.kill()
        self.spoken(server, 300, 3)
        server = self.serve(state=server.state)
        later = shadow(server, self.candidate)['feedback']
        self.assertEqual((later['pictures'], later['analyses'], later['next_analysis']), (600, [made], None), 'it is decided, and kill -9 loses nothing of it')

        time.sleep(1.1)  # what is kept knows seconds
        client.request(server, 'DELETE', f'/models/{self.candidate}/shadow')
        put(server, self.candidate)
        self.assertIsNone(shadow(server, self.candidate)['feedback'], 'a new trial is of new pictures')


if __name__ == '__main__':
    unittest.main()
