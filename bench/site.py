#!/usr/bin/env python3
"""bench/site.py CXRD NIH128 WEIGHTS WORK [DRAWS] - are profiles of a site worth their trouble? Through the program.

NIH128 is the folder of nih128 (Data_Entry_2017.csv, images_001/images). WEIGHTS is a model that was trained on the half of its
patients that `bench/site.py --half NIH128 FOLDER` writes as a data set:

    cxrd train --datasets FOLDER --dataset home --out OUT --set image_size=64 --set architecture=cnn4 --set epochs=14 \\
        --set test_fraction=0.15 --set val_fraction=0.3 --set seed=1 --set drop_no_finding=false

The other half is another site: its PA films, of which the model saw both kinds, its AP films (--view AP), or both (--view both). With --healthy PART only that part of the
patients who have no finding on any film are there: findings are more frequent then. With --greys the greys of its films are made like those
of another make of machine: `gamma2` (darker) and `gamma0.5` (brighter), `window` (the middle half of the greys spread over all of
them, the rest black or white), `flat` (all greys in the middle half). A server validates the
model on all of them once. Then each draw parts the patients of the site in two at random: a profile is made of the scores of the one
part, by POST /models/{id}/profiles, and held against the other, by GET /profiles/{id}/kept. Scores of a picture do not depend on
which rows are scored, so a draw only writes the job's scores.csv anew with the rows of one part. WORK/scores.csv keeps all of them.

Told of each finding with enough patients: in how many draws the asked sensitivity (0.9) is reached within its interval on the third
part, by the profile's threshold and by the model's own; in how many the Brier score is better, and in how many their mean over the
findings is better, worse, or the same since nothing was calibrated; and the error of verdicts stated at 0.1, as the mean of the draws, and in how many draws it is within 1.96 standard errors above that (of the patients of both parts).
"""
import argparse
import csv
import json
import math
import os
import random
import shutil
import subprocess
import time
import urllib.error
import urllib.request

from PIL import Image

ASKED, RATE = 0.9, 0.1
GREYS = {
    'own': None,
    'gamma2': lambda g: 255 * (g / 255) ** 2,
    'gamma0.5': lambda g: 255 * (g / 255) ** 0.5,
    'window': lambda g: min(255, max(0, (g - 64) * 255 / 127)),
    'flat': lambda g: 64 + g * 127 / 255,
}


def rows_of(folder):
    with open(os.path.join(folder, 'Data_Entry_2017.csv'), encoding='utf-8') as file:
        table = list(csv.DictReader(file))
    there = set(os.listdir(os.path.join(folder, 'images_001', 'images')))
    return [row for row in table if row['Image Index'] in there]


def halves(rows):
    patients = sorted({row['Patient ID'] for row in rows})
    random.Random(20).shuffle(patients)
    return set(patients[:len(patients) // 2])


def healthy(rows, part):
    """That part, at random, of the patients without any finding on any film."""
    ill = {row['Patient ID'] for row in rows if row['Finding Labels'] != 'No Finding'}
    well = sorted({row['Patient ID'] for row in rows} - ill)
    random.Random(3).shuffle(well)
    return set(well[:round(part * len(well))])


def write_film(source, target, greys):
    """A copy; with `greys` of other greys."""
    if not greys:
        shutil.copy(source, target)
        return
    with Image.open(source) as film:
        film.convert('L').point([round(greys(g)) for g in range(256)]).save(target)


def write_set(source, rows, target, greys=None):
    with open(os.path.join(source, 'Data_Entry_2017.csv'), encoding='utf-8') as file:
        head = next(csv.reader(file))
    images = os.path.join(target, 'images_001', 'images')
    os.makedirs(images)
    with open(os.path.join(target, 'Data_Entry_2017.csv'), 'w', newline='', encoding='utf-8') as file:
        table = csv.writer(file)
        table.writerow(head)
        table.writerows([row.get(name, '') for name in head] for row in rows)
    for row in rows:
        write_film(os.path.join(source, 'images_001', 'images', row['Image Index']), os.path.join(images, row['Image Index']), greys)


class Server:
    def __init__(self, program, state, datasets):
        self.process = subprocess.Popen([program, 'serve', '--listen', '127.0.0.1:0', '--state', state, '--datasets', datasets],
                                        stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split('listening on ')[1].strip()

    def ask(self, method, path, body=None, kind='application/json'):
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, {'Content-Type': kind}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=600) as reply:
                return json.loads(reply.read() or b'null')
        except urllib.error.HTTPError as refused:
            raise SystemExit(f'{method} {path}: {refused.read().decode()}') from None

    def stop(self):
        self.process.terminate()
        self.process.wait()


def validate(server, model, name):
    job = server.ask('POST', '/jobs/validate', {'dataset': name, 'model': model})['id']
    while (record := server.ask('GET', f'/jobs/{job}'))['state'] not in ('succeeded', 'failed'):
        time.sleep(1)
    if record['state'] == 'failed':
        raise SystemExit(f'the validation failed: {record["error"]}')
    return job


def wilson(hits, n):
    """The 95 % interval of rows; the server's, by patient, are wider."""
    z, p = 1.96, hits / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def draw(server, model, job, path, lines, number, tallies, thresholds):
    """One draw: a profile of one part, held against the other. Returns what the mean Brier score of the findings gains."""
    head, rows = lines
    column = {name: i for i, name in enumerate(head)}
    patients = list(dict.fromkeys(row[column['patient']] for row in sorted(rows)))  # by their pictures: codes are new each time
    random.Random(number).shuffle(patients)
    first = set(patients[:len(patients) // 2])
    parts = [[row for row in rows if (row[column['patient']] in first) == mine] for mine in (True, False)]

    def give(part):
        with open(path, 'w', encoding='utf-8', newline='') as file:
            csv.writer(file, lineterminator='\n').writerows([head, *part])

    give(parts[0])
    profile = server.ask('POST', f'/models/{model}/profiles',
                         {'validation': job, 'operating_point': {'sensitivity': ASKED}, 'error_rate': RATE})
    give(parts[1])
    kept = server.ask('GET', f'/profiles/{profile["id"]}/kept?validation={job}')['findings']
    gains = []
    for fitted, finding in zip(profile['profile']['findings'], kept):
        label = finding['label']
        if not fitted['here'] or finding['positive_patients'] < 20:
            continue
        tally = tallies.setdefault(label, {'draws': 0, 'profile': 0, 'own': 0, 'brier': 0, 'sensitivity': [], 'own_sensitivity': [],
                                           'missed': [], 'alarmed': [], 'within': 0, 'unsure': [], 'patients': []})
        own = [float(row[column[f'prob_{label}']]) >= thresholds[label] for row in parts[1] if row[column[f'true_{label}']] == '1']
        tally['draws'] += 1
        tally['patients'].append(fitted['positive_patients'])
        tally['profile'] += finding['sensitivity']['high'] >= ASKED
        tally['own'] += wilson(sum(own), len(own))[1] >= ASKED
        tally['sensitivity'].append(finding['sensitivity']['value'])
        tally['own_sensitivity'].append(sum(own) / len(own))
        gains.append(finding['brier_model']['value'] - finding['brier_here']['value'])
        tally['brier'] += gains[-1] > 0
        tally['left'] = tally.get('left', 0) + (fitted['scale'] == 1 and fitted['shift'] == 0)
        tally['unsure'].append(finding['unsure']['value'])
        within = True
        for name, kind in (('missed', 'positive_patients'), ('alarmed', 'negative_patients')):
            error = math.sqrt(RATE * (1 - RATE) * (1 / finding[kind] + 1 / fitted[kind]))
            tally[name].append(finding[name]['value'])
            within &= finding[name]['value'] <= RATE + 1.96 * error
        tally['within'] += within
    return math.fsum(gains) / len(gains)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--half', action='store_true')
    parser.add_argument('--view', default='PA', choices=('PA', 'AP', 'both'))
    parser.add_argument('--healthy', type=float, default=1)
    parser.add_argument('--greys', default='own', choices=list(GREYS))
    parser.add_argument('names', nargs='+')
    given = parser.parse_args()
    if given.half:
        source, target = given.names
        rows = rows_of(source)
        home = halves(rows)
        write_set(source, [row for row in rows if row['Patient ID'] in home], os.path.join(target, 'home'))
        return
    program, source, weights, work = given.names[:4]
    draws = int(given.names[4]) if len(given.names) > 4 else 20
    rows = rows_of(source)
    home = halves(rows)
    datasets = os.path.join(work, 'datasets')
    others = [row for row in rows if row['Patient ID'] not in home and given.view in (row['View Position'], 'both')]
    left_out = healthy(others, 1 - given.healthy)
    write_set(source, [row for row in others if row['Patient ID'] not in left_out], os.path.join(datasets, 'site'), GREYS[given.greys])
    server = Server(program, os.path.join(work, 'state'), datasets)
    try:
        with open(weights, 'rb') as file:
            card = server.ask('POST', '/models', file.read(), 'application/octet-stream')
        thresholds = {label: points['sensitivity_90'] for label, points in card['operating_points'].items()}
        job = validate(server, card['id'], 'site')
        path = os.path.join(work, 'state', 'jobs', job, 'scores.csv')
        with open(path, encoding='utf-8', newline='') as file:
            head, *scores = list(csv.reader(file))
        scores = [row for row in scores if row[head.index('split')] == 'test']
        shutil.copy(path, os.path.join(work, 'scores.csv'))
        tallies = {}
        gains = []
        for number in range(draws):
            gains.append(draw(server, card['id'], job, path, (head, scores), number, tallies, thresholds))
    finally:
        server.stop()
    def mean(values):
        return sum(values) / len(values)

    print(f'greys: {given.greys}; of the healthy {given.healthy}: {len(scores)} films of {len({row[head.index("patient")] for row in scores})} patients, {given.view}; {draws} draws; asked '
          f'{ASKED}, verdicts at {RATE}')
    print(f'the mean Brier score of the findings is better in {sum(g > 0 for g in gains)} of {draws} draws, worse in {sum(g < 0 for g in gains)}\n')
    print('| finding | patients who have it | sensitivity, own | reached | profile | reached | Brier better | not calibrated | missed | alarmed | within | unsure |')
    print('|---' * 12 + '|')
    for label, t in sorted(tallies.items(), key=lambda item: -mean(item[1]['patients'])):
        print(f'| {label} | {mean(t["patients"]):.0f} | {mean(t["own_sensitivity"]):.3f} | {t["own"]} of {t["draws"]} | '
              f'{mean(t["sensitivity"]):.3f} | {t["profile"]} of {t["draws"]} | {t["brier"]} of {t["draws"]} | {t["left"]} | {mean(t["missed"]):.3f} | '
              f'{mean(t["alarmed"]):.3f} | {t["within"]} of {t["draws"]} | {mean(t["unsure"]):.2f} |')


if __name__ == '__main__':
    main()
