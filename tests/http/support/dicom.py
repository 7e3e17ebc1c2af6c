"""DICOM files from scratch (PS3.5, PS3.10), right ones and wrong ones: as much of the standard as a film takes."""
import struct
import zlib

IMPLICIT, EXPLICIT, DEFLATED = '1.2.840.10008.1.2', '1.2.840.10008.1.2.1', '1.2.840.10008.1.2.1.99'
JPEG_BASELINE, JPIP = '1.2.840.10008.1.2.4.50', '1.2.840.10008.1.2.4.94'
CR, DX, DX_FOR_PROCESSING = (f'1.2.840.10008.5.1.4.1.1.{part}' for part in ('1', '1.1', '1.1.1'))
CT, SECONDARY_CAPTURE, COMPREHENSIVE_SR = (f'1.2.840.10008.5.1.4.1.1.{part}' for part in ('2', '7', '88.33'))
ROOT = '2.25.3141592653589793'  # what every UID here begins with

ELEMENTS = {
    'SpecificCharacterSet': (0x00080005, 'CS'), 'SOPClassUID': (0x00080016, 'UI'), 'SOPInstanceUID': (0x00080018, 'UI'),
    'StudyDate': (0x00080020, 'DA'), 'StudyTime': (0x00080030, 'TM'), 'AccessionNumber': (0x00080050, 'SH'), 'Modality': (0x00080060, 'CS'),
    'PresentationIntentType': (0x00080068, 'CS'), 'InstitutionName': (0x00080080, 'LO'),
    'InstitutionAddress': (0x00080081, 'ST'), 'ReferringPhysicianName': (0x00080090, 'PN'), 'StationName': (0x00081010, 'SH'),
    'StudyDescription': (0x00081030, 'LO'), 'SeriesDescription': (0x0008103e, 'LO'), 'PerformingPhysicianName': (0x00081050, 'PN'),
    'OperatorsName': (0x00081070, 'PN'), 'PatientName': (0x00100010, 'PN'), 'PatientID': (0x00100020, 'LO'),
    'IssuerOfPatientID': (0x00100021, 'LO'), 'PatientBirthDate': (0x00100030, 'DA'), 'PatientSex': (0x00100040, 'CS'),
    'OtherPatientIDs': (0x00101000, 'LO'), 'OtherPatientNames': (0x00101001, 'PN'), 'PatientBirthName': (0x00101005, 'PN'),
    'PatientAge': (0x00101010, 'AS'), 'PatientAddress': (0x00101040, 'LO'), 'PatientMotherBirthName': (0x00101060, 'PN'),
    'PatientTelephoneNumbers': (0x00102154, 'SH'), 'AdditionalPatientHistory': (0x001021b0, 'LT'), 'PatientComments': (0x00104000, 'LT'),
    'BodyPartExamined': (0x00180015, 'CS'), 'DeviceSerialNumber': (0x00181000, 'LO'), 'ProtocolName': (0x00181030, 'LO'),
    'ViewPosition': (0x00185101, 'CS'), 'StudyInstanceUID': (0x0020000d, 'UI'), 'SeriesInstanceUID': (0x0020000e, 'UI'),
    'StudyID': (0x00200010, 'SH'), 'PatientOrientation': (0x00200020, 'CS'), 'ImageComments': (0x00204000, 'LT'),
    'SamplesPerPixel': (0x00280002, 'US'), 'PhotometricInterpretation': (0x00280004, 'CS'), 'NumberOfFrames': (0x00280008, 'IS'),
    'Rows': (0x00280010, 'US'), 'Columns': (0x00280011, 'US'), 'BitsAllocated': (0x00280100, 'US'), 'BitsStored': (0x00280101, 'US'),
    'HighBit': (0x00280102, 'US'), 'PixelRepresentation': (0x00280103, 'US'), 'BurnedInAnnotation': (0x00280301, 'CS'),
    'WindowCenter': (0x00281050, 'DS'), 'WindowWidth': (0x00281051, 'DS'), 'VOILUTFunction': (0x00281056, 'CS'), 'RescaleIntercept': (0x00281052, 'DS'),
    'RescaleSlope': (0x00281053, 'DS'), 'LossyImageCompression': (0x00282110, 'CS'), 'RequestingPhysician': (0x00321032, 'PN'),
    'PixelDataProviderURL': (0x00287fe0, 'UR'), 'PixelData': (0x7fe00010, 'OW'),
}
LONG = ('OB', 'OW', 'UN', 'SQ', 'UR', 'UT')


def element(tag, kind, value, implicit=False):
    if isinstance(value, int):
        value = struct.pack('<H', value)
    elif isinstance(value, str):
        value = value.encode('latin-1')
        value += (b'\0' if kind == 'UI' else b' ') * (len(value) % 2)
    value += b'\0' * (len(value) % 2)
    head = struct.pack('<HH', tag >> 16, tag & 0xffff)
    if implicit:
        return head + struct.pack('<I', len(value)) + value
    return head + kind.encode() + (struct.pack('<HI', 0, len(value)) if kind in LONG else struct.pack('<H', len(value))) + value


def fragments(*pieces):
    """Encapsulated pixels: an empty offset table, then the pieces of one frame."""
    items = b''.join(struct.pack('<HHI', 0xfffe, 0xe000, len(piece) + len(piece) % 2) + piece + b'\0' * (len(piece) % 2)
                     for piece in (b'', *pieces))
    return b'\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff' + items + struct.pack('<HHI', 0xfffe, 0xe0dd, 0)


def file(said, syntax=EXPLICIT, preamble=True, pixels=b''):
    """A file of these elements, by their keywords; `pixels`: of fragments(), behind all of them."""
    said = sorted((ELEMENTS[keyword], value) for keyword, value in said.items() if value is not None)
    data = b''.join(element(tag, kind, value, syntax == IMPLICIT) for (tag, kind), value in said) + pixels
    if syntax == DEFLATED:
        pack = zlib.compressobj(wbits=-15)
        data = pack.compress(data) + pack.flush()
    uids = dict((ELEMENTS_BACK[tag], value) for (tag, _), value in said if tag in (0x00080016, 0x00080018))
    meta = b''.join((element(0x00020001, 'OB', b'\0\1'), element(0x00020002, 'UI', uids.get('SOPClassUID', CR)),
                     element(0x00020003, 'UI', uids.get('SOPInstanceUID', f'{ROOT}.1')), element(0x00020010, 'UI', syntax),
                     element(0x00020012, 'UI', f'{ROOT}.0')))
    meta = struct.pack('<HH', 2, 0) + b'UL' + struct.pack('<HI', 4, len(meta)) + meta
    return (bytes(128) + b'DICM' if preamble else b'') + meta + data


ELEMENTS_BACK = {tag: keyword for keyword, (tag, _) in ELEMENTS.items()}


def film(rows, number=1, syntax=EXPLICIT, preamble=True, bits=8, **changes):
    """A frontal chest by its header. `rows`: lists of stored values; `number`: of the instance; a change to None leaves an
    element out."""
    flat = [value for row in rows for value in row]
    stored = struct.pack(f'<{len(flat)}{"B" if bits <= 8 else "H"}', *flat)
    said = {
        'SOPClassUID': DX, 'SOPInstanceUID': f'{ROOT}.4.{number}', 'StudyInstanceUID': f'{ROOT}.2.{number}',
        'SeriesInstanceUID': f'{ROOT}.3.{number}', 'Modality': 'DX', 'BodyPartExamined': 'CHEST', 'ViewPosition': 'PA',
        'PatientName': 'Nobody^Drawn', 'PatientID': f'{number}', 'PatientSex': 'F', 'PatientAge': '064Y', 'StudyDate': '20200102',
        'SamplesPerPixel': 1, 'PhotometricInterpretation': 'MONOCHROME2', 'Rows': len(rows), 'Columns': len(rows[0]),
        'BitsAllocated': 8 if bits <= 8 else 16, 'BitsStored': bits, 'HighBit': bits - 1, 'PixelRepresentation': 0,
        'PixelData': stored, **changes,
    }
    return file(said, syntax, preamble)


def jpeg_film(jpeg, width, height, *, number=1, pieces=1, **changes):
    """The same with a JPEG file as its pixels, in so many fragments."""
    step = (len(jpeg) // pieces + 1) // 2 * 2 + 2
    said = {
        'SOPClassUID': DX, 'SOPInstanceUID': f'{ROOT}.4.{number}', 'StudyInstanceUID': f'{ROOT}.2.{number}',
        'SeriesInstanceUID': f'{ROOT}.3.{number}', 'Modality': 'DX', 'BodyPartExamined': 'CHEST', 'ViewPosition': 'PA',
        'SamplesPerPixel': 1, 'PhotometricInterpretation': 'MONOCHROME2', 'Rows': height, 'Columns': width,
        'BitsAllocated': 8, 'BitsStored': 8, 'HighBit': 7, 'PixelRepresentation': 0, 'LossyImageCompression': '01', **changes,
    }
    return file(said, JPEG_BASELINE, pixels=fragments(*(jpeg[at:at + step] for at in range(0, len(jpeg), step))))
