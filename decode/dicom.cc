/* decode/dicom.cc - see dicom.h. */
extern "C" {
#include "dicom.h"
}

#include "dcmtk/config/osconfig.h"

#include "dcmtk/dcmdata/dcistrmb.h"
#include "dcmtk/dcmdata/dcpixel.h"
#include "dcmtk/dcmdata/dcpixseq.h"
#include "dcmtk/dcmdata/dcpxitem.h"
#include "dcmtk/dcmdata/dctk.h"
#include "dcmtk/dcmjpeg/djdecode.h"
#include "dcmtk/dcmjpls/djdecode.h"

#include <cstring>
#include <new>

struct dicom {
    DcmDataset data;
};

bool dicom_warm_up(void)
{
    OFLog::configure(OFLogger::OFF_LOG_LEVEL);
    dcmEnableUnknownVRConversion.set(
        OFTrue); /* a known element of unknown representation has that of the dictionary */
    DJDecoderRegistration::registerCodecs(EDC_never, EUC_never, EPC_colorByPixel, OFFalse, OFFalse, OFTrue);
    DJLSDecoderRegistration::registerCodecs(EJLSUC_never, EJLSPC_colorByPixel, OFTrue, OFTrue);
    return dcmDataDict.isDictionaryLoaded();
}

/* C callers know no exceptions; DCMTK throws nothing itself, but new does. */
template <typename F> static enum status guarded(struct error *err, F f)
{
    try {
        return f();
    } catch (const std::bad_alloc &) {
        return error_nomem(err);
    } catch (...) {
        return error_set(err, ST_FORMAT, "the DICOM file is broken");
    }
}

static E_TransferSyntax syntax_of(enum walk_coding coding)
{
    switch (coding) {
    case WALK_IMPLICIT: return EXS_LittleEndianImplicit;
    case WALK_BIG_ENDIAN: return EXS_BigEndianExplicit;
    case WALK_EXPLICIT: break;
    }
    return EXS_LittleEndianExplicit;
}

enum status dicom_open(const uint8_t *bytes, size_t n, enum walk_coding coding, struct dicom **ret,
                       struct error *err)
{
    return guarded(err, [&] {
        struct dicom *d = new dicom();
        DcmInputBufferStream stream;
        OFCondition condition;

        stream.setBuffer(bytes, static_cast<offile_off_t>(n));
        stream.setEos();
        d->data.transferInit();
        condition = d->data.read(stream, syntax_of(coding), EGL_noChange, DCM_MaxReadLength);
        d->data.transferEnd();
        if (condition.bad()) {
            delete d;
            return error_set(err, ST_FORMAT, "the DICOM file is broken: its elements cannot be read");
        }
        *ret = d;
        return ST_OK;
    });
}

void dicom_close(struct dicom *d) { delete d; }

static DcmTagKey key_of(uint32_t tag)
{
    return DcmTagKey(static_cast<Uint16>(tag >> 16), static_cast<Uint16>(tag & 0xFFFF));
}

static DcmElement *element_of(DcmItem *item, uint32_t tag)
{
    DcmElement *e = NULL;

    return item && item->findAndGetElement(key_of(tag), e).good() ? e : NULL;
}

static DcmItem *first_item(struct dicom *d, uint32_t sequence)
{
    DcmItem *item = NULL;

    return d->data.findAndGetSequenceItem(key_of(sequence), item, 0).good() ? item : NULL;
}

bool dicom_has_item(struct dicom *d, uint32_t sequence) { return first_item(d, sequence) != NULL; }

/* ---- texts ---- */

static bool text_of(DcmItem *item, uint32_t tag, char *ret, size_t size)
{
    char *value = NULL;
    DcmElement *e = element_of(item, tag);
    Uint32 length = 0;
    size_t n;

    ret[0] = 0;
    if (!e || e->getString(value, length).bad() || !value)
        return false;
    n = strlen(value);
    for (size_t i = n; i < length; i++)
        if (value[i] != 0 &&
            value[i] != ' ') /* a NUL that is no padding: what stands before it is not the value */
            return false;
    while (*value == ' ')
        value++;
    n = strlen(value);
    while (n > 0 && value[n - 1] == ' ')
        n--;
    if (n == 0 || n >= size)
        return false;
    memcpy(ret, value, n);
    ret[n] = 0;
    return true;
}

bool dicom_text_of(struct dicom *d, uint32_t tag, char *ret, size_t size)
{
    return text_of(&d->data, tag, ret, size);
}

bool dicom_text_in(struct dicom *d, uint32_t sequence, uint32_t tag, char *ret, size_t size)
{
    return text_of(first_item(d, sequence), tag, ret, size);
}

/* ---- numbers ---- */

bool dicom_word(struct dicom *d, uint32_t tag, uint16_t *ret)
{
    DcmElement *e = element_of(&d->data, tag);
    Uint16 word = 0;
    Sint16 signed_word = 0;
    Uint32 wide = 0;

    if (e && e->getUint16(word).good()) {
        *ret = word;
        return true;
    }
    if (e && e->getSint16(signed_word).good()) {
        *ret = static_cast<uint16_t>(signed_word);
        return true;
    }
    if (e && e->getUint32(wide).good() && wide <= UINT16_MAX) { /* a writer that takes UL where US belongs */
        *ret = static_cast<uint16_t>(wide);
        return true;
    }
    return false;
}

/* The words of an element that may be of any representation with 16-bit values. */
static const uint16_t *words_of(DcmItem *item, uint32_t tag, size_t *ret_n)
{
    DcmElement *e = element_of(item, tag);
    Uint16 *words = NULL;
    Sint16 *signed_words = NULL;

    *ret_n = e ? e->getLength() / sizeof(uint16_t) : 0;
    if (!e)
        return NULL;
    if (e->getUint16Array(words).good() && words)
        return words;
    if (e->getSint16Array(signed_words).good())
        return reinterpret_cast<const uint16_t *>(signed_words);
    return NULL;
}

bool dicom_table_get(struct dicom *d, uint32_t sequence, uint32_t descriptor, uint32_t data,
                     struct dicom_table *ret)
{
    DcmItem *item = sequence ? first_item(d, sequence) : &d->data;
    size_t n = 0;
    const uint16_t *words = words_of(item, descriptor, &n);

    if (!words || n < 3)
        return false;
    memcpy(ret->descriptor, words, sizeof ret->descriptor);
    ret->is_signed = element_of(item, descriptor)->ident() == EVR_SS;
    ret->words = words_of(item, data, &ret->n_words);
    return ret->words != NULL;
}

/* ---- pixels ---- */

/* One frame is one fragment here, behind an empty offset table: what the file cut it into is put together again. */
static DcmPixelData *encapsulated(E_TransferSyntax syntax, const uint8_t *stream, size_t n)
{
    DcmPixelData *pixels = new DcmPixelData(DCM_PixelData);
    DcmPixelSequence *sequence = new DcmPixelSequence(DCM_PixelSequenceTag);
    DcmPixelItem *table = new DcmPixelItem(DCM_PixelItemTag), *fragment = new DcmPixelItem(DCM_PixelItemTag);

    sequence->insert(table);
    sequence->insert(fragment);
    fragment->putUint8Array(stream, static_cast<unsigned long>(n));
    pixels->putOriginalRepresentation(syntax, NULL, sequence);
    return pixels;
}

enum status dicom_frame(struct dicom *d, const char *transfer_syntax, const uint8_t *stream, size_t n,
                        void *to, size_t size, struct error *err)
{
    return guarded(err, [&] {
        const E_TransferSyntax syntax = DcmXfer(transfer_syntax).getXfer();
        DcmPixelData *pixels = encapsulated(syntax, stream, n);
        OFString colours;
        Uint32 fragment = 0;
        OFCondition condition;

        d->data.insert(pixels, OFTrue);
        condition =
            pixels->getUncompressedFrame(&d->data, 0, fragment, to, static_cast<Uint32>(size), colours);
        if (condition.bad())
            return error_set(err, ST_FORMAT, "the picture data of the DICOM file are broken");
        return ST_OK;
    });
}
