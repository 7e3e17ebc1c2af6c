"""The documentation's examples, done: its clients, its commands, its files."""
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import unittest

from support import cluster, dataset, dicom, outside, picture, program, tables
from support.case import Case, ServerCase, import_model, submit, wait_state

try:
    import yaml
except ImportError:
    yaml = None

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DOCS = os.path.join(ROOT, 'docs')
STAND_INS = os.path.join(ROOT, 'tests', 'http', 'support', 'stand_ins')
PAGES = [os.path.join(DOCS, name) for name in sorted(os.listdir(DOCS)) if name.endswith('.md')] + [os.path.join(ROOT, 'README.md')]


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def shell_lines(text):
    """The commands in a page's ```sh blocks, continuation lines joined."""
    for block in re.findall(r'```sh\n(.*?)```', text, re.S):
        for line in block.replace('\\\n', ' ').splitlines():
            if line.strip() and not line.lstrip().startswith('#'):
                yield line.strip()


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
            file.write(b'GIF89a a GIF')
        refused = subprocess.run([*command, self.server.url, self.film], capture_output=True, text=True, check=False,
                                 env=program.environment(), timeout=program.END_SECONDS)
        self.assertEqual(refused.returncode, 1)
        self.assertRegex(refused.stderr, r'^415: .*GIF')

    def test_in_python(self):
        self.check(sys.executable, os.path.join(DOCS, 'clients', 'predict.py'))

    @unittest.skipUnless(shutil.which('gcc') and shutil.which('pkg-config'), 'gcc or pkg-config is not installed')
    def test_in_c(self):
        binary = os.path.join(program.new_folder('client'), 'predict')
        flags = subprocess.run(['pkg-config', '--cflags', '--libs', 'libcurl', 'jansson'], capture_output=True, text=True, check=True)
        subprocess.run(['gcc', '-Wall', '-Wextra', '-Werror', '-o', binary, os.path.join(DOCS, 'clients', 'predict.c'),
                        *flags.stdout.split()], check=True)
        self.check(binary)


def json_blocks(page):
    """The objects in a page's ```json blocks."""
    return [json.loads(block) for block in re.findall(r'```json\n(.*?)```', read(os.path.join(DOCS, page)), re.S)]


def fetched():
    """The files of the host of docs/outgoing.md, by path: the tiny data set, half of the pictures in each of two archives."""
    table, pictures = '', {}
    for folder, _, names in os.walk(os.path.join(dataset.tiny(), 'tiny')):
        for name in names:
            path = os.path.join(folder, name)
            if name.endswith('.csv'):
                table = path
            else:
                pictures[name] = path
    archives = []
    for half in (0, 1):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode='w:gz') as archive:
            for name in sorted(pictures)[half::2]:
                archive.add(pictures[name], arcname=f'images/{name}')
        archives.append(out.getvalue())
    with open(table, 'rb') as file:
        return {'/nih/Data_Entry_2017.csv': file.read(), '/nih/images_001.tar.gz': archives[0], '/films/images_002.tar.gz': archives[1]}


class TheCommands(ServerCase):
    """Every command that the pages show, run page by page, in the order in which they stand."""

    @classmethod
    def setUpClass(cls):
        cls.host = outside.DataHost(fetched())
        cls.addClassCleanup(cls.host.stop)
        place = f'127.0.0.1:{cls.host.port}'
        cls.datasets = program.new_folder('datasets')
        shutil.copytree(os.path.join(dataset.tiny(), 'tiny'), os.path.join(cls.datasets, 'tiny'))
        cls.server = program.Server('--keep-scores', '30', '--data-hosts', place, '--outgoing-private', place, '--outgoing-ca', outside.certificate()[0],
                                    datasets=cls.datasets)
        cls.addClassCleanup(cls.server.stop)
        import_model(cls.server, dataset.weights())
        cls.cluster = cluster.Cluster()
        cls.addClassCleanup(cls.cluster.stop)
        cls.logs = program.new_folder('logs')
        for name, line in (('cxrd', '{"event": "request", "status": 401, "request_id": "r-1"}'), ('nginx', '192.0.2.7 - - "GET /jobs" 401 r-1')):
            with open(os.path.join(cls.logs, name), 'w', encoding='ascii') as file:
                file.write(f'not a line of this kind\n{line}\n')

    ELSEWHERE = ('orthanc.md',)  # test_orthanc runs this page
    # Beginnings of lines that are not run, and why not; test_what_is_not_run_is_there looks whether there is all that they name.
    CANNOT = (
        ('./dev ', 'it installs packages, and `./dev test` is what runs this: test_dev has the rest of it'),
        ('mpirun ', 'test_ranks does, where there is one'),
        ('systemctl status', 'it needs systemd to be running: tests/package/life asks the service'),
        ('systemctl enable', 'it begins a service of the system: tests/package/life does so'),
        ('apt ', 'it installs into the system: tests/package/life does so'), ('systemd-sysusers', 'it makes a user of the system: test_package does so elsewhere'),
        ('cmake --install ', 'test_package does'), ('build/fuzz/', 'it needs a build of the fuzz targets'),
        ('dpkg --add', 'it changes the system'), ('apt-get ', 'it installs into the system'), ('cmake --preset arm64', 'it needs a cross compiler'),
        ('cmake --build --preset arm64', 'it needs a cross compiler'), ('ctest --preset arm64', 'it needs a cross compiler'),
        ('npx ', "it asks npm's registry: tests/contract makes this client"),
        ('bench/', 'an experiment of hours, whose figures the page has'), ('python3 bench/', 'an experiment of hours, whose figures the page has'),
    )
    MAY_BE_REFUSED = ('/cancel', '/resume', '/rollback')  # 409: the job has ended, or nothing was active before
    QUICK = '"dataset": "tiny", "epochs": 1, "image_size": 64'
    SETTLED = (
        ('"dataset": "nih", "epochs": 10', QUICK), ('"dataset": "phantom", "epochs": 3', QUICK), ('"dataset": "nih"', '"dataset": "tiny"'),
        ('--dataset nih', '--dataset tiny'), ('forget nih', 'forget tiny'), ('--labels chexnet --scaling imagenet ', ''), ('0.0.0.0:8080', '127.0.0.1:0'),
        ('--set epochs=10', '--set epochs=1 --set image_size=64'), ('--set epochs=24', '--set epochs=1 --set image_size=64'),
        ('--set epochs=8', '--set epochs=1 --set image_size=64'), ('--set epochs=3', '--set epochs=1'), ('--set images=none', '--set images=none --set epochs=1'),
        ('["Fracture","Bone cyst","Mass"]\'', '["Mass","Effusion"]\' --set epochs=1 --set image_size=64'), ('["Fracture", "Bone cyst", "Mass"]', '["Mass", "Effusion"]'),
        *((f'--images {n}', '--images 40') for n in (8000, 5700, 4000, 3000, 1000)), ('--size 256', '--size 64'),
        ('--dataset chexpert', '--dataset chexpert --set epochs=1 --set image_size=64 --set val_fraction=0.3 --set drop_no_finding=false'),
        ('--dataset own --out run3', '--dataset own --out run3 --set epochs=1 --set image_size=64 --set val_fraction=0.3 --set drop_no_finding=false --set images=images/*/*.png'),
        (' /usr/local/', ' $PWD/usr/local/'), (' /etc/', ' $PWD/etc/'),
    )
    SCRIPT = """
        curl() { command curl --fail-with-body "$@"; }
        kubectl() { command kubectl "$@" --validate=false; }  # the cluster has no schema
        may_be_refused() { "$@" || [ $? = 22 ]; }
        serve_a_while() {
            rm -f served  # the one before said "listening" there
            cxrd serve "$@" > served 2> served.log &
            for _ in $(seq 3000); do grep -qs listening served && break; kill -0 $! || break; sleep 0.1; done
            kill -TERM $! && wait $!
        }
        set -o pipefail
        trap 'echo "failed: $BASH_COMMAND" >&2; exit 1' ERR
        """

    def settled(self, line):
        for said, meant in (('http://127.0.0.1:8080', self.server.url), ('http://other:8080', self.server.url), *self.SETTLED):
            line = line.replace(said, meant)
        line = re.sub('^cxrd serve', 'serve_a_while', line)
        return f'may_be_refused {line}' if any(part in line for part in self.MAY_BE_REFUSED) else line

    def folder(self):
        """The files that the commands expect where they run."""
        folder = program.new_folder('commands')
        film = dicom.film([[(x * y) % 256 for x in range(80)] for y in range(80)])
        for name in ('study', 'films', 'data', 'backup', 'build/release', 'state/jobs', 'usr/local/bin', 'usr/local/share/man/man1', 'usr/local/share/bash-completion/completions', 'etc/prometheus', 'etc/systemd/system'):
            os.makedirs(os.path.join(folder, name))
        for name, data in (('film.png', picture.noise(3, 90, 70)), ('xray.png', picture.noise(4, 80, 80)), ('films/1.png', picture.noise(5)),
                           ('film.dcm', film), ('xray.dcm', film), ('study/1.dcm', film), ('weights.safetensors', dataset.weights()),
                           ('model.safetensors', dataset.weights()), ('checkpoint.pth', dataset.weights()), ('pacs-authorization', b'Bearer x'),
                           ('data-credentials', b'data.example Authorization: Bearer x\n')):
            with open(os.path.join(folder, name), 'wb') as file:
                file.write(data)
        shutil.copytree(os.path.join(dataset.tiny(), 'tiny'), os.path.join(folder, 'data', 'tiny'))
        for name, of in (('chexpert', 'chexpert'), ('own', 'csv')):
            tables.lay_out(of, os.path.join(folder, 'data', name))
        mapping, wanted = next(one for one in json_blocks('data.md') if 'picture' in one), next(one for one in json_blocks('outgoing.md') if 'archives' in one)
        for source in (wanted['table'], *wanted['archives']):
            source['url'] = re.sub('https://[^/]*', self.host.url, source['url'])
            source.pop('s3_region', None)  # the host is no bucket: test_datasets has one
        for path, value in (('data/own/mapping.json', mapping), ('nih.json', wanted)):
            with open(os.path.join(folder, path), 'w', encoding='ascii') as file:
                json.dump(value, file)
        for name in ('cxrd', 'build/release/cxrd', 'build/release/cxrd-decode'):
            os.symlink(os.path.join(os.path.dirname(os.path.abspath(program.BINARY)), os.path.basename(name)), os.path.join(folder, name))
        for name in ('docs', 'packaging', 'openapi.yaml'):
            os.symlink(os.path.join(ROOT, name), os.path.join(folder, name))
        shutil.copytree(os.path.join(ROOT, 'docker'), os.path.join(folder, 'docker'))  # keys go there
        return folder

    def runs(self, folder):
        """Two trainings: run1 and run2 in the folder, and as jobs of the server."""
        jobs = []
        for seed in (1, 2):
            config = {'dataset': 'tiny', 'epochs': 1, 'image_size': 64, 'steps_per_epoch': 1, 'seed': seed, 'split_seed': 1}
            said = [word for name, value in config.items() for word in ('--set', f'{name}={value}')]
            self.assertEqual(program.run('train', '--datasets', dataset.tiny(), '--out', os.path.join(folder, f'run{seed}'), *said).returncode, 0)
            jobs.append(submit(self.server, config))
            wait_state(self.server, jobs[-1], 'succeeded')
        return jobs

    def test_what_is_not_run_is_there(self):
        lines = [line for page in PAGES if os.path.basename(page) not in self.ELSEWHERE for line in shell_lines(read(page))]
        verbs = set(re.findall(r'^\./dev (\w+)', read(os.path.join(ROOT, 'dev')), re.M))
        presets = {one['name'] for kind in ('configurePresets', 'buildPresets', 'testPresets') for one in json.loads(read(os.path.join(ROOT, 'CMakePresets.json')))[kind]}
        for beginning, _ in self.CANNOT:
            not_run = [line for line in lines if line.startswith(beginning)]
            self.assertTrue(not_run, beginning)
            for words in (shlex.split(line, comments=True) for line in not_run):
                with self.subTest(' '.join(words)):
                    if words[0] == './dev':
                        self.assertIn(words[1], verbs)
                    self.assertLessEqual({words[i + 1] for i, word in enumerate(words) if word == '--preset'}, presets)
                    script = next((word for word in words if word.startswith('bench/')), None)
                    if script:
                        taken = read(os.path.join(ROOT, script))
                        self.assertLessEqual({word for word in words if word.startswith('--') and f"'{word}'" not in taken}, set())
                    target = re.search(r'fuzz/fuzz_(\w+)', words[0])
                    if target:
                        self.assertIn(f'\nfuzz_target({target[1]} ', read(os.path.join(ROOT, 'tests', 'fuzz', 'CMakeLists.txt')))
                    if 'packages.txt' in words[-1]:
                        self.assertTrue(os.path.exists(os.path.join(ROOT, 'docker', 'packages.txt')))

    @unittest.skipUnless(all(map(shutil.which, ('jq', 'curl', 'sqlite3', 'promtool', 'kubectl'))),
                         'jq, curl, sqlite3, prometheus or kubernetes-client is not installed')
    def test_do_what_they_say(self):
        for page in [page for page in PAGES if os.path.basename(page) not in self.ELSEWHERE]:
            lines = [self.settled(line) for line in shell_lines(read(page)) if not line.startswith(tuple(beginning for beginning, _ in self.CANNOT))]
            models = [self.post('/models', dataset.weights(), Content_Type='application/octet-stream').json()['id'] for _ in range(2)]
            folder = self.folder()
            first, second = self.runs(folder) if os.path.basename(page) == 'figures.md' else ('', '')
            done = subprocess.run(['bash', '-c', '\n'.join([self.SCRIPT, *lines])], cwd=folder, capture_output=True, text=True, check=False,
                                  timeout=4 * program.END_SECONDS,
                                  env=program.environment(PATH=f'{folder}:{STAND_INS}:{os.environ["PATH"]}', LOGS=self.logs, KUBECONFIG=self.cluster.config,
                                                          HOME=folder, url=self.server.url, elsewhere=self.server.url, id=models[0],
                                                          other=models[1], a=first, b=second, CXRD_KEY='none', CXRD_LISTEN='127.0.0.1:0'))
            with self.subTest(os.path.basename(page), lines=len(lines)):
                self.assertEqual(done.returncode, 0, f'{done.stdout[-300:]}\n{done.stderr[-600:]}')
                if os.path.basename(page) in ('README.md', 'api.md'):
                    self.assertGreater(len(lines), 10)
        self.assertLessEqual({('Secret', 'cxrd-keys'), ('Deployment', 'cxrd'), ('Service', 'cxrd')}, set(self.cluster.objects))
        fetch, = self.get('/jobs?type=fetch').json()['jobs']
        wait_state(self.server, fetch['id'], 'succeeded')


class ThePages(Case):

    def test_every_row_of_the_threat_model_has_its_test(self):
        rows = re.findall(r'^\| (\d+) \|', read(os.path.join(DOCS, 'security.md')), re.M)
        folder = os.path.join(ROOT, 'tests', 'http')
        tests = ''.join(read(os.path.join(folder, name)) for name in os.listdir(folder) if name.startswith('test_'))
        tested = {int(number) for number in re.findall(r'def test_row_(\d+)_', tests)}
        self.assertEqual([row for row in rows if int(row) not in tested], [])
        self.assertEqual(tested - {int(row) for row in rows}, set())

    def test_links_lead_somewhere(self):
        for page in PAGES:
            for link in re.findall(r'\]\(([^)#]+)[^)]*\)', read(page)):
                if not re.match(r'https?:', link):
                    with self.subTest(page=os.path.basename(page), link=link):
                        self.assertTrue(os.path.exists(os.path.join(os.path.dirname(page), link)))

    def test_what_contributors_are_sent_to_is_there(self):
        for page in (os.path.join(ROOT, 'CONTRIBUTING.md'), os.path.join(DOCS, 'internals', 'adding.md'), os.path.join(ROOT, '.github', 'SECURITY.md')):
            text = read(page)
            for link in re.findall(r'\]\(([^)#:]+)(?:#[^)]*)?\)', text):
                self.assertTrue(os.path.exists(os.path.join(os.path.dirname(page), link)), f'{page}: {link}')
            for path in re.findall(r'`((?:docs|docker|include|jobs|model|packaging|server|tests|decode)/[\w./-]+)`', text):
                self.assertTrue(os.path.exists(os.path.join(ROOT, path)), f'{page}: {path}')
            for name in re.findall(r'`(?:unit|test)_(\w+)`', text):
                found = os.path.exists(os.path.join(ROOT, 'tests', 'unit', f'test_{name}.c')) or \
                    os.path.exists(os.path.join(ROOT, 'tests', 'http', f'test_{name}.py')) or name.startswith(('row_', 'a_program'))
                self.assertTrue(found, f'{page}: {name}')

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


@unittest.skipUnless(yaml, 'python3-yaml is not installed')
class TheManifests(Case):
    """docker/, Kubernetes and systemd, as far as one can see without any: what they name is there."""

    LONGEST_END = 15 + 30 + 35 + 6  # seconds: --drain, a wait for a decoder, --decode-timeout and its slack, and what follows

    @classmethod
    def setUpClass(cls):
        cls.variables = set(re.findall(r'\[(CXRD_\w+)\]', program.run('serve', '--help').stdout))
        cls.paths = yaml.safe_load(read(os.path.join(ROOT, 'openapi.yaml')))['paths']

    @staticmethod
    def mounts_of_datasets(service):
        """How each mount of the data sets ends: ':ro', or '' where it can be written."""
        return [volume.split(':/data/datasets')[1] for volume in service['volumes'] if ':/data/datasets' in volume]

    @staticmethod
    def reaches_out(compose, service):
        return any(not (compose['networks'][name] or {}).get('internal') for name in service['networks'])

    def test_the_image_owns_what_it_writes(self):
        made = re.search(r'install -d -o cxrd -g cxrd -m 0700 (.*)\n', read(os.path.join(ROOT, 'docker', 'Dockerfile')))[1]
        self.assertLessEqual({'/data/state', '/data/datasets'}, set(made.split()))

    def test_kubernetes(self):
        documents = list(yaml.safe_load_all(read(os.path.join(DOCS, 'kubernetes.yaml'))))
        kinds = {}
        for document in documents:
            self.assertTrue(document['apiVersion'])
            kinds.setdefault(document['kind'], []).append(document)
        deployment, service = kinds['Deployment'][0]['spec'], kinds['Service'][0]['spec']
        pod = deployment['template']['spec']
        container = pod['containers'][0]
        self.assertEqual((deployment['replicas'], deployment['strategy']['type']), (1, 'Recreate'))
        for selector in (deployment['selector']['matchLabels'], service['selector']):
            self.assertEqual(selector, deployment['template']['metadata']['labels'])
        volumes = {volume['name']: volume for volume in pod['volumes']}
        self.assertEqual({mount['name'] for mount in container['volumeMounts']}, set(volumes))
        for mount in container['volumeMounts']:
            self.assertEqual('readOnly' in mount, mount['name'] == 'keys', mount['name'])  # state and data sets are written
        claims = {volume['persistentVolumeClaim']['claimName'] for volume in volumes.values() if 'persistentVolumeClaim' in volume}
        self.assertEqual(claims, {claim['metadata']['name'] for claim in kinds['PersistentVolumeClaim']})
        self.assertLessEqual({variable['name'] for variable in container['env']}, self.variables)
        ports = {port['name'] for port in container['ports']}
        for name in ('startupProbe', 'livenessProbe', 'readinessProbe'):
            asked = container[name]['httpGet']
            self.assertEqual(self.paths[asked['path']]['get']['x-role'], 'public')
            self.assertIn(asked['port'], ports)
        self.assertIn(service['ports'][0]['targetPort'], ports)
        self.assertFalse(pod['enableServiceLinks'])
        self.assertGreater(pod['terminationGracePeriodSeconds'], self.LONGEST_END)
        uid = re.search(r'useradd --uid (\d+)', read(os.path.join(ROOT, 'docker', 'Dockerfile')))[1]
        self.assertEqual(str(pod['securityContext']['runAsUser']), uid)

    def test_kubernetes_with_several_servers(self):
        kinds = {document['kind']: document for document in yaml.safe_load_all(read(os.path.join(DOCS, 'kubernetes.scale.yaml')))}
        deployment = kinds['Deployment']['spec']
        pod = deployment['template']['spec']
        container, = pod['containers']
        labels = deployment['template']['metadata']['labels']
        self.assertEqual((deployment['replicas'], deployment['strategy']), (3, {'type': 'RollingUpdate', 'rollingUpdate': {'maxUnavailable': 0, 'maxSurge': 1}}))
        for selector in (deployment['selector'], kinds['PodDisruptionBudget']['spec']['selector'], pod['topologySpreadConstraints'][0]['labelSelector']):
            self.assertEqual(selector, {'matchLabels': labels})
        self.assertEqual(kinds['Service']['spec']['selector'], labels)
        self.assertLess(kinds['PodDisruptionBudget']['spec']['minAvailable'], deployment['replicas'])
        volumes = {volume['name']: volume for volume in pod['volumes']}
        self.assertEqual({mount['name'] for each in (container, *pod['initContainers']) for mount in each['volumeMounts']}, set(volumes))
        self.assertEqual(volumes['state'], {'name': 'state', 'emptyDir': {}})  # a volume of one server is no other's
        self.assertEqual(volumes['datasets']['persistentVolumeClaim']['claimName'], kinds['PersistentVolumeClaim']['metadata']['name'])
        self.assertLessEqual({variable['name'] for variable in container['env']}, self.variables)
        self.assertIn('CXRD_STORE', {variable['name'] for variable in container['env'] if 'secretKeyRef' in variable.get('valueFrom', {})})
        self.assertEqual([container[f'{name}Probe']['httpGet']['path'] for name in ('startup', 'liveness', 'readiness')], ['/livez', '/livez', '/readyz'])
        self.assertGreater(pod['terminationGracePeriodSeconds'], self.LONGEST_END)
        self.assertEqual(pod['initContainers'][0]['command'][-1], '/data/state/patients.key')

    def test_kustomize(self):
        kustomization = yaml.safe_load(read(os.path.join(DOCS, 'kustomization.yaml')))
        self.assertEqual(kustomization['kind'], 'Kustomization')
        images = set()
        for name in kustomization['resources']:
            for document in yaml.safe_load_all(read(os.path.join(DOCS, name))):
                images |= {container['image'] for container in document['spec'].get('template', {}).get('spec', {}).get('containers', [])}
        self.assertEqual({image['name'] for image in kustomization['images']}, images)

    @unittest.skipUnless(shutil.which('kubectl'), 'kubernetes-client is not installed')
    def test_kustomize_makes_what_kubernetes_yaml_says(self):
        done = subprocess.run(['kubectl', 'kustomize', DOCS], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                              env=program.environment(), timeout=program.END_SECONDS)
        self.assertEqual(done.returncode, 0, done.stderr)
        made = {(one['kind'], one['metadata']['name']): one for one in yaml.safe_load_all(done.stdout)}
        plain = {(one['kind'], one['metadata']['name']): one for one in yaml.safe_load_all(read(os.path.join(DOCS, 'kubernetes.yaml')))}
        self.assertEqual(set(made), set(plain))
        for which, one in made.items():
            if which[0] != 'Deployment':
                self.assertEqual(one, plain[which])
        image, = (container['image'] for which, one in made.items() if which[0] == 'Deployment' for container in one['spec']['template']['spec']['containers'])
        self.assertEqual(image, 'cxrd:latest')

    def test_the_image_is_published_as_it_is_built(self):
        workflow = yaml.safe_load(read(os.path.join(ROOT, '.github', 'workflows', 'release.yml')))
        steps = workflow['jobs']['image']['steps']
        built = next(step['with'] for step in steps if step.get('uses', '').startswith('docker/build-push-action'))
        self.assertTrue(os.path.exists(os.path.join(ROOT, built['context'], built['file'])))
        self.assertTrue(built['push'])
        self.assertIn(f'ARG {built["build-args"].split("=")[0]}=', read(os.path.join(ROOT, 'docker', 'Dockerfile')))
        self.assertTrue(all('@' in step['uses'] for step in steps if 'uses' in step))
        self.assertEqual([(name, job['needs'], job['permissions']) for name, job in workflow['jobs'].items() if 'permissions' in job],
                         [('image', 'test', {'contents': 'read', 'packages': 'write'}), ('package', 'test', {'contents': 'write'})])

    def test_workflows_run_what_there_is(self):
        verbs = set(re.findall(r'^\./dev (\w+)', read(os.path.join(ROOT, 'dev')), re.M))
        for name in sorted(os.listdir(os.path.join(ROOT, '.github', 'workflows'))):
            text = read(os.path.join(ROOT, '.github', 'workflows', name))
            workflow = yaml.safe_load(text)
            with self.subTest(name):
                self.assertEqual(workflow['permissions'], {'contents': 'read'})
                self.assertLessEqual(set(re.findall(r'\./dev (\w+)', text)), verbs)
                self.assertLessEqual({path for path in re.findall(r'uses: \./(\S+)', text) if not os.path.exists(os.path.join(ROOT, path))}, set())

    def test_the_unit_waits_for_the_end(self):
        unit = read(os.path.join(ROOT, 'packaging', 'cxrd.service'))
        self.assertGreater(int(re.search(r'^TimeoutStopSec=(\d+)$', unit, re.M)[1]), self.LONGEST_END)

    def test_compose_with_several_servers(self):
        folder = os.path.join(ROOT, 'docker')
        compose = yaml.safe_load(read(os.path.join(folder, 'compose.scale.yaml')))
        services = compose['services']
        servers = [service for name, service in services.items() if name.startswith('cxrd-')]
        self.assertEqual((len(servers), set(services) - {'cxrd-1', 'cxrd-2', 'cxrd-3'}), (3, {'database', 'nginx'}))
        for name, service in services.items():
            with self.subTest(name):
                self.assertLessEqual(set(service['networks']), set(compose['networks']))
                self.assertLessEqual(set(service.get('secrets', [])), set(compose['secrets']))
                self.assertTrue(service['read_only'])
                self.assertTrue('user' in service or 'build' in service, 'it would run as root')
                self.assertEqual(service['cap_drop'], ['ALL'])
                for source in (re.match(r'(\$\{.*?\}|[^:]+):', volume)[1] for volume in service['volumes']):
                    if source.startswith('.'):
                        self.assertTrue(os.path.exists(os.path.join(folder, source)), source)
                    elif not source.startswith('$'):
                        self.assertIn(source, compose['volumes'])
        states = [volume.split(':')[0] for server in servers for volume in server['volumes'] if volume.endswith(':/data/state')]
        self.assertEqual(len(set(states)), 3, 'a state folder is locked by its server')
        for server in servers:
            self.assertLessEqual(set(server['environment']), self.variables)
            self.assertEqual(server['networks'], {'inside': {'aliases': ['cxrd']}})  # as nginx.conf has it
            self.assertGreater(int(server['stop_grace_period'].rstrip('s')), self.LONGEST_END)
            self.assertEqual(server['depends_on'], {'database': {'condition': 'service_healthy'}})
            said = subprocess.run(['sh', '-n', '-c', server['entrypoint'][2].replace('$$', '$')], capture_output=True, text=True, check=False)
            self.assertEqual((server['entrypoint'][:2], said.returncode), (['sh', '-euc'], 0), said.stderr)
        self.assertFalse(self.reaches_out(compose, servers[0]))

    def test_compose(self):
        folder = os.path.join(ROOT, 'docker')
        compose = yaml.safe_load(read(os.path.join(folder, 'compose.yaml')))
        tls, data = (yaml.safe_load(read(os.path.join(folder, f'compose.{name}.yaml'))) for name in ('tls', 'data'))
        for more in (tls, data):
            self.assertLessEqual(set(more['services']), set(compose['services']))
            compose['volumes'].update(more.get('volumes', {}))
        for part in (compose, data):
            self.assertLessEqual(set(part['services']['cxrd']['environment']), self.variables)
        for name, service in [*compose['services'].items(), *tls['services'].items(), *data['services'].items()]:
            with self.subTest(name):
                self.assertLessEqual(set(service.get('networks', [])), set(compose['networks']))
                self.assertLessEqual(set(service.get('secrets', [])), set(compose['secrets']))
                for source in (re.match(r'(\$\{.*?\}|[^:]+):', volume)[1] for volume in service['volumes']):
                    if source.startswith('.'):
                        self.assertTrue(os.path.exists(os.path.join(folder, source)), source)
                    elif not source.startswith('$'):
                        self.assertIn(source, compose['volumes'])
        for service in compose['services'].values():
            self.assertTrue(service['read_only'])
            self.assertTrue('user' in service or 'build' in service, 'it would run as root')
            self.assertEqual(service['cap_drop'], ['ALL'])
        # fetching takes hosts, a folder to write to and a way out: all three or none
        plain, fetching = compose['services']['cxrd'], data['services']['cxrd']
        self.assertGreater(int(plain['stop_grace_period'].rstrip('s')), self.LONGEST_END)
        self.assertEqual(self.mounts_of_datasets(plain), [':ro'])
        self.assertFalse(self.reaches_out(compose, plain))
        self.assertEqual(self.mounts_of_datasets(fetching), [''])
        self.assertTrue(self.reaches_out(compose, fetching))
        self.assertIn('CXRD_DATA_HOSTS', fetching['environment'])
        build = compose['services']['cxrd']['build']
        self.assertTrue(os.path.exists(os.path.join(folder, build['context'], build['dockerfile'])))


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

    def test_cuts_what_is_long_on_a_terminal_only(self):
        command = f'{shlex.quote(program.BINARY)} inspect {shlex.quote(os.path.join(dataset.trained(), "weights.safetensors"))}'
        piped = program.run('inspect', os.path.join(dataset.trained(), 'weights.safetensors')).stdout
        self.assertGreater(max(map(len, piped.splitlines())), 1000)
        shown = subprocess.run(['script', '-qec', command, '/dev/null'], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL,
                               env=program.environment(), timeout=program.END_SECONDS).stdout
        self.assertLess(max(map(len, shown.splitlines())), 500)
        self.assertRegex(shown, r'… \(\d+ bytes')

    def test_steers_no_terminal(self):
        bad = '\x1b[2J', '\u009b2J', '\u202eABC', '\u2066ABC'
        path = os.path.join(program.new_folder('bad'), 'weights')
        whole = dataset.weights()
        n = int.from_bytes(whole[:8], 'little')
        header = json.loads(whole[8:8 + n])
        header['__metadata__'] = {**header.get('__metadata__', {}), 'said': 'é' + '|'.join(bad)}
        text = json.dumps(header).encode()
        text += b' ' * (-len(text) % 8)
        with open(path, 'wb') as file:
            file.write(len(text).to_bytes(8, 'little') + text + whole[8 + n:])
        piped = program.run('inspect', path).stdout
        shown = subprocess.run(['script', '-qec', f'{shlex.quote(program.BINARY)} inspect {shlex.quote(path)}', '/dev/null'],
                               capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL, env=program.environment(),
                               timeout=program.END_SECONDS).stdout
        for one in bad:
            self.assertIn(one, piped)
            self.assertNotIn(one[0], shown)
        self.assertIn('é?[2J|?2J|?ABC|?ABC', shown)

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
