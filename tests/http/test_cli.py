"""The commands, as a shell sees them: exit statuses, what goes to which stream, the files that are left."""
import csv
import json
import os
import re
import unittest

from support import client, dataset, picture, program
from support.case import Case, ServerCase, import_model, submit, wait_state

COMMANDS = ('serve', 'train', 'predict', 'phantom', 'health', 'import')


def film(data, name='film.png'):
    path = os.path.join(program.new_folder('film'), name)
    with open(path, 'wb') as file:
        file.write(data)
    return path


class Program(Case):

    def test_version(self):
        done = program.run('--version')
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        self.assertRegex(done.stdout, r'^cxrd \d+\.\d+\.\d+ \(.+\)\nResearch use only\..*\n$')

    def test_help_names_every_command(self):
        for flag in ('--help', '-h', 'help'):
            done = program.run(flag)
            self.assertEqual((done.returncode, done.stderr), (0, ''))
            for command in COMMANDS:
                self.assertIn(f'cxrd {command}', done.stdout)

    def test_help_of_every_command(self):
        for command in COMMANDS:
            with self.subTest(command):
                done = program.run(command, '--help')
                self.assertEqual((done.returncode, done.stderr), (0, ''))
                self.assertTrue(done.stdout.startswith(f'cxrd {command} '), done.stdout)
                self.assertIn('[CXRD_', done.stdout)

    def test_the_contracts_options_are_there(self):
        options = {'serve': ('listen', 'state', 'datasets', 'threads', 'queue', 'job-queue', 'max-upload', 'log-level',
                             'insecure', 'input-policy'),
                   'train': ('datasets', 'dataset', 'out', 'config', 'set'), 'predict': ('weights', 'url', 'explain', 'heatmap', 'json'),
                   'phantom': ('out', 'images', 'size', 'seed', 'rates'), 'health': ('ready',)}
        for command, names in options.items():
            text = program.run(command, '--help').stdout
            for name in names:
                self.assertIn(f'--{name} ', text)

    def usage(self, *arguments, says=''):
        done = program.run(*arguments)
        self.assertEqual((done.returncode, done.stdout), (2, ''), done)
        self.assertIn(says, done.stderr)

    def test_no_command_and_an_unknown_one_are_a_usage_error(self):
        self.usage(says='cxrd predict')
        self.usage('teach', says="no command 'teach'")
        self.usage('', says='cxrd predict')

    def test_an_unknown_option_is_a_usage_error(self):
        for command in COMMANDS:
            with self.subTest(command):
                self.usage(command, '--nothing', says="no option '--nothing'")
                self.usage(command, '-x', says="no option '-x'")

    def test_a_stray_argument_is_a_usage_error(self):
        self.usage('train', '--datasets', 'x', '--out', 'y', 'stray', says='stray')
        self.usage('serve', 'stray', says='stray')
        self.usage('phantom', '--out', 'x', 'stray', says='stray')
        self.usage('health', 'http://127.0.0.1:1', 'stray', says='stray')


class Predict(Case):

    def test_json_is_a_line_a_picture(self):
        paths = [film(picture.noise(i)) for i in range(3)]
        done = program.run('predict', '--weights', dataset.weights_path(), '--json', *paths)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        replies = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(replies), 3)
        for reply in replies:
            self.assertEqual(list(reply['probabilities']), list(dataset.LABELS))

    def test_without_json_findings_are_listed_highest_first(self):
        path = film(picture.noise(1))
        done = program.run('predict', '--weights', dataset.weights_path(), path)
        lines = done.stdout.splitlines()
        self.assertEqual(lines[0], path)
        self.assertEqual(sorted(line.split()[0] for line in lines[1:15]), sorted(dataset.LABELS))
        numbers = [float(line.split()[1]) for line in lines[1:15]]
        self.assertEqual(numbers, sorted(numbers, reverse=True))
        self.assertIn('Research use only', lines[15])

    def test_what_cannot_be_read_is_a_sentence_and_status_1(self):
        weights = dataset.weights_path()
        rows = ((weights, film(b'\xff\xd8\xff\xe0'), 'JPEG'), (weights, film(b'GIF89a'), 'GIF'), (weights, '/nothing.png', '/nothing'),
                (weights, film(b''), 'empty'), (film(b'x'), film(picture.noise(1)), 'safetensors'),
                ('/nothing', film(picture.noise(1)), '/nothing'))
        for weights, path, says in rows:
            with self.subTest(says):
                done = program.run('predict', '--weights', weights, path)
                self.assertEqual((done.returncode, done.stdout), (1, ''))
                self.assertTrue(done.stderr.startswith('cxrd predict: '), done.stderr)
                self.assertIn(says, done.stderr)
                self.assertEqual(done.stderr.count('\n'), 1)

    def test_weights_or_a_url_and_a_picture_are_needed(self):
        path = film(picture.noise(1))
        for arguments in ([path], ['--weights', dataset.weights_path()],
                          ['--weights', dataset.weights_path(), '--url', 'http://127.0.0.1:1', path]):
            self.assertEqual(program.run('predict', *arguments).returncode, 2)


class ByUrl(ServerCase):
    with_model = True

    def test_a_server_says_what_the_weights_say(self):
        path = film(picture.noise(1))
        here = json.loads(program.run('predict', '--weights', dataset.weights_path(), '--json', path).stdout)
        for url in (self.server.url, self.server.url + '/'):
            done = program.run('predict', '--url', url, '--json', path)
            self.assertEqual((done.returncode, done.stderr), (0, ''))
            there = json.loads(done.stdout)
            self.assertEqual(there['probabilities'], here['probabilities'])
            self.assertEqual(there['model']['id'], self.model['id'])

    def test_a_servers_refusal_is_a_sentence(self):
        done = program.run('predict', '--url', self.server.url, film(b'GIF89a'))
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertIn('415', done.stderr)
        self.assertIn('GIF', done.stderr)


class Health(ServerCase):

    def test_alive_and_ready(self):
        for url in (self.server.url, self.server.url + '/'):
            done = program.run('health', url)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, 'alive\n', ''))
        done = program.run('health', '--ready', self.server.url)
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertIn('no model', done.stderr)
        import_model(self.server, dataset.weights())
        done = program.run('health', self.server.url, '--ready')
        self.assertEqual((done.returncode, done.stdout), (0, 'ready\n'))

    def test_a_proxy_in_the_environment_is_not_asked_about_this_machine(self):
        env = {'http_proxy': 'http://127.0.0.1:9', 'HTTP_PROXY': 'http://127.0.0.1:9', 'all_proxy': 'http://127.0.0.1:9'}
        self.assertEqual(program.run('health', self.server.url, env=env).returncode, 0)

    def test_nobody_there_is_status_1(self):
        server = program.Server()
        server.stop()
        done = program.run('health', server.url)
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertEqual(done.stderr.count('\n'), 1)

    def test_other_protocols_are_not_spoken(self):
        for url in ('file:///etc/passwd', 'ftp://127.0.0.1', 'x', ''):
            self.assertEqual(program.run('health', url).returncode, 1)


class Train(Case):

    def train(self, *arguments, out=None):
        out = out or os.path.join(program.new_folder('trained'), 'out')
        return out, program.run('train', '--datasets', dataset.tiny(), '--out', out, '--threads', '2', *arguments)

    def test_it_leaves_the_contracts_files(self):
        out, done = self.train('--set', 'image_size=64', '--set', 'epochs=2', '--set', 'steps_per_epoch=1')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertLessEqual({'weights.safetensors', 'job.json', 'scores_validation.csv', 'scores_test.csv',
                              'scores_no_finding.csv', 'scores.csv'}, set(os.listdir(out)))
        epochs = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([e['epoch'] for e in epochs], [1, 2])
        with open(os.path.join(out, 'job.json'), encoding='utf-8') as file:
            record = json.load(file)
        self.assertLessEqual({'config', 'dataset', 'epochs', 'validation_loss', 'top5_accuracy', 'baseline', 'evaluation',
                              'environment'}, set(record))
        self.assertEqual(record['config']['dataset'], 'tiny')
        self.assertEqual(record['dataset']['rows'], dataset.ROWS)
        with open(os.path.join(out, 'scores_test.csv'), encoding='ascii') as file:
            self.assertEqual(len(list(csv.reader(file))) - 1, record['dataset']['test'])
        self.assertIn('validation loss', done.stderr)
        self.assertNotIn('\r', done.stderr)  # no progress bar but on a terminal

    def test_a_configuration_file_and_what_is_set_over_it(self):
        config = film(b'{"image_size":64,"epochs":1,"steps_per_epoch":1,"seed":5}', 'job.json')
        out, done = self.train('--config', config, '--set', 'seed=7', '--set', 'recipe=notebook', '--set', 'epochs=0')
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(out, 'job.json'), encoding='utf-8') as file:
            config = json.load(file)['config']
        self.assertEqual((config['image_size'], config['seed'], config['recipe'], config['epochs']), (64, 7, 'notebook', 0))
        self.assertFalse(os.path.exists(os.path.join(out, 'weights.safetensors')))

    def test_it_warns_of_figures_that_may_flatter_and_so_does_cxrd_predict(self):
        quick = [word for field in (f'image_size={dataset.SIZE}', 'epochs=1', 'steps_per_epoch=1') for word in ('--set', field)]
        for seed, init_split in ((1, 'same'), (2, 'other')):
            out, done = self.train('--init', dataset.weights_path(), *quick, '--set', f'seed={seed}')
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(os.path.join(out, 'job.json'), encoding='utf-8') as file:
                record = json.load(file)
            self.assertEqual(record['dataset']['init_split'], init_split)
            self.assertEqual([w['code'] for w in record['warnings'] if w['code'] != 'not_learned'], ['init_split'] if init_split == 'other' else [])
            said = program.run('predict', '--weights', os.path.join(out, 'weights.safetensors'), film(picture.noise(1)))
            self.assertEqual(said.returncode, 0, said.stderr)
            for text in (done.stderr, said.stdout):
                self.assertEqual('another split' in text, init_split == 'other', text)

    def test_wrong_fields_are_named(self):
        for field in ('epochs=-1', 'colour=blue', 'dropout=1.5', 'freeze=backbone', 'dataset=../x', 'csv=/etc/passwd', 'init=00000000-0000'):
            with self.subTest(field):
                _, done = self.train('--set', field)
                self.assertEqual((done.returncode, done.stdout), (1, ''))
                self.assertIn(field.split('=')[0], done.stderr)
        for item in ('epochs', '=1', ''):
            self.assertEqual(self.train('--set', item)[1].returncode, 1)

    def test_datasets_and_out_are_needed(self):
        self.assertEqual(program.run('train').returncode, 2)
        self.assertEqual(program.run('train', '--datasets', dataset.tiny()).returncode, 2)

    def test_its_weights_are_served(self):
        server = program.Server()
        self.addCleanup(server.stop)
        import_model(server, dataset.weights())
        self.assertEqual(client.post(server, '/predict', picture.noise(1)).status, 200)


class Terminal(Case):
    """`cxrd train` where a person watches: a line that is drawn over and over, and stays within 80 columns."""

    def test_it_sees_a_bar_with_an_eta_and_no_json(self):
        text, status = program.in_terminal('train', '--datasets', dataset.tiny(), '--out', program.new_folder('out'), '--set',
                                            f'image_size={dataset.SIZE}', '--set', 'epochs=2', '--set', 'steps_per_epoch=60',
                                            '--set', 'batch_size=8')
        self.assertEqual(status, 0, text)
        self.assertNotIn('{', text)
        drawn = re.findall(r'\r\x1b\[K(epoch [^\r\n]*)', text)
        bars = [line for line in drawn if '[' in line]
        self.assertGreater(len(bars), 1)
        for bar in bars:
            self.assertRegex(bar, r'^epoch \d+  \[#*-*\] +\d+%  loss \d+\.\d{4}  \d+ images/s(  ETA \d+:\d\d)?$')
            self.assertLess(len(bar), 80)
            self.assertEqual(bar.index(']') - bar.index('['), 25)
        percents = [int(re.search(r'(\d+)%', bar)[1]) for bar in bars]
        self.assertEqual(percents, sorted(percents))
        self.assertTrue(any('ETA' in bar for bar in bars))
        # what stays: whole lines, none behind what is left of a bar
        stays = [line.split('\x1b[K')[-1] for line in text.split('\r\n')]
        self.assertEqual([line[:7] for line in stays if line.startswith('epoch')], ['epoch 1', 'epoch 2', stays[-3][:7]])
        self.assertRegex(stays[-3], r'^epoch \d kept: ')


class Phantom(Case):

    def phantom(self, *arguments):
        out = os.path.join(program.new_folder('phantom'), 'p')
        done = program.run('phantom', '--out', out, '--images', '12', '--size', '256', '--threads', '2', *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return out

    @staticmethod
    def files(folder):
        found = {}
        for at, _, names in os.walk(folder):
            for name in names:
                with open(os.path.join(at, name), 'rb') as file:
                    found[os.path.relpath(os.path.join(at, name), folder)] = file.read()
        return found

    def test_it_makes_a_data_set_that_is_the_same_for_the_same_seed(self):
        one, two, other = (self.files(self.phantom('--seed', seed)) for seed in ('1', '1', '2'))
        self.assertEqual(one, two)
        self.assertNotEqual(one, other)
        self.assertIn('Data_Entry_2017.csv', one)
        self.assertEqual(sum(name.endswith('.png') for name in one), 12)

    def test_its_pictures_are_predicted_and_its_table_is_read(self):
        out = self.phantom()
        pictures = sorted(data for name, data in self.files(out).items() if name.endswith('.png'))
        replies = dataset.predict_here(pictures, dataset.weights_path())
        self.assertEqual(replies[0]['image'], {'width': 256, 'height': 256, 'channels': 1, 'bit_depth': 8})
        server = program.Server(datasets=os.path.dirname(out))
        self.addCleanup(server.stop)
        record = wait_state(server, submit(server, {'dataset': 'p', 'epochs': 0, 'split_by': 'image'}), 'succeeded')
        self.assertEqual((record['dataset']['rows'], record['dataset']['missing_images']), (12, 0))


if __name__ == '__main__':
    unittest.main()
