"""cxrd-train under mpirun: the same weights for any number of ranks and threads, whatever befalls one of them."""
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import unittest

from support import dataset, program, two_hosts
from support.case import Case

try:
    import yaml
except ImportError:
    yaml = None

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'docs')
FOLDER = os.path.dirname(os.path.realpath(program.BINARY)) if program.BINARY else ''
BINARY = os.path.join(FOLDER, 'cxrd-train')
OTHER_COS = os.path.join(FOLDER, 'tests', 'libother_cos.so')
MPIRUN = shutil.which('mpirun')

FIELDS = {'image_size': dataset.SIZE, 'epochs': 2, 'steps_per_epoch': 4, 'batch_size': 8, 'patience': 0, 'learning_rate': 0.003}

# As root, in a container, on fewer cores than ranks; what Open MPI leaves behind when a process ends is its own.
ENVIRONMENT = {'OMPI_ALLOW_RUN_AS_ROOT': '1', 'OMPI_ALLOW_RUN_AS_ROOT_CONFIRM': '1', 'OMPI_MCA_rmaps_base_oversubscribe': '1',
               'OMPI_MCA_hwloc_base_binding_policy': 'none', 'OMPI_MCA_btl_vader_single_copy_mechanism': 'none',
               'OMPI_MCA_mpi_yield_when_idle': '1', 'ASAN_OPTIONS': 'detect_leaks=0:verify_asan_link_order=0'}


def why_not():
    """Why these tests cannot be run here; None: they can."""
    if not MPIRUN:
        return 'there is no mpirun here (openmpi-bin)'
    if not os.path.exists(BINARY):
        return 'cxrd-train was not built (libopenmpi-dev)'
    if 'tsan' in FOLDER:
        return "Open MPI's own threads are not built for ThreadSanitizer"
    return None


def tensors(folder):
    with open(os.path.join(folder, 'weights.safetensors'), 'rb') as file:
        data = file.read()
    return data[dataset.header(data)[1]:]


@unittest.skipIf(why_not(), why_not())
class Ranks(Case):

    fields = FIELDS

    def setUp(self):
        self.datasets = dataset.tiny()
        self.out = os.path.join(program.new_folder('ranks'), 'out')

    def words(self, *arguments, out=None, datasets=None, fields=None):
        sets = [word for key, value in (fields or self.fields).items() for word in ('--set', f'{key}={value}')]
        return ['--datasets', datasets or self.datasets, '--dataset', 'tiny', '--out', out or self.out, *sets, *arguments]

    def begin(self, *apps, mpirun=(MPIRUN,)):
        """mpirun of (how many, words) each."""
        command = [*mpirun]
        for n, words in apps:
            command += [*([':'] if len(command) > len(mpirun) else []), '-n', str(n), *words]
        process = subprocess.Popen(command, env=program.environment(**ENVIRONMENT), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, preexec_fn=program.die_with_us)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)  # it ends its ranks
        return process

    def train(self, n, *arguments, **kwargs):
        return self.begin((n, [BINARY, *self.words(*arguments, **kwargs)]))

    def end(self, process, status=0):
        said, errors = process.communicate(timeout=program.END_SECONDS)
        self.assertEqual(process.returncode, status, said + errors)
        return errors

    def alone(self, fields=None):
        """The weights that `cxrd train` leaves."""
        out = os.path.join(program.new_folder('alone'), 'out')
        done = program.run('train', *self.words('--threads', '1', out=out, fields=fields))
        self.assertEqual(done.returncode, 0, done.stderr)
        return tensors(out)

    def record(self):
        with open(os.path.join(self.out, 'job.json'), encoding='utf-8') as file:
            return json.load(file)

    def processes(self):
        return [int(re.search(r'process ([0-9]+)$', name)[1]) for name in self.record()['environment']['ranks']]


class Files(Case):
    """The files that start it elsewhere are read here, and their options asked of the program."""

    def options(self, words):
        """Those of cxrd-train in a command."""
        return [word for word in words if word.startswith('--')]

    @unittest.skipUnless(yaml, 'python3-yaml is not installed')
    def test_the_mpi_job(self):
        with open(os.path.join(DOCS, 'mpijob.yaml'), encoding='utf-8') as file:
            job, = yaml.safe_load_all(file)
        self.assertEqual((job['apiVersion'], job['kind']), ('kubeflow.org/v2beta1', 'MPIJob'))
        specs = job['spec']['mpiReplicaSpecs']
        self.assertEqual(sorted(specs), ['Launcher', 'Worker'])
        launcher, = specs['Launcher']['template']['spec']['containers']
        worker, = specs['Worker']['template']['spec']['containers']
        command = launcher['command'] + launcher['args']
        self.assertEqual(int(command[command.index('-n') + 1]), specs['Worker']['replicas'] * job['spec']['slotsPerWorker'])
        self.assertEqual(command[command.index('--threads') + 1], worker['resources']['requests']['cpu'])
        self.assertEqual(launcher['image'], worker['image'])
        mounts = [mount['mountPath'] for mount in worker['volumeMounts']]
        for option in ('--datasets', '--out', '--cache'):
            self.assertTrue(any(command[command.index(option) + 1].startswith(mount) for mount in mounts), option)
        self.assertEqual({mount['name'] for mount in worker['volumeMounts']},
                         {volume['name'] for volume in specs['Worker']['template']['spec']['volumes']})
        self.check_options(self.options(launcher['args']))

    def test_the_batch_file(self):
        path = os.path.join(DOCS, 'slurm.sbatch')
        done = subprocess.run(['bash', '-n', path], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        with open(path, encoding='utf-8') as file:
            text = file.read()
        for directive in re.findall(r'^#SBATCH (.*)$', text, re.M):
            self.assertRegex(directive, r'^--[a-z-]+(=[^ ]+)?$')
        self.check_options(self.options(text.replace('\\\n', ' ').split('cxrd-train --dataset')[1].split()))

    def check_options(self, asked):
        known = re.findall(r'^  (?:-., )?(--[a-z-]+)', program.run('train', '--help').stdout, re.M)
        self.assertIn('--out', known)
        for option in asked:
            self.assertIn(option, known)


class Weights(Ranks):

    def test_one_digest_for_any_number_of_ranks_and_threads(self):
        expected = self.alone()
        for n, threads in itertools.product((1, 2, 3, 4), ('1', '2')):
            with self.subTest(ranks=n, threads=threads):
                self.out = os.path.join(program.new_folder('ranks'), 'out')
                self.end(self.train(n, '--threads', threads))
                self.assertEqual(tensors(self.out), expected)
                self.assertEqual(len(self.record()['environment'].get('ranks', ['alone'])), n)

    def test_normalisations_averages_and_pictures_that_cannot_be_read(self):
        """Running statistics and the moving average; rows that are drawn more than once; three ranks of different numbers of threads, of
        which one more than finds work. Two pictures are damaged, so that those behind them move up into another rank's share."""
        self.datasets = os.path.join(program.new_folder('datasets'), 'copy')
        shutil.copytree(dataset.tiny(), self.datasets)
        images = os.path.join(self.datasets, 'tiny', 'images_001', 'images')
        fields = {**FIELDS, 'architecture': 'mobilenet_v2', 'shards': 4, 'ema': 0.9, 'balance': 'resample', 'augment': 'true', 'epochs': 2,
                  'steps_per_epoch': 3, 'lr_schedule': 'cosine', 'clip_norm': 1}
        for i in (7, 20):
            with open(os.path.join(images, dataset.name(i)), 'r+b') as file:
                file.truncate(200)
        expected = self.alone(fields)
        words = [BINARY, *self.words(fields=fields)]
        self.end(self.begin((1, [*words, '--threads', '2']), (4, [*words, '--threads', '1'])))
        self.assertEqual(tensors(self.out), expected)

    def test_a_job_that_transfers(self):
        fields = {**FIELDS, 'recipe': 'transfer', 'epochs': 1}
        init = ['--init', dataset.weights_path()]
        out = os.path.join(program.new_folder('alone'), 'out')
        done = program.run('train', *self.words('--threads', '1', *init, out=out, fields=fields))
        if done.returncode == 2 or 'transfer' in done.stderr:
            self.skipTest(done.stderr)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.end(self.train(2, '--threads', '1', *init, fields=fields))
        self.assertEqual(tensors(self.out), tensors(out))


class BadDays(Ranks):

    fields = {**FIELDS, 'epochs': 3, 'steps_per_epoch': 12}

    @classmethod
    def setUpClass(cls):
        cls.expected = None

    def befall(self, what, n, *arguments):
        """Ranks of which `what` befell one after the first epoch; returns what was said. Where they were quicker, others are tried.
            what  called with the ids of their processes
        """
        for _ in range(20):
            self.out = os.path.join(program.new_folder('ranks'), 'out')
            process = self.train(n, '--threads', '1', *arguments)
            program.poll(lambda: process.poll() is not None or
                         (os.path.exists(os.path.join(self.out, 'job.json')) and self.record()['epochs']), 'an epoch')
            try:
                what(self.processes())
            except ProcessLookupError:
                pass
            said, errors = process.communicate(timeout=program.END_SECONDS)
            if process.returncode != 0:
                self.status = process.returncode
                return said + errors
        self.fail('no training was slow enough')

    def check_goes_on(self, n):
        """From the checkpoint, by so many ranks, to the weights of one that nothing befell."""
        cls = type(self)
        cls.expected = cls.expected or self.alone()
        self.assertTrue(os.path.exists(os.path.join(self.out, 'checkpoint.safetensors')))
        self.end(self.train(n, '--threads', '1', '--resume'))
        self.assertEqual(tensors(self.out), self.expected)

    def test_a_rank_is_killed(self):
        for n, victim, after in ((2, 1, 3), (3, 0, 2)):
            with self.subTest(ranks=n, victim=victim):
                self.befall(lambda ranks, victim=victim: os.kill(ranks[victim], signal.SIGKILL), n)
                self.check_goes_on(after)

    def test_a_rank_is_stopped(self):
        """It is named when it has been silent for as long as it may, and the steps that were taken are kept."""
        stopped = []

        def stop(ranks):
            stopped[:] = ranks[1:2]
            os.kill(ranks[1], signal.SIGSTOP)

        said = self.befall(stop, 2, '--rank-wait', '5')
        self.assertEqual(self.status, 1)
        self.assertIn(f'process {stopped[0]}): not heard of for ', said)
        record = self.record()
        self.assertEqual(record['state'], 'interrupted')
        self.assertRegex(record['error'], rf'^rank 1 \(.*, process {stopped[0]}\): not heard of for [0-9]+ s$')
        self.check_goes_on(3)

    def test_rank_0_is_stopped(self):
        said = self.befall(lambda ranks: os.kill(ranks[0], signal.SIGSTOP), 2, '--rank-wait', '5')
        self.assertRegex(said, r'cxrd-train: rank 0 \(.*\): not heard of for ')
        self.check_goes_on(1)

    def two_hosts(self):
        try:
            hosts = two_hosts.TwoHosts(program.new_folder('agent'), MPIRUN)
        except two_hosts.CannotBeMade as error:
            self.skipTest(str(error))
        self.addCleanup(hosts.pull_down)
        return hosts

    @unittest.skipUnless(shutil.which('ip') and os.geteuid() == 0, 'network namespaces need ip (iproute2) and root')
    def test_a_rank_is_cut_off(self):
        """Both ranks end by themselves, rank 0 with the steps that were taken; mpirun may go on waiting for the other machine."""
        hosts = self.two_hosts()
        process = self.begin((2, [BINARY, *self.words('--threads', '1', '--rank-wait', '5', fields={**self.fields, 'epochs': 200})]), mpirun=hosts.how)
        program.poll(lambda: process.poll() is not None or
                     (os.path.exists(os.path.join(self.out, 'job.json')) and self.record()['epochs']), 'an epoch')
        ranks = self.processes()
        hosts.cut()
        program.poll(lambda: not any(os.path.exists(f'/proc/{rank}') for rank in ranks), 'the end of both ranks')
        record = self.record()
        self.assertEqual(record['state'], 'interrupted')
        self.assertRegex(record['error'], rf'^rank 1 \(.*, process {ranks[1]}\): not heard of for [0-9]+ s$')
        self.assertTrue(os.path.exists(os.path.join(self.out, 'checkpoint.safetensors')))
        process.kill()

    def test_all_of_them_are_told_to_end(self):
        """As a batch system does it: the steps that were taken are kept."""
        def end(ranks):
            for rank in ranks:
                os.kill(rank, signal.SIGTERM)

        said = self.befall(end, 2)
        self.assertEqual(self.status, 143)
        self.assertIn('--resume goes on with it', said)
        self.assertEqual(self.record()['state'], 'interrupted')
        self.check_goes_on(1)


class Agreement(Ranks):

    def differ(self, other, *extra):
        """Two ranks that are not alike: what is said."""
        return self.end(self.begin((1, [BINARY, *self.words('--threads', '1')]), (1, [*extra, BINARY, *other])), 1)

    def test_another_table(self):
        datasets = os.path.join(program.new_folder('datasets'), 'copy')
        shutil.copytree(dataset.tiny(), datasets)
        dataset.write_table(os.path.join(datasets, 'tiny'), [dataset.line(i) for i in range(dataset.ROWS - 2)])
        self.assertRegex(self.differ(self.words('--threads', '1', datasets=datasets)), r'cxrd-train: the table: not the same in rank 1 \(')

    def test_a_picture_that_is_missing(self):
        datasets = os.path.join(program.new_folder('datasets'), 'copy')
        shutil.copytree(dataset.tiny(), datasets)
        os.unlink(os.path.join(datasets, 'tiny', 'images_001', 'images', dataset.name(3)))
        self.assertRegex(self.differ(self.words('--threads', '1', datasets=datasets)), r'pictures are there: not the same in rank 1 \(')

    def test_another_c_library(self):
        self.assertRegex(self.differ(self.words('--threads', '1'), 'env', f'LD_PRELOAD={OTHER_COS}'),
                         r"the C library's arithmetic: not the same in rank 1 \(")

    def test_weights_that_part(self):
        """The first step's learning rate is another in rank 1: it is found before the first epoch's checkpoint."""
        self.fields = {**FIELDS, 'lr_schedule': 'cosine'}
        errors = self.differ(self.words('--threads', '1'), 'env', f'LD_PRELOAD={OTHER_COS}', 'OTHER_COS_AFTER=4097')
        self.assertRegex(errors, r'the weights: not the same in rank 1 \(')
        self.assertFalse(os.path.exists(os.path.join(self.out, 'checkpoint.safetensors')))

    def test_the_least_instruction_set_is_all_of_theirs(self):
        expected = program.run('train', *self.words('--threads', '1'), env={'CXRD_SIMD': 'generic'})
        self.assertEqual(expected.returncode, 0, expected.stderr)
        weights = tensors(self.out)
        self.out = os.path.join(program.new_folder('ranks'), 'out')
        words = [BINARY, *self.words('--threads', '1')]
        self.end(self.begin((1, words), (1, ['env', 'CXRD_SIMD=generic', *words])))
        self.assertEqual(self.record()['environment']['simd'], 'generic')
        self.assertEqual(tensors(self.out), weights)


class Documented(Ranks):

    def test_the_line_of_the_page(self):
        with open(os.path.join(DOCS, 'scale.md'), encoding='utf-8') as file:
            line = re.search(r'^mpirun .*cxrd-train.*$', file.read(), re.M)[0]
        for said, meant in (('cxrd-train', BINARY), ('--dataset nih', '--dataset tiny'), ('--datasets data', f'--datasets {self.datasets}'),
                            ('--out run1', f'--out {self.out} --set image_size=64 --set steps_per_epoch=2'), ('epochs=10', 'epochs=1'), ('-n 4', '-n 2')):
            self.assertIn(said, line)
            line = line.replace(said, meant)
        done = subprocess.run(line, shell=True, env=program.environment(**ENVIRONMENT), capture_output=True, text=True, check=False, timeout=program.END_SECONDS)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(os.path.exists(os.path.join(self.out, 'weights.safetensors')))


class Asked(Ranks):

    def test_what_cannot_be_is_refused_once(self):
        for words, says in ((['--set', 'shards=0'], "'shards' must not be 0"), (['--set', 'epochs=-1'], "'epochs'")):
            errors = self.end(self.train(2, *words), 1)
            self.assertEqual(errors.count('cxrd-train: '), 1, errors)
            self.assertIn(says, errors)

    def test_help_manual_and_version_need_no_mpirun(self):
        for word, says in (('--help', '--rank-wait'), ('--man', '.SH OPTIONS'), ('--version', 'cxrd-train ')):
            done = subprocess.run([BINARY, word], capture_output=True, text=True, check=False, env=program.environment(**ENVIRONMENT))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(says, done.stdout)
        done = subprocess.run([BINARY, '--nonsense'], capture_output=True, text=True, check=False, env=program.environment(**ENVIRONMENT))
        self.assertEqual(done.returncode, 2)
        self.assertIn("'cxrd-train' has no option '--nonsense'", done.stderr)
