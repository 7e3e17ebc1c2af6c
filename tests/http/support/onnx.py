"""ONNX files by hand, without the onnx package: protocol buffers are keys and values (protobuf.dev, "Encoding"); the field numbers are
those of onnx.proto."""
import random
import struct

FLOAT, INT64 = 1, 7


def varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out + bytes([number]))


def number(field, value):
    return varint(field << 3) + varint(value)


def data(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def tensor(name, dims, values, kind=FLOAT, field=5):
    raw = struct.pack(f'<{len(values)}{"f" if kind == FLOAT else "q"}', *values)
    return data(field, b''.join(number(1, d) for d in dims) + number(2, kind) + data(8, name) + data(9, raw))


def weights(name, *dims):
    """Numbers between -1 and 1 that only the name decides."""
    count = 1
    for d in dims:
        count *= d
    chance = random.Random(name)
    return tensor(name, dims, [chance.uniform(-1, 1) for _ in range(count)])


def attribute(name, value):
    if isinstance(value, float):
        return data(5, data(1, name) + varint(2 << 3 | 5) + struct.pack('<f', value) + number(20, 1))
    if isinstance(value, int):
        return data(5, data(1, name) + number(3, value) + number(20, 2))
    if isinstance(value, bytes):  # a tensor
        return data(5, data(1, name) + value + number(20, 4))
    if isinstance(value, str):
        return data(5, data(1, name) + data(4, value) + number(20, 3))
    return data(5, data(1, name) + b''.join(number(8, v) for v in value) + number(20, 7))


def node(op, inputs, output, domain='', **attributes):
    return data(1, b''.join(data(1, name) for name in inputs.split()) + data(2, output) + data(3, output) + data(4, op)
                + b''.join(attribute(*pair) for pair in attributes.items()) + (data(7, domain) if domain else b''))


def value(field, name, dims):
    shape = b''.join(data(1, number(1, d) if d else data(2, 'n')) for d in dims)
    return data(field, data(1, name) + data(2, data(1, number(1, FLOAT) + data(2, shape))))


def model(*parts, image=(0, 1, 64, 64), opset=13, producer='by hand', properties=()):
    """A file of `parts`, which node(), weights() and tensor() make, from "image" to "out"."""
    graph = b''.join(parts) + data(2, 'g') + value(11, 'image', image) + value(12, 'out', ())
    return (number(1, 7) + data(2, producer) + data(7, graph) + data(8, number(2, opset))
            + b''.join(data(14, data(1, k) + data(2, v)) for k, v in properties))


def head(at, channels, labels):
    return (node('GlobalAveragePool', at, 'mean') + node('Flatten', 'mean', 'flat', axis=1) + weights('fc.weight', labels, channels)
            + weights('fc.bias', labels) + node('Gemm', 'flat fc.weight fc.bias', 'out', transB=1))


def small(labels=3, **more):
    """A convolution, ReLU, the mean, a dense layer."""
    return model(weights('c1.weight', 4, 1, 3, 3), weights('c1.bias', 4),
                 node('Conv', 'image c1.weight c1.bias', 'conv', strides=(2, 2), pads=(1, 1, 1, 1)), node('Relu', 'conv', 'relu'),
                 head('relu', 4, labels), **more)
