"""POST /dicom-web/studies: an archive hands over films, and reports go back or wait to be fetched."""
import hashlib
import io
import json
import os
import threading
import unittest
import xml.etree.ElementTree

try:
    import pydicom
except ImportError:
    pydicom = None

from support import client, dataset, dicom, outside, picture, program
from support.case import Case, ServerCase, import_model
from support.dicomweb import (CLASS, FAILED, NAMELESS, NOT_READ, PROCESSING, RESOURCES, STORED, SYNTAX, TYPE, body, film, items, parts,
                              study_of, uid)

NAME = 'Secretname^Patricia'
NATIVE = 'http://dicom.nema.org/PS3.19/models/NativeDICOM'
REPORT = dicom.file({'SOPClassUID': dicom.COMPREHENSIVE_SR, 'SOPInstanceUID': '1.2.3.88', 'StudyInstanceUID': '1.2.3', 'SeriesInstanceUID': '1.2.4',
                     'Modality': 'SR'})


def read(data):
    return pydicom.dcmread(io.BytesIO(data))


class StowCase(Case):

    def store(self, *files, study='', server=None, kind=TYPE, **headers):
        return client.post(server or self.server, '/dicom-web/studies' + (study and f'/{study}'), body(*files), Content_Type=kind, **headers)

    def fetch(self, study, server=None, **headers):
        return client.get(server or self.server, f'/dicom-web/studies/{study}', **headers)

    def reports(self, study):
        reply = self.fetch(study)
        self.assertEqual(reply.status, 200, reply)
        return [read(part) for part in parts(reply.headers['content-type'], reply.body)]

    def assert_stored(self, reply, *instances):
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(reply.headers['content-type'], 'application/dicom+json')
        self.assertEqual(items(reply, STORED), [(instance, None) for instance in instances])
        self.assertEqual(set(reply.json()), {'00081190', STORED})


@unittest.skipUnless(pydicom, 'python3-pydicom is not installed')
class WithoutAnArchive(StowCase, ServerCase):
    """Reports wait."""

    with_model = True

    def test_the_report_on_a_film_can_be_fetched_by_its_study(self):
        for number, in_path in ((1, ''), (2, study_of(2))):
            reply = self.store(film(number, PatientName=NAME), study=in_path)
            self.assert_stored(reply, uid(number))
            url = reply.json()[STORED]['Value'][0]['00081190']['Value'][0]
            self.assertEqual(url, f'/dicom-web/studies/{study_of(number)}')
            self.assertEqual(reply.json()['00081190'], {'vr': 'UR', 'Value': [url]} if in_path else {'vr': 'UR'})
            fetched = client.get(self.server, url)
            self.assertEqual(fetched.headers['cache-control'], 'no-store')
            report, = self.reports(study_of(number))
            self.assertEqual((report.Modality, report.StudyInstanceUID, report.PatientName), ('SR', study_of(number), NAME))
            evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
            self.assertEqual(evidence.ReferencedSOPInstanceUID, uid(number))

    def test_the_report_says_what_predict_says(self):
        data = film(3)
        said = self.post('/predict', data, Content_Type='application/dicom').json()
        self.assert_stored(self.store(data), uid(3))
        groups = [item for item in self.reports(study_of(3))[0].ContentSequence if 'ConceptNameCodeSequence' in item
                  and item.ConceptNameCodeSequence[0].CodeMeaning == 'Imaging Measurements'][0].ContentSequence
        numbers = [next(float(item.MeasuredValueSequence[0].NumericValue) for item in group.ContentSequence if item.ValueType == 'NUM')
                   for group in groups]
        self.assertEqual(numbers, [finding['probability'] for finding in said['findings']])

    def test_films_of_several_studies_come_in_one_request(self):
        self.assert_stored(self.store(film(11), film(12), film(13, study=study_of(11))), uid(11), uid(12), uid(13))
        self.assertEqual(len(self.reports(study_of(11))), 2)
        self.assertEqual(len(self.reports(study_of(12))), 1)

    def test_a_film_that_comes_again_has_one_report(self):
        self.assert_stored(self.store(film(21)), uid(21))
        first, = self.reports(study_of(21))
        self.assert_stored(self.store(film(21)), uid(21))
        second, = self.reports(study_of(21))
        self.assertNotEqual(first.SOPInstanceUID, second.SOPInstanceUID)

    def test_a_body_may_be_written_in_all_the_ways_of_rfc_2387(self):
        for i, (kind, data) in enumerate((
                ('multipart/related;type="application/dicom";boundary="a b"', body(film(31), boundary='a b')),
                ('Multipart/Related; boundary=XX; type=application/dicom', body(film(31))),
                ('multipart/related; type="Application/Dicom"; start="<1>"; boundary=XX', body(film(31))),
                ('multipart/related; boundary=XX', body(film(31))),
                (TYPE, b'preamble\r\n' + body(film(31)) + b'epilogue'),
                (TYPE, body(film(31), kind='application/dicom; transfer-syntax=1.2.840.10008.1.2.1')),
                (TYPE, body(film(31)).replace(b'Content-Type: application/dicom', b'content-location: x\r\nContent-ID: <1>')),
                (TYPE, body(film(31)).replace(b'--XX\r\n', b'--XX \t\r\n')))):
            with self.subTest(i=i, kind=kind):
                reply = client.post(self.server, '/dicom-web/studies', data, Content_Type=kind)
                self.assert_stored(reply, uid(31))

    def test_what_is_not_taken_is_named_with_its_reason(self):
        ct = film(42, SOPClassUID=dicom.CT, Modality='CT')
        knee = film(43, BodyPartExamined='KNEE')
        cut = film(44)[:-100]
        unread = film(45, syntax=dicom.JPIP)
        for study in ('', study_of(41)):
            with self.subTest(study=study):
                reply = self.store(film(41), REPORT, ct, film(43, study=study_of(41), BodyPartExamined='KNEE') if study else knee, cut, unread,
                                   b'no DICOM', picture.noise(), b'', study=study)
                self.assertEqual(reply.status, 202, reply)
                self.assertEqual(items(reply, STORED), [(uid(41), None)])
                self.assertEqual(items(reply, FAILED), [('1.2.3.88', CLASS), (uid(42), CLASS), (uid(43), PROCESSING), (uid(44), NOT_READ),
                                                        (uid(45), SYNTAX)])
                self.assertEqual([failure for _, failure in items(reply, NAMELESS)], [NOT_READ] * 3)
                self.assertRegex(reply.headers['warning'], r'^299 cxrd "[ -~]+"$')

    def test_where_nothing_is_taken_it_is_409(self):
        for study in ('', '1.2.3'):
            reply = self.store(REPORT, study=study)
            self.assertEqual((reply.status, reply.headers['content-type']), (409, 'application/dicom+json'))
            self.assertEqual((items(reply, FAILED), items(reply, STORED)), ([('1.2.3.88', CLASS)], []))

    def test_a_film_of_another_study_than_the_paths_fails(self):
        reply = self.store(film(51), study=study_of(52))
        self.assertEqual(reply.status, 409)
        self.assertEqual(items(reply, FAILED), [(uid(51), PROCESSING)])
        self.assertEqual(self.fetch(study_of(51)).status, 404)

    def test_a_film_that_names_no_study_fails(self):
        reply = self.store(film(53, SeriesInstanceUID=None))
        self.assertEqual((reply.status, items(reply, FAILED)), (409, [(uid(53), PROCESSING)]))

    def test_a_part_of_another_type_fails(self):
        reply = client.post(self.server, '/dicom-web/studies', body(film(54), kind='image/jpeg'), Content_Type=TYPE)
        self.assertEqual((reply.status, items(reply, FAILED)), (409, [(uid(54), NOT_READ)]))

    def test_the_reply_is_json_or_xml_as_accept_says(self):
        for accept, kind in (('', 'json'), ('*/*', 'json'), ('application/dicom+json', 'json'), ('application/json', 'json'),
                             ('application/dicom+xml', 'xml'), ('application/dicom+json;q=0.5, application/dicom+xml', 'xml'),
                             ('application/dicom+xml;q=0.5, */*', 'json'), ('text/html, application/*;q=0.1', 'json')):
            with self.subTest(accept=accept):
                reply = self.store(film(71), **({'Accept': accept} if accept else {}))
                self.assertEqual((reply.status, reply.headers['content-type']), (200, f'application/dicom+{kind}'))
        for accept in ('text/html', 'application/dicom', 'application/dicom+json;q=0', 'multipart/related; type="application/dicom"'):
            with self.subTest(accept=accept):
                for study in ('', study_of(72)):
                    self.assert_problem(self.store(film(72), study=study, Accept=accept), 406, 'dicom')
        self.assertEqual(self.fetch(study_of(72)).status, 404, 'nothing was taken')

    def test_the_xml_says_what_the_json_says(self):
        def read(element):
            attributes = {}
            for one in element.iterfind(f'{{{NATIVE}}}DicomAttribute'):
                self.assertEqual(one.get('keyword'), pydicom.datadict.keyword_for_tag(one.get('tag')))
                values = [value.text if one.get('vr') != 'US' else int(value.text) for value in one.iterfind(f'{{{NATIVE}}}Value')]
                values += [read(item) for item in one.iterfind(f'{{{NATIVE}}}Item')]
                self.assertEqual([child.get('number') for child in one], [str(i + 1) for i in range(len(values))])
                attributes[one.get('tag')] = {'vr': one.get('vr'), **({'Value': values} if values else {})}
            self.assertEqual(list(attributes), sorted(attributes))
            return attributes

        for study in ('', study_of(73)):
            files = film(73), REPORT, b'no DICOM', film(74, study=study_of(73), BodyPartExamined='KNEE')
            said = self.store(*files, study=study).json()
            reply = self.store(*files, study=study, Accept='application/dicom+xml')
            root = xml.etree.ElementTree.fromstring(reply.body)
            self.assertEqual(root.tag, f'{{{NATIVE}}}NativeDicomModel')
            self.assertEqual((reply.status, read(root)), (202, said))

    def test_other_bodies_are_415_and_broken_ones_400(self):
        for target in ('/dicom-web/studies', '/dicom-web/studies/1.2.3'):
            for kind in ('', 'application/dicom', 'multipart/form-data; boundary=XX', 'multipart/relatedness; boundary=XX',
                         'multipart/related; type="application/dicom+json"; boundary=XX', 'multipart/related; type="; boundary=XX'):
                with self.subTest(target=target, kind=kind):
                    self.assert_problem(client.post(self.server, target, body(film()), Content_Type=kind), 415)
            for data in (b'', b'--XX--', b'--YY\r\n\r\nx\r\n--YY--\r\n', body(film())[:-8], b'--XX\r\nContent-Type: application/dicom'):
                with self.subTest(target=target, data=data[:40]):
                    self.assert_problem(client.post(self.server, target, data, Content_Type=TYPE), 400)
            self.assert_problem(client.post(self.server, target, body(film()), Content_Type='multipart/related; type="application/dicom"'), 400)

    def test_a_head_that_says_another_type_is_refused_before_the_body(self):
        for line in ('Content-Type: image/png', 'Content-Type: multipart/related; type="text/plain"; boundary=x'):
            with client.Raw(self.server) as raw:
                raw.send(client.head('POST', '/dicom-web/studies', 'Content-Length: 10', 'Expect: 100-continue', line))
                self.assert_problem(raw.reply('POST', '/dicom-web/studies'), 415)

    def test_more_parts_than_16_are_413(self):
        for target in ('/dicom-web/studies', '/dicom-web/studies/1.2.3'):
            self.assert_problem(client.post(self.server, target, body(*[b''] * 17), Content_Type=TYPE), 413, '16')

    def test_a_study_without_reports_is_404_and_a_path_that_is_no_uid_too(self):
        for study in ('1.2.3.4', '1..2', '.', '9' * 64, '9' * 65, '1.2.3/series', '1.2.3x', '%31.2', ''):
            with self.subTest(study=study):
                self.assert_problem(self.fetch(study), 404)

    def test_nothing_of_the_patient_is_logged(self):
        self.store(film(61, PatientName=NAME, PatientID='SECRETID'), film(62, PatientName=NAME, BodyPartExamined='KNEE'))
        text = '\n'.join(str(line) for line in self.server.log())
        for secret in ('Secretname', 'SECRETID'):
            self.assertNotIn(secret, text)


class Limits(StowCase):

    def test_a_body_over_the_limit_is_413(self):
        server = program.Server('--max-upload', '64K')
        self.addCleanup(server.stop)
        for study in ('', '1.2.3'):
            self.assert_problem(self.store(bytes(70000), study=study, server=server), 413)

    def test_without_a_model_it_is_503(self):
        server = program.Server()
        self.addCleanup(server.stop)
        for study in ('', study_of(1)):
            self.assert_problem(self.store(film(1), study=study, server=server), 503)

    def test_row_77_reports_are_for_the_key_that_has_brought_the_film(self):
        path = os.path.join(program.new_folder('keys'), 'keys')
        with open(path, 'w', encoding='ascii') as file:
            for name in ('anna', 'bert'):
                file.write(f'predict {name} {hashlib.sha256(name.encode()).hexdigest()}\n')
            file.write(f'admin chief {hashlib.sha256(b"chief").hexdigest()}\n')
        server = program.Server('--keys', path)
        self.addCleanup(server.stop)
        client.post(server, '/models', dataset.weights(), Content_Type='application/octet-stream', Authorization='Bearer chief')
        card = client.get(server, '/models', Authorization='Bearer chief').json()['models'][0]
        client.post(server, f'/models/{card["id"]}/activate', Authorization='Bearer chief')
        self.assertEqual(self.store(film(1), server=server, Authorization='Bearer anna').status, 200)
        for key, status in (('anna', 200), ('bert', 404), ('chief', 404)):
            self.assertEqual(self.fetch(study_of(1), server=server, Authorization=f'Bearer {key}').status, status)
        self.assertEqual(self.fetch(study_of(1), server=server).status, 401)


class ArchiveCase(StowCase):

    def archive(self, *statuses, tls=False):
        """One that answers with these, then 200."""
        left = list(statuses)
        there = outside.Outside(lambda handler: outside.say(handler, left.pop(0) if left else 200, b'{}', Content_Type='application/dicom+json'), tls)
        self.addCleanup(there.stop)
        return there

    def serve(self, url, *arguments, threads=2, weights=None):
        server = program.Server('--dicomweb-results', url, *arguments, threads=threads)
        self.addCleanup(server.stop)
        import_model(server, weights or dataset.weights())
        return server


@unittest.skipUnless(pydicom, 'python3-pydicom is not installed')
class ToAnArchive(ArchiveCase):
    """Reports are sent before the reply."""

    def test_each_report_is_stored_there(self):
        there = self.archive()
        server = self.serve(there.url + '/dicom-web/')
        self.assert_stored(self.store(film(1), film(2), server=server), uid(1), uid(2))
        self.assertEqual([(method, path) for method, path, _, _ in there.requests], [('POST', '/dicom-web/studies')] * 2)
        for number, (_, _, headers, data) in enumerate(there.requests, 1):
            part, = parts(headers['content-type'], data)
            self.assertEqual(read(part).StudyInstanceUID, study_of(number))
            self.assertNotIn('authorization', headers)
        self.assert_problem(self.fetch(study_of(1), server=server), 404)

    def test_over_tls_with_what_the_file_says_for_authorization(self):
        there = self.archive(tls=True)
        path = os.path.join(program.new_folder('authorization'), 'file')
        with open(path, 'w', encoding='ascii') as file:
            file.write('Basic dXNlcjpwYXNz\n')
        server = self.serve(there.url, '--outgoing-ca', outside.certificate()[0], '--outgoing-private', f'127.0.0.1:{there.port}',
                            '--dicomweb-authorization', path)
        self.assertEqual(self.store(film(1), server=server).status, 200)
        self.assertEqual(there.requests[0][2]['authorization'], 'Basic dXNlcjpwYXNz')
        self.assertEqual(there.requests[0][1], '/studies')

    def test_a_report_that_it_does_not_take_is_a_failure(self):
        there = self.archive(409, 200, 302)
        server = self.serve(there.url)
        reply = self.store(film(1), film(2), film(3), server=server)
        self.assertEqual((reply.status, items(reply, FAILED), items(reply, STORED)),
                         (202, [(uid(1), PROCESSING), (uid(3), PROCESSING)], [(uid(2), None)]))

    def test_row_76_an_archive_that_cannot_now_is_503_and_the_reports_are_kept_nowhere(self):
        there = self.archive(500)
        server = self.serve(there.url)
        self.assert_problem(self.store(film(1, PatientName=NAME), film(2), server=server), 503, 'archive')
        self.assertEqual(len(there.requests), 1, 'the second was not tried')
        reply = self.store(film(3), server=server)
        self.assertEqual(reply.status, 200)
        there.stop()
        problem = self.assert_problem(self.store(film(4), server=server), 503, 'archive')
        self.assertNotIn(str(there.port), str(problem))
        program.poll(lambda: sum(line['message'] == 'a result was not delivered' for line in server.log()) == 2, 'both are in the log')
        self.assertNotIn('Secretname', str(server.log()))

    def maps(self, there, study):
        """The Secondary Captures about a study that came after its report, by the finding that their Instance Number names."""
        results = [read(part) for _, _, headers, data in there.requests for part in parts(headers['content-type'], data)]
        report, *maps = [result for result in results if result.StudyInstanceUID == study]
        self.assertEqual(report.Modality, 'SR')
        for one in maps:
            self.assertEqual((one.SOPClassUID, one.BurnedInAnnotation), (pydicom.uid.SecondaryCaptureImageStorage, 'YES'))
            self.assertEqual(one.SeriesInstanceUID, maps[0].SeriesInstanceUID)
        return {int(one.InstanceNumber) - 1: one for one in maps}

    def test_maps_of_the_findings_that_the_operator_names_follow_the_report(self):
        there = self.archive()
        server = self.serve(there.url, '--dicomweb-maps', ' Nodule, hernia,Unheard Of,nodule')
        self.assert_stored(self.store(film(1), film(2), server=server), uid(1), uid(2))
        self.assertEqual(len(there.requests), 6)
        names = list(client.post(server, '/predict', film(1), Content_Type='application/dicom').json()['probabilities'])
        for number in (1, 2):
            maps = self.maps(there, study_of(number))
            self.assertEqual(sorted(names[k] for k in maps), ['Hernia', 'Nodule'])
            for k, one in maps.items():
                shown = client.post(server, f'/predict/heatmap?label={names[k]}', film(number), Content_Type='application/dicom',
                                    Accept='application/dicom').body
                self.assertEqual(one.PixelData, read(shown).PixelData)

    def test_maps_of_positive_findings_are_those_that_predict_calls(self):
        there = self.archive()
        thresholds = {label: 0.0 if label in ('Mass', 'Hernia') else 1.0 for label in dataset.LABELS if label != 'Nodule'}
        server = self.serve(there.url, '--dicomweb-maps', 'positive', weights=dataset.judging(dataset.weights(), {'youden': thresholds}))
        self.assert_stored(self.store(film(1), server=server), uid(1))
        said = client.post(server, '/predict', film(1), Content_Type='application/dicom').json()
        self.assertEqual({finding['label'] for finding in said['findings'] if finding['positive']}, {'Mass', 'Hernia'})
        self.assertEqual({list(said['probabilities'])[k] for k in self.maps(there, study_of(1))}, {'Mass', 'Hernia'})

    def test_a_map_that_the_archive_does_not_take_is_a_failure_of_its_film(self):
        there = self.archive(200, 409, 200, 200)
        server = self.serve(there.url, '--dicomweb-maps', 'Mass')
        reply = self.store(film(1), film(2), server=server)
        self.assertEqual((reply.status, items(reply, FAILED), items(reply, STORED)), (202, [(uid(1), PROCESSING)], [(uid(2), None)]))

    def test_what_goes_to_the_archive_is_on_record_before(self):
        there = self.archive()
        audit = os.path.join(program.new_folder('audit'), 'audit')
        server = self.serve(there.url, '--audit', audit)
        self.assertEqual(self.store(film(1, PatientName=NAME), server=server).status, 200)
        with open(audit, encoding='ascii') as file:
            events = [json.loads(line) for line in file if 'dicom-web' in line]
        self.assertEqual([(event['event'], event['route']) for event in events],
                         [('intent', '/dicom-web/studies'), ('change', '/dicom-web/studies')])
        self.assertTrue(events[1]['model'])
        self.assertNotIn('Secretname', str(events))

    def test_some_that_could_not_be_delivered_are_failures_of_resources(self):
        there = self.archive(200, 503)
        server = self.serve(there.url)
        reply = self.store(film(1), film(2), server=server)
        self.assertEqual((reply.status, items(reply, FAILED)), (202, [(uid(2), RESOURCES)]))

    def test_an_archive_that_hangs_keeps_nobody_from_predicting(self):
        go = threading.Event()

        def answer(handler):
            go.wait(60 * program.PATIENCE)
            outside.say(handler, 200)

        there = outside.Outside(answer, tls=False)
        self.addCleanup(there.stop)
        self.addCleanup(go.set)
        server = self.serve(there.url, threads=1)
        replies = []
        threads = [threading.Thread(target=lambda n=n: replies.append(self.store(film(n), server=server))) for n in (1, 2, 3)]
        for thread in threads:
            thread.start()
        program.poll(lambda: len(there.requests) == 2, 'two wait for the archive')
        for _ in range(3):
            self.assert_prediction(client.post(server, '/predict', picture.noise(), Content_Type='image/png'))
        go.set()
        for thread in threads:
            thread.join()
        self.assertEqual([reply.status for reply in replies], [200] * 3)

    def test_a_server_that_stops_begins_no_other_instance(self):
        go = threading.Event()

        def answer(handler):
            go.wait(60 * program.PATIENCE)
            outside.say(handler, 200)

        there = outside.Outside(answer, tls=False)
        self.addCleanup(there.stop)
        self.addCleanup(go.set)
        server = self.serve(there.url, '--drain', '1')
        replies = []
        thread = threading.Thread(target=lambda: replies.append(self.store(*[film(n) for n in range(1, 17)], server=server)))
        thread.start()
        program.poll(lambda: len(there.requests) == 1, 'it waits for the archive')
        server.terminate()
        program.poll(lambda: [line for line in server.log() if line['message'] == 'the time to work off requests is over'], 'it is late')
        go.set()
        thread.join()
        self.assertEqual((replies[0].status, items(replies[0], STORED)), (202, [(uid(1), None)]))
        self.assertEqual(items(replies[0], FAILED), [(uid(n), RESOURCES) for n in range(2, 17)])
        self.assertIn('shutting down', replies[0].headers['warning'])
        self.assertEqual(len(there.requests), 1)
        self.assertEqual(server.wait(), 0)

    def test_a_private_address_is_asked_only_where_it_was_said(self):
        there = self.archive(tls=True)
        server = self.serve(there.url, '--outgoing-ca', outside.certificate()[0])
        self.assert_problem(self.store(film(1), server=server), 503, 'archive')
        self.assertEqual(there.requests, [])
        told = program.poll(lambda: [line for line in server.log() if line['message'] == 'a result was not delivered'], 'it is logged')
        self.assertIn('refused', told[0]['detail'])


class Start(Case):

    def refuses(self, says, *arguments):
        run = program.run('serve', '--listen', '127.0.0.1:0', '--state', program.new_folder('state'), *arguments)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn(says, run.stderr)

    def test_an_archive_must_be_an_address_that_may_be_asked(self):
        for url in ('http://pacs.example/dicom-web', 'pacs.example', 'ftp://pacs.example', 'https://user:pass@pacs.example', 'https://' + 'x' * 600):
            self.refuses('--dicomweb-results must be', '--dicomweb-results', url)

    def test_its_authorization_must_be_a_line_that_a_header_may_have(self):
        path = os.path.join(program.new_folder('authorization'), 'file')
        self.refuses('No such file', '--dicomweb-results', 'https://pacs.example', '--dicomweb-authorization', path)
        for text in ('', '\n', 'Basic \x01', 'x' * 2000):
            with open(path, 'w', encoding='ascii') as file:
                file.write(text)
            self.refuses('--dicomweb-authorization', '--dicomweb-results', 'https://pacs.example', '--dicomweb-authorization', path)
        self.refuses('needs --dicomweb-results', '--dicomweb-authorization', path)

    def test_which_maps_it_gets_is_a_list_of_names(self):
        for text in (',', 'Nodule,', ' ', 'Nodule,,Mass', 'x' * 64):
            self.refuses('--dicomweb-maps must be', '--dicomweb-results', 'https://pacs.example', '--dicomweb-maps', text)
        self.refuses('--dicomweb-maps needs --dicomweb-results', '--dicomweb-maps', 'positive')
