"""Weights files as others train them: of other architectures, under torchvision's names, and of other findings. Numbers from a
seed."""
import array
import functools
import json
import random

from .dataset import LABELS


def _floats(pool, shape, kind):
    count = functools.reduce(lambda a, b: a * b, shape)
    if kind == 'norm':
        return array.array('f', [1.0]) * count
    fan = max(count // shape[0], 1) if len(shape) > 1 else 100
    scaled = array.array('f', (v * (6 / fan) ** 0.5 for v in pool))
    return (scaled * (count // len(scaled) + 1))[:count]


def safetensors(architecture, size, tensors, labels=LABELS, **notes):
    """tensors: (name, shape, kind), kind 'norm' for what scales a normalisation: 1."""
    rng = random.Random(7)
    pool = [rng.uniform(-1, 1) for _ in range(4099)]
    head = {'__metadata__': {'format': 'cxrd', 'architecture': architecture, 'image_size': str(size), 'resize': 'area',
                             'input_mean': '128', 'input_std': '64', 'labels': ','.join(labels), **notes}}
    data = bytearray()
    for name, shape, kind in tensors:
        values = _floats(pool, shape, kind).tobytes()
        head[name] = {'dtype': 'F32', 'shape': shape, 'data_offsets': [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(head).encode()
    text += b' ' * (-len(text) % 8)
    return len(text).to_bytes(8, 'little') + text + bytes(data)


def mlp(size=64, labels=LABELS, **notes):
    return safetensors('mlp', size, [
        ('hidden.weight', [512, 1, 64, 64], 'weight'), ('hidden.bias', [512], 'bias'),
        ('head.weight', [len(labels), 512], 'weight'), ('head.bias', [len(labels)], 'bias')], labels, **notes)


def cnn4(labels, size=64, **notes):
    tensors, before = [], 3
    for i, channels in enumerate((32, 64, 128, 256), 1):
        tensors += [(f'conv{i}.weight', [channels, before, 3, 3], 'weight'), (f'conv{i}.bias', [channels], 'bias')]
        before = channels
    return safetensors('cnn4', size, [
        *tensors, ('head.weight', [len(labels), 256, size // 16, size // 16], 'weight'), ('head.bias', [len(labels)], 'bias')],
        labels, **notes)


def logistic(labels):
    """Takes a history of these findings and sees no picture."""
    numbers = [f'{half}_{label}' for half in ('ever', 'last') for label in labels] + ['earlier_film']
    return safetensors('logistic', 64, [
        ('head.inputs.weight', [len(labels), len(numbers)], 'weight'), ('head.bias', [len(labels)], 'bias')], labels,
        inputs=json.dumps([{'name': name, 'mean': 0.25, 'std': 0.5} for name in numbers]))


def mobilenet_v2(size=64):
    tensors = []

    def conv_norm(conv, norm, out, inputs, kernel):
        tensors.append((f'{conv}.weight', [out, inputs, kernel, kernel], 'weight'))
        tensors.extend((f'{norm}.{part}', [out], kind) for part, kind in
                       (('weight', 'norm'), ('bias', 'bias'), ('running_mean', 'bias'), ('running_var', 'norm')))

    conv_norm('features.0.0', 'features.0.1', 32, 3, 3)
    block, narrow = 1, 32
    for widening, channels, blocks in ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1)):
        for _ in range(blocks):
            at, wide, i = f'features.{block}.conv', narrow * widening, 0
            if widening > 1:
                conv_norm(f'{at}.0.0', f'{at}.0.1', wide, narrow, 1)
                i = 1
            conv_norm(f'{at}.{i}.0', f'{at}.{i}.1', wide, 1, 3)
            conv_norm(f'{at}.{i + 1}', f'{at}.{i + 2}', channels, wide, 1)
            block, narrow = block + 1, channels
    conv_norm('features.18.0', 'features.18.1', 1280, 320, 1)
    return safetensors('mobilenet_v2', size, [
        *tensors, ('classifier.1.weight', [14, 1280], 'weight'), ('classifier.1.bias', [14], 'bias')])


IMAGENET = {'input_mean': '123.675,116.28,103.53', 'input_std': '58.395,57.12,57.375'}


def graph(nodes, tensors, channels=3, size=64, labels=LABELS, **notes):
    """A network that is no architecture of ours: its metadata say what it is."""
    text = json.dumps({'version': 1, 'channels': channels, 'nodes': nodes})
    return safetensors('graph', size, tensors, labels, **{'graph': text, **(IMAGENET if channels == 3 else {}), **notes})


def efficient(size=64):
    """A block of an EfficientNet as TensorFlow pads it, scaled by channel."""
    def conv(name, at, out, side, stride, groups=1, bias=False):
        pad = [side // 2 - (stride > 1)] * 2 + [side // 2] * 2
        return {'op': 'conv', 'name': name, 'from': [at], 'channels': out, 'kernel': [side, side], 'stride': [stride, stride], 'pad': pad,
                'groups': groups, 'bias': bias}

    def norm(name, at):
        return {'op': 'norm', 'name': name, 'from': [at], 'epsilon': 0.001}

    nodes = [conv('stem', 0, 16, 3, 2), norm('stem_bn', 1), {'op': 'silu', 'from': [2]},
             conv('depthwise', 3, 16, 5, 2, groups=16), norm('depthwise_bn', 4), {'op': 'silu', 'from': [5]},
             {'op': 'global_pool', 'from': [6]}, conv('reduce', 7, 4, 1, 1, bias=True), {'op': 'silu', 'from': [8]},
             conv('expand', 9, 16, 1, 1, bias=True), {'op': 'sigmoid', 'from': [10]}, {'op': 'mul', 'from': [6, 11]},
             conv('project', 12, 32, 1, 1), norm('project_bn', 13), {'op': 'hard_swish', 'from': [14]},
             {'op': 'global_pool', 'from': [15]}, {'op': 'flatten', 'from': [16]},
             {'op': 'dense', 'name': 'classifier', 'from': [17], 'channels': 14, 'bias': True}]
    tensors = [('stem.weight', [16, 3, 3, 3], 'weight'), ('depthwise.weight', [16, 1, 5, 5], 'weight'),
               ('reduce.weight', [4, 16, 1, 1], 'weight'), ('reduce.bias', [4], 'bias'),
               ('expand.weight', [16, 4, 1, 1], 'weight'), ('expand.bias', [16], 'bias'),
               ('project.weight', [32, 16, 1, 1], 'weight'),
               ('classifier.weight', [14, 32], 'weight'), ('classifier.bias', [14], 'bias')]
    for name, channels in (('stem_bn', 16), ('depthwise_bn', 16), ('project_bn', 32)):
        tensors += [(f'{name}.{part}', [channels], kind) for part, kind in
                    (('weight', 'norm'), ('bias', 'bias'), ('running_mean', 'bias'), ('running_var', 'norm'))]
    return graph(nodes, tensors, size=size)
