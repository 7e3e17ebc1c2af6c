#!/usr/bin/python3
"""The cost of a DICOM radiograph: /predict of cxrd, the usual way in Python, and an Orthanc that only shows it, in turn.

    bench/dicom.py CXRD [FILE.dcm ...]

Needs python3-pydicom, python3-gdcm and python3-torch, dcmtk and orthanc, and ONNX Runtime where $PEERS names the folder in which `./dev bench
--peers` installed it (build/bench/peers). Without files: a drawn chest as DX of 2500 x 3000 pixels and 12
bits, raw and as JPEG lossless. CPU milliseconds a picture, of all threads and children: least and median of the rounds, and how many
times cxrd's. Python is asked without HTTP, in one process that has everything loaded: pydicom reads the file, pixel values go through
VOI LUT or window and polarity, and are brought to the model's size; then ONNX Runtime, in a node of its own since it has no package for
Python here, or PyTorch computes the same network on one core. That all give the same logits is checked first, to a twentieth: they round
differently. Orthanc gives its PNG of the whole picture
(/preview), and of 256 pixels a side (/rendered), of a file that it has read before and may still hold.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import numpy as np
import pydicom
import torch
from pydicom.dataset import FileMetaDataset
from pydicom.pixel_data_handlers.util import apply_voi_lut

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'peers'))
from torch_peer import Cnn4, read_safetensors  # noqa: E402

ROUNDS, TIMES = 5, 5
PORTS = 18142, 18143  # of Orthanc: HTTP, DICOM
EXPLICIT, DX = '1.2.840.10008.1.2.1', '1.2.840.10008.5.1.4.1.1.1.1'


# ---- what is asked ----

def weights(program, folder):
    data, out = os.path.join(folder, 'data'), os.path.join(folder, 'out')
    subprocess.run([program, 'phantom', '--out', os.path.join(data, 'phantom'), '--images', '64', '--size', '256'], check=True,
                   capture_output=True)
    subprocess.run([program, 'train', '--datasets', data, '--dataset', 'phantom', '--out', out, '--set', 'epochs=1'], check=True,
                   capture_output=True)
    return os.path.join(out, 'weights.safetensors')


def drawn(path):
    """A chest of a kind, with the noise that a detector has."""
    y, x = np.mgrid[-1:1:3000j, -1:1:2500j]
    lungs = sum(np.exp(-((x - side) / 0.28) ** 2 - (y / 0.6) ** 2) for side in (-0.42, 0.42))
    grey = 2600 - 1500 * lungs + np.random.default_rng(1).normal(0, 25, x.shape)
    film = pydicom.Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID, film.file_meta.MediaStorageSOPClassUID = EXPLICIT, DX
    film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID = '2.25.1'
    film.SOPClassUID, film.StudyInstanceUID, film.SeriesInstanceUID, film.PatientID = DX, '2.25.2', '2.25.3', '1'
    film.Modality, film.BodyPartExamined, film.ViewPosition = 'DX', 'CHEST', 'PA'
    film.Rows, film.Columns, film.SamplesPerPixel, film.PhotometricInterpretation = *grey.shape, 1, 'MONOCHROME1'
    film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation = 16, 12, 11, 0
    film.WindowCenter, film.WindowWidth = 2000, 3000
    film.PixelData = grey.clip(0, 4095).astype('<u2').tobytes()
    film.is_little_endian, film.is_implicit_VR = True, False
    film.save_as(path, write_like_original=False)


def films(folder):
    raw, packed = os.path.join(folder, 'raw.dcm'), os.path.join(folder, 'jpeg_lossless.dcm')
    drawn(raw)
    subprocess.run(['dcmcjpeg', '+e1', raw, packed], check=True)
    return raw, packed


def request(url, body=None, kind='application/dicom'):
    with urllib.request.urlopen(urllib.request.Request(url, body, {'Content-Type': kind} if body is not None else {})) as reply:
        return reply.read()


# ---- who is asked ----

def ticks(pid):
    """Processor time of a process, its children that ended and those that live, in milliseconds."""
    spent, children = {}, {}
    for name in filter(str.isdecimal, os.listdir('/proc')):
        try:
            with open(f'/proc/{name}/stat', encoding='utf-8', errors='replace') as file:
                words = file.read().rpartition(')')[2].split()
        except OSError:
            continue  # it has ended
        spent[int(name)] = sum(map(int, words[11:15]))
        children.setdefault(int(words[1]), []).append(int(name))

    def of(one):
        return spent[one] + sum(map(of, children.get(one, [])))

    return of(pid) * 1000 / os.sysconf('SC_CLK_TCK')


class Cxrd:

    def __init__(self, program, file, folder):
        self.process = subprocess.Popen([program, 'serve', '--listen', '127.0.0.1:0', '--state', os.path.join(folder, 'state'),
                                         '--log-level', 'error'], stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[-1]
        with open(file, 'rb') as weights_file:
            card = json.loads(request(f'{self.url}/models', weights_file.read(), 'application/octet-stream'))
        request(f'{self.url}/models/{card["id"]}/activate', b'')

    def ask(self, data):
        return list(json.loads(request(f'{self.url}/predict', data))['probabilities'].values())

    def milliseconds(self):
        return ticks(self.process.pid)


class Orthanc:

    def __init__(self, folder):
        config = os.path.join(folder, 'orthanc.json')
        with open(config, 'w', encoding='ascii') as file:
            json.dump({'StorageDirectory': folder, 'IndexDirectory': folder, 'HttpPort': PORTS[0], 'DicomPort': PORTS[1],
                       'RemoteAccessAllowed': False, 'AuthenticationEnabled': False}, file)
        with open(os.path.join(folder, 'orthanc.log'), 'wb') as log:
            self.process = subprocess.Popen(['/usr/sbin/Orthanc', config], stdout=log, stderr=log)
        self.url = f'http://127.0.0.1:{PORTS[0]}'
        while True:
            try:
                request(f'{self.url}/system')
                break
            except OSError:
                time.sleep(0.1)

    @staticmethod
    def can(url):
        try:
            return bool(request(url))
        except urllib.error.HTTPError:
            return False

    def store(self, data):
        return json.loads(request(f'{self.url}/instances', data))['ID']

    def milliseconds(self):
        return ticks(self.process.pid)


class Python:
    NAME = 'PyTorch'

    def __init__(self, file):
        torch.set_num_threads(1)
        tensors = read_safetensors(file)
        with open(file, 'rb') as raw:
            self.said = json.loads(raw.read(int.from_bytes(raw.read(8), 'little')))['__metadata__']
        self.network = Cnn4(tensors)
        told = json.loads(self.said.get('calibration', '{}'))
        self.scale, self.shift = (torch.tensor(told.get(name, fallback)) for name, fallback in (('scale', 1.0), ('shift', 0.0)))

    def picture(self, path):
        film = pydicom.dcmread(path)
        grey = apply_voi_lut(film.pixel_array, film).astype(np.float32)
        grey /= 2 ** film.BitsStored - 1
        grey = 255 * (1 - grey if film.PhotometricInterpretation == 'MONOCHROME1' else grey)
        return torch.nn.functional.interpolate(torch.from_numpy(np.ascontiguousarray(grey))[None, None], (256, 256), mode='area')

    def ask(self, path):
        """Logits before calibration."""
        x = (self.picture(path) - float(self.said['input_mean'])) / float(self.said['input_std'])
        with torch.no_grad():
            return self.network(x.expand(1, 3, 256, 256)).flatten()

    def logits(self, probabilities):
        """Of what cxrd says."""
        return (torch.logit(torch.tensor(probabilities)) - self.shift) / self.scale

    def milliseconds(self):
        return time.process_time() * 1000


class Onnx(Python):
    NAME = 'ONNX Runtime'

    def __init__(self, program, file):
        super().__init__(file)
        onnx = f'{file}.onnx'
        subprocess.run([program, 'export', file, '-o', onnx], check=True, capture_output=True)
        peer = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'peers', 'ort_logits.mjs')
        self.process = subprocess.Popen(['node', peer, onnx, '1'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, path):
        """The file brings the picture to the network's scale itself."""
        self.process.stdin.write(self.picture(path).contiguous().numpy().tobytes())
        self.process.stdin.flush()
        return torch.tensor(json.loads(self.process.stdout.readline()))

    def milliseconds(self):
        return super().milliseconds() + ticks(self.process.pid)


def turn(who, act, *args):
    begin, wall = who.milliseconds(), time.perf_counter()
    for _ in range(TIMES):
        act(*args)
    return (who.milliseconds() - begin) / TIMES, (time.perf_counter() - wall) * 1000 / TIMES


def compare(path, cxrd, orthanc, pythons):
    with open(path, 'rb') as film:
        data = film.read()
    shown = f'{orthanc.url}/instances/{orthanc.store(data)}'
    ours = pythons[0].logits(cxrd.ask(data))
    asked = {'cxrd, /predict': (cxrd, cxrd.ask, data)}
    for one in pythons:
        theirs = one.ask(path)
        apart = float((ours - theirs).abs().max() / theirs.abs().max())
        if apart > 0.05:
            print(f'{os.path.basename(path)}: the logits differ by {apart:.3f} of the greatest: {one.NAME} takes it for another picture')
        asked[f'Python and {one.NAME}'] = (one, one.ask, path)
    asked['Python, the picture alone'] = (pythons[0], pythons[0].picture, path)
    if orthanc.can(f'{shown}/preview'):  # Debian's reads no JPEG 2000
        asked.update({'Orthanc, /preview': (orthanc, request, f'{shown}/preview'),
                      'Orthanc, /rendered of 256': (orthanc, request, f'{shown}/rendered?width=256&height=256')})
    rounds = [{name: turn(*who) for name, who in asked.items()} for _ in range(ROUNDS)]
    print(f'\n{os.path.basename(path)}, {len(data) / 1e6:.1f} MB | CPU ms, least | median | times cxrd, least | median | wall ms, least')
    for name in asked:
        cpu, wall = zip(*(times[name] for times in rounds))
        ours = [times['cxrd, /predict'][0] for times in rounds]
        print(f'{name} | {min(cpu):.1f} | {statistics.median(cpu):.1f} | {min(cpu) / min(ours):.1f} | '
              f'{statistics.median(cpu) / statistics.median(ours):.1f} | {min(wall):.1f}')


def main():
    with tempfile.TemporaryDirectory() as folder:
        file = weights(sys.argv[1], folder)
        cxrd, orthanc = Cxrd(sys.argv[1], file, folder), Orthanc(folder)
        pythons = ([Onnx(sys.argv[1], file)] if 'PEERS' in os.environ else []) + [Python(file)]
        try:
            for path in sys.argv[2:] or films(folder):
                compare(path, cxrd, orthanc, pythons)
        finally:
            for server in (cxrd, orthanc, *pythons[:-1]):
                server.process.terminate()
                server.process.wait()


main()
