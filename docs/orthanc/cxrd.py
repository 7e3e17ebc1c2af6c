"""Orthanc -> cxrd -> Orthanc: every radiograph that the archive stores is shown to cxrd, and what cxrd says of it is stored beside it.

For Orthanc's Python plug-in ("PythonScript": "cxrd.py"); ../orthanc.md says how to set it up and what it writes.

The queue is Orthanc's own log of changes, and how far it has been read is kept in Orthanc's database. So nothing is lost while cxrd
is away, busy or without a model, nor when Orthanc is stopped or dies: what was not settled is in the log, and is read again.
"""
import functools
import http.client
import itertools
import json
import os
import socket
import ssl
import threading
import urllib.parse

import orthanc


def listed(text):
    """The items of a list with commas between, spaces around them or not."""
    return list(filter(None, map(str.strip, text.split(','))))


URL = urllib.parse.urlsplit(os.environ.get('CXRD_URL', 'http://127.0.0.1:8080'))
KEY = os.environ.get('CXRD_KEY', '').strip()
CA = os.environ.get('CXRD_CA')  # a file of certificates that an https URL is held against, in place of the system's
MODALITIES = listed(os.environ.get('CXRD_MODALITIES', 'CR,DX'))
WANTS_REPORT = os.environ.get('CXRD_SR') == '1'
HEATMAPS = listed(os.environ.get('CXRD_SC', ''))  # names of findings; `positive`: those that are

# Metadata of an instance, by number; "UserMetadata" of Orthanc's configuration gives them the names CxrdState and so on.
STATE, RESULT, REFUSAL = 4096, 4097, 4098
AGAIN, WAITING, DONE, REFUSED, FAILED = 'again', 'waiting', 'done', 'refused', 'failed'  # of STATE
READ_UP_TO = 4096  # the global property that holds the number of the last change that was read

ABOUT_THE_PICTURE = (400, 413, 415, 422)  # asked again, cxrd would say the same
ABOUT_THE_MOMENT = (401, 403, 429, 503)   # it will take the picture once it has room, or a model, or knows the key
TRIES = 5          # of a picture that ends every exchange with a cxrd that is otherwise ready
SECONDS = 60       # for a reply
LONGEST_PAUSE = 60

ended, news = threading.Event(), threading.Event()


class Refused(Exception):
    """cxrd does not take this picture, or it was given up: .state, and .problem as cxrd says it."""

    def __init__(self, state, problem):
        super().__init__(problem)
        self.state, self.problem = state, problem


class Gone(Exception):
    """The instance was deleted meanwhile."""


class Stopped(Exception):
    """Orthanc ends: whatever is not settled is asked again when it starts."""


# ---- cxrd ----

class Service:
    """One exchange at a time with cxrd."""

    def __init__(self):
        self.connection = None

    def connect(self):
        if URL.scheme == 'https':
            return http.client.HTTPSConnection(URL.hostname, URL.port, timeout=SECONDS, context=ssl.create_default_context(cafile=CA))
        return http.client.HTTPConnection(URL.hostname, URL.port, timeout=SECONDS)

    def exchange(self, method, path, body=None, accept='*/*'):
        """(status, headers, body) of a reply. Raises OSError or HTTPException where none came."""
        headers = {'Accept': accept, 'Content-Type': 'application/dicom', 'Connection': 'close'}
        if KEY:
            headers['Authorization'] = f'Bearer {KEY}'
        self.connection = self.connect()
        try:
            try:
                self.connection.request(method, URL.path.rstrip('/') + path, body, headers)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it may have answered before it had heard all
            reply = self.connection.getresponse()
            return reply.status, reply.headers, reply.read()
        finally:
            self.connection.close()

    def is_ready(self):
        try:
            return self.exchange('GET', '/readyz')[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def interrupt(self):
        """From another thread: the exchange under way, if there is one, ends now."""
        try:
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        except (AttributeError, OSError):
            pass


service = Service()


def sentence(problem):
    """The sentence in the body of an error: application/problem+json of cxrd, or the page of a proxy in front of it."""
    try:
        return json.loads(problem)['detail']
    except (ValueError, KeyError, TypeError):
        return problem.decode('utf-8', 'replace')[:200]


def pause_after(headers, n):
    """Seconds until the next try: as the reply says, else longer from try to try."""
    said = headers.get('Retry-After', '') if headers else ''
    return min(max(int(said), 1) if said.isdecimal() else 2 ** min(n, 10), LONGEST_PAUSE)


def ask(path, dicom, accept, on_wait):
    """The body of cxrd's answer, however long it takes until there is one; on_wait() is called before the first pause.
    Raises Refused."""
    broken = 0
    for n in itertools.count():
        try:
            status, headers, body = service.exchange('POST', path, dicom, accept)
            kind = headers.get_content_type()
            said = f'{status}, {sentence(body)}' if status != 200 else f'{kind} in place of {accept}'
        except (OSError, http.client.HTTPException) as e:
            status, headers, body, kind, said = 0, None, b'', None, f'{type(e).__name__}: {e}'
        if ended.is_set():
            raise Stopped()
        if status == 200 and kind == accept:
            if n > 0:
                orthanc.LogWarning('cxrd answers again')
            return body
        if status in ABOUT_THE_PICTURE:
            raise Refused(REFUSED, body[:4000].decode('utf-8', 'replace'))
        if status not in ABOUT_THE_MOMENT and service.is_ready():
            broken += 1
            if broken == TRIES:
                raise Refused(FAILED, json.dumps({'title': 'cxrd gave no answer', 'detail': said}))
        if n == 0:
            on_wait()
        pause = pause_after(headers, n)
        orthanc.LogWarning(f'cxrd gives no answer ({said}); asked again in {pause} s')
        if ended.wait(pause):
            raise Stopped()


# ---- Orthanc ----

def get(path):
    return json.loads(orthanc.RestApiGet(path))


@functools.lru_cache(maxsize=256)
def modality_of(series):
    return get(f'/series/{series}')['MainDicomTags'].get('Modality')


def state_of(instance):
    try:
        return orthanc.RestApiGet(f'/instances/{instance}/metadata/{STATE}').decode()
    except orthanc.OrthancException:
        return None


def note(instance, **metadata):
    """Write metadata down, in this order, under the names of the numbers above; None: what was there before goes."""
    for name, value in metadata.items():
        path = f'/instances/{instance}/metadata/{globals()[name]}'
        if value is not None:
            orthanc.RestApiPut(path, value)
            continue
        try:
            orthanc.RestApiDelete(path)
        except orthanc.OrthancException:
            pass  # there was none


def is_there(instance):
    try:
        get(f'/instances/{instance}')
    except orthanc.OrthancException:
        return False
    return True


def paths_of_results(answer):
    """Where cxrd has what is wanted as DICOM beside this answer."""
    if WANTS_REPORT:
        yield '/predict'
    for wanted in HEATMAPS:
        positive = [finding['label'] for finding in answer['findings'] if finding.get('positive')]
        for label in positive if wanted == 'positive' else [wanted]:
            yield '/predict/heatmap?' + urllib.parse.urlencode({'label': label})


def outcome(instance):
    """Ask cxrd about an instance: what must be stored now, as functions. The state comes last: what is cut short is done again."""
    dicom = orthanc.GetDicomForInstance(instance)

    def wait():
        note(instance, STATE=WAITING)

    try:
        answer = ask('/predict', dicom, 'application/json', wait)
    except Refused as e:
        return [functools.partial(note, instance, RESULT=None, REFUSAL=e.problem, STATE=e.state)]
    stores, refusal = [functools.partial(note, instance, RESULT=answer)], None
    for path in paths_of_results(json.loads(answer)):
        try:
            stores.append(functools.partial(orthanc.RestApiPost, '/instances', ask(path, dicom, 'application/dicom', wait)))
        except Refused as e:  # the map of a finding that the model does not have, say
            refusal = e.problem
    return stores + [functools.partial(note, instance, REFUSAL=refusal, STATE=DONE)]


def is_wanted(instance, is_new):
    if modality_of(get(f'/instances/{instance}')['ParentSeries']) not in MODALITIES:
        return False
    state = state_of(instance)
    return state in (AGAIN, WAITING) or (is_new and state is None)


def patiently(instance, act, *args):
    """act(), again where Orthanc itself has trouble: a full disk, say. Raises Gone, or Refused after some tries."""
    for n in range(TRIES):
        try:
            return act(*args)
        except (Refused, Stopped):
            raise
        except Exception as e:  # pylint: disable=broad-except
            if not is_there(instance):
                raise Gone() from None
            said = f'{type(e).__name__}: {e}'
        orthanc.LogError(f'cxrd: {said}, of instance {instance}')
        if ended.wait(2 ** n):
            raise Stopped()
    raise Refused(FAILED, json.dumps({'title': 'Orthanc has trouble', 'detail': said}))


def settle(instance, is_new):
    """Ask and store, if the instance is one for cxrd."""
    try:
        if patiently(instance, is_wanted, instance, is_new):
            for store in patiently(instance, outcome, instance):
                patiently(instance, store)
    except Refused as e:
        note(instance, REFUSAL=e.problem, STATE=e.state)
    except Gone:
        pass


def follow():
    """Settle every instance that the log of changes names, oldest first, until Orthanc ends."""
    since = int(orthanc.GetGlobalProperty(READ_UP_TO, '-1'))
    if since < 0:  # for the first time here: nobody has asked about what is in the archive already
        since = get('/changes?last')['Last']
    orthanc.LogWarning(f'cxrd: {", ".join(MODALITIES)} go to {URL.geturl()}, from change {since} on')
    while not ended.is_set():
        news.clear()
        page = get(f'/changes?since={since}&limit=100')
        for change in page['Changes']:
            if change['ChangeType'] in ('NewInstance', 'UpdatedMetadata') and change['ResourceType'] == 'Instance':
                settle(change['ID'], change['ChangeType'] == 'NewInstance')
                orthanc.SetGlobalProperty(READ_UP_TO, str(change['Seq']))
        since = max(since, page['Last'])
        orthanc.SetGlobalProperty(READ_UP_TO, str(since))
        if page['Done']:
            news.wait()


def work():
    while not ended.is_set():
        try:
            follow()
        except Stopped:
            return
        except Exception as e:  # pylint: disable=broad-except
            # This thread must not end before Orthanc does, and what it was at is read again.
            orthanc.LogError(f'cxrd: {type(e).__name__}: {e}')
            ended.wait(LONGEST_PAUSE)


worker = threading.Thread(target=work, daemon=True)


def changed(kind, _level, _resource):
    if kind == orthanc.ChangeType.ORTHANC_STARTED:
        worker.start()
    elif kind == orthanc.ChangeType.ORTHANC_STOPPED:
        ended.set()
        news.set()
        service.interrupt()
        worker.join(SECONDS)
    elif kind in (orthanc.ChangeType.NEW_INSTANCE, orthanc.ChangeType.UPDATED_METADATA):
        news.set()


def url_is_usable():
    try:
        return URL.scheme in ('http', 'https') and bool(URL.hostname) and URL.port != 0
    except ValueError:  # a port above 65,535, or that is no number
        return False


if url_is_usable():
    orthanc.RegisterOnChangeCallback(changed)
else:
    orthanc.LogError(f'cxrd: CXRD_URL is {URL.geturl()}, which is no http or https URL: no radiograph goes anywhere')
