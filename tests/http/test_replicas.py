"""Several servers that share one PostgreSQL: each job is done once, whoever dies, and any of them tells of all of it."""
import json
import signal
import threading
import time
import unittest

from support import client, cut_off, dataset, picture, postgresql, program
from support.case import LONG, Case, import_model, job_of, submit, wait_state
from support.events import Stream, milestones

# More of it than fits between two looks, and little of each.
TRAINING = {'dataset': 'tiny', 'image_size': dataset.SIZE, 'epochs': 4, 'steps_per_epoch': 6, 'batch_size': 8, 'patience': 0,
            'learning_rate': 0.003}

LONGER = {**TRAINING, 'epochs': 8}

WHY_NOT = postgresql.why_not() if program.BINARY else None


def tensors(server, model):
    """The weights as bytes, without the metadata, which name the job."""
    body = client.get(server, f'/models/{model}/weights').body
    return body[8 + int.from_bytes(body[:8], 'little'):]


class Place(Case):
    """What --store may say."""

    def refused(self, store, status):
        done = program.run('serve', '--listen', '127.0.0.1:0', '--state', program.new_folder('state'), '--store', store)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, '')
        return done.stderr

    def test_a_place_that_is_no_address_of_a_database_is_told(self):
        said = self.refused('mysql://cxrd:secret@host/cxrd', 2)
        self.assertIn('--store must begin with postgresql://', said)
        self.assertNotIn('secret', said)

    @unittest.skipIf(WHY_NOT, WHY_NOT)
    def test_a_database_that_does_not_answer_is_told_at_the_start(self):
        said = self.refused(f'postgresql://cxrd:secret@127.0.0.1:{postgresql.free_port()}/cxrd', 1)
        self.assertIn('the job database cannot be reached', said)
        self.assertIn('Connection refused', said)
        self.assertNotIn('secret', said)


@unittest.skipIf(WHY_NOT, WHY_NOT)
class Replicas(Case):

    @classmethod
    def setUpClass(cls):
        cls.cluster = postgresql.Cluster()
        cls.addClassCleanup(cls.cluster.stop)

    def setUp(self):
        self.store = self.cluster.database(self._testMethodName)
        self.datasets = dataset.tiny()

    def serve(self, *arguments, state=None):
        server = program.Server('--store', self.store, *arguments, state=state, datasets=self.datasets)
        self.addCleanup(lambda: server.process.stdout.closed or server.stop())
        return server

    def alone(self, training):
        """The golden weights: of one server with a file of its own."""
        server = program.Server(datasets=self.datasets)
        self.addCleanup(server.stop)
        record = wait_state(server, submit(server, training), 'succeeded')
        return tensors(server, record['model'])

    def test_each_job_is_done_once_and_all_tell_of_it(self):
        servers = [self.serve() for _ in range(3)]
        jobs = [submit(servers[i % 3], {**TRAINING, 'epochs': 1, 'seed': i}) for i in range(6)]
        for job in jobs:
            records = [wait_state(server, job, 'succeeded') for server in servers]
            self.assertEqual(len({json.dumps(record, sort_keys=True) for record in records}), 1)
        models = client.get(servers[0], '/models').json()['models']
        self.assertEqual(sorted(model['job'] for model in models), sorted(jobs))
        begun = self.cluster.sql("SELECT count(*) FROM events WHERE name = 'state' AND data LIKE '%running%'", self._testMethodName)
        self.assertEqual(begun, '6')
        for target in (f'/jobs/{jobs[0]}/report', f'/jobs/{jobs[0]}/scores?split=test', f'/models/{models[0]["id"]}/weights',
                       f'/models/{models[0]["id"]}/onnx'):
            replies = [client.get(server, target) for server in servers]
            self.assertEqual([reply.status for reply in replies], [200] * 3, target)
            self.assertEqual(len({reply.body for reply in replies}), 1, target)

    def owner_of(self, servers):
        """The server that has the last claim of a job."""
        address = self.cluster.sql('SELECT address FROM leases JOIN replicas ON id = holder ORDER BY job DESC LIMIT 1', self._testMethodName[:63])
        return next((server for server in servers if server.url.partition('://')[2] == address), None)

    def stopped_in_a_job(self, servers):
        """A job, and the server that runs it, which has stopped after its first epoch and before its end."""
        for _ in range(8):
            job = submit(servers[0], LONGER)
            program.poll(lambda j=job: len(job_of(servers[0], j)['epochs']) > 0, 'an epoch has ended')
            owner = self.owner_of(servers)
            owner.terminate(signal.SIGSTOP)
            if job_of(next(s for s in servers if s is not owner), job)['state'] == 'running':
                return job, owner
            owner.terminate(signal.SIGCONT)
        raise AssertionError('each of them had ended before its server stopped')

    def test_takeover_of_a_job_whose_server_is_killed_ends_with_the_same_weights(self):
        golden = self.alone(LONGER)
        servers = [self.serve() for _ in range(2)]
        job, owner = self.stopped_in_a_job(servers)
        other = next(s for s in servers if s is not owner)
        owner.kill()
        with Stream(other.address, job) as stream:
            states = [e.data['state'] for e in milestones(stream.rest()) if e.name == 'state']
        record = job_of(other, job)
        self.assertEqual(record['state'], 'succeeded', record['error'])
        self.assertEqual(states, ['queued', 'running', 'running', 'succeeded'])
        self.assertEqual(tensors(other, record['model']), golden)
        self.assertEqual([epoch['epoch'] for epoch in record['epochs']], list(range(1, 9)))

    def test_a_job_of_a_server_that_stops_can_be_resumed_on_another(self):
        golden = self.alone(LONGER)
        servers = [self.serve() for _ in range(2)]
        job = submit(servers[0], LONGER)
        owner = program.poll(lambda: next((s for s in servers if job_of(s, job).get('current', {}).get('step')), None), 'a step')
        other = next(s for s in servers if s is not owner)
        owner.stop()
        self.assertEqual(job_of(other, job)['state'], 'interrupted')
        self.assertEqual(client.post(other, f'/jobs/{job}/resume').status, 202)
        record = wait_state(other, job, 'succeeded')
        self.assertEqual(tensors(other, record['model']), golden)

    def test_a_server_with_another_key_of_patients_uses_no_row_once_one_is_left_out(self):
        """Its codes are others, so it would leave out nobody."""
        first, second = self.serve(), self.serve()
        forget = {'dataset': 'tiny', 'patient_id': '1'}
        self.assertEqual(client.post_json(first, '/patients/forget', forget).status, 200)
        self.assert_problem(client.post_json(second, '/patients/forget', forget), 409, 'copy it from another server')
        first.stop()
        job = submit(second, TRAINING)
        record = wait_state(second, job, 'failed', 'interrupted')
        self.assertIn("'patients.key' in the state folder", record['error'])

    def test_a_job_that_no_server_can_do_says_so_until_one_comes(self):
        able = self.serve()
        held = [submit(able, LONG), submit(able, {**TRAINING, 'epochs': 1})]
        job = held[1]
        idle = program.Server('--store', self.store, datasets=program.new_folder('no-datasets'))
        self.addCleanup(idle.stop)
        self.assertNotIn('waits_for', job_of(idle, job))  # it waits for its turn
        able.stop()
        program.poll(lambda: job_of(idle, job).get('waits_for'), 'it is told')
        self.assertIn("'tiny'", job_of(idle, job)['waits_for'])
        listed = next(j for j in client.get(idle, '/jobs').json()['jobs'] if j['id'] == job)
        self.assertEqual(listed['waits_for'], job_of(idle, job)['waits_for'])
        program.poll(lambda: any(line.get('job') == job and 'no server can do' in line['message'] for line in idle.log()), 'it is logged')
        wait_state(self.serve(), job, 'succeeded')
        self.assertNotIn('waits_for', job_of(idle, job))

    def test_a_server_without_the_data_set_of_a_job_leaves_it_to_others(self):
        idle = program.Server('--store', self.store, datasets=program.new_folder('no-datasets'))
        self.addCleanup(idle.stop)
        able = self.serve()
        jobs = [submit(able, {**TRAINING, 'epochs': 1, 'seed': i}) for i in range(3)]
        for job in jobs:
            wait_state(idle, job, 'succeeded')

    def test_a_model_of_one_is_served_by_another(self):
        first, second = self.serve(), self.serve()
        model = import_model(first, dataset.weights(), activate=False)['id']
        film = picture.noise()
        answers = [client.post(s, f'/predict?model={model}', film, Content_Type='image/png') for s in (first, second)]
        self.assertEqual(*(self.assert_prediction(a)['probabilities'] for a in answers))
        self.assertEqual(client.request(second, 'DELETE', f'/models/{model}').status, 204)
        self.assert_problem(client.get(first, f'/models/{model}'), 404)

    def activate(self, server, model, **headers):
        reply = client.post(server, f'/models/{model}/activate', **headers)
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(reply.json()['id'], model)
        return int(reply.headers['x-model-epoch'])

    def answered_by(self, server, **headers):
        reply = client.post(server, '/predict', picture.noise(), Content_Type='image/png', **headers)
        self.assert_prediction(reply)
        return reply.json()['model']['id'], int(reply.headers['x-model-epoch'])

    def test_after_the_reply_of_an_activation_all_servers_answer_by_it(self):
        servers = [self.serve() for _ in range(3)]
        models = [import_model(servers[i], dataset.weights(i + 1), activate=False)['id'] for i in range(2)]
        for turn in range(6):
            epoch = self.activate(servers[turn % 3], models[turn % 2])
            self.assertEqual(epoch, turn + 1)
            for server in servers:
                self.assertEqual(self.answered_by(server), (models[turn % 2], epoch))
        listed = client.get(servers[0], '/replicas').json()
        self.assertEqual((listed['shared'], listed['epoch'], listed['model']), (True, 6, models[1]))
        self.assertEqual([(r['epoch'], r['ready']) for r in listed['replicas']], [(6, True)] * 3)
        self.assertEqual({r['address'] for r in listed['replicas']}, {server.url.partition('://')[2] for server in servers})
        self.assertEqual([r['self'] for r in listed['replicas']].count(True), 1)
        back = client.post(servers[2], '/models/rollback')
        self.assertEqual((back.status, back.json()['id']), (200, models[0]))
        self.assertEqual({self.answered_by(server) for server in servers}, {(models[0], 7)})

    def test_an_activation_with_a_key_is_done_once(self):
        servers = [self.serve() for _ in range(2)]
        models = [import_model(servers[0], dataset.weights(i + 1), activate=False)['id'] for i in range(2)]
        first = self.activate(servers[0], models[0], Idempotency_Key='a')
        second = self.activate(servers[1], models[1], Idempotency_Key='b')
        self.assertEqual(second, first + 1)
        self.assertEqual(self.activate(servers[1], models[0], Idempotency_Key='a'), first)
        self.assertEqual({self.answered_by(server) for server in servers}, {(models[1], second)})
        self.assert_problem(client.post(servers[0], f'/models/{models[1]}/activate', Idempotency_Key='a'), 422, 'another model')
        self.assertEqual(self.answered_by(servers[0], If_Model_Epoch=f'>={second}')[1], second)
        for asked, status in ((f'>={second + 1}', 503), ('>=x', 400), ('3', 400)):
            self.assert_problem(client.post(servers[0], '/predict', picture.noise(), Content_Type='image/png', If_Model_Epoch=asked),
                                status)

    def test_a_server_that_repeats_the_reply_of_another_answers_by_its_epoch_too(self):
        """A client that lost the reply asks another server, which may not have heard of the epoch yet."""
        servers = [self.serve() for _ in range(2)]
        models = [import_model(servers[0], dataset.weights(i + 1), activate=False)['id'] for i in range(2)]
        for i in range(60):
            model, key = models[i % 2], {'Idempotency_Key': f'round {i}'}
            first = threading.Thread(target=client.post, args=(servers[0], f'/models/{model}/activate'), kwargs=key)
            first.start()
            time.sleep(i % 20 / 1000)  # in some rounds the epoch is made by now, and not yet followed
            epoch = self.activate(servers[1], model, **key)
            self.assertGreaterEqual(self.answered_by(servers[1])[1], epoch)
            first.join()

    def test_an_activation_waits_for_a_server_that_is_paused_until_its_lease_ends(self):
        servers = [self.serve() for _ in range(2)]
        models = [import_model(servers[0], dataset.weights(i + 1), activate=False)['id'] for i in range(2)]
        self.activate(servers[0], models[0])
        servers[1].terminate(signal.SIGSTOP)
        try:
            begun = time.monotonic()
            epoch = self.activate(servers[0], models[1])
            self.assertGreater(time.monotonic() - begun, 5)  # a lease of 10 s, renewed 3 s before or less
        finally:
            servers[1].terminate(signal.SIGCONT)
        reply = client.post(servers[1], '/predict', picture.noise(), Content_Type='image/png')
        if reply.status == 503:
            self.assert_problem(reply, 503, 'lost touch')
            program.poll(lambda: client.get(servers[1], '/readyz').status == 200, 'it is in step again')
        self.assertEqual(self.answered_by(servers[1]), (models[1], epoch))

    def test_without_the_database_predictions_go_on_and_writes_are_refused(self):
        server = self.serve()
        import_model(server, dataset.weights())
        self.cluster.end()
        try:
            self.assert_prediction(client.post(server, '/predict', picture.noise(), Content_Type='image/png'))
            self.assert_problem(client.post_json(server, '/jobs/train', TRAINING), 503, 'cannot be reached')
            self.assert_problem(client.get(server, '/replicas'), 503, 'cannot be reached')
        finally:
            self.cluster.start()
        program.poll(lambda: client.post_json(server, '/jobs/train', {**TRAINING, 'epochs': 0}).status == 202, 'it is back')


@unittest.skipIf(WHY_NOT, WHY_NOT)
class Partition(Case):
    """The kernel drops what goes between a server and the database: it is as if that server were paused, see support/cut_off.py."""

    def cut_off(self, direction):
        why = cut_off.why_not()
        if why:
            self.skipTest(why)
        seen = cut_off.run(direction)
        self.assertEqual(seen['was'], 'running', 'the job had ended before the packets were dropped')
        self.assertEqual(seen['after_reply'], 503, 'it answers by the old model after the reply of an activation')
        self.assertEqual(seen['epochs'], list(range(1, 9)))
        self.assertEqual(seen['models'], 3)
        self.assertTrue(seen['golden'], 'the weights are others than those of one server')
        self.assertEqual(seen['answer'], [True, seen['epoch']])
        self.assertIn('this server is not in step with the others', seen['said'])
        self.assertIn('this server is in step with the others again', seen['said'])
        self.assertTrue({'nothing is written of a job that is no longer this server\'s to run',
                         'a job is given up: it is no longer this server\'s to run'} & set(seen['said']), seen['said'])

    def test_a_partition_in_both_directions(self):
        self.cut_off('both')

    def test_a_partition_of_what_goes_to_the_database(self):
        self.cut_off('up')

    def test_a_partition_of_what_comes_from_the_database(self):
        self.cut_off('down')
