"""Files as torch.save() writes them, put together by hand: whatever a stranger could write."""
import io
import json
import struct
import zipfile

MAGIC = b'\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.'
VERSION = b'\x80\x02M\xe9\x03.'


# ---- pieces of a pickle, protocol 2 ----

def text(value):
    data = value.encode()
    return b'X' + struct.pack('<I', len(data)) + data


def number(value):
    if 0 <= value < 256:
        return b'K' + bytes([value])
    data = value.to_bytes(value.bit_length() // 8 + 1, 'little', signed=True)
    return b'\x8a' + bytes([len(data)]) + data


def name(module, what):
    return f'c{module}\n{what}\n'.encode()


def tuple_of(*items):
    return b'(' + b''.join(items) + b't'


def list_of(*items):
    return b'](' + b''.join(items) + b'e'


def dict_of(pairs):
    return b'}(' + b''.join((text(key) if isinstance(key, str) else key) + value for key, value in pairs) + b'u'


def call(what, *arguments):
    return what + tuple_of(*arguments) + b'R'


def storage(key, count, kind='FloatStorage'):
    return tuple_of(text('storage'), name('torch', kind), text(key), text('cpu'), number(count)) + b'Q'


def tensor(key, count, shape, strides=None, offset=0, kind='FloatStorage'):
    if strides is None:
        strides = [1] * len(shape)
        for i in reversed(range(len(shape) - 1)):
            strides[i] = strides[i + 1] * shape[i + 1]
    return call(name('torch._utils', '_rebuild_tensor_v2'), storage(key, count, kind), number(offset),
                tuple_of(*map(number, shape)), tuple_of(*map(number, strides)), b'\x89', call(name('collections', 'OrderedDict')))


def module(kind, parameters=(), modules=(), **attributes):
    """An object of a class of modules, as a pickled network has them."""
    state = dict_of([('_parameters', dict_of(parameters)), ('_buffers', dict_of(())), ('_modules', dict_of(modules)),
                     *attributes.items()])
    return name(*kind.rsplit('.', 1)) + b')\x81' + state + b'b'


def pickle_of(value):
    return b'\x80\x02' + value + b'.'


# ---- files ----

def zip_of(pickled, numbers=(), packing=zipfile.ZIP_STORED, **more):
    """The zip of a pickle and of {key: bytes}; `more` are files of other names."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', packing) as file:
        file.writestr('archive/data.pkl', pickled)
        for key, data in dict(numbers).items():
            file.writestr(f'archive/data/{key}', data)
        for path, data in more.items():
            file.writestr(f'archive/{path}', data)
    return out.getvalue()


def legacy_of(pickled, numbers=(), little=True, counts=None, size=4):
    """What PyTorch before 1.6 wrote: pickles one after the other, then each storage's count and numbers."""
    said = pickle_of(dict_of([('protocol_version', number(1001)), ('little_endian', b'\x88' if little else b'\x89')]))
    keys = pickle_of(list_of(*(text(key) for key in dict(numbers))))
    data = b''.join(struct.pack('<q', (counts or {}).get(key, len(values) // size)) + values
                    for key, values in dict(numbers).items())
    return MAGIC + VERSION + said + pickled + keys + data


def numbers_of(weights, rename=lambda name: name):
    """A safetensors file's tensors as (pairs of a state dict, {key: bytes})."""
    size = 8 + int.from_bytes(weights[:8], 'little')
    pairs, numbers = [], {}
    for where, (its_name, entry) in enumerate((k, v) for k, v in json.loads(weights[8:size]).items() if k != '__metadata__'):
        begin, end = entry['data_offsets']
        numbers[str(where)] = weights[size + begin:size + end]
        pairs.append((rename(its_name), tensor(str(where), (end - begin) // 4, entry['shape'])))
    return pairs, numbers
