"""A tiny data set in NIH layout, and weights trained on it: made once a run."""
import functools
import json
import os

from . import picture, program

LABELS = ('Atelectasis', 'Cardiomegaly', 'Consolidation', 'Edema', 'Effusion', 'Emphysema', 'Fibrosis', 'Hernia',
          'Infiltration', 'Mass', 'Nodule', 'Pleural_Thickening', 'Pneumonia', 'Pneumothorax')
COLUMNS = ('Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,'
           'OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],')

ROWS = 48
OLD = 2  # rows above any age
SIZE = 64  # the smallest image size there is: quick


def findings(i):
    """Of row i; a sixth are normal."""
    return ['No Finding'] if i % 6 == 0 else sorted({LABELS[i % 14], LABELS[i * 5 % 14]})


def name(i):
    return f'{i // 2:08d}_{i % 2:03d}.png'


def patient(i):
    return i // 2


def line(i):
    age = 400 + i if i > ROWS - 1 - OLD else 30 + i
    return f'{name(i)},{"|".join(findings(i))},0,{patient(i)},{age},{"MF"[i % 2]},{("PA", "AP")[i % 2]},{SIZE},{SIZE},0.1,0.1,'


def write_table(folder, lines=None, columns=COLUMNS):
    os.makedirs(folder, exist_ok=True)
    lines = [line(i) for i in range(ROWS)] if lines is None else lines
    with open(os.path.join(folder, 'Data_Entry_2017.csv'), 'w', encoding='ascii') as table:
        table.write('\n'.join([columns, *lines]) + '\n')


@functools.lru_cache(maxsize=None)
def image(i):
    return picture.noise(i, SIZE, SIZE)


def write_images(folder, rows=range(ROWS)):
    images = os.path.join(folder, 'images_001', 'images')
    os.makedirs(images)
    for i in rows:
        with open(os.path.join(images, name(i)), 'wb') as file:
            file.write(image(i))


@functools.lru_cache(maxsize=None)
def tiny():
    """A folder of data sets that holds one, "tiny"."""
    datasets = program.new_folder('datasets')
    write_table(os.path.join(datasets, 'tiny'))
    write_images(os.path.join(datasets, 'tiny'))
    return datasets


@functools.lru_cache(maxsize=None)
def trained(seed=1):
    """The folder that `cxrd train` left: a step of training, so that it is quick and still no constant."""
    out = os.path.join(program.new_folder('trained'), 'out')
    done = program.run('train', '--datasets', tiny(), '--dataset', 'tiny', '--out', out, '--threads', '2', '--set',
                       f'image_size={SIZE}', '--set', 'epochs=1', '--set', 'steps_per_epoch=2', '--set',
                       'batch_size=8', '--set', f'seed={seed}')
    if done.returncode != 0:
        raise AssertionError(f'cxrd train: {done.stderr}')
    return out


def weights_path(seed=1):
    return os.path.join(trained(seed), 'weights.safetensors')


@functools.lru_cache(maxsize=None)
def weights(seed=1):
    with open(weights_path(seed), 'rb') as file:
        return file.read()


@functools.lru_cache(maxsize=None)
def shades():
    """A folder of data sets that holds one, "shades", of which everything can be learned: dark films have a Mass, bright ones
    an Effusion, and normal ones are of either kind. A patient a film."""
    datasets = program.new_folder('datasets')
    folder = os.path.join(datasets, 'shades')
    images = os.path.join(folder, 'images_001', 'images')
    os.makedirs(images)
    lines = []
    for i in range(96):
        words = 'No Finding' if i % 8 > 5 else ('Mass', 'Effusion')[i % 2]
        lines.append(f'{i:08d}_000.png,{words},0,{i},50,M,PA,{SIZE},{SIZE},0.1,0.1,')
        with open(os.path.join(images, f'{i:08d}_000.png'), 'wb') as file:
            file.write(picture.flat(SIZE, SIZE, value=(30, 140)[i % 2] + i))
    write_table(folder, lines)
    return datasets


def negated(data, tensor='head.weight'):
    """A weights file that thinks the opposite."""
    head, end = header(data)
    begin, stop = (end + offset for offset in head[tensor]['data_offsets'])
    changed = bytearray(data)
    for sign in range(begin + 3, stop, 4):
        changed[sign] ^= 0x80
    return bytes(changed)


def judging(data, thresholds):
    """A weights file whose model has a verdict on every finding.

    thresholds -- {kind of operating point: {finding: threshold}}; of other kinds there are none
    """
    head, end = header(data)
    metadata = head['__metadata__']
    points = {}
    for label in LABELS:
        points[label] = {kind: thresholds.get(kind, {}).get(label) for kind in ('youden', 'sensitivity_90', 'specificity_90')}
        points[label] |= {'auroc': 0.75, 'auroc_low': 0.7, 'auroc_high': 0.8, 'positives': 100, 'negatives': 100}
    metadata['operating_points'] = json.dumps(points)
    text = json.dumps(head).encode()
    text += b' ' * (-len(text) % 8)
    return len(text).to_bytes(8, 'little') + text + data[end:]


def predict_here(pictures, weights_file):
    """What `cxrd predict --weights` says of pictures: a list of replies."""
    folder = program.new_folder('pictures')
    paths = []
    for i, data in enumerate(pictures):
        paths.append(os.path.join(folder, f'{i}.png'))
        with open(paths[-1], 'wb') as file:
            file.write(data)
    done = program.run('predict', '--weights', weights_file, '--json', *paths)
    if done.returncode != 0:
        raise AssertionError(f'cxrd predict: {done.stderr}')
    return [json.loads(reply) for reply in done.stdout.splitlines()]


def header(data):
    """A weights file's header, and where what it describes begins."""
    end = 8 + int.from_bytes(data[:8], 'little')
    return json.loads(data[8:end]), end


def metadata(seed=1):
    return header(weights(seed))[0]['__metadata__']


def changed(data, change):
    """A weights file with another header."""
    head, end = header(data)
    change(head)
    text = json.dumps(head).encode()
    text += b' ' * (-len(text) % 8)
    return len(text).to_bytes(8, 'little') + text + data[end:]


def without_note(data, key):
    """A weights file that does not say one of the things that it said."""
    return changed(data, lambda head: head['__metadata__'].pop(key))


def verdicts(data):
    """A weights file as older versions wrote them: with thresholds, and without a word of how many rows they rest on."""
    def forget(head):
        points = json.loads(head['__metadata__']['operating_points'])
        for point in points.values():
            for name in ('auroc_low', 'auroc_high', 'positives', 'negatives'):
                del point[name]
        head['__metadata__']['operating_points'] = json.dumps(points)
    return changed(data, forget)


def calibration(seed=1):
    """(scale, shift) of each finding: probability = sigmoid(scale * logit + shift)."""
    told = json.loads(metadata(seed).get('calibration', 'null')) or {'scale': [1] * 14, 'shift': [0] * 14}
    return {label: (told['scale'][k], told['shift'][k]) for k, label in enumerate(LABELS)}
