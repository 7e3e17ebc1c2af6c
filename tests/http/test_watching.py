"""The operator's view: metrics for Prometheus, log lines that can be joined with others, an audit log that shows changes."""
import json
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import unittest

from support import client, dataset, picture, program
from support.case import LONG, QUICK, Case, ServerCase, import_model, submit, wait_state, wait_training
from test_keys import ADMIN, PREDICT, bearer, keys_file

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_]\w*="[^"\\]*",?)*)\})? (-?[0-9.e+-]+|\+Inf|NaN)$')


def read_metrics(text):
    """{'name{labels}': value} of the text format 0.0.4, or an AssertionError that says what promtool would, and more: a
    family is HELP, TYPE and its samples in one piece, a counter's name ends in _total and nothing else's does, a
    histogram's buckets rise to its count."""
    values, kinds = {}, {}
    name = kind = None
    if not text.endswith('\n'):
        raise AssertionError('the last line does not end')
    for line in text.splitlines():
        said = f'{line!r} after {name}'
        if line.startswith('# HELP '):
            if kind is None and name is not None:
                raise AssertionError(f'no TYPE before {said}')
            _, _, name, text = line.split(' ', 3)
            kind = None
            if name in kinds or not text.strip():
                raise AssertionError(f'twice, or empty: {said}')
        elif line.startswith('# TYPE '):
            _, _, of, kind = line.split(' ')
            if of != name or kind not in ('counter', 'gauge', 'histogram') or (kind == 'counter') != name.endswith('_total'):
                raise AssertionError(f'TYPE of another family, or of another kind: {said}')
            kinds[name] = kind
        else:
            match = SAMPLE.match(line)
            if not match or kind is None:
                raise AssertionError(f'no sample: {said}')
            if match[1] not in ([name + end for end in ('_bucket', '_sum', '_count')] if kind == 'histogram' else [name]):
                raise AssertionError(f'a sample of another family: {said}')
            key, value = line.rsplit(' ', 1)[0], float(match[3])
            if key in values or (kind == 'counter' and not value >= 0):
                raise AssertionError(f'twice, or negative: {said}')
            values[key] = value
    check_histograms(values)
    return values


def check_histograms(values):
    series = {}
    for key, value in values.items():
        match = re.fullmatch(r'(\w+)_bucket\{(.*),le="([^"]+)"\}', key)
        if match:
            series.setdefault((match[1], match[2]), []).append((float(match[3]), value))
    for (name, labels), buckets in series.items():
        if sorted(buckets) != buckets or [n for _, n in buckets] != sorted(n for _, n in buckets):
            raise AssertionError(f'buckets of {name} {labels} fall: {buckets}')
        if buckets[-1] != (float('inf'), values[f'{name}_count{{{labels}}}']) or f'{name}_sum{{{labels}}}' not in values:
            raise AssertionError(f'{name} {labels} has no end: {buckets[-1]}')


def metrics(server):
    """The metrics as they are now, after a look at the format."""
    reply = client.get(server, '/metrics')
    if reply.status != 200:
        raise AssertionError(reply)
    return read_metrics(reply.body.decode())


def with_deciles(weights):
    """The same weights with validation scores in the metadata: every finding's deciles are 0.1, 0.2, …, 0.9."""
    size, = struct.unpack('<Q', weights[:8])
    header = json.loads(weights[8:8 + size])
    header['__metadata__']['score_deciles'] = json.dumps([[i / 10 for i in range(1, 10)]] * 14)
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    return struct.pack('<Q', len(text)) + text + weights[8 + size:]


class Metrics(ServerCase):
    with_model = True
    with_data = True

    def test_requests_are_counted_by_route_and_status(self):
        before = metrics(self.server)
        for i in range(3):
            self.assertEqual(self.predict(picture.noise(i)).status, 200)
        self.predict(b'no picture')
        self.get('/nothing')

        def grown(key):
            return now[key] - before.get(key, 0)

        last = 'cxrd_http_requests_total{route="none",method="other",code="404"}'  # is counted after it was answered
        now = program.poll(lambda: (m := metrics(self.server)).get(last, 0) > before.get(last, 0) and m, 'the last is counted')
        self.assertEqual(grown('cxrd_http_requests_total{route="/predict",method="POST",code="200"}'), 3)
        self.assertEqual(grown('cxrd_http_requests_total{route="/predict",method="POST",code="415"}'), 1)
        self.assertEqual(grown(last), 1)
        self.assertEqual(grown('cxrd_http_request_duration_seconds_count{route="/predict",method="POST"}'), 4)
        self.assertEqual(grown('cxrd_inferences_total{outcome="ok"}'), 3)
        self.assertEqual(grown('cxrd_inferences_total{outcome="rejected"}'), 1)
        for phase in ('queue', 'decode', 'preprocess', 'forward'):
            self.assertEqual(grown(f'cxrd_inference_duration_seconds_count{{phase="{phase}"}}'), 3)
        for label in dataset.LABELS:
            self.assertEqual(grown(f'cxrd_prediction_score_count{{label="{label}"}}'), 3)

    def test_a_histogram_adds_up(self):
        film = picture.noise(1)
        p = self.predict(film).json()['probabilities']['Hernia']
        values = metrics(self.server)
        buckets = [(float(re.search('le="([^"]+)"', key)[1]), value) for key, value in values.items()
                   if key.startswith('cxrd_prediction_score_bucket{label="Hernia"')]
        self.assertEqual(len(buckets), 11)
        self.assertEqual(sorted(buckets), buckets)
        self.assertEqual([v for _, v in buckets], sorted(v for _, v in buckets))
        self.assertEqual(buckets[-1][1], values['cxrd_prediction_score_count{label="Hernia"}'])
        self.assertGreaterEqual(values['cxrd_prediction_score_sum{label="Hernia"}'], p)

    def test_positive_findings_are_counted_by_model(self):
        def positives():
            return {key: value for key, value in metrics(self.server).items() if key.startswith('cxrd_predicted_positive')}

        def key(model, label):
            return f'cxrd_predicted_positive_total{{label="{label}",model_version="{model}"}}'

        models = [import_model(self.server, dataset.verdicts(dataset.weights(seed)), activate=False)['id'] for seed in (1, 2)]
        for turn in (0, 1, 0):
            model, before = models[turn], positives()
            self.post(f'/models/{model}/activate')
            found = {f['label']: f['positive'] for f in self.assert_prediction(self.predict(picture.noise(1)))['findings']}
            self.assertIn(True, found.values(), 'nothing is shown')
            now = positives()
            for label in dataset.LABELS:
                self.assertEqual(now[key(model, label)] - before.get(key(model, label), 0), found[label] is True)
            other = [k for k in now if model not in k]
            self.assertEqual([now[k] for k in other], [before[k] for k in other])
        for seed in range(5):  # and no more series than a handful, however many models come
            import_model(self.server, dataset.verdicts(dataset.weights(1)))
            self.predict(picture.noise(1))
        self.assertEqual(len(positives()), 4 * 14)

    def test_the_model_and_its_swaps(self):
        before = metrics(self.server)
        card = import_model(self.server, dataset.weights(2))
        self.post('/models/00000000-0000/activate')
        now = metrics(self.server)
        info = [key for key in now if key.startswith('cxrd_model_info')]
        self.assertEqual(info, [f'cxrd_model_info{{version="{card["id"]}",sha256="{card["sha256"]}",architecture="cnn4"}}'])
        for result in ('ok', 'failed'):
            key = f'cxrd_model_swaps_total{{result="{result}"}}'
            self.assertEqual(now[key] - before[key], 1)

    def test_jobs_and_a_training(self):
        self.assertNotIn('cxrd_train_progress', metrics(self.server))
        images = metrics(self.server)['cxrd_train_images_total']
        job = submit(self.server, {**LONG, 'batch_size': 8, 'steps_per_epoch': 1})
        values = program.poll(lambda: (now := metrics(self.server)).get('cxrd_train_epoch', 0) > 1 and now, 'an epoch ends')
        self.post(f'/jobs/{job}/cancel')
        self.assertEqual(values['cxrd_jobs{state="running"}'], 1)
        self.assertGreaterEqual(values['cxrd_train_epoch'], 1)
        self.assertGreater(values['cxrd_train_loss{split="train"}'], 0)
        self.assertGreaterEqual(values['cxrd_train_progress'], 0)
        trained = values['cxrd_train_images_total'] - images
        self.assertGreaterEqual(trained, 8 * (values['cxrd_train_epoch'] - 1))
        aurocs = [values[key] for key in values if key.startswith('cxrd_train_val_auroc{label="')]
        self.assertTrue(aurocs and all(0 <= a <= 1 for a in aurocs), aurocs)
        self.assertAlmostEqual(sum(aurocs) / len(aurocs), values['cxrd_train_val_macro_auroc'], places=6)

    def test_the_process(self):
        values = metrics(self.server)
        self.assertGreater(values['process_resident_memory_bytes'], 1 << 20)
        self.assertGreater(values['process_open_fds'], 3)
        self.assertGreater(values['process_max_fds'], values['process_open_fds'])
        self.assertGreater(values['process_start_time_seconds'], 1.7e9)
        self.assertGreater(values['process_cpu_seconds_total'], 0)
        self.assertEqual(values['cxrd_inference_queue_depth'], 0)
        self.assertEqual(values['cxrd_http_connections'], 1)
        self.assertEqual(values['cxrd_http_requests_in_flight'], 1)
        self.assertEqual(values['cxrd_http_body_bytes'], 0)

    def test_what_is_no_metrics_page_is_found(self):
        """The reader that all other tests here rely on."""
        page = self.get('/metrics').body.decode()
        read_metrics(page)
        for found, instead in (('# TYPE cxrd_build_info gauge\n', ''), ('# HELP cxrd_build_info ', '# HELP other '),
                               ('cxrd_build_info{', 'cxrd_build{'), ('le="+Inf"} ', 'le="+Inf"} 1'),
                               ('# TYPE cxrd_http_requests_total counter', '# TYPE cxrd_http_requests_total gauge'),
                               ('\nprocess_max_fds ', '\nprocess_max_fds x'), ('cxrd_jobs{state="queued"}', 'cxrd_jobs{state="running"}')):
            with self.subTest(instead):
                self.assertIn(found, page)
                self.assertRaises(AssertionError, read_metrics, page.replace(found, instead, 1))

    def test_promtool_finds_nothing_wrong(self):
        if not shutil.which('promtool'):
            self.skipTest('promtool (Debian: prometheus) is not installed')
        self.predict(picture.noise(1))
        done = subprocess.run(['promtool', 'check', 'metrics'], input=self.get('/metrics').body, capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, b''))

    def test_drift_shows_scores_that_are_not_those_of_validation(self):
        import_model(self.server, with_deciles(dataset.weights()))
        film = picture.noise(1)
        with client.Client(self.server) as one:
            for _ in range(499):
                one.request('POST', '/predict', film)
            self.assertEqual([k for k in metrics(self.server) if 'drift' in k], [])
            one.request('POST', '/predict', film)
        values = metrics(self.server)
        for label in dataset.LABELS:  # one picture again and again: all scores in one bin of ten
            self.assertGreater(values[f'cxrd_drift_psi{{label="{label}"}}'], 0.25)
        self.assertEqual((values['cxrd_drift_reference_rows'], values['cxrd_drift_scores']),
                         (json.loads(dataset.metadata()['metrics'])['validation']['rows'], 500))
        import_model(self.server, dataset.weights())
        self.predict(film)
        self.assertEqual([k for k in metrics(self.server) if 'drift' in k], [])


class Log(ServerCase):
    with_model = True

    def test_a_prediction_says_which_model_and_how_long(self):
        self.predict(picture.noise(1), X_Request_Id='timed')
        line = program.poll(lambda: [x for x in self.server.log() if x.get('request_id') == 'timed'], 'it is logged')[0]
        self.assertEqual(line['model'], self.model['id'])
        for name in ('queue_ms', 'decode_ms', 'forward_ms', 'ms', 'bytes'):
            self.assertGreaterEqual(line[name], 0)

    def test_a_trace_goes_on(self):
        trace = '4bf92f3577b34da6a3ce929d0e0e4736'
        self.get('/livez', X_Request_Id='traced', traceparent=f'00-{trace}-00f067aa0ba902b7-01')
        for i, value in enumerate(('00-' + '0' * 32 + '-00f067aa0ba902b7-01', 'junk', f'00-{trace.upper()}-00f067aa0ba902b7-01',
                                   f'00-{trace}')):
            self.get('/livez', X_Request_Id=f'untraced-{i}', traceparent=value)
        ids = {'traced', *(f'untraced-{i}' for i in range(4))}
        lines = program.poll(lambda: ids <= (lines := {x.get('request_id'): x for x in self.server.log()}).keys() and lines,
                             'all are logged')
        self.assertEqual(lines['traced']['trace_id'], trace)
        for i in range(4):
            self.assertNotIn('trace_id', lines[f'untraced-{i}'])


class Audit(Case):

    def serve(self, path, *arguments, **options):
        server = program.Server('--audit', path, '--keys', keys_file(), *arguments, **options)
        self.addCleanup(server.stop)
        return server

    def setUp(self):
        self.path = os.path.join(program.new_folder('audit'), 'audit.jsonl')

    def events(self, path=None):
        with open(path or self.path, encoding='ascii') as file:
            return [json.loads(line) for line in file]

    def predict(self, server, **headers):
        return client.post(server, '/predict', picture.noise(1), Content_Type='image/png', **bearer(PREDICT), **headers)

    def with_model(self, server):
        card = client.post(server, '/models', dataset.weights(), Content_Type='application/octet-stream', **bearer(ADMIN)).json()
        client.post(server, f'/models/{card["id"]}/activate', **bearer(ADMIN))
        return card['id']

    def test_who_did_what_with_which_model_and_how_it_ended(self):
        server = self.serve(self.path)
        model = self.with_model(server)
        self.predict(server, X_Request_Id='one')
        client.post(server, '/predict', b'no picture', X_Request_Id='two', **bearer(PREDICT))
        client.post(server, '/models', b'x', X_Request_Id='three', **bearer(PREDICT))
        client.get(server, '/jobs', X_Request_Id='four')
        client.get(server, '/jobs', X_Request_Id='five', **bearer(PREDICT))  # reading is not an event
        server.stop()
        events = self.events()
        self.assertEqual([e['event'] for e in events],
                         ['start', *2 * ['intent', 'change'], 'predict', 'predict', 'refused', 'refused', 'stop'])
        rows = {e['request_id']: (e['key'], e['outcome'], e['status'], e['route'], e['model']) for e in events
                if 'status' in e}
        self.assertEqual(rows['one'], ('reader', 'ok', 200, '/predict', model))
        self.assertEqual(rows['two'], ('reader', 'rejected', 415, '/predict', model))
        self.assertEqual(rows['three'], ('reader', 'rejected', 403, '/models', None))
        self.assertEqual(rows['four'], ('', 'rejected', 401, '/jobs', None))
        self.assertEqual({e['source'] for e in events if 'source' in e}, {'127.0.0.1'})
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)

    def test_what_was_changed_is_named(self):
        server = self.serve(self.path)
        admin = bearer(ADMIN)
        first = self.with_model(server)
        other = client.post(server, '/models', dataset.weights(2), Content_Type='application/octet-stream', X_Request_Id='import',
                            **admin).json()['id']
        client.post(server, f'/models/{other}/activate', X_Request_Id='activate', **admin)
        client.post(server, '/models/rollback', X_Request_Id='rollback', **admin)
        client.request(server, 'DELETE', f'/models/{first}', X_Request_Id='active', **admin)
        for name in ('delete', 'gone'):
            client.post(server, f'/models/{first}/activate', **admin)
            client.request(server, 'DELETE', f'/models/{other}', X_Request_Id=name, **admin)
        client.request(server, 'DELETE', f'/models/{first}', X_Request_Id='stranger')
        client.post(server, '/models/00000000-0000/activate', X_Request_Id='none', **admin)
        for call in ('cancel', 'resume'):
            client.post(server, f'/jobs/00000000-0000/{call}', X_Request_Id=call, **admin)
        client.request(server, 'DELETE', '/jobs/00000000-0000', X_Request_Id='forget', **admin)
        server.stop()
        rows = {e['request_id']: (e['status'], e['model'], e['job']) for e in self.events() if 'status' in e}
        self.assertEqual({e['request_id']: (e['model'], e['job']) for e in self.events() if e['event'] == 'intent' and e['model']},
                         {e['request_id']: (e['model'], None) for e in self.events() if e['event'] == 'change' and
                          '{id}' in e['route'] and e['model']})
        for name, status, model in (('import', 201, other), ('activate', 200, other), ('rollback', 200, first),
                                    ('active', 409, first), ('delete', 204, other), ('gone', 404, other),
                                    ('stranger', 401, first), ('none', 404, '00000000-0000')):
            self.assertEqual(rows[name], (status, model, None), name)
        for name in ('cancel', 'resume', 'forget'):
            self.assertEqual(rows[name], (404, None, '00000000-0000'), name)

    def test_a_job_that_activates_its_model_is_an_event(self):
        server = program.Server('--audit', self.path, datasets=dataset.tiny())
        self.addCleanup(server.stop)
        jobs = [submit(server, {**QUICK, 'promote': promote}, X_Request_Id=promote) for promote in ('always', 'manual')]
        models = [wait_state(server, job, 'succeeded')['model'] for job in jobs]
        client.request(server, 'DELETE', f'/jobs/{jobs[1]}', X_Request_Id='delete')
        server.stop()
        events = self.events()
        self.assertEqual([(e['model'], e['job']) for e in events if e['event'] == 'promote'], [(models[0], jobs[0])])
        rows = {e['request_id']: e['job'] for e in events if 'status' in e}
        self.assertEqual(rows, {'always': jobs[0], 'manual': jobs[1], 'delete': jobs[1]})
        self.assertEqual(program.run('audit', self.path).returncode, 0)

    def test_the_chain_holds_over_restarts_and_shows_changes(self):
        for _ in range(2):
            server = self.serve(self.path)
            self.with_model(server)
            server.stop()
        done = program.run('audit', self.path)
        self.assertEqual((done.returncode, done.stdout.split()[0]), (0, '12'), done)
        with open(self.path, encoding='ascii') as file:
            lines = file.readlines()
        for name, changed in (('changed', lines[:2] + [lines[2].replace('head', 'hand')] + lines[3:]),
                              ('removed', lines[:3] + lines[4:]), ('swapped', [lines[1], lines[0]] + lines[2:])):
            path = os.path.join(program.new_folder(), name)
            with open(path, 'w', encoding='ascii') as file:
                file.writelines(changed)
            self.assertEqual(program.run('audit', path).returncode, 1, name)

    def test_row_44_a_line_that_a_crash_cut_short_is_told_and_the_rest_is_checked(self):
        server = self.serve(self.path)
        server.stop()
        with open(self.path, 'a', encoding='ascii') as file:
            file.write('{"time":"2026')
        server = self.serve(self.path)
        server.stop()
        self.assertEqual([e['event'] for e in self.events()], ['start', 'stop', 'torn', 'start', 'stop'])
        self.assertEqual(self.events()[2]['text'], '{"time":"2026')
        done = program.run('audit', self.path)
        self.assertEqual((done.returncode, done.stdout.split()[0]), (0, '5'), done)
        with open(self.path, encoding='ascii') as file:
            lines = file.readlines()
        with open(self.path, 'w', encoding='ascii') as file:  # one that stands is named, and hides nothing
            file.writelines(lines[:3] + ['{"time":\n'] + lines[3:])
        done = program.run('audit', self.path)
        self.assertEqual(done.returncode, 0, done)
        self.assertIn('line 4: torn', done.stdout)
        with open(self.path, 'w', encoding='ascii') as file:
            file.writelines(lines[:3] + ['{"time":\n'] + lines[4:])
        self.assertEqual(program.run('audit', self.path).returncode, 1)

    def test_row_44_a_file_that_is_moved_while_no_server_runs_is_followed(self):
        for number, end in enumerate((program.Server.stop, program.Server.kill), 1):
            end(self.serve(self.path))
            os.rename(self.path, f'{self.path}.{number}')
        self.serve(self.path).stop()
        done = program.run('audit', self.path + '.1', self.path + '.2', self.path)
        self.assertEqual((done.returncode, done.stdout.split()[0]), (0, '5'), done)

    def cut_lines(self, n):
        with open(self.path, encoding='ascii') as file:
            lines = file.readlines()
        with open(self.path, 'w', encoding='ascii') as file:
            file.writelines(lines[:-n])

    def test_row_44_last_lines_that_are_cut_off_whole_are_told(self):
        for number, end in enumerate((program.Server.stop, program.Server.kill), 1):
            server = self.serve(self.path)
            self.with_model(server)
            end(server)
            self.cut_lines(number)
            done = program.run('audit', self.path)
            self.assertEqual(done.returncode, 1, done)
            self.assertIn('lines are missing at its end', done.stderr)
            server = self.serve(self.path)
            server.stop()
            self.assertEqual([e['synced'] for e in self.events() if e['event'] == 'missing'], [True])
            self.assertEqual([(x['level'], x['message']) for x in server.log() if 'missing' in x['message']],
                             [('error', 'lines are missing at the end of the audit log')])
            done = program.run('audit', self.path)  # and the gap stays
            self.assertEqual(done.returncode, 1, done)
            self.assertIn('does not follow the line before', done.stderr)
            os.rename(self.path, f'{self.path}.{number}')

    def test_row_44_a_server_that_is_killed_misses_no_line(self):
        for _ in range(3):
            server = self.serve(self.path, '--audit-bytes', '1K')
            self.predict(server)
            client.get(server, '/jobs')  # a refusal, which does not wait for the disk
            server.kill()
        self.serve(self.path).stop()
        files = sorted(name for name in os.listdir(os.path.dirname(self.path)) if name.startswith('audit.jsonl.'))
        done = program.run('audit', *(os.path.join(os.path.dirname(self.path), name) for name in files), self.path)
        self.assertEqual(done.returncode, 0, done)
        self.assertIn('none is missing at the end', done.stdout)
        self.assertNotIn('missing', [e['event'] for e in self.events()])

    def test_row_44_a_second_server_on_the_file_is_refused(self):
        server = self.serve(self.path)
        done = program.run('serve', '--listen', '127.0.0.1:0', '--state', program.new_folder('state'), '--audit', self.path)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn('another server writes the audit log', done.stderr)
        server.stop()
        self.assertEqual([e['event'] for e in self.events()], ['start', 'stop'])

    def test_row_44_a_rotation_that_fails_changes_nothing_and_is_tried_again(self):
        server = self.serve(self.path, '--audit-bytes', '1K')
        beside = self.path + '.next'
        os.mkdir(beside)  # in the way of the new file
        for _ in range(10):
            client.get(server, '/jobs')
        self.assertEqual(len(self.events()), 11)
        os.rmdir(beside)
        for _ in range(10):
            client.get(server, '/jobs')
        server.stop()
        aside = sorted(os.path.join(os.path.dirname(self.path), name) for name in os.listdir(os.path.dirname(self.path))
                       if name.startswith('audit.jsonl.'))
        self.assertTrue(aside, 'it was put aside at last')
        done = program.run('audit', *aside, self.path)
        self.assertEqual((done.returncode, done.stdout.split()[0]), (0, '22'), done)

    def test_row_44_an_intent_and_its_end_have_an_id_that_no_client_chose(self):
        server = self.serve(self.path)
        for _ in range(2):
            client.post(server, '/models/00000000-0000/activate', X_Request_Id='the-same', **bearer(ADMIN))
        server.stop()
        events = [e for e in self.events() if e.get('request_id') == 'the-same']
        self.assertEqual([e['event'] for e in events], 2 * ['intent', 'change'])
        ids = [e['id'] for e in events]
        self.assertEqual((ids[0], ids[2]), (ids[1], ids[3]))
        self.assertNotEqual(ids[0], ids[2])
        self.assertNotIn('the-same', ids)

    def test_sighup_opens_it_anew_and_the_chain_goes_on(self):
        server = self.serve(self.path)
        os.rename(self.path, self.path + '.1')
        server.terminate(signal.SIGHUP)
        program.poll(lambda: os.path.exists(self.path) and self.events(), 'there is a new file')
        server.stop()
        self.assertEqual([e['event'] for e in self.events()], ['reload', 'stop'])
        self.assertEqual(program.run('audit', self.path + '.1', self.path).returncode, 0)

    def test_a_full_file_is_put_aside(self):
        server = self.serve(self.path, '--audit-bytes', '2K')
        for _ in range(20):
            client.get(server, '/jobs')
        server.stop()
        files = sorted(name for name in os.listdir(os.path.dirname(self.path)) if not name.startswith('.'))
        self.assertGreater(len(files), 1)
        aside = [os.path.join(os.path.dirname(self.path), name) for name in files[1:]]
        done = program.run('audit', *aside, self.path)
        self.assertEqual((done.returncode, done.stdout.split()[0]), (0, '22'), done)

    def limit(self, server, room):
        """Let the log, and no other file, grow by so many bytes only; None: as it likes."""
        most = resource.RLIM_INFINITY if room is None else os.path.getsize(self.path) + room
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    def test_a_change_is_on_record_before_it_is_made(self):
        with open(self.path, 'w', encoding='ascii') as file:  # longer than the database and the server's log will be
            file.writelines(json.dumps({'padding': 4000 * 'x'}) + '\n' for _ in range(1000))
        server = self.serve(self.path)
        admin = bearer(ADMIN)
        active = self.with_model(server)
        other = client.post(server, '/models', dataset.weights(2), Content_Type='application/octet-stream', **admin).json()['id']
        self.limit(server, 0)
        self.assert_problem(client.request(server, 'DELETE', f'/models/{other}', **admin), 503, 'audit')
        self.assert_problem(client.post(server, f'/models/{other}/activate', **admin), 503, 'audit')
        self.assert_problem(client.post(server, '/models', dataset.weights(3), Content_Type='application/octet-stream', **admin),
                            503, 'audit')
        models = client.get(server, '/models', **admin).json()
        self.assertEqual((models['active'], {card['id'] for card in models['models']}), (active, {active, other}))
        self.limit(server, 450)  # for one line
        self.assertEqual(client.request(server, 'DELETE', f'/models/{other}', X_Request_Id='half', **admin).status, 204)
        self.limit(server, None)
        self.assertEqual(client.get(server, f'/models/{other}', **admin).status, 404)
        server.stop()
        with open(self.path, encoding='ascii') as file:
            events = [json.loads(line) for line in file.readlines()[1000:]]
        self.assertEqual([e['event'] for e in events if e.get('request_id') == 'half'], ['intent'])
        self.assertIn('how a change ended could not be recorded', [line['message'] for line in server.log()])

    def test_without_its_record_nothing_is_done(self):
        """A disk that fills up, played by a limit on the size of files."""
        server = self.serve(self.path, '--log-level', 'off')  # the log is a file as well
        self.with_model(server)
        self.assertEqual(self.predict(server).status, 200)
        most = os.path.getsize(self.path) + 500
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        replies = [self.predict(server) for _ in range(4)]
        self.assertEqual(replies[0].status, 200)
        self.assert_problem(replies[-1], 503, 'audit')
        self.assertEqual(client.get(server, '/livez').status, 200)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        self.assertEqual(self.predict(server).status, 200)  # and then it goes on
        server.stop()

    def test_a_disk_that_was_full_leaves_no_half_line(self):
        server = self.serve(self.path, '--log-level', 'off')
        self.with_model(server)
        most = os.path.getsize(self.path) + 100  # of a line that is longer
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        self.assertEqual([self.predict(server).status for _ in range(2)], [503, 503])
        self.assertEqual(client.get(server, '/jobs').status, 401)  # nor does a refusal
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        self.assertEqual(self.predict(server).status, 200)
        server.stop()
        done = program.run('audit', self.path)
        self.assertEqual((done.returncode, done.stdout.split()[0]), (0, '7'), done)

    def test_strangers_cannot_fill_it(self):
        server = self.serve(self.path)
        n = 300
        with client.Client(server) as one:
            for i in range(n):
                self.assertEqual(one.request('GET', '/jobs').status, 401)
                if i == n // 2:  # who has a key is not among them
                    self.assertEqual(client.post(server, '/models', b'x', X_Request_Id='insider', **bearer(PREDICT)).status, 403)
        server.stop()
        events = self.events()
        strangers = [e for e in events if e['event'] == 'refused' and e['key'] == '']
        left_out = sum(e['refused'] for e in events if e['event'] == 'left_out')
        self.assertEqual(len(strangers) + left_out, n)
        self.assertGreaterEqual(len(strangers), 100)
        self.assertGreater(left_out, 0)
        self.assertEqual([e['status'] for e in events if e.get('request_id') == 'insider'], [403])
        self.assertEqual(events[-1]['event'], 'stop')
        done = program.run('audit', self.path)
        self.assertEqual((done.returncode, done.stdout.split()[0]), (0, str(len(events))), done)

    def test_what_a_handler_refuses_is_never_left_out(self):
        """Without keys there are no strangers, and an intent that nothing follows would mean a crash."""
        server = program.Server('--audit', self.path, datasets=dataset.tiny())
        self.addCleanup(server.stop)
        with client.Client(server) as one:
            for _ in range(120):
                reply = one.request('POST', '/datasets', b'{}', Content_Type='application/json')
                self.assert_problem(reply, 403, '--data-hosts')
        server.stop()
        intents, ends = ([e['request_id'] for e in self.events() if e['event'] == name] for name in ('intent', 'refused'))
        self.assertEqual((intents, len(intents)), (ends, 120))

    def test_what_is_no_file_cannot_be_the_log(self):
        for path in ('/dev/full', '/nonexistent/x', program.new_folder()):
            done = program.run('serve', '--listen', '127.0.0.1:0', '--state', program.new_folder(), '--audit', path)
            self.assertEqual(done.returncode, 1, done)
            self.assertIn('audit' if path != '/dev/full' else 'regular', done.stderr)


if __name__ == '__main__':
    unittest.main()
