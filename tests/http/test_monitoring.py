"""packaging/prometheus and packaging/grafana: what they name is told by the program, rules fire, a Prometheus reads it."""
import json
import os
import re
import shutil
import socket
import subprocess
import unittest
import urllib.error
import urllib.parse
import urllib.request

from support import client, dataset, picture, program
from support.case import Case, import_model

PACKAGING = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), 'packaging')
RULES = os.path.join(PACKAGING, 'prometheus')
VARIABLES = {'$instance': '.*', '$__rate_interval': '5m'}
with_prometheus = unittest.skipUnless(shutil.which('prometheus') and shutil.which('promtool'), 'prometheus is not installed')


def read(*path):
    with open(os.path.join(PACKAGING, *path), encoding='utf-8') as file:
        return file.read()


def queries():
    """(panel, expression) of the dashboard, with its variables as Grafana would fill them in."""
    for panel in json.loads(read('grafana', 'cxrd.json'))['panels']:
        for target in panel['targets']:
            expression = target['expr']
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            yield panel['title'], expression


class Names(Case):

    def test_every_metric_that_is_asked_for_is_told(self):
        server = program.Server()
        self.addCleanup(server.stop)
        import_model(server, dataset.weights())
        client.post(server, '/predict', picture.noise(1))
        text = client.get(server, '/metrics').body.decode()
        told = set(re.findall(r'^([a-z_]+)[{ ]', text, re.M)) | set(re.findall(r'^# TYPE ([a-z_]+) ', text, re.M))
        for place, expressions in (('alerts', re.findall(r'expr: (?:>\n)?((?:.|\n)*?)\n        (?:for|labels):', read('prometheus', 'alerts.yml'))),
                                   ('dashboard', [expression for _, expression in queries()])):
            self.assertGreater(len(expressions), 10)
            names = {name for expression in expressions for name in re.findall(r'\b(?:cxrd|process)_[a-z_]+', expression)}
            self.assertEqual(names - told, set(), place)

    def test_panels_stand_beside_one_another(self):
        places = [panel['gridPos'] for panel in json.loads(read('grafana', 'cxrd.json'))['panels']]
        cells = [(x, y) for at in places for x in range(at['x'], at['x'] + at['w']) for y in range(at['y'], at['y'] + at['h'])]
        self.assertEqual(len(cells), len(set(cells)))
        self.assertLessEqual(max(x for x, _ in cells), 23)


@with_prometheus
class Rules(Case):

    def test_are_right_and_each_fires_on_what_deserves_it(self):
        for command in (['check', 'config', 'prometheus.yml'], ['check', 'rules', 'alerts.yml'], ['test', 'rules', 'alerts_test.yml']):
            done = subprocess.run(['promtool', *command], cwd=RULES, capture_output=True, text=True, check=False, timeout=program.END_SECONDS)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_test_has_every_alert(self):
        alerts = re.findall(r'- alert: (\w+)', read('prometheus', 'alerts.yml'))
        self.assertEqual(sorted(re.findall(r'alertname="(\w+)"', read('prometheus', 'alerts_test.yml'))), sorted(alerts))


class Prometheus:
    """One that reads the rules, without their waits, and a server twice a second."""

    def __init__(self, server):
        folder = program.new_folder('prometheus')
        with open(os.path.join(folder, 'alerts.yml'), 'w', encoding='utf-8') as file:
            file.write(re.sub(r'\n +for: \w+', '', read('prometheus', 'alerts.yml')))
        with open(os.path.join(folder, 'prometheus.yml'), 'w', encoding='utf-8') as file:
            file.write(read('prometheus', 'prometheus.yml').replace('127.0.0.1:8080', '{}:{}'.format(*server.address)).replace('15s', '500ms'))
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            self.url = f'http://127.0.0.1:{free.getsockname()[1]}'
        with open(os.path.join(folder, 'log'), 'wb') as log:
            self.process = subprocess.Popen(['prometheus', '--config.file', os.path.join(folder, 'prometheus.yml'), '--storage.tsdb.path',
                                             os.path.join(folder, 'data'), '--web.listen-address', self.url.removeprefix('http://')],
                                            stdout=log, stderr=log, preexec_fn=program.die_with_us)

    def ask(self, path, **query):
        try:
            with urllib.request.urlopen(f'{self.url}{path}?{urllib.parse.urlencode(query)}', timeout=20) as reply:
                return json.load(reply)['data']
        except urllib.error.HTTPError as refused:
            if refused.code != 503:
                raise AssertionError(f'{query}: {refused.read()[:300]}') from refused
            return None  # it begins
        except OSError:
            return None  # it is not there yet

    def firing(self):
        alerts = (self.ask('/api/v1/alerts') or {}).get('alerts', [])
        return {alert['labels']['alertname'] for alert in alerts if alert['state'] == 'firing'}

    def stop(self):
        self.process.terminate()
        self.process.wait(program.END_SECONDS)


@with_prometheus
class ARealOne(Case):

    def test_an_alert_fires_and_ends_and_every_panel_can_be_asked(self):
        server = program.Server()
        self.addCleanup(server.stop)
        prometheus = Prometheus(server)
        self.addCleanup(prometheus.stop)
        program.poll(lambda: prometheus.firing() == {'CxrdNoModel'}, 'no model, and an alert that says so')
        import_model(server, dataset.weights())
        client.post(server, '/predict', picture.noise(1))
        program.poll(lambda: prometheus.firing() == set(), 'a model, and no alert')
        for title, expression in queries():
            with self.subTest(title):
                self.assertIsNotNone(prometheus.ask('/api/v1/query', query=expression))
        self.assertEqual(prometheus.ask('/api/v1/query', query='cxrd_model_unusable')['result'][0]['value'][1], '0')
        server.stop()
        program.poll(lambda: prometheus.firing() == {'CxrdDown'}, 'no server, and an alert that says so')


if __name__ == '__main__':
    unittest.main()
