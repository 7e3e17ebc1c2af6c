"""Archives are unpacked by a process of their own: whatever becomes of it, the server goes on, and nothing stays behind."""
import os
import signal
import socket
import struct
import subprocess
import unittest

from support import client, outside, program
from support.case import wait_state
from test_datasets import DatasetsCase, tar

MANY = 20_000  # files: some moments
FAILING = os.path.join(os.path.dirname(os.path.realpath(program.BINARY)), 'tests', 'torture', 'libfailing_malloc.so')


def unpackers(pid):
    """Children of a server that unpack."""
    found = []
    for task in os.listdir(f'/proc/{pid}/task'):
        try:
            with open(f'/proc/{pid}/task/{task}/children', encoding='ascii') as file:
                children = file.read().split()
            for child in children:
                with open(f'/proc/{child}/cmdline', encoding='ascii') as file:
                    if ':unpack' in file.read():
                        found.append(int(child))
        except OSError:
            continue
    return found


def without_memory(at):
    return {'LD_PRELOAD': FAILING, 'CXRD_FAIL_IN': ':unpack', 'CXRD_FAIL_AT': str(at), 'CXRD_FAIL_FOREVER': '1'}


class Unpacker(DatasetsCase):

    def start(self, host, **more):
        place = f'127.0.0.1:{host.port}'
        server = program.Server('--data-hosts', place, '--outgoing-private', place, '--outgoing-ca', outside.certificate()[0], **more)
        self.addCleanup(lambda: server.alive() and server.stop())
        return server

    def begun(self):
        """A server in the middle of an archive: its process is stopped."""
        host = self.host({'/b/many.tar': tar(*((f'images/{i}.png', b'') for i in range(MANY)), mode='w')})
        server = self.start(host, datasets=program.new_folder('datasets'))
        job = self.ask(server, self.wanted(host, ['/b/many.tar']))
        process = program.poll(lambda: unpackers(server.pid), 'an archive is unpacked')[0]
        program.poll(lambda: any(files for _, _, files in os.walk(f'/proc/{process}/fd/5/')), 'it has begun')  # and so it dies with its server
        os.kill(process, signal.SIGSTOP)
        return server, job, process

    def test_row_83_one_that_is_ended_is_begun_anew(self):
        server, job, process = self.begun()
        os.kill(process, signal.SIGKILL)
        record = wait_state(server, job, 'interrupted', 'succeeded', 'failed')
        if record['state'] == 'interrupted':
            self.assertIn('the process that did was ended', record['error'])
            self.assertEqual(client.post(server, f'/jobs/{job}/resume').status, 202)
        record = wait_state(server, job, 'succeeded')
        self.assertEqual(record['found']['pictures'], MANY)

    def test_row_83_one_that_stands_still_ends_with_its_job(self):
        server, job, process = self.begun()
        self.assertEqual(client.post(server, f'/jobs/{job}/cancel').status, 202)
        wait_state(server, job, 'cancelled')
        self.assertFalse(os.path.exists(f'/proc/{process}'))

    def test_row_83_it_ends_with_its_server(self):
        server, _, process = self.begun()
        server.kill()
        program.poll(lambda: not os.path.exists(f'/proc/{process}'), 'it has ended')

    @staticmethod
    def unpack_alone(archive, at):
        """Whether the process, whose allocations fail from the given one on, unpacks it all the same; and its standard error."""
        folder, (ours, its) = os.open(program.new_folder('unpacked'), os.O_RDONLY), socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

        def descriptors():
            for number, fd in enumerate([os.dup(its.fileno()), os.dup(archive), os.dup(folder)], 3):
                os.dup2(fd, number)

        with ours, its:
            ours.send(struct.pack('=QQi32s4x', 1 << 30, 1000, os.getpid(), b'archive 1'))
            os.lseek(archive, 0, os.SEEK_SET)
            done = subprocess.run([program.BINARY, ':unpack'], pass_fds=(3, 4, 5), preexec_fn=descriptors, capture_output=True, check=False,
                                  env=program.environment(**without_memory(at)))
            its.close()
            said = [b'']
            while said[-1:] != [b''] or len(said) == 1:
                said.append(ours.recv(4096))
        os.close(folder)
        return done.returncode == 0 and len(said) > 2 and said[-2][36:40] == bytes(4), done.stderr.decode()

    @unittest.skipUnless(os.path.exists(FAILING), 'this build has no library that makes allocations fail')
    def test_row_83_where_it_has_no_memory_the_job_fails_and_the_server_goes_on(self):
        path = os.path.join(program.new_folder('archives'), 'one.tar.gz')
        with open(path, 'wb') as file:
            file.write(tar(('images/1.png', b'x'), ('images/' + 90 * 'n' + '.png', b'y')))
        archive = os.open(path, os.O_RDONLY)
        self.addCleanup(os.close, archive)
        ends = []
        for at in range(1, 5000):
            unpacked, said = self.unpack_alone(archive, at)
            if unpacked:
                break
            if 'Fatal Internal Error in libarchive' in said:
                ends.append(at)
        self.assertTrue(unpacked and ends, f'libarchive ended the process at none of {at} allocations')
        host = self.host({'/b/one.tar.gz': tar(('images/1.png', b'x'), ('images/' + 90 * 'n' + '.png', b'y'))})
        server = self.start(host, datasets=program.new_folder('datasets'), env=without_memory(ends[0]))
        record = wait_state(server, self.ask(server, self.wanted(host, ['/b/one.tar.gz'])), 'failed')
        self.assertIn('memory', record['error'])
        self.assertEqual(client.get(server, '/livez').status, 200)


if __name__ == '__main__':
    unittest.main()
