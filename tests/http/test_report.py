"""The report of a job: a page that stands alone, and is there after a restart."""
import base64
import csv
import html.parser
import io
import json
import os
import re
import statistics
import unittest
import urllib.parse

from support import client, dataset, program
from support.case import Case, submit, wait_state

QUICK = {'dataset': 'tiny', 'image_size': dataset.SIZE, 'epochs': 1, 'steps_per_epoch': 2, 'batch_size': 8}


class Page(html.parser.HTMLParser):
    """A page's parts: its tags, what it would fetch, the text of its tables, its data."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.fetched, self.captions, self.scripts, self.canvases = [], [], [], [], {}
        self.links, self.files, self.titles, self.maps, self.scales = [], {}, [], [], []
        self.inside = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.inside = tag
        if 'id' in attrs:
            self.ids.append(attrs['id'])
        if tag == 'a' and 'download' in attrs:
            kind, data = attrs['href'].removeprefix('data:').split(';base64,')
            self.files[attrs['download']] = (kind, base64.b64decode(data).decode())
        elif tag == 'a':
            self.links.append(attrs['href'])  # nothing is asked for until somebody follows it
        else:
            self.fetched += [attrs[name] for name in ('src', 'href') if name in attrs]
        if tag == 'canvas' and 'data-map' in attrs:
            self.maps.append([[float(cell) for cell in row.split(',')] for row in attrs['data-map'].split(';')])
        elif tag == 'canvas' and 'data-scale' in attrs:
            self.scales.append(json.loads(attrs['data-scale']))
        elif tag == 'canvas':
            self.canvases[attrs['id']] = attrs.get('aria-label')

    def handle_data(self, data):
        if self.inside == 'caption':
            self.captions.append(data)
        elif self.inside in ('title', 'h2'):
            self.titles.append(data)
        elif self.inside == 'script':
            self.scripts.append(data)

    def handle_endtag(self, tag):
        self.inside = None


class ReportTest(Case):

    def check_page(self, text):
        page = Page(text)
        self.assertTrue(all(where.startswith('data:') for where in page.fetched), [w[:80] for w in page.fetched])
        self.assertEqual(len([w for w in page.fetched if w.startswith('data:image/png')]), 9 + len(page.maps))
        self.assertTrue(page.maps and len(page.maps) % 2 == 0, 'the two worst errors of each finding')
        self.assertTrue(all(len(row) == len(page.maps[0]) for row in page.maps[0]))
        self.assertEqual(len(page.scales), 1, 'one legend for all maps')
        self.assertGreater(page.scales[0]['full'], 0)
        for caption in ('Rows of the data set', 'The ten commonest label combinations among the rows that have a picture', 'Epochs', 'Configuration',
                        'Names and digests', 'Environment', 'False positive rates on No Finding rows',
                        'Reliability on the test split, all findings together'):
            self.assertIn(caption, page.captions)
        for caption in ('Test split: the findings called at the thresholds that validation chose',
                        'Validation split, which chose the thresholds'):
            self.assertIn(caption, page.captions)
        for kind in ('Findings that come together: number of', 'square root', 'log10', 'Rows a finding'):
            of_it = [c for c in page.captions if kind in c]
            self.assertEqual(len(of_it), 1, kind)
            self.assertIn('rows of the table that age and No Finding leave, with a picture or without', of_it[0])
        self.assertEqual(set(page.canvases), {'combinations', 'loss', 'top5', 'auroc', 'rate', 'proportions', 'reliability', 'normal', 'curves', 'bars'} |
                         {f'{kind}-{k}' for kind in ('roc', 'pr', 'benefit', 'calibration') for k in range(14)} |
                         {c for c in page.canvases if c.startswith('tsne-')})
        self.assertTrue(all(page.canvases.values()), 'a picture says what it shows')
        return json.loads(page.scripts[0])

    def test_who_gets_it_by_mail_knows_what_it_is_of_and_has_its_figures(self):
        with open(os.path.join(dataset.trained(), 'report.html'), encoding='utf-8') as file:
            page = Page(file.read())
        with open(os.path.join(dataset.trained(), 'job.json'), encoding='utf-8') as file:
            record = json.load(file)
        self.assertRegex(page.titles[0], r'^cxrd: tiny, model [0-9a-f]{12}, 64 pixels, epoch 1, \d{4}-\d\d-\d\d$')
        self.assertEqual(len([link for link in page.links if link.startswith('#')]), len(page.titles) - 1)  # but for that of the page
        for link in page.links:  # contents, and nothing that leads out of it: there is no server
            self.assertIn(link.removeprefix('#'), page.ids)
        self.assertEqual(len(page.ids), len(set(page.ids)))
        kind, text = page.files['record.json']
        self.assertEqual(kind, 'application/json')
        inside = json.loads(text)
        for part in ('dataset', 'epochs', 'evaluation', 'validation_loss', 'environment'):
            self.assertEqual(inside[part], record[part])
        tables = {name: list(csv.DictReader(io.StringIO(text))) for name, (kind, text) in page.files.items() if kind == 'text/csv'}
        self.assertEqual(sorted(tables), ['epochs.csv', 'findings.csv'])
        self.assertEqual([float(row['val_loss']) for row in tables['epochs.csv']], [e['val_loss'] for e in record['epochs']])
        self.assertEqual(len(tables['findings.csv']), 28)
        for row in tables['findings.csv']:
            finding = record['evaluation'][row['split']]['findings'][dataset.LABELS.index(row['label'])]
            self.assertEqual(row['auroc'], '' if finding['auroc'] is None else f'{finding["auroc"]:.9g}')
            self.assertEqual(float(row['brier']), finding['brier'])

    def test_cxrd_train_leaves_one_beside_the_scores(self):
        with open(os.path.join(dataset.trained(), 'report.html'), encoding='utf-8') as file:
            data = self.check_page(file.read())
        with open(os.path.join(dataset.trained(), 'job.json'), encoding='utf-8') as file:
            record = json.load(file)
        self.assertEqual(len(data['epochs']), len(record['epochs']))
        self.assertAlmostEqual(data['evaluation']['test']['loss'], record['evaluation']['test']['loss'], places=5)
        counted = sum(c['images'] for c in data['combinations']) + data['other_images']
        self.assertEqual(counted, record['dataset']['usable'])
        self.assertEqual(data['combinations'], sorted(data['combinations'], key=lambda c: -c['images']))
        for finding in record['evaluation']['test']['findings']:
            curve = data['roc'][finding['label']]
            if finding['auroc'] is None:
                self.assertIsNone(curve)
                continue
            self.assertEqual((curve[0], curve[-1]), ([0, 0], [1, 1]))
            area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in zip(curve, curve[1:]))
            self.assertAlmostEqual(area, finding['auroc'], places=5)
        for split in ('validation', 'test'):
            self.assertEqual(sum(b['rows'] for b in data['reliability'][split]), 14 * record['dataset'][split])

    def test_a_hostile_data_set_name_is_only_text(self):
        datasets = program.new_folder('hostile')
        name = '<img src=x onerror=alert(1)>'
        dataset.write_table(os.path.join(datasets, name))
        dataset.write_images(os.path.join(datasets, name))
        out, report = (os.path.join(program.new_folder('out'), part) for part in ('out', 'own.html'))
        done = program.run('train', '--datasets', datasets, '--out', out, '--report', report, '--threads', '2',
                           *(argument for key, value in QUICK.items() if key != 'dataset'
                             for argument in ('--set', f'{key}={value}')))
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(report, encoding='utf-8') as file:
            text = file.read()
        self.check_page(text)
        self.assertNotIn(name, text)
        self.assertIn('&lt;img src=x onerror=alert(1)&gt;', text)

    def test_a_job_of_no_epoch_reports_its_data(self):
        out = os.path.join(program.new_folder('out'), 'out')
        done = program.run('train', '--datasets', dataset.tiny(), '--dataset', 'tiny', '--out', out, '--set', 'epochs=0')
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(out, 'report.html'), encoding='utf-8') as file:
            page = Page(file.read())
        self.assertIn('The ten commonest label combinations among the rows that have a picture', page.captions)
        self.assertNotIn('Epochs', page.captions)
        self.assertEqual(len([w for w in page.fetched if w.startswith('data:image/png')]), 9)
        self.assertTrue(page.titles[0].startswith('cxrd: tiny, model not made, 20'), page.titles[0])
        with open(os.path.join(out, 'job.json'), encoding='utf-8') as file:
            table = json.load(file)['dataset']['table']
        self.assertEqual((table['rows'], table['columns']), (dataset.ROWS, 12))
        self.assertEqual([c['column'] for c in table['info']][-1], 'Unnamed: 11')
        ages = sorted(400 + i if i > dataset.ROWS - 1 - dataset.OLD else 30 + i for i in range(dataset.ROWS))
        described = {c.pop('column'): c for c in table['describe']}
        mean, quartiles = statistics.mean(ages), statistics.quantiles(ages, method='inclusive')
        for name, value in (('count', len(ages)), ('mean', mean), ('std', statistics.stdev(ages)), ('min', ages[0]),
                            ('p25', quartiles[0]), ('p50', quartiles[1]), ('p75', quartiles[2]), ('max', ages[-1])):
            self.assertAlmostEqual(described['Patient Age'][name], value, places=5)
        self.assertNotIn('Patient ID', described)
        self.assertEqual(table['old']['oldest'], [{'age': 447, 'image': dataset.name(47)}, {'age': 446, 'image': dataset.name(46)}])
        self.assertEqual([row[3] for row in table['first']['rows']], [f'patient {k}' for k in (1, 1, 2, 2, 3)])

    def test_what_a_table_says_of_people_is_not_in_a_report(self):
        """A column of a hospital's own; and names of columns and files that would be markup."""
        datasets = program.new_folder('hostile')
        folder = os.path.join(datasets, 'own')
        dataset.write_table(folder, [dataset.line(i) + '"Doe, Jane",<script>alert(1)</script>' for i in range(dataset.ROWS)],
                            dataset.COLUMNS + 'Name,"<script>alert(0)</script>"')
        dataset.write_images(folder)
        out = os.path.join(program.new_folder('out'), 'out')
        done = program.run('train', '--datasets', datasets, '--out', out, '--set', 'epochs=0')
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in ('report.html', 'job.json'):
            with open(os.path.join(out, name), encoding='utf-8') as file:
                text = file.read()
            self.assertFalse('Doe, Jane' in text)
            self.assertFalse('alert(1)' in text)
        with open(os.path.join(out, 'report.html'), encoding='utf-8') as file:
            text = file.read()
        self.assertFalse('<script>alert' in text)
        self.assertTrue('&lt;script&gt;alert(0)&lt;/script&gt;' in text)  # the name of a column


class MailedReport(Case):
    """The copy that may be sent on: the same page, without anything of a single patient."""
    ID, CELL = 'PX91370{:02d}', 'Doe^Jane'

    def made(self):
        """Both pages of a training whose table has ages that cannot be, a cell that is no sex and rows without a picture."""
        datasets = program.new_folder('mailed')
        folder = os.path.join(datasets, 'own')
        lines = []
        for i in range(dataset.ROWS):
            cells = dataset.line(i).split(',')
            cells[3], cells[5] = self.ID.format(i // 2), self.CELL if i % 4 == 0 else cells[5]
            lines.append(','.join(cells))
        dataset.write_table(folder, lines)
        dataset.write_images(folder, range(3, dataset.ROWS))
        out = os.path.join(program.new_folder('out'), 'out')
        done = program.run('train', '--datasets', datasets, '--out', out, '--threads', '2', '--set', 'tsne=true',
                           *(argument for key, value in QUICK.items() if key != 'dataset' for argument in ('--set', f'{key}={value}')))
        self.assertEqual(done.returncode, 0, done.stderr)
        texts = []
        for name in ('report.html', 'report_mail.html'):
            with open(os.path.join(out, name), encoding='utf-8') as file:
                texts.append(file.read())
        return texts

    def test_it_names_nobody_and_shows_no_radiograph(self):
        whole, mail = self.made()
        pictures = re.findall('data:image/png;base64,([^"]+)"', whole)
        self.assertGreater(len(pictures), 9)
        inside = {text: text + ''.join(data for _, data in Page(text).files.values()) for text in (whole, mail)}
        kinds = {'names of files': [dataset.name(i).removesuffix('.png') for i in range(dataset.ROWS)],
                 'pictures': pictures, 'cells': [self.CELL], 'rows': ['patient 1']}
        for kind, secrets in kinds.items():
            self.assertTrue(any(secret in inside[whole] for secret in secrets), f'the test looks for {kind}')
            for secret in secrets:
                self.assertFalse(secret in inside[mail], f'{kind}: {secret[:40]}')
        for i in range(dataset.ROWS):
            self.assertFalse(self.ID.format(i // 2) in inside[mail], i)
        self.assertFalse('data:image/' in mail)
        for told in ('<p>Copy for mailing: ', 'rows (22 %): the column is missing, empty or not understood, such as &#39;…&#39;.',
                     'have no picture, such as &#39;…&#39;; the first picture that was found is &#39;…&#39;.'):
            self.assertTrue(told in mail, told)

    def test_every_figure_that_both_hold_is_equal(self):
        whole, mail = self.made()
        pages = [Page(text) for text in (whole, mail)]
        self.assertEqual(pages[1].titles, [title for title in pages[0].titles if title != 'Worst errors'])
        self.assertEqual(pages[1].canvases, pages[0].canvases)
        self.assertEqual(pages[1].scripts, pages[0].scripts)  # the figures that charts are drawn from among them
        tables = [re.findall('<table.*?</table>', text, re.DOTALL) for text in (whole, mail)]
        gone = [table for table in tables[0] if table not in tables[1]]
        self.assertEqual(tables[1], [table for table in tables[0] if table not in gone])
        self.assertEqual([re.search('<caption>(.*?)[;,]', table)[1] for table in gone], ['First rows', 'Ages above the limit'])
        self.assertTrue('<p>2 rows have an age above 120.</p>' in mail)
        self.assertEqual(set(pages[0].files), set(pages[1].files))
        for name in ('epochs.csv', 'findings.csv'):
            self.assertEqual(pages[0].files[name], pages[1].files[name])
        records = [json.loads(page.files['record.json'][1]) for page in pages]
        del records[0]['error'], records[0]['dataset']['table']['first'], records[0]['dataset']['table']['old']['oldest']
        warnings = [record.pop('warnings') for record in records]
        self.assertEqual(records[1], records[0])
        self.assertEqual([w['code'] for w in warnings[1]], [w['code'] for w in warnings[0]])
        for before, after in zip(*warnings):
            self.assertEqual(re.findall('[0-9.]+', re.sub("'[^']*'", '', before['detail'])),
                             re.findall('[0-9.]+', re.sub("'[^']*'", '', after['detail'])))


class ReportOverHttp(Case):

    def test_it_survives_a_restart(self):
        server = program.Server(datasets=dataset.tiny())
        self.addCleanup(server.stop)
        job = submit(server, QUICK)
        self.assert_problem(client.get(server, '/jobs/00000000-0000/report'), 404, '00000000-0000')
        record = wait_state(server, job, 'succeeded')
        before = client.get(server, f'/jobs/{job}/report')
        self.assertEqual((before.status, before.headers['content-type']), (200, 'text/html; charset=utf-8'))
        text = before.body.decode()
        for told in (job, record['dataset']['csv_sha256'], record['dataset']['split_sha256'],
                     client.get(server, f'/models/{record["model"]}').json()['sha256']):
            self.assertIn(told, text)
        self.check_links(server, job, text)
        mail = client.get(server, f'/jobs/{job}/report?copy=mail')
        self.assertEqual((mail.status, mail.headers['content-type']), (200, 'text/html; charset=utf-8'))
        self.assertFalse('data:image/png' in mail.body.decode())
        self.assertEqual(client.get(server, f'/jobs/{job}/report?copy=whole').body, before.body)
        self.assert_problem(client.get(server, f'/jobs/{job}/report?copy=fax'), 422, "no copy 'fax': whole or mail")
        server.stop()
        again = program.Server(datasets=dataset.tiny(), state=server.state)
        self.addCleanup(again.stop)
        self.assertEqual(client.get(again, f'/jobs/{job}/report').body, before.body)
        self.assertEqual(client.get(again, f'/jobs/{job}/report?copy=mail').body, mail.body)

    def check_links(self, server, job, text):
        """Those that lead to the server lead to something there."""
        page, here = Page(text), f'/jobs/{job}/report'
        links = [link for link in page.links if not link.startswith('#')]
        self.assertEqual(len(links), 6)
        self.assertIn('report?copy=mail', links)
        for link in links:
            self.assertEqual(client.get(server, urllib.parse.urljoin(here, link)).status, 200, link)
        self.assertRegex(text, r'>Time</th><td>\d{4}-\d\d-\d\d \d\d:\d\d UTC to .* UTC: \d+ s, epochs of it \d+ s<')
        self.assertIn('>State</th><td>succeeded<', text)
        self.assertEqual(json.loads(page.files['record.json'][1])['id'], job)


if __name__ == '__main__':
    unittest.main()
