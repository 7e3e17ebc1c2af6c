"""Nothing of a patient stays: a canary goes in by every door, and is looked for everywhere a disk or a log could hold it."""
import os
import unittest

from support import client, dataset, picture, program
from support.case import Case, NOTHING, import_model, log_until_now
from test_keys import ADMIN, PREDICT, bearer, keys_file

CANARY = 'DOE-JANE-19500101-CANARY'


def find(folder, word):
    """Files below a folder that hold a word, or are named so."""
    found = []
    for path, folders, names in os.walk(folder):
        found += [os.path.join(path, name) for name in folders + names if word in name]
    return found + [path for path, held in program.contents_below(folder) if word.encode() in held]


class Canary(Case):

    def feed(self, server, **key):
        """By file name, PNG text, form field, JSON, query, path, header, method, key, Idempotency-Key."""
        film = picture.noise(1, extra=picture.text(CANARY.encode()))
        form = (f'--b\r\nContent-Disposition: form-data; name="patient"\r\n\r\n{CANARY}\r\n--b\r\n'
                f'Content-Disposition: form-data; name="image"; filename="{CANARY}.png"\r\n\r\n').encode() + film + b'\r\n--b--\r\n'
        replies = [
            client.post(server, '/predict', film, Content_Type='image/png', **key),
            client.post(server, '/predict', form, Content_Type='multipart/form-data; boundary=b', **key),
            client.post(server, '/predict', film, Referer=f'http://x/{CANARY}', User_Agent=CANARY, Cookie=CANARY, X_Patient=CANARY, **key),
            client.post(server, f'/predict?patient={CANARY}', film, **key), client.post(server, f'/predict?{CANARY}', film, **key),
            client.post(server, '/predict', CANARY.encode() * 100, Content_Type=f'image/{CANARY}', **key),
            client.post(server, '/predict', film[:-40], Content_Type='image/png', **key),
            client.get(server, f'/jobs/{CANARY}', **key),
            client.get(server, f'/jobs?state={CANARY}', **key),
            client.post_json(server, '/jobs/train', {'dataset': CANARY, CANARY: CANARY}, **key),
            client.post_json(server, '/jobs/train', f'{{"{CANARY}"', **key),
            client.request(server, 'POST', '/models', CANARY.encode(), Content_Type='application/octet-stream', **key),
            client.get(server, '/jobs', Authorization=f'Bearer {CANARY}'),
            client.get(server, '/jobs', Host=CANARY), client.get(server, '/jobs', Origin=f'http://{CANARY}'),
        ]
        client.everything(server, client.head(CANARY[:10], f'/{CANARY}', f'{CANARY}: {CANARY}', 'Connection: close'))
        client.everything(server, f'{CANARY}\r\n\r\n'.encode())
        self.assertEqual([r.status for r in replies[:3]], [200] * 3)

    def look(self, server, *folders):
        self.assertNotIn(CANARY, log_until_now(server) if server.alive() else server.log_text())
        for folder in (server.state, os.path.dirname(server.log_path), *folders):
            self.assertEqual(find(folder, CANARY), [])

    def test_no_canary_on_disk_or_in_the_log(self):
        temporary, audit = program.new_folder('tmp'), program.new_folder('audit')
        for level in ('info', 'debug'):
            server = program.Server('--audit', os.path.join(audit, 'log'), '--log-level', level, datasets=dataset.tiny(),
                                    env={'TMPDIR': temporary})
            self.addCleanup(server.stop)
            import_model(server, dataset.weights())
            client.post_json(server, '/jobs/train', NOTHING)
            self.feed(server)
            self.look(server, temporary, audit)
            server.stop()
            self.look(server, temporary, audit)
            self.assertEqual(os.listdir(temporary), [])

    def test_nor_with_keys(self):
        audit = program.new_folder('audit')
        server = program.Server('--audit', os.path.join(audit, 'log'), '--keys', keys_file())
        self.addCleanup(server.stop)
        card = client.post(server, '/models', dataset.weights(), Content_Type='application/octet-stream', **bearer(ADMIN)).json()
        client.post(server, f'/models/{card["id"]}/activate', **bearer(ADMIN))
        self.feed(server, **bearer(PREDICT))
        server.stop()
        self.look(server, audit)

    def test_the_search_would_find_one(self):
        folder = program.new_folder()
        with open(os.path.join(folder, 'x'), 'wb') as file:
            file.write(b'\0' * 5000 + CANARY.encode())
        self.assertEqual(len(find(folder, CANARY)), 1)


class Memory(Case):

    def memory_holds(self, pid, words):
        """Which of these bytes a process has in its writable memory."""
        found = set()
        with open(f'/proc/{pid}/maps', encoding='ascii') as maps, open(f'/proc/{pid}/mem', 'rb', 0) as memory:
            for line in maps:
                span, mode = line.split()[:2]
                if not mode.startswith('rw') or '[v' in line:
                    continue
                start, end = (int(x, 16) for x in span.split('-'))
                try:
                    memory.seek(start)
                    data = memory.read(end - start)
                except (OSError, ValueError):
                    continue
                found |= {word for word in words if word in data}
        return found

    def test_an_upload_is_wiped_after_its_reply(self):
        if os.geteuid() != 0:
            self.skipTest('only root may look into the memory of a process that forbids it')
        if program.SANITIZED:
            self.skipTest('a sanitizer keeps what was freed')
        server = program.Server()
        self.addCleanup(server.stop)
        import_model(server, dataset.weights())
        marks = [os.urandom(16).hex().encode() for _ in range(40)]
        data = picture.noise(1, 700, 700)
        with client.Client(server) as one:
            for i, mark in enumerate(marks):
                # behind the picture's end, where it does not matter to anybody and the network's own buffer has gone over
                reply = one.request('POST', '/predict', data + bytes(60000) + mark + bytes(60000 + i))
                self.assertEqual(reply.status, 200)
        self.assertEqual(self.memory_holds(server.pid, marks), set())

    def test_the_look_would_find_something(self):
        if os.geteuid() != 0:
            self.skipTest('only root may look into the memory of a process that forbids it')
        word = os.urandom(16).hex().encode()
        self.assertEqual(self.memory_holds(os.getpid(), [word]), {word})

    def test_there_are_no_core_dumps(self):
        server = program.Server()
        self.addCleanup(server.stop)
        with open(f'/proc/{server.pid}/limits', encoding='ascii') as limits:
            core = next(line.split() for line in limits if line.startswith('Max core file size'))
        self.assertEqual(core[4:6], ['0', '0'])
        self.assertEqual(os.stat(f'/proc/{server.pid}/environ').st_uid, 0)  # not dumpable: the kernel gives it to root


if __name__ == '__main__':
    unittest.main()
