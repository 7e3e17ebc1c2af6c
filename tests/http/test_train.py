"""`cxrd train` in the foreground: stopped, killed or failed from outside, it goes on in its folder to the same weights."""
import json
import os
import shutil
import signal
import subprocess
import unittest

from support import dataset, program
from support.case import Case

FIELDS = {'image_size': dataset.SIZE, 'epochs': 5, 'steps_per_epoch': 12, 'batch_size': 8, 'patience': 0, 'learning_rate': 0.003}


class Training(Case):

    fields = FIELDS
    threads = ()    # to go on with; those of before where nothing is said
    weights = None  # of the training that nothing befell

    def setUp(self):
        self.datasets = os.path.join(program.new_folder('datasets'), 'copy')
        shutil.copytree(dataset.tiny(), self.datasets)
        if not self.weights:
            self.out = os.path.join(program.new_folder('out'), 'whole')
            self.assertEqual(self.begin().wait(program.END_SECONDS), 0)
            type(self).weights, type(self).whole = self.tensors(), self.record()
        self.out = os.path.join(program.new_folder('out'), 'out')

    def command(self, *arguments):
        return ['train', '--datasets', self.datasets, '--out', self.out, *arguments]

    def begin(self, *arguments):
        sets = [word for key, value in self.fields.items() for word in ('--set', f'{key}={value}')]
        process = subprocess.Popen([program.BINARY, *self.command('--dataset', 'tiny', '--threads', '2', *sets, *arguments)],
                                   env=program.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                   preexec_fn=program.die_with_us)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def path(self, name):
        return os.path.join(self.out, name)

    def record(self):
        with open(self.path('job.json'), encoding='utf-8') as file:
            return json.load(file)

    def tensors(self):
        with open(self.path('weights.safetensors'), 'rb') as file:
            data = file.read()
        return data[dataset.header(data)[1]:]

    def ended(self, end, status):
        """A training that `end` ended after its first epoch. Where it was quicker, another one is tried."""
        for _ in range(20):
            shutil.rmtree(self.out, ignore_errors=True)
            process = self.begin()
            program.poll(lambda: process.poll() is not None or
                         (os.path.exists(self.path('job.json')) and self.record()['epochs']), 'an epoch')
            end(process)
            if process.wait(program.END_SECONDS) == status and os.path.exists(self.path('checkpoint.safetensors')):
                return process
        raise AssertionError(f'no training ended with {status}: {process.returncode} {process.stderr.read()}')

    def check_goes_on(self):
        record = self.record()
        self.assertGreaterEqual(len(record['epochs']), 1)
        with open(self.path('weights.safetensors'), 'rb') as file:  # the best epoch so far, for whoever wants no more
            dataset.predict_here([dataset.image(1)], file.name)
        with open(self.path('checkpoint.safetensors'), 'rb') as file:
            before = file.read()
        done = program.run(*self.command('--dataset', 'tiny'))
        self.assertEqual(done.returncode, 1)
        self.assertIn('--resume goes on with it', done.stderr)
        with open(self.path('checkpoint.safetensors'), 'rb') as file:
            self.assertEqual(file.read(), before)
        done = program.run(*self.command('--resume', *self.threads))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.tensors(), self.weights)
        record = self.record()
        self.assertEqual((record['state'], record['error']), ('succeeded', None))
        for key in ('config', 'dataset', 'validation_loss', 'kept_epoch', 'evaluation'):
            self.assertEqual(record[key], self.whole[key], key)
        self.assertFalse(os.path.exists(self.path('checkpoint.safetensors')))
        done = program.run(*self.command('--resume'))
        self.assertEqual(done.returncode, 1)
        self.assertIn('nothing to resume', done.stderr)


class DenselyConnected(Training):
    fields = {**FIELDS, 'architecture': 'mlp', 'epochs': 3, 'steps_per_epoch': 6}
    threads = ('--threads', '3')

    def test_one_that_is_stopped_goes_on_with_other_threads_to_the_same_weights(self):
        self.assertEqual(self.whole['config']['architecture'], 'mlp')
        self.ended(lambda process: process.send_signal(signal.SIGINT), 130)
        self.check_goes_on()


class Foreground(Training):

    def test_each_warning_of_the_record_is_said_once(self):
        runs = (self.command('--dataset', 'tiny', '--set', 'epochs=0'),
                ['validate', '--datasets', self.datasets, '--dataset', 'tiny', '--weights', dataset.weights_path(), '--out', self.out,
                 '--overwrite'])
        for command in runs:
            with self.subTest(command[0]):
                done = program.run(*command)
                self.assertEqual(done.returncode, 0, done.stderr)
                said = [line for line in done.stderr.splitlines() if line.startswith('warning')]
                kept = [f'warning, {one["code"]}: {one["detail"]}' for one in self.record()['warnings']]
                self.assertEqual(sorted(said), sorted(kept))
                self.assertTrue(kept)

    def test_row_40_ctrl_c_and_sigterm_keep_a_checkpoint(self):
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            process = self.ended(lambda process, number=number: process.send_signal(number), status)
            self.assertIn('--resume', process.stderr.read())
            self.assertEqual(self.record()['state'], 'interrupted')
            self.check_goes_on()

    def test_row_40_a_killed_one_goes_on(self):
        self.ended(lambda process: process.kill(), -signal.SIGKILL)
        self.check_goes_on()

    def test_row_40_pictures_that_are_away_are_waited_for(self):
        images = os.path.join(self.datasets, 'tiny', 'images_001', 'images')
        away = program.new_folder('away')

        def move(source, target):
            for name in os.listdir(source):
                os.rename(os.path.join(source, name), os.path.join(target, name))

        def end(process):
            move(images, away)
            process.wait(program.END_SECONDS)
            move(away, images)

        process = self.ended(end, 1)
        self.assertIn('cannot be opened', process.stderr.read())
        self.assertEqual(self.record()['state'], 'interrupted')
        self.check_goes_on()

    def test_other_weights_to_start_from_are_not_taken_for_those_of_before(self):
        self.ended(lambda process: process.kill(), -signal.SIGKILL)
        done = program.run(*self.command('--resume', '--init', dataset.weights_path()))
        self.assertEqual(done.returncode, 1)
        self.assertIn('the training began without --init', done.stderr)

    def test_another_job_is_not_taken_for_the_one_of_before(self):
        shutil.copytree(os.path.join(self.datasets, 'tiny'), os.path.join(self.datasets, 'other'))
        self.ended(lambda process: process.kill(), -signal.SIGKILL)
        job = os.path.join(program.new_folder('job'), 'job.json')
        with open(job, 'w', encoding='utf-8') as file:
            json.dump({**FIELDS, 'dataset': 'tiny', 'seed': 7, 'drop_no_finding': False, 'recipe': 'notebook'}, file)
        for arguments, says in ((('--set', 'epochs=9'), "'epochs' was 5, is 9"),
                                (('--set', 'seed=9'), "'seed' was 1, is 9"),
                                (('--set', 'max_age=40', '--set', 'val_fraction=0.25'), "'val_fraction' was 0.2, is 0.25, 'max_age' was 120, is 40"),
                                (('--dataset', 'other'), "'dataset' was \"tiny\", is \"other\""),
                                (('--config', job), "'recipe' was \"standard\", is \"notebook\"")):
            done = program.run(*self.command('--resume', *arguments))
            self.assertEqual(done.returncode, 1)
            self.assertIn('a job with another configuration: ', done.stderr)
            self.assertIn(says, done.stderr)
        self.check_goes_on()

    def test_a_record_of_no_training_is_named(self):
        self.ended(lambda process: process.kill(), -signal.SIGKILL)
        for text in ('{}', '{"config": 3}', '{"config": {"epochs": "many"}}'):
            with open(self.path('job.json'), 'w', encoding='utf-8') as file:
                file.write(text)
            done = program.run(*self.command('--resume'))
            self.assertEqual(done.returncode, 1)
            self.assertNotIn('memory', done.stderr)
            self.assertTrue('job.json' in done.stderr or "'epochs'" in done.stderr, done.stderr)

    def test_a_figure_that_too_few_rows_cannot_give_is_not_known(self):
        few = program.new_folder('few')
        made = program.run('phantom', '--out', os.path.join(few, 'phantom'), '--images', '14', '--size', '64')
        self.assertEqual(made.returncode, 0, made.stderr)
        done = program.run('train', '--datasets', few, '--dataset', 'phantom', '--out', self.out, *self.QUICK)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('macro AUROC on test not known; ', done.stderr)

    QUICK = ('--set', 'image_size=64', '--set', 'epochs=1', '--set', 'steps_per_epoch=1')

    def kept(self):
        """Every file of --out as it is."""
        files = {}
        for name in os.listdir(self.out):
            if os.path.isfile(self.path(name)):
                with open(self.path(name), 'rb') as file:
                    files[name] = file.read()
        return files

    def test_weights_are_not_replaced_unasked(self):
        done = program.run(*self.command('--dataset', 'tiny', *self.QUICK))
        self.assertEqual(done.returncode, 0, done.stderr)
        before = self.kept()
        for arguments in (self.QUICK, ('--set', 'epochs=0'), ('--set', 'images=none', '--set', 'inputs=["age"]')):
            done = program.run(*self.command('--dataset', 'tiny', *arguments))
            self.assertEqual(done.returncode, 1)
            for word in ('weights.safetensors', self.out, 'another --out', '--overwrite'):
                self.assertIn(word, done.stderr)
            self.assertEqual(self.kept(), before)
        done = program.run(*self.command('--dataset', 'tiny', '--overwrite', '--set', 'epochs=no'))
        self.assertEqual((done.returncode, self.kept()), (1, before))
        done = program.run(*self.command('--dataset', 'tiny', '--overwrite', '--set', 'seed=3', *self.QUICK))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.record()['config']['seed'], 3)
        self.assertNotEqual(self.kept()['weights.safetensors'], before['weights.safetensors'])
        done = program.run(*self.command('--resume', '--overwrite'))
        self.assertEqual(done.returncode, 2)
        self.assertIn('give one of them', done.stderr)

    def test_a_look_at_the_data_may_stand_where_a_training_goes(self):
        for epochs in (0, 0, 1):
            done = program.run(*self.command('--dataset', 'tiny', *self.QUICK, '--set', f'epochs={epochs}'))
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_one_that_has_not_ended_is_replaced_where_that_is_asked_for(self):
        self.ended(lambda process: process.kill(), -signal.SIGKILL)
        done = program.run(*self.command('--dataset', 'tiny', '--overwrite', '--set', 'seed=3', *self.QUICK))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((self.record()['config']['seed'], len(self.record()['epochs'])), (3, 1))
        self.assertFalse(os.path.exists(self.path('checkpoint.safetensors')))


if __name__ == '__main__':
    unittest.main()
