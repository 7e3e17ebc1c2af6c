"""Results as DICOM files: other programs find no fault in them and read what was meant, whatever the picture's header says."""
import io
import os
import random
import re
import struct
import subprocess
import tempfile
import unittest

try:
    import pydicom
    from pydicom.sr._concepts_dict import concepts
    from PIL import Image
except ImportError:
    pydicom = None

from support import dataset, dicomweb, picture, program
from support.case import Case, ServerCase, import_model, needs_data

NEEDED = unittest.skipUnless(pydicom, 'python3-pydicom or python3-pil is not installed')
CASES = os.path.join(os.path.dirname(program.BINARY), 'tests', 'dicom_cases')
MODEL = '0123456789abcdef' * 4
COMPREHENSIVE_3D_SR, SECONDARY_CAPTURE, DX = (f'1.2.840.10008.5.1.4.1.1.{part}' for part in ('88.34', '7', '1.1'))

# Values of a header, and what of them is said again: None is the same bytes.
HEADERS = {
    'plain': {'patient_name': (b'Doe^Jane', None), 'patient_id': (b'4711', None), 'patient_birth': (b'19520229', None),
              'patient_sex': (b'F', None), 'study_date': (b'20240131', None), 'study_time': (b'235959.123456', None),
              'study_id': (b'S 1', None), 'accession': (b'A-0123456789abcd', None), 'referring_name': (b'House^Gregory^^Dr.', None)},
    'nothing': {},
    'latin1': {'character_set': (b'ISO_IR 100', None), 'patient_name': ('Jérôme^Ærø'.encode('latin-1'), None)},
    'cyrillic': {'character_set': (b'ISO_IR 144', None), 'patient_name': ('Люкceмбypг'.encode('iso8859-5'), None)},
    'utf8': {'character_set': (b'ISO_IR 192', None), 'patient_name': ('Wang^XiaoDong=王^小東'.encode(), None)},
    'gb18030': {'character_set': (b'GB18030', None), 'patient_name': ('Wang^XiaoDong=王^小东'.encode('gb18030'), None)},
    'japanese': {'character_set': (b'\\ISO 2022 IR 87', None),
                 'patient_name': (b'Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B', None)},
    'japanese_half': {'character_set': (b'ISO 2022 IR 13\\ISO 2022 IR 87', None),
                      'patient_name': (b'\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J', None)},
    'korean': {'character_set': (b'\\ISO 2022 IR 149', None),
               'patient_name': (b'Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7', None)},
    # A value that breaks its VR is left out, and nothing is made shorter.
    'unknown_charset': {'character_set': (b'ISO_IR 999', b''), 'patient_name': (b'J\xe9r\xf4me', b''), 'patient_id': (b'77', None)},
    'two_charsets': {'character_set': (b'ISO_IR 192\\ISO_IR 100', b''), 'patient_name': ('é'.encode(), b'')},
    'no_charset': {'patient_name': (b'J\xe9r\xf4me', b''), 'accession': (b'\xe9', b'')},
    'wrong_charset': {'character_set': (b'ISO_IR 192', None), 'patient_name': (b'J\xe9r\xf4me', b''), 'patient_id': (b'5', None)},
    'escape': {'patient_name': (b'J\x1b$B;3\x1b(B', b''), 'patient_id': (b'1\x1b[2J', b'')},
    'several': {'patient_name': (b'One^A\\Two^B', b''), 'patient_id': (b'1\\2', b''), 'accession': (b'1\\2', b''), 'patient_sex': (b'F\\M', b'')},
    'long': {'patient_name': (b'N' * 65, b''), 'patient_id': (b'1' * 65, b''), 'accession': (b'A' * 17, b''), 'study_id': (b'S' * 17, b''),
             'referring_name': (b'R' * 65536, b''), 'character_set': (b'ISO_IR 100\\' * 6000, b'')},
    'groups': {'patient_name': (b'a=b=c=d', b''), 'referring_name': (b'a^b^c^d^e^f', b'')},
    'controls': {'patient_name': (b'a\nb', b''), 'patient_id': (b'a\tb', b''), 'study_id': (b'a\x7f', b'')},
    'times': {'patient_birth': (b'20230229', b''), 'study_date': (b'1999.1.1', b''), 'study_time': (b'07:09:07', b'')},
    'times2': {'patient_birth': (b'0000', b''), 'study_date': (b'20241301', b''), 'study_time': (b'256060', b'')},
    'sexes': {'patient_sex': (b'female', b'')},
    'modality': {'modality': (b'OT\\XX', None)},
    'uid': {'study_uid': (b'1.' + b'9' * 62, None)},
}
KEYWORDS = {'character_set': 'SpecificCharacterSet', 'patient_name': 'PatientName', 'patient_id': 'PatientID', 'patient_birth': 'PatientBirthDate',
            'patient_sex': 'PatientSex', 'study_date': 'StudyDate', 'study_time': 'StudyTime', 'study_id': 'StudyID',
            'accession': 'AccessionNumber', 'referring_name': 'ReferringPhysicianName', 'study_uid': 'StudyInstanceUID'}


def hostile(seed, n):
    """Headers of bytes that nobody would write, many of them near what somebody would."""
    choose = random.Random(seed)
    alphabet = [b'\\', b'^', b'=', b'\x1b', b'\x1b$B', b'\x1b(B', b'\x1b$)C', b'\x00', b'\n', b' ', b'a', b'M', b'F', b'0', b'1', b'2', b'9', b'.',
                b'\x80', b'\xe9', b'\xc3\xa9', b'\xff', b'\x81\x5c', b'19991231', b'2359', b'ISO_IR 100', b'ISO 2022 IR 87', b'GBK', b'ISO_IR 192']
    return {f'hostile{i}': {field: b''.join(choose.choice(alphabet) for _ in range(choose.choice((0, 1, 2, 5, 9, 30))))
                            for field in KEYWORDS if field != 'study_uid'} for i in range(n)}


def raw(path, keyword):
    """A value as it stands in a file of ours, without its padding; b'' where it is empty or missing."""
    tag = pydicom.datadict.tag_for_keyword(keyword)
    head = struct.pack('<HH', tag >> 16, tag & 0xffff) + pydicom.datadict.dictionary_VR(tag).encode()
    with open(path, 'rb') as file:
        before, _, behind = file.read().partition(head)
    return behind[2:2 + int.from_bytes(behind[:2], 'little')].rstrip(b' \0') if before else b''


def judge(path):
    """The complaints of dciodvfy (dicom3tools) about a file."""
    said = subprocess.run(['dciodvfy', path], capture_output=True, check=False)
    text = (said.stdout + said.stderr).decode('latin-1')
    return [line for line in text.splitlines() if line.startswith('Error')], text


@NEEDED
class Written(Case):
    """By the parts that write them, without a server."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.headers = {name: {field: value[0] for field, value in header.items()} for name, header in HEADERS.items()}
        cls.headers.update(hostile(1, 12))
        lines = [f'{name} {field} {value.hex()}' for name, header in cls.headers.items()
                 for field, value in (header or {'modality': b'DX'}).items()]
        subprocess.run([CASES, cls.folder.name], input='\n'.join(lines).encode(), check=True)

    def path(self, name, ending):
        return os.path.join(self.folder.name, f'{name}.{ending}')

    def test_dciodvfy_finds_no_error_whatever_the_header_said(self):
        for name in self.headers:
            for ending, kind in (('sr', 'Comprehensive3DSR'), ('sc', 'SCImage')):
                with self.subTest(name=name, ending=ending):
                    errors, text = judge(self.path(name, ending))
                    self.assertEqual(errors, [], self.headers[name])
                    self.assertIn(kind, text, 'it was not looked at')

    def test_what_the_header_said_is_said_again_or_left_out_and_never_changed(self):
        for name, header in HEADERS.items():
            for ending in ('sr', 'sc'):
                for field, (given, said) in header.items():
                    if field not in KEYWORDS:
                        continue
                    with self.subTest(name=name, ending=ending, field=field):
                        self.assertEqual(raw(self.path(name, ending), KEYWORDS[field]), given if said is None else said)

    def test_of_hostile_headers_no_byte_comes_through_that_breaks_its_vr(self):
        for name in self.headers:
            for keyword in KEYWORDS.values():
                with self.subTest(header=self.headers[name], keyword=keyword):
                    self.assertNotRegex(raw(self.path(name, 'sr'), keyword), rb'[\x00-\x1a\x1c-\x1f\x7f]')

    def test_dsrdump_reads_the_report(self):
        for name in (*HEADERS, *list(self.headers)[-3:]):
            with self.subTest(name=name):
                said = subprocess.run(['dsrdump', '+Pc', self.path(name, 'sr')], capture_output=True, check=False)
                self.assertEqual(said.returncode, 0, said.stderr)
                warnings = [line for line in said.stderr.splitlines() if b'SpecificCharacterSet' not in line.replace(b' ', b'')]
                self.assertEqual(warnings, [])
                self.assertIn(b'(PROBABILITY,99CXRD,"Probability of finding")="0.123456789" (1,UCUM,"no units")', said.stdout)

    def test_the_report_is_of_tid_1500_and_of_nobody_who_has_looked(self):
        report = pydicom.dcmread(self.path('plain', 'sr'))
        self.assertEqual(report.SOPClassUID, COMPREHENSIVE_3D_SR)
        self.assertEqual(report.file_meta.MediaStorageSOPInstanceUID, report.SOPInstanceUID)
        self.assertEqual((report.Modality, report.CompletionFlag, report.VerificationFlag, report.PreliminaryFlag),
                         ('SR', 'PARTIAL', 'UNVERIFIED', 'PRELIMINARY'))
        self.assertEqual(report.ContentTemplateSequence[0].TemplateIdentifier, '1500')
        self.assertEqual(report.ConceptNameCodeSequence[0].CodeValue, '126000')
        study = report.CurrentRequestedProcedureEvidenceSequence[0]
        self.assertEqual(study.StudyInstanceUID, '1.2.3')
        self.assertEqual(study.ReferencedSeriesSequence[0].SeriesInstanceUID, '1.2.3.4')
        image = study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
        self.assertEqual((image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID), (DX, '1.2.3.4.5'))

    def content(self, name='plain'):
        return pydicom.dcmread(self.path(name, 'sr')).ContentSequence

    def find(self, items, meaning):
        return [item for item in items if 'ConceptNameCodeSequence' in item and item.ConceptNameCodeSequence[0].CodeMeaning == meaning]

    def test_the_report_says_which_model_has_looked_at_which_picture(self):
        root = self.content()
        self.assertEqual(self.find(root, 'Observer Type')[0].ConceptCodeSequence[0].CodeMeaning, 'Device')
        self.assertEqual(self.find(root, 'Device Observer Serial Number')[0].TextValue, MODEL)
        groups = self.find(root, 'Imaging Measurements')[0].ContentSequence
        self.assertEqual(len(groups), 4)
        for group in groups:
            items = group.ContentSequence
            self.assertEqual(self.find(items, 'Algorithm Name')[0].TextValue, 'cnn4')
            self.assertEqual(self.find(items, 'Algorithm Version')[0].TextValue, MODEL)
            self.assertEqual(self.find(items, 'Source of Measurement')[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID, '1.2.3.4.5')
        library = self.find(root, 'Image Library')[0].ContentSequence[0].ContentSequence
        self.assertEqual(library[-1].ReferencedSOPSequence[0].ReferencedSOPInstanceUID, '1.2.3.4.5')

    def test_each_finding_has_its_probability_and_a_verdict_where_there_is_one(self):
        rows = []
        for group in self.find(self.content(), 'Imaging Measurements')[0].ContentSequence:
            items = group.ContentSequence
            point, verdict = self.find(items, 'Operating point of probability'), self.find(items, 'At or above operating point')
            rows.append((self.find(items, 'Finding')[0].ConceptCodeSequence[0].CodeMeaning,
                         float(self.find(items, 'Probability of finding')[0].MeasuredValueSequence[0].NumericValue),
                         float(point[0].MeasuredValueSequence[0].NumericValue) if point else None,
                         verdict[0].ConceptCodeSequence[0].CodeMeaning if verdict else None))
        self.assertEqual(rows, [('Mass', 0.251953125, 0.25, 'Yes'), ('Pleural_Thickening', 1e-38, None, None),
                                ('Pulmonary edema', 0.123456789, 0.5, 'No'), ('Gro?', 1, None, None)])

    def test_names_of_ours_are_shown_where_the_character_set_has_them(self):
        for name, label, comment in (('utf8', 'Groß', 'for research, naïvely'), ('latin1', 'Gro?', 'for research, na?vely')):
            group = self.find(self.content(name), 'Imaging Measurements')[0].ContentSequence[3].ContentSequence
            self.assertEqual(self.find(group, 'Tracking Identifier')[0].TextValue, label)
            self.assertEqual(self.find(group, 'Finding')[0].ConceptCodeSequence[0].CodeMeaning, label)
            self.assertEqual(self.find(self.content(name), 'Comment')[0].TextValue, comment)

    def test_codes_of_dicom_are_those_of_its_dictionary(self):
        """Every code of DCM, and of SCT those that pydicom's copy of PS3.16 has."""
        known = {}
        for scheme in ('DCM', 'SCT'):
            for name in concepts[scheme].values():
                for value, (meaning, _) in name.items():
                    known.setdefault((scheme, value), set()).add(meaning.lower())
        seen = set()

        def walk(data):
            for element in data:
                if element.VR == 'SQ':
                    for item in element.value:
                        if 'CodeValue' in item and 'CodeMeaning' in item:
                            seen.add((item.CodingSchemeDesignator, item.CodeValue, item.CodeMeaning))
                        walk(item)

        walk(pydicom.dcmread(self.path('plain', 'sr')))
        walk(pydicom.dcmread(self.path('plain', 'sc')))
        text = open(os.path.join(os.path.dirname(__file__), '..', '..', 'server', 'dicom', 'codes.c'), encoding='utf-8').read()
        seen |= {(scheme, value, meaning) for value, scheme, meaning in re.findall(r'\{ "(\d+)", "(SCT|DCM)", "([^"]+)" \}', text)}
        self.assertGreater(len([code for code in seen if code[0] == 'DCM']), 20)
        for scheme, value, meaning in sorted(seen):
            with self.subTest(code=(scheme, value)):
                if scheme == 'DCM':
                    self.assertIn((scheme, value), known)
                if (scheme, value) in known:
                    self.assertIn(meaning.lower(), known[scheme, value])

    def test_the_picture_is_one_that_was_made_of_another_with_words_in_it(self):
        picture = pydicom.dcmread(self.path('plain', 'sc'))
        self.assertEqual(picture.SOPClassUID, SECONDARY_CAPTURE)
        self.assertEqual(list(picture.ImageType), ['DERIVED', 'SECONDARY'])
        self.assertEqual((picture.BurnedInAnnotation, picture.ConversionType, picture.LossyImageCompression), ('YES', 'WSD', '01'))
        self.assertEqual(picture.SourceImageSequence[0].ReferencedSOPInstanceUID, '1.2.3.4.5')
        self.assertEqual(picture.InstanceNumber, 7)
        self.assertEqual(picture.pixel_array.tolist(), [[[15 * y + 3 * x + c for c in range(3)] for x in range(5)] for y in range(3)])
        self.assertEqual(picture.Manufacturer, 'cxrd', 'by which the decoder knows a picture of ours')


class OfAPng(ServerCase):
    """A picture without a study has the usual answer or none."""

    with_model = True

    def test_whoever_wants_only_dicom_gets_406(self):
        for target in ('/predict', '/predict/heatmap?label=Mass'):
            for accept in ('application/dicom', 'application/dicom, text/html', 'application/dicom;q=0.1, */*;q=0',
                           'APPLICATION/DICOM; transfer-syntax=1.2.840.10008.1.2.1'):
                with self.subTest(target=target, accept=accept):
                    reply = self.post(target, picture.noise(), Content_Type='image/png', Accept=accept)
                    self.assert_problem(reply, 406, 'DICOM')
                    self.assertEqual((reply.headers['vary'], reply.headers['cache-control']), ('Accept', 'no-store'))

    def test_whoever_takes_the_usual_answer_too_gets_that(self):
        for target, usual in (('/predict', 'application/json'), ('/predict/heatmap?label=Mass', 'image/png')):
            for accept in ('', '*/*', usual, 'text/html', 'application/dicom, */*;q=0.1', f'application/dicom, {usual};q=0.001',
                           f'{usual}, application/dicom;q=0.999', 'application/dicom;q=0', 'application/dicom;q=nonsense',
                           'application/dicom+json', 'application/dicom' + ' ' * 300 + ';q=1'):
                with self.subTest(target=target, accept=accept):
                    reply = self.post(target, picture.noise(), Content_Type='image/png', Accept=accept)
                    self.assertEqual((reply.status, reply.headers['content-type'], reply.headers['vary']), (200, usual, 'Accept'), reply)


@NEEDED
class OfAFilm(ServerCase):
    """Through the whole program: what comes back of a DICOM film."""

    with_model = True

    def save(self, data, name):
        path = os.path.join(program.new_folder('results'), name)
        with open(path, 'wb') as file:
            file.write(data)
        return path

    def ask(self, data, target='/predict', accept='application/dicom', status=200):
        reply = self.post(target, data, Content_Type='application/dicom', Accept=accept)
        self.assertEqual(reply.status, status, reply)
        return reply

    def clean(self, reply, kind):
        self.assertEqual((reply.headers['content-type'], reply.headers['vary'], reply.headers['cache-control']),
                         ('application/dicom', 'Accept', 'no-store'))
        path = self.save(reply.body, 'result')
        errors, text = judge(path)
        self.assertEqual(errors, [])
        self.assertIn(kind, text)
        return pydicom.dcmread(path)

    def both(self, data):
        return (self.clean(self.ask(data), 'Comprehensive3DSR'), self.clean(self.ask(data, '/predict/heatmap?label=Mass'), 'SCImage'))

    def test_a_report_and_a_map_are_of_the_films_study(self):
        for result in self.both(dicomweb.film(1, PatientName='Doe^Jane', PatientID='4711', AccessionNumber='A1', StudyTime='1200')):
            self.assertEqual((result.PatientName, result.PatientID, result.PatientSex, result.AccessionNumber, result.StudyDate, result.StudyTime),
                             ('Doe^Jane', '4711', 'F', 'A1', '20200102', '1200'))
            self.assertEqual(result.StudyInstanceUID, dicomweb.study_of(1))

    def test_the_report_has_every_warning_of_the_json(self):
        data = dicomweb.film(2, LossyImageCompression='01', BurnedInAnnotation='YES')
        said = self.ask(data, accept='application/json').json()
        self.assertGreater(len(said['warnings']), 1)
        report = self.clean(self.ask(data), 'Comprehensive3DSR')
        comments = [item.TextValue for item in report.ContentSequence if item.ValueType == 'TEXT' and item.RelationshipType == 'CONTAINS']
        for sentence in (said['intended_use'], *(warning['detail'] for warning in said['warnings'])):
            self.assertIn(sentence, comments)
        self.assertEqual([group.ContentSequence[0].TextValue for item in report.ContentSequence if item.ValueType == 'CONTAINER'
                          and item.ConceptNameCodeSequence[0].CodeValue == '126010' for group in item.ContentSequence],
                         [finding['label'] for finding in said['findings']])

    def test_the_map_is_that_of_the_png(self):
        data = dicomweb.film(3)
        capture = self.clean(self.ask(data, '/predict/heatmap?label=Mass'), 'SCImage')
        drawn = self.post('/predict/heatmap?label=Mass', data, Content_Type='application/dicom').body
        image = Image.open(io.BytesIO(drawn))
        self.assertEqual((capture.Columns, capture.Rows), image.size)
        self.assertEqual(capture.pixel_array.tobytes(), image.tobytes())

    def test_accept_decides(self):
        data = dicomweb.film(4)
        for accept, kind in (('application/dicom', 'application/dicom'), ('application/dicom, application/json', 'application/dicom'),
                             ('*/*', 'application/json'), ('', 'application/json'), ('application/*', 'application/json'),
                             ('application/dicom;q=0.5, */*', 'application/json'), ('application/dicom;q=0.5, */*;q=0.4', 'application/dicom'),
                             ('application/dicom;q=0', 'application/json')):
            with self.subTest(accept=accept):
                self.assertEqual(self.ask(data, accept=accept).headers['content-type'], kind)

    def test_hostile_headers_give_clean_results(self):
        many = {'long': {'PatientName': 'N' * 5000, 'PatientID': '1' * 70, 'PatientAge': 'A' * 65530, 'ReferringPhysicianName': 'R' * 60000},
                'several': {'PatientName': 'A\\B', 'PatientID': '1\\2', 'StudyID': 'a\\b', 'AccessionNumber': '1\\2\\3'},
                'charset': {'SpecificCharacterSet': 'NO SUCH SET', 'PatientName': 'J\xe9r\xf4me'},
                'utf8': {'SpecificCharacterSet': 'ISO_IR 192', 'PatientName': 'J\xe9r\xf4me'},
                'latin1': {'SpecificCharacterSet': 'ISO_IR 100', 'PatientName': 'J\xe9r\xf4me', 'AccessionNumber': '\xe9' * 16},
                'times': {'StudyDate': '2020.01.02', 'StudyTime': '25:00', 'PatientBirthDate': 'unknown'},
                'controls': {'PatientName': 'a\x00b\x1bc\nd', 'PatientID': '\x00\x00', 'StudyID': '\x1b(B'},
                'nobody': {'PatientName': None, 'PatientID': None, 'PatientSex': None, 'StudyDate': None}}
        for name, header in many.items():
            with self.subTest(name=name):
                for result in self.both(dicomweb.film(5, **header)):
                    self.assertEqual(str(result.PatientName), 'J\xe9r\xf4me' if name == 'latin1' else
                                     '' if 'PatientName' in header else 'Nobody^Drawn')

    def test_a_film_that_does_not_say_where_it_belongs_has_no_result(self):
        for header in ({'StudyInstanceUID': None}, {'StudyInstanceUID': ''}, {'StudyInstanceUID': '1.02'}, {'StudyInstanceUID': '1.2\\1.3'},
                       {'SeriesInstanceUID': None}, {'SeriesInstanceUID': '1.' * 40}):
            with self.subTest(header=header):
                for target in ('/predict', '/predict/heatmap?label=Mass'):
                    problem = self.assert_problem(self.ask(dicomweb.film(6, **header), target, status=422), 422, 'UID')
                    self.assertEqual(problem['reason'], 'study')
                self.assertEqual(self.ask(dicomweb.film(6, **header), accept='application/dicom, */*;q=0.1').headers['content-type'],
                                 'application/json')

    def test_row_75_a_result_that_comes_back_is_refused(self):
        """An archive that sends on whatever comes in: nothing goes in circles."""
        for target in ('/predict', '/predict/heatmap?label=Mass'):
            result = self.ask(dicomweb.film(7), target).body
            problem = self.assert_problem(self.ask(result, status=422), 422)
            self.assertEqual(problem['reason'], 'own_result')

    def test_row_74_the_patient_of_a_film_is_in_its_result_and_nowhere_else(self):
        name = 'Unmistakable^Nomen'
        data = dicomweb.film(8, PatientName=name, PatientID='IDNOMEN', AccessionNumber='ACCNOMEN', ReferringPhysicianName='Nomen^Referrer')
        for result in self.both(data):
            self.assertEqual((result.PatientName, result.PatientID), (name, 'IDNOMEN'))
        self.assertNotIn(b'omen', self.ask(data, accept='*/*').body.lower().replace(b'omentum', b''))
        self.assertNotIn(b'nomen', self.get('/metrics').body.lower())
        self.assertNotIn('nomen', self.server.log_text().lower())

    @needs_data
    def test_of_real_films_too(self):
        folder = os.path.join(program.TEST_DATA, 'dicom')
        seen = 0
        for name in sorted(os.listdir(folder)):
            if not name.startswith('real_') or os.path.getsize(os.path.join(folder, name)) > 1 << 19:
                continue
            with open(os.path.join(folder, name), 'rb') as file:
                reply = self.post('/predict', file.read(), Content_Type='application/dicom', Accept='application/dicom, */*;q=0.1')
            self.assertIn(reply.status, (200, 400, 413, 415, 422), name)
            if reply.status == 200 and reply.headers['content-type'] == 'application/dicom':
                with self.subTest(name=name):
                    self.clean(reply, 'Comprehensive3DSR')
                    seen += 1
        self.assertGreater(seen, 1)


@NEEDED
class OfOtherFindings(ServerCase):
    """A model of names of its own."""

    def test_they_have_private_codes_that_stay(self):
        def rename(header):
            header['__metadata__'] = {key: value for key, value in header['__metadata__'].items() if key in (
                'format', 'architecture', 'image_size', 'resize', 'input_mean', 'input_std')}
            header['__metadata__']['labels'] = ','.join(['Rib Fracture', 'Große Rundherde', *dataset.LABELS[2:]])

        import_model(self.server, dataset.changed(dataset.weights(), rename))
        seen = []
        for _ in range(2):
            reply = self.post('/predict', dicomweb.film(1, SpecificCharacterSet='ISO_IR 192'), Content_Type='application/dicom',
                              Accept='application/dicom')
            self.assertEqual(reply.status, 200, reply)
            path = os.path.join(program.new_folder('results'), 'sr')
            with open(path, 'wb') as file:
                file.write(reply.body)
            self.assertEqual(judge(path)[0], [])
            text = reply.body
            seen.append(re.findall(rb'F-[0-9a-f]{14}', text))
            self.assertIn('Große Rundherde'.encode(), text)
        self.assertEqual(seen[0], seen[1])
        self.assertEqual(len(seen[0]), 3)  # and Pleural_Thickening
