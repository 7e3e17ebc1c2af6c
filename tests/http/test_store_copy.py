"""cxrd store copy: all that a server knows goes from its state folder into a database and back, whole or not at all."""
import base64
import contextlib
import os
import re
import shutil
import sqlite3
import unittest

from support import client, dataset, picture, postgresql, program
from support.case import QUICK, Case, import_model, job_of, submit, wait_state
from support.events import Stream

WHY_NOT = postgresql.why_not() if program.BINARY else None
GOES_ON = {**QUICK, 'epochs': 1000, 'patience': 0, 'steps_per_epoch': 2}
OF_SERVERS = {'replicas'}  # which write it anew
AS_FILES = {'job_files', 'model_files'}


def database(state):
    return contextlib.closing(sqlite3.connect(os.path.join(state, 'cxrd.db')))


def change(state, *statements):
    with database(state) as db, db:
        for statement in statements:
            db.execute(statement)


def tables(state):
    with database(state) as db:
        return {name for name, in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")}


def rows(state):
    """{table: its rows} but for what means nothing elsewhere, and the numbers that come next."""
    with database(state) as db:
        db.row_factory = sqlite3.Row
        found = {name: sorted((dict(row) for row in db.execute(f'SELECT * FROM {name}')), key=repr)
                 for name in [*tables(state) - OF_SERVERS, 'sqlite_sequence']}
    for lease in found['leases']:
        lease.pop('until')
    return found


def files(state):
    """{path below the folder: its bytes}, of models and jobs."""
    return {os.path.relpath(path, state): held for part in ('models', 'jobs') for path, held in program.contents_below(os.path.join(state, part))}


def copy(source, target):
    return program.run('store', 'copy', '--from', source, '--to', target)


def printed(done):
    """{what was copied: how much}, and the digest."""
    counts = dict(re.findall(r'^(\w[\w ]*?) +(\d+)$', done.stdout, re.M))
    return {name: int(n) for name, n in counts.items()}, re.search(r'^digest +([0-9a-f]{64})$', done.stdout, re.M).group(1)


def told(answer):
    """A prediction without what each has of its own."""
    return {name: value for name, value in answer.json().items() if name not in ('id', 'timing_ms', 'prediction_id')}


def ask(server, query=''):
    return client.post(server, f'/predict{query}', picture.noise(1), Content_Type='image/png')


def ok(reply):
    if reply.status not in (200, 201, 202, 204):
        raise AssertionError(reply)
    return reply


def secret():
    path = os.path.join(program.new_folder('secret'), 'secret')
    with open(path, 'w', encoding='ascii') as file:
        file.write('whsec_' + base64.b64encode(bytes(32)).decode() + '\n')
    return path


def fill(state, datasets):
    """One of everything, and a server that is killed in a job. Returns what it told before, and the job."""
    receiver = f'127.0.0.1:{postgresql.free_port()}'  # nobody is there, so notices wait
    server = program.Server('--keep-scores', '30', '--webhook', f'http://{receiver}/', '--webhook-secret', secret(), '--outgoing-private',
                            receiver, state=state, datasets=datasets)
    try:
        ok(client.post_json(server, '/patients/forget', {'dataset': 'tiny', 'patient_id': '3'}))
        ended = wait_state(server, submit(server, {**QUICK, 'name': 'the first', 'note': 'a note'}), 'succeeded')
        shadow = import_model(server, dataset.weights(2), activate=False)['id']
        import_model(server, dataset.weights(1))
        ok(client.post(server, f'/models/{ended["model"]}/activate', Idempotency_Key='the-key'))
        ok(client.request(server, 'PATCH', f'/models/{ended["model"]}', b'{"own_thresholds":{"Mass":0.25}}', Content_Type='application/json'))
        profile = ok(client.post_json(server, f'/models/{ended["model"]}/profiles', {'validation': ended['id']})).json()['id']
        ok(client.post(server, f'/profiles/{profile}/activate'))
        ok(client.request(server, 'PUT', f'/models/{shadow}/shadow'))
        answer = ok(ask(server)).json()['prediction_id']
        ok(client.post_json(server, f'/predictions/{answer}/feedback', {'reader': 'r1', 'findings': {'Mass': 'present'}}))

        def shadowed():
            with database(state) as db:
                return db.execute('SELECT count(*) FROM shadow_scores').fetchone()[0]
        program.poll(shadowed, 'the shadow has looked at the picture')
        runs = submit(server, GOES_ON)
        program.poll(lambda: len(job_of(server, runs).get('epochs') or []) >= 2, 'two epochs are kept')
        before = {'models': client.get(server, '/models').json(), 'job': job_of(server, ended['id']), 'answer': told(ask(server)),
                  'weights': client.get(server, f'/models/{ended["model"]}/weights').body,
                  'scores': client.get(server, f'/jobs/{ended["id"]}/scores?split=all').body,
                  'report': client.get(server, f'/jobs/{ended["id"]}/report').body,
                  'events': Stream(server.address, ended['id']).rest(), 'epoch': ask(server).headers['x-model-epoch'],
                  'profiles': client.get(server, f'/models/{ended["model"]}/profiles').json()}
    finally:
        server.kill()
    change(state, "INSERT INTO generations VALUES('models', 3)",
           f"INSERT INTO model_signatures VALUES('{ended['model']}', 'digest', 'signature')",
           'UPDATE sqlite_sequence SET seq = seq + 7')  # as after rows that were deleted
    return before, runs


@unittest.skipIf(WHY_NOT, WHY_NOT)
class StoreCopy(Case):

    @classmethod
    def setUpClass(cls):
        cls.cluster = postgresql.Cluster()
        cls.addClassCleanup(cls.cluster.stop)
        cls.datasets, cls.filled = dataset.tiny(), program.new_folder('state')
        cls.before, cls.runs = fill(cls.filled, cls.datasets)

    def setUp(self):
        self.state = os.path.join(program.new_folder('copied'), 'state')
        shutil.copytree(self.filled, self.state)

    def url(self):
        return self.cluster.database(self._testMethodName)

    def copied(self, source, target):
        done = copy(source, target)
        self.assertEqual(done.returncode, 0, done.stderr)
        return printed(done)

    def refused(self, source, target, *says, status=1):
        done = copy(source, target)
        self.assertEqual((done.returncode, done.stdout), (status, ''), done.stderr)
        for sentence in says:
            self.assertIn(sentence, done.stderr)
        return done.stderr

    def holds_nothing(self, url):
        name = url.rsplit('/', 1)[1]
        for table in self.cluster.sql("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace", name).split():
            if table not in ('schema_version', 'writers'):
                self.assertEqual(self.cluster.sql(f'SELECT count(*) FROM {table}', name), '0', table)

    def test_there_and_back_it_is_the_same(self):
        url, back = self.url(), os.path.join(program.new_folder('back'), 'state')
        done = program.run('store', 'copy', env={'CXRD_FROM': self.state, 'CXRD_TO': url})
        self.assertEqual(done.returncode, 0, done.stderr)
        counts, digest = printed(done)
        self.assertEqual(counts.keys() - {'files', 'bytes of files'}, tables(self.state) - OF_SERVERS - AS_FILES)
        self.assertEqual([name for name, n in counts.items() if n == 0], [], 'a kind of row that this test has none of')
        self.assertEqual(self.copied(url, back), (counts, digest))
        self.assertEqual(rows(back), rows(self.state))
        here = {path: held for path, held in files(self.state).items() if not path.endswith(('.onnx', '.part'))}
        self.assertEqual(files(back), here)
        self.assertEqual(counts['files'], len(here))
        self.assertEqual(counts['bytes of files'], sum(map(len, here.values())))
        self.assertEqual((os.stat(back).st_mode & 0o777, os.stat(os.path.join(back, 'cxrd.db')).st_mode & 0o777), (0o700, 0o600))
        self.refused(url, back, 'the target: it is not empty: it has rows, 2 in jobs, 3 in models, ')
        self.refused(self.state, url, 'the target: it is not empty: it has rows, 2 in jobs, 3 in models, ')
        bare = program.new_folder('bare')
        os.makedirs(os.path.join(bare, 'models'))
        with open(os.path.join(bare, 'models', 'mine'), 'wb'):
            pass
        self.refused(url, bare, "the target: it is not empty: the folder 'models' in it has files")
        self.assertEqual(os.listdir(bare), ['models'])

    def test_a_server_goes_on_from_there(self):
        url, state = self.url(), program.new_folder('state')
        self.copied(self.state, url)
        shutil.copy(os.path.join(self.state, 'patients.key'), state)
        server = program.Server('--store', url, state=state, datasets=self.datasets)
        self.addCleanup(server.stop)
        model, job = self.before['job']['model'], self.before['job']['id']
        self.assertEqual(client.get(server, '/models').json(), self.before['models'])
        self.assertEqual(job_of(server, job), self.before['job'])
        self.assertEqual(client.get(server, f'/models/{model}/profiles').json(), self.before['profiles'])
        self.assertEqual(client.get(server, f'/models/{model}/weights').body, self.before['weights'])
        self.assertEqual(client.get(server, f'/jobs/{job}/scores?split=all').body, self.before['scores'])
        self.assertEqual(client.get(server, f'/jobs/{job}/report').body, self.before['report'])
        self.assertEqual(Stream(server.address, job).rest(), self.before['events'])
        answer = program.poll(lambda: (reply := ask(server)).status == 200 and reply, 'it answers')
        self.assertEqual((told(answer), answer.headers['x-model-epoch']), (self.before['answer'], self.before['epoch']))
        again = ok(client.post(server, f'/models/{model}/activate', Idempotency_Key='the-key'))
        self.assertEqual(again.headers.get('x-model-epoch', self.before['epoch']), self.before['epoch'])

        def goes_on():
            record = job_of(server, self.runs)
            return record['state'] == 'running' and record
        first = program.poll(goes_on, 'the job that ran is taken up')
        self.assertGreaterEqual(len(first['epochs']), 2)
        self.assertEqual(program.poll(lambda: len(job_of(server, self.runs)['epochs']) > len(first['epochs']), 'it comes further'), True)
        ok(client.post(server, f'/jobs/{self.runs}/cancel'))
        wait_state(server, self.runs, 'cancelled')
        with database(self.state) as db:
            used = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'jobs'").fetchone()[0]
        new = submit(server, QUICK)
        self.assertEqual(int(self.cluster.sql(f"SELECT seq FROM jobs WHERE id = '{new}'", url.rsplit('/', 1)[1])), used + 1)
        token = self.cluster.sql(f"SELECT token FROM leases JOIN jobs ON seq = job WHERE id = '{self.runs}'", url.rsplit('/', 1)[1])
        self.assertEqual(token, '2')

    def test_a_store_in_use_is_left_alone(self):
        url = self.url()
        server = program.Server(state=self.state)
        self.addCleanup(server.stop)
        self.refused(self.state, url, 'the source: another server is using the state folder')
        self.refused(url, self.state, 'the source: there is no job database')
        server.stop()
        self.copied(self.state, url)
        state = program.new_folder('state')
        shutil.copy(os.path.join(self.state, 'patients.key'), state)
        server = program.Server('--store', url, state=state)
        self.addCleanup(server.stop)
        empty = program.new_folder('empty')
        self.refused(url, empty, 'the source: a server uses the database')
        self.refused(self.state, url, 'the target: a server uses the database')
        self.assertEqual(os.listdir(empty), [])

    def test_a_kind_of_row_that_it_does_not_know_is_not_left_out(self):
        change(self.state, 'CREATE TABLE another(x TEXT)')
        self.refused(self.state, self.url(), "the table 'another' of a job database cannot be copied")

    def test_another_version_is_refused(self):
        change(self.state, 'PRAGMA user_version = 1')
        self.refused(self.state, self.url(), 'the source: the job database was written by an older version')
        change(self.state, 'PRAGMA user_version = 1000')
        self.refused(self.state, self.cluster.url(self._testMethodName), 'the source: the job database was written by a newer version')

    def test_a_damaged_source_is_refused_and_leaves_nothing(self):
        url, model = self.url(), self.before['job']['model']
        weights = os.path.join(self.state, 'models', f'{model}.safetensors')
        with open(weights, 'r+b') as file:
            held = bytearray(file.read())
            held[-1] ^= 1
            file.seek(0)
            file.write(held)
        self.refused(self.state, url, f"the file 'weights' of model '{model}' is damaged")
        self.holds_nothing(url)
        os.unlink(weights)
        self.refused(self.state, url, f"the weights of model '{model}' are missing")
        change(self.state, "UPDATE jobs SET record = x'00ff' WHERE state = 'succeeded'")
        self.refused(self.state, url, "the job database is damaged: 1 rows of 'jobs' cannot be read")
        with open(os.path.join(self.state, 'cxrd.db'), 'r+b') as file:
            file.seek(5000)
            file.write(bytes(20000))
        self.refused(self.state, url, 'the source: ')
        self.holds_nothing(url)

    def test_a_copy_that_is_not_the_same_is_undone(self):
        url, name = self.url(), self._testMethodName
        self.copied(self.state, url)
        kept = self.cluster.sql("SELECT string_agg(relname, ', ') FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
                                " AND relname NOT IN ('schema_version', 'writers')", name)
        self.cluster.sql(f'SET client_min_messages = error; TRUNCATE {kept}; CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS'
                         " $$ BEGIN NEW.note = 'another'; RETURN NEW; END $$;"
                         ' CREATE TRIGGER spoils BEFORE INSERT ON captions FOR EACH ROW EXECUTE FUNCTION spoil()', name)
        self.refused(self.state, url, 'the copy of captions is not the same')
        self.holds_nothing(url)

    def test_a_file_that_no_job_can_have_is_not_written(self):
        url, target = self.url(), program.new_folder('target')
        self.copied(self.state, url)
        self.cluster.sql("UPDATE job_files SET name = '../../escaped' WHERE name = 'scores.csv'", self._testMethodName)
        self.refused(url, target, 'has a file that none can have')
        names = [name for _, _, names in os.walk(os.path.dirname(target)) for name in names]  # of all tests: too many to be read
        self.assertFalse([name for name in names if 'escaped' in name])
        with database(target) as db:
            self.assertEqual(db.execute('SELECT count(*) FROM jobs').fetchone()[0], 0)
        self.cluster.sql("UPDATE job_files SET name = 'scores.csv' WHERE name = '../../escaped'", self._testMethodName)
        self.copied(url, target)  # what the try has left is no hindrance

    def test_a_password_is_not_told(self):
        for wrong in ('postgresql://cxrd:hidden@127.0.0.1:1/x', 'postgresql://cxrd:hid%zzden@127.0.0.1/x', 'postgresql://cxrd:a@hidden@127.0.0.1/x',
                      'postgresql://cxrd:a@hidden/x@127.0.0.1/x', 'postgresql://cxrd:hidden/x@127.0.0.1/x', 'postgresql://cxrd:hidden@127.0.0.1:1:2/x'):
            for pair in ((self.state, wrong), (wrong, self.state)):
                self.assertNotIn('hid', self.refused(*pair, 'cxrd store: the '))
        serves = program.run('serve', '--store', 'postgresql://cxrd:a@hidden@127.0.0.1/x', '--state', program.new_folder('none'))
        self.assertEqual((serves.returncode, 'hid' in serves.stderr), (1, False), serves.stderr)

    def test_it_says_what_it_needs(self):
        for arguments in ((), ('copy',), ('copy', '--from', self.state), ('move', '--from', self.state, '--to', 'x')):
            done = program.run('store', *arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ''), done.stderr)
        self.refused(self.state, self.state, 'the same place')
