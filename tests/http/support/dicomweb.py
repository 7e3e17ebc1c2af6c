"""DICOMweb as an archive speaks it: bodies of multipart/related, and what replies say (PS3.18)."""
from . import dicom

TYPE = 'multipart/related; type="application/dicom"; boundary=XX'
PART = 'application/dicom'
FAILED, STORED, NAMELESS = '00081198', '00081199', '0008119A'
PROCESSING, CLASS, RESOURCES, NOT_READ, SYNTAX = 0x0110, 0x0122, 0xa700, 0xc000, 0xc122


def body(*files, boundary='XX', kind=PART):
    head = f'--{boundary}\r\nContent-Type: {kind}\r\n\r\n'.encode()
    return b''.join(head + file + b'\r\n' for file in files) + f'--{boundary}--\r\n'.encode()


def parts(kind, data):
    """The parts of such a body, and of nothing that is less than one."""
    boundary = kind.partition('boundary=')[2].strip('"').encode()
    assert kind.startswith('multipart/related; type="application/dicom"'), kind
    first, *between, last = (b'\r\n' + data).split(b'\r\n--' + boundary)
    assert last == b'--\r\n' and first in (b'', b'\r\n'), data[:100]
    for part in between:
        head, _, content = part.partition(b'\r\n\r\n')
        assert head.strip() == b'Content-Type: application/dicom', head
        yield content


def items(reply, sequence):
    """(instance or None, failure or None) of each item of a sequence in a reply."""
    def value(item, tag):
        return item[tag]['Value'][0] if tag in item else None

    return [(value(item, '00081155'), value(item, '00081197')) for item in reply.json().get(sequence, {'Value': []})['Value']]


def film(number=1, study=None, **changes):
    """A small film with a patient, of study `study` or one of its own."""
    rows = [[(x * y + number) % 200 + x % 7 for x in range(64)] for y in range(64)]
    if study:
        changes['StudyInstanceUID'] = study
    return dicom.film(rows, number, **changes)


def uid(number):
    return f'{dicom.ROOT}.4.{number}'


def study_of(number):
    return f'{dicom.ROOT}.2.{number}'
