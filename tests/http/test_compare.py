"""cxrd compare: two runs on the rows that both were tested on, paired, by patient."""
import json
import math
import os
import random
import unittest

from support import client, dataset, program
from support.case import Case, ServerCase, QUICK, submit, wait_state

HEAD = ','.join(['image', 'patient', 'age', 'sex', 'view', 'split', *(f'true_{label}' for label in dataset.LABELS),
                 *(f'prob_{label}' for label in dataset.LABELS)])


def rows(n, seed, noise, films=1):
    """Of n patients, as {image: (patient, truths, probabilities)}: truths are the same for every seed of the noise."""
    truth, drawn = random.Random(1), random.Random(seed)
    made = {}
    for i in range(n):
        truths = [int(truth.random() < 0.4) for _ in dataset.LABELS]
        probs = [min(max((0.3 + 0.4 * t + drawn.gauss(0, noise)), 0.01), 0.99) for t in truths]
        for film in range(films):
            made[f'{i:05d}_{film:03d}.png'] = (f'{i:016x}', truths, probs)
    return made


def write(made, split='test', head=HEAD):
    path = os.path.join(program.new_folder('run'), 'scores.csv')
    with open(path, 'w', encoding='ascii') as file:
        file.write(head + '\n')
        for image, (patient, truths, probs) in made.items():
            file.write(','.join([image, patient, '50', 'F', 'PA', split, *map(str, truths), *(f'{p:.9g}' for p in probs)]) + '\n')
    return path


def loss(made):
    """Binary cross-entropy of each row."""
    return {image: -sum(math.log(p if t else 1 - p) for t, p in zip(truths, probs)) / 14 for image, (_, truths, probs) in made.items()}


def auroc(made, k):
    of = {t: [probs[k] for _, truths, probs in made.values() if truths[k] == t] for t in (0, 1)}
    return sum((p > q) + (p == q) / 2 for p in of[1] for q in of[0]) / (len(of[0]) * len(of[1]))


class Compare(Case):

    def compare(self, *args):
        done = program.run('compare', '--json', *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def fails(self, says, *args):
        done = program.run('compare', *args)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn(says, done.stderr)
        self.assertEqual(done.stdout, '')

    def test_the_better_of_two_is_found_and_the_difference_is_that_of_pairs(self):
        worse, better = rows(150, 2, 0.5), rows(150, 3, 0.1)
        told = self.compare(write(worse), write(better))
        self.assertEqual((told['split'], told['rows'], told['common'], told['patients'], told['relabelled']),
                         ('test', [150, 150], 150, 150, 0))
        first, second = loss(worse), loss(better)
        difference = [second[image] - first[image] for image in first]
        mean = sum(difference) / 150
        error = math.sqrt(sum((d - mean) ** 2 for d in difference) / 149 / 150)
        self.assertAlmostEqual(told['loss']['difference'], mean, places=6)
        self.assertAlmostEqual(told['loss']['first'], sum(first.values()) / 150, places=6)
        self.assertAlmostEqual(told['loss']['second'], sum(second.values()) / 150, places=6)
        half = told['loss']['difference_high'] - told['loss']['difference']
        self.assertTrue(1.95 < half / error < 2.3, half / error)  # Student's t for as many degrees of freedom as they are worth
        for k, finding in enumerate(told['findings']):
            self.assertAlmostEqual(finding['first'], auroc(worse, k), places=6)
            self.assertAlmostEqual(finding['second'], auroc(better, k), places=6)
            self.assertAlmostEqual(finding['difference'], auroc(better, k) - auroc(worse, k), places=6)
        self.assertGreater(told['macro_auroc']['difference_low'], 0)
        self.assertLess(told['loss']['difference_high'], 0)
        text = program.run('compare', write(better), write(worse)).stdout
        self.assertEqual(text.count('the first is better'), 2)

    def test_a_run_does_not_differ_from_itself(self):
        path = write(rows(40, 2, 0.3))
        told = self.compare(path, path)
        for pair in (told['loss'], told['macro_auroc'], *told['findings']):
            self.assertEqual((pair['difference'], pair['difference_low'], pair['difference_high']), (0, 0, 0))
        self.assertEqual(program.run('compare', path, path).stdout.count('cannot be told'), 2)

    def test_two_films_of_a_patient_prove_no_more_than_one(self):
        one, two = (self.compare(write(rows(60, 2, 0.3, films)), write(rows(60, 3, 0.3, films))) for films in (1, 2))
        self.assertEqual((one['patients'], two['patients'], two['common']), (60, 60, 120))
        for a, b in ((one['loss'], two['loss']), (one['macro_auroc'], two['macro_auroc'])):
            for name in ('difference', 'difference_low', 'difference_high'):
                self.assertAlmostEqual(a[name], b[name], places=5)

    def test_rows_of_one_only_and_rows_with_other_findings_are_left_out_and_counted(self):
        first, second = rows(50, 2, 0.3), rows(50, 3, 0.3)
        for image in list(second)[:10]:
            del second[image]
        for image in list(first)[45:]:
            del first[image]
        second = dict(sorted(second.items(), reverse=True))  # in another order
        relabelled = list(first)[20]
        patient, truths, probs = first[relabelled]
        first[relabelled] = (patient, [1 - t for t in truths], probs)
        told = self.compare(write(first), write(second))
        self.assertEqual((told['rows'], told['common'], told['relabelled'], told['patients']), ([45, 40], 34, 1, 34))
        common = [image for image in first if image in second and image != relabelled]
        self.assertAlmostEqual(told['loss']['first'], sum(loss(first)[image] for image in common) / 34, places=6)
        done = program.run('compare', write(first), write(second))
        self.assertIn('45 in the first, 40 in the second; compared on the 34 of both', done.stdout)
        self.assertIn('1 rows of both have other findings', done.stdout)

    def test_what_cannot_be_compared_is_refused_in_a_sentence(self):
        good = write(rows(20, 2, 0.3))
        other = write({f'other{image}': row for image, row in rows(20, 2, 0.3).items()})
        self.fails('the two runs have no test row in common (20 in the first, 20 in the second)', good, other)
        self.fails('no validation row in common (0 in the first, 0 in the second)', '--split', 'validation', good, good)
        flipped = {image: (p, [1 - t for t in truths], probs) for image, (p, truths, probs) in rows(20, 2, 0.3).items()}
        self.fails('all 20 test rows', good, write(flipped))
        self.fails('scores.csv', good, program.new_folder('empty'))
        for change, says in ((lambda text: text.replace('patient', 'person', 1), 'line 1 does not name the columns'),
                             (lambda text: text.replace('prob_Mass', 'prob_Hernia', 1), 'names a column twice'),
                             (lambda text: text.replace(',test,0,', ',test,2,', 1), 'a truth that is neither 0 nor 1'),
                             (lambda text: text.replace(',test,', ',test"', 1), 'cannot be parsed'),
                             (lambda text: text[:-30], 'line 21'),
                             (lambda text: text + text.splitlines()[1] + '\n', 'is in it twice'),
                             (lambda text: text.replace(',0.', ',nan', 1), 'no number from 0 to 1'),
                             (lambda text: '', 'is not there')):
            with open(good, encoding='ascii') as file:
                text = file.read()
            with open(bad := write({}), 'w', encoding='ascii') as file:
                file.write(change(text))
            with self.subTest(says=says):
                self.fails(says, good, bad)

    def test_wrong_use_is_told(self):
        for args in ((), ('one',), ('--split', 'all', 'one', 'two'), ('a', 'b', 'c')):
            self.assertEqual(program.run('compare', *args).returncode, 2, args)

    def test_the_folders_of_two_trainings_are_compared(self):
        told = self.compare(dataset.trained(), dataset.trained())
        self.assertGreater(told['common'], 0)
        self.assertEqual(told['loss']['difference'], 0)


class Served(ServerCase):
    with_data = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        small = {**QUICK, 'split_seed': 3}
        cls.jobs = [submit(cls.server, {**small, **more}) for more in ({'seed': 1}, {'seed': 2, 'steps_per_epoch': 4},
                                                                      {'labels': ['Mass', 'Effusion']}, {'epochs': 0})]
        for job in cls.jobs:
            wait_state(cls.server, job, 'succeeded')

    def compare(self, job, **query):
        return self.get(f'/jobs/{job}/compare?' + '&'.join(f'{name}={value}' for name, value in query.items()))

    def test_two_jobs_are_compared_as_the_command_compares_their_scores(self):
        first, second = self.jobs[:2]
        paths = []
        for job in (first, second):
            paths.append(os.path.join(program.new_folder('scores'), 'scores.csv'))
            with open(paths[-1], 'wb') as file:
                file.write(self.get(f'/jobs/{job}/scores?split=all').body)
        for split in ('test', 'validation', 'train'):
            reply = self.compare(second, **{'with': first}, **({} if split == 'test' else {'split': split}))
            self.assertEqual(reply.status, 200, reply)
            told = reply.json()
            self.assertEqual(told.pop('jobs'), [first, second])
            self.assertEqual(told, json.loads(program.run('compare', '--json', '--split', split, *paths).stdout))
            self.assertGreater(told['common'], 0)
            self.assertNotEqual(told['loss']['difference'], 0)

    def test_a_job_does_not_differ_from_itself(self):
        told = self.compare(self.jobs[0], **{'with': self.jobs[0]}).json()
        for pair in (told['loss'], told['macro_auroc']):
            self.assertEqual((pair['difference'], pair['difference_low'], pair['difference_high']), (0, 0, 0))

    def test_what_cannot_be_compared_is_refused(self):
        first, second, others, nothing = self.jobs
        unknown = '00000000-0000-0000-0000-000000000000'
        for job, query, status, says in ((first, {}, 422, "'with'"), (first, {'with': ''}, 422, "'with'"), (first, {'with': '..'}, 422, "'with'"),
                                         (first, {'with': second, 'split': 'all'}, 422, "no split 'all'"), (first, {'with': unknown}, 404, unknown),
                                         (unknown, {'with': first}, 404, unknown), (first, {'with': others}, 422, 'other findings'),
                                         (first, {'with': nothing}, 404, 'has no scores'), (nothing, {'with': first}, 404, 'has no scores')):
            with self.subTest(query):
                self.assert_problem(self.compare(job, **query), status, says)

    def test_scores_that_are_damaged_are_a_matter_of_the_server(self):
        server = program.Server(datasets=dataset.tiny())
        self.addCleanup(lambda: server.stop())
        job = submit(server, QUICK)
        wait_state(server, job, 'succeeded')
        with open(os.path.join(server.state, 'jobs', job, 'scores.csv'), 'w', encoding='ascii') as file:
            file.write('nonsense')
        self.assert_problem(client.get(server, f'/jobs/{job}/compare?with={job}'), 503, 'storage')


if __name__ == '__main__':
    unittest.main()
