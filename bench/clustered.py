"""Paired differences between two models on the same test rows of several splits, with standard errors by patient.

A figure's error comes from each row's influence on it (for an AUROC the structural components of DeLong, DeLong and
Clarke-Pearson, Biometrics 1988), summed within a patient, since films of one patient are alike. A patient may be in the test
rows of several splits: those are one patient still, so influences are summed over the splits too before they are squared.
That error is of these trained networks on other patients. Splits share most of their training rows, so their differences are
not independent either; the corrected error by split (Nadeau and Bengio, Machine Learning 2003) is of the recipe, trained
again on other rows: sd * sqrt(1/splits + test rows / training rows), with Student's t.
"""
import math
from collections import defaultdict

T_95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}  # by degrees of freedom
LEAST = 10  # positives, and negatives: below, an AUROC says nothing


def log_loss(truth, prob):
    """Binary cross-entropy, the mean over findings."""
    return -sum(math.log(max(p if t else 1 - p, 1e-7)) for t, p in zip(truth, prob)) / len(truth)


def auroc_influences(truth, score):
    """The area and each row's influence on it; ties count half."""
    order = sorted(range(len(score)), key=score.__getitem__)
    positives = sum(truth)
    negatives = len(truth) - positives
    share = [0.0] * len(truth)  # of the other class that the row is on the right side of
    below = {0: 0, 1: 0}
    at = 0
    while at < len(order):
        end = at
        while end < len(order) and score[order[end]] == score[order[at]]:
            end += 1
        tied = {1: sum(truth[i] for i in order[at:end])}
        tied[0] = end - at - tied[1]
        for i in order[at:end]:
            right = below[0] + tied[0] / 2
            wrong = below[1] + tied[1] / 2
            share[i] = right / negatives if truth[i] else 1 - wrong / positives
        below = {c: below[c] + tied[c] for c in (0, 1)}
        at = end
    area = sum(s for s, t in zip(share, truth) if t) / positives
    return area, [(s - area) / (positives if t else negatives) for s, t in zip(share, truth)]


class Rows:
    """A model's scores of a split's test rows: {image: (patient, truth, probabilities)} and how many rows it learned from."""

    def __init__(self, rows, trained):
        self.images = sorted(rows)
        self.patients = [rows[image][0] for image in self.images]
        self.truth = [rows[image][1] for image in self.images]
        self.prob = [rows[image][2] for image in self.images]
        self.trained = trained

    def losses(self):
        """The mean loss and each row's influence on it."""
        rows = [log_loss(t, p) for t, p in zip(self.truth, self.prob)]
        mean = sum(rows) / len(rows)
        return mean, [(row - mean) / len(rows) for row in rows]

    def macro_auroc(self):
        """The mean area over the findings with enough of either kind, and each row's influence on it."""
        areas, sums = [], [0.0] * len(self.images)
        for k in range(len(self.truth[0])):
            truth = [t[k] for t in self.truth]
            if LEAST <= sum(truth) <= len(truth) - LEAST:
                area, influences = auroc_influences(truth, [p[k] for p in self.prob])
                areas.append(area)
                sums = [a + b for a, b in zip(sums, influences)]
        return sum(areas) / len(areas), [s / len(areas) for s in sums]


class Difference:
    """A figure of `ours` minus that of `theirs` (lists of Rows, one a split), or the figure itself where there are none."""

    def __init__(self, figure, ours, theirs=None):
        self.splits, by_patient = [], defaultdict(float)
        for i, rows in enumerate(ours):
            value, influences = figure(rows)
            if theirs:
                assert rows.images == theirs[i].images and rows.truth == theirs[i].truth, 'the test rows differ'
                other, others = figure(theirs[i])
                value, influences = value - other, [a - b for a, b in zip(influences, others)]
            self.splits.append(value)
            for patient, influence in zip(rows.patients, influences):
                by_patient[patient] += influence / len(ours)
        n, patients = len(ours), len(by_patient)
        self.mean = sum(self.splits) / n
        self.error = math.sqrt(patients / (patients - 1) * sum(u * u for u in by_patient.values()))
        self.error_again = self.margin_again = math.inf  # of one split
        self.margin = 1.96 * self.error
        if n > 1:
            self.spread(ours)

    def spread(self, ours):
        """The corrected error by split."""
        n = len(ours)
        deviation = math.sqrt(sum((d - self.mean) ** 2 for d in self.splits) / (n - 1))
        tested = sum(len(rows.images) for rows in ours) / n
        self.error_again = deviation * math.sqrt(1 / n + tested / (sum(rows.trained for rows in ours) / n))
        self.margin_again = T_95[n - 1] * self.error_again

    def stars(self):
        """One where zero lies outside of the 95 % interval by patient, two where it lies outside of the other as well."""
        return '*' * ((abs(self.mean) > self.margin) + (abs(self.mean) > max(self.margin, self.margin_again)))

    def cells(self):
        """The difference ± its error by patient; both 95 % intervals; each split's."""
        def interval(margin):
            return f'{self.mean - margin:+.4f} to {self.mean + margin:+.4f}'
        return (f'{self.mean:+.4f} ± {self.error:.4f} {self.stars()}'.strip(), interval(self.margin), interval(self.margin_again),
                ', '.join(f'{split:+.4f}' for split in self.splits))
