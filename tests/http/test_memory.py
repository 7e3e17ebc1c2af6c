"""The server's memory holds nothing of a picture once it is answered. A mark stands in every row of every picture that
is sent, by every door and with every end, and is then looked for in all the memory that the process may write."""
import os
import random
import struct
import unittest
import zlib

from support import client, dataset, picture, program
from support.case import Case, import_model

MARK = random.Random().randbytes(32)


def marked_row(draw, n, wide=1):
    """`n` samples of `wide` bytes, all of one sample equal, with the mark somewhere in them."""
    samples = bytearray(draw.randbytes(n))
    at = draw.randrange(n - len(MARK))
    samples[at:at + len(MARK)] = MARK
    return bytes(byte for sample in samples for byte in [sample] * wide)


def film(seed, size=64, depth=8, colour=picture.GREY, level=1, interlaced=False):
    draw = random.Random(seed)
    wide = depth // 8 * picture.CHANNELS[colour]
    if interlaced:  # seven smaller pictures, of which the last has every other row whole
        shapes = [(size // x, size // y) for x, y in ((8, 8), (8, 8), (4, 8), (4, 4), (2, 4), (2, 2), (1, 2))]
        rows = b''.join(b'\0' + (marked_row(draw, w, wide) if w > len(MARK) else draw.randbytes(w * wide)) for w, h in shapes for _ in range(h))
    else:
        rows = b''.join(b'\0' + marked_row(draw, size, wide) for _ in range(size))
    palette = picture.chunk(b'PLTE', bytes(v for i in range(256) for v in (i, i, i))) if colour == picture.PALETTE else b''
    return (picture.SIGNATURE
            + picture.chunk(b'IHDR', struct.pack('>IIBBBBB', size, size, depth, colour, 0, 0, interlaced)) + palette
            + picture.chunk(b'IDAT', zlib.compress(rows, level)) + picture.chunk(b'IEND', b''))


def writable(pid):
    """The memory that a process may write, a mapping at a time."""
    with open(f'/proc/{pid}/maps', encoding='ascii') as maps, open(f'/proc/{pid}/mem', 'rb', buffering=0) as memory:
        for line in maps:
            place, rights = line.split()[:2]
            if 'w' not in rights or line.rstrip().endswith(('[vvar]', '[vsyscall]')):
                continue
            begin, end = (int(part, 16) for part in place.split('-'))
            try:
                memory.seek(begin)
                data = b''
                while len(data) < end - begin:
                    some = memory.read(end - begin - len(data))
                    if not some:
                        break
                    data += some
            except OSError:
                continue  # it is gone, or nothing stands behind it
            yield line.strip(), data.strip(b'\0')  # most of a stack was never used


@unittest.skipUnless(os.geteuid() == 0, 'only root may read the memory of a process that cannot be traced')
@unittest.skipIf(program.SANITIZED, 'a sanitizer keeps what was freed')
class Memory(Case):

    def setUp(self):
        self.server = program.Server(env={'CXRD_MAX_UPLOAD': '2M'})
        self.addCleanup(self.server.stop)
        import_model(self.server, dataset.weights())
        self.sent = {}  # what, by name
        metadata = dataset.metadata()
        self.mean, self.std = (float(metadata[name]) for name in ('input_mean', 'input_std'))

    def send(self, name, body, target='/predict', status=200, **headers):
        self.sent[name] = body
        reply = client.post(self.server, target, body, **headers)
        self.assertEqual(reply.status, status, (name, reply))
        return reply

    def traces(self):
        """(what, where) of everything that is found."""
        wanted = {'pixels': MARK, 'pixels of 16 bits': bytes(b for m in MARK for b in (m, m)),
                  'pixels in colour': bytes(b for m in MARK for b in (m, m, m)),
                  'pixels as numbers': struct.pack(f'<{len(MARK)}f', *((m - self.mean) / self.std for m in MARK))}
        wanted.update((f'the bytes of {name}', body[len(body) // 2:][:32]) for name, body in self.sent.items())
        return [(what, place, data.find(needle)) for place, data in writable(self.server.pid) for what, needle in wanted.items()
                if needle in data]

    def assert_clean(self):
        found = []

        def clean():
            found[:] = self.traces()
            return not found

        try:
            program.poll(clean, 'nothing is left')
        except AssertionError:
            self.fail('\n'.join(map(str, found)))

    def test_row_45_the_scan_finds_what_is_there(self):
        """A picture that waits for its last byte is found, and then no more."""
        body = film(1, level=0)
        with client.Raw(self.server) as raw:
            raw.send(client.head('POST', '/predict', f'Content-Length: {len(body)}') + body[:-1])
            self.sent['the body'] = body
            program.poll(lambda: any(what == 'pixels' for what, *_ in self.traces()), 'it is found')
            raw.send(body[-1:])
            self.assertEqual(raw.reply().status, 200)
        self.assert_clean()

    def test_row_45_no_function_is_looked_up_while_a_picture_is_at_hand(self):
        """The lookup would keep the vector registers, with what was copied last, on a stack."""
        folder = program.new_folder('bindings')
        server = program.Server(env={'LD_DEBUG': 'bindings', 'LD_DEBUG_OUTPUT': os.path.join(folder, 'log')})
        self.addCleanup(server.stop)
        import_model(server, dataset.weights())

        def bound():
            with open(os.path.join(folder, f'log.{server.pid}'), encoding='utf-8', errors='replace') as log:
                return [line for line in log if 'binding file' in line and 'libz.so' in line.split(' to ')[0]]

        before = bound()
        self.assertTrue(before)
        for i, options in enumerate(({}, {'depth': 16}, {'colour': picture.RGB}, {'interlaced': True}, {'colour': picture.PALETTE, 'size': 512})):
            for target in ('/predict', '/predict/heatmap?label=Mass', '/predict/preview', '/predict/preview?size=64'):
                self.assertEqual(client.post(server, target, film(50 + i, **options), Content_Type='image/png').status, 200)
        self.assertEqual(client.post(server, '/predict', film(60, colour=picture.RGB)[:-40], Content_Type='image/png').status, 400)
        self.assertEqual(bound()[len(before):], [])

    def test_row_45_nothing_of_a_picture_stays_in_memory(self):
        kinds = {'grey': {}, 'stored': {'level': 0}, 'wide': {'depth': 16}, 'coloured': {'colour': picture.RGB},
                 'deep colour': {'colour': picture.RGB, 'depth': 16}, 'alpha': {'colour': picture.GREY_ALPHA},
                 'palette': {'colour': picture.PALETTE}, 'interlaced': {'interlaced': True},
                 'interlaced colour': {'interlaced': True, 'colour': picture.RGB}, 'large': {'size': 512},
                 'large and stored': {'size': 512, 'level': 0}}
        for i, (name, options) in enumerate(kinds.items()):
            body = film(i, **options)
            self.send(name, body, Content_Type='image/png')
            self.send(name + ', explained', body, '/predict?explain=Mass')
            map_of = self.send(name + ', its map', body, '/predict/heatmap?label=Mass')
            self.sent[name + ', the map'] = map_of.body
            for query in ('', '?size=64'):
                self.sent[name + ', the preview' + query] = self.send(name + ', its preview' + query, body, '/predict/preview' + query).body
            form = b'--b\r\nContent-Disposition: form-data; name="image"; filename="x.png"\r\n\r\n' + body + b'\r\n--b--\r\n'
            self.send(name + ', in a form', form, Content_Type='multipart/form-data; boundary=b')
        self.assert_clean()

    def test_row_45_nothing_of_a_picture_that_was_refused_stays_in_memory(self):
        for i, level in enumerate((0, 1)):
            body = film(20 + i, level=level, colour=picture.RGB)
            self.send(f'cut {i}', body[:-40], status=400)
            broken = bytearray(film(30 + i, 64, level=level))
            broken[-20] ^= 1
            self.send(f'broken {i}', bytes(broken), status=400)
            self.send(f'no PNG {i}', b'GIF8' + body, status=415)
            self.send(f'no JPEG {i}', b'\xff\xd8\xff' + body, status=400)
            self.send(f'zipped {i}', body, status=415, Content_Encoding='gzip')
            self.send(f'not found {i}', body, '/nothing', status=404)
            self.send(f'no part {i}', body, status=400, Content_Type='multipart/form-data; boundary=b')
        self.assert_clean()

    def test_row_45_nothing_of_a_picture_stays_whose_sender_goes(self):
        for i in range(4):
            body = film(40 + i, 256, level=0)
            self.sent[f'left {i}'] = body
            with client.Raw(self.server) as raw:
                raw.send(client.head('POST', '/predict', f'Content-Length: {len(body)}') + body[:len(body) * (i + 1) // 5])
        large = film(50, 2048, level=0)
        self.sent['too large'] = large
        client.talk(self.server, client.head('POST', '/predict', f'Content-Length: {len(large)}', 'Connection: close') + large, 'POST', '/predict')
        chunks = film(51, 256, level=0)
        self.sent['in chunks'] = chunks
        with client.Raw(self.server) as raw:
            raw.send(client.head('POST', '/predict', 'Transfer-Encoding: chunked'))
            for at in range(0, len(chunks), 1000):
                part = chunks[at:at + 1000]
                raw.send(b'%x\r\n%s\r\n' % (len(part), part))
            raw.send(b'0\r\n\r\n')
            self.assertEqual(raw.reply().status, 200)
        self.assert_clean()


if __name__ == '__main__':
    unittest.main()
