"""The processes that decode JPEG and DICOM: killed, stopped, not to be had, and pictures that kill or hold them."""
import concurrent.futures
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
import unittest
import unittest.mock
import zlib

from support import client, dataset, dicom, jpeg, picture, program
from support.case import LONG, Case, ServerCase, import_model, job_of, submit, wait_state, wait_training

ROWS = [[40 + 20 * ((x + y) % 9) for x in range(8)] for y in range(8)]
PHOTO = jpeg.squares(ROWS)
FILM = dicom.film(jpeg.pixels(ROWS))


# Runs the rest of the command line where prctl(PR_SET_SECCOMP) is refused with EPERM, as by a service manager's filter (seccomp(2),
# x86-64 and AArch64: load the call's number, then its first argument).
REFUSES_PRCTL = '''
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
call = 157 if os.uname().machine == 'x86_64' else 167
code = [(0x20, 0, 0, 0), (0x15, 0, 3, call), (0x20, 0, 0, 16), (0x15, 0, 1, 22), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7fff0000)]
filters = ctypes.create_string_buffer(b''.join(struct.pack('=HBBI', *line) for line in code))
program = ctypes.create_string_buffer(struct.pack('=HxxxxxxQ', len(code), ctypes.addressof(filters)))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
'''

# The same where only the calls that are named in the first argument are possible, as by a unit's SystemCallFilter; systemd always
# lets a few more pass (systemd.exec(5)).
ALLOWS_CALLS = '''
import ctypes, os, sys
lib = ctypes.CDLL('libseccomp.so.2')
lib.seccomp_init.restype = ctypes.c_void_p
context = ctypes.c_void_p(lib.seccomp_init(0x00050001))
for name in sys.argv[1].split() + ['execve', 'exit', 'exit_group', 'getrlimit', 'rt_sigreturn']:
    number = lib.seccomp_syscall_resolve_name(name.encode())
    assert number < 0 or lib.seccomp_rule_add(context, 0x7fff0000, number, 0) == 0, name
assert ctypes.CDLL(None).prctl(38, 1, 0, 0, 0) == 0 and lib.seccomp_load(context) == 0
os.environ['ASAN_OPTIONS'] = os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0'  # which traces, as no unit's program may
os.execv(sys.argv[2], sys.argv[2:])
'''


def calls_of(name):
    """The system calls of a group of systemd's, or the one of that name."""
    if not name.startswith('@'):
        return {name}
    run = subprocess.run(['systemd-analyze', 'syscall-filter', name], capture_output=True, text=True, check=True)
    return set().union(*(calls_of(line.strip()) for line in run.stdout.splitlines()[1:] if line.strip() and '#' not in line))


def calls_of_unit():
    calls = set()
    with open(os.path.join(os.path.dirname(__file__), '../../packaging/cxrd.service'), encoding='utf-8') as unit:
        for line in unit:
            key, _, value = line.strip().partition('=')
            if key == 'SystemCallFilter':
                named = set().union(*(calls_of(name) for name in value.lstrip('~').split()))
                calls = calls - named if value.startswith('~') else calls | named
    return calls


def children(pid):
    """The processes that this one started and that have not ended."""
    found = []
    for task in os.listdir(f'/proc/{pid}/task'):
        try:
            with open(f'/proc/{pid}/task/{task}/children', encoding='ascii') as file:
                found += [int(child) for child in file.read().split()]
        except OSError:
            continue
    return found


def state(pid):
    """T: stopped, Z: it has ended and nobody has asked; '' of one that is gone."""
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii') as file:
            return file.read().rsplit(') ', 1)[1][0]
    except OSError:
        return ''


def is_stopped(pid):
    return state(pid) == 'T'


def descriptors(pid):
    return len(os.listdir(f'/proc/{pid}/fd'))


def resident(pid, kind='VmRSS'):
    with open(f'/proc/{pid}/status', encoding='ascii') as file:
        return int(re.search(rf'{kind}:\s+(\d+)', file.read()).group(1))


def send_signal(pid, number):
    """False: it has gone already."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def counted(server, name):
    """The counters of a family, by the value of their one label."""
    text = client.get(server, '/metrics').body.decode()
    return {label: int(value) for label, value in re.findall(rf'^{name}{{[a-z]+="(\w+)"}} (\d+)$', text, re.M)}


def nested_film(depth):
    """Sequences of undefined length, one in the other."""
    item = struct.pack('<HH2sHIHHI', 0x0040, 0xa730, b'SQ', 0, 0xffffffff, 0xfffe, 0xe000, 0xffffffff)
    return dicom.file({'SOPClassUID': dicom.DX, 'SOPInstanceUID': f'{dicom.ROOT}.1', 'Modality': 'DX'}, pixels=item * depth)


def deflate_bomb(megabytes):
    """A data set that is zeros for so long."""
    head = dicom.element(0x00080060, 'CS', 'DX') + struct.pack('<HH2sHI', 0x0009, 0x1001, b'OB', 0, megabytes << 20)
    pack = zlib.compressobj(9, wbits=-15)
    data = pack.compress(head) + b''.join(pack.compress(bytes(1 << 20)) for _ in range(megabytes)) + pack.flush()
    whole = dicom.file({'SOPClassUID': dicom.DX, 'SOPInstanceUID': f'{dicom.ROOT}.1'}, syntax=dicom.DEFLATED)
    meta_end = 132 + 12 + struct.unpack_from('<I', whole, 140)[0]
    return whole[:meta_end] + data


def scan_bomb(side, scans):
    """A progressive JPEG of many empty scans, each of which goes over all of the picture."""
    frame = jpeg.segment(0xc2, struct.pack('>BHHBBBB', 8, side, side, 1, 1, 0x11, 0))
    tables = jpeg.segment(0xdb, b'\0' + bytes([1] * 64)) + jpeg.segment(0xc4, b'\x10' + bytes([1] + [0] * 15) + b'\0')
    scan = jpeg.segment(0xda, b'\1\1\0\1\x3f\0') + bytes(8)
    return b'\xff\xd8' + tables + frame + scan * scans + b'\xff\xd9'


def form(before, film, total=None):
    """A film as a file in a form, behind a field; `total`: bytes of the form, made up by what follows the closing boundary."""
    body = (b'--XX\r\nContent-Disposition: form-data; name="note"\r\n\r\n' + before +
            b'\r\n--XX\r\nContent-Disposition: form-data; name="image"; filename="film.dcm"\r\n\r\n' + film + b'\r\n--XX--\r\n')
    return body + b'\n' * ((total or 0) - len(body))


class Outside(ServerCase):
    """Pictures that are decoded by somebody else."""

    with_model = True

    def setUp(self):
        self.before = descriptors(self.server.pid)
        self.addCleanup(self.check_all_is_well)

    def check_all_is_well(self):
        self.assert_prediction(self.predict(PHOTO))
        program.poll(lambda: descriptors(self.server.pid) <= self.before + 5, 'descriptors are closed')  # a helper more, and memory for the next pictures

    def helpers(self):
        return children(self.server.pid)

    def test_a_jpeg_is_the_picture_that_it_holds(self):
        rows = jpeg.pixels(ROWS)
        plain = picture.png(64, 64, b''.join(b'\0' + bytes(row) for row in rows))
        here = self.assert_prediction(self.predict(plain))['probabilities']
        self.assertEqual(self.assert_prediction(self.predict(PHOTO))['probabilities'], here)
        self.assertEqual(self.assert_prediction(self.predict(FILM))['probabilities'], here)

    def test_a_large_file_is_decoded_where_it_lies(self):
        """In a body of more than 1 MiB, wherever in it: at the beginning, at any byte of a form, with an end at a page's."""
        film = dicom.film([[(7 * x + 5 * y) % 4096 for x in range(1000)] for y in range(700)], bits=12, WindowCenter='2000', WindowWidth='3000')
        alone = self.assert_prediction(self.predict(film))['probabilities']
        for before in (b'', b'x', b'xy', bytes(4097)):
            for total in (None, -(-(len(film) + 8192) // 4096) * 4096):
                with self.subTest(before=len(before), total=total):
                    reply = self.predict(form(before, film, total), Content_Type='multipart/form-data; boundary=XX')
                    self.assertEqual(self.assert_prediction(reply)['probabilities'], alone)

    @unittest.skipIf(program.SANITIZED, 'a sanitizer takes more')
    def test_a_helper_that_waits_has_little_memory(self):
        for data in (PHOTO, FILM):
            self.assert_prediction(self.predict(data))
        for helper in self.helpers():
            own = resident(helper) + sum(resident(child, 'RssFile') for child in children(helper))  # what these have beside is the helper's
            self.assertLess(own, 8 << 10)  # KiB

    def test_many_at_once_get_each_their_own(self):
        files = [jpeg.squares([[30 + 7 * i + 5 * ((x * y) % 5) for x in range(8)] for y in range(8)]) for i in range(24)]
        alone = [self.assert_prediction(self.predict(data))['probabilities'] for data in files]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            together = list(pool.map(self.predict, files))
        self.assertEqual([self.assert_prediction(reply)['probabilities'] for reply in together], alone)

    def test_row_71_pictures_that_hold_or_kill_their_decoder(self):
        self.predict(PHOTO)
        memory = resident(self.server.pid)
        for name, data, statuses in (('nested sequences', nested_film(20000), (400,)),
                                     ('a deflate bomb', deflate_bomb(256), (413, 422)),
                                     ('a scan bomb', scan_bomb(5600, 3000), (400, 413, 422)),
                                     ('65,500 pixels a side', jpeg.squares(ROWS, width=65500, height=65500), (413, 422)),
                                     ('cut short', PHOTO[:-100], (400,)), ('no pixels', b'\xff\xd8\xff', (400,))):
            with self.subTest(name):
                reply = self.predict(data)
                self.assertIn(reply.status, statuses, reply)
                self.assert_problem(reply, reply.status)
        self.assertLess(resident(self.server.pid) - memory, 40_000 * program.SHADOW)

    def test_row_72_a_helper_that_is_killed_is_begun_anew(self):
        lost = sum(counted(self.server, 'cxrd_decoder_restarts_total').values())
        for _ in range(5):
            helpers = self.helpers()
            for helper in helpers:
                send_signal(helper, signal.SIGKILL)
            # Until a helper has let go of its socket it may still be asked, and two that are lost over a picture are a 503.
            program.poll(lambda: all(state(helper) in ('', 'Z') for helper in helpers), 'they have ended')
            self.assert_prediction(self.predict(FILM))  # nobody was at it
        self.assertGreaterEqual(sum(counted(self.server, 'cxrd_decoder_restarts_total').values()), lost + 5)

    def test_row_72_a_process_that_is_killed_before_its_picture_comes_costs_none(self):
        lost = counted(self.server, 'cxrd_decoder_restarts_total')
        ended = counted(self.server, 'cxrd_decoder_pictures_total')
        for data in (FILM, PHOTO, FILM):
            waiting = [child for helper in self.helpers() for child in children(helper)]
            self.assertTrue(waiting)
            for child in waiting:
                send_signal(child, signal.SIGKILL)
            program.poll(lambda: all(state(child) in ('', 'Z') for child in waiting), 'they have ended')
            self.assert_prediction(self.predict(data))
        self.assertEqual(counted(self.server, 'cxrd_decoder_restarts_total'), lost)
        self.assertEqual(counted(self.server, 'cxrd_decoder_pictures_total'), {**ended, 'answered': ended['answered'] + 3})

    def test_row_72_a_helper_that_is_killed_over_a_picture(self):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for number in range(24):
                asked = [pool.submit(self.predict, FILM if i % 2 else PHOTO) for i in range(4)]
                time.sleep(0.002 * (number % 4))
                helpers = self.helpers()
                for helper in helpers:
                    for process in [helper] + (children(helper) if number % 2 and os.path.exists(f'/proc/{helper}') else []):
                        send_signal(process, signal.SIGKILL)
                for reply in asked:
                    self.assertIn(reply.result().status, (200, 400, 503), reply.result())
                    if reply.result().status != 200:
                        self.assert_problem(reply.result(), reply.result().status)
                program.poll(lambda: all(state(helper) in ('', 'Z') for helper in helpers), 'they have ended')
                self.assert_prediction(self.predict(FILM))


class Stopped(ServerCase):
    with_model = True
    arguments = ('--decode-timeout', '3', '--decoders', '1')

    def test_row_73_a_helper_that_is_stopped_is_begun_anew(self):
        late = counted(self.server, 'cxrd_decoder_restarts_total')['late']
        self.predict(PHOTO)
        helper, = children(self.server.pid)
        send_signal(helper, signal.SIGSTOP)
        program.poll(lambda: is_stopped(helper), 'it is stopped')
        self.assert_problem(self.predict(PHOTO), 503, 'send it again')
        self.assert_prediction(self.predict(PHOTO))
        self.assert_prediction(self.predict(picture.noise(1)))  # PNG needs none
        self.assertGreater(counted(self.server, 'cxrd_decoder_restarts_total')['late'], late)


    def test_row_73_a_picture_whose_process_gets_no_time_may_be_sent_again(self):
        self.predict(PHOTO)
        starved = counted(self.server, 'cxrd_decoder_pictures_total')['starved']
        child, = [one for helper in children(self.server.pid) for one in children(helper)]
        send_signal(child, signal.SIGSTOP)
        program.poll(lambda: is_stopped(child), 'it is stopped')
        self.assert_problem(self.predict(PHOTO), 503, 'send it again')
        self.assert_prediction(self.predict(PHOTO))
        self.assertEqual(counted(self.server, 'cxrd_decoder_pictures_total')['starved'], starved + 1)


class Slow(ServerCase):
    """One thread that predicts, and one helper, which does not come to an end."""

    with_model = True
    arguments = ('--threads', '1', '--decoders', '1', '--decode-timeout', '30')

    def test_row_79_slow_pictures_hold_up_no_png(self):
        self.predict(PHOTO)
        helper, = children(self.server.pid)
        send_signal(helper, signal.SIGSTOP)
        self.addCleanup(send_signal, helper, signal.SIGCONT)
        program.poll(lambda: is_stopped(helper), 'it is stopped')
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            slow = [pool.submit(self.predict, PHOTO), pool.submit(self.predict, FILM),
                    pool.submit(self.send_form, FILM)]  # one is being decoded, the others wait
            program.poll(lambda: b'\ncxrd_decoder_busy 1\n' in client.get(self.server, '/metrics').body, 'one is being decoded')
            for i in range(3):
                self.assert_prediction(self.predict(picture.noise(i)))
            self.assertFalse(any(one.done() for one in slow))
            send_signal(helper, signal.SIGCONT)
            for one in slow:
                self.assert_prediction(one.result())

    def send_form(self, film):
        return self.predict(form(b'', film), Content_Type='multipart/form-data; boundary=XX')


class BesideTraining(Case):
    """A training on DICOM and JPEG files, which are decoded again for each of its steps."""

    def datasets(self):
        datasets = program.new_folder('datasets')
        folder = os.path.join(datasets, 'films')
        images = os.path.join(folder, 'images_001', 'images')
        os.makedirs(images)
        for i in range(dataset.ROWS):
            rows = [[(17 * i + 31 * x + 57 * y) % 256 for x in range(8)] for y in range(8)]
            data, ending = (jpeg.squares(rows), '.jpg') if i % 2 else (dicom.film(jpeg.pixels(rows), number=i + 1), '.dcm')
            with open(os.path.join(images, dataset.name(i)[:-4] + ending), 'wb') as file:
                file.write(data)
        dataset.write_table(folder)
        return datasets

    def test_row_80_a_training_leaves_predictions_their_helpers(self):
        """Its own are stopped while it uses them, so that it waits; if it had the predictions' helper, these would wait, too."""
        server = program.Server('--decoders', '1', '--decode-timeout', '3', '--cache-bytes', '0', datasets=self.datasets())
        self.addCleanup(server.stop)
        import_model(server, dataset.weights())
        self.assert_prediction(client.post(server, '/predict', FILM))
        of_predictions = children(server.pid)
        job = submit(server, {**LONG, 'dataset': 'films'})
        wait_training(server, job)
        of_training = [helper for helper in children(server.pid) if helper not in of_predictions] or of_predictions
        for helper in of_training:
            send_signal(helper, signal.SIGSTOP)
            self.addCleanup(send_signal, helper, signal.SIGCONT)
        program.poll(lambda: all(is_stopped(helper) for helper in of_training), 'they are stopped')
        for data in (FILM, PHOTO, FILM):
            self.assert_prediction(client.post(server, '/predict', data))
        self.assertEqual(job_of(server, job)['state'], 'running')
        for helper in of_training:
            send_signal(helper, signal.SIGCONT)
        self.assertEqual(client.post(server, f'/jobs/{job}/cancel').status, 202)
        wait_state(server, job, 'cancelled')


class NoDecoder(Case):
    """Servers that have nothing to decode with, or no sandbox: PNG goes on."""

    def beside(self, helper=None):
        """The program in a folder of its own, and beside it what it takes for its helper."""
        folder = program.new_folder('bin')
        binary = os.path.join(folder, 'cxrd')
        shutil.copy(program.BINARY, binary)
        if helper:
            helper(os.path.join(folder, 'cxrd-decode'))
        return binary

    def check_png_alone(self, binary, says):
        with unittest.mock.patch.object(program, 'BINARY', binary):
            server = program.Server()
        self.addCleanup(server.stop)
        model = import_model(server, dataset.weights())
        for data in (PHOTO, FILM, PHOTO):
            problem = self.assert_problem(client.post(server, '/predict', data), 503, says)
            self.assertNotIn(os.path.dirname(binary), problem['detail'])
        self.assert_prediction(client.post(server, '/predict', picture.noise(1)))
        self.assertEqual(client.get(server, '/readyz').json(),
                         {'status': 'ready', 'model': model['id'], 'decoder': 'unavailable'})
        self.assertEqual(client.get(server, '/version').json()['decoder']['state'], 'unavailable')
        self.assertIn('\ncxrd_decoder_up 0\n', client.get(server, '/metrics').body.decode())
        told = [line for line in server.log() if line['message'] == 'JPEG and DICOM cannot be decoded']
        self.assertTrue(told and says in told[0]['detail'], told)
        return told[0]

    def test_row_78_no_helper_is_a_503_and_png_is_answered(self):
        binary = self.beside()
        self.assertIn(os.path.dirname(binary), self.check_png_alone(binary, 'cannot be started')['inner'])

    def test_row_78_a_helper_that_is_something_else(self):
        def another(path):
            with open(path, 'w', encoding='utf-8') as file:
                file.write('#!/bin/sh\nexit 127\n')
            os.chmod(path, 0o755)

        self.assertIn('127', self.check_png_alone(self.beside(another), 'ended before it was ready')['inner'])

    def test_row_78_no_sandbox_no_decoding(self):
        wrapper = (sys.executable, '-c', REFUSES_PRCTL)
        server = program.Server(wrapper=wrapper)
        self.addCleanup(server.stop)
        import_model(server, dataset.weights())
        self.assert_problem(client.post(server, '/predict', PHOTO), 503, 'its sandbox is refused')
        self.assert_prediction(client.post(server, '/predict', picture.noise(1)))
        told = [line for line in server.log() if line['message'] == 'JPEG and DICOM cannot be decoded']
        self.assertIn('docs/operating.md', told[0]['inner'])


@unittest.skipUnless(shutil.which('systemd-analyze'), 'systemd is not installed')
class UnderItsUnit(Case):
    """The system calls that packaging/cxrd.service lets it have."""

    def serve(self, calls):
        server = program.Server(wrapper=(sys.executable, '-c', ALLOWS_CALLS, ' '.join(sorted(calls))))
        self.addCleanup(server.stop)
        import_model(server, dataset.weights())
        return server

    def test_jpeg_and_dicom_are_decoded(self):
        server = self.serve(calls_of_unit())
        for data in (PHOTO, FILM, picture.noise(1)):
            self.assert_prediction(client.post(server, '/predict', data))

    def test_without_the_last_three_they_are_not(self):
        server = self.serve(calls_of_unit() - {'seccomp', 'landlock_create_ruleset', 'landlock_restrict_self'})
        self.assert_problem(client.post(server, '/predict', PHOTO), 503, 'its sandbox is refused')


class FromTheShell(Case):

    def test_predict_has_a_helper_of_its_own(self):
        folder = program.new_folder('films')
        for name, data in (('a.jpg', PHOTO), ('b.dcm', FILM)):
            with open(os.path.join(folder, name), 'wb') as file:
                file.write(data)
            done = program.run('predict', '--weights', dataset.weights_path(), '--json', os.path.join(folder, name))
            self.assertEqual((done.returncode, done.stderr), (0, ''))
        broken = os.path.join(folder, 'broken.jpg')
        with open(broken, 'wb') as file:
            file.write(PHOTO[:200])
        done = program.run('predict', '--weights', dataset.weights_path(), broken)
        self.assertEqual((done.returncode, done.stdout, done.stderr.count('\n')), (1, '', 1))
