"""Every architecture beside PyTorch in float64, with the same weights on the same pictures: torchvision's own modules, and
cnn4 and mlp as PyTorch has them. The checkpoint tells what the first step of `cxrd train` did."""
import collections
import csv
import fcntl
import functools
import importlib.util
import json
import math
import os
import subprocess
import types
import unittest
import warnings

from support import dataset, picture, program
from support.case import Case

SIZES = {'cnn4': 64, 'mlp': 128, 'densenet121': 64, 'resnet18': 64, 'resnet50': 64, 'mobilenet_v2': 64, 'shufflenet_v2_x1_0': 64}
ROWS, TRAINED = 6, 4
STEPS, RATE = 10, 1e-5
BETA1, BETA2, EPSILON, MOMENTUM = 0.9, 0.999, 1e-7, 0.1
LABELS = dataset.LABELS


@functools.lru_cache(maxsize=None)
def peer():
    """PyTorch and torchvision, which take seconds to come: only where there is something to compare."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        import torch
        import torchvision
    torch.set_num_threads(1)
    return types.SimpleNamespace(torch=torch, models=torchvision.models, read_image=torchvision.io.read_image)


# ---- pictures ----

@functools.lru_cache(maxsize=None)
def source():
    """A data set of films of 128 pixels: radiographs where there are any, phantoms elsewhere."""
    there = os.path.join(program.TEST_DATA, 'nih128')
    if program.TEST_DATA and os.path.isdir(there):
        return there
    drawn = os.path.join(program.new_folder('drawn'), 'drawn')
    done = program.run('phantom', '--out', drawn, '--images', '16', '--size', '128')
    if done.returncode != 0:
        raise AssertionError(f'cxrd phantom: {done.stderr}')
    return drawn


@functools.lru_cache(maxsize=None)
def films(size):
    """A folder of data sets that holds one, "few", of the middle of films, which a network of this size sees pixel by pixel."""
    datasets = program.new_folder('datasets')
    images = os.path.join(datasets, 'few', 'images_001', 'images')
    os.makedirs(images)
    there = set(os.listdir(os.path.join(source(), 'images_001', 'images')))
    with open(os.path.join(source(), 'Data_Entry_2017.csv'), encoding='ascii') as table:
        lines = [line for line in table.read().splitlines()[1:] if 'No Finding' not in line and line.split(',')[0] in there][:ROWS]
    dataset.write_table(os.path.join(datasets, 'few'), lines)
    seen, truth = {}, {}
    for line in lines:
        name, words = line.split(',')[:2]
        film = peer().read_image(os.path.join(source(), 'images_001', 'images', name))[0]
        edge = (len(film) - size) // 2
        seen[name] = film[edge:edge + size, edge:edge + size]
        truth[name] = [float(label in words.split('|')) for label in LABELS]
        with open(os.path.join(images, name), 'wb') as out:
            out.write(picture.png(size, size, b''.join(b'\0' + bytes(row.tolist()) for row in seen[name])))
    return types.SimpleNamespace(datasets=datasets, images=images, seen=seen, truth=truth)


def batch(size, names):
    """Pictures as a network sees them, [n][3][S][S], and their truths, [n][L]."""
    x = (peer().torch.stack([films(size).seen[name] for name in names]).double() - 128) / 64
    y = peer().torch.tensor([films(size).truth[name] for name in names]).double()
    return x[:, None].expand(-1, 3, -1, -1), y


# ---- networks ----

def cnn4(size):
    nn, parts, before = peer().torch.nn, [], 3
    for i, channels in enumerate((32, 64, 128, 256), 1):
        parts += [(f'conv{i}', nn.Conv2d(before, channels, 3, padding=1)), (f'relu{i}', nn.ReLU()), (f'pool{i}', nn.MaxPool2d(2))]
        before = channels
    return nn.Sequential(collections.OrderedDict([*parts, ('head', nn.Conv2d(256, len(LABELS), size // 16)), ('flat', nn.Flatten())]))


def mlp(size):
    nn = peer().torch.nn
    return nn.Sequential(collections.OrderedDict([
        ('grey', nn.AvgPool3d((3, size // 64, size // 64))), ('hidden', nn.Conv2d(1, 512, 64)), ('relu', nn.ReLU()),
        ('flat', nn.Flatten()), ('head', nn.Linear(512, len(LABELS)))]))


def network(name):
    """An architecture in float64 whose values are float32's, with statistics as the pictures have them."""
    torch, nn = peer().torch, peer().torch.nn
    own = {'cnn4': cnn4, 'mlp': mlp}
    torch.manual_seed(7)
    net = (own[name](SIZES[name]) if name in own else getattr(peer().models, name)(num_classes=len(LABELS))).double()
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0
    for norm in norms:  # so that few values lie so near to a kink that float32 takes them for the other side's
        nn.init.uniform_(norm.weight, 0.4, 0.6)
        nn.init.uniform_(norm.bias, 1.3, 1.7)
        norm.momentum = None  # the mean of all that it sees
    with torch.no_grad():
        logits = net.train()(batch(SIZES[name], films(SIZES[name]).seen)[0])
        head = list(net.parameters())[-2]
        head *= 1 / logits.std()  # so that probabilities are neither all a half nor 0 and 1
        for value in net.state_dict().values():
            if value.is_floating_point():
                value.copy_(value.float())
    for norm in norms:
        norm.momentum = MOMENTUM
    return net.eval()


def save(net, name, path):
    """The network as a weights file: all that PyTorch keeps of it, under its names."""
    head = {'__metadata__': {'format': 'cxrd', 'architecture': name, 'image_size': str(SIZES[name]), 'resize': 'area',
                             'input_mean': '128', 'input_std': '64', 'labels': ','.join(LABELS)}}
    data = bytearray()
    for key, value in net.state_dict().items():
        kind, held = ('F32', value.float()) if value.is_floating_point() else ('I64', value)
        head[key] = {'dtype': kind, 'shape': list(value.shape), 'data_offsets': [len(data), len(data) + held.nelement() * held.element_size()]}
        data += held.numpy().tobytes()
    text = json.dumps(head).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as out:
        out.write(len(text).to_bytes(8, 'little') + text + data)


def arrays(path):
    """The float32 arrays of a safetensors file, as vectors in float64."""
    with open(path, 'rb') as file:
        data = bytearray(file.read())
    head, end = dataset.header(data)
    return {name: peer().torch.frombuffer(data[end + told['data_offsets'][0]:end + told['data_offsets'][1]],
                                          dtype=peer().torch.float32).double()
            for name, told in head.items() if name != '__metadata__' and told['dtype'] == 'F32'}


# ---- training ----

def values_of(net):
    """All that training changes, by name, parameters first and then the statistics, as vectors."""
    return {name: value.detach().flatten().clone() for name, value in
            [*net.named_parameters(), *(at for at in net.named_buffers() if at[1].is_floating_point())]}


def train(net, name, names):
    """Steps of Adam as Keras has it on these pictures: the gradients of the first, all values before it, after it, and after the last."""
    torch, told = peer().torch, types.SimpleNamespace()
    x, y = batch(SIZES[name], names)
    params = dict(net.named_parameters())
    m, v = ({key: torch.zeros_like(value) for key, value in params.items()} for _ in range(2))
    told.begin = values_of(net)
    net.train()
    for step in range(1, STEPS + 1):
        net.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(net(x), y).backward()
        rate = RATE * math.sqrt(1 - BETA2 ** step) / (1 - BETA1 ** step)
        with torch.no_grad():
            for key, value in params.items():
                m[key] += (value.grad - m[key]) * (1 - BETA1)
                v[key] += (value.grad ** 2 - v[key]) * (1 - BETA2)
                value -= rate * m[key] / (v[key].sqrt() + EPSILON)
        if step == 1:
            told.gradients = {key: value.grad.flatten().clone() for key, value in params.items()}
            told.first = values_of(net)
    told.last = values_of(net)
    return told


def full_pipe():
    """A pipe that takes not one byte more: whoever writes to it waits until somebody reads."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    for size in (fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ), 1):
        try:
            while os.write(writing, b'\n' * size):
                pass
        except BlockingIOError:
            pass
    os.set_blocking(writing, True)
    return reading, writing


def command(name, weights, out, steps):
    fields = {'epochs': 1, 'steps_per_epoch': steps, 'batch_size': TRAINED, 'shards': 1, 'learning_rate': RATE,
              'lr_schedule': 'constant', 'norm_momentum': MOMENTUM, 'shuffle': False, 'augment': False, 'calibrate': False,
              'tsne': False, 'split_by': 'image', 'test_fraction': 0, 'val_fraction': 1 - TRAINED / ROWS}
    return ['train', '--datasets', films(SIZES[name]).datasets, '--out', out, '--init', weights, '--threads', '2',
            *(word for key, value in fields.items() for word in ('--set', f'{key}={json.dumps(value)}'))]


def first_step(name, weights):
    """The arrays of the checkpoint that `cxrd train` keeps after a step. It says that an epoch is over once this is there, and is
    not heard before it has been read."""
    out = os.path.join(program.new_folder('first'), 'out')
    checkpoint = os.path.join(out, 'checkpoint.safetensors')
    reading, writing = full_pipe()
    with subprocess.Popen([program.BINARY, *command(name, weights, out, 1)], stdout=writing, stderr=subprocess.DEVNULL,
                          env=program.environment(), preexec_fn=program.die_with_us) as process:
        os.close(writing)
        try:
            program.poll(lambda: os.path.exists(checkpoint) or process.poll() is not None, 'the first step is kept', 900)
            return arrays(checkpoint)
        finally:
            process.kill()
            os.close(reading)


def pieces(vector, like):
    """A vector of all values, by name."""
    torch = peer().torch
    return dict(zip(like, torch.split(vector, [len(value) for value in like.values()])))


def is_statistic(key):
    return key.endswith(('.running_mean', '.running_var'))


@unittest.skipIf(program.SANITIZED, 'the figures are those of the other build, and take minutes here')
@unittest.skipUnless(importlib.util.find_spec('torchvision'), 'PyTorch and torchvision are not installed')
class Beside(Case):

    def near(self, found, wanted, allowed, what):
        """Every value of every tensor, of the largest of all."""
        self.assertEqual(found.keys(), wanted.keys())
        most = max(value.abs().max().item() for value in wanted.values())
        off = max((found[key] - value).abs().max().item() for key, value in wanted.items()) / most
        self.assertLessEqual(off, allowed, what)
        return off

    def statistics_near(self, found, wanted, allowed, what):
        """Each tensor, of its own largest."""
        return max([0, *(self.near({key: found[key]}, {key: value}, allowed, f'{what} {key}')
                         for key, value in wanted.items() if is_statistic(key))])

    def check_probabilities(self, name, net, weights):
        names = list(films(SIZES[name]).seen)
        done = program.run('predict', '--weights', weights, '--json', *(os.path.join(films(SIZES[name]).images, film) for film in names))
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        found = [list(json.loads(line)['probabilities'].values()) for line in done.stdout.splitlines()]
        with peer().torch.no_grad():
            wanted = peer().torch.sigmoid(net(batch(SIZES[name], names)[0])).tolist()
        self.assertGreater(max(map(max, wanted)) - min(map(min, wanted)), 0.3)
        off = max(abs(a - b) for one, other in zip(found, wanted, strict=True) for a, b in zip(one, other, strict=True))
        self.assertLessEqual(off, 1e-5)
        return off

    def check_last(self, found, told):
        """The movement of ten steps, and how far this is off, both as the root of their squares."""
        moved = {key: value - told.begin[key] for key, value in told.last.items() if not is_statistic(key)}
        off = sum(((found[key] - told.last[key]) ** 2).sum().item() for key in moved)
        off = math.sqrt(off / sum((value ** 2).sum().item() for value in moved.values()))
        self.assertLessEqual(off, 0.02)
        return off

    def check(self, name):
        net, weights = network(name), os.path.join(program.new_folder('weights'), 'weights.safetensors')
        out = os.path.join(program.new_folder('ten'), 'out')
        save(net, name, weights)
        probabilities = self.check_probabilities(name, net, weights)
        done = program.run(*command(name, weights, out, STEPS))
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(out, 'scores.csv'), encoding='utf-8', newline='') as scores:
            trained = [row['image'] for row in csv.DictReader(scores) if row['split'] == 'train']
        self.assertEqual(len(trained), TRAINED)
        told, kept, last = train(net, name, trained), first_step(name, weights), arrays(os.path.join(out, 'weights.safetensors'))
        gradients = self.near(pieces(kept['adam.m'] / (1 - BETA1), told.gradients), told.gradients, 1e-3, 'gradient')
        first = self.statistics_near(pieces(kept['params'], told.first), told.first, 1e-5, 'after a step')
        moved = self.check_last(last, told)
        tenth = self.statistics_near(last, told.last, 1e-3, 'after ten steps')
        print(f'{name}: probabilities {probabilities:.1e}, gradients {gradients:.1e}, statistics {first:.1e}, '
              f'after ten steps {tenth:.1e}, weights {moved:.1e} of their way')

    def test_cnn4_is_that_of_pytorch(self):
        self.check('cnn4')

    def test_mlp_is_that_of_pytorch(self):
        self.check('mlp')

    def test_densenet121_is_that_of_torchvision(self):
        self.check('densenet121')

    def test_resnet18_is_that_of_torchvision(self):
        self.check('resnet18')

    def test_resnet50_is_that_of_torchvision(self):
        self.check('resnet50')

    def test_mobilenet_v2_is_that_of_torchvision(self):
        self.check('mobilenet_v2')

    def test_shufflenet_v2_is_that_of_torchvision(self):
        self.check('shufflenet_v2_x1_0')


if __name__ == '__main__':
    unittest.main()
