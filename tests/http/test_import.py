"""Models that others trained: `cxrd import` and POST /models."""
import array
import functools
import gzip
import importlib.util
import io
import json
import math
import os
import pickle
import random
import struct
import subprocess
import sys
import unittest
import urllib.parse
import zipfile

from support import architectures, client, dataset, picture, program, torch_file
from support.case import Case, ServerCase


def read(path):
    with open(path, 'rb') as file:
        return file.read()


class Command(Case):

    def test_a_file_of_ours_stays_as_it_is(self):
        out = os.path.join(program.new_folder('import'), 'model.safetensors')
        done = program.run('import', dataset.weights_path(), '-o', out)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        self.assertEqual(json.loads(done.stdout), {'format': 'cxrd'})
        self.assertEqual(read(out), dataset.weights())

    def test_a_file_that_is_there_is_not_written_over(self):
        out = os.path.join(program.new_folder('import'), 'model.safetensors')
        with open(out, 'wb') as file:
            file.write(b'mine')
        done = program.run('import', dataset.weights_path(), '--out', out)
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertIn('is there already', done.stderr)
        self.assertEqual(read(out), b'mine')
        self.assertEqual(program.run('import', dataset.weights_path(), '--out', out, '--overwrite').returncode, 0)
        self.assertEqual(read(out), dataset.weights())

    def test_a_refusal_is_a_sentence_and_leaves_no_file(self):
        folder = program.new_folder('import')
        path, out = os.path.join(folder, 'x'), os.path.join(folder, 'model.safetensors')
        with open(path, 'wb') as file:
            file.write(b'x' * 100)
        for arguments, status, says in (((path,), 1, 'safetensors'), ((path + 'y',), 1, 'x'), ((), 2, 'give one file'),
                                        ((dataset.weights_path(), '--labels', 'A'), 1, "'labels'"),
                                        ((dataset.weights_path(), '--image-size', '63'), 2, '64..1024')):
            with self.subTest(arguments):
                done = program.run('import', *arguments, '--out', out)
                self.assertEqual((done.returncode, done.stdout), (status, ''))
                self.assertRegex(done.stderr, f'^cxrd import: .*{says}')
                self.assertEqual(os.listdir(folder), ['x'])

    def test_of_a_checkpoint_with_an_optimisers_states_the_network_is_read(self):
        weights = architectures.mobilenet_v2()
        pairs, numbers = torch_file.numbers_of(weights)
        states = 129 << 20  # bytes, more than a weights file may have
        moments = [(torch_file.number(i), torch_file.dict_of([('step', torch_file.number(9)), ('exp_avg', torch_file.tensor('m', states // 4, [states // 4]))]))
                   for i in range(2)]
        value = torch_file.dict_of([('epoch', torch_file.number(3)), ('optimizer', torch_file.dict_of([('state', torch_file.dict_of(moments))])),
                                    ('model', torch_file.dict_of(pairs))])
        for file_of in (torch_file.zip_of, torch_file.legacy_of):
            path = keep(file_of(torch_file.pickle_of(value), {**numbers, 'm': bytes(states)}))
            done = program.run('import', path, '-o', path + '.safetensors', '--labels', ','.join(dataset.LABELS), '--image-size', '64')
            os.remove(path)
            self.assertEqual((done.returncode, done.stderr), (0, ''))
            self.assertEqual(take_apart(read(path + '.safetensors'))[1], take_apart(weights)[1])

    def test_a_schedules_function_is_passed_over(self):
        """torch.save({'scheduler': OneCycleLR(...).state_dict()}) of PyTorch 1: a method of the schedule, which has its optimiser."""
        weights = architectures.mobilenet_v2()
        pairs, numbers = torch_file.numbers_of(weights)
        optimiser = torch_file.name('torch.optim.sgd', 'SGD') + b')\x81' + torch_file.dict_of([('defaults', torch_file.dict_of(()))]) + b'b'
        schedule = (torch_file.name('torch.optim.lr_scheduler', 'OneCycleLR') + b')\x81'
                    + torch_file.dict_of([('total_steps', torch_file.number(9)), ('optimizer', optimiser)]) + b'b')
        function = torch_file.call(torch_file.name('__builtin__', 'getattr'), schedule, torch_file.text('_annealing_cos'))
        value = torch_file.dict_of([('lr', torch_file.dict_of([('anneal_func', function)])), ('model', torch_file.dict_of(pairs))])
        path = keep(torch_file.zip_of(torch_file.pickle_of(value), numbers))
        done = program.run('import', path, '-o', path + '.safetensors', '--labels', ','.join(dataset.LABELS), '--image-size', '64')
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        self.assertEqual(take_apart(read(path + '.safetensors'))[1], take_apart(weights)[1])

    def test_a_network_that_is_too_large_is_refused_and_so_is_a_file(self):
        states = 129 << 20
        value = torch_file.dict_of([('state_dict', torch_file.dict_of([('m', torch_file.tensor('m', states // 4, [states // 4]))]))])
        path = keep(torch_file.zip_of(torch_file.pickle_of(value), {'m': bytes(states)}))
        done = program.run('import', path)
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertRegex(done.stderr, 'more than [0-9]+ values')
        os.truncate(path, (1 << 30) + 1)  # a hole: no disk
        done = program.run('import', path)
        os.remove(path)
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertIn(f'the limit is {1 << 30}', done.stderr)


def keep(data, name='file'):
    path = os.path.join(program.new_folder('import'), name)
    with open(path, 'wb') as file:
        file.write(data)
    return path


def take_apart(weights):
    """A safetensors file as its metadata and {name: bytes}."""
    size = 8 + int.from_bytes(weights[:8], 'little')
    header = json.loads(weights[8:size])
    return header.pop('__metadata__', {}), {name: weights[size + v['data_offsets'][0]:size + v['data_offsets'][1]]
                                            for name, v in header.items()}


class ImportCase(ServerCase):

    def send(self, data, options):
        query = urllib.parse.urlencode(options)
        return self.post(f'/models?{query}' if query else '/models', data, Content_Type='application/octet-stream')

    def refuse(self, data, says, **options):
        self.assert_problem(self.send(data, options), 422, says)

    def take(self, data, **options):
        """The report, and the weights file that it becomes."""
        reply = self.send(data, options)
        self.assertEqual(reply.status, 201, reply)
        card = reply.json()
        file = self.get(f'/models/{card["id"]}/weights').body
        self.assertEqual(self.client_delete(card), 204)
        return card['import'], file

    def client_delete(self, card):
        return client.request(self.server, 'DELETE', f'/models/{card["id"]}').status


class Hostile(ImportCase):
    """A pickle is a program. None of it runs, and what it would have run is named."""

    def setUp(self):
        super().setUp()
        self.mark = os.path.join(program.new_folder('mark'), 'mark')

    def both(self, pickled, says):
        """In a zip, in a file of before there were zips, and as it is."""
        for data in (torch_file.zip_of(pickled), torch_file.legacy_of(pickled), pickled):
            with self.subTest(says=says, kind=data[:2]):
                self.refuse(data, says)
                self.assertFalse(os.path.exists(self.mark))

    def test_what_would_call_something_is_refused_by_its_name(self):
        class Evil:
            def __init__(self, *call):
                self.call = call

            def __reduce__(self):
                return self.call

        shell = f'touch {self.mark}'
        for what, says in ((Evil(os.system, (shell,)), "'posix.system' at byte"), (Evil(eval, ('1',)), "'__builtin__.eval' at byte"),
                           (Evil(exec, ('1',)), "'__builtin__.exec' at byte"), (Evil(subprocess.Popen, (shell,)), ".Popen' at byte"),
                           (Evil(getattr, (os, 'system')), 'an attribute (getattr) of a value that is no object'), (Evil(open, (self.mark, 'w')), "'io.open'"),
                           (Evil(functools.partial, (os.system, shell)), "'functools.partial'")):
            if what.call[0] is getattr:
                what.call = (getattr, ('', 'x'))
            self.both(pickle.dumps(what, 2), says)
            self.both(pickle.dumps({'state_dict': {'a': what}}, 2), says)
        for module, name in (('torch', 'load'), ('torch.serialization', 'load'), ('torch.hub', 'load'), ('runpy', '_run_code'),
                             ('torch._utils', '_import_dotted_name'), ('torch.nn.modules', 'Linear'), ('torch.nn.modules.', 'eval'),
                             ('torchvision.models.resnet', 'resnet18'), ('torch.nn.modules.container', 'Sequential.x'),
                             ('__main__', 'Net'), ('os', 'system'), ('collections', 'Counter'), ('torch._utils', '_rebuild_tensor_v3')):
            self.both(torch_file.pickle_of(torch_file.call(torch_file.name(module, name))), f"'{module}.{name}' at byte")

    def test_an_attribute_of_an_object_stands_for_nothing(self):
        linear = torch_file.name('torch.nn.modules.linear', 'Linear')
        for what, rest, says in ((torch_file.name('os', 'system'), (torch_file.text('x'),), "'os.system' at byte"),
                                 (torch_file.call(torch_file.name('torch', 'device'), torch_file.text('cpu')), (torch_file.text('x'),), 'of a value that is no object'),
                                 (linear, (), 'without a name'), (linear, (b'N',), 'without a name')):
            self.both(torch_file.pickle_of(torch_file.call(torch_file.name('__builtin__', 'getattr'), what, *rest)), says)
        found = torch_file.call(torch_file.name('__builtin__', 'getattr'), linear + b')\x81', torch_file.text('__init__'))
        self.both(torch_file.pickle_of(torch_file.call(found, torch_file.text(f'touch {self.mark}'))), 'a call of a value that is no function')
        self.both(torch_file.pickle_of(torch_file.call(torch_file.name('__builtin__', 'getattr'), found, torch_file.text('x'))), 'of a value that is no object')

    def test_the_other_ways_to_call_are_refused_by_their_name(self):
        shell = torch_file.text(f'touch {self.mark}')
        rows = {'INST': b'(' + shell + b'ios\nsystem\n', 'OBJ': b'(' + b'cos\nsystem\n'[:0] + shell + b'o', 'EXT1': b'\x82\x01',
                'EXT2': b'\x83\x01\x00', 'EXT4': b'\x84\x01\0\0\0', 'STACK_GLOBAL': torch_file.text('os') + torch_file.text('system') + b'\x93',
                'NEWOBJ_EX': b'N))\x92', 'PERSID': b'Pos.system\n', 'FRAME': b'\x95' + bytes(8), 'MEMOIZE': b'N\x94',
                'SHORT_BINUNICODE': b'\x8c\x01a', 'BINBYTES': b'B\0\0\0\0', 'INT': b'I1\n', 'LONG4': b'\x8b\0\0\0\0',
                'DUP': b'N2', '0xff': b'\xff', '0x00': b'\0'}
        for operation, code in rows.items():
            self.both(torch_file.pickle_of(code), f'the operation {operation} at byte')

    def test_objects_of_classes_are_only_what_they_carry(self):
        linear = torch_file.name('torch.nn.modules.linear', 'Linear')
        for code, says in ((torch_file.call(linear, torch_file.number(1)), 'a call of a class'),
                           (torch_file.name('torch', 'FloatStorage') + b')\x81', 'an object of a value that is no class'),
                           (linear + b')\x81' + b'Nb', 'attributes are no dictionary'), (torch_file.text('x') + b'}b', 'attributes of a value that is no object'),
                           (torch_file.call(torch_file.text('os.system')), 'a call of a value that is no function')):
            self.both(torch_file.pickle_of(code), says)

    def test_what_does_not_end_is_ended(self):
        laughs = b']q\x00' + b''.join(b'](' + 10 * (b'h' + bytes([i])) + b'eq' + bytes([i + 1]) for i in range(100))
        self.both(torch_file.pickle_of(laughs + b'(' + b'N' * 5 + b't'), 'not with one value')
        self.both(torch_file.pickle_of(b'(' * 100000), 'more than 1024 lists within each other')
        self.both(torch_file.pickle_of(b'N' * 100000), 'more than 65536 values on its stack')
        self.both(torch_file.pickle_of(b'Nr\xff\xff\xff\x7f'), 'keeps more than')
        self.both(torch_file.pickle_of(b'0N'), 'takes a value that is not there')
        self.both(torch_file.pickle_of(b'N(0N'), 'takes a value that is not there')
        self.both(torch_file.pickle_of(b'h\x05'), 'recalls an entry that it has not kept')
        self.refuse(torch_file.zip_of(b'\x80\x02N'), 'ends without STOP')
        self.both(b'\x80\x04N.', "the pickle's protocol is 4")
        itself = torch_file.name('torch.nn.modules.container', 'Sequential') + b')\x81q\x00' + torch_file.dict_of(
            [('_modules', torch_file.dict_of([('a', b'h\x00')]))]) + b'b'
        self.refuse(torch_file.zip_of(torch_file.pickle_of(itself)), 'nested more than 24 deep')
        wide = torch_file.name('torch.nn.modules.container', 'Sequential') + b')\x81'
        for i in range(20):  # each of the modules has the one before ten times
            wide = torch_file.name('torch.nn.modules.container', 'Sequential') + b')\x81' + b'}(' + torch_file.text('_modules') + b'}(' + torch_file.text('0') \
                + wide + b'q' + bytes([i]) + b''.join(torch_file.text(str(k)) + b'h' + bytes([i]) for k in range(1, 10)) + b'u' + b'ub'
        self.refuse(torch_file.zip_of(torch_file.pickle_of(wide)), 'do not end')


class Tensors(ImportCase):
    """A file's claims about its numbers are held against them."""

    def broken(self, value, says, numbers=(('0', bytes(24)),), **legacy):
        pickled = torch_file.pickle_of(torch_file.dict_of([('w', value)]))
        for data in (torch_file.zip_of(pickled, numbers), torch_file.legacy_of(pickled, numbers, **legacy)):
            with self.subTest(says=says, kind=data[:2]):
                self.refuse(data, says)

    def test_a_tensor_that_does_not_lie_in_its_storage(self):
        tensor = torch_file.tensor
        for value in (tensor('0', 6, [2, 4]), tensor('0', 6, [2, 3], offset=1), tensor('0', 6, [2, 3], [4, 1]), tensor('0', 6, [7]),
                      tensor('0', 6, [2], [6]), tensor('0', 6, [1 << 40, 1 << 40]), tensor('0', 6, [1 << 62, 1 << 62], [1 << 62, 1 << 62]),
                      tensor('0', 6, [1], offset=1 << 62), tensor('0', 6, [], [], offset=6), tensor('0', 0, [1])):
            self.broken(value, 'does not lie in its storage')
        for value, says in ((tensor('0', 6, [2, 1, 1, 1, 1]), 'more than 4 dimensions'),
                            (tensor('0', 6, [2]).replace(b'(K\x02t', b'(J\xfe\xff\xff\xfft'), 'a size or a stride that is no count'),
                            (tensor('0', 6, [2]).replace(b'(K\x01t', b'(J\xff\xff\xff\xfft'), 'a size or a stride that is no count'),
                            (tensor('0', 6, [2]).replace(b'QK\x00', b'QJ\xff\xff\xff\xff'), 'offset, shape and strides do not fit together'),
                            (tensor('0', 6, [2], [1, 1]), 'offset, shape and strides do not fit together'),
                            (torch_file.call(torch_file.name('torch._utils', '_rebuild_tensor_v2'), b'N'), 'a tensor without a storage'),
                            (torch_file.call(torch_file.name('torch._utils', '_rebuild_parameter'), b'N'), 'a parameter that is no tensor'),
                            (b'NQ', 'persistent id that is no tuple'), (b')Q', 'persistent id that is no storage'),
                            (torch_file.storage('0', 6).replace(b'K\x06', b'J\xff\xff\xff\xff'), 'less than nothing'),
                            (torch_file.tuple_of(torch_file.storage('0', 6), torch_file.storage('0', 5)), 'described otherwise before')):
            self.broken(value, says)

    def test_numbers_that_are_not_there(self):
        value = torch_file.tensor('0', 6, [2, 3])
        pickled = torch_file.pickle_of(torch_file.dict_of([('w', value)]))
        self.refuse(torch_file.zip_of(pickled), "'data/0' has 0 bytes, the pickle says 24")
        self.refuse(torch_file.zip_of(pickled, {'0': bytes(23)}), "'data/0' has 23 bytes, the pickle says 24")
        self.refuse(torch_file.zip_of(pickled, {'0': bytes(25)}), "'data/0' has more than the 24 bytes")
        self.refuse(torch_file.legacy_of(pickled), "'w' has no numbers")
        self.refuse(torch_file.legacy_of(pickled, {'0': bytes(24)})[:-1], 'ends inside of the numbers')
        self.refuse(torch_file.legacy_of(pickled, {'0': bytes(24)}, counts={'0': 5}), 'has 5 values, the pickle says 6')
        self.refuse(torch_file.legacy_of(pickled, {'0': bytes(24), '1': b''}), 'does not speak of')
        huge = torch_file.pickle_of(torch_file.dict_of([('w', torch_file.tensor('0', 1 << 61, [1]))]))
        self.refuse(torch_file.zip_of(huge, {'0': bytes(24)}), "'w' makes the file larger")
        self.refuse(torch_file.legacy_of(huge, {'0': bytes(24)}, counts={'0': 1 << 61}), 'ends inside of the numbers')

    def test_a_few_numbers_of_any_shape(self):
        """One that repeats itself could fill all memory."""
        self.broken(torch_file.tensor('0', 6, [1 << 30, 2], [0, 1]), 'more than 33030144 values')

    def test_the_other_byte_order(self):
        pickled = torch_file.pickle_of(torch_file.dict_of([('w', torch_file.tensor('0', 6, [6]))]))
        self.refuse(torch_file.zip_of(pickled, {'0': bytes(24)}, byteorder=b'big'), 'big-endian')
        self.refuse(torch_file.legacy_of(pickled, {'0': bytes(24)}, little=False), 'big-endian')
        self.refuse(torch_file.zip_of(pickled, {'0': bytes(24)}, byteorder=b'little'), 'no architecture')

    def test_a_zip_is_no_bomb(self):
        pickled = torch_file.pickle_of(torch_file.dict_of([('w', torch_file.tensor('0', 6, [6]))]))
        packed = zipfile.ZIP_DEFLATED
        self.refuse(torch_file.zip_of(bytes(64 << 20), packing=packed), "'data.pkl' has more than the 16777216 bytes")
        self.refuse(torch_file.zip_of(pickled, {'0': bytes(64 << 20)}, packing=packed), "'data/0' has more than the 24 bytes")
        self.refuse(torch_file.zip_of(pickled, {'0': bytes(24)}, packing=zipfile.ZIP_LZMA), 'neither stored nor deflated')
        self.refuse(torch_file.zip_of(pickled, {'0': bytes(24)}, packing=zipfile.ZIP_BZIP2), 'neither stored nor deflated')
        self.refuse(torch_file.zip_of(pickled, {str(i): b'' for i in range(20000)}), 'more than 16384 files')
        self.refuse(torch_file.zip_of(pickled, {'0': bytes(24)}) + torch_file.zip_of(pickled, {'0': bytes(24)})[:100], '')

    def test_a_file_of_another_kind_is_named(self):
        for data, says in ((b'\x89HDF\r\n\x1a\n' + bytes(100), 'an HDF5 file, as Keras writes them'), (b'\x1c\0\0\0TFL3' + bytes(60), 'TensorFlow Lite'),
                           (gzip.compress(torch_file.zip_of(b'')), 'compressed with gzip'), (bytes(257) + b'ustar\x0000' + bytes(250), 'a tar archive'),
                           (b'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n', 'a pointer of Git LFS'),
                           (b'<!DOCTYPE html><html>404', 'a web page'), (b'<html><body>', 'a web page'), (b'\xff\xd8\xff\xe0' + bytes(9), 'a picture')):
            self.refuse(data, f'the file is {says}' if says[0] in 'ac' else says)

    def test_what_is_no_checkpoint(self):
        empty = io.BytesIO()
        with zipfile.ZipFile(empty, 'w') as file:
            file.writestr('readme', 'x')
        self.refuse(empty.getvalue(), "no 'data.pkl'")
        self.refuse(b'PK\3\4' + bytes(100), '')
        self.refuse(torch_file.zip_of(torch_file.pickle_of(b'}'), **{'constants.pkl': b'', 'code/x.py': b''}), 'TorchScript')
        self.refuse(torch_file.zip_of(torch_file.pickle_of(b'}')), 'no tensors that have names')
        self.refuse(torch_file.pickle_of(b'}'), 'a pickle that torch.save() did not write')
        long = torch_file.pickle_of(torch_file.dict_of([('w' * 128, torch_file.tensor('0', 6, [6]))]))
        self.refuse(torch_file.zip_of(long, {'0': bytes(24)}), 'its name is too long')
        steering = torch_file.pickle_of(torch_file.dict_of([('w\n\x1b[2J', torch_file.tensor('0', 6, [6]))]))
        self.refuse(torch_file.zip_of(steering, {'0': bytes(24)}), "'w??[2J' has a name that is no visible ASCII")


def timm_mobilenet(name):
    """torchvision's name of a tensor of MobileNetV2 as timm's."""
    parts = name.split('.')
    if parts[0] == 'classifier':
        return f'classifier.{parts[-1]}'
    place, rest = int(parts[1]), '.'.join(parts[2:])
    if place in (0, 18):
        what = ('conv_stem', 'bn1') if place == 0 else ('conv_head', 'bn2')
        return f'{what[int(parts[2])]}.{parts[-1]}'
    place -= 1
    for family, blocks in enumerate((1, 2, 3, 4, 3, 3, 1)):
        if place < blocks:
            break
        place -= blocks
    names = {'conv.0.0': 'conv_pw', 'conv.0.1': 'bn1', 'conv.1.0': 'conv_dw', 'conv.1.1': 'bn2', 'conv.2': 'conv_pwl', 'conv.3': 'bn3'}
    if family == 0:
        names = {'conv.0.0': 'conv_dw', 'conv.0.1': 'bn1', 'conv.1': 'conv_pw', 'conv.2': 'bn2'}
    return f'blocks.{family}.{place}.{names[rest.rsplit(".", 1)[0]]}.{parts[-1]}'


class Networks(ImportCase):
    """The same numbers under others' names become the same model."""

    PICTURE = {'scaling': '-1..1', 'image_size': 64}
    SAYS = {'labels': ','.join(dataset.LABELS), **PICTURE}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.weights = architectures.mobilenet_v2()
        _, cls.numbers = take_apart(cls.weights)

    def state_dict(self, rename=lambda name: name, more=()):
        pairs, numbers = torch_file.numbers_of(self.weights, rename)
        return pairs + [(name, torch_file.tensor('0', 6, [6])) for name in more], numbers

    def test_names_of_torchvision_and_timm_behind_any_prefix(self):
        rows = (('torchvision', '', torch_file.zip_of), ('torchvision', 'module.', torch_file.legacy_of), ('timm', '', torch_file.legacy_of),
                ('timm', 'model.net.', torch_file.zip_of))
        for wrapped, (whose, prefix, file_of) in enumerate(rows):
            rename = timm_mobilenet if whose == 'timm' else str
            pairs, numbers = self.state_dict(lambda name, rename=rename, prefix=prefix: prefix + rename(name))
            value = torch_file.dict_of(pairs)
            if wrapped % 2:
                value = torch_file.dict_of([('epoch', b'K\x03'), ('state_dict', value), ('best', torch_file.tensor('0', 864, [1]))])
            report, file = self.take(file_of(torch_file.pickle_of(value), numbers), **self.SAYS)
            metadata, found = take_apart(file)
            self.assertTrue(found == self.numbers)
            self.assertEqual((report['layout'], report['prefix'], report['architecture']), (whose, prefix, 'mobilenet_v2'))
            self.assertEqual((report['labels_from'], report['scaling']), ('given', {'name': '-1..1', 'from': 'given'}))
            self.assertEqual((metadata['input_mean'], metadata['input_std'], metadata['image_size']), ('127.5', '127.5', '64'))
            self.assertEqual(json.loads(metadata['import']), report)

    def test_safetensors_of_others(self):
        size = 8 + int.from_bytes(self.weights[:8], 'little')
        header = json.loads(self.weights[8:size])
        for metadata in ({'format': 'pt'}, {'format': 'pt', 'labels': ','.join(dataset.LABELS)}, {'labels': json.dumps(dataset.LABELS)}, None):
            header.pop('__metadata__', None)
            text = json.dumps({**header, **({'__metadata__': metadata} if metadata else {})}).encode()
            data = len(text).to_bytes(8, 'little') + text + self.weights[size:]
            said = bool(metadata and 'labels' in metadata)
            report, file = self.take(data, **(self.PICTURE if said else self.SAYS))
            self.assertEqual((report['format'], report['labels_from']), ('safetensors', 'file' if said else 'given'))
            self.assertTrue(take_apart(file)[1] == self.numbers)
            if not said:
                self.refuse(data, 'has 14 outputs and does not say which findings they are', **self.PICTURE)

    def test_a_list_with_what_is_no_label_says_nothing_of_the_others(self):
        size = 8 + int.from_bytes(self.weights[:8], 'little')
        header = json.loads(self.weights[8:size])
        for odd in (5, 'a,b', None, 5000 * 'a'):
            header['__metadata__'] = {'labels': json.dumps([*dataset.LABELS[:6], odd, *dataset.LABELS[6:]])}
            text = json.dumps(header).encode()
            data = len(text).to_bytes(8, 'little') + text + self.weights[size:]
            self.refuse(data, 'has 14 outputs and does not say which findings they are', **self.PICTURE)

    def test_numbers_that_lie_otherwise(self):
        """Transposed, in the middle of a storage, shared, in other types."""
        pairs, numbers = self.state_dict()
        said = dict(pairs)
        first = array.array('f', self.numbers['features.0.0.weight'])  # [32,3,3,3]
        turned = array.array('f', (first[((o * 3 + i) * 3 + y) * 3 + x] for x in range(3) for y in range(3) for i in range(3) for o in range(32)))
        numbers['turned'] = bytes(40) + turned.tobytes() + bytes(12)
        said['features.0.0.weight'] = torch_file.tensor('turned', 10 + len(turned) + 3, [32, 3, 3, 3], [1, 32, 96, 288], offset=10)
        bias, scale = self.numbers['features.0.1.bias'], self.numbers['features.0.1.weight']
        numbers['both'] = bias + scale
        said['features.0.1.bias'] = torch_file.tensor('both', 64, [32])
        said['features.0.1.weight'] = torch_file.tensor('both', 64, [32], offset=32)
        wide = array.array('d', array.array('f', self.numbers['features.18.1.bias']))
        numbers['wide'] = wide.tobytes()
        said['features.18.1.bias'] = torch_file.tensor('wide', len(wide), [len(wide)], kind='DoubleStorage')
        pickled = torch_file.pickle_of(torch_file.dict_of(said.items()))
        numbers = {key: data for key, data in numbers.items() if torch_file.text(key) in pickled}
        for kind in ('zip', 'legacy'):
            data = torch_file.zip_of(pickled, numbers) if kind == 'zip' else torch_file.legacy_of(pickled, numbers, counts={'wide': len(wide)})
            self.assertTrue(take_apart(self.take(data, **self.SAYS)[1])[1] == self.numbers)

    def test_half_the_bits(self):
        small = array.array('f', self.numbers['features.18.1.weight'])
        upper = b''.join(struct.pack('<f', v)[2:] for v in small)
        halves = struct.pack(f'<{len(small)}e', *small)
        for kind, data, expected in (('BFloat16Storage', upper, b''.join(b'\0\0' + upper[i:i + 2] for i in range(0, len(upper), 2))),
                                     ('HalfStorage', halves, array.array('f', struct.unpack(f'<{len(small)}e', halves)).tobytes())):
            pairs, numbers = self.state_dict()
            said = dict(pairs)
            numbers['half'] = data
            said['features.18.1.weight'] = torch_file.tensor('half', len(small), [len(small)], kind=kind)
            file = torch_file.zip_of(torch_file.pickle_of(torch_file.dict_of(said.items())), numbers)
            self.assertTrue(take_apart(self.take(file, **self.SAYS)[1])[1] == {**self.numbers, 'features.18.1.weight': expected})

    def test_what_does_not_fit(self):
        pairs, numbers = self.state_dict()

        def made(pairs):
            return torch_file.zip_of(torch_file.pickle_of(torch_file.dict_of(pairs)), numbers)

        missing = [(name, value) for name, value in pairs if name != 'features.3.conv.1.1.running_var']
        self.refuse(made(missing), "'features.3.conv.1.1.running_var' of 'mobilenet_v2' is missing", **self.SAYS)
        for name in ('features.1.se.fc1.weight', 'other.weight', 'classifier.1.running_mean'):
            self.refuse(made(pairs + [(name, torch_file.tensor('0', 864, [864]))]), f"'{name}' does not belong to 'mobilenet_v2'", **self.SAYS)
        self.refuse(made(pairs + pairs[:1]), "'features.0.0.weight' does not belong", **self.SAYS)
        self.refuse(made(pairs + [('classifier.3.weight', torch_file.tensor('0', 864, [14, 14]))]), 'more than one layer', **self.SAYS)
        shaped = [(name, torch_file.tensor('0', 864, [32, 3, 9]) if name == 'features.0.0.weight' else value) for name, value in pairs]
        self.refuse(made(shaped), "'features.0.0.weight' has the wrong shape", **self.SAYS)
        whole = [(name, torch_file.tensor('0', 864, [32, 3, 3, 3], kind='IntStorage') if name == 'features.0.0.weight' else value) for name, value in pairs]
        self.refuse(made(whole), "is of whole numbers", **self.SAYS)
        infinite = dict(numbers)
        infinite['0'] = b'\0\0\x80\x7f' * 864
        self.refuse(torch_file.zip_of(torch_file.pickle_of(torch_file.dict_of(pairs)), infinite), 'not a finite number', **self.SAYS)
        self.refuse(made(pairs), "'architecture' is 'resnet18', the tensors are those of 'mobilenet_v2'", **self.SAYS, architecture='resnet18')
        self.refuse(made(pairs), "'scaling' must be", labels='chexnet', scaling='grey')
        self.refuse(made(pairs), "'resize' must be", **self.SAYS, resize='cubic')

    def test_tensors_beside_the_network_are_named_and_not_read(self):
        """A LightningModule has the buffers of its loss, BCEWithLogitsLoss(pos_weight) for one, and those of its metrics beside its network."""
        def made(prefix, more, left_out=()):
            pairs, numbers = self.state_dict(lambda name: prefix + name)
            kept = [(name, value) for name, value in pairs if not name.startswith(tuple(left_out))]
            kept += [(name, torch_file.tensor('0', 864, [864])) for name in more]
            return torch_file.zip_of(torch_file.pickle_of(torch_file.dict_of(kept)), numbers)

        said = 'tensors beside the network were not read: '
        for prefix, more, names in (('model.', ('criterion.pos_weight', 'metric.a', 'metric.b', 'metric.c'), "'criterion.pos_weight', 'metric.a', 'metric.b' and others"),
                                    ('', ('loss_fn.weight', 'loss.a.b'), "'loss_fn.weight', 'loss.a.b'")):
            report, file = self.take(made(prefix, more), **self.SAYS)
            self.assertTrue(take_apart(file)[1] == self.numbers)
            self.assertIn(said + names, report['warnings'])
            self.assertEqual(report['tensors'], {'read': len(self.numbers), 'passed_over': len(more)})
        for prefix, more in (('', 'metric.0'), ('', 'lossless.weight'), ('model.', 'model.criterion.pos_weight'), ('model.', 'adapter.weight'),
                             ('model.', 'calibration.bias')):
            self.refuse(made(prefix, (more,)), f"'{more}' does not belong to 'mobilenet_v2'", **self.SAYS)
        self.refuse(made('model.', ('fc.weight',), ['model.classifier.']), "'fc.weight' does not belong to 'mobilenet_v2'", **self.SAYS)
        self.take(made('model.', ('criterion.pos_weight',), ['model.classifier.']), **self.SAYS)
        self.refuse(made('student.', ('teacher.features.17.conv.3.weight',)), "two networks, behind 'student.' and 'teacher.'", **self.SAYS)

    def test_outputs_are_findings_by_name(self):
        pairs, numbers = self.state_dict()
        data = torch_file.zip_of(torch_file.pickle_of(torch_file.dict_of(pairs)), numbers)
        report, file = self.take(data, labels='chexpert', **self.PICTURE)
        metadata, found = take_apart(file)
        self.assertEqual(metadata['labels'], 'Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,Consolidation,'
                         'Pneumonia,Atelectasis,Pneumothorax,Effusion,Pleural Other,Fracture,Support Devices')
        self.assertEqual(found['classifier.1.weight'], self.numbers['classifier.1.weight'][1280 * 4:])
        self.assertEqual(report['outputs'][0], {'output': 0, 'name': 'No Finding', 'label': None, 'why': 'it means that there is no finding'})
        self.assertEqual(report['outputs'][10], {'output': 10, 'name': 'Pleural Effusion', 'label': 'Effusion'})
        report, file = self.take(data, labels=',,Mass' + 11 * ',', **self.PICTURE)
        self.assertEqual(take_apart(file)[1]['classifier.1.bias'], self.numbers['classifier.1.bias'][8:12])
        self.assertEqual([o['why'] for o in report['outputs'] if not o['label']], 13 * ['it has no name'])
        for labels, says in (('Mass', "'labels' are 1, the file has 14 outputs"), (13 * ',', 'none of the outputs means a finding'),
                             ('Mass,mass' + 12 * ',', 'it is there twice'), ('Mass,a|b' + 12 * ',', 'a character that cannot stand'),
                             ('xrv', "'labels' are 18")):
            self.refuse(data, says, labels=labels, **self.PICTURE)

    def test_thresholds(self):
        pairs, numbers = self.state_dict()
        data = torch_file.zip_of(torch_file.pickle_of(torch_file.dict_of(pairs)), numbers)
        given = ['nan', '0.25'] + 12 * ['0.5']
        _, file = self.take(data, **self.SAYS, thresholds=','.join(given))
        metadata, _ = take_apart(file)
        self.assertEqual(metadata['labels'], ','.join(dataset.LABELS[1:]))
        self.assertEqual(json.loads(metadata['calibration']),
                         {'method': 'thresholds', 'scale': 13 * [1], 'shift': 13 * [0], 'threshold': [0.25] + 12 * [0.5]})
        for text, says in (('0.5', "'thresholds' are 1"), (','.join(['0'] + given[1:]), "not '0'"), (','.join(['1'] + given[1:]), "not '1'"),
                           (','.join(['x'] + given[1:]), "not 'x'"), (','.join([''] + given[1:]), "not ''"),
                           (','.join(['1e-300'] + given[1:]), 'not between 0 and 1'), ('densenet121-res224-all', "'thresholds' are 18")):
            self.refuse(data, says, **self.SAYS, thresholds=text)

    def test_64_findings_of_usual_names_and_their_thresholds_fit_in_a_query(self):
        pairs, numbers = self.state_dict()
        numbers['many'] = bytes(64 * 1280 * 4)
        many = dict(pairs)
        many['classifier.1.weight'] = torch_file.tensor('many', 64 * 1280, [64, 1280])
        many['classifier.1.bias'] = torch_file.tensor('many', 64 * 1280, [64])
        data = torch_file.zip_of(torch_file.pickle_of(torch_file.dict_of(many.items())), numbers)
        names = [f'enlarged cardiomediastinum {i}' for i in range(64)]
        thresholds = [f'{0.1 + i / 1000:.16f}' for i in range(64)]
        for comma in (',', '%2C'):
            query = '&'.join(f'{name}={comma.join(urllib.parse.quote(one) for one in values)}'
                             for name, values in (('labels', names), ('thresholds', thresholds)))
            reply = self.post(f'/models?{query}&image_size=64', data, Content_Type='application/octet-stream')
            self.assertEqual(reply.status, 201, reply)
            self.assertEqual(reply.json()['labels'], names)

    def test_a_head_of_other_pictures(self):
        pairs, numbers = self.state_dict()
        numbers['many'] = bytes(1000 * 1280 * 4)
        many = dict(pairs)
        many['classifier.1.weight'] = torch_file.tensor('many', 1280000, [1000, 1280])
        many['classifier.1.bias'] = torch_file.tensor('many', 1280000, [1000])
        for said, says in ((many, 'has 1000 outputs, which are classes of other pictures: it cannot answer for findings'),
                           ({k: v for k, v in many.items() if 'classifier' not in k}, 'has no head: it cannot answer for findings')):
            data = torch_file.zip_of(torch_file.pickle_of(torch_file.dict_of(said.items())), numbers)
            self.refuse(data, says, **self.PICTURE)
            report, file = self.take(data, **self.SAYS)
            metadata, found = take_apart(file)
            self.assertEqual((report['head'], metadata['backbone']), ('new', '1'))
            self.assertEqual(found['classifier.1.weight'], bytes(14 * 1280 * 4))
            self.assertEqual(found['features.18.0.weight'], self.numbers['features.18.0.weight'])
            done = program.run('predict', '--weights', keep(file), keep(picture.noise(1)))
            self.assertEqual(done.returncode, 1)
            self.assertIn('its head has learned nothing', done.stderr)


@unittest.skipUnless(importlib.util.find_spec('torch') and importlib.util.find_spec('torchvision'), 'python3-torchvision is not installed')
class PyTorch(ServerCase):
    """What PyTorch saves is read, and answers what PyTorch answers."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = program.new_folder('torch')
        rng = random.Random(5)
        grey = bytes(min(255, max(0, int(128 + 90 * math.sin(x / 9) * math.cos(y / 7) + rng.uniform(-30, 30)))) for y in range(64) for x in range(64))
        cls.film = picture.png(64, 64, b''.join(b'\0' + grey[i:i + 64] for i in range(0, 4096, 64)))
        with open(os.path.join(cls.folder, 'grey'), 'wb') as file:
            file.write(grey)
        done = subprocess.run([sys.executable, os.path.join(os.path.dirname(torch_file.__file__), 'torch_models.py'), cls.folder, os.path.join(cls.folder, 'grey'), '64'],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        with open(os.path.join(cls.folder, 'said.json'), encoding='ascii') as file:
            cls.said = json.load(file)

    def agrees(self, name, report, **options):
        query = urllib.parse.urlencode({'image_size': 64, **options})
        data = read(os.path.join(self.folder, f'{name}.pth'))
        reply = self.post(f'/models?{query}', data, Content_Type='application/octet-stream')
        self.assertEqual(reply.status, 201, reply)
        card = reply.json()
        self.assertEqual({key: card['import'][key] for key in report}, report)
        self.assertEqual(self.post(f'/models/{card["id"]}/activate').status, 200)
        found = self.predict(self.film).json()['probabilities']
        self.assertEqual(set(found), set(self.said[name]))
        self.assertGreater(max(found.values()) - min(found.values()), 0.1)
        for label, p in self.said[name].items():
            self.assertLess(abs(found[label] - p), 1e-5, (name, label, found[label], p))
        return card

    def test_torchvisions_residual_networks(self):
        imagenet = {'name': 'imagenet', 'from': 'assumed'}
        for name, kind in (('resnet18_whole', 'pytorch'), ('resnet18_legacy', 'pytorch-legacy')):
            self.agrees(name, {'format': kind, 'layout': 'torchvision', 'scaling': imagenet, 'tensors': {'read': 102, 'passed_over': 20}}, labels='chexnet')

    def test_one_of_half_the_bits(self):
        self.agrees('mobilenet_v2_half', {'format': 'pytorch', 'prefix': ''}, labels='chexnet')

    def test_a_mobilenet_of_before_there_were_zips(self):
        self.agrees('mobilenet_v2', {'format': 'pytorch-legacy', 'prefix': 'module.'}, labels='chexnet')

    def test_shufflenets_of_every_width(self):
        for width in ('x0_5', 'x1_0', 'x1_5', 'x2_0'):
            name = f'shufflenet_v2_{width}'
            self.agrees(name, {'architecture': name, 'layout': 'torchvision', 'tensors': {'read': 282, 'passed_over': 56}}, labels='chexnet')

    def test_torchxrayvisions(self):
        xrv = {'name': 'xrv', 'from': 'recognised'}
        for name, labels_from in (('xrv_whole', 'file'), ('xrv', 'recognised')):
            card = self.agrees(name, {'architecture': 'densenet121', 'labels_from': labels_from, 'scaling': xrv})
            self.assertEqual((card['channels'], len(card['labels'])), (1, 16))
            self.assertEqual([o['why'] for o in card['import']['outputs'] if o['label'] is None], 2 * ['it has no threshold: it was never trained'])

    def test_a_chexnet(self):
        card = self.agrees('chexnet', {'architecture': 'densenet121', 'labels_from': 'assumed', 'prefix': 'module.densenet121.'})
        self.assertIn('networks for CheXpert', card['import']['warnings'][0])


class Served(ServerCase):

    def test_a_checkpoint_becomes_a_model_that_answers(self):
        weights = architectures.mobilenet_v2()
        pairs, numbers = torch_file.numbers_of(weights)
        data = torch_file.zip_of(torch_file.pickle_of(torch_file.dict_of(pairs)), numbers)
        reply = self.post(f'/models?labels={",".join(dataset.LABELS)}&scaling=-1..1&image_size=64', data, Content_Type='application/octet-stream')
        self.assertEqual(reply.status, 201, reply)
        card = reply.json()
        self.assertEqual((card['imported'], card['backbone'], card['import']['layout']), (True, False, 'torchvision'))
        self.assertEqual(len(card['import']['outputs']), 14)
        file = self.get(f'/models/{card["id"]}/weights').body
        self.assertEqual(card['bytes'], len(file))
        self.assertEqual(self.post(f'/models/{card["id"]}/activate').status, 200)
        reply = self.assert_prediction(self.predict(picture.noise(1)))
        self.assertEqual(reply['model']['id'], card['id'])

    def test_one_that_has_learned_nothing_is_not_activated(self):
        weights = architectures.mobilenet_v2()
        pairs, numbers = torch_file.numbers_of(weights)
        pairs = [(name, value) for name, value in pairs if 'classifier' not in name]
        data = torch_file.zip_of(torch_file.pickle_of(torch_file.dict_of(pairs)), numbers)
        options = 'scaling=0..1&image_size=64'
        self.assert_problem(self.post(f'/models?{options}', data, Content_Type='application/octet-stream'), 422, 'has no head')
        card = self.post(f'/models?{options}&labels=chexnet', data, Content_Type='application/octet-stream').json()
        self.assertTrue(card['backbone'])
        self.assert_problem(self.post(f'/models/{card["id"]}/activate'), 409, 'its head has learned nothing')
        self.assert_problem(self.get(f'/models/{card["id"]}/onnx'), 409, 'its head has learned nothing')

    def test_row_70_a_hostile_checkpoint_is_422_and_runs_nothing(self):
        mark, before = os.path.join(program.new_folder('mark'), 'mark'), self.get('/models').json()
        pickled = b'\x80\x02cos\nsystem\n' + torch_file.text(f'touch {mark}') + b'\x85R.'
        for data in (torch_file.zip_of(pickled), torch_file.legacy_of(pickled), pickled):
            self.assert_problem(self.post('/models', data, Content_Type='application/octet-stream'), 422, "'os.system' at byte")
        self.assertFalse(os.path.exists(mark))
        self.assertTrue(self.get('/models').json() == before)


if __name__ == '__main__':
    unittest.main()
