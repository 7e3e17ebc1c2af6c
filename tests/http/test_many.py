"""`cxrd predict` on many pictures: what names them, in which order answers come, the table, the bar, a bad one among them."""
import csv
import io
import json
import os
import re
import signal
import subprocess
import unittest

from support import dataset, dicom, jpeg, picture, program
from support.case import Case, ServerCase

PIXELS = [[(7 * x * y) % 256 for x in range(70)] for y in range(60)]
SQUARES = [[(17 * x + 31 * y) % 256 for x in range(8)] for y in range(8)]


def predict(*arguments, source=None, **how):
    return program.run('predict', *(source or ('--weights', dataset.weights_path())), *arguments, **how)


def write(path, data):
    with open(path, 'wb') as file:
        file.write(data)
    return path


def films(n=6):
    """A folder with so many PNGs, and their paths in order."""
    folder = program.new_folder('films')
    return folder, [write(os.path.join(folder, f'{i:02}.png'), picture.noise(i, 60 + i, 50)) for i in range(n)]


def answers(done):
    """(file, probabilities) of each line."""
    return [(reply['file'], reply['probabilities']) for reply in map(json.loads, done.stdout.splitlines())]


class WhatNamesThem(Case):

    def test_a_list_a_pattern_a_folder_and_standard_input_mean_the_same(self):
        folder, paths = films()
        expected = answers(predict('--json', *paths))
        self.assertEqual([path for path, _ in expected], paths)
        listed = write(os.path.join(folder, 'list'), ('\r\n'.join(paths[:3]) + '\n\n' + '\n'.join(paths[3:])).encode())
        for arguments, given in ((('--list', listed), None), (('--list', '-'), '\n'.join(paths)), ((os.path.join(folder, '*.png'),), None),
                                 ((folder,), None), ((paths[0], '--list', '-'), '\n'.join(paths[1:]))):
            with self.subTest(arguments):
                done = predict('--json', *arguments, **({'input': given} if given else {}))
                self.assertEqual((done.returncode, done.stderr), (0, ''))
                self.assertEqual(answers(done), expected)

    def test_a_line_of_a_list_is_a_name_as_it_stands(self):
        folder, paths = films(2)
        os.rename(paths[0], os.path.join(folder, 'x2.png'))
        done = predict('--csv', '-', '--list', '-', input=os.path.join(folder, 'x[2].png') + '\n' + paths[1])
        self.assertEqual(done.returncode, 1)
        self.assertIn('x[2].png', done.stderr)
        self.assertNotIn('x2.png', done.stdout)
        done = predict('--json', '--list', '-', input='\0'.join(paths) + '\n')
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertIn('NUL', done.stderr)

    def test_only_a_table_is_written_over(self):
        _, paths = films(2)
        with open(paths[0], 'rb') as film:
            before = film.read()
        for target in (paths[0], dataset.weights_path()):
            with self.subTest(target):
                done = predict('--overwrite', '--csv', target, *paths)
                self.assertEqual(done.returncode, 1)
                self.assertIn('is no table of answers', done.stderr)
        with open(paths[0], 'rb') as film:
            self.assertEqual(film.read(), before)

    def test_a_picture_comes_through_standard_input(self):
        _, paths = films(1)
        with open(paths[0], 'rb') as film:
            done = predict('--json', '-', stdin=film)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        self.assertEqual(answers(done), [('-', answers(predict('--json', paths[0]))[0][1])])

    def test_a_folder_without_a_picture_keeps_no_other_from_being_asked_about(self):
        folder, paths = films(2)
        empty, deep = program.new_folder('empty'), program.new_folder('deep')
        below = os.path.join(deep, *'d' * 34)
        os.makedirs(below)
        out = os.path.join(program.new_folder('out'), 'table.csv')
        done = predict('--csv', out, empty, folder, deep)
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        lines = done.stderr.splitlines()
        self.assertEqual(lines[0], f'cxrd predict: {empty}: there is no picture in the folder')
        self.assertIn('deep in one another', lines[1])
        self.assertEqual(lines[2], 'cxrd predict: 2 of 4 pictures cannot be used')
        with open(out, encoding='utf-8', newline='') as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([row['file'] for row in rows][:3], [empty, *paths])
        self.assertEqual([bool(row['error']) for row in rows], [True, False, False, True])
        alone = predict(empty)
        self.assertEqual((alone.returncode, alone.stdout, alone.stderr), (1, '', lines[0] + '\n'))

    def test_what_names_nothing_is_told(self):
        folder = program.new_folder('films')
        for arguments, says in ((('--list', os.path.join(folder, 'none')), "cannot open the list"), (('--list', write(os.path.join(folder, 'l'), b'\n')), 'names no picture'),
                                ((os.path.join(folder, '*.png'),), "*.png': No such file"), (('--list', write(os.path.join(folder, 'long'), b'x' * 9000)), 'longer than a path')):
            with self.subTest(says):
                done = predict(*arguments)
                self.assertEqual((done.returncode, done.stdout), (1, ''))
                self.assertIn(says, done.stderr)
                self.assertEqual(done.stderr.count('\n'), 1)


class Answers(Case):

    def test_come_in_order_and_are_the_same_from_any_number_of_threads(self):
        folder, paths = films(24)
        for i in range(0, 24, 5):
            write(paths[i], dicom.film(PIXELS) if i % 2 else jpeg.squares(SQUARES))  # by its own helper, several at once
        one, many = predict('--json', '--threads', '1', folder), predict('--json', '--threads', '5', folder)
        self.assertEqual([one.returncode, many.returncode], [0, 0], many.stderr)
        self.assertEqual(answers(one), answers(many))
        self.assertEqual([path for path, _ in answers(many)], paths)

    def test_an_error_is_said_once(self):
        folder = program.new_folder('films')
        missing = os.path.join(folder, 'missing.png')
        self.assertEqual(predict(missing).stderr, f"cxrd predict: {missing}: cannot open 'missing.png': No such file or directory\n")
        done = program.run('predict', '--weights', 'none.safetensors', missing)
        self.assertEqual(done.stderr, "cxrd predict: cannot open 'none.safetensors': No such file or directory\n")

    def test_without_a_terminal_there_is_no_bar(self):
        done = predict('--json', films()[0])
        self.assertEqual(done.stderr, '')

    def test_on_a_terminal_there_is_one_with_an_eta(self):
        folder, _ = films(60)
        table = os.path.join(folder, 'table.csv')
        written, status = program.in_terminal('predict', '--weights', dataset.weights_path(), '--threads', '1', '--csv', table, folder,
                                              *[os.path.join(folder, '*.png')] * 40)
        self.assertEqual(status, 0, written)
        bars = [bar for bar in re.findall(r'\r\x1b\[K(predict [^\r\n]*)', written) if bar]
        self.assertGreater(len(bars), 0)
        for bar in bars:
            self.assertRegex(bar, r'^predict  \[#*-*\] +\d+%  \d+ of 2460  \d+ images/s(  ETA \d+:\d\d)?$')
            self.assertLess(len(bar), 80)
        self.assertEqual(re.sub(r'\r\x1b\[K(predict [^\r\n]*)?', '', written), '')  # and nothing of it stays


class TheTable(ServerCase):
    with_model = True

    def read(self, text):
        rows = list(csv.DictReader(io.StringIO(text)))
        self.assertEqual(list(rows[0]), ['file', *dataset.LABELS, 'warnings', 'model', 'error'])
        return rows

    def test_has_a_row_a_picture_and_says_why_one_has_no_figures(self):
        folder, paths = films()
        write(paths[2], b'GIF89a')
        wanted = dict(answers(predict('--json', folder)))
        for source in (None, ('--url', self.server.url)):
            out = os.path.join(program.new_folder('out'), 'table.csv')
            done = predict('--csv', out, folder, source=source)
            self.assertEqual((done.returncode, done.stdout), (1, ''))
            lines = done.stderr.splitlines()
            self.assertEqual(len(lines), 2, lines)
            self.assertIn(f'{paths[2]}: ', lines[0])
            self.assertEqual(lines[1], 'cxrd predict: 1 of 6 pictures cannot be used')
            with open(out, encoding='utf-8', newline='') as file:
                rows = self.read(file.read())
            self.assertEqual([row['file'] for row in rows], paths)
            for row in rows:
                if row['file'] == paths[2]:
                    self.assertIn('GIF', row['error'])
                    self.assertEqual({row[label] for label in dataset.LABELS}, {''})
                else:
                    self.assertEqual(row['error'], '')
                    self.assertTrue(row['model'])
                    self.assertEqual({label: float(row[label]) for label in dataset.LABELS}, wanted[row['file']])

    def test_goes_to_standard_output_too_and_beside_json(self):
        folder, paths = films(2)
        self.assertEqual([row['file'] for row in self.read(predict('--csv', '-', folder).stdout)], paths)
        out = os.path.join(folder, 'table')
        self.assertEqual([path for path, _ in answers(predict('--json', '--csv', out, folder))], paths)
        with open(out, encoding='utf-8', newline='') as file:
            self.assertEqual([row['file'] for row in self.read(file.read())], paths)
        done = predict('--json', '--csv', '-', folder)
        self.assertEqual((done.returncode, done.stdout), (2, ''))

    def test_is_not_written_over_by_accident(self):
        folder, paths = films(1)
        out = write(os.path.join(folder, 'table'), b'file,mine')
        done = predict('--csv', out, paths[0])
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertIn('--overwrite', done.stderr)
        with open(out, 'rb') as file:
            self.assertEqual(file.read(), b'file,mine')
        self.assertEqual(predict('--csv', out, '--overwrite', paths[0]).returncode, 0)

    def test_has_its_name_only_when_it_is_whole(self):
        folder, _ = films(2)
        out = os.path.join(program.new_folder('out'), 'table.csv')

        def rows():
            if not os.path.exists(out + '.part'):
                return 0
            with open(out + '.part', encoding='utf-8') as part:
                return len(part.readlines())
        for number in (signal.SIGINT, signal.SIGTERM):
            with program.start('predict', '--weights', dataset.weights_path(), '--threads', '1', '--csv', out, folder, '-',
                               stdin=subprocess.PIPE) as running:  # which waits for a picture that does not come
                program.poll(lambda: rows() == 3, 'the rows of two pictures')
                self.assertFalse(os.path.exists(out))
                running.send_signal(number)
                self.assertEqual(running.wait(program.END_SECONDS), -number)
            self.assertEqual(os.listdir(os.path.dirname(out)), ['table.csv.part'])
        self.assertEqual(predict('--csv', out, folder).returncode, 0)
        self.assertEqual(os.listdir(os.path.dirname(out)), ['table.csv'])

    def test_that_is_not_whole_says_where_its_rows_are(self):
        folder, paths = films(2)
        out = os.path.join(program.new_folder('out'), 'table.csv')
        server = program.Server()
        self.addCleanup(server.stop)
        done = predict('--csv', out, folder, source=('--url', server.url))  # no model is active
        self.assertEqual((done.returncode, os.listdir(os.path.dirname(out))), (1, []))
        write(out + '.part', b'mine')
        done = predict('--csv', out, *paths)
        self.assertEqual(done.returncode, 1)
        self.assertIn('is no table of answers', done.stderr)

    def test_a_disk_that_is_full_ends_it(self):
        done = predict('--csv', '/dev/full', '--overwrite', films()[0])
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertRegex(done.stderr, "^cxrd predict: cannot write '/dev/full': No space left on device\n$")

    def test_names_run_nothing_in_a_spreadsheet(self):
        folder = program.new_folder('films')
        write(os.path.join(folder, '=1,"2".png'), picture.noise(1))
        self.assertEqual(self.read(predict('--csv', '-', '=1,"2".png', cwd=folder).stdout)[0]['file'], '\'=1,"2".png')

    def test_a_server_that_is_not_there_ends_it_at_once(self):
        folder, _ = films()
        for more in ((), ('--csv', '-')):
            done = predict(*more, folder, source=('--url', 'http://127.0.0.1:9'))
            self.assertEqual((done.returncode, done.stdout, done.stderr.count('\n')), (1, '', 1))


if __name__ == '__main__':
    unittest.main()
