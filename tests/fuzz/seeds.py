#!/usr/bin/python3
"""Write the seed corpora: small inputs of every kind, from which the fuzzers start and which ctest replays.

    seeds.py            makes corpus/<target>/seed-* anew, beside the findings (found-*) that are kept there
"""
import hashlib
import io
import json
import os
import struct
import sys
import zipfile
import zlib

import PIL.Image

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'http'))
sys.dont_write_bytecode = True

from support import onnx, picture, torch_file  # noqa: E402

CHANNELS = picture.CHANNELS


# ---- pictures ----

def rows(width, height, depth=8, colour=picture.GREY, filters=(0, 1, 2, 3, 4)):
    """Rows of every filter type with something in them."""
    per_row = (width * depth * CHANNELS[colour] + 7) // 8
    return b''.join(bytes([filters[y % len(filters)]]) + bytes((x * 7 + y * 3) & 255 for x in range(per_row))
                    for y in range(height))


def assemble(width, height, stream, depth=8, colour=picture.GREY, interlace=0, before=b'', behind=b'', split=0):
    header = struct.pack('>IIBBBBB', width, height, depth, colour, 0, 0, interlace)
    pieces = [stream[:split], stream[split:]] if split else [stream]
    return (picture.SIGNATURE + picture.chunk(b'IHDR', header) + before
            + b''.join(picture.chunk(b'IDAT', piece) for piece in pieces) + behind + picture.chunk(b'IEND', b''))


def bits(*fields):
    """A deflate stream from (value, length) pairs, least significant bit first."""
    number = count = 0
    for value, length in fields:
        number |= value << count
        count += length
    return number.to_bytes((count + 7) // 8, 'little')


def reversed_code(value, length):
    return int(format(value, f'0{length}b')[::-1], 2), length


def zlib_stream(deflated, raw):
    return b'\x78\x01' + deflated + struct.pack('>I', zlib.adler32(raw))


def odd_streams():
    """A stream that libdeflate reads and zlib refuses: see model/image/png_grey8.c."""
    # fixed codes: literal 0 five times, then length code 286 (258 bytes in libdeflate) at distance 1
    zero, stop = reversed_code(0x30, 8), reversed_code(0, 7)
    raw = bytes(259)
    yield 'length-286', zlib_stream(bits((1, 1), (1, 2), zero, reversed_code(0xc6, 8), (0, 5), stop), raw), 258, 1, raw
    # 287 literal codes and 30 distance codes announced
    order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
    used = {0: 2, 1: 2, 18: 2, 17: 2}  # codes of the code lengths: 0 -> 00, 1 -> 01, 17 -> 10, 18 -> 11
    last = max(order.index(symbol) for symbol in used)
    code = {0: reversed_code(0, 2), 1: reversed_code(1, 2), 17: reversed_code(2, 2), 18: reversed_code(3, 2)}
    fields = [(1, 1), (2, 2), (30, 5), (0, 5), (last + 1 - 4, 4)]
    fields += [(used.get(symbol, 0), 3) for symbol in order[:last + 1]]
    # literal 0: length 1; 1..255: none (138 + 117); 256: length 1; 257..286: none (30); distance 0: none
    fields += [code[1], code[18], (127, 7), code[18], (106, 7), code[1], code[18], (19, 7), code[0]]
    fields += [(0, 1)] * 6 + [(1, 1)]  # six zeros, then the end
    yield 'codes-287', zlib_stream(bits(*fields), bytes(6)), 5, 1, bytes(6)
    # one distance code of one bit, used by its other half: literal 0, end, length 3 of two bits each
    lengths_code = {0: reversed_code(0, 2), 1: reversed_code(1, 2), 2: reversed_code(2, 2), 18: reversed_code(3, 2)}
    used = {0: 2, 1: 2, 2: 2, 18: 2}
    last = max(order.index(symbol) for symbol in used)
    fields = [(1, 1), (2, 2), (1, 5), (0, 5), (last + 1 - 4, 4)]
    fields += [(used.get(symbol, 0), 3) for symbol in order[:last + 1]]
    # 0: one bit; 256 and 257: two bits; distance 0: one bit
    fields += [lengths_code[1], lengths_code[18], (127, 7), lengths_code[18], (106, 7), lengths_code[2], lengths_code[2],
               lengths_code[1]]
    fields += [(0, 1), reversed_code(3, 2), (1, 1), reversed_code(2, 2)]  # literal, length 3 at "1", end
    yield 'distance-other-half', zlib_stream(bits(*fields), bytes(4)), 3, 1, bytes(4)


def pictures():
    grey = rows(16, 20)
    packed = zlib.compress(grey, 9)
    yield 'grey8', assemble(16, 20, packed)
    yield 'grey8-stored', assemble(16, 20, zlib.compress(grey, 0))
    yield 'grey8-split', assemble(16, 20, packed, split=7)
    yield 'grey8-narrow', assemble(3, 9, zlib.compress(rows(3, 9)))
    yield 'grey8-one', assemble(1, 1, zlib.compress(rows(1, 1)))
    yield 'grey8-wide', assemble(300, 9, zlib.compress(rows(300, 9), 9))
    yield 'grey8-described', assemble(16, 20, packed, before=picture.text(b'a b'), behind=picture.chunk(b'tIME', bytes(7)))
    yield 'grey8-transparent', assemble(16, 20, packed, before=picture.chunk(b'tRNS', b'\0\x15'))
    yield 'grey8-surplus', assemble(16, 19, packed)
    yield 'grey8-short', assemble(16, 21, packed)
    yield 'grey8-bad-filter', assemble(16, 20, zlib.compress(rows(16, 20, filters=(0, 5))))
    yield 'grey8-cut', assemble(16, 20, packed)[:70]
    yield 'grey8-unknown-chunk', assemble(16, 20, packed, before=picture.chunk(b'xxXx', b'1'))
    yield 'grey8-interlaced', assemble(3, 3, zlib.compress(rows(1, 1) + rows(2, 1) + rows(1, 1) + rows(1, 2)[:4] + rows(3, 1)),
                                       interlace=1)
    small = zlib.compressobj(9, zlib.DEFLATED, 9)
    yield 'grey8-small-window', assemble(16, 20, small.compress(grey) + small.flush())
    for colour, depths in ((picture.GREY, (1, 2, 4, 16)), (picture.RGB, (8, 16)), (picture.GREY_ALPHA, (8, 16)),
                           (picture.RGBA, (8, 16))):
        for depth in depths:
            yield f'colour{colour}-{depth}', assemble(9, 7, zlib.compress(rows(9, 7, depth, colour)), depth, colour)
    palette = picture.chunk(b'PLTE', bytes(range(48)))
    for depth in (1, 2, 4, 8):
        yield f'palette-{depth}', assemble(5, 3, zlib.compress(bytes(((5 * depth + 7) // 8 + 1) * 3)), depth,
                                           picture.PALETTE, before=palette + picture.chunk(b'tRNS', b'\x80\0'))
    for name, stream, width, height, _ in odd_streams():
        yield f'odd-{name}', assemble(width, height, stream)
    yield 'jpeg', b'\xff\xd8\xff\xe0' + bytes(20)
    yield 'dicom', bytes(128) + b'DICM' + bytes(8)


# ---- forms ----

def part(disposition, body, extra=b''):
    return b'--XX\r\nContent-Disposition: ' + disposition + b'\r\n' + extra + b'\r\n' + body + b'\r\n'


TYPE = b'multipart/form-data; boundary=XX'
FILE = part(b'form-data; name="image"; filename="a.png"', b'\x89PNG\r\n--X', b'Content-Type: image/png\r\n')
FIELD = part(b'form-data; name=explain', b'true')


def forms():
    end = b'--XX--\r\n'
    yield 'file', TYPE + b'\n' + FILE + end
    yield 'file-and-field', TYPE + b'\n' + FIELD + FILE + end
    yield 'quoted-boundary', b'Multipart/Form-Data; charset=utf-8; boundary="XX"\n' + FILE + end
    yield 'escaped-name', TYPE + b'\n' + part(b'form-data; name="a\\"b"; filename*=utf-8\'\'x', b'y') + end
    yield 'preamble', TYPE + b'\n' + b'hello\r\n' + FIELD + end + b'bye'
    yield 'empty-part', TYPE + b'\n' + b'--XX\r\nContent-Disposition: form-data; name="a"\r\n\r\n--XX--'
    yield 'white-space', TYPE + b'\n' + FIELD.replace(b'--XX\r\n', b'--XX \t\r\n') + end
    yield 'no-end', TYPE + b'\n' + FILE
    yield 'no-name', TYPE + b'\n' + part(b'form-data', b'x') + end
    yield 'no-boundary', b'multipart/form-data\n' + FILE + end
    yield 'many', TYPE + b'\n' + FIELD * 17 + end
    yield 'no-form', b'image/png\nx'
    related = b'multipart/related; type="application/dicom"; boundary=XX\n'
    meta = b'\2\0\2\0UI\6\x001.2.3\0\2\0\3\0UI\4\x001.4\0\x08\0\x60\0CS\2\0CR\x08\0\x61\0CS\0\0'
    instance = b'--XX\r\nContent-Type: application/dicom\r\n\r\n' + bytes(128) + b'DICM' + meta + b'\r\n'
    yield 'related', related + instance + end
    yield 'related-two', related + instance + instance + end
    yield 'related-plain', b'multipart/related;boundary=XX;type=application/dicom\n' + instance + end
    yield 'related-other', b'multipart/related;boundary=XX;type="application/dicom+json"\n' + instance + end


# ---- HTTP ----

def request(line, body=b'', *headers, host=b'Host: h'):
    lines = [line, *([host] if host else []), *headers]
    return b'\r\n'.join(lines) + b'\r\n\r\n' + body


def http():
    """name, how many bytes arrive at once (0: all), the bytes"""
    job = b'{"dataset":"nih","epochs":2}'
    json_type = b'Content-Type: application/json'
    form = FILE + b'--XX--\r\n'
    yield 'get', 0, request(b'GET /livez HTTP/1.1')
    yield 'get-pieces', 3, request(b'GET /livez HTTP/1.1')
    yield 'get-1.0', 0, request(b'GET /livez HTTP/1.0', host=None)
    yield 'head', 0, request(b'HEAD /livez HTTP/1.1')
    yield 'options', 0, request(b'OPTIONS /jobs HTTP/1.1')
    yield 'not-allowed', 0, request(b'DELETE /jobs HTTP/1.1')
    yield 'not-found', 0, request(b'GET //livez HTTP/1.1')
    yield 'pipeline', 0, request(b'GET /livez HTTP/1.1') * 3
    yield 'page', 0, request(b'GET /jobs?limit=3&cursor=%31&state=failed HTTP/1.1')
    yield 'bad-page', 0, request(b'GET /jobs?limit=%zz&limit=0 HTTP/1.1')
    yield 'job', 0, request(b'GET /jobs/0123456789abcdef HTTP/1.1', b'', b'X-Request-Id: a-b')
    yield 'predict', 0, request(b'POST /predict HTTP/1.1', b'\x89PNG', b'Content-Length: 4', b'Content-Type: image/png')
    yield 'predict-pieces', 7, request(b'POST /predict HTTP/1.1', form, b'Content-Length: %d' % len(form),
                                       b'Content-Type: ' + TYPE)
    yield 'chunked', 0, request(b'POST /predict HTTP/1.1', b'4;x=y\r\n\x89PNG\r\n0\r\nA: b\r\n\r\n', b'Transfer-Encoding: chunked')
    yield 'chunked-pieces', 2, request(b'POST /predict HTTP/1.1', b'1\r\nx\r\nfff\r\ny', b'Transfer-Encoding: chunked')
    yield 'expect', 0, request(b'POST /predict HTTP/1.1', b'', b'Expect: 100-continue', b'Content-Length: 5')
    yield 'expect-late', 90, request(b'POST /predict HTTP/1.1', b'abcde', b'Expect: 100-continue', b'Content-Length: 5')
    yield 'train', 0, request(b'POST /jobs/train HTTP/1.1', job, b'Content-Length: %d' % len(job), json_type,
                              b'Idempotency-Key: k')
    yield 'train-bad', 0, request(b'POST /jobs/train HTTP/1.1', b'{"epochs":"x"}', b'Content-Length: 14', json_type)
    yield 'train-empty', 0, request(b'POST /jobs/train HTTP/1.1', b'', b'Content-Length: 0')
    yield 'cancel', 0, request(b'POST /jobs/0123456789abcdef/cancel HTTP/1.1')
    yield 'too-large', 0, request(b'POST /predict HTTP/1.1', b'', b'Content-Length: 99999')
    yield 'larger', 0, request(b'POST /jobs/train HTTP/1.1', b'x' * 1100, b'Content-Length: 1100')
    yield 'unwanted-body', 0, request(b'GET /livez HTTP/1.1', b'abc', b'Content-Length: 3')
    yield 'two-lengths', 0, request(b'POST /predict HTTP/1.1', b'GET /livez HTTP/1.1\r\nHost: h\r\n\r\n', b'Content-Length: 0',
                                    b'Content-Length: 33')
    yield 'length-and-chunked', 0, request(b'POST /predict HTTP/1.1', b'0\r\n\r\n', b'Content-Length: 5', b'Transfer-Encoding: chunked')
    yield 'odd-encoding', 0, request(b'POST /predict HTTP/1.1', b'0\r\n\r\n', b'Transfer-Encoding: gzip, chunked')
    yield 'two-hosts', 0, request(b'GET /livez HTTP/1.1', b'', b'Host: other')
    yield 'no-host', 0, request(b'GET /livez HTTP/1.1', host=None)
    yield 'bad-name', 0, request(b'GET /livez HTTP/1.1', b'', b'A B: c')
    yield 'folded', 0, request(b'GET /livez HTTP/1.1', b'', b'A: b\r\n c')
    yield 'line-feeds', 0, b'GET /livez HTTP/1.1\nHost: h\n\n'
    yield 'absolute', 0, request(b'GET http://h/livez HTTP/1.1')
    yield 'nul', 0, request(b'GET /liv%00ez HTTP/1.1', b'', b'A: \0b')
    yield 'bad-length', 0, request(b'POST /predict HTTP/1.1', b'', b'Content-Length: -1')
    yield 'long-target', 0, request(b'GET /' + b'a' * 1100 + b' HTTP/1.1')
    yield 'long-header', 0, request(b'GET /livez HTTP/1.1', b'', b'Idempotency-Key: ' + b'k' * 300)
    yield 'version', 0, request(b'GET /livez HTTP/9.9')
    hidden = b'GET /livez HTTP/1.1\r\nHost: h\r\n\r\n'
    chunked = b'Transfer-Encoding: chunked'
    yield 'fold-length', 0, request(b'POST /jobs/train HTTP/1.1', hidden, b'Content-Length:\r\n %d' % len(hidden))
    yield 'fold-chunked', 2, request(b'POST /jobs/train HTTP/1.1', hidden, b'Transfer-Encoding:\r\n\tchunked')
    yield 'fold-value', 0, request(b'GET /livez HTTP/1.1', hidden, b'X: y\r\n Content-Length: 3')
    yield 'nul-name', 0, request(b'GET /livez HTTP/1.1', b'', b'Content-Length\0: 3')
    yield 'nul-value', 3, request(b'POST /predict HTTP/1.1', b'0\r\n\r\n', chunked + b'\0x')
    yield 'nul-target', 0, request(b'GET /jobs\0/../x HTTP/1.1')
    yield 'bare-lf', 0, request(b'GET /livez HTTP/1.1', hidden, b'A: b\nContent-Length: 3')
    yield 'bare-cr', 5, request(b'GET /livez HTTP/1.1', hidden, b'A: b\rContent-Length: 3')
    yield 'lf-chunks', 0, request(b'POST /predict HTTP/1.1', b'3\nabc\n0\n\n', chunked)
    for i, value in enumerate((b'+3', b'3, 3', b'3 ', b'3 3', b'0x3', b'', b'99999999999999999999')):
        yield f'length-{i}', i, request(b'POST /jobs/train HTTP/1.1', b'abc', b'Content-Length: ' + value)
    for i, body in enumerate((b'3;a="b;\\"c" ;d=e\r\nabc\r\n0;x\r\nA: b\r\nC:d\r\n\r\n', b'3 \r\nabc\r\n0\r\n\r\n', b'3\r\nabcd\r\n', b'-1\r\n',
                              b'ffffffffffffffff\r\n', b'0\r\n A: b\r\n\r\n', b'0\r\nContent-Length: 3\r\n\r\n', b'1\r\na\r\n' * 9 + b'0\r\n\r\n')):
        yield f'chunks-{i}', i, request(b'POST /jobs/train HTTP/1.1', body + hidden, chunked)
    for i, line in enumerate((b'GET /a b HTTP/1.1', b'OPTIONS * HTTP/1.1', b'OPTIONS http://h HTTP/1.1', b'GET http://h:80?x HTTP/1.1', b'PRI * HTTP/2.0',
                              b'CONNECT h:80 HTTP/1.1', b'GET /livez#x HTTP/1.1', b'\r\n\r\nGET /livez HTTP/1.1')):
        yield f'line-{i}', i, request(line) + hidden
    for i, name in enumerate((b'h h', b'[::1]:80', b'[::1', b'h:x', b'u@h', b'')):
        yield f'host-{i}', i, b'GET /livez HTTP/1.1\r\nHost: ' + name + b'\r\n\r\n' + hidden
    yield 'two-keys', 0, request(b'POST /jobs/train HTTP/1.1', b'{}', json_type, b'Content-Length: 2', b'Idempotency-Key: a', b'idempotency-key: a')
    yield 'fault', 0, request(b'GET /livez HTTP/1.1', b'', b'Cxrd-Fault: 400 x', b'Cxrd-Target: /jobs')
    yield 'bad-host-with-body', 4, b'POST /predict HTTP/1.1\r\nHost: [\r\nContent-Length: 9\r\n\r\nabcdefghi' + hidden
    yield 'encoded', 0, request(b'POST /predict HTTP/1.1', b'\x1f\x8b', b'Content-Length: 2', b'Content-Encoding: gzip')
    yield 'garbage', 0, b'\x16\x03\x01\x02\0\x01\0'


# ---- JSON, keys, tables, weights ----

def jobs():
    every = {
        'dataset': 'nih', 'csv': 'a/b.csv', 'images': 'images_*/*.png', 'recipe': 'standard', 'epochs': 3,
        'steps_per_epoch': 0, 'validation_steps': 7, 'batch_size': 32, 'shards': 8, 'learning_rate': 1e-3, 'seed': 9007199254740991,
        'image_size': 128, 'resize': 'area', 'input_mean': 127.5, 'input_std': 1, 'head_bias': 'zero',
        'lr_schedule': 'cosine', 'weight_decay': 0.1, 'patience': 0, 'test_fraction': 0, 'val_fraction': 0.5,
        'split_by': 'list', 'max_age': 90, 'drop_no_finding': False, 'init': None, 'shuffle': True,
        'missing_images': 'fail', 'split_seed': 7, 'test_rows': 1024, 'validation_batch_size': 64,
        'initializer': 'he_uniform', 'keep_best': True, 'weight_decay_scope': 'head', 'freeze': 'none', 'backbone_rate': 0.1, 'clip_norm': 1, 'ema': 0.999, 'architecture': 'mlp', 'head': 'flatten', 'channels': 1, 'norms': 'frozen', 'norm_momentum': 0.05,
    }
    yield 'empty', b'{}'
    yield 'every-field', json.dumps(every).encode()
    yield 'notebook', b'{"recipe":"notebook","dataset":"x"}'
    yield 'transfer', (b'{"recipe":"transfer","init":"0123abcd-0123","transfer_layer":"layer3","transfer_pooling":"mean_and_max",'
                       b'"transfer_views":4,"transfer_l2":[1,1e3,30.5]}')
    yield 'no-pictures', b'{"images":"none","inputs":["age","history"],"head_inputs":"zero"}'
    yield 'infinite', b'{"learning_rate":1e300,"seed":9223372036854775808,"epochs":1e999}'
    yield 'twice', b'{"epochs":1,"epochs":2}'
    yield 'paths', b'{"dataset":"../x","csv":"/etc/passwd","images":"a//b","init":"zz"}'
    yield 'kinds', b'{"epochs":"1","shuffle":0,"resize":7,"seed":1.5,"dataset":null,"nope":[[]]}'
    yield 'unicode', '{"dataset":"\\u0000\\ud800é","\\n":1}'.encode()
    yield 'array', b'[1]'
    yield 'deep', b'[' * 300


def keys():
    """A keys file, NUL, a key that is presented."""
    one, two = (hashlib.sha256(key).hexdigest().encode() for key in (b'one', b'two'))
    yield 'two', b'# role name SHA-256\nadmin operator ' + one + b'\npredict pacs-7 ' + two + b'\n\0two'
    yield 'unknown', b'admin a ' + one + b'\n\0three'
    yield 'crlf', b'admin\ta\t' + one + b' # the head\r\n\r\n\0one'
    yield 'no-end', b'predict a ' + one
    yield 'same-name', b'admin a ' + one + b'\nadmin a ' + two
    yield 'same-key', b'admin a ' + one + b'\nadmin b ' + one
    yield 'upper-case', b'admin a ' + one.upper()
    yield 'short', b'admin a ' + one[:-1]
    yield 'long', b'admin a ' + one + b'0'
    yield 'name', b'admin ' + b'a' * 65 + b' ' + one
    yield 'odd-name', b'admin a/b ' + one
    yield 'role', b'root a ' + one
    yield 'words', b'admin a ' + one + b' b'
    yield 'many', b''.join(b'predict k%d %064x\n' % (i, i) for i in range(16))
    yield 'empty', b''


def tables():
    columns = (b'Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,'
               b'OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],')
    lines = [b'%08d_000.png,%s,0,%d,%s,%s,PA,1,1,1,1,' % (i, labels, i // 2, age, sex) for i, (labels, age, sex) in enumerate(
        [(b'Effusion', b'058Y', b'M'), (b'No Finding', b'013M', b'F'), (b'Mass|Nodule', b'58', b'M'),
         (b'Hernia', b'414', b'F'), (b'Edema', b'001D', b'x'), (b'Mass', b'', b''), (b'Fibrosis', b'58.0 years', b'F')] * 3)]
    table = b'\n'.join([columns, *lines]) + b'\n'
    names = [line.split(b',')[0] for line in lines]
    lists = b'\0' + b'\n'.join(names[::3]) + b'\n\0' + b'\r\n'.join(names[1::3] + names[2::3])
    yield 'nih', table + lists
    yield 'crlf', table.replace(b'\n', b'\r\n')
    yield 'bom', b'\xef\xbb\xbf' + table
    yield 'quotes', b'Finding Labels,"Image Index",Patient ID,Patient Age\n"a ""b""",x.png,1,2\n'
    yield 'broken-quotes', b'Image Index,Finding Labels,Patient ID,Patient Age\n"x" y,2,3,4\n'
    yield 'no-column', b'Image Index,Patient ID\nx,1\n'
    yield 'short-row', b'Image Index,Finding Labels,Patient ID,Patient Age\nx,Mass\n'
    yield 'same-names', b'Image Index,Finding Labels,Patient ID,Patient Age\nx,Mass,1,2\nx,Edema,1,2\nx,Mass,2,2\n\0x\nx\n\0x'
    head = b'image_index,finding_labels,patient_id,patient_age,patient_sex,view_position\n'
    yield 'words', head + b'a,pleural thickening ; lung mass,1,18M,male,pa\nb.PNG,"[\'Mass\', \'Nodule\']",2,60W,X,LL\n'
    yield 'strange-words', head + b'a,Efusion|Foo,1,1,M,PA\nb,,2,1,M,PA\nc,a|b|c|d|e,3,1,M,PA\n'
    yield 'joined', head + b'x/a.png,Mass,1,1,M,\na,Edema,1,,,PA\nb,normal,2,1,F,AP\nx\\A.png,mass,3,1,F,AP\n'
    yield 'contradictions', head + b'a,Mass,1,1,M,PA\na.png,No Finding,2,1,M,PA\n'
    yield 'follow-ups', (b'Image Index,Finding Labels,follow_up #,Patient ID,Patient Age\na,Mass,20170312,1,2\nb,Edema,001,1,2\n'
                         b'c,Mass,1.0,1,2\nd,No Finding,,1,2\nb,Hernia,7,1,2\ne,Mass,99999999999,1,2\nf,Mass,0,,2\n')
    yield 'semicolons', table.replace(b',', b';')
    yield 'utf16', table[:200].decode().encode('utf-16')
    yield 'lists', (table + b'\0\xef\xbb\xbf' + b' 0 1 0\r'.join(names[::3]) + b'\0"'
                    + b'",1\n"images/'.join(names[1::3] + names[2::3]) + b'"')
    yield 'parts', (table + b'\0dicom_id,study_id,split\n' + b''.join(b'%s,1,%s\n' % (name, part) for name, part in zip(
        names, [b'train', b'train', b'validate', b'test'] * 6)) + b'\0\0x')
    yield 'three-lists', table + lists + b'\0' + b'\n'.join(names[1:4])
    yield 'empty', b''
    yield 'commas', b',' * 1100
    yield from other_tables()


def fixture(*path):
    with open(os.path.join(os.path.dirname(__file__), '..', 'fixtures', 'tables', *path), 'rb') as file:
        return file.read()


def other_tables():
    """A byte for the format, its table, and what belongs to it."""
    head, *lines = fixture('chexpert', 'train.csv').splitlines(True)
    yield 'chexpert', b'\1' + head + b''.join(lines)
    yield 'chexpert-two', b'\1' + head + b''.join(lines[:3]) + b'\0' + head + b''.join(lines[-3:])
    yield 'mimic', (b'\2' + fixture('mimic', 'mimic-cxr-2.0.0-chexpert.csv') + b'\0' + fixture('mimic', 'mimic-cxr-2.0.0-metadata.csv'))
    yield 'padchest', b'\3' + fixture('padchest', 'PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv')
    yield 'vindr', b'\4' + fixture('vindr', 'image_labels_train.csv')
    yield 'vindr-boxes', b'\4' + fixture('vindr_boxes', 'train.csv')
    mapping = {'picture': 'f', 'patient': 'p', 'reader': 'r', 'findings': 'l', 'words': {'x': 'Mass', 'y': None}, 'other_words': 'ignore'}
    yield 'mapping', b'\5f,p,r,l\na,1,1,x\na,1,2,z\nb,2,1,y\n\0' + json.dumps(mapping).encode()
    columns = {label: label.lower() for label in ('Atelectasis', 'Cardiomegaly', 'Consolidation', 'Edema', 'Effusion', 'Emphysema',
                                                  'Fibrosis', 'Hernia', 'Infiltration', 'Mass', 'Nodule', 'Pleural_Thickening',
                                                  'Pneumonia', 'Pneumothorax')}
    mapping = {'picture': 'f', 'picture_parts': 2, 'findings': columns, 'no_finding': 'n', 'values': {'positive': ['+'], 'negative': ['-'], 'missing': ['']}}
    yield 'mapping-of-columns', (b'\5f,n,' + ','.join(columns.values()).encode() + b'\na/b.png,,+' + b',-' * 13 + b'\nc/b.png,+' + b',' * 14 + b'\n\0'
                                 + json.dumps(mapping).encode())
    yield 'mapping-bad', b'\5f\na\n\0{"picture":7,"values":{"x":[]}'


def tensors(size=64):
    for name, shape in (('conv1.weight', (32, 3, 3, 3)), ('conv1.bias', (32,)), ('conv2.weight', (64, 32, 3, 3)),
                        ('conv2.bias', (64,)), ('conv3.weight', (128, 64, 3, 3)), ('conv3.bias', (128,)),
                        ('conv4.weight', (256, 128, 3, 3)), ('conv4.bias', (256,)),
                        ('head.weight', (14, 256, size // 16, size // 16)), ('head.bias', (14,))):
        yield name, shape


def convolution(number, at, channels, activation, pool):
    """Of a cnn4, behind node `at`."""
    yield {'op': 'conv', 'name': f'conv{number}', 'from': [at], 'channels': channels, 'kernel': [3, 3], 'stride': [1, 1], 'pad': [1] * 4,
           'dilation': [1, 1], 'groups': 1, 'bias': True}
    yield {'op': activation, 'from': [at + 1]}
    yield {'op': pool, 'from': [at + 2], 'kernel': [2, 2], 'stride': [2, 2]}


def graph(nodes, channels=1):
    return json.dumps({'version': 1, 'channels': channels, 'nodes': nodes}, separators=(',', ':'))


def weights():
    header, at = {}, 0
    for name, shape in tensors():
        n = 4
        for side in shape:
            n *= side
        header[name] = {'dtype': 'F32', 'shape': shape, 'data_offsets': [at, at + n]}
        at += n
    meta = {'format': 'cxrd', 'architecture': 'cnn4', 'image_size': '64', 'resize': 'area', 'input_mean': '128',
            'input_std': '64'}

    def text(value):
        return json.dumps(value, separators=(',', ':')).encode()

    yield 'model', b'H' + text({'__metadata__': meta, **header})
    yield 'model-labels', b'H' + text({'__metadata__': {**meta, 'labels': 'Atelectasis'}, **header})
    yield 'model-large', b'H' + text({'__metadata__': {**meta, 'image_size': '256'}, **header})
    yield 'model-infinite', b'H' + text({'__metadata__': {**meta, 'input_std': '1e999', 'input_mean': 'nan'}, **header})
    yield 'model-less', b'H' + text({'__metadata__': meta, **dict(list(header.items())[:-1])})
    inputs = [{'name': name, 'mean': 0.5, 'std': 0.5} for name in ('sex', 'ever_Mass', 'last_Mass', 'earlier_film')]
    blind = text({'__metadata__': {'format': 'cxrd', 'architecture': 'logistic', 'inputs': json.dumps(inputs)},
                  'head.bias': {'dtype': 'F32', 'shape': [14], 'data_offsets': [0, 56]},
                  'head.inputs.weight': {'dtype': 'F32', 'shape': [14, 4], 'data_offsets': [56, 280]}})
    yield 'logistic', struct.pack('<Q', len(blind)) + blind + bytes(280)
    of_graph = {**meta, 'architecture': 'graph', 'graph': graph(
        [{'op': 'replicate', 'from': [0], 'channels': 3}, *convolution(1, 1, 32, 'relu', 'max_pool'),
         *convolution(2, 4, 64, 'silu', 'mean_pool'), *convolution(3, 7, 128, 'hard_swish', 'max_pool'),
         *convolution(4, 10, 256, 'relu6', 'max_pool'),
         {'op': 'dense', 'name': 'head', 'from': [13], 'channels': 14, 'bias': True}])}
    yield 'graph', b'H' + text({'__metadata__': of_graph, **header})
    few = [{'op': 'max_pool', 'from': [0], 'kernel': [3, 2], 'stride': [2, 1], 'pad': [0, 1, 1, 0], 'dilation': [1, 2]},
           {'op': 'sigmoid', 'from': [1]}, {'op': 'mul', 'from': [1, 2]}, {'op': 'add', 'from': [3, 3]},
           {'op': 'global_pool', 'from': [4]}, {'op': 'flatten', 'from': [5]},
           {'op': 'dense', 'name': 'fc', 'from': [6], 'channels': 14, 'bias': True}]
    for name, channels, nodes in (('few', 1, few), ('colours', 3, few), ('nothing', 1, []), ('later', 1, few[::-1])):
        small = text({'__metadata__': {**meta, 'architecture': 'graph', 'input_mean': ','.join(['128'] * channels),
                                       'graph': graph(nodes, channels)},
                      'fc.weight': {'dtype': 'F32', 'shape': [14, channels], 'data_offsets': [0, 56 * channels]},
                      'fc.bias': {'dtype': 'F32', 'shape': [14], 'data_offsets': [56 * channels, 56 * channels + 56]}})
        yield f'graph-{name}', struct.pack('<Q', len(small)) + small + bytes(56 * channels + 56)
    yield 'overlap', b'H' + text({'a': {'dtype': 'F32', 'shape': [4], 'data_offsets': [0, 16]},
                                  'b': {'dtype': 'F32', 'shape': [4], 'data_offsets': [8, 24]}})
    yield 'many-bytes', b'H' + text({'a': {'dtype': 'U8', 'shape': [1 << 62, 1 << 62], 'data_offsets': [0, 1]}})
    yield 'no-numbers', b'H' + text({'a': {'dtype': 'U64', 'shape': [], 'data_offsets': [0, 8]},
                                     'b': {'dtype': 'F64', 'shape': [0, 3], 'data_offsets': [8, 8]}})
    small = text({'a': {'dtype': 'F32', 'shape': [2], 'data_offsets': [0, 8]}})
    yield 'whole', struct.pack('<Q', len(small)) + small + bytes(8)
    yield 'cut', struct.pack('<Q', len(small)) + small + bytes(7)
    yield 'long-header', struct.pack('<Q', 1 << 63) + small
    yield 'short', b'\1\0\0'


# ---- checkpoints of others ----

def large_zip(data):
    """The same with the end of a large one's directory, in 64 bits (APPNOTE.TXT 4.3.14, 4.3.15)."""
    _, _, _, _, entries, size, at, _ = struct.unpack('<4sHHHHIIH', data[-22:])
    large = struct.pack('<4sQHHIIQQQQ', b'PK\6\6', 44, 45, 45, 0, 0, entries, entries, size, at) + struct.pack('<4sIQI', b'PK\6\7', 0, len(data) - 22, 1)
    return data[:-22] + large + struct.pack('<4sHHHHIIH', b'PK\5\6', 0, 0, 0xffff, 0xffff, 0xffffffff, 0xffffffff, 0)


def checkpoints():
    tensor, module, said = torch_file.tensor, torch_file.module, torch_file.dict_of
    dict_ = said([('w', tensor('0', 6, [2, 3])), ('b', tensor('1', 4, [2], [2], offset=1, kind='HalfStorage'))])
    numbers = {'0': bytes(24), '1': bytes(8)}
    net = module('torch.nn.modules.container.Sequential', modules=[
        ('0', module('torch.nn.modules.linear.Linear', [('weight', torch_file.call(torch_file.name('torch._utils', '_rebuild_parameter'), tensor('0', 6, [2, 3]), b'\x88', b'}'))])),
        ('1', module('torch.nn.modules.activation.ReLU'))], pathologies=torch_file.list_of(torch_file.text('Mass'), torch_file.text('')),
        op_threshs=torch_file.list_of(b'G' + struct.pack('>d', 0.25), b'G' + struct.pack('>d', float('nan'))))

    def legacy(value, **how):
        whole = torch_file.legacy_of(torch_file.pickle_of(value), **how)
        return b'P' + whole[whole.index(torch_file.pickle_of(value)):]

    yield 'dict', legacy(dict_, numbers=numbers, counts={'1': 4})
    yield 'module', legacy(net, numbers={'0': bytes(24)})
    yield 'wrapped', legacy(said([('epoch', b'K\x01'), ('state_dict', dict_), ('args', torch_file.name('argparse', 'Namespace') + b')\x81}b')]),
                            numbers=numbers, counts={'1': 4})
    yield 'empty', legacy(said([('w', tensor('0', 0, [0, 3]))]), numbers={'0': b''})
    yield 'old-dict', legacy(torch_file.call(torch_file.name('collections', 'OrderedDict'), torch_file.list_of(
        torch_file.list_of(b'U\x01w', tensor('0', 6, [6])))), numbers={'0': bytes(24)})
    yield 'evil', b'P' + torch_file.pickle_of(b'cos\nsystem\n' + torch_file.text('true') + b'\x85R')
    yield 'memory', b'P' + torch_file.pickle_of(b'}q\x00r\x00\x01\x00\x00h\x00j\x00\x01\x00\x00\x86')
    yield 'cycle', b'P' + torch_file.pickle_of(torch_file.name('torch.nn.modules.container', 'Sequential') + b')\x81q\x00' + said(
        [('_modules', said([('a', b'h\x00')]))]) + b'b')
    yield 'zip', torch_file.zip_of(torch_file.pickle_of(dict_), numbers)
    yield 'zip-byteorder', torch_file.zip_of(torch_file.pickle_of(dict_), numbers, byteorder=b'big')
    yield 'zip-deflated', torch_file.zip_of(torch_file.pickle_of(dict_), numbers, packing=zipfile.ZIP_DEFLATED)
    yield 'zip-large', large_zip(torch_file.zip_of(torch_file.pickle_of(dict_), numbers))
    yield 'names-densenet', b'N|\nfeatures.denseblock4.denselayer16.conv2.weight 32 1\nfeatures.conv0.weight 4 1 7 7\nclassifier.weight 18 2\n' \
        b'classifier.bias 18\nop_threshs 18\nfeatures.norm0.num_batches_tracked\n'
    yield 'names-chexnet', b'N\nmodule.densenet121.features.denseblock4.denselayer16.conv.2.weight 2\n' \
        b'module.densenet121.classifier.0.weight 14 2\nmodule.densenet121.classifier.0.bias 14\n'
    yield 'attribute', (b'P\x80\x02c__builtin__\ngetattr\nctorch.optim.lr_scheduler\nOneCycleLR\n)\x81'
                        b'X\x0e\0\0\0_annealing_cos\x86R0}.')
    yield 'names-resnet', b'Nchexpert|\nlayer4.1.conv2.weight 2\nconv1.weight 4 3 7 7\nfc.weight 14 2\nfc.bias 14\n'
    yield 'names-timm', b'Nxrv|densenet121-res224-nih\nblocks.6.0.conv_pwl.weight 2\nconv_stem.weight 4 3 3 3\nblocks.1.0.bn1.weight 2\n' \
        b'classifier.weight 18 2\n'
    yield 'names-imagenet', b'NMass,,Effusion\nfeatures.17.conv.3.weight 2\nclassifier.1.weight 1000 2\n'


# ---- ONNX ----

def onnx_files():
    first = (onnx.weights('c1.weight', 4, 1, 3, 3), onnx.node('Conv', 'image c1.weight', 'conv', strides=(2, 2)))
    last = onnx.head('x', 4, 3)
    yield 'plain', onnx.small()
    yield 'properties', onnx.small(producer='cxrd', properties=(('labels', 'Mass,Nodule,Edema'), ('calibration', '{}'), ('resize', 'area')))
    yield 'old', onnx.model(*first, onnx.node('Clip', 'conv', 'x', min=0.0, max=6.0), last, opset=9)
    yield 'norm', onnx.model(*first, *(onnx.tensor(name, (4,), (1, 2, 3, 4)) for name in 'smbv'),
                             onnx.node('BatchNormalization', 'conv s m b v', 'x', epsilon=1e-3, momentum=0.9), last)
    yield 'channelwise', onnx.model(*first, onnx.tensor('s', (1, 4, 1, 1), (1, 2, 3, 4)), onnx.tensor('t', (), (2,)),
                                    onnx.node('Mul', 's conv', 'y'), onnx.node('Sub', 't y', 'z'), onnx.node('Div', 'z t', 'x'), last)
    yield 'last', onnx.model(onnx.node('Transpose', 'image', 'first', perm=(0, 3, 1, 2)), onnx.weights('c1.weight', 4, 3, 3, 3),
                             onnx.node('Conv', 'first c1.weight', 'conv', auto_pad='SAME_UPPER', group=1, dilations=(2, 2)),
                             onnx.node('Transpose', 'conv', 'swapped', perm=(0, 2, 3, 1)), onnx.node('Sigmoid', 'swapped', 'gate'),
                             onnx.node('Mul', 'swapped gate', 'silu'),
                             onnx.node('ReduceMean', 'silu', 'flat', axes=(1, 2), keepdims=0), onnx.weights('m', 4, 3),
                             onnx.node('MatMul', 'flat m', 'product'), onnx.weights('b', 3), onnx.node('Add', 'product b', 'out'),
                             image=(0, 64, 64, 3))
    yield 'excited', onnx.model(*first, onnx.node('GlobalAveragePool', 'conv', 'squeezed'), onnx.weights('se.weight', 4, 4, 1, 1),
                                onnx.node('Conv', 'squeezed se.weight', 'excited'),
                                onnx.node('HardSigmoid', 'excited', 'factor', alpha=1 / 6, beta=0.5), onnx.node('Mul', 'factor conv', 'x'),
                                last)
    yield 'joined', onnx.model(onnx.weights('c1.weight', 2, 1, 3, 3), onnx.node('Conv', 'image c1.weight', 'conv'),
                               onnx.node('MaxPool', 'conv', 'a', kernel_shape=(3, 3), strides=(2, 2), ceil_mode=1),
                               onnx.tensor('pads', (8,), (0, 0, 0, 0, 0, 0, 1, 1), onnx.INT64), onnx.node('Pad', 'conv pads', 'p', mode='constant'),
                               onnx.node('AveragePool', 'p', 'b', kernel_shape=(3, 3), strides=(2, 2), count_include_pad=1),
                               onnx.node('Concat', 'a b', 'y', axis=1), onnx.node('Dropout', 'y', 'd'), onnx.node('Add', 'd y', 'x'), last)
    shapes = (onnx.node('Shape', 'conv', 'shape'), onnx.tensor('zero', (), (0,), onnx.INT64), onnx.tensor('list', (1,), (-1,), onnx.INT64),
              onnx.tensor('axis', (1,), (0,), onnx.INT64), onnx.node('Gather', 'shape zero', 'n', axis=0), onnx.node('Unsqueeze', 'n axis', 'ns'),
              onnx.node('Concat', 'ns list', 'to', axis=0), onnx.node('Cast', 'to', 'cast', to=7), onnx.node('Mul', 'cast cast', 'square'),
              onnx.node('Slice', 'shape axis list axis', 'cut'), onnx.node('ConstantOfShape', 'cut', 'filled'),
              onnx.node('Constant', '', 'two', value=onnx.tensor('', (2,), (1, -1), onnx.INT64, field=5)))
    yield 'shapes', onnx.model(*first, onnx.node('GlobalAveragePool', 'conv', 'mean'), *shapes, onnx.node('Reshape', 'mean two', 'flat'),
                                     onnx.weights('fc.weight', 3, 4), onnx.node('Gemm', 'flat fc.weight', 'out', transB=1, alpha=2.0))
    yield 'features', onnx.model(*first, onnx.node('ReduceMean', 'conv', 'out', axes=(2, 3)))
    yield 'softmax', onnx.model(*first, onnx.node('Softmax', 'conv', 'x'), last)
    yield 'circle', onnx.model(onnx.node('Relu', 'y', 'x'), onnx.node('Relu', 'x', 'y'), last)
    yield 'cut', onnx.small()[:300]
    yield 'nothing', b''


# ---- DICOM and JPEG ----

def tag(number, order='<'):
    return struct.pack(order + 'HH', number >> 16, number & 0xffff)


def dicom_element(number, vr, value, order='<', implicit=False, length=None):
    value += b' ' * (len(value) % 2)
    length = len(value) if length is None else length
    if implicit:
        return tag(number) + struct.pack('<I', length) + value
    if vr in (b'OB', b'OW', b'SQ', b'UN'):
        return tag(number, order) + vr + b'\0\0' + struct.pack(order + 'I', length) + value
    return tag(number, order) + vr + struct.pack(order + 'H', length) + value


def item(value, order='<', length=None):
    return tag(0xfffee000, order) + struct.pack(order + 'I', len(value) if length is None else length) + value


UNDEFINED = 0xffffffff
ITEM_END, SEQUENCE_END = item(b'')[:2] + b'\x0d\xe0' + bytes(4), item(b'')[:2] + b'\xdd\xe0' + bytes(4)


def dicom_file(syntax, *elements, preamble=bytes(128) + b'DICM'):
    uid = b'1.2.840.10008.1.2' + syntax
    uid += b'\0' * (len(uid) % 2)
    return preamble + dicom_element(0x00020010, b'UI', uid) + b''.join(elements)


def data_set(order='<', implicit=False):
    """Two elements, a sequence with one in it, pixels."""
    def e(number, vr, value, length=None):
        return dicom_element(number, vr, value, order, implicit, length)

    inner = e(0x00080100, b'SH', b'272479007')
    return [e(0x00080060, b'CS', b'CR'), e(0x00280010, b'US', struct.pack(order + 'H', 2)),
            e(0x00540220, b'SQ', item(inner, order)), e(0x7fe00010, b'OW', bytes(8))]


def walks():
    """DICOM files, as far as decode/walk.c reads them."""
    yield 'implicit', dicom_file(b'', *data_set(implicit=True))
    yield 'explicit', dicom_file(b'.1', *data_set())
    yield 'big', dicom_file(b'.2', *data_set('>'))
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    yield 'deflated', dicom_file(b'.1.99', deflate.compress(b''.join(data_set())) + deflate.flush())
    yield 'group-2-first', dicom_file(b'.1', *data_set(), preamble=b'')
    yield 'bare', b''.join(data_set(implicit=True))
    fragments = item(b'') + item(b'abcd') + item(b'ef')
    yield 'fragments', dicom_file(b'.4.50', dicom_element(0x7fe00010, b'OB', fragments + SEQUENCE_END, length=UNDEFINED))
    yield 'no-end', dicom_file(b'.4.50', dicom_element(0x7fe00010, b'OB', fragments, length=UNDEFINED))
    nest = b''
    for depth in range(34):
        nest = dicom_element(0x00540220, b'SQ', item(nest + ITEM_END, length=UNDEFINED) + SEQUENCE_END, length=UNDEFINED)
        if depth in (3, 31, 33):
            yield f'nest-{depth}', dicom_file(b'.1', nest)
    unknown = item(dicom_element(0x00080060, b'', b'CR', implicit=True) + ITEM_END, length=UNDEFINED) + SEQUENCE_END
    yield 'unknown', dicom_file(b'.1', dicom_element(0x00091001, b'UN', unknown, length=UNDEFINED), *data_set())
    yield 'cut', dicom_file(b'.1', *data_set())[:-3]
    yield 'zeros', dicom_file(b'.1', *data_set()) + bytes(9)
    yield 'other-syntax', dicom_file(b'.4.100', *data_set())


def pipelines():
    """The pipeline to grey, as fuzz_grey.c reads it: flags, tables, numbers, padding, the samples' coding, samples."""
    samples = struct.pack('<HB', 0, 0) + bytes([2, 11, 0, 0]) + struct.pack('<16H', *range(0, 4096, 256))
    lut = bytes([3]) + struct.pack('<hB4H', -2, 15, 0, 1000, 30000, 65535)
    window = struct.pack('<ddB', 2048, 4096, 0)
    yield 'plain', bytes([0]) + samples
    yield 'bytes', bytes([0]) + struct.pack('<HB', 0, 0) + bytes([1, 7, 0, 0]) + bytes(range(0, 256, 16))
    yield 'inverted', bytes([1]) + samples
    yield 'padding', bytes([2]) + struct.pack('<HB', 0, 200) + samples[3:]
    yield 'modality-lut', bytes([4]) + lut + samples
    yield 'voi-lut', bytes([8]) + lut + samples
    yield 'both-luts', bytes([12]) + lut + lut + samples
    yield 'rescale', bytes([16]) + struct.pack('<dd', -1.5, 100) + samples
    for function in range(3):
        yield f'window-{function}', bytes([32]) + window[:-1] + bytes([function]) + samples
    yield 'no-slope', bytes([16]) + struct.pack('<dd', 0, 100) + samples
    yield 'no-number', bytes([48]) + struct.pack('<dd', float('nan'), float('inf')) + window + samples
    yield 'signed', bytes([0]) + struct.pack('<HB', 0, 0) + bytes([2, 11, 4, 1]) + samples[7:]


def run_lengths():
    """The form that fuzz_rle.c reads: pixels, channels and bytes of a sample, then a frame."""
    def frame(*segments):
        offsets = [64 + sum(map(len, segments[:i])) for i in range(len(segments))]
        return struct.pack('<16I', len(segments), *offsets, *[0] * (15 - len(segments))) + b''.join(segments)

    run, literal = b'\xf9A', b'\x07abcdefgh'
    yield 'byte', bytes([8, 0, 0]) + frame(run)
    yield 'word', bytes([8, 0, 1]) + frame(run, literal)
    yield 'colour', bytes([8, 1, 0]) + frame(run, literal, b'\x80' + run)
    yield 'long-run', bytes([8, 0, 0]) + frame(b'\x81A')
    yield 'cut', bytes([8, 0, 0]) + frame(literal[:-1])
    yield 'short', bytes([9, 0, 0]) + frame(literal)
    yield 'segments', bytes([8, 0, 1]) + frame(run)


def jpegs():
    """Small JPEG files of each kind that is read, and of some that are not."""
    image = PIL.Image.new('RGB', (17, 11))
    image.putdata([(x * 9, y * 20, (x * y) & 255) for y in range(11) for x in range(17)])

    def saved(picture_, **options):
        out = io.BytesIO()
        picture_.save(out, 'JPEG', **options)
        return out.getvalue()

    grey = image.convert('L')
    yield 'grey', saved(grey)
    yield 'colour', saved(image)
    yield 'colour-444', saved(image, subsampling=0)
    yield 'progressive', saved(image, progressive=True)
    yield 'grey-progressive', saved(grey, progressive=True)
    yield 'restarts', saved(grey, restart_marker_blocks=1)
    yield 'cmyk', saved(image.convert('CMYK'))
    for orientation in (3, 6):
        exif = PIL.Image.Exif()
        exif[0x0112] = orientation
        yield f'exif-{orientation}', saved(grey, exif=exif)
    yield 'cut', saved(grey)[:-20]
    yield 'no-end', saved(grey)[:-2]
    yield 'behind', saved(grey) + b'rubbish'


def write(target, seeds):
    folder = os.path.join(HERE, 'corpus', target)
    os.makedirs(folder, exist_ok=True)
    for old in os.listdir(folder):
        if old.startswith('seed-'):
            os.unlink(os.path.join(folder, old))
    for name, data in seeds:
        with open(os.path.join(folder, f'seed-{name}'), 'wb') as file:
            file.write(data)


def main():
    for name, stream, width, height, raw in odd_streams():
        assert len(raw) == height * (width + 1), name
    write('png', pictures())
    write('multipart', forms())
    write('http', ((name, bytes([piece]) + data) for name, piece, data in http()))
    write('config', jobs())
    write('keys', keys())
    write('table', tables())
    write('weights', weights())
    write('checkpoint', checkpoints())
    write('onnx', onnx_files())
    write('walk', walks())
    write('grey', pipelines())
    write('jpeg', jpegs())
    write('rle', run_lengths())


if __name__ == '__main__':
    main()
