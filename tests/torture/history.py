#!/usr/bin/python3
"""Whether several servers over one database kept what they promise, judged from what their clients saw and from nothing else.

    history.py FILE     the verdict on a history; exit status 1 where a guarantee was broken

A history is a file of JSON lines, one an operation, in any order. Each has `client`, `op`, `server` (its number, where it is known),
`invoked` and `completed` (seconds of one clock; null: no answer came) and `outcome`:

    ok       it was done, and the line has what was answered
    fail     it was refused, or it only reads, and changed nothing
    unknown  no answer, or one that leaves it open: it may have been done, at any time after `invoked`

    predict   film, asked (the model that ?model= named, or null), model, epoch (null where a model was asked for), answer (a digest)
    activate  key (its Idempotency-Key), model, epoch
    submit    key, recipe (the name of what is trained), job
    list      jobs: {id: state}, models: {id: the job that made it, or null}; all there are
    events    job, after (Last-Event-ID), events: [[id, name, data]…], ended (the server said that there are no more)
    weights   model, digest of the tensors
    golden    not an operation: what one server that nobody disturbs gives for a recipe (`digest`) or for a model and a film (`answer`)

Lines with `final` true were written when all faults were over, all servers answered and no job was left to do; every server is asked for
everything then. The guarantees (the clock is the clients', so an operation happened between `invoked` and `completed`):

G1  an acknowledged job takes effect once: a key has one job; a job that was acknowledged has succeeded in the end and has one model; its
    events tell of its beginning, each epoch once and in order, and one end, which is the last; and no job is there that no key asked for
G2  epochs strictly grow: an activation whose first request came after another's reply has a greater epoch; a key has one epoch and an epoch
    one model, for activations and predictions; a server's answers never go back
G3  a prediction that was asked for after the reply to an activation with epoch n is answered by n or a later one, by whichever server
G4  202 means durable: a job that was acknowledged is in every list that was asked for later, and an acknowledged epoch is not undone
G5  the same recipe gives the same weights, those of one undisturbed server, however often its job was taken over
G6  in the end all servers list the same jobs and models, tell the same events and weights, and answer alike by any model; a reader of events
    who came back with the last id that it had has missed no milestone and has had none twice

A broken guarantee is a Violation. Where there was nothing to judge a guarantee by, that is said too: the counts have how often each was put
to the test."""
import bisect
import collections
import itertools
import json
import sys

Violation = collections.namedtuple('Violation', 'guarantee what')
ENDS = ('succeeded', 'failed', 'cancelled')
GUARANTEES = ('G1', 'G2', 'G3', 'G4', 'G5', 'G6')


class History:
    """The lines of a history by kind; those that were done, unless it says otherwise."""

    def __init__(self, lines):
        self.lines = lines
        done = collections.defaultdict(list)
        for line in lines:
            if line.get('outcome', 'ok') == 'ok':
                done[line['op']].append(line)
        self.done = done
        self.final = {kind: [line for line in done[kind] if line.get('final')] for kind in ('list', 'events', 'weights', 'predict')}
        self.jobs = {line['key']: line['job'] for line in done['submit']}
        self.broken = []
        self.counts = collections.Counter()

    def check(self, guarantee, holds, what):
        """Count it, and keep what is broken."""
        self.counts[guarantee] += 1
        if not holds:
            self.broken.append(Violation(guarantee, what))

    def keys(self, kind):
        """All keys that were ever sent, whatever became of them."""
        return {line['key'] for line in self.lines if line['op'] == kind}

    def recipes(self):
        """The recipe of each job that was acknowledged."""
        return {line['job']: line['recipe'] for line in self.done['submit']}

    def journals(self):
        """The events of each job, as each server told them in the end: {job: [events…]}."""
        told = collections.defaultdict(list)
        for line in self.final['events']:
            if line['after'] == 0:
                told[line['job']].append(line['events'])
        return told


def newest_before(pairs):
    """A function of a time: the greatest number among the pairs (time, number) before it, 0 where there is none."""
    pairs = sorted(pairs)
    times = [time for time, _ in pairs]
    greatest = list(itertools.accumulate((number for _, number in pairs), max, initial=0))
    return lambda time: greatest[bisect.bisect_left(times, time)]


def one_value(history, guarantee, pairs, what):
    """A name has one value, however often it is told."""
    values = {}
    for name, value in pairs:
        history.check(guarantee, values.setdefault(name, value) == value, f'{what} {name}: {values[name]} and {value}')
    return values


# ---- G1 ----

def milestones(events):
    return [event for event in events if event[1] != 'step']


def check_journal(history, job, events):
    """One beginning, each epoch once, one end and nothing behind it."""
    states = [data['state'] for _, name, data in events if name == 'state']
    ends = [state for state in states if state in ENDS]
    epochs = [data['epoch'] for _, name, data in events if name == 'epoch']
    last = milestones(events)[-1:]
    history.check('G1', states[:1] == ['queued'] and 'running' in states, f'job {job} began so: {states}')
    history.check('G1', ends == ['succeeded'], f'job {job} ended {len(ends)} times: {states}')
    history.check('G1', last and last[0][1] == 'state' and last[0][2]['state'] in ENDS, f'job {job}: something follows its end: {last}')
    history.check('G1', epochs == list(range(1, len(epochs) + 1)), f'job {job} told of epochs {epochs}')


def check_once(history):
    one_value(history, 'G1', ((line['key'], line['job']) for line in history.done['submit']), 'the jobs of key')
    owners = collections.defaultdict(set)
    for key, job in history.jobs.items():
        owners[job].add(key)
    for job, keys in owners.items():
        history.check('G1', len(keys) == 1, f'job {job} was given to {sorted(keys)}')
    for line in history.final['list']:
        models = collections.Counter(line['models'].values())
        for job in owners:
            history.check('G1', line['jobs'].get(job) == 'succeeded', f'lost: job {job} is {line["jobs"].get(job)} on {line["server"]}')
            history.check('G1', models[job] == 1, f'job {job} has {models[job]} models on {line["server"]}')
        strangers = len(set(line['jobs']) - set(owners))
        unsure = len(history.keys('submit') - set(history.jobs))
        history.check('G1', strangers <= unsure, f'doubled: {strangers} jobs that no key asked for, {unsure} keys without an answer')
    for job, tellings in history.journals().items():
        for events in tellings:
            check_journal(history, job, events)


# ---- G2, G3: epochs ----

def by_active(history):
    """Predictions by whichever model was active."""
    return [line for line in history.done['predict'] if line['asked'] is None]


def check_epochs(history):
    done = history.done['activate']
    epochs = one_value(history, 'G2', ((line['key'], line['epoch']) for line in done), 'the epochs of key')
    one_value(history, 'G2', ((line['epoch'], line['model']) for line in done + by_active(history)), 'the models of epoch')
    one_value(history, 'G2', ((epoch, key) for key, epoch in epochs.items()), 'the keys of epoch')
    answered, asked = {}, {}
    for line in history.lines:
        if line['op'] == 'activate' and line['key'] in epochs:
            asked[line['key']] = min(line['invoked'], asked.get(line['key'], line['invoked']))
            if line['outcome'] == 'ok':
                answered[line['key']] = min(line['completed'], answered.get(line['key'], line['completed']))
    newest = newest_before((answered[key], epochs[key]) for key in epochs)
    for key, epoch in epochs.items():
        before = newest(asked[key])
        history.check('G2', epoch > before, f'the activation {key} has epoch {epoch}, asked for after the reply with epoch {before}')
    of_server = collections.defaultdict(list)
    for line in by_active(history):
        of_server[line['server']].append(line)
    for server, lines in of_server.items():
        newest = newest_before((line['completed'], line['epoch']) for line in lines)
        for line in lines:
            before = newest(line['invoked'])
            history.check('G2', line['epoch'] >= before, f'server {server} answered by epoch {line["epoch"]} after {before}')


def check_no_old_answer(history):
    newest = newest_before((line['completed'], line['epoch']) for line in history.done['activate'])
    for line in by_active(history):
        before = newest(line['invoked'])
        history.check('G3', line['epoch'] >= before, f'server {line["server"]} answered by epoch {line["epoch"]} at {line["completed"]:.3f}, '
                      f'asked at {line["invoked"]:.3f}, after the reply with epoch {before}')


# ---- G4 ----

def check_durable(history):
    acknowledged = {}
    for line in history.done['submit']:
        acknowledged[line['job']] = min(line['completed'], acknowledged.get(line['job'], line['completed']))
    for line in history.done['list']:
        for job, at in acknowledged.items():
            if at < line['invoked']:
                history.check('G4', job in line['jobs'], f'job {job} was acknowledged and is not in a later list of {line["server"]}')
    epochs = [line['epoch'] for line in history.done['activate']]
    for line in history.final['predict']:
        if line['asked'] is None and epochs:
            history.check('G4', line['epoch'] >= max(epochs), f'epoch {max(epochs)} was acknowledged, and in the end it is {line["epoch"]}')


# ---- G5, G6 ----

def check_weights(history):
    golden = {line['recipe']: line['digest'] for line in history.done['golden'] if 'recipe' in line}
    recipes = history.recipes()
    made_by = {model: job for line in history.final['list'] for model, job in line['models'].items()}
    for line in history.final['weights']:
        recipe = recipes.get(made_by.get(line['model']))
        if recipe in golden:
            history.check('G5', line['digest'] == golden[recipe], f'job {made_by[line["model"]]} made other weights of {recipe}')


def check_reader(history, line, journals):
    """A reader has had all that the journal has behind `after`, or the beginning of that."""
    whole = [event for event in milestones(journals[line['job']][0]) if event[0] > line['after']]
    had = milestones(line['events'])
    history.check('G6', had == whole[:len(had)], f'a reader of job {line["job"]} from {line["after"]} had {had}, and there is {whole}')
    if line['ended']:
        history.check('G6', len(had) == len(whole), f'a reader of job {line["job"]} was told that it is over before {whole[len(had):]}')


def check_alike(history):
    views = [(sorted(line['jobs'].items()), sorted(line['models'].items(), key=str)) for line in history.final['list']]
    for view in views[1:]:
        history.check('G6', view == views[0], 'two servers list other jobs or models')
    journals = history.journals()
    for job, tellings in journals.items():
        for events in tellings[1:]:
            history.check('G6', milestones(events) == milestones(tellings[0]), f'two servers tell other events of job {job}')
    for line in history.done['events']:
        if line['job'] in journals:
            check_reader(history, line, journals)
    one_value(history, 'G6', ((line['model'], line['digest']) for line in history.final['weights']), 'the weights of')
    golden = [line for line in history.done['golden'] if 'film' in line]
    one_value(history, 'G6', (((line['model'], line['film']), line['answer']) for line in golden + history.done['predict']),
              'the answers of model and film')
    for line in history.done['predict']:
        if line['asked'] is not None:
            history.check('G6', line['model'] == line['asked'], f'asked for model {line["asked"]}, answered by {line["model"]}')


CHECKS = (check_once, check_epochs, check_no_old_answer, check_durable, check_weights, check_alike)


def judge(lines):
    """(violations, {guarantee: how often it was put to the test})."""
    history = History(lines)
    for check in CHECKS:
        check(history)
    return history.broken, {guarantee: history.counts[guarantee] for guarantee in GUARANTEES}


def verdict(lines):
    """Sentences for a reader: an empty list where all guarantees were tested and kept."""
    broken, counts = judge(lines)
    wrong = [f'{violation.guarantee}: {violation.what}' for violation in broken]
    return wrong + [f'{guarantee}: nothing to judge it by' for guarantee, count in counts.items() if count == 0]


def main():
    with open(sys.argv[1], encoding='utf-8') as file:
        lines = [json.loads(line) for line in file]
    wrong = verdict(lines)
    print(*wrong, sep='\n')
    print(json.dumps(judge(lines)[1]))
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
