"""./dev, the front door, in a clone that is a stranger to its packages and its build: both are stubs here."""
import json
import os
import shutil
import signal
import stat
import subprocess
import unittest
import urllib.request

from support import client, dataset, program
from support.case import Case

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PRESETS = {'version': 6, 'configurePresets': [{'name': 'release', 'generator': 'Ninja', 'binaryDir': '${sourceDir}/build/release'}],
           'buildPresets': [{'name': 'release', 'configurePreset': 'release'}]}


def executable(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w', encoding='ascii') as file:
        file.write('#!/bin/sh\n' + text)
    os.chmod(path, stat.S_IRWXU)


@unittest.skipUnless(all(shutil.which(name) for name in ('cmake', 'ninja', 'curl', 'jq')), 'no cmake, ninja, curl or jq')
class Dev(Case):

    def setUp(self):
        self.clone = os.path.join(program.new_folder('clone'), 'here')
        os.makedirs(self.clone)
        shutil.copy(os.path.join(ROOT, 'dev'), self.clone)
        executable(os.path.join(self.clone, 'docker', 'install-deps.sh'), 'exit 0\n')

    def dev(self, *arguments, **env):
        return subprocess.run(['./dev', *arguments], cwd=self.clone, env=program.environment(**env), capture_output=True, text=True,
                              timeout=600, check=False, stdin=subprocess.DEVNULL)

    def test_row_67_a_clone_that_was_moved_or_copied_is_built(self):
        with open(os.path.join(self.clone, 'CMakeLists.txt'), 'w', encoding='ascii') as file:
            file.write('cmake_minimum_required(VERSION 3.25)\nproject(x LANGUAGES NONE)\nadd_custom_target(y ALL)\n')
        with open(os.path.join(self.clone, 'CMakePresets.json'), 'w', encoding='ascii') as file:
            json.dump(PRESETS, file)
        cache = os.path.join('build', 'release', 'CMakeCache.txt')
        done = self.dev('build')
        self.assertEqual(done.returncode, 0, done.stderr)
        before = os.stat(os.path.join(self.clone, cache)).st_ino
        self.assertEqual(self.dev('build').returncode, 0)
        self.assertEqual(os.stat(os.path.join(self.clone, cache)).st_ino, before, 'it was thrown away without a reason')
        for move in (os.rename, shutil.copytree):
            there = os.path.join(program.new_folder('clone'), 'there')
            move(self.clone, there)
            self.clone = there
            done = self.dev('build')
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn('it is made anew', done.stderr)

    def up(self):
        done = self.dev('up', '--once', PATH=f'{self.clone}/stubs:{os.environ["PATH"]}', CXRD_LISTEN='127.0.0.1:0',
                        CXRD_DATASETS=self.datasets, CXRD_UP_EPOCHS='1')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('"probabilities"', done.stdout)
        return done.stderr

    def found(self):
        server = program.Server(state=os.path.join(self.clone, '.cxrd', 'state'))
        jobs = client.get(server, '/jobs').json()['jobs']
        active = client.get(server, '/models').json()['active']
        dataset_of = [client.get(server, f'/jobs/{job["id"]}').json()['config']['dataset'] for job in jobs]
        server.stop()
        return active, dataset_of

    def stubs(self):
        executable(os.path.join(self.clone, 'stubs', 'cmake'), 'exit 0\n')
        os.makedirs(os.path.join(self.clone, 'build', 'release'))
        os.symlink(program.BINARY, os.path.join(self.clone, 'build', 'release', 'cxrd'))
        self.datasets = program.new_folder('datasets')

    def test_up_resumes_what_it_left_and_goes_on_without_a_training_that_is_cancelled(self):
        self.stubs()
        shutil.copytree(os.path.join(dataset.tiny(), 'tiny'), os.path.join(self.datasets, 'tiny'))
        env = program.environment(PATH=f'{self.clone}/stubs:{os.environ["PATH"]}', CXRD_LISTEN='127.0.0.1:0', CXRD_DATASETS=self.datasets,
                                  CXRD_UP_EPOCHS='999')

        def up():
            process = subprocess.Popen(['./dev', 'up'], cwd=self.clone, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE, text=True, start_new_session=True,
                                       preexec_fn=program.as_in_a_terminal)  # pylint: disable=subprocess-popen-preexec-fn
            self.addCleanup(process.stderr.close)
            self.addCleanup(process.wait)
            self.addCleanup(lambda: process.poll() is None and os.killpg(process.pid, signal.SIGKILL))
            url = next(line for line in process.stderr if line.startswith('serving on ')).split()[-1]
            return process, url, next(process.stderr)

        def ended(process):
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
            return process.wait(timeout=300)

        first, url, said = up()
        self.assertRegex(said, '^training: job ')
        job = said.split()[-1]
        program.poll(lambda: json.load(urllib.request.urlopen(f'{url}/jobs/{job}'))['state'] == 'running', 'it runs')
        self.assertEqual(ended(first), 130)
        second, url, said = up()
        self.assertEqual(said, f'resuming the interrupted training: job {job}\n')
        with urllib.request.urlopen(urllib.request.Request(f'{url}/jobs/{job}/cancel', method='POST')) as reply:
            self.assertEqual(reply.status, 202)
        self.assertEqual([next(second.stderr).strip() for _ in range(3)],
                         ['the training ended: cancelled', 'no model is active: train one there, or import one',
                          f'still serving on {url}; Ctrl-C ends it'])
        with urllib.request.urlopen(f'{url}/jobs') as reply:
            self.assertEqual(json.load(reply)['jobs'][0]['state'], 'cancelled')
        self.assertEqual(ended(second), 130)

    def test_row_68_up_a_second_time_keeps_the_model_that_is_active(self):
        self.stubs()
        shutil.copytree(os.path.join(dataset.tiny(), 'tiny'), os.path.join(self.datasets, 'second'))
        shutil.copytree(os.path.join(dataset.tiny(), 'tiny'), os.path.join(self.datasets, 'first'))
        self.assertIn("first second; 'first' is trained, the first by name", self.up())
        active, trained = self.found()
        self.assertEqual(trained, ['first'])
        self.assertIsNotNone(active)
        said = self.up()
        self.assertIn(f'model {active} is active and stays so: nothing is trained', said)
        self.assertEqual(self.found(), (active, ['first']))


if __name__ == '__main__':
    unittest.main()
