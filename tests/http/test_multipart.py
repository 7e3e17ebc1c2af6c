"""POST /predict with a form: as curl and browsers send it, as nobody should, and every way to get it wrong."""
import unittest

from support import picture
from support.case import ServerCase

FILM = picture.noise(1)
FILE = 'Content-Disposition: form-data; name="image"; filename="film.png"'


def part(data=FILM, *headers):
    return '\r\n'.join(headers or (FILE, 'Content-Type: image/png')).encode() + b'\r\n\r\n' + data


def form(*parts, boundary='b', end='--'):
    body = b''.join(b'--' + boundary.encode() + b'\r\n' + p + b'\r\n' for p in parts)
    return body + (b'--' + boundary.encode() + end.encode() + b'\r\n' if end else b'')


def field(name, value):
    return part(value.encode(), f'Content-Disposition: form-data; name="{name}"')


class Forms(ServerCase):
    with_model = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.expected = cls.predict(cls(), FILM).json()['probabilities']

    def send(self, body, kind='multipart/form-data; boundary=b'):
        return self.predict(body, Content_Type=kind)

    def assert_read(self, body, kind='multipart/form-data; boundary=b'):
        self.assertEqual(self.assert_prediction(self.send(body, kind))['probabilities'], self.expected)

    def assert_refused(self, body, says, kind='multipart/form-data; boundary=b'):
        self.assert_problem(self.send(body, kind), 400, says)


class GoodForms(Forms):

    def test_as_curl_sends_it(self):
        boundary = '------------------------d74496d66958873e'
        self.assert_read(form(part(), boundary=boundary), f'multipart/form-data; boundary={boundary}')

    def test_as_chrome_sends_it(self):
        boundary = '----WebKitFormBoundary7MA4YWxkTrZu0gW'
        body = form(field('comment', 'from the ward'), part(), field('submit', ''), boundary=boundary)
        self.assert_read(body, f'multipart/form-data; boundary={boundary}')

    def test_as_firefox_sends_it(self):
        boundary = '---------------------------9051914041544843365972754266'
        body = form(field('age', '58'), field('sex', 'F'), part(), boundary=boundary)
        self.assert_read(body, f'multipart/form-data; boundary={boundary}')

    def test_as_python_requests_sends_it(self):
        body = form(part(FILM, 'Content-Disposition: form-data; name="file"; filename="film.png"'), boundary='0a1b2c')
        self.assert_read(body, 'multipart/form-data; boundary=0a1b2c')

    def test_a_quoted_boundary(self):
        self.assert_read(form(part(), boundary="a'()+_,-./:=? b"), 'multipart/form-data; boundary="a\'()+_,-./:=? b"')

    def test_parameters_around_the_boundary(self):
        for kind in ('multipart/form-data; boundary=b; charset=utf-8', 'multipart/form-data; charset="utf-8";boundary=b',
                     'multipart/form-data;boundary="b";', 'Multipart/Form-Data; BOUNDARY=b',
                     'multipart/form-data ;boundary=b',
                     'multipart/form-data; x="a;boundary=c"; boundary=b'):
            with self.subTest(kind):
                self.assert_read(form(part()), kind)

    def test_a_boundary_of_70_bytes(self):
        self.assert_read(form(part(), boundary='x' * 70), 'multipart/form-data; boundary=' + 'x' * 70)

    def test_the_file_may_have_any_name(self):
        for name in ('image', 'file', 'x', 'upload[]', 'a b', 'ü', 'n' * 127, ''):
            with self.subTest(name):
                self.assert_read(form(part(FILM, f'Content-Disposition: form-data; name="{name}"; filename="f.png"')))

    def test_the_file_may_be_called_anything(self):
        for name in ('../../etc/passwd', 'C:\\films\\1.png', 'a\\"b.png', 'a;b=c.png', 'Röntgen.png', 'x' * 2000,
                     '"; name="other', '\t', '$(reboot)', '%00'):
            with self.subTest(name):
                self.assert_read(form(part(FILM, f'Content-Disposition: form-data; name="image"; filename="{name}"')))

    def test_names_without_quotes(self):
        self.assert_read(form(part(FILM, 'Content-Disposition: form-data; name=image; filename=film.png')))

    def test_a_file_name_in_rfc_5987s_form(self):
        self.assert_read(form(part(FILM, "Content-Disposition: form-data; name=image; filename*=UTF-8''R%C3%B6.png")))

    def test_headers_in_any_case_and_order(self):
        self.assert_read(form(part(FILM, 'content-type: image/png', 'CONTENT-DISPOSITION:form-data;NAME=x;FILENAME=y',
                                   'X-Other: 1')))

    def test_a_preamble_and_an_epilogue_are_skipped(self):
        self.assert_read(b'This is a form.\r\n' + form(part()) + b'Good bye.\r\n')

    def test_white_space_behind_a_boundary(self):
        self.assert_read(b'--b \t\r\n' + part() + b'\r\n--b--')

    def test_a_boundarys_beginning_in_the_picture_is_no_boundary(self):
        data = picture.noise(1, extra=picture.text(b'x\r\n--bound\r\n--\r\n'))
        self.assert_read(form(part(data), boundary='boundary'), 'multipart/form-data; boundary=boundary')

    def test_16_parts(self):
        self.assert_read(form(*[field(f'f{i}', str(i)) for i in range(15)], part()))


class Fields(Forms):
    """A form takes the fields that a query takes."""

    def ask(self, *fields, target='/predict'):
        return self.post(target, form(*fields, part()), Content_Type='multipart/form-data; boundary=b')

    def test_a_finding_is_explained(self):
        answer = self.assert_prediction(self.ask(field('explain', 'mass')))
        self.assertEqual(answer['explanation']['label'], 'Mass')
        self.assert_problem(self.ask(field('explain', 'Elbow')), 422, 'explain')
        self.assertEqual(self.ask(field('label', 'Mass'), target='/predict/heatmap').headers['content-type'], 'image/png')

    def test_a_model_is_named(self):
        model = self.get('/models').json()['active']
        self.assertEqual(self.assert_prediction(self.ask(field('model', model)))['model']['id'], model)
        self.assert_problem(self.ask(field('model', '00000000-0000-0000-0000-000000000000')), 404, 'no model')

    def test_thresholds_are_chosen(self):
        self.assert_problem(self.ask(field('operating_point', 'sensible')), 422, 'operating_point')

    def test_a_preview_has_a_size(self):
        small, whole = self.ask(field('size', '16'), target='/predict/preview'), self.ask(target='/predict/preview')
        self.assertLess(len(small.body), len(whole.body))
        self.assert_problem(self.ask(field('size', '1'), target='/predict/preview'), 422, 'size')

    def test_the_query_has_precedence(self):
        answer = self.assert_prediction(self.ask(field('explain', 'Mass'), target='/predict?explain=Edema'))
        self.assertEqual(answer['explanation']['label'], 'Edema')

    def test_one_that_is_said_twice_or_is_no_text_is_refused(self):
        for fields, says in (((field('explain', 'Mass'), field('explain', 'Edema')), 'more than once'),
                             ((part(b'Ma\0ss', 'Content-Disposition: form-data; name="explain"'),), 'text'),
                             ((part(b'Ma\xffss', 'Content-Disposition: form-data; name="explain"'),), 'UTF-8'),
                             ((field('history', 'Mass,' * 2000),), 'at most')):
            reply = self.ask(*fields)
            self.assert_problem(reply, 400, says)
            self.assertEqual(reply.headers['cache-control'], 'no-store')
        self.assert_read(form(field('comment', 'a'), field('comment', 'b'), part()))


class BadForms(Forms):

    def test_no_boundary_parameter(self):
        for kind in ('multipart/form-data', 'multipart/form-data;', 'multipart/form-data; charset=utf-8',
                     'multipart/form-data; boundary=', 'multipart/form-data; boundary=""',
                     'multipart/form-data; boundary="b', 'multipart/form-data; boundary=' + 'x' * 71):
            with self.subTest(kind):
                self.assert_refused(form(part()), 'boundary', kind)

    def test_another_boundary_than_announced(self):
        self.assert_refused(form(part(), boundary='c'), 'does not contain its boundary')

    def test_no_part(self):
        self.assert_refused(b'--b--\r\n', 'no file')

    def test_an_empty_body(self):
        self.assert_refused(b'', 'no body')

    def test_only_fields(self):
        self.assert_refused(form(field('a', '1'), field('image', 'x')), 'no file')

    def test_an_empty_file(self):
        self.assert_refused(form(part(b'')), 'empty')
        self.assert_refused(b'--b\r\n' + FILE.encode() + b'\r\n\r\n--b--\r\n', 'empty')

    def test_a_file_field_left_empty_in_a_browser(self):
        nothing = part(b'', 'Content-Disposition: form-data; name="image"; filename=""',
                       'Content-Type: application/octet-stream')
        self.assert_refused(form(nothing), 'empty')

    def test_two_files(self):
        self.assert_refused(form(part(), part()), 'more than one file')

    def test_no_closing_boundary(self):
        self.assert_refused(form(part(), end=''), 'closing boundary')
        self.assert_refused(form(part())[:-5], '')

    def test_a_body_that_ends_anywhere(self):
        whole = form(field('a', '1'), part(b'x' * 20), field('b', '2'))
        for n in range(1, len(whole) - 3):
            reply = self.send(whole[:n])
            self.assertEqual(reply.status, 400, (n, reply))

    def test_a_part_without_a_name(self):
        for headers in (('Content-Type: image/png',), ('Content-Disposition: form-data',),
                        ('Content-Disposition: form-data; filename="f.png"',), ('X: y',)):
            with self.subTest(headers):
                self.assert_refused(form(part(FILM, *headers)), 'name')

    def test_a_broken_name(self):
        self.assert_refused(form(part(FILM, 'Content-Disposition: form-data; name="image')), 'name')
        self.assert_refused(form(part(FILM, f'Content-Disposition: form-data; name="{"n" * 128}"; filename=x')), 'name')

    def test_headers_without_an_end(self):
        self.assert_refused(b'--b\r\n' + b'X: ' + b'y' * 5000 + b'\r\n\r\n--b--', 'headers')
        self.assert_refused(b'--b\r\nX: y', '')

    def test_line_feeds_only(self):
        self.assert_refused(form(part()).replace(b'\r\n', b'\n'), 'boundary')

    def test_something_between_boundary_and_line_end(self):
        self.assert_refused(b'--bx\r\n' + part() + b'\r\n--b--', 'boundary')

    def test_too_many_parts(self):
        self.assert_refused(form(*[field(f'f{i}', str(i)) for i in range(16)], part()), 'more than 16 parts')

    def test_a_part_that_is_no_picture_is_415(self):
        self.assert_problem(self.send(form(part(b'GIF89a'))), 415, 'GIF')

    def test_a_part_in_base64_is_no_picture(self):
        body = form(part(b'iVBORw0KGgo=', FILE, 'Content-Transfer-Encoding: base64'))
        self.assert_problem(self.send(body), 415)

    def test_another_kind_of_multipart_is_no_form(self):
        self.assert_problem(self.send(form(part()), 'multipart/mixed; boundary=b'), 415)

    def test_10000_parts_are_answered_quickly(self):
        self.assert_refused(form(*[field('f', 'x')] * 10000), 'more than 16 parts')

    def test_a_boundary_that_almost_matches_often(self):
        """No quadratic search: 1 MB of near misses."""
        boundary = '-' * 69 + 'b'
        self.assert_refused(b'-' * (1 << 20), 'boundary', f'multipart/form-data; boundary={boundary}')


if __name__ == '__main__':
    unittest.main()
