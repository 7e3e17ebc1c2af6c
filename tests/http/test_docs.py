"""What the documentation shows, done: its clients, its commands, its files."""
import os
import re
import shlex
import shutil
import subprocess
import sys
import unittest

from support import dataset, picture, program
from support.case import Case, ServerCase

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DOCS = os.path.join(ROOT, 'docs')
PAGES = [os.path.join(DOCS, name) for name in sorted(os.listdir(DOCS)) if name.endswith('.md')] + [os.path.join(ROOT, 'README.md')]


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def shell_lines(text):
    """The commands in a page's ```sh blocks, continuation lines joined."""
    for block in re.findall(r'```sh\n(.*?)```', text, re.S):
        for line in block.replace('\\\n', ' ').splitlines():
            if line.strip() and not line.lstrip().startswith('#'):
                yield line


class TheClients(ServerCase):
    with_model = True

    def setUp(self):
        self.film = os.path.join(program.new_folder('film'), 'film.png')
        with open(self.film, 'wb') as file:
            file.write(picture.noise(3, 90, 70))
        self.expected = self.predict(picture.noise(3, 90, 70)).json()['probabilities']

    def check(self, *command):
        done = subprocess.run([*command, self.server.url, self.film], capture_output=True, text=True, env=program.environment(),
                              timeout=program.END_SECONDS, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        shown = dict(re.findall(r'^(\w+) +(0\.\d{9})', done.stdout, re.M))
        self.assertEqual({label: float(text) for label, text in shown.items()},
                         {label: round(value, 9) for label, value in self.expected.items()})
        self.assertIn('Research use only', done.stdout)
        with open(self.film, 'wb') as file:
            file.write(b'\xff\xd8\xff\xe0 a JPEG')
        refused = subprocess.run([*command, self.server.url, self.film], capture_output=True, text=True, check=False,
                                 env=program.environment(), timeout=program.END_SECONDS)
        self.assertEqual(refused.returncode, 1)
        self.assertRegex(refused.stderr, r'^415: .*JPEG')

    def test_in_python(self):
        self.check(sys.executable, os.path.join(DOCS, 'clients', 'predict.py'))

    @unittest.skipUnless(shutil.which('gcc') and shutil.which('pkg-config'), 'gcc or pkg-config is not installed')
    def test_in_c(self):
        binary = os.path.join(program.new_folder('client'), 'predict')
        flags = subprocess.run(['pkg-config', '--cflags', '--libs', 'libcurl', 'jansson'], capture_output=True, text=True, check=True)
        subprocess.run(['gcc', '-Wall', '-Wextra', '-Werror', '-o', binary, os.path.join(DOCS, 'clients', 'predict.c'),
                        *flags.stdout.split()], check=True)
        self.check(binary)


class ThePages(Case):

    def test_links_lead_somewhere(self):
        for page in PAGES:
            for link in re.findall(r'\]\(([^)#]+)[^)]*\)', read(page)):
                if not re.match(r'https?:', link):
                    with self.subTest(page=os.path.basename(page), link=link):
                        self.assertTrue(os.path.exists(os.path.join(os.path.dirname(page), link)))

    def test_options_and_commands_exist(self):
        helps = {}
        for page in PAGES:
            for line in shell_lines(read(page)):
                words = shlex.split(line, comments=True)
                if words[:1] != ['cxrd'] or words[1].startswith('--'):
                    continue
                command = words[1]
                if command not in helps:
                    helps[command] = program.run(command, '--help').stdout
                for option in re.findall(r'(?<=\s)--[a-z-]+', line):
                    with self.subTest(page=os.path.basename(page), command=command, option=option):
                        self.assertTrue(option == '--help' or f'{option} ' in helps[command] or f'{option}\n' in helps[command])

    def test_every_option_of_serve_is_in_the_operators_page(self):
        text = read(os.path.join(DOCS, 'operating.md'))
        for option in re.findall(r'^  (--[a-z-]+)', program.run('serve', '--help').stdout, re.M):
            with self.subTest(option):
                self.assertIn(f'`{option}', text)


class TheManual(Case):

    def test_is_what_help_says(self):
        manual = program.run('--man').stdout.replace('\\-', '-').replace('\\&', '')
        self.assertTrue(manual.startswith('.TH CXRD 1'))
        for command in re.findall(r'^  cxrd (\w+)', program.run('--help').stdout, re.M):
            text = program.run(command, '--help').stdout
            for option in re.findall(r'^  (--[a-z-]+)', text, re.M) + re.findall(r'\[(CXRD_\w+)\]', text):
                self.assertIn(option, manual)


class TheUnit(Case):

    @unittest.skipUnless(shutil.which('systemd-analyze'), 'systemd is not installed')
    def test_is_hardened(self):
        done = subprocess.run(['systemd-analyze', 'security', '--offline=true', '--threshold=20',
                               os.path.join(ROOT, 'packaging', 'cxrd.service')], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-400:] + done.stderr)


class Inspect(Case):

    def test_says_what_a_file_holds(self):
        done = program.run('inspect', dataset.weights_path())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('conv1.weight         [32, 3, 3, 3]', done.stdout)
        self.assertRegex(done.stdout, rf'input       {dataset.SIZE} x {dataset.SIZE}, area, \(grey - 128\) / 64')
        self.assertRegex(done.stdout, r'sha256      [0-9a-f]{64}\n')
        self.assertRegex(done.stdout, r'architecture +cnn4')

    def test_refuses_what_is_no_weights_file(self):
        path = os.path.join(program.new_folder('bad'), 'bad')
        with open(path, 'wb') as file:
            file.write(dataset.weights()[:5000])
        done = program.run('inspect', path)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r'^cxrd inspect: .+')
        self.assertEqual(done.stdout, '')
        self.assertEqual(program.run('inspect').returncode, 2)


if __name__ == '__main__':
    unittest.main()
