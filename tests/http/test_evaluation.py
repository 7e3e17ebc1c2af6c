"""A training's figures of its model, worked out again from its scores files: slowly, over all pairs and thresholds."""
import csv
import functools
import json
import math
import os
import unittest

from support import dataset, program
from support.case import ServerCase, import_model

RATES = [side + end for side in ('sensitivity', 'specificity') for end in ('', '_low', '_high')]
KINDS = ('youden', 'sensitivity_90', 'specificity_90')


@functools.lru_cache(maxsize=None)
def record():
    with open(os.path.join(dataset.trained(), 'job.json'), encoding='utf-8') as file:
        return json.load(file)


@functools.lru_cache(maxsize=None)
def columns(split):
    """(truths, probabilities) of each finding."""
    with open(os.path.join(dataset.trained(), f'scores_{split}.csv'), encoding='utf-8', newline='') as file:
        rows = list(csv.DictReader(file))
    return [([int(row[f'true_{label}']) for row in rows], [float(row[f'prob_{label}']) for row in rows])
            for label in dataset.LABELS]


def findings(split):
    return record()['evaluation'][split]['findings']


def rates(truth, prob, threshold):
    """Sensitivity and specificity."""
    above = [p >= threshold for p in prob]
    positives = sum(truth)
    return (sum(a and t for a, t in zip(above, truth)) / positives,
            sum(not a and not t for a, t in zip(above, truth)) / (len(truth) - positives))


def both(truth):
    return 0 < sum(truth) < len(truth)


def auroc(truth, prob):
    pairs = [(p > q) + (p == q) / 2 for t, p in zip(truth, prob) if t for u, q in zip(truth, prob) if not u]
    return sum(pairs) / len(pairs)


class EvaluationTest(unittest.TestCase):
    def check(self, told, expected, what):
        self.assertIsNotNone(told, what)
        self.assertTrue(math.isclose(told, expected, rel_tol=1e-6, abs_tol=1e-6), f'{what}: {told}, not {expected}')

    def test_measures_are_those_of_the_scores(self):
        for split in ('validation', 'test'):
            for finding, (truth, prob) in zip(findings(split), columns(split)):
                what = f'{split} {finding["label"]}'
                self.assertEqual(finding['positives'], sum(truth), what)
                self.check(finding['prevalence'], sum(truth) / len(truth), what)
                self.check(finding['predicted_mean'], sum(prob) / len(prob), what)
                self.check(finding['brier'], sum((p - t) ** 2 for t, p in zip(truth, prob)) / len(truth), what)
                if both(truth):
                    self.check(finding['auroc'], auroc(truth, prob), what)
                    low, high = finding['auroc_low'], finding['auroc_high']
                    if min(sum(truth), len(truth) - sum(truth)) > 1:
                        self.assertTrue(0 <= low <= finding['auroc'] <= high <= 1, what)

    def test_findings_with_one_kind_of_rows_have_no_measure_of_ranking(self):
        seen = 0
        for split in ('validation', 'test'):
            for finding, (truth, _) in zip(findings(split), columns(split)):
                if not both(truth):
                    seen += 1
                    for name in ('auroc', 'auroc_low', 'auroc_high', 'average_precision', 'sensitivity', 'specificity'):
                        self.assertIsNone(finding[name], f'{split} {finding["label"]} {name}')
        self.assertGreater(seen, 0, 'the data set has no such finding: the test says nothing')

    def test_thresholds_are_the_best_on_validation(self):
        allowed = {'youden': lambda se, sp: True, 'sensitivity_90': lambda se, sp: se >= 0.9 - 1e-9,
                   'specificity_90': lambda se, sp: sp >= 0.9 - 1e-9}
        merit = {'youden': lambda se, sp: se + sp, 'sensitivity_90': lambda se, sp: sp, 'specificity_90': lambda se, sp: se}
        checked = 0
        for finding, (truth, prob) in zip(findings('validation'), columns('validation')):
            points = finding['operating_points']
            self.assertEqual(set(points), set(KINDS))
            self.assertLessEqual({k: finding[k] for k in ('threshold', 'sensitivity', 'specificity')}.items(),
                                 points['youden'].items())
            for kind in KINDS:
                what = f'{finding["label"]} {kind}'
                tried = [rates(truth, prob, p) for p in prob] if both(truth) else []
                tried = [merit[kind](*r) for r in tried if allowed[kind](*r)]
                if not tried:
                    self.assertIsNone(points[kind]['threshold'], what)
                    continue
                checked += 1
                self.assertIn(points[kind]['threshold'], prob, what)
                found = rates(truth, prob, points[kind]['threshold'])
                self.assertTrue(allowed[kind](*found), what)
                self.check(merit[kind](*found), max(tried), what)
        self.assertGreater(checked, 10)

    def test_thresholds_of_validation_are_reported_on_test(self):
        checked = 0
        for chosen, told, (truth, prob) in zip(findings('validation'), findings('test'), columns('test')):
            for kind in KINDS:
                threshold = chosen['operating_points'][kind]['threshold']
                point = told['operating_points'][kind]
                self.assertEqual(point['threshold'], threshold)
                if threshold is None or not both(truth):
                    self.assertIsNone(point['sensitivity'])
                    continue
                checked += 1
                sensitivity, specificity = rates(truth, prob, threshold)
                self.check(point['sensitivity'], sensitivity, f'{told["label"]} {kind}')
                self.check(point['specificity'], specificity, f'{told["label"]} {kind}')
        self.assertGreater(checked, 5)

    def test_normal_chests_are_counted_above_each_threshold(self):
        normal = record()['evaluation']['no_finding']
        self.assertGreater(normal['rows'], 0)
        for chosen, told, (truth, prob) in zip(findings('validation'), normal['findings'], columns('no_finding')):
            self.assertEqual(sum(truth), 0)
            self.assertEqual(len(prob), normal['rows'])
            self.check(told['predicted_mean'], sum(prob) / len(prob), told['label'])
            self.assertEqual(told['threshold'], chosen['threshold'])
            self.assertEqual(told['false_positive_rate'], told['operating_points']['youden']['false_positive_rate'])
            for kind in KINDS:
                point = told['operating_points'][kind]
                threshold = chosen['operating_points'][kind]['threshold']
                if threshold is None:
                    self.assertIsNone(point['false_positive_rate'])
                else:
                    self.check(point['false_positive_rate'], sum(p >= threshold for p in prob) / len(prob), told['label'])

    def test_means_are_over_the_findings_that_have_the_measure(self):
        for split in ('validation', 'test'):
            evaluation = record()['evaluation'][split]
            for measure in ('auroc', 'average_precision', 'brier', 'ece'):
                values = [f[measure] for f in evaluation['findings'] if f[measure] is not None]
                self.check(evaluation[f'macro_{measure}'], sum(values) / len(values), f'{split} {measure}')
            truth = [t for column, _ in columns(split) for t in column]
            prob = [p for _, column in columns(split) for p in column]
            self.check(evaluation['micro_auroc'], auroc(truth, prob), split)

    def test_base_rates_stand_beside_everything(self):
        data = record()['dataset']
        for split in ('validation', 'test'):
            evaluation = record()['evaluation'][split]
            loss = 0
            for finding, (truth, _) in zip(evaluation['findings'], columns(split)):
                rate = finding['base_rate']
                rows = rate * data['train']  # but for those that no row has, or all have: half a row is the other way
                self.check(rows, round(rows) if 0.99 < rows < data['train'] - 0.99 else 0.5 * data['train'] / (data['train'] + 1), 'a part of the training rows')
                self.check(finding['baseline_brier'], sum((rate - t) ** 2 for t in truth) / len(truth), finding['label'])
                inside = min(max(rate, 1e-7), 1 - 1e-7)
                loss -= sum(math.log(inside if t else 1 - inside) for t in truth)
            self.check(evaluation['baseline']['loss'], loss / 14 / evaluation['rows'], split)


def of_row(truth, prob, thresholds):
    """The measures of one row, by sets and ranks, as scikit-learn defines them."""
    there = {k for k, t in enumerate(truth) if t}
    called = {k for k, (p, t) in enumerate(zip(prob, thresholds)) if t is not None and p >= t}
    both, either, others = len(there & called), len(there | called), set(range(14)) - there
    beside = {k: {j for j in range(14) if prob[j] >= prob[k]} for k in there}
    return {'hamming_loss': len(there ^ called) / 14, 'subset_accuracy': float(there == called),
            'f1': 2 * both / (len(there) + len(called)) if either else 0, 'jaccard': both / either if either else 0,
            'label_ranking_average_precision':
                sum(len(b & there) / len(b) for b in beside.values()) / len(there) if there else 1,
            'coverage_error': max(map(len, beside.values()), default=0),
            'ranking_loss': sum(prob[k] <= prob[j] for k in there for j in others) / (len(there) * len(others))
                            if there and others else 0}


class BySampleTest(unittest.TestCase):
    """Partial correctness: what of a whole row is right."""
    ORDER = ('label_ranking_average_precision', 'coverage_error', 'ranking_loss')
    CALLS = ('hamming_loss', 'subset_accuracy', 'f1', 'jaccard')

    def check(self, told, measure, values, what):
        self.assertTrue(math.isclose(told[measure], sum(values) / len(values), rel_tol=1e-8, abs_tol=1e-8),
                        f'{what} {measure}: {told[measure]}, not {sum(values) / len(values)}')
        self.assertTrue(0 <= told[f'{measure}_low'] <= told[measure] <= told[f'{measure}_high'], f'{what} {measure}')
        self.assertLess(told[f'{measure}_low'], told[f'{measure}_high'], f'{what} {measure}')

    def test_rows_are_measured_as_a_whole(self):
        thresholds = {kind: [f['operating_points'][kind]['threshold'] for f in findings('validation')] for kind in KINDS}
        self.assertTrue(any(t is None for t in thresholds['youden']), 'each finding is called: the test says less')
        for split in ('validation', 'test'):
            told = record()['evaluation'][split]['by_sample']
            rows = list(zip(zip(*(truth for truth, _ in columns(split))), zip(*(prob for _, prob in columns(split)))))
            self.assertEqual(set(told), {'no_finding', 'operating_points', 'baseline'} |
                             {m + end for m in self.ORDER for end in ('', '_low', '_high')})
            self.assertEqual(told['no_finding'], sum(not any(truth) for truth, _ in rows))
            self.assertEqual(set(told['operating_points']), set(KINDS))
            for kind, point in told['operating_points'].items():
                measured = [of_row(truth, prob, thresholds[kind]) for truth, prob in rows]
                self.assertEqual(point['thresholds'], sum(t is not None for t in thresholds[kind]))
                for measure in self.CALLS:
                    if point['thresholds']:
                        self.check(point, measure, [m[measure] for m in measured], f'{split} {kind}')
                    else:
                        self.assertEqual([point[measure + end] for end in ('', '_low', '_high')], [None] * 3)
            for measure in self.ORDER:
                self.check(told, measure, [m[measure] for m in measured], split)

    def test_base_rates_rank_and_call_nothing(self):
        for split in ('validation', 'test'):
            rates = [f['base_rate'] for f in findings(split)]
            measured = [of_row(truth, rates, [None] * 14) for truth in zip(*(truth for truth, _ in columns(split)))]
            told = record()['evaluation'][split]['by_sample']['baseline']
            self.assertEqual(set(told), set(self.ORDER + self.CALLS))
            for measure, value in told.items():
                expected = sum(m[measure] for m in measured) / len(measured)
                self.assertTrue(math.isclose(value, expected, rel_tol=1e-8, abs_tol=1e-8), f'{split} {measure}: {value}, not {expected}')


class OperatingPointsTest(ServerCase):
    """They travel with the weights, from the training to another server's replies."""
    with_model = True

    def test_every_prediction_names_the_threshold_and_keeps_to_it(self):
        """Of weights whose test split had enough of every second finding; of the others nothing is known."""
        def enough(header):
            points = json.loads(header['__metadata__']['operating_points'])
            for k, label in enumerate(dataset.LABELS):
                points[label]['positives'] = 9 if k % 3 == 0 else 10
                points[label]['negatives'] = 9 if k % 3 == 1 else 10
            header['__metadata__']['operating_points'] = json.dumps(points)
        model = import_model(self.server, dataset.changed(dataset.weights(), enough))
        self.addCleanup(self.post, f'/models/{self.model["id"]}/activate')
        told = {f['label']: (f['threshold'], t['auroc'], t['auroc_low'], t['auroc_high'])
                for f, t in zip(findings('validation'), findings('test'))}
        positive = negative = 0
        for i in range(12):
            reply = self.assert_prediction(self.predict(dataset.image(i)))
            self.assertEqual(reply['model']['id'], model['id'])
            for finding in reply['findings']:
                threshold, *auroc = told[finding['label']]
                self.assertEqual(finding['threshold'], threshold)
                kind = dataset.LABELS.index(finding['label']) % 3
                known = kind == 2
                self.assertEqual((finding['auroc_positives'], finding['auroc_negatives']), [(9, 10), (10, 9), (10, 10)][kind])
                self.assertEqual([finding['auroc'], finding['auroc_low'], finding['auroc_high']], auroc if known else [None] * 3)
                if threshold is None or not known:
                    self.assertIsNone(finding['positive'])
                else:
                    self.assertIs(finding['positive'], finding['probability'] >= threshold)
                    positive += finding['positive']
                    negative += not finding['positive']
        self.assertTrue(positive and negative, (positive, negative))

    def test_what_rests_on_a_handful_of_rows_has_no_verdict(self):
        told = {f['label']: f['positives'] for f in findings('test')}
        self.assertLess(max(told.values()), 10)
        for finding in self.assert_prediction(self.predict(dataset.image(1)))['findings']:
            self.assertEqual((finding['positive'], finding['auroc'], finding['auroc_positives'], finding['auroc_negatives']),
                             (None, None, told[finding['label']], record()['dataset']['test'] - told[finding['label']]))

    def test_a_file_of_an_older_version_is_answered_as_before(self):
        import_model(self.server, dataset.verdicts(dataset.weights()))
        self.addCleanup(self.post, f'/models/{self.model["id"]}/activate')
        told = {f['label']: t['auroc'] for f, t in zip(findings('validation'), findings('test'))}
        for finding in self.assert_prediction(self.predict(dataset.image(1)))['findings']:
            self.assertEqual((finding['auroc'], finding['auroc_low'], finding['auroc_positives'], finding['auroc_negatives']),
                             (told[finding['label']], None, None, None))
            self.assertEqual(finding['positive'] is None, finding['threshold'] is None)

    def test_the_model_card_has_the_quality_and_the_points(self):
        card = import_model(self.server, dataset.weights(), activate=False)
        test, shown = record()['evaluation']['test'], card['metrics']['test']
        self.assertEqual({k: shown[k] for k in ('rows', 'loss', 'macro_auroc', 'baseline')},
                         {k: test[k] for k in ('rows', 'loss', 'macro_auroc', 'baseline')})
        self.assertEqual(card['metrics']['kept_epoch'], record()['kept_epoch'])
        self.assertEqual(list(card['operating_points']), list(dataset.LABELS))
        for finding, normal, brief in zip(test['findings'], record()['evaluation']['no_finding']['findings'],
                                          shown['findings']):
            point = card['operating_points'][finding['label']]
            self.assertEqual(point, {**{k: finding['operating_points'][k]['threshold'] for k in KINDS},
                                     **{k: finding[k] for k in ('auroc', 'auroc_low', 'auroc_high', 'positives')},
                                     'negatives': test['rows'] - finding['positives'],
                                     'rates': {k: {name: finding['operating_points'][k].get(name) for name in RATES} for k in KINDS}})
            for name in ('auroc', 'auroc_low', 'auroc_high', 'threshold', 'sensitivity', 'specificity'):
                self.assertEqual(brief[name], finding[name])
            self.assertEqual(brief['false_positive_rate'], normal['false_positive_rate'])

    def test_a_verdict_is_by_the_operating_point_that_is_asked_for(self):
        def raise_points(head):
            points = json.loads(head['__metadata__']['operating_points'])
            for i, point in enumerate(points.values()):
                point.update(specificity_90=i / 64, sensitivity_90=None if i == 3 else 0.25)
            head['__metadata__']['operating_points'] = json.dumps(points)
        card = import_model(self.server, dataset.changed(dataset.verdicts(dataset.weights()), raise_points))
        for kind in ('', *KINDS):
            reply = self.post(f'/predict{kind and "?operating_point=" + kind}', dataset.image(1), Content_Type='image/png')
            prediction = self.assert_prediction(reply)
            self.assertEqual(prediction.get('operating_point'), kind or None)
            for finding in prediction['findings']:
                threshold = card['operating_points'][finding['label']][kind or 'youden']
                self.assertEqual(finding['threshold'], threshold)
                self.assertEqual(finding['positive'], None if threshold is None else finding['probability'] >= threshold)

    def test_an_operating_point_that_is_none_is_422(self):
        for kind in ('Youden', '', 'sensitivity_95', 'Own'):
            reply = self.post(f'/predict?operating_point={kind}', dataset.image(1), Content_Type='image/png')
            self.assert_problem(reply, 422, 'youden, sensitivity_90, specificity_90 or own')

    def test_a_model_without_operating_points_says_so(self):
        card = import_model(self.server, dataset.without_note(dataset.weights(), 'operating_points'), activate=False)
        ask = f'/predict?model={card["id"]}'
        self.assert_prediction(self.post(ask, dataset.image(1), Content_Type='image/png'))
        reply = self.post(f'{ask}&operating_point=sensitivity_90', dataset.image(1), Content_Type='image/png')
        self.assert_problem(reply, 422, 'no thresholds of the kind sensitivity_90')

    def test_the_shell_sees_them_too(self):
        film = program.new_folder('film') + '/film.png'
        with open(film, 'wb') as file:
            file.write(dataset.image(1))
        older = os.path.join(os.path.dirname(film), 'older.safetensors')
        with open(older, 'wb') as file:
            file.write(dataset.verdicts(dataset.weights()))
        done = program.run('predict', '--weights', older, film)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r'\n  \w+ +0\.\d{4}  (positive|negative) \(from 0\.\d{4} on; AUROC \d\.\d{3}\)\n')
        done = program.run('predict', '--weights', dataset.weights_path(), film)
        self.assertRegex(done.stdout, r'\n  \w+ +0\.\d{4}  no verdict \(AUROC not known: \d positive, \d negative test rows\)\n')


if __name__ == '__main__':
    unittest.main()
