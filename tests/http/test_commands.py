"""Common to every command: help, the manual, what shells propose; and the commands that ask a running server."""
import http.server
import json
import os
import re
import shlex
import shutil
import subprocess
import threading
import unittest

from support import client, dataset, program
from support.case import Case, ServerCase, import_model, submit, wait_state


def commands():
    return re.findall(r'^  cxrd (\w+)  +\w', program.run('--help').stdout, re.M)


class Help(Case):

    def test_of_a_command_is_that_of_its_own(self):
        self.assertGreater(len(commands()), 12)
        for command in commands():
            with self.subTest(command):
                asked, own = program.run('help', command), program.run(command, '--help')
                self.assertEqual((asked.returncode, asked.stderr), (0, ''))
                self.assertEqual(asked.stdout, own.stdout)
        done = program.run('help', 'teach')
        self.assertEqual((done.returncode, done.stdout), (2, ''))
        self.assertIn("no command 'teach'", done.stderr)

    def test_has_an_example_and_what_the_exit_status_says(self):
        manual = program.run('--man').stdout.replace('\\-', '-').replace('\\&', '')
        for command in commands():
            with self.subTest(command):
                text = program.run('help', command).stdout
                example = re.search(r'^Example:\n  (.*)\n\nExit status: 0 .*; 1 .*; 2 .*\.\n\Z', text, re.M)[1]
                self.assertIn(example, manual)
                words = shlex.split(example.removeprefix('source <(').removesuffix(')'))
                self.assertEqual(words[:2], ['cxrd', command])
                for option in (word for word in words if word.startswith('-')):
                    self.assertTrue(f'{option} ' in text or f'{option},' in text or f'{option}\n' in text, option)

    def test_names_the_statuses_that_a_command_has_beside_others(self):
        for command, says in (('train', '130'), ('predict', 'picture'), ('health', 'not ready')):
            self.assertIn(says, program.run('help', command).stdout.split('Exit status: ')[1])


class Completion(Case):

    def proposed(self, *words):
        """Bash's proposals for the last of these words."""
        script = program.run('completion', 'bash').stdout + (
            f'\nCOMP_WORDS=({shlex.join(words)}) COMP_CWORD={len(words) - 1}\n_cxrd\nprintf "%s\\n" "${{COMPREPLY[@]}}"\n')
        folder = program.new_folder('shell')
        os.mkdir(os.path.join(folder, 'films'))
        with open(os.path.join(folder, 'film.png'), 'wb'):
            pass
        done = subprocess.run(['bash', '-c', script], capture_output=True, text=True, check=True, cwd=folder, timeout=program.END_SECONDS)
        self.assertEqual(done.stderr, '')
        return done.stdout.split()

    def test_proposes_commands_options_and_values(self):
        self.assertEqual(self.proposed('cxrd', 'pre'), ['predict'])
        self.assertEqual(self.proposed('cxrd', 'help', 'pre'), ['predict'])
        self.assertEqual(set(self.proposed('cxrd', '')), {*commands(), 'help', '--help', '--version', '--man'})
        self.assertEqual(self.proposed('cxrd', 'predict', '--we'), ['--weights'])
        self.assertEqual(self.proposed('cxrd', 'predict', '--precision', ''), ['float32', 'int12'])
        self.assertEqual(self.proposed('cxrd', 'predict', '--precision', 'int'), ['int12'])
        self.assertEqual(self.proposed('cxrd', 'completion', ''), ['--help', 'bash', 'zsh', 'fish'])

    def test_proposes_files_where_one_is_meant(self):
        self.assertEqual(sorted(self.proposed('cxrd', 'predict', 'fi')), ['film.png', 'films'])
        self.assertEqual(sorted(self.proposed('cxrd', 'predict', '--weights', 'fi')), ['film.png', 'films'])
        self.assertEqual(self.proposed('cxrd', 'train', '--out', 'fi'), ['films'])
        self.assertEqual(self.proposed('cxrd', 'train', '--threads', ''), [])

    def test_knows_every_option_of_every_command(self):
        for command in commands():
            options = set(re.findall(r'^  (?:-\w, )?(--[a-z-]+)', program.run('help', command).stdout, re.M))
            self.assertEqual(set(self.proposed('cxrd', command, '--')), options | {'--help'}, command)

    def test_is_read_by_its_shell(self):
        for shell in ('zsh', 'fish'):
            with self.subTest(shell):
                if not shutil.which(shell):
                    self.skipTest(f'{shell} is not installed')
                done = subprocess.run([shell, '-n'], input=program.run('completion', shell).stdout, capture_output=True, text=True, check=False)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, '', ''))

    def test_of_another_shell_there_is_none(self):
        for arguments in ((), ('tcsh',)):
            done = program.run('completion', *arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ''))
            self.assertIn('bash, zsh or fish', done.stderr)


class Asking(ServerCase):
    with_data = True

    def ask(self, *arguments, **how):
        done = program.run(*arguments, '--url', self.server.url, **how)
        self.assertEqual((done.returncode, done.stderr), (0, ''), done)
        return done.stdout

    def caption(self, path, **said):
        self.assertEqual(client.request(self.server, 'PATCH', path, json.dumps(said), Content_Type='application/json').status, 200)


class AskingAServer(Asking):

    def test_jobs_and_models_are_listed_told_of_and_changed(self):
        self.assertEqual(self.ask('jobs'), 'no jobs yet\n')
        self.assertEqual(self.ask('models'), 'no models yet\n')
        job = submit(self.server, {'dataset': 'tiny', 'epochs': 1, 'image_size': 64, 'steps_per_epoch': 1})
        record = wait_state(self.server, job, 'succeeded')
        first, second = record['model'], import_model(self.server, dataset.weights())['id']
        self.caption(f'/jobs/{job}', name='of a Monday', note='first try,\nnot the last')
        auroc = record['evaluation']['test']['macro_auroc']
        rows = [re.split('  +', line) for line in self.ask('jobs').splitlines()]
        self.assertEqual(rows, [['JOB', 'NAME', 'TYPE', 'STATE', 'DATA SET', 'CREATED', 'LOSS', 'AUROC', 'MODEL', 'NOTE'],
                                [job, 'of a Monday', 'train', 'succeeded', 'tiny', record['created_at'][:16], f'{record["validation_loss"]:.4f}',
                                 '-' if auroc is None else f'{auroc:.3f}', first, 'first try, not the last']])
        self.assertRegex(self.ask('jobs', job), r'(?m)^state +succeeded$')
        self.assertEqual(json.loads(self.ask('jobs', job, '--json'))['id'], job)
        self.assertEqual(self.active(), second)
        self.assertEqual(self.ask('activate', first), f'active: {first}\n')
        self.assertEqual(self.active(), first)
        self.assertEqual(self.ask('rollback'), f'active: {second}\n')
        self.assertEqual(self.active(), second)
        self.assertRegex(self.ask('models', first), rf'(?m)^job +{job}$')
        self.caption(f'/models/{first}', name='größtes')
        rows = [re.split('  +', line) for line in self.ask('models').splitlines()]
        self.assertEqual(rows[0], ['', 'MODEL', 'NAME', 'ARCHITECTURE', 'CREATED', 'AUROC', 'JOB', 'NOTE'])
        self.assertEqual([row[1:4] for row in rows[1:]], [[second, '-', 'cnn4'], [first, 'größtes', 'cnn4']])
        self.assertEqual(rows[2][6], job)

    def active(self):
        marked = [line.split()[1] for line in self.ask('models').splitlines() if line.startswith('*')]
        self.assertEqual(marked, [json.loads(self.ask('models', '--json'))['active']])
        return marked[0]

    def test_a_refusal_is_a_sentence(self):
        nobody = '00000000-0000-0000-0000-000000000000'
        for arguments, says in ((('activate', nobody), f"404: there is no model '{nobody}'"), (('jobs', nobody), f"404: there is no job '{nobody}'")):
            done = program.run(*arguments, '--url', self.server.url)
            self.assertEqual((done.returncode, done.stdout), (1, ''))
            self.assertEqual(done.stderr, f'cxrd {arguments[0]}: the server answered {says}\n')

    def test_an_id_leads_nowhere_else(self):
        for command in ('jobs', 'models', 'activate'):
            for bad in ('../metrics', 'a?b', 'a/b', '', 'x' * 65):
                done = program.run(command, bad, '--url', self.server.url)
                self.assertEqual((done.returncode, done.stdout), (2, ''), bad)
        self.assertEqual(program.run('activate', '--url', self.server.url).returncode, 2)

    def test_a_key_comes_from_the_environment(self):
        made = program.run('key', 'admin', 'me')
        key = made.stderr.split()[-1]
        keys = os.path.join(program.new_folder('keys'), 'keys')
        with open(keys, 'w', encoding='ascii') as file:
            file.write(made.stdout)
        server = program.Server('--keys', keys)
        self.addCleanup(server.stop)
        done = program.run('models', '--url', server.url)
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertIn('401', done.stderr)
        self.assertEqual(program.run('models', '--url', server.url, env={'CXRD_KEY': key}).stdout, 'no models yet\n')
        self.assertEqual(client.get(server, '/models').status, 401)


class Listing(Asking):

    def ids(self, *arguments):
        return [re.split('  +', line)[0] for line in self.ask(*arguments).splitlines()[1:]]

    def test_a_list_is_narrowed_and_longer_than_a_page(self):
        jobs = [submit(self.server, {'dataset': 'tiny', 'epochs': 0, 'name': f'look {i}'}) for i in range(3)]
        for job in jobs:
            self.assertTrue(wait_state(self.server, job, 'succeeded')['dry_run'])
        self.assertEqual([job['dry_run'] for job in client.get(self.server, '/jobs?q=look').json()['jobs']], [True] * 3)
        self.assertIn('  succeeded (dry run)  ', self.ask('jobs', '--find', 'LOOK 1'))
        self.assertEqual(self.ids('jobs', '--find', 'LOOK 1'), [jobs[1]])
        self.assertEqual(self.ids('jobs', '--find', 'look'), jobs[::-1])
        self.assertEqual(self.ids('jobs', '--find', 'look', '--status', 'succeeded', '--type', 'train'), jobs[::-1])
        self.assertEqual(self.ask('jobs', '--find', 'look', '--status', 'running'), 'no jobs are found so\n')
        self.assertEqual(self.ask('models', '--find', 'a&b=%00'), 'no models are found so\n')
        done = program.run('jobs', '--limit', '2', '--url', self.server.url)
        self.assertEqual((len(done.stdout.splitlines()), done.stderr), (3, 'cxrd jobs: these are the newest 2; --limit shows more\n'))
        for bad, says in ((('--status', 'ended'), "no job state 'ended', only queued, running, succeeded, failed, cancelled, interrupted"),
                          (('--type', 'x'), "no job type 'x', only train, fetch, predict and validate")):
            done = program.run('jobs', *bad, '--url', self.server.url)
            self.assertEqual((done.returncode, done.stdout), (1, ''))
            self.assertIn(says, done.stderr)
        self.assertEqual(program.run('jobs', jobs[0], '--status', 'running', '--url', self.server.url).returncode, 2)

    def test_of_many_pages_one_list_is_made(self):
        seen = []

        class Pages(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked = {name: int(value) for name, value in (one.split('=') for one in self.path.split('?')[1].split('&'))}
                seen.append(asked)
                first = asked.get('cursor', 1000)
                body = json.dumps({'jobs': [{'id': f'{first - i:08d}', 'type': 'train', 'state': 'succeeded'} for i in range(asked['limit'])],
                                   'next_cursor': str(first - asked['limit'])}).encode()
                self.send_response(200)
                self.send_header('Content-Type', 'application/json')
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        with http.server.HTTPServer(('127.0.0.1', 0), Pages) as pages:
            threading.Thread(target=pages.serve_forever, daemon=True).start()
            url = f'http://127.0.0.1:{pages.server_port}'
            done = program.run('jobs', '--limit', '250', '--url', url)
            self.assertEqual([line.split()[0] for line in done.stdout.splitlines()[1:]], [f'{1000 - i:08d}' for i in range(250)])
            self.assertEqual([one['limit'] for one in seen], [100, 100, 50])
            told = json.loads(program.run('jobs', '--limit', '120', '--json', '--url', url).stdout)
            self.assertEqual((len(told['jobs']), told['next_cursor']), (120, '880'))
            pages.shutdown()

    def test_an_id_may_be_given_by_its_beginning(self):
        models = [import_model(self.server, dataset.weights())['id'] for _ in range(2)]
        self.assertEqual(self.ask('activate', models[0][:8]), f'active: {models[0]}\n')
        self.assertRegex(self.ask('models', models[1][:8]), rf'(?m)^id +{models[1]}$')
        done = program.run('models', 'ffffffff', '--url', self.server.url)
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertIn("there is no model 'ffffffff'", done.stderr)

    def test_on_a_terminal_a_line_is_as_long_as_there_is_room(self):
        model = import_model(self.server, dataset.weights())['id']
        self.caption(f'/models/{model}', name='a name that is long, as names are that somebody gave', note='x' * 300)
        command = f'{shlex.quote(program.BINARY)} models --url {self.server.url}'
        for columns in (60, 80, 200):
            shown = subprocess.run(['script', '-qec', f'stty cols {columns}; {command}', '/dev/null'], capture_output=True, text=True, check=True,
                                   stdin=subprocess.DEVNULL, env=program.environment(), timeout=program.END_SECONDS).stdout.splitlines()
            self.assertLessEqual(max(map(len, shown)), columns)
            self.assertTrue(all('MODEL' in line or re.match(r'[ *]  [0-9a-f]{8}', line) for line in shown), shown)
            self.assertRegex('\n'.join(shown), 'a name')


class Words(Case):

    def test_train_says_where_its_output_is(self):
        out = os.path.join(program.new_folder('trained'), 'out')
        done = program.run('train', '--datasets', dataset.tiny(), '--out', out, '--set', 'epochs=1', '--set', 'image_size=64', '--set', 'steps_per_epoch=1')
        self.assertEqual(done.returncode, 0, done.stderr)
        said = done.stderr.splitlines()[-1]
        self.assertEqual(said, f'{out} holds weights.safetensors, job.json and the scores of its rows; {out}/report.html is the report, for a browser')
        self.assertTrue(os.path.exists(os.path.join(out, 'report.html')))

    def test_inspect_has_a_row_a_finding(self):
        done = program.run('inspect', os.path.join(dataset.trained(), 'weights.safetensors'))
        rows = done.stdout[done.stdout.index('findings'):].splitlines()
        self.assertEqual(rows[0].split(), ['findings', 'AUROC', 'from', 'to', 'with', 'without', 'Youden', 'sens.', '90', 'spec.', '90'])
        self.assertEqual([row.split()[0] for row in rows[1:15]], list(dataset.LABELS))
        self.assertEqual({len(row) for row in rows[1:15]}, {len(rows[0])})
        self.assertTrue(any(re.search(r' \d+ +\d+ +0\.\d{4}', row) for row in rows[1:15]), rows)


if __name__ == '__main__':
    unittest.main()
