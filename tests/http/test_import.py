"""Models that others trained: `cxrd import` and POST /models."""
import json
import os
import unittest

from support import dataset, program
from support.case import Case


def read(path):
    with open(path, 'rb') as file:
        return file.read()


class Command(Case):

    def test_a_file_of_ours_stays_as_it_is(self):
        out = os.path.join(program.new_folder('import'), 'model.safetensors')
        done = program.run('import', dataset.weights_path(), '--out', out)
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


if __name__ == '__main__':
    unittest.main()
